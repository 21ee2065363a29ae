"""The periods of a partner's CDR as the engine takes them: ends, times, powers. Pure.

A period ends where the next later one begins, the last with the CDR. Times come from the instants, since four decimals
of an hour are 0.18 s off and must not buy another block (billing note 7); only where several times share one stretch do
their volumes say how much each is. What disagrees is told and priced nonetheless.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from voltway.kernel.clock import from_micros, to_micros
from voltway.kernel.energy import MILLIWH_PER_KWH
from voltway.kernel.ids import TariffId
from voltway.tariffs.model import ChargingPeriod, PeriodKind, Volumes
from voltway.tariffs.ocpi_cdr_reader import CdrPeriod, PartnerCdr, Volume
from voltway.tariffs.priced import PriceWarning
from voltway.tariffs.rates import MICROS_PER_HOUR, MICROS_PER_SECOND, Exact

_TIMES = (Volume.RESERVATION_TIME, Volume.TIME, Volume.PARKING_TIME)
_HALF_UNIT_US = 180_000
"""Half a unit of the fourth decimal of an hour: what rounding one volume costs."""
_AGREE_US = 2 * _HALF_UNIT_US
"""What a difference of two rounded running sums may be off, which is how we write volumes ourselves."""


@dataclass(frozen=True, slots=True)
class SessionPeriod:
    """A period for the engine, where it comes from, and what was odd about it."""

    period: ChargingPeriod
    pointer: str
    warnings: tuple[PriceWarning, ...] = ()
    is_power_assumed: bool = False

    def with_tariff(self, tariff_id: TariffId) -> ChargingPeriod:
        """Return the period with the tariff that prices it."""
        return replace(self.period, tariff_id=tariff_id)


class _Share(NamedTuple):
    """One time of one period: which, and how long by its volume."""

    period: CdrPeriod
    kind: Volume
    volume_us: Fraction


class _Stretch(NamedTuple):
    """All periods that begin at one instant, and where the next later one begins."""

    start: datetime
    end: datetime
    periods: Sequence[CdrPeriod]


def session_periods(cdr: PartnerCdr, *, times_by_volumes: bool = False) -> Iterator[SessionPeriod]:
    """Yield the periods of a CDR in time order; a reservation inside one becomes a period of its own before it.

    `times_by_volumes` takes every time from its volume as it stands: a reading that is not ours (`tariffs.readings`).
    """
    for stretch in _stretches(cdr):
        times, disagreements = _times(stretch, by_volumes=times_by_volumes)
        for period in stretch.periods:
            warnings = (*_misplaced(period, cdr), *disagreements.get(period.pointer, ()))
            yield from _session_periods(period, stretch, times, warnings)


def _stretches(cdr: PartnerCdr) -> Iterator[_Stretch]:
    by_start: dict[datetime, list[CdrPeriod]] = defaultdict(list)
    for period in cdr.periods:
        by_start[period.start].append(period)
    starts = sorted(by_start)
    for start, after in pairwise([*starts, None]):
        assert start is not None, "only the last entry is None"
        end = after if after is not None else max(cdr.ended_at, start)
        yield _Stretch(start, end, by_start[start])


_Times = Mapping[tuple[str, Volume], Exact]


def _times(stretch: _Stretch, *, by_volumes: bool) -> tuple[_Times, Mapping[str, tuple[PriceWarning, ...]]]:
    """Return each time of a stretch in microseconds, and who disagrees with the instants."""
    span_us = to_micros(stretch.end) - to_micros(stretch.start)
    listed = [
        _Share(period, kind, Fraction(period.volumes[kind]) * MICROS_PER_HOUR)
        for period in stretch.periods
        for kind in _TIMES
        if kind in period.volumes
    ]
    # A 0 says that there was no such time, unless the stretch is so short that its volume was rounded to 0.
    shares = [share for share in listed if share.volume_us] or (listed[:1] if span_us <= _AGREE_US else [])
    said_us = sum((share.volume_us for share in shares), Fraction(0))
    warnings: dict[str, tuple[PriceWarning, ...]] = {}
    if shares and abs(said_us - span_us) > _AGREE_US * len(shares):
        warnings[shares[0].period.pointer] = (_disagreement(shares[0], said_us, span_us, alone=len(shares) == 1),)
    if by_volumes:
        return {(share.period.pointer, share.kind): _exact(share.volume_us) for share in shares}, warnings
    if len(shares) == 1:
        return {(shares[0].period.pointer, shares[0].kind): span_us}, warnings
    return {(share.period.pointer, share.kind): _snapped(share.volume_us) for share in shares}, warnings


def _snapped(volume_us: Fraction) -> Exact:
    """Take the whole second that a rounded volume means: 0.6667 h are 2400 s."""
    second_us = round(volume_us / MICROS_PER_SECOND) * MICROS_PER_SECOND
    return second_us if abs(volume_us - second_us) <= _HALF_UNIT_US else _exact(volume_us)


def _exact(value: Fraction) -> Exact:
    return value.numerator if value.denominator == 1 else value


def _disagreement(share: _Share, said_us: Fraction, span_us: int, *, alone: bool) -> PriceWarning:
    said_s, span_s = float(said_us / MICROS_PER_SECOND), span_us / MICROS_PER_SECOND
    taken = "the instants were taken" if alone else "the volumes were taken"
    words = f"The volumes say {said_s:g} s, the period lasts {span_s:g} s; {taken}."
    return PriceWarning("time_volume_differs", share.period.pointer, words)


def _misplaced(period: CdrPeriod, cdr: PartnerCdr) -> Iterator[PriceWarning]:
    if period.start < cdr.started_at:
        yield PriceWarning("period_before_start", period.pointer, "The period begins before start_date_time.")
    if period.start > cdr.ended_at:
        yield PriceWarning("period_after_end", period.pointer, "The period begins after the end of the CDR.")


def _session_periods(
    period: CdrPeriod, stretch: _Stretch, times: _Times, warnings: tuple[PriceWarning, ...]
) -> Iterator[SessionPeriod]:
    start, end = stretch.start, stretch.end
    own = set(period.volumes) & {Volume.ENERGY, Volume.TIME, Volume.PARKING_TIME}
    is_shared = any(period.volumes[name] for name in own)
    # A reservation of no length is one still: it must not begin the session and its FLAT.
    nothing = 0 if Volume.RESERVATION_TIME in period.volumes and not is_shared else None
    reserved = times.get((period.pointer, Volume.RESERVATION_TIME), nothing)
    if reserved is not None:
        until = min(from_micros(to_micros(start) + int(reserved)), end)
        waiting = _with_extremes(ChargingPeriod(start, until, None, PeriodKind.RESERVATION), period)
        yield SessionPeriod(waiting, period.pointer, () if is_shared else warnings)
        start = until
    if reserved is None or is_shared:
        yield _charging(period, start, end, times, warnings)


def _charging(
    period: CdrPeriod, start: datetime, end: datetime, times: _Times, warnings: tuple[PriceWarning, ...]
) -> SessionPeriod:
    volumes = Volumes(_milliwh(period), _time(period, Volume.TIME, times), _time(period, Volume.PARKING_TIME, times))
    is_parked = volumes.time_us is None and volumes.parking_us is not None
    kind = PeriodKind.PARKING if is_parked else PeriodKind.CHARGING
    charging = _with_extremes(ChargingPeriod(start, end, None, kind, volumes=volumes), period)
    if charging.power_w is not None:
        return SessionPeriod(charging, period.pointer, warnings)
    mean_w = _mean_power_w(volumes, to_micros(end) - to_micros(start))
    return SessionPeriod(replace(charging, power_w=mean_w), period.pointer, warnings, is_power_assumed=True)


def _with_extremes(charging: ChargingPeriod, period: CdrPeriod) -> ChargingPeriod:
    power_w, power_max_w = _extremes(period, Volume.MIN_POWER, Volume.POWER, Volume.MAX_POWER, scale=1000)
    current_a, current_max_a = _extremes(period, Volume.MIN_CURRENT, Volume.CURRENT, Volume.MAX_CURRENT, scale=1)
    return replace(
        charging,
        power_w=power_w,
        power_max_w=power_max_w,
        current_a=current_a,
        current_max_a=current_max_a,
        tariff_id=period.tariff_id,
    )


def _milliwh(period: CdrPeriod) -> Exact | None:
    kwh = period.volumes.get(Volume.ENERGY)
    return None if kwh is None else _exact(Fraction(kwh) * MILLIWH_PER_KWH)


def _time(period: CdrPeriod, kind: Volume, times: _Times) -> Exact | None:
    """Return a time in microseconds; a listed 0 counts as 0 unless the period has another time."""
    found = times.get((period.pointer, kind))
    if found is not None or kind not in period.volumes:
        return found
    return None if any(pointer == period.pointer for pointer, _ in times) else 0


def _extremes(
    period: CdrPeriod, least: Volume, mean: Volume, most: Volume, *, scale: int
) -> tuple[float | None, float | None]:
    """Return the least and the greatest momentary value; one that is not named is the nearest that is."""
    low, middle, high = (period.volumes.get(kind) for kind in (least, mean, most))
    first = next((value for value in (low, middle, high) if value is not None), None)
    last = next((value for value in (high, middle, low) if value is not None), None)
    return _scaled(first, scale), _scaled(last, scale)


def _scaled(value: Decimal | None, scale: int) -> float | None:
    return None if value is None else float(value * scale)


def _mean_power_w(volumes: Volumes, span_us: int) -> float | None:
    """Return energy over time, which is what OCPI's dimension POWER says."""
    milliwh, time_us = volumes.energy_milliwh, volumes.time_us or span_us
    return float(Fraction(milliwh) * 3_600_000 / Fraction(time_us)) if milliwh and time_us else None

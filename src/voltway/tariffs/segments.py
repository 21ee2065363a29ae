"""Cutting periods where a price can change, so that pricing a period by its start is right; and the hour to come.

Used by `sessions` before `tariffs.engine.price`, and by forecasts. Energy inside a period is taken as linear in time
and cut to 0.1 Wh, so that OCPI's four decimals of a kWh carry it exactly. Power bands follow the samples: not cut here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from voltway.kernel.clock import from_micros, to_micros
from voltway.kernel.energy import MILLIWH_PER_WH, Energy
from voltway.tariffs.boundaries import boundaries, energy_thresholds
from voltway.tariffs.engine import price, split_at
from voltway.tariffs.model import ChargingPeriod, PeriodKind, Tariff
from voltway.tariffs.priced import Cost
from voltway.tariffs.rates import MICROS_PER_HOUR

_QUANTUM_MILLIWH = 100
_HOUR = timedelta(hours=1)


def cut_periods(
    tariff: Tariff, periods: Iterable[ChargingPeriod], *, time_zone: str, started_at: datetime | None = None
) -> list[ChargingPeriod]:
    """Return the periods in time order, cut at each clock, duration and kWh restriction that can change inside.

    Durations count from `started_at`, by default the first period's start; periods with explicit times stay whole.
    """
    ordered = sorted(periods, key=lambda period: (to_micros(period.start), to_micros(period.end)))
    if not ordered:
        return []
    origins = _origins(ordered, started_at)
    thresholds = energy_thresholds(tariff)
    cut: list[ChargingPeriod] = []
    before_milliwh = 0
    for period in ordered:
        pieces = _cut_energy(period, before_milliwh, thresholds)
        cut.extend(part for piece in pieces for part in _cut_time(tariff, piece, origins[period.kind], time_zone))
        before_milliwh += period.energy.milliwh if period.energy is not None else 0
    return cut


def _origins(ordered: Sequence[ChargingPeriod], started_at: datetime | None) -> dict[PeriodKind, datetime]:
    """Return where durations begin: a session's behind its reservation, a reservation's at its own first period."""
    reserved = next((p.start for p in ordered if p.kind is PeriodKind.RESERVATION), ordered[0].start)
    begun = started_at or next((p.start for p in ordered if p.kind is not PeriodKind.RESERVATION), reserved)
    return {PeriodKind.RESERVATION: reserved, PeriodKind.CHARGING: begun, PeriodKind.PARKING: begun}


def next_hour(
    tariff: Tariff,
    periods: Sequence[ChargingPeriod],
    assumed: ChargingPeriod,
    *,
    time_zone: str,
    now: Cost | None = None,
) -> Cost:
    """Return what an assumed period (an hour, see `another_hour`) would add to the price of the periods so far.

    `now` is that price, where somebody has it already.
    """
    more = cut_periods(tariff, [*periods, assumed], time_zone=time_zone)
    now = now or price(tariff, periods, time_zone=time_zone).total
    then = price(tariff, more, time_zone=time_zone).total
    incl = then.incl_vat - now.incl_vat if then.incl_vat is not None and now.incl_vat is not None else None
    return Cost(then.excl_vat - now.excl_vat, incl)


def another_hour(last: ChargingPeriod) -> ChargingPeriod:
    """Assume one more hour of what the last period does: its power goes on (measured, else its average), an idle car
    stays idle.
    """
    return replace(last, start=last.end, end=last.end + _HOUR, energy=Energy(_quantised(_hourly(last))), volumes=None)


def _hourly(period: ChargingPeriod) -> int:
    if period.kind is PeriodKind.CHARGING and period.power_w is not None:
        # The last stretch is often the seconds since the last reading: nothing is metered in it yet.
        return round(period.power_w * MILLIWH_PER_WH)
    span_us = to_micros(period.end) - to_micros(period.start)
    milliwh = period.energy.milliwh if period.energy is not None else 0
    return milliwh * MICROS_PER_HOUR // span_us if span_us else 0


def _cut_energy(period: ChargingPeriod, before: int, thresholds: tuple[int, ...]) -> list[ChargingPeriod]:
    """Cut where the session's energy reaches a threshold; exactly there, whatever the quantum."""
    whole = period.energy.milliwh if period.energy is not None else 0
    found: list[ChargingPeriod] = []
    rest, done = period, 0
    start_us = to_micros(period.start)
    span_us = to_micros(period.end) - start_us
    for threshold in thresholds if period.volumes is None else ():
        share = threshold - before
        if not 0 < share < whole:
            continue
        instant = from_micros(start_us + span_us * share // whole)
        front, rest = split_at(rest, instant, Energy(share - done))
        found.append(front)
        done = share
    return [*found, rest]


def _cut_time(tariff: Tariff, period: ChargingPeriod, origin: datetime, time_zone: str) -> list[ChargingPeriod]:
    found: list[ChargingPeriod] = []
    rest = period
    if period.volumes is None:
        for instant in boundaries(tariff, period.start, period.end, time_zone=time_zone, started_at=origin):
            front, rest = split_at(rest, instant, _share(rest, instant))
            found.append(front)
    return [*found, rest]


def _share(period: ChargingPeriod, instant: datetime) -> Energy:
    start_us, end_us = to_micros(period.start), to_micros(period.end)
    milliwh = period.energy.milliwh if period.energy is not None else 0
    return Energy(_quantised(milliwh * (to_micros(instant) - start_us) // (end_us - start_us)))


def _quantised(milliwh: int) -> int:
    return milliwh // _QUANTUM_MILLIWH * _QUANTUM_MILLIWH

"""What a partner who has only the OCPI document would bill instead: sample sessions with and without our extension.

OCPI has no grace, cap, exempt window or price lock (billing notes 25 and 26); both prices come from the engine.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice, product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from voltway.kernel.energy import MILLIWH_PER_KWH, Energy
from voltway.kernel.money import decimal_text
from voltway.tariffs.engine import price
from voltway.tariffs.lint_findings import Finding
from voltway.tariffs.model import ChargingPeriod, Dimension, PeriodKind, Restrictions, Tariff, TaxIncluded
from voltway.tariffs.rates import zone
from voltway.tariffs.segments import cut_periods

_KWH = 20
_POWER_W = 20_000.0
_CURRENT_A = 87.0  # 20 kW over three phases
_HOUR = timedelta(hours=1)
_PARKED_MIN = (0, 10, 37, 90, 600)
_DAY_MINUTES = 24 * 60
_LONGEST_MIN = 31 * _DAY_MINUTES
_MOST_STARTS = 48
_USUAL_DAY = date(2026, 3, 2)
_NOON = time(12)
_LEAD = timedelta(minutes=30)
_MOST_WORK = 250_000  # restrictions times named times times days of the samples: about a second
_CENTURIES = (date(1900, 1, 1), date(2200, 1, 1))


class Sample(NamedTuple):
    """An assumed session: 20 kWh in the first hour, then parked."""

    start: datetime
    parked_min: int


def round_trip_findings(tariff: Tariff, time_zone: str | None) -> Iterator[Finding]:
    """Yield one finding for each part of the extension without which a sample session costs something else."""
    place = time_zone or "UTC"
    alone = replace(tariff, idle=None, price_lock=False)
    for key, without in (
        ("idle", replace(tariff, idle=None)),
        ("price_lock", replace(tariff, price_lock=False)),
    ):
        found = _first_difference(tariff, without, place) if without != tariff else None
        if found is not None:
            yield _finding(
                f"/extension/{key}", found, tariff, _total(alone, found, place), _total(tariff, found, place)
            )


def samples(tariff: Tariff, time_zone: str) -> Iterator[Sample]:
    """Yield sessions around the instants at which the tariff's clock changes, shortly parked ones first.

    A tariff of thousands of elements gets fewer of them.
    """
    parked = (*_PARKED_MIN, _minutes_to_cap(tariff))
    windows = _windows(tariff)
    days = sum(1 + minutes // _DAY_MINUTES for minutes in parked)
    count = _MOST_WORK // (len(windows) * len(_times(windows)) * days + 1)
    starts = islice(_starts(tariff, zone(time_zone)), max(1, min(count, _MOST_STARTS)))
    yield from (Sample(start, minutes) for minutes, start in product(parked, list(starts)))


def _first_difference(tariff: Tariff, without: Tariff, time_zone: str) -> Sample | None:
    all_samples = samples(tariff, time_zone)
    return next(
        (item for item in all_samples if _total(tariff, item, time_zone) != _total(without, item, time_zone)), None
    )


def _total(tariff: Tariff, sample: Sample, time_zone: str) -> Fraction:
    """Return the price in the terms in which the tariff's prices are named."""
    total = price(tariff, cut_periods(tariff, _periods(sample), time_zone=time_zone), time_zone=time_zone).total
    incl = total.incl_vat
    return incl if tariff.tax_included is TaxIncluded.YES and incl is not None else total.excl_vat


def _periods(sample: Sample) -> Iterator[ChargingPeriod]:
    full = sample.start + _HOUR
    energy = Energy(_KWH * MILLIWH_PER_KWH)
    yield ChargingPeriod(sample.start, full, energy, power_w=_POWER_W, current_a=_CURRENT_A)
    if sample.parked_min:
        end = full + timedelta(minutes=sample.parked_min)
        yield ChargingPeriod(full, end, Energy(0), PeriodKind.PARKING, power_w=0.0, current_a=0.0)


def _starts(tariff: Tariff, local: ZoneInfo) -> Iterator[datetime]:
    """Yield a weekday's noon, then half an hour before each named time on each day on which something changes."""
    windows = _windows(tariff)
    for day in _days(tariff, windows):
        for clock in (_NOON, *_times(windows)):
            lead = timedelta() if clock == _NOON else _LEAD
            start = (datetime.combine(day, clock, local) - lead).astimezone(UTC)
            if tariff.is_valid_at(start):
                yield start


def _days(tariff: Tariff, windows: list[Restrictions]) -> list[date]:
    """Return days to look at: a Monday, a Friday and a Sunday, and where the dates of a restriction begin and end."""
    valid = tariff.start_date_time
    first = _USUAL_DAY if valid is None or valid.date() < _USUAL_DAY else valid.date() + timedelta(days=1)
    named = {day for window in windows for day in (window.start_date, window.end_date) if day is not None}
    days = [first + timedelta(days=ahead) for ahead in (0, 4, 6)] if first < _CENTURIES[1] else []
    return [*days, *sorted(day for day in named if _CENTURIES[0] < day < _CENTURIES[1])]


def _times(windows: list[Restrictions]) -> list[time]:
    named = {clock for window in windows for clock in (window.start_time, window.end_time) if clock is not None}
    return [*sorted(named - {time(0)}), time(0)]


def _windows(tariff: Tariff) -> list[Restrictions]:
    exempt = tariff.idle.exempt if tariff.idle is not None else ()
    return [*exempt, *(element.restrictions for element in tariff.elements if element.restrictions is not None)]


def _minutes_to_cap(tariff: Tariff) -> int:
    """Return how long a car must park for twice the cap, so that a great cap is seen too."""
    if tariff.idle is None or tariff.idle.cap is None:
        return max(_PARKED_MIN)
    prices = [
        component.price
        for element in tariff.elements
        for component in element.components
        if component.dimension is Dimension.PARKING_TIME and component.price > 0
    ]
    cheapest = min(prices, default=Decimal(0))
    needed = tariff.idle.grace_s // 60 + int(tariff.idle.cap / cheapest * 120) if cheapest else 0
    return min(max(needed, *_PARKED_MIN), _LONGEST_MIN)


def _finding(path: str, sample: Sample, tariff: Tariff, theirs: Fraction, ours: Fraction) -> Finding:
    parked = f" and {sample.parked_min} min parked" if sample.parked_min else ""
    session = f"{_KWH} kWh in 60 min{parked}, begun {sample.start:%Y-%m-%d %H:%M} UTC"
    amounts = f"{decimal_text(theirs, 4)} {tariff.currency} instead of {decimal_text(ours, 4)} {tariff.currency}"
    return Finding(
        "round_trip",
        path,
        f"A partner with the OCPI document alone would bill {amounts} for {session}.",
        "Bill roaming sessions by our CDR, or give partners a tariff whose OCPI document says the same; "
        "name the rule in tariff_alt_text.",
    )

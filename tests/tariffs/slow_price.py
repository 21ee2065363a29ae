"""A second, slow, obviously right evaluator: it walks every second of a session and asks each element anew.

It shares nothing with the engine but the model: local time by zoneinfo, restrictions by plain comparisons, Fractions.
Periods must be whole seconds with the energy of each second the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from zoneinfo import ZoneInfo

from voltway.tariffs.model import ChargingPeriod, Dimension, PeriodKind, PriceComponent, Restrictions, Tariff

_STEP = {Dimension.ENERGY: Fraction(1, 1000)}


def slow_total(tariff: Tariff, periods: Sequence[ChargingPeriod], time_zone: str) -> tuple[Fraction, Fraction]:
    """Return the price without and with VAT."""
    seconds = [(index, second) for index, period in enumerate(periods) for second in range(_length_s(period))]
    used: dict[Dimension, list[tuple[PriceComponent, Fraction]]] = defaultdict(list)
    energy, flat_done, origin = Fraction(0), False, periods[0].start
    for index, second in seconds:
        period = periods[index]
        instant = period.start.astimezone(UTC) + timedelta(seconds=second)
        share = Fraction(period.energy.milliwh if period.energy else 0, 1_000_000) / _length_s(period)
        moment = (instant, energy, (instant - origin).total_seconds(), period.power_w)
        timed = Dimension.TIME if period.kind is PeriodKind.CHARGING else Dimension.PARKING_TIME
        for dimension, quantity in ((Dimension.ENERGY, share), (timed, Fraction(1, 3600))):
            component = _applicable(tariff, dimension, moment, time_zone)
            if component is not None and quantity:
                used[dimension].append((component, quantity))
        fee = _applicable(tariff, Dimension.FLAT, moment, time_zone)
        if fee is not None and not flat_done:
            used[Dimension.FLAT].append((fee, Fraction(1)))
            flat_done = True
        energy += share
    return _sum(used)


def _length_s(period: ChargingPeriod) -> int:
    return int((period.end.astimezone(UTC) - period.start.astimezone(UTC)).total_seconds())


def _sum(used: dict[Dimension, list[tuple[PriceComponent, Fraction]]]) -> tuple[Fraction, Fraction]:
    excl = incl = Fraction(0)
    for dimension, parts in used.items():
        total = sum(quantity for _, quantity in parts)
        last = parts[-1][0]
        step = last.step_size * _STEP.get(dimension, Fraction(1, 3600))
        is_stepped = dimension is not Dimension.FLAT and step
        if is_stepped and not (dimension is Dimension.TIME and Dimension.PARKING_TIME in used):
            parts.append((last, ceil(total / step) * step - total))
        for component, quantity in parts:
            amount = Fraction(component.price) * quantity
            excl += amount
            incl += amount * (1 + Fraction(component.vat or 0) / 100)
    return excl, incl


def _applicable(
    tariff: Tariff, dimension: Dimension, moment: tuple[datetime, Fraction, float, float | None], time_zone: str
) -> PriceComponent | None:
    for element in tariff.elements:
        for component in element.components:
            matches = component.dimension is dimension
            if matches and (element.restrictions is None or _holds(element.restrictions, moment, time_zone)):
                return component
    return None


def _holds(r: Restrictions, moment: tuple[datetime, Fraction, float, float | None], time_zone: str) -> bool:
    instant, kwh, elapsed_s, power_w = moment
    local = instant.astimezone(ZoneInfo(time_zone))
    needs_power = r.min_power is not None or r.max_power is not None
    return all(
        (
            _in_window(r, local),
            not r.day_of_week or local.weekday() in r.day_of_week,
            r.start_date is None or local.date() >= r.start_date,
            r.end_date is None or local.date() < r.end_date,
            r.min_kwh is None or kwh >= r.min_kwh,
            r.max_kwh is None or kwh < r.max_kwh,
            r.min_duration_s is None or elapsed_s >= r.min_duration_s,
            r.max_duration_s is None or elapsed_s < r.max_duration_s,
            not needs_power or power_w is not None,
            r.min_power is None or power_w is None or power_w / 1000 >= r.min_power,
            r.max_power is None or power_w is None or power_w / 1000 < r.max_power,
        )
    )


def _in_window(r: Restrictions, local: datetime) -> bool:
    now = local.strftime("%H:%M")
    start = r.start_time.strftime("%H:%M") if r.start_time is not None else "00:00"
    end = r.end_time.strftime("%H:%M") if r.end_time is not None else "24:00"
    end = "24:00" if end == "00:00" else end
    if start == end:
        return True
    return start <= now < end if start < end else now >= start or now < end

"""A second, slow, obviously right evaluator: it walks every second of a session and asks each element anew.

It shares nothing with the engine but the model: local time by zoneinfo, restrictions by plain comparisons, Fractions.
The readings are those of docs/algorithms/price.md. Periods must be whole seconds long; the energy of a period is
spread evenly over its seconds, and an energy threshold must be reached between two seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo

from voltway.tariffs.model import (
    ChargingPeriod,
    Dimension,
    PeriodKind,
    PriceComponent,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TaxIncluded,
)

_SECOND = timedelta(seconds=1)
_SECOND_H = Fraction(1, 3600)
_WH = Fraction(1, 1000)
_MIDNIGHT = time(0, 0)


class Use(NamedTuple):
    """What a component priced: kWh, hours or 1 session."""

    component: PriceComponent
    quantity: Fraction


class Second(NamedTuple):
    """One second of a session: its energy, and all that restrictions are judged on as it begins."""

    kind: PeriodKind
    local: datetime
    first_local: datetime
    elapsed_s: int
    energy_kwh: Fraction
    charged_kwh: Fraction
    power_w: tuple[float, float] | None
    current_a: tuple[float, float] | None


@dataclass(slots=True)
class Bill:
    """What was used of each priced thing, in the order of time."""

    energy: list[Use]
    charging: list[Use]
    parking: list[Use]
    reserved: list[Use]
    fees: list[Use]


def slow_total(
    tariff: Tariff, periods: Iterable[ChargingPeriod], time_zone: str, *, reservation_expired: bool = False
) -> tuple[Fraction, Fraction]:
    """Return the price without and with VAT, after steps, cap and limits."""
    seconds = list(_seconds(sorted(periods, key=lambda period: period.start), ZoneInfo(time_zone)))
    reservation = [second for second in seconds if second.kind is PeriodKind.RESERVATION]
    session = [second for second in seconds if second.kind is not PeriodKind.RESERVATION]
    bill = Bill([], [], [], [], [])
    _reserve(bill, tariff, reservation, reservation_expired)
    _charge(bill, tariff, session)
    _park(bill, tariff, [second for second in session if second.kind is PeriodKind.PARKING])
    _round_up(bill)
    _cap(bill, tariff)
    totals = _sum(bill, tariff)
    return _limited(tariff, totals) if seconds else totals


def _seconds(periods: Sequence[ChargingPeriod], zone: ZoneInfo) -> Iterator[Second]:
    """Walk all seconds; reservation and session each have their own first instant."""
    firsts: dict[bool, datetime] = {}
    charged = Fraction(0)
    for period in periods:
        length_s = (period.end - period.start) // _SECOND
        share = Fraction(period.energy.milliwh if period.energy is not None else 0, 1_000_000 * length_s)
        first = firsts.setdefault(period.kind is PeriodKind.RESERVATION, period.start)
        for instant in (period.start + number * _SECOND for number in range(length_s)):
            yield Second(
                kind=period.kind,
                local=instant.astimezone(zone),
                first_local=first.astimezone(zone),
                elapsed_s=(instant - first) // _SECOND,
                energy_kwh=share,
                charged_kwh=charged,
                power_w=_range(period.power_w, period.power_max_w),
                current_a=_range(period.current_a, period.current_max_a),
            )
            charged += share


def _range(least: float | None, most: float | None) -> tuple[float, float] | None:
    return None if least is None else (least, least if most is None else most)


def _reserve(bill: Bill, tariff: Tariff, seconds: Sequence[Second], expired: bool) -> None:  # noqa: FBT001 - handed through
    for second in seconds:
        component = None
        if expired:
            component = _applicable(tariff, Dimension.TIME, second, Reservation.RESERVATION_EXPIRES)
        component = component or _applicable(tariff, Dimension.TIME, second, Reservation.RESERVATION)
        _note(bill.reserved, component, _SECOND_H)
    _first_fee(bill, tariff, seconds, Reservation.RESERVATION)
    if expired:
        _first_fee(bill, tariff, seconds[-1:], Reservation.RESERVATION_EXPIRES)


def _charge(bill: Bill, tariff: Tariff, seconds: Sequence[Second]) -> None:
    for second in seconds:
        _note(bill.energy, _applicable(tariff, Dimension.ENERGY, second), second.energy_kwh)
        if second.kind is PeriodKind.CHARGING:
            _note(bill.charging, _applicable(tariff, Dimension.TIME, second), _SECOND_H)
    _first_fee(bill, tariff, seconds, None)


def _park(bill: Bill, tariff: Tariff, seconds: Sequence[Second]) -> None:
    """Bill the idle seconds behind the grace and outside of the exempt windows."""
    grace_s = tariff.idle.grace_s if tariff.idle is not None else 0
    exempt = tariff.idle.exempt if tariff.idle is not None else ()
    for second in seconds[grace_s:]:
        if not any(_holds(window, second, second.local) for window in exempt):
            _note(bill.parking, _applicable(tariff, Dimension.PARKING_TIME, second), _SECOND_H)


def _first_fee(bill: Bill, tariff: Tariff, seconds: Iterable[Second], reservation: Reservation | None) -> None:
    for second in seconds:
        fee = _applicable(tariff, Dimension.FLAT, second, reservation)
        if fee is not None:
            bill.fees.append(Use(fee, Fraction(1)))
            return


def _note(uses: list[Use], component: PriceComponent | None, quantity: Fraction) -> None:
    if component is not None and quantity:
        uses.append(Use(component, quantity))


def _round_up(bill: Bill) -> None:
    """Round energy, reserved time, and idle time or else charging time, by the last step and at its price."""
    timed = bill.parking or bill.charging
    for uses, unit in ((bill.energy, _WH), (bill.reserved, _SECOND_H), (timed, _SECOND_H)):
        if uses and (step := uses[-1].component.step_size * unit):
            total = sum((use.quantity for use in uses), Fraction(0))
            uses.append(Use(uses[-1].component, ceil(total / step) * step - total))


def _cap(bill: Bill, tariff: Tariff) -> None:
    """Cut the idle fee where the cap is reached; what an idle second gives back makes no room."""
    if tariff.idle is None or tariff.idle.cap is None:
        return
    left = Fraction(tariff.idle.cap)
    for index, use in enumerate(bill.parking):
        fee = Fraction(use.component.price) * use.quantity
        if fee > left:
            bill.parking[index] = Use(use.component, use.quantity * left / fee)
            fee = left
        left -= max(fee, Fraction(0))


def _sum(bill: Bill, tariff: Tariff) -> tuple[Fraction, Fraction]:
    quantities: dict[PriceComponent, Fraction] = defaultdict(Fraction)
    for uses in (bill.energy, bill.charging, bill.parking, bill.reserved, bill.fees):
        for component, quantity in uses:
            quantities[component] += quantity
    excl = incl = Fraction(0)
    for component, quantity in quantities.items():
        amount = Fraction(component.price) * quantity
        is_taxed = tariff.tax_included is not TaxIncluded.NOT_APPLICABLE
        growth = 1 + Fraction(component.vat if component.vat is not None and is_taxed else 0) / 100
        is_gross = tariff.tax_included is TaxIncluded.YES
        excl += amount / growth if is_gross else amount
        incl += amount if is_gross else amount * growth
    return excl, incl


def _limited(tariff: Tariff, totals: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    if tariff.min_price is not None:
        totals = _bounded(totals, tariff.min_price, is_least=True)
    return _bounded(totals, tariff.max_price, is_least=False) if tariff.max_price is not None else totals


def _bounded(totals: tuple[Fraction, Fraction], limit: PriceLimit, *, is_least: bool) -> tuple[Fraction, Fraction]:
    pick = max if is_least else min
    excl = pick(totals[0], Fraction(limit.excl_vat))
    if limit.incl_vat is not None:
        return excl, pick(totals[1], Fraction(limit.incl_vat))
    return (excl, totals[1] / totals[0] * excl) if totals[0] else (excl, excl)


def _applicable(
    tariff: Tariff, dimension: Dimension, second: Second, reservation: Reservation | None = None
) -> PriceComponent | None:
    """Return the dimension's component of the first element that applies."""
    is_locked = tariff.price_lock and dimension in (Dimension.ENERGY, Dimension.TIME)
    clock = second.first_local if is_locked else second.local
    for element in tariff.elements:
        restrictions = element.restrictions or Restrictions()
        for component in element.components:
            is_meant = component.dimension is dimension and restrictions.reservation is reservation
            if is_meant and _holds(restrictions, second, clock):
                return component
    return None


def _holds(r: Restrictions, second: Second, clock: datetime) -> bool:
    charged = Fraction(0) if second.kind is PeriodKind.RESERVATION else second.charged_kwh
    return (
        _in_window(r, clock.time())
        and (not r.day_of_week or clock.weekday() in r.day_of_week)
        and (r.start_date is None or clock.date() >= r.start_date)
        and (r.end_date is None or clock.date() < r.end_date)
        and _between((charged, charged), r.min_kwh, r.max_kwh)
        and _between((second.elapsed_s, second.elapsed_s), r.min_duration_s, r.max_duration_s)
        and _between(second.power_w, _watts(r.min_power), _watts(r.max_power))
        and _between(second.current_a, r.min_current, r.max_current)
    )


def _in_window(r: Restrictions, now: time) -> bool:
    start = _MIDNIGHT if r.start_time is None else r.start_time
    if r.end_time is None or r.end_time == _MIDNIGHT:
        return now >= start
    if start < r.end_time:
        return start <= now < r.end_time
    return start == r.end_time or now >= start or now < r.end_time


Number = float | Decimal | Fraction


def _between(measured: tuple[Number, Number] | None, least: Number | None, below: Number | None) -> bool:
    """Judge the lower bound on the least that was measured and the upper on the greatest; unknown is outside."""
    if least is None and below is None:
        return True
    if measured is None:
        return False
    reaches = least is None or Fraction(measured[0]) >= Fraction(least)
    return reaches and (below is None or Fraction(measured[1]) < Fraction(below))


def _watts(kilowatts: Decimal | None) -> Decimal | None:
    return None if kilowatts is None else kilowatts * 1000

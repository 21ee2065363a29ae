"""A tariff compiled for pricing: rates over one common denominator and restrictions as predicates, cached per tariff.

The engine multiplies integers only; every amount of one compiled set counts in 1/`denominator` of the currency.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import NamedTuple
from zoneinfo import ZoneInfo

from voltway.kernel.clock import EPOCH, from_micros
from voltway.kernel.energy import MILLIWH_PER_KWH, MILLIWH_PER_WH
from voltway.kernel.errors import Fault
from voltway.kernel.ids import TariffId
from voltway.kernel.money import decimal_text
from voltway.tariffs.model import (
    Dimension,
    OcpiVersion,
    PriceComponent,
    Reservation,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
)

Exact = int | Fraction
"""An exact number; integers wherever they do."""

MICROS_PER_SECOND = 1_000_000
MICROS_PER_HOUR = 3_600 * MICROS_PER_SECOND
_UNIT_SIZE = {Dimension.ENERGY: MILLIWH_PER_KWH, Dimension.FLAT: 1}
_STEP_SIZE = {Dimension.ENERGY: MILLIWH_PER_WH, Dimension.FLAT: 0}
_UNITS = {Dimension.ENERGY: "kWh", Dimension.FLAT: "session"}
_NO_VAT = Decimal(0)
_DAY_MINUTES = 24 * 60
_DAY_SECONDS = _DAY_MINUTES * 60
_DAY = timedelta(days=1)
_EPOCH_ORDINAL = EPOCH.toordinal()
_EPOCH_WEEKDAY = EPOCH.weekday()
SLOTS = {dimension: index for index, dimension in enumerate(Dimension)}
"""The number of a dimension, since an enumeration is slow as a key."""


class LocalClock(NamedTuple):
    """What the clock on the wall says: minute of the day, weekday (Monday 0), proleptic ordinal of the date."""

    minute: int
    weekday: int
    day: int


class Moment:
    """The state at a period's start that restrictions are judged on."""

    __slots__ = (
        "clock",
        "current_a",
        "current_max_a",
        "elapsed_us",
        "energy_milliwh",
        "power_max_w",
        "power_w",
        "start_clock",
    )

    def __init__(self, clock: LocalClock | None = None) -> None:
        self.clock = clock
        self.start_clock = clock
        self.energy_milliwh: Exact = 0
        self.elapsed_us = 0
        self.power_w: float | None = None
        self.power_max_w: float | None = None
        self.current_a: float | None = None
        self.current_max_a: float | None = None


Predicate = Callable[[Moment], bool]
ClockPredicate = Callable[[LocalClock], bool]


@dataclass(frozen=True, slots=True)
class Rate:
    """One price as the engine uses it: factors are 1/`denominator` of the currency per base unit (mWh, µs, session).

    `element` None is a free dimension; `note` says why where our own rule made it free (`grace`, `exempt`).
    """

    dimension: Dimension
    tariff_id: TariffId
    element: int | None
    price: Decimal
    vat: Decimal | None
    step_size: int
    excl_factor: int
    incl_factor: int
    denominator: int
    is_reservation: bool = False
    note: str | None = None
    unit_size: int = field(init=False)
    """How many base units make the unit of the price (kWh, h, session)."""
    step_units: int = field(init=False)
    """The step in base units; 0 rounds nothing."""
    price_text: str = field(init=False)
    """The price without exponent or trailing zeros."""
    vat_text: str | None = field(init=False)
    slot: int = field(init=False)
    """The dimension's number in SLOTS."""
    dimension_text: str = field(init=False)
    unit: str = field(init=False)
    """kWh, h or session."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slot", SLOTS[self.dimension])
        object.__setattr__(self, "dimension_text", self.dimension.value)
        object.__setattr__(self, "unit", _UNITS.get(self.dimension, "h"))
        object.__setattr__(self, "unit_size", _UNIT_SIZE.get(self.dimension, MICROS_PER_HOUR))
        step = self.step_size * _STEP_SIZE.get(self.dimension, MICROS_PER_SECOND)
        object.__setattr__(self, "step_units", step)
        object.__setattr__(self, "price_text", decimal_text(self.price))
        object.__setattr__(self, "vat_text", decimal_text(self.vat) if self.vat is not None else None)


class Candidate(NamedTuple):
    """A rate and what must hold for it."""

    holds: tuple[Predicate, ...]
    rate: Rate


Candidates = tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One tariff, compiled: candidates per dimension in list order, and the free rates where none applies."""

    tariff: Tariff
    energy: Candidates
    time: Candidates
    parking: Candidates
    flat: Candidates
    reservation_time: Candidates
    reservation_flat: Candidates
    expired_time: Candidates
    expired_flat: Candidates
    exempt: tuple[tuple[Predicate, ...], ...]
    free: tuple[Rate, ...]
    """By the slot of a rate."""
    grace: Rate
    exempted: Rate
    needs_clock: bool


@dataclass(frozen=True, slots=True)
class Compiled:
    """The tariffs of one session, compiled together over one denominator; the first one is the default."""

    plans: dict[TariffId, Plan]
    default: Plan
    denominator: int
    has_vat: bool
    needs_clock: bool


@lru_cache(maxsize=4096)
def compiled(tariffs: tuple[Tariff, ...]) -> Compiled:
    """Compile the tariffs of one session; at least one, of one currency."""
    assert tariffs, "no tariff is not a price of 0: the caller makes it visible as not billable"
    assert len({tariff.currency for tariff in tariffs}) == 1, "a session has one currency"
    denominator = _common_denominator(tariffs)
    plans = {tariff.id: _plan(tariff, denominator) for tariff in tariffs}
    has_vat = any(tariff.ocpi_version is not OcpiVersion.V2_1_1 or _names_vat(tariff) for tariff in tariffs)
    needs_clock = any(plan.needs_clock for plan in plans.values())
    return Compiled(plans, plans[tariffs[0].id], denominator, has_vat, needs_clock)


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """Return the IANA zone; raises ZoneInfoNotFoundError (a KeyError) where there is none."""
    return ZoneInfo(name)


def zone_fault(name: str) -> Fault | None:
    """Return what is wrong with the name of a time zone, at `/time_zone`; None where it can be used."""
    try:
        zone(name)
    except (KeyError, ValueError, OSError):  # zoneinfo looks names up as files
        return Fault("/time_zone", f"there is no time zone {name}; write an IANA name such as Europe/Berlin")
    return None


def local_clock(instant: datetime, time_zone: str) -> LocalClock:
    """Return what the wall clock says at an aware instant."""
    local = instant.astimezone(zone(time_zone))
    return LocalClock(local.hour * 60 + local.minute, local.weekday(), local.toordinal())


class WallClock:
    """The wall clock over one session: by one offset where the zone has the same at both ends of at most a day.

    No zone changes its offset twice within a day, so nothing can lie between two equal ends.
    """

    __slots__ = ("_offset_s", "_time_zone")

    def __init__(self, time_zone: str, first: datetime, last: datetime) -> None:
        local_zone = zone(time_zone)
        offset = first.astimezone(local_zone).utcoffset()
        is_constant = last - first <= _DAY and offset == last.astimezone(local_zone).utcoffset()
        self._time_zone = time_zone
        self._offset_s = round(offset.total_seconds()) if is_constant and offset is not None else None

    def at(self, instant_us: int) -> LocalClock:
        """Return what the wall clock says at an instant of the session."""
        if self._offset_s is None:
            return local_clock(from_micros(instant_us), self._time_zone)
        day, second = divmod(instant_us // MICROS_PER_SECOND + self._offset_s, _DAY_SECONDS)
        return LocalClock(second // 60, (day + _EPOCH_WEEKDAY) % 7, day + _EPOCH_ORDINAL)


def choose(candidates: Candidates, moment: Moment) -> Rate | None:
    """Return the rate of the first candidate whose restrictions all hold, None if the dimension is free."""
    for holds, rate in candidates:
        for predicate in holds:
            if not predicate(moment):
                break
        else:
            return rate
    return None


def has_clock(restrictions: Restrictions | None) -> bool:
    """Tell whether local time is needed to judge the restrictions."""
    r = restrictions
    times = r is not None and (r.start_time is not None or r.end_time is not None or bool(r.day_of_week))
    return times or (r is not None and (r.start_date is not None or r.end_date is not None))


def clock_predicates(r: Restrictions) -> list[ClockPredicate]:
    """Return the tests of the wall clock that the restrictions make; all must hold."""
    tests: list[ClockPredicate] = []
    if r.start_time is not None or r.end_time is not None:
        tests.append(_in_window(r.start_time, r.end_time))
    if r.day_of_week:
        tests.append(_on_weekday(frozenset(r.day_of_week)))
    if r.start_date is not None or r.end_date is not None:
        tests.append(_in_dates(r.start_date or date.min, r.end_date or date.max))
    return tests


def predicates(restrictions: Restrictions | None, *, locked: bool = False) -> tuple[Predicate, ...]:
    """Return the tests of a moment; `locked` judges the clock at the session's start (price_lock)."""
    if restrictions is None:
        return ()
    clocks = clock_predicates(restrictions)
    on_clock = [_at_start(test) if locked else _now(test) for test in clocks]
    return (*on_clock, *_quantity_predicates(restrictions))


def milliwh_bound(kwh: Decimal) -> Exact:
    """Return a bound in kWh as milliwatt-hours."""
    exact = Fraction(kwh) * MILLIWH_PER_KWH
    return exact.numerator if exact.denominator == 1 else exact


def _window_bounds(start: time | None, end: time | None) -> tuple[int, int]:
    begin = 0 if start is None else start.hour * 60 + start.minute
    finish = _DAY_MINUTES if end is None else end.hour * 60 + end.minute
    # Billing note 15: 00:00 as an end is the end of the day, equal times are the whole day.
    return begin, (finish or _DAY_MINUTES)


def _in_window(start: time | None, end: time | None) -> ClockPredicate:
    begin, finish = _window_bounds(start, end)
    if finish <= begin:  # equal times hold for every minute
        return lambda clock: clock.minute >= begin or clock.minute < finish
    return lambda clock: begin <= clock.minute < finish


def _on_weekday(days: frozenset[int]) -> ClockPredicate:
    return lambda clock: clock.weekday in days


def _in_dates(start: date, end: date) -> ClockPredicate:
    first, last = start.toordinal(), end.toordinal()
    return lambda clock: first <= clock.day < last


def _now(test: ClockPredicate) -> Predicate:
    def judge(moment: Moment) -> bool:
        assert moment.clock is not None, "a plan with clock restrictions asks for the clock"
        return test(moment.clock)

    return judge


def _at_start(test: ClockPredicate) -> Predicate:
    def judge(moment: Moment) -> bool:
        assert moment.start_clock is not None, "a plan with clock restrictions asks for the clock"
        return test(moment.start_clock)

    return judge


def _quantity_predicates(r: Restrictions) -> list[Predicate]:
    tests: list[Predicate] = []
    if r.min_kwh is not None or r.max_kwh is not None:
        tests.append(_energy_test(r.min_kwh, r.max_kwh))
    if r.min_duration_s is not None or r.max_duration_s is not None:
        tests.append(_duration_test(r.min_duration_s, r.max_duration_s))
    if r.min_power is not None or r.max_power is not None:
        tests.append(_power_test(*_band(r.min_power, r.max_power, scale=1000)))
    if r.min_current is not None or r.max_current is not None:
        tests.append(_current_test(*_band(r.min_current, r.max_current, scale=1)))
    return tests


def _energy_test(low: Decimal | None, high: Decimal | None) -> Predicate:
    begin: Exact = milliwh_bound(low) if low is not None else 0
    if high is None:
        return lambda moment: moment.energy_milliwh >= begin
    finish = milliwh_bound(high)
    return lambda moment: begin <= moment.energy_milliwh < finish


def _duration_test(low_s: int | None, high_s: int | None) -> Predicate:
    begin = (low_s or 0) * MICROS_PER_SECOND
    if high_s is None:
        return lambda moment: moment.elapsed_us >= begin
    finish = high_s * MICROS_PER_SECOND
    return lambda moment: begin <= moment.elapsed_us < finish


def _band(low: Decimal | None, high: Decimal | None, *, scale: int) -> tuple[float, float]:
    begin = float(low * scale) if low is not None else float("-inf")
    return begin, float(high * scale) if high is not None else float("inf")


def _power_test(low_w: float, high_w: float) -> Predicate:
    def judge(moment: Moment) -> bool:
        least, most = moment.power_w, moment.power_max_w
        return least is not None and least >= low_w and (least if most is None else most) < high_w

    return judge


def _current_test(low_a: float, high_a: float) -> Predicate:
    def judge(moment: Moment) -> bool:
        least, most = moment.current_a, moment.current_max_a
        return least is not None and least >= low_a and (least if most is None else most) < high_a

    return judge


def _per_base_unit(component: PriceComponent, tariff: Tariff) -> tuple[Fraction, Fraction]:
    """Return the exact price of one base unit without and with VAT."""
    vat = (
        component.vat
        if component.vat is not None and tariff.tax_included is not TaxIncluded.NOT_APPLICABLE
        else _NO_VAT
    )
    named = Fraction(component.price) / _UNIT_SIZE.get(component.dimension, MICROS_PER_HOUR)
    growth = 1 + Fraction(vat) / 100
    return (named / growth, named) if tariff.tax_included is TaxIncluded.YES else (named, named * growth)


def _names_vat(tariff: Tariff) -> bool:
    return any(component.vat is not None for element in tariff.elements for component in element.components)


def _common_denominator(tariffs: Iterable[Tariff]) -> int:
    pairs = [
        _per_base_unit(component, tariff)
        for tariff in tariffs
        for element in tariff.elements
        for component in element.components
    ]
    return lcm(*(side.denominator for pair in pairs for side in pair))


def _rate(component: PriceComponent, tariff: Tariff, index: int, denominator: int) -> Rate:
    excl, incl = _per_base_unit(component, tariff)
    restrictions = tariff.elements[index].restrictions
    is_reservation = restrictions is not None and restrictions.reservation is not None
    is_waiting = is_reservation and component.dimension is Dimension.TIME
    return Rate(
        dimension=Dimension.RESERVATION_TIME if is_waiting else component.dimension,
        tariff_id=tariff.id,
        element=index,
        price=component.price,
        vat=component.vat,
        step_size=component.step_size,
        excl_factor=int(excl * denominator),
        incl_factor=int(incl * denominator),
        denominator=denominator,
        is_reservation=is_reservation,
    )


def _free_rate(dimension: Dimension, tariff: Tariff, denominator: int, note: str | None = None) -> Rate:
    is_reservation = dimension is Dimension.RESERVATION_TIME
    return Rate(dimension, tariff.id, None, _NO_VAT, None, 0, 0, 0, denominator, is_reservation, note)


def _candidates(
    tariff: Tariff, denominator: int, dimension: Dimension, kinds: tuple[Reservation | None, ...]
) -> Candidates:
    """Collect the rates of one dimension in list order, elements of the first kind before those of the next."""
    is_locked = tariff.price_lock and dimension in (Dimension.ENERGY, Dimension.TIME)
    return tuple(
        Candidate(predicates(element.restrictions, locked=is_locked), _rate(component, tariff, index, denominator))
        for kind in kinds
        for index, element in enumerate(tariff.elements)
        if _reservation_of(element) is kind
        for component in element.components
        if component.dimension is dimension
    )


def _reservation_of(element: TariffElement) -> Reservation | None:
    return element.restrictions.reservation if element.restrictions is not None else None


def _plan(tariff: Tariff, denominator: int) -> Plan:
    reserved, expires = Reservation.RESERVATION, Reservation.RESERVATION_EXPIRES
    exempt = tariff.idle.exempt if tariff.idle is not None else ()
    return Plan(
        tariff=tariff,
        energy=_candidates(tariff, denominator, Dimension.ENERGY, (None,)),
        time=_candidates(tariff, denominator, Dimension.TIME, (None,)),
        parking=_candidates(tariff, denominator, Dimension.PARKING_TIME, (None,)),
        flat=_candidates(tariff, denominator, Dimension.FLAT, (None,)),
        reservation_time=_candidates(tariff, denominator, Dimension.TIME, (reserved,)),
        reservation_flat=_candidates(tariff, denominator, Dimension.FLAT, (reserved,)),
        expired_time=_candidates(tariff, denominator, Dimension.TIME, (expires, reserved)),
        expired_flat=_candidates(tariff, denominator, Dimension.FLAT, (expires,)),
        exempt=tuple(predicates(window) for window in exempt),
        free=tuple(_free_rate(dimension, tariff, denominator) for dimension in Dimension),
        grace=_free_rate(Dimension.PARKING_TIME, tariff, denominator, note="grace"),
        exempted=_free_rate(Dimension.PARKING_TIME, tariff, denominator, note="exempt"),
        needs_clock=any(has_clock(element.restrictions) for element in tariff.elements) or any(map(has_clock, exempt)),
    )

"""Which other reading of OCPI explains a partner's total: the readings that are known from its texts and issues. Pure.

Billing note 41: where a claim differs from our price, say which rule makes the difference. Each reading is a session
that our one engine prices: other periods, other tariffs, or what the reading bills beyond the measured as periods of
their own at the end. Called by `tariffs.reprice` for its warning `total_differs`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from voltway.kernel.clock import to_micros
from voltway.kernel.ids import TariffId
from voltway.kernel.money import RoundingRule, round_to_minor
from voltway.tariffs.cdr_periods import session_periods
from voltway.tariffs.engine import price
from voltway.tariffs.model import (
    ChargingPeriod,
    Dimension,
    PeriodKind,
    PriceComponent,
    Tariff,
    TariffElement,
    TaxIncluded,
    Volumes,
)
from voltway.tariffs.priced import Cost, Line, Priced
from voltway.tariffs.rates import MICROS_PER_HOUR, MICROS_PER_SECOND, Rate
from voltway.tariffs.repriced import Repriced, half_unit


class Reading(StrEnum):
    """A reading of OCPI that is not ours and that partners are known to bill by."""

    STEP_TOTAL_DURATION = "step_total_duration"
    STEP_LAST_ABSORBS = "step_last_absorbs"
    STEP_EACH = "step_each"
    STEP_NONE = "step_none"
    TIME_BY_VOLUMES = "time_by_volumes"
    DURATION_FROM_PARKING = "duration_from_parking"
    FLAT_EACH_ELEMENT = "flat_each_element"
    ROUNDED_LINES = "rounded_lines"
    VAT_ADDED_TO_GROSS = "vat_added_to_gross"
    NET_AS_GROSS = "net_as_gross"

    @property
    def condition(self) -> str:
        """What the partner then does, as the end of a sentence that says "if"."""
        return _CONDITIONS[self]


_CONDITIONS = {
    Reading.STEP_TOTAL_DURATION: "the step size rounds charging and parking time as one total (OCPI 2.2-d2)",
    Reading.STEP_LAST_ABSORBS: "the step size rounds charging time where it follows parking (OCPI leaves it open)",
    Reading.STEP_EACH: "the step size rounds each component or each period on its own (OCPI #175)",
    Reading.STEP_NONE: "no step size is applied (OCPI 3.0)",
    Reading.TIME_BY_VOLUMES: "times are the rounded volumes instead of the instants",
    Reading.DURATION_FROM_PARKING: "durations of parking count from the end of charging (OCPI #225)",
    Reading.FLAT_EACH_ELEMENT: "every FLAT fee is billed whose element applied at some time (OCPI #176)",
    Reading.ROUNDED_LINES: "each line is rounded to the currency's minor unit before they are summed",
    Reading.VAT_ADDED_TO_GROSS: "VAT is added to prices that include it (tax_included YES)",
    Reading.NET_AS_GROSS: "VAT is taken out of prices that do not include it (tax_included NO)",
}


def explaining(repriced: Repriced, tariffs: Sequence[Tariff]) -> tuple[Reading, ...]:
    """Return the readings whose total is the CDR's `total_cost` where ours is not; `tariffs` are those that priced it.

    A total is the claim where each side that is claimed lies within half a unit of its last place, at least of the
    currency's minor unit.
    """
    if "total_cost" not in repriced.cdr.claims or _is_claimed(repriced, repriced.priced.total):
        return ()
    session = _Session(repriced, tuple(tariffs))
    return tuple(
        reading for reading, totals in _TOTALS.items() if any(_is_claimed(repriced, total) for total in totals(session))
    )


def _is_claimed(repriced: Repriced, total: Cost) -> bool:
    claim = repriced.cdr.claims["total_cost"]
    for claimed, exact in ((claim.excl_vat, total.excl_vat), (claim.incl_vat, total.incl_vat)):
        if claimed is None or exact is None:
            continue
        if abs(Fraction(claimed) - repriced.sign * exact) > half_unit(claimed, repriced.cdr.currency):
            return False
    return True


class _Session(NamedTuple):
    """What was priced, with the tariffs that priced it."""

    repriced: Repriced
    tariffs: tuple[Tariff, ...]

    def priced(
        self, *, tariffs: Sequence[Tariff] | None = None, periods: Sequence[ChargingPeriod] | None = None
    ) -> Priced:
        """Price it again with other tariffs or other periods."""
        own = self.repriced
        return price(
            self.tariffs if tariffs is None else tariffs,
            own.periods if periods is None else periods,
            time_zone=own.time_zone,
            started_at=own.started_at,
            reservation_expired=own.reservation_expired,
        )

    def lines(self) -> Iterator[Line]:
        """Yield what our price has of priced quantities, in time order."""
        return (line for line in self.repriced.priced.lines() if line.rate.element is not None and line.quantity)


class _Surplus(NamedTuple):
    """What a reading bills beyond the measured: so many kWh, hours or sessions at a price."""

    rate: Rate
    units: Fraction


def _with_surpluses(session: _Session, tariffs: Sequence[Tariff], surpluses: Iterable[_Surplus]) -> Cost:
    """Price the session and its surpluses.

    A surplus is a period at the end with a tariff of its own, so that it has its price and VAT whatever restrictions
    say, moves no threshold of energy or duration, and is held by the limits. It is written in hours of charging, or of
    parking for our cap on idle fees: a total does not tell of what.
    """
    by_id = {tariff.id: tariff for tariff in session.tariffs}
    end = max(period.end for period in session.repriced.periods)
    more_tariffs, more_periods = [], []
    for number, (rate, units) in enumerate(surpluses):
        own_id = TariffId(f"surplus {number} of {rate.tariff_id}")
        more_tariffs.append(_of_one_price(by_id[rate.tariff_id], own_id, rate))
        more_periods.append(_hours(end, own_id, units * MICROS_PER_HOUR, is_parked=_is_parking(rate)))
    periods = [*session.repriced.periods, *more_periods]
    return session.priced(tariffs=[*tariffs, *more_tariffs], periods=periods).total


def _of_one_price(tariff: Tariff, own_id: TariffId, rate: Rate) -> Tariff:
    dimension = Dimension.PARKING_TIME if _is_parking(rate) else Dimension.TIME
    element = TariffElement((PriceComponent(dimension, rate.price, rate.vat, 0),))
    return replace(tariff, id=own_id, elements=(element,), idle=None, price_lock=False)


def _hours(at: datetime, tariff_id: TariffId, quantity_us: Fraction, *, is_parked: bool) -> ChargingPeriod:
    volumes = Volumes(parking_us=quantity_us) if is_parked else Volumes(time_us=quantity_us)
    return ChargingPeriod(at, at, None, PeriodKind.CHARGING, tariff_id=tariff_id, volumes=volumes)


def _is_parking(rate: Rate) -> bool:
    return rate.dimension is Dimension.PARKING_TIME


Groups = Iterable[Sequence[Line]]
"""Lines in time order; each group is rounded once, by the step and at the price of its last line."""


def _stepped(session: _Session, groups: Groups) -> Cost:
    """Price the session with other totals for the step sizes than ours."""
    tariffs = [_without_steps(tariff) for tariff in session.tariffs]
    surpluses = (_rounding(group) for group in groups)
    return _with_surpluses(session, tariffs, (surplus for surplus in surpluses if surplus.units))


def _rounding(group: Sequence[Line]) -> _Surplus:
    rate = group[-1].rate
    step = rate.step_units
    surplus = -sum((Fraction(line.quantity) for line in group), Fraction(0)) % step if step else Fraction(0)
    return _Surplus(rate, surplus / rate.unit_size)


def _without_steps(tariff: Tariff) -> Tariff:
    elements = tuple(
        replace(element, components=tuple(replace(component, step_size=0) for component in element.components))
        for element in tariff.elements
    )
    return replace(tariff, elements=elements)


def _grouped(lines: Iterable[Line], key: Callable[[Line], Hashable]) -> dict[Hashable, list[Line]]:
    groups: dict[Hashable, list[Line]] = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return groups


_TIMES = (Dimension.TIME, Dimension.PARKING_TIME)


def _total_duration(session: _Session) -> Iterator[Cost]:
    yield _stepped(session, _grouped(session.lines(), _duration_or_dimension).values())


def _duration_or_dimension(line: Line) -> str:
    return "duration" if line.rate.dimension in _TIMES else line.rate.dimension


def _last_absorbs(session: _Session) -> Iterator[Cost]:
    groups = _grouped(session.lines(), lambda line: line.rate.dimension)
    timed = [line.rate.dimension for line in session.lines() if line.rate.dimension in _TIMES]
    others = {dimension for dimension in timed if dimension is not timed[-1]}
    yield _stepped(session, [group for dimension, group in groups.items() if dimension not in others])


def _each(session: _Session) -> Iterator[Cost]:
    """Round each dimension, each component, or each period."""
    yield _stepped(session, _grouped(session.lines(), lambda line: line.rate.dimension).values())
    yield _stepped(session, _grouped(session.lines(), lambda line: line.rate).values())
    yield _stepped(session, ([line] for line in session.lines()))


def _no_steps(session: _Session) -> Iterator[Cost]:
    yield _stepped(session, ())


def _by_volumes(session: _Session) -> Iterator[Cost]:
    own = session.repriced
    told = session_periods(own.cdr, times_by_volumes=True)
    periods = [replace(item.period, tariff_id=ours.tariff_id) for item, ours in zip(told, own.periods, strict=True)]
    yield session.priced(periods=periods).total


def _from_parking(session: _Session) -> Iterator[Cost]:
    """Move the durations of parking by the time until the last idle stretch begins."""
    of_session = [period for period in session.repriced.periods if period.kind is not PeriodKind.RESERVATION]
    parked_at = None
    for period in reversed(of_session):
        if period.volumes is not None and period.volumes.parking_us:
            parked_at = period.start
        elif parked_at is not None:
            break
    if parked_at is None:
        return
    started_at = session.repriced.started_at or of_session[0].start
    # Whole seconds, as restrictions count them; down, so that a period that begins at the bound is behind it.
    offset_s = max(0, to_micros(parked_at) - to_micros(started_at)) // MICROS_PER_SECOND
    yield session.priced(tariffs=[_parking_moved(tariff, offset_s) for tariff in session.tariffs]).total


def _parking_moved(tariff: Tariff, offset_s: int) -> Tariff:
    elements = (piece for element in tariff.elements for piece in _apart(element, offset_s))
    return replace(tariff, elements=tuple(elements))


def _apart(element: TariffElement, offset_s: int) -> Iterator[TariffElement]:
    """Yield an element without its parking, and its parking with later durations."""
    r = element.restrictions
    if r is None:
        yield element
        return
    parking = tuple(item for item in element.components if item.dimension is Dimension.PARKING_TIME)
    yield replace(element, components=tuple(item for item in element.components if item not in parking))
    least_s, most_s = (
        None if bound_s is None else bound_s + offset_s for bound_s in (r.min_duration_s, r.max_duration_s)
    )
    yield TariffElement(parking, replace(r, min_duration_s=least_s, max_duration_s=most_s))


def _each_flat(session: _Session) -> Iterator[Cost]:
    """Bill each FLAT that is due when its element stands alone."""
    ours = {(line.rate.tariff_id, line.rate.element) for line in session.lines() if _is_flat(line)}
    missing = []
    for tariff in session.tariffs:
        for index, element in enumerate(tariff.elements):
            flats = tuple(item for item in element.components if item.dimension is Dimension.FLAT)
            if flats and (tariff.id, index) not in ours:
                alone = session.priced(tariffs=list(_only(session.tariffs, tariff, replace(element, components=flats))))
                missing += [_Surplus(line.rate, Fraction(1)) for line in alone.lines() if _is_flat(line)]
    yield _with_surpluses(session, session.tariffs, missing)


def _only(tariffs: Iterable[Tariff], kept: Tariff, element: TariffElement) -> Iterator[Tariff]:
    for tariff in tariffs:
        yield replace(tariff, elements=(element,) if tariff is kept else ())


def _is_flat(line: Line) -> bool:
    return line.rate.dimension is Dimension.FLAT


def _rounded(session: _Session) -> Iterator[Cost]:
    """Sum the rounded lines of the periods, or the rounded totals of the dimensions.

    Where the least or greatest price is the total, no line matters.
    """
    priced = session.repriced.priced
    if not priced.adjustments:
        yield _rounded_sum([Cost(line.excl_vat, line.incl_vat) for line in priced.lines()], priced)
        yield _rounded_sum(priced.costs().values(), priced)


def _rounded_sum(items: Collection[Cost], priced: Priced) -> Cost:
    excl = sum(_minor(item.excl_vat, priced.currency) for item in items)
    incl = sum(_minor(item.incl_vat, priced.currency) for item in items if item.incl_vat is not None)
    return Cost(Fraction(excl), Fraction(incl) if priced.has_vat else None)


def _minor(exact: Fraction, currency: str) -> Decimal:
    return round_to_minor(exact, currency, RoundingRule.LINE_HALF_UP).decimal


def _vat_added(session: _Session) -> Iterator[Cost]:
    yield _taxed_as(session, {TaxIncluded.YES: TaxIncluded.NO})


def _vat_taken_out(session: _Session) -> Iterator[Cost]:
    yield _taxed_as(session, {TaxIncluded.NO: TaxIncluded.YES})


def _taxed_as(session: _Session, instead: Mapping[TaxIncluded, TaxIncluded]) -> Cost:
    tariffs = [
        replace(tariff, tax_included=instead.get(tariff.tax_included, tariff.tax_included))
        for tariff in session.tariffs
    ]
    return session.priced(tariffs=tariffs).total


_TOTALS: Mapping[Reading, Callable[[_Session], Iterator[Cost]]] = {
    Reading.STEP_TOTAL_DURATION: _total_duration,
    Reading.STEP_LAST_ABSORBS: _last_absorbs,
    Reading.STEP_EACH: _each,
    Reading.STEP_NONE: _no_steps,
    Reading.TIME_BY_VOLUMES: _by_volumes,
    Reading.DURATION_FROM_PARKING: _from_parking,
    Reading.FLAT_EACH_ELEMENT: _each_flat,
    Reading.ROUNDED_LINES: _rounded,
    Reading.VAT_ADDED_TO_GROSS: _vat_added,
    Reading.NET_AS_GROSS: _vat_taken_out,
}

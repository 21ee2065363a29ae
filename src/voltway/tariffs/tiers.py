"""What a tariff asks for: its prices as a driver pays them, in tiers of energy, time or power, and when they change.

The engine prices what has happened; `tariffs.price_text` and `tariffs.calendar` say what would be priced. Pure.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from voltway.tariffs.boundaries import boundaries
from voltway.tariffs.model import (
    Dimension,
    PriceComponent,
    Reservation,
    Restrictions,
    Tariff,
    TaxIncluded,
)
from voltway.tariffs.rates import LocalClock, clock_predicates, has_clock, local_clock, zone

EXACT_DIGITS = 100
"""Digits that no product of a price and a VAT rate reaches: what is shown is never rounded on the way."""
_AHEAD = timedelta(days=15)  # a week shows every weekly price once, the second one shows when the last of them ends
_ANYTIME = Restrictions()


class Topic(StrEnum):
    """What a price or a line of a price text is about, in AFIR's order: kWh, minute, session, any other."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    RESERVATION_FLAT = "RESERVATION_FLAT"
    EXPIRED_TIME = "EXPIRED_TIME"
    EXPIRED_FLAT = "EXPIRED_FLAT"
    MIN_PRICE = "MIN_PRICE"
    MAX_PRICE = "MAX_PRICE"
    PRICE_LOCK = "PRICE_LOCK"
    CONDITIONS = "CONDITIONS"
    VALIDITY = "VALIDITY"


_PRICED = {
    Topic.ENERGY: (Dimension.ENERGY, None),
    Topic.TIME: (Dimension.TIME, None),
    Topic.FLAT: (Dimension.FLAT, None),
    Topic.PARKING_TIME: (Dimension.PARKING_TIME, None),
    Topic.RESERVATION_TIME: (Dimension.TIME, Reservation.RESERVATION),
    Topic.RESERVATION_FLAT: (Dimension.FLAT, Reservation.RESERVATION),
    Topic.EXPIRED_TIME: (Dimension.TIME, Reservation.RESERVATION_EXPIRES),
    Topic.EXPIRED_FLAT: (Dimension.FLAT, Reservation.RESERVATION_EXPIRES),
}
PRICED_TOPICS = tuple(_PRICED)
_WHILE_CHARGING = (Topic.ENERGY, Topic.TIME, Topic.FLAT)


class Axis(StrEnum):
    """What a tier is measured on, with its unit: energy and time since the start, momentary power and current."""

    ENERGY = "kWh"
    DURATION = "s"
    POWER = "kW"
    CURRENT = "A"


_FROM_ZERO = (Axis.ENERGY, Axis.DURATION)


class UnitPrice(NamedTuple):
    """A price per kWh, hour or session: `amount` as paid (with VAT if it has one), `listed` as written."""

    amount: Decimal
    vat: Decimal | None
    step_size: int
    listed: Decimal


class Band(NamedTuple):
    """A stretch of one axis, `low` inclusive, `high` exclusive; None is open."""

    axis: Axis
    low: Decimal | None
    high: Decimal | None


class Offer(NamedTuple):
    """A price (None: free) and when it is asked for; of several that hold the first one counts."""

    window: Restrictions
    price: UnitPrice | None


class Tier(NamedTuple):
    """A price (None: free) within bands; `is_rest`: it holds where none of the tiers before it does.

    `window` has the clock restrictions that it comes with.
    """

    bands: tuple[Band, ...]
    price: UnitPrice | None
    window: Restrictions
    is_rest: bool = False


class Stretch(NamedTuple):
    """The tiers of a topic from an instant until another; `end` None: no change is known."""

    start: datetime
    end: datetime | None
    tiers: tuple[Tier, ...]


def unit_price(component: PriceComponent, tariff: Tariff) -> UnitPrice | None:
    """Return a component's price with its VAT, exactly; None if it is 0 (billing notes 29, 31)."""
    if not component.price:
        return None
    vat = component.vat if tariff.tax_included is not TaxIncluded.NOT_APPLICABLE else None
    is_gross = vat is None or tariff.tax_included is TaxIncluded.YES
    amount = component.price if is_gross else with_vat(component.price, vat or Decimal(0))
    return UnitPrice(amount, vat, component.step_size, component.price)


def with_vat(net: Decimal, vat: Decimal) -> Decimal:
    """Return a net amount with VAT (in percent), without rounding."""
    with localcontext(prec=EXACT_DIGITS):
        return (net * (100 + vat)).scaleb(-2).normalize()


def offers(tariff: Tariff, topic: Topic) -> tuple[Offer, ...]:
    """Return what a tariff asks for a topic in list order; before it the idle rule's exempt windows, which are free."""
    dimension, reservation = _PRICED[topic]
    idle = tariff.idle if topic is Topic.PARKING_TIME else None
    found = [Offer(window, None) for window in idle.exempt] if idle is not None else []
    for element in tariff.elements:
        window = element.restrictions or _ANYTIME
        if window.reservation is reservation:
            matching = (item for item in element.components if item.dimension is dimension)
            found += [Offer(window, unit_price(component, tariff)) for component in matching]
    return tuple(found)


def power_for(topic: Topic, power_w: float | None) -> float | None:
    """Return the power that a topic is judged on: that of charging says nothing of a car that idles or is awaited."""
    return power_w if topic in _WHILE_CHARGING else None


def tiers_at(of: tuple[Offer, ...], clock: LocalClock, *, power_w: float | None = None) -> tuple[Tier, ...]:
    """Return the tiers that the clock leaves, in rising order where they lie on one axis, else in list order."""
    standing = list(_standing(of, clock, power_w))
    axes = {band.axis for _, bands in standing for band in bands}
    return _in_list_order(standing) if len(axes) > 1 else _along_axis(standing)


def first_price(of: tuple[Offer, ...], clock: LocalClock, *, power_w: float | None = None) -> UnitPrice | None:
    """Return the price of the first kWh or second, None if free; a power or current that is unknown is in no band."""
    standing = _standing(of, clock, power_w)
    return next((offer.price for offer, bands in standing if all(map(_holds_at_start, bands))), None)


def _standing(
    of: tuple[Offer, ...], clock: LocalClock, power_w: float | None
) -> Iterator[tuple[Offer, tuple[Band, ...]]]:
    """Yield the offers that the clock and the power leave, up to the first one that nothing else restricts."""
    for offer in of:
        if all(test(clock) for test in clock_predicates(offer.window)) and _admits(offer.window, power_w):
            bands = _bands(offer.window, power_w)
            if not any(map(_is_empty, bands)):
                yield offer, bands
            if not bands:
                return


def stretches(
    tariff: Tariff, topic: Topic, *, at: datetime, time_zone: str, power_w: float | None = None
) -> tuple[Stretch, ...]:
    """Return the tiers that hold at an instant, then every other set of tiers where it first comes after it.

    Where the clock changes no price there is one stretch; else tiers from another window are others, at an equal price
    too, so that every window is told.
    """
    of = offers(tariff, topic)
    known_w, last = power_for(topic, power_w), tariff.end_date_time
    runs: list[Stretch] = []
    is_clocked = any(has_clock(offer.window) for offer in of)
    for instant in _changes(tariff, at, time_zone) if is_clocked else (at,):
        tiers = tiers_at(of, local_clock(instant, time_zone), power_w=known_w)
        if runs and (runs[-1].tiers == tiers or (last is not None and instant >= last)):
            continue
        if runs:
            runs[-1] = runs[-1]._replace(end=instant)
        runs.append(Stretch(instant, None, tiers))
    if len({_paid(run.tiers) for run in runs}) == 1:
        return (runs[0]._replace(end=None),)
    firsts = {run.tiers: run for run in reversed(runs)}
    return tuple(run for run in runs if firsts[run.tiers] is run)


def _paid(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """Return the tiers without the windows by which they came."""
    return tuple(tier._replace(window=_ANYTIME) for tier in tiers)


@lru_cache(maxsize=256)
def _changes(tariff: Tariff, at: datetime, time_zone: str) -> tuple[datetime, ...]:
    """Return the instants after `at` at which the clock may change a price: two weeks from now and from each date.

    Kept, as every topic of a text asks for the same.
    """
    windows = [element.restrictions for element in tariff.elements if element.restrictions is not None]
    windows += tariff.idle.exempt if tariff.idle is not None else ()
    days = {day for window in windows for day in (window.start_date, window.end_date) if day is not None}
    starts = [midnight(day, time_zone) for day in sorted(days)]
    found: list[datetime] = []
    scanned = at
    for start in (at, *(start for start in starts if start > at)):
        begin, end = max(start, scanned), start + _AHEAD
        found += [begin, *boundaries(tariff, begin, end, time_zone=time_zone)]  # which leave out their own begin
        scanned = end
    return tuple(found)


def midnight(day: date, time_zone: str) -> datetime:
    """Return the first instant of a local day."""
    return datetime.combine(day, time(0, 0), zone(time_zone)).astimezone(UTC)


def _admits(window: Restrictions, power_w: float | None) -> bool:
    """Tell whether a known power meets the restrictions on it."""
    if power_w is None:
        return True
    above = window.min_power is None or float(window.min_power * 1000) <= power_w
    return above and (window.max_power is None or power_w < float(window.max_power * 1000))


def _bands(r: Restrictions, power_w: float | None) -> tuple[Band, ...]:
    def seconds(of_s: int | None) -> Decimal | None:
        return None if of_s is None else Decimal(of_s)

    power = (None, None) if power_w is not None else (r.min_power, r.max_power)
    found = (
        _band(Axis.ENERGY, r.min_kwh, r.max_kwh),
        _band(Axis.DURATION, seconds(r.min_duration_s), seconds(r.max_duration_s)),
        _band(Axis.POWER, *power),
        _band(Axis.CURRENT, r.min_current, r.max_current),
    )
    return tuple(band for band in found if band.low is not None or band.high is not None)


def _band(axis: Axis, low: Decimal | None, high: Decimal | None) -> Band:
    is_open = low is not None and low <= 0 and axis in _FROM_ZERO
    return Band(axis, None if is_open else low, high)


def _is_empty(band: Band) -> bool:
    if band.high is None:
        return False
    if band.low is None:
        return band.high <= 0 and band.axis in _FROM_ZERO
    return band.high <= band.low


def _holds_at_start(band: Band) -> bool:
    return band.low is None and band.axis in _FROM_ZERO


def _in_list_order(standing: list[tuple[Offer, tuple[Band, ...]]]) -> tuple[Tier, ...]:
    tiers = [Tier(bands, offer.price, _clocks(offer.window), is_rest=not bands) for offer, bands in standing]
    return tuple(tiers) if not standing[-1][1] else (*tiers, Tier((), None, _ANYTIME, is_rest=True))


def _along_axis(standing: list[tuple[Offer, tuple[Band, ...]]]) -> tuple[Tier, ...]:
    """Cut the one axis at every bound, take the first offer of each piece, and join equal neighbours."""
    cuts = {bound for _, bands in standing for band in bands for bound in band[1:] if isinstance(bound, Decimal)}
    edges = [None, *sorted(cuts), None]
    axis = next((band.axis for _, bands in standing for band in bands), Axis.ENERGY)
    tiers: list[Tier] = []
    for low, high in pairwise(edges):
        piece = Band(axis, low, high)
        offer = next((offer for offer, bands in standing if all(_covers(band, piece) for band in bands)), None)
        tier = Tier((piece,), offer.price if offer else None, _clocks(offer.window) if offer else _ANYTIME)
        if tiers and tiers[-1].price == tier.price:
            tiers[-1] = tiers[-1]._replace(bands=(Band(axis, tiers[-1].bands[0].low, high),))
        else:
            tiers.append(tier)
    return tuple(tiers) if len(tiers) > 1 else (tiers[0]._replace(bands=()),)


def _covers(band: Band, piece: Band) -> bool:
    from_low = band.low is None or (piece.low is not None and band.low <= piece.low)
    return from_low and (band.high is None or (piece.high is not None and piece.high <= band.high))


def _clocks(r: Restrictions) -> Restrictions:
    """Keep of restrictions what the clock judges."""
    return Restrictions(r.start_time, r.end_time, r.start_date, r.end_date, day_of_week=r.day_of_week)

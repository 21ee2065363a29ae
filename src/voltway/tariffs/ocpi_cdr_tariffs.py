"""The tariffs of a CDR: what a partner who knows the CDR alone must read to get the same total.

Our extension has no word in OCPI. A free stretch of idle time points to the tariff without idle prices, and a price
lock becomes the tariff of that hour (billing note 26).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from voltway.kernel.ids import TariffId
from voltway.tariffs.model import Dimension, PeriodKind, PriceComponent, Restrictions, Tariff, TariffElement
from voltway.tariffs.priced import Priced
from voltway.tariffs.rates import LocalClock, clock_predicates, has_clock, local_clock

_ID_LENGTH = 36
_GRACE, _LOCK = "-GRACE", "-LOCK"
_FREE_OF_CHARGE = (TariffElement((PriceComponent(Dimension.FLAT, Decimal(0)),)),)
"""OCPI's free tariff: one element, a FLAT of 0 (mod_tariffs, Tariff Object)."""
_LOCKED = (Dimension.ENERGY, Dimension.TIME)


def grace_tariff(tariff: Tariff) -> Tariff:
    """Return the tariff without its idle prices, for the periods that our idle rule made free."""
    elements = []
    for element in tariff.elements:
        kept = tuple(item for item in element.components if item.dimension is not Dimension.PARKING_TIME)
        if kept:
            elements.append(replace(element, components=kept))
    return replace(tariff, id=_named(tariff.id, _GRACE), elements=tuple(elements) or _FREE_OF_CHARGE, idle=None)


def locked_tariff(tariff: Tariff, started_at: datetime, time_zone: str, *, reserved_at: datetime | None) -> Tariff:
    """Return the tariff that the session's start chose: ENERGY and TIME without clock restrictions.

    Elements that do not hold at the start lose them; those of a reservation are judged at its own start.
    """
    session = local_clock(started_at, time_zone)
    waiting = session if reserved_at is None else local_clock(reserved_at, time_zone)
    elements = tuple(piece for element in tariff.elements for piece in _at_start(element, session, waiting))
    return replace(tariff, id=_named(tariff.id, _LOCK), elements=elements or _FREE_OF_CHARGE, price_lock=False)


def billed_tariff(tariff: Tariff, priced: Priced, *, started_at: datetime, time_zone: str | None) -> Tariff:
    """Return the tariff that a CDR shows: as it is, or the one that its price lock chose; without our extension."""
    if tariff.price_lock and any(has_clock(element.restrictions) for element in tariff.elements):
        assert time_zone is not None, "what was priced by local time has a time zone"
        reserved = [period.start for period in priced.periods if period.kind is PeriodKind.RESERVATION]
        charged = [period.start for period in priced.periods if period.kind is not PeriodKind.RESERVATION]
        begun = min(charged, default=started_at) if reserved else started_at
        tariff = locked_tariff(tariff, begun, time_zone, reserved_at=min(reserved, default=None))
    return replace(tariff, idle=None, price_lock=False)


def used_tariff(tariff: Tariff, priced: Priced) -> Tariff:
    """Return the tariff without what had no part in this session: limits that changed nothing, reservations."""
    elements = tuple(element for element in tariff.elements if not _is_reservation(element)) or _FREE_OF_CHARGE
    least, most = (tariff.min_price, tariff.max_price) if priced.adjustments else (None, None)
    return replace(tariff, elements=elements, min_price=least, max_price=most)


def _is_reservation(element: TariffElement) -> bool:
    return element.restrictions is not None and element.restrictions.reservation is not None


def _at_start(element: TariffElement, session: LocalClock, waiting: LocalClock) -> Iterator[TariffElement]:
    restrictions = element.restrictions
    if restrictions is None or not has_clock(restrictions):
        yield element
        return
    clock = waiting if _is_reservation(element) else session
    locked = tuple(item for item in element.components if item.dimension in _LOCKED)
    others = tuple(item for item in element.components if item.dimension not in _LOCKED)
    if locked and all(test(clock) for test in clock_predicates(restrictions)):
        yield replace(element, components=locked, restrictions=_clockless(restrictions))
    if others:
        yield replace(element, components=others)


def _clockless(restrictions: Restrictions) -> Restrictions:
    return replace(restrictions, start_time=None, end_time=None, start_date=None, end_date=None, day_of_week=())


def _named(tariff_id: TariffId, ending: str) -> TariffId:
    return TariffId(f"{tariff_id[: _ID_LENGTH - len(ending)]}{ending}")

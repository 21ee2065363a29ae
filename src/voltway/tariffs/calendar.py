"""The week of a tariff as data: the price at each local hour, with the hours that the clocks skip or repeat.

Shown by `tariffs.calendar_text` (`voltway tariff show`). Prices are those of a session that starts in the hour. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from voltway.kernel.money import decimal_text
from voltway.tariffs.boundaries import boundaries
from voltway.tariffs.model import Tariff
from voltway.tariffs.price_text_words import Unit
from voltway.tariffs.rates import local_clock, zone
from voltway.tariffs.tiers import (
    EXACT_DIGITS,
    Offer,
    Topic,
    UnitPrice,
    first_price,
    midnight,
    offers,
    power_for,
    tiers_at,
)

SHOWN_TOPICS = (Topic.ENERGY, Topic.TIME, Topic.FLAT, Topic.PARKING_TIME)
DAYS = 7
_STEP = timedelta(minutes=15)  # every offset from UTC in use is a multiple of it
_UNITS = {Topic.ENERGY: Unit.KWH, Topic.FLAT: Unit.SESSION}


class Shown(NamedTuple):
    """What holds at an instant: a price (None: free), unless the tariff is not valid then.

    `is_tiered`: more energy, time or power has another price; this is the first one.
    """

    price: UnitPrice | None
    is_valid: bool
    is_tiered: bool


class Change(NamedTuple):
    """A price that begins inside an hour."""

    at: datetime
    shown: Shown


class ClockChange(NamedTuple):
    """An instant at which the local clock is put forward or back, with what it shows before and after."""

    at: datetime
    before: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of a local day, or what the clocks leave of it; `is_repeated`: its second time on the autumn day."""

    start: datetime
    end: datetime
    hour: int
    is_repeated: bool
    shown: Shown
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """One kind of price over the week: for each of 7 days its 23, 24 or 25 hours in the order of time."""

    topic: Topic
    days: tuple[tuple[Cell, ...], ...]

    @property
    def is_constant(self) -> bool:
        """Whether the same holds in every hour in which the tariff is valid."""
        return len({shown for shown in self.seen() if shown.is_valid}) <= 1

    def seen(self) -> Iterator[Shown]:
        """Yield everything that is shown, in the order of time."""
        for day in self.days:
            for cell in day:
                yield cell.shown
                yield from (change.shown for change in cell.changes)


@dataclass(frozen=True, slots=True)
class Week:
    """A tariff's prices of seven local days from `monday` (any date will do)."""

    tariff: Tariff
    monday: date
    time_zone: str
    calendars: tuple[Calendar, ...]
    clock_changes: tuple[ClockChange, ...]

    def document(self) -> dict[str, object]:
        """Write the week for `--json`: instants with their offset, prices as decimal strings, null where not valid."""
        return {
            "tariff_id": self.tariff.id,
            "currency": self.tariff.currency,
            "monday": self.monday.isoformat(),
            "time_zone": self.time_zone,
            "clock_changes": [
                {"at": change.after.isoformat(), "before": f"{change.before:%H:%M}", "after": f"{change.after:%H:%M}"}
                for change in self.clock_changes
            ],
            "calendars": [self._calendar(calendar) for calendar in self.calendars],
        }

    def _calendar(self, calendar: Calendar) -> dict[str, object]:
        days = [
            {"date": (self.monday + timedelta(days=index)).isoformat(), "hours": [self._hour(cell) for cell in day]}
            for index, day in enumerate(calendar.days)
        ]
        unit = _UNITS.get(calendar.topic, Unit.HOUR).value
        return {"dimension": calendar.topic.value, "unit": unit, "constant": calendar.is_constant, "days": days}

    def _hour(self, cell: Cell) -> dict[str, object]:
        return {
            "start": self._local(cell.start),
            "end": self._local(cell.end),
            "hour": cell.hour,
            "repeated": cell.is_repeated,
            **_shown_document(cell.shown),
            "changes": [{"at": self._local(change.at), **_shown_document(change.shown)} for change in cell.changes],
        }

    def _local(self, instant: datetime) -> str:
        return instant.astimezone(zone(self.time_zone)).isoformat()


def week_of(tariff: Tariff, *, monday: date, time_zone: str, power_w: float | None = None) -> Week:
    """Return the prices of the seven local days from `monday`, per kWh, hour of charging, session and hour of idling.

    `power_w` is a momentary power (billing note 20); without it an element for certain powers does not hold, as for a
    session whose power is unknown. Raises ZoneInfoNotFoundError (a KeyError) where the zone does not exist.
    """
    calendars = tuple(_Reader(tariff, topic, time_zone, power_w).calendar(monday) for topic in SHOWN_TOPICS)
    return Week(tariff, monday, time_zone, calendars, tuple(_clock_changes(monday, time_zone)))


class _Reader:
    """Reads one kind of price off the clock."""

    def __init__(self, tariff: Tariff, topic: Topic, time_zone: str, power_w: float | None) -> None:
        self.tariff = tariff
        self.topic = topic
        self.time_zone = time_zone
        self.power_w = power_for(topic, power_w)
        self.of: tuple[Offer, ...] = offers(tariff, topic)

    def calendar(self, monday: date) -> Calendar:
        start, end = midnight(monday, self.time_zone), midnight(monday + timedelta(days=DAYS), self.time_zone)
        changes = list(self._changes(start, end))
        days = (monday + timedelta(days=index) for index in range(DAYS))
        return Calendar(self.topic, tuple(tuple(self._cells(day, changes)) for day in days))

    def _cells(self, day: date, changes: list[Change]) -> Iterator[Cell]:
        seen: set[int] = set()
        for hour, start, end in _hours(day, self.time_zone):
            inside = tuple(change for change in changes if start < change.at < end)
            yield Cell(start, end, hour, hour in seen, self._shown(start), inside)
            seen.add(hour)

    def _shown(self, instant: datetime) -> Shown:
        if not self.tariff.is_valid_at(instant):
            return Shown(None, is_valid=False, is_tiered=False)
        clock = local_clock(instant, self.time_zone)
        first = first_price(self.of, clock, power_w=self.power_w)
        return Shown(first, is_valid=True, is_tiered=len(tiers_at(self.of, clock, power_w=self.power_w)) > 1)

    def _changes(self, start: datetime, end: datetime) -> Iterator[Change]:
        """Yield what is shown anew from where the clock or the tariff's validity changes it."""
        bounds = [bound for bound in (self.tariff.start_date_time, self.tariff.end_date_time) if bound is not None]
        by_clock = boundaries(self.tariff, start, end, time_zone=self.time_zone)
        before = self._shown(start)
        for instant in sorted({*by_clock, *(bound for bound in bounds if start < bound < end)}):
            shown = self._shown(instant)
            if shown != before:
                yield Change(instant, shown)
            before = shown


def _hours(day: date, time_zone: str) -> Iterator[tuple[int, datetime, datetime]]:
    """Yield the hours of a local day with their instants: 23 or 25 of them where the clocks change."""
    local_zone = zone(time_zone)
    start = instant = midnight(day, time_zone)
    last = instant.astimezone(local_zone)
    while last.date() == day:
        instant += _STEP
        now = instant.astimezone(local_zone)
        if now.hour != last.hour or now.utcoffset() != last.utcoffset():
            yield last.hour, start, instant
            start = instant
        last = now


def _clock_changes(monday: date, time_zone: str) -> Iterator[ClockChange]:
    local_zone = zone(time_zone)
    instant, end = midnight(monday, time_zone), midnight(monday + timedelta(days=DAYS), time_zone)
    while instant < end:
        then = instant + _STEP
        before, after = instant.astimezone(local_zone), then.astimezone(local_zone)
        if before.utcoffset() != after.utcoffset():
            # The clock would have shown this, had it not been changed.
            expected = (then + (before.utcoffset() or timedelta())).replace(tzinfo=UTC)
            yield ClockChange(then, expected, after)
        instant = then


def _shown_document(shown: Shown) -> dict[str, object]:
    price = shown.price
    if price is None:
        free = "0" if shown.is_valid else None
        return {"price": free, "vat": None, "price_incl_vat": free, "tiered": shown.is_tiered}
    return {
        "price": _exact(price.listed),
        "vat": None if price.vat is None else _exact(price.vat),
        "price_incl_vat": _exact(price.amount),
        "tiered": shown.is_tiered,
    }


def _exact(value: Decimal) -> str:
    return decimal_text(value, EXACT_DIGITS)

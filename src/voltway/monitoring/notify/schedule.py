"""When a route tells of something: quiet hours, digests and windows of the week, in local time. Pure.

    due(at) = at                                     where it passes (critical, unless told otherwise)
            = quiet_end(at)                          without digest
            = quiet_end(the waiting digest's instant, or at + N minutes)   with a digest every N minutes

quiet_end(t) is t itself outside the quiet hours. Quiet is what the wall clock of the place says: in the night that
repeats an hour it may be quiet twice, and in the night that skips one the hours that do not exist are not waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class Hours(NamedTuple):
    """[begin, end) of the wall clock in minutes; past midnight where `end` is first, all day where both are one."""

    begin: time
    end: time

    def holds(self, wall: time) -> bool:
        """Whether the wall clock reads within these hours."""
        if self.begin == self.end:
            return True
        if self.begin < self.end:
            return self.begin <= wall < self.end
        return wall >= self.begin or wall < self.end


@dataclass(frozen=True, slots=True)
class Window:
    """Days (1 Monday to 7 Sunday; empty: all) and hours; those past midnight belong to the day on which they begin."""

    days: frozenset[int] = frozenset()
    hours: Hours | None = None

    def holds(self, at: datetime, zone: tzinfo) -> bool:
        """Whether an instant lies in the window, by the clock of that zone."""
        local = at.astimezone(zone)
        if self.hours is not None and not self.hours.holds(local.time()):
            return False
        is_after_midnight = self.hours is not None and self.hours.begin > self.hours.end > local.time()
        day = (local - _DAY if is_after_midnight else local).isoweekday()
        return not self.days or day in self.days


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a route may tell; `digest_min` gathers for so many minutes."""

    quiet: Hours | None = None
    digest_min: int | None = None
    critical_passes: bool = True


class Event(NamedTuple):
    """Something to tell: when it happened, whether it is critical."""

    at: datetime
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A message: when it leaves, which events (by index) it tells, whether they waited for it."""

    due: datetime
    events: tuple[int, ...]
    held: bool


def due(schedule: Schedule, event: Event, zone: tzinfo, waiting: datetime | None = None) -> datetime:
    """Return when an event is told; `waiting` is the instant of the digest that gathers already."""
    if event.is_critical and schedule.critical_passes:
        return event.at
    if schedule.digest_min is None:
        return quiet_end(schedule.quiet, event.at, zone)
    joins = waiting is not None and waiting > event.at
    ends = waiting if joins and waiting is not None else event.at + timedelta(minutes=schedule.digest_min)
    return quiet_end(schedule.quiet, ends, zone)


def plan(schedule: Schedule, events: Sequence[Event], zone: tzinfo) -> list[Planned]:
    """Return the messages of a route for events in order of time, as they leave; held ones of one instant are one."""
    gathered: dict[datetime, list[int]] = {}
    planned: list[Planned] = []
    waiting: datetime | None = None
    for number, event in enumerate(events):
        instant = due(schedule, event, zone, waiting)
        if instant == event.at:
            planned.append(Planned(instant, (number,), held=False))
        else:
            gathered.setdefault(instant, []).append(number)
            waiting = instant
    planned.extend(Planned(instant, tuple(numbers), held=True) for instant, numbers in gathered.items())
    return sorted(planned, key=lambda message: (message.due, message.events))


def is_quiet(quiet: Hours | None, at: datetime, zone: tzinfo) -> bool:
    """Whether the wall clock of that zone reads within the quiet hours."""
    return quiet is not None and quiet.holds(at.astimezone(zone).time())


def quiet_end(quiet: Hours | None, at: datetime, zone: tzinfo) -> datetime:
    """Return the first instant from `at` on that is not in quiet hours."""
    if quiet is None or not is_quiet(quiet, at, zone):
        return at
    local = at.astimezone(zone)
    wall = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    left = (timedelta(hours=quiet.end.hour, minutes=quiet.end.minute) - wall) % _DAY or _DAY
    candidate = at + left
    if candidate.astimezone(zone).utcoffset() == local.utcoffset():
        return candidate
    return _walk(quiet, at, zone)


def _walk(quiet: Hours, at: datetime, zone: tzinfo) -> datetime:
    """Go minute by minute through a night in which the clock is changed; clocks change at whole minutes."""
    step = at.astimezone(UTC).replace(second=0, microsecond=0)
    while is_quiet(quiet, step, zone) or step < at:
        step += _MINUTE
    return step

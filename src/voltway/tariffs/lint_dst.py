"""The linter's look at the nights on which clocks change: windows that begin or end in an hour that lacks or repeats.

Billing note 18: windows are wall clock; the hour of the spring night never comes, that of the autumn night comes twice.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from voltway.tariffs.lint_findings import Finding
from voltway.tariffs.lint_outline import TariffOutline, WindowOutline
from voltway.tariffs.rates import zone

_USUAL_BEGIN = date(2026, 1, 1)
_HORIZON = timedelta(days=2 * 366)
_YEAR = timedelta(days=366)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class Transition(NamedTuple):
    """A change of the clock as the stretch of wall time `[low, high)` that never comes or comes twice."""

    low: datetime
    high: datetime
    repeats: bool


def dst_findings(read: TariffOutline, time_zone: str) -> Iterator[Finding]:
    """Yield the first missing and the first repeated hour in which each window's start or end lies."""
    local = zone(time_zone)
    for window in read.windows():
        first, end = _dates(window, read, local)
        seen: set[tuple[str, bool]] = set()
        for change in transitions(time_zone, first, end):
            for key, wall in _touched(window, change):
                if (key, change.repeats) not in seen:
                    seen.add((key, change.repeats))
                    yield _finding(f"{window.pointer}/{key}", wall, change, time_zone)


@lru_cache(maxsize=256)
def transitions(time_zone: str, first: date, end: date) -> tuple[Transition, ...]:
    """Return the changes of the clock between two local dates, to the second."""
    local = zone(time_zone)
    low = datetime(first.year, first.month, first.day, tzinfo=UTC) - _DAY
    last = datetime(end.year, end.month, end.day, tzinfo=UTC) + _DAY
    found: list[Transition] = []
    while low < last:
        if _offset(low, local) != _offset(low + _DAY, local):
            change = _transition(low, low + _DAY, local)
            if first <= change.low.date() < end:
                found.append(change)
        low += _DAY
    return tuple(found)


def _dates(window: WindowOutline, read: TariffOutline, local: ZoneInfo) -> tuple[date, date]:
    """Return the dates to look at: from the window's or the tariff's first day on, by default from 2026 on."""
    begins = [window.start_date] if window.start_date is not None else []
    ends = [window.end_date] if window.end_date is not None else []
    if read.begins is not None and _is_usual(read.begins.date()):
        begins.append(read.begins.astimezone(local).date())
    if read.ends is not None and _is_usual(read.ends.date()):
        ends.append(read.ends.astimezone(local).date() + _DAY)
    end = min((day for day in ends if _is_usual(day)), default=None)
    first = max((day for day in begins if _is_usual(day)), default=None)
    if first is None:
        first = _USUAL_BEGIN if end is None or end > _USUAL_BEGIN else end - _YEAR
    return first, min(end, first + _HORIZON) if end is not None else first + _HORIZON


def _is_usual(day: date) -> bool:
    """Tell whether the calendar goes on for some years on both sides of the day."""
    return date.min.year + 5 < day.year < date.max.year - 5


def _offset(instant: datetime, local: ZoneInfo) -> timedelta:
    offset = instant.astimezone(local).utcoffset()
    assert offset is not None, "an aware instant has an offset"
    return offset


def _transition(low: datetime, high: datetime, local: ZoneInfo) -> Transition:
    """Find the change between two instants with different offsets by halving."""
    before, after = _offset(low, local), _offset(high, local)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        low, high = (middle, high) if _offset(middle, local) == before else (low, middle)
    plain = high.replace(tzinfo=None)
    walls = sorted((plain + before, plain + after))
    return Transition(walls[0], walls[1], after < before)


def _touched(window: WindowOutline, change: Transition) -> Iterator[tuple[str, datetime]]:
    """Yield the keys whose wall time lies in the stretch; an end at its very beginning is before it."""
    for key, clock in (("start_time", window.start_time), ("end_time", window.end_time)):
        wall = _wall_in(clock, change) if clock is not None else None
        if wall is None or (key == "end_time" and wall == change.low):
            continue
        if not window.weekdays or wall.weekday() in window.weekdays:
            yield key, wall


def _wall_in(clock: time, change: Transition) -> datetime | None:
    day = change.low.date()
    while day <= change.high.date():
        wall = datetime.combine(day, clock)
        if change.low <= wall < change.high:
            return wall
        day += _DAY
    return None


def _finding(path: str, wall: datetime, change: Transition, time_zone: str) -> Finding:
    when, clock = f"{wall:%Y-%m-%d}", f"{wall:%H:%M}"
    stretch = f"{change.low:%H:%M}-{change.high:%H:%M}"
    if change.repeats:
        message = f"On {when} {clock} comes twice in {time_zone} ({stretch} repeats), and so does what changes then."
        fix = f"Write a time outside {stretch}, or nothing if both hours may be priced alike."
        return Finding("dst_repeat", path, message, fix)
    message = (
        f"On {when} {clock} does not exist in {time_zone} (clocks go from {change.low:%H:%M} to {change.high:%H:%M})."
    )
    fix = f"Write a time outside {stretch}, or nothing if that hour's price may be missing in that night."
    return Finding("dst_gap", path, message, fix)

"""Calendar periods in a site's own time zone, as exact spans: a day may have 23 or 25 hours, a year 366 days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from voltway.monitoring.numbers.uptime_spans import Span, span_of, union


class Month(NamedTuple):
    """A calendar month; `after` and `before` count on over the ends of years."""

    year: int
    month: int

    def after(self, months: int) -> "Month":
        """Return the month that many months later (earlier, where negative)."""
        years, index = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(years, index + 1)

    @property
    def text(self) -> str:
        """Return `YYYY-MM`."""
        return f"{self.year:04}-{self.month:02}"

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `YYYY-MM`; raise ValueError where it is none."""
        day = date.fromisoformat(f"{text}-01")
        return cls(day.year, day.month)

    def span(self, zone: ZoneInfo, months: int = 1) -> Span:
        """Return the span of this month and those that follow it, `months` in all, by the wall clock of the zone."""
        end = self.after(months)
        return span_of(midnight(date(self.year, self.month, 1), zone), midnight(date(end.year, end.month, 1), zone))


def months_of(begin: Month, count: int) -> tuple[Month, ...]:
    """Return `count` months from `begin` on."""
    return tuple(begin.after(number) for number in range(count))


def year_span(year: int, zone: ZoneInfo) -> Span:
    """Return a calendar year by the wall clock of the zone."""
    return Month(year, 1).span(zone, 12)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the begin of a local day in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


class ServiceWindow(NamedTuple):
    """Local hours of some weekdays (Monday is 1); an end at or before the begin runs over midnight."""

    weekdays: frozenset[int]
    begin: time
    end: time


def window_spans(windows: tuple[ServiceWindow, ...], period: Span, zone: ZoneInfo) -> tuple[Span, ...]:
    """Return the instants of a period that lie in any of the windows; no window at all means always."""
    if not windows:
        return union([period])
    first = period.begin_at.astimezone(zone).date() - timedelta(days=1)
    days = (period.end_at.astimezone(zone).date() - first).days + 1
    spans = [
        _on_day(window, first + timedelta(days=number), zone)
        for number in range(days)
        for window in windows
        if (first + timedelta(days=number)).isoweekday() in window.weekdays
    ]
    return union(Span(max(span.begin, period.begin), min(span.end, period.end)) for span in spans)


def _on_day(window: ServiceWindow, day: date, zone: ZoneInfo) -> Span:
    last = day + timedelta(days=1) if window.end <= window.begin else day
    begin = datetime.combine(day, window.begin, zone).astimezone(UTC)
    return span_of(begin, datetime.combine(last, window.end, zone).astimezone(UTC))

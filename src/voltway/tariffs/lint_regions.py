"""Where elements apply, as sets of cells: every axis is cut at the tariff's own bounds, so a cell is all in or all out.

The clock (days by minutes) is one integer of bits, so that a year of hourly prices is still quick; energy, duration,
power and current are four short axes whose cells are walked one by one. Used by `lint_cover` and `lint_words`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import NamedTuple

from voltway.tariffs.model import Restrictions

DAY_MINUTES = 24 * 60
_WEEK = 7
_A_MONDAY = date(2026, 1, 5).toordinal()
_MOST_VISITS = 200_000  # quantity cells times elements: about a tenth of a second
_MOST_BITS = 400_000_000  # clock cells times elements: 50 MB
_MOST_WORK = 20_000_000_000  # bits that one walk touches: about half a second

Bound = Decimal | None
Bounds = tuple[tuple[Bound, Bound], ...]
Dates = tuple[int | None, int | None]
"""First day and the day after the last as proleptic ordinals; None is open."""
Position = tuple[int, ...]
"""One cell of each quantity axis: energy, duration, power, current."""
_OPEN = Restrictions()


class Cell(NamedTuple):
    """A stretch `[low, high)` of a quantity, `high` None without end; `low` None: the quantity is not known."""

    low: Decimal | None
    high: Decimal | None


class Day(NamedTuple):
    """A day that stands for all days of its weekday in a span of dates; ordinals as `date.toordinal()`."""

    span: int
    ordinal: int

    @property
    def weekday(self) -> int:
        """Return the weekday, Monday 0."""
        return (self.ordinal - 1) % _WEEK


class Region(NamedTuple):
    """The cells in which one element applies: bits of the clock, and bits of each quantity axis."""

    clock: int
    axes: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether it applies nowhere."""
        return not self.clock or not all(self.axes)

    def meet(self, other: "Region") -> "Region":
        """Return where both apply."""
        return Region(self.clock & other.clock, tuple(a & b for a, b in zip(self.axes, other.axes, strict=True)))

    def is_within(self, other: "Region") -> bool:
        """Tell whether the other applies wherever this one does."""
        return self.meet(other) == self


class Clock:
    """The days and minutes of the wall clock, one bit each: day by day, in each day its stretches of minutes."""

    def __init__(self, spans: Sequence[Dates], days: Sequence[Day], cuts: Sequence[int]) -> None:
        self.spans = tuple(spans)
        self.days = tuple(days)
        self.cuts = tuple(cuts)
        """Minutes of the day at which a stretch begins; the first is 0."""
        width = len(self.cuts)
        self.minutes = (1 << width) - 1
        """The bits of a whole day."""
        self._ordinals = [day.ordinal for day in self.days]
        self._before = [0]
        self._weekdays = [0] * _WEEK
        for index, day in enumerate(self.days):
            bit = 1 << (index * width)
            self._before.append(self._before[-1] | bit)
            self._weekdays[day.weekday] |= bit
        self.everything = self._before[-1] * self.minutes

    def mask(self, r: Restrictions) -> int:
        """Return the bits at which the clock restrictions hold."""
        low = bisect_left(self._ordinals, r.start_date.toordinal()) if r.start_date is not None else 0
        high = bisect_left(self._ordinals, r.end_date.toordinal()) if r.end_date is not None else len(self.days)
        days = self._before[high] & ~self._before[low] if low < high else 0
        if r.day_of_week:
            days &= sum(self._weekdays[day] for day in set(r.day_of_week))
        return days * self._window(r.start_time, r.end_time)

    def rows(self, mask: int) -> list[tuple[Day, int]]:
        """Return each day with the bits of its minutes."""
        width = len(self.cuts)
        return [(day, mask >> (index * width) & self.minutes) for index, day in enumerate(self.days)]

    def _window(self, start: time | None, end: time | None) -> int:
        begin, finish = _minute(start), _minute(end) or DAY_MINUTES
        if begin == finish:  # billing note 15: equal times are the whole day
            return self.minutes
        low, high = (bisect_left(self.cuts, minute) for minute in sorted((begin, finish)))
        inside = (1 << high) - (1 << low)
        return inside if begin < finish else self.minutes & ~inside


class Grid:
    """Elements that price the same, as regions over common cells; `is_thinned` where there were too many cells.

    A thinned grid leaves cells out: what it shows is there, but there may be more.
    """

    def __init__(self, restrictions: Sequence[Restrictions | None], dates: Dates = (None, None)) -> None:
        known = [r if r is not None else _OPEN for r in restrictions]
        bounds = [_bounds(r) for r in known]
        axes = [_cells(pairs, can_be_unknown=index > 1) for index, pairs in enumerate(zip(*bounds, strict=True))]
        spans = _spans(known, dates)
        days, cuts = _days(spans), _minutes(known)
        self.is_thinned = False
        while prod(map(len, axes)) > 1 and prod(map(len, axes)) * len(known) > _MOST_VISITS:
            axes = _thinner(axes)
            self.is_thinned = True
        steps = prod(map(len, axes))
        while len(days) > 1 and len(days) * len(cuts) * len(known) > min(_MOST_BITS, _MOST_WORK // steps):
            days = days[::2]
            self.is_thinned = True
        self.axes = tuple(axes)
        self.clock = Clock(spans, days, cuts)
        self.regions = [
            Region(self.clock.mask(r), tuple(map(_axis_mask, self.axes, pairs)))
            for r, pairs in zip(known, bounds, strict=True)
        ]

    def walk(self) -> Iterator[tuple[Position, list[tuple[int, int]], int]]:
        """Yield each quantity position with what each element wins there (index, clock bits) and what nobody does."""
        for position in product(*(range(len(cells)) for cells in self.axes)):
            left, wins = self.clock.everything, []
            for index, region in enumerate(self.regions):
                won = region.clock & left
                if won and all(mask >> at & 1 for mask, at in zip(region.axes, position, strict=True)):
                    wins.append((index, won))
                    left &= ~won
            yield position, wins, left

    def is_known(self, position: Position) -> bool:
        """Tell whether power and current are known at a position."""
        return all(cells[at].low is not None for cells, at in zip(self.axes, position, strict=True))


def _minute(clock: time | None) -> int:
    return clock.hour * 60 + clock.minute if clock is not None else 0


def _bounds(r: Restrictions) -> Bounds:
    """Return least and greatest of energy (kWh), duration (s), power (kW) and current (A)."""
    durations = (None if bound is None else Decimal(bound) for bound in (r.min_duration_s, r.max_duration_s))
    low_s, high_s = durations
    power, current = (r.min_power, r.max_power), (r.min_current, r.max_current)
    return (r.min_kwh, r.max_kwh), (low_s, high_s), power, current


def _cells(pairs: Iterable[tuple[Bound, Bound]], *, can_be_unknown: bool) -> tuple[Cell, ...]:
    """Cut the axis from 0 on at every bound; where a restriction asks for it, one more cell for "not known"."""
    bounds = {bound for pair in pairs for bound in pair if bound is not None}
    cuts = sorted({Decimal(0)} | {bound for bound in bounds if bound > 0})
    cells = [Cell(low, high) for low, high in pairwise([*cuts, None])]
    return (*cells, Cell(None, None)) if can_be_unknown and bounds else tuple(cells)


def _axis_mask(cells: Sequence[Cell], bounds: tuple[Bound, Bound]) -> int:
    least, most = bounds
    if least is None and most is None:
        return (1 << len(cells)) - 1
    bits = (
        cell.low is not None and (least is None or least <= cell.low) and (most is None or cell.low < most)
        for cell in cells
    )
    return sum(1 << index for index, bit in enumerate(bits) if bit)


def _thinner(axes: list[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    longest = max(axes, key=len)
    return [cells[::2] if cells is longest else cells for cells in axes]


def _spans(known: Sequence[Restrictions], dates: Dates) -> list[Dates]:
    """Cut the tariff's validity at every date."""
    first, end = dates
    if first is not None and end is not None and first >= end:
        first = end = None  # the tariff is never valid: look at its elements all the same
    named = {day.toordinal() for r in known for day in (r.start_date, r.end_date) if day is not None}
    cuts = sorted(day for day in named if (first is None or first < day) and (end is None or day < end))
    return list(pairwise([first, *cuts, end]))


def _days(spans: Sequence[Dates]) -> list[Day]:
    """Let a day stand for each weekday that a span has."""
    found: list[Day] = []
    for index, (first, end) in enumerate(spans):
        low = first if first is not None else _A_MONDAY if end is None else end - _WEEK
        high = low + _WEEK if end is None else min(low + _WEEK, end)
        found.extend(Day(index, ordinal) for ordinal in range(low, high))
    return found


def _minutes(known: Sequence[Restrictions]) -> list[int]:
    return sorted({0} | {_minute(clock) for r in known for clock in (r.start_time, r.end_time)})

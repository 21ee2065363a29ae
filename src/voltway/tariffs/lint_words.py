"""Cells of the linter in words: "Saturday 18:00-24:00", "from 20 kWh on", "before 2026-01-01"."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby, product

from voltway.kernel.money import decimal_text
from voltway.tariffs.lint_findings import listed
from voltway.tariffs.lint_regions import DAY_MINUTES, Cell, Clock, Day, Grid, Position, Region
from voltway.tariffs.model import WEEKDAYS

_MOST_PLACES = 4
_UNITS = ("kWh", "s", "kW", "A")
_UNKNOWN = ("", "", "while the power is not known", "while the current is not known")
_LONG_RUN = 3
_DAYS = tuple(name.capitalize() for name in WEEKDAYS)


def region_words(grid: Grid, region: Region) -> str:
    """Say where a region lies; "at all times" where it is everything."""
    quantities = [_mask_words(index, grid.axes[index], mask) for index, mask in enumerate(region.axes)]
    return _phrase([clock_words(grid.clock, region.clock), *quantities])


def places(grid: Grid, holes: Mapping[Position, int]) -> list[str]:
    """Say where the clock bits of quantity positions lie, in as few phrases as a greedy search finds."""
    by_mask: dict[int, set[Position]] = {}
    for position, mask in holes.items():
        by_mask.setdefault(mask, set()).add(position)
    found: list[str] = []
    for mask, positions in by_mask.items():
        when = clock_words(grid.clock, mask)
        for box in _boxes(positions):
            sides = (_range_words(index, cells, box[index]) for index, cells in enumerate(grid.axes))
            found.append(_phrase([when, *sides]))
    return shortened(found)


def shortened(phrases: Sequence[str]) -> list[str]:
    """Return at most four phrases and how many more there are."""
    more = len(phrases) - _MOST_PLACES
    return [*phrases[:_MOST_PLACES], f"{more} more"] if more > 0 else list(phrases)


def clock_words(clock: Clock, mask: int) -> str:
    """Say which dates, weekdays and hours the bits are; empty where they are all."""
    if mask == clock.everything:
        return ""
    spans = [(span, _week_words(clock, rows)) for span, rows in _by_span(clock, mask)]
    merged = [(words, [span for span, _ in same]) for words, same in groupby(spans, key=lambda item: item[1])]
    if len(merged) == 1:
        return merged[0][0] or ""
    phrases = [
        _phrase([_date_words(clock.spans[span_ids[0]][0], clock.spans[span_ids[-1]][1]), words], always="")
        for words, span_ids in merged
        if words is not None
    ]
    return "; ".join(shortened(phrases))


def quantity_words(index: int, low: Decimal, high: Decimal | None) -> str:
    """Say a stretch of an axis (0 energy, 1 duration, 2 power, 3 current).

    >>> quantity_words(0, Decimal(20), None)
    'from 20 kWh on'
    """
    if high is None:
        return f"from {_amount(index, low)} on" if low else ""
    if not low:
        return f"in the first {_amount(index, high)}" if index == 1 else f"below {_amount(index, high)}"
    return f"from {_amount(index, low)} to {_amount(index, high)}"


def _phrase(parts: Iterable[str], always: str = "at all times") -> str:
    return ", ".join(part for part in parts if part) or always


def _amount(index: int, bound: Decimal) -> str:
    """Write a bound with its unit; whole minutes as such."""
    if index == 1 and bound and bound % 60 == 0:
        return f"{decimal_text(bound / 60)} min"
    return f"{decimal_text(bound)} {_UNITS[index]}"


def _mask_words(index: int, cells: Sequence[Cell], mask: int) -> str:
    if mask == (1 << len(cells)) - 1:
        return ""
    chosen = [at for at in range(len(cells)) if mask >> at & 1]
    return _range_words(index, cells, range(chosen[0], chosen[-1] + 1))


def _range_words(index: int, cells: Sequence[Cell], chosen: range) -> str:
    first, last = cells[chosen.start], cells[chosen[-1]]
    return quantity_words(index, first.low, last.high) if first.low is not None else _UNKNOWN[index]


def _boxes(positions: set[Position]) -> Iterator[list[range]]:
    """Cover positions with boxes: from each corner that is left grow along one axis after the other."""
    left = set(positions)
    while left:
        box = [range(at, at + 1) for at in min(left)]
        for axis in range(len(box)):
            while (wider := _next_slice(box, axis)) and all(position in positions for position in wider):
                box[axis] = range(box[axis].start, box[axis].stop + 1)
        left -= set(product(*box))
        yield box


def _next_slice(box: Sequence[range], axis: int) -> list[Position]:
    stop = box[axis].stop
    return list(product(*(range(stop, stop + 1) if index == axis else side for index, side in enumerate(box))))


def _by_span(clock: Clock, mask: int) -> Iterator[tuple[int, list[tuple[Day, int]]]]:
    for span, rows in groupby(clock.rows(mask), key=lambda row: row[0].span):
        yield span, list(rows)


def _week_words(clock: Clock, rows: Sequence[tuple[Day, int]]) -> str | None:
    """Say weekdays and hours of one span; None where it has none, empty where it has all."""
    by_hours: dict[int, list[int]] = {}
    for day, minutes in rows:
        by_hours.setdefault(minutes, []).append(day.weekday)
    if set(by_hours) == {0}:
        return None
    if len(by_hours) == 1:
        return _hour_words(clock, next(iter(by_hours)))
    parts = [
        f"{_day_words(sorted(days))} {_hour_words(clock, minutes) or 'all day'}"
        for minutes, days in sorted(by_hours.items(), key=lambda item: min(item[1]))
        if minutes
    ]
    return ", ".join(parts)


def _day_words(days: Sequence[int]) -> str:
    """Name weekdays; three in a row or more as a range."""
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = [[_DAYS[day] for day in run] for run in runs]
    return listed([word for run in names for word in ([f"{run[0]} to {run[-1]}"] if len(run) >= _LONG_RUN else run)])


def _hour_words(clock: Clock, minutes: int) -> str:
    if minutes == clock.minutes:
        return ""
    edges = [*clock.cuts, DAY_MINUTES]
    runs: list[tuple[int, int]] = []
    for index in range(len(clock.cuts)):
        if minutes >> index & 1:
            begin = runs.pop()[0] if runs and runs[-1][1] == edges[index] else edges[index]
            runs.append((begin, edges[index + 1]))
    return listed([f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}" for begin, end in runs])


def _date_words(first: int | None, end: int | None) -> str:
    if first is None:
        return "" if end is None else f"before {date.fromordinal(end)}"
    if end is None:
        return f"from {date.fromordinal(first)} on"
    last = date.fromordinal(end - 1)
    return f"on {last}" if end - first == 1 else f"from {date.fromordinal(first)} to {last}"

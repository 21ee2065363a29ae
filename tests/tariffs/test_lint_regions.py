"""The linter's cells: cut where the tariff cuts, all in or all out, against a look at every minute."""

from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltway.tariffs.lint_regions import DAY_MINUTES, Cell, Clock, Day, Grid, Region
from voltway.tariffs.model import Restrictions
from voltway.tariffs.rates import LocalClock, clock_predicates

FIRST, LAST = date(2026, 2, 26), date(2026, 3, 20)
TIMES = st.none() | st.sampled_from([time(0), time(6), time(6, 30), time(22), time(23, 59)])
DATES = st.none() | st.dates(FIRST, LAST)
WINDOWS = st.builds(
    Restrictions,
    start_time=TIMES,
    end_time=TIMES,
    start_date=DATES,
    end_date=DATES,
    day_of_week=st.sets(st.integers(0, 6), max_size=6).map(lambda days: tuple(sorted(days))),
)


def _bit(clock: Clock, day: date, minute: int) -> int:
    """Return the bit that stands for a minute of a date: the day of its span and weekday, the stretch of its minute."""
    ordinal = day.toordinal()
    span = next(
        index
        for index, (first, end) in enumerate(clock.spans)
        if (first is None or first <= ordinal) and (end is None or ordinal < end)
    )
    number = next(index for index, item in enumerate(clock.days) if item.span == span and item.weekday == day.weekday())
    stretch = max(index for index, cut in enumerate(clock.cuts) if cut <= minute)
    return 1 << (number * len(clock.cuts) + stretch)


@given(st.lists(WINDOWS, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_bit_says_what_every_minute_of_its_cell_says(windows: list[Restrictions]) -> None:
    """Three weeks, quarter by quarter and at each cut: the same answer as the engine's predicates."""
    grid = Grid(windows)
    minutes = sorted({*range(0, DAY_MINUTES, 45), *grid.clock.cuts, DAY_MINUTES - 1})
    for window, region in zip(windows, grid.regions, strict=True):
        tests = clock_predicates(window)
        day = FIRST - timedelta(days=3)
        while day < LAST + timedelta(days=3):
            for minute in minutes:
                now = LocalClock(minute, day.weekday(), day.toordinal())
                assert bool(region.clock & _bit(grid.clock, day, minute)) is all(test(now) for test in tests)
            day += timedelta(days=1)


@given(st.lists(WINDOWS, min_size=1, max_size=4), DATES, DATES)
@settings(max_examples=100, deadline=None)
def test_spans_follow_each_other_through_the_validity(
    windows: list[Restrictions], begin: date | None, end: date | None
) -> None:
    """No date is in two spans or in none; each span has a day for each weekday that it has."""
    first = begin.toordinal() if begin is not None else None
    last = end.toordinal() if end is not None else None
    clock = Grid(windows, (first, last)).clock
    assert all(before[1] == after[0] for before, after in pairwise(clock.spans))
    if first is None or last is None or first < last:
        assert (clock.spans[0][0], clock.spans[-1][1]) == (first, last)
    for index, (low, high) in enumerate(clock.spans):
        days = [day for day in clock.days if day.span == index]
        length = high - low if low is not None and high is not None else 7
        assert len({day.weekday for day in days}) == len(days) == min(7, length)
    assert [day.ordinal for day in clock.days] == sorted(day.ordinal for day in clock.days)


def test_weekdays_are_those_of_the_calendar() -> None:
    """Ordinals and weekdays agree, Monday is 0."""
    for ordinal in range(739_000, 739_020):
        assert Day(0, ordinal).weekday == date.fromordinal(ordinal).weekday()


@pytest.mark.parametrize(
    ("axis", "restrictions", "cells", "masks"),
    [
        (0, [Restrictions(min_kwh=Decimal(5)), None], [("0", "5"), ("5", None)], [0b10, 0b11]),
        (0, [Restrictions(min_kwh=Decimal(0)), None], [("0", None)], [1, 1]),
        (0, [Restrictions(max_kwh=Decimal(0)), None], [("0", None)], [0, 1]),
        (0, [Restrictions(min_kwh=Decimal(2), max_kwh=Decimal(2))], [("0", "2"), ("2", None)], [0]),
        (1, [Restrictions(min_duration_s=60), Restrictions(max_duration_s=90)],
         [("0", "60"), ("60", "90"), ("90", None)], [0b110, 0b011]),
        # a restriction on what is not known does not hold, so "not known" is a cell of its own
        (2, [Restrictions(max_power=Decimal(22)), None], [("0", "22"), ("22", None), (None, None)], [0b001, 0b111]),
        (2, [Restrictions(min_power=Decimal(0)), None], [("0", None), (None, None)], [0b01, 0b11]),
        (3, [Restrictions(min_current=Decimal(-1)), None], [("0", None), (None, None)], [0b01, 0b11]),
        (3, [Restrictions(max_current=Decimal(-1)), None], [("0", None), (None, None)], [0b00, 0b11]),
        (3, [Restrictions(max_power=Decimal(1))], [("0", None)], [1]),
    ],
)  # fmt: skip
def test_quantities_are_cut_at_the_bounds(
    axis: int,
    restrictions: list[Restrictions | None],
    cells: list[tuple[str | None, str | None]],
    masks: list[int],
) -> None:
    """Billing note 13: least values are inclusive, greatest exclusive; nothing is below 0."""
    grid = Grid(restrictions)
    assert list(grid.axes[axis]) == [Cell(_bound(low), _bound(high)) for low, high in cells]
    assert [region.axes[axis] for region in grid.regions] == masks


def _bound(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None


def test_regions_meet_and_contain() -> None:
    """As sets do."""
    wide, narrow, other = Region(0b111, (1, 3)), Region(0b011, (1, 1)), Region(0b110, (1, 2))
    assert narrow.is_within(wide)
    assert wide.is_within(wide)
    assert not wide.is_within(narrow)
    assert narrow.meet(other) == Region(0b010, (1, 0))
    assert narrow.meet(other).is_empty
    assert Region(0, (1, 1)).is_empty
    assert not wide.is_empty


def test_each_cell_has_one_winner_or_none() -> None:
    """The first in the list takes all it can; what is left over is what the walk says."""
    night = Restrictions(start_time=time(22), end_time=time(6))
    grid = Grid([night, Restrictions(max_kwh=Decimal(10)), Restrictions(start_time=time(12))])
    for position, wins, left in grid.walk():
        taken = [bits for _, bits in wins]
        assert sum(taken) + left == grid.clock.everything
        assert wins[0] == (0, grid.regions[0].clock)
        assert bool(left) is (position[0] == 1)
        assert grid.is_known(position)


def test_a_small_grid_is_exact_and_a_huge_one_thinned() -> None:
    """The limit is far over what people write; one axis that is too long is halved until it fits."""
    some = [Restrictions(min_kwh=Decimal(number)) for number in range(200)]
    assert not Grid(some).is_thinned
    many = [Restrictions(min_kwh=Decimal(number), max_power=Decimal(number + 1)) for number in range(600)]
    grid = Grid(many)
    assert grid.is_thinned
    assert len(grid.axes[0]) * len(grid.axes[2]) * 600 <= 200_000
    assert set(grid.axes[0]) <= {Cell(Decimal(n), Decimal(n + 1)) for n in range(599)} | {Cell(Decimal(599), None)}

"""The linter's words for cells; what a gap is called stands in `test_lint_cover`."""

from datetime import date, time
from decimal import Decimal

import pytest

from voltway.tariffs.lint_regions import Grid, Position
from voltway.tariffs.lint_words import clock_words, places, quantity_words, region_words, shortened
from voltway.tariffs.model import Restrictions


@pytest.mark.parametrize(
    ("index", "low", "high", "said"),
    [
        (0, "0", None, ""),
        (0, "0", "0.5", "below 0.5 kWh"),
        (0, "20", None, "from 20 kWh on"),
        (0, "2.50", "10", "from 2.5 kWh to 10 kWh"),
        (1, "0", "3600", "in the first 60 min"),
        (1, "90", "120", "from 90 s to 2 min"),
        (2, "11", "22", "from 11 kW to 22 kW"),
        (3, "0", "16", "below 16 A"),
    ],
)
def test_quantities(index: int, low: str, high: str | None, said: str) -> None:
    """With their units, seconds as minutes where they are whole ones."""
    assert quantity_words(index, Decimal(low), Decimal(high) if high is not None else None) == said


@pytest.mark.parametrize(
    ("restrictions", "said"),
    [
        (Restrictions(), "at all times"),
        (Restrictions(start_time=time(22), end_time=time(6)), "00:00-06:00 and 22:00-24:00"),
        (Restrictions(end_time=time(0)), "at all times"),
        (Restrictions(day_of_week=(0, 1, 2, 4)), "Monday to Wednesday and Friday all day"),
        (Restrictions(day_of_week=(0, 2, 4)), "Monday, Wednesday and Friday all day"),
        (Restrictions(day_of_week=(5, 6), start_time=time(18)), "Saturday and Sunday 18:00-24:00"),
        (Restrictions(start_date=date(2026, 3, 1)), "from 2026-03-01 on"),
        (Restrictions(end_date=date(2026, 3, 1), day_of_week=(6,)), "before 2026-03-01, Sunday all day"),
        (Restrictions(start_date=date(2026, 3, 1), end_date=date(2026, 3, 2)), "on 2026-03-01"),
        (
            Restrictions(start_date=date(2026, 3, 2), end_date=date(2026, 3, 7), start_time=time(7)),
            "from 2026-03-02 to 2026-03-06, 07:00-24:00",
        ),
        (
            Restrictions(min_kwh=Decimal(1), max_power=Decimal(22), end_time=time(6)),
            "00:00-06:00, from 1 kWh on, below 22 kW",
        ),
    ],
)
def test_where_a_region_lies(restrictions: Restrictions, said: str) -> None:
    """Dates, weekdays, hours, then quantities; what does not matter is not said."""
    grid = Grid([restrictions])
    assert region_words(grid, grid.regions[0]) == said


@pytest.mark.parametrize(("axis", "said"), [(2, "while the power is not known"), (3, "while the current is not known")])
def test_what_is_not_known_is_said(axis: int, said: str) -> None:
    """The cell behind the last band is "not known"."""
    grid = Grid([Restrictions(max_power=Decimal(22), max_current=Decimal(16)), None])
    region = grid.regions[1]
    axes = tuple(mask if index != axis else 0b100 for index, mask in enumerate(region.axes))
    assert region_words(grid, region._replace(axes=axes)) == said


def test_holes_are_joined_into_boxes() -> None:
    """Cells side by side are one place, an L is two."""
    grid = Grid([Restrictions(min_kwh=Decimal(5), max_kwh=Decimal(9), min_duration_s=60), None])
    full = grid.clock.everything
    row: dict[Position, int] = {(at, 0, 0, 0): full for at in range(3)}
    assert places(grid, row) == ["in the first 1 min"]
    assert places(grid, {**row, (0, 1, 0, 0): full}) == ["in the first 1 min", "below 5 kWh, from 1 min on"]
    assert places(grid, {(2, 1, 0, 0): full}) == ["from 9 kWh on, from 1 min on"]
    assert places(grid, {(0, 0, 0, 0): full, (2, 0, 0, 0): full}) == [
        "below 5 kWh, in the first 1 min",
        "from 9 kWh on, in the first 1 min",
    ]


def test_the_clock_of_everything_and_nothing() -> None:
    """Neither has words."""
    clock = Grid([Restrictions(end_time=time(6))]).clock
    assert clock_words(clock, clock.everything) == ""
    assert clock_words(clock, 0) == ""


def test_long_lists_end_with_a_count() -> None:
    """Four phrases and how many more."""
    assert shortened(list("abcd")) == ["a", "b", "c", "d"]
    assert shortened(list("abcdef")) == ["a", "b", "c", "d", "2 more"]

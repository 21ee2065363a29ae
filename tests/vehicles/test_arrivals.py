"""Arrivals follow hour, weekday and place, average to what was asked for, and repeat with their seed."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from voltway.vehicles.arrivals import PlaceKind, arrivals_of_day, intensity
from voltway.vehicles.seeds import seeded

MONDAY = datetime(2026, 3, 2, tzinfo=ZoneInfo("Europe/Berlin"))
PLACES = pytest.mark.parametrize("place", list(PlaceKind))


@PLACES
def test_the_week_averages_to_one(place: PlaceKind) -> None:
    """The mean intensity over a week is 1."""
    hours = [intensity(place, MONDAY + timedelta(hours=hour)) for hour in range(168)]
    assert sum(hours) / 168 == pytest.approx(1)


def test_peaks_are_where_they_belong() -> None:
    """Work peaks on a working morning, streets in the evening, shops on Saturday."""
    assert intensity(PlaceKind.WORK, MONDAY.replace(hour=8)) > 3
    assert intensity(PlaceKind.WORK, MONDAY.replace(hour=20)) < 1
    assert intensity(PlaceKind.STREET, MONDAY.replace(hour=17)) > intensity(PlaceKind.STREET, MONDAY.replace(hour=10))
    saturday = MONDAY.replace(day=7, hour=11)
    assert intensity(PlaceKind.SHOP, saturday) > intensity(PlaceKind.SHOP, MONDAY.replace(hour=11))


@PLACES
def test_days_have_as_many_arrivals_as_asked(place: PlaceKind) -> None:
    """Over many weeks the mean number of cars a day is the one asked for, in order and within the day."""
    dice, total = seeded("arrivals", place), 0
    for day in range(140):
        arrivals = list(arrivals_of_day(place, MONDAY + timedelta(days=day), dice, daily_mean=12))
        assert arrivals == sorted(arrivals)
        assert all(0 <= at < 86_400 for at in arrivals)
        total += len(arrivals)
    assert total / 140 == pytest.approx(12, rel=0.08)


def test_the_same_words_give_the_same_dice() -> None:
    """Seeded dice roll alike for the same words and differently for others."""
    rolls = [seeded("a", 1).random(), seeded("a", 1).random(), seeded("a", 2).random()]
    assert rolls[0] == rolls[1] != rolls[2]

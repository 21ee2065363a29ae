"""When cars arrive: relative demand by local hour, weekday and kind of place. Pure; seeded dice are given.

The shapes follow what public charging data shows: workplaces peak in the morning of working days, streets in the
evening, shops at noon and on Saturdays, corridors in the afternoon and at the ends of the weekend.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from random import Random


class PlaceKind(StrEnum):
    """What a site is, as far as its hours go."""

    STREET = "street"
    WORK = "work"
    SHOP = "shop"
    CORRIDOR = "corridor"
    DEPOT = "depot"


_HOURS: dict[PlaceKind, tuple[float, ...]] = {
    PlaceKind.STREET: (2, 1, 1, 1, 1, 2, 4, 6, 6, 5, 5, 6, 7, 7, 7, 8, 10, 13, 15, 14, 11, 8, 6, 4),
    PlaceKind.WORK: (0, 0, 0, 0, 1, 4, 12, 22, 24, 14, 8, 6, 7, 8, 6, 4, 3, 2, 1, 1, 0, 0, 0, 0),
    PlaceKind.SHOP: (0, 0, 0, 0, 0, 1, 2, 5, 9, 13, 16, 17, 16, 15, 15, 16, 17, 16, 13, 8, 3, 1, 1, 0),
    PlaceKind.CORRIDOR: (2, 1, 1, 1, 2, 4, 7, 9, 10, 11, 13, 14, 14, 13, 14, 15, 16, 15, 13, 11, 8, 6, 4, 3),
    PlaceKind.DEPOT: (1, 1, 1, 1, 1, 2, 3, 3, 3, 2, 2, 4, 5, 4, 3, 4, 6, 10, 14, 12, 8, 5, 3, 2),
}
_WEEKDAYS: dict[PlaceKind, tuple[float, ...]] = {
    PlaceKind.STREET: (1.0, 1.0, 1.0, 1.0, 1.05, 0.95, 1.0),
    PlaceKind.WORK: (1.25, 1.35, 1.3, 1.3, 1.1, 0.2, 0.1),
    PlaceKind.SHOP: (0.85, 0.85, 0.9, 1.0, 1.3, 1.6, 0.3),
    PlaceKind.CORRIDOR: (0.9, 0.8, 0.85, 0.95, 1.35, 1.05, 1.3),
    PlaceKind.DEPOT: (1.15, 1.15, 1.15, 1.15, 1.1, 0.7, 0.6),
}


def intensity(place: PlaceKind, local: datetime) -> float:
    """Return the demand at a local instant relative to the place's weekly mean (which is 1)."""
    hours = _HOURS[place]
    return hours[local.hour] * 24 / sum(hours) * _WEEKDAYS[place][local.weekday()] * 7 / sum(_WEEKDAYS[place])


def arrivals_of_day(place: PlaceKind, midnight: datetime, dice: Random, *, daily_mean: float) -> Iterator[float]:
    """Yield ascending arrival times of one local day, in seconds after `midnight` (a Poisson process by hour).

    `daily_mean` is the mean number of cars per day over a week.
    """
    for hour in range(24):
        rate = daily_mean / 24 * intensity(place, midnight.replace(hour=hour))
        at = dice.expovariate(rate) if rate else 2.0
        while at < 1.0:
            yield (hour + at) * 3600
            at += dice.expovariate(rate)

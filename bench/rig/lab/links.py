"""When a station cannot be reached: faults, short losses of the network, nightly reconnects, restarts."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from rig.lab.network import StationSpec
from rig.lab.planning import DAY_S, HOUR_S, Fault
from rig.lab.ranges import Recipe

POWER_SHARE = 0.4
"""Of the outages of whole sites: the power is gone, not the uplink."""


class Down(NamedTuple):
    """From when to when a station is away. `has_power`: it goes on charging, and tells of it afterwards."""

    begin_s: float
    end_s: float
    has_power: bool = True


class Downs:
    """A station's absences, in order and without overlap."""

    def __init__(self, found: Iterable[Down]) -> None:
        self.spans: list[Down] = []
        for down in sorted(found):
            last = self.spans[-1] if self.spans else None
            if last is not None and down.begin_s <= last.end_s + 1:
                has_power = last.has_power and down.has_power
                self.spans[-1] = Down(last.begin_s, max(last.end_s, down.end_s), has_power)
            else:
                self.spans.append(down)
        self._begins = [down.begin_s for down in self.spans]

    def at(self, at_s: float) -> Down | None:
        """Return the absence that covers an instant."""
        place = bisect_right(self._begins, at_s) - 1
        return self.spans[place] if place >= 0 and at_s < self.spans[place].end_s else None


def outages_of_site(faults: Sequence[Fault], recipe: Recipe, dice: Random, days: int) -> list[Down]:
    """Return what strikes a site as a whole: drawn outages, and losses so short that nobody minds."""
    found = [
        Down(it.onset_s, it.end_s, has_power=dice.random() >= POWER_SHARE) for it in faults if it.kind == "site_outage"
    ]
    blips = _poisson(recipe.rate("site_blip_days"), dice, days)
    return found + [Down(begin_s, begin_s + recipe.draw("site_blip_s", dice)) for begin_s in blips]


def downs_of(
    station: StationSpec, outages: Sequence[Down], faults: Sequence[Fault], recipe: Recipe, dice: Random, *, days: int
) -> list[Down]:
    """Return a station's absences: its site's (each station falls some seconds later), its faults', its habits'."""
    found = [Down(it.begin_s + dice.uniform(0, 25), it.end_s + dice.uniform(0, 60), it.has_power) for it in outages]
    for fault in faults:
        if fault.kind == "station_offline":
            found.append(Down(fault.onset_s, fault.end_s, has_power=dice.random() < 0.7))
        elif fault.kind == "flapping":
            found.extend(_flaps(fault, dice))
    blips = _poisson(station.blips_a_day, dice, days)
    found.extend(Down(begin_s, begin_s + recipe.draw("blip_s", dice)) for begin_s in blips)
    if station.vendor.nightly:
        minute_s = dice.uniform(1, 4) * HOUR_S
        found.extend(Down(day * DAY_S + minute_s, day * DAY_S + minute_s + dice.uniform(3, 20)) for day in range(days))
    return found


def _flaps(fault: Fault, dice: Random) -> Iterator[Down]:
    at_s = fault.onset_s
    while at_s < fault.end_s:
        yield Down(at_s, at_s + fault.size * dice.uniform(0.1, 0.33))
        at_s += fault.size * dice.uniform(0.8, 1.2)


def _poisson(daily: float, dice: Random, days: int) -> Iterator[float]:
    at_s = dice.expovariate(daily) * DAY_S if daily else float("inf")
    while at_s < days * DAY_S - HOUR_S:
        yield at_s
        at_s += dice.expovariate(daily) * DAY_S

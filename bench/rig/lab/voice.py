"""How a station's messages reach us: its clock, its queue while it is away, delays, repeats, overtaking. Facts in,
events out in order of receipt."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random

from rig.lab.links import Downs
from rig.lab.network import StationSpec
from rig.lab.planning import Fault
from rig.lab.ranges import Recipe
from rig.lab.stream import Event, What
from voltway.kernel.facts import ConnectorStatusChanged, EnergyMetered, Fact, SessionUpdated, TokenStatus

FLUSH_S = 0.4
"""Between two messages of a queue that is sent after an absence."""


@dataclass(slots=True)
class Post:
    """Events of one site that wait for their turn, and dice for the network's whims."""

    recipe: Recipe
    dice: Random
    waiting: list[tuple[float, int, Event]] = field(default_factory=list)
    order: "count[int]" = field(default_factory=count)
    digests: "count[int]" = field(default_factory=lambda: count(1))

    def put(self, at_s: float, station_id: int, what: What, answer: TokenStatus | None = None) -> None:
        """Let an event be received at `at_s`."""
        event = Event(self.recipe.begin + timedelta(seconds=at_s), station_id, what, answer)
        heapq.heappush(self.waiting, (at_s, next(self.order), event))

    def due(self, until_s: float) -> Iterator[tuple[float, int, Event]]:
        """Yield what was received until `until_s`."""
        while self.waiting and self.waiting[0][0] <= until_s:
            yield heapq.heappop(self.waiting)


class Voice:
    """One station's: `stamp` writes its clock, `say` sends a message."""

    def __init__(self, spec: StationSpec, downs: Downs, faults: list[Fault], post: Post) -> None:
        self.spec = spec
        self.downs = downs
        self._post = post
        self._drifts = [
            (it.onset_s, it.end_s, it.size * post.dice.choice((-1, 1))) for it in faults if it.kind == "clock_drift"
        ]
        self._queued: dict[float, int] = {}

    def stamp(self, at_s: float) -> datetime:
        """Return the instant that the station writes into a message at `at_s`; 1.6 stations write whole seconds."""
        said_s = at_s + self.spec.clock_offset_s
        for begin_s, end_s, offset_s in self._drifts:
            if begin_s <= at_s < end_s:
                said_s += offset_s
        return self._post.recipe.begin + timedelta(seconds=round(said_s, 0 if self.spec.is_16 else 3))

    def is_away(self, at_s: float) -> bool:
        """Whether the station is without connection."""
        return self.downs.at(at_s) is not None

    def digest(self) -> int:
        """Return a number that no other message has."""
        return next(self._post.digests)

    def say(self, at_s: float, fact: Fact, *, answer: TokenStatus | None = None, is_kept: bool = True) -> None:
        """Send a fact at `at_s`. What is not `is_kept` in a queue (statuses, tokens) is lost during an absence."""
        post, dice = self._post, self._post.dice
        down = self.downs.at(at_s)
        if down is not None:
            if is_kept:
                place = self._queued[down.end_s] = self._queued.get(down.end_s, 0) + 1
                post.put(down.end_s + 4 + place * FLUSH_S, self.spec.station_id, fact)
            return
        received_s = at_s + 0.05 + dice.random()
        if dice.random() < post.recipe.rate("late_share"):
            received_s += post.recipe.draw("late_s", dice)
        post.put(received_s, self.spec.station_id, fact, answer)
        repeats = isinstance(fact, EnergyMetered | SessionUpdated | ConnectorStatusChanged)
        if repeats and dice.random() < post.recipe.rate("resent_share"):
            post.put(received_s + post.recipe.draw("late_s", dice), self.spec.station_id, fact)

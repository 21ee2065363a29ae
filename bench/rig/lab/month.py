"""The month: network, faults and every site's life put together, lazily and in order of receipt."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from rig.lab.life import life_of
from rig.lab.network import Network, made_network
from rig.lab.planning import Fault, drawn_faults
from rig.lab.ranges import Recipe
from rig.lab.stream import Event, Label


@dataclass(slots=True)
class Month:
    """A month of a seed. `truth` is complete when `events` has been read to its end; nothing of it is in an event."""

    recipe: Recipe
    seed: int
    days: int
    network: Network
    faults: list[Fault]
    truth: list[Label] = field(default_factory=list)

    @property
    def evse_days(self) -> float:
        """How much was watched."""
        return float(self.network.evse_count * self.days)

    def events(self) -> Iterator[Event]:
        """Yield what the gateway learns, in order of receipt."""
        self.truth.clear()
        lives = [self._numbered(number) for number in range(len(self.network.sites))]
        for _, _, _, event in heapq.merge(*lives):
            yield event

    def _numbered(self, number: int) -> Iterator[tuple[float, int, int, Event]]:
        site = self.network.sites[number]
        faults = [it for it in self.faults if it.site is site]
        for at_s, order, event in life_of(site, self.recipe, faults, days=self.days, seed=self.seed, truth=self.truth):
            yield at_s, number, order, event


def made_month(recipe: Recipe, seed: int, *, days: int | None = None) -> Month:
    """Make the month of a seed, or its first `days`."""
    network = made_network(recipe, seed)
    lasting = recipe.days if days is None else days
    return Month(recipe, seed, lasting, network, drawn_faults(recipe, network, seed, lasting))

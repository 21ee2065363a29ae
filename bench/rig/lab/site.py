"""A site in the making: what is planned, what its stations are about to say, what became true."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random

from rig.lab.network import EvseSpec, SiteSpec, StationSpec
from rig.lab.planning import Fault
from rig.lab.ranges import Recipe
from rig.lab.sessions import Bay
from rig.lab.stream import Label, Place
from rig.lab.voice import Post, Voice

Code = tuple[str, str, str]
"""1.6's error code, the vendor's own, its words."""


@dataclass(slots=True)
class SiteLife:
    """The state of a site's making."""

    site: SiteSpec
    recipe: Recipe
    days: int
    dice: Random
    post: Post
    faults: list[Fault]
    voices: dict[int, Voice] = field(default_factory=dict)
    bays: dict[tuple[int, int], Bay] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    turned_away: list[float] = field(default_factory=list)
    agenda: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    order: "count[int]" = field(default_factory=count)
    firmware: dict[int, str] = field(default_factory=dict)
    updates: dict[int, list[float]] = field(default_factory=dict)
    codes: dict[tuple[int, int, float], Code] = field(default_factory=dict)

    def then(self, at_s: float, act: Callable[[float], None]) -> None:
        """Let something happen at an instant."""
        heapq.heappush(self.agenda, (at_s, next(self.order), act))

    def label(self, fault: Fault, *, onset_s: float | None = None, end_s: float | None = None) -> None:
        """Note the truth about a fault, as it really became."""
        place = Place(
            self.site.location_id,
            fault.station.station_id if fault.station is not None else 0,
            fault.evse.evse_id if fault.evse is not None else 0,
        )
        begin, begin_s, until_s = self.recipe.begin, onset_s or fault.onset_s, end_s or fault.end_s
        onset, end = begin + timedelta(seconds=begin_s), begin + timedelta(seconds=until_s)
        self.labels.append(Label(fault.kind, place, onset, end, fault.size))

    def bay_of(self, fault: Fault) -> Bay:
        """Return the EVSE that a fault strikes."""
        assert fault.station is not None, "a fault of this kind strikes a station"
        assert fault.evse is not None, "a fault of this kind strikes an EVSE"
        return self.bays[fault.station.station_id, fault.evse.evse_id]

    def is_quiet(self, station: StationSpec, begin_s: float, end_s: float, *, margin_s: float) -> bool:
        """Whether no fault touches a station (or its whole site) between two instants, with a margin."""
        touching = (it for it in self.faults if it.station is None or it.station is station)
        return all(end_s + margin_s <= it.onset_s or it.end_s + margin_s <= begin_s for it in touching)

    def code_at(self, station: StationSpec, evse: EvseSpec, at_s: float) -> Code:
        """Return the code that a faulted EVSE repeats when it is asked again."""
        for fault in self.faults:
            if fault.kind == "faulted" and fault.evse is evse and fault.onset_s <= at_s < fault.end_s:
                return self.codes[station.station_id, evse.evse_id, fault.onset_s]
        return "", "", ""

    def bays_of(self, station: StationSpec) -> list[Bay]:
        """Return the EVSEs of a station."""
        return [self.bays[station.station_id, evse.evse_id] for evse in station.evses]

    def new_transaction(self) -> str:
        """Return a number for a session."""
        return f"L-{self.site.location_id}-{next(self.order)}"

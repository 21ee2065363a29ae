"""Stations that misbehave as real ones do: named behaviours, each ending in sane behaviour again."""

from dataclasses import dataclass

from voltway.simulator.session import Session
from voltway.simulator.station import Station
from voltway.simulator.world import World


@dataclass
class B:
    summary: str


BEHAVIOURS: dict[str, B] = {}


def parse_names(text: str | None) -> tuple[str, ...]:
    return ()


class Performer:
    def __init__(self, names: tuple[str, ...], world: World) -> None:
        self.names = names

    def know(self, station: Station) -> None: ...
    def perform(self, station: Station, evse_id: int, visit: int) -> None: ...
    def twist_session(self, station: Station, session: Session, visit: int) -> None: ...

"""A stage for one simulated station and the server in memory, with time moved by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.simulator.fake_server import FakeServer

from voltway.simulator.answers import answer_call
from voltway.simulator.report import TruthBook
from voltway.simulator.specs import POST_22, Build, Version, made_station
from voltway.simulator.station import Manners, Repertoire, Sane, Station
from voltway.simulator.timeline import Timeline
from voltway.simulator.visits import QUICK, Pace, Plan
from voltway.simulator.world import World

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@dataclass
class Stage:
    """One station before the server."""

    version: Version = Version.V16
    seed: int = 0
    pace: Pace = QUICK
    build: Build = POST_22
    identity: str = "SIM-00001"
    repertoire: Repertoire = field(default_factory=Sane)

    def __post_init__(self) -> None:
        self.timeline = Timeline(START)
        self.server = FakeServer(self.timeline)
        self.book = TruthBook(keeps=True)
        plan = Plan(self.seed, self.pace, ("TOKEN-1", "TOKEN-2"))
        self.world = World(self.timeline, plan, self.server, "run", book=self.book)
        spec = made_station(self.identity, self.version, self.build)
        registers = {evse.evse_id: 5_000_000 for evse in spec.evses}
        manners = Manners(answer_call, self.repertoire, b"secret")
        self.station = Station(spec, self.world, manners=manners, registers=registers)

    def play(self, seconds: float) -> None:
        """Let time pass."""
        self.timeline.advance(self.timeline.now_ms + round(seconds * 1000))

    def end(self) -> None:
        """Send the cars home and hear the last words."""
        self.station.finish()
        self.play(20)
        self.station.disconnect()

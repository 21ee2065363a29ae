"""A whole run: stations made, sockets opened, the timeline driven in real time, cars sent home at the end, the summary.

`run_simulation` is what `voltway simulate` and the demo call; it owns the event loop (uvloop) and SIGINT/SIGTERM.
"""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import uvloop

from voltway.kernel.clock import monotonic_s, now
from voltway.simulator.answers import answer_call
from voltway.simulator.misbehave import Performer
from voltway.simulator.registers import RegisterBook
from voltway.simulator.report import SimulationReport, Tally, TruthBook, report_of
from voltway.simulator.specs import StationSpec, numbered_stations
from voltway.simulator.station import Manners, Station
from voltway.simulator.timeline import Timeline
from voltway.simulator.transport import Dialler
from voltway.simulator.visits import PACES, Plan, numbered_tokens
from voltway.simulator.world import World

TICK_S = 0.05
"""How often the timeline is driven; what happens on it keeps its planned time."""
LAST_WORDS_S = 60.0
"""How long unanswered messages are sent again at the end."""
FAREWELL_S = 1.0
STAGGER_S = 0.004
SAVE_REGISTERS_S = 30.0


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What `voltway simulate` takes; `specs`, `tokens` and `passwords` let the demo bring its own city.

    `passwords`: by identity, "" for all others. `registers_file`: meters are read from it and kept in it, so that a
    later run goes on where this one ended.
    """

    url: str
    stations: int = 10
    ocpp: str = "mixed"
    seed: int = 0
    prefix: str = "SIM"
    passwords: Mapping[str, bytes] = field(default_factory=dict)
    duration_s: float | None = None
    misbehave: tuple[str, ...] = ()
    truth_file: Path | None = None
    pace: str = "quick"
    specs: tuple[StationSpec, ...] | None = None
    tokens: tuple[str, ...] | None = None
    registers_file: Path | None = None
    call_timeout_s: float = 30.0


def run_simulation(options: SimulationOptions) -> SimulationReport:
    """Run stations against a server until the duration is over or SIGINT comes, and return the summary."""
    with ExitStack() as stack:
        file = None
        if options.truth_file is not None:
            file = stack.enter_context(options.truth_file.open("w", encoding="utf-8"))
        return uvloop.run(simulate(options, TruthBook(file)))


async def simulate(options: SimulationOptions, book: TruthBook, stop: asyncio.Event | None = None) -> SimulationReport:
    """Run in the caller's event loop; `stop` ends it as SIGINT does (without one, signals are taken)."""
    fleet = Fleet(options, book)
    if stop is None:
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, fleet.take_signal, stop)
    try:
        await fleet.run(stop)
    finally:
        await fleet.close()
    return fleet.report()


def pick_password(passwords: Mapping[str, bytes], identity: str) -> bytes | None:
    """Return a station's password, or the one for all; None if there is none."""
    return passwords.get(identity, passwords.get(""))


def read_passwords(file: Path) -> dict[str, bytes]:
    """Read a password file: one password for all, or lines STATION:PASSWORD."""
    lines = [line.rstrip("\r") for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    pairs = [line.partition(":") for line in lines]
    if all(separator for _, separator, _ in pairs):
        return {station: password.encode() for station, _, password in pairs}
    if len(lines) == 1:
        return {"": lines[0].encode()}
    raise ValueError(f"{file.name} must hold one password, or lines STATION:PASSWORD")


class Fleet:
    """All stations of a run and the time they live in."""

    def __init__(self, options: SimulationOptions, book: TruthBook) -> None:
        specs = options.specs or numbered_stations(options.stations, options.ocpp, options.prefix)
        tokens = options.tokens or numbered_tokens(options.prefix)
        self._options, self._book = options, book
        self._dialler = Dialler(options.url)
        self._tally = Tally()
        self._is_hurried = False
        plan = Plan(options.seed, PACES[options.pace], tokens)
        timeline = Timeline(now())
        self.world = World(timeline, plan, self._dialler, uuid4().hex[:8], self._tally, book, options.call_timeout_s)
        performer = Performer(options.misbehave, self.world) if options.misbehave else None
        self._registers = RegisterBook(options.registers_file, timeline.anchor)
        self.stations = tuple(self._make(spec, performer) for spec in specs)

    def _make(self, spec: StationSpec, performer: Performer | None) -> Station:
        password = pick_password(self._options.passwords, spec.identity)
        manners = Manners(answer_call, password=password)
        if performer is not None:
            manners = Manners(answer_call, performer, password)
        station = Station(spec, self.world, manners=manners, registers=self._registers.of_station(spec))
        if performer is not None:
            performer.know(station)
        return station

    def take_signal(self, stop: asyncio.Event) -> None:
        """End in order at the first signal, without waiting for last words at the second."""
        self._is_hurried = stop.is_set()
        stop.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Live until the duration is over or `stop` is set; then let cars leave and messages be answered."""
        timeline = self.world.timeline
        for number, station in enumerate(self.stations):
            timeline.after(number * STAGGER_S, station.start)
        self._save_registers_later()
        begin_s, duration_s = monotonic_s(), self._options.duration_s
        end_ms = None if duration_s is None else round(duration_s * 1000)
        while not stop.is_set() and (end_ms is None or timeline.now_ms < end_ms):
            self._drive(begin_s, end_ms)
            await asyncio.sleep(TICK_S)
        self._finish()
        await self._hear_last_words(begin_s)

    def _finish(self) -> None:
        for station in self.stations:
            station.finish()

    def _drive(self, begin_s: float, end_ms: int | None = None) -> None:
        elapsed_ms = int((monotonic_s() - begin_s) * 1000)
        self.world.timeline.advance(elapsed_ms if end_ms is None else min(elapsed_ms, end_ms))

    async def _hear_last_words(self, begin_s: float) -> None:
        deadline_s = monotonic_s() + LAST_WORDS_S
        while (
            monotonic_s() < deadline_s
            and not self._is_hurried
            and not all(station.is_done for station in self.stations)
        ):
            await asyncio.sleep(TICK_S)
            self._drive(begin_s)

    def _save_registers_later(self) -> None:
        if self._options.registers_file is not None:
            self._save_registers()
            self.world.timeline.after(SAVE_REGISTERS_S, self._save_registers_later)

    def _save_registers(self) -> None:
        self._registers.save(
            (station.spec.identity, bay.spec.evse_id, bay.register_milliwh)
            for station in self.stations
            for bay in station.bays
        )

    async def close(self) -> None:
        """Close every socket."""
        for station in self.stations:
            station.disconnect()
        if self._options.registers_file is not None:
            self._save_registers()
        await asyncio.sleep(min(FAREWELL_S, 0.1 + 0.002 * len(self.stations)))
        await self._dialler.aclose()

    def report(self) -> SimulationReport:
        """Sum up."""
        unsent = sum(station.calls.unsent for station in self.stations)
        return report_of(self._tally, stations=len(self.stations), unsent=unsent)

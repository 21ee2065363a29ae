"""Ingest: what a message costs from the station's socket to the disk and back, beside a floor and a peer.

Many stations (half 1.6 MeterValues, half 2.0.1 TransactionEvent Updated, four sampled values each, one call outstanding
per station) drive in turn

- Voltway: `voltway up`, empty, every station accepted; a reply only after its commit;
- the floor: the same frames through bare picows, decode, validation and send, no database (`rig/floor.py`);
- a peer: `ocpp`'s ChargePoint on `websockets`, one SQLAlchemy/asyncpg commit per message (`rig/peer.py`).

All in the same run: saturated first, then at half the rate that was sustained. The proofs are made in every run and
printed; with `--check` one that fails ends it. Exit: 0 the table was printed; 1 a proof failed; 3 not run.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from rig import command, disk, proofs, report, servers
from rig.orders import Order, Outcome, Phase
from rig.proofs import Proof
from rig.results import Results
from rig.servers import Contestant, NotRunError

VERSIONS = {"mixed": ("1.6", "2.0.1"), "1.6": ("1.6",), "2.0.1": ("2.0.1",)}
_LET_ALL_IN = Phase("saturated", 0.2, 0.3)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    stations: int
    versions: tuple[str, ...]
    rounds: int
    warmup_s: float
    window_s: float
    idle_stations: int

    def words(self) -> str:
        """Say it in one line."""
        return (
            f"{self.stations} stations ({' and '.join(self.versions)}), {self.rounds} alternating rounds, windows of "
            f"{self.window_s:g} s after {self.warmup_s:g} s, memory with {self.idle_stations} idle stations"
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """All that one run has to say."""

    plan: Plan
    results: Results
    proofs: tuple[Proof, ...]
    settings: dict[str, dict[str, str]]
    sync_ms: tuple[float, ...]


class ProofFailedError(Exception):
    """A proof did not hold; the text says which."""


class Bench:
    """One run over the contestants that are up."""

    def __init__(self, plan: Plan, contestants: list[Contestant], *, is_checking: bool) -> None:
        self._plan = plan
        self._contestants = contestants
        self._is_checking = is_checking
        self._proofs: list[Proof] = []
        self._sync_ms: list[float] = []

    def run(self) -> Finished:
        """Prove, measure the memory of connections while the processes are fresh, then the rounds."""
        for contestant in self._contestants:
            self._note(*proofs.prove_server(contestant))
        memory = {contestant.name: self._memory_bytes(contestant) for contestant in self._contestants}
        rounds: dict[str, list[Outcome]] = {contestant.name: [] for contestant in self._contestants}
        for number in range(1, self._plan.rounds + 1):
            self._sync_ms += disk.sync_times_ms()
            for contestant in self._contestants:
                rounds[contestant.name].append(self._round(contestant, number))
        settings = {place.name: proofs.settings_of(place) for place in self._contestants if place.database_url}
        return Finished(self._plan, Results(rounds, memory), tuple(self._proofs), settings, tuple(self._sync_ms))

    def _memory_bytes(self, contestant: Contestant) -> float:
        # A few stations first, so that what is loaded and compiled once is not counted as a connection's.
        self._prove(contestant, "BENCH-WARM", self._order(contestant, "BENCH-WARM", 20, (_LET_ALL_IN,)))
        idle = Phase("idle", 1.0, 1.0)
        outcome = servers.carry_out(self._order(contestant, "BENCH-IDLE", self._plan.idle_stations, (idle,)))
        return (outcome.rss_idle_bytes - outcome.rss_before_bytes) / self._plan.idle_stations

    def _round(self, contestant: Contestant, number: int) -> Outcome:
        _say(f"round {number}: {contestant.name}")
        plan, prefix = self._plan, f"BENCH-R{number}"
        phases = tuple(Phase(kind, plan.warmup_s, plan.window_s) for kind in ("saturated", "paced"))
        return self._prove(contestant, prefix, self._order(contestant, prefix, plan.stations, phases))

    def _order(self, contestant: Contestant, prefix: str, stations: int, phases: tuple[Phase, ...]) -> Order:
        return Order(
            contestant.url, prefix, stations, self._plan.versions, phases,
            contestant.server_pid, contestant.postgres_pid, contestant.other_pids,
        )  # fmt: skip

    def _prove(self, contestant: Contestant, prefix: str, order: Order) -> Outcome:
        """Carry out an order and prove that what it says is true."""
        outcome = servers.carry_out(order)
        if not all(window.messages for window in outcome.windows):
            raise NotRunError(f"{contestant.name} answered nothing within a window, {outcome.unanswered} still wait")
        self._note(proofs.prove_replies(contestant, outcome))
        if contestant.database_url:
            self._note(proofs.prove_rows(contestant, prefix, outcome))
        return outcome

    def _note(self, *found: Proof) -> None:
        self._proofs += found
        failed = [proof.claim for proof in found if not proof.holds]
        if failed and self._is_checking:
            raise ProofFailedError("; ".join(failed))


def main() -> int:
    """Run the bench as the arguments say and return the exit code."""
    arguments = _arguments()
    try:
        servers.require_parts()
        with ExitStack() as stack:
            _say("starting Voltway, the floor, the peer and its PostgreSQL")
            runners = (servers.running_voltway(), servers.running_floor(), servers.running_peer())
            contestants = [stack.enter_context(runner) for runner in runners]
            bench = Bench(_plan(arguments), contestants, is_checking=arguments.check)
            finished = bench.run()
    except NotRunError as error:
        sys.stderr.write(f"not run: {error}\n")
        return 3
    except ProofFailedError as error:
        sys.stderr.write(f"the measurement does not hold: {error}\n")
        return 1
    command.publish(arguments, "ingest", "\n".join(_lines(finished)), _document(finished))
    return 0


def _lines(finished: Finished) -> Iterator[str]:
    yield "## Ingest: from the station's socket to the disk and back"
    yield ""
    yield f"- {report.machine()}; load, servers and databases share them"
    yield f"- {', '.join(f'{name} {number}' for name, number in report.versions().items())}"
    yield from report.settings_lines(finished.settings)
    yield f"- {disk.sync_line(finished.sync_ms)}"
    yield f"- {finished.plan.words()}"
    yield ""
    yield from report.figures_table(finished.results)
    yield ""
    yield from report.goals_table(finished.results.goals())
    yield ""
    yield from (report.claim_line(proof.claim, proof.holds) for proof in finished.proofs)


def _document(finished: Finished) -> dict[str, Any]:
    rounds = finished.results.rounds
    return {
        "bench": "ingest",
        "machine": report.machine(),
        "versions": report.versions(),
        "settings": finished.settings,
        "plan": asdict(finished.plan),
        "fdatasync_ms": finished.sync_ms,
        "proofs": [asdict(proof) for proof in finished.proofs],
        **finished.results.document(),
        "rounds": {name: [asdict(outcome) for outcome in outcomes] for name, outcomes in rounds.items()},
    }


def _plan(arguments: argparse.Namespace) -> Plan:
    versions = VERSIONS[arguments.ocpp]
    if arguments.quick:
        return Plan(arguments.stations, versions, 1, 0.5, 1.5, 500)
    return Plan(arguments.stations, versions, arguments.rounds, 1.0, 4.0, 2000)


def _arguments() -> argparse.Namespace:
    parser = command.parser(
        "Cost of a message in Voltway, beside a floor and a peer.",
        quick="one round of short windows",
        check="prove the measurement first, and refuse it if it fails",
    )
    parser.add_argument("--stations", type=int, default=200, help="stations that send (200)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (3)")
    parser.add_argument("--ocpp", choices=VERSIONS, default="mixed", help="versions that the stations speak (mixed)")
    arguments = command.parsed(parser)
    if arguments.stations < 1 or arguments.rounds < 1:
        parser.error("--stations and --rounds are at least 1")
    return arguments


def _say(text: str) -> None:
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Monitoring: what the watch costs, how soon a fault is an incident, and what a network-wide outage becomes.

`voltway up --role worker` runs as installed, with its PostgreSQL and NATS; the bench tells the real ingest the facts of
10,000 EVSEs, each a status or a reading every 10 s, and reads from the database when an incident appeared.

- CPU of the worker over a window, beside the floor: reading the same rows and doing nothing with them, in this process.
- Faults at random EVSEs: the time from the frame's receipt until the incident can be read.
- All stations gone at once, then back: how many incidents, when the last one opened, when all are closed.

Exit: 0 the table was printed; 1 a proof failed (with `--check`); 3 not run.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from rig import command, crowd, disk, procfs, proofs, report, servers
from rig.servers import NotRunError
from voltway.app import make_ingest
from voltway.gateway.ingest import Ingest
from voltway.infra.bus import connect
from voltway.infra.db import Database, Role
from voltway.infra.outbox import Cursor, Outbox
from voltway.kernel.clock import now
from voltway.kernel.facts import ConnectorStatus
from voltway.monitoring.watch import store
from voltway.settings import Settings

SHARE_GOAL, FAULT_GOAL_S, OUTAGE_GOAL_S, HANDFUL = 0.50, 2.0, 10.0, 10
SLICE_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    stations: int
    warmup_s: float
    window_s: float
    faults: int


@dataclass(slots=True)
class Figures:
    """What was measured."""

    changes: int = 0
    worker_share: float = 0.0
    worker_us: float = 0.0
    postgres_share: float = 0.0
    floor_us: float = 0.0
    lag_s: float = 0.0
    fault_s: tuple[float, ...] = ()
    outage_incidents: int = 0
    outage_opened_s: float = 0.0
    recovery_closed_s: float = 0.0
    unresolved_after: int = 0


class Bench:
    """One run over a worker that is up."""

    def __init__(self, plan: Plan, run: dict[str, Any], ingest: Ingest) -> None:
        self._plan = plan
        self._worker, self._postgres = run["pids"]["worker"], run["pids"]["postgres"]
        self._url = run["database_url"]
        self._ingest = ingest
        self._connection = psycopg.connect(self._url, autocommit=True)
        self.figures = Figures()
        self.claims: list[tuple[str, bool]] = []

    async def measure(self) -> None:
        """Enter the network, let it speak, break it, and mend it."""
        _say(f"{self._plan.stations} stations connect")
        members = crowd.enter(self._url, self._plan.stations)
        await self._tell([item for member in members for item in crowd.arrival(member)])
        await self._until(lambda: self._count("SELECT count(*) FROM timeline WHERE state <> 'offline'") >= len(members))
        await self._caught_up()
        _say("they speak")
        speaking = asyncio.create_task(self._speak(members))
        try:
            await self._window()
            await self._faults(members)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        await self._floor()
        await self._outage(members)
        self._connection.close()

    async def _window(self) -> None:
        plan, figures = self._plan, self.figures
        await asyncio.sleep(plan.warmup_s)
        first, cpu, database = self._changes(), procfs.cpu_s(self._worker), procfs.tree_cpu_s(self._postgres)
        begun = time.monotonic()
        await asyncio.sleep(plan.window_s)
        elapsed = time.monotonic() - begun
        cpu, database = procfs.cpu_s(self._worker) - cpu, procfs.tree_cpu_s(self._postgres) - database
        figures.changes = self._changes() - first
        figures.worker_share, figures.postgres_share = cpu / elapsed, database / elapsed
        figures.worker_us = cpu / max(figures.changes, 1) * 1e6
        figures.lag_s = await self._caught_up()
        expected = self._plan.stations / crowd.PERIOD_S * elapsed
        self._claim(f"{figures.changes} changes were stored in {elapsed:.0f} s, {expected:.0f} were due",
                    figures.changes >= 0.95 * expected)  # fmt: skip
        self._claim(f"the watch was {figures.lag_s:.2f} s behind at the end of the window", figures.lag_s < 2)

    async def _faults(self, members: Sequence[crowd.Member]) -> None:
        _say(f"{self._plan.faults} faults")
        quiet = [member for member in crowd.shuffled(members, 1) if not member.has_session][: self._plan.faults]
        found: list[float] = []
        for member in quiet:
            item = crowd.status(member, ConnectorStatus.FAULTED, "GroundFailure")
            member.has_session = True  # it says nothing more of its status
            self._ingest.submit(item)
            while not (row := self._fault_of(member)):
                await asyncio.sleep(0.01)
                if (now() - item.received_at).total_seconds() > 30:
                    break
            found.append((now() - item.received_at).total_seconds() if row else 30.0)
            await asyncio.sleep(0.05)
        self.figures.fault_s = tuple(sorted(found))
        self._claim(f"{len(found)} faults, each an incident of its EVSE", all(it < 30 for it in found))

    async def _outage(self, members: Sequence[crowd.Member]) -> None:
        _say("all stations vanish")
        known = self._count("SELECT count(*) FROM incident")
        begun_at = now()
        await self._tell([crowd.link_note(member, connected=False) for member in members])
        await asyncio.sleep(OUTAGE_GOAL_S + 5)
        opened = self._sql("SELECT count(*), max(opened_at) FROM incident WHERE opened_at >= %s", begun_at)[0]
        self.figures.outage_incidents = opened[0]
        self.figures.outage_opened_s = (opened[1] - begun_at).total_seconds() if opened[1] else 0.0
        self._claim(f"{known} incidents before, {opened[0]} more by the outage", opened[0] >= 1)
        _say("and come back")
        back_at = now()
        await self._tell([item for member in members for item in crowd.arrival(member)])
        open_ones = "SELECT count(*) FROM incident WHERE ended_at IS NULL AND opened_at >= %s"
        await self._until(lambda: not self._count(open_ones, begun_at), timeout_s=120)
        self.figures.recovery_closed_s = (now() - back_at).total_seconds()
        self.figures.unresolved_after = self._count(open_ones, begun_at)
        self._claim("the recovery closed all of them", self.figures.unresolved_after == 0)

    async def _speak(self, members: Sequence[crowd.Member]) -> None:
        """Let every station say something every 10 s, evenly spread."""
        order, place, owed, last = crowd.shuffled(members, 0), 0, 0.0, time.monotonic()
        while True:
            await asyncio.sleep(SLICE_S)
            owed += (time.monotonic() - last) * len(order) / crowd.PERIOD_S
            last = time.monotonic()
            while owed >= 1:
                member = order[place % len(order)]
                self._ingest.submit(crowd.word(member))
                place, owed = place + 1, owed - 1
                if member.turn % 3 == 0:  # a link shows that it lives at least every 30 s
                    self._ingest.submit(crowd.link_note(member, connected=True))

    async def _floor(self) -> None:
        """Read again what the watch read in the window, and do nothing with it."""
        database = Database(self._url, Role.INGEST, pool_size=2)
        cursor = Cursor(*map(int, self._sql("SELECT CAST(min(xid) AS text), 0 FROM outbox")[0]))
        outbox, changes, cpu = Outbox(database), 0, time.process_time()
        while batch := await outbox.read(cursor):
            cursor = batch[-1].cursor
            async with database.transaction(None) as tx:
                facts = await store.read_changes(
                    tx,
                    xids=sorted({it.cursor.xid for it in batch}),
                    stations=sorted({int(station) for it in batch for station in it.stations}),
                    sessions=list({it: None for change in batch for it in change.sessions}),
                    now=now(),
                )
            changes += len(facts.statuses) + len(facts.sessions)
        self.figures.floor_us = (time.process_time() - cpu) / max(changes, 1) * 1e6
        await database.close()

    async def _tell(self, items: Sequence[Any]) -> None:
        for start in range(0, len(items), 1000):
            await self._ingest.store(items[start : start + 1000])

    async def _caught_up(self) -> float:
        begun = time.monotonic()
        head = self._count("SELECT max(outbox_id) FROM outbox")
        cursor = "SELECT coalesce(max(outbox_id), 0) FROM consumer_cursor WHERE name = 'monitoring.watch'"
        await self._until(lambda: self._count(cursor) >= head, timeout_s=120)
        return time.monotonic() - begun

    async def _until(self, is_true: Callable[[], bool], *, timeout_s: float = 120) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_true() and time.monotonic() < deadline:  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.05)

    def _changes(self) -> int:
        statuses = "SELECT count(*) FROM station_event WHERE action = 'StatusNotification'"
        return self._count(statuses) + self._count("SELECT count(*) FROM meter_value")

    def _fault_of(self, member: crowd.Member) -> bool:
        wanted = "SELECT count(*) FROM incident WHERE rule = 'faulted' AND station_id = %s AND ended_at IS NULL"
        return bool(self._count(wanted, member.seat.station_id))

    def _count(self, sql: str, *values: object) -> int:
        return int(self._sql(sql, *values)[0][0] or 0)

    def _sql(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.encode(), values).fetchall()

    def _claim(self, text: str, holds: bool) -> None:  # noqa: FBT001 - a claim and whether it holds
        self.claims.append((text, holds))


async def _run(plan: Plan) -> tuple[Figures, list[tuple[str, bool]]]:
    with servers.running_up("--role", "worker") as run:
        settings = Settings(database_url=run["database_url"], nats_url=run["nats_url"])
        bus = await connect(run["nats_url"])
        ingest = make_ingest(settings, bus)
        committing = asyncio.create_task(ingest.run())
        try:
            bench = Bench(plan, run, ingest)
            proof = proofs.prove_settings(servers.Contestant("worker", "", 0, database_url=run["database_url"]))
            bench.claims.append((proof.claim, proof.holds))
            await bench.measure()
        finally:
            committing.cancel()
            await asyncio.gather(committing, return_exceptions=True)
            await ingest.close()
            await bus.close()
        return bench.figures, bench.claims


def main() -> int:
    """Run the bench as the arguments say and return the exit code."""
    arguments = _arguments()
    plan = Plan(1_000, 3, 10, 20) if arguments.quick else Plan(10_000, 15, 60, 100)
    if not procfs.is_available():
        sys.stderr.write("not run: the CPU time of processes is read from Linux's /proc\n")
        return 3
    try:
        figures, claims = asyncio.run(_run(plan))
    except NotRunError as error:
        sys.stderr.write(f"not run: {error}\n")
        return 3
    text = "\n".join([*_table(plan, figures), "", *(report.claim_line(*claim) for claim in claims)])
    command.publish(arguments, "monitoring", text, _document(plan, figures, claims))
    return 1 if arguments.check and not all(holds for _, holds in claims) else 0


def _table(plan: Plan, it: Figures) -> list[str]:
    p99 = it.fault_s[min(int(len(it.fault_s) * 0.99), len(it.fault_s) - 1)]
    rows = [
        ("worker core's time", f"{it.worker_share:.1%}", f"≤ {SHARE_GOAL:.0%}", it.worker_share <= SHARE_GOAL),
        ("fault to incident, p99", f"{p99:.2f} s", f"≤ {FAULT_GOAL_S:g} s", p99 <= FAULT_GOAL_S),
        ("incidents by the outage", f"{it.outage_incidents}", f"≤ {HANDFUL}", 1 <= it.outage_incidents <= HANDFUL),
        ("last of them opened after", f"{it.outage_opened_s:.1f} s", f"≤ {OUTAGE_GOAL_S:g} s",
         it.outage_opened_s <= OUTAGE_GOAL_S),
        ("unresolved after the recovery", f"{it.unresolved_after}", "0", it.unresolved_after == 0),
    ]  # fmt: skip
    return [
        "## Monitoring: the watch over a network",
        "",
        *(f"- {line}" for line in _notes(plan, it)),
        "",
        "| goal | measured | at most | met |",
        "| --- | ---: | ---: | --- |",
        *(f"| {name} | {value} | {goal} | {'yes' if met else 'no'} |" for name, value, goal, met in rows),
    ]


def _notes(plan: Plan, it: Figures) -> Iterator[str]:
    sites = plan.stations // crowd.SITE_SIZE
    yield f"{report.machine()}; ingest, worker and database share them"
    yield f"{plan.stations} EVSEs at {sites} sites, each a status or a reading every {crowd.PERIOD_S:g} s"
    yield f"window of {plan.window_s:g} s with {it.changes} changes, {it.worker_us:.0f} µs of the worker each"
    ratio = it.worker_us / max(it.floor_us, 1e-9)
    yield f"floor (the same rows read, nothing done with them): {it.floor_us:.0f} µs each; {ratio:.2f} × it"
    yield f"PostgreSQL used {it.postgres_share:.0%} of a core for ingest and watch together"
    yield f"{len(it.fault_s)} faults, fault to incident p50 {it.fault_s[len(it.fault_s) // 2]:.2f} s"
    yield f"everything was closed {it.recovery_closed_s:.1f} s after the first station came back"
    yield disk.sync_line(disk.sync_times_ms())


def _document(plan: Plan, figures: Figures, claims: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    return {
        "bench": "monitoring", "machine": report.machine(), "plan": asdict(plan), "figures": asdict(figures),
        "proofs": [{"claim": text, "holds": holds} for text, holds in claims],
    }  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = command.parser(
        "Cost and speed of the watch over a network of EVSEs.",
        quick="1,000 EVSEs and short windows",
        check="fail where a proof of the measurement does not hold",
    )
    return command.parsed(parser)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())

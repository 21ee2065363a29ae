"""The runner: carries out the steps that are due, each exactly once in effect, and says whether they helped.

    planned ─ claim (commit) ─▶ claimed ─ command ─▶ sent ─ judge ─▶ ended ─▶ next step planned
                  └ killed: after deadline and grace the raw log says whether it was sent

A transaction that holds the run's lock lives as long as its runner; a dead one's
is free at once, a paused one's is not.
The ingest pool must have more than twice `AT_ONCE` connections.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from traceback import format_exception
from typing import Any, Final

import structlog

from voltway.httpapi.caller import Caller, Scope
from voltway.infra.db import Database, Transaction
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.monitoring.incidents.model import Incident
from voltway.monitoring.remedies import store
from voltway.monitoring.remedies.commanding import OPENING, Sent, find_sent, order_of
from voltway.monitoring.remedies.decide import next_step
from voltway.monitoring.remedies.model import RESETS, Run, Skip, Stop, Wait
from voltway.monitoring.remedies.planning import Scene, Ties, by_hand, is_current, planned, scene_of
from voltway.monitoring.remedies.store import StoredRun
from voltway.stations.commands import Commands, Outcome

log = structlog.get_logger()

AT_ONCE: Final = 4
BATCH: Final = 100
POLL_S: Final = 1.0
RETRY_S: Final = 30.0
SLACK: Final = timedelta(seconds=5)
"""By how much a gateway's clock may be off ours."""
HARM_WITHIN: Final = timedelta(seconds=15)
_NOT_SENT: Final = frozenset({"offline", "not_booted", "busy"})
_REFUSED: Final = frozenset({"invalid", "unsupported"})


class Runner:
    """Carries out what is due.

    Args:
        ingest: a pool of the ingest role, which sees every operator.
        commands: the way to a station.
        limits_s: how long a station has for its answer, and how much later than that the raw log is complete.
    """

    def __init__(
        self,
        ingest: Database,
        commands: Commands,
        ties: Ties,
        *,
        clock: Clock = wall_clock,
        limits_s: tuple[float, float] = (30.0, 30.0),
    ) -> None:
        self._database = ingest
        self._commands = commands
        self._ties = ties
        self._now = clock
        self._timeout, self._grace = (timedelta(seconds=value) for value in limits_s)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopping; a fault of one run or of the database is logged and waited out."""
        while not stopping.is_set():
            try:
                await self.run_due()
            except Exception as error:  # noqa: BLE001 - a job's supervisor: the database may be away
                log.error("remedies_failed", exception="".join(format_exception(error)))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), POLL_S)

    async def run_due(self) -> int:
        """Look at every run that is due now; return how many there were."""
        async with self._database.transaction(None) as tx:
            due = await store.due_runs(tx, self._now(), BATCH)
        await asyncio.gather(*(self._supervised(run_id) for run_id in due))
        return len(due)

    async def _supervised(self, run_id: int) -> None:
        async with self._turns:
            try:
                await self._handle(run_id)
            except Exception as error:  # noqa: BLE001 - one run must not end the others; its row says what to do next
                log.error("remedy_failed", run_id=run_id, exception="".join(format_exception(error)))

    async def _handle(self, run_id: int) -> None:
        async with self._database.transaction(None) as holding:
            if not await store.try_hold(holding, run_id):
                return
            it = await store.find_run(holding, run_id)
            if it is None or it.due_at is None or it.due_at > self._now():
                return
            match it.state:
                case "planned":
                    await self._begin(it)
                case "between":
                    await self._reopen(it)
                case "claimed":
                    await self._recover(it)
                case _:
                    await self._judge(it)

    async def _begin(self, it: StoredRun) -> None:
        async with self._database.transaction(None) as tx:
            claimed = await self._decide(tx, it)
        if claimed is not None:
            await self._send(claimed)

    async def _decide(self, tx: Transaction, it: StoredRun) -> StoredRun | None:
        """Apply the decision about a planned step; return the run where it is claimed, to be sent after the commit."""
        now = self._now()
        if it.station_id is not None:
            await store.lock_station(tx, it.station_id)
        incident = await self._ties.incident_of(tx, it.operator_id, it.incident_id)
        scene = await scene_of(tx, it, incident, now)
        # Its planned row may have been cancelled since it was read.
        current = await store.find_run(tx, it.run_id)
        if current is None or current.state != "planned":
            return None
        if incident is None or scene is None:
            await self._close(tx, it, "cancelled", "its incident or ladder is gone")
            return None
        history = await store.history_of(tx, it, now)
        if it.manual:
            decision = Run(0) if it.forced else by_hand(scene, it.rung, history, now)
            if not isinstance(decision, Run):
                await self._close(tx, it, "skipped", decision.why)
                return None
            return await self._carry_out(tx, it, incident, scene)
        match next_step(scene.ladder, history, scene.facts, now):
            case Run():
                return await self._carry_out(tx, it, incident, scene)
            case Wait(until, why):
                await store.change_run(tx, it, due_at=until, why=f"waits: {why}")
            case Skip(why, is_blocked):
                await self._close(tx, it, "blocked" if is_blocked else "skipped", why)
                await self._tell(tx, incident, it, f"{'blocked' if is_blocked else 'skipped'}: {why}")
                await self._plan_next(tx, it, incident, scene)
            case Stop(why):
                await self._close(tx, it, "cancelled", why)
        return None

    async def _carry_out(
        self, tx: Transaction, it: StoredRun, incident: Incident, scene: Scene
    ) -> StoredRun | None:  # fmt: skip
        now, rung = self._now(), it.rung
        later = now + timedelta(seconds=rung.judge_after_s)
        if not it.manual and not scene.facts.mode.does(rung.action):
            await store.change_run(tx, it, state="would_run", due_at=later, why="dry run")
            await self._tell(tx, incident, it, "would be done now (dry run)")
            return None
        if not rung.is_command:
            await self._ticket(tx, it, incident)
            await self._close(tx, it, "ended", "")
            await self._plan_next(tx, it, incident, scene)
            return None
        if scene.station is None:
            await self._close(tx, it, "skipped", "the incident is not of one station")
            return None
        return await self._claim(tx, it, scene.station)

    async def _claim(self, tx: Transaction, it: StoredRun, station: Any) -> StoredRun:
        deadline = self._now() + self._timeout
        await store.change_run(
            tx, it, state="claimed", claimed_at=self._now(), deadline_at=deadline, due_at=deadline + self._grace,
            attempt=it.attempt + 1, link_id=station["link_id"], vendor=station["vendor"], model=station["model"],
            firmware=station["firmware"], why="",
        )  # fmt: skip
        claimed = await store.find_run(tx, it.run_id)
        assert claimed is not None, "it was changed in this transaction"
        return claimed

    async def _send(self, it: StoredRun) -> None:
        """Send a claimed run's command; whatever goes wrong leaves it claimed, to be judged by the raw log."""
        assert it.deadline_at is not None, "a claim has a deadline"
        left_s = (it.deadline_at - self._now()).total_seconds()
        if left_s <= 0 or it.identity is None:
            return
        caller = Caller(it.operator_id, "remedy", frozenset({Scope.COMMANDS}))
        order = order_of(it.rung, it.evse_id, it.phase)
        outcome = await self._commands.do(caller, it.identity, order.verb, order.args, timeout_s=left_s)
        # "No answer in time" may mean "never sent": the raw log knows.
        if outcome.outcome != "timeout":
            async with self._database.transaction(None) as tx:
                await self._record(tx, it, outcome)

    async def _record(self, tx: Transaction, it: StoredRun, outcome: Outcome) -> None:
        word = outcome.outcome
        if word in _NOT_SENT or (word in _REFUSED and it.phase == OPENING):
            await self._put_back(tx, it, word)
        elif word in _REFUSED:
            await self._refuse(tx, it, word)
        else:
            status = (outcome.response or {}).get("status")
            await self._settle(tx, it, Sent(word, status if isinstance(status, str) else None))

    async def _put_back(self, tx: Transaction, it: StoredRun, word: str, *, wait_s: float = RETRY_S) -> None:
        """It was not sent: the same row is due again, with its limits looked at anew."""
        if it.manual and it.phase != OPENING and word in _NOT_SENT:
            await self._refuse(tx, it, word)
            return
        state = "between" if it.phase == OPENING else "planned"
        due_at = self._now() + timedelta(seconds=wait_s)
        # `claimed_at` of a cycle stays: it says since when the place is closed by us.
        claim = {} if it.phase == OPENING else {"claimed_at": None}
        await store.change_run(tx, it, state=state, due_at=due_at, why=f"skipped: {word}", **claim)

    async def _refuse(self, tx: Transaction, it: StoredRun, word: str) -> None:
        incident = await self._ties.incident_of(tx, it.operator_id, it.incident_id)
        await self._close(tx, it, "skipped", word)
        if incident is not None:
            await self._tell(tx, incident, it, f"skipped: {word}")
            await self._plan_next(tx, it, incident)

    async def _settle(self, tx: Transaction, it: StoredRun, sent: Sent) -> None:
        """It was sent, or nobody can say that it was not: it is never sent again."""
        now, rung = self._now(), it.rung
        sent_at = it.sent_at or it.claimed_at
        if rung.action == "availability_cycle" and it.phase != OPENING:
            due_at = now + timedelta(seconds=rung.cycle_wait_s)
            changes: dict[str, Any] = {"state": "between", "due_at": due_at, "phase": OPENING}
        else:
            changes = {"state": "sent", "due_at": now + timedelta(seconds=rung.judge_after_s)}
        await store.change_run(tx, it, **changes, sent_at=sent_at, outcome=sent.outcome, answer=sent.answer)
        incident = await self._ties.incident_of(tx, it.operator_id, it.incident_id)
        if incident is not None:
            await self._tell(tx, incident, it, f"{sent.outcome}{f' ({sent.answer})' if sent.answer else ''}")

    async def _reopen(self, it: StoredRun) -> None:
        """The second half of a cycle: no limit holds it up, only somebody who closed the place meanwhile."""
        async with self._database.transaction(None) as tx:
            assert it.station_id is not None, "a cycle has a station"
            await store.lock_station(tx, it.station_id)
            if await store.was_closed_since(tx, it):
                await self._settle(tx, it, Sent("left_closed", None))
                return
            station = await store.station_now(tx, it.station_id, it.evse_id)
            assert station is not None, "a station with runs is never deleted"
            if not station["connected"]:
                await self._put_back(tx, it, "offline", wait_s=POLL_S)
                return
            deadline = self._now() + self._timeout
            await store.change_run(
                tx, it, state="claimed", deadline_at=deadline, due_at=deadline + self._grace, attempt=it.attempt + 1,
                link_id=station["link_id"],
            )  # fmt: skip
            claimed = await store.find_run(tx, it.run_id)
        assert claimed is not None, "it was changed in this transaction"
        await self._send(claimed)

    async def _recover(self, it: StoredRun) -> None:
        """Judge a claim without a result by the raw log.

        Nothing logged, and the connection never broke: it was not sent. Nothing logged over a connection that broke: a
        gateway may have died with its log, so only what may be repeated (to make operative) is.
        """
        assert it.station_id is not None, "what reaches a station has one"
        async with self._database.transaction(None) as tx:
            calls = await store.outgoing_calls(tx, it.station_id, _begin_of(it, self._timeout), self._now())
            sent = find_sent(order_of(it.rung, it.evse_id, it.phase), calls)
            if sent is not None:
                await self._settle(tx, it, sent)
            elif it.phase == OPENING or await store.is_same_link(tx, it.station_id, it.link_id):
                await self._put_back(tx, it, "not sent", wait_s=0)
            else:
                await self._settle(tx, it, Sent("unknown", None))

    async def _judge(self, it: StoredRun) -> None:
        async with self._database.transaction(None) as tx:
            incident = await self._ties.incident_of(tx, it.operator_id, it.incident_id)
            if it.state == "sent":
                await self._say_result(tx, it, incident)
            else:
                await store.change_run(tx, it, due_at=None)
            if incident is not None and is_current(incident, it.round) and not it.manual:
                await self._plan_next(tx, it, incident)

    async def _say_result(self, tx: Transaction, it: StoredRun, incident: Incident | None) -> None:
        has_harmed = it.rung.action not in RESETS and await store.broke_within(tx, it, HARM_WITHIN)
        is_over = incident is not None and not incident.is_unresolved
        result = "helped" if is_over else "did_not_help"
        if it.outcome in {"unknown", "left_closed"} and not is_over:
            result = "unknown"
        await store.change_run(
            tx, it, state="ended", due_at=None, ended_at=self._now(), result=result, harmed=has_harmed
        )  # fmt: skip
        if incident is not None:
            harm = "; the station disconnected right after it" if has_harmed else ""
            await self._tell(tx, incident, it, f"{result.replace('_', ' ')}{harm}")

    async def _plan_next(
        self, tx: Transaction, it: StoredRun, incident: Incident, scene: Scene | None = None
    ) -> None:  # fmt: skip
        scene = scene or await scene_of(tx, it, incident, self._now())
        if scene is None or it.manual or not is_current(incident, it.round):
            return
        following = planned(incident, scene.ladder, it.step + 1, self._now())
        if following is not None:
            await store.insert_run(tx, following)

    async def _ticket(self, tx: Transaction, it: StoredRun, incident: Incident) -> None:
        data = {
            "incident_id": incident.incident_id, "rule": incident.rule, "severity": incident.severity.value,
            "title": incident.title, "station_id": it.identity, "evse_id": it.evse_id or None,
            "began_at": incident.began_at.isoformat(), "run_id": it.run_id,
        }  # fmt: skip
        await self._ties.publish(tx, it.operator_id, "ticket.requested", data, key=f"ticket.{it.run_id}")
        await self._tell(tx, incident, it, "a ticket was requested")

    async def _close(self, tx: Transaction, it: StoredRun, state: str, why: str) -> None:
        await store.change_run(tx, it, state=state, why=why, due_at=None, ended_at=self._now())

    async def _tell(self, tx: Transaction, incident: Incident, it: StoredRun, text: str) -> None:
        data = {"run_id": it.run_id, "step": it.step, "action": it.action, "station_id": it.identity}
        await self._ties.note(tx, incident, "remedy", f"{it.action}: {text}", data)


def _begin_of(it: StoredRun, timeout: timedelta) -> datetime:
    """Return since when a call in the raw log may be this claim's (a cycle's second claim has its own deadline)."""
    assert it.deadline_at is not None, "a claim has a deadline"
    return it.deadline_at - timeout - SLACK

"""Background work of sessions, run by the worker role: finalise what ended, end what fell silent."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from traceback import format_exception
from uuid import UUID

import structlog
from prometheus_client import Counter

from voltway.infra.db import Database
from voltway.infra.jobs import Jobs
from voltway.infra.outbox import Change, Outbox, write_change
from voltway.infra.partitions import drop_partitions, ensure_partitions
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.ids import OperatorId
from voltway.sessions import store
from voltway.sessions.finalise import MISSING_EVENTS_WAIT, Finaliser, Outcome
from voltway.sessions.silence import GONE, Evidence, ended_in_silence, silence_limit

CONSUMER = "sessions.finalise"
FINALISE = "sessions.finalise"
_AGAIN = {Outcome.WAITING, Outcome.OVERTAKEN}

log = structlog.get_logger()
FINALISED = Counter("voltway_sessions_finalised", "Ended sessions that were judged, by what came of it.", ["outcome"])


class SessionJobs:
    """The worker's part of sessions."""

    def __init__(self, app: Database, ingest: Database, jobs: Jobs, *, clock: Clock = wall_clock) -> None:
        self._app = app
        self._ingest = ingest
        self._jobs = jobs
        self._now = clock
        self._finaliser = Finaliser(app, clock=clock)

    def register(self, *, sample_retention_days: int) -> None:
        """Add the tasks and the periodic work of sessions to the queue."""

        async def keep_samples() -> None:
            await self.keep_samples(retention_days=sample_retention_days)

        self._jobs.add_task(FINALISE, self.finalise_one)
        self._jobs.add_periodic("sessions.end_silent", "* * * * *", self.end_silent)
        self._jobs.add_periodic("sessions.keep_samples", "17 3 * * *", keep_samples)

    async def finalise_ended(self, outbox: Outbox, stopping: asyncio.Event) -> None:
        """Follow the outbox and finalise every session that ended or changed after its end, until stopping."""
        await outbox.follow(self.handle, stopping, name=CONSUMER, wants_sessions=lambda: False)

    async def handle(self, changes: Sequence[Change]) -> None:
        """Finalise what a batch ended, or changed after its end; what fails or must wait becomes a job of its own."""
        ended: dict[OperatorId, list[UUID]] = {}
        for change in changes:
            if change.ended:
                ended.setdefault(change.operator_id, []).extend(change.ended)
        for operator_id, session_ids in ended.items():
            await self._finalise(operator_id, session_ids)

    async def finalise_one(self, operator_id: int, session_id: str) -> None:
        """Finalise one session (the body of a job); it comes again while it must wait."""
        owner, key = OperatorId(operator_id), UUID(session_id)
        outcomes = await self._finaliser.finalise(owner, [key])
        await self._note(owner, outcomes)

    async def end_silent(self) -> None:
        """End open sessions whose station has said nothing of them for too long."""
        now = self._now()
        async with self._ingest.transaction(None) as tx:
            operators = await store.all_operators(tx)
        for operator_id in operators:
            await self._end_silent(OperatorId(operator_id), now)

    async def keep_samples(self, *, retention_days: int) -> None:
        """Make the coming partitions and drop readings whose retention is over."""
        now = self._now()
        async with self._app.transaction(None) as tx:
            await ensure_partitions(tx, now)
            await drop_partitions(tx, "meter_value", now - timedelta(days=retention_days))

    async def _finalise(self, operator_id: OperatorId, session_ids: Sequence[UUID]) -> None:
        try:
            outcomes = await self._finaliser.finalise(operator_id, session_ids)
        except Exception as error:  # noqa: BLE001 - a job's supervisor: one bad session must not hold up the others
            log.error(
                "finalise_failed",
                operator_id=operator_id,
                sessions=len(session_ids),
                exception="".join(format_exception(error)),
            )
            for session_id in session_ids:
                await self._defer(operator_id, session_id)
            return
        await self._note(operator_id, outcomes)

    async def _note(self, operator_id: OperatorId, outcomes: dict[UUID, Outcome]) -> None:
        for session_id, outcome in outcomes.items():
            FINALISED.labels(outcome.value).inc()
            if outcome in _AGAIN:
                await self._defer(operator_id, session_id, is_late=outcome is Outcome.WAITING)

    async def _defer(self, operator_id: OperatorId, session_id: UUID, *, is_late: bool = False) -> None:
        at = self._now() + MISSING_EVENTS_WAIT if is_late else None
        text = str(session_id)
        await self._jobs.defer(FINALISE, at=at, lock=f"{FINALISE}:{text}", operator_id=operator_id, session_id=text)

    async def _end_silent(self, operator_id: OperatorId, now: datetime) -> None:
        async with self._app.transaction(operator_id) as tx:
            rows = await store.silent_sessions(tx, now - GONE)
            due = [row["session_id"] for row in rows if now - row["updated_at"] >= silence_limit(_evidence(row))]
            ended = [
                stored.session_id
                for stored in await store.find_sessions(tx, due)
                if await store.save_session(tx, stored.state, ended_in_silence(stored.state, now), now)
            ]
            if ended:
                log.info("sessions_ended_in_silence", operator_id=operator_id, count=len(ended))
                await write_change(tx, operator_id, sessions=ended, ended=ended)


def _evidence(row: Row) -> Evidence:
    return Evidence(
        is_connected=row["is_connected"],
        is_place_free=row["is_place_free"],
        is_rebooted=row["is_rebooted"],
        is_followed=row["is_followed"],
    )

"""The outbox: what changed, read in the order of commits so that a slow transaction is never skipped.

A row is readable once every transaction that began before its own has ended (below the snapshot's xmin). The bus only
wakes a reader up; a reader that missed it looks once a second. Readers work under the ingest role and see all
operators.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from traceback import format_exception
from typing import NamedTuple
from uuid import UUID

import structlog

from voltway.infra.bus import Bus
from voltway.infra.db import Database, Transaction
from voltway.infra.outbox_rows import SUBJECT
from voltway.infra.sql import Row, fetch_all, fetch_one, run
from voltway.kernel.ids import OperatorId, StationId

REST_S = 0.1
"""After a wake-up a reader rests this long, so that a busy network is read in batches and not group by group."""
POLL_S = 1.0
BATCH = 500
_BACK_OFF_S = (0.2, 1.0, 5.0)

log = structlog.get_logger()


class Cursor(NamedTuple):
    """The last row that was handled: (transaction, row)."""

    xid: int
    outbox_id: int


BEGINNING = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Change:
    """One row: what a group changed of one operator; `ended` are also in `sessions`."""

    cursor: Cursor
    operator_id: OperatorId
    sessions: Sequence[UUID]
    ended: Sequence[UUID]
    stations: Sequence[StationId]


Handler = Callable[[Sequence[Change]], Awaitable[None]]
"""Handles a batch; what it raises makes the reader try the same batch again."""


async def write_change(
    tx: Transaction,
    operator_id: OperatorId,
    *,
    sessions: Sequence[UUID] = (),
    ended: Sequence[UUID] = (),
    stations: Sequence[StationId] = (),
) -> None:
    """Note in the writer's own transaction what it changed."""
    await run(
        tx,
        """INSERT INTO outbox (operator_id, sessions, ended, stations)
           VALUES (:operator_id, CAST(:sessions AS uuid[]), CAST(:ended AS uuid[]), CAST(:stations AS bigint[]))""",
        operator_id=operator_id,
        sessions=list(sessions),
        ended=list(ended),
        stations=list(stations),
    )


async def write_cursor(tx: Transaction, name: str, cursor: Cursor) -> None:
    """Remember where a consumer stands, in the transaction of what it made of the batch; it never goes back."""
    await run(
        tx,
        """INSERT INTO consumer_cursor AS c (operator_id, name, xid, outbox_id)
           SELECT min(operator_id), :name, CAST(:xid AS xid8), :outbox_id FROM operator
           ON CONFLICT (operator_id, name) DO UPDATE
              SET xid = EXCLUDED.xid, outbox_id = EXCLUDED.outbox_id, updated_at = clock_timestamp()
            WHERE (c.xid, c.outbox_id) < (EXCLUDED.xid, EXCLUDED.outbox_id)""",
        name=name,
        xid=str(cursor.xid),
        outbox_id=cursor.outbox_id,
    )


class Outbox:
    """Reads changes; one per consumer."""

    def __init__(self, database: Database, *, poll_s: float = POLL_S) -> None:
        self._database = database
        self._poll_s = poll_s
        self._news = asyncio.Event()

    async def listen(self, bus: Bus) -> None:
        """Let the bus wake this reader up."""

        async def wake(_: bytes) -> None:
            self._news.set()

        await bus.subscribe(SUBJECT, wake)

    async def head(self) -> Cursor:
        """Return the cursor from which only changes that are not readable yet follow."""
        async with self._database.transaction(None) as tx:
            row = await fetch_one(tx, "SELECT CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS xid")
        assert row is not None, "a select without a table has one row"
        return Cursor(int(row["xid"]), -1)

    async def load_cursor(self, name: str) -> Cursor:
        """Return where a consumer stands; the beginning where it is new."""
        async with self._database.transaction(None) as tx:
            row = await fetch_one(
                tx, "SELECT CAST(xid AS text) AS xid, outbox_id FROM consumer_cursor WHERE name = :name", name=name
            )
        return BEGINNING if row is None else Cursor(int(row["xid"]), row["outbox_id"])

    async def backlog(self, name: str) -> int:
        """Return how many changes a consumer has not handled yet."""
        cursor = await self.load_cursor(name)
        async with self._database.transaction(None) as tx:
            row = await fetch_one(
                tx,
                """SELECT count(*) AS rows FROM outbox
                   WHERE (xid, outbox_id) > (CAST(:xid AS xid8), CAST(:outbox_id AS bigint))""",
                xid=str(cursor.xid),
                outbox_id=cursor.outbox_id,
            )
        assert row is not None, "an aggregate has one row"
        return int(row["rows"])

    async def save_cursor(self, name: str, cursor: Cursor) -> None:
        """Remember where a consumer stands; it never goes back."""
        async with self._database.transaction(None) as tx:
            await write_cursor(tx, name, cursor)

    async def read(self, after: Cursor, *, limit: int = BATCH, wants_sessions: bool = True) -> list[Change]:
        """Return the next readable changes after a cursor, in order; `sessions` are left empty where not wanted."""
        # Cleared before the look: a wake-up during it makes the next wait end at once.
        self._news.clear()
        async with self._database.transaction(None) as tx:
            rows = await fetch_all(
                tx,
                """SELECT CAST(xid AS text) AS xid, outbox_id, operator_id, ended, stations,
                          CASE WHEN CAST(:wants_sessions AS boolean) THEN sessions ELSE '{}' END AS sessions
                     FROM outbox
                    WHERE (xid, outbox_id) > (CAST(:xid AS xid8), CAST(:outbox_id AS bigint))
                      AND xid < pg_snapshot_xmin(pg_current_snapshot())
                    ORDER BY outbox.xid, outbox_id LIMIT :limit""",
                xid=str(after.xid),
                outbox_id=after.outbox_id,
                limit=limit,
                wants_sessions=wants_sessions,
            )
        return [_change(row) for row in rows]

    async def follow(
        self,
        handle: Handler,
        stopping: asyncio.Event,
        *,
        name: str | None = None,
        wants_sessions: Callable[[], bool] = lambda: True,
    ) -> None:
        """Hand every batch to `handle` until stopping; a named consumer goes on where it was, another begins now.

        Where a reader does not want to know which sessions changed (only which ended), they are left out.
        """
        cursor = await self._begin(name, stopping)
        failures = 0
        while not stopping.is_set():
            try:
                changes = await self.read(cursor, wants_sessions=wants_sessions())
                if changes:
                    await handle(changes)
                    cursor = changes[-1].cursor
                    if name is not None:
                        await self.save_cursor(name, cursor)
                failures = 0
            except Exception as error:  # noqa: BLE001 - a subscription's supervisor: it tries the batch again
                log.error("outbox_reader_failed", consumer=name, exception="".join(format_exception(error)))
                await _pause(stopping, _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
                failures += 1
                continue
            if len(changes) < BATCH:
                await self.wait_for_news(stopping)

    async def _begin(self, name: str | None, stopping: asyncio.Event) -> Cursor:
        while not stopping.is_set():
            try:
                return await self.head() if name is None else await self.load_cursor(name)
            except Exception as error:  # noqa: BLE001 - a subscription's supervisor: the database may be away while we start
                log.error("outbox_reader_failed", consumer=name, exception="".join(format_exception(error)))
                await _pause(stopping, _BACK_OFF_S[-1])
        return BEGINNING

    async def wait_for_news(self, stopping: asyncio.Event, timeout_s: float | None = None) -> None:
        """Wait until there is something to read (then rest a little, so that it is read in batches), or for so long."""
        ended = asyncio.ensure_future(stopping.wait())
        news = asyncio.ensure_future(self._news.wait())
        try:
            limit_s = self._poll_s if timeout_s is None else timeout_s
            await asyncio.wait({ended, news}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            news.cancel()
        await _pause(stopping, REST_S)


async def prune_outbox(readers: Database, writers: Database) -> int:
    """Delete what every consumer has read and is a day old; return how many rows.

    Args:
        readers: a pool of the ingest role, which sees every cursor.
        writers: a pool of the application role, which may delete an operator's rows.
    """
    async with readers.transaction(None) as tx:
        first = await fetch_one(
            tx, "SELECT CAST(xid AS text) AS xid, outbox_id FROM consumer_cursor c ORDER BY c.xid, outbox_id LIMIT 1"
        )
        operators = await fetch_all(tx, "SELECT operator_id FROM operator")
    if first is None:
        return 0
    deleted = 0
    for row in operators:
        async with writers.transaction(OperatorId(row["operator_id"])) as tx:
            deleted += await run(
                tx,
                """DELETE FROM outbox WHERE created_at < now() - interval '1 day'
                      AND (xid, outbox_id) <= (CAST(:xid AS xid8), CAST(:outbox_id AS bigint))""",
                xid=first["xid"],
                outbox_id=first["outbox_id"],
            )
    return deleted


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


def _change(row: Row) -> Change:
    return Change(
        Cursor(int(row["xid"]), row["outbox_id"]),
        OperatorId(row["operator_id"]),
        row["sessions"],
        row["ended"],
        [StationId(number) for number in row["stations"]],
    )

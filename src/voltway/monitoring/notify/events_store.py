"""The table of public events: append, and read in the order of commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_all, run
from voltway.kernel.clock import to_rfc3339
from voltway.kernel.ids import OperatorId

BEGINNING = (0, 0)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to publish; `key` is the same where the same thing is published again."""

    operator_id: OperatorId
    key: str
    type: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the order of commits; `data` as it was written."""

    event_id: int
    operator_id: OperatorId
    xid: int
    type: str
    at: datetime
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """The public id, also the header webhook-id."""
        return f"evt_{self.event_id}"

    def body(self) -> str:
        """Return the body of a webhook, as Standard Webhooks wants it."""
        body = {"type": self.type, "timestamp": to_rfc3339(self.at), "data": self.data}
        return orjson.dumps(body).decode()


_COLUMNS = "event_id, operator_id, CAST(xid AS text) AS xid, type, at, data"


async def insert_events(tx: Transaction, events: Sequence[NewEvent]) -> list[StoredEvent]:
    """Store events and return those that are new, in their order."""
    rows = [
        {"operator_id": it.operator_id, "key": it.key, "type": it.type, "at": to_rfc3339(it.at), "data": it.data}
        for it in events
    ]
    stored = await fetch_all(
        tx,
        f"""INSERT INTO public_event (operator_id, key, type, at, data)
            SELECT operator_id, key, type, at, data
              FROM json_to_recordset(CAST(:rows AS json))
                AS r(operator_id int, key text, type text, at timestamptz, data json)
            ON CONFLICT (operator_id, key) DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608 - our own names
        rows=orjson.dumps(rows).decode(),
    )
    return [_event(**row) for row in stored]


async def read_events(
    tx: Transaction, after: tuple[int, int], *, types: Sequence[str], limit: int
) -> list[StoredEvent]:
    """Return the next events of this transaction's operator that nothing can come before any more, oldest first."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_COLUMNS} FROM public_event
             WHERE operator_id = voltway_operator()
               AND (xid, event_id) > (CAST(:xid AS xid8), CAST(:event_id AS bigint))
               AND xid < pg_snapshot_xmin(pg_current_snapshot())
               AND (CAST(:types AS text[]) = '{{}}' OR type = ANY(:types)
                    OR split_part(type, '.', 1) || '.*' = ANY(:types))
             ORDER BY public_event.xid, event_id LIMIT :limit""",  # noqa: S608 - our own names
        xid=str(after[0]),
        event_id=after[1],
        types=list(types),
        limit=limit,
    )
    return [_event(**row) for row in rows]


async def events_since(tx: Transaction, since: datetime, *, limit: int) -> list[StoredEvent]:
    """Return the events of this transaction's operator from an instant on, oldest first."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_COLUMNS} FROM public_event WHERE operator_id = voltway_operator() AND at >= :since
            ORDER BY event_id LIMIT :limit""",  # noqa: S608 - our own names
        since=since,
        limit=limit,
    )
    return [_event(**row) for row in rows]


async def prune(tx: Transaction, before: datetime) -> int:
    """Delete events before an instant, with their deliveries, of every operator (ingest role); return how many."""
    return await run(tx, "DELETE FROM public_event WHERE at < :before", before=before)


def _event(*, xid: str, operator_id: int, **values: Any) -> StoredEvent:
    return StoredEvent(xid=int(xid), operator_id=OperatorId(operator_id), **values)

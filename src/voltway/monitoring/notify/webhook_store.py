"""Tables of webhooks: endpoints, deliveries and their attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run, update
from voltway.kernel.ids import OperatorId
from voltway.monitoring.notify.events_store import StoredEvent

_WEBHOOK = """webhook_id, url, description, types, enabled, disabled_reason, old_secret_until, created_at"""
_WANTS = """(types = '{}' OR e.type = ANY(types) OR split_part(e.type, '.', 1) || '.*' = ANY(types))"""


CLOCK_SKEW = timedelta(seconds=30)
"""A job runs at its time by PostgreSQL's clock, which may be a little ahead of the worker's."""


class DeliveryKey(NamedTuple):
    """Which delivery, and whose."""

    operator_id: OperatorId
    delivery_id: int


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint as its operator sees it; the secret is shown once and never again."""

    id: int
    url: str
    description: str
    types: list[str]
    enabled: bool
    disabled_reason: str | None
    old_secret_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line of the delivery log."""

    id: int
    event_id: str
    type: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    status: int | None
    response: str | None
    error: str | None
    created_at: datetime
    log: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery to send now; `attempts` includes this one."""

    delivery_id: int
    webhook_id: int
    url: str
    enabled: bool
    secrets: tuple[str, ...]
    message_id: str
    body: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt; `next_at` None: no further attempt."""

    at: datetime
    duration_ms: int
    status: int | None
    response: str | None
    error: str | None
    next_at: datetime | None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.error is None


async def insert_webhook(tx: Transaction, operator_id: OperatorId, values: Mapping[str, Any]) -> int:
    """Store an endpoint and return its number."""
    row = await fetch_one(
        tx,
        """INSERT INTO webhook (operator_id, url, description, types, enabled, secret)
           VALUES (:operator_id, :url, :description, CAST(:types AS text[]), :enabled, :secret) RETURNING webhook_id""",
        operator_id=operator_id,
        **values,
    )
    assert row is not None, "INSERT … RETURNING answers with its row"
    return int(row["webhook_id"])


async def update_webhook(tx: Transaction, webhook_id: int, changes: Mapping[str, Any]) -> None:
    """Change an endpoint."""
    if changes:
        await update(tx, "webhook", {"webhook_id": webhook_id}, changes)


async def rotate_secret(tx: Transaction, webhook_id: int, secret: str, old_until: datetime) -> None:
    """Make a secret the endpoint's; the one before signs beside it until an instant."""
    await run(
        tx,
        """UPDATE webhook SET old_secret = secret, old_secret_until = :old_until, secret = :secret
           WHERE webhook_id = :webhook_id AND operator_id = voltway_operator()""",
        webhook_id=webhook_id,
        secret=secret,
        old_until=old_until,
    )


async def delete_webhook(tx: Transaction, webhook_id: int) -> int:
    """Delete an endpoint with its deliveries."""
    return await run(
        tx,
        "DELETE FROM webhook WHERE webhook_id = :webhook_id AND operator_id = voltway_operator()",
        webhook_id=webhook_id,
    )


async def find_webhook(tx: Transaction, webhook_id: int) -> Webhook | None:
    """Return an endpoint of this transaction's operator."""
    row = await fetch_one(
        tx,
        f"SELECT {_WEBHOOK} FROM webhook WHERE webhook_id = :webhook_id AND operator_id = voltway_operator()",  # noqa: S608 - our own names
        webhook_id=webhook_id,
    )
    return None if row is None else _webhook(row)


async def list_webhooks(tx: Transaction, wanted: PageRequest) -> list[Webhook]:
    """Return endpoints, oldest first."""
    after = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        f"""SELECT {_WEBHOOK} FROM webhook WHERE operator_id = voltway_operator() AND webhook_id > :after
            ORDER BY webhook_id LIMIT :limit""",  # noqa: S608 - our own names
        after=after[0] if after else 0,
        limit=wanted.fetch,
    )
    return [_webhook(row) for row in rows]


async def insert_deliveries(
    tx: Transaction, events: Sequence[StoredEvent], at: datetime, *, webhook_id: int | None = None
) -> list[DeliveryKey]:
    """Store a delivery of each event to every enabled endpoint (or that one) of its operator that wants its type."""
    rows = await fetch_all(
        tx,
        f"""INSERT INTO webhook_delivery (operator_id, webhook_id, event_id, message_id, type, body, state, next_at,
              created_at)
            SELECT w.operator_id, w.webhook_id, e.event_id, e.message_id, e.type, e.body, 'pending', :at, :at
              FROM unnest(CAST(:event_ids AS bigint[]), CAST(:operators AS int[]), CAST(:types AS text[]),
                          CAST(:message_ids AS text[]), CAST(:bodies AS text[]))
                AS e(event_id, operator_id, type, message_id, body)
              JOIN webhook w ON w.operator_id = e.operator_id AND w.enabled AND {_WANTS}
                             AND w.webhook_id = coalesce(CAST(:webhook_id AS bigint), w.webhook_id)
             ORDER BY e.event_id, w.webhook_id
            ON CONFLICT (webhook_id, event_id) DO NOTHING RETURNING operator_id, delivery_id""",  # noqa: S608 - our own names
        event_ids=[event.event_id for event in events],
        operators=[event.operator_id for event in events],
        types=[event.type for event in events],
        message_ids=[event.id for event in events],
        bodies=[event.body() for event in events],
        webhook_id=webhook_id,
        at=at,
    )
    return _keys(rows)


async def insert_ping(tx: Transaction, webhook_id: int, message_id: str, body: str, at: datetime) -> DeliveryKey:
    """Store a test delivery, which is no event."""
    row = await fetch_one(
        tx,
        """INSERT INTO webhook_delivery (operator_id, webhook_id, message_id, type, body, state, next_at, created_at)
           SELECT operator_id, webhook_id, :message_id, 'ping', :body, 'pending', :at, :at FROM webhook
            WHERE webhook_id = :webhook_id AND operator_id = voltway_operator() RETURNING operator_id, delivery_id""",
        webhook_id=webhook_id,
        message_id=message_id,
        body=body,
        at=at,
    )
    assert row is not None, "the endpoint was found before"
    return DeliveryKey(OperatorId(row["operator_id"]), row["delivery_id"])


async def replay_one(tx: Transaction, webhook_id: int, delivery_id: int, at: datetime) -> list[DeliveryKey]:
    """Let a delivery begin anew with the same id, whatever came of it; nothing where it is under way."""
    rows = await fetch_all(
        tx,
        """UPDATE webhook_delivery SET state = 'pending', attempts = 0, next_at = :at, error = NULL
            WHERE webhook_id = :webhook_id AND delivery_id = :delivery_id AND operator_id = voltway_operator()
              AND state IN ('delivered', 'failed', 'pending') RETURNING operator_id, delivery_id""",
        webhook_id=webhook_id,
        delivery_id=delivery_id,
        at=at,
    )
    return _keys(rows)


async def retry_failed(tx: Transaction, webhook_id: int, since: datetime, at: datetime) -> list[DeliveryKey]:
    """Let what an endpoint did not take of the events since an instant begin anew."""
    rows = await fetch_all(
        tx,
        """UPDATE webhook_delivery d SET state = 'pending', attempts = 0, next_at = :at, error = NULL
             FROM public_event e
            WHERE e.event_id = d.event_id AND d.webhook_id = :webhook_id AND d.operator_id = voltway_operator()
              AND d.state = 'failed' AND e.at >= :since RETURNING d.operator_id, d.delivery_id""",
        webhook_id=webhook_id,
        since=since,
        at=at,
    )
    return _keys(rows)


async def claim(tx: Transaction, delivery_id: int, now: datetime) -> Claim | None:
    """Take a delivery that is due; None where another has it, it is done, or its time has not come."""
    row = await fetch_one(
        tx,
        """UPDATE webhook_delivery d SET state = 'sending', claimed_at = :now, attempts = d.attempts + 1
             FROM webhook w
            WHERE w.webhook_id = d.webhook_id AND d.delivery_id = :delivery_id
              AND d.operator_id = voltway_operator() AND d.state = 'pending' AND d.next_at <= :due_by
        RETURNING d.delivery_id, d.webhook_id, w.url, w.enabled, d.message_id, d.body, d.attempts,
                  array_remove(ARRAY[w.secret, CASE WHEN w.old_secret_until > :now THEN w.old_secret END], NULL)
                    AS secrets""",
        delivery_id=delivery_id,
        now=now,
        due_by=now + CLOCK_SKEW,
    )
    return None if row is None else Claim(**{**row, "secrets": tuple(row["secrets"])})


async def record_outcome(tx: Transaction, operator_id: OperatorId, claim: Claim, outcome: Outcome) -> None:
    """Store what came of an attempt and what follows from it."""
    state = "delivered" if outcome.is_delivered else "failed" if outcome.next_at is None else "pending"
    values = {"status": outcome.status, "response": outcome.response, "error": outcome.error}
    await run(
        tx,
        """UPDATE webhook_delivery SET state = :state, status = :status, response = :response, error = :error,
             next_at = coalesce(CAST(:next_at AS timestamptz), next_at),
             delivered_at = CASE WHEN CAST(:state AS text) = 'delivered' THEN CAST(:at AS timestamptz) END
           WHERE delivery_id = :delivery_id AND operator_id = :operator_id""",
        delivery_id=claim.delivery_id,
        operator_id=operator_id,
        state=state,
        next_at=outcome.next_at,
        at=outcome.at,
        **values,
    )
    await run(
        tx,
        """INSERT INTO webhook_attempt (operator_id, delivery_id, at, duration_ms, status, response, error)
           VALUES (:operator_id, :delivery_id, :at, :duration_ms, :status, :response, :error)""",
        operator_id=operator_id,
        delivery_id=claim.delivery_id,
        at=outcome.at,
        duration_ms=outcome.duration_ms,
        **values,
    )


async def disable(tx: Transaction, webhook_id: int, reason: str) -> None:
    """Switch an endpoint off."""
    await update(tx, "webhook", {"webhook_id": webhook_id}, {"enabled": False, "disabled_reason": reason})


async def release_forgotten(
    tx: Transaction, now: datetime, *, overdue: timedelta, gone: timedelta
) -> list[DeliveryKey]:
    """Return deliveries whose job was lost, of every operator (ingest role): overdue, or claimed by who is gone."""
    rows = await fetch_all(
        tx,
        """UPDATE webhook_delivery SET state = 'pending', claimed_at = :now
            WHERE (state = 'pending' AND next_at < :overdue AND coalesce(claimed_at, '-infinity') < :overdue)
               OR (state = 'sending' AND claimed_at < :gone)
        RETURNING operator_id, delivery_id""",
        now=now,
        overdue=now - overdue,
        gone=now - gone,
    )
    return _keys(rows)


async def list_deliveries(
    tx: Transaction, webhook_id: int, wanted: PageRequest, *, state: str | None
) -> list[Delivery]:
    """Return the deliveries of an endpoint with their attempts, newest first."""
    before = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        """SELECT delivery_id AS id, message_id AS event_id, type, state, attempts,
                  CASE WHEN state = 'pending' THEN next_at END AS next_attempt_at, delivered_at, status, response,
                  error, created_at,
                  coalesce((SELECT json_agg(json_build_object('at', a.at, 'duration_ms', a.duration_ms,
                                     'status', a.status, 'response', a.response, 'error', a.error)
                                     ORDER BY a.attempt_id)
                              FROM webhook_attempt a WHERE a.delivery_id = d.delivery_id), '[]') AS log
             FROM webhook_delivery d
            WHERE webhook_id = :webhook_id AND operator_id = voltway_operator()
              AND delivery_id < CAST(:before AS bigint) AND (CAST(:state AS text) IS NULL OR state = :state)
            ORDER BY delivery_id DESC LIMIT :limit""",
        webhook_id=webhook_id,
        before=before[0] if before else 2**62,
        state=state,
        limit=wanted.fetch,
    )
    return [Delivery(**row) for row in rows]


def _webhook(row: Row) -> Webhook:
    return Webhook(**{("id" if name == "webhook_id" else name): value for name, value in row.items()})


def _keys(rows: Sequence[Row]) -> list[DeliveryKey]:
    return [DeliveryKey(OperatorId(row["operator_id"]), row["delivery_id"]) for row in rows]

"""The public event stream: what happened, published in the transaction that made it happen.

An event is one row for those who poll and one delivery per webhook that wants its type. Whoever publishes names a key;
the same key again changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from voltway.infra.db import Transaction
from voltway.infra.jobs import OUTSIDE, Jobs
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.ids import OperatorId
from voltway.monitoring.notify import events_store, webhook_store
from voltway.monitoring.notify.events_store import NewEvent

DELIVER = "webhooks.deliver"
"""The job that sends one delivery."""


class Events:
    """Publishes; the queue may be one that is not open, since jobs are enqueued in the caller's transaction."""

    def __init__(self, jobs: Jobs, *, clock: Clock = wall_clock) -> None:
        self._jobs = jobs
        self._now = clock

    async def publish(
        self, tx: Transaction, operator_id: OperatorId, kind: str, data: dict[str, Any], *, key: str
    ) -> None:
        """Publish one event of type `kind` (`thing.happened`), under any role; `data` holds JSON values."""
        await self.publish_all(tx, [NewEvent(operator_id, key, kind, self._now(), data)])

    async def publish_all(self, tx: Transaction, events: Sequence[NewEvent]) -> None:
        """Publish several events, of any operators."""
        stored = await events_store.insert_events(tx, events)
        if not stored:
            return
        deliveries = await webhook_store.insert_deliveries(tx, stored, self._now())
        await enqueue(tx, self._jobs, deliveries)


async def enqueue(tx: Transaction, jobs: Jobs, deliveries: Sequence[webhook_store.DeliveryKey]) -> None:
    """Enqueue what sends these deliveries, in the caller's transaction."""
    values = [{"operator_id": it.operator_id, "delivery_id": it.delivery_id} for it in deliveries]
    await jobs.defer_in(tx, DELIVER, *values, queue=OUTSIDE)

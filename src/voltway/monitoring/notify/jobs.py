"""Background work of notifications, run by the worker role: deliver webhooks, pick up lost ones, forget old ones."""

from datetime import timedelta

from voltway.infra.db import Database
from voltway.infra.http_client import HttpClient
from voltway.infra.jobs import OUTSIDE, Jobs
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.monitoring.notify import events_store, store, webhook_store
from voltway.monitoring.notify.events import DELIVER, enqueue
from voltway.monitoring.notify.webhooks import Webhooks

OVERDUE = timedelta(minutes=15)
GONE = timedelta(minutes=2)
RETENTION = timedelta(days=90)


class NotifyJobs:
    """The worker's part of notifications; mails are the courier's.

    Args:
        app: a pool of the app role, for the deliveries of one operator.
        ingest: a pool of the ingest role, which sees every operator.
    """

    def __init__(
        self, app: Database, ingest: Database, jobs: Jobs, client: HttpClient, *, clock: Clock = wall_clock
    ) -> None:
        self._ingest = ingest
        self._jobs = jobs
        self._now = clock
        self._webhooks = Webhooks(app, jobs, client, clock=clock)

    def register(self) -> None:
        """Add the tasks and the periodic work of notifications to the queue."""
        self._jobs.add_task(DELIVER, self._webhooks.deliver, queue=OUTSIDE)
        self._jobs.add_periodic("webhooks.pick_up", "* * * * *", self.pick_up)
        self._jobs.add_periodic("notify.prune", "41 3 * * *", self.prune)

    async def pick_up(self) -> int:
        """Enqueue anew what no job stands for any more; return how many deliveries."""
        async with self._ingest.transaction(None) as tx:
            keys = await webhook_store.release_forgotten(tx, self._now(), overdue=OVERDUE, gone=GONE)
            await enqueue(tx, self._jobs, keys)
        return len(keys)

    async def prune(self) -> int:
        """Delete events, deliveries and messages that are older than 90 days; return how many rows."""
        before = self._now() - RETENTION
        async with self._ingest.transaction(None) as tx:
            return await store.prune(tx, before) + await events_store.prune(tx, before)

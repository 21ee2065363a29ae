"""Background work of stations, run by the worker role: partitions of the raw OCPP log, and their retention."""

from datetime import timedelta

from voltway.infra.db import Database
from voltway.infra.jobs import Jobs
from voltway.infra.partitions import drop_partitions, ensure_partitions
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock


class StationJobs:
    """The worker's part of stations."""

    def __init__(self, database: Database, *, message_retention_days: int, clock: Clock = wall_clock) -> None:
        self._database = database
        self._retention = timedelta(days=message_retention_days)
        self._now = clock

    def register(self, jobs: Jobs) -> None:
        """Add the periodic work of stations to the queue."""
        jobs.add_periodic("stations.keep_messages", "7 3 * * *", self.keep_messages)

    async def keep_messages(self) -> None:
        """Make the coming partitions and drop messages whose retention is over."""
        now = self._now()
        async with self._database.transaction(None) as tx:
            await ensure_partitions(tx, now)
            await drop_partitions(tx, "ocpp_message", now - self._retention)

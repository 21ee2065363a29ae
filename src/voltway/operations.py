"""Monitoring put together: what the worker runs and the routes that the api serves.

Stands beside `app`, since the parts of monitoring know each other only by the functions that are passed in here:
incidents tell notifications and remedies, remedies write on the timeline of an incident and reach stations.
"""

import asyncio
from dataclasses import dataclass

from voltway.infra.db import Database, Transaction
from voltway.infra.outbox import Outbox
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.rule_store import read_overrides
from voltway.monitoring.incidents.rules import effective
from voltway.monitoring.incidents.service import Incidents
from voltway.monitoring.watch.judge import RuleBook
from voltway.monitoring.watch.register import Register
from voltway.monitoring.watch.service import Watch


@dataclass(slots=True)
class WorkerOperations:
    """The worker's part of monitoring."""

    watch: Watch

    async def run(self, outbox: Outbox, stopping: asyncio.Event) -> None:
        """Watch until stopping."""
        await self.watch.run(outbox, stopping)


def for_worker(readers: Database) -> WorkerOperations:
    """Put the worker's part together over a pool of the ingest role."""
    incidents = Incidents(readers)
    return WorkerOperations(Watch(readers, Register(incidents), rule_books=rule_books))


async def rule_books(tx: Transaction) -> dict[OperatorId, RuleBook]:
    """Return every operator's rules in force."""
    overrides = await read_overrides(tx)
    return {operator_id: RuleBook(effective(own)) for operator_id, own in overrides.items()}

"""Monitoring put together: what the worker runs and the routes that the api serves.

Stands beside `app`, since the parts of monitoring know each other only by the functions that are passed in here:
incidents tell notifications and remedies; remedies write on an incident's timeline, publish events and reach stations.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter

from voltway.identity.service import Identity
from voltway.infra.bus import Bus
from voltway.infra.db import Database, Role, Transaction
from voltway.infra.http_client import HttpClient
from voltway.infra.jobs import Jobs
from voltway.infra.outbox import Outbox
from voltway.kernel.clock import now
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import api as incidents_api
from voltway.monitoring.incidents import rules_api
from voltway.monitoring.incidents.cost import Loss
from voltway.monitoring.incidents.cost_jobs import Costs
from voltway.monitoring.incidents.model import Incident
from voltway.monitoring.incidents.mrec import mrec_of
from voltway.monitoring.incidents.rule_service import Rules, rules_of
from voltway.monitoring.incidents.rule_store import read_overrides
from voltway.monitoring.incidents.rules import effective
from voltway.monitoring.incidents.service import Incidents, find_for_update, note
from voltway.monitoring.incidents.store import Entry
from voltway.monitoring.live import OperationsFeed
from voltway.monitoring.metrics import OperationsMetrics
from voltway.monitoring.notify import api as notify_api
from voltway.monitoring.notify.courier import Courier
from voltway.monitoring.notify.jobs import NotifyJobs
from voltway.monitoring.notify.routes import Routes
from voltway.monitoring.notify.service import Notifier
from voltway.monitoring.notify.webhooks import Webhooks
from voltway.monitoring.numbers import rollup_jobs, uptime_api, usage_api
from voltway.monitoring.numbers.rollup_jobs import Rollups
from voltway.monitoring.numbers.uptime_service import Uptime
from voltway.monitoring.numbers.usage_service import Usage, expected
from voltway.monitoring.remedies import api as remedies_api
from voltway.monitoring.remedies.jobs import Runner
from voltway.monitoring.remedies.planning import Ties
from voltway.monitoring.remedies.service import Remedies
from voltway.monitoring.reports import api as reports_api
from voltway.monitoring.reports.service import Reports
from voltway.monitoring.support import api as support_api
from voltway.monitoring.support.service import Support
from voltway.monitoring.timeline import api as timeline_api
from voltway.monitoring.timeline.model import EvseKey
from voltway.monitoring.timeline.projection import stale_after
from voltway.monitoring.timeline.service import Timeline
from voltway.monitoring.watch.judge import RuleBook
from voltway.monitoring.watch.register import Register
from voltway.monitoring.watch.service import Watch
from voltway.monitoring.watch.silences import Silences
from voltway.settings import Settings
from voltway.stations import power_api
from voltway.stations.commands import Commands
from voltway.stations.power_nodes import PowerNodes

SHORTFALL_RULES = frozenset({"low_power", "no_delivery"})
"""Rules whose incidents mean that a port does not dispense at the required power (23 CFR 680.116(b))."""


class Tied:
    """Incidents, notifications and remedies over one pool, each told of the others' changes."""

    def __init__(self, database: Database, jobs: Jobs, settings: Settings) -> None:
        self.notifier = Notifier(jobs, public_url=settings.public_url)
        self.ties = Ties(rules_of, find_for_update, _note_remedy, self.notifier.events.publish)
        self.remedies = Remedies(database, self.ties)
        subscribers = (self.notifier.on_changes, self.remedies.on_changes)
        self.incidents = Incidents(database, subscribers)


class ApiOperations:
    """The api's part of monitoring: its routes and what it adds to the live feed."""

    def __init__(self, settings: Settings, database: Database, identity: Identity) -> None:
        self._database, self._identity = database, identity
        self._jobs = Jobs(settings.database_url)
        self._client = HttpClient(allow_private=settings.webhooks_to_private)
        self._tied = Tied(database, self._jobs, settings)
        self._timeline = Timeline(database)
        self.feed = OperationsFeed(self._timeline, self._tied.incidents)

    def routers(self) -> list[APIRouter]:
        """Return the routes of monitoring; include them before those of stations, whose ids may hold a slash."""
        database, jobs = self._database, self._jobs
        uptime = Uptime(database, shortfall_rules=SHORTFALL_RULES)
        return [
            timeline_api.router(self._timeline),
            incidents_api.router(self._tied.incidents),
            rules_api.router(Rules(database)),
            notify_api.router(database, Routes(database), Webhooks(database, jobs, self._client)),
            remedies_api.router(self._tied.remedies),
            uptime_api.router(uptime),
            usage_api.router(Usage(database)),
            reports_api.router(Reports(database, uptime)),
            support_api.router(Support(database, self._identity, mrec_text=_mrec_text)),
            power_api.router(PowerNodes(database)),
        ]

    async def close(self) -> None:
        """Let go of what calls outside."""
        await self._client.close()


@dataclass(slots=True)
class WorkerOperations:
    """The worker's part of monitoring: watch, runner of remedies, courier of messages, rollups of usage, metrics."""

    bus: Bus
    watch: Watch
    runner: Runner
    rollups: Rollups
    courier: Courier
    readers: Database
    remedying: Database
    client: HttpClient

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopping."""
        watched, counted = Outbox(self.readers), Outbox(self.readers)
        await watched.listen(self.bus)
        await self.courier.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.watch.run(watched, stopping))
                tasks.create_task(self.runner.run(stopping))
                tasks.create_task(counted.follow(self.rollups.handle, stopping, name=rollup_jobs.CONSUMER))
                tasks.create_task(self.rollups.run(stopping))
                tasks.create_task(OperationsMetrics(self.readers).run(stopping))
        finally:
            await self.courier.stop()
            await self.client.close()
            await self.readers.close()
            await self.remedying.close()


def for_worker(settings: Settings, bus: Bus, app: Database, jobs: Jobs) -> WorkerOperations:
    """Put the worker's part together and register its jobs; call before the queue is opened.

    Args:
        settings: of this installation.
        bus: carries commands to stations.
        app: a pool of the application role.
        jobs: the queue.
    """
    readers = Database(settings.database_url, Role.INGEST, pool_size=4)
    remedying = Database(settings.database_url, Role.INGEST, pool_size=10)
    client = HttpClient(allow_private=settings.webhooks_to_private)
    NotifyJobs(app, readers, jobs, client).register()
    tied = Tied(readers, jobs, settings)
    limits = stale_after(settings.ping_interval_s, settings.ping_timeout_s)
    watch = Watch(readers, Register(tied.incidents), rule_books=rule_books, stale_after=limits)
    rollups = Rollups(readers)
    watch.on_timeline_changed(rollups.mark_timeline)
    watch.add_long_look(Silences().look)
    jobs.add_periodic("usage.hour", "7 * * * *", rollups.close_hour)
    jobs.add_periodic("incidents.cost", "*/5 * * * *", Costs(readers, expected_loss).count)
    commands = Commands(app, bus.request, timeout_s=settings.command_timeout_s)
    courier = Courier(
        settings.database_url, public_url=settings.public_url, allow_private=settings.webhooks_to_private
    )  # fmt: skip
    runner = Runner(remedying, commands, tied.ties)
    return WorkerOperations(bus, watch, runner, rollups, courier, readers, remedying, client)


async def rule_books(tx: Transaction) -> dict[OperatorId, RuleBook]:
    """Return every operator's rules in force."""
    overrides = await read_overrides(tx)
    return {operator_id: RuleBook(effective(own)) for operator_id, own in overrides.items()}


async def _note_remedy(tx: Transaction, incident: Incident, kind: str, text: str, data: Mapping[str, Any]) -> None:
    await note(tx, incident, Entry(now(), kind, "remedy", text, data))


async def expected_loss(
    tx: Transaction, keys: Sequence[EvseKey], begin: datetime, end: datetime
) -> Mapping[EvseKey, Loss]:
    """Return what EVSEs would have delivered and earned (`incidents.cost_jobs.Expect`)."""
    found = await expected(tx, keys, begin, end)
    return {key: Loss(it.energy_milliwh, it.revenue) for key, it in found.items()}


def _mrec_text(vendor: str | None, error_code: str, vendor_error_code: str) -> str | None:
    found = mrec_of(vendor, error_code, vendor_error_code, "")
    return None if found is None else f"{found.name} ({found.code})"

"""The composition root: settings in, running roles out; the only module that knows everything.

`run_role` is what each child of `voltway up` runs. A role is one function `run_…(settings, lifeline)`: it makes its
parts, says `lifeline.ready(...)` (with the port it bound) and ends when `lifeline.stopping` is set.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from voltway.infra.lifeline import Lifeline, run_with_lifeline
from voltway.infra.telemetry import configure_logging
from voltway.kernel.clock import now
from voltway.kernel.ids import new_session_id
from voltway.settings import Settings

if TYPE_CHECKING:
    # Each role imports only what it runs: a gateway holds no HTTP framework, and `voltway up` starts quicker.
    from fastapi import APIRouter

    from voltway.gateway.ingest import Ingest
    from voltway.httpapi.sse import Hubs
    from voltway.infra.bus import Bus
    from voltway.infra.db import Database
    from voltway.live import LiveFeed

_DRAIN_S = 2.0
RoleBody = Callable[[Settings, Lifeline], Awaitable[None]]


def run_role(role: str, settings: Settings) -> int:
    """Run one role in this process until it is told to end; return its exit code."""
    configure_logging(role=role, level=settings.log_level, form=settings.log_format)
    return uvloop.run(run_with_lifeline(partial(_BODIES[role], settings)))


async def run_gateway(settings: Settings, lifeline: Lifeline) -> None:
    """Listen where stations connect; every reply leaves after its commit."""
    from voltway.gateway import server
    from voltway.infra.bus import connect
    from voltway.infra.db import Database, Role

    bus = await connect(settings.nats_url)
    database = Database(settings.database_url, Role.INGEST, pool_size=2)
    ingest = make_ingest(settings, bus)
    committing = asyncio.create_task(ingest.run())
    try:
        await server.run(settings, lifeline, database=database, bus=bus, sink=ingest)
        with suppress(TimeoutError):
            await asyncio.wait_for(ingest.drained(), _DRAIN_S)
    finally:
        committing.cancel()
        await asyncio.gather(committing, return_exceptions=True)
        await ingest.close()
        await database.close()
        await bus.close()


def make_ingest(settings: Settings, bus: "Bus") -> "Ingest":
    """Return the group commit over a connection of its own; readers are woken after each commit."""
    from voltway.gateway.group import Policy
    from voltway.gateway.ingest import Ingest
    from voltway.infra.db import Role, libpq_url
    from voltway.infra.outbox_rows import SUBJECT
    from voltway.infra.pipeline import Pipeline

    policy = Policy(
        heartbeat_interval_s=settings.heartbeat_interval_s,
        accepts_unknown_tokens=settings.unknown_tokens == "accept_unbilled",
        clock=now,
        new_session_id=new_session_id,
    )
    return Ingest(Pipeline(libpq_url(settings.database_url, Role.INGEST)), policy, partial(bus.publish, SUBJECT))


async def run_api(settings: Settings, lifeline: Lifeline) -> None:
    """Serve REST, the live feed and the page."""
    from voltway.httpapi.caller import Gate
    from voltway.httpapi.factory import create_app
    from voltway.httpapi.health import engine_checks
    from voltway.httpapi.sse import Hubs
    from voltway.identity.service import Identity
    from voltway.infra.bus import connect
    from voltway.infra.db import Database, Role
    from voltway.infra.http_server import serve_http
    from voltway.infra.outbox import Outbox
    from voltway.live import LiveFeed
    from voltway.operations import ApiOperations

    bus = await connect(settings.nats_url)
    database = Database(settings.database_url)
    readers = Database(settings.database_url, Role.INGEST, pool_size=2)
    hubs, outbox = Hubs(), Outbox(readers)
    parts = Parts(settings, database, bus)
    feed = LiveFeed(
        hubs, identity=parts.identity, stations=parts.stations, sessions=parts.sessions, tariffs=parts.tariffs
    )
    operations = ApiOperations(settings, database, parts.identity)
    feed.add(operations.feed.publish)
    app = create_app(
        [*operations.routers(), *parts.routers(feed, hubs)],
        database=database,
        gate=Gate(Identity(database).find_caller, settings.admin_token, settings.public_url),
        checks=engine_checks(database, settings.database_url, lambda: bus.is_connected),
    )
    await outbox.listen(bus)
    feeding = asyncio.create_task(feed.run(outbox, lifeline.stopping))
    closing = asyncio.create_task(_close_when(lifeline.stopping, hubs))
    try:
        await serve_http(app, settings, lifeline)
    finally:
        for task in (feeding, closing):
            task.cancel()
        await asyncio.gather(feeding, closing, return_exceptions=True)
        await operations.close()
        await database.close()
        await readers.close()
        await bus.close()


class Parts:
    """The services of the slices over one database, for the api role."""

    def __init__(self, settings: Settings, database: "Database", bus: "Bus") -> None:
        from voltway.identity.service import Identity
        from voltway.sessions.quote_service import Quotes
        from voltway.sessions.service import Sessions
        from voltway.stations.commands import Commands
        from voltway.stations.service import Stations
        from voltway.tariffs.service import Tariffs

        self._database, self._bus = database, bus
        self.identity = Identity(database)
        self.commands = Commands(database, bus.request, timeout_s=settings.command_timeout_s)
        self.stations = Stations(database, notify=bus.publish, heartbeat_interval_s=settings.heartbeat_interval_s)
        self.tariffs = Tariffs(database)
        self.sessions = Sessions(database)
        self.quotes = Quotes(database)

    def routers(self, feed: "LiveFeed", hubs: "Hubs") -> list["APIRouter"]:
        """Return the routes of every slice; commands stand before stations, whose ids may hold a slash."""
        from voltway import live
        from voltway.httpapi import imports, sse
        from voltway.identity import api as identity_api
        from voltway.imports import make_importers
        from voltway.sessions import api as sessions_api
        from voltway.sessions import quotes_api
        from voltway.stations import api as stations_api
        from voltway.stations import commands_api
        from voltway.stations.service import STATIONS_CHANGED
        from voltway.tariffs import api as tariffs_api

        importers = make_importers(self._database, stations_changed=partial(self._bus.publish, STATIONS_CHANGED))
        return [
            identity_api.router(self.identity),
            commands_api.router(self.commands),
            stations_api.router(self.stations),
            tariffs_api.router(self.tariffs),
            sessions_api.router(self.sessions),
            quotes_api.router(self.quotes),
            imports.router(importers),
            live.router(feed),
            sse.router(hubs.of),
        ]


async def run_worker(settings: Settings, lifeline: Lifeline) -> None:
    """Finalise sessions that ended, and keep partitions, retention and silence in order."""
    from voltway.infra.bus import connect
    from voltway.infra.db import Database, Role
    from voltway.infra.jobs import Jobs
    from voltway.infra.outbox import Outbox, prune_outbox
    from voltway.operations import for_worker
    from voltway.sessions.jobs import SessionJobs
    from voltway.stations.jobs import StationJobs

    bus = await connect(settings.nats_url)
    database = Database(settings.database_url, pool_size=4)
    readers = Database(settings.database_url, Role.INGEST, pool_size=3)
    jobs, outbox = Jobs(settings.database_url), Outbox(readers)
    sessions = SessionJobs(database, readers, jobs)
    sessions.register(sample_retention_days=settings.sample_retention_days)
    StationJobs(database, message_retention_days=settings.message_retention_days).register(jobs)
    operations = for_worker(settings, bus, database, jobs)
    jobs.add_periodic("outbox.prune", "27 * * * *", partial(_prune, prune_outbox, readers, database))
    await jobs.open()
    await outbox.listen(bus)
    await sessions.keep_samples(retention_days=settings.sample_retention_days)
    lifeline.ready()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sessions.finalise_ended(outbox, lifeline.stopping))
            tasks.create_task(jobs.run(lifeline.stopping))
            tasks.create_task(operations.run(lifeline.stopping))
    finally:
        await jobs.close()
        await database.close()
        await readers.close()
        await bus.close()


async def run_demo(settings: Settings, lifeline: Lifeline) -> None:
    """Fill an empty network with made history, then run its stations live."""
    from voltway.demo import run
    from voltway.infra.bus import connect

    bus = await connect(settings.nats_url)
    try:
        await run(settings, lifeline, make_ingest(settings, bus))
    finally:
        await bus.close()


async def _prune(prune: Callable[..., Awaitable[int]], *databases: "Database") -> None:
    await prune(*databases)


async def _close_when(stopping: asyncio.Event, hubs: "Hubs") -> None:
    await stopping.wait()
    hubs.close()


_BODIES: dict[str, RoleBody] = {"gateway": run_gateway, "api": run_api, "worker": run_worker, "demo": run_demo}

"""Durable background work: procrastinate's queue in the schema `jobs`, run by the worker role.

A job may run twice; every task is idempotent. Times are minutes: what must happen sooner follows the outbox.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from traceback import format_exception
from typing import Any
from urllib.parse import quote

import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import DeleteJobCondition

from voltway.infra.db import Role
from voltway.kernel.errors import NotReady

Task = Callable[..., Awaitable[object]]
"""A job's body: keyword arguments of JSON values."""
ATTEMPTS = 12
_GRACE_S = 3.0
_BACK_OFF_S = 5.0

log = structlog.get_logger()


class Jobs:
    """The queue: register tasks first, then open, then run."""

    def __init__(self, database_url: str, *, open_timeout_s: float = 10.0) -> None:
        joiner = "&" if "?" in database_url else "?"
        options = quote(f"-c role={Role.APP.value} -c timezone=UTC -c search_path=jobs,public")
        connector = PsycopgConnector(conninfo=f"{database_url}{joiner}options={options}", min_size=1, max_size=4)
        self._app = App(connector=connector)
        self._open_timeout_s = open_timeout_s

    def add_task(self, name: str, task: Task) -> None:
        """Register what a job of that name does; a failure is tried again with growing waits, up to 12 times."""
        retry = RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=2)
        self._app.task(name=name, retry=retry)(task)

    def add_periodic(self, name: str, cron: str, task: Task) -> None:
        """Register what is done at the minutes that `cron` names (UTC), once even if several workers run."""

        async def run(timestamp: int) -> None:  # noqa: ARG001 - the queue names the minute
            await task()

        registered = self._app.task(name=name, queueing_lock=name)(run)
        self._app.periodic(cron=cron, periodic_id=name)(registered)

    async def open(self) -> None:
        """Connect to the queue; raise NotReady where the database is away."""
        try:
            await asyncio.wait_for(self._app.open_async(), self._open_timeout_s)
        except (ConnectorException, TimeoutError) as error:
            raise NotReady("the job queue does not answer") from error

    async def close(self) -> None:
        """Disconnect."""
        await self._app.close_async()

    async def defer(self, name: str, /, *, at: datetime | None = None, lock: str | None = None, **values: Any) -> None:
        """Enqueue a job; with a `lock` that a waiting job holds already, nothing is added."""
        job = self._app.configure_task(name, schedule_at=at, queueing_lock=lock)
        with suppress(AlreadyEnqueued):
            await job.defer_async(**values)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopping; the queue's own faults are waited out."""
        while not stopping.is_set():
            working = asyncio.create_task(self._work())
            ended = asyncio.create_task(stopping.wait())
            await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if stopping.is_set():
                working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            if not stopping.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _BACK_OFF_S)

    async def run_waiting(self) -> None:
        """Run every job that is due and return (tests)."""
        await self._app.run_worker_async(
            wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs=DeleteJobCondition.SUCCESSFUL
        )

    async def _work(self) -> None:
        try:
            await self._app.run_worker_async(
                concurrency=1,
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_S,
                delete_jobs=DeleteJobCondition.SUCCESSFUL,
            )
        except Exception as error:  # noqa: BLE001 - a job's supervisor: the database may be away
            log.error("job_worker_failed", exception="".join(format_exception(error)))

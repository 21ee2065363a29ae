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
from procrastinate.jobs import DEFAULT_QUEUE, DeleteJobCondition

from voltway.infra.db import Role, Transaction
from voltway.infra.sql import fetch_one, run
from voltway.kernel.errors import NotReady

Task = Callable[..., Awaitable[object]]
"""A job's body: keyword arguments of JSON values."""
ATTEMPTS = 12
OUTSIDE = "outside"
"""The queue of jobs that wait for other people's servers: several at a time, so that a slow one holds up no other."""
_AT_A_TIME = {DEFAULT_QUEUE: 1, OUTSIDE: 8}
_STALLED_S = 60.0
"""A worker that has not been heard of for so long is gone, and its jobs are begun again."""
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

    def add_task(self, name: str, task: Task, *, queue: str = DEFAULT_QUEUE) -> None:
        """Register what a job of that name does; a failure is tried again with growing waits, up to 12 times."""
        retry = RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=2)
        self._app.task(name=name, retry=retry, queue=queue)(task)

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

    async def defer_in(
        self,
        tx: Transaction,
        name: str,
        /,
        *values: dict[str, Any],
        at: datetime | None = None,
        priority: int = 0,
        queue: str = DEFAULT_QUEUE,
    ) -> None:
        """Enqueue a job for each of the `values` in the caller's own transaction: it exists only if that commits.

        The queue need not be open, the role may be any of ours; of the jobs that are due the highest priority is first.
        """
        if not values:
            return
        before = await fetch_one(tx, "SELECT current_setting('search_path') AS path")
        assert before is not None, "a select without a table has one row"
        connection = (await tx.get_raw_connection()).driver_connection
        await run(tx, "SELECT set_config('search_path', 'jobs,public', true)")
        job = self._app.configure_task(name, schedule_at=at, priority=priority, queue=queue, connection=connection)
        await job.batch_defer_async(*values)
        await run(tx, "SELECT set_config('search_path', :path, true)", path=before["path"])

    async def rescue(self) -> int:
        """Begin again what a worker had under way when it was killed; return how many jobs."""
        stalled = list(await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_S))
        for job in stalled:
            await self._app.job_manager.retry_job(job)
        return len(stalled)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopping; the queue's own faults are waited out."""
        async with asyncio.TaskGroup() as tasks:
            for queue in _AT_A_TIME:
                tasks.create_task(self._run(queue, stopping))
            tasks.create_task(self._rescue_until(stopping))

    async def _rescue_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.rescue()
            except ConnectorException as error:
                log.warning("stalled_jobs_not_seen", reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _STALLED_S)

    async def _run(self, queue: str, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            working = asyncio.create_task(self._work(queue))
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

    async def _work(self, queue: str) -> None:
        try:
            await self._app.run_worker_async(
                queues=[queue],
                concurrency=_AT_A_TIME[queue],
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_S,
                delete_jobs=DeleteJobCondition.SUCCESSFUL,
            )
        except Exception as error:  # noqa: BLE001 - a job's supervisor: the database may be away
            log.error("job_worker_failed", exception="".join(format_exception(error)))

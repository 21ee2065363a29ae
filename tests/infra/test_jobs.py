"""The job queue: durable, at least once, at its time; a lock keeps a job from waiting twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from voltway.infra.jobs import Jobs
from voltway.kernel.clock import now
from voltway.kernel.errors import NotReady


@pytest.fixture
async def jobs(database_url: str) -> AsyncIterator[Jobs]:
    queue = Jobs(database_url)
    yield queue
    await queue.close()


async def test_a_job_is_run_when_it_is_due(jobs: Jobs) -> None:
    """Once per lock; what is for later waits."""
    done: list[str] = []

    async def note(name: str) -> None:
        done.append(name)

    jobs.add_task("note", note)
    await jobs.open()
    await jobs.defer("note", name="now", lock="one")
    await jobs.defer("note", name="again", lock="one")
    await jobs.defer("note", name="later", at=now() + timedelta(hours=1))
    await jobs.run_waiting()
    assert done == ["now"]
    await jobs.run_waiting()
    assert done == ["now"]


async def test_a_worker_stops_when_told(jobs: Jobs) -> None:
    """It runs what comes while it works, and a task that fails does not end it."""
    done, stopping = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        raise ValueError("odd")

    async def finish() -> None:
        done.set()

    jobs.add_task("fail", fail)
    jobs.add_task("finish", finish)
    jobs.add_periodic("never", "0 0 1 1 *", finish)
    await jobs.open()
    await jobs.defer("fail")
    working = asyncio.create_task(jobs.run(stopping))
    await jobs.defer("finish")
    await asyncio.wait_for(done.wait(), 20)
    stopping.set()
    await asyncio.wait_for(working, 10)


async def test_without_a_database_it_is_not_ready() -> None:
    jobs = Jobs("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", open_timeout_s=0.5)
    with pytest.raises(NotReady):
        await jobs.open()
    await jobs.close()

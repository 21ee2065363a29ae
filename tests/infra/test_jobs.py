"""The job queue: durable, at least once, at its time; a lock keeps a job from waiting twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from voltway.infra.db import Database, Role
from voltway.infra.jobs import OUTSIDE, Jobs
from voltway.infra.sql import fetch_one
from voltway.kernel.clock import now
from voltway.kernel.errors import NotReady
from voltway.kernel.ids import OperatorId


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


def _waiting(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            """SELECT task_name, queue_name, priority, args->>'number', scheduled_at FROM jobs.procrastinate_jobs
               WHERE status = 'todo' ORDER BY id"""
        ).fetchall()


@pytest.mark.parametrize("role", list(Role))
async def test_a_job_exists_only_if_its_transaction_commits(database_url: str, role: Role) -> None:
    """Under either role, from a queue that was never opened; and the transaction finds its own tables again."""
    jobs, database = Jobs(database_url), Database(database_url, role, pool_size=1)
    at = now() + timedelta(hours=1)
    async with database.transaction(OperatorId(1)) as tx:
        await jobs.defer_in(tx, "note", {"number": 1})
        await tx.rollback()
    assert _waiting(database_url) == []
    async with database.transaction(OperatorId(1)) as tx:
        await jobs.defer_in(tx, "note", {"number": 1}, {"number": 2}, at=at, priority=3, queue=OUTSIDE)
        await jobs.defer_in(tx, "note")
        found = await fetch_one(tx, "SELECT name, current_setting('search_path') AS path FROM operator")
        assert found is not None
        assert "jobs" not in found["path"]
    assert _waiting(database_url) == [("note", OUTSIDE, 3, "1", at), ("note", OUTSIDE, 3, "2", at)]
    await database.close()


async def test_a_slow_outsider_holds_up_no_other(jobs: Jobs) -> None:
    """Jobs of the outer queue run beside each other and beside ours."""
    started, going_on, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def slow() -> None:
        started.set()
        await going_on.wait()
        done.append("slow")

    async def quick(name: str) -> None:
        done.append(name)
        if len(done) == 2:
            going_on.set()

    jobs.add_task("slow", slow, queue=OUTSIDE)
    jobs.add_task("outer", quick, queue=OUTSIDE)
    jobs.add_task("inner", quick)
    await jobs.open()
    await jobs.defer("slow")
    working = asyncio.create_task(jobs.run(stopping))
    await asyncio.wait_for(started.wait(), 20)
    await jobs.defer("outer", name="outer")
    await jobs.defer("inner", name="inner")
    await asyncio.wait_for(going_on.wait(), 20)
    stopping.set()
    await asyncio.wait_for(working, 10)
    assert sorted(done) == ["inner", "outer", "slow"]


async def test_what_a_killed_worker_had_under_way_is_begun_again(jobs: Jobs, database_url: str) -> None:
    """Its heart has not beaten for a minute; a job of a worker that lives is left alone."""
    done: list[str] = []

    async def note(name: str) -> None:
        done.append(name)

    jobs.add_task("note", note)
    await jobs.open()
    await jobs.defer("note", name="a")
    await jobs.defer("note", name="b")
    with psycopg.connect(database_url, options="-c search_path=jobs,public") as connection:
        for job, age_s in (("a", 61), ("b", 10)):
            connection.execute(
                """WITH w AS (INSERT INTO procrastinate_workers (last_heartbeat)
                              VALUES (now() - make_interval(secs => %s)) RETURNING id)
                   UPDATE procrastinate_jobs SET status = 'doing', worker_id = w.id FROM w WHERE args->>'name' = %s""",
                (age_s, job),
            )
    assert await jobs.rescue() == 1
    await jobs.run_waiting()
    assert done == ["a"]

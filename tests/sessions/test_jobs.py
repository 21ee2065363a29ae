"""The worker's part: what ended is finalised by the outbox, what must wait by the queue, what fell silent is ended."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fake_clock import FakeClock
from tests.sessions.seeding import Seed, add_session, minute, prepare, run_sql

from voltway.infra.db import Database, Role
from voltway.infra.jobs import Jobs
from voltway.infra.outbox import Outbox
from voltway.sessions.jobs import SessionJobs
from voltway.stations.jobs import StationJobs


class _Worker:
    """A worker over a database of its own."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        self.url, self.clock = url, clock
        self.app, self.ingest = Database(url, pool_size=2), Database(url, Role.INGEST, pool_size=2)
        self.queue = Jobs(url)
        self.sessions = SessionJobs(self.app, self.ingest, self.queue, clock=clock)
        self.sessions.register(sample_retention_days=400)

    async def follow_until(self, condition: str) -> None:
        """Consume the outbox until a query of one boolean is true."""
        stopping = asyncio.Event()
        outbox = Outbox(self.ingest, poll_s=0.02)
        following = asyncio.create_task(self.sessions.finalise_ended(outbox, stopping))
        async with asyncio.timeout(20):
            while not self.ask(condition):
                await asyncio.sleep(0.02)
        stopping.set()
        await following

    def ask(self, sql: str) -> Any:
        return run_sql(self.url, f"SELECT {sql}")[0][0]

    def write(self, *ended: UUID) -> None:
        run_sql(
            self.url,
            "INSERT INTO outbox (operator_id, sessions, ended, stations) VALUES (1, '{}', %s::uuid[], '{}')",
            list(ended),
        )


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[_Worker]:
    prepare(database_url)
    made = _Worker(database_url, FakeClock(minute(61)))
    await made.queue.open()
    yield made
    await made.queue.close()
    await made.app.close()
    await made.ingest.close()


async def test_what_ended_is_billed(worker: _Worker) -> None:
    """Its own verdict is read back from the outbox and changes nothing; the cursor ends at the last row."""
    sessions = [add_session(worker.url, Seed(started_at=minute(n * 100))) for n in range(3)]
    worker.write(*sessions[:2])
    worker.write(sessions[2], sessions[0])
    await worker.follow_until(
        """(SELECT count(*) FROM cdr) = 3 AND (SELECT max(outbox_id) FROM outbox)
           = coalesce((SELECT outbox_id FROM consumer_cursor WHERE name = 'sessions.finalise'), 0)"""
    )
    assert worker.ask("count(*) FROM outbox") in {3, 4}
    assert worker.ask("count(*) FROM jobs.procrastinate_jobs") == 0


async def test_what_must_wait_becomes_a_job(worker: _Worker) -> None:
    """Two minutes later it is billed; a job that comes twice changes nothing."""
    session_id = add_session(worker.url, Seed(detail={"seq_missing": [3], "seq_max": 5}))
    worker.write(session_id)
    await worker.follow_until("count(*) = 1 FROM jobs.procrastinate_jobs")
    scheduled = worker.ask("scheduled_at FROM jobs.procrastinate_jobs")
    assert scheduled == worker.clock() + timedelta(minutes=2)
    worker.clock.advance(seconds=121)
    await worker.queue.run_waiting()
    await worker.sessions.finalise_one(1, str(session_id))
    assert worker.ask("count(*) FROM cdr") == 1


async def test_one_bad_session_holds_up_no_other(worker: _Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails together is tried one by one by the queue."""
    bad, good = add_session(worker.url, Seed()), add_session(worker.url, Seed(started_at=minute(100)))
    run_sql(worker.url, "UPDATE session SET detail = '{}' WHERE session_id = %s", bad)
    worker.write(bad, good)
    await worker.follow_until("count(*) = 2 FROM jobs.procrastinate_jobs")
    run_sql(worker.url, "UPDATE jobs.procrastinate_jobs SET scheduled_at = NULL")
    await worker.queue.run_waiting()
    assert run_sql(worker.url, "SELECT session_id FROM cdr") == [(good,)]
    assert worker.ask("count(*) FROM jobs.procrastinate_jobs WHERE status = 'todo'") == 1


@pytest.mark.parametrize(
    ("facts", "silent_for", "is_ended"),
    [
        pytest.param([], timedelta(hours=71), False, id="connected and occupied"),
        pytest.param([], timedelta(hours=73), True, id="occupied for ever"),
        pytest.param(["connected = false"], timedelta(hours=23), False, id="offline"),
        pytest.param(["connected = false"], timedelta(hours=25), True, id="offline for a day"),
        pytest.param(["free"], timedelta(minutes=9), False, id="just gone"),
        pytest.param(["free"], timedelta(minutes=11), True, id="gone"),
    ],
)
async def test_a_silent_session_is_ended_and_held(
    worker: _Worker, *, facts: list[str], silent_for: timedelta, is_ended: bool
) -> None:
    """The last reading stands, the reason is open, and nothing is billed until an operator decides."""
    add_session(worker.url, Seed(state="active", end_kwh=None, ended_at=None, updated_at=minute(40)))
    _connect(worker.url, connected="connected = false" not in facts)
    if "free" in facts:
        run_sql(worker.url, "UPDATE connector SET status = 'available', status_received_at = %s", minute(41))
    worker.clock.set(minute(40) + silent_for)
    await worker.sessions.end_silent()
    row = run_sql(worker.url, "SELECT state, ended_at, end_reason, detail->'anomalies'->0->>0, power_w FROM session")[0]
    assert row == (
        ("held", minute(40), None, "end_missing", 0.0) if is_ended else ("active", None, None, None, 11_000.0)
    )
    assert worker.ask("count(*) FROM outbox WHERE cardinality(ended) = 1") == int(is_ended)


async def test_retention_drops_whole_partitions(worker: _Worker) -> None:
    """The coming months exist, those beyond their retention are gone, for readings and messages alike."""
    old = datetime(2026, 1, 1, tzinfo=UTC)
    run_sql(worker.url, "SELECT voltway_ensure_partitions(%s, %s)", old, old + timedelta(days=40))
    worker.clock.set(datetime(2026, 4, 2, tzinfo=UTC))
    await worker.sessions.keep_samples(retention_days=40)
    stations = StationJobs(worker.app, message_retention_days=60, clock=worker.clock)
    stations.register(worker.queue)
    await stations.keep_messages()
    tables = {row[0] for row in run_sql(worker.url, "SELECT relname FROM pg_class WHERE relkind = 'r'")}
    assert {"meter_value_202602", "meter_value_202606", "ocpp_message_20260205"} <= tables
    assert not {"meter_value_202601", "ocpp_message_20260131", "ocpp_message_20260110"} & tables


def _connect(url: str, *, connected: bool) -> None:
    run_sql(
        url,
        """INSERT INTO station_link (station_id, operator_id, link_id, gateway, version, connected, connected_at,
             last_seen_at) SELECT station_id, 1, gen_random_uuid(), 'g', '1.6', %s, %s, %s FROM station""",
        connected, minute(0), minute(40),
    )  # fmt: skip

"""A site with timelines, sessions, CDRs and refusals over days of March 2026, and its rollups, for tests of usage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.fake_clock import FakeClock
from tests.monitoring.numbers.networks import add_port
from tests.sessions.seeding import Seed, add_session, prepare, run_sql

from voltway.infra.db import Database, Role
from voltway.monitoring.numbers.rollup_jobs import Rollups

MONDAY = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
"""Midnight of Monday 2 March 2026 in Berlin."""
NOW = MONDAY + timedelta(days=2, hours=9)


def at(hours: float) -> datetime:
    """Return an instant by local hours after Monday's midnight."""
    return MONDAY + timedelta(hours=hours)


def enter_site(database_url: str) -> None:
    """Enter HARBOUR with HB-1 (busy 16–18, faulted 20–21 on Monday) and HB-2 (busy 17–18:30)."""
    prepare(database_url)
    run_sql(database_url, "DELETE FROM connector")
    run_sql(database_url, "DELETE FROM evse")
    run_sql(database_url, "DELETE FROM station")
    add_port(
        database_url, "HB-1",
        [(at(0), "available"), (at(16), "preparing"), (at(16.1), "charging"), (at(18), "available"),
         (at(20), "faulted"), (at(21), "available")],
    )  # fmt: skip
    add_port(database_url, "HB-2", [(at(0), "available"), (at(17), "charging"), (at(18.5), "available")])


def session(database_url: str, station: str, begin: float, end: float | None, kwh: float, **more: Any) -> UUID:
    """Write a session by local hours, its energy even but for the readings given as (minute, kWh after the begin)."""
    readings = tuple((minute, 100 + reading, None) for minute, reading in more.pop("readings", ()))
    reason = more.pop("reason", None)
    key = add_session(
        database_url,
        Seed(
            station, 100.0, None if end is None else 100.0 + kwh, None if end is None else (end - begin) * 60, readings,
            "active" if end is None else "ended", started_at=at(begin), **more,
        ),
    )  # fmt: skip
    run_sql(database_url, "UPDATE session SET end_reason = %s WHERE session_id = %s", reason, key)
    return key


def bill(database_url: str, session_id: UUID, number: int, excl: str, created_at: datetime = NOW) -> None:
    """Write a CDR."""
    run_sql(
        database_url,
        """INSERT INTO cdr (operator_id, cdr_id, session_id, number, started_at, ended_at, currency, energy_milliwh,
                            total_excl_vat, total_incl_vat, document, explanation, created_at)
           SELECT operator_id, left(CAST(session_id AS text), 30) || %s, session_id, %s, started_at, ended_at, 'EUR',
                  energy_milliwh, CAST(%s AS numeric), CAST(%s AS numeric) * 1.19, '{}', '{}', %s
             FROM session WHERE session_id = %s""",
        str(number), number, excl, excl, created_at, session_id,
    )  # fmt: skip


def refuse(database_url: str, station: str, hours: float, token: str, status: str = "Blocked") -> None:
    """Write a token that was held up and refused."""
    run_sql(
        database_url,
        """INSERT INTO station_event (station_id, received_at, digest, operator_id, action, data)
           SELECT station_id, %s, 1, operator_id, 'Authorize',
                  jsonb_build_object('token', CAST(%s AS text), 'status', CAST(%s AS text))
             FROM station WHERE identity = %s""",
        at(hours), token, status, station,
    )  # fmt: skip


@asynccontextmanager
async def running_rollups(database_url: str, now: datetime = NOW) -> AsyncIterator[Rollups]:
    """Open the makers of rollups at an instant."""
    database = Database(database_url, Role.INGEST, pool_size=2)
    yield Rollups(database, clock=FakeClock(now))
    await database.close()


async def make_all(database_url: str, now: datetime = NOW) -> None:
    """Make all days of March 2026 that are over."""
    async with running_rollups(database_url, now) as rollups:
        await rollups.mark_days(MONDAY - timedelta(days=1), now)
        await rollups.work()


def rows(database_url: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    """Return columns of the rollups, in order of their keys."""
    return run_sql(
        database_url,
        f"""SELECT {columns} FROM usage_rollup LEFT JOIN station USING (station_id) WHERE {where}
             ORDER BY usage_rollup.operator_id, grain, usage_rollup.location_id, station_id, evse_id, start_at""",  # noqa: S608
    )

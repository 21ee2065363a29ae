"""A month that is filled in afterwards: many sites and sessions, in bounded batches, and in good time."""

import time
from datetime import timedelta

import psycopg
from tests.monitoring.numbers.usage_facts import MONDAY, rows, running_rollups
from tests.sessions.seeding import run_sql

DAYS, STATIONS, SITES = 30, 40, 4
PER_DAY = 4
END = MONDAY + timedelta(days=DAYS, hours=1)


def enter_month(database_url: str, stations: int = STATIONS, sites: int = SITES) -> None:
    """Enter sites with stations that charge four times a day for a month, a reading every five minutes."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SET session_replication_role = replica")
        values = {
            "sites": sites, "stations": stations, "begin": MONDAY, "slots": DAYS * PER_DAY, "hours": 24 // PER_DAY,
        }  # fmt: skip
        for statement in (_SITES, _STATIONS, _EVSES, _SESSIONS, _READINGS, _TIMELINE):
            connection.execute(statement, values)
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")


async def test_a_month_is_filled_in_soon(database_url: str) -> None:
    """40 stations × 30 days × 4,800 sessions: the whole energy, each session once, in well under a minute."""
    enter_month(database_url)
    async with running_rollups(database_url, END) as rollups:
        await rollups.mark_days(MONDAY, END)
        begun_s = time.monotonic()
        made = await rollups.work()
        elapsed_s = time.monotonic() - begun_s
    assert made == SITES * (DAYS + 1)
    ((sessions, energy),) = run_sql(database_url, "SELECT count(*), sum(energy_milliwh) FROM session")
    for place in ("usage_rollup.location_id = 0", "usage_rollup.station_id = 0 AND usage_rollup.location_id > 0"):
        for grain in (1, 2, 3):
            found = rows(database_url, "sessions, energy_milliwh", f"grain = {grain} AND {place}")
            assert (sum(row[0] for row in found), sum(row[1] for row in found)) == (sessions, energy)
    assert elapsed_s < 60


_SITES = """INSERT INTO location (operator_id, code, name, time_zone)
SELECT 1, 'S-' || n, 'S', 'Europe/Berlin' FROM generate_series(1, %(sites)s) n"""
_STATIONS = """INSERT INTO station (operator_id, identity, location_id)
SELECT 1, 'F-' || n, (SELECT location_id FROM location WHERE code = 'S-' || 1 + mod(n, %(sites)s))
  FROM generate_series(1, %(stations)s) n"""
_EVSES = """INSERT INTO evse (station_id, evse_id, operator_id, max_power_w)
SELECT station_id, 1, 1, 50000 FROM station"""
_SESSIONS = """INSERT INTO session
  (session_id, operator_id, station_id, evse_id, connector_id, transaction_id, start_key, state,
   started_at, ended_at, token, register_begin_milliwh, energy_milliwh, received_at, updated_at, detail)
SELECT gen_random_uuid(), 1, station_id, 1, 1, station_id || '-' || n, n, 'ended', at, at + interval '100 minutes',
       'T' || station_id, CAST(n AS bigint) * 20000000, 20000000 + n, at, at, '{}'
  FROM station, generate_series(0, %(slots)s - 1) n,
       LATERAL (SELECT %(begin)s + n * %(hours)s * interval '1 hour'
                     + mod(station_id, 50) * interval '7 minutes' AS at) a"""
_READINGS = """INSERT INTO meter_value (station_id, evse_id, sampled_at, digest, operator_id, session_id, received_at,
  context, register_milliwh)
SELECT station_id, 1, started_at + k * interval '5 minutes', 1, 1, session_id, started_at, 2,
       register_begin_milliwh + k * 1000000 FROM session, generate_series(0, 19) k"""
_TIMELINE = """INSERT INTO timeline
  (station_id, evse_id, begin_at, end_at, previous_end, operator_id, state, evidence_at)
SELECT station_id, 1, at, coalesce(lead(at) OVER w, 'infinity'), CASE WHEN lag(at) OVER w IS NOT NULL THEN at END, 1,
       state, at
  FROM (SELECT station_id, %(begin)s - interval '1 day' AS at, 'available' AS state FROM station
        UNION ALL SELECT station_id, started_at, 'charging' FROM session
        UNION ALL SELECT station_id, ended_at, 'available' FROM session) made
WINDOW w AS (PARTITION BY station_id ORDER BY at)"""

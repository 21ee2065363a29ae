"""Stations with timelines in a database, for the tests of what reckons with them."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

Stretch = tuple[datetime, str]
"""From when, and in which state; it lasts until the next."""


def add_location(database_url: str, code: str, zone: str, operator_id: int = 1) -> None:
    """Enter a location."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO location (operator_id, code, name, time_zone) VALUES (%s, %s, %s, %s)",
            (operator_id, code, code.title(), zone),
        )


def add_port(
    database_url: str, identity: str, stretches: Sequence[Stretch], *, location: str = "HARBOUR",
    power_w: int = 150_000, commissioned_at: datetime | None = None, decommissioned_at: datetime | None = None,
) -> None:  # fmt: skip
    """Enter a station of one EVSE with its timeline; the last stretch is still going on."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """INSERT INTO station (operator_id, identity, location_id, commissioned_at, decommissioned_at, groups)
               SELECT operator_id, %s, location_id, %s, %s, '{fast}' FROM location WHERE code = %s""",
            (identity, commissioned_at, decommissioned_at, location),
        )
        connection.execute(
            """INSERT INTO evse (station_id, evse_id, operator_id, power_type, max_power_w)
               SELECT station_id, number, operator_id, 'DC', %s FROM station, generate_series(0, 1) AS number
                WHERE identity = %s""",
            (power_w, identity),
        )
        ends = [*(begin for begin, _ in stretches[1:]), "infinity"]
        previous = [None, *(begin for begin, _ in stretches[1:])]
        for (begin, state), end, before in zip(stretches, ends, previous, strict=True):
            connection.execute(
                """INSERT INTO timeline (station_id, evse_id, begin_at, end_at, previous_end, operator_id, state,
                                         evidence_at)
                   SELECT station_id, 1, %s, %s, %s, operator_id, %s, %s FROM station WHERE identity = %s""",
                (begin, end, before, state, begin, identity),
            )


def add_big_network(database_url: str, stations: int) -> None:
    """Enter stations of two EVSEs whose state changes daily over March 2026, every tenth station with outages."""
    with psycopg.connect(database_url) as connection:
        # The keys of what is made here are right by its making; checking them takes longer than the test.
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            """INSERT INTO station (operator_id, identity, location_id)
               SELECT 1, 'B-' || lpad(n::text, 5, '0'), location_id FROM location, generate_series(1, %s) n
                WHERE code = 'HARBOUR'""",
            (stations,),
        )
        connection.execute(
            """INSERT INTO evse (station_id, evse_id, operator_id, max_power_w)
               SELECT station_id, n, 1, 150000 FROM station, generate_series(1, 2) n WHERE identity LIKE 'B-%'"""
        )
        connection.execute(
            """INSERT INTO timeline
                 (station_id, evse_id, begin_at, end_at, previous_end, operator_id, state, evidence_at)
               SELECT station_id, evse_id, at, coalesce(lead(at) OVER w, 'infinity'),
                      CASE WHEN lag(at) OVER w IS NOT NULL THEN at END, 1, state, at
                 FROM (SELECT e.station_id, e.evse_id, timestamptz '2026-02-20Z' + n * interval '1 day' AS at,
                              CASE WHEN n % 2 = 0 THEN 'available'
                                   WHEN n % 20 = 1 AND e.station_id % 10 = 0 THEN 'offline'
                                   ELSE 'charging' END AS state
                         FROM evse e JOIN station s USING (station_id), generate_series(0, 40) n
                        WHERE s.identity LIKE 'B-%') made
               WINDOW w AS (PARTITION BY station_id, evse_id ORDER BY at)"""
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE timeline, evse, station")

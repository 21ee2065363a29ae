"""A small network with a past for the tests of reports: two ports at a site, sessions, a bill and incidents."""

from datetime import UTC, datetime, timedelta

import orjson
import psycopg
from tests.fake_clock import FakeClock
from tests.monitoring.numbers.networks import add_location, add_port

from voltway.infra.db import Database
from voltway.monitoring.numbers.uptime_service import Uptime
from voltway.monitoring.reports.service import Reports

NOW = datetime(2026, 4, 10, tzinfo=UTC)
HOSTILE = "=cmd()#$<@ref>"


def at(day: int, hour: int = 0, minute: int = 0, month: int = 3) -> datetime:
    """Return an instant of 2026, of March unless told."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def add_network(database_url: str, zone: str = "Europe/Berlin") -> None:
    """Enter a site of two ports since February: the first offline 2 to 4 March and then faulted for six hours."""
    add_location(database_url, "HARBOUR", zone)
    begin = datetime(2026, 2, 1, tzinfo=UTC)
    down = [(at(2), "offline"), (at(4), "faulted"), (at(4, 6), "charging")]
    add_port(database_url, "CP-1", [(begin, "available"), *down])
    add_port(database_url, "CP-2", [(begin, "available")])


def add_session(
    database_url: str, started_at: datetime, hours: float, kwh: float, *, driver: str | None = "AA", peak_w: float = 0.0
) -> None:
    """Enter an ended session at CP-1 with its readings, and the CDR of 0.5 EUR per kWh where it got energy."""
    ended_at = started_at + timedelta(hours=hours)
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id,
                 start_key, state, started_at, ended_at, end_reason, token, token_type, energy_milliwh, received_at,
                 updated_at, detail)
               SELECT gen_random_uuid(), operator_id, station_id, 1, 1, md5(random()::text),
                      floor(random() * 1e15), 'ended', %s, %s, 'EVDisconnected', %s, 'ISO14443', %s, %s, %s, '{}'
                 FROM station WHERE identity = 'CP-1' RETURNING session_id, station_id""",
            (started_at, ended_at, driver, round(kwh * 1_000_000), ended_at, ended_at),
        ).fetchone()
        assert row is not None
        for number, power_w in enumerate((peak_w / 2, peak_w)):
            connection.execute(
                """INSERT INTO meter_value (station_id, evse_id, sampled_at, digest, operator_id, session_id,
                     received_at, context, power_w) VALUES (%s, 1, %s, %s, 1, %s, %s, 2, %s)""",
                (row[1], started_at, number, row[0], started_at, power_w),
            )
        if kwh:
            connection.execute(
                """INSERT INTO cdr (operator_id, cdr_id, session_id, number, started_at, ended_at, currency,
                     energy_milliwh, total_excl_vat, total_incl_vat, document, explanation)
                   VALUES (1, %s, %s, 1, %s, %s, 'EUR', %s, %s, %s, '{}', '{}')""",
                (row[0].hex, row[0], started_at, ended_at, round(kwh * 1e6), kwh / 2, kwh / 2 * 1.2),
            )


def add_incident(database_url: str, began_at: datetime, hours: float | None, **values: object) -> None:
    """Enter an incident at CP-1 that lasted for some hours, or still does."""
    row: dict[str, object] = {
        "rule": "station_offline", "severity": "major", "began_at": began_at, "opened_at": began_at,
        "state": "open" if hours is None else "remedied", "updated_at": began_at, "title": "t",
        "ended_at": None if hours is None else began_at + timedelta(hours=hours), "lost_milliwh": 2_500_000,
        "group_key": str(began_at), "operator_id": 1, **values,
    }  # fmt: skip
    with psycopg.connect(database_url) as connection:
        names = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        connection.execute(
            f"""INSERT INTO incident ({names}, location_id, station_id, evse_id)
                SELECT {places}, location_id, station_id, 1 FROM station WHERE identity = 'CP-1'""".encode(),  # noqa: S608
            list(row.values()),
        )


def add_exclusion(database_url: str, begin_at: datetime, end_at: datetime, evidence: str) -> None:
    """Enter vandalism at CP-1."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """INSERT INTO uptime_exclusion (operator_id, station_id, evse_id, begin_at, end_at, cause, evidence,
                                             entered_by, entered_at)
               SELECT operator_id, station_id, 1, %s, %s, 'vandalism', %s, 'test', %s
                 FROM station WHERE identity = 'CP-1'""",
            (begin_at, end_at, evidence, end_at),
        )


def reports_of(database: Database, now: datetime = NOW) -> Reports:
    """Return the service at an instant."""
    clock = FakeClock(now)
    return Reports(database, Uptime(database, clock=clock), clock=clock)


def decoded(body: bytes) -> object:
    """Return a JSON document."""
    return orjson.loads(body)

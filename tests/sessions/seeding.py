"""Sessions in a database as the ingest writes them, for the tests of what reads and judges them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg

START = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
TARIFF = """{"country_code": "DE", "party_id": "VWY", "id": "DAY", "currency": "EUR",
  "elements": [{"price_components": [{"type": "ENERGY", "price": 0.39, "vat": 19.0, "step_size": 1},
                                     {"type": "PARKING_TIME", "price": 6.00, "vat": 19.0, "step_size": 1}]}],
  "last_updated": "2026-01-01T00:00:00Z"}"""


def minute(number: float) -> datetime:
    """Return an instant of the session's clock."""
    return START + timedelta(minutes=number)


@dataclass(frozen=True, slots=True)
class Seed:
    """A session to write; registers in kWh, times in minutes after START, readings as (minute, kWh, W)."""

    station: str = "CP-1"
    begin_kwh: float | None = 100.0
    end_kwh: float | None = 110.0
    ended_at: float | None = 60
    readings: Sequence[tuple[float, float | None, float | None]] = ((20, 104.0, 11_000.0), (40, 108.0, 11_000.0))
    state: str = "ended"
    token: str | None = "AA"
    token_status: str | None = "Accepted"
    tariff: tuple[str, int] | None = ("DAY", 1)
    started_at: datetime = START
    clock_offset_ms: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    anomalies: Sequence[tuple[str, bool]] = ()
    updated_at: datetime | None = None
    operator_id: int = 1
    transaction: str | None = None


def prepare(database_url: str) -> None:
    """Enter a location with a station of one 11 kW EVSE, a tariff, and the months of the test's clock."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """INSERT INTO location (operator_id, code, name, address, city, country, lat, lon, time_zone)
               VALUES (1, 'HARBOUR', 'Harbour Square', 'Quay 1', 'Hamburg', 'DEU', 53.5, 9.9, 'Europe/Berlin')"""
        )
        connection.execute(
            "INSERT INTO tariff (operator_id, tariff_id, version, currency, document) VALUES (1, 'DAY', 1, 'EUR', %s)",
            (TARIFF,),
        )
        add_station(connection, "CP-1")


def add_station(connection: psycopg.Connection[Any], identity: str, operator_id: int = 1) -> None:
    """Enter a station with one EVSE and one connector."""
    row = connection.execute(
        """INSERT INTO station (operator_id, identity, location_id)
           VALUES (%s, %s, (SELECT location_id FROM location WHERE operator_id = %s LIMIT 1)) RETURNING station_id""",
        (operator_id, identity, operator_id),
    ).fetchone()
    assert row is not None
    connection.execute(
        "INSERT INTO evse (station_id, evse_id, operator_id, power_type, max_power_w) VALUES (%s, 1, %s, %s, 11000)",
        (row[0], operator_id, "AC_3_PHASE"),
    )
    connection.execute(
        """INSERT INTO connector (station_id, evse_id, connector_id, operator_id, standard)
           VALUES (%s, 1, 1, %s, 'IEC_62196_T2')""",
        (row[0], operator_id),
    )


def add_session(database_url: str, seed: Seed) -> UUID:
    """Write a session with its readings; return its key."""
    session_id = uuid4()
    with psycopg.connect(database_url) as connection:
        station_id = _station_id(connection, seed.station)
        connection.execute(
            """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id,
                 start_key,
                 state, started_at, ended_at, token, token_type, token_status, register_begin_milliwh,
                 register_last_milliwh, energy_milliwh, last_reading_at, power_w, tariff_id, tariff_version,
                 received_at, updated_at, detail)
               VALUES (%s, %s, %s, 1, 1, %s, %s, %s, %s, %s, %s, 'ISO14443', %s, %s, %s, %s, %s, %s, %s, %s, %s,
                       %s, %s)""",
            (
                session_id, seed.operator_id, station_id, seed.transaction or session_id.hex,
                session_id.int % 2**62, seed.state, seed.started_at,
                None if seed.ended_at is None else seed.started_at + timedelta(minutes=seed.ended_at),
                seed.token, seed.token_status, _milliwh(seed.begin_kwh), _last(seed), _energy(seed), _last_at(seed),
                11_000.0, *(seed.tariff or (None, None)), seed.started_at, _updated_at(seed),
                orjson.dumps(_detail(seed)).decode(),
            ),
        )  # fmt: skip
        add_readings(connection, seed, session_id, station_id)
    return session_id


def add_readings(connection: psycopg.Connection[Any], seed: Seed, session_id: UUID, station_id: int) -> None:
    """Write the readings of a seed in the station's own clock."""
    offset = timedelta(milliseconds=seed.clock_offset_ms)
    for number, (at, kwh, power_w) in enumerate(seed.readings):
        sampled_at = seed.started_at + timedelta(minutes=at) + offset
        connection.execute(
            """INSERT INTO meter_value (station_id, evse_id, sampled_at, digest, operator_id, session_id, received_at,
                 context, register_milliwh, power_w, extra) VALUES
                 (%s, 1, %s, %s, %s, %s, %s, 2, %s, %s, '{"raw": 1}')""",
            (station_id, sampled_at, number, seed.operator_id, session_id, sampled_at, _milliwh(kwh), power_w),
        )


def add_late_reading(database_url: str, seed: Seed, session_id: UUID) -> None:
    """Write more readings of a session that exists."""
    with psycopg.connect(database_url) as connection:
        add_readings(connection, seed, session_id, _station_id(connection, seed.station))


def run_sql(database_url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement as the owner and return its rows."""
    with psycopg.connect(database_url) as connection:
        cursor = connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []


def _station_id(connection: psycopg.Connection[Any], identity: str) -> int:
    row = connection.execute("SELECT station_id FROM station WHERE identity = %s", (identity,)).fetchone()
    assert row is not None
    return int(row[0])


def _milliwh(kwh: float | None) -> int | None:
    return None if kwh is None else round(kwh * 1_000_000)


def _last(seed: Seed) -> int | None:
    return _milliwh(seed.readings[-1][1]) if seed.readings else None


def _last_at(seed: Seed) -> datetime | None:
    return seed.started_at + timedelta(minutes=seed.readings[-1][0]) if seed.readings else None


def _energy(seed: Seed) -> int:
    last = _milliwh(seed.end_kwh) if seed.end_kwh is not None else _last(seed)
    return 0 if last is None or seed.begin_kwh is None else last - (_milliwh(seed.begin_kwh) or 0)


def _updated_at(seed: Seed) -> datetime:
    return seed.updated_at or seed.started_at + timedelta(minutes=seed.ended_at or 40)


def _detail(seed: Seed) -> dict[str, Any]:
    return {
        "history": [],
        "anomalies": [[code, code, seed.started_at, touches] for code, touches in seed.anomalies],
        "register_end": _milliwh(seed.end_kwh),
        "first": [_milliwh(seed.readings[0][1]), _first_at(seed)] if seed.readings else None,
        "clock_offset_ms": seed.clock_offset_ms,
        "seq_max": None,
        "seq_missing": [],
        "is_start_seen": True,
        "remote_start_id": None,
        "reservation_id": None,
    } | seed.detail


def _first_at(seed: Seed) -> datetime:
    return seed.started_at + timedelta(minutes=seed.readings[0][0])

"""What a group writes of stations: once per thing, the newest wins, and a repetition changes nothing."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from voltway.infra.db import Role, libpq_url
from voltway.infra.pipeline import Pipeline
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    Finding,
    Notified,
    StationBooted,
    VariableReported,
    VariablesReported,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId
from voltway.sessions.intake import pg_micros
from voltway.stations.intake import MAX_EXAMPLE, MAX_NUMBER, LinkRow, Owner, StationRows, instant_of

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OWNER = Owner(StationId(1), OperatorId(1))
Fill = Callable[[StationRows], object]


def at(minutes: float) -> int:
    """Return an instant as PostgreSQL counts it."""
    return pg_micros(START + timedelta(minutes=minutes))


class Desk:
    """Station S1 in a fresh database."""

    def __init__(self, pipeline: Pipeline, database_url: str) -> None:
        self._pipeline, self._url = pipeline, database_url

    async def write(self, *fills: Fill) -> None:
        """Store what the fills add, as one group."""
        rows = StationRows()
        for fill in fills:
            fill(rows)
        await self._pipeline.run(rows.works())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query as the owner."""
        with psycopg.connect(self._url) as connection:
            return connection.execute(sql.encode()).fetchall()


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO station (operator_id, identity) VALUES (1, 'S1')")
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    yield Desk(pipeline, database_url)
    await pipeline.close()


def status(minutes: float, value: ConnectorStatus, evse_id: int = 1, received: float | None = None) -> Fill:
    fact = ConnectorStatusChanged(EvseId(evse_id), ConnectorId(1), value, error_code="NoError")
    received_at = at(minutes if received is None else received)
    return lambda rows: rows.add_status(OWNER, fact, at(minutes), received_at)


def test_nothing_is_no_statement() -> None:
    assert StationRows().works() == []


CHARGING, AVAILABLE = ConnectorStatus.CHARGING, ConnectorStatus.AVAILABLE


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([[status(1, CHARGING), status(2, AVAILABLE)]], "available"),
        ([[status(2, AVAILABLE), status(1, CHARGING)]], "available"),
        ([[status(2, AVAILABLE)], [status(1, CHARGING)]], "available"),
        ([[status(2, AVAILABLE)], [status(2, AVAILABLE)]], "available"),
        # A clock that ran ahead must not freeze the connector for a day.
        ([[status(999, CHARGING, received=1)], [status(2, AVAILABLE)]], "available"),
    ],
)
async def test_the_newest_status_wins(desk: Desk, groups: Sequence[Sequence[Fill]], expected: str) -> None:
    for group in groups:
        await desk.write(*group)
    assert desk.rows("SELECT evse_id, connector_id, status FROM connector") == [(1, 1, expected)]
    assert desk.rows("SELECT count(*) FROM evse") == [(1,)]


def test_an_absurd_number_is_no_connector() -> None:
    rows = StationRows()
    results = [status(1, CHARGING, number)(rows) for number in (0, MAX_NUMBER, MAX_NUMBER + 1, -1)]
    assert results == [True, True, False, False]


async def test_a_boot_says_what_the_station_is(desk: Desk) -> None:
    """What a later boot leaves out stays known; an older boot that comes late changes nothing."""
    boot = StationBooted("Acme", "DC50", serial="7", firmware="1.0", reason="PowerUp")
    await desk.write(lambda rows: rows.add_boot(OWNER, boot, at(1)))
    await desk.write(lambda rows: rows.add_boot(OWNER, StationBooted("Acme", "DC60", firmware="1.1"), at(2)))
    await desk.write(lambda rows: rows.add_boot(OWNER, boot, at(0)))
    found = desk.rows("SELECT vendor, model, serial, firmware, boot_reason FROM station")
    assert found == [("Acme", "DC60", "7", "1.1", None)]


def link(number: int, minutes: float, *, connected: bool = True, offset_ms: int | None = None) -> Fill:
    row = LinkRow(UUID(int=number), "g1", "ocpp1.6", "127.0.0.1", connected, at(minutes), at(minutes + 1), offset_ms)
    return lambda rows: rows.add_link(OWNER, row)


async def test_a_link_that_opened_later_stands(desk: Desk) -> None:
    """Within a group and between groups; a clock offset that was known stays known."""
    await desk.write(link(2, 5, offset_ms=700), link(1, 0, connected=False))
    await desk.write(link(1, 0, connected=False))
    await desk.write(link(2, 5))
    found = desk.rows("SELECT link_id, connected, clock_offset_ms, disconnected_at FROM station_link")
    assert found == [(UUID(int=2), True, 700, None)]
    await desk.write(link(2, 5, connected=False))
    assert desk.rows("SELECT connected, disconnected_at IS NULL FROM station_link") == [(False, False)]


async def test_events_are_kept_and_a_repetition_is_one(desk: Desk) -> None:
    """A severity outside the scale is brought into it; none stays none."""

    def event(minutes: float, severity: int | None) -> Fill:
        fact = Notified("NotifyEvent", {"at": START, "n": 1}, None, severity)
        return lambda rows: rows.add_event(OWNER, fact, at(minutes), at(minutes))

    await desk.write(event(1, None), event(2, 99), event(3, -7))
    await desk.write(event(1, None))
    found = desk.rows("SELECT severity, data->>'n' FROM station_event ORDER BY received_at")
    assert found == [(None, "1"), (9, "1"), (0, "1")]


async def test_variables_are_kept_at_their_newest(desk: Desk) -> None:
    def variables(*values: str | None, mutability: str | None = None) -> Fill:
        reported = tuple(VariableReported("EVSE", "Power", value, mutability=mutability) for value in values)
        return lambda rows: rows.add_variables(OWNER, VariablesReported(reported), at(1))

    await desk.write(variables("1", "2", mutability="ReadOnly"))
    await desk.write(variables("3"))
    assert desk.rows("SELECT value, mutability, evse_id FROM station_variable") == [("3", "ReadOnly", 0)]


async def test_findings_are_counted(desk: Desk) -> None:
    """The last example stands, cut to its length and without what PostgreSQL cannot hold."""
    odd = Finding("odd", "a\x00" + "b" * 300)
    await desk.write(lambda rows: rows.add_findings(OWNER, (Finding("odd", "first"), odd), at(1)))
    await desk.write(lambda rows: rows.add_findings(OWNER, (odd,), at(2)))
    ((count, example, first_at),) = desk.rows("SELECT count, example, first_at FROM station_finding")
    assert (count, example, first_at) == (3, "a\ufffd" + "b" * (MAX_EXAMPLE - 2), START + timedelta(minutes=1))


async def test_the_raw_log_keeps_bytes(desk: Desk) -> None:
    """Also those that are no text; its key is station and instant."""
    row = (1, at(1), 1, False, "m1", "Heartbeat", b"\xff\x00", None)
    await desk.write(lambda rows: rows.add_message(row))
    await desk.write(lambda rows: rows.add_message(row))
    assert desk.rows("SELECT message_id, frame, reply FROM ocpp_message") == [("m1", b"\xff\x00", None)]


def test_the_station_s_instant_is_taken_where_it_gave_one() -> None:
    later = START + timedelta(hours=1)
    assert (instant_of(None, later), instant_of(START, later)) == (later, START)

"""The look at silent connectors over a real database: who is worth it, what it says, and how it ends."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from tests.fake_clock import FakeClock

from voltway.infra.db import Database, Role
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import Place, Rule, Symptom
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.incidents.silence import SilentInput
from voltway.monitoring.incidents.silence_look import Found, Key, SilenceLook
from voltway.monitoring.incidents.silence_store import LEAST_PASSED, Site, read_choices, read_sites

RULE = shipped()["silent_connector"]
HOUR = timedelta(hours=1)
SITE, QUIET = 1, 2
numbers = count(1)


def rules_at(_operator_id: OperatorId, _place: Place) -> Sequence[Rule]:
    """Return the shipped rule everywhere."""
    return [RULE]


@pytest.fixture
async def readers(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    """A network of two sites of three EVSEs each (stations 1 and 2), free for weeks; the worker's pool over it."""
    with psycopg.connect(database_url) as connection:
        for site in (SITE, QUIET):
            connection.execute(
                "INSERT INTO location (location_id, operator_id, code, name, time_zone) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, 1, %s, 'Site', 'UTC')",
                (site, f"SITE-{site}"),
            )
            connection.execute(
                "INSERT INTO station (station_id, operator_id, identity, location_id, auth) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, 1, %s, %s, 'none')",
                (site, f"CP-{site}", site),
            )
            connection.execute(
                "INSERT INTO evse (station_id, evse_id, operator_id) SELECT %s, n, 1 FROM generate_series(0, 3) n",
                (site,),
            )
            connection.execute(
                "INSERT INTO timeline (station_id, evse_id, begin_at, operator_id, state, evidence_at)"
                " SELECT %s, n, %s, 1, 'available', %s FROM generate_series(1, 3) n",
                (site, clock() - timedelta(days=70), clock()),
            )
    database = Database(database_url, Role.INGEST)
    yield database
    await database.close()


def charge(database_url: str, at: datetime, *evses: int, station: int = SITE, is_open: bool = False) -> None:
    """Let sessions of ten minutes start at EVSEs, one each minute."""
    with psycopg.connect(database_url) as connection:
        for minute, evse in enumerate(evses):
            begin, number = at + timedelta(minutes=minute), next(numbers)
            row: dict[str, Any] = {
                "station": station, "evse": evse, "number": number, "begin": begin,
                "state": "active" if is_open else "ended",
                "end": None if is_open else begin + timedelta(seconds=30),
            }  # fmt: skip
            connection.execute(
                """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id,
                                        start_key, state, started_at, ended_at, received_at, updated_at, detail)
                   VALUES (gen_random_uuid(), 1, %(station)s, %(evse)s, 1, %(number)s, %(number)s, %(state)s,
                           %(begin)s, %(end)s, %(begin)s, %(begin)s, '{}')""",
                row,
            )


def used_evenly(database_url: str, now: datetime, *, station: int = SITE) -> None:
    """Let all three EVSEs of a site be used in turn for weeks, the last time a week ago."""
    for day in range(8, 28):
        charge(database_url, now - timedelta(days=day), *[1, 2, 3] * 4, station=station)


def silent(database_url: str, now: datetime, evse: int = 3) -> None:
    """Let an EVSE be passed 30 times in the last days."""
    others = [it for it in (1, 2, 3) if it != evse]
    charge(database_url, now - timedelta(days=3), *others * 15)


async def look(readers: Database, now: datetime, known: dict[Key, Symptom] | None = None) -> dict[int, Found]:
    """Let a fresh look be taken; return what it says of the first site, by EVSE."""
    async with readers.transaction(None) as tx:
        found = await SilenceLook(parts=1).look(tx, rules_at, (known or {}).items(), now)
    return {it.place.evse_id: it for it in found if it.place.location_id == SITE}


async def test_only_a_site_where_somebody_is_passed_is_worth_a_look(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    now = clock()
    for station in (SITE, QUIET):
        used_evenly(database_url, now, station=station)
    silent(database_url, now)
    charge(database_url, now - timedelta(days=3), *[1, 2, 3] * 10, station=QUIET)
    async with readers.transaction(None) as tx:
        assert await read_sites(tx, now) == {Site(OperatorId(1), SITE)}


async def test_a_site_is_worth_it_from_the_least_number_of_passes_on(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    charge(database_url, clock() - HOUR, 3, *[1] * (LEAST_PASSED - 1))
    async with readers.transaction(None) as tx:
        assert await read_sites(tx, clock()) == set()
    charge(database_url, clock() - HOUR / 2, 1)
    async with readers.transaction(None) as tx:
        assert await read_sites(tx, clock()) == {Site(OperatorId(1), SITE)}


async def test_choices_are_counted_from_sessions_and_timelines(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    """EVSE 2 was out of order while EVSE 1 was taken the second time; EVSE 3 has a session that does not end."""
    now = clock()
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE timeline SET end_at = %s WHERE station_id = 1 AND evse_id = 2", (now - timedelta(hours=5),)
        )
    charge(database_url, now - timedelta(hours=6), 1)
    charge(database_url, now - timedelta(hours=4, minutes=30), 3, is_open=True)
    charge(database_url, now - timedelta(hours=4), 1)
    site = Site(OperatorId(1), SITE)
    async with readers.transaction(None) as tx:
        found = (await read_choices(tx, {site}, now))[site]
    assert found == {
        Place(SITE, 1, 1): SilentInput(taken=1, passed=1, silent=0, since=None, siblings=2),
        Place(SITE, 1, 2): SilentInput(0, 0, 1, now - timedelta(hours=6), 2),
        Place(SITE, 1, 3): SilentInput(1, 1, 0, None, 2),
    }


async def test_a_silent_connector_is_raised_and_its_siblings_are_not(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    used_evenly(database_url, clock())
    silent(database_url, clock())
    found = await look(readers, clock())
    assert found[3].step.raised
    assert found[3].step.symptom is not None
    assert found[3].step.symptom.since == clock() - timedelta(days=3)
    assert [evse for evse, it in found.items() if it.step.raised] == [3]


async def test_it_ends_with_the_next_session_there_whoever_is_searched_then(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    """The first look of two parts searches site 2 only; what is known at site 1 is looked at all the same."""
    used_evenly(database_url, clock())
    silent(database_url, clock())
    symptom = (await look(readers, clock()))[3].step.symptom
    assert symptom is not None
    known = {(OperatorId(1), RULE.code, symptom.place): symptom}
    charge(database_url, clock(), 3)
    async with readers.transaction(None) as tx:
        found = await SilenceLook(parts=2).look(tx, rules_at, known.items(), clock.advance(minutes=5))
    assert [(it.place.evse_id, it.step.symptom) for it in found if it.step.cleared] == [(3, None)]


async def test_each_look_searches_one_part_and_all_parts_are_searched_in_turn(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    used_evenly(database_url, clock())
    silent(database_url, clock())
    eye, places = SilenceLook(parts=3), []
    async with readers.transaction(None) as tx:
        for _ in range(6):
            found = await eye.look(tx, rules_at, [], clock())
            places.append({it.place.location_id for it in found})
    assert places == [set(), {SITE}, set()] * 2


async def test_the_more_siblings_the_more_passes_make_a_site_worth_it(
    readers: Database, database_url: str, clock: FakeClock
) -> None:
    """Seven siblings: 27 passes are ordinary, 28 are worth a look."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO evse (station_id, evse_id, operator_id) SELECT 1, n, 1 FROM generate_series(4, 8) n"
        )
    charge(database_url, clock() - HOUR, 3, *[1, 2, 4] * 9)
    async with readers.transaction(None) as tx:
        assert await read_sites(tx, clock()) == set()
        charge(database_url, clock() - HOUR / 4, 1)
        assert await read_sites(tx, clock()) == {Site(OperatorId(1), SITE)}


async def test_where_no_rule_applies_nothing_is_said(readers: Database, database_url: str, clock: FakeClock) -> None:
    """A symptom of another rule does not make a site be looked at."""
    used_evenly(database_url, clock())
    silent(database_url, clock())
    other = {(OperatorId(1), "faulted", Place(QUIET, 2, 1)): Symptom("faulted", Place(QUIET, 2, 1), clock(), 1.0)}
    async with readers.transaction(None) as tx:
        assert await SilenceLook(parts=1).look(tx, lambda _operator, _place: [], other.items(), clock()) == []
        found = await SilenceLook(parts=1).look(tx, rules_at, other.items(), clock())
    assert {it.place.location_id for it in found} == {SITE}

"""Desired, acknowledged and reported availability: three facts with their ages, and one word about them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, running_api

from voltway.infra.bus import NoResponders
from voltway.infra.db import Database
from voltway.stations import api as stations_api
from voltway.stations import commands_api
from voltway.stations.availability import (
    AvailabilityRequest,
    Moment,
    Reported,
    Wish,
    evse_availability,
    wish_of_call,
    wish_of_verb,
)
from voltway.stations.commands import Commands
from voltway.stations.service import Stations

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def _asked(
    wish: Wish, answer: str | None = "Accepted", *, minutes_ago: float = 10, answered_ago: float | None = None
) -> AvailabilityRequest:
    at = AT - timedelta(minutes=minutes_ago)
    answered_at = at if answered_ago is None else AT - timedelta(minutes=answered_ago)
    return AvailabilityRequest(wish, at, "ops", answer, None if answer is None else answered_at)


def _says(status: str, evse_id: int = 1, connector_id: int = 1) -> Reported:
    return Reported(evse_id, connector_id, status, AT, 0)


OPEN, CLOSED = Wish(operative=True, evse_id=1), Wish(operative=False, evse_id=1)
OPEN_ALL, CLOSED_ALL = Wish(operative=True), Wish(operative=False)


@pytest.mark.parametrize(
    ("request_", "reported", "verdict"),
    [
        (_asked(CLOSED), [_says("unavailable")], "in_effect"),
        (_asked(CLOSED), [_says("available")], "ignored_by_station"),
        (_asked(CLOSED), [_says("unavailable"), _says("available", 1, 2)], "ignored_by_station"),
        (_asked(CLOSED), [_says("available"), _says("unavailable", 0, 0)], "in_effect"),
        (_asked(CLOSED_ALL), [_says("unavailable")], "in_effect"),
        (_asked(CLOSED), [_says("faulted")], "pending"),
        (_asked(CLOSED), [], "ignored_by_station"),
        (_asked(Wish(operative=False, evse_id=1, connector_id=2)), [_says("available"), _says("unavailable", 1, 2)],
         "in_effect"),
        (_asked(CLOSED, minutes_ago=1), [_says("available")], "pending"),
        (_asked(CLOSED, answered_ago=1), [_says("available")], "pending"),
        (_asked(CLOSED, "Scheduled"), [_says("charging")], "pending"),
        (_asked(CLOSED, "Scheduled"), [_says("available")], "ignored_by_station"),
        (_asked(CLOSED), [_says("charging")], "ignored_by_station"),
        (_asked(CLOSED, "Rejected"), [_says("available")], "rejected"),
        (_asked(CLOSED, "call_error"), [_says("available")], "rejected"),
        (_asked(CLOSED, "unsupported"), [_says("available")], "rejected"),
        (_asked(CLOSED, "offline"), [_says("available")], "pending"),
        (_asked(CLOSED, "timeout"), [_says("available")], "pending"),
        (_asked(CLOSED, "timeout"), [_says("unavailable")], "in_effect"),
        (_asked(CLOSED, None), [_says("available")], "pending"),
        (_asked(OPEN), [_says("available")], "in_effect"),
        (_asked(OPEN), [_says("charging")], "in_effect"),
        (_asked(OPEN), [_says("faulted")], "in_effect"),
        (_asked(OPEN), [_says("unavailable")], "ignored_by_station"),
        (_asked(OPEN), [_says("available"), _says("unavailable", 0, 0)], "ignored_by_station"),
        (_asked(OPEN), [_says("unknown")], "ignored_by_station"),
        (_asked(OPEN), [_says("available", 2)], "ignored_by_station"),
    ],
)  # fmt: skip
def test_the_three_facts_give_one_word(request_: AvailabilityRequest, reported: list[Reported], verdict: str) -> None:
    found = evse_availability(1, [request_], reported, Moment(AT, is_connected=True))
    assert found.verdict == verdict


def test_nobody_is_blamed_while_the_station_is_offline() -> None:
    """What it said before is old: whether it followed is not known, but what it refused stays refused."""
    offline = Moment(AT, is_connected=False)
    assert evse_availability(1, [_asked(CLOSED)], [_says("available")], offline).verdict == "pending"
    assert evse_availability(1, [_asked(CLOSED)], [_says("unavailable")], offline).verdict == "pending"
    assert evse_availability(1, [_asked(CLOSED, "Rejected")], [_says("available")], offline).verdict == "rejected"


def test_without_a_wish_there_is_no_word() -> None:
    found = evse_availability(1, [_asked(Wish(operative=False, evse_id=2))], [_says("available")], Moment(AT, True))
    assert (found.desired, found.acknowledged, found.verdict) == (None, None, None)


@pytest.mark.parametrize(
    ("whole", "own", "is_leveled", "operative"),
    [
        (_asked(OPEN_ALL, minutes_ago=1), _asked(CLOSED, minutes_ago=5), False, True),
        (_asked(OPEN_ALL, minutes_ago=1), _asked(CLOSED, minutes_ago=5), True, False),
        (_asked(CLOSED_ALL, minutes_ago=5), _asked(OPEN, minutes_ago=1), False, True),
        (_asked(CLOSED_ALL, minutes_ago=5), _asked(OPEN, minutes_ago=1), True, False),
        (_asked(OPEN_ALL, minutes_ago=5), _asked(CLOSED, minutes_ago=1), True, False),
    ],
)
def test_station_and_evse_are_opened_apart_from_2_0_1_on(
    whole: AvailabilityRequest,
    own: AvailabilityRequest,
    is_leveled: bool,  # noqa: FBT001 - a table's columns
    operative: bool,  # noqa: FBT001
) -> None:
    """1.6: the newest word counts. 2.x: opening the station leaves a closed EVSE closed (G03)."""
    moment = Moment(AT, is_connected=True, is_leveled=is_leveled)
    found = evse_availability(1, [own, whole], [], moment)
    assert found.desired is not None
    assert found.desired.operative is operative


@pytest.mark.parametrize(
    ("payload", "wish"),
    [
        ({"connectorId": 0, "type": "Inoperative"}, Wish(operative=False)),
        ({"connectorId": 2, "type": "Operative"}, Wish(operative=True, evse_id=2)),
        ({"operationalStatus": "Inoperative"}, Wish(operative=False)),
        ({"operationalStatus": "Operative", "evse": {"id": 3}}, Wish(operative=True, evse_id=3)),
        ({"operationalStatus": "Operative", "evse": {"id": 3, "connectorId": 2}},
         Wish(operative=True, evse_id=3, connector_id=2)),
        ({"connectorId": 1, "type": "Closed"}, None),
        ({"connectorId": "1", "type": "Operative"}, None),
        ({"connectorId": 99_999, "type": "Operative"}, None),
        ({"operationalStatus": "Operative", "evse": 3}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_raw_action_is_read_in_every_version(payload: dict[str, Any], wish: Wish | None) -> None:
    """What is malformed is no wish: our gateway refuses it anyway."""
    assert wish_of_call(payload) == wish


def test_a_verb_without_an_evse_means_the_station() -> None:
    assert wish_of_verb({"operative": False, "evse_id": None, "connector_id": None}) == CLOSED_ALL
    assert wish_of_verb({"operative": True, "evse_id": 1}) == OPEN
    assert wish_of_verb({}) is None


class Gateway:
    """Answers with what it was told, and looks into the database at that moment."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self.answer: Any = {"outcome": "answered", "response": {"status": "Accepted"}, "error": None, "ms": 1}
        self.seen: list[tuple[Any, ...]] = []

    async def request(self, _subject: str, _data: bytes, _timeout_s: float) -> bytes:
        """Answer once."""
        self.seen = _rows(self.url, "SELECT operative, acknowledgement FROM availability_request ORDER BY request_id")
        if isinstance(self.answer, Exception):
            raise self.answer
        return orjson.dumps(self.answer)

    async def pause(self, _duration_s: float) -> None:
        """Never wait."""


def _rows(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(sql.encode()).fetchall()


@pytest.fixture
def gateway(database_url: str) -> Gateway:
    return Gateway(database_url)


@pytest.fixture
async def api(database_url: str, gateway: Gateway, clock: FakeClock) -> AsyncIterator[Api]:
    def commands(database: Database) -> Any:
        return commands_api.router(Commands(database, gateway.request, clock=clock, pause=gateway.pause))

    makers = (commands, lambda db: stations_api.router(Stations(db, clock=clock)))
    async with running_api(database_url, *makers) as running:
        await running.client.post("/api/v1/stations", json={"id": "CP/1"})
        await running.client.put("/api/v1/stations/CP%2F1/evses/1/connectors/1", json={})
        yield running


async def _close(api: Api) -> Any:
    return await api.client.post("/api/v1/stations/CP%2F1/availability", json={"operative": False, "evse_id": 1})


async def _availability(api: Api) -> Any:
    answer = await api.client.get("/api/v1/stations/CP%2F1/availability")
    assert answer.status_code == 200, answer.text
    return answer.json()


def _connect(database_url: str, at: datetime, status: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """INSERT INTO station_link (station_id, operator_id, link_id, gateway, version, connected, connected_at,
                 last_seen_at) SELECT station_id, 1, gen_random_uuid(), 'g', '1.6', true, %s, %s FROM station""",
            (at, at),
        )
        connection.execute("UPDATE connector SET status = %s, status_reported_at = %s", (status, at))


async def test_a_wish_is_stored_before_it_is_sent(api: Api, gateway: Gateway, database_url: str) -> None:
    """The answer is written afterwards; both transactions tell the readers of the outbox which station changed."""
    before = _rows(database_url, "SELECT count(*) FROM outbox")[0][0]
    assert (await _close(api)).json()["outcome"] == "answered"
    assert gateway.seen == [(False, None)]
    stored = _rows(database_url, "SELECT evse_id, operative, requested_by, acknowledgement FROM availability_request")
    changes = _rows(database_url, "SELECT stations, xid FROM outbox ORDER BY outbox_id")[before:]
    station_id = _rows(database_url, "SELECT station_id FROM station")[0][0]
    assert stored == [(1, False, "admin", "Accepted")]
    assert [stations for stations, _ in changes] == [[station_id], [station_id]]
    assert len({xid for _, xid in changes}) == 2


@pytest.mark.parametrize(
    ("answer", "acknowledgement"),
    [
        ({"outcome": "answered", "response": {"status": "Scheduled"}, "error": None}, "Scheduled"),
        ({"outcome": "answered", "response": {"status": "Rejected"}, "error": None}, "Rejected"),
        ({"outcome": "answered", "response": {}, "error": None}, "answered"),
        ({"outcome": "not_booted", "response": None, "error": {"code": "not_booted"}}, "not_booted"),
        (NoResponders("nobody"), "offline"),
        (TimeoutError(), "timeout"),
    ],
)
async def test_what_became_of_a_wish_is_kept(api: Api, gateway: Gateway, answer: Any, acknowledgement: str) -> None:
    """The raw action counts like our verb, whatever comes of it."""
    gateway.answer = answer
    path = "/api/v1/stations/CP%2F1/commands/ChangeAvailability"
    assert (await api.client.post(path, json={"connectorId": 1, "type": "Inoperative"})).status_code == 200
    assert _rows(gateway.url, "SELECT evse_id, operative, acknowledgement FROM availability_request") == [
        (1, False, acknowledgement)
    ]


async def test_a_bus_that_is_away_leaves_the_wish_without_an_answer(api: Api, gateway: Gateway) -> None:
    """It was desired, and nobody knows whether it arrived."""
    gateway.answer = RuntimeError("torn")
    assert (await _close(api)).status_code == 500
    assert (await _availability(api))["evses"][0]["desired"]["operative"] is False
    assert (await _availability(api))["evses"][0]["verdict"] == "pending"


async def test_other_commands_wish_for_nothing(api: Api, gateway: Gateway) -> None:
    await api.client.post("/api/v1/stations/CP%2F1/reset", json={})
    await api.client.post("/api/v1/stations/CP%2F1/commands/ChangeAvailability", json={"type": "nonsense"})
    assert _rows(gateway.url, "SELECT 1 FROM availability_request") == []


async def test_the_facts_are_shown_apart_with_their_ages(
    api: Api, gateway: Gateway, database_url: str, clock: FakeClock
) -> None:
    assert (await _availability(api))["evses"] == [
        {"evse_id": 1, "desired": None, "acknowledged": None, "verdict": None,
         "reported": [{"evse_id": 1, "connector_id": 1, "status": "unknown", "at": None, "age_s": None}]}
    ]  # fmt: skip
    await _close(api)
    _connect(database_url, clock(), "available")
    soon = await _availability(api)
    clock.advance(minutes=3)
    later = (await _availability(api))["evses"][0]
    assert (soon["connected"], soon["evses"][0]["verdict"]) == (True, "pending")
    assert later["verdict"] == "ignored_by_station"
    assert later["desired"] | {"requested_at": "", "age_s": later["desired"]["age_s"]} == {
        "operative": False, "evse_id": 1, "connector_id": 0, "requested_at": "", "requested_by": "admin", "age_s": 180,
    }  # fmt: skip
    assert (later["acknowledged"]["answer"], later["acknowledged"]["age_s"]) == ("Accepted", 180)
    assert (later["reported"][0]["status"], later["reported"][0]["age_s"]) == ("available", 180)


async def test_an_unknown_station_has_no_availability(api: Api) -> None:
    assert (await api.client.get("/api/v1/stations/NONE/availability")).status_code == 404


async def test_the_audit_says_what_the_station_answered(api: Api) -> None:
    await _close(api)
    entry = (await api.client.get("/api/v1/audit", params={"action": "command.availability"})).json()["items"][0]
    assert (entry["detail"]["outcome"], entry["detail"]["status"]) == ("answered", "Accepted")

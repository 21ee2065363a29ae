"""Routes of locations, stations and their parts, and of what stations told us."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from httpx import AsyncClient
from tests.fake_clock import FakeClock
from tests.httpapi.client import ADMIN, running_api

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId
from voltway.stations import api as stations_api
from voltway.stations.model import StationFilter, StationState, verify_password
from voltway.stations.service import Stations

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PLACE = {"id": "L1", "name": "Alexanderplatz", "time_zone": "Europe/Berlin"}


class Woken:
    """Remembers the wake-ups."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    async def __call__(self, subject: str) -> None:
        """Be woken."""
        self.subjects.append(subject)


def _connect(
    database_url: str,
    identity: str,
    *,
    connected: bool = True,
    seen: datetime = AT,
    statuses: dict[int, str] | None = None,
) -> None:
    """Write what the ingest would write of a connected station."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT station_id FROM station WHERE identity = %s", (identity,)).fetchone()
        assert row is not None
        connection.execute(
            """INSERT INTO station_link (station_id, operator_id, link_id, gateway, version, remote, connected,
                                         connected_at, disconnected_at, last_seen_at, clock_offset_ms)
               VALUES (%s, 1, gen_random_uuid(), 'g1', '1.6', '10.0.0.1', %s, %s, %s, %s, -120)""",
            (row[0], connected, AT - timedelta(hours=1), None if connected else AT, seen),
        )
        for evse_id, status in (statuses or {}).items():
            connection.execute(
                "INSERT INTO evse (station_id, evse_id, operator_id) VALUES (%s, %s, 1)", (row[0], evse_id)
            )
            connection.execute(
                """INSERT INTO connector (station_id, evse_id, connector_id, operator_id, status, status_received_at)
                   VALUES (%s, %s, 1, 1, %s, %s)""",
                (row[0], evse_id, status, AT),
            )


async def _make(client: AsyncClient, *identities: str, **body: Any) -> None:
    for identity in identities:
        answer = await client.post("/api/v1/stations", json={"id": identity, **body})
        assert answer.status_code == 201, answer.text


async def _ids(client: AsyncClient, path: str = "/stations", **params: Any) -> list[str]:
    answer = await client.get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_a_locations_life(database_url: str) -> None:
    """Entered, changed, listed, and deleted only once no station stands there."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        client = api.client
        made = (await client.post("/api/v1/locations", json={**PLACE, "lat": 52.5219, "lon": 13.4132})).json()
        assert (made["country"], made["stations"], made["lat"]) == ("DEU", 0, 52.5219)
        assert (await client.post("/api/v1/locations", json=PLACE)).status_code == 409
        changed = (await client.patch("/api/v1/locations/L1", json={"city": "Berlin"})).json()
        assert (changed["city"], changed["name"]) == ("Berlin", "Alexanderplatz")
        assert changed["updated_at"] > made["updated_at"]
        await _make(client, "CP-1", location_id="L1")
        assert (await client.get("/api/v1/locations/L1")).json()["stations"] == 1
        assert await _ids(client, "/locations", q="alexander") == ["L1"]
        assert await _ids(client, "/locations", q="nowhere") == []
        assert (await client.delete("/api/v1/locations/L1")).status_code == 409
        await client.patch("/api/v1/stations/CP-1", json={"location_id": None})
        assert (await client.delete("/api/v1/locations/L1")).status_code == 204
        assert (await client.delete("/api/v1/locations/L1")).status_code == 404
        assert (await client.patch("/api/v1/locations/L1", json={"city": "x"})).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"lat": 91},
        {"lon": "east"},
        {"time_zone": "Mars/Olympus"},
        {"id": " L1"},
        {"name": ""},
        {"country": "DE"},
        {"x": 1},
    ],
)
async def test_a_malformed_location_is_refused(database_url: str, wrong: dict[str, object]) -> None:
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        answer = await api.client.post("/api/v1/locations", json={**PLACE, **wrong})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(wrong))}"


async def test_a_stations_life_wakes_the_gateways(database_url: str) -> None:
    """Every change moves updated_at and is announced after its commit."""
    woken = Woken()
    async with running_api(database_url, lambda db: stations_api.router(Stations(db, notify=woken))) as api:
        client = api.client
        await _make(client, "CP-1", groups=["fast"], auth="none")
        before = (await client.get("/api/v1/stations/CP-1")).json()
        assert (before["state"], before["connection"], before["groups"]) == ("offline", None, ["fast"])
        after = (await client.patch("/api/v1/stations/CP-1", json={"name": "Left", "fallback_version": "1.6"})).json()
        assert (after["name"], after["fallback_version"], after["auth"]) == ("Left", "1.6", "none")
        assert after["updated_at"] > before["updated_at"]
        rejected = (await client.post("/api/v1/stations/CP-1/reject")).json()
        approved = (await client.post("/api/v1/stations/CP-1/approve")).json()
        assert (rejected["approval"], approved["approval"]) == ("rejected", "approved")
        assert (await client.delete("/api/v1/stations/CP-1")).status_code == 204
        assert (await client.get("/api/v1/stations/CP-1")).status_code == 404
        assert woken.subjects == ["stations.changed"] * 5
        assert (await client.post("/api/v1/stations", json={"id": "A", "location_id": "L9"})).status_code == 422
        assert (await client.post("/api/v1/stations/CP-1/approve")).status_code == 404
        assert len(woken.subjects) == 5


@pytest.mark.parametrize("identity", ["CP/1", "RDAM|123", "a b", "ä%2F", "x" * 255])
async def test_an_identity_is_kept_byte_exact(database_url: str, identity: str) -> None:
    """Whatever stands in a station's URL names it here too."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        await _make(api.client, identity)
        answer = await api.client.get(f"/api/v1/stations/{quote(identity, safe='')}")
        assert (answer.status_code, answer.json()["id"]) == (200, identity)
        messages = await api.client.get(f"/api/v1/stations/{quote(identity, safe='')}/messages")
        assert messages.status_code == 200


async def test_a_password_is_shown_once_and_kept_hashed(database_url: str) -> None:
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        await _make(api.client, "CP-1", auth="none")
        made = (await api.client.put("/api/v1/stations/CP-1/password", json={})).json()["password"]
        station = (await api.client.get("/api/v1/stations/CP-1")).json()
        assert (station["has_password"], station["auth"]) == (True, "password")
        given = await api.client.put("/api/v1/stations/CP-1/password", json={"password": "correct-horse"})
        assert given.json()["password"] == "correct-horse"
        assert (await api.client.put("/api/v1/stations/CP-1/password", json={"password": "short"})).status_code == 422
        audit = await api.client.get("/api/v1/audit", params={"action": "station.set_password"})
    with psycopg.connect(database_url) as connection:
        salt, stored = connection.execute("SELECT password_salt, password_hash FROM station").fetchone() or (b"", b"")
    assert verify_password(salt, stored, b"correct-horse") is not None
    assert verify_password(salt, stored, made.encode()) is None
    assert "correct-horse" not in audit.text


async def test_parts_are_made_changed_and_deleted(database_url: str) -> None:
    """A connector brings its EVSE; what a station reported is not overwritten by describing it."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        client = api.client
        await _make(client, "CP-1")
        _connect(database_url, "CP-1", statuses={1: "available"})
        evse = {"power_type": "DC", "max_power_w": 150_000}
        assert (await client.put("/api/v1/stations/CP-1/evses/1", json=evse)).status_code == 200
        kind = {"standard": "IEC_62196_T2_COMBO"}
        for place in ("1/connectors/1", "2/connectors/1"):
            assert (await client.put(f"/api/v1/stations/CP-1/evses/{place}", json=kind)).status_code == 200
        evses = (await client.get("/api/v1/stations/CP-1")).json()["evses"]
        assert [(it["evse_id"], it["max_power_w"]) for it in evses] == [(1, 150_000), (2, None)]
        connector = evses[0]["connectors"][0]
        assert (connector["status"], connector["standard"]) == ("available", "IEC_62196_T2_COMBO")
        assert connector["status_at"] == "2026-03-02T08:00:00Z"
        first = (await client.get("/api/v1/connectors", params={"limit": 1})).json()
        rest = (await client.get("/api/v1/connectors", params={"cursor": first["next_cursor"]})).json()
        assert [it["evse_id"] for it in first["items"] + rest["items"]] == [1, 2]
        found = (await client.get("/api/v1/connectors", params={"status": "available"})).json()["items"]
        assert [it["station_id"] for it in found] == ["CP-1"]
        evse_page = (await client.get("/api/v1/evses", params={"limit": 1, "station_id": "CP-1"})).json()
        last = (await client.get("/api/v1/evses", params={"cursor": evse_page["next_cursor"]})).json()
        assert [it["evse_id"] for it in evse_page["items"] + last["items"]] == [1, 2]
        assert (await client.delete("/api/v1/stations/CP-1/evses/2/connectors/1")).status_code == 204
        assert (await client.delete("/api/v1/stations/CP-1/evses/2")).status_code == 204
        assert (await client.delete("/api/v1/stations/CP-1/evses/2")).status_code == 404
        assert (await client.put("/api/v1/stations/CP-1/evses/1", json={"max_power_w": 0})).status_code == 422
        assert (await client.put("/api/v1/stations/CP-1/evses/1001", json={})).status_code == 422
        assert (await client.put("/api/v1/stations/CP-9/evses/1", json={})).status_code == 404


async def test_what_bills_stand_on_is_never_deleted(database_url: str) -> None:
    """A station or EVSE with sessions stays; so does everything that hangs on it."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        await _make(api.client, "CP-1")
        _connect(database_url, "CP-1", statuses={1: "available", 2: "available"})
        with psycopg.connect(database_url) as connection:
            connection.execute(
                """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id,
                                        start_key, state, started_at, received_at, updated_at, detail)
                   SELECT gen_random_uuid(), 1, station_id, 1, 1, '7', 7, 'ended', now(), now(), now(), '{}'
                     FROM station"""
            )
        assert (await api.client.delete("/api/v1/stations/CP-1")).status_code == 409
        assert (await api.client.delete("/api/v1/stations/CP-1/evses/1")).status_code == 409
        assert (await api.client.delete("/api/v1/stations/CP-1/evses/2")).status_code == 204
        assert len((await api.client.get("/api/v1/stations/CP-1")).json()["evses"]) == 1


async def test_stations_are_listed_by_filter_and_page(database_url: str, clock: FakeClock) -> None:
    """The state is a rule, yet it filters and pages like a column."""
    make = lambda db: stations_api.router(Stations(db, clock=clock, heartbeat_interval_s=300))  # noqa: E731
    async with running_api(database_url, make) as api:
        client = api.client
        await client.post("/api/v1/locations", json=PLACE)
        await _make(client, "A", "B", location_id="L1")
        await _make(client, "C", groups=["fast"], approval="pending")
        await _make(client, "D", name="Depot 7")
        _connect(database_url, "A", statuses={1: "charging"})
        _connect(database_url, "B", statuses={1: "available"}, seen=AT - timedelta(seconds=751))
        _connect(database_url, "C", statuses={1: "available"})
        _connect(database_url, "D", connected=False)
        stations = (await client.get("/api/v1/stations")).json()["items"]
        assert [(it["id"], it["state"]) for it in stations] == [
            ("A", "charging"),
            ("B", "offline"),
            ("C", "pending"),
            ("D", "offline"),
        ]
        assert stations[0]["connection"]["since"] == "2026-03-02T07:00:00Z"
        assert stations[0]["connection"]["clock_offset_ms"] == -120
        assert [it["connection"]["stale"] for it in stations] == [False, True, False, False]
        assert stations[3]["connection"]["since"] == "2026-03-02T08:00:00Z"
        assert await _ids(client, state="offline") == ["B", "D"]
        first = (await client.get("/api/v1/stations", params={"state": "offline", "limit": 1})).json()
        assert await _ids(client, state="offline", cursor=first["next_cursor"]) == ["D"]
        assert await _ids(client, connected=True) == ["A", "B", "C"]
        assert await _ids(client, location="L1") == ["A", "B"]
        assert await _ids(client, group="fast") == ["C"]
        assert await _ids(client, approval="pending") == ["C"]
        assert await _ids(client, q="depot") == ["D"]
        assert await _ids(client, q="alexander") == ["A", "B"]
        assert (await client.get("/api/v1/stations", params={"state": "happy"})).status_code == 422
        counts = await Stations(api.database, clock=clock).count_states(OperatorId(1))
        assert {state: count for state, count in counts.items() if count} == {
            StationState.CHARGING: 1,
            StationState.OFFLINE: 2,
            StationState.PENDING: 1,
        }


async def test_a_state_filter_reads_on_past_its_batch(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voltway.stations.service._SCAN", 2)
    database = Database(database_url, pool_size=1)
    stations = Stations(database)
    for number in range(7):
        await stations.create_station(ADMIN, f"S{number}", {})
    page = await stations.list_stations(ADMIN, PageRequest(5), StationFilter(state=StationState.OFFLINE))
    assert [it.id for it in page.items] == [f"S{number}" for number in range(5)]
    assert page.next_cursor is not None
    assert (await stations.count_states(OperatorId(1)))[StationState.OFFLINE] == 7
    await database.close()


async def test_what_a_station_told_us_can_be_read(database_url: str) -> None:
    """Findings, events and variables by page; the filters find what they name."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        await _make(api.client, "CP-1")
        with psycopg.connect(database_url) as connection:
            connection.execute(
                """INSERT INTO station_finding (station_id, code, operator_id, count, first_at, last_at, example)
                   SELECT station_id, 'timestamp_without_zone', 1, 3, %(at)s, %(at)s, '2026' FROM station""",
                {"at": AT},
            )
            for number in range(3):
                connection.execute(
                    """INSERT INTO station_event (station_id, received_at, digest, operator_id, action, severity, data)
                       SELECT station_id, %s, %s, 1, %s, 2, '{"n": 1}' FROM station""",
                    (AT, 2**62 + number, "SecurityEventNotification" if number else "NotifyEvent"),
                )
                connection.execute(
                    """INSERT INTO station_variable (station_id, component, variable, operator_id, value, received_at,
                                                     evse_id)
                       SELECT station_id, %s, 'Enabled', 1, 'true', now(), %s FROM station""",
                    ("EVSE" if number else "", number),
                )
        path = "/api/v1/stations/CP-1"
        findings = (await api.client.get(f"{path}/findings")).json()["items"]
        assert [(it["code"], it["count"], it["example"]) for it in findings] == [("timestamp_without_zone", 3, "2026")]
        assert (await api.client.get(path)).json()["findings"] == 1
        for name, key in (("events", "digest"), ("variables", "evse_id")):
            first = (await api.client.get(f"{path}/{name}", params={"limit": 2})).json()
            cursor = first["next_cursor"]
            rest = (await api.client.get(f"{path}/{name}", params={"limit": 2, "cursor": cursor})).json()
            assert len({it[key] for it in first["items"] + rest["items"]}) == 3, name
            assert rest["next_cursor"] is None
        assert len((await api.client.get(f"{path}/events", params={"action": "NotifyEvent"})).json()["items"]) == 1
        assert len((await api.client.get(f"{path}/variables", params={"q": "evse.en"})).json()["items"]) == 2
        assert (await api.client.get(f"{path}/variables", params={"cursor": "WzEwXQ"})).status_code == 422


async def test_the_raw_log_is_searched_as_it_stood_on_the_wire(database_url: str) -> None:
    """Newest first, by time, direction, action and contained text; frames that are no UTF-8 are shown too."""
    frames = [
        (0, False, "BootNotification", b'[2,"1","BootNotification",{"chargePointVendor":"ACME"}]', b'[3,"1",{}]'),
        (1, True, "Reset", b'[2,"2","Reset",{"type":"Soft"}]', None),
        (2, False, "Heartbeat", b"\xff[broken", b'[4,"3","FormationViolation"]'),
    ]
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        await _make(api.client, "CP-1")
        with psycopg.connect(database_url) as connection:
            for second, outgoing, action, frame, reply in frames:
                connection.execute(
                    """INSERT INTO ocpp_message (station_id, received_at, operator_id, outgoing, message_id, action,
                                                 frame, reply)
                       SELECT station_id, %s, 1, %s, %s, %s, %s, %s FROM station""",
                    (AT + timedelta(seconds=second), outgoing, str(second + 1), action, frame, reply),
                )

        async def actions(**params: Any) -> list[str]:
            answer = await api.client.get("/api/v1/stations/CP-1/messages", params=params)
            assert answer.status_code == 200, answer.text
            return [item["action"] for item in answer.json()["items"]]

        assert await actions() == ["Heartbeat", "Reset", "BootNotification"]
        assert await actions(direction="out") == ["Reset"]
        assert await actions(direction="in", action="Heartbeat") == ["Heartbeat"]
        assert await actions(q="ACME") == ["BootNotification"]
        assert await actions(q="FormationViolation") == ["Heartbeat"]
        assert await actions(**{"from": "2026-03-02T08:00:01Z", "to": "2026-03-02T08:00:02Z"}) == ["Reset"]
        first = (await api.client.get("/api/v1/stations/CP-1/messages", params={"limit": 2})).json()
        assert first["items"][0]["frame"] == "\ufffd[broken"
        assert first["items"][1]["direction"] == "out"
        assert await actions(cursor=first["next_cursor"]) == ["BootNotification"]
        assert (await api.client.get("/api/v1/stations/CP-1/messages", params={"from": "today"})).status_code == 422

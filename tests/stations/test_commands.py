"""Reaching a station: the caller always gets one outcome, and everything sent stands in the audit."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, running_api

from voltway.infra import bus
from voltway.infra.bus import BusAway, NoResponders
from voltway.infra.db import Database
from voltway.stations import api as stations_api
from voltway.stations import commands_api
from voltway.stations.commands import Commands
from voltway.stations.service import Stations

ANSWER = {"outcome": "answered", "response": {"status": "Accepted"}, "error": None, "ms": 12}


class FakeGateway:
    """Answers requests with what it was told to; an exception is raised instead."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers) or [ANSWER]
        self.heard: list[tuple[str, dict[str, Any], float]] = []
        self.pauses: list[float] = []

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Answer once."""
        self.heard.append((subject, orjson.loads(data), timeout_s))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return orjson.dumps(answer)

    async def pause(self, duration_s: float) -> None:
        """Remember how long the caller would have waited."""
        self.pauses.append(duration_s)


def _routers(gateway: FakeGateway, clock: FakeClock) -> tuple[Any, Any]:
    def commands(database: Database) -> Any:
        return commands_api.router(Commands(database, gateway.request, clock=clock, pause=gateway.pause))

    return commands, lambda database: stations_api.router(Stations(database))


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def api(database_url: str, gateway: FakeGateway, clock: FakeClock) -> AsyncIterator[Api]:
    async with running_api(database_url, *_routers(gateway, clock)) as running:
        assert (await running.client.post("/api/v1/stations", json={"id": "CP/1"})).status_code == 201
        yield running


async def test_any_action_goes_to_the_stations_own_subject(api: Api, gateway: FakeGateway, clock: FakeClock) -> None:
    """The deadline travels with it; we wait a second longer, so that the gateway can say that it passed."""
    answer = await api.client.post(
        "/api/v1/stations/CP%2F1/commands/GetDiagnostics?timeout_s=5", json={"location": "x"}
    )
    assert (answer.status_code, answer.json()["outcome"]) == (200, "answered")
    assert answer.json()["response"] == {"status": "Accepted"}
    subject, body, timeout_s = gateway.heard[0]
    deadline = (clock() + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (subject.split(".")[0], subject.split(".")[2], timeout_s) == ("station", "command", 6.0)
    assert subject.split(".")[1].isdecimal()
    assert body == {"action": "GetDiagnostics", "payload": {"location": "x"}, "deadline": deadline}


@pytest.mark.parametrize(
    ("method", "path", "body", "verb", "args"),
    [
        (
            "POST",
            "start",
            {"token": "AA", "evse_id": 1},
            "start",
            {"token": "AA", "token_type": "ISO14443", "evse_id": 1},
        ),
        ("POST", "stop", {"transaction_id": "42"}, "stop", {"transaction_id": "42"}),
        ("POST", "reset", {}, "reset", {"kind": "soft"}),
        ("POST", "unlock", {"evse_id": 2}, "unlock", {"evse_id": 2, "connector_id": 1}),
        ("POST", "availability", {"operative": False}, "availability", {"operative": False}),
        ("POST", "trigger", {"message": "Heartbeat"}, "trigger", {"message": "Heartbeat"}),
        ("GET", "configuration?key=A&key=B", None, "read_configuration", {"keys": ["A", "B"]}),
        ("GET", "configuration", None, "read_configuration", {"keys": []}),
        ("PATCH", "configuration", {"values": {"A": "1"}}, "write_configuration", {"values": {"A": "1"}}),
    ],
)
async def test_every_verb_is_sent_in_our_words(  # noqa: PLR0917 - a table's columns
    api: Api, gateway: FakeGateway, method: str, path: str, body: object, verb: str, args: dict[str, Any]
) -> None:
    answer = await api.client.request(method, f"/api/v1/stations/CP%2F1/{path}", json=body)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "answered")
    assert gateway.heard[0][1]["verb"] == verb
    assert gateway.heard[0][1]["args"] == args


@pytest.mark.parametrize(
    ("answers", "outcome", "asked"),
    [
        ([NoResponders("nobody"), NoResponders("nobody")], "offline", 2),
        ([NoResponders("not yet"), ANSWER], "answered", 2),
        ([TimeoutError()], "timeout", 1),
        ([{**ANSWER, "outcome": "busy", "response": None, "error": {"code": "busy"}}], "busy", 1),
        ([{**ANSWER, "outcome": "call_error", "response": None, "error": {"code": "NotSupported"}}], "call_error", 1),
    ],
)
async def test_the_caller_always_gets_one_outcome(
    api: Api, gateway: FakeGateway, answers: list[object], outcome: str, asked: int
) -> None:
    """Nobody listening is asked twice, since a gateway may just be taking the station over."""
    gateway.answers = answers
    answer = await api.client.post("/api/v1/stations/CP%2F1/reset", json={"kind": "hard"})
    assert (answer.status_code, answer.json()["outcome"]) == (200, outcome)
    assert (answer.json()["error"] is None) == (outcome == "answered")
    assert len(gateway.heard) == asked
    assert gateway.pauses == [0.3] * (asked - 1)
    audit = (await api.client.get("/api/v1/audit", params={"action": "command.reset"})).json()["items"]
    assert [entry["detail"]["outcome"] for entry in audit] == [outcome]


async def test_without_a_bus_nobody_knows(api: Api, gateway: FakeGateway) -> None:
    gateway.answers = [BusAway("the message broker is away")]
    answer = await api.client.post("/api/v1/stations/CP%2F1/reset", json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "bus_away")


async def test_an_unknown_station_or_a_malformed_verb_is_never_sent(api: Api, gateway: FakeGateway) -> None:
    assert (await api.client.post("/api/v1/stations/CP-9/reset", json={})).status_code == 404
    for path, body in (
        ("start", {}),
        ("stop", {"transaction_id": ""}),
        ("reset", {"kind": "gently"}),
        ("unlock", {}),
        ("trigger", {"message": "a b"}),
        ("commands/Re-set", {}),
        ("commands/Reset", [1]),
        ("commands/Reset?timeout_s=0", {}),
    ):
        assert (await api.client.post(f"/api/v1/stations/CP%2F1/{path}", json=body)).status_code == 422, path
    assert gateway.heard == []


async def test_commands_need_their_scope(api: Api, gateway: FakeGateway) -> None:
    writer = await api.client_with("read", "write")
    assert (await writer.post("/api/v1/stations/CP%2F1/reset", json={})).status_code == 403
    assert gateway.heard == []
    commander = await api.client_with("commands")
    assert (await commander.post("/api/v1/stations/CP%2F1/reset", json={})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "configuration", {"values": {"AuthorizationKey": "hush-hush"}}),
        ("POST", "commands/ChangeConfiguration", {"key": "AuthorizationKey", "value": "hush-hush"}),
        (
            "POST",
            "commands/SetVariables",
            {"setVariableData": [{"attributeValue": "hush-hush", "variable": {"name": "BasicAuthPassword"}}]},
        ),
        ("PATCH", "configuration", {"values": {"SecurityCtrlr.BasicAuthPassword": "hush-hush"}}),
        ("POST", "commands/SetNetworkProfile", {"connectionData": {"apn": {"apnPassword": "hush-hush"}}}),
    ],
)
async def test_a_password_that_goes_to_a_station_is_not_in_the_audit(
    api: Api, gateway: FakeGateway, method: str, path: str, body: object
) -> None:
    await api.client.request(method, f"/api/v1/stations/CP%2F1/{path}", json=body)
    audit = await api.client.get("/api/v1/audit")
    assert "hush-hush" in str(gateway.heard)
    assert "hush-hush" not in audit.text


async def test_over_a_real_bus(database_url: str, nats_url: str) -> None:
    """A gateway that subscribes to the station's subject is found; without one the station is offline."""
    connected = await bus.connect(nats_url)
    commands = Commands(Database(database_url, pool_size=1), connected.request)
    async with running_api(
        database_url, lambda _: commands_api.router(commands), lambda db: stations_api.router(Stations(db))
    ) as api:
        await api.client.post("/api/v1/stations", json={"id": "CP-1"})
        offline = await api.client.post("/api/v1/stations/CP-1/reset", json={})

        async def answer(_: bytes) -> bytes:
            return orjson.dumps(ANSWER)

        await connected.subscribe("station.1.command", answer)
        answered = await api.client.post("/api/v1/stations/CP-1/reset", json={})
    await connected.close()
    await commands._database.close()
    assert (offline.json()["outcome"], answered.json()["outcome"]) == ("offline", "answered")

"""The whole way: facts through the real group commit, then the desk's question about them over the API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import running_api
from tests.monitoring.support.desk import ask_desk

from voltway.gateway.group import Policy
from voltway.gateway.inbound import Inbound, LinkNote, Seat
from voltway.gateway.ingest import Ingest
from voltway.identity.service import Identity
from voltway.infra.db import Database, Role, libpq_url
from voltway.infra.pipeline import Pipeline
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    Fact,
    PresentedToken,
    Reply,
    SessionEnded,
    SessionStarted,
    StartReply,
    StationBooted,
    TokenPresented,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, StationIdentity, Token, TransactionId
from voltway.monitoring.support import api as support_api
from voltway.monitoring.support.service import Support

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ANNA = PresentedToken(Token("Anna"))


class Station:
    """Tells facts, each a message of the raw log, at the minute that is named."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._seat = Seat(StationId(1), OperatorId(1), StationIdentity("S1"), "approved")
        self._replies: list[Reply] = []
        self._ticks = count(1)

    def encode(self, _inbound: Inbound, reply: Reply) -> bytes:
        """Answer with what a 1.6 station would read of a start."""
        self._replies.append(reply)
        answer = {"transactionId": int(reply.transaction_id)} if isinstance(reply, StartReply) else {}
        return orjson.dumps([3, "m", answer])

    def deliver(self, _inbound: Inbound, _frame: bytes) -> None:
        """The message is on disk."""

    async def connect(self) -> None:
        """Open a link."""
        note = LinkNote(self._seat, UUID(int=1), "g1", "1.6", "10.0.0.1", True, START, START, ())
        await self._ingest.store([note])

    async def tell(self, minutes: float, action: str, fact: Fact, payload: dict[str, Any] | None = None) -> Reply:
        """Report one fact."""
        tick = next(self._ticks)
        at = START + timedelta(minutes=minutes, microseconds=tick)
        frame = orjson.dumps([2, f"m{tick}", action, payload or {}])
        await self._ingest.store([Inbound(self, self._seat, fact, (), at, f"m{tick}", action, frame)])
        return self._replies[-1]


@pytest.fixture
async def station(database_url: str) -> AsyncIterator[Station]:
    """Station S1 with the token Anna, whose contact has a phone."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO station (operator_id, identity) VALUES (1, 'S1')")
        connection.execute(
            """INSERT INTO id_token (operator_id, match_key, token, contact_phone)
               VALUES (1, 'anna', 'ANNA', '+49301234567')"""
        )
    numbers = count(1)
    policy = Policy(300, False, lambda: START, lambda _at: UUID(int=next(numbers)))
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))

    async def wake() -> None:
        return None

    yield Station(Ingest(pipeline, policy, wake))
    await pipeline.close()


def _router(database: Database) -> Any:
    clock = FakeClock(START + timedelta(hours=2))
    return support_api.router(Support(database, Identity(database), clock=clock))


async def _cases(database_url: str, **params: Any) -> list[Any]:
    async with running_api(database_url, _router) as api:
        return list((await ask_desk(api, **params))["cases"])


async def test_an_emergency_stop_as_the_gateway_writes_it(database_url: str, station: Station) -> None:
    """Boot, card, start, fault, stop: what the desk says rests on the messages as they came."""
    await station.connect()
    await station.tell(0, "BootNotification", StationBooted("V", "M"))
    await station.tell(1, "Authorize", TokenPresented(ANNA))
    start = SessionStarted(EvseId(1), ConnectorId(1), START + timedelta(minutes=2), ANNA, None, 0)
    reply = await station.tell(2, "StartTransaction", start, {"connectorId": 1, "idTag": "Anna"})
    assert isinstance(reply, StartReply)
    at = START + timedelta(minutes=30)
    fault = ConnectorStatusChanged(EvseId(1), ConnectorId(1), ConnectorStatus.FAULTED, at, "OtherError")
    await station.tell(30, "StatusNotification", fault)
    end = SessionEnded(TransactionId(reply.transaction_id), at, 5_000_000, "EmergencyStop")
    number = int(reply.transaction_id)
    await station.tell(30, "StopTransaction", end, {"transactionId": number, "reason": "EmergencyStop"})
    (case,) = await _cases(database_url, contact="030 1234567")
    assert (case["kind"], case["explanation"]["code"]) == ("session", "emergency_stop")
    evidence = [message["action"] for message in case["messages"] if message["is_evidence"]]
    assert sorted(evidence) == ["StartTransaction", "StatusNotification", "StopTransaction"]
    assert {"Authorize", "BootNotification"} <= {message["action"] for message in case["messages"]}


async def test_a_refused_card_as_the_gateway_writes_it(database_url: str, station: Station) -> None:
    """An unknown card leaves an event and a message with one key, by which the sentence names its evidence."""
    await station.connect()
    await station.tell(1, "Authorize", TokenPresented(PresentedToken(Token("STRANGER"))), {"idTag": "STRANGER"})
    (case,) = await _cases(database_url, token="stranger")
    assert (case["kind"], case["explanation"]["code"]) == ("attempt", "token_unknown")
    assert [message["action"] for message in case["messages"] if message["is_evidence"]] == ["Authorize"]
    assert "STRANGER" in case["messages"][0]["frame"]


async def test_an_accepted_card_without_a_plug_as_the_gateway_writes_it(database_url: str, station: Station) -> None:
    await station.connect()
    await station.tell(1, "Authorize", TokenPresented(ANNA))
    for minutes, status in ((1.1, ConnectorStatus.PREPARING), (2.5, ConnectorStatus.AVAILABLE)):
        at = START + timedelta(minutes=minutes)
        changed = ConnectorStatusChanged(EvseId(1), ConnectorId(1), status, at, "NoError")
        await station.tell(minutes, "StatusNotification", changed)
    (case,) = await _cases(database_url, station_id="s1", at="2026-03-02T08:05:00Z")
    assert case["explanation"]["code"] == "no_plug_in_time"
    evidence = sorted(message["action"] for message in case["messages"] if message["is_evidence"])
    assert evidence == ["Authorize", "StatusNotification"]

"""A command always gets one outcome, and nothing is sent that the station may not hear."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.gateway.stage import BOOT, HEARTBEAT, Stage, ask, receive, running_gateway, until
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voltway.gateway.commands import MOST_WAITING, without_secrets
from voltway.infra.bus import NoResponders
from voltway.kernel.clock import now, to_rfc3339
from voltway.kernel.facts import VariablesReported


@pytest.fixture
async def stage(database_url: str, nats_url: str) -> AsyncIterator[Stage]:
    async with running_gateway(database_url, nats_url) as running:
        await running.add("S1")
        yield running


@pytest.fixture
async def socket(stage: Stage) -> AsyncIterator[ClientConnection]:
    """A booted station's open socket, OCPP 1.6, that listens to commands."""
    async with stage.connect("/ocpp/S1", "ocpp1.6") as opened:
        await ask(opened, BOOT)
        await until(lambda: stage.link("S1").outbox.subscription)  # type: ignore[attr-defined]
        yield opened


async def _send(stage: Stage, *, timeout_s: float = 5.0, **body: Any) -> dict[str, Any]:
    """Ask over the bus, as the API does."""
    station_id = await stage.station_id("S1")
    body.setdefault("deadline", to_rfc3339(now() + timedelta(seconds=timeout_s)))
    answer = await stage.bus.request(f"station.{station_id}.command", orjson.dumps(body), timeout_s + 1)
    found: dict[str, Any] = orjson.loads(answer)
    assert set(found) == {"outcome", "response", "error", "ms"}
    return found


async def _reply(socket: ClientConnection, payload: Any) -> Any:
    """Answer the next call of ours; return its action and payload."""
    _, message_id, action, sent = await receive(socket)
    await socket.send(orjson.dumps([3, message_id, payload]).decode())
    return action, sent


async def test_an_action_is_answered(stage: Stage, socket: ClientConnection) -> None:
    """And stands in the log, with its answer."""
    sending = asyncio.create_task(_send(stage, action="Reset", payload={"type": "Soft"}))
    assert await _reply(socket, {"status": "Accepted"}) == ("Reset", {"type": "Soft"})
    outcome = await sending
    assert (outcome["outcome"], outcome["response"], outcome["error"]) == ("answered", {"status": "Accepted"}, None)
    record = stage.ingest.records[-1]
    assert (record.outgoing, record.action) == (True, "Reset")
    assert record.reply is not None
    assert b"Accepted" in record.reply


async def test_a_verb_is_written_in_the_stations_version(stage: Stage, socket: ClientConnection) -> None:
    sending = asyncio.create_task(_send(stage, verb="unlock", args={"evse_id": 2}))
    assert await _reply(socket, {"status": "Unlocked"}) == ("UnlockConnector", {"connectorId": 2})
    assert (await sending)["outcome"] == "answered"


async def test_what_cannot_be_sent_is_not_sent(stage: Stage, socket: ClientConnection) -> None:
    """Invalid payloads with every fault, unknown actions and verbs; the station hears nothing of them."""
    invalid = await _send(stage, action="Reset", payload={"type": "Sideways"})
    assert invalid["outcome"] == "invalid"
    assert invalid["error"]["faults"][0]["pointer"] == "/type"
    assert (await _send(stage, action="GetVariables", payload={}))["outcome"] == "unsupported"
    assert (await _send(stage, action="Reset", payload=[1]))["outcome"] == "invalid"
    assert (await _send(stage, verb="dance", args={}))["outcome"] == "invalid"
    assert (await _send(stage, verb="reset", args={"kind": "wild"}))["outcome"] == "invalid"
    assert (await _send(stage, deadline="soon", action="Reset", payload={"type": "Soft"}))["outcome"] == "invalid"
    late = to_rfc3339(now() - timedelta(seconds=1))
    assert (await _send(stage, deadline=late, action="Reset", payload={"type": "Soft"}))["outcome"] != "answered"
    assert (await ask(socket, HEARTBEAT))[:2] == [3, "h1"]


async def test_a_call_error_is_an_outcome(stage: Stage, socket: ClientConnection) -> None:
    sending = asyncio.create_task(_send(stage, action="ClearCache", payload={}))
    message_id = (await receive(socket))[1]
    await socket.send(orjson.dumps([4, message_id, "NotSupported", "no cache", {"a": 1}]).decode())
    outcome = await sending
    assert outcome["outcome"] == "call_error"
    assert outcome["error"] == {"code": "NotSupported", "message": "no cache", "details": {"a": 1}}


async def test_silence_is_a_timeout_and_a_late_answer_a_finding(stage: Stage, socket: ClientConnection) -> None:
    """The next command goes out all the same (row 18)."""
    sending = asyncio.create_task(_send(stage, timeout_s=0.2, action="ClearCache", payload={}))
    message_id = (await receive(socket))[1]
    assert (await sending)["outcome"] == "timeout"
    assert stage.ingest.records[-1].reply is None
    await socket.send(orjson.dumps([3, message_id, {"status": "Accepted"}]).decode())
    await until(lambda: "answer_late" in stage.ingest.findings())
    sending = asyncio.create_task(_send(stage, action="ClearCache", payload={}))
    await _reply(socket, {"status": "Accepted"})
    assert (await sending)["outcome"] == "answered"


async def test_one_call_is_outstanding_a_few_wait_more_are_busy(stage: Stage, socket: ClientConnection) -> None:
    """The station's own calls cross ours freely (field note 6)."""
    sending = [asyncio.create_task(_send(stage, action="ClearCache", payload={})) for _ in range(MOST_WAITING + 3)]
    first = await receive(socket)
    assert (await ask(socket, HEARTBEAT))[:2] == [3, "h1"]
    await until(lambda: sum(task.done() for task in sending) == 2)
    await socket.send(orjson.dumps([3, first[1], {"status": "Accepted"}]).decode())
    for _ in range(MOST_WAITING):
        await _reply(socket, {"status": "Accepted"})
    outcomes = sorted([(await task)["outcome"] for task in sending])
    assert outcomes == ["answered"] * (MOST_WAITING + 1) + ["busy"] * 2


async def test_a_lost_connection_is_offline(stage: Stage, socket: ClientConnection) -> None:
    """Underway: offline; afterwards nobody listens any more."""
    sending = asyncio.create_task(_send(stage, action="ClearCache", payload={}))
    await receive(socket)
    await socket.close()
    assert (await sending)["outcome"] == "offline"
    await until(lambda: not stage.gateway.desk._tasks)
    with pytest.raises(NoResponders):
        await _send(stage, action="ClearCache", payload={})


async def test_nothing_goes_out_before_the_boot_is_accepted(stage: Stage) -> None:
    """A pending station may only be asked to boot again."""
    await stage.change("S1", approval="pending")
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        assert (await ask(socket, BOOT))[2]["status"] == "Pending"
        await until(lambda: stage.link("S1").outbox.subscription)  # type: ignore[attr-defined]
        assert (await _send(stage, action="ClearCache", payload={}))["outcome"] == "not_booted"
        asking = asyncio.create_task(_send(stage, verb="trigger", args={"message": "BootNotification"}))
        assert (await _reply(socket, {"status": "Accepted"}))[0] == "TriggerMessage"
        assert (await asking)["outcome"] == "answered"
        await stage.change("S1", approval="approved")
        await socket.wait_closed()
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        assert (await ask(socket, BOOT))[2]["status"] == "Accepted"
        await until(lambda: stage.link("S1").outbox.subscription)  # type: ignore[attr-defined]
        sending = asyncio.create_task(_send(stage, action="ClearCache", payload={}))
        await _reply(socket, {"status": "Accepted"})
        assert (await sending)["outcome"] == "answered"


async def test_a_station_that_comes_back_without_booting_can_be_reached(stage: Stage) -> None:
    """It booted before, and it has spoken (a silent one is left alone)."""
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        await ask(socket, BOOT)
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        await until(lambda: stage.link("S1").outbox.subscription)  # type: ignore[attr-defined]
        assert (await _send(stage, action="ClearCache", payload={}))["outcome"] == "not_booted"
        await ask(socket, HEARTBEAT)
        sending = asyncio.create_task(_send(stage, action="ClearCache", payload={}))
        await _reply(socket, {"status": "Accepted"})
        assert (await sending)["outcome"] == "answered"


async def test_configuration_that_is_read_is_kept(stage: Stage, socket: ClientConnection) -> None:
    sending = asyncio.create_task(_send(stage, verb="read_configuration", args={}))
    await _reply(socket, {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]})
    assert (await sending)["outcome"] == "answered"
    fact = stage.ingest.calls[-1].fact
    assert isinstance(fact, VariablesReported)
    assert [(found.variable, found.value) for found in fact.variables] == [("HeartbeatInterval", "300")]
    assert stage.ingest.calls[-1].frame is None


async def test_configuration_is_written_key_by_key(stage: Stage, socket: ClientConnection) -> None:
    """1.6 has one request per key; a password is written, but not into the log."""
    values = {"HeartbeatInterval": 60, "AuthorizationKey": "00112233"}
    sending = asyncio.create_task(_send(stage, verb="write_configuration", args={"values": values}))
    assert await _reply(socket, {"status": "Accepted"}) == (
        "ChangeConfiguration",
        {"key": "HeartbeatInterval", "value": "60"},
    )
    assert (await _reply(socket, {"status": "RebootRequired"}))[1]["value"] == "00112233"
    results = (await sending)["response"]["results"]
    assert [result["status"] for result in results] == ["Accepted", "RebootRequired"]
    assert b"00112233" not in b"".join(record.frame for record in stage.ingest.records)
    assert "00112233" not in str(results)


async def test_an_answer_against_the_schema_is_an_answer_and_a_finding(stage: Stage, socket: ClientConnection) -> None:
    sending = asyncio.create_task(_send(stage, action="ClearCache", payload={}))
    await _reply(socket, {"status": "Perhaps"})
    assert (await sending)["response"] == {"status": "Perhaps"}
    assert "answer_schema_violation" in stage.ingest.findings()


async def test_another_gateway_that_takes_a_station_over_ends_our_link(stage: Stage, socket: ClientConnection) -> None:
    link = stage.link("S1")
    word = {"station_id": link.seat.station_id, "link_id": "another", "gateway": "elsewhere:9000"}
    await stage.bus.publish(f"station.{link.seat.station_id}.taken", orjson.dumps(word))
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(5):
            await socket.recv()
    assert socket.close_code == 1008


def test_secrets_are_hidden_in_both_versions() -> None:
    item = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": "x"}
    hidden = without_secrets({"setVariableData": [item]})
    assert hidden["setVariableData"][0]["attributeValue"] == "***"
    harmless = {"key": "HeartbeatInterval", "value": "300"}
    assert without_secrets(harmless) == harmless

"""A link survives whatever its station sends, keeps to its limits, and lets only the newest socket speak."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import orjson
import pytest
from tests.gateway.stage import BOOT, HEARTBEAT, Stage, ask, receive, running_gateway, until
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from voltway.gateway.link import ALIVE_NOTE_S, MOST_UNANSWERED
from voltway.gateway.wire import BUDGET, COST_OF_HURRY, Pause
from voltway.kernel.clock import monotonic_s, now, to_rfc3339


@pytest.fixture
async def stage(database_url: str, nats_url: str) -> AsyncIterator[Stage]:
    async with running_gateway(database_url, nats_url) as running:
        await running.add("S1")
        await running.add("S2")
        yield running


@pytest.fixture
async def socket(stage: Stage) -> AsyncIterator[ClientConnection]:
    """A station's open socket, OCPP 1.6."""
    async with stage.connect("/ocpp/S1", "ocpp1.6") as opened:
        yield opened


async def _close_code(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(5):
        await socket.wait_closed()
    return socket.close_code


def _write(socket: ClientConnection, *frames: Frame | bytes) -> None:
    """Write frames as they are: the client library would refuse some of them."""
    socket.transport.write(b"".join(f if isinstance(f, bytes) else f.serialize(mask=True) for f in frames))


TEXT = orjson.dumps(HEARTBEAT)
LONG = [Frame(Opcode.TEXT, b"[", fin=False), *[Frame(Opcode.CONT, b"[" * 200_000, fin=False)] * 2]


async def test_what_is_no_call_gets_an_error_and_the_socket_lives(stage: Stage, socket: ClientConnection) -> None:
    """Not JSON, wrong arity, an unknown action: one CALLERROR each, in the log with a finding; then it goes on."""
    assert (await ask(socket, "not json"))[:3] == [4, "-1", "FormationViolation"]
    assert (await ask(socket, [2, "x1", "Heartbeat"]))[:2] == [4, "x1"]
    assert (await ask(socket, [2, "x2", "Fly", {}]))[:3] == [4, "x2", "NotImplemented"]
    assert (await ask(socket, [2, "x3", "Reset", {}]))[:3] == [4, "x3", "NotSupported"]
    assert (await ask(socket, [2, "x4", "Authorize", {}]))[:2] == [4, "x4"]
    assert (await ask(socket, HEARTBEAT))[:2] == [3, "h1"]
    assert {"frame_unreadable", "call_refused"} <= stage.ingest.findings()
    assert [record.frame[:8] for record in stage.ingest.records[:2]] == [b"not json", b'[2,"x1",']
    assert stage.ingest.records[2].reply is not None


async def test_answers_to_nobody_and_null_payloads_are_noted(stage: Stage, socket: ClientConnection) -> None:
    """CALLRESULT for nobody, CALLERROR with an empty body, `null` instead of `{}` (row 18)."""
    await socket.send('[3,"nobody",{}]')
    await socket.send('[4,"nobody"]')
    assert (await ask(socket, '[2,"h1","Heartbeat",null]'))[:2] == [3, "h1"]
    assert {"answer_unknown", "call_error_incomplete", "null_payload"} <= stage.ingest.findings()


async def test_calls_before_the_boot_are_answered(stage: Stage, socket: ClientConnection) -> None:
    """A boot repeated every few seconds too; nothing of ours goes out by itself (row 5)."""
    assert (await ask(socket, HEARTBEAT))[:2] == [3, "h1"]
    assert not stage.link("S1").connection.is_booted
    for number in range(3):
        assert (await ask(socket, [2, f"b{number}", *BOOT[2:]]))[2]["status"] == "Accepted"
    assert stage.link("S1").connection.is_booted
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await socket.recv()


async def test_the_newest_socket_wins_and_stays(stage: Stage, socket: ClientConnection) -> None:
    """The old one is closed first, and its end does not touch the new one (row 4)."""
    await ask(socket, BOOT)
    async with stage.connect("/ocpp/S1", "ocpp1.6") as second:
        assert await _close_code(socket) == 1008
        assert (await ask(second, HEARTBEAT))[:2] == [3, "h1"]
        link = stage.link("S1")
        states = [(note.connected, note.link_id == link.link_id) for note in stage.ingest.notes]
        assert states == [(True, False), (False, False), (True, True)]
    await until(lambda: len(stage.ingest.notes) == 4)
    assert stage.gateway.hub.links == set()


async def test_an_answer_for_the_old_socket_goes_nowhere(stage: Stage, socket: ClientConnection) -> None:
    """A commit that ends after the take-over must not answer on the new socket."""
    stage.ingest.is_holding = True
    await socket.send(TEXT.decode())
    await until(lambda: stage.ingest.held)
    async with stage.connect("/ocpp/S1", "ocpp1.6") as second:
        await until(lambda: len(stage.ingest.notes) == 3)
        stage.ingest.is_holding = False
        stage.ingest.release()
        assert (await ask(second, [2, "h2", "Heartbeat", {}]))[:2] == [3, "h2"]


async def test_received_at_is_unique_and_increasing_over_links(stage: Stage, socket: ClientConnection) -> None:
    """The log's key: also across a replaced link, and when the wall clock goes back."""
    for number in range(5):
        await ask(socket, [2, f"h{number}", "Heartbeat", {}])
    entry = stage.gateway.registry.find("S1")
    assert entry is not None
    entry.last_received_at = entry.last_received_at.replace(year=2100)
    async with stage.connect("/ocpp/S1", "ocpp1.6") as second:
        for number in range(5):
            await ask(second, [2, f"h{number}", "Heartbeat", {}])
    times = [inbound.received_at for inbound in stage.ingest.calls]
    assert times == sorted(set(times))
    assert len(times) == 10


async def test_fragments_are_put_together(stage: Stage, socket: ClientConnection) -> None:
    """A call in three pieces with a ping between them."""
    _write(
        socket,
        Frame(Opcode.TEXT, TEXT[:5], fin=False),
        Frame(Opcode.PING, b"p"),
        Frame(Opcode.CONT, TEXT[5:9], fin=False),
        Frame(Opcode.CONT, TEXT[9:]),
    )
    assert (await receive(socket))[:2] == [3, "h1"]
    assert stage.ingest.calls[0].frame == TEXT


@pytest.mark.parametrize(
    ("frames", "code", "finding"),
    [
        ([bytes([0xC1, 0x80 | len(TEXT)]) + bytes(4) + TEXT], 1002, "reserved_bits"),
        ([Frame(Opcode.CONT, TEXT)], 1002, "fragments_unordered"),
        ([Frame(Opcode.TEXT, TEXT, fin=False), Frame(Opcode.TEXT, TEXT)], 1002, "fragments_unordered"),
        (LONG, 1009, "message_too_big"),
        ([Frame(Opcode.TEXT, b"[" * 10_000_000)], 1009, "message_too_big"),
        ([Frame(Opcode.BINARY, b"\x00\x01")], 1003, "binary_frame"),
    ],
    ids=["rsv", "lone continuation", "text within fragments", "sum too big", "10 MB", "binary"],
)  # fmt: skip
async def test_bad_frames_end_their_socket_only(
    stage: Stage, socket: ClientConnection, frames: list[Frame | bytes], code: int, finding: str
) -> None:
    """A neighbour does not notice, and the station may come back at once."""
    async with stage.connect("/ocpp/S2", "ocpp1.6") as neighbour:
        _write(socket, *frames)
        assert await _close_code(socket) == code
        await until(lambda: finding in stage.ingest.findings())
        assert (await ask(neighbour, HEARTBEAT))[:2] == [3, "h1"]
    async with stage.connect("/ocpp/S1", "ocpp1.6") as again:
        assert (await ask(again, HEARTBEAT))[:2] == [3, "h1"]


async def test_binary_that_holds_ocpp_is_taken(stage: Stage, socket: ClientConnection) -> None:
    await socket.send(TEXT)
    assert (await receive(socket))[:2] == [3, "h1"]
    assert "binary_frame" in stage.ingest.findings()


async def test_text_that_is_not_utf8_gets_an_error(socket: ClientConnection) -> None:
    _write(socket, Frame(Opcode.TEXT, b'[2,"\xff","Heartbeat",{}]'))
    assert (await receive(socket))[0] == 4


async def test_a_link_stops_reading_when_too_much_is_underway(stage: Stage, socket: ClientConnection) -> None:
    """What the buffer still held waits, in order, and nothing is lost."""
    stage.ingest.is_holding = True
    total = MOST_UNANSWERED * 4
    _write(socket, *[Frame(Opcode.TEXT, b'[2,"%d","Heartbeat",{}]' % number) for number in range(total)])
    await until(lambda: stage.link("S1").pauses & Pause.UNANSWERED)
    assert len(stage.ingest.calls) == MOST_UNANSWERED + 1
    stage.ingest.is_holding = False
    stage.ingest.release()
    assert [(await receive(socket))[1] for _ in range(total)] == [str(number) for number in range(total)]


async def test_a_link_stops_reading_while_the_ingest_is_full(stage: Stage, socket: ClientConnection) -> None:
    stage.ingest.is_full = True
    assert (await ask(socket, HEARTBEAT))[:2] == [3, "h1"]
    await socket.send('[2,"h2","Heartbeat",{}]')
    await asyncio.sleep(0.05)
    assert len(stage.ingest.calls) == 1
    stage.ingest.make_room()
    assert (await receive(socket))[:2] == [3, "h2"]


async def test_a_flood_is_limited_not_dropped(stage: Stage, socket: ClientConnection) -> None:
    """Reading stops when the budget is used up; the sweeper fills it again."""
    link = stage.link("S1")
    link.budget = COST_OF_HURRY * 3
    _write(socket, *[Frame(Opcode.TEXT, b"no") for _ in range(20)])
    await until(lambda: link.pauses & Pause.FLOOD)
    assert len(stage.ingest.records) < 20
    assert "flood" in stage.ingest.findings()
    link.sweep(monotonic_s(), 10.0)
    assert [(await receive(socket))[0] for _ in range(20)] == [4] * 20
    assert link.budget <= BUDGET


async def test_a_half_open_socket_ends_by_itself(stage: Stage) -> None:
    """Pinged after the silence, dropped after the deadline; what is paused by us is not pinged (field note 1)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(
        b"GET /ocpp/S1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    link, start_s = stage.link("S1"), monotonic_s() + 1000
    link.pause(Pause.FULL)
    link.sweep(start_s, 1.0)
    link.resume(Pause.FULL)
    link.sweep(start_s + 29, 1.0)
    link.sweep(start_s + 31, 1.0)
    assert await reader.readexactly(2) == b"\x89\x00"
    link.sweep(start_s + 50, 1.0)
    assert link in stage.gateway.hub.links
    link.sweep(start_s + 52, 1.0)
    assert link not in stage.gateway.hub.links
    assert await reader.read() == b""
    assert "ping_unanswered" in stage.ingest.findings()
    writer.close()


async def test_a_living_link_says_so_now_and_then(stage: Stage, socket: ClientConnection) -> None:
    """At most one note each 15 s, and none while nothing is heard."""
    await ask(socket, HEARTBEAT)
    link, start_s = stage.link("S1"), monotonic_s()
    for second in range(1, 40):
        link.sweep(start_s + second, 1.0)
    assert len(stage.ingest.notes) == 2
    await ask(socket, HEARTBEAT)
    for second in range(40, 80):
        link.sweep(start_s + second, 1.0)
    assert len(stage.ingest.notes) == 3
    assert ALIVE_NOTE_S == 15
    assert stage.ingest.notes[-1].last_seen_at >= stage.ingest.calls[-1].received_at


async def test_a_peer_that_does_not_read_is_dropped(stage: Stage, socket: ClientConnection) -> None:
    link = stage.link("S1")
    link.pause_writing()
    link.sweep(monotonic_s() + 21, 1.0)
    assert link.is_closed
    assert "does_not_read" in stage.ingest.findings()
    with pytest.raises(ConnectionClosed):
        await socket.recv()


async def test_the_clock_offset_is_learnt_from_live_meters(stage: Stage, socket: ClientConnection) -> None:
    """A station two hours ahead is known to be so after its first periodic sample."""

    await ask(socket, HEARTBEAT)
    sample = {
        "timestamp": to_rfc3339(now() + timedelta(hours=2)),
        "sampledValue": [{"value": "5", "context": "Sample.Periodic"}],
    }
    await ask(socket, [2, "m1", "MeterValues", {"connectorId": 1, "meterValue": [sample]}])
    offset_ms = stage.link("S1").seat.clock_offset_ms
    assert offset_ms is not None
    assert abs(offset_ms - 7_200_000) < 5_000

"""The door: who comes in, by which name, in which version, and what everybody else is told."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from tests.gateway.stage import BOOT, HEARTBEAT, Stage, ask, basic, running_gateway, until
from websockets.exceptions import ConnectionClosed, InvalidStatus


@pytest.fixture
async def stage(database_url: str, nats_url: str) -> AsyncIterator[Stage]:
    async with running_gateway(database_url, nats_url, unknown_stations="reject") as running:
        yield running


async def test_a_station_of_each_version_boots(stage: Stage) -> None:
    """The version belongs to the socket: the same station may come back with another one (row 1)."""
    await stage.add("S1")
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        assert socket.subprotocol == "ocpp1.6"
        answer = await ask(socket, BOOT)
        assert answer[:2] == [3, "b1"]
        assert answer[2]["status"] == "Accepted"
    async with stage.connect("/ocpp/S1", "ocpp2.0.1", "ocpp1.6") as socket:
        assert socket.subprotocol == "ocpp2.0.1"
        boot = {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Acme"}}
        answer = await ask(socket, [2, "b2", "BootNotification", boot])
        assert answer[2]["status"] == "Accepted"
    assert [note.version for note in stage.ingest.notes] == ["1.6", "1.6", "2.0.1", "2.0.1"]
    assert stage.ingest.calls[0].frame == orjson.dumps(BOOT)


async def _status(stage: Stage, path: str, *protocols: str, **headers: str) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with stage.connect(path, *protocols, **headers):
            pass
    return caught.value.response.status_code, (caught.value.response.body or b"").decode()


async def test_without_a_subprotocol_only_by_policy(stage: Stage) -> None:
    """None offered: refused with a reason, unless this station's policy names a version (row 1)."""
    await stage.add("S1")
    status, body = await _status(stage, "/ocpp/S1")
    assert status == 400
    assert "no subprotocol" in body
    assert "ocpp1.6" in body
    assert (await _status(stage, "/ocpp/S1", "ocpp1.5"))[0] == 400
    await stage.change("S1", fallback_version="1.6")
    async with stage.connect("/ocpp/S1") as socket:
        assert (await ask(socket, BOOT))[2]["status"] == "Accepted"
    assert "no_subprotocol" in stage.ingest.findings()


@pytest.mark.parametrize(
    ("identity", "path", "finding"),
    [
        ("RDAM|123", "/ocpp/RDAM%7C123", None),
        ("A/B é", "/ocpp/A%2FB%20%C3%A9?x=1", None),
        ("100%", "/ocpp/100%25", None),
        ("S1", "/ocpp/S1/", "identity_path_untidy"),
        ("S1", "//ocpp//S1", "identity_path_untidy"),
        ("S1", "/ocpp/ws://host:9000/ocpp/S1", "identity_path_untidy"),
        ("S1", "/ocpp/s1", "identity_case"),
    ],
)
async def test_one_canonical_identity(stage: Stage, identity: str, path: str, finding: str | None) -> None:
    """Decoded once, byte-exact; untidy paths and another case are understood and noted (row 2)."""
    await stage.add(identity)
    async with stage.connect(path, "ocpp1.6") as socket:
        await ask(socket, BOOT)
    assert stage.ingest.calls[0].seat.identity == identity
    assert stage.ingest.findings() == ({finding} if finding else set())


async def test_another_case_fits_only_one_station(stage: Stage) -> None:
    """Two stations that differ by case are two stations (row 2)."""
    await stage.add("aa")
    await stage.add("AA")
    assert (await _status(stage, "/ocpp/Aa", "ocpp1.6"))[0] == 404
    async with stage.connect("/ocpp/AA", "ocpp1.6") as socket:
        await ask(socket, BOOT)
    assert stage.ingest.calls[0].seat.identity == "AA"


@pytest.mark.parametrize("path", ["/", "/ocpp", "/ocpp/", "/else/S1", "/ocpp/%FF", "/ocpp/a%00b", "/ocpp/" + "x" * 300])
async def test_what_names_no_station_is_not_found(stage: Stage, path: str) -> None:
    assert (await _status(stage, path, "ocpp1.6"))[0] == 404


async def test_passwords_are_bytes(stage: Stage) -> None:
    """Raw bytes, colons inside, the hex spelling as a finding; a wrong user with the right key stays out (row 3)."""
    key = b"\xff:\x00secret"
    await stage.add("S1", key)
    async with stage.connect("/ocpp/S1", "ocpp1.6", Authorization=basic("S1", key)) as socket:
        await ask(socket, BOOT)
    assert stage.ingest.findings() == set()
    async with stage.connect("/ocpp/S1", "ocpp1.6", Authorization=basic("S1", key.hex().encode())) as socket:
        await ask(socket, BOOT)
    assert stage.ingest.findings() == {"password_hex_spelling"}
    for header in (basic("S2", key), basic("S1", b"wrong"), "Bearer x", "Basic ???"):
        assert (await _status(stage, "/ocpp/S1", "ocpp1.6", Authorization=header))[0] == 401
    assert (await _status(stage, "/ocpp/S1", "ocpp1.6"))[0] == 401


async def test_guessing_is_limited(stage: Stage) -> None:
    """After ten failures this remote waits a minute for this station, with the right key too; no other."""
    await stage.add("S1", b"right-password")
    await stage.add("S2", b"right-password")
    wrong, right = basic("S1", b"wrong"), basic("S1", b"right-password")
    for _ in range(10):
        assert (await _status(stage, "/ocpp/S1", "ocpp1.6", Authorization=wrong))[0] == 401
    assert (await _status(stage, "/ocpp/S1", "ocpp1.6", Authorization=right))[0] == 429
    async with stage.connect("/ocpp/S2", "ocpp1.6", Authorization=basic("S2", b"right-password")) as socket:
        await ask(socket, BOOT)


async def test_a_browser_like_connection_header_is_understood(stage: Stage) -> None:
    """`Connection: keep-alive, Upgrade` and two subprotocol lines are what proxies and stations send."""
    await stage.add("S1")
    request = (
        b"GET /ocpp/S1 HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: ocpp9\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        b"\x88\x80\x00\x00\x00\x00"
    )
    answer = await stage.http(request)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"ocpp1.6" in answer


async def test_health_and_strangers(stage: Stage) -> None:
    assert (await stage.http(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert (await stage.http(b"GET /ocpp/S1 HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 426")
    assert (await stage.http(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_a_bug_is_not_told_to_a_stranger(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the factory is ours to read: the client hears 500 and nothing else."""

    def broken(_: bytes) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("voltway.gateway.server.read_identity", broken)
    status, body = await _status(stage, "/ocpp/S1", "ocpp1.6")
    assert status == 500
    assert "secret" not in body


async def test_unknown_stations_are_rejected_by_policy(stage: Stage) -> None:
    assert (await _status(stage, "/ocpp/new", "ocpp1.6"))[0] == 404
    assert await stage.station_id("new") is None


@pytest.mark.parametrize(
    ("policy", "approval", "status"), [("quarantine", "pending", "Pending"), ("accept", "approved", "Accepted")]
)
async def test_unknown_stations_are_entered_before_their_frames(
    database_url: str, nats_url: str, policy: str, approval: str, status: str
) -> None:
    """The first message, sent at once, is ingested with a station that exists."""
    async with running_gateway(database_url, nats_url, unknown_stations=policy) as stage:
        for _ in range(2):
            async with stage.connect("/ocpp/new", "ocpp1.6") as socket:
                assert (await ask(socket, BOOT))[2]["status"] == status
        seat = stage.ingest.calls[0].seat
        assert seat.station_id == await stage.station_id("new")
        assert seat.approval == approval


async def test_without_the_database_unknown_stations_come_later(database_url: str, nats_url: str) -> None:
    async with running_gateway(database_url, nats_url) as stage:
        await stage.add("S1")
        stage.gateway.registry.is_database_up = False
        assert (await _status(stage, "/ocpp/new", "ocpp1.6"))[0] == 503
        async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
            await ask(socket, HEARTBEAT)


async def test_a_rejected_station_is_sent_away_and_stays_out(stage: Stage) -> None:
    await stage.add("S1")
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        await ask(socket, BOOT)
        await stage.change("S1", approval="rejected")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008
    assert (await _status(stage, "/ocpp/S1", "ocpp1.6"))[0] == 403


async def test_an_approved_station_is_asked_to_come_again(stage: Stage) -> None:
    """It would wait out its pending interval, and nothing may be sent to it before its boot is accepted."""
    await stage.add("S1", approval="pending")
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        await ask(socket, BOOT)
        await stage.change("S1", approval="approved")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1012
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        await ask(socket, BOOT)


async def test_the_end_of_a_gateway_lets_answers_go_first(stage: Stage) -> None:
    """1012 comes after the reply of what was underway, and nobody new comes in."""
    await stage.add("S1")
    async with stage.connect("/ocpp/S1", "ocpp1.6") as socket:
        stage.ingest.is_holding = True
        await socket.send(orjson.dumps(HEARTBEAT).decode())
        await until(lambda: stage.ingest.held)
        listening, _ = await stage.gateway.listen()
        ending = asyncio.create_task(stage.gateway.end(listening))
        await until(lambda: not stage.gateway.door.is_open)
        stage.ingest.release()
        await ending
        assert orjson.loads(await socket.recv())[:2] == [3, "h1"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1012

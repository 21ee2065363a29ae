"""The live feed: encoded once, resumed from a ring, and honest about every gap."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import orjson
import pytest
from tests.httpapi.client import ADMIN_TOKEN, running_api

from voltway.httpapi.sse import Hub, Hubs, router
from voltway.kernel.ids import OperatorId


class Listener:
    """Reads one stream as a browser would."""

    def __init__(self, hub: Hub, topics: frozenset[str] = frozenset(), last_event_id: str | None = None) -> None:
        self._stream: AsyncGenerator[bytes] = hub.stream(topics, last_event_id, heartbeat_s=0.05)

    async def open(self) -> "Listener":
        """Wait until the stream is there."""
        assert await anext(self._stream) == b"retry: 2000\n\n"
        return self

    async def frames(self) -> list[tuple[str, str, Any]]:
        """Return the next events as (id, event, data)."""
        text = (await anext(self._stream)).decode()
        found = []
        for block in text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((fields["id"], fields["event"], orjson.loads(fields["data"])))
        return found

    async def raw(self) -> bytes:
        """Return the next bytes."""
        return await anext(self._stream)

    async def close(self) -> None:
        """Leave."""
        await self._stream.aclose()


async def test_an_event_reaches_every_stream_that_wants_it() -> None:
    hub = Hub()
    everything = await Listener(hub).open()
    stations = await Listener(hub, frozenset({"station"})).open()
    hub.publish("session", b'{"id":1}')
    hub.publish("station", b'{"id":"A"}')
    assert [(event, data) for _, event, data in await everything.frames()] == [
        ("session", {"id": 1}),
        ("station", {"id": "A"}),
    ]
    assert [event for _, event, _ in await stations.frames()] == ["station"]
    await everything.close()
    await stations.close()
    assert hub.client_count == 0


async def test_a_client_resumes_where_it_left() -> None:
    hub = Hub()
    first = await Listener(hub).open()
    for number in range(3):
        hub.publish("session", b"%d" % number)
    seen = await first.frames()
    await first.close()
    hub.publish("session", b"3")
    again = await Listener(hub, last_event_id=seen[1][0]).open()
    assert [data for _, _, data in await again.frames()] == [2, 3]
    await again.close()


async def test_a_client_that_missed_nothing_gets_nothing_again() -> None:
    hub = Hub()
    first = await Listener(hub).open()
    hub.publish("session", b"1")
    newest = (await first.frames())[0][0]
    again = await Listener(hub, last_event_id=newest).open()
    assert await again.raw() == b":\n\n"
    await first.close()
    await again.close()


@pytest.mark.parametrize("last_event_id", ["00000000-1", "nonsense", "-", "x-99999999999999999999", "²"])
async def test_an_id_of_another_life_leads_to_a_resync(last_event_id: str) -> None:
    hub = Hub()
    hub.publish("session", b"1")
    listener = await Listener(hub, last_event_id=last_event_id).open()
    assert [event for _, event, _ in await listener.frames()] == ["resync"]
    await listener.close()


async def test_a_gap_longer_than_the_ring_leads_to_a_resync() -> None:
    """The resync carries the newest id, so that resuming from it works."""
    hub = Hub(ring_events=2)
    first = await Listener(hub).open()
    hub.publish("session", b"0")
    old = (await first.frames())[0][0]
    for number in range(1, 4):
        hub.publish("session", b"%d" % number)
    listener = await Listener(hub, last_event_id=old).open()
    (newest, event, _), *rest = await listener.frames()
    assert (event, rest) == ("resync", [])
    hub.publish("session", b"4")
    again = await Listener(hub, last_event_id=newest).open()
    assert [data for _, _, data in await again.frames()] == [4]
    for each in (first, listener, again):
        await each.close()


async def test_a_slow_client_loses_the_oldest_and_is_told() -> None:
    hub = Hub(queue_events=3)
    slow = await Listener(hub).open()
    for number in range(5):
        hub.publish("session", b"%d" % number)
    frames = await slow.frames()
    assert [(event, data) for _, event, data in frames] == [
        ("resync", {}),
        ("session", 2),
        ("session", 3),
        ("session", 4),
    ]
    hub.publish("session", b"5")
    assert [data for _, _, data in await slow.frames()] == [5]
    await slow.close()


async def test_a_silent_stream_sends_heartbeats() -> None:
    listener = await Listener(Hub()).open()
    assert await listener.raw() == b":\n\n"
    await listener.close()


async def test_a_closing_hub_ends_its_streams() -> None:
    hubs = Hubs()
    hub = hubs.of(OperatorId(1))
    listener = await Listener(hub).open()
    assert hubs.listened() == {OperatorId(1): hub}
    waiting = asyncio.create_task(listener.raw())
    await asyncio.sleep(0)
    hubs.close()
    await asyncio.wait_for(asyncio.shield(asyncio.gather(waiting, return_exceptions=True)), 1)
    with pytest.raises(StopAsyncIteration):
        await listener.raw()
    assert hub.client_count == 0


async def test_operators_have_hubs_of_their_own(database_url: str) -> None:
    """The route streams the caller's hub as text/event-stream, unbuffered, and refuses strangers."""
    hubs = Hubs()
    async with running_api(database_url, lambda _: router(hubs.of)) as api:
        assert (await api.anonymous.get("/api/v1/live")).status_code == 401
        sent: list[MutableMapping[str, Any]] = []
        gone = asyncio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)
            hubs.of(OperatorId(2)).publish("session", b'"theirs"')
            if len(sent) == 2:
                hubs.of(OperatorId(1)).publish("session", b'"ours"')
            if len(sent) == 3:
                gone.set()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http", "method": "GET", "path": "/api/v1/live", "raw_path": b"/api/v1/live", "root_path": "",
            "query_string": b"topics=session,station", "scheme": "http", "server": ("voltway.test", 80),
            "client": ("127.0.0.1", 1), "http_version": "1.1", "asgi": {"version": "3.0"},
            "headers": [(b"host", b"voltway.test"), (b"authorization", f"Bearer {ADMIN_TOKEN}".encode())],
        }  # fmt: skip
        await asyncio.wait_for(api.app(scope, receive, send), 5)
        headers = dict(sent[0]["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"x-accel-buffering"] == b"no"
        assert headers[b"cache-control"] == b"no-cache"
        assert b'"ours"' in sent[2]["body"]
        assert b"theirs" not in sent[2]["body"]
    assert hubs.of(OperatorId(1)).client_count == 0

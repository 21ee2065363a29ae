"""The live feed: one hub per operator, each event encoded once as bytes and handed to every open stream.

A client resumes with Last-Event-ID from a ring of the newest events. A gap that the ring no longer covers, a client
that reads too slowly (its queue drops the oldest) and an id of an earlier process lead to `event: resync`: fetch again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from voltway.httpapi.caller import Reader
from voltway.httpapi.metrics import RESYNCS, STREAMS
from voltway.kernel.clock import monotonic_s
from voltway.kernel.ids import OperatorId

HEARTBEAT_S = 15.0
RING_EVENTS = 2_000
QUEUE_EVENTS = 500
STREAM_MAX_S = 3600.0
"""A stream ends after an hour and the browser reconnects: a revoked key does not listen for ever."""
_HEARTBEAT = b":\n\n"
_HELLO = b"retry: 2000\n\n"


class _Client:
    """One open stream: which events it wants and what waits to be sent."""

    def __init__(self, topics: frozenset[str], queue_events: int) -> None:
        self.topics = topics
        self.waiting: deque[bytes] = deque(maxlen=queue_events)
        self.lost = False
        self.wake = asyncio.Event()

    def wants(self, event: str) -> bool:
        return not self.topics or event in self.topics

    def offer(self, frame: bytes) -> None:
        if len(self.waiting) == self.waiting.maxlen:
            self.lost = True
        self.waiting.append(frame)
        self.wake.set()


class Hub:
    """The events of one operator."""

    def __init__(self, *, ring_events: int = RING_EVENTS, queue_events: int = QUEUE_EVENTS) -> None:
        # The epoch tells ids of this process from those of an earlier one, whose ring is gone.
        self._epoch = uuid4().hex[:8]
        self._sent = 0
        self._ring: deque[tuple[int, str, bytes]] = deque(maxlen=ring_events)
        self._queue_events = queue_events
        self._clients: set[_Client] = set()
        self._is_closed = False

    @property
    def client_count(self) -> int:
        """How many streams are open."""
        return len(self._clients)

    def publish(self, event: str, data: bytes) -> None:
        """Hand an event (JSON in one line) to every stream that wants it; never blocks."""
        assert b"\n" not in data, "an event's data is one line"
        self._sent += 1
        frame = b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (self._epoch.encode(), self._sent, event.encode(), data)
        self._ring.append((self._sent, event, frame))
        for client in self._clients:
            if client.wants(event):
                client.offer(frame)

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._is_closed = True
        for client in self._clients:
            client.wake.set()

    async def stream(
        self,
        topics: frozenset[str] = frozenset(),
        last_event_id: str | None = None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> AsyncGenerator[bytes]:
        """Yield frames for one client until the hub closes, the client leaves or the stream is an hour old."""
        with self._open(topics, last_event_id) as client:
            yield _HELLO
            deadline_s = monotonic_s() + STREAM_MAX_S
            while not self._is_closed and monotonic_s() < deadline_s:
                if await _has_news(client, heartbeat_s):
                    yield self._take(client)
                else:
                    yield _HEARTBEAT

    @contextmanager
    def _open(self, topics: frozenset[str], last_event_id: str | None) -> Iterator[_Client]:
        client = _Client(topics, self._queue_events)
        self._catch_up(client, last_event_id)
        self._clients.add(client)
        STREAMS.inc()
        try:
            yield client
        finally:
            self._clients.discard(client)
            STREAMS.dec()

    def _catch_up(self, client: _Client, last_event_id: str | None) -> None:
        if last_event_id is None:
            return
        epoch, _, number = last_event_id.rpartition("-")
        seen = int(number) if number.isascii() and number.isdigit() else -1
        oldest = self._ring[0][0] if self._ring else self._sent + 1
        if epoch != self._epoch or not oldest - 1 <= seen <= self._sent:
            client.lost = True
            client.wake.set()
            return
        for sent, event, frame in self._ring:
            if sent > seen and client.wants(event):
                client.offer(frame)

    def _take(self, client: _Client) -> bytes:
        frames = b"".join(client.waiting)
        client.waiting.clear()
        client.wake.clear()
        if client.lost:
            client.lost = False
            RESYNCS.labels("gap").inc()
            # The id lets a client that drops now resume from here.
            return b"id: %s-%d\nevent: resync\ndata: {}\n\n" % (self._epoch.encode(), self._sent) + frames
        return frames


class Hubs:
    """One hub per operator, made when somebody first needs it."""

    def __init__(self) -> None:
        self._hubs: dict[OperatorId, Hub] = {}

    def of(self, operator_id: OperatorId) -> Hub:
        """Return the operator's hub."""
        return self._hubs.setdefault(operator_id, Hub())

    def listened(self) -> dict[OperatorId, Hub]:
        """Return the hubs that somebody listens to now."""
        return {operator_id: hub for operator_id, hub in self._hubs.items() if hub.client_count}

    def close(self) -> None:
        """End every stream of every operator."""
        for hub in self._hubs.values():
            hub.close()


def router(hub_of: Callable[[OperatorId], Hub]) -> APIRouter:
    """Build `GET /api/v1/live`."""
    routes = APIRouter(prefix="/api/v1", tags=["live"])

    @routes.get(
        "/live",
        response_class=StreamingResponse,
        summary="Server-sent events: overview, session, station, cdr, resync",
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def stream_live(
        caller: Reader,
        topics: Annotated[str, Query(max_length=200, description="Event names separated by commas; empty: all.")] = "",
        last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    ) -> StreamingResponse:
        wanted = frozenset(topic.strip() for topic in topics.split(",") if topic.strip())
        frames = hub_of(caller.operator_id).stream(wanted, last_event_id)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(frames, media_type="text/event-stream", headers=headers)

    return routes


async def _has_news(client: _Client, heartbeat_s: float) -> bool:
    try:
        await asyncio.wait_for(client.wake.wait(), heartbeat_s)
    except TimeoutError:
        return False
    return True

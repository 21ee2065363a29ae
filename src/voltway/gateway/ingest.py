"""The group commit: what arrived while the previous commit ran is decided, written in one transaction, then answered.

A reply means it is on disk. If PostgreSQL is away, replies wait and links stop reading; a group is safe to repeat,
since every fact has a key that comes from the station. One poison value must not fail its neighbours: a group that is
refused is split in halves until one message is left, and that one is reported.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from voltway.gateway.book import Book
from voltway.gateway.group import Group, Item, Policy
from voltway.gateway.inbound import Inbound, Record
from voltway.infra.pipeline import DatabaseAway, DataRefused, Pipeline
from voltway.kernel.facts import ACKNOWLEDGED, EnergyMetered, Finding, Notified, SessionEnded, SessionUpdated
from voltway.kernel.ids import StationId

log = structlog.get_logger()

MAX_QUEUE = 20_000
"""Messages that may wait; above it links stop reading their sockets (overflow rule: the station keeps its messages)."""
MAX_GROUP = 1_000
WAKE_AFTER_S = 0.02
"""Readers are woken once for all groups of this time: hundreds of small groups a second need no wake-up each."""
_OVERTAKEN = {"VW001", "23505"}
"""Another writer was faster: load again and decide again."""
MAX_ATTEMPTS = 5
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class Ingest:
    """The one queue between links and database. `submit` never waits; `run` is the one task that commits."""

    def __init__(self, pipeline: Pipeline, policy: Policy, wake: Callable[[], Awaitable[None]]) -> None:
        self._pipeline = pipeline
        self._policy = policy
        self._wake = wake
        self._book = Book()
        self._queue: deque[Item] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._waking: asyncio.Task[None] | None = None
        self._waiting_for_room: list[Callable[[], None]] = []

    @property
    def is_full(self) -> bool:
        """Whether links should stop reading."""
        return len(self._queue) >= MAX_QUEUE

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call back once when the queue has room again."""
        self._waiting_for_room.append(callback)

    def submit(self, item: Item) -> None:
        """Queue an item; its answer leaves after its commit."""
        self._queue.append(item)
        self._arrived.set()

    async def run(self) -> None:
        """Commit groups until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._idle.clear()
            while self._queue:
                count = min(len(self._queue), MAX_GROUP)
                await asyncio.shield(self.store([self._queue.popleft() for _ in range(count)]))
                self._make_room()
            self._idle.set()

    async def drained(self) -> None:
        """Wait until nothing is queued or being written."""
        while self._queue or not self._idle.is_set():
            await self._idle.wait()
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Disconnect; call after `run` has ended."""
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.gather(self._waking, return_exceptions=True)
        await self._pipeline.close()

    async def store(self, items: Sequence[Item]) -> None:
        """Decide and commit items as one group, then deliver their replies; waits while the database is away."""
        overtaken = away = 0
        while True:
            group = Group(items, self._book, self._policy)
            try:
                await self._commit(group)
            except DatabaseAway as error:
                self._book.forget({StationId(it) for it in group.stations})
                if away == 0:
                    log.warning("database_away", error=error.message, waiting=len(self._queue))
                await asyncio.sleep(_BACKOFF_S[min(away, len(_BACKOFF_S) - 1)])
                away += 1
            except DataRefused as error:
                self._book.forget({StationId(it) for it in group.stations})
                overtaken += 1
                if error.sqlstate not in _OVERTAKEN or overtaken == MAX_ATTEMPTS:
                    await self._split(items, error)
                    return
            except Exception as error:  # noqa: BLE001 - the ingest's supervisor: a defect costs one message, not the gateway
                self._book.forget({StationId(it) for it in group.stations})
                await self._split(items, error)
                return
            else:
                if away:
                    log.info("database_back", attempts=away)
                group.finish()
                self._wake_soon()
                return

    def _wake_soon(self) -> None:
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake_later())

    async def _wake_later(self) -> None:
        await asyncio.sleep(WAKE_AFTER_S)
        await self._wake()

    async def _commit(self, group: Group) -> None:
        reads = group.reads()
        if reads:
            group.load(await self._pipeline.run(reads))
        group.decide()
        works = group.works()
        if works:
            await self._pipeline.run(works)

    async def _split(self, items: Sequence[Item], error: Exception) -> None:
        if len(items) > 1:
            middle = len(items) // 2
            await self.store(items[:middle])
            await self.store(items[middle:])
            return
        await self._bury(items[0], error)

    async def _bury(self, item: Item, error: Exception) -> None:
        """Keep what cannot be decided as an event beside its raw frame, so that nothing is lost and nobody waits."""
        log.error("message_not_storable", station=item.seat.identity, error=str(error), exc_info=error)
        if not isinstance(item, Inbound):
            return
        if isinstance(item.fact, Notified):
            item.source.deliver(item, b"")
            return
        finding = Finding("message_not_storable", str(error))
        buried = Notified("NotStorable", {"action": item.action, "error": str(error)}, item.received_at)
        if item.frame is not None:
            raw = Record(item.seat, item.received_at, item.message_id, item.action, item.frame, None, outgoing=False)
            await self.store([raw])
        note = Inbound(
            _Nowhere(), item.seat, buried, (finding,), item.received_at, item.message_id, item.action, frame=None
        )
        await self.store([note])
        # A start gets no answer: there is no id to give. Every source is told once all the same, so that it can count.
        is_answerable = isinstance(item.fact, EnergyMetered | SessionUpdated | SessionEnded)
        item.source.deliver(item, item.source.encode(item, ACKNOWLEDGED) if is_answerable else b"")

    def _make_room(self) -> None:
        if self._waiting_for_room and len(self._queue) < MAX_QUEUE // 2:
            waiting, self._waiting_for_room = self._waiting_for_room, []
            for callback in waiting:
                callback()


class _Nowhere:
    """A source that expects no answer."""

    def encode(self, _inbound: Inbound, _reply: object) -> bytes:
        return b""

    def deliver(self, _inbound: Inbound, _frame: bytes) -> None:
        """Nobody waits."""

"""A running gateway for tests: real sockets, a real register, and a sink that records and answers as it is told."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from voltway.gateway import server
from voltway.gateway.inbound import Inbound, LinkNote, Record
from voltway.gateway.link import Link
from voltway.gateway.server import Gateway, make_gateway
from voltway.infra.bus import Bus
from voltway.infra.bus import connect as connect_bus
from voltway.infra.db import Database, Role
from voltway.kernel.clock import now
from voltway.kernel.facts import (
    ACKNOWLEDGED,
    BootReply,
    BootStatus,
    ClockReply,
    HeartbeatReceived,
    Reply,
    StationBooted,
)
from voltway.kernel.ids import OperatorId
from voltway.settings import Settings
from voltway.stations import store
from voltway.stations.model import hash_password, make_salt

OPERATOR = OperatorId(1)
BOOT = [2, "b1", "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"}]
HEARTBEAT = [2, "h1", "Heartbeat", {}]


def yes(inbound: Inbound) -> Reply:
    """Answer like a friendly network: pending stations' boots stay pending."""
    if isinstance(inbound.fact, StationBooted):
        is_approved = inbound.seat.approval == "approved"
        return BootReply(BootStatus.ACCEPTED if is_approved else BootStatus.PENDING, 300, now())
    return ClockReply(now()) if isinstance(inbound.fact, HeartbeatReceived) else ACKNOWLEDGED


@dataclass
class FakeIngest:
    """Records what links submit; answers at once unless `is_holding`."""

    calls: list[Inbound] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    notes: list[LinkNote] = field(default_factory=list)
    is_holding: bool = False
    is_full: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)
    held: list[Inbound] = field(default_factory=list)

    def submit(self, item: Inbound | Record | LinkNote) -> None:
        """Take an item."""
        if isinstance(item, Record):
            self.records.append(item)
        elif isinstance(item, LinkNote):
            self.notes.append(item)
        else:
            self.calls.append(item)
            self.held.append(item)
            if not self.is_holding:
                asyncio.get_running_loop().call_soon(self.release)

    def on_room(self, callback: Callable[[], None]) -> None:
        """Remember who waits for room."""
        self.waiting.append(callback)

    def release(self) -> None:
        """Commit what is held."""
        held, self.held = self.held, []
        for inbound in held:
            inbound.source.deliver(inbound, inbound.source.encode(inbound, yes(inbound)))

    def make_room(self) -> None:
        """Be full no longer."""
        self.is_full = False
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()

    def findings(self) -> set[str]:
        """Every tolerance that was noted, by name."""
        items: list[Any] = [*self.calls, *self.records, *self.notes]
        return {finding.code for item in items for finding in item.findings}


@dataclass
class Stage:
    """A gateway under test."""

    gateway: Gateway
    ingest: FakeIngest
    database: Database
    bus: Bus
    port: int

    async def add(self, identity: str, password: bytes | None = None, **columns: Any) -> None:
        """Enter a station; without a password it needs none."""
        values: dict[str, Any] = {"identity": identity, "auth": "none" if password is None else "password", **columns}
        if password is not None:
            salt = make_salt()
            values |= {"password_salt": salt, "password_hash": hash_password(salt, password)}
        async with self.database.transaction(OPERATOR) as tx:
            await store.insert_station(tx, OPERATOR, values)
        await self.gateway.registry.refresh()

    async def change(self, identity: str, **columns: Any) -> None:
        """Change a station's row, as the API does."""
        async with self.database.transaction(OPERATOR) as tx:
            station_id = await store.find_station_id(tx, identity)
            assert station_id is not None, "the station was entered"
            await store.update_station(tx, station_id, columns)
        await self.gateway.registry.refresh()

    async def station_id(self, identity: str) -> int | None:
        """Return a station's key."""
        async with self.database.transaction(OPERATOR) as tx:
            return await store.find_station_id(tx, identity)

    def connect(self, path: str, *protocols: str, **headers: str) -> connect:
        """Open a socket as a station does."""
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
        )

    async def http(self, request: bytes) -> bytes:
        """Send raw bytes and return everything that comes back until the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return answer

    def link(self, identity: str) -> Link:
        """Return a station's open link."""
        entry = self.gateway.registry.find(identity)
        assert entry is not None, "the station is known"
        assert isinstance(entry.link, Link), "the station is connected"
        return entry.link


@asynccontextmanager
async def running_gateway(database_url: str, nats_url: str, **settings: Any) -> AsyncIterator[Stage]:
    """Run a gateway on a free port."""
    database, own = Database(database_url, Role.INGEST), Database(database_url, Role.APP)
    bus, ingest = await connect_bus(nats_url), FakeIngest()
    given = Settings(bind="127.0.0.1", ocpp_port=0, **settings)
    gateway = make_gateway(given, database=database, bus=bus, sink=ingest)
    await gateway.registry.refresh()
    await gateway.desk.start()
    listening, port = await gateway.listen()
    tasks = [asyncio.create_task(work) for work in (gateway.registry.run(), gateway.sweep())]
    try:
        yield Stage(gateway, ingest, own, bus, port)
    finally:
        await gateway.end(listening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.desk.stop()
        await bus.close()
        await database.close()
        await own.close()


def basic(user: str | bytes, password: bytes) -> str:
    """Write an Authorization header."""
    name = user.encode() if isinstance(user, str) else user
    return "Basic " + base64.b64encode(name + b":" + password).decode()


async def ask(socket: ClientConnection, frame: Any) -> Any:
    """Send a frame and return the next one."""
    await socket.send(frame if isinstance(frame, str | bytes) else orjson.dumps(frame).decode())
    return await receive(socket)


async def receive(socket: ClientConnection) -> Any:
    """Return the next frame, decoded."""
    async with asyncio.timeout(5):
        return orjson.loads(await socket.recv())


async def until(is_true: Callable[[], Any]) -> None:
    """Wait until something holds, for up to 5 s."""
    async with asyncio.timeout(5):
        while not is_true():
            await asyncio.sleep(0.005)


__all__ = ["BOOT", "HEARTBEAT", "FakeIngest", "Stage", "ask", "basic", "receive", "running_gateway", "server", "until"]

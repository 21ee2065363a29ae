"""The door for stations: `/ocpp/{id}` on the OCPP port, and the life of a gateway from ready to its graceful end.

A handshake is decided at once from memory (picows' factory is synchronous); only an unknown station's first entry waits
for the database, its socket unread meanwhile.
"""

import asyncio
import gc
import logging
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import count

import structlog
from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined] # only it tells the factory who is asking
from prometheus_client import Counter, Gauge

from voltway.gateway.commands import Desk
from voltway.gateway.link import Hub, Link, Sink
from voltway.gateway.registry import Entry, Registry
from voltway.gateway.security import Admitted, Doorkeeper, Presented, authenticate, read_identity
from voltway.gateway.wire import Limits, Pause
from voltway.infra.bus import Bus
from voltway.infra.db import Database
from voltway.infra.http_server import bind_tcp
from voltway.infra.lifeline import Lifeline
from voltway.kernel.clock import monotonic_s
from voltway.kernel.facts import Finding
from voltway.ocpp.versions import Version, negotiate
from voltway.settings import Settings
from voltway.stations.registry import end_links_of
from voltway.stations.service import STATIONS_CHANGED

log = structlog.get_logger()

BACKLOG = 4096
HANDSHAKE_TIMEOUT_S = 10.0
READ_BUFFER_BYTES = 2048
DRAIN_S = 2.0
SWEEP_S = 1.0
_SLICE = 1000
_PROTOCOLS = ", ".join(version.subprotocol for version in Version)

_CONNECTIONS = Gauge("voltway_gateway_connections", "Open station sockets.", multiprocess_mode="livesum")
_MESSAGES = Counter("voltway_gateway_messages", "Calls of stations that were understood.", ["action"])
_REFUSED = Counter("voltway_gateway_call_errors", "Calls of stations answered with CALLERROR.")
_UNREADABLE = Counter("voltway_gateway_unreadable_frames", "Frames that are no OCPP.")
_HANDSHAKES = Counter("voltway_gateway_handshakes", "Handshakes by HTTP status.", ["status"])


class HandshakeRefused(Exception):
    """A handshake that ends with an HTTP error."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Handshake:
    """picows' factory for one socket; it knows its protocol, since a request does not say where it came from."""

    __slots__ = ("_door", "protocol")

    def __init__(self, door: "Door") -> None:
        self._door = door
        self.protocol: WSProtocol | None = None

    def __call__(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        """Decide; nothing it raises may reach the client, since picows would send it the text."""
        try:
            assert self.protocol is not None, "the protocol was made with this handshake"
            peer = self.protocol.transport.underlying_transport.get_extra_info("peername")
            return self._door.open(request, str(peer[0]) if peer else "")
        except HandshakeRefused as refused:
            _HANDSHAKES.labels(str(refused.status)).inc()
            return _http_error(refused.status, refused.reason, refused.headers)
        except Exception as error:  # noqa: BLE001 - a link's supervisor: a bug must not be told to a stranger
            return _internal_error(error)


class Door:
    """Decides who comes in."""

    def __init__(self, settings: Settings, registry: Registry, hub: Hub) -> None:
        self._settings = settings
        self._registry = registry
        self._hub = hub
        self._keeper = Doorkeeper()
        self._proxies = [ip_network(network) for network in settings.trusted_proxies]
        self._newcomers: set[asyncio.Task[None]] = set()
        self.is_open = True

    def open(self, request: WSUpgradeRequest, peer: str) -> WSUpgradeResponseWithListener:
        """Answer a request: health, a station's socket, or HandshakeRefused."""
        if request.path.partition(b"?")[0] == b"/healthz":
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(b"ok\n"), None)
        presented = read_identity(request.path)
        if presented is None:
            raise HandshakeRefused(404, "stations connect to /ocpp/{station id}")
        if not self.is_open:
            raise HandshakeRefused(503, "this gateway is ending; connect again", Retry_After="1")
        _mend(request)
        if "Upgrade" not in request.headers or "Sec-WebSocket-Key" not in request.headers:
            raise HandshakeRefused(426, "stations connect with a WebSocket", Upgrade="websocket")
        link, subprotocol = self._admit(request, presented, self._remote(request, peer))
        _HANDSHAKES.labels("101").inc()
        headers = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(headers), link)

    def _admit(self, request: WSUpgradeRequest, presented: Presented, remote: str) -> tuple[Link, str | None]:
        findings = [presented.finding] if presented.finding else []
        entry = self._find(presented, findings)
        if entry is not None:
            findings += self._prove(request, entry, presented, remote)
        elif self._settings.unknown_stations == "reject":
            log.info("station_unknown", identity=presented.candidates[-1], remote=remote)
            raise HandshakeRefused(404, "this station is not known here")
        version, subprotocol = _version_of(request, entry, findings)
        link = Link(self._hub, version, remote, tuple(findings))
        if entry is not None:
            link.assign(entry)
        else:
            self._begin_entering(link, presented.candidates[-1])
        return link, subprotocol

    def _find(self, presented: Presented, findings: list[Finding]) -> Entry | None:
        for identity in presented.candidates:
            if (entry := self._registry.find(identity)) is not None:
                return entry
        for identity in presented.candidates:
            if (entry := self._registry.find_folded(identity)) is not None:
                findings.append(Finding("identity_case", identity[:200]))
                return entry
        return None

    def _prove(self, request: WSUpgradeRequest, entry: Entry, presented: Presented, remote: str) -> tuple[Finding, ...]:
        identity, now_s = entry.seat.identity, monotonic_s()
        if wait_s := self._keeper.retry_after_s(remote, identity, now_s):
            raise HandshakeRefused(429, "too many failed attempts", Retry_After=str(int(wait_s) + 1))
        spoken = next((name for name in presented.candidates if name.casefold() == identity.casefold()), identity)
        verdict = authenticate(entry.station, request.headers.getall("Authorization", []), spoken)
        if not isinstance(verdict, Admitted):
            self._keeper.note_failure(remote, identity, now_s)
            log.warning("station_refused", identity=identity, remote=remote, reason=verdict.value)
            raise HandshakeRefused(401, "who are you?", WWW_Authenticate='Basic realm="ocpp", charset="UTF-8"')
        if entry.seat.approval == "rejected":
            log.info("station_rejected", identity=identity, remote=remote)
            raise HandshakeRefused(403, "this station was rejected by its operator")
        self._keeper.forget(remote, identity)
        return verdict.findings

    def _begin_entering(self, link: Link, identity: str) -> None:
        if not self._registry.is_database_up:
            raise HandshakeRefused(503, "unknown stations cannot be entered right now", Retry_After="5")
        if self._registry.is_crowded:
            log.warning("too_many_pending_stations", identity=identity, remote=link.remote)
            raise HandshakeRefused(503, "too many stations wait for approval", Retry_After="60")
        task = asyncio.get_running_loop().create_task(self._enter(link, identity))
        self._newcomers.add(task)
        task.add_done_callback(self._newcomers.discard)

    async def _enter(self, link: Link, identity: str) -> None:
        approval = "approved" if self._settings.unknown_stations == "accept" else "pending"
        try:
            entry = await self._registry.admit(identity, approval)
        except Exception as error:  # noqa: BLE001 - a link's supervisor: this station comes again
            log.warning("station_not_entered", identity=identity, error=str(error)[:200])
            link.close(WSCloseCode.TRY_AGAIN_LATER, "try again")
            return
        log.info("station_entered", identity=identity, approval=entry.seat.approval, remote=link.remote)
        if not link.is_closed:
            link.assign(entry)

    def _remote(self, request: WSUpgradeRequest, peer: str) -> str:
        """Return the client's address: the last one in X-Forwarded-For that is not a proxy we trust."""
        hops = [hop.strip() for value in request.headers.getall("X-Forwarded-For", []) for hop in value.split(",")]
        while hops and self._is_proxy(peer):
            peer = hops.pop()
        return peer[:100]

    def _is_proxy(self, address: str) -> bool:
        with suppress(ValueError):
            found = ip_address(address)
            return any(found in network for network in self._proxies if network.version == found.version)
        return False


@dataclass(slots=True, eq=False)
class Gateway:
    """The parts of a running gateway."""

    settings: Settings
    bus: Bus
    hub: Hub
    registry: Registry
    desk: Desk
    door: Door

    async def listen(self) -> tuple[asyncio.Server, int]:
        """Accept connections; return the server and the port it bound."""
        listener = bind_tcp(self.settings.bind, self.settings.ocpp_port)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._make_protocol(), sock=listener, backlog=BACKLOG)
        return server, int(listener.getsockname()[1])

    def _make_protocol(self) -> Callable[[], WSProtocol]:
        # An adapter, not a logger: picows would make a child logger for every connection.
        quiet = logging.LoggerAdapter(logging.getLogger("picows.server"), {})
        quiet.setLevel(logging.CRITICAL)
        max_frame_bytes = self.settings.max_frame_bytes

        def make() -> WSProtocol:
            handshake = Handshake(self.door)
            handshake.protocol = WSProtocol(
                None, None, False, handshake, quiet, True, HANDSHAKE_TIMEOUT_S,
                False, 20, 20, WSAutoPingStrategy.PING_WHEN_IDLE, False, max_frame_bytes, None, READ_BUFFER_BYTES,
            )  # fmt: skip
            return handshake.protocol

        return make

    async def sweep(self) -> None:
        """Look after every link once a second and write the counts to the metrics."""
        before_s, counted = monotonic_s(), _Counted()
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = monotonic_s()
            for number, link in enumerate(tuple(self.hub.links), 1):
                link.sweep(now_s, now_s - before_s)
                if number % _SLICE == 0:
                    await asyncio.sleep(0)
            before_s = now_s
            counted.publish(self.hub)

    async def end(self, server: asyncio.Server) -> None:
        """Take nobody in, read no more, let the answers go that are underway, then send everybody away (1012)."""
        self.door.is_open = False
        server.close()
        links = tuple(self.hub.links)
        for link in links:
            link.pause(Pause.ENDING)
        deadline_s = monotonic_s() + DRAIN_S
        while any(link.unanswered > 0 for link in links) and monotonic_s() < deadline_s:  # noqa: ASYNC110 - a count
            await asyncio.sleep(0.01)
        for link in links:
            link.close(WSCloseCode.SERVICE_RESTART, "this gateway restarts")


class _Counted:
    """What the metrics know already."""

    def __init__(self) -> None:
        self._received: dict[str, int] = {}
        self._refused = self._unreadable = 0

    def publish(self, hub: Hub) -> None:
        _CONNECTIONS.set(len(hub.links))
        for action, number in hub.received.items():
            if more := number - self._received.get(action, 0):
                _MESSAGES.labels(action).inc(more)
        self._received = dict(hub.received)
        _REFUSED.inc(hub.refused - self._refused)
        _UNREADABLE.inc(hub.unreadable - self._unreadable)
        self._refused, self._unreadable = hub.refused, hub.unreadable


def make_gateway(settings: Settings, *, database: Database, bus: Bus, sink: Sink) -> Gateway:
    """Put the parts together; nothing runs yet."""
    name = f"{socket.gethostname()}:{settings.ocpp_port}"
    limits = Limits(settings.max_frame_bytes, settings.ping_interval_s, settings.ping_timeout_s)
    hub = Hub(sink, name, limits)
    registry = Registry(database)
    desk = Desk(bus, sink, name, timeout_s=settings.command_timeout_s)
    hub.on_open, hub.on_close = desk.open, desk.close
    return Gateway(settings, bus, hub, registry, desk, Door(settings, registry, hub))


async def run(settings: Settings, lifeline: Lifeline, *, database: Database, bus: Bus, sink: Sink) -> None:
    """Serve stations until the lifeline says stop. `sink` must be running, and be drained by who made it afterwards.

    Args:
        settings: bind, port, limits and policies.
        lifeline: hears `ready(port=…)`.
        database: of the ingest role.
        bus: connected.
        sink: the ingest.
    """
    raise_open_files()
    gateway = make_gateway(settings, database=database, bus=bus, sink=sink)
    await end_links_of(database, gateway.hub.gateway)
    await gateway.registry.refresh()
    await gateway.desk.start()

    async def on_change(_: bytes) -> None:
        gateway.registry.wake()

    await bus.subscribe(STATIONS_CHANGED, on_change)
    server, port = await gateway.listen()
    calm_collector()
    duties = (gateway.registry.run(), gateway.sweep(), collect_slowly(), lifeline.stopping.wait())
    tasks = [asyncio.create_task(duty) for duty in duties]
    lifeline.ready(port=port)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await gateway.end(server)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.desk.stop()


def raise_open_files() -> None:
    """Raise the soft limit of open files to the hard one: every station is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def calm_collector() -> None:
    """Take the garbage collector out of the messages' way: they die by reference count, and hold no cycles.

    Measured under load: at thresholds of (50,000, 20, 100) collections still took 24 % of the gateway's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


async def collect_slowly() -> None:
    """Collect what cycles there are (tasks, exceptions) by the clock: the young each second, all every ten minutes."""
    for second in count(1):
        await asyncio.sleep(SWEEP_S)
        gc.collect(2 if second % 600 == 0 else 1 if second % 30 == 0 else 0)


def _mend(request: WSUpgradeRequest) -> None:
    """Write token lists as the single token that picows compares with (`Connection: keep-alive, Upgrade`)."""
    for name, token in (("Connection", "upgrade"), ("Upgrade", "websocket")):
        values = request.headers.getall(name, [])
        if any(part.strip().lower() == token for value in values for part in value.split(",")):
            request.headers[name] = token


def _version_of(request: WSUpgradeRequest, entry: Entry | None, findings: list[Finding]) -> tuple[Version, str | None]:
    """Choose the version; also how the client spelled its subprotocol, None where it offered none."""
    offered = request.headers.getall("Sec-WebSocket-Protocol", [])
    fallback = entry.station.fallback_version if entry is not None else None
    version = negotiate(offered, fallback)
    names = [name.strip() for value in offered for name in value.split(",") if name.strip()]
    if version is None:
        said = f"you offer {', '.join(names)[:100]}" if names else "you offer no subprotocol (Sec-WebSocket-Protocol)"
        raise HandshakeRefused(400, f"{said}; this server speaks {_PROTOCOLS}")
    if not names:
        findings.append(Finding("no_subprotocol", version.value))
        return version, None
    wanted = {version.subprotocol, version.value}
    return version, next(name for name in names if name.lower() in wanted)


def _internal_error(error: Exception) -> WSUpgradeResponseWithListener:
    log.error("handshake_failed", exc_info=error)
    return _http_error(500, "internal error", {})


def _http_error(status: int, reason: str, headers: dict[str, str]) -> WSUpgradeResponseWithListener:
    body = reason.encode() + b"\n"
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, body, headers), None)

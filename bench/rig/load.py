"""The load process: many stations on one uvloop, one call outstanding each; an order on stdin, its outcome on stdout.

A process of its own, so that its work is in nobody's figures; it reads the CPU time of the servers at the edges of its
windows. Run as `python -m rig.load`.
"""

import asyncio
import gc
import resource
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from urllib.parse import quote

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from rig import procfs
from rig.frames import Script, Stamp, Version
from rig.orders import Order, Outcome, Phase, Tally, Window, as_document

REPLY_TIMEOUT_S = 15.0
_CONNECTING_AT_ONCE = 50
_TICK_S = 0.001
_NOTHING = b"\0"  # no reply begins like this
_SUBPROTOCOL = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1"}


class Pulse:
    """The current window's reply times, and whether stations send by themselves; shared by all stations."""

    def __init__(self) -> None:
        self.is_saturating = False
        self.reply_s: array[float] = array("d")


class Station(WSListener):
    """One station: its socket, its script and the call it waits for."""

    def __init__(self, script: Script, pulse: Pulse, tally: Tally) -> None:
        self.script = script
        self.is_busy = False
        self.overdue: deque[float] = deque()
        self._pulse = pulse
        self._tally = tally
        self._asked_at = 0.0
        self._answer_start = _NOTHING
        self._waiter: asyncio.Future[bytes] | None = None
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the socket."""
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 picows names it
        """Say so to whoever waits for a reply."""
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("the server closed the connection"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a reply; answer a call of the server with NotImplemented."""
        payload = frame.get_payload_as_bytes()
        if payload.startswith(self._answer_start):
            self._take(payload)
        elif frame.msg_type == WSMsgType.TEXT:
            self._take_unusual(transport, payload)

    async def call(self, frame: bytes) -> list[object]:
        """Send a frame outside the measured stream and return the decoded CALLRESULT."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._send(frame, time.perf_counter())
        payload = await asyncio.wait_for(self._waiter, REPLY_TIMEOUT_S)
        self._waiter = None
        answer: list[object] = orjson.loads(payload)
        return answer

    def send_update(self, due_at: float) -> None:
        """Send the next reading; its reply time counts from `due_at`."""
        self._send(self.script.update(), due_at)

    def close(self) -> None:
        """Leave without ceremony."""
        if self._transport is not None:
            self._transport.send_close()
            self._transport.disconnect(graceful=False)

    def _send(self, frame: bytes, due_at: float) -> None:
        if self._transport is None:
            return
        self.is_busy = True
        self._asked_at = due_at
        self._answer_start = self.script.answer_start
        self._transport.send(WSMsgType.TEXT, frame)

    def _take(self, payload: bytes) -> None:
        now = time.perf_counter()
        self.is_busy = False
        self._answer_start = _NOTHING
        if self._waiter is not None:
            self._waiter.set_result(payload)
            return
        self._tally.updates += 1
        self._pulse.reply_s.append(now - self._asked_at)
        if self.overdue:
            self.send_update(self.overdue.popleft())
        elif self._pulse.is_saturating:
            self.send_update(now)

    def _take_unusual(self, transport: WSTransport, payload: bytes) -> None:
        message = orjson.loads(payload)
        if message[0] == 2:
            transport.send(WSMsgType.TEXT, orjson.dumps([4, message[1], "NotImplemented", "", {}]))
        elif message[0] == 3 and self.is_busy and orjson.dumps(message[:2])[:-1].startswith(self._answer_start):
            self._take(payload)  # the same answer, written with blanks
        else:
            self._tally.fault(f"{self.script.version}: unexpected {payload[:200]!r}")


class Network:
    """All stations of one order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.tally = Tally()
        self.pulse = Pulse()
        self._stamp = Stamp()
        self.stations = [self._station(number) for number in range(1, order.stations + 1)]

    async def connect(self, *, is_starting: bool) -> None:
        """Connect and boot every station, a few at a time, and start a transaction at each if asked to."""
        gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)

        async def join(number: int, station: Station) -> None:
            async with gate:
                await self._join(number, station)
                if is_starting:
                    await self._start(station)

        async with asyncio.TaskGroup() as group:
            for number, station in enumerate(self.stations, 1):
                group.create_task(join(number, station))

    async def run(self, phase: Phase, sustained_per_s: float) -> Window:
        """Run one phase and return what its window showed."""
        rate_per_s = sustained_per_s * phase.share if phase.kind == "paced" else None
        load = asyncio.create_task(self._load(phase, rate_per_s))
        await asyncio.sleep(phase.warmup_s)
        before, started_at = self._cpu_s(), time.perf_counter()
        self.pulse.reply_s = array("d")
        await asyncio.sleep(phase.window_s)
        replies, self.pulse.reply_s = self.pulse.reply_s, array("d")
        seconds, after = time.perf_counter() - started_at, self._cpu_s()
        self.pulse.is_saturating = False
        load.cancel()
        for station in self.stations:
            station.overdue.clear()
        await self._drain()
        return _window(phase, seconds, replies, rate_per_s, [b - a for a, b in zip(before, after, strict=True)])

    def close(self) -> None:
        """Let every station leave."""
        for station in self.stations:
            station.close()

    def _station(self, number: int) -> Station:
        version: Version = self.order.versions[number % len(self.order.versions)]  # type: ignore[assignment]
        return Station(Script(version, self._identity(number), self._stamp), self.pulse, self.tally)

    def _identity(self, number: int) -> str:
        return f"{self.order.prefix}-{number:05d}"

    async def _join(self, number: int, station: Station) -> None:
        url = f"{self.order.url}/{quote(self._identity(number), safe='')}"
        headers = {"Sec-WebSocket-Protocol": _SUBPROTOCOL[station.script.version]}
        await ws_connect(
            lambda: station, url, extra_headers=headers, read_buffer_init_size=1024, websocket_handshake_timeout=30.0
        )
        answer = await station.call(station.script.boot())
        assert isinstance(answer[2], dict), f"boot was answered {answer}"
        assert answer[2].get("status") == "Accepted", f"boot was answered {answer}"
        self.tally.boots += 1

    async def _start(self, station: Station) -> None:
        answer = await station.call(station.script.start())
        assert isinstance(answer[2], dict), f"the start was answered {answer}"
        if station.script.version == "1.6":
            station.script.transaction_id = str(answer[2]["transactionId"]).encode()
        self.tally.starts += 1

    async def _load(self, phase: Phase, rate_per_s: float | None) -> None:
        if rate_per_s is not None:
            await self._pace(rate_per_s)
        elif phase.kind == "saturated":
            self.pulse.is_saturating = True
            for station in self.stations:
                station.send_update(time.perf_counter())

    async def _pace(self, rate_per_s: float) -> None:
        # Open loop: a station that is still busy sends late, and its reply time counts from when it was due.
        ring = _endless(self.stations)
        started_at, issued = time.perf_counter(), 0
        while True:
            now = time.perf_counter()
            due = int((now - started_at) * rate_per_s)
            for station in (next(ring) for _ in range(due - issued)):
                if station.is_busy:
                    station.overdue.append(now)
                else:
                    station.send_update(now)
            issued = due
            await asyncio.sleep(_TICK_S)

    async def _drain(self) -> None:
        deadline = time.perf_counter() + REPLY_TIMEOUT_S
        while any(station.is_busy for station in self.stations) and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # an event per reply would cost the load more than looking at the end
        self.tally.unanswered += sum(station.is_busy for station in self.stations)

    def _cpu_s(self) -> list[float]:
        order = self.order
        postgres = procfs.tree_cpu_s(order.postgres_pid) if order.postgres_pid else 0.0
        others = sum(procfs.tree_cpu_s(pid) for pid in order.other_pids)
        return [procfs.cpu_s(order.server_pid), postgres, others, time.process_time()]


def _endless(stations: list[Station]) -> Iterator[Station]:
    while True:
        yield from stations


def _window(
    phase: Phase, seconds: float, replies: "array[float]", asked_per_s: float | None, cpu_s: list[float]
) -> Window:
    """Sum up one window; a percentile is the value at that rank, without interpolation."""
    ordered = sorted(replies)
    p50, p99 = (1000 * ordered[int(len(ordered) * share)] if ordered else 0.0 for share in (0.50, 0.99))
    per_message = [1e6 * spent / len(ordered) if ordered else 0.0 for spent in cpu_s]
    return Window(phase.kind, seconds, len(ordered), asked_per_s, p50, p99, *per_message)


async def run(order: Order) -> Outcome:
    """Carry out one order: connect, all phases, leave."""
    network = Network(order)
    rss_before = procfs.rss_bytes(order.server_pid)
    await network.connect(is_starting=any(phase.kind != "idle" for phase in order.phases))
    gc.collect()
    gc.disable()  # a full collection among 200 stations would be read as a late reply
    windows: list[Window] = []
    for phase in order.phases:
        windows.append(await network.run(phase, windows[0].per_s if windows else 0.0))
    rss_idle = procfs.rss_bytes(order.server_pid)
    network.close()
    await asyncio.sleep(0.05)  # so that the close frames leave before the process does
    tally = network.tally
    return Outcome(
        tuple(windows), tally.boots, tally.starts, tally.updates, tally.unanswered, tuple(tally.faults),
        rss_before, rss_idle,
    )  # fmt: skip


def raise_open_files() -> None:
    """Allow as many open sockets as the machine lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Read the order, carry it out, write the outcome."""
    raise_open_files()
    order = Order.parse(orjson.loads(sys.stdin.buffer.read()))
    outcome = uvloop.run(run(order))
    sys.stdout.buffer.write(orjson.dumps(as_document(outcome)))


if __name__ == "__main__":
    main()

"""The courier: a small process of its own that sends what is due, `python -m voltway.monitoring.notify.courier_run`.

It exists so that killing a worker repeats and forgets nothing. A mail is sent and then noted as sent; whoever dies
between the two leaves a mail of which nobody knows. The courier does not die with its worker: it is in a session of its
own, sees the end of its stdin, finishes what it has in hand, notes it and goes. Until then it holds a lock, so that
the next courier neither sends the same nor takes it for lost. Only where the courier itself is killed in that moment a
message becomes `uncertain`.

Each step is one transaction: compose (what is due becomes messages), claim, send, record. While the database is away it
waits and keeps its results.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from voltway.infra.lane import Lane
from voltway.kernel.clock import Clock, monotonic_s
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import NotReady
from voltway.monitoring.notify import courier_store, sender
from voltway.monitoring.notify.courier_store import Claim
from voltway.monitoring.notify.sender import Letter, Sent

CHANNEL = "voltway_notify"
LOCK = 0x766F6C74_6D61696C
"""The one lock of couriers on a database ("voltmail")."""
AT_ONCE = 4
POLL_S = 1.0
_LOCK_POLL_S = 0.1
_LAST_WORDS_S = 60.0
"""After its worker's end a courier keeps trying so long to note what it sent."""

Send = Callable[[str, Letter, tuple[str, ...]], Sent]


@dataclass(frozen=True, slots=True)
class Order:
    """What the parent says in the first line of stdin."""

    database_url: str
    public_url: str = ""
    allow_private: bool = False


class CourierLoop:
    """Sends until told to end; `step` is one round, `finish` the orderly end.

    Args:
        send: sends one letter to one target and says what came of it; called in threads.
    """

    def __init__(self, lane: Lane, *, send: Send, public_url: str = "", clock: Clock = wall_clock) -> None:
        self._lane = lane
        self._send = send
        self._public_url = public_url
        self._now = clock
        self._me = uuid4()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send")
        self._in_hand: dict[Future[Sent], Claim] = {}
        self._is_settled = self._is_closed = False
        self._wake_read, self._wake_write = os.pipe()

    def step(self) -> bool:
        """Do what can be done now; return whether we are the courier. Raise NotReady where the database is away."""
        try:
            return self._step()
        except NotReady:
            # The lock went with the connection: another may have been the courier meanwhile.
            self._is_settled = False
            raise

    def _step(self) -> bool:
        self._record_done()
        if not self._lane.take_lock():
            self._is_settled = False
            return False
        if not self._is_settled:
            in_hand = [claim.message_id for claim in self._in_hand.values()]
            courier_store.settle_orphans(self._lane, self._me, in_hand)
            self._is_settled = True
        courier_store.compose_due(self._lane, self._now(), self._public_url)
        free = AT_ONCE - len(self._in_hand)
        if free:
            for claim in courier_store.claim(self._lane, self._me, self._now(), free):
                self._begin(claim)
        return True

    def rest(self, *sources: int, timeout_s: float) -> list[int]:
        """Wait until there may be something to do; return those of `sources` that have something to read."""
        readable = self._lane.wait(self._wake_read, *sources, timeout_s=timeout_s)
        if self._wake_read in readable:
            os.read(self._wake_read, 4096)
        return [source for source in readable if source in sources]

    def finish(self, *, timeout_s: float = _LAST_WORDS_S) -> int:
        """Wait for what is in hand and note it; return how many results could not be noted in time."""
        self._pool.shutdown(wait=True)
        deadline_s = monotonic_s() + timeout_s
        while self._in_hand and monotonic_s() < deadline_s:
            try:
                self._record_done()
            except NotReady:
                self._lane.wait(timeout_s=0.5)
        return len(self._in_hand)

    def close(self) -> None:
        """Close what is open, and with it give the lock to the next courier."""
        self._pool.shutdown(wait=True)
        self._lane.close()
        if not self._is_closed:
            os.close(self._wake_read)
            os.close(self._wake_write)
        self._is_closed = True

    def _begin(self, claim: Claim) -> None:
        future = self._pool.submit(self._send_one, claim)
        self._in_hand[future] = claim
        future.add_done_callback(lambda _: os.write(self._wake_write, b"."))

    def _send_one(self, claim: Claim) -> Sent:
        if claim.url is None:
            return Sent("the target was removed from its route", claim.accepted, is_hopeless=True)
        return self._send(claim.url, claim.letter, claim.accepted)

    def _record_done(self) -> None:
        for future in [future for future in self._in_hand if future.done()]:
            courier_store.record(self._lane, self._me, self._in_hand[future], future.result(), self._now())
            del self._in_hand[future]


def run(order: Order, stdin: int) -> int:
    """Be a courier until stdin ends; return the exit code: 1 where results could not be noted."""
    lane = Lane(order.database_url, role="voltway_ingest", lock=LOCK, channel=CHANNEL)
    send = partial(_send, allow_private=order.allow_private)
    loop = CourierLoop(lane, send=send, public_url=order.public_url)
    try:
        _until_end(loop, stdin)
        return 1 if loop.finish() else 0
    finally:
        loop.close()


def _until_end(loop: CourierLoop, stdin: int) -> None:
    while True:
        try:
            rest_s = POLL_S if loop.step() else _LOCK_POLL_S
        except NotReady:
            rest_s = POLL_S
        if loop.rest(stdin, timeout_s=rest_s) and not os.read(stdin, 4096):
            return


def _send(url: str, letter: Letter, accepted: tuple[str, ...], *, allow_private: bool) -> Sent:
    return sender.send(url, letter, accepted=accepted, allow_private=allow_private)


def read_order(stdin: int) -> Order | None:
    """Read the first line that the parent writes; None where it ended before."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(stdin, 1)
        if not byte:
            return None
        line += byte
    values: dict[str, Any] = json.loads(line)
    return Order(**values)


def main() -> int:
    """Run as a child of the worker; signals that end a terminal's programs are the worker's business."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    order = read_order(sys.stdin.fileno())
    return 0 if order is None else run(order, sys.stdin.fileno())


if __name__ == "__main__":
    sys.exit(main())

"""A station's calls: one queue, one outstanding call, and the promise that a message is kept until it is answered.

Transaction messages are sent in order and, when a connection dies or an answer stays away, sent again with the same
content under a new message id (OCPP 1.6 §3.7, 2.0.1 E04). Nothing but the boot leaves before the boot is accepted.
No I/O here: `send` is given by the station when its socket is open.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from voltway.kernel.clock import monotonic_s
from voltway.ocpp import frame
from voltway.simulator.report import Tally
from voltway.simulator.timeline import Timeline, Timer

Json = dict[str, Any]
MAX_ATTEMPTS = 3
"""How often a transaction message is tried that is answered by CALLERROR (TransactionMessageAttempts)."""
RETRY_INTERVAL_S = 2.0


class CallRefused(Exception):
    """A call from the server that is answered by CALLERROR; `code` is the version's error code."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(description)
        self.code, self.description = code, description


class Kind(Enum):
    """Where a message stands: a boot goes first, a transaction message survives all, others are of the moment."""

    BOOT = "boot"
    TRANSACTION = "transaction"
    MOMENT = "moment"


def nothing(_: Json) -> None:
    """Do nothing with an answer."""


@dataclass(slots=True, eq=False)
class Message:
    """A call to be made. `build` is asked once, just before the first send: 1.6 learns ids only from answers."""

    action: str
    build: Callable[[], Json]
    kind: Kind = Kind.MOMENT
    on_answer: Callable[[Json], None] = nothing
    on_refusal: Callable[[], None] | None = None
    payload: Json | None = None
    ids: list[str] = field(default_factory=list)
    refusals: int = 0


class CallQueue:
    """The outgoing side of one station's link."""

    def __init__(self, timeline: Timeline, tally: Tally, id_prefix: str, timeout_s: float = 30.0) -> None:
        self.timeout_s = timeout_s
        self.is_released = False
        self._timeline, self._tally, self._id_prefix = timeline, tally, id_prefix
        self._waiting: deque[Message] = deque()
        self._outstanding: Message | None = None
        self._send: Callable[[bytes], None] | None = None
        self._sent_at_s = 0.0
        self._number = 0
        self._timer: Timer | None = None
        self._holds_until_ms = 0

    @property
    def is_empty(self) -> bool:
        """Whether every message has been answered."""
        return self._outstanding is None and not self._waiting

    @property
    def holds_transactions(self) -> bool:
        """Whether a transaction message still waits for its answer."""
        kept = [self._outstanding] if self._outstanding else []
        return any(message.kind is Kind.TRANSACTION for message in (*kept, *self._waiting))

    def post(self, message: Message, *, first: bool = False) -> None:
        """Queue a message; a boot, and what somebody waits for at the plug, goes to the head."""
        if first or message.kind is Kind.BOOT:
            self._waiting.appendleft(message)
        else:
            self._waiting.append(message)
        self._pump()

    def next_id(self) -> str:
        """Return a message id that no other message of any run has."""
        self._number += 1
        return f"{self._id_prefix}-{self._number}"

    def opened(self, send: Callable[[bytes], None]) -> None:
        """Take a new socket; only a boot may leave until `release`."""
        self._send = send
        self._pump()

    def release(self) -> None:
        """Let all messages go: the boot was accepted."""
        self.is_released = True
        self._pump()

    def closed(self) -> None:
        """Keep what must be kept: the open call goes back to the head, unsent words of the moment are forgotten."""
        self._send, self.is_released = None, False
        self._return_outstanding()
        self._waiting = deque(m for m in self._waiting if m.kind is Kind.TRANSACTION or m.ids)

    @property
    def has_boot(self) -> bool:
        """Whether a boot waits to be sent, or to be answered."""
        kept = [self._outstanding] if self._outstanding else []
        return any(message.kind is Kind.BOOT for message in (*kept, *self._waiting))

    @property
    def unsent(self) -> int:
        """How many transaction messages never reached a wire."""
        return sum(message.kind is Kind.TRANSACTION and not message.ids for message in self._waiting)

    def answered(self, message_id: str, payload: Json) -> bool:
        """Take a CALLRESULT; False if nobody waits for it."""
        message = self._settle(message_id)
        if message is None:
            return False
        message.on_answer(payload)
        self._pump()
        return True

    def refused(self, message_id: str) -> bool:
        """Take a CALLERROR: a transaction message is tried again a few times, others are done with."""
        message = self._outstanding
        if message is None or message_id not in message.ids:
            return False
        message.refusals += 1
        if message.kind is Kind.TRANSACTION and message.refusals < MAX_ATTEMPTS:
            self._hold(RETRY_INTERVAL_S * message.refusals)
            self._return_outstanding()
            return True
        self._settle(message_id)
        self._tally.call_errors += 1
        if message.on_refusal is not None:
            message.on_refusal()
        self._pump()
        return True

    def _hold(self, delay_s: float) -> None:
        self._holds_until_ms = self._timeline.now_ms + round(delay_s * 1000)
        self._timeline.after(delay_s, self._pump)

    def _settle(self, message_id: str) -> Message | None:
        message = self._outstanding
        if message is None or message_id not in message.ids:
            return None
        self._tally.answered += 1
        self._tally.reply_times_ms.append((monotonic_s() - self._sent_at_s) * 1000)
        self._drop_timer()
        self._outstanding = None
        return message

    def _return_outstanding(self) -> None:
        self._drop_timer()
        if self._outstanding is not None:
            self._waiting.appendleft(self._outstanding)
            self._outstanding = None

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self) -> None:
        if self._send is None or self._outstanding is not None or not self._waiting:
            return
        if self._timeline.now_ms < self._holds_until_ms:
            return
        if self.is_released or self._waiting[0].kind is Kind.BOOT:
            self._transmit(self._waiting.popleft(), self._send)

    def _transmit(self, message: Message, send: Callable[[bytes], None]) -> None:
        if message.payload is None:
            message.payload = message.build()
        if not message.ids:
            self._tally.sent += 1
        message.ids.append(self.next_id())
        self._outstanding = message
        self._sent_at_s = monotonic_s()
        self._timer = self._timeline.after(self.timeout_s, self._expired)
        send(frame.call(message.ids[-1], message.action, message.payload))

    def _expired(self) -> None:
        self._return_outstanding()
        self._pump()

"""The lower half of a link: one WebSocket, from frames to whole messages, with limits on all that a peer can do.

    picows ─▶ Wire.on_ws_frame ─▶ take(message)          close, abort, sweep ─▶ ended(findings)

Overflow rule: a wire with too much underway, that floods or whose ingest is full stops reading its socket; what the
read buffer still held waits here. `on_ws_frame` runs for every message of the network.
"""

from asyncio import get_running_loop
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from voltway.kernel.clock import monotonic_s
from voltway.kernel.facts import Finding

BUDGET: Final = 10_000
BUDGET_PER_S: Final = 1_000
COST_OF_HURRY: Final = 20
"""A message that comes before the last one was answered costs this much of the budget: 50 a second, 500 at once."""
_LINGER_S: Final = 1.0
_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may do: the longest message, the longest silence, the longest wait for a pong or for its reading."""

    max_frame_bytes: int
    ping_interval_s: float
    ping_timeout_s: float


class Pause(IntFlag):
    """Why a socket is not read."""

    ENTERING = 1
    FULL = 2
    UNANSWERED = 4
    FLOOD = 8
    WRITING = 16
    ENDING = 32


class Wire(WSListener):
    """One socket. `take`, `take_binary`, `began` and `ended` belong to the upper half."""

    __slots__ = (
        "_fragments", "_idle_since_s", "_is_binary", "_is_heard", "_limits", "_pinged_s", "_waiting",
        "_writing_since_s", "budget", "is_closed", "pauses", "transport",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self.transport: WSTransport | None = None
        self.pauses, self.budget = 0, BUDGET
        self.is_closed = self._is_heard = self._is_binary = False
        self._waiting: list[bytes] | None = None
        self._fragments: bytearray | None = None
        self._idle_since_s = monotonic_s()
        self._pinged_s: float | None = None
        self._writing_since_s: float | None = None

    # ---- the upper half

    def began(self) -> None:
        """Do what belongs to a new socket."""
        raise NotImplementedError

    def take(self, data: bytes) -> None:
        """Take one whole text message."""
        raise NotImplementedError

    def take_binary(self, data: bytes) -> None:
        """Take one whole binary message."""
        raise NotImplementedError

    def ended(self, findings: tuple[Finding, ...]) -> None:
        """Clean up, once, after this socket and only this one."""
        raise NotImplementedError

    def flooded(self) -> None:
        """Hear that reading stopped because of too many messages."""
        raise NotImplementedError

    # ---- life and death

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Remember the transport; the conversation begins."""
        self.transport = transport
        self.began()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Clean up; a message too big for picows is known only by the close code it sent."""
        sent = getattr(transport.close_handshake, "sent", None)
        is_too_big = sent is not None and sent.code == WSCloseCode.MESSAGE_TOO_BIG
        self._end((Finding("message_too_big"),) if is_too_big else ())

    def close(self, code: WSCloseCode, reason: str = "", *findings: Finding) -> None:
        """Say goodbye and end; a peer that does not answer is dropped after a moment."""
        transport = self.transport
        if transport is not None and not transport.is_disconnected:
            transport.send_close(code, reason.encode()[:120])
            # A graceful end waits for ever for a peer that does not read.
            get_running_loop().call_later(_LINGER_S, transport.disconnect, False)
        self._end(findings)

    def abort(self, finding: str) -> None:
        """Drop the socket at once."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)
        self._end((Finding(finding),))

    def send(self, frame: bytes) -> None:
        """Send one text message; nothing where the socket has ended."""
        if not self.is_closed and self.transport is not None:
            self.transport.send(_TEXT, frame)

    def _end(self, findings: tuple[Finding, ...]) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._waiting = self._fragments = None
            self.ended(findings)

    # ---- frames

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take whole text messages; all else is rare."""
        self._is_heard = True
        if (
            frame.msg_type is _TEXT
            and frame.fin
            and self._fragments is None
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3 or transport.is_close_frame_sent)
        ):
            if self.pauses:
                self._keep(frame.get_payload_as_bytes())
            else:
                self.take(frame.get_payload_as_bytes())
        else:
            self._take_odd(transport, frame)

    def _take_odd(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if transport.is_close_frame_sent:
            # By us, or by picows, which refuses a frame that is too big but goes on to deliver it.
            if kind is WSMsgType.CLOSE:
                transport.disconnect()
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(WSCloseCode.PROTOCOL_ERROR, "no extension was agreed", Finding("reserved_bits"))
        elif kind is WSMsgType.PING:
            self.spend(COST_OF_HURRY)
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            self._end(())
        elif kind is not WSMsgType.PONG:
            self._take_part(frame, is_first=kind is not _CONTINUATION)

    def _take_part(self, frame: WSFrame, *, is_first: bool) -> None:
        """Put fragments together; the sum is capped, not only each."""
        if is_first != (self._fragments is None):
            self.close(WSCloseCode.PROTOCOL_ERROR, "fragments out of order", Finding("fragments_unordered"))
            return
        if self._fragments is None:
            self._fragments, self._is_binary = bytearray(), frame.msg_type is _BINARY
        self._fragments += frame.get_payload_as_bytes()
        if len(self._fragments) > self._limits.max_frame_bytes:
            self.close(WSCloseCode.MESSAGE_TOO_BIG, "too long", Finding("message_too_big"))
        elif frame.fin:
            data, self._fragments = bytes(self._fragments), None
            self._take_whole(data)

    def _take_whole(self, data: bytes) -> None:
        if self._is_binary:
            self.take_binary(data)
        else:
            self.take_in_turn(data)

    def take_in_turn(self, data: bytes) -> None:
        """Take a message, after those that wait."""
        if self.pauses:
            self._keep(data)
        else:
            self.take(data)

    def _keep(self, data: bytes) -> None:
        """Hold what the read buffer still had when reading stopped; never more than a few frames' worth."""
        if self.is_closed:
            return
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(data)
        if len(self._waiting) > 8 and sum(map(len, self._waiting)) > 4 * self._limits.max_frame_bytes:
            self.close(WSCloseCode.POLICY_VIOLATION, "too much at once", Finding("flood"))

    # ---- reading and not reading

    def pause(self, reason: Pause) -> None:
        """Stop reading for a reason."""
        if not self.pauses and self.transport is not None and not self.is_closed:
            self.transport.underlying_transport.pause_reading()
        self.pauses |= reason

    def resume(self, reason: Pause) -> None:
        """Drop a reason; without any, take what waited and read on."""
        if not self.pauses & reason:
            return
        self.pauses &= ~reason
        waiting, taken = self._waiting or [], 0
        while taken < len(waiting) and not self.pauses and not self.is_closed:
            self.take(waiting[taken])
            taken += 1
        if self.is_closed:
            return
        self._waiting = waiting[taken:] or None
        if not self.pauses and self.transport is not None:
            self.transport.underlying_transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer does not read what we write: hear no more from it until it does."""
        self._writing_since_s = monotonic_s()
        self.pause(Pause.WRITING)

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writing_since_s = None
        self.resume(Pause.WRITING)

    def spend(self, cost: int) -> None:
        """Take from the budget; reading stops when it is used up."""
        self.budget -= cost
        if self.budget < 0 and not self.pauses & Pause.FLOOD:
            self.pause(Pause.FLOOD)
            self.flooded()

    # ---- the sweeper's part, once a second

    def watch(self, now_s: float, elapsed_s: float) -> bool:
        """Refill the budget, ping an idle peer, drop a dead one; say whether anything was heard since the last time."""
        if self.budget < BUDGET:
            self.budget = min(BUDGET, self.budget + int(elapsed_s * BUDGET_PER_S) + 1)
            if self.budget > COST_OF_HURRY:
                self.resume(Pause.FLOOD)
        if self._writing_since_s is not None and now_s - self._writing_since_s >= self._limits.ping_timeout_s:
            self.abort("does_not_read")
        elif self._is_heard:
            self._is_heard, self._idle_since_s, self._pinged_s = False, now_s, None
            return True
        elif self.pauses:
            # What it may have sent is not read, pongs neither.
            self._idle_since_s, self._pinged_s = now_s, None
        else:
            self._probe(now_s)
        return False

    def _probe(self, now_s: float) -> None:
        """A half-open socket is known only by the pong that does not come (field note 1)."""
        if self._pinged_s is not None:
            if now_s - self._pinged_s >= self._limits.ping_timeout_s:
                self.abort("ping_unanswered")
        elif now_s - self._idle_since_s >= self._limits.ping_interval_s and self.transport is not None:
            self._pinged_s = now_s
            self.transport.send_ping()

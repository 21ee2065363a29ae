"""One station's connection: messages to facts for the ingest, answers back when they are on disk. Nothing here waits.

    Wire ─▶ Link.take ─▶ ocpp (parse, understand) ─▶ sink.submit ─▶ … committed … ─▶ Link.deliver ─▶ Wire

`take`, `encode` and `deliver` run for every message of the network: no closures, no logging.
"""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol
from uuid import UUID, uuid4

from picows import WSCloseCode, WSMsgType

from voltway.gateway.clock_offset import ClockOffset
from voltway.gateway.inbound import Inbound, LinkNote, Record, Seat
from voltway.gateway.registry import Entry
from voltway.gateway.wire import COST_OF_HURRY, Limits, Pause, Wire
from voltway.kernel.clock import monotonic_s, now
from voltway.kernel.facts import BootReply, BootStatus, Fact, Finding, Reply, StationBooted
from voltway.ocpp.connection import Answer, Connection, Stray
from voltway.ocpp.frame import Call, CallError, CallResult, FrameFault, parse
from voltway.ocpp.protocol import CallRefused, protocol_for
from voltway.ocpp.versions import Version

MOST_UNANSWERED: Final = 64
"""A station has one call outstanding; so many may be underway before its socket waits."""
ALIVE_NOTE_S: Final = 15.0
UNREADABLE: Final = "?"
"""The action under which the log keeps a frame that is no call."""
_OBSERVE_EVERY: Final = timedelta(seconds=5)
_MICROSECOND: Final = timedelta(microseconds=1)
_TEXT: Final = WSMsgType.TEXT


class Sink(Protocol):
    """Where messages go: the ingest, or a recorder in tests."""

    @property
    def is_full(self) -> bool:
        """Whether links should stop reading."""
        ...

    def submit(self, item: Inbound | Record | LinkNote) -> None:
        """Take an item; it never waits."""
        ...

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call back once when there is room again."""
        ...


class Heard(NamedTuple):
    """What a station answered to a call of ours, with the bytes for the log and the tolerances it needed."""

    answer: Answer
    frame: bytes
    findings: tuple[Finding, ...]


def _nothing(_: "Link") -> None:
    """Nobody asked to be told."""


@dataclass(slots=True, eq=False)
class Hub:
    """What all links of a gateway share; the counts are written to the metrics by the sweeper."""

    sink: Sink
    gateway: str
    limits: Limits
    on_open: Callable[["Link"], None] = _nothing
    on_close: Callable[["Link"], None] = _nothing
    links: set["Link"] = field(default_factory=set)
    received: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    unreadable: int = 0


class Link(Wire):
    """One connection of one station, from its acceptance to its end; a `Source` of messages."""

    __slots__ = (
        "_alive_noted_s", "_boot", "_entry", "_findings", "_has_called", "_hub", "_observe_after", "_offset",
        "_protocol", "_received", "_saw_boot", "_seen_s", "_sink", "answer", "connected_at", "connection",
        "last_seen_at", "link_id", "opened_s", "outbox", "remote", "unanswered", "version",
    )  # fmt: skip

    def __init__(self, hub: Hub, version: Version, remote: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(hub.limits)
        self._hub, self._sink, self._received = hub, hub.sink, hub.received
        self.version, self._protocol = version, protocol_for(version)
        self.remote, self._findings = remote, findings
        self._entry: Entry | None = None
        self.unanswered = 0
        self._has_called = self._saw_boot = False
        self._boot: tuple[Inbound, bool] | None = None
        self._offset: ClockOffset | None = None
        self.opened_s = self._alive_noted_s = self._seen_s = monotonic_s()
        self._observe_after = self.connected_at = self.last_seen_at = now()
        self.link_id: UUID = uuid4()
        self.connection = Connection(version, self.link_id.hex[:8])
        self.answer: Future[Heard | None] | None = None
        self.outbox: object | None = None  # of whom sends commands over this link

    @property
    def seat(self) -> Seat:
        """The station; known once the link was assigned."""
        return self._known().seat

    @property
    def is_assigned(self) -> bool:
        """Whether it is known whose connection this is."""
        return self._entry is not None

    def may_command(self, now_s: float, settle_s: float) -> bool:
        """Say whether calls of ours may go out: the boot was accepted, or the station goes on without one.

        A station that comes back after a broken line does not boot again. An approved one that has spoken is taken at
        its word if it booted before, or has said nothing of a boot for `settle_s` (field note 5).
        """
        connection, entry = self.connection, self._entry
        if connection.is_booted or entry is None or self._saw_boot or not self._has_called:
            return connection.is_booted
        is_settled = entry.has_booted or now_s - self.opened_s >= settle_s
        connection.is_booted = is_settled and entry.seat.approval == "approved"
        return connection.is_booted

    # ---- life

    def assign(self, entry: Entry) -> None:
        """Name the station, before or after the socket stands."""
        self._entry = entry
        if self.transport is not None and not self.is_closed:
            self._take_over(entry)
            self.resume(Pause.ENTERING)

    def began(self) -> None:
        """Take the station over, or wait until it is known; nothing is read before."""
        self._hub.links.add(self)
        if self._entry is None:
            self.pause(Pause.ENTERING)
        else:
            self._take_over(self._entry)

    def _take_over(self, entry: Entry) -> None:
        """The newest authenticated socket wins, and the old one goes first (field note 1)."""
        if entry.link is not None and entry.link is not self:
            entry.link.turn_away("another connection of this station took over")
        entry.link = self
        self.note_state(findings=self._findings)
        self._findings = ()
        self._hub.on_open(self)

    def turn_away(self, reason: str) -> None:
        """Close with "policy violation" and a sentence."""
        self.close(WSCloseCode.POLICY_VIOLATION, reason)

    def call_back(self, reason: str) -> None:
        """Close with "service restart": the station connects again."""
        self.close(WSCloseCode.SERVICE_RESTART, reason)

    def ended(self, findings: tuple[Finding, ...]) -> None:
        """Give the station up, unless another socket has it by now."""
        self._hub.links.discard(self)
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(None)
        entry = self._entry
        # A socket that fell before it was assigned never took the station over.
        if entry is not None and self.transport is not None:
            if entry.link is self:
                entry.link = None
            self.note_state(findings=findings)
            self._hub.on_close(self)

    def sweep(self, now_s: float, elapsed_s: float) -> None:
        """Look after the socket, and say now and then that this link lives."""
        if self.watch(now_s, elapsed_s):
            self._seen_s = now_s
            self.last_seen_at = max(self.last_seen_at, now())
        if now_s - self._alive_noted_s >= ALIVE_NOTE_S and self._seen_s > self._alive_noted_s and not self.is_closed:
            self._alive_noted_s = now_s
            self.note_state()

    # ---- messages in

    def take(self, data: bytes) -> None:
        """Turn one message into a fact and hand it to the ingest."""
        entry = self._entry
        assert entry is not None, "a link reads after it was assigned"
        unanswered = self.unanswered
        self.budget -= COST_OF_HURRY if unanswered else 1
        if self.budget < 0:
            self.spend(0)
        received_at = now()
        if received_at <= entry.last_received_at:
            received_at = entry.last_received_at + _MICROSECOND
        entry.last_received_at = self.last_seen_at = received_at
        try:
            call = parse(data, self.version)
        except FrameFault as fault:
            self._refuse_frame(fault, data, received_at)
            return
        if not isinstance(call, Call):
            self._take_answer(call, data, received_at)
            return
        try:
            fact, findings = self._protocol.understand(call, received_at)
        except CallRefused as refused:
            self._refuse_call(call, refused, data, received_at)
            return
        self._has_called = True
        if received_at >= self._observe_after or type(fact) is StationBooted:
            self._observe(fact, received_at)
        message_id, action = call.message_id, call.action
        self._received[action] = self._received.get(action, 0) + 1
        self.unanswered = unanswered + 1
        self._sink.submit(Inbound(self, entry.seat, fact, findings, received_at, message_id, action, data, call))
        if unanswered >= MOST_UNANSWERED:
            self.pause(Pause.UNANSWERED)
        if self._sink.is_full:
            self._wait_for_room()

    def take_binary(self, data: bytes) -> None:
        """A frame that says binary but holds OCPP is OCPP, as a finding; anything else is not for us."""
        finding = Finding("binary_frame", data[:100].decode(errors="replace"))
        try:
            parse(data, self.version)
        except FrameFault:
            self.close(WSCloseCode.UNSUPPORTED_DATA, "OCPP is text", finding)
            return
        self.note_state(findings=(finding,))
        self.take_in_turn(data)

    def _observe(self, fact: Fact, received_at: datetime) -> None:
        """Look at the station's clock now and then; a boot may set it."""
        if type(fact) is StationBooted:
            self._saw_boot, self._offset = True, None
            return
        if self._offset is None:
            self._offset = ClockOffset()
        self._offset.observe(fact, received_at)
        if (offset_ms := self._offset.offset_ms) is not None:
            self.seat.clock_offset_ms = offset_ms
            self._observe_after = received_at + _OBSERVE_EVERY

    def _take_answer(self, frame: CallResult | CallError, data: bytes, received_at: datetime) -> None:
        if isinstance(frame, CallError) and frame.is_result_error:
            finding = Finding("reply_refused_by_station", f"{frame.code}: {frame.description}"[:200])
            self._record(received_at, data, message_id=frame.message_id, findings=(finding,))
            return
        matched = self.connection.match(frame)
        if isinstance(matched, Stray):
            findings = (*frame.findings, Finding(matched.value, data[:200].decode(errors="replace")))
            self._record(received_at, data, message_id=frame.message_id, findings=findings)
        elif self.answer is not None and not self.answer.done():
            self.answer.set_result(Heard(matched, data, frame.findings))

    def _refuse_frame(self, fault: FrameFault, data: bytes, received_at: datetime) -> None:
        self.spend(COST_OF_HURRY)
        self._hub.unreadable += 1
        reply = fault.reply()
        finding = Finding("frame_unreadable", fault.description[:200])
        self._record(received_at, data, reply, message_id=fault.message_id or "", findings=(finding,))
        if reply:
            self.send(reply)

    def _refuse_call(self, call: Call, refused: CallRefused, data: bytes, received_at: datetime) -> None:
        self.spend(COST_OF_HURRY)
        self._hub.refused += 1
        reply = self._protocol.encode_refusal(call, refused)
        finding = Finding("call_refused", f"{call.action}: {refused.description}"[:200])
        self._sink.submit(
            Record(
                self.seat,
                received_at,
                call.message_id,
                call.action[:50],
                data,
                reply or None,
                outgoing=False,
                findings=(*refused.findings, finding),
            )
        )
        if reply:
            self.send(reply)

    # ---- answers out

    def encode(self, inbound: Inbound, reply: Reply) -> bytes:
        """Write the reply to a message."""
        if type(reply) is BootReply:
            self._boot = (inbound, reply.status is BootStatus.ACCEPTED)
        return self._protocol.encode_reply(inbound.call, reply)

    def deliver(self, inbound: Inbound, frame: bytes) -> None:
        """Send the answer: the message is on disk. Called once for every message, with b"" where there is none."""
        self.unanswered -= 1
        if self.is_closed:
            return
        if frame:
            assert self.transport is not None, "an open link has its transport"
            self.transport.send(_TEXT, frame)
        if self._boot is not None and self._boot[0] is inbound:
            self._settle_boot(self._known(), is_accepted=self._boot[1])
        if self.pauses & Pause.UNANSWERED and self.unanswered <= MOST_UNANSWERED // 2:
            self.resume(Pause.UNANSWERED)

    def _settle_boot(self, entry: Entry, *, is_accepted: bool) -> None:
        self._boot = None
        self.connection.is_booted = is_accepted
        entry.has_booted |= is_accepted

    def _wait_for_room(self) -> None:
        if not self.pauses & Pause.FULL:
            self.pause(Pause.FULL)
            self._sink.on_room(self._on_room)

    def _on_room(self) -> None:
        self.resume(Pause.FULL)

    # ---- what is noted

    def stamp(self) -> datetime:
        """Return an instant that no other row of this station's log has."""
        entry = self._known()
        entry.last_received_at = max(now(), entry.last_received_at + _MICROSECOND)
        return entry.last_received_at

    def note_state(self, *, findings: tuple[Finding, ...] = ()) -> None:
        """Tell the ingest how this connection stands; nothing while its station is not known."""
        if self._entry is None:
            return
        self._sink.submit(
            LinkNote(
                seat=self._entry.seat,
                link_id=self.link_id,
                gateway=self._hub.gateway,
                version=self.version.value,
                remote=self.remote,
                connected=not self.is_closed,
                connected_at=self.connected_at,
                last_seen_at=self.last_seen_at,
                findings=findings,
            )
        )

    def flooded(self) -> None:
        """Note that this station sends more than it may."""
        self.note_state(findings=(Finding("flood"),))

    def _record(
        self,
        received_at: datetime,
        frame: bytes,
        reply: bytes | None = None,
        *,
        message_id: str,
        findings: tuple[Finding, ...],
    ) -> None:
        record = Record(self.seat, received_at, message_id, UNREADABLE, frame, reply, outgoing=False, findings=findings)
        self._sink.submit(record)

    def _known(self) -> Entry:
        assert self._entry is not None, "a link is asked about its station after it was assigned"
        return self._entry

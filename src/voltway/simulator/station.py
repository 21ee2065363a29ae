"""A station: its link to the server, its EVSEs and what it keeps; a state machine that any socket can drive.

`connect` dials through `world.dial`; `on_open`, `on_frame` and `on_closed` come from the socket; all else happens on
the timeline. A lost connection is dialled again with growing, jittered pauses while the EVSEs go on.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

import orjson

from voltway.ocpp import frame
from voltway.simulator.bay import Bay
from voltway.simulator.calls import CallQueue, CallRefused, Json, Message
from voltway.simulator.configuration import Configuration
from voltway.simulator.dialect import Dialect
from voltway.simulator.profiles import ProfileStore
from voltway.simulator.session import Session, Status, Step
from voltway.simulator.specs import StationSpec, Version
from voltway.simulator.timeline import Timer
from voltway.simulator.v16 import Dialect16
from voltway.simulator.v201 import Dialect201
from voltway.simulator.world import Endpoint, Wire, World
from voltway.vehicles.seeds import seeded

log = logging.getLogger("voltway.simulator")
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_AT_END_S = 0.5, 30.0, 3.0
DEFAULT_HEARTBEAT_S = 60
HALF_OPEN_S = 30.0


class Repertoire(Protocol):
    """Misbehaviour, seen from the station: `misbehave` holds the real one, `Sane` is the default."""

    def perform(self, station: "Station", evse_id: int, visit: int) -> None:
        """Play with the link when a car arrives."""

    def twist_session(self, station: "Station", session: Session, visit: int) -> None:
        """Give a session that begins its twist."""


class Sane:
    """No misbehaviour at all."""

    def perform(self, station: "Station", evse_id: int, visit: int) -> None:
        """Leave the link alone."""

    def twist_session(self, station: "Station", session: Session, visit: int) -> None:
        """Leave the session alone."""


AnswerCall = Callable[["Station", str, dict[str, Any]], Json]
"""How a station answers the server's calls: payload of the CALLRESULT, or CallRefused."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What a station is given from outside: how it answers, how it misbehaves, its password."""

    answer: AnswerCall
    repertoire: Repertoire = field(default_factory=Sane)
    password: bytes | None = None


class Station:
    """One simulated station; `registers` are its meters at the start, in milliwatt-hours by EVSE."""

    def __init__(self, spec: StationSpec, world: World, *, manners: Manners, registers: Mapping[int, int]) -> None:
        self.spec, self.world, self.manners = spec, world, manners
        self.password = manners.password
        dialect = Dialect16 if spec.version is Version.V16 else Dialect201
        self.dialect: Dialect = dialect(spec, world.timeline.text)
        self.calls = CallQueue(world.timeline, world.tally, f"{world.run_id}-{uuid4().hex[:6]}", world.call_timeout_s)
        self.configuration = Configuration(spec, world.plan.pace.sample_interval_s)
        self.profiles = ProfileStore()
        self.bays = tuple(Bay(self, evse, registers[evse.evse_id]) for evse in spec.evses)
        self.is_booted = self.is_closing = self.is_stopped = False
        self.local_list_version = 0
        self.reset_is_due = False
        self.prelude: list[bytes] = []
        self.skips_boot = False
        self._wire: Wire | None = None
        self._dice = seeded("link", world.plan.seed, spec.identity)
        self._failures = 0
        self._away_until_ms = 0
        self._boot_reason = "PowerUp"
        self._must_boot = True
        self._told: dict[int, str] = {}
        self._dialling = False
        self._redial: Timer | None = None
        self._heartbeat: Timer | None = None
        self._untold: list[Callable[[], None]] = []

    @property
    def is_online(self) -> bool:
        """Whether the server is there and has accepted us."""
        return self._wire is not None and self.is_booted

    @property
    def is_commissioned(self) -> bool:
        """Whether the server ever accepted us; before that, no car can charge here."""
        return self.spec.identity in self.world.tally.booted

    @property
    def starts_on_cable(self) -> bool:
        """Whether a transaction begins with the plug."""
        return self.spec.version is Version.V201 and self.spec.habits.starts_on_cable

    @property
    def sample_interval_s(self) -> int:
        """The interval of meter values in a session."""
        return self.configuration.sample_interval_s

    @property
    def endpoint(self) -> Endpoint:
        """Where a well-behaved connection of this station goes."""
        return Endpoint(quote(self.spec.identity, safe=""), (self.dialect.subprotocol,), self.credentials)

    @property
    def credentials(self) -> bytes | None:
        """User and password of Basic authentication as raw bytes."""
        return None if self.password is None else self.spec.identity.encode() + b":" + self.password

    def start(self) -> None:
        """Connect, and let cars come."""
        self.connect()
        for bay in self.bays:
            bay.expect()

    def connect(self) -> None:
        """Dial, unless a connection is there or under way."""
        self._redial = None
        if self._wire is not None or self._dialling or self.is_stopped:
            return
        self._dialling = True
        self.world.dial(self.endpoint, self)

    def on_open(self, wire: Wire, subprotocol: str | None) -> None:
        """Take the socket over; an older one is left to itself, as after a half-open connection."""
        del subprotocol
        self._dialling, self._failures, self._wire = False, 0, wire
        if self.is_stopped:
            wire.close()
            return
        self.calls.closed()
        self._say_prelude(wire)
        self.calls.opened(wire.send)
        skips, self.skips_boot = self.skips_boot, False
        if self._must_boot or (self.spec.habits.boots_on_reconnect and not skips):
            self.boot()
        else:
            self._accepted()

    def on_closed(self, wire: Wire | None) -> None:
        """Forget the socket, if it is still ours, and plan the next try."""
        if wire is None:
            self._dialling = False
            if self._wire is not None:
                return
        elif wire is not self._wire:
            return
        self._wire, self.is_booted = None, False
        self._told.clear()
        self.calls.closed()
        self._plan_redial()

    def on_frame(self, wire: Wire, data: bytes) -> None:
        """Take one frame: an answer to our call, or a call to answer."""
        try:
            elements = orjson.loads(data)
        except orjson.JSONDecodeError:
            log.warning("%s got a frame that is no JSON: %.80r", self.spec.identity, data)
            return
        match elements:
            case [2, str(message_id), str(action), dict(payload)]:
                self._answer(wire, message_id, action, payload)
            case [3, str(message_id), dict(payload)]:
                self.calls.answered(message_id, payload)
            case [4, str(message_id), *why]:
                log.info("%s got an error for %s: %.200s", self.spec.identity, message_id, why)
                self.calls.refused(message_id)
            case _:
                log.warning("%s got a frame of no known shape: %.80r", self.spec.identity, data)

    def boot(self) -> None:
        """Send BootNotification, unless one is still waiting for its answer."""
        if not self.calls.has_boot:
            message = self.dialect.boot(self._boot_reason)
            message.on_answer = self._boot_answered
            message.on_refusal = lambda: self._boot_again(DEFAULT_HEARTBEAT_S)
            self.calls.post(message)

    def reboot(self, reason: str, *, stop_reason: str) -> None:
        """Stop sessions, fall off the network and come back with a boot."""
        for bay in self.bays:
            bay.stop(stop_reason)
        self._boot_reason, self._must_boot = reason, True
        self.lose_network(3.0)

    def lose_network(self, length_s: float) -> None:
        """Drop the connection without a word and stay away for a while."""
        self._away_until_ms = self.world.timeline.now_ms + round(length_s * 1000)
        self.drop()

    def drop(self) -> None:
        """Drop the socket, if any; the next try is planned."""
        wire = self._wire
        if wire is not None:
            self.on_closed(wire)
            wire.abort()

    def reconnect_now(self) -> None:
        """Drop the socket and dial again at once, without the pause that good manners ask for."""
        if self._wire is not None:
            self.drop()
            if self._redial is not None:
                self._redial.cancel()
            self.connect()

    def abandon(self) -> None:
        """Leave the socket open and silent, as a network that swallows packets does, and dial a new one."""
        wire = self._wire
        if wire is not None:
            self.on_closed(wire)
            wire.freeze()
            self.world.timeline.after(HALF_OPEN_S, wire.abort)

    def open_second(self) -> None:
        """Dial a second socket while the first is open: the newest wins, the first is closed a moment later."""
        first = self._wire
        if first is None or self._dialling:
            return
        self._dialling = True
        self.world.dial(self.endpoint, self)
        self.world.timeline.after(1.0, first.abort)

    def send_raw(self, data: bytes, *, binary: bool = False) -> None:
        """Put bytes on the wire as they are; nothing happens without one."""
        if self._wire is not None:
            self._wire.send(data, binary=binary)

    def post_if_online(self, message: Message) -> None:
        """Queue a word of the moment; offline it is lost."""
        if self.is_online:
            self.calls.post(message)

    def authorise(self, token: str, judge: Callable[[bool | None], None]) -> None:
        """Ask whether a token may charge; offline nobody answers and the station decides by itself."""
        if self.is_online:
            message = self.dialect.authorize(token)
            message.on_answer = lambda answer: judge(self.dialect.is_accepted(answer))
            self.calls.post(message, first=True)

    def tell_status(self, bay: Bay, error: str | None = None) -> None:
        """Report an EVSE's status where its word changed; offline it is told after the next boot."""
        word = self.dialect.status_word(bay.status) + (error or "")
        if self.is_online and self._told.get(bay.spec.evse_id) != word:
            self._told[bay.spec.evse_id] = word
            text = self.world.timeline.text()
            self.calls.post(self.dialect.status(bay.spec.evse_id, bay.status, text, error))

    def tell_fault(self, bay: Bay, code: str) -> None:
        """Report a fault in the version's own message, where it has one."""
        message = self.dialect.fault_event(bay.spec.evse_id, code, self.world.timeline.text())
        if message is not None and self.is_online:
            self.calls.post(message)

    def tell_session(self, session: Session, step: Step, message: Message) -> None:
        """Queue a message of a session, as its behaviour twists it."""
        told = session.twist(step, message) if session.twist is not None else [message]
        for each in told:
            self.calls.post(each)

    def when_told(self, message: Message, action: Callable[[], None]) -> Message:
        """Make `action` happen once, when the message is answered for good or the run ends."""
        self._untold.append(action)

        def settle() -> None:
            if action in self._untold:
                self._untold.remove(action)
                action()

        message.on_answer = lambda _: settle()
        message.on_refusal = settle
        return message

    def behave(self, session: Session, visit: int) -> None:
        """Let the repertoire twist a session that begins."""
        self.manners.repertoire.twist_session(self, session, visit)

    def world_turns(self, bay: Bay, visit: int) -> None:
        """Let the repertoire play its antics on the link when a car arrives."""
        self.manners.repertoire.perform(self, bay.spec.evse_id, visit)

    def new_transaction_id(self) -> str | None:
        """Return a transaction id where the version lets the station make it."""
        return str(uuid4()) if self.spec.version is Version.V201 else None

    def profile_limit_w(self, bay: Bay, session: Session) -> float:
        """Return what the stored profiles allow an EVSE now, in W."""
        timeline = self.world.timeline
        start = timeline.instant(session.started_ms)
        return self.profiles.limit_w(bay.spec.evse_id, timeline.instant(), session_start=start, phases=bay.phases)

    def forget_profiles(self, session: Session) -> None:
        """Drop the profiles that end with a session."""
        self.profiles.forget_session(session.transaction_id, session.evse_id)
        if self.reset_is_due and all(bay.session is None for bay in self.bays):
            self.reset_is_due = False
            self.world.timeline.after(1.0, lambda: self.reboot("ScheduledReset", stop_reason="SoftReset"))

    def ceiling_w(self, evse_id: int) -> float:
        """Return what an EVSE, or the whole station (0), can give in W."""
        return float(sum(bay.spec.power_w for bay in self.bays if evse_id in {0, bay.spec.evse_id}))

    def bay(self, evse_id: int) -> Bay | None:
        """Return the EVSE of that number."""
        return next((bay for bay in self.bays if bay.spec.evse_id == evse_id), None)

    def finish(self) -> None:
        """Let cars leave and sessions end in order; what was not answered goes on being sent."""
        self.is_closing = True
        self._away_until_ms = 0
        for bay in self.bays:
            bay.leave()
        if self._redial is not None:
            self._redial.cancel()
        self.connect()

    @property
    def is_done(self) -> bool:
        """Whether the station has nothing left to tell."""
        return self.calls.is_empty and not any(bay.is_plugged for bay in self.bays)

    def disconnect(self) -> None:
        """Close for good and write down what never was answered."""
        self.is_stopped = True
        for action in self._untold:
            action()
        self._untold.clear()
        if self._wire is not None:
            self._wire.close()

    def beat(self) -> None:
        """Send a Heartbeat."""
        if self.is_online:
            self.calls.post(self.dialect.heartbeat())

    def tell_all(self) -> None:
        """Report the station and every EVSE, as after a boot."""
        if self.spec.version is Version.V16:
            self.calls.post(self.dialect.status(0, Status.AVAILABLE, self.world.timeline.text()))
        self._told.clear()
        for bay in self.bays:
            self.tell_status(bay)

    def _say_prelude(self, wire: Wire) -> None:
        sayings, self.prelude = self.prelude, []
        for saying in sayings:
            wire.send(saying)

    def _boot_answered(self, answer: Json) -> None:
        interval = answer.get("interval")
        interval_s = interval if isinstance(interval, int) and interval > 0 else DEFAULT_HEARTBEAT_S
        if answer.get("status") == "Accepted":
            self.configuration.heartbeat_interval_s = interval_s
            self._accepted()
        else:
            self._boot_again(interval_s)

    def _boot_again(self, interval_s: int) -> None:
        wire = self._wire
        self.world.timeline.after(interval_s, lambda: self.boot() if wire is self._wire and wire else None)

    def _accepted(self) -> None:
        self.is_booted, self._must_boot = True, False
        self.world.tally.booted.add(self.spec.identity)
        self.calls.release()
        self.tell_all()
        self._plan_heartbeat()

    def _plan_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()

        def beat() -> None:
            self.beat()
            self._plan_heartbeat()

        if not self.is_closing:
            self._heartbeat = self.world.timeline.after(self.configuration.heartbeat_interval_s, beat)

    def _plan_redial(self) -> None:
        if self.is_stopped or self._redial is not None:
            return
        longest_s = LONGEST_PAUSE_AT_END_S if self.is_closing else LONGEST_PAUSE_S
        pause_s = min(longest_s, FIRST_PAUSE_S * 2 ** min(self._failures, 10)) * self._dice.uniform(0.6, 1.4)
        away_s = (self._away_until_ms - self.world.timeline.now_ms) / 1000
        self._failures += 1
        self._redial = self.world.timeline.after(max(pause_s, away_s), self.connect)

    def _answer(self, wire: Wire, message_id: str, action: str, payload: dict[str, Any]) -> None:
        try:
            wire.send(frame.result(message_id, self.manners.answer(self, action, payload)))
        except CallRefused as refusal:
            wire.send(frame.error(message_id, refusal.code, refusal.description))

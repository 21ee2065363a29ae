"""The words of the support desk: what may explain a start or an end, and what an explanation is. Pure.

A case is a session, an attempt that never became one, or a silence (somebody says they stood there, and we saw
nothing). Its evidence is what stations, drivers and we ourselves did around it; `session_causes` and `start_causes`
find the cause, `texts` words it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple
from uuid import UUID

from voltway.kernel.ids import StationId

Outcome = Literal["failed_start", "cut", "normal", "in_progress", "unknown"]
Confidence = Literal["certain", "likely", "unknown"]
"""certain: station or log say so; likely: it follows from what they say; unknown: nothing does."""


class Cause(StrEnum):
    """Why a start failed, a session was cut, or how it stands; `texts` has a sentence for each."""

    # a token that may not charge
    TOKEN_BLOCKED = "token_blocked"  # noqa: S105 - a name, not a secret
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a name, not a secret
    TOKEN_UNKNOWN = "token_unknown"  # noqa: S105 - a name, not a secret
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a name, not a secret
    TOKEN_NO_CREDIT = "token_no_credit"  # noqa: S105 - a name, not a secret
    TOKEN_NOT_HERE = "token_not_at_this_location"  # noqa: S105 - a name, not a secret
    TOKEN_IN_USE = "token_in_use"  # noqa: S105 - a name, not a secret
    STATION_NOT_APPROVED = "station_not_approved"
    # nobody came as far as a session
    TOKEN_NOT_PRESENTED = "token_not_presented"  # noqa: S105 - a name, not a secret
    TOKEN_NOT_SEEN = "token_not_seen"  # noqa: S105 - a name, not a secret
    STATION_OFFLINE = "station_offline"
    STATION_NEVER_SEEN = "station_never_connected"
    STATION_CLOSED_BY_US = "station_closed_by_us"
    STATION_CLOSED = "station_closed"
    EVSE_RESERVED = "evse_reserved"
    EVSE_OCCUPIED = "evse_occupied"
    NO_PLUG = "no_plug_in_time"
    PLUGGED_NOT_STARTED = "plugged_but_not_started"
    NOT_AUTHORISED = "nobody_authorised"
    FAULT_AT_START = "station_fault_at_start"
    LOST_BEFORE_START = "connection_lost_before_start"
    WAITING_FOR_PLUG = "waiting_for_plug"
    # a start from afar
    START_OFFLINE = "remote_start_offline"
    START_UNANSWERED = "remote_start_unanswered"
    START_REJECTED = "remote_start_rejected"
    START_REFUSED = "remote_start_refused"
    # no energy
    CAR_TOOK_NONE = "car_took_no_energy"
    STATION_GAVE_NONE = "station_gave_no_energy"
    NO_ENERGY = "no_energy"
    # cut
    STATION_FAULT = "station_fault"
    EMERGENCY_STOP = "emergency_stop"
    POWER_LOSS = "power_loss"
    POWER_QUALITY = "power_quality"
    GROUND_FAULT = "ground_fault"
    OVERCURRENT = "overcurrent"
    REBOOT = "station_rebooted"
    RESET_BY_US = "reset_by_us"
    RESET = "reset_not_by_us"
    UNLOCKED_BY_US = "unlocked_by_us"
    UNLOCKED = "unlocked_not_by_us"
    STOPPED_BY_US = "stopped_by_us"
    STOPPED_REMOTELY = "stopped_remotely_not_by_us"
    DEAUTHORISED = "deauthorised"
    OUT_OF_CREDIT = "out_of_credit"
    MASTER_PASS = "master_pass"  # noqa: S105 - a name, not a secret
    TIME_LIMIT = "time_limit"
    ENERGY_LIMIT = "energy_limit"
    COST_LIMIT = "cost_limit"
    TRANSFER_REJECTED = "energy_transfer_rejected"
    TARIFF_REFUSED = "tariff_refused"
    EV_LOST = "car_stopped_talking"
    LOST_AND_ENDED = "connection_lost_end_reported_later"
    LOST_FOR_GOOD = "connection_lost_end_never_reported"
    END_NEVER_REPORTED = "end_never_reported"
    SUPERSEDED = "superseded"
    # an ordinary end
    CAR_FULL = "car_full"
    SOC_LIMIT = "soc_limit"
    STOPPED_BY_CAR = "stopped_by_car"
    UNPLUGGED = "unplugged"
    STOPPED_BY_DRIVER = "stopped_by_driver"
    STOPPED_BY_OTHER_TOKEN = "stopped_by_other_token"  # noqa: S105 - a name, not a secret
    # not over yet
    CHARGING = "charging"
    PAUSED_BY_CAR = "paused_by_car"
    PAUSED_BY_STATION = "paused_by_station"
    CONNECTED_IDLE = "connected_idle"
    LOST_GOES_ON = "connection_lost_session_goes_on"
    NOTHING_KNOWN = "nothing_known"


class Ref(NamedTuple):
    """A message in the raw log: its key there."""

    station_id: StationId
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session row; energy in milliwatt-hours, times in the corrected clock of the station."""

    session_id: UUID
    transaction_id: str
    station_id: StationId
    identity: str
    evse_id: int
    connector_id: int
    state: str
    started_at: datetime
    ended_at: datetime | None
    received_at: datetime
    updated_at: datetime
    end_reason: str | None
    token: str | None
    token_status: str | None
    energy_milliwh: int
    soc_pct: float | None = None
    last_reading_at: datetime | None = None
    history: tuple[tuple[datetime, str], ...] = ()
    anomalies: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.ended_at is None

    def history_says(self, state: str) -> bool:
        """Say whether car and station ever were in a charging state."""
        return any(said == state for _, said in self.history)


class Presented(NamedTuple):
    """Authorize: a token was held up, and what we answered."""

    at: datetime
    station_id: StationId
    token: str
    status: str


class StatusSeen(NamedTuple):
    """StatusNotification; EVSE 0 is the station as a whole."""

    at: datetime
    received_at: datetime
    evse_id: int
    status: str
    error_code: str = ""
    vendor_error_code: str = ""
    info: str = ""


class BootSeen(NamedTuple):
    """BootNotification and the reason it names."""

    at: datetime
    reason: str


class Link(NamedTuple):
    """A connection of the station; `end` None while it lasts."""

    begin: datetime
    end: datetime | None


AskKind = Literal["start", "stop", "reset", "unlock", "availability"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A command of ours: who gave it ("" where only the raw log knows), what came of it, what the station said."""

    at: datetime
    station_id: StationId
    kind: AskKind
    by: str = ""
    outcome: str = "answered"
    status: str | None = None
    evse_id: int | None = None
    token: str | None = None
    transaction_id: str | None = None
    operative: bool | None = None
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """How a session's first or last message stands in the raw log: 2.x's trigger, and the token in it."""

    ref: Ref
    is_end: bool
    reason: str | None = None
    trigger: str | None = None
    token: str | None = None
    is_offline: bool = False


@dataclass(frozen=True, slots=True)
class IncidentSeen:
    """An incident of the station, of its EVSE or of its site."""

    incident_id: int
    title: str
    began_at: datetime
    ended_at: datetime | None
    evse_id: int | None
    mrec: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One call of the raw log as text, secrets hidden."""

    ref: Ref
    outgoing: bool
    message_id: str
    action: str
    frame: str
    reply: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known around one case, each in order of time."""

    presented: tuple[Presented, ...] = ()
    statuses: tuple[StatusSeen, ...] = ()
    boots: tuple[BootSeen, ...] = ()
    links: tuple[Link, ...] = ()
    asks: tuple[Ask, ...] = ()
    turns: tuple[Turn, ...] = ()
    incidents: tuple[IncidentSeen, ...] = ()
    sessions: tuple[SessionFacts, ...] = ()
    evse_ids: tuple[int, ...] = ()
    approval: str = "approved"
    vendor: str = ""
    plug_limit_s: int | None = None
    """What the station allows between authorisation and plug, where it told us."""
    token_standing: str | None = None
    """How the case's token stands in our list now; None where it is not there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case happened, in words for people."""

    station_id: StationId
    identity: str
    location_id: int | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A token held up, or a start from afar, that no session followed."""

    at: datetime
    place: Place
    token: str | None
    presented: Presented | None = None
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody was there (or held that token up) within [begin, end), they say, and no trace leads to a session."""

    begin: datetime
    end: datetime
    place: Place | None
    token: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be explained."""

    at: datetime
    place: Place | None
    subject: SessionFacts | Attempt | Silence

    @property
    def token(self) -> str | None:
        """The token it is about."""
        return self.subject.token


@dataclass(frozen=True, slots=True)
class Found:
    """A cause with what its sentence needs and the messages it rests on."""

    cause: Cause
    outcome: Outcome
    confidence: Confidence = "certain"
    words: Mapping[str, object] = field(default_factory=dict)
    refs: Sequence[Ref] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, in one sentence; `evidence` are messages of the raw log."""

    code: Cause
    outcome: Outcome
    sentence: str
    confidence: Confidence
    evidence: list[Ref]

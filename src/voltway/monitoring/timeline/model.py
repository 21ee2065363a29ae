"""The words of the timeline: operator states, intervals, and the evidence they are projected from. Pure.

An EVSE's timeline is a function of its evidence alone (`projection.project`): connections, reported statuses, sessions
and our own requests. It is stored as half-open intervals without gap or overlap and projected again where evidence
comes late, so that any order of events gives the same timeline.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from voltway.kernel.ids import EvseId, StationId


class OperatorState(StrEnum):
    """What an EVSE is to the people who run it."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED_BY_CAR = "suspended_by_car"
    SUSPENDED_BY_STATION = "suspended_by_station"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    """By intent: somebody closed it."""
    FAULTED = "faulted"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


OCCUPIED = frozenset({
    OperatorState.PREPARING,
    OperatorState.CHARGING,
    OperatorState.SUSPENDED_BY_CAR,
    OperatorState.SUSPENDED_BY_STATION,
    OperatorState.FINISHING,
})  # fmt: skip
"""A car stands there."""
IN_SERVICE = OCCUPIED | {OperatorState.AVAILABLE, OperatorState.RESERVED}
"""It charges a car or could."""


class Cause(StrEnum):
    """Why an EVSE is in its state, where the state alone does not say; a fault's cause is its error code instead."""

    NONE = ""
    LINK_CLOSED = "link_closed"
    SILENT = "silent"
    NEVER_CONNECTED = "never_connected"
    INTENT = "intent"
    CLOSED_UNASKED = "closed_unasked"
    NO_STATUS = "no_status"
    STATUS_STALE = "status_stale"
    NOT_APPROVED = "not_approved"
    REPORTED_LATE = "reported_late"


class EvseKey(NamedTuple):
    """Which EVSE: our internal station key and OCPP's number (from 1)."""

    station_id: StationId
    evse_id: EvseId


@dataclass(frozen=True, slots=True)
class Interval:
    """[begin, end) in one state; `end` None: until now. `evidence` is what it rests on, and since when we have that."""

    begin: datetime
    end: datetime | None
    state: OperatorState
    cause: str
    evidence: str
    evidence_at: datetime


@dataclass(frozen=True, slots=True)
class Connection:
    """A link of the station: `end` None while it is open; `last_seen_at` its last message of any kind."""

    link_id: UUID
    begin: datetime
    end: datetime | None
    last_seen_at: datetime


class Status(NamedTuple):
    """One StatusNotification: `at` in the corrected clock of the station. `evse_id` 0 is the station as a whole."""

    at: datetime
    received_at: datetime
    evse_id: int
    connector_id: int
    status: str
    error_code: str
    vendor_error_code: str
    info: str


@dataclass(frozen=True, slots=True)
class Spell:
    """A session as evidence: from plug or start to its end, what car and station did, how far it is confirmed.

    `history` holds (instant, charging state) in order; `confirmed_until` is the last reading, or the end.
    """

    session_id: UUID
    begin: datetime
    end: datetime | None
    confirmed_until: datetime
    history: tuple[tuple[datetime, str], ...]


class Request(NamedTuple):
    """A wish of ours for the availability of the station (EVSE 0) or an EVSE."""

    at: datetime
    evse_id: int
    operative: bool
    acknowledgement: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one EVSE within a window; sequences may come in any order, with duplicates.

    `stale_since`: the end of a long outage before the window, where its links are not among the connections.
    """

    connections: tuple[Connection, ...] = ()
    statuses: tuple[Status, ...] = ()
    spells: tuple[Spell, ...] = ()
    requests: tuple[Request, ...] = ()
    stale_since: datetime | None = None

"""Locations, stations, EVSEs and connectors as operators see them, and the pure rules about them.

`id` is what people and stations call a thing: a location's code, a station's OCPP identity (byte-exact).
"""

import hmac
import secrets
from binascii import Error as HexError
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Literal

from voltway.kernel.facts import ConnectorStatus

SALT_BYTES = 16
STALE_AFTER_INTERVALS = 2.5
"""A station that is silent for this many heartbeat intervals is judged offline (evcc PR #28362: by any message)."""

PowerType = Literal["AC_1_PHASE", "AC_3_PHASE", "DC"]
Approval = Literal["approved", "pending", "rejected"]
StationAuth = Literal["password", "none"]
FallbackVersion = Literal["1.6", "2.0.1", "2.1"]


class StationState(StrEnum):
    """A station in one word, the worst first."""

    OFFLINE = "offline"
    PENDING = "pending"
    FAULTED = "faulted"
    CHARGING = "charging"
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class PasswordMatch(StrEnum):
    """How a presented password fitted: `hex_spelling` is accepted and noted as a finding (field note 4)."""

    EXACT = "exact"
    HEX_SPELLING = "hex_spelling"


@dataclass(frozen=True, slots=True)
class Location:
    """A place with stations."""

    id: str
    name: str
    address: str | None
    city: str | None
    postal_code: str | None
    country: str
    lat: float | None
    lon: float | None
    time_zone: str
    created_at: datetime
    updated_at: datetime
    stations: int


@dataclass(frozen=True, slots=True)
class Connector:
    """One plug or socket, with what it last said."""

    connector_id: int
    standard: str | None
    status: str
    error_code: str | None
    vendor_error_code: str | None
    info: str | None
    status_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evse:
    """One place to charge a car; power in watts."""

    evse_id: int
    power_type: str | None
    max_power_w: int | None
    physical_reference: str | None
    connectors: list[Connector]


@dataclass(frozen=True, slots=True)
class Connection:
    """The current (or last) connection; `clock_offset_ms` is the station's clock minus ours."""

    connected: bool
    version: str
    since: datetime
    last_seen_at: datetime
    clock_offset_ms: int | None
    stale: bool
    remote: str | None
    gateway: str


@dataclass(frozen=True, slots=True)
class Station:
    """A station with its EVSEs, its connection and its state in one word.

    It counts from `commissioned_at` to `decommissioned_at`; `feeder` is the power node of its location that feeds it.
    """

    id: str
    location_id: str | None
    name: str | None
    approval: str
    auth: str
    has_password: bool
    fallback_version: str | None
    groups: list[str]
    vendor: str | None
    model: str | None
    serial: str | None
    firmware: str | None
    booted_at: datetime | None
    commissioned_at: datetime | None
    decommissioned_at: datetime | None
    feeder: str | None
    connection: Connection | None
    state: StationState
    evses: list[Evse]
    findings: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StationFilter:
    """Which stations to list; None does not restrict."""

    state: StationState | None = None
    connected: bool | None = None
    location: str | None = None
    group: str | None = None
    approval: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class FoundConnector:
    """A connector in a list over all stations."""

    station_id: str
    evse_id: int
    connector_id: int
    standard: str | None
    status: str
    error_code: str | None
    status_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundEvse:
    """An EVSE in a list over all stations."""

    station_id: str
    evse_id: int
    power_type: str | None
    max_power_w: int | None
    physical_reference: str | None


@dataclass(frozen=True, slots=True)
class StationFinding:
    """A tolerance that a station needed: named, counted, with one example of what was sent."""

    code: str
    count: int
    first_at: datetime
    last_at: datetime
    example: str


@dataclass(frozen=True, slots=True)
class StationEvent:
    """A message of a station that has no place elsewhere (security events, alarms, reports of other kinds)."""

    action: str
    received_at: datetime
    reported_at: datetime | None
    severity: int | None
    data: Any
    digest: str


@dataclass(frozen=True, slots=True)
class StationVariable:
    """One variable of the device model, or one configuration key of 1.6 (component "")."""

    component: str
    instance: str
    variable: str
    attribute: str
    evse_id: int
    connector_id: int
    value: str | None
    mutability: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which logged frames to show; `part` is text that stands in the frame or its reply."""

    begin: datetime | None = None
    end: datetime | None = None
    action: str | None = None
    outgoing: bool | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One call as it stood on the wire, with its answer; bytes that are no UTF-8 are shown as U+FFFD."""

    received_at: datetime
    direction: Literal["in", "out"]
    message_id: str
    action: str
    frame: str
    reply: str | None


def fuse_state(
    connection: Connection | None, statuses: Iterable[tuple[int, str]], *, approval: str = "approved"
) -> StationState:
    """Return a station's state from its connection and the statuses of its connectors.

    Args:
        connection: None where it never connected.
        statuses: (EVSE id, status); EVSE 0 is the station as a whole, whose fault or closure covers all.
        approval: a station that waits for an operator is pending while it is connected.
    """
    if connection is None or not connection.connected or connection.stale:
        return StationState.OFFLINE
    if approval != "approved":
        return StationState.PENDING if approval == "pending" else StationState.UNAVAILABLE
    own = {_STATE_OF.get(status, StationState.UNKNOWN) for evse_id, status in statuses if evse_id > 0}
    whole = {_STATE_OF.get(status, StationState.UNKNOWN) for evse_id, status in statuses if evse_id == 0}
    if StationState.FAULTED in own | whole:
        return StationState.FAULTED
    if StationState.UNAVAILABLE in whole:
        return StationState.UNAVAILABLE
    return next((state for state in _BY_RANK if state in own), StationState.UNKNOWN)


def is_stale(last_seen_at: datetime, now: datetime, heartbeat_interval_s: float) -> bool:
    """Say whether a station has been silent for too long to believe its last words."""
    return now - last_seen_at > timedelta(seconds=STALE_AFTER_INTERVALS * heartbeat_interval_s)


def make_salt() -> bytes:
    """Return a fresh salt for a password."""
    return secrets.token_bytes(SALT_BYTES)


def make_password() -> str:
    """Return a random password of 32 characters that every station's setup page takes (hexadecimal, 128 bits)."""
    return secrets.token_hex(16)


def hash_password(salt: bytes, password: bytes) -> bytes:
    """Return what is stored of a station's password: keyed BLAKE2b, 32 bytes.

    One fast hash: the gateway checks it inside a synchronous handshake, and 10,000 stations may come back at once.
    """
    return blake2b(password, key=salt, digest_size=32).digest()


def verify_password(salt: bytes, stored: bytes, presented: bytes) -> PasswordMatch | None:
    """Compare a password as bytes; None where it does not fit.

    The key travels hex-encoded in ChangeConfiguration but decoded in the header; stations and operators mix the two up,
    so the hex spelling is taken in both directions (steve #1895; OCTT TC_085_CS).
    """
    if hmac.compare_digest(hash_password(salt, presented), stored):
        return PasswordMatch.EXACT
    other = [presented.hex().encode(), presented.hex().upper().encode(), *_unhexed(presented)]
    if any(hmac.compare_digest(hash_password(salt, spelling), stored) for spelling in other):
        return PasswordMatch.HEX_SPELLING
    return None


def _unhexed(presented: bytes) -> list[bytes]:
    try:
        return [bytes.fromhex(presented.decode("ascii"))]
    except (ValueError, HexError):
        return []


_STATE_OF = {
    ConnectorStatus.FAULTED.value: StationState.FAULTED,
    ConnectorStatus.CHARGING.value: StationState.CHARGING,
    ConnectorStatus.SUSPENDED_EV.value: StationState.CHARGING,
    ConnectorStatus.SUSPENDED_EVSE.value: StationState.CHARGING,
    ConnectorStatus.PREPARING.value: StationState.CHARGING,
    ConnectorStatus.FINISHING.value: StationState.CHARGING,
    ConnectorStatus.OCCUPIED.value: StationState.CHARGING,
    ConnectorStatus.AVAILABLE.value: StationState.AVAILABLE,
    ConnectorStatus.RESERVED.value: StationState.UNAVAILABLE,
    ConnectorStatus.UNAVAILABLE.value: StationState.UNAVAILABLE,
}
"""2.x stations say only `occupied`, so every state with a car counts as charging."""
_BY_RANK = (StationState.CHARGING, StationState.AVAILABLE, StationState.UNAVAILABLE)

"""The version-neutral facts that stand between the OCPP versions and everything else.

A fact is what a station told us, past tense, already parsed: the `ocpp` slice makes them, `gateway.ingest` hands them
to the rules of `stations`, `identity` and `sessions`, which answer with a reply of this module; `ocpp` writes the
reply in the station's version. Telemetry is float; registers are integer milliwatt-hours.

`Reading`, `EnergyMetered` and `SessionUpdated` are named tuples: they are made for every meter message of the network,
and a frozen dataclass costs three times as much to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from voltway.kernel.ids import ConnectorId, EvseId, Token, TransactionId


class ReadingContext(IntEnum):
    """Why a reading was taken; stored as a small number."""

    OTHER = 0
    BEGIN = 1
    PERIODIC = 2
    CLOCK = 3
    END = 4
    TRIGGER = 5
    INTERRUPTION = 6


class Reading(NamedTuple):
    """One instant of a meter. None means "not reported", never zero.

    `at` is the station's clock. `register_milliwh` is Energy.Active.Import.Register as the station sent it, converted
    to milliwatt-hours (unphased if present, else the sum of distinct phases). `extra` keeps all that has no column of
    its own (phases, signed values, temperature, interval energy, odd units) as JSON bytes, raw strings included.
    """

    at: datetime
    context: ReadingContext
    register_milliwh: int | None = None
    power_w: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    soc_pct: float | None = None
    offered_w: float | None = None
    extra: bytes | None = None


class ConnectorStatus(StrEnum):
    """Connector status as reported, the union of 1.6 (detailed) and 2.x (coarse); 1.6's words are kept."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    OCCUPIED = "occupied"
    CHARGING = "charging"
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"
    UNKNOWN = "unknown"


class ChargingState(StrEnum):
    """What car and station are doing within a session (2.x chargingState; 1.6 derives it from the connector)."""

    EV_CONNECTED = "ev_connected"
    CHARGING = "charging"
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """An idToken as it was presented: the text as sent and its type in OCPP 2 words (1.6: `ISO14443` is assumed)."""

    token: Token
    type: str = "ISO14443"


@dataclass(frozen=True, slots=True)
class StationBooted:
    """BootNotification."""

    vendor: str
    model: str
    serial: str | None = None
    firmware: str | None = None
    reason: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial: str | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """Heartbeat."""


@dataclass(frozen=True, slots=True)
class ConnectorStatusChanged:
    """StatusNotification. `evse_id` 0 is the station as a whole; 1.6's connector n is EVSE n, connector 1."""

    evse_id: EvseId
    connector_id: ConnectorId
    status: ConnectorStatus
    reported_at: datetime | None = None
    error_code: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None
    info: str | None = None


@dataclass(frozen=True, slots=True)
class TokenPresented:
    """Authorize: somebody wants to know whether this token may charge now."""

    token: PresentedToken
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """StartTransaction, or TransactionEvent Started.

    `transaction_id` is None for 1.6: we allocate it. `register_begin_milliwh` is meterStart, or the Transaction.Begin
    reading of 2.x where there is one.
    """

    evse_id: EvseId
    connector_id: ConnectorId
    reported_at: datetime
    token: PresentedToken | None
    transaction_id: TransactionId | None
    register_begin_milliwh: int | None = None
    readings: tuple[Reading, ...] = ()
    seq_no: int | None = None
    charging_state: ChargingState | None = None
    offline: bool = False
    reservation_id: int | None = None
    remote_start_id: int | None = None
    trigger: str | None = None


class EnergyMetered(NamedTuple):
    """MeterValues. `transaction_id` None: link by EVSE and time. `digest` makes a resend change nothing."""

    evse_id: EvseId
    transaction_id: TransactionId | None
    readings: tuple[Reading, ...]
    digest: int


class SessionUpdated(NamedTuple):
    """TransactionEvent Updated. Its key is (station, transaction, seq_no)."""

    evse_id: EvseId | None
    connector_id: ConnectorId | None
    transaction_id: TransactionId
    reported_at: datetime
    readings: tuple[Reading, ...]
    seq_no: int
    charging_state: ChargingState | None
    token: PresentedToken | None
    offline: bool
    trigger: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """StopTransaction, or TransactionEvent Ended. `transaction_id` None: it was 0, negative or absurd."""

    transaction_id: TransactionId | None
    reported_at: datetime
    register_end_milliwh: int | None = None
    reason: str | None = None
    token: PresentedToken | None = None
    readings: tuple[Reading, ...] = ()
    seq_no: int | None = None
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    charging_state: ChargingState | None = None
    offline: bool = False
    trigger: str | None = None


@dataclass(frozen=True, slots=True)
class VariableReported:
    """One variable of the device model (2.x), or one configuration key (1.6: component "", attribute "Actual")."""

    component: str
    variable: str
    value: str | None
    attribute: str = "Actual"
    mutability: str | None = None
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class VariablesReported:
    """NotifyReport, or what GetConfiguration / GetVariables answered."""

    variables: tuple[VariableReported, ...]
    request_id: int | None = None


@dataclass(frozen=True, slots=True)
class Notified:
    """Any other message of a station: stored as an event of that station under its OCPP action name.

    `severity` follows OCPP 2 (0 danger … 9 debug), None where the message has none.
    """

    action: str
    data: Mapping[str, Any]
    reported_at: datetime | None = None
    severity: int | None = None


Fact = (
    StationBooted
    | HeartbeatReceived
    | ConnectorStatusChanged
    | TokenPresented
    | SessionStarted
    | EnergyMetered
    | SessionUpdated
    | SessionEnded
    | VariablesReported
    | Notified
)

TRANSACTION_FACTS = (SessionStarted, SessionUpdated, SessionEnded, EnergyMetered)
"""Facts that are always stored and acknowledged, judged later."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A tolerance that a station needed: named and counted, so that an operator can read it.

    `code` is snake_case and stable, e.g. `timestamp_without_zone`; `example` quotes what was sent (at most 200
    characters).
    """

    code: str
    example: str = ""


class BootStatus(StrEnum):
    """May the station work with us."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class TokenStatus(StrEnum):
    """OCPP 2's AuthorizationStatus; 1.6 folds what it does not know into Invalid."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    CONCURRENT_TX = "ConcurrentTx"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NO_CREDIT = "NoCredit"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """May this token charge, until when, and with which group. Not billable: let in by policy without being known."""

    status: TokenStatus
    expires_at: datetime | None = None
    group: str | None = None
    is_billable: bool = True


@dataclass(frozen=True, slots=True)
class BootReply:
    """Answer to a boot: `interval_s` is the heartbeat interval, or the wait before the next boot unless accepted."""

    status: BootStatus
    interval_s: int
    now: datetime


@dataclass(frozen=True, slots=True)
class ClockReply:
    """Answer to a heartbeat."""

    now: datetime


@dataclass(frozen=True, slots=True)
class TokenReply:
    """Answer to TokenPresented."""

    info: TokenInfo


@dataclass(frozen=True, slots=True)
class StartReply:
    """Answer to SessionStarted: 1.6 needs the id, 2.x only the token's standing."""

    transaction_id: TransactionId
    info: TokenInfo | None


@dataclass(frozen=True, slots=True)
class SessionReply:
    """Answer to SessionUpdated and SessionEnded; `total_cost` in main units of the currency, shown by 2.x stations."""

    info: TokenInfo | None = None
    total_cost: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Answer where the protocol has nothing to say, or one honest answer; `fields` overrides the default."""

    fields: Mapping[str, Any] = field(default_factory=dict)


ACKNOWLEDGED = Acknowledged()

Reply = BootReply | ClockReply | TokenReply | StartReply | SessionReply | Acknowledged

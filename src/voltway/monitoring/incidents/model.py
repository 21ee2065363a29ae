"""The words of incidents: views that rules look at, signs they give, symptoms, incidents. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple

from voltway.kernel.ids import OperatorId, StationId
from voltway.monitoring.timeline.model import Interval, OperatorState

Scope = Literal["evse", "station", "site", "network"]


class Severity(StrEnum):
    """How bad, in rising order."""

    INFO = "info"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """From 0 (info) to 3 (critical)."""
        return list(Severity).index(self)


class IncidentState(StrEnum):
    """`remedied`: over by itself or by a remedy; `resolved`: a person says so."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    REOPENED = "reopened"
    REMEDIED = "remedied"
    RESOLVED = "resolved"


UNRESOLVED = frozenset({
    IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.ASSIGNED, IncidentState.REOPENED,
})  # fmt: skip


class Place(NamedTuple):
    """Where a sign was seen; 0 means "not that narrow": (location, 0, 0) is a site, (0, 0, 0) the network.

    A station's place names its location too (0 where it has none).
    """

    location_id: int = 0
    station_id: int = 0
    evse_id: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as data. A sign counts while `value >= threshold`; once raised it lasts until `value < clear_below`.

    `hold_s` is how long a sign must last before it is raised, `clear_hold_s` how long it must be gone before it is
    cleared. `detector` names the function that gives the sign, `params` what that function reads. `where` restricts the
    rule to locations (codes), groups, vendors, models: a missing key does not restrict. `group_by` is what becomes one
    incident; `mass` groups further (see `grouping`).
    """

    code: str
    detector: str
    scope: Scope
    severity: Severity
    title: str
    threshold: float
    clear_below: float
    hold_s: float
    clear_hold_s: float
    group_by: Scope
    enabled: bool = True
    params: Mapping[str, float | str | bool | list[str]] = field(default_factory=dict)
    where: Mapping[str, list[str]] = field(default_factory=dict)
    ladder: str | None = None


@dataclass(frozen=True, slots=True)
class SessionView:
    """The open session of an EVSE as the rules see it; power in W, energy in milliwatt-hours."""

    session_id: str
    transaction_id: str
    started_at: datetime
    token: str | None
    energy_milliwh: int
    power_w: float | None
    soc_pct: float | None
    last_reading_at: datetime | None
    updated_at: datetime
    charging_state: str | None
    charging_since: datetime | None
    anomalies: tuple[str, ...]
    energy_since: datetime | None = None
    """Since when the register has not moved (None: it moves, or there is no reading yet)."""


@dataclass(frozen=True, slots=True)
class MeterView:
    """The newest telemetry of an EVSE; `register_*` tell of energy that flows outside any session."""

    at: datetime | None = None
    power_w: float | None = None
    offered_w: float | None = None
    temperature_c: float | None = None
    register_milliwh: int | None = None
    register_at: datetime | None = None
    is_idle: bool = False
    """The newest reading is of no session."""
    idle_register_milliwh: int | None = None
    idle_at: datetime | None = None
    """The register before the newest one, and when: both of no session."""
    peak_w: float | None = None
    """The highest power of the running session."""


@dataclass(frozen=True, slots=True)
class EvseView:
    """What rules of scope `evse` look at."""

    place: Place
    rated_w: int | None
    current: Interval
    session: SessionView | None
    meter: MeterView
    error_code: str = ""
    vendor_error_code: str = ""
    info: str = ""
    last_session_ended_at: datetime | None = None
    free_since: datetime | None = None
    """Since when its connectors say that it is available beside an open session, None while they say anything else."""
    wanted: bool | None = None
    wanted_since: datetime | None = None
    """Our last wish that the station accepted: operative or not, and since when."""
    recent_anomalies: tuple[tuple[datetime, str], ...] = ()
    """(when, code) of the anomalies of the last day's sessions that touch the meter."""


class Refusal(NamedTuple):
    """A token that was refused: when, why, and which (never shown)."""

    at: datetime
    why: str
    token: str


class Notice(NamedTuple):
    """An event of a station that is no status: a firmware status, a security event, a presented token."""

    at: datetime
    action: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StationView:
    """What rules of scope `station` look at. `breaks` are the ends of connections, `notices` events, both oldest first
    and of the last day at most; `expiries` certificate name -> instant; `refusals` the run of refused authorisations
    that is still unbroken, oldest first.
    """

    place: Place
    identity: str
    vendor: str | None
    model: str | None
    firmware: str | None
    groups: tuple[str, ...]
    is_connected: bool
    since: datetime | None
    """Connected (or gone) since."""
    last_seen_at: datetime | None
    clock_offset_ms: int | None
    clock_off_since: datetime | None
    breaks: tuple[datetime, ...] = ()
    notices: tuple[Notice, ...] = ()
    expiries: Mapping[str, datetime] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    evses: tuple[EvseView, ...] = ()
    is_commissioned: bool = True


@dataclass(frozen=True, slots=True)
class SiteView:
    """What rules of scope `site` look at."""

    place: Place
    code: str
    name: str
    stations: tuple[StationView, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """What a detector says: how strong (`value`, in the rule's unit), since when by the facts, and in words.

    `due`: when the same facts would give another value, so that the rule must look again.
    """

    value: float
    since: datetime
    detail: str = ""
    due: datetime | None = None
    error_code: str = ""
    vendor_error_code: str = ""


@dataclass(frozen=True, slots=True)
class Symptom:
    """A sign that a rule holds against a place; `raised_at` None while it is on hold."""

    rule: str
    place: Place
    since: datetime
    value: float
    detail: str = ""
    raised_at: datetime | None = None
    clear_since: datetime | None = None
    incident_id: int | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault with a life. `group_key` says what belongs together; money is what it cost so far."""

    incident_id: int
    operator_id: OperatorId
    rule: str
    group_key: str
    severity: Severity
    state: IncidentState
    title: str
    place: Place
    began_at: datetime
    opened_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None
    assignee: str | None = None
    mrec: str | None = None
    error_code: str | None = None
    vendor_error_code: str | None = None
    reopened: int = 0
    symptoms: int = 0
    lost_milliwh: int | None = None
    lost_revenue: Decimal | None = None
    currency: str | None = None
    revision: int = 1

    @property
    def is_unresolved(self) -> bool:
        """Whether somebody or something still has to act."""
        return self.state in UNRESOLVED


class ChangeKind(StrEnum):
    """What happened to an incident; also the public event types as `incident.<kind>`."""

    OPENED = "opened"
    WORSENED = "worsened"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    REMEDIED = "remedied"
    RESOLVED = "resolved"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """One change, handed to whoever must act on it (notifications, remedies) in the same transaction."""

    kind: ChangeKind
    incident: Incident
    at: datetime
    actor: str
    text: str
    stations: tuple[StationId, ...] = ()


__all__ = [
    "UNRESOLVED", "ChangeKind", "EvseView", "Incident", "IncidentChange", "IncidentState", "Interval", "MeterView",
    "Notice", "OperatorState", "Place", "Refusal", "Rule", "Scope", "SessionView", "Severity", "Sign",
    "SiteView", "StationView", "Symptom",
]  # fmt: skip

"""The words of notifications: routes and their conditions, the place of an incident, what is told. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo

from voltway.kernel.clock import parse_rfc3339, to_micros, to_rfc3339
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import ChangeKind, IncidentChange, Severity
from voltway.monitoring.notify.schedule import Event, Hours, Schedule, Window, quiet_end

TOLD_BY_DEFAULT = frozenset({
    ChangeKind.OPENED, ChangeKind.WORSENED, ChangeKind.REMEDIED, ChangeKind.RESOLVED, ChangeKind.REOPENED,
})  # fmt: skip


class MessageState(StrEnum):
    """`uncertain`: its courier vanished without a result; it may have arrived and is not sent again."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a route wants and when. Empty sets do not restrict; without `time_zone` the incident's place says it."""

    min_severity: Severity = Severity.INFO
    kinds: frozenset[ChangeKind] = TOLD_BY_DEFAULT
    locations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    window: Window = field(default_factory=Window)
    schedule: Schedule = field(default_factory=Schedule)
    time_zone: str | None = None
    repeat_uncertain: bool = False
    """Send a message again of which nobody knows whether it arrived: rather twice than never."""

    def zone(self, place_zone: str) -> ZoneInfo:
        """Return the zone whose wall clock this route goes by."""
        return ZoneInfo(self.time_zone or place_zone)


@dataclass(frozen=True, slots=True)
class Route:
    """A route without its targets."""

    route_id: int
    operator_id: OperatorId
    name: str
    enabled: bool
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Place:
    """Where an incident is, in the operator's words; empty where it is not that narrow."""

    time_zone: str
    location_code: str = ""
    location_name: str = ""
    station: str = ""
    evse_id: int = 0
    stations: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says of one change, as it was known then."""

    incident_id: int
    kind: ChangeKind
    severity: Severity
    title: str
    at: datetime
    began_at: datetime
    ended_at: datetime | None
    time_zone: str
    location_code: str = ""
    location_name: str = ""
    station: str = ""
    evse_id: int = 0
    stations: int = 0
    error: str = ""
    text: str = ""
    actor: str = ""

    @classmethod
    def of(cls, change: IncidentChange, place: Place) -> Self:
        """Return what is told of a change at a place."""
        incident = change.incident
        return cls(
            incident.incident_id, change.kind, incident.severity, incident.title, change.at, incident.began_at,
            incident.ended_at, place.time_zone, place.location_code, place.location_name, place.station, place.evse_id,
            len(place.stations), error_words(incident.error_code, incident.vendor_error_code), change.text,
            change.actor,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        instants = {name: to_rfc3339(at) for name in ("at", "began_at", "ended_at") if (at := getattr(self, name))}
        return {**asdict(self), "ended_at": None, **instants}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        ended_at = values["ended_at"]
        words = {
            "kind": ChangeKind(values["kind"]),
            "severity": Severity(values["severity"]),
            "at": parse_rfc3339(values["at"]),
            "began_at": parse_rfc3339(values["began_at"]),
            "ended_at": None if ended_at is None else parse_rfc3339(ended_at),
        }
        return cls(**{**values, **words})


def error_words(error_code: str | None, vendor_error_code: str | None) -> str:
    """Return the codes of a fault in words: `GroundFailure (E-17)`."""
    codes = [code for code in (error_code, vendor_error_code) if code and code != "NoError"]
    return codes[0] if len(codes) == 1 else f"{codes[0]} ({codes[1]})" if codes else ""


def change_key(change: IncidentChange) -> str:
    """Return what tells one change from all others, the same for a batch that is handed in twice."""
    incident = change.incident
    key = f"incident-{incident.incident_id}-{change.kind.value}-{incident.revision}"
    return f"{key}-{to_micros(change.at)}" if change.kind is ChangeKind.COMMENTED else key


def wants(route: Route, change: IncidentChange, place: Place) -> bool:
    """Whether a route tells of a change."""
    conditions = route.conditions
    return (
        route.enabled
        and route.operator_id == change.incident.operator_id
        and change.kind in conditions.kinds
        and change.incident.severity.rank >= conditions.min_severity.rank
        and (not conditions.locations or place.location_code in conditions.locations)
        and (not conditions.groups or bool(conditions.groups & place.groups))
        and conditions.window.holds(change.at, conditions.zone(place.time_zone))
    )


def event_of(change: IncidentChange, now: datetime) -> Event:
    """Return a change as the schedule sees it: what came late is told by the clock of today, not of then."""
    return Event(max(change.at, now), is_critical=change.incident.severity is Severity.CRITICAL)


def allowed_at(conditions: Conditions, told: Told, now: datetime) -> datetime:
    """Return when something that is due may be told: now, or after the quiet hours that have begun meanwhile."""
    schedule = conditions.schedule
    if told.severity is Severity.CRITICAL and schedule.critical_passes:
        return now
    return quiet_end(schedule.quiet, now, conditions.zone(told.time_zone))


def conditions_to_json(conditions: Conditions) -> dict[str, Any]:
    """Write conditions as JSON values, the form of the API and of the table."""
    schedule, window = conditions.schedule, conditions.window
    return {
        "min_severity": conditions.min_severity.value,
        "kinds": [kind.value for kind in ChangeKind if kind in conditions.kinds],
        "locations": sorted(conditions.locations),
        "groups": sorted(conditions.groups),
        "window": {"days": sorted(window.days), "hours": _hours_to_json(window.hours)},
        "quiet_hours": _hours_to_json(schedule.quiet),
        "digest_min": schedule.digest_min,
        "critical_passes": schedule.critical_passes,
        "time_zone": conditions.time_zone,
        "repeat_uncertain": conditions.repeat_uncertain,
    }


def conditions_from_json(values: Mapping[str, Any]) -> Conditions:
    """Read what `conditions_to_json` wrote."""
    window = values["window"]
    return Conditions(
        min_severity=Severity(values["min_severity"]),
        kinds=frozenset(ChangeKind(kind) for kind in values["kinds"]),
        locations=frozenset(values["locations"]),
        groups=frozenset(values["groups"]),
        window=Window(frozenset(window["days"]), _hours_from_json(window["hours"])),
        schedule=Schedule(
            _hours_from_json(values["quiet_hours"]), values["digest_min"], critical_passes=values["critical_passes"]
        ),
        time_zone=values["time_zone"],
        repeat_uncertain=values["repeat_uncertain"],
    )


def _hours_to_json(hours: Hours | None) -> dict[str, str] | None:
    return None if hours is None else {"from": f"{hours.begin:%H:%M}", "to": f"{hours.end:%H:%M}"}


def _hours_from_json(values: Mapping[str, str] | None) -> Hours | None:
    return None if values is None else Hours(time.fromisoformat(values["from"]), time.fromisoformat(values["to"]))

"""What the watch reads, as rows, and what it decides. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from voltway.kernel.ids import OperatorId, StationId
from voltway.monitoring.incidents.model import Notice
from voltway.monitoring.timeline.model import Connection, EvseKey, Interval, Request, Spell, Status


@dataclass(frozen=True, slots=True)
class StationRow:
    """A station as it was entered; `evses` holds (EVSE number, rated power in W or None). 0 is no location."""

    station_id: StationId
    operator_id: OperatorId
    identity: str
    location_id: int = 0
    location_code: str = ""
    location_name: str = ""
    time_zone: str = "UTC"
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    groups: tuple[str, ...] = ()
    commissioned_at: datetime | None = None
    decommissioned_at: datetime | None = None
    evses: tuple[tuple[int, int | None], ...] = ()


class ConnectionRow(NamedTuple):
    """A link of a station, and how far its clock is off as far as that is known."""

    station_id: int
    connection: Connection
    clock_offset_ms: int | None = None


class StatusRow(NamedTuple):
    """A status of a station."""

    station_id: int
    status: Status


class NoticeRow(NamedTuple):
    """Any other event of a station."""

    station_id: int
    notice: Notice


class RequestRow(NamedTuple):
    """A wish of ours for its availability."""

    station_id: int
    request: Request


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as it stands now."""

    station_id: int
    evse_id: int
    spell: Spell
    is_open: bool
    transaction_id: str
    token: str | None
    energy_milliwh: int
    power_w: float | None
    soc_pct: float | None
    last_reading_at: datetime | None
    updated_at: datetime
    anomalies: tuple[tuple[datetime, str], ...] = ()


class MeterRow(NamedTuple):
    """A reading of an EVSE's meter; `has_session`: it belongs to a session."""

    station_id: int
    evse_id: int
    at: datetime
    has_session: bool
    register_milliwh: int | None
    power_w: float | None
    offered_w: float | None
    temperature_c: float | None


@dataclass(slots=True)
class Facts:
    """One batch of what changed, in any order; `stations` come first into force."""

    stations: list[StationRow] = field(default_factory=list)
    gone: list[StationId] = field(default_factory=list)
    """Stations that were deleted or turned away."""
    connections: list[ConnectionRow] = field(default_factory=list)
    statuses: list[StatusRow] = field(default_factory=list)
    notices: list[NoticeRow] = field(default_factory=list)
    requests: list[RequestRow] = field(default_factory=list)
    sessions: list[SessionRow] = field(default_factory=list)
    meters: list[MeterRow] = field(default_factory=list)
    expiries: dict[int, Mapping[str, datetime]] = field(default_factory=dict)
    """Certificates of a station by name, with the instant at which each expires."""


class Splice(NamedTuple):
    """The timeline of an EVSE is replaced from `since` on; `replaced` are the begins of intervals that stood there."""

    operator_id: OperatorId
    key: EvseKey
    since: datetime
    replaced: tuple[datetime, ...]
    intervals: tuple[Interval, ...]
    previous_end: datetime | None


class Late(NamedTuple):
    """Evidence older than what is remembered: the timeline must be projected again from there, with all evidence."""

    key: EvseKey
    since: datetime

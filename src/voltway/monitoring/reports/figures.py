"""What a monthly report is made of beside uptime: usage, energy, revenue and incidents of one month. Pure types.

`usage_store` reads them from the facts (sessions, CDRs, incidents), so they need no roll-up to have run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SiteUsage:
    """A site's sessions that started in the month, and its energy in the hour with the most of it.

    `location` None: stations without a location. An hour's energy is each session's energy, spread evenly over it.
    """

    location: str | None
    name: str | None
    sessions: int
    empty_sessions: int
    energy_milliwh: int
    charging: timedelta
    peak_hour_milliwh: int
    peak_hour_begin: str | None
    """Local begin of that hour, `YYYY-MM-DD HH:MM`."""


@dataclass(frozen=True, slots=True)
class Revenue:
    """What the CDRs of sessions that ended in the month are worth, corrections netted; per currency."""

    currency: str
    cdrs: int
    excl_vat: Decimal
    incl_vat: Decimal | None


@dataclass(frozen=True, slots=True)
class IncidentCount:
    """Incidents of one rule and severity that were opened in the month."""

    rule: str
    severity: str
    opened: int
    unresolved: int
    ended: int
    repair: timedelta | None
    """Mean time from begin to end of those that have ended (MTTR)."""
    lost_milliwh: int


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """All of one month. `busy[day][hour]`: mean number of sessions at once, Monday first, by the report's zone."""

    sites: Sequence[SiteUsage] = ()
    revenue: Sequence[Revenue] = ()
    incidents: Sequence[IncidentCount] = ()
    busy: Sequence[Sequence[float]] = ()
    drivers: int = 0
    """Different tokens that charged."""

    @property
    def sessions(self) -> int:
        """Return how many sessions started."""
        return sum(site.sessions for site in self.sites)

    @property
    def empty_sessions(self) -> int:
        """Return how many of them ended without any energy."""
        return sum(site.empty_sessions for site in self.sites)

    @property
    def energy_milliwh(self) -> int:
        """Return their energy."""
        return sum(site.energy_milliwh for site in self.sites)

    @property
    def incidents_opened(self) -> int:
        """Return how many incidents were opened."""
        return sum(one.opened for one in self.incidents)

    @property
    def mean_repair(self) -> timedelta | None:
        """Return the mean time to repair over all incidents that ended."""
        ended = [one for one in self.incidents if one.repair is not None and one.ended]
        if not ended:
            return None
        total = sum((one.repair * one.ended for one in ended if one.repair is not None), timedelta())
        return total / sum(one.ended for one in ended)


@dataclass(frozen=True, slots=True)
class PortSession:
    """A session as EV-ChART's module 2 asks for it."""

    session_id: str
    station_id: str
    evse_id: int
    connector_id: int
    location: str | None
    started_at: str
    ended_at: str | None
    error: str
    energy_milliwh: int
    peak_w: float | None
    token_type: str | None

"""Exclusions: stretches of outage that do not count, each with a cause and evidence. Pure.

An exclusion is never changed and never deleted: it is withdrawn, with a reason, and another is entered. So any figure
that was ever reported can be explained by what was in force when it was made.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from voltway.kernel.clock import to_rfc3339
from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.numbers.uptime_spans import Span, intersect, length, span_of, union

LONGEST = timedelta(days=400)
"""An exclusion for ever would hide a dead port; longer ones are entered again, with fresh evidence."""


class ExclusionCause(StrEnum):
    """Why an outage does not count. All but the last two are the list of 23 CFR 680.116(b)(3)."""

    UTILITY_INTERRUPTION = "utility_interruption"
    VEHICLE = "vehicle"
    SCHEDULED_MAINTENANCE = "scheduled_maintenance"
    VANDALISM = "vandalism"
    NATURAL_DISASTER = "natural_disaster"
    CLOSED_HOURS = "closed_hours"
    SITE_OWNER = "site_owner"
    """The site's owner shut the place or its supply: contracts know it, no law does."""
    OTHER = "other"


NEVI_CAUSES = frozenset(ExclusionCause) - {ExclusionCause.SITE_OWNER, ExclusionCause.OTHER}
UK_CAUSES = frozenset({ExclusionCause.CLOSED_HOURS})
"""SI 2023/1168 reg. 7(5) knows opening hours and nothing else."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A stretch at a place that does not count; EVSE None: the whole station, station None: the whole location."""

    id: int
    location_id: str | None
    station_id: str | None
    evse_id: int | None
    begin_at: datetime
    end_at: datetime
    cause: ExclusionCause
    evidence: str
    evidence_url: str | None
    entered_by: str
    entered_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None

    @property
    def span(self) -> Span:
        """Return its stretch in microseconds."""
        return span_of(self.begin_at, self.end_at)


@dataclass(frozen=True, slots=True)
class Applied:
    """An exclusion as it applied to one port: how much outage it covers by itself, others aside."""

    exclusion_id: int
    cause: ExclusionCause
    evidence: str
    begin_at: datetime
    end_at: datetime
    excluded_us: int


def exclusion_spans(exclusions: Iterable[Exclusion], causes: Collection[ExclusionCause]) -> tuple[Span, ...]:
    """Return the instants that any standing exclusion of those causes covers, each once."""
    return union(one.span for one in exclusions if one.cause in causes and one.withdrawn_at is None)


def applied(
    exclusions: Iterable[Exclusion], causes: Collection[ExclusionCause], outages: Sequence[Span]
) -> tuple[Applied, ...]:
    """Return those exclusions that cover any of the outages, with how much."""
    found = []
    for one in exclusions:
        if one.cause in causes and one.withdrawn_at is None:
            covered = length(intersect(outages, union([one.span])))
            if covered:
                found.append(Applied(one.id, one.cause, one.evidence, one.begin_at, one.end_at, covered))
    return tuple(found)


def check_exclusion(
    begin: datetime, end: datetime, *, evidence: str, evidence_url: str | None, place: Sequence[object]
) -> None:
    """Refuse an exclusion that cannot stand, all faults at once.

    Args:
        place: location, station and EVSE, as given: a location alone, a station alone, or a station with an EVSE.
    """
    location, station, evse = place
    faults = []
    if (location is None) == (station is None):
        faults.append(Fault("/station_id", "name a location or a station, not both"))
    if evse is not None and station is None:
        faults.append(Fault("/evse_id", "an EVSE needs its station"))
    if end <= begin:
        faults.append(Fault("/end_at", f"must be after the begin, {to_rfc3339(begin)}"))
    if end - begin > LONGEST:
        faults.append(Fault("/end_at", f"an exclusion lasts at most {LONGEST.days} days; enter another for the rest"))
    if len(evidence.strip()) < 3:
        faults.append(Fault("/evidence", "say what shows it, e.g. the utility's notice and its number"))
    if evidence_url is not None and not evidence_url.startswith(("https://", "http://")):
        faults.append(Fault("/evidence_url", "write a link that begins with https://"))
    if faults:
        raise InvalidInput("this exclusion cannot stand", faults)

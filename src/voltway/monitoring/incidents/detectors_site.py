"""Detectors that look at a site, or at all of an operator's sites. Pure; see `detectors` for the registry."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from voltway.monitoring.incidents.detectors_evse import number
from voltway.monitoring.incidents.model import Rule, Sign, SiteView, StationView
from voltway.monitoring.timeline.model import OCCUPIED, OperatorState

_OUT_OF_SERVICE = frozenset({
    OperatorState.FAULTED, OperatorState.OFFLINE, OperatorState.UNAVAILABLE, OperatorState.UNKNOWN,
})  # fmt: skip


def site_outage(view: SiteView, rule: Rule, _now: datetime) -> Sign | None:
    """Say which share of a site's stations vanished within the same minutes. Value: 0 to 1.

    Their own uplink or power fails one by one; what they share fails at once.
    """
    return _outage(view.stations, rule, "uplink or power of the site")


def network_outage(views: Sequence[SiteView], rule: Rule, _now: datetime) -> Sign | None:
    """Say which share of all stations, at several sites, vanished within the same minutes. Value: 0 to 1."""
    sign = _outage((it for view in views for it in view.stations), rule, "gateway, network operator or our uplink")
    if sign is None:
        return None
    hit = sum(any(_is_away(it) for it in view.stations) for view in views)
    return sign if hit >= number(rule, "least_sites") else None


def _outage(stations: Iterable[StationView], rule: Rule, suspect: str) -> Sign | None:
    counted = [it for it in stations if it.is_commissioned]
    gone = sorted(it.since for it in counted if _is_away(it) and it.since is not None)
    together = _most_within(gone, timedelta(seconds=number(rule, "within_s")))
    least = number(rule, "least_stations")
    if len(counted) < least or not together:
        return None
    # Those that were away before do not count against the rest; while it lasts, all that are away do.
    value = len(gone) / len(counted) if len(together) >= least else 0.0
    return Sign(value, together[-1], f"{len(gone)} of {len(counted)} stations are away: {suspect}")


def _most_within(instants: Sequence[datetime], span: timedelta) -> Sequence[datetime]:
    """Return the longest run of sorted instants that fits into a span."""
    low = first = last = 0
    for high, instant in enumerate(instants, 1):
        while instant - instants[low] > span:
            low += 1
        if high - low > last - first:
            first, last = low, high
    return instants[first:last]


def queue_at_site(view: SiteView, rule: Rule, _now: datetime) -> Sign | None:
    """Say that all EVSEs of a site that work are taken. Value: 1; who comes now waits or leaves.

    Where there are few EVSEs that is how each day goes and no incident: usage names those hours as well.
    """
    evses = [evse for station in view.stations for evse in station.evses]
    usable = [evse for evse in evses if evse.current.state not in _OUT_OF_SERVICE]
    if not usable or len(usable) < max(number(rule, "least_evses"), len(evses) / 2):
        return None
    if any(evse.current.state not in OCCUPIED for evse in usable):
        return None
    since = max(_taken_since(evse.current.begin, evse.session.started_at if evse.session else None) for evse in usable)
    return Sign(1.0, since, f"all {len(usable)} EVSEs that work are taken")


def _taken_since(begin: datetime, session_began: datetime | None) -> datetime:
    return begin if session_began is None else min(begin, session_began)


def _is_away(view: StationView) -> bool:
    return view.is_commissioned and not view.is_connected

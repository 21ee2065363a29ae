"""What the database would hold for the watch: the evidence of each EVSE's last days, and its stored timeline."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from voltway.monitoring.timeline.model import Connection, Evidence, EvseKey, Interval, Request, Spell, Status
from voltway.monitoring.watch.model import Facts, Splice

KEPT = timedelta(days=6)
TRIM_AT = 160


@dataclass(slots=True)
class Archive:
    """Rows by station or EVSE; what is older than `KEPT` is dropped now and then, but for the newest."""

    links: dict[int, dict[UUID, Connection]] = field(default_factory=lambda: defaultdict(dict))
    statuses: dict[int, list[Status]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[int, set[Request]] = field(default_factory=lambda: defaultdict(set))
    spells: dict[tuple[int, int], dict[UUID, Spell]] = field(default_factory=lambda: defaultdict(dict))
    intervals: dict[EvseKey, list[Interval]] = field(default_factory=dict)

    def take(self, facts: Facts) -> None:
        """Keep a batch."""
        for link in facts.connections:
            self.links[link.station_id][link.connection.link_id] = link.connection
        for status in facts.statuses:
            self.statuses[status.station_id].append(status.status)
        for wish in facts.requests:
            self.requests[wish.station_id].add(wish.request)
        for row in facts.sessions:
            self.spells[row.station_id, row.evse_id][row.spell.session_id] = row.spell

    def splice(self, splice: Splice) -> None:
        """Store a changed timeline."""
        known = self.intervals.get(splice.key, [])
        kept = [it for it in known if it.begin < splice.since]
        self.intervals[splice.key] = [*kept[-TRIM_AT:], *splice.intervals]

    def evidence(self, key: EvseKey, since: datetime) -> Evidence:
        """Return the evidence of an EVSE since an instant, with what was in force then."""
        links = sorted(self.links[key.station_id].values(), key=lambda it: it.begin)
        before = [it for it in links if it.begin < since][-2:]
        statuses = [it for it in self.statuses[key.station_id] if it.evse_id in {0, key.evse_id}]
        earlier = {(it.connector_id, it.status == "available"): it for it in sorted(statuses) if it.at < since}
        spells = self.spells[key.station_id, key.evse_id].values()
        return Evidence(
            (*before, *(it for it in links if it.begin >= since)),
            (*earlier.values(), *(it for it in statuses if it.at >= since)),
            tuple(it for it in spells if it.end is None or it.end >= since - timedelta(days=1)),
            tuple(it for it in self.requests[key.station_id] if it.evse_id in {0, key.evse_id}),
        )

    def tail(self, key: EvseKey, since: datetime) -> list[Interval]:
        """Return the stored intervals that last beyond an instant, and the one before them."""
        known = self.intervals.get(key, [])
        first = next((number for number, it in enumerate(known) if it.end is None or it.end > since), len(known))
        return known[max(first - 1, 0) :]

    def trim(self, now: datetime) -> None:
        """Forget what no late evidence will ask for."""
        limit = now - KEPT
        for station_id, statuses in self.statuses.items():
            if len(statuses) > TRIM_AT:
                newest = {(it.evse_id, it.connector_id, it.status == "available"): it for it in statuses}
                kept = [it for it in statuses if it.received_at >= limit]
                self.statuses[station_id] = list(dict.fromkeys([*newest.values(), *kept]))
        for links in self.links.values():
            for link_id in [key for key, it in links.items() if it.end is not None and it.end < limit]:
                del links[link_id]
        for spells in self.spells.values():
            for session_id in [key for key, it in spells.items() if it.end is not None and it.end < limit]:
                del spells[session_id]

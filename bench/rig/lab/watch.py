"""Voltway's watch as the laboratory's engine: production's engine, rules and incidents, fed from memory.

The ledger makes facts into the rows that the watch reads, `monitoring.watch.engine` judges them, and late evidence is
projected again from the archive: what the worker does with a database, without one.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from rig.lab.archive import Archive
from rig.lab.desk import Desk
from rig.lab.ledger import OPERATOR, Ledger
from rig.lab.network import Network, SiteSpec, StationSpec
from rig.lab.passed import Passed
from rig.lab.stream import Event, Opening
from voltway.kernel.ids import StationId
from voltway.monitoring.incidents.model import Rule
from voltway.monitoring.timeline.model import EvseKey, Interval
from voltway.monitoring.watch.engine import Engine, Outcome
from voltway.monitoring.watch.judge import RuleBook
from voltway.monitoring.watch.model import Facts, StationRow

STALE_AFTER = timedelta(days=60)
"""Links are believed until they close: pongs, which the gateway notes twice a minute, are not fed one by one."""
LONG_LOOK_EVERY = timedelta(hours=1)
"""Production looks every few minutes; what is days long does not change between."""
TRIM_EVERY = timedelta(hours=6)
LATE_WAIT = timedelta(minutes=2)


class WatchEngine:
    """Events in, openings out; a batch of events is judged when time passes, as the worker reads them in batches."""

    def __init__(self, network: Network, begin: datetime, rules: Mapping[str, Rule]) -> None:
        book = RuleBook(rules)
        self.engine = Engine(lambda _: book, stale_after=STALE_AFTER)
        self._ledger = Ledger({
            (station.station_id, evse.evse_id): evse.power_w for station in network.stations for evse in station.evses
        })  # fmt: skip
        self._archive = Archive()
        self._desk = Desk(self.engine, rules)
        self._facts = Facts(
            stations=[_row(site, station, begin) for site in network.sites for station in site.stations]
        )
        self._late: dict[EvseKey, tuple[datetime, datetime]] = {}
        self._passed = Passed(network, rules, self._archive)
        self._look_at = begin + LONG_LOOK_EVERY
        self._trim_at = begin + TRIM_EVERY

    def timelines(self) -> Mapping[EvseKey, list[Interval]]:
        """Return the timeline of each EVSE as it is stored."""
        return self._archive.intervals

    def feed(self, event: Event) -> Iterable[Opening]:
        """Take an event in; it is judged at the next tick."""
        self._ledger.take(event, self._facts)
        return ()

    def tick(self, now: datetime) -> Iterable[Opening]:
        """Judge what came, then what falls due by time alone."""
        facts, self._facts = self._facts, Facts()
        self._archive.take(facts)
        found = [*self._keep(self.engine.take(facts, now), now), *self._keep(self.engine.tick(now), now)]
        found.extend(self._relearn(now))
        if now >= self._look_at:
            self._look_at = now + LONG_LOOK_EVERY
            found.extend(self._look_long(now))
        if now >= self._trim_at:
            self._trim_at = now + TRIM_EVERY
            self._ledger.forget(now)
            self._archive.trim(now)
        return found

    def _look_long(self, now: datetime) -> Iterator[Opening]:
        outcome = Outcome()
        for key, verdict in self._passed.look(self.engine, self._ledger, now):
            self.engine.judge_sign(outcome, key, verdict)
        yield from self._keep(outcome, now)

    def _keep(self, outcome: Outcome, now: datetime) -> Iterator[Opening]:
        for splice in outcome.splices.values():
            self._archive.splice(splice)
        for key, since in outcome.late.items():
            first, noted = self._late.get(key, (since, now))
            self._late[key] = (min(first, since), noted)
        yield from self._desk.settle(outcome, now)

    def _relearn(self, now: datetime) -> Iterator[Opening]:
        """Project again what late evidence touched, once it has waited for more to come."""
        for key in [key for key, (_, noted) in self._late.items() if now - noted >= LATE_WAIT]:
            since = self._late.pop(key)[0] - timedelta(hours=1)
            evidence, tail = self._archive.evidence(key, since), self._archive.tail(key, since)
            yield from self._keep(self.engine.relearn(key, evidence, since, tail, now), now)


def _row(site: SiteSpec, station: StationSpec, begin: datetime) -> StationRow:
    return StationRow(
        station_id=StationId(station.station_id),
        operator_id=OPERATOR,
        identity=station.identity,
        location_id=site.location_id,
        location_code=site.code,
        location_name=site.code,
        time_zone="Europe/Berlin",
        vendor=station.vendor.name,
        model=station.model,
        firmware=station.firmware,
        commissioned_at=begin,
        evses=tuple((evse.evse_id, evse.power_w) for evse in station.evses),
    )

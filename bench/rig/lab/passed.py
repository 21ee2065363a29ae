"""The test for silent connectors in the laboratory: choices counted as sessions start, by production's arithmetic."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rig.lab.archive import Archive
from rig.lab.ledger import OPERATOR, Ledger
from rig.lab.network import Network
from voltway.kernel.ids import EvseId, StationId
from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.model import Place, Rule
from voltway.monitoring.incidents.silence import Start, Tally, count
from voltway.monitoring.timeline.model import EvseKey, Interval, OperatorState
from voltway.monitoring.watch.engine import Engine, SymptomKey
from voltway.monitoring.watch.judge import Judge, Verdict

_LONG = {code for code, detector in DETECTORS.items() if detector.is_long}


class Passed:
    """Counts, for each EVSE of the network, when it was taken and when it was passed while it was free."""

    def __init__(self, network: Network, rules: Mapping[str, Rule], archive: Archive) -> None:
        self._judges = [
            Judge(rule, DETECTORS[rule.detector].function) for rule in rules.values() if rule.detector in _LONG
        ]
        self._archive = archive
        self._sites = [
            {
                EvseKey(StationId(station.station_id), EvseId(evse.evse_id)): Place(
                    site.location_id, station.station_id, evse.evse_id
                )
                for station in site.stations
                for evse in station.evses
            }
            for site in network.sites
        ]
        self._tallies = [{key: Tally() for key in site} for site in self._sites]
        self._seen: dict[EvseKey, int] = {}

    def look(self, engine: Engine, ledger: Ledger, now: datetime) -> Iterator[tuple[SymptomKey, Verdict]]:
        """Count the starts since the last look; yield what the rules hold against each EVSE."""
        for places, tallies in zip(self._sites, self._tallies, strict=True):
            busy = {key: since for key in places if (since := _busy_since(ledger, key)) is not None}
            for start in sorted(self._new_starts(places, ledger)):
                idle = (key for key in places if key not in busy or start.at < busy[key])
                count(tallies, start, {key for key in idle if self._is_free(key, start.at)})
            for key, place in places.items():
                view = tallies[key].input_of(len(places) - 1)
                for judge in self._judges:
                    name = SymptomKey(OPERATOR, judge.code, place)
                    verdict = judge.hold(engine.symptoms.get(name), view, place, now)
                    if verdict is not None:
                        yield name, verdict

    def _new_starts(self, keys: Iterable[EvseKey], ledger: Ledger) -> Iterator[Start]:
        for key in keys:
            starts = ledger.starts.get((key.station_id, key.evse_id), [])
            for at in starts[self._seen.get(key, 0) :]:
                yield Start(at, key)
            self._seen[key] = len(starts)

    def _is_free(self, key: EvseKey, at: datetime) -> bool:
        spans = reversed(self._archive.intervals.get(key, []))
        found = next((it for it in spans if it.begin <= at), None)
        return found is not None and found.state is OperatorState.AVAILABLE and _covers(found, at)


def _busy_since(ledger: Ledger, key: EvseKey) -> datetime | None:
    """A session that does not end keeps drivers away, whatever the connector says of itself."""
    transaction = ledger.open_on.get((key.station_id, key.evse_id))
    return None if transaction is None else ledger.sessions[key.station_id, transaction].session.started_at


def _covers(interval: Interval, at: datetime) -> bool:
    return interval.end is None or at < interval.end

"""The engine of the watch: facts in, changed timelines and symptoms out. Pure: it holds memory, never a connection.

`take` folds a batch in, projects the EVSEs that it touched and holds the rules against them; `tick` does what falls due
by time alone (a link that fell silent, a hold that is over). What the memory cannot tell comes back as `Late`, and
`relearn` takes the full evidence that the caller then read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import NamedTuple

from voltway.kernel.ids import OperatorId, StationId
from voltway.monitoring.incidents.model import EvseView, Place, SiteView, StationView, Symptom
from voltway.monitoring.timeline.model import Connection, Evidence, EvseKey, Interval, Spell
from voltway.monitoring.timeline.projection import STALE_AFTER, project
from voltway.monitoring.watch.judge import Judge, RuleBook, Verdict
from voltway.monitoring.watch.memory import (
    EvseMemory,
    StationMemory,
    take_meter,
    take_session,
    view_evse,
    view_station,
)
from voltway.monitoring.watch.model import Facts, Late, MeterRow, SessionRow, Splice, StationRow, StatusRow
from voltway.monitoring.watch.splicing import spliced

GRACE = timedelta(seconds=180)
"""After a restart of our own, stations get so long to come back before their absence is held against them."""
GRACE_SHARE = 0.2
"""With more of the stations than that on their way back nothing is said of the network."""
SITE, GRACE_OVER = -1, -2
"""In place of an EVSE's number: the site of that station; the station with all that is wider."""
RulesOf = Callable[[OperatorId], RuleBook]
SiteKey = tuple[OperatorId, int]


class SymptomKey(NamedTuple):
    """Which rule holds something against which place."""

    operator_id: OperatorId
    rule: str
    place: Place


@dataclass(slots=True)
class Outcome:
    """What a batch or a tick changed."""

    splices: dict[EvseKey, Splice] = field(default_factory=dict)
    late: dict[EvseKey, datetime] = field(default_factory=dict)
    verdicts: dict[SymptomKey, Verdict] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.splices or self.verdicts)


class Engine:
    """All stations of this worker, of every operator."""

    def __init__(self, rules_of: RulesOf, *, stale_after: timedelta = STALE_AFTER) -> None:
        self._rules_of = rules_of
        self._stale_after = stale_after
        self.stations: dict[int, StationMemory] = {}
        self.symptoms: dict[SymptomKey, Symptom] = {}
        self._sites: dict[SiteKey, dict[int, StationMemory]] = defaultdict(dict)
        self._views: dict[int, StationView] = {}
        self._evse_views: dict[EvseKey, EvseView] = {}
        self._due: list[tuple[datetime, int, int]] = []
        self._dirty: dict[EvseKey, datetime | None] = {}
        self._judged: set[EvseKey] = set()
        self._stations_judged: set[int] = set()
        self._sites_judged: set[SiteKey] = set()
        self._networks_judged: set[OperatorId] = set()
        self._link_state: dict[int, bool] = {}
        self._woken: dict[tuple[int, int], datetime] = {}
        self._networks_due: dict[OperatorId, datetime] = {}

    # ---- facts

    def take(self, facts: Facts, now: datetime) -> Outcome:
        """Fold a batch in and return what it changed."""
        outcome = Outcome()
        for row in facts.stations:
            self._enter(row)
        for station_id in facts.gone:
            self._leave(station_id)
        for connection in facts.connections:
            self._connect(connection.station_id, connection.connection, connection.clock_offset_ms)
        for status in facts.statuses:
            self._hear(status)
        self._take_others(facts)
        for session in facts.sessions:
            self._take_session(session)
        for meter in facts.meters:
            self._take_meter(meter)
        self._project_dirty(outcome, now)
        self._judge(outcome, now)
        return outcome

    def tick(self, now: datetime) -> Outcome:
        """Do what falls due by time alone."""
        outcome = Outcome()
        while self._due and self._due[0][0] <= now:
            _, station_id, evse_id = heappop(self._due)
            self._woken.pop((station_id, evse_id), None)
            station = self.stations.get(station_id)
            if station is not None:
                self._look_again(station, evse_id, now)
        for operator_id, due in list(self._networks_due.items()):
            if due <= now:
                del self._networks_due[operator_id]
                self._networks_judged.add(operator_id)
        self._project_dirty(outcome, now)
        self._judge(outcome, now)
        return outcome

    def _look_again(self, station: StationMemory, evse_id: int, now: datetime) -> None:
        if evse_id in {SITE, GRACE_OVER}:
            self._sites_judged.add(self._site_of(station))
        if evse_id == GRACE_OVER:
            self._stations_judged.add(station.row.station_id)
            self._networks_judged.add(station.row.operator_id)
        if evse_id < 0:
            return
        self._stations_judged.add(station.row.station_id)
        for evse in station.evses.values():
            if evse_id not in {0, evse.key.evse_id}:
                continue
            self._judged.add(evse.key)
            if evse.due is not None and evse.due <= now:
                self._dirty[evse.key] = None
            elif evse.due is not None:
                self._wake(evse.due, station.row.station_id, evse.key.evse_id)

    def _wake(self, due: datetime, station_id: int, evse_id: int) -> None:
        """Look at a place again at that instant, unless that happens earlier anyway."""
        known = self._woken.get((station_id, evse_id))
        if known is None or due < known:
            self._woken[station_id, evse_id] = due
            heappush(self._due, (due, station_id, evse_id))

    def relearn(
        self, key: EvseKey, evidence: Evidence, since: datetime, tail: Sequence[Interval], now: datetime
    ) -> Outcome:
        """Project an EVSE again from `since` on with all its evidence since then and what was in force at that time.

        Args:
            key: which EVSE; its station is known.
            evidence: everything since then, which takes the place of what was remembered.
            since: from when on the evidence is complete.
            tail: the stored intervals that last beyond `since`, and the one before them.
            now: the present.
        """
        outcome = Outcome()
        station = self.stations[key.station_id]
        evse = station.evse(key.evse_id)
        is_continued = bool(tail) and tail[0].begin < since
        evse.tail, evse.horizon = list(tail), since if is_continued else None
        station.learn(evse, evidence)
        begin = since if is_continued else station.row.commissioned_at
        # With all links at hand no outage is remembered only by its end.
        full = replace(station.evidence_of(evse), stale_since=None)
        projection = project(full, now, begin=begin, patience=self._stale_after)
        evse.due = projection.due
        if projection.due is not None:
            self._wake(projection.due, key.station_id, key.evse_id)
        self._splice(outcome, station, evse, projection.intervals, is_certain=True)
        self._note_link(station)
        if not station.is_seen and station.grace_until is None:
            station.grace_until = now + GRACE
            self._wake(station.grace_until, key.station_id, GRACE_OVER)
        self._judge(outcome, now)
        return outcome

    def withdraw(self, operators: Iterable[OperatorId]) -> Outcome:
        """End every symptom that no rule of theirs asks for (any more)."""
        outcome, wanted = Outcome(), set(operators)
        for key, symptom in list(self.symptoms.items()):
            if key.operator_id in wanted and not self._is_asked(key):
                self._note(outcome, key, Verdict(None, False, symptom.raised_at is not None, None, symptom))
        return outcome

    def obey(self, operators: Iterable[OperatorId], now: datetime) -> Outcome:
        """Take changed rules in: end what none asks for any more, and hold them against everything that stands."""
        wanted = set(operators)
        outcome = self.withdraw(wanted)
        for station in self.stations.values():
            if station.row.operator_id in wanted:
                self._touch(station)
                self._judged.update(evse.key for evse in station.evses.values())
                self._sites_judged.add(self._site_of(station))
        self._networks_judged |= wanted
        self._judge(outcome, now)
        return outcome

    def _is_asked(self, key: SymptomKey) -> bool:
        book, place = self._rules_of(key.operator_id), key.place
        station = self.stations.get(place.station_id)
        if station is not None:
            rows = [station.row]
        else:
            rows = [it.row for it in self._sites.get((key.operator_id, place.location_id), {}).values()]
        # Of a place that has no stations (any more) nothing can be said.
        return book.asks(key.rule, place, rows) if rows or place == Place() else key.rule in book.rules

    def book_of(self, operator_id: OperatorId) -> RuleBook:
        """Return an operator's rules in force."""
        return self._rules_of(operator_id)

    def judge_sign(self, outcome: Outcome, key: SymptomKey, verdict: Verdict | None) -> None:
        """Take in a verdict that was found elsewhere (rules that look at long histories)."""
        if verdict is not None:
            self._note(outcome, key, verdict)

    def _enter(self, row: StationRow) -> None:
        known = self.stations.get(row.station_id)
        if known is None:
            known = self.stations[row.station_id] = StationMemory(row)
        else:
            self._sites[self._site_of(known)].pop(row.station_id, None)
        known.enter(row)
        self._sites[self._site_of(known)][row.station_id] = known
        self._touch(known)
        for evse in known.evses.values():
            self._dirty.setdefault(evse.key, None)

    def _leave(self, station_id: StationId) -> None:
        station = self.stations.pop(station_id, None)
        if station is not None:
            self._sites[self._site_of(station)].pop(station_id, None)
            self._views.pop(station_id, None)
            self._sites_judged.add(self._site_of(station))

    def _connect(self, station_id: int, connection: Connection, offset_ms: int | None) -> None:
        station = self.stations.get(station_id)
        if station is None:
            return
        before = station.clock_offset_ms
        station.set_clock(offset_ms, connection.last_seen_at)
        known = station.connections.get(connection.link_id)
        since = station.connect(connection)
        if since is None and before == offset_ms:
            return
        self._touch(station)
        if known is not None and connection.end is None and self._link_state.get(station_id) and since is not None:
            # It lives on, nothing else: only the instant moves at which it would count as silent.
            self._believe(station, connection.last_seen_at + self._stale_after)
            return
        if since is not None:
            for evse in station.evses.values():
                self._touch_evse(evse, since)

    def _believe(self, station: StationMemory, until: datetime) -> None:
        for evse in station.evses.values():
            evse.due = until
        self._wake(until, station.row.station_id, 0)

    def _hear(self, row: StatusRow) -> None:
        station = self.stations.get(row.station_id)
        if station is None or not station.hear(row.status):
            return
        for evse in station.evses.values():
            if row.status.evse_id in {0, evse.key.evse_id}:
                self._touch_evse(evse, row.status.at)

    def _take_others(self, facts: Facts) -> None:
        for notice in facts.notices:
            if station := self.stations.get(notice.station_id):
                station.notice(notice.notice)
                self._touch(station)
        for wish in facts.requests:
            if station := self.stations.get(wish.station_id):
                # A later row of the same wish brings the station's answer.
                same = wish.request[:3]
                station.requests = {it for it in station.requests if it[:3] != same} | {wish.request}
                self._touch(station)
                for evse in station.evses.values():
                    self._touch_evse(evse, wish.request.at)
        for station_id, expiries in facts.expiries.items():
            if station := self.stations.get(station_id):
                station.expiries = dict(expiries)
                self._touch(station)

    def _take_session(self, row: SessionRow) -> None:
        station = self.stations.get(row.station_id)
        if station is None or row.evse_id <= 0:
            return
        evse = station.evse(row.evse_id)
        known = evse.spells.get(row.spell.session_id)
        since = take_session(evse, row)
        self._judged.add(evse.key)
        if since is not None and not (known is not None and self._only_confirms(station, known, row.spell)):
            self._touch_evse(evse, since)

    def _only_confirms(self, station: StationMemory, known: Spell, spell: Spell) -> bool:
        """Say whether a session merely goes on over one open link: every reading tells it, no state depends on it."""
        link = station.newest_link()
        if link is None or link.end is not None or not self._link_state.get(station.row.station_id):
            return False
        return link.begin <= known.confirmed_until and replace(known, confirmed_until=spell.confirmed_until) == spell

    def _take_meter(self, row: MeterRow) -> None:
        station = self.stations.get(row.station_id)
        if station is not None and row.evse_id > 0:
            evse = station.evse(row.evse_id)
            take_meter(evse, row)
            self._judged.add(evse.key)

    def _touch(self, station: StationMemory) -> None:
        self._views.pop(station.row.station_id, None)
        self._stations_judged.add(station.row.station_id)

    def _touch_evse(self, evse: EvseMemory, since: datetime) -> None:
        known = self._dirty.get(evse.key)
        self._dirty[evse.key] = since if known is None else min(known, since)

    @staticmethod
    def _site_of(station: StationMemory) -> SiteKey:
        return station.row.operator_id, station.row.location_id

    # ---- timelines

    def _project_dirty(self, outcome: Outcome, now: datetime) -> None:
        dirty, self._dirty = self._dirty, {}
        for key, since in dirty.items():
            station = self.stations.get(key.station_id)
            if station is None:
                continue
            evse = station.evse(key.evse_id)
            horizon = station.horizon_of(evse)
            if since is not None and horizon is not None and since < horizon:
                outcome.late[key] = since
                continue
            begin = horizon if horizon is not None else station.row.commissioned_at
            projection = project(station.evidence_of(evse), now, begin=begin, patience=self._stale_after)
            evse.due = projection.due
            if projection.due is not None:
                self._wake(projection.due, key.station_id, key.evse_id)
            self._splice(outcome, station, evse, projection.intervals)

    def _splice(
        self, outcome: Outcome, station: StationMemory, evse: EvseMemory, projected: list[Interval],
        *, is_certain: bool = False,
    ) -> None:  # fmt: skip
        if not projected:
            return
        found = spliced(evse.tail, projected, is_certain=is_certain)
        if found is None:
            outcome.late[evse.key] = projected[0].begin
            return
        evse.tail, change = found
        evse.trim()
        self._judged.add(evse.key)
        if change is None:
            return
        replaced, intervals, previous_end = change
        since = min([*replaced, *(it.begin for it in intervals)])
        outcome.splices[evse.key] = Splice(
            station.row.operator_id, evse.key, since, replaced, intervals, previous_end
        )  # fmt: skip
        self._note_link(station)

    def _note_link(self, station: StationMemory) -> None:
        """A station that came or went makes its site and its network be looked at."""
        is_connected = any(
            evse.tail and evse.tail[-1].cause not in {"link_closed", "silent", "never_connected", "reported_late"}
            for evse in station.evses.values()
        )
        station.is_seen = station.is_seen or is_connected
        if self._link_state.get(station.row.station_id) != is_connected:
            self._link_state[station.row.station_id] = is_connected
            self._touch(station)
            self._networks_judged.add(station.row.operator_id)
        self._sites_judged.add(self._site_of(station))

    # ---- rules

    def _judge(self, outcome: Outcome, now: datetime) -> None:
        evses, self._judged = self._judged, set()
        for key in evses:
            station = self.stations.get(key.station_id)
            if station is not None and station.evse(key.evse_id).tail:
                self._views.pop(key.station_id, None)
                view = self._evse_views[key] = view_evse(station, station.evse(key.evse_id), now)
                self._hold(outcome, station, view, now)
        stations, self._stations_judged = self._stations_judged, set()
        for station_id in stations:
            station = self.stations.get(station_id)
            if station is not None and not station.is_in_grace(now):
                if not station.is_seen and station.grace_until is not None:
                    # Its grace is over, so what is wider is looked at too: it may be a part of that.
                    self._sites_judged.add(self._site_of(station))
                    self._networks_judged.add(station.row.operator_id)
                self._views.pop(station_id, None)
                self._hold(outcome, station, self._station_view(station, now), now)
        sites, self._sites_judged = self._sites_judged, set()
        for site in sites:
            if site[1]:
                self._hold_site(outcome, site, now)
        networks, self._networks_judged = self._networks_judged, set()
        for operator_id in networks:
            self._hold_network(outcome, operator_id, now)

    def _hold(self, outcome: Outcome, station: StationMemory, view: EvseView | StationView, now: datetime) -> None:
        judge = self._rules_of(station.row.operator_id).judge_of(station.row)
        rules = judge.evse if isinstance(view, EvseView) else judge.station
        due = self._hold_rules(outcome, station.row.operator_id, rules, view, now)
        if due is not None:
            evse_id = view.place.evse_id if isinstance(view, EvseView) else 0
            self._wake(due, station.row.station_id, evse_id)

    def _hold_site(self, outcome: Outcome, site: SiteKey, now: datetime) -> None:
        stations = list(self._sites.get(site, {}).values())
        if not stations or any(it.is_in_grace(now) for it in stations):
            return
        row = stations[0].row
        view = SiteView(
            Place(site[1]), row.location_code, row.location_name, tuple(self._station_view(it, now) for it in stations)
        )
        due = self._hold_rules(outcome, site[0], self._rules_of(site[0]).judge_of(row).site, view, now)
        if due is not None:
            self._wake(due, row.station_id, SITE)

    def _hold_network(self, outcome: Outcome, operator_id: OperatorId, now: datetime) -> None:
        rules = self._rules_of(operator_id).network
        own = [it for it in self.stations.values() if it.row.operator_id == operator_id]
        if not rules or sum(it.is_in_grace(now) for it in own) > GRACE_SHARE * len(own):
            return
        sites = [
            SiteView(Place(key[1]), "", "", tuple(self._station_view(it, now) for it in stations.values()))
            for key, stations in self._sites.items()
            if key[0] == operator_id and stations
        ]
        due = self._hold_rules(outcome, operator_id, rules, sites, now)
        if due is not None and sites:
            self._networks_due[operator_id] = due

    def _hold_rules(
        self, outcome: Outcome, operator_id: OperatorId, rules: Iterable[Judge], view: object, now: datetime
    ) -> datetime | None:  # fmt: skip
        first: datetime | None = None
        for rule in rules:
            place = Place() if isinstance(view, list) else view.place  # type: ignore[attr-defined]
            key = SymptomKey(operator_id, rule.code, place)
            verdict = rule.hold(self.symptoms.get(key), view, place, now)
            if verdict is None:
                continue
            if verdict.due is not None and (first is None or verdict.due < first):
                first = verdict.due
            self._note(outcome, key, verdict)
        return first

    def _note(self, outcome: Outcome, key: SymptomKey, verdict: Verdict) -> None:
        known = self.symptoms.get(key)
        if verdict.symptom is None:
            self.symptoms.pop(key, None)
        else:
            self.symptoms[key] = verdict.symptom
        if verdict.is_news(known):
            outcome.verdicts[key] = verdict

    def site_code(self, location_id: int) -> str:
        """Return how people call a site."""
        sites = (stations for key, stations in self._sites.items() if key[1] == location_id)
        return next((it.row.location_code for stations in sites for it in stations.values()), "")

    def codes_of(self, place: Place) -> tuple[str, str, str]:
        """Return the error code, the vendor's code and the words of an EVSE that is at fault."""
        station = self.stations.get(place.station_id)
        evse = station.evses.get(place.evse_id) if station is not None else None
        if station is None or evse is None:
            return "", "", ""
        said = max((it for it in (*station.whole, *evse.statuses) if it.status == "faulted"), default=None)
        return ("", "", "") if said is None else (said.error_code, said.vendor_error_code, said.info)

    def _evse_view(self, station: StationMemory, evse: EvseMemory, now: datetime) -> EvseView:
        view = self._evse_views.get(evse.key)
        if view is None:
            view = self._evse_views[evse.key] = view_evse(station, evse, now)
        return view

    def _station_view(self, station: StationMemory, now: datetime) -> StationView:
        view = self._views.get(station.row.station_id)
        if view is None:
            evses = [self._evse_view(station, evse, now) for evse in station.evses.values() if evse.tail]
            view = self._views[station.row.station_id] = view_station(station, evses, now)
        return view


__all__ = ["Engine", "Late", "Outcome", "SymptomKey"]

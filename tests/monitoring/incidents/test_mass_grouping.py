"""Many stations that go away at once become a handful of incidents, and no symptom is ever without one.

Detectors, gate and grouping as the watch puts them together, over a network that a test lets go away and come back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.gate import step
from voltway.monitoring.incidents.grouping import home_of
from voltway.monitoring.incidents.model import Place, Rule, SiteView, StationView, Symptom
from voltway.monitoring.incidents.rules import shipped

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RULES = {code: shipped()[code] for code in ("station_offline", "site_outage", "network_outage")}
Key = tuple[str, Place]


@dataclass
class Desk:
    """A network of sites with stations, what the rules hold against it, and the groups that are open."""

    sites: int
    stations: int
    away_since: dict[int, datetime] = field(default_factory=dict)
    symptoms: dict[Key, Symptom] = field(default_factory=dict)
    groups: dict[str, set[Key]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def site_of(self, station: int) -> int:
        """Return the site of a station."""
        return station // self.stations + 1

    def look(self, now: datetime) -> None:
        """Hold every rule against every place, then put each raised symptom where it belongs."""
        views = [self._site(number) for number in range(1, self.sites + 1)]
        for view in views:
            for station in view.stations:
                self._hold(RULES["station_offline"], station, station.place, now)
            self._hold(RULES["site_outage"], view, view.place, now)
        self._hold(RULES["network_outage"], views, Place(), now)
        self._group()

    def run(self, begin: float, until: float, every_s: float = 5) -> None:
        """Look again and again between two instants, in seconds after T0."""
        seconds = begin
        while seconds <= until:
            self.look(T0 + timedelta(seconds=seconds))
            seconds += every_s

    def leave(self, stations: Iterable[int], at_s: float, spread_s: float = 0) -> None:
        """Let stations go away, one after the other within the spread."""
        chosen = list(stations)
        for number, station in enumerate(chosen):
            share = number / max(len(chosen) - 1, 1)
            self.away_since[station] = T0 + timedelta(seconds=at_s + spread_s * share)

    def _site(self, number: int) -> SiteView:
        first = (number - 1) * self.stations
        return SiteView(
            Place(number), f"S{number}", "", tuple(self._station(it) for it in range(first, first + self.stations))
        )

    def _station(self, number: int) -> StationView:
        since = self.away_since.get(number)
        return StationView(
            Place(self.site_of(number), number + 1), f"CP-{number}", None, None, None, (), since is None, since or T0,
            None, None, None,
        )  # fmt: skip

    def _hold(self, rule: Rule, view: object, place: Place, now: datetime) -> None:
        key = rule.code, place
        sign = DETECTORS[rule.detector].function(view, rule, now)
        found = step(self.symptoms.get(key), sign, rule, place, now)
        if found.symptom is None:
            self.symptoms.pop(key, None)
        else:
            self.symptoms[key] = found.symptom

    def _group(self) -> None:
        raised = {key: it for key, it in self.symptoms.items() if it.raised_at is not None}
        groups: dict[str, set[Key]] = {}
        for code, place in raised:
            home = home_of(RULES[code], place, RULES, lambda wider, where: (wider, where) in raised)
            groups.setdefault(home, set()).add((code, place))
        self.opened += sorted(groups.keys() - self.groups.keys())
        self.groups = groups

    def check(self) -> None:
        """Each raised symptom is in one group, and a station that is away beside a wider outage is a part of that."""
        raised = {key for key, it in self.symptoms.items() if it.raised_at is not None}
        members = [key for group in self.groups.values() for key in group]
        assert sorted(members) == sorted(raised)
        for home, group in self.groups.items():
            assert home.startswith("station_offline") is all(code == "station_offline" for code, _ in group)


def test_ten_thousand_stations_that_go_away_within_a_minute_are_one_incident() -> None:
    """Within 10 s of the last one; when they are back nothing is left open."""
    desk = Desk(sites=500, stations=20)
    desk.leave(range(10_000), at_s=0, spread_s=60)
    desk.look(T0 + timedelta(seconds=62))
    assert desk.opened == []
    desk.look(T0 + timedelta(seconds=70))
    assert desk.opened == ["network_outage"]
    desk.look(T0 + timedelta(seconds=400))
    assert desk.opened == ["network_outage"]
    assert len(desk.groups["network_outage"]) == 10_501
    desk.check()
    desk.away_since.clear()
    desk.look(T0 + timedelta(seconds=500))
    desk.look(T0 + timedelta(seconds=506))
    assert (desk.groups, desk.symptoms) == ({}, {})


def test_twenty_stations_of_a_site_are_one_incident_and_the_one_that_stays_away_is_another() -> None:
    desk = Desk(sites=10, stations=20)
    desk.leave(range(20, 40), at_s=0, spread_s=40)
    desk.run(0, 600)
    assert desk.opened == ["site_outage@site/2"]
    assert len(desk.groups["site_outage@site/2"]) == 21
    for station in range(20, 39):
        del desk.away_since[station]
    desk.run(605, 620)
    assert desk.opened == ["site_outage@site/2", "station_offline@station/40"]
    assert list(desk.groups) == ["station_offline@station/40"]


def test_stations_that_fail_one_by_one_are_incidents_of_their_own() -> None:
    """Three of twenty, hours apart: no uplink is blamed."""
    desk = Desk(sites=3, stations=20)
    for number, station in enumerate((3, 7, 12)):
        desk.leave([station], at_s=7200 * number)
    desk.run(0, 16_000, every_s=200)
    assert sorted(desk.groups) == [
        "station_offline@station/13",
        "station_offline@station/4",
        "station_offline@station/8",
    ]


def test_who_was_away_before_joins_the_outage_and_stays_when_it_is_over() -> None:
    """A station that had its own incident becomes a part of its site's, and has its own again afterwards."""
    desk = Desk(sites=10, stations=5)
    desk.leave([2], at_s=0)
    desk.run(0, 600)
    assert list(desk.groups) == ["station_offline@station/3"]
    desk.leave([0, 1, 3, 4], at_s=1000)
    desk.run(1000, 1400)
    assert list(desk.groups) == ["site_outage@site/1"]
    for station in (0, 1, 3, 4):
        del desk.away_since[station]
    desk.run(1405, 1420)
    assert list(desk.groups) == ["station_offline@station/3"]


def test_an_outage_of_the_network_takes_in_that_of_a_site_that_was_open_before() -> None:
    desk = Desk(sites=6, stations=4)
    desk.leave(range(4), at_s=0)
    desk.run(0, 300)
    assert list(desk.groups) == ["site_outage@site/1"]
    desk.leave(range(4, 24), at_s=400)
    desk.run(400, 420)
    assert list(desk.groups) == ["network_outage"]
    assert ("site_outage", Place(1)) in desk.groups["network_outage"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["leave", "return"]), st.sets(st.integers(0, 23)), st.integers(1, 400)), max_size=12
)


@settings(max_examples=60)
@given(EVENTS)
def test_no_symptom_is_without_an_incident_and_all_close_when_everybody_is_back(
    events: list[tuple[str, set[int], int]],
) -> None:
    """Whoever goes and comes when: each raised symptom has one group, and nothing outlives the absence."""
    desk, seconds = Desk(sites=6, stations=4), 0.0
    for what, stations, pause_s in events:
        if what == "leave":
            desk.leave(stations - desk.away_since.keys(), at_s=seconds)
        for station in stations if what == "return" else ():
            desk.away_since.pop(station, None)
        for part in range(4):
            desk.look(T0 + timedelta(seconds=seconds + pause_s * part / 4))
            desk.check()
        seconds += pause_s
    desk.away_since.clear()
    desk.run(seconds, seconds + 10)
    assert (desk.groups, desk.symptoms) == ({}, {})

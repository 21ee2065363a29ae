"""The simulated month: in order of receipt, the same for the same seed, its faults seen in frames, labels in none."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from rig.lab.cars import Outlet, course, drawn_visit, idle_flow, patient_visit
from rig.lab.fullness import all_taken, merged, without
from rig.lab.links import Down, Downs
from rig.lab.month import Month, made_month
from rig.lab.network import EvseSpec, StationSpec, made_network
from rig.lab.planning import MARGIN_S, Fault, drawn_faults
from rig.lab.ranges import Recipe, read_recipe, renamed
from rig.lab.stream import Asked, CertificateSeen, Event, Label, LinkClosed, LinkOpened
from rig.lab.voice import Post, Voice
from rig.lab.wording import said_status
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    HeartbeatReceived,
    Notified,
    Reading,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StationBooted,
    TokenPresented,
    TokenStatus,
)
from voltway.vehicles.arrivals import PlaceKind
from voltway.vehicles.seeds import seeded

DAYS = 3


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Everything as shipped, but a small network, few days, and no fault that lasts for longer than one."""
    shipped = read_recipe()
    kinds = {
        name: replace(kind, hours=(min(kind.hours[0], 20.0), min(kind.hours[1], 24.0)), count=(3, 4))
        for name, kind in shipped.kinds.items()
    }
    return replace(shipped, evses=170, days=DAYS, kinds=kinds)


@pytest.fixture(scope="module")
def month(recipe: Recipe) -> Month:
    return made_month(recipe, 7)


@pytest.fixture(scope="module")
def events(month: Month) -> list[Event]:
    return list(month.events())


def labels_of(month: Month, kind: str) -> list[Label]:
    found = [label for label in month.truth if label.kind == kind and label.is_required]
    assert found, f"no {kind} was drawn"
    return found


def during(events: list[Event], label: Label) -> Iterator[Event]:
    for event in events:
        if event.station_id == label.place.station_id and label.onset <= event.at <= label.end:
            yield event


def readings_in(event: Event) -> tuple[Reading, ...]:
    fact = event.what
    return fact.readings if isinstance(fact, EnergyMetered | SessionUpdated | SessionEnded) else ()


def registers_in(event: Event) -> list[int]:
    if isinstance(event.what, SessionStarted) and event.what.register_begin_milliwh is not None:
        return [event.what.register_begin_milliwh]
    return [it.register_milliwh for it in readings_in(event) if it.register_milliwh is not None]


def test_the_full_month_is_long_enough() -> None:
    """At least 20,000 EVSE-days a seed, on sites of 1 to 20 stations, with all makers among them."""
    recipe = read_recipe()
    network = made_network(recipe, 1)
    assert network.evse_count * recipe.days >= 20_000
    sizes = {len(site.stations) for site in network.sites}
    assert min(sizes) == 1
    assert max(sizes) <= 20
    assert {station.vendor.name for station in network.stations} == {vendor.name for vendor in recipe.vendors}
    assert {station.is_16 for station in network.stations} == {True, False}


def test_every_kind_of_the_issue_is_drawn_in_a_month() -> None:
    """At least ten of each kind, so that a recall means something."""
    recipe = read_recipe()
    faults = drawn_faults(recipe, made_network(recipe, 2), 2, recipe.days)
    counts = {kind: sum(fault.kind == kind for fault in faults) for kind in recipe.kinds}
    assert min(counts.values()) >= 10, counts


def test_faults_at_a_place_keep_their_distance() -> None:
    """Two faults never touch the same station within hours, so that each has its own truth."""
    recipe = read_recipe()
    spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for fault in drawn_faults(recipe, made_network(recipe, 3), 3, recipe.days):
        stations = [fault.station] if fault.station is not None else fault.site.stations
        for station in stations:
            assert all(
                fault.onset_s >= end + MARGIN_S or begin >= fault.end_s + MARGIN_S
                for begin, end in spans[station.station_id]
            )
            spans[station.station_id].append((fault.onset_s, fault.end_s))


def test_events_come_in_order_of_receipt(events: list[Event]) -> None:
    """What was late or queued stands where it was received."""
    assert len(events) > 10_000
    assert all(before.at <= after.at for before, after in pairwise(events))


def test_the_same_seed_makes_the_same_month(recipe: Recipe) -> None:
    """Event by event; another seed makes another one."""
    small = replace(recipe, evses=20)
    first, second, other = (made_month(small, seed, days=1) for seed in (5, 5, 6))
    told = list(first.events())
    assert told == list(second.events())
    assert first.truth == second.truth
    assert told != list(other.events())


def test_a_month_can_be_read_twice(recipe: Recipe) -> None:
    """Reading the events again tells the same truth once, not twice."""
    small = made_month(replace(recipe, evses=20), 5, days=1)
    told, truth = list(small.events()), None
    truth = list(small.truth)
    assert list(small.events()) == told
    assert small.truth == truth


def test_no_label_is_in_a_frame(recipe: Recipe, events: list[Event]) -> None:
    """No fact names a kind of fault, and none comes from anywhere but a station's vocabulary."""
    facts = (
        StationBooted | HeartbeatReceived | ConnectorStatusChanged | TokenPresented | SessionStarted | EnergyMetered
        | SessionUpdated | SessionEnded | Notified | LinkOpened | LinkClosed | Asked | CertificateSeen
    )  # fmt: skip
    words = [kind for kind in recipe.kinds if "_" in kind]
    for event in events:
        assert isinstance(event.what, facts)
        told = repr(event)
        assert not any(word in told for word in words), told


def test_links_open_and_close_in_turns(events: list[Event]) -> None:
    """A station's link is closed before it opens again, and says nothing in between."""
    is_open: dict[int, bool] = defaultdict(bool)
    for event in events:
        if isinstance(event.what, LinkOpened):
            assert not is_open[event.station_id]
            is_open[event.station_id] = True
        elif isinstance(event.what, LinkClosed):
            assert is_open[event.station_id]
            is_open[event.station_id] = False


def test_healthy_sessions_are_complete(events: list[Event]) -> None:
    """Started once, ended at most once, registers never fall without a fault of the meter."""
    started: dict[str, int] = defaultdict(int)
    ended: dict[str, int] = defaultdict(int)
    for event in events:
        if isinstance(event.what, SessionStarted):
            started[str(event.what.transaction_id)] += 1
        elif isinstance(event.what, SessionEnded):
            ended[str(event.what.transaction_id)] += 1
    assert len(started) > 300
    assert set(started.values()) == {1}
    assert set(ended.values()) == {1}
    assert len(ended) >= 0.9 * len(started)


def test_a_share_of_messages_is_late_repeated_or_queued(events: list[Event]) -> None:
    """Repeats, overtaking and what was kept during an absence are all there."""
    metered = [event.what for event in events if isinstance(event.what, EnergyMetered)]
    assert len({fact.digest for fact in metered}) < len(metered)
    lags = [event.at - event.what.readings[-1].at for event in events if isinstance(event.what, EnergyMetered)]
    assert max(lags) > timedelta(seconds=20)
    assert any(isinstance(event.what, SessionStarted) and event.what.offline for event in events)


def test_stations_speak_their_version(month: Month, events: list[Event]) -> None:
    """2.0.1 has coarse statuses and numbered transaction events, 1.6 detailed statuses and MeterValues in sessions."""
    is_16 = {station.station_id: station.is_16 for station in month.network.stations}
    for event in events:
        fact = event.what
        if isinstance(fact, ConnectorStatusChanged):
            assert (fact.status is ConnectorStatus.OCCUPIED) <= (not is_16[event.station_id])
            assert (fact.status in {ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV}) <= is_16[event.station_id]
        elif isinstance(fact, SessionStarted):
            assert (fact.seq_no is None) is is_16[event.station_id]
        elif isinstance(fact, SessionUpdated):
            assert not is_16[event.station_id]


@pytest.mark.parametrize("kind", ["station_offline", "flapping"])
def test_a_link_that_fails_is_seen_to_close(month: Month, events: list[Event], kind: str) -> None:
    """Within a minute of the onset; a flapping one many times."""
    for label in labels_of(month, kind):
        closed = [event.at for event in during(events, label) if isinstance(event.what, LinkClosed)]
        assert len(closed) >= (8 if kind == "flapping" else 1)
        assert closed[0] - label.onset < timedelta(minutes=1)


def test_an_outage_takes_every_station_of_its_site(month: Month, events: list[Event]) -> None:
    """All links close within about a minute, and none opens before the end."""
    for label in labels_of(month, "site_outage"):
        site = next(it for it in month.network.sites if it.location_id == label.place.location_id)
        for station in site.stations:
            own = [event for event in events if event.station_id == station.station_id]
            links = [event for event in own if isinstance(event.what, LinkOpened | LinkClosed)]
            before = [event for event in links if event.at <= label.onset + timedelta(seconds=75)]
            assert isinstance(before[-1].what, LinkClosed)
            between = [event for event in links if before[-1].at < event.at < label.end]
            assert between == []


def test_a_faulted_connector_says_so_and_recovers(month: Month, events: list[Event]) -> None:
    """By status; in 2.0.1 with the maker's code in NotifyEvent."""
    for label in labels_of(month, "faulted"):
        told = [event.what for event in during(events, label)]
        faulted = [
            fact for fact in told if isinstance(fact, ConnectorStatusChanged) and fact.evse_id == label.place.evse_id
        ]
        assert faulted[0].status is ConnectorStatus.FAULTED
        station = next(it for it in month.network.stations if it.station_id == label.place.station_id)
        if not station.is_16:
            assert any(isinstance(fact, Notified) and fact.action == "NotifyEvent" for fact in told)


def test_a_session_without_delivery_counts_nothing(month: Month, events: list[Event]) -> None:
    """Its registers stand still while it says charging."""
    for label in labels_of(month, "no_delivery"):
        first = next(event.what for event in during(events, label) if isinstance(event.what, SessionStarted))
        ends = [
            event.what
            for event in events
            if isinstance(event.what, SessionEnded) and event.what.transaction_id == first.transaction_id
        ]
        assert ends[0].register_end_milliwh == first.register_begin_milliwh


def test_energy_flows_without_a_session(month: Month, events: list[Event]) -> None:
    """Clock-aligned readings rise between sessions, by what was drawn."""
    for label in labels_of(month, "energy_without_session"):
        registers = [
            fact.readings[0].register_milliwh
            for event in during(events, label)
            if isinstance(fact := event.what, EnergyMetered)
            and fact.transaction_id is None
            and fact.evse_id == label.place.evse_id
        ]
        risen = (registers[-1] or 0) - (registers[0] or 0)
        assert risen >= 0.9 * label.size * 1000 * (len(registers) - 1)


def test_a_stuck_session_stays_open(month: Month, events: list[Event]) -> None:
    """No end of a session comes from that EVSE while it lasts."""
    for label in labels_of(month, "session_stuck"):
        stuck = [
            event.what.transaction_id
            for event in events
            if isinstance(event.what, SessionStarted)
            and event.station_id == label.place.station_id
            and event.what.evse_id == label.place.evse_id
            and event.at <= label.onset + timedelta(minutes=1)
        ][-1]
        ended = [
            event.at for event in events if isinstance(event.what, SessionEnded) and event.what.transaction_id == stuck
        ]
        assert all(at > label.end - timedelta(minutes=1) for at in ended)


def test_weak_power_is_a_small_share_of_the_offer(month: Month, events: list[Event]) -> None:
    """Each reported power in the fault's time is at most its share of what the EVSE can give."""
    for label in labels_of(month, "low_power"):
        station = next(it for it in month.network.stations if it.station_id == label.place.station_id)
        rated_w = next(evse.power_w for evse in station.evses if evse.evse_id == label.place.evse_id)
        powers = [
            reading.power_w
            for event in during(events, label)
            if getattr(event.what, "evse_id", None) == label.place.evse_id
            for reading in readings_in(event)
            if reading.power_w
        ]
        assert powers
        assert max(powers) <= label.size * rated_w + 1


def test_heat_rises_to_what_was_drawn(month: Month, events: list[Event]) -> None:
    """A reading in the fault's time is hotter than any healthy one."""
    for label in labels_of(month, "temperature"):
        told = [
            reading.extra
            for event in during(events, label)
            if getattr(event.what, "evse_id", None) == label.place.evse_id
            for reading in readings_in(event)
            if reading.extra is not None
        ]
        hottest = max(float(extra.decode().split(":")[1].rstrip("}")) for extra in told)
        assert hottest > 70


def test_a_register_goes_wrong_once(month: Month, events: list[Event]) -> None:
    """It falls, or it jumps by tens of kilowatt-hours within one interval."""
    for label in labels_of(month, "meter"):
        registers = [
            register
            for event in events
            if event.station_id == label.place.station_id
            and label.onset - timedelta(hours=1) <= event.at <= label.end + timedelta(hours=1)
            and getattr(event.what, "evse_id", None) == label.place.evse_id
            for register in registers_in(event)
        ]
        steps = [after - before for before, after in pairwise(registers)]
        assert min(steps) < 0 or max(steps) > 49_000_000


def test_a_drifting_clock_shows_in_timestamps(month: Month, events: list[Event]) -> None:
    """Messages of its time are off by what was drawn, to one side; others by seconds."""
    for label in labels_of(month, "clock_drift"):
        gaps = [
            abs((reading.at - event.at).total_seconds())
            for event in during(events, label)
            for reading in readings_in(event)[-1:]
        ]
        assert gaps
        assert any(gap > label.size / 2 for gap in gaps)


def test_refusals_come_in_a_row(month: Month, events: list[Event]) -> None:
    """As many as were drawn, of several drivers, and nobody is let in between."""
    for label in labels_of(month, "failed_authorisations"):
        shown = [event for event in during(events, label) if isinstance(event.what, TokenPresented)]
        refused = [event for event in shown if event.answer is not TokenStatus.ACCEPTED]
        assert len(refused) >= 0.7 * int(label.size)
        assert len({event.what for event in refused}) >= 3


def test_certificates_and_firmware_are_told(month: Month, events: list[Event]) -> None:
    """A certificate that soon expires is seen at its onset; firmware fails at its."""
    for label in labels_of(month, "certificate"):
        seen = [event.what for event in during(events, label) if isinstance(event.what, CertificateSeen)]
        assert seen[0].expires_at - label.onset < timedelta(days=label.size + 0.1)
    for label in labels_of(month, "firmware"):
        later = replace(label, end=label.end + timedelta(hours=1))
        told = [event.what.data["status"] for event in during(events, later) if isinstance(event.what, Notified)]
        assert set(told) & {"DownloadFailed", "InstallationFailed"}


def test_a_full_site_is_full(month: Month, events: list[Event]) -> None:
    """While a queue's label lasts, sessions run on as many EVSEs as the site has, again and again."""
    for label in labels_of(month, "queue"):
        site = next(it for it in month.network.sites if it.location_id == label.place.location_id)
        ids = {station.station_id for station in site.stations}
        busy: set[tuple[int, int]] = set()
        for event in events:
            if event.station_id in ids and event.at <= label.end and isinstance(event.what, SessionStarted):
                busy.add((event.station_id, event.what.evse_id))
        assert len(busy) >= site.evse_count / 2
        assert label.end - label.onset >= timedelta(minutes=month.recipe.full.least_min)


def test_a_silent_connector_has_no_session_while_siblings_do() -> None:
    """And it says that it is available all the while."""
    recipe = replace(read_recipe(), evses=120)
    kind = replace(recipe.kinds["silent_connector"], hours=(30, 30), earliest_day=0.5, count=(3, 3))
    month = made_month(replace(recipe, kinds={"silent_connector": kind}, days=3), 4)
    events = list(month.events())
    for label in labels_of(month, "silent_connector"):
        starts = [
            event
            for event in events
            if isinstance(event.what, SessionStarted) and label.onset <= event.at - timedelta(minutes=2) < label.end
        ]
        site = next(it for it in month.network.sites if it.location_id == label.place.location_id)
        ids = {station.station_id for station in site.stations}
        here = [(event.station_id, getattr(event.what, "evse_id", 0)) for event in starts if event.station_id in ids]
        assert (label.place.station_id, label.place.evse_id) not in here
        assert len(here) >= 3


def test_renaming_changes_words_only(recipe: Recipe) -> None:
    """Names, models, codes and texts differ everywhere; 1.6's own error codes, places, times and sizes do not."""
    small = replace(recipe, evses=60)
    plain, other = made_month(small, 9, days=2), made_month(renamed(small, 9), 9, days=2)
    told, said = list(plain.events()), list(other.events())
    assert [(event.at, event.station_id, type(event.what)) for event in told] == [
        (event.at, event.station_id, type(event.what)) for event in said
    ]
    assert plain.truth == other.truth
    names = {vendor.name for vendor in small.vendors}
    boots = [event.what for event in said if isinstance(event.what, StationBooted)]
    assert not {boot.vendor for boot in boots} & names
    for one, two in zip(told, said, strict=True):
        if isinstance(one.what, ConnectorStatusChanged) and isinstance(two.what, ConnectorStatusChanged):
            assert one.what.error_code == two.what.error_code
            assert one.what.vendor_error_code is None or one.what.vendor_error_code != two.what.vendor_error_code


def test_absences_do_not_overlap() -> None:
    """Those that touch become one; power is there only where all of them have it."""
    downs = Downs([Down(10, 20), Down(15, 30, has_power=False), Down(50, 60)])
    assert downs.spans == [Down(10, 30, has_power=False), Down(50, 60)]
    assert downs.at(9) is None
    assert downs.at(29) == downs.spans[0]
    assert downs.at(30) is None


def test_full_means_every_evse_in_service() -> None:
    """A broken one does not count as free, but a site of broken ones is not full."""
    assert list(all_taken([(0, 10), (5, 20)], [], 2)) == [(5, 10)]
    assert list(all_taken([(0, 10)], [(2, 30)], 2)) == [(2, 10)]
    assert list(all_taken([], [(0, 10), (0, 10)], 2)) == []
    assert merged([(0, 5), (6, 9), (20, 30)], 2) == [(0, 9), (20, 30)]
    assert list(without([(0, 10), (20, 30)], [(2, 4), (8, 25)])) == [(0, 2), (4, 8), (25, 30)]


def station(recipe: Recipe, *, version: str) -> StationSpec:
    vendor = next(it for it in recipe.vendors if it.version == version)
    return StationSpec(1, "LAB", vendor, "M", "1.0", (EvseSpec(1, 22_000, 1.0),), 0.0, 0.0, starts_offline=True)


def test_what_is_kept_comes_after_an_absence(recipe: Recipe) -> None:
    """Transaction messages wait in the station's queue and keep their stamp; a status is lost."""
    post = Post(replace(recipe, healthy={**recipe.healthy, "late_share": 0, "resent_share": 0}), seeded("lab test", 1))
    spec = station(recipe, version="1.6")
    voice = Voice(spec, Downs([Down(100, 200)]), [], post)
    end = SessionEnded(None, voice.stamp(150))
    voice.say(150, end)
    voice.say(150, said_status(spec, spec.evses[0], voice.stamp(150), ConnectorStatus.AVAILABLE), is_kept=False)
    voice.say(250, HeartbeatReceived())
    told = [(round(at_s), event.what) for at_s, _, event in post.due(1000)]
    assert [what for _, what in told] == [end, HeartbeatReceived()]
    assert 200 < told[0][0] < 210


@pytest.mark.parametrize("dc", [True, False])
def test_a_car_takes_what_its_battery_holds(recipe: Recipe, *, dc: bool) -> None:
    """The register rises by the energy, power ends where the car is full."""
    vendor = next(it for it in recipe.vendors if it.dc is dc)
    outlet = Outlet(EvseSpec(1, 150_000 if dc else 22_000, 1.0), vendor, 0.0, 20.0)
    visit = drawn_visit(recipe, seeded("lab test", 3), PlaceKind.STREET, begin_s=0, dc=dc)
    visit.leaves_s = 24 * 3600
    flows = list(course(outlet, visit, 10, 1e9))
    registers = [flow.register_milliwh for flow in flows]
    assert registers == sorted(registers)
    assert 1e6 < registers[-1] < visit.battery.model.capacity_wh * 1100
    assert flows[-1].at_s < 24 * 3600
    assert visit.battery.soc >= visit.battery.target_soc - 0.2


def test_faults_of_the_outlet_touch_its_course(recipe: Recipe) -> None:
    """Nothing flows, or little, or it is hot: each only in its time."""
    vendor = next(it for it in recipe.vendors if it.reports_temperature and not it.dc)
    spec = EvseSpec(1, 22_000, 1.0)
    site = made_network(recipe, 1).sites[0]

    def powers(kind: str, size: float) -> list[float]:
        outlet = Outlet(spec, vendor, 5e9, 20.0, [Fault(kind, site, None, spec, 0, 1e6, size)])
        visit = patient_visit(seeded("lab test", 3), begin_s=0, stay_s=7200, dc=False)
        return [flow.power_w for flow in course(outlet, visit, 10, 1e9)]

    assert set(powers("no_delivery", 1)) == {0.0}
    assert max(powers("low_power", 0.03)) == pytest.approx(660)
    hot = Outlet(spec, vendor, 0.0, 20.0, [Fault("temperature", site, None, spec, 0, 1e6, 100)])
    assert idle_flow(hot, None, 1800).temperature_c == pytest.approx(100)
    assert idle_flow(hot, None, -1).temperature_c == pytest.approx(20)

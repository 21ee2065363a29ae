"""The made city and its past: as large as promised, realistic, in order, consistent, and the same for the same seed."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

from voltway.kernel.facts import (
    ConnectorStatusChanged,
    EnergyMetered,
    Reading,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StationBooted,
)
from voltway.kernel.geo import distance_km
from voltway.simulator.city import CENTRE, made_city
from voltway.simulator.history import Remains, made_history
from voltway.simulator.past import Timed
from voltway.simulator.specs import Version

UNTIL = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@cache
def week() -> tuple[list[Timed], dict[str, int]]:
    """One week of history, and the meters at its end."""
    remains = Remains()
    facts = list(made_history(made_city(), days=7, until=UNTIL, seed=3, remains=remains))
    return facts, remains.registers


def test_the_city_is_as_large_as_promised() -> None:
    """60 sites, 200 stations, half of each version, AC and DC of all powers, 500 drivers, a few of them barred."""
    city = made_city()
    assert len(city.sites) == 60
    assert len(city.specs) == len({spec.identity for spec in city.specs}) == 200
    assert Counter(spec.version for spec in city.specs) == {Version.V16: 100, Version.V201: 100}
    assert {evse.power_w for spec in city.specs for evse in spec.evses} == {11_000, 22_000, 50_000, 150_000, 300_000}
    assert Counter(token.status for token in city.tokens).keys() == {"Accepted", "Blocked", "Expired"}
    assert len({token.token for token in city.tokens}) == 500
    assert all(len(token.token) <= 20 for token in city.tokens), "1.6 allows 20 characters"
    assert all(distance_km(CENTRE, site.coordinates) < 12 for site in city.sites)
    assert made_city() == city != made_city(1)


def test_every_site_has_a_tariff_with_a_cheaper_night() -> None:
    """Tariffs are OCPI documents: the night costs less, fast charging has an idle fee."""
    city = made_city()
    tariffs = {tariff["id"]: tariff for tariff in city.tariffs}
    for site in city.sites:
        night, always = tariffs[site.tariff_id]["elements"]
        assert night["restrictions"] == {"start_time": "22:00", "end_time": "06:00"}
        assert night["price_components"][0]["price"] < always["price_components"][0]["price"]
        has_idle_fee = any(part["type"] == "PARKING_TIME" for part in always["price_components"])
        assert has_idle_fee or not any(evse.dc for spec in site.stations for evse in spec.evses)
        assert city.tariff_of(site.stations[0].identity) == site.tariff_id


def test_facts_come_in_order_of_receipt() -> None:
    """Received_at never falls, lies within the week and never before what the station reported."""
    facts, _ = week()
    received = [at for _, _, at in facts]
    assert received == sorted(received)
    assert UNTIL - timedelta(days=7) <= received[0] <= received[-1] <= UNTIL
    assert all(
        at >= fact.reported_at
        for _, fact, at in facts
        if isinstance(fact, SessionStarted | SessionEnded | SessionUpdated)
    )


def test_sessions_are_whole_and_plausible() -> None:
    """Every session begins once and ends once, its registers rise and continue from session to session of that EVSE."""
    facts, registers = week()
    starts: dict[str, tuple[str, SessionStarted]] = {}
    last: dict[str, int] = {}
    ended = 0
    for identity, fact, _ in facts:
        if isinstance(fact, SessionStarted):
            assert fact.transaction_id is not None
            assert fact.transaction_id.startswith("H-")
            assert fact.transaction_id not in starts
            starts[fact.transaction_id] = identity, fact
            plug = f"{identity}/{fact.evse_id}"
            assert fact.register_begin_milliwh is not None
            assert fact.register_begin_milliwh >= last.get(plug, 0) // 1000 * 1000
        elif isinstance(fact, SessionEnded):
            assert fact.transaction_id is not None
            station, start = starts[fact.transaction_id]
            assert station == identity
            assert fact.register_end_milliwh is not None
            assert start.register_begin_milliwh is not None
            assert 0 <= fact.register_end_milliwh - start.register_begin_milliwh < 120_000_000
            assert start.reported_at <= fact.reported_at < start.reported_at + timedelta(hours=24)
            last[f"{identity}/{start.evse_id}"] = fact.register_end_milliwh
            ended += 1
    assert ended == len(starts)
    assert 4_500 < ended < 6_800
    assert all(registers[plug] // 1000 == milliwh // 1000 for plug, milliwh in last.items())


def test_no_evse_and_no_driver_is_in_two_sessions() -> None:
    """Sessions of one EVSE, and of one token, never overlap."""
    facts, _ = week()
    spans: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    starts: dict[str, tuple[str, SessionStarted]] = {}
    for identity, fact, _ in facts:
        if isinstance(fact, SessionStarted):
            starts[str(fact.transaction_id)] = identity, fact
        elif isinstance(fact, SessionEnded):
            station, start = starts[str(fact.transaction_id)]
            assert start.token is not None
            for key in (f"{station}/{start.evse_id}", start.token.token):
                spans[key].append((start.reported_at, fact.reported_at))
    for each in spans.values():
        ordered = sorted(each)
        assert all(first[1] <= second[0] for first, second in pairwise(ordered))


def test_readings_are_every_ten_or_fifteen_minutes_and_never_fall() -> None:
    """Meter readings of a session rise, with ten minutes or more between them."""
    facts, _ = week()
    readings: dict[str, list[Reading]] = defaultdict(list)
    for _, fact, _ in facts:
        if isinstance(fact, EnergyMetered | SessionUpdated):
            readings[str(fact.transaction_id)] += fact.readings
    assert len(readings) > 3000
    for each in readings.values():
        registers = [reading.register_milliwh or 0 for reading in each]
        assert registers == sorted(registers)
    gaps = [
        (second.at - first.at).total_seconds()
        for each in readings.values()
        for first, second in pairwise(each)
        if second.power_w
    ]
    assert min(gaps) >= 600
    assert sorted(gaps)[len(gaps) // 2] <= 900


def test_keys_are_unique() -> None:
    """No two meter messages have the same digest, and sequence numbers of 2.0.1 have no gap."""
    facts, _ = week()
    digests = Counter(fact.digest for _, fact, _ in facts if isinstance(fact, EnergyMetered))
    assert set(digests.values()) == {1}
    numbers: dict[str, list[int | None]] = defaultdict(list)
    for _, fact, _ in facts:
        if isinstance(fact, SessionStarted | SessionUpdated | SessionEnded) and fact.seq_no is not None:
            numbers[str(fact.transaction_id)].append(fact.seq_no)
    assert all(each == list(range(len(each))) for each in numbers.values())


def test_days_look_like_days() -> None:
    """Busy by day and quiet by night; fast chargers see about five cars a day, slow ones one or two."""
    facts, _ = week()
    hours = Counter(at.hour for _, fact, at in facts if isinstance(fact, SessionStarted))
    assert hours[15] > 5 * hours[1]
    specs = {spec.identity: spec for spec in made_city().specs}
    cars = Counter(identity for identity, fact, _ in facts if isinstance(fact, SessionStarted))
    for wanted_w, least, most in ((300_000, 4, 6.5), (22_000, 1, 2.2), (11_000, 0.8, 2)):
        chosen = [spec for spec in specs.values() if spec.evses[0].power_w == wanted_w]
        plugs = sum(len(spec.evses) for spec in chosen)
        assert least < sum(cars[spec.identity] for spec in chosen) / plugs / 7 < most


def test_stations_boot_and_fault() -> None:
    """Every station boots first; a few fault and recover, and all end available."""
    facts, _ = week()
    booted = [identity for identity, fact, _ in facts if isinstance(fact, StationBooted)]
    assert len(set(booted)) == 200 < len(booted)
    last = {
        (identity, fact.evse_id): fact.status for identity, fact, _ in facts if isinstance(fact, ConnectorStatusChanged)
    }
    assert set(last.values()) == {"available"}
    assert any(isinstance(fact, ConnectorStatusChanged) and fact.error_code for _, fact, _ in facts)


def test_the_seed_makes_the_past() -> None:
    """The same seed gives the same facts, another one others."""
    days = [list(made_history(made_city(), days=1, until=UNTIL, seed=seed)) for seed in (1, 1, 2)]
    assert days[0] == days[1] != days[2]

"""Rollups as a real PostgreSQL makes them: each figure from its facts, and the sums above."""

from datetime import timedelta

from tests.monitoring.numbers.networks import add_port
from tests.monitoring.numbers.usage_facts import (
    MONDAY,
    NOW,
    at,
    bill,
    enter_site,
    make_all,
    refuse,
    rows,
    running_rollups,
    session,
)
from tests.sessions.seeding import run_sql

SITE_DAY = "grain = 2 AND usage_rollup.location_id > 0 AND station_id = 0"


async def test_the_seconds_of_states_fill_the_day(database_url: str) -> None:
    """Each EVSE's day has 24 hours, each in the state that the timeline says."""
    enter_site(database_url)
    await make_all(database_url)
    found = rows(
        database_url,
        "evses, available_s, occupied_s, charging_s, faulted_s, faults, repairs, repair_s",
        f"{SITE_DAY} AND start_at = '{MONDAY}'",
    )
    hour = 3600
    charging_s = round(1.9 * hour + 1.5 * hour)
    assert found == [(2, 48 * hour - round(3.5 * hour) - hour, round(3.5 * hour), charging_s, hour, 1, 1, hour)]


async def test_energy_falls_into_its_quarters(database_url: str) -> None:
    """The site's hour has four quarters, its peak is four times the highest, and days and months keep the highest."""
    enter_site(database_url)
    session(database_url, "HB-1", 16, 17, 6, readings=[(20, 4.0)])
    session(database_url, "HB-2", 16.5, 17, 2)
    await make_all(database_url)
    quarters = [3_000_000, 1_500_000, 750_000 + 1_000_000, 750_000 + 1_000_000]
    for place in ("usage_rollup.location_id > 0 AND station_id = 0", "usage_rollup.location_id = 0"):
        found = rows(
            database_url, "energy_milliwh, quarters, peak_w, sessions", f"grain = 1 AND {place} AND sessions > 0"
        )
        assert found == [(8_000_000, quarters, 12_000, 2)]
        for grain in (2, 3):
            found = rows(database_url, "energy_milliwh, peak_w", f"grain = {grain} AND {place} AND sessions > 0")
            assert found == [(8_000_000, 12_000)]


async def test_single_evses_have_rows_only_for_hours_of_use(database_url: str) -> None:
    """An idle EVSE costs one row a day, not 24."""
    enter_site(database_url)
    session(database_url, "HB-1", 16, 17, 6)
    await make_all(database_url)
    found = rows(database_url, "identity, start_at", "grain = 1 AND station_id > 0")
    assert found == [("HB-1", at(16)), ("HB-1", at(17)), ("HB-1", at(20)), ("HB-2", at(17)), ("HB-2", at(18))]
    assert len(rows(database_url, "1", "grain = 2 AND station_id > 0")) == 2 * 3


async def test_outcomes_attempts_and_reasons(database_url: str) -> None:
    """A refusal and a try that failed spoil the first try; each failure is counted with its reason."""
    enter_site(database_url)
    session(database_url, "HB-1", 8, 9, 10, token="AA", reason="Local")
    refuse(database_url, "HB-1", 10, "BB")
    session(database_url, "HB-2", 10.1, 11, 10, token="bb ", reason="Local")
    session(database_url, "HB-1", 12, 12.02, 0.01, token="CC", reason="EVDisconnected")
    session(database_url, "HB-2", 12.1, 13, 10, token="CC", reason="Local")
    session(database_url, "HB-1", 14, 15, 10, token="DD", reason="EmergencyStop")
    refuse(database_url, "HB-1", 16, "EE", "Expired")
    refuse(database_url, "HB-1", 23.9, "FF")
    session(database_url, "HB-2", 24.1, 25, 10, token="FF", reason="Local")
    await make_all(database_url)
    found = rows(
        database_url, "sessions, ended, ok, failed, attempts, first_try_ok, refused", f"{SITE_DAY} AND ended > 0"
    )
    assert found == [(5, 5, 3, 2, 6, 1, 1), (1, 1, 1, 0, 0, 0, 0)]
    failures = run_sql(database_url, "SELECT reason, attempts FROM usage_failure ORDER BY reason")
    assert failures == [("Blocked", 2), ("EVDisconnected", 1), ("EmergencyStop", 1), ("Expired", 1)]


async def test_a_fault_that_becomes_offline_is_one_outage(database_url: str) -> None:
    """HB-3 is faulted 10–10:30, then offline until 13: one outage of three hours, beside the hour of HB-1."""
    enter_site(database_url)
    add_port(
        database_url, "HB-3",
        [(at(0), "available"), (at(10), "faulted"), (at(10.5), "offline"), (at(13), "available")],
    )  # fmt: skip
    await make_all(database_url)
    found = rows(database_url, "faults, repairs, repair_s", "grain = 3 AND usage_rollup.location_id = 0 AND faults > 0")
    assert found == [(2, 2, 4 * 3600)]


async def test_revenue_is_the_sum_of_all_cdrs_of_a_session(database_url: str) -> None:
    """A credit takes away what the first CDR said."""
    enter_site(database_url)
    key = session(database_url, "HB-1", 16, 17, 6)
    bill(database_url, key, 1, "10.00")
    bill(database_url, key, 2, "-10.00")
    bill(database_url, key, 3, "8.00")
    await make_all(database_url)
    for place in ("location_id > 0 AND station_id = 0", "location_id = 0", "station_id > 0"):
        found = rows(
            database_url,
            "revenue_excl, revenue_incl",
            f"grain = 3 AND usage_rollup.{place.replace(' station', ' usage_rollup.station')} AND sessions > 0",
        )
        assert [(str(excl), str(incl)) for excl, incl in found] == [("8.00", "9.5200")]


async def test_a_full_site_and_who_waited(database_url: str) -> None:
    """Full is the hour 17–18, when no EVSE is free; who begins within five minutes of an end then had waited."""
    enter_site(database_url)
    session(database_url, "HB-1", 16, 17.5, 6)
    session(database_url, "HB-1", 17.55, 18, 6)
    session(database_url, "HB-2", 17, 18.5, 6)
    await make_all(database_url)
    found = rows(
        database_url,
        "full_s, queued_starts, turned_away, sessions",
        "grain = 1 AND usage_rollup.location_id > 0 AND station_id = 0 AND full_s > 0",
    )
    assert found == [(3600, 1, 2 * 4 - 1, 2)]


async def test_the_running_hour_waits_until_it_is_over(database_url: str) -> None:
    """No row tells of an hour that is not over."""
    enter_site(database_url)
    await make_all(database_url, NOW + timedelta(minutes=30))
    assert max(rows(database_url, "start_at", "grain = 1")) == (NOW - timedelta(hours=1),)
    async with running_rollups(database_url, NOW + timedelta(hours=1, minutes=2)) as rollups:
        await rollups.close_hour()
    assert max(rows(database_url, "start_at", "grain = 1")) == (NOW,)


async def test_stations_without_a_location_count_to_the_network(database_url: str) -> None:
    """Nothing is lost where nobody entered a place."""
    enter_site(database_url)
    run_sql(database_url, "UPDATE station SET location_id = NULL WHERE identity = 'HB-2'")
    await make_all(database_url)
    assert {row[0] for row in rows(database_url, "usage_rollup.location_id", "grain = 3 AND station_id = 0")} > {-1, 0}
    found = rows(database_url, "evses, occupied_s", "grain = 3 AND usage_rollup.location_id = 0 AND occupied_s > 0")
    assert found == [(2, round(3.5 * 3600))]

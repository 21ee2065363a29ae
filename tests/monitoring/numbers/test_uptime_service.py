"""Uptime over a real database: figures, exclusions that count and are withdrawn, contracts, and how long it takes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import ADMIN, OTHER, add_operator
from tests.monitoring.numbers.networks import add_big_network, add_location, add_port
from tests.sessions.seeding import run_sql

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Database, Role
from voltway.kernel.errors import Conflict, InvalidInput, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.exclusions import ExclusionCause
from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_service import NewExclusion, Uptime, month_from
from voltway.monitoring.numbers.uptime_spans import MINUTE_US, percent_text
from voltway.monitoring.numbers.uptime_store import Places

US = OperatorId(1)
MARCH = Month(2026, 3)
DAY_US = 24 * 60 * MINUTE_US
BEGIN = datetime(2026, 2, 1, tzinfo=UTC)


def march(day: float) -> datetime:
    """Return an instant of March 2026: `march(1)` is its first midnight."""
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day - 1)


@asynccontextmanager
async def uptime_over(database_url: str, **options: frozenset[str]) -> AsyncIterator[tuple[Uptime, Database]]:
    """Run the service with a clock that stands at the end of 2026-04-10."""
    database = Database(database_url, pool_size=2)
    yield Uptime(database, clock=FakeClock(datetime(2026, 4, 10, tzinfo=UTC)), **options), database
    await database.close()


def _two_ports(database_url: str) -> None:
    add_location(database_url, "HARBOUR", "UTC")
    down = [(BEGIN, "available"), (march(2), "offline"), (march(4), "charging"), (march(20), "faulted")]
    add_port(database_url, "CP-1", [*down, (march(21), "available")])
    add_port(database_url, "CP-2", [(march(11), "available")], commissioned_at=march(10), power_w=22_000)


async def _month(uptime: Uptime, database: Database, month: Month = MARCH) -> tuple[int, int, int, int]:
    async with database.transaction(US) as tx:
        found = await uptime.network_month(tx, US, month)
    return found.ports, found.service_us, found.outage_us, found.excluded_us


def _excuse(**place: Any) -> NewExclusion:
    return NewExclusion(
        march(3), march(6), ExclusionCause.UTILITY_INTERRUPTION, "notice 17", "https://grid.example/17", **place
    )


async def test_nevi_reads_what_was_down_and_since_when_a_port_serves(database_url: str) -> None:
    """Three days down; the other was commissioned on the tenth and heard of on the eleventh."""
    _two_ports(database_url)
    async with uptime_over(database_url) as (uptime, _):
        one, two = await uptime.nevi(US)
        assert (one.outage_us, two.outage_us) == (3 * DAY_US, DAY_US)
        assert one.months[-1].month == MARCH
        assert (one.service_us, two.service_us) == (59 * DAY_US, 22 * DAY_US)
        assert [(span.state.value, span.begin_at) for span in one.outages] == [
            ("offline", march(2)), ("faulted", march(20)),
        ]  # fmt: skip
        assert percent_text(one.percent) == "99.178"
        assert two.percent_in_service == Fraction(2100, 22)
        assert await uptime.nevi(US, places=Places(station="CP-2")) == [two]
        assert await uptime.nevi(US, places=Places(location="NOWHERE")) == []


async def test_the_month_of_a_network_is_the_sum_of_its_ports(database_url: str) -> None:
    """The database's sums and the ports reckoned one by one agree, with exclusions and without."""
    _two_ports(database_url)
    async with uptime_over(database_url) as (uptime, database):
        assert await _month(uptime, database) == (2, 53 * DAY_US, 4 * DAY_US, 0)
        await uptime.enter_exclusion(ADMIN, _excuse(location_id="HARBOUR"))
        assert await _month(uptime, database) == (2, 53 * DAY_US, 4 * DAY_US, DAY_US)
        assert await _month(uptime, database, Month(2026, 4)) == (2, 18 * DAY_US, 0, 0)
        assert await _month(uptime, database, Month(2026, 1)) == (0, 0, 0, 0)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/London", "Pacific/Auckland"])
async def test_both_ways_to_a_month_agree_in_every_zone(database_url: str, zone: str) -> None:
    """SQL's month and ours begin and end with the site's, on months in which its clocks change."""
    add_location(database_url, "HARBOUR", zone)
    add_port(database_url, "CP-1", [(BEGIN, "faulted")], decommissioned_at=march(31.5))
    add_port(database_url, "CP-2", [(BEGIN, "available"), (march(31.9), "unknown")])
    async with uptime_over(database_url) as (uptime, database):
        plain = await _month(uptime, database)
        await uptime.enter_exclusion(
            ADMIN, NewExclusion(BEGIN, march(1), ExclusionCause.OTHER, "seen", None, "HARBOUR")
        )
        await uptime.enter_exclusion(
            ADMIN, NewExclusion(march(9), march(10), ExclusionCause.OTHER, "seen", None, "HARBOUR")
        )
        assert await _month(uptime, database) == plain


async def test_the_worker_that_sees_all_operators_reads_one(database_url: str) -> None:
    """Under the ingest role row-level policies do not help, so every statement names the operator."""
    _two_ports(database_url)
    add_operator(database_url, 2, "Other")
    add_location(database_url, "THEIRS", "UTC", 2)
    add_port(database_url, "CP-9", [(BEGIN, "faulted")], location="THEIRS")
    database = Database(database_url, Role.INGEST, pool_size=1)
    uptime = Uptime(database, clock=FakeClock(march(40)))
    async with database.transaction(None) as tx:
        assert (await uptime.network_month(tx, US, MARCH)).ports == 2
        assert (await uptime.network_month(tx, OperatorId(2), MARCH)).percent == 0
    assert {port.port.station_id for port in await uptime.nevi(US)} == {"CP-1", "CP-2"}
    await database.close()


async def test_an_exclusion_counts_until_it_is_withdrawn_and_stays_on_record(database_url: str) -> None:
    """Entered, counted, withdrawn with a reason; the rows refuse any change; the audit has both."""
    _two_ports(database_url)
    async with uptime_over(database_url) as (uptime, _):
        made = await uptime.enter_exclusion(ADMIN, _excuse(station_id="CP-1", evse_id=1))
        port = (await uptime.nevi(US))[0]
        assert port.excluded_us == DAY_US
        assert [(one.exclusion_id, one.evidence) for one in port.exclusions] == [(made.id, "notice 17")]
        gone = await uptime.withdraw_exclusion(ADMIN, made.id, "wrong site")
        assert (gone.withdrawn_by, gone.withdrawal_reason) == ("admin", "wrong site")
        assert (await uptime.nevi(US))[0].excluded_us == 0
        with pytest.raises(Conflict, match="withdrawn already"):
            await uptime.withdraw_exclusion(ADMIN, made.id, "again")
        assert (await uptime.list_exclusions(ADMIN, PageRequest(), location="HARBOUR")).items == [gone]
        assert (await uptime.list_exclusions(ADMIN, PageRequest(), station="CP-2")).items == []
        with pytest.raises(NotFound):
            await uptime.get_exclusion(OTHER, made.id)
    with pytest.raises(Exception, match="append-only"):
        run_sql(database_url, "UPDATE uptime_exclusion SET end_at = now()")
    actions = run_sql(database_url, "SELECT action FROM audit ORDER BY audit_id")
    assert actions == [("exclusion.enter",), ("exclusion.withdraw",)]


async def test_an_exclusion_needs_a_place_that_exists(database_url: str) -> None:
    _two_ports(database_url)
    async with uptime_over(database_url) as (uptime, _):
        for place in ({"station_id": "CP-8"}, {"station_id": "CP-1", "evse_id": 2}, {"location_id": "NOWHERE"}):
            with pytest.raises(NotFound):
                await uptime.enter_exclusion(ADMIN, _excuse(**place))
        with pytest.raises(InvalidInput):
            await uptime.enter_exclusion(ADMIN, _excuse())


async def test_the_uk_measures_rapid_points_and_calls_offline_ineligible(database_url: str) -> None:
    """From 1 February to 10 April, 68 days: one not reliable, two ineligible; the 22 kW point is none of it."""
    _two_ports(database_url)
    async with uptime_over(database_url) as (uptime, _):
        network = await uptime.uk(US, 2026)
        assert [point.port.station_id for point in network.ports] == ["CP-1"]
        assert network.percent == Fraction(6500, 66)
        assert network.percent_ineligible_reliable == Fraction(6700, 68)
        assert network.is_met is False
        assert (await uptime.uk(US)).percent == network.percent


async def test_a_contract_is_judged_by_its_own_terms(database_url: str) -> None:
    """Charging is down, if two parties agree so; the grace reaches over the begin of the month."""
    _two_ports(database_url)
    async with uptime_over(database_url) as (uptime, _):
        terms = {"target_percent": "50", "down_states": ["charging"], "min_power_w": 50_000}
        await uptime.put_contract(ADMIN, "ODD", terms)
        odd = await uptime.sla(US, "ODD", MARCH)
        assert [port.down_us for port in odd.ports] == [16 * DAY_US]
        assert odd.is_met is False
        await uptime.put_contract(ADMIN, "ODD", {**terms, "down_states": ["available"], "grace_s": 7 * 86_400})
        assert [port.down_us for port in (await uptime.sla(US, "ODD", MARCH)).ports] == [DAY_US + 4 * DAY_US]
        with pytest.raises(NotFound):
            await uptime.sla(OperatorId(2), "ODD", MARCH)


async def test_contracts_are_kept_as_written(database_url: str) -> None:
    """Replaced, listed and deleted; the audit holds the terms."""
    async with uptime_over(database_url) as (uptime, _):
        made = await uptime.put_contract(ADMIN, "CITY", {"target_percent": 99, "name": "City"})
        assert await uptime.get_contract(ADMIN, "CITY") == made
        assert [one.code for one in (await uptime.list_contracts(ADMIN, PageRequest())).items] == ["CITY"]
        assert (await uptime.list_contracts(OTHER, PageRequest())).items == []
        with pytest.raises(InvalidInput):
            await uptime.put_contract(ADMIN, "CITY", {"target_percent": 0})
        await uptime.delete_contract(ADMIN, "CITY")
        with pytest.raises(NotFound):
            await uptime.delete_contract(ADMIN, "CITY")
    actions = run_sql(database_url, "SELECT action, detail->'document'->>'name' FROM audit ORDER BY audit_id")
    assert actions == [("sla_contract.put", "City"), ("sla_contract.delete", "City")]


async def test_low_power_counts_where_rules_say_so(database_url: str) -> None:
    """An incident of such a rule is an outage of NEVI while it lasts, in both ways to the month."""
    _two_ports(database_url)
    run_sql(
        database_url,
        """INSERT INTO incident (operator_id, rule, group_key, severity, state, title, station_id, evse_id, began_at,
                                 opened_at, ended_at, updated_at)
           SELECT 1, 'low_power', 'k', 'minor', 'resolved', 't', station_id, 1, %s, %s, %s, %s FROM station
            WHERE identity = 'CP-1'""",
        march(3), march(3), march(5), march(5),
    )  # fmt: skip
    async with uptime_over(database_url, shortfall_rules=frozenset({"low_power"})) as (uptime, database):
        assert (await uptime.nevi(US))[0].outage_us == 4 * DAY_US
        assert await _month(uptime, database) == (2, 53 * DAY_US, 5 * DAY_US, 0)


def test_a_month_is_written_with_its_year() -> None:
    assert month_from("2026-03") == MARCH
    assert month_from(None) is None
    with pytest.raises(InvalidInput):
        month_from("March")


async def test_a_big_network_answers_in_time(database_url: str) -> None:
    """10,000 EVSEs of 41 intervals: the month of the network, and of one site, and each port of it."""
    add_location(database_url, "HARBOUR", "UTC")
    add_location(database_url, "SMALL", "UTC")
    add_port(
        database_url, "CP-1", [(BEGIN, "available"), (march(2), "offline"), (march(4), "available")], location="SMALL"
    )
    add_big_network(database_url, 5_000)
    async with uptime_over(database_url) as (uptime, database):
        took = {}
        for name in ("network", "all", "site"):
            begin = time.perf_counter()
            if name == "network":
                ports = (await _month(uptime, database))[0]
                assert ports == 10_001
            else:
                places = Places(location="SMALL") if name == "site" else Places()
                network = await uptime.uk(US, MARCH.span(ZoneInfo("UTC")), places)
                assert len(network.ports) == (1 if name == "site" else 10_001)
            took[name] = time.perf_counter() - begin
    assert took["network"] < 2
    assert took["all"] < 6
    assert took["site"] < 0.5

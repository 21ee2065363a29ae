"""Usage by the service: the coarsest grain that answers, sums that agree, weeks, key figures and expectations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import add_operator
from tests.monitoring.numbers.usage_facts import (
    MONDAY,
    NOW,
    at,
    bill,
    enter_site,
    make_all,
    refuse,
    running_rollups,
    session,
)
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database
from voltway.kernel.errors import InvalidInput, NotFound
from voltway.kernel.ids import EvseId, OperatorId, StationId
from voltway.monitoring.numbers.usage_service import Grain, Usage, Wanted, expected
from voltway.monitoring.timeline.model import EvseKey

ME = OperatorId(1)
MARCH = (MONDAY - timedelta(days=1), MONDAY + timedelta(days=30) - timedelta(hours=1))
"""From 1 March to 1 April in Berlin: the clocks change in it."""


@asynccontextmanager
async def _usage(database_url: str) -> AsyncIterator[Usage]:
    database = Database(database_url, pool_size=2)
    yield Usage(database, clock=FakeClock(NOW))
    await database.close()


@pytest.mark.parametrize(
    ("begin", "end", "grain"),
    [
        (*MARCH, Grain.MONTH),
        (MONDAY, MARCH[1], Grain.DAY),
        (MONDAY, MONDAY + timedelta(days=1), Grain.DAY),
        (MONDAY, MONDAY + timedelta(hours=9), Grain.HOUR),
    ],
)
@pytest.mark.parametrize("place", [{}, {"location": "HARBOUR"}, {"station": "HB-1", "evse_id": 1}])
async def test_the_coarsest_grain_answers(
    database_url: str, begin: object, end: object, grain: Grain, place: dict[str, object]
) -> None:
    """A month where both ends begin one, else days, else hours: and each sums to the same."""
    enter_site(database_url)
    session(database_url, "HB-1", 7, 8, 6)
    await make_all(database_url)
    async with _usage(database_url) as usage:
        report = await usage.usage(ME, Wanted(begin, end, **place))  # type: ignore[arg-type]
        assert (report.grain, report.time_zone, report.currency) == (grain, "Europe/Berlin", "EUR")
        assert sum(row["energy_milliwh"] for row in report.rows) == 6_000_000
        hours = await usage.usage(ME, Wanted(begin, end, **place, grain=Grain.HOUR))  # type: ignore[arg-type]
        for column in ("energy_milliwh", "sessions", "ok", "occupied_s"):
            assert sum(row[column] for row in report.rows) == sum(row[column] for row in hours.rows)


async def test_questions_without_an_answer_are_refused(database_url: str) -> None:
    """Boundaries that no grain has, an empty stretch, hours that are gone, and places that do not exist."""
    enter_site(database_url)
    async with _usage(database_url) as usage:
        with pytest.raises(InvalidInput, match="begin a hour"):
            await usage.usage(ME, Wanted(at(0.5), at(2)))
        with pytest.raises(InvalidInput, match="begin a day in Europe/Berlin"):
            await usage.usage(ME, Wanted(at(1), at(24), grain=Grain.DAY))
        with pytest.raises(InvalidInput, match="empty"):
            await usage.usage(ME, Wanted(at(1), at(1)))
        with pytest.raises(InvalidInput, match="100 days"):
            await usage.usage(ME, Wanted(NOW - timedelta(days=101), NOW, station="HB-1"))
        with pytest.raises(InvalidInput, match="at most"):
            await usage.usage(ME, Wanted(NOW - timedelta(days=500), NOW))
        for wanted in (Wanted(at(0), at(1), "NOWHERE"), Wanted(at(0), at(1), station="HB-1", evse_id=2)):
            with pytest.raises(NotFound):
                await usage.usage(ME, wanted)
        with pytest.raises(NotFound):
            await usage.heatmap(ME, "NOWHERE")
        with pytest.raises(NotFound):
            await usage.demand(ME, at_least=0.8, location="NOWHERE")


async def test_an_operator_sees_only_its_own(database_url: str) -> None:
    """Another operator's network is empty, and our sites are none of its."""
    enter_site(database_url)
    add_operator(database_url, 2, "Other")
    session(database_url, "HB-1", 7, 8, 6)
    await make_all(database_url)
    async with _usage(database_url) as usage:
        assert not (await usage.usage(OperatorId(2), Wanted(*MARCH))).rows
        with pytest.raises(NotFound):
            await usage.usage(OperatorId(2), Wanted(*MARCH, "HARBOUR"))


async def test_the_week_of_a_site(database_url: str) -> None:
    """Shares of usable EVSE time by local hour; the busiest is said in words."""
    enter_site(database_url)
    await make_all(database_url)
    async with _usage(database_url) as usage:
        week = await usage.heatmap(ME, "HARBOUR", begin=MONDAY, end=at(24))
        assert (week.location, week.time_zone, week.busiest) == (
            "HARBOUR", "Europe/Berlin", "HARBOUR: Mon 17–18, 100 % occupied",
        )  # fmt: skip
        assert week.hours[0][15:20] == [0.0, 0.5, 1.0, 0.25, 0.0]
        assert week.hours[1] == [None] * 24
        found = await usage.demand(ME, at_least=0.5)
        assert [it.sentence for it in found] == ["HARBOUR: Mon 16–18, 75 % occupied"]


async def test_key_figures(database_url: str) -> None:
    """A day's attempts, outcomes, repairs and utilisation."""
    enter_site(database_url)
    session(database_url, "HB-1", 8, 9, 30, token="AA", reason="Local")
    refuse(database_url, "HB-2", 10, "BB", "Expired")
    session(database_url, "HB-2", 12, 12.5, 0.0, token="CC", reason="PowerLoss")
    await make_all(database_url)
    async with _usage(database_url) as usage:
        found = await usage.kpis(ME, Wanted(MONDAY, at(24), "HARBOUR"))
        assert (found.attempts, found.first_try_ok, found.first_try_rate) == (3, 1, 1 / 3)
        assert (found.ended, found.ok, found.charging_success_rate) == (2, 1, 1 / 3)
        assert found.failed_by_reason == {"Expired": 1, "PowerLoss": 1}
        assert (found.faults, found.mean_time_to_repair_s) == (1, 3600.0)
        assert found.mean_time_between_failures_s == 47 * 3600
        assert found.utilisation_by_time == 3.5 / 47
        assert found.load_factor == pytest.approx(30 / (300 * 24))
        port = await usage.kpis(ME, Wanted(MONDAY, at(24), station="HB-1", evse_id=1))
        assert (port.sessions, port.failed_by_reason, port.charging_success_rate) == (1, {}, 1.0)


async def test_what_an_evse_would_have_delivered(database_url: str) -> None:
    """The mean of the same hours of the weeks that are known; part of an hour counts in part."""
    enter_site(database_url)
    run_sql(database_url, "UPDATE timeline SET begin_at = begin_at - interval '21 days' WHERE previous_end IS NULL")
    for week, kwh in ((1, 6), (2, 12)):
        key = session(database_url, "HB-1", 16 - week * 168, 17 - week * 168, kwh)
        bill(database_url, key, 1, f"{kwh}.00")
    async with running_rollups(database_url) as rollups:
        await rollups.mark_days(MONDAY - timedelta(days=21), NOW)
        await rollups.work()
    (station_id,) = run_sql(database_url, "SELECT station_id FROM station WHERE identity = 'HB-1'")[0]
    known, unknown = EvseKey(StationId(station_id), EvseId(1)), EvseKey(StationId(999), EvseId(1))
    database = Database(database_url, pool_size=1)
    async with database.transaction(ME) as tx:
        found = await expected(tx, [known, unknown], at(16), at(16.5))
        assert found[known].energy_milliwh == 3_000_000
        assert unknown not in found
        whole = (await expected(tx, [known], at(16), at(18)))[known]
        assert (whole.energy_milliwh, round(whole.revenue, 2)) == (6_000_000, Decimal("6.00"))
        billed = (await expected(tx, [known], at(17), at(18)))[known]
        assert (billed.energy_milliwh, round(billed.revenue, 2)) == (0, Decimal("6.00"))
        assert await expected(tx, [], at(0), at(1)) == {}
        assert await expected(tx, [known], at(1), at(1)) == {}
    await database.close()


@pytest.mark.parametrize("place", [{}, {"location": "HARBOUR"}, {"station": "HB-1", "evse_id": 1}])
async def test_revenue_in_another_currency_is_told(database_url: str, place: dict[str, object]) -> None:
    """It is not added to the operator's currency, and does not vanish either."""
    enter_site(database_url)
    bill(database_url, session(database_url, "HB-1", 16, 17, 6), 1, "10.00")
    run_sql(database_url, "UPDATE operator SET currency = 'CHF'")
    await make_all(database_url)
    async with _usage(database_url) as usage:
        report = await usage.usage(ME, Wanted(*MARCH, **place))  # type: ignore[arg-type]
        before = await usage.usage(ME, Wanted(MARCH[0], MONDAY, **place))  # type: ignore[arg-type]
    assert (report.currency, report.rows[0]["revenue_excl"]) == ("CHF", 0)
    assert [dict(row) for row in report.other_revenue] == [
        {"currency": "EUR", "excl_vat": Decimal("10.00"), "incl_vat": Decimal("11.9000")}
    ]
    assert before.other_revenue == []

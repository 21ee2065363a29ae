"""What incidents cost: by the EVSE's own mean of the same hours, less what it delivered; nothing unknown is claimed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.numbers.usage_facts import MONDAY, NOW, at, bill, enter_site, running_rollups, session
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database, Role
from voltway.kernel.ids import EvseId, StationId
from voltway.monitoring.incidents.cost import Loss, Span, lost, together
from voltway.monitoring.incidents.cost_jobs import LOOK_BACK, Costs
from voltway.monitoring.timeline.model import EvseKey
from voltway.operations import expected_loss

KEYS = [EvseKey(StationId(1), EvseId(number)) for number in (1, 2)]


async def enter_past(database_url: str) -> None:
    """Let HB-1 have delivered 6 and 12 kWh on the last two of three Mondays from 16 to 17 o'clock, at 1 EUR each."""
    enter_site(database_url)
    run_sql(database_url, "UPDATE timeline SET begin_at = begin_at - interval '21 days' WHERE previous_end IS NULL")
    for week, kwh in ((1, 6), (2, 12)):
        key = session(database_url, "HB-1", 16 - week * 168, 17 - week * 168, kwh)
        bill(database_url, key, 1, f"{kwh}.00", created_at=at(16.9 - week * 168))
    async with running_rollups(database_url) as rollups:
        await rollups.mark_days(MONDAY - timedelta(days=21), NOW)
        await rollups.work()


def enter_incident(database_url: str, rule: str, begin: float, end: float | None = None, state: str = "open") -> None:
    """Write an incident at HB-1, by local hours."""
    run_sql(
        database_url,
        """INSERT INTO incident (operator_id, rule, group_key, severity, state, title, location_id, station_id, evse_id,
                                 began_at, opened_at, ended_at, updated_at)
           SELECT operator_id, %s, 'g', 'major', %s, 'T', location_id, station_id, 1, %s, %s, %s, %s
             FROM station WHERE identity = 'HB-1'""",
        rule, state, at(begin), at(begin), None if end is None else at(end), at(begin if end is None else end),
    )  # fmt: skip


async def counted(database_url: str, hours: float) -> tuple[Any, ...]:
    """Let the job run at an instant; return energy, revenue and currency of the one incident."""
    ingest = Database(database_url, Role.INGEST, pool_size=1)
    await Costs(ingest, expected_loss, clock=FakeClock(at(hours))).count()
    await ingest.close()
    return tuple(run_sql(database_url, "SELECT lost_milliwh, round(lost_revenue, 2), currency FROM incident")[0])


@pytest.mark.parametrize(
    ("rule", "energy", "revenue"),
    [("no_delivery", 6_000_000, "6.00"), ("faulted", 0, "0.00")],
    ids=["of no use by itself", "only while the timeline says so"],
)
async def test_a_lasting_incident_costs_what_the_same_hours_brought(
    database_url: str, rule: str, energy: int, revenue: str
) -> None:
    """Two hours whose mean is 6 kWh; the timeline says that the EVSE is in use meanwhile."""
    await enter_past(database_url)
    enter_incident(database_url, rule, 16)
    found = await counted(database_url, 18)
    if energy:
        assert found == (energy, Decimal(revenue), "EUR")
    else:
        assert found == (None, None, None)


async def test_a_fault_costs_while_it_lasts_less_what_was_delivered(database_url: str) -> None:
    await enter_past(database_url)
    run_sql(
        database_url,
        """UPDATE timeline t SET state = 'faulted' FROM station s
            WHERE s.station_id = t.station_id AND s.identity = 'HB-1' AND begin_at >= %s AND begin_at < %s""",
        at(16), at(17),
    )  # fmt: skip
    enter_incident(database_url, "faulted", 16, 18, "remedied")
    assert await counted(database_url, 18) == (6_000_000, Decimal("6.00"), "EUR")
    session(database_url, "HB-1", 16.25, 16.4, 1.5)
    assert await counted(database_url, 18) == (4_500_000, Decimal("4.50"), "EUR")
    session(database_url, "HB-1", 16.3, 16.4, 10)
    assert await counted(database_url, 18) == (0, Decimal("0.00"), "EUR")


async def test_what_ended_long_ago_is_not_counted_again(database_url: str) -> None:
    await enter_past(database_url)
    enter_incident(database_url, "no_delivery", 16, 18, "resolved")
    assert await counted(database_url, 18.1 + LOOK_BACK / timedelta(hours=1)) == (None, None, None)
    assert (await counted(database_url, 17.9 + LOOK_BACK / timedelta(hours=1)))[0] == 6_000_000


async def test_nothing_is_claimed_of_an_evse_without_a_past(database_url: str) -> None:
    enter_site(database_url)
    enter_incident(database_url, "no_delivery", 16)
    assert await counted(database_url, 16.5) == (None, None, None)


def test_what_is_out_of_use_in_the_same_minutes_is_asked_for_at_once() -> None:
    begin, second = at(1), timedelta(seconds=1)
    spans = [Span(KEYS[0], begin + second, at(2)), Span(KEYS[1], begin + 2 * second, at(2) + second)]
    assert together(spans) == {(begin, at(2)): KEYS}
    assert together([Span(KEYS[0], begin, begin + second)]) == {}


def test_where_one_delivers_more_another_did_not_lose_less() -> None:
    expected = {KEYS[0]: [Loss(1000, Decimal(1))], KEYS[1]: [Loss(1000, Decimal(1))]}
    assert lost(expected, {KEYS[0]: 5000}) == Loss(1000, Decimal("1.00"))
    assert lost({KEYS[0]: []}, {}) is None

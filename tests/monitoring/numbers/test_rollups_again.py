"""What comes late, twice or in another order gives the rollups of a fresh making; a killed worker forgets none."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.numbers.usage_facts import NOW, at, bill, enter_site, make_all, rows, running_rollups, session
from tests.sessions.seeding import Seed, add_late_reading, run_sql

from voltway.infra.db import Database, Role
from voltway.infra.outbox import Change, Cursor, Outbox
from voltway.kernel.ids import EvseId, OperatorId, StationId
from voltway.monitoring.numbers.rollup_jobs import CONSUMER, Rollups
from voltway.monitoring.timeline.model import EvseKey, Interval, OperatorState
from voltway.monitoring.watch.model import Splice

ALL = "usage_rollup.*"


def _change(*sessions: UUID) -> Change:
    return Change(Cursor(1, 1), OperatorId(1), list(sessions), list(sessions), [])


def _splice(database_url: str, identity: str, begin: datetime) -> Splice:
    """Write a timeline as the watch does: HB-2 was closed for a while on Monday after all."""
    (station_id,) = run_sql(database_url, "SELECT station_id FROM station WHERE identity = %s", identity)[0]
    end = begin + timedelta(hours=2)
    run_sql(
        database_url, "UPDATE timeline SET state = 'unavailable', end_at = %s WHERE station_id = %s AND begin_at = %s",
        end, station_id, begin,
    )  # fmt: skip
    run_sql(
        database_url,
        """INSERT INTO timeline (station_id, evse_id, begin_at, previous_end, operator_id, state, evidence_at)
           VALUES (%s, 1, %s, %s, 1, 'available', %s)""",
        station_id, end, end, end,
    )  # fmt: skip
    interval = Interval(begin, end, OperatorState.UNAVAILABLE, "", "", begin)
    return Splice(OperatorId(1), EvseKey(StationId(station_id), EvseId(1)), begin, (begin,), (interval,), None)


async def _from_scratch(database_url: str, now: datetime) -> list[tuple[Any, ...]]:
    run_sql(database_url, "DELETE FROM usage_rollup")
    run_sql(database_url, "DELETE FROM usage_failure")
    await make_all(database_url, now)
    return rows(database_url, ALL)


async def test_a_session_that_is_told_late_is_in_the_figures(database_url: str) -> None:
    """The outbox's reader marks its days; what is made then is what a fresh making gives."""
    enter_site(database_url)
    await make_all(database_url)
    before = rows(database_url, ALL)
    key = session(database_url, "HB-2", 22, 26, 8)
    async with running_rollups(database_url) as rollups:
        await rollups.handle([_change(key)])
        assert await rollups.work() == 2
        assert await rollups.work() == 0
    after = rows(database_url, ALL)
    assert after != before
    assert after == await _from_scratch(database_url, NOW)


async def test_a_late_try_just_before_midnight_changes_the_next_day(database_url: str) -> None:
    """The session after midnight is no first try after all, and the day that tells of it is made again."""
    enter_site(database_url)
    session(database_url, "HB-1", 24.05, 25, 8, token="X")
    await make_all(database_url)
    key = session(database_url, "HB-1", 23.90, 23.95, 0, token="X")
    async with running_rollups(database_url) as rollups:
        await rollups.handle([_change(key)])
        await rollups.work()
    found = rows(database_url, "attempts, first_try_ok", "usage_rollup.location_id = 0 AND grain = 3 AND attempts > 0")
    assert found == [(1, 0)]
    assert rows(database_url, ALL) == await _from_scratch(database_url, NOW)


async def test_who_waited_over_midnight_is_counted(database_url: str) -> None:
    """The site was full until shortly before the day began; the session that followed had waited."""
    enter_site(database_url)
    for identity in ("HB-1", "HB-2"):
        run_sql(
            database_url,
            """UPDATE timeline SET state = 'charging' WHERE end_at = 'infinity' AND state = 'available'
                AND station_id = (SELECT station_id FROM station WHERE identity = %s)""",
            identity,
        )
    session(database_url, "HB-1", 22, 23.98, 8, token="X")
    session(database_url, "HB-1", 24.02, 25, 8, token="Y")
    await make_all(database_url)
    found = rows(
        database_url,
        "start_at, queued_starts",
        "station_id = 0 AND usage_rollup.location_id > 0 AND grain = 2 AND queued_starts > 0",
    )
    assert found == [(at(24), 1)]
    seconds = rows(database_url, "occupied_s, full_s", "grain = 2 AND usage_rollup.location_id = 0")
    assert seconds[1] == (2 * 24 * 3600, 24 * 3600)


async def test_a_late_reading_moves_energy_between_quarters(database_url: str) -> None:
    """The sum stays, the quarters follow the register."""
    enter_site(database_url)
    key = session(database_url, "HB-2", 16, 17, 6)
    await make_all(database_url)
    add_late_reading(database_url, Seed("HB-2", readings=((15, 105.0, None),), started_at=at(16)), key)
    async with running_rollups(database_url) as rollups:
        await rollups.handle([_change(key), _change(key)])
        await rollups.work()
    found = rows(database_url, "energy_milliwh, quarters", "grain = 1 AND station_id > 0 AND energy_milliwh > 0")
    assert found[0][0] == sum(found[0][1]) == 6_000_000
    assert found[0][1][0] == 5_000_000
    assert rows(database_url, ALL) == await _from_scratch(database_url, NOW)


async def test_a_timeline_that_changed_is_made_again_from_its_begin(database_url: str) -> None:
    """The watch calls within its transaction; only days that are over are marked, today comes with its hour."""
    enter_site(database_url)
    await make_all(database_url)
    splice = _splice(database_url, "HB-2", at(18.5))
    database = Database(database_url, Role.INGEST, pool_size=2)
    rollups = Rollups(database, clock=FakeClock(NOW))
    async with database.transaction(None) as tx:
        await rollups.mark_timeline(tx, [splice])
    await rollups.work()
    await rollups.close_hour()
    await database.close()
    closed = rows(database_url, "unavailable_s", "grain = 3 AND usage_rollup.location_id = 0 AND unavailable_s > 0")
    assert closed == [(2 * 3600,)]
    assert rows(database_url, ALL) == await _from_scratch(database_url, NOW)


async def test_a_credit_is_found_with_the_next_hour(database_url: str) -> None:
    """CDRs have no message of their own; the hour's end looks for new ones."""
    enter_site(database_url)
    key = session(database_url, "HB-1", 16, 17, 6)
    bill(database_url, key, 1, "10.00", NOW - timedelta(days=1))
    await make_all(database_url)
    bill(database_url, key, 2, "-10.00")
    async with running_rollups(database_url) as rollups:
        await rollups.close_hour()
    assert {row[0] for row in rows(database_url, "revenue_excl")} == {0}


async def test_a_station_that_moves_counts_once(database_url: str) -> None:
    """Its figures are taken from the old site and stand at the new one; the next hour finds nothing to do."""
    enter_site(database_url)
    key = session(database_url, "HB-1", 16, 17, 6)
    await make_all(database_url)
    run_sql(
        database_url,
        """WITH dock AS (INSERT INTO location (operator_id, code, name, time_zone)
                         VALUES (1, 'DOCK', 'Dock', 'Europe/Lisbon') RETURNING location_id)
           UPDATE station SET location_id = (SELECT location_id FROM dock) WHERE identity = 'HB-1'""",
    )
    async with running_rollups(database_url) as rollups:
        await rollups.handle([_change(key)])
        await rollups.close_hour()
    found = rows(database_url, "energy_milliwh, evses", "usage_rollup.location_id = 0 AND grain = 3 AND sessions > 0")
    assert found == [(6_000_000, 2)]
    places = rows(database_url, "usage_rollup.location_id", "grain = 3 AND identity = 'HB-1'")
    assert len({row[0] for row in places}) == 1


async def test_an_installation_that_was_updated_makes_its_past(database_url: str) -> None:
    """Also where the running day was made before; once it is made, a start finds nothing left to mark."""
    enter_site(database_url)
    session(database_url, "HB-1", 16, 17, 6)
    async with running_rollups(database_url) as rollups:
        await rollups.close_hour()
        assert rows(database_url, "1", "sessions > 0") == []
        assert await rollups.mark_past() == 2
        assert await rollups.mark_past() == 0
        await rollups.work()
        assert await rollups.mark_past() == 0
    assert rows(database_url, ALL) == await _from_scratch(database_url, NOW)


async def test_a_failed_making_keeps_its_marks(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks go in the transaction of what was made of them: killed before the commit, all is done again."""
    enter_site(database_url)

    async def fail(*_: object) -> None:
        raise ConnectionError("the worker was killed")

    async with running_rollups(database_url) as rollups:
        await rollups.mark_days(at(0), NOW)
        with monkeypatch.context() as patch:
            patch.setattr("voltway.monitoring.numbers.rollup_store.replace_above", fail)
            with pytest.raises(ConnectionError):
                await rollups.work()
        assert rows(database_url, ALL) == []
        assert await rollups.work() == 3
    made = rows(database_url, ALL)
    assert made == await _from_scratch(database_url, NOW)


async def test_the_cursor_is_written_with_the_marks(database_url: str) -> None:
    """A reader that starts again begins behind what it has marked."""
    enter_site(database_url)
    async with running_rollups(database_url) as rollups:
        await rollups.handle([_change()])
    database = Database(database_url, Role.INGEST, pool_size=1)
    assert await Outbox(database).load_cursor(CONSUMER) == Cursor(1, 1)
    await database.close()


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_of_sessions_gives_the_same_rows(database_url: str, seed: int) -> None:
    """Sessions that come one by one, in any order, some told twice, and hours that end in between."""
    rng = random.Random(seed)  # noqa: S311 - a test's
    enter_site(database_url)
    made: list[UUID] = []
    stretches = _stretches(rng)
    async with running_rollups(database_url) as rollups:
        for station, begin, end in stretches:
            made.append(session(database_url, station, begin, end, rng.randrange(1, 20), token=rng.choice("ABC")))
            await rollups.handle([_change(rng.choice(made), made[-1])])
            if rng.random() < 0.4:
                await rollups.work()
        await rollups.close_hour()
    assert rows(database_url, ALL) == await _from_scratch(database_url, NOW)


def _stretches(rng: random.Random) -> Sequence[tuple[str, float, float]]:
    """Return sessions that do not overlap on their EVSE, in any order."""
    found = []
    for station in ("HB-1", "HB-2"):
        edges = sorted(round(rng.uniform(0, 57), 2) for _ in range(12))
        found += [(station, begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]
    rng.shuffle(found)
    return found

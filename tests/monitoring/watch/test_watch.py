"""The watch over a real database: facts become timelines and incidents, once, whatever happens to the worker."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import psycopg
import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.watch.stage import T0, Network, end, reading, running_network, start, status

from voltway.infra.db import Transaction
from voltway.kernel.facts import ConnectorStatus
from voltway.monitoring.incidents.model import IncidentChange

S = ConnectorStatus


@pytest.fixture
async def network(database_url: str, clock: FakeClock) -> AsyncIterator[Network]:
    async with running_network(database_url, clock) as made:
        made.add("A")
        yield made


async def test_a_session_becomes_a_timeline(network: Network) -> None:
    await network.connect("A")
    await network.step(minutes=10)
    await network.live("A")
    await network.tell("A", status(S.PREPARING, network.clock()), start(network.clock()))
    await network.step(minutes=1)
    await network.tell("A", status(S.CHARGING, network.clock()), reading(network.clock(), 1_500_000))
    await network.step(seconds=30)
    await network.live("A")
    await network.tell("A", end(network.clock(), 2_000_000), status(S.FINISHING, network.clock()))
    await network.step(seconds=20)
    await network.tell("A", status(S.AVAILABLE, network.clock()))
    await network.step(seconds=1)
    found = network.timeline("A")
    assert [state for _, state in found][-4:] == ["available", "charging", "finishing", "available"]


async def test_a_silent_link_is_offline_without_any_fact(network: Network) -> None:
    """Nobody closes the link of a gateway that died: time alone ends it, and its next sign of life begins a new one."""
    await network.connect("A")
    await network.step(seconds=1)
    await network.step(minutes=5)
    assert network.timeline("A") == [(0, "available"), (1.5, "offline:silent")]
    await network.connect("A")
    await network.step(seconds=1)
    assert [state for _, state in network.timeline("A")] == ["available", "offline:silent", "available"]


async def test_what_comes_late_is_projected_again(network: Network) -> None:
    """A station back from an outage tells of a fault during it, received now: what stands after it is right."""
    await network.connect("A")
    await network.step(minutes=1)
    await network.vanish("A")
    await network.step(minutes=30)
    at = network.clock() - timedelta(minutes=10)
    await network.connect("A")
    await network.tell("A", status(S.FAULTED, at, "GroundFailure"))
    await network.step(seconds=1)
    assert [state for _, state in network.timeline("A")] == ["available", "offline:link_closed", "available"]


async def test_every_interval_begins_where_the_one_before_ends(network: Network) -> None:
    """The database itself refuses a gap: each begin refers to an end, checked at the commit."""
    await network.connect("A")
    await network.step(minutes=1)
    await network.vanish("A")
    await network.step(minutes=1)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        network.sql("UPDATE timeline SET end_at = end_at - interval '1 second' WHERE end_at < 'infinity'")
    with pytest.raises(psycopg.errors.UniqueViolation):
        network.sql(
            """INSERT INTO timeline (station_id, evse_id, begin_at, operator_id, state, evidence_at)
               SELECT station_id, 1, now(), 1, 'available', now() FROM station"""
        )


async def test_a_fault_opens_one_incident_and_its_end_remedies_it(network: Network) -> None:
    await network.connect("A")
    await network.step(seconds=1)
    await network.tell("A", status(S.FAULTED, network.clock(), "GroundFailure"))
    await network.step(seconds=1)
    await network.step(seconds=30)
    assert network.incidents() == [("faulted", "open")]
    ((title, code),) = network.sql("SELECT title, error_code FROM incident")
    assert "HARBOUR" in title
    assert "station A" in title
    assert code == "GroundFailure"
    await network.tell("A", status(S.AVAILABLE, network.clock()))
    for _ in range(20):
        await network.live("A")
        await network.step(seconds=30)
    assert network.incidents() == [("faulted", "remedied")]
    assert network.sql("SELECT count(*) FROM symptom") == [(0,)]


async def test_a_fault_that_returns_soon_reopens_its_incident(network: Network) -> None:
    await network.connect("A")
    for word in (S.FAULTED, S.AVAILABLE, S.FAULTED):
        await network.tell("A", status(word, network.clock(), "GroundFailure" if word is S.FAULTED else None))
        for _ in range(10):
            await network.live("A")
            await network.step(seconds=30)
    assert network.incidents() == [("faulted", "reopened")]
    kinds = [kind for (kind,) in network.sql("SELECT kind FROM incident_entry ORDER BY entry_id")]
    assert kinds == ["opened", "remedied", "reopened"]


async def test_a_site_that_vanishes_is_one_incident(network: Network) -> None:
    """Twenty stations in the same minute are one incident; those who stay away later get their own."""
    names = [f"S-{number:02}" for number in range(20)]
    network.add(*names, site="PORT")
    await network.connect("A", *names)
    await network.step(seconds=5)
    await network.vanish(*names)
    for _ in range(30):
        await network.live("A")
        await network.step(seconds=30)
    unresolved = network.sql("SELECT rule, symptoms FROM incident WHERE ended_at IS NULL")
    assert [rule for rule, _ in unresolved] in (["site_outage"], ["network_outage"])
    await network.connect(*names[:-1])
    for _ in range(15):
        await network.live("A", *names[:-1])
        await network.step(seconds=30)
    assert network.sql("SELECT rule FROM incident WHERE ended_at IS NULL") == [("station_offline",)]
    await network.connect(names[-1])
    for _ in range(25):
        await network.live("A", *names)
        await network.step(seconds=30)
    assert network.sql("SELECT rule FROM incident WHERE ended_at IS NULL") == []


async def test_a_fresh_worker_repeats_nothing(database_url: str, clock: FakeClock) -> None:
    """A watch that starts anew on the same database tells nobody again and keeps timelines and holds."""
    told: list[str] = []

    async def tell(_: Transaction, changes: Sequence[IncidentChange]) -> None:
        told.extend(change.kind.value for change in changes)

    async with running_network(database_url, clock, (tell,)) as network:
        network.add("A", "B")
        await network.connect("A", "B")
        await network.step(seconds=1)
        await network.tell("A", status(S.FAULTED, clock(), "GroundFailure"))
        await network.step(seconds=60)
        before = network.timeline("A"), network.timeline("B"), network.sql("SELECT * FROM symptom")
        network.fresh_watch()
        await network.live("A", "B")
        await network.step(seconds=1)
        assert (network.timeline("A"), network.timeline("B"), network.sql("SELECT * FROM symptom")) == before
    assert told == ["opened"]


async def test_a_batch_that_fails_is_done_again_whole(database_url: str, clock: FakeClock) -> None:
    """Timeline, incident and cursor are one transaction: a subscriber that fails leaves nothing half done."""
    failures = [RuntimeError("the worker dies here")]

    async def fail_once(_: Transaction, __: Sequence[IncidentChange]) -> None:
        if failures:
            raise failures.pop()

    async with running_network(database_url, clock, (fail_once,)) as network:
        network.add("A")
        await network.connect("A")
        await network.step(seconds=1)
        await network.tell("A", status(S.FAULTED, clock(), "GroundFailure"))
        with pytest.raises(RuntimeError, match="dies here"):
            await network.step(seconds=60)
        assert network.incidents() == []
        assert [state for _, state in network.timeline("A")] == ["available"]
        network.fresh_watch()
        await network.step(seconds=1)
        assert network.incidents() == [("faulted", "open")]
        assert [state for _, state in network.timeline("A")][:2] == ["available", "faulted:GroundFailure"]


async def test_made_history_becomes_a_timeline_and_no_incident(network: Network) -> None:
    """What was received long ago is projected from the database, and no rule is held against the past."""
    clock = network.clock
    clock.set(T0 - timedelta(days=3))
    await network.connect("A")
    clock.advance(hours=1)
    await network.tell("A", status(S.FAULTED, clock(), "GroundFailure"))
    clock.advance(hours=1)
    await network.tell("A", status(S.AVAILABLE, clock()))
    clock.advance(hours=1)
    await network.vanish("A")
    clock.set(T0)
    await network.connect("A")
    await network.step(seconds=1)
    states = [state for _, state in network.timeline("A")]
    assert states == ["available", "faulted:GroundFailure", "available", "offline:link_closed", "available"]
    assert network.incidents() == []


async def test_a_restart_of_ours_blames_no_station(network: Network) -> None:
    """All were away while we were; they get some minutes to come back, and who does not is told of then."""
    names = [f"S-{number}" for number in range(5)]
    network.add(*names, site="PORT")
    await network.connect("A", *names)
    await network.step(seconds=5)
    await network.vanish("A", *names)
    network.clock.advance(minutes=10)
    network.fresh_watch()
    await network.step(seconds=1)
    await network.step(seconds=60)
    assert network.incidents() == []
    await network.connect("A", *names[:-1])
    for _ in range(8):
        await network.live("A", *names[:-1])
        await network.step(seconds=30)
    assert network.incidents() == [("station_offline", "open")]

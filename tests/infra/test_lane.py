"""The plain connection of a small process: a lock that dies with it, waking up, and a database that goes away."""

import os
from collections.abc import Callable, Iterator

import psycopg
import pytest

from voltway.infra.lane import Lane
from voltway.kernel.errors import NotReady

LOCK = 4711
MakeLane = Callable[[], Lane]


@pytest.fixture
def make_lane(database_url: str) -> Iterator[MakeLane]:
    lanes: list[Lane] = []

    def make() -> Lane:
        lanes.append(Lane(database_url, role="voltway_ingest", lock=LOCK, channel="lane_test"))
        return lanes[-1]

    yield make
    for lane in lanes:
        lane.close()


def test_only_one_holds_the_lock(make_lane: MakeLane) -> None:
    """Until its connection ends, however that happens."""
    first, second = make_lane(), make_lane()
    assert first.take_lock()
    assert first.take_lock()
    assert not second.take_lock()
    first.close()
    assert second.take_lock()
    assert not first.take_lock()


def test_it_takes_on_its_role(make_lane: MakeLane) -> None:
    (row,) = make_lane().run("SELECT current_user AS role, current_setting('timezone') AS zone")
    assert row == {"role": "voltway_ingest", "zone": "UTC"}


def test_a_broken_connection_is_told_and_made_anew(make_lane: MakeLane, database_url: str) -> None:
    """The lock is gone with it and must be taken again."""
    lane = make_lane()
    assert lane.take_lock()
    (row,) = lane.run("SELECT pg_backend_pid() AS pid")
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (row["pid"],))
    with pytest.raises(NotReady):
        lane.run("SELECT 1")
    other = make_lane()
    assert other.take_lock()
    assert not lane.take_lock()


def test_a_transaction_is_all_or_nothing(make_lane: MakeLane, database_url: str) -> None:
    lane = make_lane()

    def change_and_fail() -> None:
        with lane.transaction():
            lane.run("UPDATE operator SET name = 'changed'")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert lane.run("SELECT name FROM operator") == [{"name": "Voltway"}]
    with lane.transaction():
        lane.run("UPDATE operator SET name = %(name)s", name="changed")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT name FROM operator").fetchall() == [("changed",)]


def test_waiting_ends_with_news(make_lane: MakeLane, database_url: str) -> None:
    """By a notification, also one that came before, or by something to read."""
    lane = make_lane()
    lane.run("SELECT 1")
    read, write = os.pipe()
    assert lane.wait(read, timeout_s=0) == []
    os.write(write, b"x")
    assert lane.wait(read, timeout_s=30) == [read]
    os.read(read, 1)
    with psycopg.connect(database_url) as connection:
        connection.execute("NOTIFY lane_test")
    assert lane.wait(read, timeout_s=30) == []
    with psycopg.connect(database_url) as connection:
        connection.execute("NOTIFY lane_test")
    lane.run("SELECT 1")
    assert lane.wait(read, timeout_s=30) == []
    os.close(read)
    os.close(write)


def test_without_a_database_it_is_not_ready() -> None:
    lane = Lane("postgresql://nobody@127.0.0.1:1/none", role="x", lock=1, channel="c")
    with pytest.raises(NotReady):
        lane.take_lock()
    assert lane.wait(timeout_s=0.01) == []
    lane.close()

"""Several targets at once, one message per target at a time; writers beside the courier; routes that change midway."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.notify.changes import NOON, add_route, make_change, make_incident, messages, seed_network
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database, Role
from voltway.infra.jobs import Jobs
from voltway.infra.lane import Lane
from voltway.monitoring.incidents.model import ChangeKind
from voltway.monitoring.notify.courier_run import AT_ONCE, CHANNEL, LOCK, CourierLoop
from voltway.monitoring.notify.sender import Letter, Sent
from voltway.monitoring.notify.service import Notifier


class Post:
    """A sender that waits for its gate, and counts who is being sent to at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun: list[str] = []
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._lock = threading.Lock()

    def send(self, url: str, letter: Letter, accepted: tuple[str, ...]) -> Sent:
        """Note the beginning, wait, note the end."""
        with self._lock:
            self.begun.append(f"{url} {letter.reference}")
            self.now[url] += 1
            self.most[url] = max(self.most[url], self.now[url])
        assert self.gate.wait(30)
        with self._lock:
            self.now[url] -= 1
        return Sent("", accepted)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def loop(database_url: str, post: Post, clock: FakeClock) -> Iterator[CourierLoop]:
    seed_network(database_url)
    clock.set(NOON + timedelta(hours=1))
    lane = Lane(database_url, role="voltway_ingest", lock=LOCK, channel=CHANNEL)
    running = CourierLoop(lane, send=post.send, clock=clock)
    yield running
    post.gate.set()
    running.close()


async def tell(database_url: str, clock: FakeClock, *numbers: int) -> None:
    database = Database(database_url, Role.INGEST, pool_size=1)
    changes = [make_change(incident=make_incident(number)) for number in numbers]
    async with database.transaction(None) as tx:
        await Notifier(Jobs(database_url), clock=clock).on_changes(tx, changes)
    await database.close()


def work(loop: CourierLoop, rounds: int) -> None:
    for _ in range(rounds):
        loop.step()
        loop.rest(timeout_s=0.1)


async def test_so_many_at_once_and_no_more(loop: CourierLoop, post: Post, database_url: str, clock: FakeClock) -> None:
    """A slow target takes one of the places, not all of them; the others wait for a place."""
    for number in range(AT_ONCE + 2):
        add_route(database_url, f"mailto://{number}", name=str(number))
    await tell(database_url, clock, 1)
    work(loop, 4)
    assert len(post.begun) == AT_ONCE
    states = Counter(state for state, _, _ in messages(database_url))
    assert states == {"sending": AT_ONCE, "pending": 2}
    post.gate.set()
    work(loop, 6)
    assert len(post.begun) == AT_ONCE + 2
    assert {state for state, _, _ in messages(database_url)} == {"sent"}


async def test_one_message_per_target_at_a_time(
    loop: CourierLoop, post: Post, database_url: str, clock: FakeClock
) -> None:
    """So that they arrive in their order."""
    add_route(database_url, "mailto://desk")
    await tell(database_url, clock, 1, 2, 3)
    work(loop, 4)
    assert post.begun == ["mailto://desk <incident-1-1@voltway>"]
    post.gate.set()
    work(loop, 8)
    assert post.begun == [f"mailto://desk <incident-1-{number}@voltway>" for number in (1, 2, 3)]
    assert post.most == {"mailto://desk": 1}


async def test_writers_and_courier_do_not_disturb_each_other(
    loop: CourierLoop, post: Post, database_url: str, clock: FakeClock
) -> None:
    """Many transactions at once while the courier composes: every change is in exactly one message."""
    add_route(database_url, "mailto://desk", digest_min=1)
    add_route(database_url, "mailto://field", name="Field")
    post.gate.set()
    database = Database(database_url, Role.INGEST, pool_size=4)
    notifier = Notifier(Jobs(database_url), clock=clock)

    async def write(number: int) -> None:
        incident = make_incident(number)
        for change in (make_change(incident=incident), make_change(ChangeKind.REMEDIED, incident, minute=5)):
            async with database.transaction(None) as tx:
                await notifier.on_changes(tx, [change])
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 13):
            tasks.create_task(write(number))
        for _ in range(30):
            await asyncio.to_thread(loop.step)
            await asyncio.sleep(0.01)
    clock.advance(minutes=10)
    await asyncio.to_thread(work, loop, 40)
    await database.close()
    rows = run_sql(
        database_url,
        """SELECT n.route_id, n.key, count(m.*) FROM notification n
             LEFT JOIN notification_message m ON m.batch_id = n.batch_id AND m.state = 'sent' GROUP BY 1, 2""",
    )
    assert len(rows) == 2 * 2 * 12
    assert {number for _, _, number in rows} == {1}


async def test_a_target_that_is_added_later_gets_what_is_composed_later(
    loop: CourierLoop, post: Post, database_url: str, clock: FakeClock
) -> None:
    """And a route without any target loses nothing but its messages: what was due is done."""
    route = add_route(database_url, "mailto://first")
    post.gate.set()
    await tell(database_url, clock, 1)
    work(loop, 3)
    run_sql(
        database_url,
        "INSERT INTO notification_target (operator_id, route_id, url, label) VALUES (1, %s, 'mailto://second', '')",
        route,
    )
    await tell(database_url, clock, 2)
    work(loop, 4)
    assert sorted(post.begun) == [
        "mailto://first <incident-1-1@voltway>", "mailto://first <incident-1-2@voltway>",
        "mailto://second <incident-1-2@voltway>",
    ]  # fmt: skip
    run_sql(database_url, "DELETE FROM notification_target")
    await tell(database_url, clock, 3)
    work(loop, 3)
    assert len(post.begun) == 3
    assert run_sql(database_url, "SELECT count(*) FROM notification WHERE batch_id IS NULL") == [(0,)]


async def test_a_route_that_is_deleted_takes_what_waits_along(
    loop: CourierLoop, post: Post, database_url: str, clock: FakeClock
) -> None:
    """What was made a message already fails in the log, since its target is gone."""
    add_route(database_url, "mailto://desk", digest_min=60)
    route = add_route(database_url, "mailto://field", name="Field")
    await tell(database_url, clock, 1, 2)
    work(loop, 2)
    run_sql(database_url, "DELETE FROM notification_route")
    post.gate.set()
    work(loop, 4)
    states = run_sql(database_url, "SELECT route_name, state, error FROM notification_message ORDER BY message_id")
    assert states == [("Field", "sent", None), ("Field", "failed", "the target was removed from its route")]
    assert run_sql(database_url, "SELECT count(*) FROM notification") == [(0,)]
    assert route


async def test_a_disabled_route_tells_nothing_new(
    loop: CourierLoop, post: Post, database_url: str, clock: FakeClock
) -> None:
    add_route(database_url, "mailto://desk")
    run_sql(database_url, "UPDATE notification_route SET enabled = false")
    post.gate.set()
    await tell(database_url, clock, 1)
    work(loop, 2)
    assert post.begun == []

"""The event stream for those who poll: oldest first, nothing skipped by a late commit, nothing twice."""

import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.httpapi.client import Api, RouterMaker, add_operator, running_api
from tests.sessions.seeding import run_sql

from voltway.httpapi.paging import encode_cursor
from voltway.infra.db import Database
from voltway.infra.http_client import HttpClient
from voltway.infra.jobs import Jobs
from voltway.kernel.ids import OperatorId
from voltway.monitoring.notify import api as notify_api
from voltway.monitoring.notify.events import Events
from voltway.monitoring.notify.routes import Routes
from voltway.monitoring.notify.webhooks import Webhooks

ONE = OperatorId(1)


def maker(database_url: str, *, allow_private: bool = True) -> RouterMaker:
    """Return what builds the routes of notifications."""
    jobs, client = Jobs(database_url), HttpClient(allow_private=allow_private)
    return lambda database: notify_api.router(database, Routes(database), Webhooks(database, jobs, client))


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(database_url, maker(database_url)) as running:
        yield running


async def publish(database: Database, events: Events, name: str, kind: str = "test.made") -> None:
    async with database.transaction(ONE) as tx:
        await events.publish(tx, ONE, kind, {"name": name}, key=name)


async def poll(api: Api, cursor: str | None, limit: int = 100) -> tuple[list[str], str]:
    parameters = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
    answer = await api.client.get("/api/v1/events", params=parameters)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["next_cursor"], "it is always given"
    return [item["data"]["name"] for item in page["items"]], page["next_cursor"]


async def test_events_come_in_order_and_go_on(api: Api, database_url: str) -> None:
    events = Events(Jobs(database_url))
    assert (await poll(api, None))[0] == []
    for name in "abc":
        await publish(api.database, events, name)
    first, cursor = await poll(api, None, limit=2)
    second, cursor = await poll(api, cursor)
    third, after = await poll(api, cursor)
    assert (first, second, third) == (["a", "b"], ["c"], [])
    assert after == cursor
    await publish(api.database, events, "d")
    assert (await poll(api, cursor))[0] == ["d"]


async def test_a_late_commit_is_not_skipped(api: Api, database_url: str) -> None:
    """What was published after an open transaction waits for it; then both come, in their order."""
    events = Events(Jobs(database_url))
    await publish(api.database, events, "before")
    _, cursor = await poll(api, None)
    async with api.database.transaction(ONE) as tx:
        await events.publish(tx, ONE, "test.made", {"name": "slow"}, key="slow")
        await publish(api.database, events, "fast")
        seen, cursor = await poll(api, cursor)
        assert seen == []
    assert (await poll(api, cursor))[0] == ["slow", "fast"]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6))
async def test_whatever_overlaps_each_event_comes_once(api: Api, database_url: str, seed: int) -> None:
    """Transactions that begin, publish and commit in any order, polled in between."""
    chance, events = random.Random(seed), Events(Jobs(database_url))  # noqa: S311 - the order of a test
    run_sql(database_url, "DELETE FROM public_event")
    seen: list[str] = []
    cursor, made = None, 0
    open_ones: list[AsyncIterator[None]] = []

    async def transaction(name: str) -> AsyncIterator[None]:
        async with api.database.transaction(ONE) as tx:
            await events.publish(tx, ONE, "test.made", {"name": name}, key=f"{seed}-{name}")
            yield

    for _ in range(12):
        if len(open_ones) < 2 and chance.random() < 0.6:
            open_ones.append(transaction(str(made)))
            made += 1
            await anext(open_ones[-1])
        elif open_ones:
            ending = open_ones.pop(chance.randrange(len(open_ones)))
            await _end(ending)
        names, cursor = await poll(api, cursor, limit=3)
        seen += names
    for ending in open_ones:
        await _end(ending)
    for _ in range(8):
        names, cursor = await poll(api, cursor, limit=3)
        seen += names
    assert sorted(seen, key=int) == [str(number) for number in range(made)]


async def _end(transaction: AsyncIterator[None]) -> None:
    async for _ in transaction:
        raise AssertionError("it publishes once")


async def test_types_are_chosen(api: Api, database_url: str) -> None:
    events = Events(Jobs(database_url))
    for name, kind in (("a", "incident.opened"), ("b", "incident.remedied"), ("c", "session.ended")):
        await publish(api.database, events, name, kind)

    async def named(*types: str) -> list[str]:
        answer = await api.client.get("/api/v1/events", params={"types": list(types)})
        return [item["data"]["name"] for item in answer.json()["items"]]

    assert await named("incident.*") == ["a", "b"]
    assert await named("session.ended", "incident.opened") == ["a", "c"]
    assert (await api.client.get("/api/v1/events", params={"types": "NONSENSE"})).status_code == 422


async def test_an_event_as_it_is_shown(api: Api, database_url: str) -> None:
    await publish(api.database, Events(Jobs(database_url)), "a")
    (item,) = (await api.client.get("/api/v1/events")).json()["items"]
    assert set(item) == {"id", "type", "timestamp", "data"}
    assert item["id"].startswith("evt_")
    assert item["timestamp"].endswith("Z")


async def test_a_foreign_cursor_is_refused(api: Api) -> None:
    answer = await api.client.get("/api/v1/events", params={"cursor": encode_cursor(["x"])})
    assert answer.status_code == 422


async def test_other_operators_are_not_seen(api: Api, database_url: str) -> None:
    add_operator(database_url, 2, "Other")
    await publish(api.database, Events(Jobs(database_url)), "mine")
    async with await api.client_with("read", operator_id=2) as other:
        assert (await other.get("/api/v1/events")).json()["items"] == []
    assert (await api.anonymous.get("/api/v1/events")).status_code == 401

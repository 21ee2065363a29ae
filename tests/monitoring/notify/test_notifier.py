"""What a batch of changes becomes, in the transaction that makes it: events, notifications, deliveries, jobs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.httpapi.client import add_operator
from tests.monitoring.notify.changes import NOON, add_route, make_change, make_incident, seed_network
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database, Role
from voltway.infra.jobs import Jobs
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import ChangeKind, IncidentChange, Place, Severity
from voltway.monitoring.notify.service import Notifier

ONE, TWO = OperatorId(1), OperatorId(2)


@pytest.fixture(params=[Role.APP, Role.INGEST])
async def database(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Database]:
    """A pool of each role in turn."""
    seed_network(database_url)
    pool = Database(database_url, request.param, pool_size=2)
    yield pool
    await pool.close()


@pytest.fixture
def notifier(database_url: str) -> Notifier:
    return Notifier(Jobs(database_url), public_url="https://voltway.example", clock=lambda: NOON)


async def tell(database: Database, notifier: Notifier, *changes: IncidentChange) -> None:
    async with database.transaction(ONE) as tx:
        await notifier.on_changes(tx, changes)


def count(database_url: str, table: str) -> int:
    return int(run_sql(database_url, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own names


def add_webhook(database_url: str, types: str = "{}", *, enabled: bool = True, operator_id: int = 1) -> None:
    run_sql(
        database_url,
        "INSERT INTO webhook (operator_id, url, types, enabled, secret) VALUES (%s, 'https://r/', %s, %s, 'whsec_AA')",
        operator_id, types, enabled,
    )  # fmt: skip


async def test_a_change_becomes_an_event_a_notification_and_a_delivery(
    database: Database, notifier: Notifier, database_url: str
) -> None:
    """With its place in the operator's words, and a job that waits for the commit."""
    add_route(database_url)
    add_webhook(database_url)
    await tell(database, notifier, make_change())
    ((kind, data),) = run_sql(database_url, "SELECT type, data FROM public_event")
    assert kind == "incident.opened"
    assert data["incident"]["location_id"] == "HARBOUR"
    assert data["incident"]["stations"] == ["CP-1"]
    ((due_at, held, document),) = run_sql(database_url, "SELECT due_at, held, document FROM notification")
    assert (due_at, held, document["station"], document["time_zone"]) == (NOON, False, "CP-1", "Europe/Berlin")
    ((body, message_id, event_id),) = run_sql(database_url, "SELECT body, message_id, event_id FROM webhook_delivery")
    assert '"type":"incident.opened"' in body
    assert message_id == f"evt_{event_id}"
    ((task, queue, arguments),) = run_sql(
        database_url, "SELECT task_name, queue_name, args FROM jobs.procrastinate_jobs"
    )
    assert (task, queue, arguments["operator_id"]) == ("webhooks.deliver", "outside", 1)


async def test_the_same_batch_again_changes_nothing(database: Database, notifier: Notifier, database_url: str) -> None:
    add_route(database_url)
    add_webhook(database_url)
    batch = [make_change(), make_change(ChangeKind.REMEDIED, minute=5)]
    await tell(database, notifier, *batch)
    tables = ("public_event", "notification", "webhook_delivery", "jobs.procrastinate_jobs")
    before = [count(database_url, table) for table in tables]
    await tell(database, notifier, *batch)
    assert [count(database_url, table) for table in tables] == before == [2, 2, 2, 2]


async def test_what_is_rolled_back_is_not_told(database: Database, notifier: Notifier, database_url: str) -> None:
    """Neither the event nor the job outlives the transaction."""
    add_route(database_url)
    add_webhook(database_url)
    async with database.transaction(ONE) as tx:
        await notifier.on_changes(tx, [make_change()])
        await tx.rollback()
    assert [count(database_url, table) for table in ("public_event", "notification", "jobs.procrastinate_jobs")] == [
        0
    ] * 3


async def test_only_routes_and_webhooks_that_want_it(database: Database, notifier: Notifier, database_url: str) -> None:
    wanted = add_route(database_url, name="wants", locations=["HARBOUR"], groups=["fast"], min_severity="major")
    add_route(database_url, name="elsewhere", locations=["PARK"])
    add_webhook(database_url, "{incident.opened}")
    add_webhook(database_url, "{incident.*}")
    add_webhook(database_url, "{station.offline}")
    add_webhook(database_url, enabled=False)
    await tell(database, notifier, make_change())
    assert run_sql(database_url, "SELECT route_id FROM notification") == [(wanted,)]
    assert count(database_url, "webhook_delivery") == 2


async def test_quiet_hours_and_digests_are_planned_at_once(
    database: Database, notifier: Notifier, database_url: str
) -> None:
    """23:30 in Berlin is held until 06:00; within a batch and across batches a digest gathers; critical passes."""
    add_route(database_url, name="quiet", quiet_hours={"from": "22:00", "to": "06:00"})
    add_route(database_url, name="hourly", digest_min=60)
    night = NOON + timedelta(hours=10, minutes=30)
    changes = [
        make_change(incident=make_incident(number, began_at=night + timedelta(minutes=number), **values))
        for number, values in ((1, {}), (2, {}), (3, {"severity": Severity.CRITICAL}))
    ]
    await tell(database, notifier, *changes)
    await tell(database, notifier, make_change(incident=make_incident(4, began_at=night + timedelta(minutes=40))))
    rows = run_sql(
        database_url,
        """SELECT r.name, n.incident_id, n.due_at FROM notification n JOIN notification_route r USING (route_id)
           ORDER BY r.name, n.incident_id""",
    )
    morning, digest, passed = NOON + timedelta(hours=17), night + timedelta(minutes=61), night + timedelta(minutes=3)
    assert rows == [
        ("hourly", 1, digest), ("hourly", 2, digest), ("hourly", 3, passed), ("hourly", 4, digest),
        ("quiet", 1, morning), ("quiet", 2, morning), ("quiet", 3, passed), ("quiet", 4, morning),
    ]  # fmt: skip


async def test_a_site_and_the_network_have_their_clock(
    database: Database, notifier: Notifier, database_url: str
) -> None:
    """Without a location the operator's zone counts."""
    run_sql(database_url, "UPDATE operator SET time_zone = 'Asia/Tokyo' WHERE operator_id = 1")
    add_route(database_url)
    changes = [
        make_change(incident=make_incident(1, place=Place(1))),
        make_change(incident=make_incident(2, place=Place())),
    ]
    await tell(database, notifier, *changes)
    found = run_sql(
        database_url, "SELECT document->>'time_zone', document->>'location_code' FROM notification ORDER BY 1"
    )
    assert found == [("Asia/Tokyo", ""), ("Europe/Berlin", "HARBOUR")]


async def test_many_operators_in_one_transaction(database_url: str, notifier: Notifier) -> None:
    """Under the ingest role; each is told of its own only."""
    seed_network(database_url)
    add_operator(database_url, 2, "Other")
    routes = [add_route(database_url), add_route(database_url, operator_id=2)]
    add_webhook(database_url, operator_id=2)
    readers = Database(database_url, Role.INGEST, pool_size=1)
    async with readers.transaction(None) as tx:
        foreign = make_incident(2, operator_id=TWO, place=Place())
        await notifier.on_changes(tx, [make_change(), make_change(incident=foreign)])
    await readers.close()
    rows = run_sql(database_url, "SELECT operator_id, route_id, incident_id FROM notification ORDER BY 1")
    assert rows == [(1, routes[0], 1), (2, routes[1], 2)]
    assert run_sql(database_url, "SELECT operator_id FROM webhook_delivery") == [(2,)]
    assert run_sql(database_url, "SELECT operator_id FROM public_event ORDER BY 1") == [(1,), (2,)]


async def test_no_change_is_no_work(database: Database, notifier: Notifier, database_url: str) -> None:
    await tell(database, notifier)
    assert count(database_url, "public_event") == 0


async def test_others_publish_too(database: Database, notifier: Notifier, database_url: str) -> None:
    """Any slice may publish an event; its key makes it one."""
    data: dict[str, Any] = {"session": "x"}
    for _ in range(2):
        async with database.transaction(ONE) as tx:
            await notifier.events.publish(tx, ONE, "session.ended", data, key="session-x-1")
    assert run_sql(database_url, "SELECT type, at, data FROM public_event") == [("session.ended", NOON, data)]

"""Deliveries through the real queue to a real server: signed, tried again, given up, replayed, switched off."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, LiteralString

import orjson
import psycopg
import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from tests.fake_clock import FakeClock
from tests.httpapi.client import ADMIN, OTHER, add_operator
from tests.monitoring.notify.changes import make_change, make_incident, seed_network
from tests.monitoring.notify.receiver import Receiver, running_receiver
from tests.sessions.seeding import run_sql

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Database, Role
from voltway.infra.http_client import HttpClient
from voltway.infra.jobs import Jobs
from voltway.kernel.clock import now
from voltway.kernel.errors import Conflict, InvalidInput, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import ChangeKind, IncidentChange
from voltway.monitoring.notify.jobs import NotifyJobs
from voltway.monitoring.notify.service import Notifier
from voltway.monitoring.notify.webhook_store import Delivery
from voltway.monitoring.notify.webhooks import Webhooks

PAGE = PageRequest()


def queue_sql(url: str, sql: LiteralString, *values: object) -> None:
    """Change the queue as its owner, whose triggers need its schema."""
    with psycopg.connect(url, options="-c search_path=jobs,public") as connection:
        connection.execute(sql, values)


class Stage:
    """Webhooks of operator 1 with the worker's jobs, on a clock of the test."""

    def __init__(self, url: str, receiver: Receiver) -> None:
        self.url, self.receiver = url, receiver
        # Jobs become due by PostgreSQL's clock: ours starts there and only goes forward.
        self.clock = FakeClock(now())
        self.database, self.ingest = Database(url, pool_size=2), Database(url, Role.INGEST, pool_size=2)
        self.jobs, self.client = Jobs(url), HttpClient(allow_private=True, timeout_s=2)
        self.webhooks = Webhooks(self.database, self.jobs, self.client, clock=self.clock)
        self.background = NotifyJobs(self.database, self.ingest, self.jobs, self.client, clock=self.clock)
        self.notifier = Notifier(self.jobs, clock=self.clock)

    async def open(self) -> None:
        """Enter a network and open the queue."""
        seed_network(self.url)
        self.background.register()
        await self.jobs.open()

    async def close(self) -> None:
        """Close what is open."""
        await self.jobs.close()
        await self.client.close()
        await self.database.close()
        await self.ingest.close()

    async def enter(self, **values: Any) -> tuple[int, str]:
        """Enter an endpoint; return its number and secret."""
        entered = {"url": self.receiver.url, "types": [], "description": "", "enabled": True, **values}
        webhook, secret = await self.webhooks.create(ADMIN, entered)
        return webhook.id, secret

    async def tell(self, *changes: IncidentChange) -> None:
        """Write what follows from changes."""
        async with self.database.transaction(OperatorId(1)) as tx:
            await self.notifier.on_changes(tx, changes)

    async def run_all(self, *, later: timedelta = timedelta()) -> None:
        """Run what is due after that time has passed."""
        self.clock.advance(seconds=later.total_seconds())
        queue_sql(self.url, "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at <= %s", self.clock())
        await self.jobs.run_waiting()

    async def log(self, webhook_id: int) -> list[Delivery]:
        """Return the deliveries of an endpoint, newest first."""
        return (await self.webhooks.deliveries(ADMIN, webhook_id, PAGE)).items


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def stage(database_url: str, receiver: Receiver) -> AsyncIterator[Stage]:
    running = Stage(database_url, receiver)
    await running.open()
    yield running
    await running.close()


async def test_an_event_is_delivered_and_verifies(stage: Stage) -> None:
    webhook_id, secret = await stage.enter()
    await stage.tell(make_change())
    await stage.run_all()
    (request,) = stage.receiver.requests
    payload = Verifier(secret).verify(request.body, request.headers)
    assert payload["type"] == "incident.opened"
    assert payload["data"]["incident"]["location_id"] == "HARBOUR"
    assert payload["timestamp"] == "2026-03-02T12:00:00Z"
    assert request.target == "/hook?x=1"
    (delivery,) = await stage.log(webhook_id)
    assert (delivery.state, delivery.attempts, delivery.status, delivery.response) == ("delivered", 1, 200, "thanks")
    assert request.headers["webhook-id"] == delivery.event_id
    assert delivery.delivered_at == stage.clock()


async def test_a_failure_is_tried_again_under_the_same_id(stage: Stage) -> None:
    """Each attempt is signed anew and in the log; what the receiver says is kept."""
    stage.receiver.answers = [(500, "", b"broken\0"), (200, "", b"ok")]
    webhook_id, secret = await stage.enter()
    await stage.tell(make_change())
    await stage.run_all()
    (delivery,) = await stage.log(webhook_id)
    assert (delivery.state, delivery.error) == ("pending", "the receiver answered 500")
    assert delivery.next_attempt_at is not None
    await stage.run_all()
    assert len(stage.receiver.requests) == 1
    await stage.run_all(later=timedelta(seconds=6))
    first, second = stage.receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    (delivery,) = await stage.log(webhook_id)
    assert [attempt["status"] for attempt in delivery.log] == [500, 200]
    assert delivery.log[0]["response"] == "broken\ufffd"
    assert (delivery.state, delivery.error) == ("delivered", None)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    assert secret.startswith("whsec_")


async def test_a_receiver_that_stays_away_is_given_up_after_a_day(stage: Stage) -> None:
    """Then it is failed in the log, and a replay delivers it under the same id."""
    stage.receiver.answers = [(503, "", b"")]
    webhook_id, _ = await stage.enter()
    await stage.tell(make_change())
    await stage.run_all()
    begun, attempts = stage.clock(), 1
    while (await stage.log(webhook_id))[0].state == "pending":
        await stage.run_all(later=timedelta(hours=14))
        attempts += 1
    (failed,) = await stage.log(webhook_id)
    assert (failed.state, failed.attempts) == ("failed", attempts)
    assert stage.clock() - begun > timedelta(hours=24)
    stage.receiver.answers = [(200, "", b"")]
    assert await stage.webhooks.replay(ADMIN, webhook_id, failed.id) == 1
    await stage.run_all()
    assert (await stage.log(webhook_id))[0].state == "delivered"
    assert len({request.headers["webhook-id"] for request in stage.receiver.requests}) == 1


async def test_nobody_there_is_an_error_in_words(stage: Stage) -> None:
    webhook_id, _ = await stage.enter(url="http://127.0.0.1:1/")
    await stage.tell(make_change())
    await stage.run_all()
    (delivery,) = await stage.log(webhook_id)
    assert delivery.state == "pending"
    assert delivery.status is None
    assert delivery.error


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    stage.receiver.answers = [(302, f"location: {stage.receiver.url}\r\n", b"")]
    webhook_id, _ = await stage.enter()
    await stage.tell(make_change())
    await stage.run_all()
    assert len(stage.receiver.requests) == 1
    assert (await stage.log(webhook_id))[0].error == "the receiver answered 302"


async def test_gone_switches_off(stage: Stage) -> None:
    """410 means never again: also what waits is not sent any more; switching on forgets why."""
    stage.receiver.answers = [(410, "", b"")]
    webhook_id, _ = await stage.enter()
    await stage.tell(make_change())
    await stage.run_all()
    shown = await stage.webhooks.get(ADMIN, webhook_id)
    assert (shown.enabled, shown.disabled_reason) == (False, "the receiver answered 410 Gone")
    await stage.tell(make_change(incident=make_incident(2)))
    await stage.run_all()
    assert len(stage.receiver.requests) == 1
    with pytest.raises(Conflict):
        await stage.webhooks.ping(ADMIN, webhook_id)
    again = await stage.webhooks.update(ADMIN, webhook_id, {"enabled": True})
    assert (again.enabled, again.disabled_reason) == (True, None)


async def test_what_waits_for_an_endpoint_that_was_switched_off_is_not_sent(stage: Stage) -> None:
    webhook_id, _ = await stage.enter()
    await stage.tell(make_change())
    await stage.webhooks.update(ADMIN, webhook_id, {"enabled": False})
    await stage.run_all()
    assert stage.receiver.requests == []
    (delivery,) = await stage.log(webhook_id)
    assert (delivery.state, delivery.error) == ("failed", "the endpoint is switched off")


async def test_secrets_are_exchanged_without_a_gap(stage: Stage) -> None:
    """Both verify during the overlap, only the new one after it."""
    webhook_id, old = await stage.enter()
    _, new = await stage.webhooks.rotate(ADMIN, webhook_id, timedelta(hours=1))
    await stage.tell(make_change())
    await stage.run_all()
    (request,) = stage.receiver.requests
    for secret in (old, new):
        Verifier(secret).verify(request.body, request.headers)
    stage.clock.advance(hours=2)
    await stage.tell(make_change(incident=make_incident(2)))
    await stage.run_all()
    assert len(stage.receiver.requests[1].headers["webhook-signature"].split(" ")) == 1


async def test_replay_since_an_instant_sends_what_was_missed(stage: Stage) -> None:
    """Failed ones and those from before the endpoint existed; not what was delivered."""
    await stage.tell(make_change(incident=make_incident(1)))
    webhook_id, _ = await stage.enter(types=["incident.*"])
    await stage.tell(make_change(incident=make_incident(2)), make_change(ChangeKind.REMEDIED, make_incident(2)))
    await stage.run_all()
    run_sql(
        stage.url,
        "UPDATE webhook_delivery SET state = 'failed' WHERE type = 'incident.remedied'",
    )
    assert await stage.webhooks.replay_since(ADMIN, webhook_id, datetime.fromisoformat("2026-03-02T00:00:00Z")) == 2
    await stage.run_all()
    sent = [orjson.loads(request.body) for request in stage.receiver.requests]
    assert [it["type"] for it in sent].count("incident.opened") == 2
    assert [it["type"] for it in sent].count("incident.remedied") == 2
    assert await stage.webhooks.replay_since(ADMIN, webhook_id, datetime.fromisoformat("2026-03-02T00:00:00Z")) == 0


async def test_a_ping_is_a_delivery_but_no_event(stage: Stage) -> None:
    webhook_id, secret = await stage.enter(types=["nothing.else"])
    number = await stage.webhooks.ping(ADMIN, webhook_id)
    await stage.run_all()
    (request,) = stage.receiver.requests
    assert Verifier(secret).verify(request.body, request.headers)["type"] == "ping"
    (delivery,) = await stage.log(webhook_id)
    assert (delivery.id, delivery.state) == (number, "delivered")
    assert run_sql(stage.url, "SELECT count(*) FROM public_event") == [(0,)]


async def test_the_same_delivery_is_not_sent_by_two_jobs(stage: Stage) -> None:
    webhook_id, _ = await stage.enter()
    await stage.tell(make_change())
    ((delivery_id,),) = run_sql(stage.url, "SELECT delivery_id FROM webhook_delivery")
    for _ in range(3):
        await stage.webhooks.deliver(1, delivery_id)
    await stage.run_all()
    assert len(stage.receiver.requests) == 1
    assert len(await stage.log(webhook_id)) == 1


async def test_a_delivery_whose_worker_was_killed_is_picked_up(stage: Stage) -> None:
    """Claimed and never heard of again, or due with no job: a moment later there is a job anew, and only one."""
    await stage.enter()
    await stage.tell(make_change(incident=make_incident(1)), make_change(incident=make_incident(2)))
    queue_sql(stage.url, "DELETE FROM procrastinate_jobs")
    run_sql(
        stage.url,
        "UPDATE webhook_delivery SET state = 'sending', claimed_at = %s WHERE delivery_id = 1",
        stage.clock(),
    )
    assert await stage.background.pick_up() == 0
    stage.clock.advance(minutes=3)
    assert await stage.background.pick_up() == 1
    stage.clock.advance(minutes=13)
    assert await stage.background.pick_up() == 1
    stage.clock.advance(minutes=1)
    assert await stage.background.pick_up() == 0
    await stage.run_all()
    assert len(stage.receiver.requests) == 2


async def test_clocks_may_differ_a_little(stage: Stage) -> None:
    """The job runs by PostgreSQL's clock; a worker that is some seconds behind sends all the same, not much sooner."""
    await stage.enter()
    await stage.tell(make_change())
    stage.clock.advance(seconds=-60)
    await stage.run_all()
    assert stage.receiver.requests == []
    stage.clock.advance(seconds=35)
    ((delivery_id,),) = run_sql(stage.url, "SELECT delivery_id FROM webhook_delivery")
    await stage.webhooks.deliver(1, delivery_id)
    assert len(stage.receiver.requests) == 1


async def test_private_addresses_are_refused(stage: Stage) -> None:
    """As the endpoint is entered, and once more at each delivery: a name may change its mind."""
    strict = Webhooks(stage.database, stage.jobs, HttpClient(), clock=stage.clock)
    with pytest.raises(InvalidInput) as refused:
        await strict.create(ADMIN, {"url": "https://localhost/x", "types": [], "description": "", "enabled": True})
    assert "private network" in refused.value.faults[0].message
    webhook_id, _ = await stage.enter(url="https://localhost:1/x")
    await stage.tell(make_change())
    ((delivery_id,),) = run_sql(stage.url, "SELECT delivery_id FROM webhook_delivery")
    await strict.deliver(1, delivery_id)
    assert "private network" in str((await stage.log(webhook_id))[0].error)
    await strict._client.close()


async def test_others_see_and_touch_nothing(stage: Stage) -> None:
    add_operator(stage.url, 2, "Other")
    webhook_id, _ = await stage.enter()
    with pytest.raises(NotFound):
        await stage.webhooks.get(OTHER, webhook_id)
    with pytest.raises(NotFound):
        await stage.webhooks.delete(OTHER, webhook_id)
    assert (await stage.webhooks.list(OTHER, PAGE)).items == []
    await stage.webhooks.delete(ADMIN, webhook_id)
    assert (await stage.webhooks.list(ADMIN, PAGE)).items == []


async def test_old_rows_are_forgotten(stage: Stage) -> None:
    """After 90 days events go, with their deliveries."""
    await stage.enter()
    await stage.tell(make_change())
    stage.clock.set(make_change().at + timedelta(days=89))
    assert await stage.background.prune() == 0
    stage.clock.set(make_change().at + timedelta(days=91))
    assert await stage.background.prune() == 1
    assert run_sql(stage.url, "SELECT count(*) FROM webhook_delivery") == [(0,)]

"""Use cases of webhooks: endpoints, secrets and their exchange, replay; and the delivery that the job queue runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.addresses import AddressRefused
from voltway.infra.db import Database, Transaction
from voltway.infra.http_client import Answer, CallFailed, HttpClient
from voltway.infra.jobs import OUTSIDE, Jobs
from voltway.kernel.clock import Clock, monotonic_s, to_rfc3339
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Conflict, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.notify import events_store
from voltway.monitoring.notify import webhook_store as store
from voltway.monitoring.notify.events import DELIVER, enqueue
from voltway.monitoring.notify.signing import new_secret, next_attempt, signed_headers
from voltway.monitoring.notify.webhook_store import Claim, Delivery, Outcome, Webhook

_GONE = 410
MAX_REPLAYED = 10_000
_RETRY_PRIORITY = -1
"""Second attempts wait for first ones: an endpoint that is away holds up none that answers."""


class Webhooks:
    """Endpoints of an operator and what was delivered to them."""

    def __init__(self, database: Database, jobs: Jobs, client: HttpClient, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._jobs = jobs
        self._client = client
        self._now = clock

    async def create(self, caller: Caller, values: Mapping[str, Any]) -> tuple[Webhook, str]:
        """Enter an endpoint; return it with its secret, which is shown this once."""
        await self._client.check(values["url"])
        secret = new_secret()
        async with self._database.transaction(caller.operator_id) as tx:
            webhook_id = await store.insert_webhook(tx, caller.operator_id, {**values, "secret": secret})
            await record(tx, caller, "webhook.create", str(webhook_id), **values)
            return await _get(tx, webhook_id), secret

    async def update(self, caller: Caller, webhook_id: int, changes: Mapping[str, Any]) -> Webhook:
        """Change an endpoint; switching it on again forgets why it was off."""
        if "url" in changes:
            await self._client.check(changes["url"])
        async with self._database.transaction(caller.operator_id) as tx:
            await _get(tx, webhook_id)
            reason = {"disabled_reason": None} if changes.get("enabled") else {}
            await store.update_webhook(tx, webhook_id, {**changes, **reason})
            await record(tx, caller, "webhook.update", str(webhook_id), **changes)
            return await _get(tx, webhook_id)

    async def rotate(self, caller: Caller, webhook_id: int, overlap: timedelta) -> tuple[Webhook, str]:
        """Give an endpoint a new secret, shown this once; the old one signs beside it for a while."""
        secret = new_secret()
        async with self._database.transaction(caller.operator_id) as tx:
            await _get(tx, webhook_id)
            await store.rotate_secret(tx, webhook_id, secret, self._now() + overlap)
            await record(tx, caller, "webhook.rotate_secret", str(webhook_id))
            return await _get(tx, webhook_id), secret

    async def delete(self, caller: Caller, webhook_id: int) -> None:
        """Delete an endpoint and its log."""
        async with self._database.transaction(caller.operator_id) as tx:
            await _get(tx, webhook_id)
            await store.delete_webhook(tx, webhook_id)
            await record(tx, caller, "webhook.delete", str(webhook_id))

    async def get(self, caller: Caller, webhook_id: int) -> Webhook:
        """Return one endpoint."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await _get(tx, webhook_id)

    async def list(self, caller: Caller, wanted: PageRequest) -> Page[Webhook]:
        """Return endpoints, oldest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_webhooks(tx, wanted)
        return page_of(rows, wanted, lambda webhook: (webhook.id,))

    async def deliveries(
        self, caller: Caller, webhook_id: int, wanted: PageRequest, *, state: str | None = None
    ) -> Page[Delivery]:
        """Return the delivery log of an endpoint, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            await _get(tx, webhook_id)
            rows = await store.list_deliveries(tx, webhook_id, wanted, state=state)
        return page_of(rows, wanted, lambda delivery: (delivery.id,))

    async def ping(self, caller: Caller, webhook_id: int) -> int:
        """Send a test to an endpoint; return the number of its delivery."""
        now = self._now()
        body = {"type": "ping", "timestamp": to_rfc3339(now), "data": {"webhook_id": webhook_id}}
        async with self._database.transaction(caller.operator_id) as tx:
            await _get_enabled(tx, webhook_id)
            message_id = f"ping_{uuid4().hex}"
            key = await store.insert_ping(tx, webhook_id, message_id, orjson.dumps(body).decode(), now)
            await enqueue(tx, self._jobs, [key])
        return key.delivery_id

    async def replay(self, caller: Caller, webhook_id: int, delivery_id: int) -> int:
        """Deliver once more under the same webhook-id, so that the receiver knows it again; return how many (0: under
        way already).
        """
        async with self._database.transaction(caller.operator_id) as tx:
            await _get_enabled(tx, webhook_id)
            return await self._enqueued(tx, await store.replay_one(tx, webhook_id, delivery_id, self._now()))

    async def replay_since(self, caller: Caller, webhook_id: int, since: datetime) -> int:
        """Deliver what an endpoint missed since an instant: failed or never sent; return how many."""
        async with self._database.transaction(caller.operator_id) as tx:
            await _get_enabled(tx, webhook_id)
            failed = await store.retry_failed(tx, webhook_id, since, self._now())
            events = await events_store.events_since(tx, since, limit=MAX_REPLAYED)
            missed = await store.insert_deliveries(tx, events, self._now(), webhook_id=webhook_id)
            keys = [*failed, *missed]
            await record(tx, caller, "webhook.replay", str(webhook_id), since=to_rfc3339(since), deliveries=len(keys))
            return await self._enqueued(tx, keys)

    async def deliver(self, operator_id: int, delivery_id: int) -> None:
        """Send one delivery if it is due and nobody else has it, and note what came of it: the body of the job."""
        operator = OperatorId(operator_id)
        async with self._database.transaction(operator) as tx:
            claim = await store.claim(tx, delivery_id, self._now())
        if claim is None:
            return
        outcome = await self._attempt(claim)
        async with self._database.transaction(operator) as tx:
            await store.record_outcome(tx, operator, claim, outcome)
            if outcome.status == _GONE:
                await store.disable(tx, claim.webhook_id, "the receiver answered 410 Gone")
            if outcome.next_at is not None:
                values = {"operator_id": operator_id, "delivery_id": delivery_id}
                await self._jobs.defer_in(
                    tx, DELIVER, values, at=outcome.next_at, priority=_RETRY_PRIORITY, queue=OUTSIDE
                )

    async def _attempt(self, claim: Claim) -> Outcome:
        at, begun_s = self._now(), monotonic_s()
        if not claim.enabled:
            return Outcome(at, 0, None, None, "the endpoint is switched off", None)
        headers = signed_headers(claim.secrets, claim.message_id, at, claim.body)
        try:
            answer = await self._client.post(claim.url, claim.body.encode(), headers)
        except (CallFailed, AddressRefused) as error:
            again = next_attempt(at, claim.attempts, key=claim.delivery_id)
            return Outcome(at, round((monotonic_s() - begun_s) * 1000), None, None, error.message, again)
        return _outcome(claim, answer, at)

    async def _enqueued(self, tx: Transaction, keys: Sequence[store.DeliveryKey]) -> int:
        await enqueue(tx, self._jobs, keys)
        return len(keys)


def _outcome(claim: Claim, answer: Answer, at: datetime) -> Outcome:
    if 200 <= answer.status < 300:
        return Outcome(at, answer.duration_ms, answer.status, answer.excerpt(), None, None)
    again = next_attempt(at, claim.attempts, key=claim.delivery_id, headers=answer.headers)
    error = f"the receiver answered {answer.status}"
    return Outcome(
        at, answer.duration_ms, answer.status, answer.excerpt(), error, None if answer.status == _GONE else again
    )


async def _get_enabled(tx: Transaction, webhook_id: int) -> Webhook:
    found = await _get(tx, webhook_id)
    if not found.enabled:
        raise Conflict(f"the webhook {webhook_id} is switched off; switch it on first")
    return found


async def _get(tx: Transaction, webhook_id: int) -> Webhook:
    found = await store.find_webhook(tx, webhook_id)
    if found is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return found

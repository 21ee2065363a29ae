"""Routes of webhooks: endpoints, their secrets, the delivery log, replay and test."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Administrator, Reader
from voltway.httpapi.idempotency import mark_secret
from voltway.httpapi.paging import Page, WantedPage
from voltway.monitoring.notify.webhook_store import Delivery, Webhook
from voltway.monitoring.notify.webhooks import Webhooks

EventType = Annotated[str, Field(pattern=r"^[a-z_]+\.([a-z_.]+|\*)$", max_length=100)]


class WebhookBody(BaseModel):
    """An endpoint to enter."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, description="HTTPS, reachable from outside.")
    types: list[EventType] = Field(
        default=[], max_length=100, description="Only these types, e.g. `incident.opened`, `incident.*`; empty: all."
    )
    description: str = Field(default="", max_length=200)
    enabled: bool = True


class WebhookPatch(BaseModel):
    """What may change of an endpoint."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(default="", max_length=2000)
    types: list[EventType] = Field(default=[], max_length=100)
    description: str = Field(default="", max_length=200)
    enabled: bool = True


class RotateBody(BaseModel):
    """How long the old secret signs beside the new one."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(default=24, ge=0, le=30 * 24)


class ReplayBody(BaseModel):
    """From when on."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime


class SecretShown(BaseModel):
    """An endpoint and its new secret, which is never shown again."""

    webhook: Webhook
    secret: str


class Started(BaseModel):
    """How many deliveries were begun."""

    deliveries: int


class PingStarted(BaseModel):
    """The delivery of a test, to be found in the log."""

    delivery: int


class DeliveryQuery(BaseModel):
    """Which deliveries."""

    state: Literal["pending", "sending", "delivered", "failed"] | None = None


def add_webhook_routes(api: APIRouter, webhooks: Webhooks) -> None:
    """Add the routes of webhooks."""
    _add_endpoints(api, webhooks)
    _add_secrets(api, webhooks)
    _add_deliveries(api, webhooks)


def _add_endpoints(api: APIRouter, webhooks: Webhooks) -> None:
    @api.get("/webhooks", summary="List webhooks")
    async def list_webhooks(caller: Reader, pager: WantedPage) -> Page[Webhook]:
        return pager.linked(await webhooks.list(caller, pager.wanted))

    @api.get("/webhooks/{webhook_id}", summary="One webhook")
    async def get_webhook(caller: Reader, webhook_id: int) -> Webhook:
        return await webhooks.get(caller, webhook_id)

    @api.patch("/webhooks/{webhook_id}", summary="Change a webhook, switch it on or off")
    async def update_webhook(caller: Administrator, webhook_id: int, body: WebhookPatch) -> Webhook:
        return await webhooks.update(caller, webhook_id, body.model_dump(exclude_unset=True))

    @api.delete("/webhooks/{webhook_id}", status_code=204, summary="Delete a webhook and its log")
    async def delete_webhook(caller: Administrator, webhook_id: int) -> None:
        await webhooks.delete(caller, webhook_id)


def _add_secrets(api: APIRouter, webhooks: Webhooks) -> None:
    @api.post("/webhooks", status_code=201, summary="Enter a webhook; its secret is shown once")
    async def create_webhook(request: Request, caller: Administrator, body: WebhookBody) -> SecretShown:
        mark_secret(request)
        webhook, secret = await webhooks.create(caller, body.model_dump())
        return SecretShown(webhook=webhook, secret=secret)

    @api.post("/webhooks/{webhook_id}/rotate-secret", summary="Make a new secret; the old one signs on for a while")
    async def rotate_webhook_secret(
        request: Request, caller: Administrator, webhook_id: int, body: RotateBody
    ) -> SecretShown:
        mark_secret(request)
        webhook, secret = await webhooks.rotate(caller, webhook_id, timedelta(hours=body.overlap_hours))
        return SecretShown(webhook=webhook, secret=secret)


def _add_deliveries(api: APIRouter, webhooks: Webhooks) -> None:
    @api.get("/webhooks/{webhook_id}/deliveries", summary="Deliveries with their attempts, newest first")
    async def list_webhook_deliveries(
        caller: Reader, webhook_id: int, pager: WantedPage, query: Annotated[DeliveryQuery, Query()]
    ) -> Page[Delivery]:
        return pager.linked(await webhooks.deliveries(caller, webhook_id, pager.wanted, state=query.state))

    @api.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, summary="Deliver once more")
    async def replay_webhook_delivery(caller: Administrator, webhook_id: int, delivery_id: int) -> Started:
        return Started(deliveries=await webhooks.replay(caller, webhook_id, delivery_id))

    @api.post("/webhooks/{webhook_id}/replay", status_code=202, summary="Deliver what was missed since an instant")
    async def replay_webhook(caller: Administrator, webhook_id: int, body: ReplayBody) -> Started:
        return Started(deliveries=await webhooks.replay_since(caller, webhook_id, body.since))

    @api.post("/webhooks/{webhook_id}/ping", status_code=202, summary="Send a test event")
    async def ping_webhook(caller: Administrator, webhook_id: int) -> PingStarted:
        return PingStarted(delivery=await webhooks.ping(caller, webhook_id))

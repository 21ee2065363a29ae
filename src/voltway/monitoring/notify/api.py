"""Routes of notifications: who is told (`/monitoring/routes`), what was sent, and the events for those who poll."""

from datetime import datetime, time
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voltway.httpapi.caller import Administrator, Reader
from voltway.httpapi.fields import Identifier, TimeZone
from voltway.httpapi.paging import Page, WantedPage, encode_cursor
from voltway.infra.db import Database
from voltway.monitoring.incidents.model import ChangeKind, Severity
from voltway.monitoring.notify import events_store
from voltway.monitoring.notify.model import TOLD_BY_DEFAULT, Conditions, MessageState, conditions_to_json
from voltway.monitoring.notify.routes import MAX_TARGETS, Routes, RouteText, ShownRoute
from voltway.monitoring.notify.schedule import Hours, Schedule, Window
from voltway.monitoring.notify.store import Message
from voltway.monitoring.notify.webhook_api import add_webhook_routes
from voltway.monitoring.notify.webhooks import Webhooks

EVENT_TYPE = r"^[a-z_]+\.([a-z_.]+|\*)$"


def _sorted_days(days: list[int]) -> list[int]:
    return sorted(set(days))


class HoursBody(BaseModel):
    """Hours of the wall clock, past midnight where `to` comes first."""

    model_config = ConfigDict(extra="forbid")

    begin: str = Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])
    end: str = Field(alias="to", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["06:00"])

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.begin == self.end:
            raise ValueError("`from` and `to` must differ; leave the hours out for the whole day")
        return self

    def hours(self) -> Hours:
        """Return them as the schedule knows them."""
        return Hours(time.fromisoformat(self.begin), time.fromisoformat(self.end))


class WindowBody(BaseModel):
    """When a route applies at all: days of the week (1 Monday to 7 Sunday; empty: all) and hours."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], AfterValidator(_sorted_days)] = []
    hours: HoursBody | None = None


class RouteBody(BaseModel):
    """Who is told of what and when; empty lists do not restrict."""

    model_config = ConfigDict(extra="forbid")

    name: Identifier
    enabled: bool = True
    targets: list[str] = Field(
        min_length=1,
        max_length=MAX_TARGETS,
        description="apprise URLs; answers show them masked, and a masked one that is sent back keeps what is stored.",
        examples=[["mailto://user:password@mail.example.com?to=desk@example.com"]],
    )
    min_severity: Severity = Severity.INFO
    kinds: list[ChangeKind] = Field(default=sorted(TOLD_BY_DEFAULT), min_length=1)
    locations: list[Identifier] = Field(default=[], max_length=1000, description="Ids of locations.")
    groups: list[Identifier] = Field(default=[], max_length=1000, description="Groups of stations.")
    window: WindowBody = WindowBody()
    quiet_hours: HoursBody | None = None
    digest_min: int | None = Field(default=None, ge=1, le=7 * 24 * 60, description="Gather for so many minutes.")
    critical_passes: bool = Field(default=True, description="Critical incidents wait for neither.")
    time_zone: TimeZone | None = Field(default=None, description="Whose clock; by default that of the incident's site.")
    repeat_uncertain: bool = Field(default=False, description="Rather twice than never, see the delivery log.")

    def text(self) -> RouteText:
        """Return it as the service takes it."""
        quiet = None if self.quiet_hours is None else self.quiet_hours.hours()
        hours = None if self.window.hours is None else self.window.hours.hours()
        conditions = Conditions(
            min_severity=self.min_severity,
            kinds=frozenset(self.kinds),
            locations=frozenset(self.locations),
            groups=frozenset(self.groups),
            window=Window(frozenset(self.window.days), hours),
            schedule=Schedule(quiet, self.digest_min, critical_passes=self.critical_passes),
            time_zone=self.time_zone,
            repeat_uncertain=self.repeat_uncertain,
        )
        return RouteText(self.name, self.enabled, self.targets, conditions)


class RouteShown(RouteBody):
    """A route that is stored."""

    id: int
    created_at: datetime
    updated_at: datetime


class TestStarted(BaseModel):
    """The messages of a test; their state is in the delivery log."""

    __test__ = False

    messages: list[int]


class PublicEvent(BaseModel):
    """Something that happened; `data` is described in docs/integrators/webhooks.md."""

    id: str
    type: str
    timestamp: datetime
    data: dict[str, Any]


class EventQuery(BaseModel):
    """Which events."""

    types: list[Annotated[str, Field(pattern=EVENT_TYPE)]] = Field(
        default=[], description="Only these types, e.g. `incident.opened` or `incident.*`."
    )


class LogQuery(BaseModel):
    """Which messages of the log."""

    state: MessageState | None = None
    incident: int | None = None


def router(database: Database, routes: Routes, webhooks: Webhooks) -> APIRouter:
    """Build the routes of notifications, webhooks and events."""
    api = APIRouter(prefix="/api/v1", tags=["notifications"])
    _add_routes(api, routes)
    _add_log(api, routes)
    _add_events(api, database)
    add_webhook_routes(api, webhooks)
    return api


def _add_routes(api: APIRouter, routes: Routes) -> None:
    @api.post("/monitoring/routes", status_code=201, summary="Enter who is told of what")
    async def create_notification_route(caller: Administrator, body: RouteBody) -> RouteShown:
        return _shown(await routes.create(caller, body.text()))

    @api.get("/monitoring/routes", summary="List routes of notifications")
    async def list_notification_routes(caller: Reader, pager: WantedPage) -> Page[RouteShown]:
        page = await routes.list(caller, pager.wanted)
        return pager.linked(Page(items=[_shown(route) for route in page.items], next_cursor=page.next_cursor))

    @api.get("/monitoring/routes/{route_id}", summary="One route")
    async def get_notification_route(caller: Reader, route_id: int) -> RouteShown:
        return _shown(await routes.get(caller, route_id))

    @api.put("/monitoring/routes/{route_id}", summary="Replace a route")
    async def put_notification_route(caller: Administrator, route_id: int, body: RouteBody) -> RouteShown:
        return _shown(await routes.replace(caller, route_id, body.text()))

    @api.delete("/monitoring/routes/{route_id}", status_code=204, summary="Delete a route")
    async def delete_notification_route(caller: Administrator, route_id: int) -> None:
        await routes.delete(caller, route_id)

    @api.post("/monitoring/routes/{route_id}/test", status_code=202, summary="Send a test to each target")
    async def test_notification_route(caller: Administrator, route_id: int) -> TestStarted:
        return TestStarted(messages=await routes.test(caller, route_id))


def _add_log(api: APIRouter, routes: Routes) -> None:
    @api.get("/monitoring/notifications", summary="What was sent, to whom, and what came of it; newest first")
    async def list_notifications(
        caller: Reader, pager: WantedPage, query: Annotated[LogQuery, Query()]
    ) -> Page[Message]:
        return pager.linked(await routes.log(caller, pager.wanted, state=query.state, incident_id=query.incident))


def _add_events(api: APIRouter, database: Database) -> None:
    @api.get(
        "/events",
        summary="What happened, oldest first; ask again with next_cursor, which is always given",
    )
    async def list_public_events(
        caller: Reader, pager: WantedPage, query: Annotated[EventQuery, Query()]
    ) -> Page[PublicEvent]:
        after = pager.wanted.after_numbers(2) or events_store.BEGINNING
        async with database.transaction(caller.operator_id) as tx:
            found = await events_store.read_events(
                tx, (after[0], after[1]), types=query.types, limit=pager.wanted.limit
            )
        last = (found[-1].xid, found[-1].event_id) if found else after
        items = [PublicEvent(id=it.id, type=it.type, timestamp=it.at, data=it.data) for it in found]
        return Page(items=items, next_cursor=encode_cursor(last))


def _shown(route: ShownRoute) -> RouteShown:
    text = route.text
    return RouteShown.model_validate(
        {
            "id": route.route_id,
            "name": text.name,
            "enabled": text.enabled,
            "targets": text.targets,
            "created_at": route.created_at,
            "updated_at": route.updated_at,
            **conditions_to_json(text.conditions),
        }
    )

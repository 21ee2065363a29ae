"""Routes of incidents: the inbox of an operations desk."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Reader, Writer
from voltway.httpapi.paging import Page, WantedPage
from voltway.kernel.energy import kwh_of
from voltway.monitoring.incidents.model import IncidentState, Severity
from voltway.monitoring.incidents.service import Incidents, Told
from voltway.monitoring.incidents.store import IncidentFilter

STORABLE = r"^[^\x00]*$"
"""PostgreSQL stores every text but one with a zero character."""


class SymptomDocument(BaseModel):
    """What a rule holds against a place now."""

    rule: str
    location_id: str | None
    station_id: str | None
    evse_id: int | None
    since: AwareDatetime
    raised_at: AwareDatetime | None
    value: float
    detail: str


class EntryDocument(BaseModel):
    """What was seen or done."""

    at: AwareDatetime
    kind: str
    actor: str
    text: str
    data: Any = None


class IncidentDocument(BaseModel):
    """A fault with a life; `lost_*` is what it cost so far by the EVSE's own mean of the same hours of the week."""

    id: int
    rule: str
    severity: Severity
    state: IncidentState
    title: str
    location_id: str | None
    location_name: str | None
    station_id: str | None
    evse_id: int | None
    time_zone: str
    mrec: str | None
    error_code: str | None
    vendor_error_code: str | None
    began_at: AwareDatetime
    opened_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime
    assignee: str | None
    reopened: int
    symptoms: int
    lost_kwh: str | None
    lost_revenue: str | None
    currency: str | None


class IncidentDetail(IncidentDocument):
    """An incident with its symptoms and its timeline."""

    current_symptoms: list[SymptomDocument]
    entries: list[EntryDocument]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AssignBody(_Body):
    """Who has it now; null: nobody."""

    assignee: str | None = Field(max_length=255, min_length=1, pattern=STORABLE)


class ReasonBody(_Body):
    """Why."""

    reason: str = Field(min_length=1, max_length=2000, pattern=STORABLE)


class CommentBody(_Body):
    """A remark."""

    text: str = Field(min_length=1, max_length=10_000, pattern=STORABLE)


class IncidentQuery(BaseModel):
    """Which incidents to list."""

    unresolved: bool | None = None
    state: IncidentState | None = None
    severity: Severity | None = None
    rule: str | None = Field(default=None, max_length=100, pattern=STORABLE)
    location: str | None = Field(default=None, max_length=255, pattern=STORABLE)
    station_id: str | None = Field(default=None, max_length=255, pattern=STORABLE)
    begin: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")


def router(incidents: Incidents) -> APIRouter:
    """Build the routes of incidents."""
    routes = APIRouter(prefix="/api/v1", tags=["incidents"])
    _add_reads(routes, incidents)
    _add_changes(routes, incidents)
    return routes


def _add_reads(routes: APIRouter, incidents: Incidents) -> None:
    @routes.get("/incidents", summary="List incidents, the newest opening first")
    async def list_incidents(
        caller: Reader, pager: WantedPage, query: Annotated[IncidentQuery, Query()]
    ) -> Page[IncidentDocument]:
        wanted = IncidentFilter(
            is_unresolved=query.unresolved,
            state=query.state.value if query.state else None,
            severity=query.severity.value if query.severity else None,
            rule=query.rule,
            location=query.location,
            station=query.station_id,
            since=query.begin,
            until=query.end,
        )
        page = pager.linked(await incidents.list_incidents(caller, pager.wanted, wanted))
        return Page(items=[incident_document(told) for told in page.items], next_cursor=page.next_cursor)

    @routes.get("/incidents/{incident_id}", summary="One incident with its timeline")
    async def get_incident(caller: Reader, incident_id: int) -> IncidentDetail:
        return incident_detail(await incidents.get_incident(caller, incident_id))


def _add_changes(routes: APIRouter, incidents: Incidents) -> None:
    @routes.post("/incidents/{incident_id}/acknowledge", summary="Say that somebody has seen it")
    async def acknowledge_incident(caller: Writer, incident_id: int) -> IncidentDetail:
        return incident_detail(await incidents.acknowledge(caller, incident_id))

    @routes.post("/incidents/{incident_id}/assign", summary="Give it to somebody")
    async def assign_incident(caller: Writer, incident_id: int, body: AssignBody) -> IncidentDetail:
        return incident_detail(await incidents.assign(caller, incident_id, body.assignee))

    @routes.post("/incidents/{incident_id}/comments", status_code=201, summary="Add a remark")
    async def comment_incident(caller: Writer, incident_id: int, body: CommentBody) -> IncidentDetail:
        return incident_detail(await incidents.comment(caller, incident_id, body.text))

    @routes.post("/incidents/{incident_id}/resolve", summary="Say that it is over")
    async def resolve_incident(caller: Writer, incident_id: int, body: ReasonBody) -> IncidentDetail:
        return incident_detail(await incidents.resolve(caller, incident_id, body.reason))

    @routes.post("/incidents/{incident_id}/reopen", summary="Say that it is not over")
    async def reopen_incident(caller: Writer, incident_id: int, body: ReasonBody) -> IncidentDetail:
        return incident_detail(await incidents.reopen(caller, incident_id, body.reason))


def incident_document(told: Told) -> IncidentDocument:
    """Write an incident as the API shows it."""
    return IncidentDocument(**_fields(told))


def incident_detail(told: Told) -> IncidentDetail:
    """Write an incident with its symptoms and its timeline."""
    symptoms = [SymptomDocument(**row) for row in told.symptoms]
    entries = [
        EntryDocument(at=it.at, kind=it.kind, actor=it.actor, text=it.text, data=it.data) for it in told.entries
    ]  # fmt: skip
    return IncidentDetail(**_fields(told), current_symptoms=symptoms, entries=entries)


def _fields(told: Told) -> dict[str, Any]:
    it, names = told.incident, told.names
    same = (
        "rule", "severity", "state", "title", "mrec", "error_code", "vendor_error_code", "began_at", "opened_at",
        "acknowledged_at", "ended_at", "updated_at", "assignee", "reopened", "symptoms", "currency",
    )  # fmt: skip
    return {
        **{name: getattr(it, name) for name in same},
        "id": it.incident_id,
        "location_id": names.location,
        "location_name": names.location_name,
        "station_id": names.station,
        "evse_id": it.place.evse_id or None,
        "time_zone": names.time_zone,
        "lost_kwh": None if it.lost_milliwh is None else format(kwh_of(it.lost_milliwh), "f"),
        "lost_revenue": None if it.lost_revenue is None else format(it.lost_revenue, "f"),
    }

"""Routes of sessions, their readings and their review, and of CDRs (JSON, OCPI document, CSV)."""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Caller, Reader, Writer
from voltway.httpapi.paging import MAX_LIMIT, Page, Pager, PageRequest, WantedPage, decode_cursor
from voltway.sessions.model import SessionState
from voltway.sessions.review import Decision
from voltway.sessions.service import CdrFilter, ListedCdr, SessionFilter, Sessions
from voltway.sessions.views import Document, cdr_item, cdr_object
from voltway.tariffs.ocpi import CDR_CSV_COLUMNS, cdr_csv_row


class Amounts(BaseModel):
    """An amount in main units of the currency, as decimal strings."""

    excl_vat: str
    incl_vat: str | None


class Cost(Amounts):
    """An amount with its currency."""

    currency: str


class Explanation(BaseModel):
    """Line by line, adding up to the cost; lines and adjustments as in `voltway price`, each with a sentence."""

    lines: list[dict[str, Any]]
    adjustments: list[dict[str, Any]]


class AnomalyView(BaseModel):
    """Something odd about a session; one that touches money holds the bill."""

    code: str
    message: str
    since: AwareDatetime
    touches_money: bool


class ConnectorView(BaseModel):
    """What the car hangs on."""

    standard: str | None
    power_type: str | None
    max_power_w: int | None


class SessionView(BaseModel):
    """A session; energies in kWh as decimal strings, power in W."""

    id: str
    transaction_id: str
    station_id: str
    evse_id: int
    connector_id: int
    token: str | None
    state: SessionState
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    end_reason: str | None
    energy_kwh: str
    synthetic: bool
    cost: Cost | None
    next_hour: Amounts | None
    tariff_id: str | None
    tariff_version: int | None
    explanation: Explanation | None
    anomalies: list[AnomalyView]
    power_w: float | None
    soc_pct: float | None
    charging_state: str | None
    location_id: str | None
    location_name: str | None
    connector: ConnectorView
    register_begin_kwh: str | None
    register_end_kwh: str | None
    last_reading_at: AwareDatetime | None
    clock_offset_ms: int
    updated_at: AwareDatetime


class SampleView(BaseModel):
    """A reading: `at` is the corrected clock, `sampled_at` the station's own; null means not reported."""

    at: AwareDatetime
    sampled_at: AwareDatetime
    received_at: AwareDatetime
    context: str
    evse_id: int
    register_kwh: str | None
    power_w: float | None
    current_a: float | None
    voltage_v: float | None
    soc_pct: float | None
    offered_w: float | None
    extra: Any


class CdrView(Cost):
    """A CDR: what was billed for a session, or a credit that takes one back."""

    id: str
    session_id: str
    number: int
    is_credit: bool
    station_id: str
    location_name: str | None
    token: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    energy_kwh: str
    synthetic: bool
    explanation: Explanation


class CdrDocument(CdrView):
    """A CDR with its OCPI 2.2.1 document."""

    document: dict[str, Any]


class ReviewBody(BaseModel):
    """What becomes of a held session."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision


class _Span(BaseModel):
    station_id: str | None = Field(default=None, max_length=255)
    token: str | None = Field(default=None, max_length=255)
    since: AwareDatetime | None = Field(default=None, alias="from", description="Inclusive.")
    until: AwareDatetime | None = Field(default=None, alias="to", description="Exclusive.")


class SessionQuery(_Span):
    """Which sessions to list; `from` and `to` are of the start."""

    state: SessionState | None = None


class CdrQuery(_Span):
    """Which CDRs to list; `from` and `to` are of the session's end."""


def router(sessions: Sessions) -> APIRouter:
    """Build the routes of sessions and CDRs."""
    routes = APIRouter(prefix="/api/v1")
    _add_sessions(routes, sessions)
    _add_cdr_export(routes, sessions)
    _add_cdrs(routes, sessions)
    return routes


def _add_sessions(routes: APIRouter, sessions: Sessions) -> None:
    one: dict[int | str, dict[str, Any]] = {200: {"model": SessionView}}

    @routes.get("/sessions", tags=["sessions"], summary="List sessions", responses={200: {"model": Page[SessionView]}})
    async def list_sessions(caller: Reader, pager: WantedPage, query: Annotated[SessionQuery, Query()]) -> Response:
        only = SessionFilter(query.state, query.station_id, query.token, query.since, query.until)
        return _page(await sessions.list_sessions(caller, pager.wanted, only), pager)

    @routes.get("/sessions/{session_id}", tags=["sessions"], summary="One session with its price", responses=one)
    async def get_session(caller: Reader, session_id: UUID) -> Response:
        return _json(await sessions.get_session(caller, session_id))

    @routes.get(
        "/sessions/{session_id}/samples",
        tags=["sessions"],
        summary="Every reading of a session",
        responses={200: {"model": Page[SampleView]}},
    )
    async def list_session_samples(caller: Reader, session_id: UUID, pager: WantedPage) -> Response:
        return _page(await sessions.list_samples(caller, session_id, pager.wanted), pager)

    @routes.post("/sessions/{session_id}/review", tags=["sessions"], summary="Bill or waive a held one", responses=one)
    async def review_session(caller: Writer, session_id: UUID, body: ReviewBody) -> Response:
        return _json(await sessions.review(caller, session_id, body.decision))


def _add_cdrs(routes: APIRouter, sessions: Sessions) -> None:
    @routes.get(
        "/cdrs",
        tags=["cdrs"],
        summary="List CDRs, as JSON or (Accept: text/csv) all at once as CSV",
        responses={200: {"model": Page[CdrView], "content": {"text/csv": {}}}},
    )
    async def list_cdrs(
        request: Request, caller: Reader, pager: WantedPage, query: Annotated[CdrQuery, Query()]
    ) -> Response:
        if "text/csv" in request.headers.get("accept", ""):
            return _export(sessions, caller, _cdr_filter(query))
        page = await sessions.list_cdrs(caller, pager.wanted, _cdr_filter(query))
        return _page(Page(items=[cdr_item(it) for it in page.items], next_cursor=page.next_cursor), pager)

    @routes.get(
        "/cdrs/{cdr_id}",
        tags=["cdrs"],
        summary="One CDR with its OCPI document",
        responses={200: {"model": CdrDocument}},
    )
    async def get_cdr(caller: Reader, cdr_id: str) -> Response:
        found = await sessions.get_cdr(caller, cdr_id)
        # The document goes out as it was written, so that its decimals keep their digits.
        head = orjson.dumps(cdr_item(found))[:-1].decode()
        return Response(f'{head},"document":{found.cdr.document}}}', media_type="application/json")


def _add_cdr_export(routes: APIRouter, sessions: Sessions) -> None:
    @routes.get("/cdrs.csv", tags=["cdrs"], summary="All CDRs as CSV", responses={200: {"content": {"text/csv": {}}}})
    async def export_cdrs(caller: Reader, query: Annotated[CdrQuery, Query()]) -> StreamingResponse:
        return _export(sessions, caller, _cdr_filter(query))


def _cdr_filter(query: CdrQuery) -> CdrFilter:
    return CdrFilter(query.station_id, query.token, query.since, query.until)


def _export(sessions: Sessions, caller: Caller, only: CdrFilter) -> StreamingResponse:
    headers = {"Content-Disposition": 'attachment; filename="cdrs.csv"'}
    return StreamingResponse(_csv_lines(sessions, caller, only), media_type="text/csv", headers=headers)


async def _csv_lines(sessions: Sessions, caller: Caller, only: CdrFilter) -> AsyncIterator[str]:
    yield ",".join(CDR_CSV_COLUMNS) + "\r\n"
    wanted = PageRequest(MAX_LIMIT)
    while True:
        page = await sessions.list_cdrs(caller, wanted, only)
        yield "".join(_csv_line(it) for it in page.items)
        if page.next_cursor is None:
            return
        wanted = PageRequest(MAX_LIMIT, decode_cursor(page.next_cursor))


def _csv_line(listed: ListedCdr) -> str:
    line = StringIO()
    row = cdr_csv_row(cdr_object(listed.cdr))
    csv.writer(line).writerow(_harmless(row[column]) for column in CDR_CSV_COLUMNS)
    return line.getvalue()


def _harmless(cell: str) -> str:
    """A spreadsheet runs what begins with these signs; a negative number is none of it."""
    is_number = cell.replace(".", "", 1).removeprefix("-").isdigit()
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} and not is_number else cell


def _json(document: Document) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")


def _page(page: Page[Document], pager: Pager) -> Response:
    pager.linked(page)
    body = orjson.dumps({"items": page.items, "next_cursor": page.next_cursor})
    return Response(body, media_type="application/json", headers=dict(pager.response.headers))

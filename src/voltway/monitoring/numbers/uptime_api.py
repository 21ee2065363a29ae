"""Routes of uptime: figures by three laws with all that they rest on, exclusions, and contracts."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Caller, Reader, Writer
from voltway.httpapi.paging import Page, Pager, WantedPage, page_of
from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.numbers.exclusions import Exclusion, ExclusionCause
from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_documents import (
    PortDocument,
    UptimeDocument,
    nevi_document,
    sla_document,
    uk_document,
)
from voltway.monitoring.numbers.uptime_service import UK, NewExclusion, StoredContract, Uptime, month_from
from voltway.monitoring.numbers.uptime_spans import Span, span_of
from voltway.monitoring.numbers.uptime_store import Places


class Law(StrEnum):
    """By which law a figure is made."""

    NEVI = "nevi"
    UK = "uk"
    SLA = "sla"


class UptimeQuery(BaseModel):
    """Which figure: `nevi` takes `month` (the last of twelve), `uk` a `year`, a `month` or `from` and `to`, `sla` a
    `contract` and a `month` of its period.
    """

    law: Law
    contract: str | None = Field(default=None, max_length=100)
    month: str | None = None
    year: int | None = Field(default=None, ge=2000, le=2200)
    begin: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")
    location: str | None = None
    station_id: str | None = None


class ExclusionBody(BaseModel):
    """A stretch of outage that does not count: a location alone, a station alone, or a station with an EVSE."""

    model_config = ConfigDict(extra="forbid")

    location_id: str | None = Field(default=None, max_length=255)
    station_id: str | None = Field(default=None, max_length=255)
    evse_id: int | None = Field(default=None, ge=1, le=1000)
    begin_at: AwareDatetime
    end_at: AwareDatetime
    cause: ExclusionCause
    evidence: str = Field(max_length=4000)
    evidence_url: str | None = Field(default=None, max_length=2000)


class WithdrawalBody(BaseModel):
    """Why an exclusion no longer stands."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=2000)


class ExclusionQuery(BaseModel):
    """Which exclusions to list."""

    station_id: str | None = None
    location: str | None = None


Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


def router(uptime: Uptime) -> APIRouter:
    """Build the routes of uptime."""
    routes = APIRouter(prefix="/api/v1", tags=["uptime"])
    _add_figures(routes, uptime)
    _add_exclusions(routes, uptime)
    _add_contracts(routes, uptime)
    return routes


def _add_figures(routes: APIRouter, uptime: Uptime) -> None:
    @routes.get("/uptime", summary="Uptime by NEVI, the UK's regulations or a contract, with each outage behind it")
    async def get_uptime(caller: Reader, pager: WantedPage, query: Annotated[UptimeQuery, Query()]) -> UptimeDocument:
        _check(query)
        document = await _document(uptime, caller, query)
        page = pager.linked(_page(document.items, pager))
        return document.model_copy(update={"items": page.items, "next_cursor": page.next_cursor})


def _add_exclusions(routes: APIRouter, uptime: Uptime) -> None:
    @routes.post("/uptime/exclusions", status_code=201, summary="Enter an exclusion, with cause and evidence")
    async def enter_exclusion(caller: Writer, body: ExclusionBody) -> Exclusion:
        return await uptime.enter_exclusion(caller, NewExclusion(**body.model_dump()))

    @routes.get("/uptime/exclusions", summary="List exclusions, newest first, withdrawn ones too")
    async def list_exclusions(
        caller: Reader, pager: WantedPage, query: Annotated[ExclusionQuery, Query()]
    ) -> Page[Exclusion]:
        page = await uptime.list_exclusions(caller, pager.wanted, station=query.station_id, location=query.location)
        return pager.linked(page)

    @routes.get("/uptime/exclusions/{exclusion_id}", summary="One exclusion")
    async def get_exclusion(caller: Reader, exclusion_id: int) -> Exclusion:
        return await uptime.get_exclusion(caller, exclusion_id)

    @routes.post("/uptime/exclusions/{exclusion_id}/withdraw", summary="Withdraw an exclusion; it stays on record")
    async def withdraw_exclusion(caller: Writer, exclusion_id: int, body: WithdrawalBody) -> Exclusion:
        return await uptime.withdraw_exclusion(caller, exclusion_id, body.reason)


def _add_contracts(routes: APIRouter, uptime: Uptime) -> None:
    @routes.put("/uptime/contracts/{code}", summary="Enter or replace a contract")
    async def put_contract(caller: Writer, code: Code, document: dict[str, Any]) -> StoredContract:
        return await uptime.put_contract(caller, code, document)

    @routes.get("/uptime/contracts", summary="List contracts")
    async def list_contracts(caller: Reader, pager: WantedPage) -> Page[StoredContract]:
        return pager.linked(await uptime.list_contracts(caller, pager.wanted))

    @routes.get("/uptime/contracts/{code}", summary="One contract")
    async def get_contract(caller: Reader, code: str) -> StoredContract:
        return await uptime.get_contract(caller, code)

    @routes.delete("/uptime/contracts/{code}", status_code=204, summary="Delete a contract; the audit keeps its terms")
    async def delete_contract(caller: Writer, code: str) -> None:
        await uptime.delete_contract(caller, code)


async def _document(uptime: Uptime, caller: Caller, query: UptimeQuery) -> UptimeDocument:
    places, month = Places(query.location, query.station_id), month_from(query.month)
    if query.law is Law.NEVI:
        return nevi_document(await uptime.nevi(caller.operator_id, month, places))
    if query.law is Law.UK:
        return uk_document(await uptime.uk(caller.operator_id, _uk_period(query, month), places))
    return sla_document(await uptime.sla(caller.operator_id, query.contract or "", month, places))


def _uk_period(query: UptimeQuery, month: Month | None) -> int | Span | None:
    if query.begin is not None and query.end is not None:
        return span_of(query.begin, query.end)
    return query.year if month is None else month.span(UK)


def _check(query: UptimeQuery) -> None:
    """Refuse a query whose parts do not fit its law, all faults at once."""
    faults = []
    if (query.contract is not None) != (query.law is Law.SLA):
        faults.append(Fault("/contract", "name a contract for the law sla, and for no other"))
    if query.year is not None and query.law is not Law.UK:
        faults.append(Fault("/year", "only the law uk is by the year; name a month"))
    if (query.begin is not None or query.end is not None) and query.law is not Law.UK:
        faults.append(Fault("/from", f"the law {query.law} is by calendar months; name a month"))
    if (query.begin is None) != (query.end is None):
        faults.append(Fault("/to", "from and to go together"))
    if query.begin is not None and query.end is not None and query.end <= query.begin:
        faults.append(Fault("/to", "must be after from"))
    if [query.month, query.year, query.begin].count(None) < 2:
        faults.append(Fault("/month", "name one of month, year, or from and to"))
    if faults:
        raise InvalidInput("this is no period of that law", faults)


def _page(ports: Sequence[PortDocument], pager: Pager) -> Page[PortDocument]:
    """Return a page of the ports; the figure above them is always of all."""
    after = pager.wanted.after_texts(2)
    rest = ports if after is None else [port for port in ports if _key(port) > after]
    return page_of(rest[: pager.wanted.fetch], pager.wanted, _key)


def _key(port: PortDocument) -> tuple[str, str]:
    """EVSE numbers have at most four digits, so that texts sort as they do."""
    return (port.station_id, f"{port.evse_id:04}")

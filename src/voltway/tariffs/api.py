"""Routes of tariffs: OCPI documents in versions, byte for byte as they were entered, and their assignments."""

from typing import Annotated, Any, Self

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from voltway.httpapi.caller import Reader, Writer
from voltway.httpapi.paging import Page, Pager, WantedPage
from voltway.tariffs.assignments import Assignment, TargetKind
from voltway.tariffs.price_api import add_price_routes
from voltway.tariffs.service import Tariffs, TariffText, read_tariff
from voltway.tariffs.store import StoredTariff

# The body is read by ourselves, so that prices stay exact; this tells the description of the API what it is.
_TARIFF_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": 'An OCPI Tariff, or {"document": Tariff, "extension": {"idle", "price_lock"}}.',
                    "properties": {"id": {"type": "string"}, "currency": {"type": "string"}},
                }
            }
        },
    }
}


class TariffVersion(BaseModel):
    """One version of a tariff (describes what is written by hand, to keep the document's bytes)."""

    tariff_id: str
    version: int
    currency: str
    created_at: AwareDatetime
    document: dict[str, Any]
    extension: dict[str, Any]


class AssignmentBody(BaseModel):
    """A tariff to assign; `target`: a location's id, a group's name, a station's id or `STATION/EVSE`."""

    model_config = ConfigDict(extra="forbid")

    tariff_id: str = Field(min_length=1, max_length=36)
    target_kind: TargetKind
    target: str = Field(default="", max_length=300)
    token_group: str | None = Field(default=None, max_length=255)
    priority: int = Field(default=0, ge=-1000, le=1000)
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.target_kind is TargetKind.OPERATOR) != (self.target == ""):
            raise ValueError("the operator has no target, everything else names one")
        if self.target_kind is TargetKind.EVSE and not self.target.rpartition("/")[2].isdecimal():
            raise ValueError("an EVSE is written STATION/EVSE, e.g. CP-1/2")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must be after valid_from")
        return self


class AssignmentPatch(BaseModel):
    """What may change of an assignment."""

    model_config = ConfigDict(extra="forbid")

    priority: int = Field(default=0, ge=-1000, le=1000)
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class AssignmentQuery(BaseModel):
    """Which assignments to list."""

    tariff_id: str | None = None
    target_kind: TargetKind | None = None
    target: str | None = None


def router(tariffs: Tariffs) -> APIRouter:
    """Build the routes of tariffs."""
    routes = APIRouter(prefix="/api/v1", tags=["tariffs"])
    add_price_routes(routes)
    _add_tariffs(routes, tariffs)
    _add_versions(routes, tariffs)
    _add_assignments(routes, tariffs)
    return routes


def _add_tariffs(routes: APIRouter, tariffs: Tariffs) -> None:
    described: dict[int | str, dict[str, Any]] = {200: {"model": TariffVersion}}

    @routes.post(
        "/tariffs",
        summary="Enter a tariff",
        status_code=201,
        responses={201: {"model": TariffVersion}},
        openapi_extra=_TARIFF_BODY,
    )
    async def create_tariff(caller: Writer, request: Request) -> Response:
        return _written(await tariffs.create_tariff(caller, await _text(request)), 201)

    @routes.put(
        "/tariffs/{tariff_id}", summary="Make the next version", responses=described, openapi_extra=_TARIFF_BODY
    )
    async def put_tariff(caller: Writer, tariff_id: str, request: Request) -> Response:
        return _written(await tariffs.put_tariff(caller, tariff_id, await _text(request)))

    @routes.get("/tariffs/{tariff_id}", summary="The newest version of a tariff", responses=described)
    async def get_tariff(caller: Reader, tariff_id: str) -> Response:
        return _written(await tariffs.get_tariff(caller, tariff_id))

    @routes.get("/tariffs", summary="List tariffs", responses={200: {"model": Page[TariffVersion]}})
    async def list_tariffs(caller: Reader, pager: WantedPage) -> Response:
        return _written_page(await tariffs.list_tariffs(caller, pager.wanted), pager)


def _add_versions(routes: APIRouter, tariffs: Tariffs) -> None:
    @routes.get(
        "/tariffs/{tariff_id}/versions",
        summary="All versions of a tariff",
        responses={200: {"model": Page[TariffVersion]}},
    )
    async def list_tariff_versions(caller: Reader, tariff_id: str, pager: WantedPage) -> Response:
        return _written_page(await tariffs.list_versions(caller, tariff_id, pager.wanted), pager)

    @routes.get(
        "/tariffs/{tariff_id}/versions/{version}", summary="One version", responses={200: {"model": TariffVersion}}
    )
    async def get_tariff_version(caller: Reader, tariff_id: str, version: int) -> Response:
        return _written(await tariffs.get_tariff(caller, tariff_id, version))


def _add_assignments(routes: APIRouter, tariffs: Tariffs) -> None:
    @routes.post("/tariff-assignments", status_code=201, summary="Assign a tariff")
    async def create_tariff_assignment(caller: Writer, body: AssignmentBody) -> Assignment:
        return await tariffs.create_assignment(caller, body.model_dump())

    @routes.get("/tariff-assignments", summary="List assignments, newest first")
    async def list_tariff_assignments(
        caller: Reader, pager: WantedPage, query: Annotated[AssignmentQuery, Query()]
    ) -> Page[Assignment]:
        page = await tariffs.list_assignments(
            caller, pager.wanted, tariff_id=query.tariff_id, target_kind=query.target_kind, target=query.target
        )
        return pager.linked(page)

    @routes.get("/tariff-assignments/{assignment_id}", summary="One assignment")
    async def get_tariff_assignment(caller: Reader, assignment_id: int) -> Assignment:
        return await tariffs.get_assignment(caller, assignment_id)

    @routes.patch("/tariff-assignments/{assignment_id}", summary="Change an assignment's priority or validity")
    async def update_tariff_assignment(caller: Writer, assignment_id: int, body: AssignmentPatch) -> Assignment:
        return await tariffs.update_assignment(caller, assignment_id, body.model_dump(exclude_unset=True))

    @routes.delete("/tariff-assignments/{assignment_id}", status_code=204, summary="End an assignment")
    async def delete_tariff_assignment(caller: Writer, assignment_id: int) -> None:
        await tariffs.delete_assignment(caller, assignment_id)


async def _text(request: Request) -> TariffText:
    return read_tariff(await request.body())


def _written(stored: StoredTariff, status: int = 200) -> Response:
    return Response(_json(stored), status, media_type="application/json")


def _written_page(page: Page[StoredTariff], pager: Pager) -> Response:
    pager.linked(page)
    items = b",".join(_json(stored) for stored in page.items)
    body = b'{"items":[%s],"next_cursor":%s}' % (items, orjson.dumps(page.next_cursor))
    return Response(body, media_type="application/json", headers=dict(pager.response.headers))


def _json(stored: StoredTariff) -> bytes:
    head = {
        "tariff_id": stored.tariff_id,
        "version": stored.version,
        "currency": stored.currency,
        "created_at": stored.created_at,
    }
    # The texts go out as they are: reading them again could change how a price is written.
    tail = f',"document":{stored.document},"extension":{stored.extension}}}'
    return orjson.dumps(head, option=orjson.OPT_UTC_Z)[:-1] + tail.encode()

"""The route of quotes: what a session at an EVSE would cost, before anybody plugs in."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationInfo, field_validator

from voltway.httpapi.caller import Reader
from voltway.httpapi.fields import Identifier
from voltway.sessions.api import Cost, Explanation
from voltway.sessions.assumed import MAX_STAY, AssumptionCode, ImpossibleWish
from voltway.sessions.quote_service import Asked, Quotes

MAX_KWH = 1000
MAX_MINUTES = MAX_STAY // timedelta(minutes=1)
_EVSE = re.compile(r"(?P<station>.{1,255})/(?P<evse>[0-9]{1,4})")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _evse(text: str) -> str:
    if not text.isprintable() or _EVSE.fullmatch(text) is None:
        raise ValueError("an EVSE is written STATION/EVSE, e.g. CP-1/2")
    return text


class QuoteQuery(BaseModel):
    """A session to price: at least one of `kwh` and `minutes`."""

    evse: Annotated[str, Field(description="`STATION/EVSE`."), AfterValidator(_evse)]
    start: Annotated[AwareDatetime, Field(ge=_FIRST, lt=_LAST)] | None = Field(default=None, description="Default now.")
    kwh: Annotated[Decimal, Field(gt=0, le=MAX_KWH, decimal_places=6)] | None = None
    minutes: Annotated[Decimal, Field(gt=0, le=MAX_MINUTES, decimal_places=6)] | None = Field(
        default=None,
        validate_default=True,
        description="From plugging in to leaving; without it the car leaves charged.",
    )
    token: Identifier | None = Field(default=None, description="Prices for this token's group.")
    token_group: Identifier | None = None

    @field_validator("minutes")
    @classmethod
    def _is_something_asked(cls, minutes: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if minutes is None and info.data.get("kwh", ...) is None:
            raise ValueError("name kwh, minutes or both")
        return minutes

    @field_validator("token_group")
    @classmethod
    def _is_one_group(cls, token_group: str | None, info: ValidationInfo) -> str | None:
        if token_group is not None and info.data.get("token") is not None:
            raise ValueError("name a token or a token_group: a token brings its own group")
        return token_group

    def asked(self) -> Asked:
        """Return the question as the service takes it."""
        station, _, evse_id = self.evse.rpartition("/")
        return Asked(station, int(evse_id), self.kwh, self.minutes, self.start, self.token_group, self.token)


class AssumptionView(BaseModel):
    """One thing that the quote takes for granted."""

    code: AssumptionCode
    text: str


class QuoteView(BaseModel):
    """What an assumed session costs; without a tariff it is not billable and has no cost, which is not free."""

    evse: str
    start: AwareDatetime
    end: AwareDatetime
    charging_ends_at: AwareDatetime
    kwh: str
    minutes: str
    power_kw: str
    billable: bool
    tariff_id: str | None
    tariff_version: int | None
    time_zone: str
    currency: str | None
    cost: Cost | None
    explanation: Explanation | None
    assumptions: list[AssumptionView]
    price_text: dict[str, list[str]] | None


def router(quotes: Quotes) -> APIRouter:
    """Build the route of quotes."""
    routes = APIRouter(prefix="/api/v1", tags=["tariffs"])
    described: dict[int | str, dict[str, Any]] = {200: {"model": QuoteView}}

    @routes.get("/quotes", summary="What a session at an EVSE would cost", responses=described)
    async def get_quote(caller: Reader, query: Annotated[QuoteQuery, Query()]) -> Response:
        try:
            found = await quotes.quote(caller, query.asked())
        except ImpossibleWish as error:
            # What no rule of a single field could see still names the parameter.
            faults = [
                {"type": "value_error", "loc": ("query", fault.pointer.removeprefix("/")), "msg": fault.message}
                for fault in error.faults
            ]
            raise RequestValidationError(faults) from error
        return Response(orjson.dumps(found), media_type="application/json")

    return routes

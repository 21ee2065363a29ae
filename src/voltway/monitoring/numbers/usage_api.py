"""Routes of usage: rollups of the network, a site or an EVSE, its busy hours and key figures."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from voltway.httpapi.caller import Reader
from voltway.kernel.energy import kwh_of
from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.numbers.demand import BUSY, DAYS
from voltway.monitoring.numbers.kpis import Kpis
from voltway.monitoring.numbers.usage_service import Demand, Grain, Heatmap, Report, Usage, Wanted


class GrainName(StrEnum):
    """How long a rollup's stretch is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class SpanQuery(BaseModel):
    """A stretch of time; both ends begin an hour, a day or a month where the place is."""

    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    location: str | None = None
    station_id: str | None = None
    evse_id: int | None = Field(default=None, ge=1, le=1000)


class UsageQuery(SpanQuery):
    """Which rollups: of the network, of a `location`, or of a station's EVSE (by default its first)."""

    grain: GrainName | None = None


class WeekQuery(BaseModel):
    """A site's week, by default of the last 28 days."""

    location: str
    begin: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")


class DemandQuery(BaseModel):
    """Busy periods of all sites or one: from which share of usable EVSE time on."""

    location: str | None = None
    begin: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")
    at_least: float = Field(default=BUSY, gt=0, le=1)


class UsageRow(BaseModel):
    """One hour, day or month."""

    start_at: datetime
    evses: int
    available_s: int
    occupied_s: int
    charging_s: int
    reserved_s: int
    unavailable_s: int
    faulted_s: int
    offline_s: int
    unknown_s: int
    sessions: int
    ended: int
    ok: int
    failed: int
    energy_kwh: str
    peak_w: int
    revenue_excl_vat: str
    revenue_incl_vat: str
    full_s: int
    queued_starts: int
    turned_away: float


class OtherRevenue(BaseModel):
    """What was earned in another currency than the operator's."""

    currency: str
    revenue_excl_vat: str
    revenue_incl_vat: str


class UsageDocument(BaseModel):
    """Rollups in order of time; `other_revenue`, of the whole stretch, is in no item."""

    grain: GrainName
    time_zone: str
    currency: str
    items: list[UsageRow]
    other_revenue: list[OtherRevenue]


class HeatmapDocument(BaseModel):
    """Shares by day (Monday first) and local hour; null where nothing is known of the hour."""

    location: str
    time_zone: str
    hours: list[list[float | None]]
    busiest: str


class DemandRow(BaseModel):
    """A busy period: local hours from `begin_hour` to before `end_hour` on each of the days."""

    location: str
    time_zone: str
    first_day: str
    last_day: str
    begin_hour: int
    end_hour: int
    occupied_share: float
    sentence: str


class DemandDocument(BaseModel):
    """Busy periods, the busiest first."""

    items: list[DemandRow]


class KpisDocument(BaseModel):
    """Key figures; rates from 0 to 1, null where there is nothing to divide by."""

    attempts: int
    first_try_ok: int
    first_try_rate: float | None
    sessions: int
    ended: int
    ok: int
    failed: int
    refused: int
    charging_success_rate: float | None
    failed_by_reason: dict[str, int]
    faults: int
    repairs: int
    mean_time_to_repair_s: float | None
    mean_time_between_failures_s: float | None
    utilisation_by_time: float | None
    load_factor: float | None
    energy_kwh: str
    peak_w: int
    full_s: int
    queued_starts: int
    turned_away: float


def router(usage: Usage) -> APIRouter:
    """Build the routes of usage."""
    routes = APIRouter(prefix="/api/v1", tags=["usage"])

    @routes.get("/usage", summary="Usage by hour, day or month of the network, a site or an EVSE")
    async def get_usage(caller: Reader, query: Annotated[UsageQuery, Query()]) -> UsageDocument:
        return _usage_document(await usage.usage(caller.operator_id, _wanted(query, query.grain)))

    @routes.get("/usage/heatmap", summary="A site's week: how much of its EVSEs' time is taken, by local hour")
    async def get_heatmap(caller: Reader, query: Annotated[WeekQuery, Query()]) -> HeatmapDocument:
        found = await usage.heatmap(caller.operator_id, query.location, begin=query.begin, end=query.end)
        return _heatmap_document(found)

    @routes.get("/usage/demand", summary="Periods of high demand by site and hours, in words")
    async def get_demand(caller: Reader, query: Annotated[DemandQuery, Query()]) -> DemandDocument:
        found = await usage.demand(
            caller.operator_id, at_least=query.at_least, location=query.location, begin=query.begin, end=query.end
        )
        return DemandDocument(items=[_demand_row(it) for it in found])

    @routes.get("/kpis", summary="Key figures: first-try success, failed starts, repairs, utilisation, queues")
    async def get_kpis(caller: Reader, query: Annotated[SpanQuery, Query()]) -> KpisDocument:
        return _kpis_document(await usage.kpis(caller.operator_id, _wanted(query)))

    return routes


def _wanted(query: SpanQuery, grain: GrainName | None = None) -> Wanted:
    if query.location is not None and query.station_id is not None:
        raise InvalidInput("name a location or a station", [Fault("/station_id", "leave one of them out")])
    if query.evse_id is not None and query.station_id is None:
        raise InvalidInput("an EVSE belongs to a station", [Fault("/evse_id", "name its station_id too")])
    wanted = None if grain is None else Grain[grain.name]
    return Wanted(query.begin, query.end, query.location, query.station_id, query.evse_id, wanted)


def _usage_document(report: Report) -> UsageDocument:
    items = [UsageRow.model_construct(**_row(row)) for row in report.rows]
    others = [
        OtherRevenue(
            currency=row["currency"], revenue_excl_vat=format(row["excl_vat"], "f"),
            revenue_incl_vat=format(row["incl_vat"], "f"),
        )
        for row in report.other_revenue
    ]  # fmt: skip
    return UsageDocument.model_construct(
        grain=GrainName[report.grain.name], time_zone=report.time_zone, currency=report.currency, items=items,
        other_revenue=others,
    )  # fmt: skip


_SAME = tuple(name for name in UsageRow.model_fields if not name.startswith(("energy", "revenue")))


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _SAME} | {
        "energy_kwh": _text(row["energy_milliwh"]),
        "revenue_excl_vat": format(row["revenue_excl"], "f"),
        "revenue_incl_vat": format(row["revenue_incl"], "f"),
    }


def _heatmap_document(found: Heatmap) -> HeatmapDocument:
    hours = [[None if it is None else round(it, 4) for it in day] for day in found.hours]
    return HeatmapDocument(location=found.location, time_zone=found.time_zone, hours=hours, busiest=found.busiest)


def _demand_row(found: Demand) -> DemandRow:
    it = found.period
    return DemandRow(
        location=found.location, time_zone=found.time_zone, first_day=DAYS[it.first_day], last_day=DAYS[it.last_day],
        begin_hour=it.begin_hour, end_hour=it.end_hour, occupied_share=round(it.share, 4), sentence=found.sentence,
    )  # fmt: skip


def _kpis_document(kpis: Kpis) -> KpisDocument:
    return KpisDocument(energy_kwh=_text(kpis.energy_milliwh), **{
        name: value for name, value in asdict(kpis).items() if name != "energy_milliwh"
    })  # fmt: skip


def _text(milliwh: int) -> str:
    return format(kwh_of(milliwh), "f")

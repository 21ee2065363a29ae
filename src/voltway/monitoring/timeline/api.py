"""Routes of the timeline: EVSEs as they are now, what each was, and live power."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel

from voltway.httpapi.caller import Reader
from voltway.httpapi.paging import Page, WantedPage
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.energy import kwh_of
from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.timeline.model import IN_SERVICE, Cause, OperatorState
from voltway.monitoring.timeline.projection import STALE_AFTER
from voltway.monitoring.timeline.service import Timeline
from voltway.monitoring.timeline.store import EvseFilter

DEFAULT_SPAN = timedelta(days=1)
WATCH_MAY_LAG = timedelta(seconds=60)
"""So much later than due the watch may say that a station is offline before we say it without the watch."""


class EvseNow(BaseModel):
    """An EVSE as it is now. `evidence` is what the state rests on, `evidence_age_s` how old that is; power in W."""

    station_id: str
    evse_id: int
    location_id: str | None
    feeder: str | None
    state: OperatorState
    cause: str
    since: AwareDatetime | None
    evidence: str
    evidence_at: AwareDatetime | None
    evidence_age_s: float | None
    last_seen_at: AwareDatetime | None
    max_power_w: int | None
    power_w: float | None
    session_id: str | None
    session_started_at: AwareDatetime | None
    session_energy_kwh: str | None
    soc_pct: float | None


class IntervalDocument(BaseModel):
    """[begin, end) in one state; `end` null: still going on."""

    begin: AwareDatetime
    end: AwareDatetime | None
    state: OperatorState
    cause: str
    evidence: str
    evidence_at: AwareDatetime


class FeederPower(BaseModel):
    """What flows through a node of the electrical tree, beside what it may carry."""

    location_id: str
    code: str
    kind: str
    power_w: float
    limit_w: int | None


class PowerDocument(BaseModel):
    """Live power in W at every level; only what flows is listed of EVSEs, stations and sites."""

    as_of: AwareDatetime
    network_w: float
    sites: dict[str, float]
    feeders: list[FeederPower]
    stations: dict[str, float]
    evses: list[dict[str, Any]]


class SpanQuery(BaseModel):
    """Which stretch of the past."""

    begin: AwareDatetime | None = None
    end: AwareDatetime | None = None


def router(timeline: Timeline, *, clock: Clock = wall_clock) -> APIRouter:
    """Build the routes of the timeline; include it before those of stations, whose ids may hold a slash."""
    routes = APIRouter(prefix="/api/v1", tags=["monitoring"])

    @routes.get("/monitoring/evses", summary="Every EVSE as it is now, with the evidence and its age")
    async def list_evses_now(
        caller: Reader,
        pager: WantedPage,
        location: str | None = None,
        station_id: str | None = None,
        state: OperatorState | None = None,
    ) -> Page[EvseNow]:
        wanted = EvseFilter(location, station_id, state.value if state else None)
        page = await timeline.list_now(caller, pager.wanted, wanted)
        return pager.linked(Page(items=[_now(row, clock) for row in page.items], next_cursor=page.next_cursor))

    @routes.get("/monitoring/states", summary="How many EVSEs are in each state")
    async def count_states(caller: Reader) -> dict[OperatorState, int]:
        return await timeline.count_states(caller.operator_id)

    @routes.get("/monitoring/power", summary="Live power of EVSEs, stations, sites, feeders and the network")
    async def get_power(caller: Reader) -> PowerDocument:
        return await power_document(timeline, caller.operator_id, clock)

    @routes.get("/stations/{station_id:path}/evses/{evse_id}/timeline", summary="What an EVSE was")
    async def list_intervals(
        caller: Reader,
        pager: WantedPage,
        *,
        station_id: str,
        evse_id: Annotated[int, Path(ge=1, le=1000)],
        begin: Annotated[AwareDatetime | None, Query(alias="from", description="Default: a day before `to`.")] = None,
        end: Annotated[AwareDatetime | None, Query(alias="to", description="Default: now.")] = None,
    ) -> Page[IntervalDocument]:
        until = end or clock()
        since = begin or until - DEFAULT_SPAN
        if since >= until:
            raise InvalidInput("the span ends before it begins", [Fault("/from", "must lie before `to`")])
        page = await timeline.list_intervals(caller, station_id, evse_id, (since, until), pager.wanted)
        return pager.linked(Page(items=[_interval(row) for row in page.items], next_cursor=page.next_cursor))

    return routes


async def power_document(timeline: Timeline, operator_id: Any, clock: Clock = wall_clock) -> PowerDocument:
    """Return what flows now, as the API and the live feed tell it."""
    power, nodes = await timeline.power(operator_id)
    return PowerDocument(
        as_of=clock(),
        network_w=power.network_w,
        sites=dict(power.sites_w),
        feeders=[
            FeederPower(
                location_id=it.location_id, code=it.code, kind=it.kind, limit_w=it.limit_w,
                power_w=power.feeders_w[it.location_id, it.code],
            )
            for it in nodes
        ],
        stations=dict(power.stations_w),
        evses=[
            {"station_id": key[0], "evse_id": key[1], "power_w": power_w} for key, power_w in power.evses_w.items()
        ],
    )  # fmt: skip


def _now(row: Row, clock: Clock) -> EvseNow:
    at = row["evidence_at"]
    same = (
        "station_id", "evse_id", "location_id", "feeder", "since", "evidence_at", "last_seen_at", "max_power_w",
        "power_w", "soc_pct",
    )  # fmt: skip
    energy = row["energy_milliwh"]
    state, cause, evidence = _believed(row, clock())
    return EvseNow(
        **{name: row[name] for name in same},
        state=state,
        cause=cause,
        evidence=evidence,
        evidence_age_s=None if at is None else max((clock() - at).total_seconds(), 0.0),
        session_id=None if row["session_id"] is None else str(row["session_id"]),
        session_started_at=row["started_at"],
        session_energy_kwh=None if energy is None else format(kwh_of(energy), "f"),
    )


def _believed(row: Row, now: datetime) -> tuple[OperatorState, str, str]:
    """Return the state as far as it can be believed: with the watch behind, what is old is not shown as in service."""
    if row["state"] is None:
        return OperatorState.UNKNOWN, Cause.NO_STATUS, "nothing is known of it yet"
    state, seen_at = OperatorState(row["state"]), row["last_seen_at"]
    if state in IN_SERVICE and (seen_at is None or now - seen_at > STALE_AFTER + WATCH_MAY_LAG):
        return OperatorState.UNKNOWN, Cause.STATUS_STALE, f"it was {state.value} when it was last seen"
    return state, row["cause"], row["evidence"]


def _interval(row: Row) -> IntervalDocument:
    return IntervalDocument(
        begin=row["begin_at"],
        end=row["end_at"],
        state=OperatorState(row["state"]),
        cause=row["cause"],
        evidence=row["evidence"],
        evidence_at=row["evidence_at"],
    )

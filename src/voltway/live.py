"""The live feed of the api role: follows the outbox and tells every open page what changed; `GET /api/v1/overview`.

Stands beside `app`, since it reads stations, sessions and tariffs alike. Twice a second it publishes what changed for
the operators that somebody listens to, each event encoded once; where nobody listened for a while, pages resync.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from traceback import format_exception
from typing import Any
from uuid import UUID

import orjson
import structlog
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from voltway.httpapi.caller import Caller, Reader, Scope
from voltway.httpapi.paging import PageRequest, decode_cursor
from voltway.httpapi.sse import Hub, Hubs
from voltway.identity.service import Identity
from voltway.infra.outbox import Change, Outbox
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, monotonic_s, to_rfc3339
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.energy import kwh_of
from voltway.kernel.errors import NotFound, VoltwayError
from voltway.kernel.ids import OperatorId
from voltway.kernel.money import Money, RoundingRule, decimal_text, round_to_minor
from voltway.sessions.service import NetworkNow, Sessions
from voltway.stations.model import Station, StationFilter, StationState
from voltway.stations.service import Stations
from voltway.tariffs.engine import NextPrice, kwh_rate, next_cheaper, next_dearer
from voltway.tariffs.service import Tariffs, tariff_of

TICK_S = 0.5
OVERVIEW_S = 1.0
HISTORY = timedelta(minutes=15)
HISTORY_STEP_S = 5
READING_HOLDS_S = 60
"""A reading stands for this long in the chart that a fresh process begins with."""
SLOW_S = 5.0
"""The day's sums and the tariff are read again at most this often."""
MAX_PENDING = 1_000
LINGER_S = 60.0
"""A page that lost its stream for a moment resumes from the ring: events go on for this long without a listener."""
_PUBLISHED_CDRS = 5_000
_OPEN = {"pending", "active"}

Document = dict[str, Any]
Publisher = Callable[[OperatorId, Hub], Awaitable[None]]
"""Publishes what another slice has to say of one operator (`monitoring.live`)."""
log = structlog.get_logger()


class Price(BaseModel):
    """A price per kWh from an instant on."""

    at: AwareDatetime
    price_kwh: str


class TariffNow(BaseModel):
    """The price per kWh now without VAT, its VAT in per cent, and when it falls or rises next."""

    tariff_id: str
    currency: str
    price_kwh_now: str
    vat: str | None
    next_cheaper: Price | None
    next_dearer: Price | None


class Revenue(BaseModel):
    """What was billed today."""

    currency: str
    incl_vat: str


class Overview(BaseModel):
    """The network in numbers; `power_history` is [seconds since 1970, W]."""

    power_w: float
    stations: dict[StationState, int]
    stations_total: int
    sessions_active: int
    energy_today_kwh: str
    revenue_today: Revenue
    power_history: list[tuple[float, float]]
    tariff: TariffNow | None
    as_of: AwareDatetime


@dataclass(slots=True)
class _Network:
    """What is remembered of one operator's network between ticks."""

    history: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=int(HISTORY.total_seconds()) // HISTORY_STEP_S)
    )
    stations: dict[str, tuple[str, bool, float]] = field(default_factory=dict)
    pending: dict[UUID, None] = field(default_factory=dict)
    published_cdrs: OrderedDict[str, None] = field(default_factory=OrderedDict)
    slow: Document = field(default_factory=dict)
    slow_at_s: float = float("-inf")
    overview_at_s: float = float("-inf")
    listened_at_s: float = float("-inf")
    has_missed: bool = False


class LiveFeed:
    """Publishes what changed, and answers for the network as a whole."""

    def __init__(
        self, hubs: Hubs, *, identity: Identity, stations: Stations, sessions: Sessions, tariffs: Tariffs
    ) -> None:
        self._hubs = hubs
        self._identity = identity
        self._stations = stations
        self._sessions = sessions
        self._tariffs = tariffs
        self._publishers: list[Publisher] = []
        self._now: Clock = wall_clock
        self._networks: dict[OperatorId, _Network] = {}

    def add(self, publisher: Publisher) -> None:
        """Let another slice publish at each tick."""
        self._publishers.append(publisher)

    async def run(self, outbox: Outbox, stopping: asyncio.Event) -> None:
        """Follow the outbox and publish until stopping."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(outbox.follow(self.note, stopping, wants_sessions=self._is_watched))
            tasks.create_task(self._repeat(self.tick, TICK_S, stopping))
            tasks.create_task(self._repeat(self.sample, HISTORY_STEP_S, stopping))

    async def note(self, changes: Sequence[Change]) -> None:
        """Remember what changed until the next tick."""
        for change in changes:
            network = self._networks.setdefault(change.operator_id, _Network())
            network.pending.update(dict.fromkeys(change.sessions))
            network.pending.update(dict.fromkeys(change.ended))
            network.has_missed = network.has_missed or not self._is_watched()
            if len(network.pending) > MAX_PENDING:
                network.pending.clear()
                network.has_missed = True

    def _is_watched(self) -> bool:
        now_s = monotonic_s()
        return bool(self._hubs.listened()) or any(
            now_s - it.listened_at_s <= LINGER_S for it in self._networks.values()
        )

    async def tick(self) -> None:
        """Publish what changed since the last tick to those who listen."""
        listened = self._hubs.listened()
        for operator_id in listened:
            self._networks.setdefault(operator_id, _Network()).listened_at_s = monotonic_s()
        for operator_id, network in list(self._networks.items()):
            if monotonic_s() - network.listened_at_s > LINGER_S:
                network.has_missed = network.has_missed or bool(network.pending)
                network.pending.clear()
                continue
            await self._publish(operator_id, network, self._hubs.of(operator_id))

    async def sample(self) -> None:
        """Add the power of this moment to the history of each network that somebody has looked at."""
        for operator_id, network in list(self._networks.items()):
            if network.history:
                powers = await self._sessions.powers_w(operator_id)
                network.history.append((self._now().timestamp(), sum(powers.values())))

    async def overview(self, operator_id: OperatorId) -> Document:
        """Return the network in numbers with the power of the last 15 minutes."""
        network = self._networks.setdefault(operator_id, _Network())
        if not network.history:
            await self._seed_history(operator_id, network)
        stations = await self._all_stations(operator_id)
        return {**await self._figures(operator_id, network, stations), "power_history": list(network.history)}

    async def _publish(self, operator_id: OperatorId, network: _Network, hub: Hub) -> None:
        if network.has_missed:
            network.has_missed = False
            hub.publish("resync", b"{}")
        changed, network.pending = list(network.pending), {}
        closed = []
        for document in await self._sessions.find_sessions(operator_id, changed) if changed else ():
            hub.publish("session", orjson.dumps(document))
            if document["state"] not in _OPEN:
                closed.append(UUID(document["id"]))
        for item in await self._sessions.find_cdrs(operator_id, closed) if closed else ():
            _publish_cdr(network, hub, item)
        for publish in self._publishers:
            await publish(operator_id, hub)
        if monotonic_s() - network.overview_at_s >= OVERVIEW_S:
            network.overview_at_s = monotonic_s()
            await self._publish_stations(operator_id, network, hub)

    async def _publish_stations(self, operator_id: OperatorId, network: _Network, hub: Hub) -> None:
        stations = await self._all_stations(operator_id)
        powers = await self._sessions.powers_w(operator_id)
        for station in stations:
            now = station.state.value, _is_connected(station), powers.get(station.id, 0.0)
            if network.stations.get(station.id) == now:
                continue
            is_known = station.id in network.stations
            network.stations[station.id] = now
            if is_known:
                event = {"id": station.id, "state": now[0], "connected": now[1], "power_w": now[2]}
                hub.publish("station", orjson.dumps(event))
        hub.publish("overview", orjson.dumps(await self._figures(operator_id, network, stations)))

    async def _figures(self, operator_id: OperatorId, network: _Network, stations: Sequence[Station]) -> Document:
        counts = dict.fromkeys((state.value for state in StationState), 0)
        for station in stations:
            counts[station.state.value] += 1
        operator = await self._identity.get_operator(operator_id)
        now = await self._sessions.network_now(operator_id, operator.time_zone)
        if monotonic_s() - network.slow_at_s >= SLOW_S:
            network.slow_at_s = monotonic_s()
            network.slow = {"tariff": await self._tariff(operator_id, now.tariff_id, operator.time_zone)}
        return {
            "power_w": now.power_w,
            "stations": counts,
            "stations_total": len(stations),
            "sessions_active": now.sessions,
            "energy_today_kwh": str(kwh_of(now.energy_today_milliwh)),
            "revenue_today": {"currency": now.currency, "incl_vat": str(_revenue(now).decimal)},
            **network.slow,
            "as_of": to_rfc3339(self._now()),
        }

    async def _tariff(self, operator_id: OperatorId, tariff_id: str | None, time_zone: str) -> Document | None:
        """Describe the price now of the tariff that most running sessions have, else of the newest assigned one."""
        caller = _reader(operator_id)
        if tariff_id is None:
            assigned = (await self._tariffs.list_assignments(caller, PageRequest(1))).items
            if not assigned:
                return None
            tariff_id = assigned[0].tariff_id
        try:
            tariff = tariff_of(await self._tariffs.get_tariff(caller, tariff_id))
        except NotFound:
            return None
        now = self._now()
        rate = kwh_rate(tariff, now, time_zone=time_zone)
        if rate is None:
            return None
        return {
            "tariff_id": tariff_id,
            "currency": tariff.currency,
            "price_kwh_now": rate.price_text,
            "vat": None if rate.vat is None else decimal_text(rate.vat),
            "next_cheaper": _price(next_cheaper(tariff, now, time_zone=time_zone)),
            "next_dearer": _price(next_dearer(tariff, now, time_zone=time_zone)),
        }

    async def _all_stations(self, operator_id: OperatorId) -> list[Station]:
        caller, found = _reader(operator_id), list[Station]()
        wanted = PageRequest(1000)
        while True:
            page = await self._stations.list_stations(caller, wanted, StationFilter())
            found += page.items
            if page.next_cursor is None:
                return found
            wanted = PageRequest(1000, decode_cursor(page.next_cursor))

    async def _seed_history(self, operator_id: OperatorId, network: _Network) -> None:
        now = self._now()
        rows = await self._sessions.recent_powers(operator_id, now - HISTORY)
        network.history.extend(powers_over_time(rows, now))

    async def _repeat(self, work: Any, every_s: float, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await work()
            except VoltwayError as error:
                log.warning("live_feed_waits", error=error.message)
            except Exception as error:  # noqa: BLE001 - a subscription's supervisor: the next tick tries again
                log.error("live_feed_failed", exception="".join(format_exception(error)))
            try:
                await asyncio.wait_for(stopping.wait(), every_s)
            except TimeoutError:
                continue


def powers_over_time(rows: Sequence[Row], now: datetime) -> list[tuple[float, float]]:
    """Return [seconds since 1970, W] each 5 s of the last 15 minutes: the sum of each place's newest reading.

    `rows` are readings in the order of arrival; each holds for a minute.
    """
    end_s = now.timestamp()
    points: list[tuple[float, float]] = []
    current: dict[tuple[int, int], tuple[float, float]] = {}
    waiting = iter(rows)
    row = next(waiting, None)
    steps = int(HISTORY.total_seconds()) // HISTORY_STEP_S
    for step in range(steps - 1, -1, -1):
        at_s = end_s - step * HISTORY_STEP_S
        while row is not None and row["received_at"].timestamp() <= at_s:
            current[row["station_id"], row["evse_id"]] = row["received_at"].timestamp(), row["power_w"]
            row = next(waiting, None)
        points.append((at_s, sum(w for since_s, w in current.values() if at_s - since_s <= READING_HOLDS_S)))
    return points


def router(feed: LiveFeed) -> APIRouter:
    """Build `GET /api/v1/overview`."""
    routes = APIRouter(prefix="/api/v1", tags=["live"])

    @routes.get("/overview", summary="The network in numbers", responses={200: {"model": Overview}})
    async def get_overview(caller: Reader) -> Response:
        return Response(orjson.dumps(await feed.overview(caller.operator_id)), media_type="application/json")

    return routes


def _publish_cdr(network: _Network, hub: Hub, item: Document) -> None:
    if item["id"] in network.published_cdrs:
        return
    network.published_cdrs[item["id"]] = None
    while len(network.published_cdrs) > _PUBLISHED_CDRS:
        network.published_cdrs.popitem(last=False)
    hub.publish("cdr", orjson.dumps(item))


def _revenue(now: NetworkNow) -> Money:
    return round_to_minor(Decimal(now.revenue_incl_vat), now.currency, RoundingRule.LINE_HALF_UP)


def _price(ahead: NextPrice | None) -> Document | None:
    return None if ahead is None else {"at": to_rfc3339(ahead.at), "price_kwh": decimal_text(ahead.price)}


def _reader(operator_id: OperatorId) -> Caller:
    return Caller(operator_id, "live", frozenset({Scope.READ}))


def _is_connected(station: Station) -> bool:
    return station.connection is not None and station.connection.connected

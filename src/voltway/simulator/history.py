"""Made history: the facts of past weeks for the demo's city, in the order in which a gateway would have received them.

Cars arrive by hour, weekday and place, take a free EVSE or wait a little, charge along their curve, overstay, leave;
stations fault and boot again. `app` hands every fact to the same ingest rules as live ones, marked synthetic.
Transaction ids are `H-1`… for both versions: these sessions never were on a wire.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random

from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    StationBooted,
)
from voltway.kernel.ids import ConnectorId, EvseId, StationIdentity
from voltway.simulator.city import City
from voltway.simulator.past import PastSession, Timed, facts_of
from voltway.simulator.registers import register_at
from voltway.simulator.specs import EvseSpec, StationSpec, Version
from voltway.simulator.visits import LOCAL_ZONE
from voltway.vehicles.arrivals import PlaceKind, arrivals_of_day
from voltway.vehicles.battery import Battery
from voltway.vehicles.catalogue import pick_car
from voltway.vehicles.seeds import seeded

LAST_MINUTES = timedelta(minutes=2)
"""Nothing is under way so shortly before the history ends."""
TURNOVER = timedelta(seconds=90)
"""Between two cars at one plug."""
PATIENCE = timedelta(minutes=12)
FAULTS_A_DAY, FAULTS_A_DAY_OF_BAD = 0.02, 0.25
BAD_STATIONS = 0.06


@dataclass(frozen=True, slots=True)
class _Custom:
    """What happens at one kind of plug: cars per EVSE and day, hours they stay, charge they come with and want."""

    daily: float
    stay_h: tuple[float, float]
    soc: tuple[float, float]
    target_soc: tuple[float, float]
    overstay_share: float


_AC: dict[PlaceKind, _Custom] = {
    PlaceKind.STREET: _Custom(1.35, (1.0, 4.5), (0.20, 0.65), (0.85, 1.0), 0.5),
    PlaceKind.WORK: _Custom(1.15, (3.5, 8.5), (0.25, 0.70), (0.9, 1.0), 0.7),
    PlaceKind.SHOP: _Custom(2.0, (0.5, 2.2), (0.20, 0.70), (0.9, 1.0), 0.2),
}
_DC: dict[PlaceKind, _Custom] = {
    PlaceKind.SHOP: _Custom(4.3, (0.5, 1.2), (0.12, 0.45), (0.75, 0.9), 0.2),
    PlaceKind.CORRIDOR: _Custom(5.0, (0.4, 1.0), (0.08, 0.35), (0.70, 0.85), 0.15),
    PlaceKind.DEPOT: _Custom(4.8, (0.5, 1.2), (0.10, 0.40), (0.80, 0.95), 0.1),
}


@dataclass(slots=True, eq=False)
class _Plug:
    """One EVSE in the making of history; registers in milliwatt-hours."""

    station: StationSpec
    evse: EvseSpec
    register_milliwh: int
    free_at: datetime


@dataclass(slots=True)
class _Maker:
    """The state of the making: plugs, drivers, and facts that wait for their turn."""

    city: City
    begin: datetime
    until: datetime
    dice: Random
    plugs: dict[tuple[StationIdentity, int], _Plug] = field(default_factory=dict)
    pools: dict[tuple[str, bool], list[_Plug]] = field(default_factory=dict)
    busy_until: dict[str, datetime] = field(default_factory=dict)
    waiting: list[tuple[datetime, int, Timed]] = field(default_factory=list)
    links: dict[StationIdentity, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    order: "count[int]" = field(default_factory=count)
    sessions: "count[int]" = field(default_factory=lambda: count(1))


@dataclass(slots=True)
class Remains:
    """What history leaves behind: every meter's last reading (`IDENTITY/EVSE`, milliwatt-hours), and each station's
    connections as (begin, end).
    """

    registers: dict[str, int] = field(default_factory=dict)
    links: dict[StationIdentity, list[tuple[datetime, datetime]]] = field(default_factory=dict)


def made_history(
    city: City, *, days: int, until: datetime, seed: int = 0, remains: Remains | None = None
) -> Iterator[Timed]:
    """Yield (station, fact, received_at) for `days` days up to `until`, in order of receipt; nothing is open at the
    end.

    `remains`, where given, is filled when the history has been told: so the live stations go on where it ended.
    """
    begin = until - timedelta(days=days)
    maker = _Maker(city, begin, until, seeded("history", seed))
    _set_up(maker)
    for at, happens in sorted(_agenda(maker), key=lambda entry: entry[0]):
        yield from _due(maker, at)
        _happen(maker, at, happens)
    yield from _due(maker, until)
    if remains is not None:
        remains.registers |= {f"{name}/{evse}": plug.register_milliwh for (name, evse), plug in maker.plugs.items()}
        remains.links |= maker.links


def _set_up(maker: _Maker) -> None:
    for site in maker.city.sites:
        for station in site.stations:
            _boot(maker, station, maker.begin + timedelta(seconds=maker.dice.uniform(0, 60)), "PowerUp")
            maker.links[station.identity] = [(maker.begin, maker.until)]
            for evse in station.evses:
                plug = _Plug(station, evse, register_at(station, evse, maker.begin), maker.begin + TURNOVER)
                maker.plugs[station.identity, evse.evse_id] = plug
                maker.pools.setdefault((site.location_id, evse.dc), []).append(plug)


def _agenda(maker: _Maker) -> Iterator[tuple[datetime, tuple[str, bool] | StationSpec]]:
    """Yield what comes from outside: an arrival at a pool, or a fault of a station."""
    first = maker.begin.astimezone(LOCAL_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (maker.until - maker.begin).days + 1
    for day in range(days):
        midnight = first + timedelta(days=day)
        yield from ((at, what) for at, what in _of_day(maker, midnight) if maker.begin < at < maker.until)


def _of_day(maker: _Maker, midnight: datetime) -> Iterator[tuple[datetime, tuple[str, bool] | StationSpec]]:
    start = midnight.astimezone(maker.begin.tzinfo)
    for site in maker.city.sites:
        for dc in (False, True):
            pool = maker.pools.get((site.location_id, dc), [])
            if pool:
                mean = _custom(site.place, dc=dc).daily * len(pool)
                for at_s in arrivals_of_day(site.place, midnight, maker.dice, daily_mean=mean):
                    yield start + timedelta(seconds=at_s), (site.location_id, dc)
        for station in site.stations:
            bad = seeded("bad", station.identity).random() < BAD_STATIONS
            if maker.dice.random() < (FAULTS_A_DAY_OF_BAD if bad else FAULTS_A_DAY):
                yield start + timedelta(seconds=maker.dice.uniform(0, 86_400)), station


def _custom(place: PlaceKind, *, dc: bool) -> _Custom:
    return (_DC if dc else _AC)[place]


def _happen(maker: _Maker, at: datetime, what: tuple[str, bool] | StationSpec) -> None:
    if isinstance(what, StationSpec):
        _fail(maker, what, at)
        return
    plug = min(maker.dice.sample(maker.pools[what], len(maker.pools[what])), key=lambda p: max(p.free_at, at))
    begin = max(plug.free_at, at)
    if begin - at <= PATIENCE:
        _charge(maker, plug, begin)


def _charge(maker: _Maker, plug: _Plug, begin: datetime) -> None:
    dice, custom = maker.dice, _custom(plug.station.place, dc=plug.evse.dc)
    token = _free_driver(maker, begin)
    if token is None:
        return
    overstays = dice.random() < custom.overstay_share
    session = PastSession(
        number=next(maker.sessions),
        station=plug.station,
        evse=plug.evse,
        token=token,
        begin=begin,
        battery=Battery(pick_car(dice, dc=plug.evse.dc), dice.uniform(*custom.soc), dice.uniform(*custom.target_soc)),
        stay=timedelta(hours=dice.uniform(*custom.stay_h)),
        overstay=timedelta(minutes=dice.uniform(4, 60 if plug.evse.dc else 150)) if overstays else timedelta(0),
        register_milliwh=plug.register_milliwh,
        delay_s=dice.uniform(0.05, 0.9),
    )
    facts, end, register_milliwh = facts_of(session)
    if end > maker.until - LAST_MINUTES:
        return
    maker.busy_until[token] = plug.free_at = end + TURNOVER
    plug.register_milliwh = register_milliwh
    for timed in facts:
        _wait(maker, timed)


def _free_driver(maker: _Maker, at: datetime) -> str | None:
    for _ in range(8):
        driver = maker.dice.choice(maker.city.tokens)
        if driver.is_valid and maker.busy_until.get(driver.token, maker.begin) <= at:
            return driver.token
    return None


def _fail(maker: _Maker, station: StationSpec, at: datetime) -> None:
    """Let one EVSE fault for some time, or the station fall silent and boot again."""
    plugs = [maker.plugs[station.identity, evse.evse_id] for evse in station.evses]
    length = timedelta(minutes=maker.dice.lognormvariate(3.6, 1.0))
    if maker.dice.random() < 0.4:
        silent = max([at, *(plug.free_at for plug in plugs)])
        back = silent + length
        if back < maker.until:
            links = maker.links[station.identity]
            links[-1:] = [(links[-1][0], silent), (back - timedelta(seconds=2), maker.until)]
            _boot(maker, station, back, "Watchdog")
            for plug in plugs:
                plug.free_at = back + TURNOVER
        return
    plug = maker.dice.choice(plugs)
    begin = max(at, plug.free_at)
    if begin + length < maker.until:
        code = maker.dice.choice(("GroundFailure", "OverCurrentFailure", "HighTemperature", "PowerSwitchFailure"))
        _tell_status(maker, plug, begin, ConnectorStatus.FAULTED, code)
        _tell_status(maker, plug, begin + length, ConnectorStatus.AVAILABLE)
        plug.free_at = begin + length + TURNOVER


def _boot(maker: _Maker, station: StationSpec, at: datetime, reason: str) -> None:
    boot = StationBooted(
        vendor=station.vendor,
        model=station.model,
        serial=station.serial,
        firmware=station.firmware,
        reason=reason if station.version is Version.V201 else None,
    )
    _wait(maker, (station.identity, boot, at))
    for evse in station.evses:
        status = _status(evse.evse_id, at + timedelta(seconds=1), ConnectorStatus.AVAILABLE)
        # A gateway gives each message of a station an instant of its own.
        _wait(maker, (station.identity, status, at + timedelta(seconds=1.2 + evse.evse_id / 100)))


def _tell_status(
    maker: _Maker, plug: _Plug, at: datetime, status: ConnectorStatus, error_code: str | None = None
) -> None:
    fact = _status(plug.evse.evse_id, at, status, error_code)
    _wait(maker, (plug.station.identity, fact, at + timedelta(seconds=0.3)))


def _status(
    evse_id: int, at: datetime, status: ConnectorStatus, error_code: str | None = None
) -> ConnectorStatusChanged:
    return ConnectorStatusChanged(EvseId(evse_id), ConnectorId(1), status, at, error_code)


def _wait(maker: _Maker, timed: Timed) -> None:
    heapq.heappush(maker.waiting, (timed[2], next(maker.order), timed))


def _due(maker: _Maker, at: datetime) -> Iterator[Timed]:
    """Yield what was received until `at`."""
    while maker.waiting and maker.waiting[0][0] <= at:
        yield heapq.heappop(maker.waiting)[2]

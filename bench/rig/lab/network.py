"""The made-up network: sites of 1 to 20 stations by kind of place, their EVSEs, and each station's habits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from rig.lab.ranges import Recipe, Vendor
from voltway.vehicles.arrivals import PlaceKind
from voltway.vehicles.seeds import seeded


@dataclass(frozen=True, slots=True)
class EvseSpec:
    """One EVSE: what it can give, and how many of the site's cars it draws relative to its siblings."""

    evse_id: int
    power_w: int
    weight: float


@dataclass(frozen=True, slots=True)
class StationSpec:
    """A station with the habits of its maker and its own: clock, network, whether it charges without a connection."""

    station_id: int
    identity: str
    vendor: Vendor
    model: str
    firmware: str
    evses: tuple[EvseSpec, ...]
    clock_offset_s: float
    blips_a_day: float
    starts_offline: bool

    @property
    def is_16(self) -> bool:
        """Whether it speaks OCPP 1.6."""
        return self.vendor.version == "1.6"


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """A site: `daily` is the mean number of cars per EVSE and day."""

    location_id: int
    code: str
    place: PlaceKind
    daily: float
    stations: tuple[StationSpec, ...]

    @property
    def evse_count(self) -> int:
        """How many EVSEs there are."""
        return sum(len(station.evses) for station in self.stations)

    @property
    def dc(self) -> bool:
        """Whether it is a site of fast chargers; sites are not mixed."""
        return self.stations[0].vendor.dc


@dataclass(frozen=True, slots=True)
class Network:
    """All sites."""

    sites: tuple[SiteSpec, ...]

    @property
    def stations(self) -> tuple[StationSpec, ...]:
        """All stations."""
        return tuple(station for site in self.sites for station in site.stations)

    @property
    def evse_count(self) -> int:
        """How many EVSEs there are."""
        return sum(site.evse_count for site in self.sites)


@dataclass(frozen=True, slots=True)
class _Ground:
    """A kind of place: whether DC, how likely, sizes with their weights, cars per EVSE and day."""

    place: PlaceKind
    dc: bool
    weight: float
    sizes: tuple[tuple[int, float], ...]
    daily: tuple[float, float]


_GROUNDS = (
    _Ground(PlaceKind.STREET, dc=False, weight=34, sizes=((1, 5), (2, 4), (3, 3)), daily=(0.5, 1.4)),
    _Ground(PlaceKind.WORK, dc=False, weight=16, sizes=((2, 3), (4, 3), (8, 2), (12, 1)), daily=(0.6, 1.1)),
    _Ground(PlaceKind.SHOP, dc=False, weight=18, sizes=((2, 3), (4, 3), (6, 2)), daily=(1.0, 2.6)),
    _Ground(PlaceKind.CORRIDOR, dc=True, weight=16, sizes=((3, 2), (4, 3), (8, 3), (14, 1), (20, 1)), daily=(2.2, 5.0)),
    _Ground(PlaceKind.DEPOT, dc=True, weight=8, sizes=((1, 2), (3, 3), (6, 2)), daily=(2.0, 4.5)),
)


@dataclass(slots=True)
class _Maker:
    recipe: Recipe
    dice: Random
    numbers: "count[int]" = field(default_factory=lambda: count(1))


def made_network(recipe: Recipe, seed: int) -> Network:
    """Make sites until there are as many EVSEs as the data file asks for; the same seed makes the same network."""
    maker = _Maker(recipe, seeded("lab network", seed))
    return Network(tuple(_sites(maker)))


def _sites(maker: _Maker) -> Iterator[SiteSpec]:
    evses = 0
    for location_id in count(1):
        if evses >= maker.recipe.evses:
            return
        ground = maker.dice.choices(_GROUNDS, [it.weight for it in _GROUNDS])[0]
        site = _site(maker, location_id, ground)
        evses += site.evse_count
        yield site


def _site(maker: _Maker, location_id: int, ground: _Ground) -> SiteSpec:
    dice = maker.dice
    size = dice.choices([it[0] for it in ground.sizes], [it[1] for it in ground.sizes])[0]
    makers = [it for it in maker.recipe.vendors if it.dc is ground.dc]
    # Most sites are built in one go by one maker.
    vendor = dice.choices(makers, [it.weight for it in makers])[0]
    mixed = dice.random() < 0.2
    stations = []
    for _ in range(size):
        its = dice.choices(makers, [it.weight for it in makers])[0] if mixed else vendor
        stations.append(_station(maker, location_id, its))
    return SiteSpec(location_id, f"LAB-{location_id:03d}", ground.place, dice.uniform(*ground.daily), tuple(stations))


def _station(maker: _Maker, location_id: int, vendor: Vendor) -> StationSpec:
    dice, recipe = maker.dice, maker.recipe
    station_id = next(maker.numbers)
    poor = dice.random() < recipe.rate("modem_share")
    return StationSpec(
        station_id=station_id,
        identity=f"LAB-{location_id:03d}-{station_id:04d}",
        vendor=vendor,
        model=dice.choice(vendor.models),
        firmware=f"{dice.randint(1, 4)}.{dice.randint(0, 9)}.{dice.randint(0, 9)}",
        evses=tuple(_evses(maker, vendor)),
        clock_offset_s=recipe.draw("clock_offset_s", dice),
        blips_a_day=recipe.rate("modem_blips_a_day") if poor else vendor.blips_a_day,
        starts_offline=dice.random() < recipe.rate("offline_starts"),
    )


def _evses(maker: _Maker, vendor: Vendor) -> Iterator[EvseSpec]:
    dice, recipe = maker.dice, maker.recipe
    power_w = dice.choice((50_000, 150_000, 150_000, 300_000) if vendor.dc else (11_000, 22_000, 22_000))
    single = power_w == 50_000 or (not vendor.dc and dice.random() < 0.1)
    for evse_id in range(1, 2 if single else 3):
        is_rare = dice.random() < recipe.rate("rare_evse_share")
        yield EvseSpec(evse_id, power_w, recipe.rate("rare_weight") if is_rare else dice.uniform(0.8, 1.2))

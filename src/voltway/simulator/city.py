"""The demo's city: sixty made-up sites with two hundred stations, their drivers and their tariffs. Data only, from a
seed.

`app` writes it through the services; `run` connects its stations; `history` makes its past.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import cos, radians, sin, sqrt, tau
from random import Random
from typing import Any

from voltway.kernel.geo import Coordinates
from voltway.kernel.ids import StationIdentity, TariffId, Token
from voltway.simulator.specs import (
    FAST_50,
    FAST_150,
    POST_22,
    ULTRA_300,
    WALL_11,
    Build,
    StationSpec,
    made_station,
    version_of,
)
from voltway.vehicles.arrivals import PlaceKind
from voltway.vehicles.seeds import seeded

CITY_NAME = "Auenstadt"
TIME_ZONE = "Europe/Berlin"
COUNTRY = "DEU"
CENTRE = Coordinates(51.1836, 12.4402)
KM_PER_DEGREE = 111.2
DRIVERS = 500
BLOCKED_EVERY, EXPIRED_EVERY = 71, 97
TARIFFS_SINCE = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Site:
    """A place with stations; `tariff_id` holds for all of them."""

    location_id: str
    name: str
    street: str
    postal_code: str
    coordinates: Coordinates
    place: PlaceKind
    stations: tuple[StationSpec, ...]
    tariff_id: TariffId


@dataclass(frozen=True, slots=True)
class DriverToken:
    """A driver's card: `status` is Accepted, Blocked or Expired, `group` the fleet it belongs to."""

    token: Token
    driver: str
    status: str = "Accepted"
    group: str | None = None
    expires_at: datetime | None = None

    @property
    def is_valid(self) -> bool:
        """Whether it may charge."""
        return self.status == "Accepted"


@dataclass(frozen=True, slots=True)
class City:
    """Everything there is at the start; `tariffs` are OCPI 2.2.1 documents."""

    name: str
    sites: tuple[Site, ...]
    tokens: tuple[DriverToken, ...]
    tariffs: tuple[dict[str, Any], ...]

    @property
    def specs(self) -> tuple[StationSpec, ...]:
        """All stations."""
        return tuple(station for site in self.sites for station in site.stations)

    @property
    def live_tokens(self) -> tuple[str, ...]:
        """The tokens that drivers hold up to readers, the few bad ones among them."""
        return tuple(token.token for token in self.tokens)

    def tariff_of(self, identity: StationIdentity) -> TariffId:
        """Return the tariff of a station."""
        return next(site.tariff_id for site in self.sites for station in site.stations if station.identity == identity)


@dataclass(frozen=True, slots=True)
class _Quarter:
    """One kind of site: how far from the centre (km), what stands there, what it costs."""

    place: PlaceKind
    sites: int
    builds: tuple[Build, ...]
    reach_km: tuple[float, float]
    tariff_id: str
    names: tuple[str, ...]


_QUARTERS = (
    _Quarter(
        PlaceKind.STREET,
        24,
        (POST_22, POST_22, POST_22),
        (0.4, 4.5),
        "AC-STREET",
        (
            "Lindenstraße",
            "Schillerplatz",
            "Mühlgasse",
            "Am Anger",
            "Bachstraße",
            "Rosenweg",
            "Kirchplatz",
            "Gartenstraße",
        ),
    ),
    _Quarter(
        PlaceKind.WORK,
        10,
        (WALL_11, WALL_11, WALL_11, POST_22, POST_22),
        (1.5, 6.0),
        "AC-WORK",
        ("Technologiepark", "Klinikum", "Rathaus", "Hochschule", "Gewerbepark"),
    ),
    _Quarter(
        PlaceKind.SHOP,
        12,
        (POST_22, POST_22, FAST_50),
        (0.8, 6.5),
        "SHOP",
        ("Auencenter", "Markthalle", "Baumarkt", "Gartenmarkt", "Stadtbad", "Kino am Wehr"),
    ),
    _Quarter(
        PlaceKind.CORRIDOR,
        8,
        (FAST_150, FAST_150, ULTRA_300, ULTRA_300),
        (6.0, 11.0),
        "DC-FAST",
        ("Ladepark Nord", "Ladepark Ost", "Ladepark Süd", "Ladepark West"),
    ),
    _Quarter(
        PlaceKind.DEPOT,
        6,
        (FAST_150, FAST_50),
        (2.0, 7.0),
        "DC-DEPOT",
        ("Taxihof", "Betriebshof", "Paketzentrum"),
    ),
)
_SINGLE_DEPOTS = 2
"""So many depots have one station only, which makes two hundred."""


def made_city(seed: int = 0) -> City:
    """Make the city: 60 sites, 200 stations (half 1.6, half 2.0.1), 500 drivers and 5 tariffs."""
    sites = tuple(_sites(seeded("city", seed)))
    return City(CITY_NAME, sites, tuple(_drivers(seeded("drivers", seed))), made_tariffs())


def _sites(dice: Random) -> Iterator[Site]:
    site_number = station_number = 0
    for quarter in _QUARTERS:
        for n in range(quarter.sites):
            site_number += 1
            builds = quarter.builds
            if quarter.place is PlaceKind.DEPOT and n < _SINGLE_DEPOTS:
                builds = builds[:1]
            stations = []
            for position, build in enumerate(builds, 1):
                station_number += 1
                version = version_of(station_number, "mixed")
                stations.append(made_station(f"AUE-{site_number:02d}-{position}", version, build, quarter.place))
            yield _site(dice, quarter, site_number, tuple(stations))


def _site(dice: Random, quarter: _Quarter, number: int, stations: tuple[StationSpec, ...]) -> Site:
    near_km, far_km = quarter.reach_km
    bearing, away_km = dice.uniform(0, tau), sqrt(dice.uniform(near_km**2, far_km**2))
    lat = CENTRE.lat + away_km * cos(bearing) / KM_PER_DEGREE
    lon = CENTRE.lon + away_km * sin(bearing) / (KM_PER_DEGREE * cos(radians(CENTRE.lat)))
    word, house = quarter.names[number % len(quarter.names)], dice.randrange(1, 140)
    return Site(
        location_id=f"AUE-{number:02d}",
        name=f"{word} {house}" if quarter.place is PlaceKind.STREET else f"{word} {number}",
        street=f"{word if quarter.place is PlaceKind.STREET else 'Zufahrt ' + word} {house}",
        postal_code=f"045{dice.randrange(10, 99)}",
        coordinates=Coordinates(round(lat, 6), round(lon, 6)),
        place=quarter.place,
        stations=stations,
        tariff_id=TariffId(quarter.tariff_id),
    )


def _drivers(dice: Random) -> Iterator[DriverToken]:
    for number in range(1, DRIVERS + 1):
        token = Token(f"04{dice.randrange(16**12):012X}")
        driver, group = f"Driver {number:03d}", f"FLEET-{number % 9}" if number % 9 < 3 else None
        if number % EXPIRED_EVERY == 0:
            yield DriverToken(token, driver, "Expired", group, datetime(2026, 1, 31, tzinfo=UTC))
        else:
            yield DriverToken(token, driver, "Blocked" if number % BLOCKED_EVERY == 0 else "Accepted", group)


def made_tariffs() -> tuple[dict[str, Any], ...]:
    """Return the city's tariffs as OCPI 2.2.1: nights are cheaper, fast charging has an idle fee by the minute."""
    return (
        _tariff("AC-STREET", day="0.49", night="0.39", text="Street, 0.49 €/kWh, from 22:00 to 06:00 0.39 €/kWh"),
        _tariff("AC-WORK", day="0.44", night="0.36", text="Work, 0.44 €/kWh, from 22:00 to 06:00 0.36 €/kWh"),
        _tariff("SHOP", day="0.52", night="0.44", parking="3.00", text="Shops, 0.52 €/kWh, idle 0.05 €/min"),
        _tariff("DC-FAST", day="0.69", night="0.55", parking="12.00", text="Fast, 0.69 €/kWh, idle 0.20 €/min"),
        _tariff("DC-DEPOT", day="0.54", night="0.42", parking="6.00", text="Depot, 0.54 €/kWh, idle 0.10 €/min"),
    )


def _tariff(tariff_id: str, *, day: str, night: str, text: str, parking: str | None = None) -> dict[str, Any]:
    at_all_times = [_component("ENERGY", day, 1)]
    if parking is not None:
        at_all_times.append(_component("PARKING_TIME", parking, 60))
    return {
        "country_code": "DE",
        "party_id": "VWY",
        "id": tariff_id,
        "currency": "EUR",
        "type": "REGULAR",
        "tariff_alt_text": [{"language": "en", "text": text}],
        "elements": [
            {
                "price_components": [_component("ENERGY", night, 1)],
                "restrictions": {"start_time": "22:00", "end_time": "06:00"},
            },
            {"price_components": at_all_times},
        ],
        "last_updated": TARIFFS_SINCE,
    }


def _component(kind: str, price: str, step_size: int) -> dict[str, Any]:
    return {"type": kind, "price": float(price), "vat": 19.0, "step_size": step_size}

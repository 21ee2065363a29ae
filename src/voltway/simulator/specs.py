"""What a simulated station is: identity, version, EVSEs, habits; `city` and `run` make them, all others read them."""

from dataclasses import dataclass
from enum import StrEnum

from voltway.kernel.ids import StationIdentity
from voltway.vehicles.arrivals import PlaceKind
from voltway.vehicles.seeds import seeded


class Version(StrEnum):
    """The OCPP version that a station speaks."""

    V16 = "1.6"
    V201 = "2.0.1"


@dataclass(frozen=True, slots=True)
class EvseSpec:
    """One EVSE with one connector: `standard` is OCPI's name of the plug, `power_w` what it can give."""

    evse_id: int
    dc: bool
    power_w: int
    standard: str


@dataclass(frozen=True, slots=True)
class Habits:
    """How this model does what the protocol leaves open.

    `meters_in_kwh`: meter values come in kWh; `starts_on_cable`: 2.0.1's transaction begins with the plug, not the
    token; `boots_on_reconnect`: it sends BootNotification on every connection, not only after a start.
    """

    meters_in_kwh: bool = False
    starts_on_cable: bool = False
    boots_on_reconnect: bool = True


@dataclass(frozen=True, slots=True)
class StationSpec:
    """A station as its nameplate and its firmware make it."""

    identity: StationIdentity
    version: Version
    vendor: str
    model: str
    serial: str
    firmware: str
    evses: tuple[EvseSpec, ...]
    habits: Habits = Habits()
    place: PlaceKind = PlaceKind.STREET


@dataclass(frozen=True, slots=True)
class Build:
    """A kind of station that can be bought: its EVSEs without numbers."""

    model: str
    evses: int
    dc: bool
    power_w: int

    @property
    def standard(self) -> str:
        """OCPI's name of the plug."""
        return "IEC_62196_T2_COMBO" if self.dc else "IEC_62196_T2"


WALL_11 = Build("Kerb 11", 1, dc=False, power_w=11_000)
POST_22 = Build("Kerb 22 Duo", 2, dc=False, power_w=22_000)
FAST_50 = Build("Swift 50", 1, dc=True, power_w=50_000)
FAST_150 = Build("Swift 150 Duo", 2, dc=True, power_w=150_000)
ULTRA_300 = Build("Swift 300 Duo", 2, dc=True, power_w=300_000)
BUILDS = (POST_22, WALL_11, FAST_50, FAST_150, ULTRA_300)


def made_station(identity: str, version: Version, build: Build, place: PlaceKind = PlaceKind.STREET) -> StationSpec:
    """Make a station of a build; its serial and habits follow from its identity alone."""
    dice = seeded("station", identity)
    habits = Habits(meters_in_kwh=dice.random() < 0.25, starts_on_cable=dice.random() < 0.4, boots_on_reconnect=True)
    evses = tuple(EvseSpec(n, build.dc, build.power_w, build.standard) for n in range(1, build.evses + 1))
    return StationSpec(
        identity=StationIdentity(identity),
        version=version,
        vendor="Voltway Works",
        model=build.model,
        serial=f"VW{dice.randrange(10**8):08d}",
        firmware="1.9.4" if version is Version.V16 else "3.2.0",
        evses=evses,
        habits=habits,
        place=place,
    )


def numbered_stations(count: int, ocpp: str, prefix: str) -> tuple[StationSpec, ...]:
    """Make stations PREFIX-00001…; `ocpp` is a version, or `mixed`: odd numbers speak 1.6, even ones 2.0.1."""
    return tuple(
        made_station(f"{prefix}-{k:05d}", version_of(k, ocpp), BUILDS[(k - 1) // 2 % len(BUILDS)])
        for k in range(1, count + 1)
    )


def version_of(number: int, ocpp: str) -> Version:
    """Return the version that station `number` speaks (contracts.md)."""
    if ocpp == "mixed":
        return Version.V16 if number % 2 else Version.V201
    return Version(ocpp)

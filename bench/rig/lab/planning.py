"""Faults drawn before the month begins: kinds, places, onsets, lengths and sizes, none near another at its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from rig.lab.network import EvseSpec, Network, SiteSpec, StationSpec
from rig.lab.ranges import Kind, Recipe
from voltway.vehicles.seeds import seeded

HOUR_S, DAY_S = 3600.0, 86_400.0
MARGIN_S = 9 * HOUR_S
"""Between two faults at a place, so that each has its own truth."""
LAST_S = 3 * HOUR_S
"""No fault lasts until so shortly before the month ends: it could not be found in time."""
ATTEMPTS = 400
BUSY_DAILY = 2.5
BY_DAY = frozenset({"queue", "failed_authorisations"})
"""Cars queue and drivers are refused by day; other faults do not look at the clock."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A drawn fault: seconds count from the month's begin; a site's fault has no station, a station's no EVSE."""

    kind: str
    site: SiteSpec
    station: StationSpec | None
    evse: EvseSpec | None
    onset_s: float
    end_s: float
    size: float


@dataclass(slots=True)
class _Taken:
    """When each site (by location) and station is spoken for."""

    spans: dict[tuple[int, int], list[tuple[float, float]]] = field(default_factory=dict)

    def is_free(self, fault: Fault) -> bool:
        begin, end = fault.onset_s - MARGIN_S, fault.end_s + MARGIN_S
        known = (span for key in self._keys(fault) for span in self.spans.get(key, ()))
        return all(end <= span[0] or span[1] <= begin for span in known)

    def take(self, fault: Fault) -> None:
        for key in self._keys(fault):
            self.spans.setdefault(key, []).append((fault.onset_s, fault.end_s))

    @staticmethod
    def _keys(fault: Fault) -> list[tuple[int, int]]:
        """A site's fault speaks for all its stations; what needs idle siblings speaks for the site too."""
        location = fault.site.location_id
        if fault.station is None or fault.kind == "silent_connector":
            return [(location, 0), *((location, it.station_id) for it in fault.site.stations)]
        return [(location, fault.station.station_id)]


def drawn_faults(recipe: Recipe, network: Network, seed: int, days: int) -> list[Fault]:
    """Draw all faults of a month (of `days` days; their number shrinks with it), in order of onset."""
    dice, taken = seeded("lab faults", seed), _Taken()
    # Sites' faults need most room: first.
    kinds = sorted(recipe.kinds.values(), key=lambda it: ("site", "evse", "station").index(it.scope))
    found = [fault for kind in kinds for fault in _of_kind(kind, network, dice, taken, days=days, whole=recipe.days)]
    return sorted(found, key=lambda it: it.onset_s)


def _of_kind(kind: Kind, network: Network, dice: Random, taken: _Taken, *, days: int, whole: int) -> Iterator[Fault]:
    places = [place for site in network.sites for place in _places(kind, site)]
    wanted = max(1, round(dice.randint(int(kind.count[0]), int(kind.count[1])) * days / whole))
    for _ in range(ATTEMPTS):
        if wanted == 0 or not places:
            return
        fault = _drawn(kind, dice.choice(places), dice, days)
        if fault is not None and taken.is_free(fault):
            taken.take(fault)
            wanted -= 1
            yield fault


def _drawn(
    kind: Kind, place: tuple[SiteSpec, StationSpec | None, EvseSpec | None], dice: Random, days: int
) -> Fault | None:
    length_s = dice.uniform(*kind.hours) * HOUR_S
    latest_s = days * DAY_S - LAST_S - kind.tolerance_s - length_s
    earliest_s = kind.earliest_day * DAY_S
    if latest_s <= earliest_s:
        return None
    onset_s = dice.uniform(earliest_s, latest_s)
    if kind.name in BY_DAY:
        onset_s = onset_s // DAY_S * DAY_S + dice.uniform(7.5, 16.0) * HOUR_S
    if not earliest_s <= onset_s <= latest_s:
        return None
    return Fault(kind.name, *place, onset_s, onset_s + length_s, dice.uniform(*kind.size))


def _places(kind: Kind, site: SiteSpec) -> Iterator[tuple[SiteSpec, StationSpec | None, EvseSpec | None]]:
    if not _site_fits(kind, site):
        return
    if kind.scope == "site":
        yield site, None, None
        return
    for station in site.stations:
        if not _station_fits(kind, station):
            continue
        if kind.scope == "station":
            yield site, station, None
        else:
            yield from ((site, station, evse) for evse in station.evses if _evse_fits(kind, evse))


def _site_fits(kind: Kind, site: SiteSpec) -> bool:
    if "several" in kind.needs and len(site.stations) < 3:
        return False
    if "queueing" in kind.needs and not 4 <= site.evse_count <= 24:
        return False
    if "busy" in kind.needs and site.daily < BUSY_DAILY:
        return False
    return "siblings" not in kind.needs or site.evse_count >= 4


def _station_fits(kind: Kind, station: StationSpec) -> bool:
    vendor = station.vendor
    has = {
        "idle_meter": vendor.idle_meter_s > 0,
        "temperature": vendor.reports_temperature,
        "power": vendor.reports_power,
    }
    return all(has[need] for need in kind.needs & has.keys())


def _evse_fits(kind: Kind, evse: EvseSpec) -> bool:
    return "busy" not in kind.needs or evse.weight > 0.5

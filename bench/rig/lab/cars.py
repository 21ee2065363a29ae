"""What a meter shows while a car stands at an EVSE: the course of power, register, charge and temperature. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from rig.lab.network import EvseSpec
from rig.lab.planning import Fault
from rig.lab.ranges import Recipe, Vendor
from voltway.vehicles.arrivals import PlaceKind
from voltway.vehicles.battery import Battery, power_w
from voltway.vehicles.catalogue import pick_car

COLD_S = 1200.0
MIN_FLOW_W = 60.0
"""Below that the car has stopped."""


@dataclass(slots=True)
class Visit:
    """A car's stay, decided beforehand: `leaves_s` is when the driver is back, `overstay_s` how long it stays full.

    `pause` is (begin, end) of a pause by the station, `cold_factor` what a cold battery takes at first (1: none).
    """

    begin_s: float
    battery: Battery
    leaves_s: float
    overstay_s: float
    token: str
    cold_factor: float = 1.0
    pause: tuple[float, float] | None = None
    limit_share: float = 1.0


class Flow(NamedTuple):
    """The meter at an instant."""

    at_s: float
    register_milliwh: float
    power_w: float
    offered_w: float
    soc_pct: float
    temperature_c: float


@dataclass(slots=True)
class Outlet:
    """An EVSE's electrical life: its register, and the faults that touch what it gives or says of it."""

    spec: EvseSpec
    vendor: Vendor
    register_milliwh: float
    ambient_c: float
    faults: list[Fault] = field(default_factory=list)

    def fault(self, kind: str, at_s: float) -> Fault | None:
        """Return a fault of a kind that is on at an instant."""
        return next((it for it in self.faults if it.kind == kind and it.onset_s <= at_s < it.end_s), None)


def drawn_visit(recipe: Recipe, dice: Random, place: PlaceKind, *, begin_s: float, dc: bool) -> Visit:
    """Draw an ordinary visit."""
    car = pick_car(dice, dc=dc)
    low_h, high_h = (0.3, 1.0) if dc else ((0.5, 2.2) if place is PlaceKind.SHOP else (1.5, 8.0))
    visit = Visit(
        begin_s=begin_s,
        battery=Battery(car, dice.uniform(0.08, 0.4 if dc else 0.75), dice.uniform(0.7, 0.9) if dc else 1.0),
        leaves_s=begin_s + dice.uniform(low_h, high_h) * 3600,
        overstay_s=0.0,
        token=f"04{dice.randrange(16**10):010X}",
    )
    if dice.random() < recipe.rate("overstay_share"):
        visit.overstay_s = recipe.draw("dc_overstay_h" if dc else "overstay_h", dice) * 3600
    if dc and dice.random() < recipe.rate("cold_share"):
        visit.cold_factor = recipe.draw("cold_factor", dice)
    if dice.random() < recipe.rate("pause_share"):
        at_s = begin_s + dice.uniform(300, 1200)
        visit.pause = (at_s, at_s + recipe.draw("pause_min", dice) * 60)
    if place is PlaceKind.WORK and not dc and dice.random() < 0.25:
        visit.limit_share = dice.uniform(0.4, 0.9)
    return visit


def patient_visit(dice: Random, *, begin_s: float, stay_s: float, dc: bool) -> Visit:
    """Draw the visit in which a fault shows itself first: an empty battery, and a driver who stays `stay_s`."""
    battery = Battery(pick_car(dice, dc=dc), dice.uniform(0.08, 0.25), 0.9 if dc else 1.0)
    return Visit(begin_s, battery, begin_s + stay_s, stay_s, f"04{dice.randrange(16**10):010X}")


def course(outlet: Outlet, visit: Visit, start_s: float, cut_s: float) -> Iterator[Flow]:
    """Yield the meter at `start_s`, at every interval of the maker's, and at the instant at which the flow ends.

    The outlet's register moves along. The flow ends when the car is full, its driver back, or at `cut_s`.
    """
    until_s, at_s = min(visit.leaves_s, cut_s), start_s
    step_s = outlet.vendor.meter_s
    while at_s < until_s:
        flowing_w, offered_w = _power(outlet, visit, at_s)
        yield _flow(outlet, visit, at_s, flowing_w, offered_w)
        lasting_s = min(step_s, until_s - at_s)
        is_halted = outlet.fault("no_delivery", at_s) is not None or _is_paused(visit, at_s)
        if flowing_w < MIN_FLOW_W and not is_halted:
            return
        gained_wh = flowing_w * lasting_s / 3600
        _count(outlet, gained_wh * 1000, at_s, at_s + lasting_s)
        visit.battery.charge(gained_wh, dc=outlet.vendor.dc)
        at_s += lasting_s
    yield _flow(outlet, visit, at_s, 0.0, float(outlet.spec.power_w))


def idle_flow(outlet: Outlet, visit: Visit | None, at_s: float) -> Flow:
    """Return the meter while no session's energy flows: a leak may."""
    leak = outlet.fault("energy_without_session", at_s) if outlet.faults else None
    soc_pct = visit.battery.soc * 100 if visit is not None else 0.0
    flowing_w = leak.size if leak is not None else 0.0
    heat_c = _heat(outlet, at_s, 0.0) if outlet.faults else outlet.ambient_c
    return Flow(at_s, outlet.register_milliwh, flowing_w, float(outlet.spec.power_w), soc_pct, heat_c)


def _power(outlet: Outlet, visit: Visit, at_s: float) -> tuple[float, float]:
    """Return what flows and what is offered, in W."""
    dc, offered_w = outlet.vendor.dc, float(outlet.spec.power_w)
    if outlet.vendor.reports_offered:
        offered_w *= visit.limit_share
    if _is_paused(visit, at_s):
        return 0.0, 0.0
    flowing_w = power_w(visit.battery, offered_w, dc=dc)
    warm_s = visit.begin_s + COLD_S
    if visit.cold_factor < 1.0 and at_s < warm_s:
        flowing_w *= visit.cold_factor + (1 - visit.cold_factor) * (at_s - visit.begin_s) / COLD_S
    if outlet.faults:
        if outlet.fault("no_delivery", at_s):
            return 0.0, offered_w
        weak = outlet.fault("low_power", at_s)
        if weak is not None:
            flowing_w = min(flowing_w, weak.size * offered_w)
    return flowing_w, offered_w


def _is_paused(visit: Visit, at_s: float) -> bool:
    return visit.pause is not None and visit.pause[0] <= at_s < visit.pause[1]


def _count(outlet: Outlet, gained_milliwh: float, from_s: float, to_s: float) -> None:
    outlet.register_milliwh += gained_milliwh
    for fault in outlet.faults:
        # The register's own fault happens once, a sixth into its time: by then the car charges.
        if fault.kind == "meter" and from_s < fault.onset_s + (fault.end_s - fault.onset_s) / 6 <= to_s:
            if fault.size < 0.5:
                outlet.register_milliwh *= 1 - fault.size
            else:
                outlet.register_milliwh += 50e6 * 100 ** ((fault.size - 0.5) / 0.4)


def _flow(outlet: Outlet, visit: Visit, at_s: float, flowing_w: float, offered_w: float) -> Flow:
    share = flowing_w / outlet.spec.power_w
    heat_c = _heat(outlet, at_s, share)
    return Flow(at_s, outlet.register_milliwh, flowing_w, offered_w, visit.battery.soc * 100, heat_c)


def _heat(outlet: Outlet, at_s: float, share: float) -> float:
    """Warm with the load; a fault adds its own within half an hour."""
    usual_c = outlet.ambient_c + 28 * share
    hot = outlet.fault("temperature", at_s) if outlet.faults else None
    if hot is None:
        return usual_c
    return usual_c + (hot.size - usual_c) * min(1.0, (at_s - hot.onset_s) / 1800)

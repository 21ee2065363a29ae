"""A car at a plug: its battery, and the power and energy it takes. Pure; time is given, never read.

Energy is counted by the caller's meter in integer milliwatt-hours; here it moves the state of charge (float telemetry).
"""

from dataclasses import dataclass

from voltway.vehicles.catalogue import VOLTAGE_V, CarModel
from voltway.vehicles.curve import ON_BOARD

CHARGING_LOSS = 0.08
"""Share of the metered energy that never reaches the battery (AC; DC loses about a third of it)."""
MINIMUM_A = 6.0
"""The least current a car may be offered (IEC 61851-1)."""


@dataclass(slots=True)
class Battery:
    """A car's battery: `soc` and `target_soc` are 0–1."""

    model: CarModel
    soc: float
    target_soc: float = 1.0

    @property
    def is_full(self) -> bool:
        """Whether the car has what its driver asked for."""
        return self.soc >= self.target_soc - 1e-9

    def demand_w(self, *, dc: bool) -> float:
        """Return the power in W that the car would take now from a plug without limit."""
        if self.is_full:
            return 0.0
        if dc:
            return self.model.dc_peak_w * self.model.curve.share(self.soc)
        return self.model.ac_peak_w * ON_BOARD.share(self.soc)

    def charge(self, metered_wh: float, *, dc: bool) -> None:
        """Take energy as metered at the plug, in Wh; the loss on the way depends on who converts."""
        loss = CHARGING_LOSS / 3 if dc else CHARGING_LOSS
        self.soc = min(1.0, self.soc + metered_wh * (1 - loss) / self.model.capacity_wh)


def minimum_w(model: CarModel, *, dc: bool) -> float:
    """Return the least power in W that can be offered without a pause: 6 A on each phase, or 2 kW on DC."""
    return 2_000.0 if dc else MINIMUM_A * VOLTAGE_V * model.ac_phases


def power_w(battery: Battery, limit_w: float, *, dc: bool) -> float:
    """Return the power in W that flows under `limit_w`; below the car's minimum nothing flows."""
    if limit_w + 1e-6 < minimum_w(battery.model, dc=dc):
        return 0.0
    return min(battery.demand_w(dc=dc), limit_w)


def charging_time_s(battery: Battery, limit_w: float, *, dc: bool, step_s: float = 60.0) -> float:
    """Return how many seconds the battery needs to its target under `limit_w`; infinite if nothing flows."""
    trial = Battery(battery.model, battery.soc, battery.target_soc)
    elapsed = 0.0
    while not trial.is_full:
        flowing_w = power_w(trial, limit_w, dc=dc)
        if flowing_w <= 0:
            return float("inf")
        trial.charge(flowing_w * step_s / 3600, dc=dc)
        elapsed += step_s
    return elapsed

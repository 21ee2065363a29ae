"""A small catalogue of cars under generic names, with how often each is met. Pure; figures are typical."""

from dataclasses import dataclass
from random import Random

from voltway.vehicles.curve import EARLY_PEAK, FLAT, STEPPED, ChargingCurve

VOLTAGE_V = 230.0
"""Phase to neutral."""


@dataclass(frozen=True, slots=True)
class CarModel:
    """A kind of car: usable battery in Wh, on-board limits (phases, amperes), DC peak in W (0: it has no DC inlet)."""

    name: str
    capacity_wh: float
    ac_phases: int
    ac_limit_a: float
    dc_peak_w: float
    curve: ChargingCurve
    weight: float

    @property
    def ac_peak_w(self) -> float:
        """The power in W that the on-board unit can take."""
        return self.ac_phases * self.ac_limit_a * VOLTAGE_V


CATALOGUE: tuple[CarModel, ...] = (
    CarModel("City 37", 36_800, 1, 32, 50_000, STEPPED, 10),
    CarModel("Small 50", 50_000, 3, 16, 100_000, EARLY_PEAK, 16),
    CarModel("Compact 58", 58_000, 3, 16, 120_000, STEPPED, 20),
    CarModel("Saloon 60", 57_500, 3, 16, 170_000, EARLY_PEAK, 16),
    CarModel("Estate 77", 77_000, 3, 16, 175_000, STEPPED, 14),
    CarModel("Crossover 77", 74_000, 3, 16, 240_000, FLAT, 9),
    CarModel("Touring 100", 97_000, 3, 32, 270_000, FLAT, 4),
    CarModel("Hatch 40", 39_000, 1, 29, 46_000, FLAT, 5),
    CarModel("Van 68", 68_000, 3, 16, 115_000, STEPPED, 4),
    CarModel("Plug-in hybrid 13", 12_800, 1, 16, 0, STEPPED, 8),
)


def pick_car(dice: Random, *, dc: bool) -> CarModel:
    """Draw a car as often as it is met; where `dc`, only those with a DC inlet."""
    models = [model for model in CATALOGUE if model.dc_peak_w or not dc]
    return dice.choices(models, weights=[model.weight for model in models])[0]

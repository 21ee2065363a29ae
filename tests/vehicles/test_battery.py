"""A battery takes what car, cable and limit allow, and never more than fits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.vehicles.battery import Battery, charging_time_s, minimum_w, power_w
from voltway.vehicles.catalogue import CATALOGUE, CarModel, pick_car
from voltway.vehicles.seeds import seeded

CAR = next(model for model in CATALOGUE if model.name == "Compact 58")
MODELS = st.sampled_from(CATALOGUE)


@given(MODELS, st.floats(0, 1), st.floats(0, 400_000), st.booleans())
def test_power_obeys_every_limit(model: CarModel, soc: float, limit_w: float, dc: bool) -> None:  # noqa: FBT001
    """Power is never above the limit nor the car's own, and nothing flows below the car's minimum."""
    flowing_w = power_w(Battery(model, soc), limit_w, dc=dc)
    assert 0 <= flowing_w <= limit_w + 1e-6
    assert flowing_w <= (model.dc_peak_w if dc else model.ac_peak_w)
    if limit_w < minimum_w(model, dc=dc) - 1:
        assert flowing_w == 0


@given(MODELS, st.floats(0, 1), st.lists(st.floats(0, 20_000), max_size=20))
def test_charge_only_rises_and_ends_at_full(model: CarModel, soc: float, portions_wh: list[float]) -> None:
    """The state of charge rises with every portion and stops at 1."""
    battery = Battery(model, soc)
    for portion_wh in portions_wh:
        before = battery.soc
        battery.charge(portion_wh, dc=False)
        assert before <= battery.soc <= 1


def test_a_full_battery_takes_nothing() -> None:
    """At its target the car asks for no power."""
    battery = Battery(CAR, 0.8, 0.8)
    assert battery.is_full
    assert power_w(battery, 22_000, dc=False) == 0


def test_loss_is_metered_but_not_stored() -> None:
    """On AC 8 % of the metered energy is lost, on DC a third of that."""
    ac, dc = Battery(CAR, 0.0), Battery(CAR, 0.0)
    ac.charge(5_800, dc=False)
    dc.charge(5_800, dc=True)
    assert ac.soc == pytest.approx(0.092)
    assert dc.soc == pytest.approx(0.1 * (1 - 0.08 / 3))


def test_charging_time() -> None:
    """From 20 to 80 % at 11 kW takes three and a half hours, fast charging half an hour; without power for ever."""
    assert charging_time_s(Battery(CAR, 0.2, 0.8), 11_000, dc=False) / 3600 == pytest.approx(3.45, abs=0.1)
    assert charging_time_s(Battery(CAR, 0.2, 0.8), 150_000, dc=True) / 60 == pytest.approx(24, abs=5)
    assert math.isinf(charging_time_s(Battery(CAR, 0.2, 0.8), 1_000, dc=False))


def test_cars_without_an_inlet_do_not_come_to_dc() -> None:
    """Drawn for DC, every car has an inlet; drawn for AC, each kind is met."""
    dice = seeded("cars")
    assert all(pick_car(dice, dc=True).dc_peak_w > 0 for _ in range(300))
    assert {pick_car(dice, dc=False).name for _ in range(600)} == {model.name for model in CATALOGUE}

"""Charging curves: between 0 and 1 everywhere, exact at their points, tapering to the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.vehicles.curve import EARLY_PEAK, FLAT, ON_BOARD, STEPPED, ChargingCurve

CURVES = (FLAT, EARLY_PEAK, STEPPED, ON_BOARD)


@given(st.sampled_from(CURVES), st.floats(0, 1))
def test_shares_are_shares(curve: ChargingCurve, soc: float) -> None:
    """At every state of charge the share of the peak is above 0 and at most 1."""
    assert 0 < curve.share(soc) <= 1


@pytest.mark.parametrize("curve", CURVES)
def test_points_are_exact_and_the_end_tapers(curve: ChargingCurve) -> None:
    """The polyline passes through its points; a full battery takes a fifth of the peak at most."""
    for soc, share in curve.points:
        assert curve.share(soc) == pytest.approx(share)
    assert curve.share(1.0) <= 0.2
    assert curve.share(-0.1) == curve.points[0][1]


def test_between_two_points_it_is_straight() -> None:
    """Halfway between two points lies half of the difference."""
    assert ChargingCurve(((0.0, 1.0), (1.0, 0.0))).share(0.25) == pytest.approx(0.75)

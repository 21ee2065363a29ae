"""Places: latitude first, and distances as on a globe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.geo import EARTH_RADIUS_KM, Coordinates, distance_km

places = st.builds(Coordinates, st.floats(-90, 90), st.floats(-180, 180))
BERLIN, PARIS = Coordinates(52.52, 13.405), Coordinates(48.8566, 2.3522)


def test_a_known_distance() -> None:
    """Berlin to Paris is 877 km (great circle)."""
    assert distance_km(BERLIN, PARIS) == pytest.approx(877.5, abs=1)


@given(places, places)
def test_a_distance_is_symmetric_and_at_most_half_the_globe(a: Coordinates, b: Coordinates) -> None:
    assert distance_km(a, a) == 0
    assert distance_km(a, b) == pytest.approx(distance_km(b, a))
    assert 0 <= distance_km(a, b) <= 3.1416 * EARTH_RADIUS_KM


@pytest.mark.parametrize(("lat", "lon"), [(90.1, 0), (-91, 0), (0, 180.5), (0, -181), (float("nan"), 0)])
def test_what_is_not_on_the_earth_is_refused(lat: float, lon: float) -> None:
    with pytest.raises(ValueError, match="latitude comes first"):
        Coordinates(lat, lon)

"""Energy is exact: integers of milliwatt-hours, written in kWh without loss."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.energy import ZERO_ENERGY, Energy, Register, kwh_of

amounts = st.integers(-(10**15), 10**15)


@given(amounts)
def test_kwh_is_exact_and_plain(milliwh: int) -> None:
    """No exponent, no trailing zero, at most six decimals."""
    text = str(kwh_of(milliwh))
    assert Decimal(text) * 1_000_000 == milliwh
    assert "E" not in text
    assert "." not in text or not text.endswith("0")
    assert Energy(milliwh).kwh_exact == Fraction(milliwh, 1_000_000)
    assert Energy(milliwh).kwh == kwh_of(milliwh)


@given(amounts, amounts, amounts)
def test_parts_of_a_session_add_up_to_the_whole(begin: int, middle: int, end: int) -> None:
    parts = Register(middle).minus(Register(begin)) + Register(end).minus(Register(middle))
    assert parts == Register(end).minus(Register(begin))
    assert parts + ZERO_ENERGY == parts


@pytest.mark.parametrize(("milliwh", "text"), [(0, "0"), (100_000_000, "100"), (1, "0.000001"), (-2_500_000, "-2.5")])
def test_how_energy_is_written(milliwh: int, text: str) -> None:
    assert str(kwh_of(milliwh)) == text

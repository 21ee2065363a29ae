"""Money is rounded once, by a named rule, and written without exponent or trailing zeros."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.money import Money, RoundingRule, decimal_text, exponent_of, half_up, ratio_text, round_to_minor

HALF_UP = RoundingRule.LINE_HALF_UP
exact = st.fractions(-(10**9), 10**9, max_denominator=10**9)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("0.005", "EUR", 1),
        ("-0.005", "EUR", -1),
        ("0.00499", "EUR", 0),
        ("0.5", "JPY", 1),
        ("1.0005", "KWD", 1001),
        ("2.675", "EUR", 268),  # a float would say 267
    ],
)
def test_half_goes_away_from_zero_at_the_minor_unit(amount: str, currency: str, minor: int) -> None:
    assert round_to_minor(Decimal(amount), currency, HALF_UP) == Money(minor, currency)


@given(exact, st.sampled_from(["EUR", "JPY", "KWD"]))
def test_rounding_moves_by_at_most_half_a_minor_unit(amount: Fraction, currency: str) -> None:
    rounded = Fraction(round_to_minor(amount, currency, HALF_UP).decimal)
    assert abs(rounded - amount) <= Fraction(1, 2 * 10 ** exponent_of(currency))


@given(exact, st.integers(0, 12))
def test_an_amount_is_written_to_its_places(amount: Fraction, places: int) -> None:
    """Half up, the same for a ratio that is not reduced, and never `-0`, `1E+3` or `2.50`."""
    text = decimal_text(amount, places)
    assert abs(Fraction(text) - amount) <= Fraction(1, 2 * 10**places)
    assert text == ratio_text(amount.numerator * 6, amount.denominator * 6, places)
    assert "E" not in text
    assert text != "-0"
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(("places", "text"), [(0, "0"), (1, "-0.4"), (2, "-0.4")])
def test_what_rounds_to_nothing_has_no_sign(places: int, text: str) -> None:
    assert decimal_text(Fraction(-4, 10), places) == text


def test_money_of_one_currency_adds() -> None:
    assert Money(150, "EUR") + Money(-50, "EUR") == Money(100, "EUR")
    with pytest.raises(ValueError, match="cannot add JPY to EUR"):
        Money(1, "EUR") + Money(1, "JPY")


def test_a_decimal_is_rounded_half_away_from_zero() -> None:
    assert [half_up(Decimal(text), 2) for text in ("2.675", "-2.675", "1")] == [
        Decimal("2.68"), Decimal("-2.68"), Decimal("1.00"),
    ]  # fmt: skip

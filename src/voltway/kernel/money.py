"""Money: currencies with their exponents, amounts that are owed in integer minor units, and the named rounding rules.

Inside the price engine amounts are `Fraction`, between engine and invoice `Decimal`; only `round_to_minor` makes owed
money.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction

# ISO 4217 exponents that differ from 2 (the table of the standard, list one).
_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


class RoundingRule(StrEnum):
    """How an exact amount becomes minor units; its name is stored with the result."""

    LINE_HALF_UP = "line_half_up"
    """Half away from zero at the invoice line (EN 16931 BR-DEC; billing notes 27)."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that is owed: integer minor units of an ISO 4217 currency."""

    minor: int
    currency: str

    @property
    def decimal(self) -> Decimal:
        """The amount in the currency's main unit, with the digits of its exponent."""
        return Decimal(self.minor).scaleb(-exponent_of(self.currency))

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.minor + other.minor, self.currency)


def exponent_of(currency: str) -> int:
    """Return how many decimals a currency's minor unit has (JPY 0, EUR 2, KWD 3)."""
    return _EXPONENTS.get(currency, 2)


def round_to_minor(exact: Fraction | Decimal, currency: str, rule: RoundingRule) -> Money:
    """Round an exact amount of main units to minor units by a named rule.

    >>> round_to_minor(Decimal("3.90195"), "EUR", RoundingRule.LINE_HALF_UP)
    Money(minor=390, currency='EUR')
    """
    assert rule is RoundingRule.LINE_HALF_UP, "every rounding rule has its arithmetic here"
    scaled = Fraction(exact) * 10 ** exponent_of(currency)
    magnitude = (abs(scaled) + Fraction(1, 2)).__floor__()
    return Money(magnitude if scaled >= 0 else -magnitude, currency)


def decimal_text(exact: Fraction | Decimal, places: int = 10) -> str:
    """Write an exact number half up to `places` decimals, without exponent or trailing zeros (contracts.md).

    >>> decimal_text(Fraction(1, 3)), decimal_text(Decimal("2.500")), decimal_text(Fraction(-0))
    ('0.3333333333', '2.5', '0')
    """
    value = Fraction(exact)
    return ratio_text(value.numerator, value.denominator, places)


def ratio_text(numerator: int, denominator: int, places: int = 10) -> str:
    """Write numerator/denominator (denominator > 0) as `decimal_text` does, without reducing it: the live page's path.

    >>> ratio_text(-2, 3, 4)
    '-0.6667'
    """
    return scaled_text(scaled_half_up(numerator, denominator, places), places)


def scaled_half_up(numerator: int, denominator: int, places: int = 10) -> int:
    """Return numerator/denominator (denominator > 0) in units of 10^-places, half away from zero.

    >>> scaled_half_up(-2, 3, 4)
    -6667
    """
    scale: int = 10**places
    magnitude = (2 * abs(numerator) * scale + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def scaled_text(units: int, places: int = 10) -> str:
    """Write units of 10^-places without exponent or trailing zeros.

    >>> scaled_text(-6670, 4)
    '-0.667'
    """
    if not units:
        return "0"
    whole, part = divmod(abs(units), 10**places)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{str(part).rjust(places, '0').rstrip('0')}" if part else f"{sign}{whole}"


def half_up(exact: Decimal, places: int) -> Decimal:
    """Round a Decimal half away from zero to `places` decimals."""
    return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)

"""Energy and registers: integer milliwatt-hours, two types, since a meter reading is not an energy.

Exact to a millionth of a kilowatt-hour. An `Energy` comes only from the difference of two registers (or a sum of
energies), never from a reading itself.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

MILLIWH_PER_WH = 1_000
MILLIWH_PER_KWH = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Energy:
    """An amount of energy in milliwatt-hours (integer, may be 0, negative only where a rule says so)."""

    milliwh: int

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(self.milliwh + other.milliwh)

    @property
    def kwh(self) -> Decimal:
        """The energy in kWh, exact, at most six decimals, without trailing zeros."""
        return kwh_of(self.milliwh)

    @property
    def kwh_exact(self) -> Fraction:
        """The energy in kWh as a rational, for the price engine."""
        return Fraction(self.milliwh, MILLIWH_PER_KWH)


@dataclass(frozen=True, slots=True, order=True)
class Register:
    """A meter's reading of Energy.Active.Import.Register in milliwatt-hours."""

    milliwh: int

    def minus(self, begin: "Register") -> Energy:
        """Return the energy between two readings of the same meter; negative if the register fell."""
        return Energy(self.milliwh - begin.milliwh)


ZERO_ENERGY = Energy(0)


def kwh_of(milliwh: int) -> Decimal:
    """Write milliwatt-hours as kWh without exponent or trailing zeros.

    >>> str(kwh_of(12_345_600))
    '12.3456'
    """
    value = (Decimal(milliwh) / MILLIWH_PER_KWH).normalize()
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value

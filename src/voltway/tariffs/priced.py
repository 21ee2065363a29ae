"""The answer of the price engine: lines per period, adjustments and exact totals.

Made by `tariffs.engine`, written by `tariffs.explain` and `tariffs.ocpi_cdr`. Amounts count in 1/`denominator` of the
currency until somebody asks for a rational; they are integers but where a cap cut a line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from voltway.kernel.clock import to_micros
from voltway.kernel.energy import MILLIWH_PER_KWH
from voltway.kernel.ids import TariffId
from voltway.tariffs.model import Dimension, OcpiVersion, PeriodKind
from voltway.tariffs.rates import MICROS_PER_HOUR, Exact, Rate

__all__ = [
    "Adjustment",
    "AdjustmentKind",
    "Cost",
    "CostKind",
    "Exact",
    "Line",
    "PriceWarning",
    "Priced",
    "PricedPeriod",
]


class AdjustmentKind(StrEnum):
    """Why a total differs from the sum of its lines."""

    MIN_PRICE = "min_price"
    MAX_PRICE = "max_price"


class CostKind(StrEnum):
    """OCPI's partial totals of a CDR."""

    ENERGY = "energy"
    TIME = "time"
    PARKING = "parking"
    FIXED = "fixed"
    RESERVATION = "reservation"


class Cost(NamedTuple):
    """An exact amount of the currency; `incl_vat` None where the document has no VAT at all (OCPI 2.1.1)."""

    excl_vat: Fraction
    incl_vat: Fraction | None


class Line(NamedTuple):
    """One dimension of one period: quantities in base units (mWh, µs, 1 session), amounts in 1/denominator."""

    rate: Rate
    quantity: Exact
    billed: Exact
    excl: Exact
    incl: Exact

    @property
    def quantity_exact(self) -> Fraction:
        """What was measured, in kWh, hours or sessions."""
        return Fraction(self.quantity, self.rate.unit_size)

    @property
    def billed_exact(self) -> Fraction:
        """What is billed after step size and cap, in kWh, hours or sessions."""
        return Fraction(self.billed, self.rate.unit_size)

    @property
    def excl_vat(self) -> Fraction:
        """The amount without VAT."""
        return Fraction(self.excl, self.rate.denominator)

    @property
    def incl_vat(self) -> Fraction:
        """The amount with VAT (the same where no VAT applies)."""
        return Fraction(self.incl, self.rate.denominator)


class Adjustment(NamedTuple):
    """What a price limit adds (positive) or takes away (negative)."""

    kind: AdjustmentKind
    excl_vat: Fraction
    incl_vat: Fraction


class PriceWarning(NamedTuple):
    """Something odd that still has a price: a stable code, the period (JSON Pointer) and a sentence."""

    code: str
    path: str
    message: str


class PricedPeriod(NamedTuple):
    """A period as priced: in time order, cut at the end of the grace; `milliwh` None where nothing is said of it."""

    start: datetime
    end: datetime
    kind: PeriodKind
    milliwh: Exact | None
    tariff_id: TariffId
    lines: tuple[Line, ...]
    power_w: tuple[float, float] | None = None
    """The least and the greatest, None where unknown."""
    current_a: tuple[float, float] | None = None


_COSTS = (CostKind.ENERGY, CostKind.TIME, CostKind.PARKING, CostKind.FIXED, CostKind.RESERVATION)
"""By the slot of a rate, that is in the order of Dimension."""
_RESERVATION = _COSTS.index(CostKind.RESERVATION)


@dataclass(frozen=True, slots=True)
class Priced:
    """A priced session; lines plus adjustments equal the total exactly. All instants aware."""

    currency: str
    ocpi_version: OcpiVersion
    has_vat: bool
    denominator: int
    periods: tuple[PricedPeriod, ...]
    lines_excl: Exact
    lines_incl: Exact
    adjustments: tuple[Adjustment, ...]
    warnings: tuple[PriceWarning, ...]

    def lines(self) -> Iterator[Line]:
        """Yield every line in time order."""
        for period in self.periods:
            yield from period.lines

    @property
    def total(self) -> Cost:
        """The price of the session, after minimum and maximum price."""
        before = self._cost(self.lines_excl, self.lines_incl)
        if not self.adjustments:
            return before
        excl = before.excl_vat + sum(item.excl_vat for item in self.adjustments)
        if before.incl_vat is None:
            return Cost(excl, None)
        return Cost(excl, before.incl_vat + sum(item.incl_vat for item in self.adjustments))

    def costs(self) -> dict[CostKind, Cost]:
        """Return the sum of the lines per kind, before minimum and maximum price."""
        excl: list[Exact] = [0] * len(_COSTS)
        incl: list[Exact] = [0] * len(_COSTS)
        for line in self.lines():
            slot = _RESERVATION if line.rate.is_reservation else line.rate.slot
            excl[slot] += line.excl
            incl[slot] += line.incl
        return {kind: self._cost(excl[slot], incl[slot]) for slot, kind in enumerate(_COSTS)}

    def _cost(self, excl: Exact, incl: Exact) -> Cost:
        taxed = Fraction(incl, self.denominator) if self.has_vat else None
        return Cost(Fraction(excl, self.denominator), taxed)

    @property
    def milliwh(self) -> Exact:
        """All energy before step size, in milliwatt-hours."""
        return sum(period.milliwh for period in self.periods if period.milliwh is not None)

    @property
    def kwh(self) -> Fraction:
        """All energy before step size, in kWh."""
        return Fraction(self.milliwh) / MILLIWH_PER_KWH

    @property
    def hours(self) -> Fraction:
        """From the first start to the last end, charging and parking, in hours."""
        if not self.periods:
            return Fraction(0)
        last_us = max(to_micros(period.end) for period in self.periods)
        return Fraction(last_us - to_micros(self.periods[0].start), MICROS_PER_HOUR)

    @property
    def parking_hours(self) -> Fraction:
        """Time in which the car asked for no power, before step size, in hours."""
        parked = (line.quantity for line in self.lines() if line.rate.dimension is Dimension.PARKING_TIME)
        return Fraction(sum(parked)) / MICROS_PER_HOUR

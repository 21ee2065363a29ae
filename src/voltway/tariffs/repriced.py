"""A partner's CDR with our price of it: what `tariffs.reprice` answers and `tariffs.readings` explains. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from voltway.kernel.clock import to_micros
from voltway.kernel.money import decimal_text, exponent_of
from voltway.tariffs.explain import Document, price_document
from voltway.tariffs.model import ChargingPeriod
from voltway.tariffs.ocpi_cdr_reader import PartnerCdr
from voltway.tariffs.priced import Priced, PriceWarning
from voltway.tariffs.rates import MICROS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Repriced:
    """A CDR with the price that its periods and tariffs give; `warnings` point into the CDR, `time_zone` is IANA's.

    `periods`, `started_at` and `reservation_expired` are what the engine was asked with.
    """

    cdr: PartnerCdr
    priced: Priced
    time_zone: str
    warnings: tuple[PriceWarning, ...]
    periods: tuple[ChargingPeriod, ...]
    started_at: datetime | None
    reservation_expired: bool

    @property
    def hours(self) -> Fraction:
        """From the CDR's start to its end, parking included."""
        return Fraction(to_micros(self.cdr.ended_at) - to_micros(self.cdr.started_at), MICROS_PER_HOUR)

    @property
    def sign(self) -> int:
        """-1 where the total of the CDR is given back (billing note 38), else 1."""
        return -1 if self.cdr.is_credit else 1

    def document(self) -> Document:
        """Write the answer of `voltway price --json` (contracts.md)."""
        own = {"total_time": decimal_text(self.hours), "warnings": [warning._asdict() for warning in self.warnings]}
        return price_document(self.priced) | {"ocpi_version": self.cdr.ocpi_version.value} | own


def half_unit(claimed: Decimal, currency: str) -> Fraction:
    """Return half a unit of the last place that a claim shows, at least of the currency's minor unit's place."""
    exponent = claimed.as_tuple().exponent
    assert isinstance(exponent, int), "a claim is a finite number"
    places = max(-exponent, exponent_of(currency))
    return Fraction(1, 2 * 10**places)

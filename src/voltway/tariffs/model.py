"""Words of a tariff: OCPI's elements, components, restrictions, limits, our extension beside them, and periods.

Read from documents by `tariffs.ocpi`, priced by `tariffs.engine`; no arithmetic lives here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from voltway.kernel.energy import Energy
from voltway.kernel.errors import Fault
from voltway.kernel.ids import TariffId

JsonObject = Mapping[str, object]
"""A JSON object with exact numbers (int or Decimal), as `tariffs.exact_json.loads` gives it."""


class OcpiVersion(StrEnum):
    """The OCPI versions whose tariffs are priced."""

    V2_1_1 = "2.1.1"
    V2_2_1 = "2.2.1"
    V2_3_0 = "2.3.0"


class Dimension(StrEnum):
    """What a price is for; documents know the first four, RESERVATION_TIME is TIME of a reservation element."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"
    RESERVATION_TIME = "RESERVATION_TIME"


class Reservation(StrEnum):
    """OCPI ReservationRestrictionType."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class TaxIncluded(StrEnum):
    """OCPI 2.3.0 `tax_included`; earlier versions are always NO."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


class PeriodKind(StrEnum):
    """What the car did in a period: charging, parking (asks for no power), or it has not come yet (reservation)."""

    CHARGING = "charging"
    PARKING = "parking"
    RESERVATION = "reservation"


WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
"""OCPI DayOfWeek; the index is Python's weekday()."""


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """A price per kWh, per hour or per session; `vat` None (no VAT applicable) is not 0 (zero rate): billing note 29.

    `step_size` counts Wh or seconds; 0 and FLAT round nothing.
    """

    dimension: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 1
    extra: JsonObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Restrictions:
    """When an element applies: all must hold. min_* inclusive, max_* and ends exclusive; None is open.

    Times and dates are local to the place; power in kW, current in A (sum of the phases).
    """

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration_s: int | None = None
    max_duration_s: int | None = None
    day_of_week: tuple[int, ...] = ()
    reservation: Reservation | None = None
    extra: JsonObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TariffElement:
    """Price components that share restrictions."""

    components: tuple[PriceComponent, ...]
    restrictions: Restrictions | None = None
    extra: JsonObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """A least or greatest price of a session; both sides act on their own (billing note 30)."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None
    extra: JsonObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class IdleRule:
    """Our extension: the first `grace_s` seconds of a session's idle time are free, `cap` bounds its idle fee.

    `cap` is in the tariff's currency and in the terms of its prices (without VAT, unless they include it);
    `exempt` are windows (start/end time, weekdays, dates) in which idle time costs nothing.
    """

    grace_s: int = 0
    cap: Decimal | None = None
    exempt: tuple[Restrictions, ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff: OCPI's document as data, and beside it our idle rule and price lock.

    `version` counts from 1 per id; with `price_lock` the clock restrictions of ENERGY and TIME are judged at the
    session's start.
    """

    id: TariffId
    currency: str
    elements: tuple[TariffElement, ...]
    version: int = 1
    ocpi_version: OcpiVersion = OcpiVersion.V2_2_1
    tax_included: TaxIncluded = TaxIncluded.NO
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    start_date_time: datetime | None = None
    end_date_time: datetime | None = None
    idle: IdleRule | None = None
    price_lock: bool = False
    extra: JsonObject = field(default_factory=dict)
    document: JsonObject | None = field(default=None, compare=False, repr=False)
    """The OCPI document it was read from, None where we made it; written back as long as it says the same."""

    def __hash__(self) -> int:
        """Hash cheaply: every sample prices again, and the compiled form is looked up by the tariff."""
        return hash((self.id, self.version, self.currency, len(self.elements), self.start_date_time))

    def is_valid_at(self, instant: datetime) -> bool:
        """Tell whether the instant lies in the tariff's validity, start inclusive, end exclusive."""
        begun = self.start_date_time is None or self.start_date_time <= instant
        return begun and (self.end_date_time is None or instant < self.end_date_time)


@dataclass(frozen=True, slots=True)
class Volumes:
    """Explicit quantities of one CDR period in mWh and microseconds, exact; None: the period has no such dimension."""

    energy_milliwh: int | Fraction | None = None
    time_us: int | Fraction | None = None
    parking_us: int | Fraction | None = None


@dataclass(frozen=True, slots=True)
class ChargingPeriod:
    """A stretch of a session in which no price may change: `[start, end)`, aware instants.

    `energy` None means that nothing is said of energy; `power_w` and `current_a` (sum of the phases) are momentary
    values, None where unknown (a restriction on them then does not hold). Where a partner names the least and the
    greatest, these are the least and `power_max_w`, `current_max_a` the greatest: min_* is judged on the least, max_*
    on the greatest. `tariff_id` chooses among several tariffs; `volumes` win over `energy` and the instants.
    """

    start: datetime
    end: datetime
    energy: Energy | None
    kind: PeriodKind = PeriodKind.CHARGING
    power_w: float | None = None
    current_a: float | None = None
    tariff_id: TariffId | None = None
    volumes: Volumes | None = None
    power_max_w: float | None = None
    current_max_a: float | None = None


@dataclass(frozen=True, slots=True)
class TariffFault(Fault):
    """A fault in a tariff document with the linter's code (contracts.md)."""

    code: str = "bad_value"

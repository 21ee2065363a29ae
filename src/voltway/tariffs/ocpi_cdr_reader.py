"""A partner's CDR (OCPI 2.1.1, 2.2.1, 2.3.0) read for pricing: periods, tariffs, and the totals it claims.

Faults refuse it as a whole (InvalidInput, each with its JSON Pointer); what is odd and still has a price is remembered.
Totals never enter a price: they are claims that somebody compares (billing note 41). Read by `tariffs.reprice`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum

from voltway.kernel.errors import Fault, InvalidInput
from voltway.kernel.ids import TariffId
from voltway.tariffs.model import JsonObject, OcpiVersion, Tariff, TariffFault
from voltway.tariffs.ocpi_keys import unknown_cdr_keys
from voltway.tariffs.ocpi_reader import ObjectReader, exact_number
from voltway.tariffs.ocpi_tariff import guess_version, read_tariff
from voltway.tariffs.priced import PriceWarning


class Volume(StrEnum):
    """OCPI CdrDimensionType of all versions: kWh, hours, A, kW, percent; FLAT (2.1.1) has no unit."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    FLAT = "FLAT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_CURRENT = "MAX_CURRENT"
    CURRENT = "CURRENT"
    MIN_POWER = "MIN_POWER"
    MAX_POWER = "MAX_POWER"
    POWER = "POWER"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"


# Current and power are negative where the car gives energy back (OCPI 2.2.1, CdrDimensionType).
_SIGNED = frozenset(item for item in Volume if "CURRENT" in item or "POWER" in item)
_LEAST = frozenset((Volume.MIN_CURRENT, Volume.MIN_POWER))
_SUMMED = frozenset(Volume) - _SIGNED - {Volume.STATE_OF_CHARGE}

_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_LONGEST = timedelta(days=3660)

# Sums of what `exact_number` lets in, without rounding.
_EXACT = Context(prec=100)

_COSTS = (
    "total_cost",
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
_QUANTITIES = ("total_energy", "total_time", "total_parking_time")


@dataclass(frozen=True, slots=True)
class CdrPeriod:
    """One charging period as it came; it ends where the next one in time begins, the last one with the CDR.

    `volumes` by dimension type (Volume), exact; `pointer` is its place in the document.
    """

    start: datetime
    volumes: Mapping[str, Decimal]
    tariff_id: TariffId | None
    pointer: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A total that the CDR claims: an amount without and with VAT, or a quantity (kWh, hours) as `excl_vat` alone."""

    pointer: str
    excl_vat: Decimal
    incl_vat: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PartnerCdr:
    """A CDR that somebody else made; `periods` as stored, `claims` by field name, `oddities` as warnings of its price.

    `time_zone` is the IANA name in the document (not checked), `document` the CDR as it came.
    """

    ocpi_version: OcpiVersion
    currency: str
    started_at: datetime
    ended_at: datetime
    tariffs: tuple[Tariff, ...]
    periods: tuple[CdrPeriod, ...]
    claims: Mapping[str, Claim]
    time_zone: str | None
    is_credit: bool
    document: JsonObject
    oddities: tuple[PriceWarning, ...]


def parse_cdr(document: object, *, ocpi_version: OcpiVersion | None = None, with_tariffs: bool = True) -> PartnerCdr:
    """Read a CDR; raises InvalidInput with a TariffFault per fault.

    Without `ocpi_version` it is guessed as contracts.md says, and its tariffs are of the same version. Where other
    tariffs replace them, `with_tariffs` False leaves them unread, faults and all.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("this is not a CDR", [Fault("", "a CDR must be a JSON object")])
    reading = _Reading(document, ocpi_version or guess_version(document))
    cdr = reading.cdr(with_tariffs=with_tariffs)
    if reading.faults or cdr is None:
        raise InvalidInput(f"the CDR has {len(reading.faults)} fault(s)", reading.faults)
    return cdr


def cdr_written(cdr: PartnerCdr) -> dict[str, object]:
    """Write a CDR as it was read, unknown keys included; numbers are exact (write with exact_json)."""
    return dict(cdr.document)


class _Reading:
    """One CDR while it is read: faults and oddities gather."""

    def __init__(self, document: JsonObject, ocpi_version: OcpiVersion) -> None:
        self.faults: list[TariffFault] = []
        self.oddities: list[PriceWarning] = []
        self.version = ocpi_version
        self.reader = ObjectReader(document, "", self.faults)

    def cdr(self, *, with_tariffs: bool) -> PartnerCdr | None:
        """Read everything; None where an end of the session is missing."""
        started_at = _instant(self.reader, "start_date_time")
        ended_at = self._ended_at(started_at)
        currency = self.reader.currency("currency")
        tariffs = tuple(self._tariffs()) if with_tariffs else ()
        periods = tuple(self._periods(started_at))
        claims = dict(self._claims())
        self._name_unknown_keys(with_tariffs=with_tariffs)
        if started_at is None or ended_at is None:
            return None
        return PartnerCdr(
            ocpi_version=self.version,
            currency=currency,
            started_at=started_at,
            ended_at=ended_at,
            tariffs=tariffs,
            periods=periods,
            claims=claims,
            time_zone=self._time_zone(),
            is_credit=self.reader.take("credit") is True,
            document=self.reader.value,
            oddities=tuple(self.oddities),
        )

    def _ended_at(self, started_at: datetime | None) -> datetime | None:
        """Read the end; 2.1.1 calls it `stop_date_time`."""
        old = self.reader.value.get("end_date_time") is None and self.reader.value.get("stop_date_time") is not None
        key = "stop_date_time" if old else "end_date_time"
        ended_at = _instant(self.reader, key, started_at)
        if started_at is not None and ended_at is not None and ended_at < started_at:
            self.reader.fault(key, f"{key} is before start_date_time")
        return ended_at

    def _tariffs(self) -> Iterator[Tariff]:
        for item in self.reader.objects("tariffs"):
            yield read_tariff(item, self.version)

    def _periods(self, started_at: datetime | None) -> Iterator[CdrPeriod]:
        for item in self.reader.objects("charging_periods", code="no_periods"):
            start = _instant(item, "start_date_time", started_at)
            volumes = self._volumes(item)
            tariff_id = item.text("tariff_id")
            if start is not None:
                yield CdrPeriod(start, volumes, TariffId(tariff_id) if tariff_id else None, item.pointer)

    def _volumes(self, period: ObjectReader) -> dict[str, Decimal]:
        volumes: dict[str, Decimal] = {}
        for item in period.objects("dimensions"):
            named = item.text("type", required=True)
            if named is None:
                continue
            if named not in Volume.__members__:
                self._odd("unknown_dimension", item.at("type"), f"{named} is no dimension of OCPI and is not priced.")
                continue
            kind = Volume(named)
            volume = item.number("volume", required=True, minimum=None if kind in _SIGNED else 0)
            if volume is not None:
                volumes[kind.value] = volume if kind not in volumes else _merged(kind, volumes[kind.value], volume)
        if not period.value.get("dimensions"):
            self._odd("no_dimensions", period.at("dimensions"), "The period says nothing of energy or time.")
        return volumes

    def _claims(self) -> Iterator[tuple[str, Claim]]:
        for key in (*_COSTS, *_QUANTITIES):
            found = self.reader.take(key)
            if found is None:
                continue
            amounts = _amounts(found) if key in _COSTS else _plain(found)
            if amounts is None:
                self._odd("total_unreadable", self.reader.at(key), f"{key} is not what OCPI {self.version} writes.")
            else:
                yield key, Claim(self.reader.at(key), *amounts)

    def _time_zone(self) -> str | None:
        places = (self.reader.take("cdr_location"), self.reader.take("location"))
        for found in (self.reader.value, *places):
            zone = found.get("time_zone") if isinstance(found, Mapping) else None
            if isinstance(zone, str) and zone:
                return zone
        return None

    def _name_unknown_keys(self, *, with_tariffs: bool) -> None:
        for pointer in unknown_cdr_keys(self.reader.value, self.version):
            if with_tariffs or not pointer.startswith("/tariffs/"):
                key = pointer.rpartition("/")[2]
                self._odd("unknown_key", pointer, f"OCPI {self.version} does not know {key}.")

    def _odd(self, code: str, pointer: str, message: str) -> None:
        self.oddities.append(PriceWarning(code, pointer, message))


def _instant(reader: ObjectReader, key: str, started_at: datetime | None = None) -> datetime | None:
    """Read an instant of a session: in years in which every zone has a local time, within ten years of its start.

    OCPI's 1970 for an unknown start would make a session of decades, which has no price that anybody means.
    """
    found = reader.instant(key, required=True)
    if found is None:
        return None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        reader.fault(key, f"{key} must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    elif started_at is not None and abs(found - started_at) > _LONGEST:
        reader.fault(key, f"{key} is more than {_LONGEST.days} days away from the start of the session")
    else:
        return found
    return None


def _merged(kind: Volume, first: Decimal, second: Decimal) -> Decimal:
    """Put two entries of one type together: quantities add up, of momentary values the extreme one counts."""
    if kind in _SUMMED:
        return _EXACT.add(first, second)
    return min(first, second) if kind in _LEAST else max(first, second)


_Amounts = tuple[Decimal, Decimal | None]


def _plain(found: object) -> _Amounts | None:
    number = exact_number(found)
    return None if number is None else (number, None)


def _amounts(found: object) -> _Amounts | None:
    """Read a Price of any version: a number (2.1.1), excl_vat and incl_vat (2.2.1), before_taxes and taxes (2.3.0)."""
    if not isinstance(found, Mapping):
        return _plain(found)
    if "before_taxes" in found:
        return _taxed(found)
    excl, incl = exact_number(found.get("excl_vat")), found.get("incl_vat")
    exact_incl = exact_number(incl)
    return None if excl is None or (incl is not None and exact_incl is None) else (excl, exact_incl)


def _taxed(found: JsonObject) -> _Amounts | None:
    before, taxes = exact_number(found["before_taxes"]), found.get("taxes")
    if before is None or taxes is None:
        return None if before is None else (before, None)
    if not isinstance(taxes, list | tuple):
        return None
    after = before
    for tax in taxes:
        amount = exact_number(tax.get("amount")) if isinstance(tax, Mapping) else None
        if amount is None:
            return None
        after = _EXACT.add(after, amount)
    return before, after

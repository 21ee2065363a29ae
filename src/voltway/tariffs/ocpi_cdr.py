"""The CDR of a priced session: OCPI JSON of each version and a row of CSV, from the same periods and the same price.

Numbers carry OCPI's four decimals, energies as many as their meter; times are differences of rounded running sums,
so that they add up to the totals.
Made once at the session's end by `sessions` and immutable from then on.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import NamedTuple

from voltway.kernel.clock import from_micros, to_micros, to_rfc3339
from voltway.kernel.energy import MILLIWH_PER_KWH
from voltway.kernel.ids import TariffId
from voltway.tariffs.boundaries import current_bands, power_bands
from voltway.tariffs.model import Dimension, JsonObject, OcpiVersion, PeriodKind, Tariff, TariffFault, TaxIncluded
from voltway.tariffs.ocpi_cdr_head import CdrHead, Document, head_document
from voltway.tariffs.ocpi_cdr_price import cost_documents, kwh_number, number_4
from voltway.tariffs.ocpi_cdr_tariffs import billed_tariff, grace_tariff, used_tariff
from voltway.tariffs.ocpi_export import CannotExport, exported
from voltway.tariffs.ocpi_tariff import tariff_document
from voltway.tariffs.priced import Priced, PricedPeriod
from voltway.tariffs.rates import MICROS_PER_HOUR

_NOTHING = Decimal(0)
_FOUR_PLACES = Decimal("0.0001")
_VOLUMES = {
    PeriodKind.CHARGING: "TIME",
    PeriodKind.PARKING: "PARKING_TIME",
    PeriodKind.RESERVATION: "RESERVATION_TIME",
}

CDR_CSV_COLUMNS = (
    "id",
    "session_id",
    "start_date_time",
    "end_date_time",
    "token",
    "contract_id",
    "auth_method",
    "location_id",
    "evse_id",
    "connector_id",
    "currency",
    "total_energy_kwh",
    "total_time_h",
    "total_parking_time_h",
    "total_cost_excl_vat",
    "total_cost_incl_vat",
    "energy_cost_excl_vat",
    "time_cost_excl_vat",
    "parking_cost_excl_vat",
    "fixed_cost_excl_vat",
    "tariff_ids",
    "remark",
)


class _Period(NamedTuple):
    """One charging period of the document; `is_free`: our idle rule made it free."""

    start: datetime
    volumes: dict[str, Decimal]
    is_free: bool

    def document(self, tariff_id: TariffId | None) -> Document:
        """Write it; None where the version's periods name no tariff."""
        dimensions = [{"type": name, "volume": volume} for name, volume in self.volumes.items()]
        written: Document = {"start_date_time": to_rfc3339(self.start), "dimensions": dimensions}
        return written if tariff_id is None else written | {"tariff_id": tariff_id}


def cdr_document(head: CdrHead, priced: Priced, tariff: Tariff, *, ocpi_version: OcpiVersion | None = None) -> Document:
    """Build a CDR (write it with exact_json.dumps); raises CannotExport where the version cannot say the price.

    Without a version it is our own record: 2.2.1, and a tariff that 2.2.1 cannot say stands in its own words.
    Idle time that our idle rule made free points to a second tariff, the same without PARKING_TIME, so that a partner
    who knows the CDR alone gets the same total (billing note 26). Periods of 2.1.1 name no tariff: there such idle
    time is no PARKING_TIME and does not count in `total_parking_time`.
    """
    version = ocpi_version or OcpiVersion.V2_2_1
    shown = billed_tariff(tariff, priced, started_at=head.started_at, time_zone=head.location.time_zone)
    if version is OcpiVersion.V2_1_1:
        _check_2_1_1(priced)
        shown = used_tariff(shown, priced)
    periods = list(_periods(priced, tariff, version))
    names_tariff = version is not OcpiVersion.V2_1_1
    free = grace_tariff(shown) if names_tariff and any(period.is_free for period in periods) else None
    named = {False: shown.id, True: None if free is None else free.id}
    costs = cost_documents(priced, version, taxed=tariff.tax_included is not TaxIncluded.NOT_APPLICABLE)
    document: Document = {
        **head_document(head, version),
        "currency": priced.currency,
        "tariffs": [_tariff_document(item, head, ocpi_version) for item in (shown, free) if item is not None],
        "charging_periods": [period.document(named[period.is_free] if names_tariff else None) for period in periods],
        **_totals(head, priced, periods, costs),
        **({"remark": head.remark} if head.remark is not None else {}),
        "last_updated": to_rfc3339(head.last_updated),
    }
    return document | dict(head.extra or {})


def _check_2_1_1(priced: Priced) -> None:
    if any(period.kind is PeriodKind.RESERVATION for period in priced.periods):
        words = "a CDR of OCPI 2.1.1 has no reserved time"
        raise CannotExport(words, [TariffFault("/charging_periods", words, "round_trip")])


def _tariff_document(tariff: Tariff, head: CdrHead, ocpi_version: OcpiVersion | None) -> Document:
    version = ocpi_version or OcpiVersion.V2_2_1
    net_only = version is OcpiVersion.V2_1_1
    try:
        return exported(tariff, version, country_code=head.country_code, party_id=head.party_id, net_only=net_only)
    except CannotExport:
        if ocpi_version is not None:
            raise
        return tariff_document(tariff)


def _totals(head: CdrHead, priced: Priced, periods: Iterable[_Period], costs: Document) -> Document:
    span_us = to_micros(head.ended_at) - to_micros(head.started_at)
    parked = _VOLUMES[PeriodKind.PARKING]
    quantities: Document = {
        "total_energy": kwh_number(priced.kwh),
        "total_time": number_4(Fraction(span_us, MICROS_PER_HOUR)),
        "total_parking_time": sum((period.volumes.get(parked, _NOTHING) for period in periods), _NOTHING),
    }
    found = costs | quantities
    return {key: found[key] for key in _TOTALS if key in found}


_TOTALS = (
    "total_cost",
    "total_fixed_cost",
    "total_energy",
    "total_energy_cost",
    "total_time",
    "total_time_cost",
    "total_parking_time",
    "total_parking_cost",
    "total_reservation_cost",
)


def cdr_csv_row(document: JsonObject) -> dict[str, str]:
    """Write a CDR of `cdr_document` as one row with the columns CDR_CSV_COLUMNS."""
    token, place = _inner(document, "cdr_token"), _inner(document, "cdr_location")
    cost = _inner(document, "total_cost")
    tariffs = document.get("tariffs")
    ids = [str(item["id"]) for item in tariffs] if isinstance(tariffs, list) else []
    row: dict[str, object] = {
        **{key: document.get(key) for key in ("id", "session_id", "start_date_time", "end_date_time")},
        "token": token.get("uid"),
        "contract_id": token.get("contract_id"),
        "auth_method": document.get("auth_method"),
        "location_id": place.get("id"),
        "evse_id": place.get("evse_id"),
        "connector_id": place.get("connector_id"),
        "currency": document.get("currency"),
        "total_energy_kwh": document.get("total_energy"),
        "total_time_h": document.get("total_time"),
        "total_parking_time_h": document.get("total_parking_time"),
        "total_cost_excl_vat": cost.get("excl_vat"),
        "total_cost_incl_vat": cost.get("incl_vat"),
        **{
            f"{kind}_cost_excl_vat": _inner(document, f"total_{kind}_cost").get("excl_vat")
            for kind in ("energy", "time", "parking", "fixed")
        },
        "tariff_ids": " ".join(ids),
        "remark": document.get("remark"),
    }
    return {column: _cell(row[column]) for column in CDR_CSV_COLUMNS}


def _periods(priced: Priced, tariff: Tariff, version: OcpiVersion) -> Iterator[_Period]:
    times = {kind: _Volumes() for kind in PeriodKind}
    for period, is_free in (piece for whole in priced.periods for piece in _pieces(whole)):
        volumes: dict[str, Decimal] = {}
        is_untimed = is_free and version is OcpiVersion.V2_1_1
        if period.milliwh is not None or is_untimed:  # a period has one dimension at least
            volumes["ENERGY"] = kwh_number(Fraction(period.milliwh or 0) / MILLIWH_PER_KWH)
        if not is_untimed:
            span_us = to_micros(period.end) - to_micros(period.start)
            volumes[_VOLUMES[period.kind]] = times[period.kind].next(Fraction(span_us, MICROS_PER_HOUR))
        volumes |= _bands(period, tariff, version)
        yield _Period(period.start, volumes, is_free)


def _bands(period: PricedPeriod, tariff: Tariff, version: OcpiVersion) -> dict[str, Decimal]:
    """Return the momentary values that the tariff's restrictions ask for; 2.1.1 knows no power in a CDR.

    Cut down to four decimals, so that a value stays below the band above it.
    """
    found: dict[str, Decimal] = {}
    if period.current_a is not None and current_bands(tariff):
        found["MIN_CURRENT"], found["MAX_CURRENT"] = (_cut(value) for value in period.current_a)
    if period.power_w is not None and power_bands(tariff) and version is not OcpiVersion.V2_1_1:
        found["MIN_POWER"], found["MAX_POWER"] = (_cut(value / 1000) for value in period.power_w)
    return found


def _cut(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_FOUR_PLACES, rounding=ROUND_FLOOR)


def _pieces(period: PricedPeriod) -> Iterator[tuple[PricedPeriod, bool]]:
    """Tell which idle time our rule (grace, exempt window, cap) made free, cutting where the cap was reached."""
    parked = [line for line in period.lines if line.rate.dimension is Dimension.PARKING_TIME and line.quantity]
    if not parked or parked[-1].rate.note is not None or not parked[-1].billed:
        yield period, bool(parked)
        return
    quantity, billed = parked[-1].quantity, int(parked[-1].billed)
    if billed >= quantity:
        yield period, False
        return
    reached = from_micros(to_micros(period.start) + billed)
    yield period._replace(end=reached), False
    yield period._replace(start=reached, milliwh=None), True


class _Volumes:
    """Four-decimal volumes that add up to the rounded sum of the exact ones."""

    def __init__(self) -> None:
        self._exact = Fraction(0)
        self._written = Decimal(0)

    def next(self, exact: Fraction) -> Decimal:
        self._exact += exact
        total = number_4(self._exact)
        volume, self._written = total - self._written, total
        return volume


def _inner(document: JsonObject, key: str) -> JsonObject:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value)

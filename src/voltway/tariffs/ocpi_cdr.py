"""The CDR of a priced session: OCPI JSON of each version and a row of CSV, from the same periods and the same price.

Numbers carry OCPI's four decimals; the volumes are differences of rounded running sums, so they add up to the totals.
Made once at the session's end by `sessions` and immutable from then on.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from voltway.kernel.clock import from_micros, to_micros, to_rfc3339
from voltway.kernel.energy import MILLIWH_PER_KWH
from voltway.tariffs.model import Dimension, JsonObject, OcpiVersion, PeriodKind, Tariff, TariffFault, TaxIncluded
from voltway.tariffs.ocpi_cdr_head import CdrHead, Document, head_document
from voltway.tariffs.ocpi_cdr_price import cost_documents, number_4
from voltway.tariffs.ocpi_cdr_tariffs import billed_tariff, grace_tariff, used_tariff
from voltway.tariffs.ocpi_export import CannotExport, exported
from voltway.tariffs.ocpi_tariff import tariff_document
from voltway.tariffs.priced import Priced, PricedPeriod
from voltway.tariffs.rates import MICROS_PER_HOUR

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


def cdr_document(head: CdrHead, priced: Priced, tariff: Tariff, *, ocpi_version: OcpiVersion | None = None) -> Document:
    """Build a CDR (write it with exact_json.dumps); raises CannotExport where the version cannot say the price.

    Without a version it is our own record: 2.2.1, and a tariff that 2.2.1 cannot say stands in its own words.
    Idle time that our idle rule made free points to a second tariff, the same without PARKING_TIME, so that a partner
    who knows the CDR alone gets the same total (billing note 26); 2.1.1, whose periods name no tariff, leaves its
    PARKING_TIME out.
    """
    version = ocpi_version or OcpiVersion.V2_2_1
    shown = billed_tariff(tariff, priced, started_at=head.started_at, time_zone=head.location.time_zone)
    if version is OcpiVersion.V2_1_1:
        _check_2_1_1(priced)
        shown = used_tariff(shown, priced)
    periods = list(_periods(priced, shown, version))
    free_id = grace_tariff(shown).id
    is_split = any(period.get("tariff_id") == free_id for period in periods)
    tariffs = [shown, *([grace_tariff(shown)] if is_split else [])]
    document: Document = {
        **head_document(head, version),
        "currency": priced.currency,
        "tariffs": [_tariff_document(item, head, ocpi_version) for item in tariffs],
        "charging_periods": periods,
        **_totals(head, priced, version, taxed=tariff.tax_included is not TaxIncluded.NOT_APPLICABLE),
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


def _totals(head: CdrHead, priced: Priced, version: OcpiVersion, *, taxed: bool) -> Document:
    costs = cost_documents(priced, version, taxed=taxed)
    span_us = to_micros(head.ended_at) - to_micros(head.started_at)
    quantities: Document = {
        "total_energy": number_4(priced.kwh),
        "total_time": number_4(Fraction(span_us, MICROS_PER_HOUR)),
        "total_parking_time": number_4(priced.parking_hours),
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


def _periods(priced: Priced, tariff: Tariff, version: OcpiVersion) -> Iterator[Document]:
    energy = _Volumes()
    times = {kind: _Volumes() for kind in PeriodKind}
    names_tariff = version is not OcpiVersion.V2_1_1
    for period, is_free in (piece for whole in priced.periods for piece in _pieces(whole)):
        dimensions: list[Document] = []
        if period.milliwh is not None or (is_free and not names_tariff):
            exact = Fraction(period.milliwh or 0) / MILLIWH_PER_KWH
            dimensions.append({"type": "ENERGY", "volume": energy.next(exact)})
        span_us = to_micros(period.end) - to_micros(period.start)
        volume = times[period.kind].next(Fraction(span_us, MICROS_PER_HOUR))
        if names_tariff or not is_free:
            dimensions.append({"type": _VOLUMES[period.kind], "volume": volume})
        written: Document = {"start_date_time": to_rfc3339(period.start), "dimensions": dimensions}
        named = grace_tariff(tariff).id if is_free else tariff.id
        yield written | ({"tariff_id": named} if names_tariff else {})


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

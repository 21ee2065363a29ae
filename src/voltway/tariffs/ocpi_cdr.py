"""The CDR of a priced session: OCPI 2.2.1 JSON and a row of CSV, from the same periods and the same price.

Numbers carry OCPI's four decimals; the volumes are differences of rounded running sums, so they add up to the totals.
Made once at the session's end by `sessions` and immutable from then on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from voltway.kernel.clock import from_micros, to_micros, to_rfc3339
from voltway.kernel.ids import TariffId
from voltway.kernel.money import decimal_text
from voltway.tariffs.model import Dimension, JsonObject, PeriodKind, Tariff, TariffElement
from voltway.tariffs.ocpi_tariff import tariff_document
from voltway.tariffs.priced import Cost, CostKind, Priced, PricedPeriod
from voltway.tariffs.rates import MICROS_PER_HOUR

_PLACES = 4
_TARIFF_ID_LENGTH = 36
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


@dataclass(frozen=True, slots=True)
class CdrToken:
    """OCPI CdrToken: what started the session."""

    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str


@dataclass(frozen=True, slots=True)
class CdrLocation:
    """OCPI CdrLocation: the place as it was at the start; `country` is alpha-3, latitude and longitude are texts."""

    id: str
    address: str
    city: str
    country: str
    latitude: str
    longitude: str
    evse_uid: str
    evse_id: str
    connector_id: str
    connector_standard: str
    connector_format: str
    connector_power_type: str
    name: str | None = None
    postal_code: str | None = None


@dataclass(frozen=True, slots=True)
class CdrHead:
    """What a CDR says beside its price; `auth_method` is AUTH_REQUEST, COMMAND or WHITELIST, instants aware."""

    id: str
    country_code: str
    party_id: str
    session_id: str
    started_at: datetime
    ended_at: datetime
    token: CdrToken
    auth_method: str
    location: CdrLocation
    last_updated: datetime
    meter_id: str | None = None
    remark: str | None = None
    extra: JsonObject | None = None


def cdr_document(head: CdrHead, priced: Priced, tariff: Tariff) -> dict[str, object]:
    """Build an OCPI 2.2.1 CDR (write it with exact_json.dumps).

    Idle time that our idle rule made free points to a second tariff, the same without PARKING_TIME, so that a partner
    who knows the CDR alone gets the same total (billing note 26).
    """
    costs = priced.costs()
    periods = list(_periods(priced, tariff))
    used = {period["tariff_id"] for period in periods}
    tariffs = [tariff, *([grace_tariff(tariff)] if _grace_id(tariff) in used else [])]
    document: dict[str, object] = {
        "country_code": head.country_code,
        "party_id": head.party_id,
        "id": head.id,
        "start_date_time": to_rfc3339(head.started_at),
        "end_date_time": to_rfc3339(head.ended_at),
        "session_id": head.session_id,
        "cdr_token": _token(head.token),
        "auth_method": head.auth_method,
        "cdr_location": _location(head.location),
        "meter_id": head.meter_id,
        "currency": priced.currency,
        "tariffs": [tariff_document(item) for item in tariffs],
        "charging_periods": periods,
        "total_cost": _price(priced.total),
        "total_fixed_cost": _price(costs[CostKind.FIXED]),
        "total_energy": _number(priced.energy.kwh_exact),
        "total_energy_cost": _price(costs[CostKind.ENERGY]),
        "total_time": _number(Fraction(to_micros(head.ended_at) - to_micros(head.started_at), MICROS_PER_HOUR)),
        "total_time_cost": _price(costs[CostKind.TIME]),
        "total_parking_time": _number(priced.parking_hours),
        "total_parking_cost": _price(costs[CostKind.PARKING]),
        "total_reservation_cost": _price(costs[CostKind.RESERVATION]),
        "remark": head.remark,
        "last_updated": to_rfc3339(head.last_updated),
    }
    present = {key: item for key, item in document.items() if item is not None}
    return present | dict(head.extra or {})


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


def grace_tariff(tariff: Tariff) -> Tariff:
    """Return the tariff without its idle prices, for the periods that our idle rule made free."""
    elements = []
    for element in tariff.elements:
        kept = tuple(item for item in element.components if item.dimension is not Dimension.PARKING_TIME)
        if kept:
            elements.append(TariffElement(kept, element.restrictions, element.extra))
    return replace(tariff, id=_grace_id(tariff), elements=tuple(elements), idle=None)


def _grace_id(tariff: Tariff) -> TariffId:
    return TariffId(f"{tariff.id[: _TARIFF_ID_LENGTH - 6]}-GRACE")


def _periods(priced: Priced, tariff: Tariff) -> Iterator[dict[str, object]]:
    energy = _Volumes()
    times = {kind: _Volumes() for kind in PeriodKind}
    for period, is_free in (piece for whole in priced.periods for piece in _pieces(whole)):
        dimensions: list[dict[str, object]] = []
        if period.energy is not None:
            dimensions.append({"type": "ENERGY", "volume": energy.next(period.energy.kwh_exact)})
        span_us = to_micros(period.end) - to_micros(period.start)
        volume = times[period.kind].next(Fraction(span_us, MICROS_PER_HOUR))
        dimensions.append({"type": _VOLUMES[period.kind], "volume": volume})
        yield {
            "start_date_time": to_rfc3339(period.start),
            "dimensions": dimensions,
            "tariff_id": _grace_id(tariff) if is_free else tariff.id,
        }


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
    yield period._replace(start=reached, energy=None), True


class _Volumes:
    """Four-decimal volumes that add up to the rounded sum of the exact ones."""

    def __init__(self) -> None:
        self._exact = Fraction(0)
        self._written = Decimal(0)

    def next(self, exact: Fraction) -> Decimal:
        self._exact += exact
        total = _number(self._exact)
        volume, self._written = total - self._written, total
        return volume


def _number(exact: Fraction) -> Decimal:
    return Decimal(decimal_text(exact, _PLACES))


def _price(cost: Cost) -> dict[str, object]:
    written: dict[str, object] = {"excl_vat": _number(cost.excl_vat)}
    return written if cost.incl_vat is None else written | {"incl_vat": _number(cost.incl_vat)}


def _token(token: CdrToken) -> dict[str, object]:
    return {
        "country_code": token.country_code,
        "party_id": token.party_id,
        "uid": token.uid,
        "type": token.type,
        "contract_id": token.contract_id,
    }


def _location(place: CdrLocation) -> dict[str, object]:
    written: dict[str, object | None] = {
        "id": place.id,
        "name": place.name,
        "address": place.address,
        "city": place.city,
        "postal_code": place.postal_code,
        "country": place.country,
        "coordinates": {"latitude": place.latitude, "longitude": place.longitude},
        "evse_uid": place.evse_uid,
        "evse_id": place.evse_id,
        "connector_id": place.connector_id,
        "connector_standard": place.connector_standard,
        "connector_format": place.connector_format,
        "connector_power_type": place.connector_power_type,
    }
    return {key: item for key, item in written.items() if item is not None}


def _inner(document: JsonObject, key: str) -> JsonObject:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value)

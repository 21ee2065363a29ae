"""OCPI tariffs (2.1.1, 2.2.1, 2.3.0): documents to the model with all faults at once, and back without loss.

The document that was read stays beside the model and is written back as it came (nulls, offsets, unknown keys); one is
built from the model only where we made or changed the tariff. Our extension is a document of its own beside OCPI's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from voltway.kernel.clock import to_rfc3339
from voltway.kernel.errors import Fault, InvalidInput
from voltway.kernel.ids import TariffId
from voltway.tariffs.model import (
    WEEKDAYS,
    Dimension,
    IdleRule,
    JsonObject,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TariffElement,
    TariffFault,
    TaxIncluded,
)
from voltway.tariffs.ocpi_reader import ObjectReader

_NO_PRICE = Decimal(0)
_VAT_NAMES = ("excl_vat", "incl_vat")
_TAX_NAMES = ("before_taxes", "after_taxes")


class TariffType(StrEnum):
    """OCPI TariffType (2.2.1 and 2.3.0); none means that the tariff is for all sessions."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


def parse_tariff(
    document: object,
    *,
    ocpi_version: OcpiVersion | None = None,
    extension: object = None,
    version: int = 1,
) -> Tariff:
    """Read an OCPI Tariff; raises InvalidInput with a TariffFault per fault.

    Without `ocpi_version` it is guessed as contracts.md says; `extension` is our document beside it:
    `{"idle": {"grace_s", "cap", "exempt": [restrictions]}, "price_lock": bool}`; `version` counts from 1 per id.
    The document belongs to the tariff from then on: nobody changes it.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("this is not a tariff", [Fault("", "a tariff must be a JSON object")])
    faults: list[TariffFault] = []
    reader = ObjectReader(document, "", faults)
    beside = ObjectReader(extension if isinstance(extension, Mapping) else {}, "/extension", faults)
    tariff = replace(
        read_tariff(reader, ocpi_version or guess_version(document)),
        version=version,
        idle=_idle(beside),
        price_lock=_flag(beside, "price_lock"),
    )
    if extension is not None and not isinstance(extension, Mapping):
        faults.append(TariffFault("/extension", "the extension must be a JSON object"))
    if faults:
        raise InvalidInput(f"the tariff has {len(faults)} fault(s)", faults)
    return tariff


def guess_version(document: JsonObject) -> OcpiVersion:
    """Tell the OCPI version of a tariff or CDR by its keys (contracts.md, `voltway price`)."""
    if _mentions(document, ("tax_included", "before_taxes")):
        return OcpiVersion.V2_3_0
    return OcpiVersion.V2_2_1 if "country_code" in document else OcpiVersion.V2_1_1


def read_tariff(reader: ObjectReader, ocpi_version: OcpiVersion) -> Tariff:
    """Read a tariff where a larger document (a CDR) holds it; its faults are noted with the reader."""
    tariff = Tariff(
        id=TariffId(reader.identifier("id", required=True) or ""),
        currency=reader.currency("currency"),
        elements=tuple(_element(item, ocpi_version) for item in reader.objects("elements", code="no_elements")),
        ocpi_version=ocpi_version,
        # The 2.3.0 examples leave the field out (billing note 45): prices are then without tax, as before.
        tax_included=reader.choice("tax_included", TaxIncluded) or TaxIncluded.NO,
        min_price=_limit(reader, "min_price", ocpi_version),
        max_price=_limit(reader, "max_price", ocpi_version),
        start_date_time=reader.instant("start_date_time"),
        end_date_time=reader.instant("end_date_time"),
        extra=reader.extra(),
        document=reader.value,
    )
    _check_limits(reader, tariff)
    reader.choice("type", TariffType)
    return tariff


def tariff_type(tariff: Tariff) -> TariffType | None:
    """Return for which sessions a tariff is meant; None: for all."""
    found = tariff.extra.get("type")
    return TariffType(found) if isinstance(found, str) else None


def tariff_document(tariff: Tariff) -> dict[str, object]:
    """Write an OCPI Tariff as it was read, unknown keys included; numbers are exact (write with exact_json)."""
    if tariff.document is not None and _still_says(tariff, tariff.document):
        return dict(tariff.document)
    named = {"country_code": None, "party_id": None, "id": tariff.id, "currency": tariff.currency, "type": None}
    found = {key: item if item is not None else tariff.extra.get(key) for key, item in named.items()}
    document: dict[str, object] = {key: item for key, item in found.items() if item is not None}
    if tariff.ocpi_version is OcpiVersion.V2_3_0 or tariff.tax_included is not TaxIncluded.NO:
        document["tax_included"] = tariff.tax_included.value
    for key, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is not None:
            document[key] = _limit_document(limit, tariff.ocpi_version)
    document["elements"] = [_element_document(element) for element in tariff.elements]
    for key, instant in (("start_date_time", tariff.start_date_time), ("end_date_time", tariff.end_date_time)):
        if instant is not None:
            document[key] = to_rfc3339(instant)
    return document | dict(tariff.extra)


def extension_document(tariff: Tariff) -> dict[str, object]:
    """Write our extension beside the OCPI document, as `parse_tariff` reads it; empty where there is none."""
    document: dict[str, object] = {}
    if tariff.idle is not None:
        idle: dict[str, object] = {"grace_s": tariff.idle.grace_s}
        if tariff.idle.cap is not None:
            idle["cap"] = tariff.idle.cap
        if tariff.idle.exempt:
            idle["exempt"] = [_restrictions_document(window) for window in tariff.idle.exempt]
        document["idle"] = idle
    if tariff.price_lock:
        document["price_lock"] = True
    return document


def _mentions(document: JsonObject, keys: tuple[str, ...]) -> bool:
    """Tell whether a key stands anywhere; without recursion, because a partner chooses the depth."""
    found: list[object] = [document]
    while found:
        value = found.pop()
        if isinstance(value, Mapping):
            if any(key in value for key in keys):
                return True
            found.extend(value.values())
        elif isinstance(value, list | tuple):
            found.extend(value)
    return False


def _still_says(tariff: Tariff, document: JsonObject) -> bool:
    """Tell whether the document that was read still is the tariff (and not what somebody made of it)."""
    faults: list[TariffFault] = []
    read = read_tariff(ObjectReader(document, "", faults), tariff.ocpi_version)
    return not faults and tariff == replace(
        read, version=tariff.version, idle=tariff.idle, price_lock=tariff.price_lock
    )


def _element(reader: ObjectReader, ocpi_version: OcpiVersion) -> TariffElement:
    listed = reader.objects("price_components", code="bad_value")
    components = tuple(_component(item, ocpi_version) for item in listed)
    inner = reader.object("restrictions")
    return TariffElement(components, _restrictions(inner) if inner is not None else None, reader.extra())


_PRICED = {item.value: item for item in Dimension if item is not Dimension.RESERVATION_TIME}


def _component(reader: ObjectReader, ocpi_version: OcpiVersion) -> PriceComponent:
    named = reader.text("type", required=True)
    dimension = _PRICED.get(named or "")
    if named is not None and dimension is None:
        reader.fault("type", f"type must be one of {', '.join(_PRICED)}")
    is_flat = dimension is Dimension.FLAT
    # The CDR example of 2.1.1 writes its price as a text, and so do partners who followed it.
    price = reader.number("price", required=True, quoted=ocpi_version is OcpiVersion.V2_1_1)
    step = reader.whole("step_size", required=not is_flat)  # FLAT has no unit to step in
    vat = reader.number("vat", minimum=0)
    return PriceComponent(
        dimension or Dimension.FLAT, _NO_PRICE if price is None else price, vat, step or 0, reader.extra()
    )


def _restrictions(reader: ObjectReader) -> Restrictions:
    read = Restrictions(
        start_time=reader.clock("start_time"),
        end_time=reader.clock("end_time"),
        start_date=reader.day("start_date"),
        end_date=reader.day("end_date"),
        min_kwh=reader.number("min_kwh", minimum=0),
        max_kwh=reader.number("max_kwh", minimum=0),
        min_current=reader.number("min_current"),
        max_current=reader.number("max_current"),
        min_power=reader.number("min_power"),
        max_power=reader.number("max_power"),
        min_duration_s=reader.whole("min_duration"),
        max_duration_s=reader.whole("max_duration"),
        day_of_week=_weekdays(reader),
        reservation=reader.choice("reservation", Reservation),
        extra=reader.extra(),
    )
    _check_bounds(
        reader,
        [
            ("min_kwh", read.min_kwh, read.max_kwh),
            ("min_current", read.min_current, read.max_current),
            ("min_power", read.min_power, read.max_power),
            ("min_duration", read.min_duration_s, read.max_duration_s),
        ],
    )
    return read


_Bound = tuple[str, Decimal | int | None, Decimal | int | None]


def _check_bounds(reader: ObjectReader, bounds: Sequence[_Bound]) -> None:
    for key, least, most in bounds:
        if least is not None and most is not None and least > most:
            greatest = key.replace("min_", "max_")
            reader.fault(key, f"{key} {least:f} is above {greatest} {most:f}, so this never applies", "min_above_max")


def _weekdays(reader: ObjectReader) -> tuple[int, ...]:
    found = reader.take("day_of_week")
    if found is None:
        return ()
    if not isinstance(found, list | tuple) or any(day not in WEEKDAYS for day in found):
        reader.fault("day_of_week", f"day_of_week must be a list of {', '.join(WEEKDAYS)}")
        return ()
    return tuple(WEEKDAYS.index(day) for day in found)


def _limit(reader: ObjectReader, key: str, ocpi_version: OcpiVersion) -> PriceLimit | None:
    inner = reader.object(key)
    if inner is None:
        return None
    names = _limit_names(inner.value, ocpi_version)
    excl, incl = inner.number(names[0], required=True), inner.number(names[1])
    return PriceLimit(_NO_PRICE if excl is None else excl, incl, inner.extra())


def _limit_names(limit: JsonObject, ocpi_version: OcpiVersion) -> tuple[str, str]:
    """Return the version's names of the two sides, or the other version's where only these are there."""
    own, other = (_TAX_NAMES, _VAT_NAMES) if ocpi_version is OcpiVersion.V2_3_0 else (_VAT_NAMES, _TAX_NAMES)
    return other if not any(name in limit for name in own) and other[0] in limit else own


def _check_limits(reader: ObjectReader, tariff: Tariff) -> None:
    least, most = tariff.min_price, tariff.max_price
    inner = reader.object("min_price")
    if least is None or most is None or inner is None:
        return
    excl, incl = _limit_names(inner.value, tariff.ocpi_version)
    sides = [(excl, least.excl_vat, most.excl_vat), (incl, least.incl_vat, most.incl_vat)]
    for key, low, high in sides:
        if low is not None and high is not None and low > high:
            inner.fault(key, f"the minimum price {low:f} is above the maximum price {high:f}", "min_above_max")


def _idle(beside: ObjectReader) -> IdleRule | None:
    reader = beside.object("idle")
    if reader is None:
        return None
    exempt = tuple(_restrictions(window) for window in reader.objects("exempt"))
    rule = IdleRule(reader.whole("grace_s") or 0, reader.number("cap", minimum=0), exempt)
    for key in reader.extra():
        reader.fault(key, f"{key} is not part of the idle rule (grace_s, cap, exempt)")
    return rule


def _flag(reader: ObjectReader, key: str) -> bool:
    found = reader.take(key)
    if found is not None and not isinstance(found, bool):
        reader.fault(key, f"{key} must be true or false")
    return found is True


def _element_document(element: TariffElement) -> dict[str, object]:
    document: dict[str, object] = {"price_components": [_component_document(item) for item in element.components]}
    if element.restrictions is not None:
        document["restrictions"] = _restrictions_document(element.restrictions)
    return document | dict(element.extra)


def _component_document(component: PriceComponent) -> dict[str, object]:
    document: dict[str, object] = {"type": component.dimension.value, "price": component.price}
    if component.vat is not None:
        document["vat"] = component.vat
    return document | {"step_size": component.step_size} | dict(component.extra)


def _restrictions_document(r: Restrictions) -> dict[str, object]:
    plain: dict[str, object | None] = {
        "start_time": r.start_time.strftime("%H:%M") if r.start_time is not None else None,
        "end_time": r.end_time.strftime("%H:%M") if r.end_time is not None else None,
        "start_date": r.start_date.isoformat() if r.start_date is not None else None,
        "end_date": r.end_date.isoformat() if r.end_date is not None else None,
        "min_kwh": r.min_kwh,
        "max_kwh": r.max_kwh,
        "min_current": r.min_current,
        "max_current": r.max_current,
        "min_power": r.min_power,
        "max_power": r.max_power,
        "min_duration": r.min_duration_s,
        "max_duration": r.max_duration_s,
        "day_of_week": [WEEKDAYS[day] for day in r.day_of_week] or None,
        "reservation": r.reservation.value if r.reservation is not None else None,
    }
    return {key: item for key, item in plain.items() if item is not None} | dict(r.extra)


def _limit_document(limit: PriceLimit, ocpi_version: OcpiVersion) -> dict[str, object]:
    names = ("before_taxes", "after_taxes") if ocpi_version is OcpiVersion.V2_3_0 else ("excl_vat", "incl_vat")
    document: dict[str, object] = {names[0]: limit.excl_vat}
    if limit.incl_vat is not None:
        document[names[1]] = limit.incl_vat
    return document | dict(limit.extra)

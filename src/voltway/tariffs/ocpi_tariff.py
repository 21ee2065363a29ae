"""OCPI tariffs (2.1.1, 2.2.1, 2.3.0): documents to the model with all faults at once, and back without loss.

Keys that pricing does not need are kept in `extra`; our extension is a document of its own beside OCPI's.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

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

_CURRENCY = re.compile(r"[A-Z]{3}")
_NO_PRICE = Decimal(0)


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
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("this is not a tariff", [Fault("", "a tariff must be a JSON object")])
    faults: list[TariffFault] = []
    reader = ObjectReader(document, "", faults)
    beside = ObjectReader(extension if isinstance(extension, Mapping) else {}, "/extension", faults)
    tariff = _tariff(reader, beside, ocpi_version or guess_version(document), version)
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


def tariff_document(tariff: Tariff) -> dict[str, object]:
    """Write an OCPI Tariff as it was read, unknown keys included; numbers are Decimal (write with exact_json)."""
    document: dict[str, object] = {"id": tariff.id, "currency": tariff.currency}
    if tariff.ocpi_version is OcpiVersion.V2_3_0:
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


def _mentions(value: object, keys: tuple[str, ...]) -> bool:
    if isinstance(value, Mapping):
        return any(key in value for key in keys) or any(_mentions(item, keys) for item in value.values())
    return isinstance(value, list | tuple) and any(_mentions(item, keys) for item in value)


def _tariff(reader: ObjectReader, beside: ObjectReader, ocpi_version: OcpiVersion, version: int) -> Tariff:
    is_v2_3 = ocpi_version is OcpiVersion.V2_3_0
    return Tariff(
        id=TariffId(reader.text("id", required=True) or ""),
        currency=_currency(reader),
        elements=tuple(_element(item) for item in reader.objects("elements", code="no_elements")),
        version=version,
        ocpi_version=ocpi_version,
        # The 2.3.0 examples leave the field out (billing note 45): prices are then without tax, as before.
        tax_included=(reader.choice("tax_included", TaxIncluded) if is_v2_3 else None) or TaxIncluded.NO,
        min_price=_limit(reader, "min_price", ocpi_version),
        max_price=_limit(reader, "max_price", ocpi_version),
        start_date_time=reader.instant("start_date_time"),
        end_date_time=reader.instant("end_date_time"),
        idle=_idle(beside),
        price_lock=_flag(beside, "price_lock"),
        extra=reader.extra(),
    )


def _currency(reader: ObjectReader) -> str:
    text = reader.text("currency", required=True)
    if text is not None and not _CURRENCY.fullmatch(text):
        reader.fault("currency", "currency must be an ISO 4217 code such as EUR")
    return text or ""


def _element(reader: ObjectReader) -> TariffElement:
    components = tuple(_component(item) for item in reader.objects("price_components", code="bad_value"))
    inner = reader.object("restrictions")
    return TariffElement(components, _restrictions(inner) if inner is not None else None, reader.extra())


_PRICED = {item.value: item for item in Dimension if item is not Dimension.RESERVATION_TIME}


def _component(reader: ObjectReader) -> PriceComponent:
    named = reader.text("type", required=True)
    dimension = _PRICED.get(named or "")
    if named is not None and dimension is None:
        reader.fault("type", f"type must be one of {', '.join(_PRICED)}")
    is_flat = dimension is Dimension.FLAT
    price = reader.number("price", required=True)
    step = reader.whole("step_size", required=not is_flat)  # FLAT has no unit to step in
    vat = reader.number("vat", minimum=0)
    return PriceComponent(
        dimension or Dimension.FLAT, _NO_PRICE if price is None else price, vat, step or 0, reader.extra()
    )


def _restrictions(reader: ObjectReader) -> Restrictions:
    return Restrictions(
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
    names = ("before_taxes", "after_taxes") if ocpi_version is OcpiVersion.V2_3_0 else ("excl_vat", "incl_vat")
    excl, incl = inner.number(names[0], required=True), inner.number(names[1])
    return PriceLimit(_NO_PRICE if excl is None else excl, incl, inner.extra())


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

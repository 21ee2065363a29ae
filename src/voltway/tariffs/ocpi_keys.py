"""The keys that each OCPI version knows in tariffs and CDRs, and the pointers of those that it does not know.

One table per object; sources: mod_tariffs and mod_cdrs of OCPI 2.1.1-d2, 2.2.1-d2 and 2.3.0 (with its payments module's
`preauthorize_amount`). What pricing understands is read whatever the version says; it is named nonetheless.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from voltway.tariffs.model import OcpiVersion

_V2_1_1, _V2_2_1, _V2_3_0 = OcpiVersion.V2_1_1, OcpiVersion.V2_2_1, OcpiVersion.V2_3_0
_LATER = (_V2_2_1, _V2_3_0)


class _Shape(NamedTuple):
    """The keys of one object in a version, and the shapes of the objects (or lists of objects) beneath it."""

    keys: frozenset[str]
    inner: Mapping[str, "_Shape"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TARIFF = "id currency tariff_alt_text tariff_alt_url elements energy_mix last_updated"
_TARIFF_LATER = f"{_TARIFF} country_code party_id type min_price max_price start_date_time end_date_time"
_RESTRICTIONS = (
    "start_time end_time start_date end_date min_kwh max_kwh min_power max_power min_duration max_duration day_of_week"
)
_TARIFF_KEYS = {
    _V2_1_1: _words(_TARIFF),
    _V2_2_1: _words(_TARIFF_LATER),
    _V2_3_0: _words(f"{_TARIFF_LATER} tax_included preauthorize_amount"),
}
_COMPONENT_KEYS = {
    _V2_1_1: _words("type price step_size"),
    **dict.fromkeys(_LATER, _words("type price vat step_size")),
}
_RESTRICTION_KEYS = {
    _V2_1_1: _words(_RESTRICTIONS),
    **dict.fromkeys(_LATER, _words(f"{_RESTRICTIONS} min_current max_current reservation")),
}
_LIMIT_KEYS = {
    **dict.fromkeys((_V2_1_1, _V2_2_1), _words("excl_vat incl_vat")),
    _V2_3_0: _words("before_taxes after_taxes"),
}
_PRICE_KEYS = {**_LIMIT_KEYS, _V2_3_0: _words("before_taxes taxes")}

# `end_date_time` and `time_zone` are no keys of 2.1.1's (or any) CDR; contracts.md takes them in all versions.
_CDR = """id start_date_time end_date_time auth_method meter_id currency tariffs charging_periods total_cost
    total_energy total_time total_parking_time remark last_updated time_zone"""
_CDR_LATER = f"""{_CDR} country_code party_id session_id cdr_token authorization_reference cdr_location signed_data
    total_fixed_cost total_energy_cost total_time_cost total_parking_cost total_reservation_cost invoice_reference_id
    credit credit_reference_id home_charging_compensation"""
_CDR_KEYS = {
    _V2_1_1: _words(f"{_CDR} stop_date_time auth_id location"),
    **dict.fromkeys(_LATER, _words(_CDR_LATER)),
}
_TOTALS = ("cost", "fixed_cost", "energy_cost", "time_cost", "parking_cost", "reservation_cost")
_PERIOD_KEYS = {
    _V2_1_1: _words("start_date_time dimensions"),
    **dict.fromkeys(_LATER, _words("start_date_time dimensions tariff_id")),
}
_TOKEN = _Shape(_words("country_code party_id uid type contract_id"), {})
_PLACE = _Shape(
    _words(
        """id name address city postal_code state country coordinates evse_uid evse_id connector_id connector_standard
        connector_format connector_power_type time_zone"""
    ),
    {},
)


def _tariff_shape(version: OcpiVersion) -> _Shape:
    limit = _Shape(_LIMIT_KEYS[version], {})
    element = _Shape(
        _words("price_components restrictions"),
        {
            "price_components": _Shape(_COMPONENT_KEYS[version], {}),
            "restrictions": _Shape(_RESTRICTION_KEYS[version], {}),
        },
    )
    return _Shape(_TARIFF_KEYS[version], {"elements": element, "min_price": limit, "max_price": limit})


def _cdr_shape(version: OcpiVersion) -> _Shape:
    period = _Shape(_PERIOD_KEYS[version], {"dimensions": _Shape(_words("type volume"), {})})
    inner = {"tariffs": _tariff_shape(version), "charging_periods": period}
    if version is not _V2_1_1:
        inner |= {"cdr_token": _TOKEN, "cdr_location": _PLACE}
        inner |= {f"total_{name}": _Shape(_PRICE_KEYS[version], {}) for name in _TOTALS}
    return _Shape(_CDR_KEYS[version], inner)


_TARIFFS = {version: _tariff_shape(version) for version in OcpiVersion}
_CDRS = {version: _cdr_shape(version) for version in OcpiVersion}


def unknown_keys(document: object, ocpi_version: OcpiVersion) -> list[str]:
    """Return the JSON Pointers of the keys of a tariff that its OCPI version does not know, in document order."""
    return list(_unknown(document, _TARIFFS[ocpi_version], ""))


def unknown_cdr_keys(document: object, ocpi_version: OcpiVersion) -> list[str]:
    """Return the JSON Pointers of the keys of a CDR (its tariffs included) that its OCPI version does not know.

    2.1.1's `location` is a Location as a whole and not looked into.
    """
    return list(_unknown(document, _CDRS[ocpi_version], ""))


def known_keys(pointer: str, ocpi_version: OcpiVersion) -> frozenset[str]:
    """Return the keys that a tariff may have where `pointer` (the path of one of its keys) stands, for suggestions."""
    shape: _Shape | None = _TARIFFS[ocpi_version]
    for step in pointer.split("/")[1:-1]:
        if shape is not None and not step.isdecimal():
            shape = shape.inner.get(step)
    return shape.keys if shape is not None else frozenset()


def _unknown(value: object, shape: _Shape, pointer: str) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield from _unknown(item, shape, f"{pointer}/{index}")
        return
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        at = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in shape.keys:
            yield at
        if (inner := shape.inner.get(key)) is not None:
            yield from _unknown(item, inner, at)

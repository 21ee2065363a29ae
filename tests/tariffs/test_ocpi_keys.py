"""Keys that an OCPI version does not know are named, and what we understand of them is read nonetheless."""

import pytest

from voltway.tariffs.model import OcpiVersion
from voltway.tariffs.ocpi import known_keys, parse_tariff, unknown_cdr_keys, unknown_keys

OLD, MIDDLE, NEW = OcpiVersion.V2_1_1, OcpiVersion.V2_2_1, OcpiVersion.V2_3_0
# Every key of OCPI 2.3.0's tariff (mod_tariffs: Tariff, PriceLimit, TariffElement, PriceComponent, TariffRestrictions).
ALL: dict[str, object] = {
    "country_code": "DE",
    "party_id": "ALL",
    "id": "T",
    "currency": "EUR",
    "type": "REGULAR",
    "tariff_alt_text": [{"language": "en", "text": "x", "colour": "red"}],
    "tariff_alt_url": "https://example.org",
    "min_price": {"before_taxes": 1, "after_taxes": 2},
    "max_price": {"before_taxes": 3, "after_taxes": 4},
    "preauthorize_amount": 50,
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.5, "vat": 19, "step_size": 1}],
            "restrictions": {
                "start_time": "08:00",
                "end_time": "20:00",
                "start_date": "2026-01-01",
                "end_date": "2027-01-01",
                "min_kwh": 1,
                "max_kwh": 2,
                "min_current": 1,
                "max_current": 2,
                "min_power": 1,
                "max_power": 2,
                "min_duration": 1,
                "max_duration": 2,
                "day_of_week": ["MONDAY"],
                "reservation": "RESERVATION",
            },
        }
    ],
    "tax_included": "NO",
    "start_date_time": "2026-01-01T00:00:00Z",
    "end_date_time": "2027-01-01T00:00:00Z",
    "energy_mix": {"is_green_energy": True},
    "last_updated": "2026-01-01T00:00:00Z",
}
_IN = "/elements/0"


@pytest.mark.parametrize(
    ("version", "pointers"),
    [
        pytest.param(NEW, [], id="2.3.0 mod_tariffs"),
        pytest.param(
            MIDDLE,
            [
                *(
                    f"/{limit}/{side}"
                    for limit in ("min_price", "max_price")
                    for side in ("before_taxes", "after_taxes")
                ),
                "/preauthorize_amount",
                "/tax_included",
            ],
            id="2.2.1-d2 mod_tariffs",
        ),
        pytest.param(
            OLD,
            [
                *("/country_code", "/party_id", "/type"),
                *("/min_price", "/min_price/before_taxes", "/min_price/after_taxes"),
                *("/max_price", "/max_price/before_taxes", "/max_price/after_taxes"),
                "/preauthorize_amount",
                f"{_IN}/price_components/0/vat",
                *(f"{_IN}/restrictions/{key}" for key in ("min_current", "max_current", "reservation")),
                *("/tax_included", "/start_date_time", "/end_date_time"),
            ],
            id="2.1.1-d2 mod_tariffs: no VAT, limits, validity, type, currents or reservations",
        ),
    ],
)
def test_the_keys_of_a_later_version_are_unknown(version: OcpiVersion, pointers: list[str]) -> None:
    """One table per version says which keys it has."""
    assert unknown_keys(ALL, version) == pointers


def test_pointers_are_escaped_and_go_into_every_list() -> None:
    """RFC 6901: ~ is ~0 and / is ~1."""
    document = {"elements": [3, {"a/b~c": 1, "price_components": [None, {"Type": "ENERGY"}]}], "min_price": {"x": 1}}
    assert unknown_keys(document, MIDDLE) == [
        "/elements/1/a~1b~0c",
        "/elements/1/price_components/1/Type",
        "/min_price/x",
    ]


@pytest.mark.parametrize(
    "document", [None, 5, "x", [], [5], {}, {"elements": 5}, {"elements": {"price_components": 1}}]
)
def test_what_is_no_tariff_has_no_unknown_keys(document: object) -> None:
    """Never a traceback, whatever came."""
    assert unknown_keys(document, OLD) == []


def test_what_we_can_price_is_read_whatever_the_version_says() -> None:
    """A 2.1.1 tariff with VAT, a limit and a reservation is priced with them."""
    read = parse_tariff(ALL, ocpi_version=OLD)
    assert read.elements[0].components[0].vat == 19
    assert read.min_price is not None
    assert read.min_price.excl_vat == 1
    assert read.min_price.incl_vat == 2
    assert read.elements[0].restrictions is not None
    assert read.elements[0].restrictions.reservation is not None


@pytest.mark.parametrize(
    ("pointer", "key"),
    [
        ("/curency", "currency"),
        ("/elements/12/restriction", "restrictions"),
        ("/elements/0/price_components/1/prize", "price"),
        ("/elements/0/restrictions/weekday", "day_of_week"),
        ("/max_price/excl", "excl_vat"),
    ],
)
def test_known_keys_are_those_of_the_same_object(pointer: str, key: str) -> None:
    """For the linter's suggestion; behind an unknown key there is none."""
    assert key in known_keys(pointer, MIDDLE)
    assert known_keys(f"{pointer}/deeper", MIDDLE) == frozenset() or pointer == "/elements/12/restriction"


def test_a_cdr_s_own_keys_are_known_in_its_version() -> None:
    """OCPI mod_cdrs; `end_date_time` and `time_zone` are taken in every version (contracts.md)."""
    cdr: dict[str, object] = {
        "start_date_time": 1,
        "end_date_time": 1,
        "stop_date_time": 1,
        "time_zone": 1,
        "location": {"anything": 1},
        "cdr_location": {"id": 1, "floor": 2},
        "charging_periods": [{"start_date_time": 1, "tariff_id": "T", "dimensions": [{"type": 1, "unit": 2}]}],
        "total_cost": {"before_taxes": 1, "taxes": [], "excl_vat": 1},
        "tariffs": [{"id": "T", "vat": 1}],
    }
    assert unknown_cdr_keys(cdr, OLD) == [
        "/cdr_location",
        "/charging_periods/0/tariff_id",
        "/charging_periods/0/dimensions/0/unit",
        "/tariffs/0/vat",
    ]
    assert unknown_cdr_keys(cdr, MIDDLE) == [
        "/stop_date_time",
        "/location",
        "/cdr_location/floor",
        "/charging_periods/0/dimensions/0/unit",
        "/total_cost/before_taxes",
        "/total_cost/taxes",
        "/tariffs/0/vat",
    ]
    assert "/total_cost/excl_vat" in unknown_cdr_keys(cdr, NEW)

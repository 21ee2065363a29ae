"""OCPI tariff documents: read exactly, refused with every fault, written back without loss."""

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.model import OcpiVersion, TariffFault
from voltway.tariffs.ocpi import dumps, extension_document, guess_version, loads, parse_tariff, tariff_document

FULL = """{"country_code":"DE","party_id":"ALL","id":"T-1","currency":"EUR","type":"REGULAR",
"tariff_alt_text":[{"language":"en","text":"0.39 a kWh"}],"min_price":{"excl_vat":0.50,"incl_vat":0.55,"x":1},
"max_price":{"excl_vat":100},"elements":[{"price_components":[
{"type":"ENERGY","price":0.3900,"vat":19.0,"step_size":1,"note":"kept"},{"type":"FLAT","price":1,"step_size":1}],
"restrictions":{"start_time":"22:00","end_time":"06:00","start_date":"2026-01-01","end_date":"2027-01-01",
"min_kwh":1,"max_kwh":50.5,"min_current":6,"max_current":32,"min_power":3.7,"max_power":22,"min_duration":60,
"max_duration":7200,"day_of_week":["MONDAY","SUNDAY"],"reservation":"RESERVATION","colour":"blue"},"why":"kept"}],
"start_date_time":"2026-01-01T00:00:00Z","end_date_time":"2026-06-30T23:59:59Z",
"energy_mix":{"is_green_energy":true},"last_updated":"2026-01-01T00:00:00Z"}"""
V2_3_0 = """{"country_code":"DE","party_id":"ALL","id":"T-1","currency":"EUR","tax_included":"YES",
"min_price":{"before_taxes":1.00,"after_taxes":1.19},
"elements":[{"price_components":[{"type":"TIME","price":2.00,"vat":19,"step_size":60}]}],"last_updated":"x"}"""
V2_1_1 = """{"id":"T-1","currency":"EUR","elements":[{"price_components":[{"type":"TIME","price":2.00,"step_size":60}],
"restrictions":{"day_of_week":["MONDAY"]}}],"last_updated":"x"}"""
EXTENSION = (
    """{"idle":{"grace_s":900,"cap":5.00,"exempt":[{"start_time":"22:00","end_time":"06:00"}]},"price_lock":true}"""
)


@pytest.mark.parametrize(
    ("text", "version"), [(FULL, OcpiVersion.V2_2_1), (V2_3_0, OcpiVersion.V2_3_0), (V2_1_1, OcpiVersion.V2_1_1)]
)
def test_a_round_trip_loses_nothing(text: str, version: OcpiVersion) -> None:
    """Unknown keys and the digits of every number are kept (issue 4, §1)."""
    document = loads(text)
    read = parse_tariff(document)
    assert read.ocpi_version is version
    assert guess_version(tariff_document(read)) is version
    assert loads(dumps(tariff_document(read))) == document
    assert '"price":0.3900' in dumps(tariff_document(read)) or version is not OcpiVersion.V2_2_1
    assert parse_tariff(tariff_document(read)) == read


def test_the_extension_stands_beside_the_document() -> None:
    """Our idle rule and price lock never enter OCPI's document."""
    read = parse_tariff(loads(FULL), extension=loads(EXTENSION), version=3)
    assert (read.version, read.price_lock) == (3, True)
    assert extension_document(read) == loads(EXTENSION)
    assert tariff_document(read) == loads(FULL)
    assert extension_document(parse_tariff(loads(FULL))) == {}
    assert extension_document(parse_tariff(loads(FULL), extension={"idle": {"grace_s": 60}})) == {
        "idle": {"grace_s": 60}
    }


def test_every_fault_is_named_at_once_with_its_pointer() -> None:
    """Contracts.md: all faults at once, each with a JSON Pointer."""
    document = loads(
        """{"country_code":"DE","id":"","currency":"euro","min_price":{"incl_vat":1},"max_price":[],"start_date_time":"2026-13-01T00:00:00Z",
        "end_date_time":7,"elements":[{"price_components":[{"type":"KWH","price":"0.39","step_size":1.5},
        {"type":"ENERGY","price":true,"vat":-1},7,{"type":"FLAT","price":1}],"restrictions":{"start_time":"24:00",
        "end_time":"7:00","start_date":"2026-02-30","end_date":"26-1-1","min_kwh":-1,"max_duration":-5,
        "day_of_week":["MON"],"reservation":"SOON"}},{"price_components":[],"restrictions":[]}]}"""
    )
    with pytest.raises(InvalidInput) as caught:
        parse_tariff(document, extension={"idle": {"grace": 5, "exempt": 3}, "price_lock": "yes"})
    assert [fault.pointer for fault in caught.value.faults] == [
        "/id",
        "/currency",
        "/elements/0/price_components/0/type",
        "/elements/0/price_components/0/price",
        "/elements/0/price_components/0/step_size",
        "/elements/0/price_components/1/price",
        "/elements/0/price_components/1/step_size",
        "/elements/0/price_components/1/vat",
        "/elements/0/price_components/2",
        "/elements/0/restrictions/start_time",
        "/elements/0/restrictions/end_time",
        "/elements/0/restrictions/start_date",
        "/elements/0/restrictions/end_date",
        "/elements/0/restrictions/min_kwh",
        "/elements/0/restrictions/max_duration",
        "/elements/0/restrictions/day_of_week",
        "/elements/0/restrictions/reservation",
        "/elements/1/price_components",
        "/elements/1/restrictions",
        "/min_price/excl_vat",
        "/max_price",
        "/start_date_time",
        "/end_date_time",
        "/extension/idle/exempt",
        "/extension/idle/grace",
        "/extension/price_lock",
    ]
    codes = {fault.code for fault in caught.value.faults if isinstance(fault, TariffFault)}
    assert codes == {"bad_value", "time_24_00"}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"id": "T", "currency": "EUR", "elements": []}, "no_elements"),
        ({"id": "T", "currency": "EUR"}, "no_elements"),
        ({"id": "T", "currency": "EUR", "elements": {}}, "bad_value"),
    ],
)
def test_a_tariff_without_elements_is_refused(document: object, code: str) -> None:
    """OCPI: one element at least."""
    with pytest.raises(InvalidInput) as caught:
        parse_tariff(document)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults if isinstance(fault, TariffFault)] == [
        ("/elements", code)
    ]


@pytest.mark.parametrize(("document", "extension"), [([], None), ("x", None), (loads(FULL), [])])
def test_what_is_no_object_is_no_tariff(document: object, extension: object) -> None:
    """Neither the document nor the extension may be anything but an object."""
    with pytest.raises(InvalidInput):
        parse_tariff(document, extension=extension)


def test_numbers_from_a_float_reading_library_are_their_shortest_text() -> None:
    """JSONB and FastAPI hand floats: 0.39 is 0.39 and nothing beside it; an instant without offset is UTC."""
    component = {"type": "ENERGY", "price": 0.39, "step_size": 1}
    document = {
        "id": "T",
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
        "start_date_time": "2026-01-01T00:00:00",
    }
    read = parse_tariff(document)
    assert str(read.elements[0].components[0].price) == "0.39"
    assert read.start_date_time is not None
    assert read.is_valid_at(read.start_date_time)
    component["price"] = float("inf")
    with pytest.raises(InvalidInput):
        parse_tariff(document)

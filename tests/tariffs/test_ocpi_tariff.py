"""OCPI tariff documents: read exactly, refused with every fault, written back without loss."""

from decimal import Decimal

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.model import OcpiVersion, TariffFault
from voltway.tariffs.ocpi import (
    TariffType,
    dumps,
    extension_document,
    guess_version,
    loads,
    parse_tariff,
    tariff_document,
    tariff_type,
)

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


ELEMENT = {"price_components": [{"type": "FLAT", "price": 1}]}


def _tariff(**more: object) -> dict[str, object]:
    return {"country_code": "DE", "id": "T", "currency": "EUR", "elements": [ELEMENT]} | more


def _restricted(**restrictions: object) -> dict[str, object]:
    return _tariff(elements=[ELEMENT | {"restrictions": restrictions}])


def _faults(document: object, version: OcpiVersion | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        parse_tariff(document, ocpi_version=version)
    return [(fault.pointer, fault.code) for fault in caught.value.faults if isinstance(fault, TariffFault)]


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        (_tariff(min_price={"excl_vat": 2}, max_price={"excl_vat": 1}), ["/min_price/excl_vat"]),
        (
            _tariff(min_price={"excl_vat": 2, "incl_vat": 3}, max_price={"excl_vat": 1, "incl_vat": 2}),
            ["/min_price/excl_vat", "/min_price/incl_vat"],
        ),
        (
            _tariff(min_price={"before_taxes": 2, "after_taxes": 3}, max_price={"before_taxes": 2, "after_taxes": 2}),
            ["/min_price/after_taxes"],
        ),
        (_restricted(min_kwh=2, max_kwh=1), ["/elements/0/restrictions/min_kwh"]),
        (_restricted(min_power=2, max_power=1), ["/elements/0/restrictions/min_power"]),
        (_restricted(min_current=2, max_current=1), ["/elements/0/restrictions/min_current"]),
        (_restricted(min_duration=2, max_duration=1), ["/elements/0/restrictions/min_duration"]),
    ],
)
def test_a_minimum_above_its_maximum_is_refused(document: dict[str, object], pointers: list[str]) -> None:
    """Contracts.md, `min_above_max`: the pointer is the minimum's."""
    assert _faults(document) == [(pointer, "min_above_max") for pointer in pointers]


@pytest.mark.parametrize(
    "document",
    [
        _tariff(min_price={"excl_vat": 1}, max_price={"excl_vat": 1}),
        _tariff(min_price={"excl_vat": 1, "incl_vat": 3}, max_price={"excl_vat": 2}),
        _restricted(min_kwh=1, max_kwh=1, min_duration=60, max_duration=60),
        _tariff(min_price=None, max_price={"excl_vat": 1}),
    ],
)
def test_equal_or_one_sided_bounds_are_accepted(document: dict[str, object]) -> None:
    """Only a side that both give is compared; min equal to max is for the linter."""
    assert parse_tariff(document).id == "T"


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"id": "x" * 37}, "/id"),
        ({"id": "a\u0000b"}, "/id"),
        ({"id": 5}, "/id"),
        ({"type": "CHEAP"}, "/type"),
        ({"type": 5}, "/type"),
        ({"max_price": {"incl_vat": 5}}, "/max_price/excl_vat"),
        ({"max_price": {"after_taxes": 5}}, "/max_price/before_taxes"),
        ({"tax_included": "MAYBE"}, "/tax_included"),
        ({"start_date_time": "0001-01-01T00:00:00+01:00"}, "/start_date_time"),
        ({"start_date_time": "2026-W01-1T00:00:00Z"}, "/start_date_time"),
        ({"min_price": {"excl_vat": Decimal("1E+999999")}}, "/min_price/excl_vat"),
        ({"min_price": {"excl_vat": Decimal("0E+999999")}}, "/min_price/excl_vat"),
        ({"min_price": {"excl_vat": Decimal("1E-31")}}, "/min_price/excl_vat"),
        ({"min_price": {"excl_vat": 10**20}}, "/min_price/excl_vat"),
    ],
)
def test_what_nobody_means_is_refused(more: dict[str, object], pointer: str) -> None:
    """Ids as in OCPI (CiString(36)), the enumeration of types, numbers and instants that can be calculated with."""
    version = OcpiVersion.V2_3_0 if pointer == "/max_price/before_taxes" else None
    assert _faults(_tariff(**more), version) == [(pointer, "bad_value")]


@pytest.mark.parametrize("kind", [None, *TariffType])
def test_the_type_is_kept(kind: TariffType | None) -> None:
    """It chooses among tariffs and stands in the document as it came."""
    document = _tariff(type=None if kind is None else kind.value)
    read = parse_tariff(document)
    assert tariff_type(read) is kind
    assert tariff_document(read) == document


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01 00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01t01:00:00.5z", "2026-01-01T01:00:00.500000+00:00"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T01:00:00.123456789+0100", "2026-01-01T00:00:00.123456+00:00"),
    ],
)
def test_instants_are_read_as_partners_write_them(text: str, utc: str) -> None:
    """OCPI 2.2.1, 16.4: RFC 3339; without an offset it is UTC."""
    read = parse_tariff(_tariff(start_date_time=text))
    assert read.start_date_time is not None
    assert read.start_date_time.isoformat() == utc


def test_the_limits_of_another_version_are_understood() -> None:
    """Billing note 45: partners write 2.2.1's Price into 2.3.0 documents."""
    document = _tariff(tax_included="YES", max_price={"excl_vat": 5, "incl_vat": 6})
    read = parse_tariff(document)
    assert read.ocpi_version is OcpiVersion.V2_3_0
    assert read.max_price is not None
    assert read.max_price.excl_vat == 5
    assert read.max_price.incl_vat == 6


def test_a_tariff_that_is_nested_without_end_is_no_traceback() -> None:
    """A partner chooses the depth; the guess of the version follows it without recursion."""
    deep: dict[str, object] = {"tax_included": "YES"}
    for _ in range(10_000):
        deep = {"x": [deep]}
    assert guess_version(deep) is OcpiVersion.V2_3_0

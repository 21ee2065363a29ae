"""A partner's CDR: what is enough, what refuses it with a pointer, and what is odd but has a price."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.model import OcpiVersion, TariffFault, TaxIncluded
from voltway.tariffs.ocpi import Claim, PartnerCdr, Volume, loads, parse_cdr

ENOUGH: dict[str, object] = {
    "start_date_time": "2026-03-02T09:00:00Z",
    "end_date_time": "2026-03-02T10:00:00Z",
    "currency": "EUR",
    "charging_periods": [
        {"start_date_time": "2026-03-02T09:00:00Z", "dimensions": [{"type": "ENERGY", "volume": Decimal("7.5")}]}
    ],
}
TARIFF: dict[str, object] = {
    "id": "12",
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "TIME", "price": 2, "vat": 10, "step_size": 300}]}],
}
# The worked CDR of OCPI 2.2.1, mod_cdrs "Example of a CDR", shortened to what is read.
SPEC_2_2_1 = """{"country_code":"BE","party_id":"BEC","id":"12345","start_date_time":"2015-06-29T21:39:09Z",
"end_date_time":"2015-06-29T23:37:32Z","cdr_token":{"country_code":"DE","party_id":"TNM","uid":"012345678","type":"RFID",
"contract_id":"DE8ACC12E46L89"},"auth_method":"WHITELIST","cdr_location":{"id":"LOC1","country":"BEL"},"currency":"EUR",
"tariffs":[{"country_code":"BE","party_id":"BEC","id":"12","currency":"EUR","elements":[{"price_components":[
{"type":"TIME","price":2.00,"vat":10.0,"step_size":300}]}],"last_updated":"2015-02-02T14:15:01Z"}],
"charging_periods":[{"start_date_time":"2015-06-29T21:39:09Z","dimensions":[{"type":"TIME","volume":1.973}],
"tariff_id":"12"}],"total_cost":{"excl_vat":4.00,"incl_vat":4.40},"total_energy":15.342,"total_time":1.973,
"total_time_cost":{"excl_vat":4.00,"incl_vat":4.40},"last_updated":"2015-06-29T22:01:13Z"}"""
# OCPI 2.1.1 mod_cdrs, the same session.
SPEC_2_1_1 = """{"id":"12345","start_date_time":"2015-06-29T21:39:09Z","stop_date_time":"2015-06-29T23:37:32Z",
"auth_id":"DE8ACC12E46L89","auth_method":"WHITELIST","location":{"id":"LOC1","time_zone":"Europe/Brussels"},
"currency":"EUR","tariffs":[{"id":"12","currency":"EUR","elements":[{"price_components":[{"type":"TIME","price":2.00,
"step_size":300}]}]}],"charging_periods":[{"start_date_time":"2015-06-29T21:39:09Z","dimensions":[{"type":"TIME",
"volume":1.973}]}],"total_cost":4.00,"total_energy":15.342,"total_time":1.973,"last_updated":"2015-06-29T22:01:13Z"}"""


def with_(**changes: object) -> dict[str, object]:
    """Return the least CDR with other fields; None takes one away."""
    return {key: item for key, item in (ENOUGH | changes).items() if item is not None}


def with_period(**changes: object) -> dict[str, object]:
    """Return the least CDR with another period."""
    period: dict[str, object] = {"start_date_time": "2026-03-02T09:00:00Z"}
    return with_(charging_periods=[period | changes])


def volumes(*entries: tuple[str, object]) -> dict[str, object]:
    """Return the least CDR with these dimensions."""
    return with_period(dimensions=[{"type": kind, "volume": volume} for kind, volume in entries])


def odd(cdr: PartnerCdr) -> list[tuple[str, str]]:
    """Return the codes and pointers of what was odd."""
    return [(warning.code, warning.path) for warning in cdr.oddities]


def test_four_fields_are_enough() -> None:
    """Contracts.md: start, end, currency and periods; no country_code means 2.1.1."""
    read = parse_cdr(ENOUGH)
    assert (read.ocpi_version, read.currency, read.tariffs) == (OcpiVersion.V2_1_1, "EUR", ())
    assert (read.claims, read.oddities, read.time_zone, read.is_credit) == ({}, (), None, False)
    assert read.started_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert read.ended_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    (period,) = read.periods
    assert (period.start, period.volumes, period.tariff_id) == (read.started_at, {"ENERGY": Decimal("7.5")}, None)
    assert period.pointer == "/charging_periods/0"


@pytest.mark.parametrize(
    ("text", "version", "claims"),
    [
        pytest.param(
            SPEC_2_2_1,
            OcpiVersion.V2_2_1,
            {
                "total_cost": Claim("/total_cost", Decimal("4.00"), Decimal("4.40")),
                "total_time_cost": Claim("/total_time_cost", Decimal("4.00"), Decimal("4.40")),
                "total_energy": Claim("/total_energy", Decimal("15.342")),
                "total_time": Claim("/total_time", Decimal("1.973")),
            },
            id="2.2.1 mod_cdrs, Example of a CDR",
        ),
        pytest.param(
            SPEC_2_1_1,
            OcpiVersion.V2_1_1,
            {
                "total_cost": Claim("/total_cost", Decimal("4.00")),
                "total_energy": Claim("/total_energy", Decimal("15.342")),
                "total_time": Claim("/total_time", Decimal("1.973")),
            },
            id="2.1.1 mod_cdrs, Example of a CDR",
        ),
    ],
)
def test_the_specification_s_cdrs_are_read(text: str, version: OcpiVersion, claims: dict[str, Claim]) -> None:
    """Both are clean, and their totals are claims only (billing note 41)."""
    read = parse_cdr(loads(text))
    assert (read.ocpi_version, read.claims, read.oddities) == (version, claims, ())
    assert read.ended_at == datetime(2015, 6, 29, 23, 37, 32, tzinfo=UTC)
    assert [tariff.id for tariff in read.tariffs] == ["12"]
    assert [tariff.ocpi_version for tariff in read.tariffs] == [version]
    assert read.time_zone == ("Europe/Brussels" if version is OcpiVersion.V2_1_1 else None)


@pytest.mark.parametrize(
    ("document", "version"),
    [
        (ENOUGH, OcpiVersion.V2_1_1),
        (with_(country_code="DE"), OcpiVersion.V2_2_1),
        (with_(country_code="DE", tariffs=[TARIFF | {"tax_included": "YES"}]), OcpiVersion.V2_3_0),
        (with_(total_cost={"before_taxes": 1}), OcpiVersion.V2_3_0),
        (with_(country_code="DE", total_cost={"excl_vat": 1}), OcpiVersion.V2_2_1),
    ],
)
def test_the_version_is_guessed_from_the_keys(document: dict[str, object], version: OcpiVersion) -> None:
    """Contracts.md: no country_code is 2.1.1, tax_included or before_taxes 2.3.0, else 2.2.1."""
    assert parse_cdr(document).ocpi_version is version
    assert parse_cdr(document, ocpi_version=OcpiVersion.V2_2_1).ocpi_version is OcpiVersion.V2_2_1


def test_the_tariffs_are_of_the_cdr_s_version() -> None:
    """Billing note 45: a 2.3.0 CDR whose tariff lacks tax_included and last_updated is accepted."""
    read = parse_cdr(with_(total_cost={"before_taxes": 4, "taxes": []}, tariffs=[TARIFF]))
    assert [(tariff.ocpi_version, tariff.tax_included) for tariff in read.tariffs] == [
        (OcpiVersion.V2_3_0, TaxIncluded.NO)
    ]


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        (with_(start_date_time=None), ["/start_date_time"]),
        (with_(end_date_time=None), ["/end_date_time"]),
        (with_(end_date_time=None, stop_date_time="today"), ["/stop_date_time"]),
        (with_(end_date_time="2026-03-02T08:59:59Z"), ["/end_date_time"]),
        (with_(start_date_time="1969-12-31T23:59:59Z"), ["/start_date_time"]),
        (with_(end_date_time="9999-12-31T23:59:59Z"), ["/end_date_time"]),
        (
            with_period(start_date_time="0001-01-01T00:00:00Z", dimensions=[{}]),
            ["/charging_periods/0/start_date_time", "/charging_periods/0/dimensions/0/type"],
        ),
        (with_(start_date_time="1970-01-01T00:00:00Z"), ["/end_date_time", "/charging_periods/0/start_date_time"]),
        (with_(currency=None), ["/currency"]),
        (with_(currency="Euro"), ["/currency"]),
        (with_(charging_periods=None), ["/charging_periods"]),
        (with_(charging_periods=[]), ["/charging_periods"]),
        (with_(charging_periods={"a": 1}), ["/charging_periods"]),
        (with_(charging_periods=["x"]), ["/charging_periods/0"]),
        (with_period(start_date_time=None), ["/charging_periods/0/start_date_time"]),
        (with_period(start_date_time="9:00"), ["/charging_periods/0/start_date_time"]),
        (with_period(tariff_id=12), ["/charging_periods/0/tariff_id"]),
        (with_period(dimensions=7), ["/charging_periods/0/dimensions"]),
        (with_period(dimensions=[7]), ["/charging_periods/0/dimensions/0"]),
        (with_period(dimensions=[{"volume": 1}]), ["/charging_periods/0/dimensions/0/type"]),
        (with_period(dimensions=[{"type": "TIME"}]), ["/charging_periods/0/dimensions/0/volume"]),
        (volumes(("ENERGY", -1)), ["/charging_periods/0/dimensions/0/volume"]),
        (volumes(("ENERGY", 1), ("TIME", "1.973")), ["/charging_periods/0/dimensions/1/volume"]),
        (volumes(("PARKING_TIME", True)), ["/charging_periods/0/dimensions/0/volume"]),
        (with_(tariffs=5), ["/tariffs"]),
        (with_(tariffs=[TARIFF, {}]), ["/tariffs/1/id", "/tariffs/1/currency", "/tariffs/1/elements"]),
        (
            with_(tariffs=[TARIFF | {"elements": [{"price_components": [{"type": "KWH"}]}]}]),
            [f"/tariffs/0/elements/0/price_components/0/{key}" for key in ("type", "price", "step_size")],
        ),
        ([], [""]),
        ("CDR", [""]),
    ],
)
def test_each_fault_has_its_pointer(document: object, pointers: list[str]) -> None:
    """Contracts.md: a bad document is refused with one line per fault, all at once."""
    with pytest.raises(InvalidInput) as caught:
        parse_cdr(document)
    assert [fault.pointer for fault in caught.value.faults] == pointers


def test_faults_carry_the_linter_s_codes() -> None:
    """A tariff's fault inside a CDR has the code that it has outside."""
    element = {"price_components": [{"type": "FLAT", "price": 1}], "restrictions": {"end_time": "24:00"}}
    with pytest.raises(InvalidInput) as caught:
        parse_cdr(with_(tariffs=[TARIFF | {"elements": [element]}], charging_periods=[]))
    codes = [fault.code for fault in caught.value.faults if isinstance(fault, TariffFault)]
    assert codes == ["time_24_00", "no_periods"]


def test_tariffs_that_are_replaced_are_not_read() -> None:
    """`--tariff` replaces CDR.tariffs: what is wrong or unknown in them does not matter then."""
    read = parse_cdr(with_(tariffs=[{"colour": 1}]), with_tariffs=False)
    assert (read.tariffs, read.oddities) == ((), ())


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (with_period(dimensions=[{"type": "HEAT", "volume": "x"}]), [("unknown_dimension", "/dimensions/0/type")]),
        (with_period(), [("no_dimensions", "/dimensions")]),
        (with_period(dimensions=[]), [("no_dimensions", "/dimensions")]),
        (with_period(dimensions=[{"type": "TIME", "volume": 1, "unit": "h"}]), [("unknown_key", "/dimensions/0/unit")]),
    ],
)
def test_odd_periods_still_have_a_price(document: dict[str, object], expected: list[tuple[str, str]]) -> None:
    """Contracts.md: odd but priceable things are warnings."""
    assert odd(parse_cdr(document)) == [(code, f"/charging_periods/0{pointer}") for code, pointer in expected]


@pytest.mark.parametrize(
    ("kind", "entries", "together"),
    [
        ("ENERGY", ["1.5", "2"], "3.5"),
        ("TIME", ["99999999999999999999", "0.00000000000000000001"], "99999999999999999999.00000000000000000001"),
        ("FLAT", ["1"], "1"),
        ("MIN_POWER", ["7", "3"], "3"),
        ("MAX_POWER", ["7", "3"], "7"),
        ("MIN_CURRENT", ["-6", "3"], "-6"),
        ("MAX_CURRENT", ["3", "6"], "6"),
        ("POWER", ["-11"], "-11"),
        ("STATE_OF_CHARGE", ["20", "80"], "80"),
    ],
)
def test_two_entries_of_one_type_are_one(kind: str, entries: list[str], together: str) -> None:
    """Quantities add up exactly, of momentary values the extreme one counts; power may flow back (OCPI 2.2.1)."""
    (period,) = parse_cdr(volumes(*((kind, Decimal(entry)) for entry in entries))).periods
    assert period.volumes == {kind: Decimal(together)}
    assert Volume(kind) in period.volumes


@pytest.mark.parametrize(
    ("found", "excl", "incl"),
    [
        pytest.param(4, "4", None, id="2.1.1 number"),
        pytest.param({"excl_vat": 4}, "4", None, id="2.2.1 without VAT"),
        pytest.param({"excl_vat": 4, "incl_vat": Decimal("4.4")}, "4", "4.4", id="2.2.1 Price"),
        pytest.param({"before_taxes": 4}, "4", None, id="2.3.0 without taxes"),
        pytest.param({"before_taxes": 4, "taxes": []}, "4", "4", id="2.3.0 nothing to tax"),
        pytest.param(
            {"before_taxes": 4, "taxes": [{"name": "VAT", "amount": Decimal("0.4")}, {"name": "City", "amount": 1}]},
            "4",
            "5.4",
            id="2.3.0 Price, taxes add up (billing note 31)",
        ),
        pytest.param({"excl_vat": -4, "incl_vat": -5}, "-4", "-5", id="credit CDR (note 38)"),
    ],
)
def test_a_price_is_read_in_the_form_of_any_version(found: object, excl: str, incl: str | None) -> None:
    """Billing note 45: partners mix the forms; the shape tells which it is."""
    claim = parse_cdr(with_(total_cost=found)).claims["total_cost"]
    assert claim == Claim("/total_cost", Decimal(excl), None if incl is None else Decimal(incl))


@pytest.mark.parametrize(
    "found",
    [
        "4,00",
        True,
        [],
        {},
        {"excl_vat": "4"},
        {"incl_vat": 4},
        {"excl_vat": 4, "incl_vat": "5"},
        {"before_taxes": None},
        {"before_taxes": 4, "taxes": 1},
        {"before_taxes": 4, "taxes": [1]},
        {"before_taxes": 4, "taxes": [{"name": "VAT"}]},
        Decimal("1E+99"),
    ],
)
def test_a_total_that_cannot_be_read_does_not_stop_the_price(found: object) -> None:
    """Totals never enter a price; the one that is malformed is remembered."""
    read = parse_cdr(with_(country_code="DE", total_cost=found, total_energy=found))
    assert ("total_unreadable", "/total_cost") in odd(read)
    assert ("total_unreadable", "/total_energy") in odd(read)
    assert read.claims == {}


@pytest.mark.parametrize(
    ("more", "zone"),
    [
        ({"time_zone": "Asia/Tokyo", "location": {"time_zone": "UTC"}}, "Asia/Tokyo"),
        ({"cdr_location": {"time_zone": "Asia/Tokyo"}, "location": {"time_zone": "UTC"}}, "Asia/Tokyo"),
        ({"location": {"time_zone": "Asia/Tokyo"}}, "Asia/Tokyo"),
        ({"time_zone": 3, "cdr_location": "x", "location": {"time_zone": ""}}, None),
    ],
)
def test_the_zone_stands_in_the_cdr_or_its_location(more: dict[str, object], zone: str | None) -> None:
    """Contracts.md: `time_zone` in the CDR or in 2.1.1's location."""
    assert parse_cdr(with_(**more)).time_zone == zone


@pytest.mark.parametrize(("found", "expected"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_credit_cdr_says_so(found: object, *, expected: bool) -> None:
    """OCPI 2.2.1 mod_cdrs, credit CDRs."""
    assert parse_cdr(with_(credit=found)).is_credit is expected


def test_the_end_of_2_1_1_is_read_where_the_other_is_null() -> None:
    """`stop_date_time` is 2.1.1's name."""
    read = parse_cdr(with_(end_date_time=None, stop_date_time="2026-03-02T11:00:00+01:00"))
    assert read.ended_at == datetime(2026, 3, 2, 10, tzinfo=UTC)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(ENOUGH)), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*ENOUGH, "tariffs", "total_cost", "cdr_location", "credit", "dimensions"]), _JSON)
def test_no_json_makes_a_traceback(key: str, found: object) -> None:
    """A partner's nonsense is refused or read, nothing else."""
    for document in (ENOUGH | {key: found}, with_period(**{key: found}), found):
        with suppress(InvalidInput):
            assert parse_cdr(document).periods

"""A partner's CDR priced: which tariff, which zone, what is told, what is refused; claims never enter the price."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.tariffs.ocpi_documents import Document, always, per, when
from tests.tariffs.partner_cdrs import cdr, instant, period

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.ocpi import parse_cdr, parse_tariff
from voltway.tariffs.reprice import Repriced, reprice


def energy(name: str, price: str, **more: object) -> Document:
    """Build a tariff with one price per kWh."""
    return {"id": name, "country_code": "DE", "currency": "EUR", "elements": [always(per("ENERGY", price))], **more}


TEN = period("12:00", {"ENERGY": "10", "TIME": "1"})
CHEAP, DEAR = energy("cheap", "0.2"), energy("DEAR", "0.5")
PAST = energy("DEAR", "0.1", end_date_time=instant("11:00"))
NIGHT = energy("NIGHT", "0.3") | {
    "elements": [when({"start_time": "22:00"}, per("ENERGY", "0.3")), always(per("ENERGY", "0.6"))]
}


def priced(
    document: Document, replacing: Sequence[Document] | None = None, *, time_zone: str | None = None
) -> Repriced:
    """Price a document, maybe by other tariffs."""
    tariffs = None if replacing is None else [parse_tariff(item) for item in replacing]
    return reprice(parse_cdr(document, with_tariffs=replacing is None), tariffs, time_zone=time_zone)


def codes(found: Repriced) -> list[tuple[str, str]]:
    """Return the codes and places of the warnings."""
    return [(warning.code, warning.path) for warning in found.warnings]


@pytest.mark.parametrize(
    ("tariffs", "more", "replacing", "excl"),
    [
        pytest.param([CHEAP, DEAR], {}, None, "2", id="the first that is valid at the start"),
        pytest.param([PAST, CHEAP], {}, None, "2", id="not one whose validity is over"),
        pytest.param([CHEAP, DEAR], {"tariff_id": "DEAR"}, None, "5", id="the period's own"),
        pytest.param([CHEAP, DEAR], {"tariff_id": "dear"}, None, "5", id="ids are case-insensitive (CiString)"),
        pytest.param([PAST, CHEAP, DEAR], {"tariff_id": "DEAR"}, None, "5", id="of two under one id the valid one"),
        pytest.param([CHEAP, PAST], {"tariff_id": "DEAR"}, None, "1", id="named is named, valid or not"),
        pytest.param([CHEAP], {}, [DEAR], "5", id="given ones replace the CDR's"),
        pytest.param(
            [CHEAP, DEAR], {"tariff_id": "DEAR"}, [CHEAP], "2", id="also where the period names a replaced one"
        ),
    ],
)
def test_which_tariff_prices_a_period(
    tariffs: list[Document], more: Mapping[str, object], replacing: list[Document] | None, excl: str
) -> None:
    """contracts.md, `voltway price`: `tariff_id` chooses, else the first whose validity holds at the start."""
    found = priced(cdr(tariffs, "13:00", {**TEN, **more}), replacing)
    assert found.priced.total.excl_vat == Fraction(excl)
    replaced = replacing == [CHEAP] and [("tariff_replaced", "/charging_periods/0/tariff_id")]
    assert codes(found) == (replaced or [])


def test_two_tariffs_price_one_session() -> None:
    """Each period by its own, the limits of the one that it began with (docs/algorithms/price.md)."""
    capped = CHEAP | {"max_price": {"excl_vat": Decimal("1.5")}}
    second = period("13:00", {"ENERGY": "10", "TIME": "1"}, tariff_id="DEAR")
    found = priced(cdr([capped, DEAR], "14:00", TEN, second))
    assert found.priced.total.excl_vat == Fraction("1.5")
    assert [line.rate.tariff_id for line in found.priced.lines() if line.excl] == ["cheap", "DEAR"]


@pytest.mark.parametrize(
    ("document", "replacing", "pointer", "says"),
    [
        (cdr([], "13:00", TEN), None, "/tariffs", "there is no tariff; give one with --tariff"),
        (cdr([PAST], "13:00", TEN), None, "/tariffs", "no tariff is valid at start_date_time"),
        (cdr([CHEAP], "13:00", TEN), [PAST], "/tariffs", "no tariff is valid at start_date_time"),
        (cdr([], "13:00", TEN | {"tariff_id": "X"}), [], "/tariffs", "there is no tariff"),
        (
            cdr([CHEAP], "13:00", TEN | {"tariff_id": "X"}),
            None,
            "/charging_periods/0/tariff_id",
            "there is no tariff X",
        ),
        (cdr([CHEAP], "13:00", TEN, currency="CHF"), None, "/currency", "the CDR is in CHF, its tariff cheap in EUR"),
        (cdr([NIGHT], "13:00", TEN, time_zone=None), None, "/time_zone", "give --time-zone"),
        (cdr([CHEAP], "13:00", TEN, time_zone="Mars"), None, "/time_zone", "there is no time zone Mars"),
    ],
)
def test_what_stands_in_the_way_of_a_price(
    document: Document, replacing: list[Document] | None, pointer: str, says: str
) -> None:
    """Refused with its place, never priced by guess (contracts.md: exit 2)."""
    with pytest.raises(InvalidInput) as caught:
        priced(document, replacing)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert says in caught.value.faults[0].message


def test_one_fault_is_told_once() -> None:
    """Twenty periods without a tariff are one fault."""
    with pytest.raises(InvalidInput) as caught:
        priced(cdr([], "14:00", TEN, period("13:00", {"ENERGY": "1"})))
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    ("place", "option", "zone", "excl"),
    [
        ({"time_zone": "Asia/Tokyo"}, None, "Asia/Tokyo", "6"),
        ({"time_zone": None, "cdr_location": {"time_zone": "Asia/Tokyo"}}, None, "Asia/Tokyo", "6"),
        ({"time_zone": "Asia/Tokyo"}, "Australia/Sydney", "Australia/Sydney", "3"),
    ],
)
def test_whose_clock_counts(place: Mapping[str, object], option: str | None, zone: str, excl: str) -> None:
    """The option, else the CDR's; noon in UTC is 21:00 in Tokyo and 23:00 in Sydney."""
    found = priced(cdr([NIGHT], "13:00", TEN, **place), time_zone=option)
    assert (found.time_zone, found.priced.total.excl_vat) == (zone, Fraction(excl))


def test_without_local_times_utc_will_do() -> None:
    found = priced(cdr([CHEAP], "13:00", TEN, time_zone=None))
    assert found.time_zone == "UTC"


@pytest.mark.parametrize(
    ("claims", "paths"),
    [
        pytest.param({"total_cost": {"excl_vat": 2}}, [], id="what we get"),
        pytest.param(
            {"total_cost": {"excl_vat": Decimal("2.004")}}, ["/total_cost"], id="off in the claim's last place"
        ),
        pytest.param({"total_cost": {"excl_vat": Decimal("2.01"), "incl_vat": 2}}, ["/total_cost"], id="one side"),
        pytest.param({"total_cost": {"excl_vat": 3, "incl_vat": 3}}, ["/total_cost", "/total_cost"], id="both sides"),
        pytest.param({"total_energy_cost": {"excl_vat": 1}}, ["/total_energy_cost"], id="a partial total"),
        pytest.param({"total_parking_cost": {"excl_vat": 0}, "total_parking_time": 0}, [], id="nothing is nothing"),
        pytest.param({"total_energy": Decimal("10.0001")}, ["/total_energy"], id="energy beyond a rounded volume"),
        pytest.param({"total_energy": Decimal("10.00005")}, [], id="energy within a rounded volume"),
        pytest.param({"total_time": 2}, ["/total_time"], id="the duration"),
    ],
)
def test_a_claim_that_differs_is_told(claims: Mapping[str, object], paths: list[str]) -> None:
    """Billing notes 41 and 42: totals are claims; half a unit of their last place (at least of a cent) is allowed."""
    found = priced(cdr([CHEAP], "13:00", TEN, **claims))
    assert found.priced.total.excl_vat == 2
    assert [(code, path) for code, path in codes(found)] == [("total_differs", path) for path in paths]


def test_cents_of_the_currency_are_allowed() -> None:
    """A partner that shows 1.33 for 1.332 is right in EUR; 1.5 yen are no rounding of 1.332."""
    third = energy("T", "0.1332")
    assert codes(priced(cdr([third], "13:00", TEN, total_cost={"excl_vat": Decimal("1.33")}))) == []
    yen = third | {"currency": "JPY"}
    assert codes(priced(cdr([yen], "13:00", TEN, currency="JPY", total_cost={"excl_vat": 1}))) == []
    differs = priced(cdr([yen], "13:00", TEN, currency="JPY", total_cost={"excl_vat": Decimal("1.5")}))
    assert codes(differs) == [("total_differs", "/total_cost")]


def test_a_credit_cdr_takes_back() -> None:
    """Billing note 38: `total_cost` negative, the other totals as in the original; negative without `credit` is odd."""
    credit = {"total_cost": {"excl_vat": -2}, "total_energy_cost": {"excl_vat": 2}}
    assert codes(priced(cdr([CHEAP], "13:00", TEN, credit=True, credit_reference_id="C1", **credit))) == []
    odd = priced(cdr([CHEAP], "13:00", TEN, **credit))
    assert codes(odd) == [("negative_total", "/total_cost"), ("total_differs", "/total_cost")]


def test_the_mean_power_is_named_where_it_matters() -> None:
    """Energy over time is OCPI's POWER; a tariff without bands of power has no use for it."""
    bands = energy("B", "0.5") | {
        "elements": [when({"max_power": 16}, per("ENERGY", "0.2")), always(per("ENERGY", "0.5"))]
    }
    slow = priced(cdr([bands], "13:00", TEN, period("12:30", {"PARKING_TIME": "0.5"})))
    assert codes(slow) == [
        ("time_volume_differs", "/charging_periods/0"),
        ("power_assumed", "/charging_periods/0"),
    ]
    assert "mean of 20 kW" in slow.warnings[1].message
    assert slow.priced.total.excl_vat == 5
    named = period("12:00", {"ENERGY": "10", "TIME": "1", "MAX_POWER": "12"})
    assert priced(cdr([bands], "13:00", named)).priced.total.excl_vat == 2


def test_free_stretches_point_into_the_cdr() -> None:
    """The engine's warnings name the partner's period, wherever it stands in the list."""
    day = energy("D", "0.5") | {"elements": [when({"end_time": "12:00"}, per("ENERGY", "0.5"))]}
    found = priced(cdr([day], "13:00", TEN, period("11:00", {"ENERGY": "2"})) | {"start_date_time": instant("11:00")})
    assert codes(found) == [("free_dimension", "/charging_periods/0")]
    assert found.priced.total.excl_vat == 1


def test_the_document_has_the_cdr_s_duration_and_version() -> None:
    """`total_time` is from start to end of the CDR; 2.1.1 has no VAT field at all."""
    old = {key: item for key, item in cdr([CHEAP], "13:30", TEN).items() if key != "country_code"}
    document = priced(old | {"start_date_time": instant("11:30")}).document()
    assert (document["total_time"], document["ocpi_version"]) == ("2", "2.1.1")
    assert document["total_cost"] == {"excl_vat": "2", "incl_vat": None}

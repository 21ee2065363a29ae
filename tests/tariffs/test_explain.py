"""The printed price: the document of `voltway price` and the merged lines of a session."""

from dataclasses import replace
from decimal import Decimal

from tests.tariffs.building import (
    CHARGING,
    ENERGY,
    FLAT,
    PARKED,
    PARKING,
    RESERVED,
    TIME,
    component,
    element,
    stays,
    tariff,
)

from voltway.tariffs.engine import price
from voltway.tariffs.explain import price_document, sentences, session_explanation
from voltway.tariffs.model import IdleRule, OcpiVersion, PriceLimit, Reservation, Restrictions

DAY = "2026-03-02T12:00"
CITY = tariff(
    element(component(FLAT, "0.50", 1, "19")),
    element(component(ENERGY, "0.390", 1, "19"), component(PARKING, "6", 60)),
    most=PriceLimit(Decimal(4)),
    idle=IdleRule(grace_s=600),
)


def test_the_document_has_the_form_of_the_contract() -> None:
    """Contracts.md, `voltway price`: names, decimal strings, null element, warnings."""
    priced = price(CITY, stays(DAY, (30, "10.0005", CHARGING), (20, "0", PARKED)), time_zone="UTC")
    document = price_document(priced)
    assert {key: item for key, item in document.items() if key != "periods"} == {
        "currency": "EUR",
        "ocpi_version": "2.2.1",
        "total_cost": {"excl_vat": "4", "incl_vat": "4.6"} | {"incl_vat": document["total_cost"]["incl_vat"]},  # type: ignore[index]  # an object
        "total_energy_cost": {"excl_vat": "3.90039", "incl_vat": "4.6414641"},
        "total_time_cost": {"excl_vat": "0", "incl_vat": "0"},
        "total_parking_cost": {"excl_vat": "1", "incl_vat": "1"},
        "total_fixed_cost": {"excl_vat": "0.5", "incl_vat": "0.595"},
        "total_reservation_cost": {"excl_vat": "0", "incl_vat": "0"},
        "total_energy": "10.0005",
        "total_time": "0.8333333333",
        "total_parking_time": "0.3333333333",
        "adjustments": [{"kind": "max_price", "excl_vat": "-1.40039", "incl_vat": "-1.6171946769"}],
        "warnings": [],
    }
    periods = document["periods"]
    assert isinstance(periods, list)
    assert [period["end"] for period in periods] == [
        "2026-03-02T12:30:00Z",
        "2026-03-02T12:40:00Z",
        "2026-03-02T12:50:00Z",
    ]
    assert periods[0]["lines"][0] == {
        "dimension": "ENERGY",
        "quantity": "10.0005",
        "billed_quantity": "10.001",
        "unit": "kWh",
        "tariff_id": "T1",
        "element": 1,
        "price": "0.39",
        "vat": "19",
        "step_size": 1,
        "excl_vat": "3.90039",
        "incl_vat": "4.6414641",
    }
    assert periods[0]["lines"][1]["element"] is None
    assert periods[1]["lines"][0]["note"] == "grace"


def test_equal_lines_of_a_session_are_one() -> None:
    """Consecutive lines of one rate merge; another rate between them keeps them apart."""
    of = tariff(
        element(component(ENERGY, "0.2"), only=Restrictions(min_kwh=Decimal(2), max_kwh=Decimal(3))),
        element(component(ENERGY, "0.4")),
    )
    priced = price(of, stays(DAY, *[(10, "1", CHARGING)] * 5), time_zone="UTC")
    lines = session_explanation(priced)["lines"]
    assert isinstance(lines, list)
    energy = [
        (line["quantity"], line["excl_vat"], line["start"][11:16]) for line in lines if line["dimension"] == "ENERGY"
    ]
    assert energy == [("2", "0.8", "12:00"), ("1", "0.2", "12:20"), ("2", "0.8", "12:30")]


def test_printed_lines_add_up_to_the_printed_total() -> None:
    """Thirds of a cent: each printed amount is a difference of rounded running sums."""
    of = tariff(
        element(component(TIME, "1"), only=Restrictions(max_duration_s=100)),
        element(component(TIME, "2"), only=Restrictions(max_duration_s=200)),
        element(component(TIME, "1")),
    )
    priced = price(of, stays(DAY, *[(100 / 60, "0", CHARGING)] * 3), time_zone="UTC")
    lines = session_explanation(priced)["lines"]
    assert isinstance(lines, list)
    printed = sum(Decimal(line["excl_vat"]) for line in lines)
    assert str(printed) == price_document(priced)["total_cost"]["excl_vat"]  # type: ignore[index]  # an object


def test_sentences_for_people() -> None:
    """One sentence a line: quantity, price and amount, and why something is free."""
    of = replace(
        CITY,
        elements=(
            element(
                component(FLAT, "2"), component(TIME, "5", 300), only=Restrictions(reservation=Reservation.RESERVATION)
            ),
            *CITY.elements,
        ),
    )
    priced = price(of, stays(DAY, (13, "0", RESERVED), (30, "10.0005", CHARGING), (20, "0", PARKED)), time_zone="UTC")
    assert sentences(priced) == [
        "0.25 h (measured 0.216667 h) × 5 EUR/h = 1.25 EUR",
        "Reservation fee: 2 EUR",
        "10.001 kWh (measured 10.0005 kWh) × 0.39 EUR/kWh = 3.90039 EUR",
        "0.5 h of charging time: free",
        "Start fee: 0.5 EUR",
        "0.166667 h of idle time: free: the first minutes after charging cost nothing",
        "0.166667 h × 6 EUR/h = 1 EUR",
        "Down to the maximum price: -4.65039 EUR",
    ]
    assert session_explanation(priced)["lines"][1]["reservation"] is True  # type: ignore[index]  # a list


def test_2_1_1_prints_null_with_vat_and_a_minimum() -> None:
    """Where no VAT is known, none is printed; a capped line prints what is billed of it."""
    of = replace(
        tariff(element(component(PARKING, "7")), least=PriceLimit(Decimal(3)), idle=IdleRule(cap=Decimal(1))),
        ocpi_version=OcpiVersion.V2_1_1,
    )
    priced = price(of, stays(DAY, (60, "0", PARKED)), time_zone="UTC")
    explanation = session_explanation(priced)
    line, adjustment = explanation["lines"][0], explanation["adjustments"][0]  # type: ignore[index]  # lists
    assert (line["billed_quantity"], line["excl_vat"], line["incl_vat"]) == ("0.1428571429", "1", None)
    assert (adjustment["kind"], adjustment["excl_vat"], adjustment["incl_vat"]) == ("min_price", "2", None)
    assert adjustment["text"] == "Up to the minimum price: 2 EUR"

"""Every worked example of the OCPI texts (2.1.1, 2.2, 2.2.1-d2, 2.3.0), with the right number where a text is wrong.

Sources are files of ocpi/ocpi and their headings; `printed` is what a text says where it is rounded, wrong or
superseded, and why. The examples of 2.2.1 stand in 2.3.0 too, so they are priced as both.
"""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from tests.tariffs import ocpi_documents as ocpi
from tests.tariffs.building import Part, parked, reserved, session
from tests.tariffs.ocpi_documents import Document, always, eur, per, when

from voltway.kernel.errors import InvalidInput
from voltway.kernel.money import decimal_text
from voltway.tariffs.engine import price
from voltway.tariffs.model import Dimension, OcpiVersion
from voltway.tariffs.ocpi import parse_cdr, parse_tariff, tariff_document
from voltway.tariffs.priced import Priced
from voltway.tariffs.reprice import reprice
from voltway.tariffs.segments import cut_periods

MONDAY, SATURDAY = "2026-03-02", "2026-03-07"
NOON = f"{MONDAY}T12:00"
BOTH = (OcpiVersion.V2_2_1, OcpiVersion.V2_3_0)
OLD = (OcpiVersion.V2_1_1,)


class Example(NamedTuple):
    """One worked example: what the session costs, and what a text prints instead."""

    source: str
    tariff: Document
    parts: tuple[Part, ...]
    excl: str
    incl: str | None
    start: str = NOON
    expired: bool = False
    versions: tuple[OcpiVersion, ...] = BOTH
    printed: tuple[str, str] | None = None


CHARGED_20 = Part(60, "20")
TARIFFS = "mod_tariffs 2.2.1-d2, 2.3.0:"

EXAMPLES = (
    Example(f"{TARIFFS} Simple Tariff example 0.25 per kWh", ocpi.TARIFF_8, (CHARGED_20,), "5", "5.5"),
    Example(f"{TARIFFS} 0.25 per kWh + start fee", ocpi.TARIFF_9, (CHARGED_20,), "5.5", "6.1"),
    Example(f"{TARIFFS} minimum price, 20 kWh", ocpi.TARIFF_12, (CHARGED_20,), "5", "5.5"),
    Example(f"{TARIFFS} minimum price, less than 2 kWh", ocpi.TARIFF_12, (Part(9, "1.9"),), "0.5", "0.55"),
    Example(f"{TARIFFS} parking fee + start fee", ocpi.TARIFF_10, (CHARGED_20, parked(40)), "7", "7.9"),
    Example(f"{TARIFFS} max price, 50 kWh", ocpi.TARIFF_6, (Part(60, "50"),), "10", "11"),
    Example(f"{TARIFFS} max price, 30 kWh", ocpi.TARIFF_6, (Part(60, "30"),), "8", "8.85"),
    Example(f"{TARIFFS} 2 per hour", ocpi.TARIFF_1, (Part(150, "9"),), "5", "5.5"),
    Example(f"{TARIFFS} 2 per hour, parking is not billed", ocpi.TARIFF_1, (Part(150, "9"), parked(99)), "5", "5.5"),
    Example(f"{TARIFFS} PUT example (lacks last_updated)", ocpi.TARIFF_PUT, (Part(150),), "5", "5.5"),
    Example(f"{TARIFFS} 3 per hour, 5 per hour parking", ocpi.TARIFF_13, (Part(150), parked(42)), "11.25", "12.75"),
    Example(
        f"{TARIFFS} Ad-Hoc with multiple languages", ocpi.TARIFF_2, (Part(150),), "4.75", "4.997",
        printed=("5.00", "rounded for people"),
    ),
    Example(
        f"{TARIFFS} Ad-Hoc not possible with OCPI, an hour", ocpi.TARIFF_11, (Part(60),), "2.3", "2.4988",
        printed=("2.50", "2.00 an hour and 0.50, both rounded in the alternative text"),
    ),
    Example(
        f"{TARIFFS} alternative URL", ocpi.TARIFF_3, (Part(60, "20.45"),), "5.625", "6.2375",
        printed=("5.63", "rounded in the prose; the table of d1 prints 5.61 (note 45)"),
    ),
    Example(
        f"{TARIFFS} alternative URL, real-time price 0.22", ocpi.TARIFF_3_REAL, (Part(60, "20.45"),), "5.01", "5.561",
        printed=("5.56", "rounded"),
    ),
    Example(
        f"{TARIFFS} Complex Tariff, Monday", ocpi.TARIFF_4, (Part(165, current_a=16), parked(42)), "9", "10.3",
        start=f"{MONDAY}T09:30",
    ),
    Example(
        f"{TARIFFS} Complex Tariff, Saturday", ocpi.TARIFF_4, (Part(114, current_a=43), parked(71)), "12.375", "13.975",
        start=f"{SATURDAY}T13:30", printed=("12.28", "114 minutes at 1.25 are 2.375, not 2.28 (note 45)"),
    ),
    Example(f"{TARIFFS} Free of Charge", ocpi.TARIFF_5, (CHARGED_20, parked(600)), "0", "0"),
    Example(f"{TARIFFS} reservation price", ocpi.TARIFF_15, (reserved(15), CHARGED_20), "6.75", "7.6"),
    Example(f"{TARIFFS} reservation price and fee", ocpi.TARIFF_16, (reserved(13), CHARGED_20), "8.75", "10"),
    Example(f"{TARIFFS} reservation and expire fee, used", ocpi.TARIFF_17, (reserved(22), CHARGED_20), "6.5", "7.3"),
    Example(
        f"{TARIFFS} reservation and expire fee, expired", ocpi.TARIFF_17, (reserved(60),), "6", "7.2", expired=True,
    ),
    Example(f"{TARIFFS} reservation and expire time, used", ocpi.TARIFF_18, (reserved(22), CHARGED_20), "7", "7.9"),
    Example(
        f"{TARIFFS} reservation and expire time, expired", ocpi.TARIFF_18, (reserved(90),), "9", "10.8", expired=True,
    ),
    Example(
        f"{TARIFFS} max_power",
        ocpi.MAX_POWER,
        (Part(10, "1", power_kw=6), Part(50, "40", power_kw=48), Part(8, "0.5", power_kw=4)), "20.3", "24.36",
    ),
    Example(f"{TARIFFS} max_duration", ocpi.MAX_DURATION, (Part(30, "5"), Part(10, "1.2")), "0.3", "0.36"),
    Example(
        "examples/tariffrestriction_example_min_max_duration.json (no session given: 10 kWh in 75 minutes)",
        ocpi.MIN_MAX_DURATION, (Part(75, "10"),), "2.8", "3.36",
    ),
    Example(
        "mod_tariffs 2.3.0: North American, tax exclusive", ocpi.TARIFF_19, (Part(150),), "5", "5",
        versions=(OcpiVersion.V2_3_0,),
    ),
    Example(
        "mod_tariffs 2.3.0: North American, tax inclusive", ocpi.TARIFF_20, (Part(150),), "5.25", "5.25",
        versions=(OcpiVersion.V2_3_0,),
    ),
)  # fmt: skip

# Before 2.2.1-d2 the same sessions cost something else.
SUPERSEDED = (
    Example(
        "mod_tariffs 2.2-d1: Complex Tariff, Monday 147 minutes",
        ocpi.TARIFF_4, (Part(147, current_a=16), parked(42)), "8.7", "9.94", start=f"{MONDAY}T09:30",
        printed=("8.75", "each dimension was rounded on its own (note 2)"),
    ),
    Example(
        "mod_tariffs 2.2-d1: Complex Tariff, Saturday",
        ocpi.TARIFF_4, (Part(114, current_a=43), parked(71)), "12.375", "13.975", start=f"{SATURDAY}T13:30",
        printed=("12.50", "each dimension was rounded on its own (note 2)"),
    ),
    Example(
        "mod_tariffs 2.2-d2: First hour free, prose (4 hours), after 120 minutes of charging",
        ocpi.first_hour_free(14_400), (Part(120, "20"), parked(165)), "10.05", "10.05",
        printed=("7.30", "counts from the end of charging; durations run from the session's start (note 19)"),
    ),
    Example(
        "examples/tariff_7_first_hour_kwh_free.json (3 hours), after 120 minutes of charging",
        ocpi.first_hour_free(10_800), (Part(120, "20"), parked(165)), "11.05", "11.05",
        printed=("7.30", "counts from the end of charging (note 19)"),
    ),
)  # fmt: skip

STEP = "mod_tariffs PriceComponent:"
CDRS = "mod_cdrs CDR object, step_size:"
STEPPED = ocpi.TARIFF_14
BEFORE_17 = {"end_time": "17:00"}
DEARER_KWH = eur("1", when(BEFORE_17, per("ENERGY", "0.20", 500)), always(per("ENERGY", "0.27", 500)))
DEARER_HOURS = eur("1", when(BEFORE_17, per("TIME", "5", 600)), always(per("TIME", "7", 600)))


def stepped(kind: str, price: str, step_size: int) -> Document:
    """Build a tariff of one component without VAT."""
    return eur("1", always(per(kind, price, step_size)))


STEPS = (
    Example(f"{STEP} 115.2 Wh by 1", stepped("ENERGY", "0.25", 1), (Part(9, "0.1152"),), "0.029", "0.029"),
    *(
        Example(f"{STEP} {wh} Wh by {step}", stepped("ENERGY", "0.25", step), (Part(9, wh),), cost, cost,
                printed=("0.031", "rounded") if step == 25 else None)
        for wh, step, cost in (
            ("0.101", 25, "0.03125"), ("0.1152", 25, "0.03125"), ("0.125", 25, "0.03125"),
            ("0.001", 500, "0.125"), ("0.1152", 500, "0.125"), ("0.5", 500, "0.125"),
        )
    ),
    Example(f"{STEP} 6 minutes by 300 s are 10", stepped("TIME", "6", 300), (Part(6),), "1", "1"),
    Example(
        f"{STEP} 8 minutes parked by 300 s are 10", stepped("PARKING_TIME", "6", 300), (parked(8),), "1", "1"
    ),
    Example(
        f"{STEP} switching to different Tariff Element #1", STEPPED, (Part(10), parked(2)), "0.55", "0.55",
        start=f"{MONDAY}T16:55", printed=("0.383", "2.2-d2 rounded the total duration; 0.50 and 0.75 before (note 2)"),
    ),
    Example(
        f"{STEP} switching to different Tariff Element #2", STEPPED, (Part(35),), "1.3", "1.3",
        start=f"{MONDAY}T16:35", printed=("2.05", "a draft of 2.2 billed parking too"),
    ),
    Example(
        f"{STEP} switching to Free-of-Charge", STEPPED, (Part(12), parked(20)), "0.73", "0.73",
        start=f"{MONDAY}T19:40", printed=("0.80", "the table bills parking at 2.40 and charging at 1.20 (note 3)"),
    ),
    Example(
        "mod_tariffs 2.2-d1: switching to Free-of-Charge", STEPPED, (Part(10), parked(2)), "0.6", "0.6",
        start=f"{MONDAY}T19:55", printed=("0.85", "a draft of 2.2 billed free parking too"),
    ),
    Example(
        f"{CDRS} 4.3 + 1.1 kWh are billed as 5.5", DEARER_KWH, (Part(5, "4.3"), Part(5, "1.1")), "1.184", "1.184",
        start=f"{MONDAY}T16:55",
    ),
    Example(
        f"{CDRS} 6 + 22 minutes are billed as 30", DEARER_HOURS, (Part(6), Part(22)), "3.3", "3.3",
        start=f"{MONDAY}T16:54",
    ),
)  # fmt: skip

COMPLEX = "mod_tariffs 2.1.1: Complex Tariff"
FIRST = (
    Example("mod_tariffs 2.1.1: 2 euro per hour", ocpi.SIMPLE_2_1_1, (Part(150),), "5", None, versions=OLD),
    Example("mod_tariffs 2.1.1: PATCH to 2,50", ocpi.PATCHED_2_1_1, (Part(150),), "6.25", None, versions=OLD),
    Example("mod_tariffs 2.1.1: Free of Charge", ocpi.FREE_2_1_1, (CHARGED_20,), "0", None, versions=OLD),
    Example(
        f"{COMPLEX}, weekday, slow", ocpi.COMPLEX_2_1_1, (Part(165, power_kw=7), parked(42)), "9", None,
        start=f"{MONDAY}T09:30", versions=OLD,
    ),
    Example(
        f"{COMPLEX}, weekday, fast", ocpi.COMPLEX_2_1_1, (Part(61, power_kw=32),), "4.8333333333", None,
        start=f"{MONDAY}T09:30", versions=OLD,
    ),
    Example(
        f"{COMPLEX}, weekend, fast", ocpi.COMPLEX_2_1_1, (Part(114, power_kw=50), parked(71)), "12.375", None,
        start=f"{SATURDAY}T13:30", versions=OLD,
    ),
    Example(f"{COMPLEX}, power unknown", ocpi.COMPLEX_2_1_1, (Part(60),), "2.5", None, versions=OLD),
)  # fmt: skip

CASES = [
    pytest.param(example, version, id=f"{version}-{example.source}")
    for example in (*EXAMPLES, *SUPERSEDED, *STEPS, *FIRST)
    for version in example.versions
]


def priced(example: Example, version: OcpiVersion) -> Priced:
    """Price an example as a document of one version."""
    is_new = version is OcpiVersion.V2_3_0 and "tax_included" not in example.tariff
    of = parse_tariff(ocpi.as_2_3_0(example.tariff) if is_new else example.tariff, ocpi_version=version)
    periods = cut_periods(of, session(example.start, example.parts), time_zone="UTC")
    return price(of, periods, time_zone="UTC", reservation_expired=example.expired)


@pytest.mark.parametrize(("example", "version"), CASES)
def test_a_worked_example_of_ocpi(example: Example, version: OcpiVersion) -> None:
    """The total is what the text says; what it prints instead, rounded or superseded, is not the total."""
    total = priced(example, version).total
    assert decimal_text(total.excl_vat) == example.excl
    assert (None if total.incl_vat is None else decimal_text(total.incl_vat)) == example.incl
    if example.printed is not None:
        assert Fraction(example.printed[0]) not in total, example.printed[1]


@pytest.mark.parametrize(
    ("source", "tariff", "parts", "start", "expected"),
    [
        (
            "21 minutes and 7 of parking, both by 5 minutes",
            eur("1", always(per("TIME", "1", 300), per("PARKING_TIME", "2", 300))),
            (Part(21), parked(7)), NOON, {"TIME": ["21"], "PARKING_TIME": ["10"]},
        ),
        (
            "21 minutes and 16 of parking, both by 10 minutes, are 41",
            eur("1", always(per("TIME", "1", 600), per("PARKING_TIME", "2", 600))),
            (Part(21), parked(16)), NOON, {"TIME": ["21"], "PARKING_TIME": ["20"]},
        ),
        (
            "6 minutes before 17:00 and 22 after it are 30, so 24 after it",
            DEARER_HOURS, (Part(6), Part(22)), f"{MONDAY}T16:54", {"TIME": ["6", "24"]},
        ),
        (
            "4.3 kWh before 17:00 and 1.1 after it are 5.5",
            DEARER_KWH, (Part(30, "4.3"), Part(30, "1.1")), f"{MONDAY}T16:30", {"ENERGY": ["4.3", "1.2"]},
        ),
        (
            "the step before 17:00 is not used when charging ends after it",
            STEPPED, (Part(25), Part(10)), f"{MONDAY}T16:35", {"TIME": ["25", "20"]},
        ),
    ],
)  # fmt: skip
def test_what_a_step_size_bills(
    source: str, tariff: Document, parts: tuple[Part, ...], start: str, expected: dict[str, list[str]]
) -> None:
    """The sentences of mod_cdrs on step_size (2.2.1-d2 and 2.3.0) name quantities: kWh, and here minutes."""
    example = Example(source, tariff, parts, "", None, start=start)
    lines = list(priced(example, OcpiVersion.V2_2_1).lines())
    for named, quantities in expected.items():
        dimension = Dimension(named)
        unit = 1 if dimension is Dimension.ENERGY else 60
        billed = [decimal_text(line.billed_exact * unit) for line in lines if line.rate.dimension is dimension]
        assert billed == quantities, source


OWNER: Document = {"country_code": "BE", "party_id": "BEC"}
TAXED = eur("12", always(per("TIME", "2.00", 300, "10")))
NEW_COST = {"before_taxes": Decimal("4.00"), "taxes": [{"name": "VAT", "amount": Decimal("0.40")}]}


@pytest.mark.parametrize(
    ("version", "document", "incl"),
    [
        (OcpiVersion.V2_1_1, ocpi.cdr_example(2015, {}, ocpi.SIMPLE_2_1_1, Decimal("4.00")), None),
        (OcpiVersion.V2_2_1, ocpi.cdr_example(2015, OWNER, TAXED, ocpi.limit("4.00", "4.40")), "4.4"),
        (OcpiVersion.V2_3_0, ocpi.cdr_example(2024, OWNER, TAXED, NEW_COST), "4.4"),
    ],
)
def test_the_cdr_example_of_each_version(version: OcpiVersion, document: Document, incl: str | None) -> None:
    """1:58:23 at 2.00 an hour by 5 minutes is 4.00; the tariff in 2.3.0's CDR forgets `tax_included`.

    The energy that is told but in no period is a warning (mod_cdrs, Example of a CDR; billing notes 42 and 45).
    """
    repriced = reprice(parse_cdr(document))
    total = repriced.priced.total
    assert repriced.cdr.ocpi_version is version
    assert decimal_text(total.excl_vat) == "4"
    assert (None if total.incl_vat is None else decimal_text(total.incl_vat)) == incl
    assert ("total_differs", "/total_energy") in {(warning.code, warning.path) for warning in repriced.warnings}
    assert not any(warning.path.startswith("/total_cost") for warning in repriced.warnings)


def test_the_price_in_the_cdr_example_of_2_1_1_is_a_text() -> None:
    """`"price": "2.00"` (mod_cdrs 2.1.1, Example of a CDR) is read in 2.1.1 and kept; later versions refuse it."""
    tariff = {**ocpi.SIMPLE_2_1_1, "elements": [always({"type": "TIME", "price": "2.00", "step_size": 300})]}
    example = ocpi.cdr_example(2015, {}, tariff, Decimal("4.00"))
    read = parse_cdr(example).tariffs[0]
    assert read.elements[0].components[0].price == 2
    assert tariff_document(read) == tariff
    with pytest.raises(InvalidInput) as caught:
        parse_cdr(example, ocpi_version=OcpiVersion.V2_2_1)
    assert [fault.pointer for fault in caught.value.faults] == ["/tariffs/0/elements/0/price_components/0/price"]
    assert caught.value.faults[0].message == "price must be a JSON number without quotes"

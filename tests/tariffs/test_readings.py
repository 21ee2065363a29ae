"""Which reading explains a partner's total: each one has a session in which it alone does (billing note 41)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs import ocpi_documents as ocpi
from tests.tariffs.ocpi_documents import Document, always, eur, per, when
from tests.tariffs.partner_cdrs import Metered, cdr, period, repriced

from voltway.kernel.money import decimal_text
from voltway.tariffs.ocpi import parse_cdr, parse_tariff
from voltway.tariffs.readings import Reading, explaining
from voltway.tariffs.reprice import Repriced, reprice


class Case(NamedTuple):
    """One row: where the other reading is from, a session, our price and the partner's, both without VAT."""

    source: str
    reading: Reading
    tariff: Document
    end: str
    periods: tuple[Metered, ...]
    ours: str
    claim: str
    more: Mapping[str, object] = {}


def of(*components: Document, **more: object) -> Document:
    """Build a tariff of one element."""
    return eur("T", always(*components), **more)


def charged(start: str, hours: str) -> Metered:
    """Build a period of charging time."""
    return start, {"TIME": hours}


def idle(start: str, hours: str) -> Metered:
    """Build a period of parking."""
    return start, {"PARKING_TIME": hours}


def energy(start: str, kwh: str) -> Metered:
    """Build a period of energy."""
    return start, {"ENERGY": kwh}


QUARTERS = of(per("TIME", "1", 900), per("PARKING_TIME", "1", 900))
TWO_STEPS = of(per("TIME", "1.20", 1800), per("PARKING_TIME", "1.00", 900))
HALF_KWH = of(per("ENERGY", "0.20", 500))
TWO_KWH = eur(
    "T", when({"end_time": "17:00"}, per("ENERGY", "0.20", 500)), always(per("ENERGY", "0.30", 500))
)  # fmt: skip
FLATS = eur(
    "T",
    when({"max_duration": 1800}, per("FLAT", "1", 1)),
    when({"min_duration": 1800}, per("FLAT", "5", 1), per("ENERGY", "0", 1)),
    when({"min_kwh": 50}, per("FLAT", "70", 1)),
)
RESERVED_FLATS = eur(
    "T",
    when({**ocpi.RESERVED, "max_duration": 600}, per("FLAT", "1", 1)),
    when({**ocpi.RESERVED, "min_duration": 600}, per("FLAT", "2", 1)),
)
RESERVED_HOURS = eur("T", when(ocpi.RESERVED, per("TIME", "3", 0)))
GROSS = of(per("ENERGY", "0.4641", 1, "19"), tax_included="YES")
NET = of(per("ENERGY", "0.4641", 1, "19"), tax_included="NO")
IDLE = of(per("PARKING_TIME", "6", 900))
SWITCH_1 = (charged("16:55", "0.0833"), charged("17:00", "0.0833"), idle("17:05", "0.0333"))
TO_FREE = (charged("19:40", "0.2"), idle("19:52", "0.1333"), idle("20:00", "0.2"))
LONG_PARKED = (
    ("12:00", {"ENERGY": "1", "TIME": "0.1"}), ("12:06", {"ENERGY": "19", "TIME": "1.9"}),
    idle("14:00", "1"), idle("15:00", "1"), idle("16:00", "0.75"),
)  # fmt: skip
THIRDS = (charged("12:00", "0.3333"), charged("12:20", "0.3333"), charged("12:40", "0.3334"))

CASES = (
    Case("2: switch #1, the total duration of 2.2-d2", Reading.STEP_TOTAL_DURATION, ocpi.TARIFF_14, "17:07", SWITCH_1,
         "0.55", "0.383"),
    Case("2: as an amount of cents", Reading.STEP_TOTAL_DURATION, ocpi.TARIFF_14, "17:07", SWITCH_1, "0.55", "0.38"),
    Case("3: 0.78 is the 2.2 reading", Reading.STEP_TOTAL_DURATION, ocpi.TARIFF_14, "20:12", TO_FREE, "0.73", "0.78"),
    Case("4: park first, then charge: the last absorbs", Reading.STEP_LAST_ABSORBS, TWO_STEPS, "12:12",
         (idle("12:00", "0.0333"), charged("12:02", "0.1667")), "0.45", "0.6333"),
    Case("2: OCPI #175, each on its own", Reading.STEP_EACH, QUARTERS, "12:04",
         (charged("12:00", "0.0333"), idle("12:02", "0.0333")), "0.2833333333", "0.50"),
    Case("3: OCPI #546, each on its own", Reading.STEP_EACH, ocpi.TARIFF_14, "20:12", TO_FREE, "0.73", "0.85"),
    Case("1: per component", Reading.STEP_EACH, ocpi.TARIFF_14, "17:05", SWITCH_1[:2], "0.5", "1.2"),
    Case("1: per period", Reading.STEP_EACH, HALF_KWH, "13:00", (energy("12:00", "4.3"), energy("12:30", "1.1")),
         "1.1", "1.2"),
    Case("9: OCPI 3.0 has no step size", Reading.STEP_NONE, TWO_KWH, "17:30",
         (energy("16:30", "4.3"), energy("17:00", "1.1")), "1.22", "1.19"),
    Case("9: reserved time neither", Reading.STEP_NONE, ocpi.TARIFF_18, "12:11",
         (("12:00", {"RESERVATION_TIME": "0.1833"}),), "1", "0.55"),
    Case("7: 0.6667 h buys another block", Reading.TIME_BY_VOLUMES, of(per("TIME", "3", 600)), "12:40",
         (charged("12:00", "0.6667"),), "2", "2.50"),
    Case("7: switch #1 by its volumes", Reading.TIME_BY_VOLUMES, ocpi.TARIFF_14, "17:07", SWITCH_1, "0.55", "0.54988"),
    Case("7: a reservation by its volume", Reading.TIME_BY_VOLUMES, RESERVED_HOURS, "12:30",
         (("12:00", {"RESERVATION_TIME": "0.3333"}), charged("12:20", "0.1667")), "1", "0.9999"),
    Case("19: the first hour of parking free, 7.30", Reading.DURATION_FROM_PARKING, ocpi.first_hour_free(14_400),
         "16:45", LONG_PARKED, "10.05", "7.30"),
    Case("19: the last idle stretch counts", Reading.DURATION_FROM_PARKING,
         eur("T", when({"min_duration": 1800}, per("PARKING_TIME", "6", 0))), "14:30",
         (idle("12:00", "0.25"), charged("12:15", "1"), idle("13:15", "0.5"), idle("13:45", "0.75")), "7.5", "4.5"),
    Case("21: OCPI #176, every FLAT", Reading.FLAT_EACH_ELEMENT, FLATS, "13:00",
         (charged("12:00", "0.5"), charged("12:30", "0.5")), "1", "6"),
    Case("21: every FLAT of a reservation", Reading.FLAT_EACH_ELEMENT, RESERVED_FLATS, "12:30",
         (("12:00", {"RESERVATION_TIME": "0.1667"}), ("12:10", {"RESERVATION_TIME": "0.3333"})), "1", "3"),
    Case("28: rounded lines", Reading.ROUNDED_LINES, of(per("TIME", "1", 0)), "13:00", THIRDS, "1", "0.99"),
    Case("28: rounded totals of the dimensions", Reading.ROUNDED_LINES, of(per("FLAT", "0.336", 1),
         per("ENERGY", "1", 0)), "13:00", tuple(energy(f"12:{minute}", "0.112") for minute in (10, 20, 30)), "0.672",
         "0.68"),
)  # fmt: skip


def priced(case: Case) -> Repriced:
    """Price the CDR of a case with what the partner claims."""
    claim = {"excl_vat": Decimal(case.claim)}
    return repriced(case.tariff, case.end, *case.periods, total_cost=claim, **case.more)


def explained(found: Repriced) -> tuple[Reading, ...]:
    """Explain the claim by the CDR's own tariffs."""
    return explaining(found, found.cdr.tariffs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"note {case.source}")
def test_one_reading_explains_a_claim(case: Case) -> None:
    """Billing notes 2, 3, 4, 7, 9, 19, 21 and 28: our total, the partner's, and the rule between them."""
    found = priced(case)
    assert decimal_text(found.priced.total.excl_vat) == case.ours
    assert explained(found) == (case.reading,)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"note {case.source}")
def test_a_credit_is_explained_as_its_session(case: Case) -> None:
    """Billing note 38: a credit CDR claims the negative total."""
    negative = case._replace(claim=f"-{case.claim}", more={"credit": True})
    assert explained(priced(negative)) == (case.reading,)


@pytest.mark.parametrize(
    ("tariff", "before", "tax", "readings"),
    [
        (GROSS, "4.64", "0.88", (Reading.VAT_ADDED_TO_GROSS,)),
        (GROSS, "4.64", "0.74", ()),
        (GROSS, "3.90", "0.74", ()),
        (NET, "3.90", "0.74", (Reading.NET_AS_GROSS,)),
        (NET, "4.64", "0.88", ()),
        (NET, "5.52", "1.05", ()),
    ],
)
def test_prices_with_and_without_vat_are_mixed_up(
    tariff: Document, before: str, tax: str, readings: tuple[Reading, ...]
) -> None:
    """Billing note 31: 10 kWh at 0.4641 are 3.90 + 0.74 with tax_included YES, 4.64 + 0.88 with NO."""
    cost = {"before_taxes": Decimal(before), "taxes": [{"name": "VAT", "amount": Decimal(tax)}]}
    assert explained(repriced(tariff, "13:00", energy("12:00", "10"), total_cost=cost)) == readings


@pytest.mark.parametrize(
    ("why", "claims"),
    [
        ("no claim", {}),
        ("our own total", {"total_cost": {"excl_vat": Decimal("0.55")}}),
        ("our own total on both sides", {"total_cost": {"excl_vat": Decimal("0.55"), "incl_vat": Decimal("0.55")}}),
        ("a total that no reading gives", {"total_cost": {"excl_vat": Decimal(99)}}),
        ("the other side is nobody's", {"total_cost": {"excl_vat": Decimal("0.383"), "incl_vat": Decimal(1)}}),
    ],
)
def test_nothing_is_explained_without_a_known_reading(why: str, claims: Document) -> None:
    """Billing note 41: a name is given only where the numbers meet."""
    assert explained(repriced(ocpi.TARIFF_14, "17:07", *SWITCH_1, **claims)) == (), why


def test_a_side_that_the_tariff_cannot_have_is_not_compared() -> None:
    """OCPI 2.1.1 has no VAT: a claim with one is judged by the other side."""
    old = ocpi.as_2_1_1(ocpi.TARIFF_14)
    claims = {"total_cost": {"excl_vat": Decimal("0.383"), "incl_vat": Decimal("0.46")}}
    document = cdr([old], "17:07", *(period(*item) for item in SWITCH_1), **claims)
    found = reprice(parse_cdr({key: item for key, item in document.items() if key != "country_code"}))
    assert not found.priced.has_vat
    assert explained(found) == (Reading.STEP_TOTAL_DURATION,)


@pytest.mark.parametrize(
    ("limit", "claim", "readings"),
    [
        ({"max_price": {"excl_vat": Decimal("0.4")}}, "0.4", (Reading.STEP_EACH,)),
        ({"max_price": {"excl_vat": Decimal("0.4")}}, "0.5", ()),
        ({"min_price": {"excl_vat": Decimal("0.3")}}, "0.25", ()),
    ],
)
def test_limits_hold_in_every_reading(limit: Document, claim: str, readings: tuple[Reading, ...]) -> None:
    """Billing note 30: a partner with another rule for steps has the same least and greatest price."""
    case = CASES[4]._replace(tariff={**QUARTERS, **limit}, claim=claim)
    assert explained(priced(case)) == readings


def test_rounded_lines_do_not_matter_at_a_limit() -> None:
    """Billing notes 28 and 30: three rounded thirds are 0.99, and the least price of 1.50 makes nothing of them."""
    least = of(per("TIME", "1", 0), min_price={"excl_vat": Decimal("1.5")})
    assert explained(repriced(least, "13:00", *THIRDS, total_cost={"excl_vat": Decimal("0.99")})) == ()


@pytest.mark.parametrize(("claim", "readings"), [("2", (Reading.STEP_EACH,)), ("3", ())])
def test_our_cap_holds_in_every_reading(claim: str, readings: tuple[Reading, ...]) -> None:
    """Billing note 25: two blocks of a quarter instead of one are 3.00, capped to 2.00; each has its own minutes."""
    capped = parse_tariff(IDLE, extension={"idle": {"cap": Decimal(2)}})
    periods = (idle("12:00", "0.0333"), charged("12:02", "1"), idle("13:02", "0.0333"))
    document = cdr([], "13:04", *(period(*item) for item in periods), total_cost={"excl_vat": Decimal(claim)})
    found = reprice(parse_cdr(document), [capped])
    assert decimal_text(found.priced.total.excl_vat) == "1.5"
    assert explaining(found, [capped]) == readings


def test_surpluses_take_the_price_of_their_own_tariff() -> None:
    """Billing notes 1 and 37: where periods name two tariffs, each line is rounded at its own price and VAT."""
    day, night = (
        {**of(per("ENERGY", price, 500, vat)), "id": name} for name, price, vat in (("D", "1", "10"), ("N", "2", "20"))
    )
    periods = (
        period("12:00", {"ENERGY": "4.3"}, tariff_id="D"), period("12:30", {"ENERGY": "1.1"}, tariff_id="N"),
    )  # fmt: skip
    claim = {"excl_vat": Decimal("7.5"), "incl_vat": Decimal("8.55")}
    found = reprice(parse_cdr(cdr([day, night], "13:00", *periods, total_cost=claim)))
    assert decimal_text(found.priced.total.excl_vat) == "6.7"
    assert explained(found) == (Reading.STEP_EACH,)


def test_several_readings_may_give_one_total() -> None:
    """Billing notes 1 and 28: what cannot be told apart is all named, in the order of the enumeration."""
    found = repriced(HALF_KWH, "13:00", energy("12:00", "0.42"), energy("12:30", "0.42"), total_cost=Decimal("0.17"))
    assert decimal_text(found.priced.total.excl_vat) == "0.2"
    assert explained(found) == (Reading.STEP_NONE,)
    same = repriced(QUARTERS, "12:20", charged("12:00", "0.1667"), idle("12:10", "0.1667"),
                    total_cost={"excl_vat": Decimal("0.50")})  # fmt: skip
    assert explained(same) == (Reading.STEP_TOTAL_DURATION, Reading.STEP_EACH)


@given(st.permutations(LONG_PARKED), st.sampled_from(["7.30", "10.05", "8", "7.27"]))
def test_the_order_of_periods_explains_nothing(periods: list[Metered], claim: str) -> None:
    """Billing note 42: unsorted periods give the same readings as sorted ones."""
    documents = [period(*item) for item in periods]
    document = cdr([ocpi.first_hour_free(14_400)], "16:45", *documents, total_cost={"excl_vat": Decimal(claim)})
    found = reprice(parse_cdr({**document, "start_date_time": period(*LONG_PARKED[0])["start_date_time"]}))
    assert explained(found) == ((Reading.DURATION_FROM_PARKING,) if claim == "7.30" else ())


@pytest.mark.parametrize("reading", Reading)
def test_each_reading_has_words(reading: Reading) -> None:
    """Billing note 41: the warning says it in a sentence that begins with "It is what one gets if"."""
    assert reading.condition
    assert not reading.condition.endswith(".")

"""Billing notes 25 to 31, 35, 37, 41 to 43 and 45: idle fees, VAT, limits, rounding, claims of partners, one function.

Note 37 (the tariff of the start is sealed) is proven where it happens: tests/tariffs/test_intake.py,
test_the_version_of_the_start_s_time_is_sealed, and tests/sessions/test_finalise.py, which bills by it.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import pytest
from tests.tariffs import ocpi_documents as ocpi
from tests.tariffs.building import BERLIN, Part, cdr_head, parked, reserved, session
from tests.tariffs.ocpi_documents import Document, always, eur, per, when

from voltway.kernel.errors import InvalidInput
from voltway.kernel.money import RoundingRule, decimal_text, round_to_minor
from voltway.tariffs.engine import price
from voltway.tariffs.explain import price_document, session_explanation
from voltway.tariffs.lint import RuleSet, lint_tariff
from voltway.tariffs.model import Dimension, OcpiVersion, Tariff
from voltway.tariffs.ocpi import cdr_document, dumps, loads, parse_cdr, parse_tariff
from voltway.tariffs.price_text import Wording, price_text
from voltway.tariffs.price_text_words import Language
from voltway.tariffs.priced import Priced
from voltway.tariffs.reprice import reprice
from voltway.tariffs.segments import another_hour, cut_periods, next_hour

MONDAY = "2026-03-02"
TEN = f"{MONDAY}T10:00"
KWH_10 = Part(60, "10")
NIGHT: Document = {"start_time": "22:00", "end_time": "06:00"}
IDLE = eur("T", always(per("ENERGY", "0.39", 1, "19"), per("PARKING_TIME", "6", 1, "19")))


class Case(NamedTuple):
    """One row: the note and its claim, a tariff and our extension, a session, its price without and with VAT."""

    claim: str
    tariff: Document
    parts: tuple[Part, ...]
    excl: str
    incl: str | None
    extension: Document | None = None
    start: str = TEN
    version: OcpiVersion = OcpiVersion.V2_2_1

    def read(self) -> Tariff:
        """Return the tariff."""
        return parse_tariff(self.tariff, ocpi_version=self.version, extension=self.extension)


def priced(case: Case) -> Priced:
    """Price a case on periods cut by our segmentation."""
    tariff = case.read()
    return price(tariff, cut_periods(tariff, session(case.start, case.parts), time_zone="UTC"), time_zone="UTC")


def taxed(kind: str, amount: str, vat: str | None, **more: object) -> Document:
    """Build a tariff of one component with a VAT rate."""
    return eur("T", always(per(kind, amount, 1, vat)), **more)


def idle(**rule: object) -> Document:
    """Build our extension with an idle rule."""
    return {"idle": rule}


def new_limit(before: str, after: str | None = None) -> Document:
    """Build OCPI 2.3.0's PriceLimit."""
    sides: Document = {"before_taxes": Decimal(before)}
    return sides if after is None else sides | {"after_taxes": Decimal(after)}


def included(answer: str, vat: str | None = "19") -> Document:
    """Build a 2.3.0 tariff at 0.4641 a kWh with its `tax_included`."""
    return taxed("ENERGY", "0.4641", vat, tax_included=answer)


GRACE, CAP = 900, Decimal(5)
NEW = OcpiVersion.V2_3_0
TWO_RATES = eur("T", always(per("FLAT", "1", 1, "0"), per("ENERGY", "0.5", 1, "20")))

CASES = (
    Case("25: the grace is free, from the front", IDLE, (parked(37),), "2.2", "2.618", idle(grace_s=GRACE)),
    Case("25: shorter than the grace", IDLE, (parked(15),), "0", "0", idle(grace_s=GRACE)),
    Case("25: once per session, what is left of it goes on", IDLE, (parked(10), Part(5, "0"), parked(10)), "0.5",
         "0.595", idle(grace_s=GRACE)),
    Case("25: charging again ends the idle time", IDLE, (parked(20), KWH_10), "4.4", "5.236", idle(grace_s=GRACE)),
    Case("25: exempt windows", IDLE, (parked(120),), "6", "7.14", idle(exempt=[NIGHT]), f"{MONDAY}T21:00"),
    Case("25: the grace runs on in them", IDLE, (parked(120),), "6", "7.14", idle(grace_s=GRACE, exempt=[NIGHT]),
         f"{MONDAY}T05:00"),
    Case("26: 10:00 to 10:37, 0.10 a minute behind 15", IDLE, (parked(37),), "2.2", "2.618",
         idle(grace_s=GRACE, cap=CAP)),
    Case("26: to 11:30, 7.50 capped to 5.00", IDLE, (parked(90),), "5", "5.95", idle(grace_s=GRACE, cap=CAP)),
    Case("26: the cap is for idle fees alone", IDLE, (KWH_10, parked(90)), "8.9", "10.591",
         idle(grace_s=GRACE, cap=CAP)),
    Case("27: nothing is rounded inside", taxed("TIME", "1", None), (Part(20), Part(20), Part(20)), "1", "1"),
    Case("28: 10.005 kWh (note 33's worked case)", taxed("ENERGY", "0.39", "19"), (Part(60, "10.005"),), "3.90195",
         "4.6433205"),
    Case("29: an omitted VAT adds nothing", taxed("ENERGY", "1", None), (KWH_10,), "10", "10"),
    Case("29: a zero rate adds nothing", taxed("ENERGY", "1", "0"), (KWH_10,), "10", "10"),
    Case("29: per component", TWO_RATES, (KWH_10,), "6", "7"),
    Case("29: 2.1.1 has no side with VAT", ocpi.SIMPLE_2_1_1, (KWH_10,), "2", None, version=OcpiVersion.V2_1_1),
    Case("30: only the side without VAT is reached", {**TWO_RATES, "min_price": ocpi.limit("6.5", "6.9")}, (KWH_10,),
         "6.5", "7"),
    Case("30: only the side with VAT is reached", {**TWO_RATES, "max_price": ocpi.limit("6.5", "6.9")}, (KWH_10,), "6",
         "6.9"),
    Case("30: both", {**TWO_RATES, "max_price": ocpi.limit("5", "5.5")}, (KWH_10,), "5", "5.5"),
    Case("30: before_taxes alone: the tax follows the capped base",
         {**TWO_RATES, "tax_included": "NO", "max_price": new_limit("3")}, (KWH_10,), "3", "3.5", version=NEW),
    Case("30: the least price of nothing has no tax",
         {**taxed("ENERGY", "1", "19"), "tax_included": "NO", "min_price": new_limit("2")}, (Part(60),), "2", "2",
         version=NEW),
    Case("31: tax_included YES: the price is gross", included("YES"), (KWH_10,), "3.9", "4.641", version=NEW),
    Case("31: NO: the price is net", included("NO"), (KWH_10,), "4.641", "5.52279", version=NEW),
    Case("31: N/A: no tax at all", included("N/A"), (KWH_10,), "4.641", "4.641", version=NEW),
    Case("31: YES without a rate", included("YES", None), (KWH_10,), "4.641", "4.641", version=NEW),
    Case("45: the tariff PUT example lacks last_updated", ocpi.TARIFF_PUT, (Part(150),), "5", "5.5"),
    Case("45: the table of alt_url says 5.61 and 6.22", ocpi.TARIFF_3, (Part(60, "20.45"),), "5.625", "6.2375"),
    Case("45: 2.3.0's tariffs without tax_included are net", TWO_RATES, (KWH_10,), "6", "7", version=NEW),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"note {case.claim}")
def test_a_billing_note(case: Case) -> None:
    """The price that the note names, or that follows from its rule."""
    total = priced(case).total
    assert decimal_text(total.excl_vat) == case.excl
    assert (None if total.incl_vat is None else decimal_text(total.incl_vat)) == case.incl


def cdr_of(tariff: Tariff, found: Priced, *, version: OcpiVersion = OcpiVersion.V2_2_1) -> Mapping[str, object]:
    """Write the CDR of a priced session, with the zone of its place."""
    head = cdr_head(found.periods[0].start, max(period.end for period in found.periods), time_zone="UTC")
    document = loads(dumps(cdr_document(head, found, tariff, ocpi_version=version)))
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"note 26, by {case.claim}")
def test_a_partner_gets_our_total_from_the_cdr_alone(case: Case) -> None:
    """Billing notes 26 and 43: grace, exempt windows and cap are periods of a second tariff in the CDR."""
    found = priced(case)
    repriced = reprice(parse_cdr(cdr_of(case.read(), found, version=case.version)))
    assert repriced.priced.total == found.total
    # Our volumes are differences of rounded running sums: a third of an hour may be 0.3334, a little more than half
    # a unit of the fourth decimal off. The instants are taken.
    assert {warning.code for warning in repriced.warnings} <= {"time_volume_differs"}


@pytest.mark.parametrize(
    ("exact", "currency", "minor"),
    [
        ("3.905", "EUR", 391),
        ("3.9049", "EUR", 390),
        ("-3.905", "EUR", -391),
        ("390.5", "JPY", 391),
        ("3.9005", "KWD", 3901),
    ],
)
def test_cents_are_rounded_once_half_up(exact: str, currency: str, minor: int) -> None:
    """Billing note 27: by the currency's minor unit, at the invoice line alone (JPY 0, EUR 2, KWD 3)."""
    assert round_to_minor(Decimal(exact), currency, RoundingRule.LINE_HALF_UP).minor == minor


def test_rounded_lines_are_not_the_rounded_sum() -> None:
    """Billing note 28: 3 x 3.90195 are 11.70 as lines and 11.71 as a sum; what we print adds up to what we print."""
    line = Fraction("3.90195")
    cents = round_to_minor(line, "EUR", RoundingRule.LINE_HALF_UP).minor
    assert (3 * cents, round_to_minor(3 * line, "EUR", RoundingRule.LINE_HALF_UP).minor) == (1170, 1171)
    changing = eur("T", when({"max_duration": 600}, per("TIME", "1", 0)), always(per("TIME", "2", 0)))
    found = priced(Case("28", changing, (Part(10), Part(10)), "0.5", "0.5"))
    lines = _items(session_explanation(found), "lines")
    shown = [Decimal(str(item["excl_vat"])) for item in lines if item["dimension"] == "TIME"]
    assert shown == [Decimal("0.1666666667"), Decimal("0.3333333333")]
    assert sum(shown) == Decimal(decimal_text(found.total.excl_vat))


def test_an_omitted_vat_is_not_a_zero_rate() -> None:
    """Billing note 29: both add nothing and are told apart, since an invoice has two categories for them."""
    tariff = eur("T", always(per("ENERGY", "1", 1), per("TIME", "1", 1, "0")))
    period = _items(price_document(priced(Case("29", tariff, (KWH_10,), "11", "11"))), "periods")[0]
    assert {item["dimension"]: item["vat"] for item in _items(period, "lines")} == {"ENERGY": None, "TIME": "0"}


def test_a_limit_is_a_line_of_its_own_and_spreads_over_the_rates() -> None:
    """Billing note 30: the lines stay, the adjustment is beside them; in a 2.3.0 CDR each tax gets its share."""
    tariff = {**TWO_RATES, "tax_included": "NO", "max_price": new_limit("3")}
    tariff["elements"] = [always(per("FLAT", "1", 1, "10"), per("ENERGY", "0.5", 1, "20"))]
    case = Case("30", tariff, (KWH_10,), "3", "3.55", version=NEW)
    found = priced(case)
    (adjustment,) = found.adjustments
    assert (adjustment.kind.value, adjustment.excl_vat, adjustment.incl_vat) == (
        "max_price",
        Fraction(-3),
        Fraction("-3.55"),
    )
    total = cdr_of(case.read(), found, version=NEW)["total_cost"]
    assert isinstance(total, dict)
    assert total["before_taxes"] == 3
    assert [tax["amount"] for tax in total["taxes"]] == [Decimal("0.05"), Decimal("0.5")]


@pytest.mark.parametrize("answer", ["YES", "NO", "N/A"])
def test_taxes_are_the_difference(answer: str) -> None:
    """Billing note 31: `before_taxes` and its taxes sum to the gross price; 2.3.0 knows no excl_vat."""
    case = Case("31", included(answer), (KWH_10,), "", None, version=NEW)
    found = priced(case)
    total = cdr_of(case.read(), found, version=NEW)["total_cost"]
    assert isinstance(total, dict)
    assert "excl_vat" not in total
    assert found.total.incl_vat is not None
    assert total["before_taxes"] + sum(tax["amount"] for tax in total["taxes"]) == Decimal(
        decimal_text(found.total.incl_vat, 4)
    )


UNORDERED = eur(
    "T", always(per("FLAT", "1", 1), per("PARKING_TIME", "6", 1), per("TIME", "3", 1), per("ENERGY", "1", 1))
)


@pytest.mark.parametrize("language", Language)
def test_the_components_are_read_in_the_order_of_the_law(language: Language) -> None:
    """Billing note 35 (AFIR Art. 5): kWh, minute, session, then the others, however the tariff lists them."""
    text = price_text(parse_tariff(UNORDERED), Wording(language), at=session(TEN, [KWH_10])[0].start, time_zone="UTC")
    named = [line.dimension.value for line in text.lines]
    order = ["ENERGY", "TIME", "FLAT", "PARKING_TIME"]
    assert [name for name in named if name in order] == order


@pytest.mark.parametrize(
    ("tariff", "codes"),
    [
        (UNORDERED, {"component_order", "ad_hoc_not_per_kwh"}),
        (eur("T", always(per("TIME", "3", 1))), {"ad_hoc_not_per_kwh"}),
        (eur("T", always(per("ENERGY", "0.5", 1), per("PARKING_TIME", "6", 1))), set()),
    ],
)
def test_ad_hoc_prices_are_per_kwh(tariff: Document, codes: set[str]) -> None:
    """Billing note 35: at most an occupancy fee beside the price of a kWh; the linter says so under `afir` only."""
    by_law = {"component_order", "ad_hoc_not_per_kwh"}
    assert {item.code for item in lint_tariff(tariff, rules=[RuleSet.AFIR]).findings} & by_law == codes
    assert not {item.code for item in lint_tariff(tariff).findings} & by_law


def partner_cdr(tariffs: list[Document], periods: list[Document], **more: object) -> Document:
    """Build a partner's CDR of 10:00 to 12:00."""
    return {
        "country_code": "DE",
        "start_date_time": f"{TEN}:00Z",
        "end_date_time": f"{MONDAY}T12:00:00Z",
        "currency": "EUR",
        "tariffs": tariffs,
        "charging_periods": periods,
        **more,
    }


def metered(start: str, **volumes: str) -> Document:
    """Build a period of a partner's CDR."""
    dimensions = [{"type": kind, "volume": Decimal(volume)} for kind, volume in volumes.items()]
    return {"start_date_time": f"{MONDAY}T{start}:00Z", "dimensions": dimensions}


PLAIN = taxed("ENERGY", "0.5", "20")
HOURS = [metered("10:00", ENERGY="6", TIME="1"), metered("11:00", ENERGY="4", TIME="1")]


def test_the_tariff_of_the_start_holds() -> None:
    """Billing note 37 (#165, #326): another tariff that becomes valid during the session changes nothing."""
    old = {**PLAIN, "id": "OLD", "end_date_time": f"{MONDAY}T10:30:00Z"}
    new = {**taxed("ENERGY", "9", "20"), "id": "NEW", "start_date_time": f"{MONDAY}T10:30:00Z"}
    for tariffs in ([old, new], [new, old]):
        repriced = reprice(parse_cdr(partner_cdr(tariffs, HOURS)))
        assert decimal_text(repriced.priced.total.excl_vat) == "5"
    with pytest.raises(InvalidInput, match="cannot be priced"):
        reprice(parse_cdr(partner_cdr([new], HOURS)))


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({"total_cost": ocpi.limit("5", "6"), "total_energy": 10, "total_time": 2}, []),
        ({"total_cost": ocpi.limit("5.004", "6")}, ["/total_cost"]),
        ({"total_cost": ocpi.limit("5.00", "6.01")}, ["/total_cost"]),
        ({"total_cost": ocpi.limit("99", "99")}, ["/total_cost"] * 2),
        ({"total_energy_cost": ocpi.limit("4", "6")}, ["/total_energy_cost"]),
        ({"total_energy": Decimal("10.5")}, ["/total_energy"]),
        ({"total_time": 3}, ["/total_time"]),
        ({"total_parking_time": 1}, ["/total_parking_time"]),
    ],
)
def test_totals_of_a_partner_are_claims(claims: Document, found: list[str]) -> None:
    """Billing notes 41 and 42: they never enter the price; a difference is a warning at its place."""
    repriced = reprice(parse_cdr(partner_cdr([PLAIN], HOURS, **claims)))
    assert repriced.priced.total == (Fraction(5), Fraction(6))
    assert {warning.code for warning in repriced.warnings} <= {"total_differs"}
    assert [warning.path for warning in repriced.warnings] == found


@pytest.mark.parametrize(
    ("claim", "periods", "excl"),
    [
        ("unsorted periods are put in order", HOURS[::-1], "5"),
        ("energy may be missing in one", [metered("10:00", TIME="1"), metered("11:00", ENERGY="4", TIME="1")], "2"),
        ("and in all", [metered("10:00", TIME="2")], "0"),
    ],
)
def test_odd_periods_are_priced(claim: str, periods: list[Document], excl: str) -> None:
    """Billing note 42: warn, prefer the sum of the periods for pricing."""
    repriced = reprice(parse_cdr(partner_cdr([PLAIN], periods, total_energy=10)))
    assert decimal_text(repriced.priced.total.excl_vat) == excl, claim
    assert any(warning.code == "total_differs" for warning in repriced.warnings) == (excl != "5")


def test_live_and_cdr_are_one_function() -> None:
    """Billing note 43 (citrineos PR #903, #944): each running price is the price of its periods, the last the CDR's.

    Another hour is the difference of two such prices.
    """
    tariff = parse_tariff(IDLE, extension=idle(grace_s=GRACE, cap=CAP))
    whole = session(TEN, [Part(20, "4"), Part(20, "3"), parked(30), Part(5, "1"), parked(30)])
    running = [price(tariff, whole[: count + 1], time_zone=BERLIN).total.excl_vat for count in range(len(whole))]
    assert all(before <= after for before, after in pairwise(running))
    found = price(tariff, whole, time_zone=BERLIN)
    assert running[-1] == found.total.excl_vat
    assert reprice(parse_cdr(cdr_of(tariff, found))).priced.total == found.total
    ahead = next_hour(tariff, whole, another_hour(whole[-1]), time_zone=BERLIN)
    later = price(tariff, [*whole, another_hour(whole[-1])], time_zone=BERLIN)
    assert ahead.excl_vat == later.total.excl_vat - found.total.excl_vat
    assert another_hour(whole[-1]).end - whole[-1].end == timedelta(hours=1)


def test_another_hour_counts_durations_as_the_price_does() -> None:
    """Billing notes 19 and 43: behind a reservation too, a session's durations begin with the session."""
    dearer = eur("T", when({"max_duration": 600}, per("TIME", "1", 0)), always(per("TIME", "6", 0)))
    so_far = session(TEN, [reserved(30), Part(5, "1")])
    ahead = next_hour(parse_tariff(dearer), so_far, another_hour(so_far[-1]), time_zone="UTC")
    assert ahead.excl_vat == Fraction(5, 60) + Fraction(55 * 6, 60)


def test_errata_of_the_texts_are_read() -> None:
    """Billing note 45: the CDR of 2.3.0 holds a tariff without `tax_included`; its prices are net."""
    cost = {"before_taxes": 5, "taxes": [{"name": "VAT", "amount": 1}]}
    repriced = reprice(parse_cdr(partner_cdr([PLAIN], HOURS, total_cost=cost)))
    assert repriced.cdr.ocpi_version is NEW
    assert repriced.priced.total == (Fraction(5), Fraction(6))
    assert [line.rate.dimension for line in repriced.priced.lines()].count(Dimension.ENERGY) == 2
    assert repriced.warnings == ()


def _items(document: object, key: str) -> list[Mapping[str, object]]:
    assert isinstance(document, Mapping)
    found = document[key]
    assert isinstance(found, list)
    return found

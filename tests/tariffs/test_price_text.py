"""Price texts: golden files in five languages, the order that AFIR and NEVI want, and what must hold of every text."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, ENERGY, FLAT, PARKING, TIME, at, clock, component, element, tariff
from tests.tariffs.tariff_examples import tariffs

from voltway.tariffs.model import (
    IdleRule,
    OcpiVersion,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TaxIncluded,
)
from voltway.tariffs.price_text import PriceText, Wording, price_text
from voltway.tariffs.price_text_form import PriceTextStyle
from voltway.tariffs.price_text_words import Language
from voltway.tariffs.tiers import Topic

GOLDEN = Path(__file__).parent / "price_texts"
NOON = at("2026-11-24T11:00Z")  # a Tuesday, 12:00 in Berlin
NIGHT = Restrictions(start_time=clock("22:00"), end_time=clock("06:00"))
AFIR_ORDER = list(Topic)

# AFIR Art. 5(5) as in billing note 35: per kWh, per minute, per session, any other.
SIMPLE = tariff(
    element(component(FLAT, "0.50", vat="19")),
    element(component(PARKING, "6", vat="19"), component(TIME, "1.2", vat="19"), component(ENERGY, "0.39", vat="19")),
)
NIGHT_WINDOW = tariff(
    element(component(ENERGY, "0.29", vat="19"), only=NIGHT), element(component(ENERGY, "0.4567", vat="19"))
)
KWH_TIERS = tariff(
    element(component(ENERGY, "0.59"), only=Restrictions(min_kwh=Decimal(20))),
    element(component(ENERGY, "0.49"), only=Restrictions(min_kwh=Decimal(5))),
    element(component(ENERGY, "0")),
    element(component(TIME, "2", step_size=60), only=Restrictions(min_duration_s=5400)),
)
IDLE = tariff(
    element(component(ENERGY, "0.39", vat="20"), component(PARKING, "6.3", vat="20")),
    idle=IdleRule(900, Decimal(5), (replace(NIGHT, day_of_week=(0, 1, 2, 4)),)),
)
RESERVATION = tariff(
    element(component(FLAT, "1"), component(TIME, "3"), only=Restrictions(reservation=Reservation.RESERVATION)),
    element(component(FLAT, "5"), only=Restrictions(reservation=Reservation.RESERVATION_EXPIRES)),
    element(component(ENERGY, "0.5")),
)
LIMITS = tariff(
    element(component(ENERGY, "0.25", vat="10", step_size=500), component(FLAT, "0.5", vat="20")),
    least=PriceLimit(Decimal(1)),
    most=PriceLimit(Decimal(10), Decimal(11)),
)
TAX_INCLUDED = replace(
    tariff(element(component(ENERGY, "0.4641", vat="19")), least=PriceLimit(Decimal(2), Decimal("2.38"))),
    ocpi_version=OcpiVersion.V2_3_0,
    tax_included=TaxIncluded.YES,
)
YEN = replace(tariff(element(component(ENERGY, "50.5", vat="10"), component(TIME, "600"))), currency="JPY")
DINAR = replace(tariff(element(component(ENERGY, "0.05", vat="0"), component(FLAT, "1"))), currency="KWD")
POWER = tariff(
    element(component(ENERGY, "0.79"), only=Restrictions(min_power=Decimal(50))),
    element(component(ENERGY, "0.59"), only=Restrictions(min_current=Decimal(32), max_kwh=Decimal(10))),
    element(component(ENERGY, "0.49")),
)
LOCKED_WEEK = replace(
    tariff(
        element(component(ENERGY, "0.25"), only=Restrictions(day_of_week=(5, 6))),
        element(component(ENERGY, "0.30"), only=Restrictions(start_time=clock("08:00"), end_time=clock("00:00"))),
        element(component(ENERGY, "0.20"), only=Restrictions(start_date=date(2027, 1, 1))),
        element(component(ENERGY, "0.10")),
        price_lock=True,
    ),
    currency="USD",
    end_date_time=at("2027-06-30T22:00Z"),
)
EXAMPLES = {
    "simple": SIMPLE,
    "night_window": NIGHT_WINDOW,
    "kwh_tiers": KWH_TIERS,
    "idle": IDLE,
    "reservation": RESERVATION,
    "limits": LIMITS,
    "tax_included": TAX_INCLUDED,
    "yen": YEN,
    "dinar": DINAR,
    "power": POWER,
    "locked_week": LOCKED_WEEK,
}
WORDINGS = [*(Wording(language) for language in Language), Wording(Language.EN, PriceTextStyle.NEVI)]
WORDINGS.append(Wording(Language.ES, PriceTextStyle.NEVI))


def written(of: Tariff, wording: Wording = WORDINGS[0], when: str = "2026-11-24T11:00Z") -> PriceText:
    """Write a text in Berlin."""
    return price_text(of, wording, at=at(when), time_zone=BERLIN)


def windowed(window: Restrictions) -> Tariff:
    """Build a tariff that is cheaper in a window."""
    return tariff(element(component(ENERGY, "0.2"), only=window), element(component(ENERGY, "0.3")))


def plain(text: str) -> str:
    """Show the spaces that do not break as spaces, so that a golden file can be read and typed."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_texts_are_those_that_people_have_read(name: str) -> None:
    """Golden: every example in five languages by AFIR, and in English and Spanish by NEVI."""
    blocks = [f"[{w.language} {w.style}]\n{plain(written(EXAMPLES[name], w).text)}\n" for w in WORDINGS]
    assert "\n".join(blocks) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def _stages(text: PriceText) -> list[int]:
    return [AFIR_ORDER.index(line.dimension) for line in text.lines]


@given(tariffs(), st.sampled_from(list(Language)))
def test_afir_order_holds_for_every_tariff(of: Tariff, language: Language) -> None:
    """Billing note 35: kWh, minute, session, any other, whatever the order of the elements."""
    stages = _stages(written(of, Wording(language)))
    assert stages == sorted(stages)
    assert stages[:1] == [0]


@given(tariffs(), st.sampled_from(list(Language)))
def test_nevi_says_the_price_per_kwh_first(of: Tariff, language: Language) -> None:
    """23 CFR 680.116: the price per kWh, whether it holds for the session, then every other fee with what it is for."""
    found = [line.dimension for line in written(of, Wording(language, PriceTextStyle.NEVI)).lines]
    energy = found.count(Topic.ENERGY)
    assert found[:energy] == [Topic.ENERGY] * energy
    assert not of.price_lock or found[energy] is Topic.PRICE_LOCK
    fees = [AFIR_ORDER.index(topic) for topic in found if topic is not Topic.PRICE_LOCK]
    assert fees == sorted(fees)


@given(tariffs())
def test_prices_that_hold_now_come_before_later_ones(of: Tariff) -> None:
    """Within a dimension nothing that holds now stands behind a later price."""
    lines = [line for line in written(of).lines if line.dimension in (Topic.ENERGY, Topic.TIME, Topic.FLAT)]
    for topic in (Topic.ENERGY, Topic.TIME, Topic.FLAT):
        holds = [line.holds_now for line in lines if line.dimension is topic]
        assert holds[0]
        assert holds == sorted(holds, reverse=True)


@given(tariffs(), st.sampled_from(list(Language)))
def test_every_language_says_the_same_number_of_things(of: Tariff, language: Language) -> None:
    """A sentence is chosen by the tariff, never by the language."""
    english, other = (
        [(line.dimension, line.start) for line in written(of, Wording(spoken)).lines]
        for spoken in (Language.EN, language)
    )
    assert english == other


@pytest.mark.parametrize(
    ("of", "when", "expected"),
    [
        pytest.param(NIGHT_WINDOW, "2026-11-24T21:30Z", "now until 06:00: €0.3451", id="at night the night leads"),
        pytest.param(NIGHT_WINDOW, "2026-11-24T05:00Z", "now until 22:00: €0.543473", id="from 06:00 on the day leads"),
        pytest.param(
            # Autumn 2026-10-25: 02:30 comes twice, so the text says which one.
            windowed(Restrictions(start_time=clock("02:30"), end_time=clock("06:00"))),
            "2026-10-24T22:00Z", "now until 02:30 CEST: €0.30", id="the hour that comes twice is named",
        ),
        pytest.param(
            windowed(Restrictions(start_date=date(2026, 12, 24), end_date=date(2026, 12, 25))),
            "2026-11-24T11:00Z",
            "from 24 Dec 2026 00:00 until 25 Dec 2026 00:00: €0.20 per kWh (on 24 Dec 2026)",
            id="a date within months",
        ),
        pytest.param(
            tariff(element(component(ENERGY, "0.2"), only=Restrictions(end_date=date(2026, 12, 1)))),
            "2026-11-24T11:00Z", "Energy, from 1 Dec 2026 00:00: free", id="no element is free, and said",
        ),
        pytest.param(
            windowed(replace(NIGHT, day_of_week=(4,))),
            "2026-11-24T11:00Z", "(Friday 00:00–06:00 and 22:00–24:00)", id="note 16: a weekday is a test of its own",
        ),
        pytest.param(
            tariff(
                element(component(ENERGY, "0.2"), only=NIGHT),
                element(
                    component(ENERGY, "0.2"), only=Restrictions(start_time=clock("12:30"), end_time=clock("14:00"))
                ),
                element(component(ENERGY, "0.3")),
            ),
            "2026-11-24T11:00Z",
            "Energy, now until 12:30: €0.30 per kWh\n"
            "Energy, from 12:30 until 14:00: €0.20 per kWh (daily 12:30–14:00)\n"
            "Energy, from 22:00 until 06:00: €0.20 per kWh (daily 22:00–06:00)\n", id="every window of a price is told",
        ),
        pytest.param(
            tariff(element(component(ENERGY, "0.3"), only=NIGHT), element(component(ENERGY, "0.3"))),
            "2026-11-24T11:00Z", "Energy: €0.30 per kWh\nCharging", id="windows that change no price are not told",
        ),
        pytest.param(
            tariff(element(component(ENERGY, "0.3")), element(component(ENERGY, "0.9"))),
            "2026-11-24T11:00Z", "Energy: €0.30 per kWh\nCharging", id="what never applies is not said",
        ),
    ],
)  # fmt: skip
def test_what_holds_now_and_what_comes(of: Tariff, when: str, expected: str) -> None:
    """Billing notes 11, 15, 16, 18: windows are local to the place, and marked with their exact times."""
    assert expected in plain(written(of, when=when).text)


def test_power_that_is_known_leaves_other_powers_out() -> None:
    """Billing note 20: at 22 kW nobody reads the price from 50 kW on."""
    text = price_text(POWER, Wording(Language.EN), at=NOON, time_zone=BERLIN, power_w=22_000).text
    assert "0.79" not in text
    text = price_text(POWER, Wording(Language.EN), at=NOON, time_zone=BERLIN, power_w=50_000).text
    assert plain(text).startswith("Energy: €0.79 per kWh\n")


def test_a_tariff_before_its_validity_says_so_first() -> None:
    """Its prices begin with it; nothing is claimed to hold now."""
    of = replace(NIGHT_WINDOW, start_date_time=at("2026-12-01T00:00Z"), end_date_time=at("2027-01-01T00:00Z"))
    text = written(of)
    assert plain(text.lines[0].text) == "Valid from 1 Dec 2026, 01:00 until 1 Jan 2027, 01:00"
    assert "from 1 Dec 2026 01:00 until 1 Dec 2026 06:00: €0.3451" in plain(text.lines[1].text)
    assert not any(line.holds_now for line in text.lines if line.dimension is Topic.ENERGY)


def test_a_tariff_after_its_end_shows_no_price() -> None:
    """A price that is no longer offered is not shown."""
    text = written(replace(SIMPLE, end_date_time=NOON))
    assert [plain(line.text) for line in text.lines] == ["No longer valid since 24 Nov 2026, 12:00"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda t: t, "at most: €6.00 per session incl. 20% VAT", id="one rate: the gross price leads"),
        pytest.param(
            lambda t: replace(t, tax_included=TaxIncluded.YES), "at most: €5.00 per session incl. 20% VAT", id="gross"
        ),
        pytest.param(
            lambda t: replace(t, tax_included=TaxIncluded.NOT_APPLICABLE), "at most: €5.00 per session\n", id="no tax"
        ),
        pytest.param(
            lambda t: replace(t, elements=(*t.elements, element(component(PARKING, "9", vat="10")))),
            "at most: €5.00 per session excl. VAT", id="two rates",
        ),
        pytest.param(
            lambda t: replace(
                t, elements=(*t.elements, element(component(PARKING, "9"))), tax_included=TaxIncluded.YES
            ),
            "at most: €5.00 per session incl. VAT", id="two rates, gross",
        ),
    ],
)  # fmt: skip
def test_the_cap_of_idle_fees_says_its_tax(change: Callable[[Tariff], Tariff], expected: str) -> None:
    """`cap` is in the terms of the tariff's prices (docs/algorithms/price.md)."""
    assert expected in plain(written(change(IDLE)).text) + "\n"


def test_a_tariff_without_prices_has_limits_without_tax() -> None:
    """Nothing names a VAT rate: nothing is said of VAT (billing note 29)."""
    of = tariff(element(component(ENERGY, "0")), most=PriceLimit(Decimal(3), Decimal(3)))
    assert plain(written(of).text).endswith(
        "Energy: free\nCharging time: free\nSession fee: none\n"
        "Idle time (connected, not charging): free\nMaximum price: €3.00 per session"
    )


def test_a_zone_that_does_not_exist_is_refused() -> None:
    """The caller says where the place is; nothing is guessed (billing note 14)."""
    with pytest.raises(KeyError):
        price_text(NIGHT_WINDOW, Wording(Language.EN), at=NOON, time_zone="Mars/Olympus")

"""Tiers agree with the engine: whatever they say of a price, the engine asks for."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, ENERGY, PARKING, at, component, element, tariff
from tests.tariffs.tariff_examples import tariffs

from voltway.kernel.energy import Energy
from voltway.tariffs.engine import kwh_rate, price
from voltway.tariffs.model import (
    ChargingPeriod,
    IdleRule,
    PeriodKind,
    Restrictions,
    Tariff,
    TaxIncluded,
)
from voltway.tariffs.rates import local_clock
from voltway.tariffs.tiers import (
    Axis,
    Band,
    Tier,
    Topic,
    first_price,
    midnight,
    offers,
    stretches,
    tiers_at,
    unit_price,
)

INSTANTS = st.datetimes(datetime(2026, 10, 20), datetime(2027, 1, 20)).map(  # noqa: DTZ001 - the zone comes next
    lambda naive: at(naive.replace(microsecond=0).isoformat())
)
POWERS = st.sampled_from([None, 9_999.0, 10_000.0, 40_000.0])
NOON = at("2026-11-24T11:00Z")


def tiers_of(of: Tariff, topic: Topic = Topic.ENERGY, power_w: float | None = None) -> list[tuple[str, str]]:
    """Write the tiers at noon shortly: bands, then price."""
    found = tiers_at(offers(of, topic), local_clock(NOON, BERLIN), power_w=power_w)
    return [(_bands(tier), "free" if tier.price is None else str(tier.price.listed)) for tier in found]


def _bands(tier: Tier) -> str:
    texts = [f"{band.low or ''}..{band.high or ''} {band.axis}" for band in tier.bands]
    return " & ".join([*texts, *(["rest"] if tier.is_rest else [])])


def kwh(text: str, low: int | None = None, high: int | None = None, **more: object) -> object:
    """Build an element with a price between two energies."""
    bounds = {"min_kwh": low if low is None else Decimal(low), "max_kwh": high if high is None else Decimal(high)}
    return element(component(ENERGY, text), only=Restrictions(**bounds, **more))  # type: ignore[arg-type]  # fields


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        pytest.param([kwh("0.3")], [("", "0.3")], id="one price"),
        pytest.param([kwh("0")], [("", "free")], id="a price of 0 is free"),
        pytest.param([kwh("0.3", None, 20), kwh("0.4")], [("..20 kWh", "0.3"), ("20.. kWh", "0.4")], id="the rest"),
        pytest.param([kwh("0.4", 20), kwh("0.3")], [("..20 kWh", "0.3"), ("20.. kWh", "0.4")], id="rising order"),
        pytest.param(
            [kwh("0.4", 10, 30), kwh("0.5", 20), kwh("0.3")],
            [("..10 kWh", "0.3"), ("10..30 kWh", "0.4"), ("30.. kWh", "0.5")], id="list order where they overlap",
        ),
        pytest.param([kwh("0.4", 20)], [("..20 kWh", "free"), ("20.. kWh", "0.4")], id="no element is free"),
        pytest.param([kwh("0.4", 0), kwh("0.3")], [("", "0.4")], id="from 0 kWh is always"),
        pytest.param([kwh("0.4", 5, 5), kwh("0.4", None, 0), kwh("0.3")], [("", "0.3")], id="empty bands never hold"),
        pytest.param([kwh("0.3", None, 5), kwh("0.3", 5)], [("", "0.3")], id="equal neighbours are one"),
        pytest.param(
            [kwh("0.5", 5, min_power=Decimal(50)), kwh("0.4", None, 9), kwh("0.3")],
            [("5.. kWh & 50.. kW", "0.5"), ("..9 kWh", "0.4"), ("rest", "0.3")], id="two axes stay in list order",
        ),
        pytest.param(
            [kwh("0.5", 5, min_current=Decimal(16))], [("5.. kWh & 16.. A", "0.5"), ("rest", "free")], id="free rest"
        ),
        pytest.param(
            [kwh("0.5", max_duration_s=60), kwh("0.3")], [("..60 s", "0.5"), ("60.. s", "0.3")], id="durations"
        ),
    ],
)  # fmt: skip
def test_tiers(elements: list[object], expected: list[tuple[str, str]]) -> None:
    """Billing notes 10, 11, 13: per dimension the first element that holds; min inclusive, max exclusive."""
    assert tiers_of(tariff(*elements)) == expected  # type: ignore[arg-type]  # the elements built above


def test_a_known_power_decides() -> None:
    """Billing note 20: a band is min <= x < max."""
    of = tariff(
        element(component(ENERGY, "0.7"), only=Restrictions(min_power=Decimal(50), max_power=Decimal(150))),
        element(component(ENERGY, "0.5")),
    )
    assert tiers_of(of) == [("..50 kW", "0.5"), ("50..150 kW", "0.7"), ("150.. kW", "0.5")]
    assert tiers_of(of, power_w=49_999.0) == [("", "0.5")]
    assert tiers_of(of, power_w=50_000.0) == [("", "0.7")]
    assert tiers_of(of, power_w=150_000.0) == [("", "0.5")]


def test_the_power_of_charging_says_nothing_of_idling() -> None:
    """A car that idles draws nothing: a fee from some power on is said with its power, whatever the car drew before."""
    of = tariff(element(component(ENERGY, "0.5"), component(PARKING, "6"), only=Restrictions(min_power=Decimal(50))))
    shown = {
        topic: len(stretches(of, topic, at=NOON, time_zone=BERLIN, power_w=60_000.0)[0].tiers)
        for topic in (Topic.ENERGY, Topic.PARKING_TIME)
    }
    assert shown == {Topic.ENERGY: 1, Topic.PARKING_TIME: 2}


def test_exempt_windows_of_the_idle_rule_come_first() -> None:
    """Idle time in an exempt window is free whatever the elements say (docs/algorithms/price.md)."""
    rule = IdleRule(exempt=(Restrictions(day_of_week=(1,)),))
    assert tiers_of(tariff(element(component(PARKING, "6")), idle=rule), Topic.PARKING_TIME) == [("", "free")]


@pytest.mark.parametrize(
    ("tax", "vat", "expected"),
    [
        pytest.param(TaxIncluded.NO, "19", ("0.543473", "19"), id="net price: exact gross"),
        pytest.param(TaxIncluded.NO, None, ("0.4567", "None"), id="note 29: no VAT is applicable"),
        pytest.param(TaxIncluded.NO, "0", ("0.4567", "0"), id="note 29: the zero rate is a rate"),
        pytest.param(TaxIncluded.YES, "19", ("0.4567", "19"), id="note 31: the price includes it"),
        pytest.param(TaxIncluded.NOT_APPLICABLE, "19", ("0.4567", "None"), id="note 31: N/A adds nothing"),
    ],
)
def test_prices_are_shown_with_their_tax(tax: TaxIncluded, vat: str | None, expected: tuple[str, str]) -> None:
    """The driver's price leads, with every digit; the listed price stays beside it."""
    found = unit_price(component(ENERGY, "0.4567", vat=vat), Tariff(tariff().id, "EUR", (), tax_included=tax))
    assert found is not None
    assert (str(found.amount), str(found.vat)) == expected
    assert str(found.listed) == "0.4567"


@given(tariffs(), INSTANTS, POWERS)
def test_the_first_price_is_the_engines(of: Tariff, instant: datetime, power_w: float | None) -> None:
    """`kwh_rate`, which the page shows, and the calendar say the same price at every instant."""
    rate = kwh_rate(of, instant, time_zone=BERLIN, power_w=power_w)
    first = first_price(offers(of, Topic.ENERGY), local_clock(instant, BERLIN), power_w=power_w)
    assert (rate.price if rate is not None else 0) == (first.listed if first is not None else 0)


_TOPICS = {PeriodKind.CHARGING: (Topic.ENERGY, Topic.TIME), PeriodKind.PARKING: (Topic.PARKING_TIME,)}


@given(tariffs(), INSTANTS, st.sampled_from(list(_TOPICS)), st.sampled_from(["0", "5", "10", "32.5", "60"]))
def test_the_tier_of_an_energy_is_what_the_engine_asks_for(
    of: Tariff, instant: datetime, kind: PeriodKind, before: str
) -> None:
    """A second stretch of a session is priced by the tier that holds its energy, time and power."""
    later = instant + timedelta(seconds=7)
    kwh_before = Decimal(before)
    periods = [
        ChargingPeriod(instant, later, Energy(int(kwh_before * 1_000_000)), kind, 20_000.0, 10.0),
        ChargingPeriod(later, later + timedelta(seconds=7), Energy(1), kind, 20_000.0, 10.0),
    ]
    priced = price(of, periods, time_zone=BERLIN, started_at=instant)
    if of.idle is not None and of.idle.grace_s:  # the grace, a matter of the session, is told apart from tiers
        return
    held = {Axis.ENERGY: kwh_before, Axis.DURATION: Decimal(7), Axis.POWER: Decimal(20), Axis.CURRENT: Decimal(10)}
    for topic in _TOPICS[kind]:
        is_locked = of.price_lock and topic in (Topic.ENERGY, Topic.TIME)
        tiers = tiers_at(offers(of, topic), local_clock(instant if is_locked else later, BERLIN))
        tier = next(tier for tier in tiers if all(_is_in(band, held[band.axis]) for band in tier.bands))
        lines = [line for line in priced.periods[1].lines if line.rate.dimension.value == topic.value]
        assert [line.rate.price for line in lines] == [tier.price.listed if tier.price is not None else 0]


def _is_in(band: Band, value: Decimal) -> bool:
    return (band.low is None or band.low <= value) and (band.high is None or value < band.high)


@given(tariffs(), INSTANTS)
def test_stretches_hold_from_their_start_to_their_end(of: Tariff, instant: datetime) -> None:
    """At each end the tiers change, before it they do not, and no set of tiers is told twice."""
    found = stretches(of, Topic.ENERGY, at=instant, time_zone=BERLIN)
    assert found[0].start == instant
    assert len({stretch.tiers for stretch in found}) == len(found)
    for stretch in found:
        assert _at(of, stretch.start) == stretch.tiers
        if stretch.end is not None:
            assert _at(of, stretch.end - timedelta(seconds=1)) == stretch.tiers
            assert _at(of, stretch.end) != stretch.tiers


@given(tariffs(), INSTANTS, st.integers(0, 14 * 24 * 60))
def test_no_price_of_two_weeks_is_left_out(of: Tariff, instant: datetime, minutes: int) -> None:
    """AFIR: all prices are known before the start. What holds at any later minute is among the stretches."""
    found = stretches(of, Topic.ENERGY, at=instant, time_zone=BERLIN)
    later = _at(of, instant + timedelta(minutes=minutes))
    assert later in {stretch.tiers for stretch in found} or len(found) == 1
    assert _paid(later) in [_paid(stretch.tiers) for stretch in found]


def _paid(tiers: tuple[Tier, ...]) -> list[object]:
    return [(tier.bands, tier.price, tier.is_rest) for tier in tiers]


def _at(of: Tariff, instant: datetime) -> tuple[Tier, ...]:
    return tiers_at(offers(of, Topic.ENERGY), local_clock(instant, BERLIN))


def test_what_ends_with_the_tariff_has_no_later_price() -> None:
    """Behind the end of its validity a tariff offers nothing."""
    later = element(component(ENERGY, "1"), only=Restrictions(start_date=date(2026, 12, 1)))
    elements = (later, element(component(ENERGY, "2")))
    of = Tariff(tariff().id, "EUR", elements, end_date_time=at("2026-12-01T00:00+01:00"))
    assert len(stretches(of, Topic.ENERGY, at=NOON, time_zone=BERLIN)) == 1


@pytest.mark.parametrize(
    ("day", "zone_name", "expected"),
    [
        ("2026-11-24", BERLIN, "2026-11-23T23:00Z"),
        ("2026-03-29", "Asia/Beirut", "2026-03-28T22:00Z"),  # 00:00 does not exist that day: the day begins at 01:00
    ],
)
def test_a_day_begins_at_its_first_instant(day: str, zone_name: str, expected: str) -> None:
    """Billing note 18: a local day may have 23 hours, also where the clocks change at midnight."""
    assert midnight(date.fromisoformat(day), zone_name) == at(expected)

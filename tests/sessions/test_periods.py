"""Charging periods: the sum is the session's energy, idle is the car's own wish, every price change has a cut."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import (
    BERLIN,
    CHARGING,
    ENERGY,
    PARKED,
    PARKING,
    TIME,
    cdr_head,
    clock,
    component,
    element,
    tariff,
)

from voltway.kernel.facts import ChargingState
from voltway.sessions.periods import Course, Sample, charging_periods, kind_changes
from voltway.sessions.quotes import is_due, priced_course, quote_of
from voltway.tariffs.engine import price
from voltway.tariffs.model import PeriodKind, Restrictions, Tariff
from voltway.tariffs.ocpi import cdr_document, dumps, loads, parse_cdr
from voltway.tariffs.reprice import reprice
from voltway.tariffs.segments import cut_periods

START = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
FLAT_RATE = tariff(element(component(ENERGY, "0.39", vat="19")))
NIGHT = tariff(
    element(component(ENERGY, "0.29"), only=Restrictions(start_time=clock("18:00"), end_time=clock("06:00"))),
    element(component(ENERGY, "0.59"), component(PARKING, "6")),
)
BANDS = tariff(
    element(component(ENERGY, "0.50"), only=Restrictions(max_power=Decimal(32))),
    element(component(ENERGY, "0.60"), only=Restrictions(max_kwh=Decimal(10))),
    element(component(ENERGY, "0.70"), component(TIME, "1.2")),
)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def reading(at: float, kwh: float | None = None, *, kw: float | None = None, offered_kw: float | None = None) -> Sample:
    return Sample(
        minute(at),
        None if kwh is None else round(kwh * 1_000_000),
        None if kw is None else kw * 1000,
        None,
        None if offered_kw is None else offered_kw * 1000,
    )


def course(
    minutes: float, kwh: float, *samples: Sample, history: list[tuple[float, ChargingState]] | None = None
) -> Course:
    states = [(minute(at), state) for at, state in history or []]
    return Course(START, minute(minutes), 0, round(kwh * 1_000_000), samples, states)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Any session, sane or not: readings out of order, registers that fall or leave the bounds, states at any time."""
    begin = draw(st.integers(0, 10**9))
    total = draw(st.integers(0, 80_000_000))
    duration_ms = draw(st.integers(0, 36 * 3600 * 1000))
    at = st.integers(-3_600_000, duration_ms + 3_600_000).map(lambda ms: START + timedelta(milliseconds=ms))
    registers = st.none() | st.integers(begin - 1000, begin + total + 1_000_000)
    powers = st.none() | st.floats(0, 400_000)
    samples = draw(st.lists(st.builds(Sample, at, registers, powers, st.none(), powers), max_size=12))
    history = draw(st.lists(st.tuples(at, st.sampled_from(ChargingState)), max_size=5).map(sorted))
    return Course(START, START + timedelta(milliseconds=duration_ms), begin, begin + total, samples, history)


@given(courses(), st.sampled_from([FLAT_RATE, NIGHT, BANDS]))
def test_the_periods_add_up_and_have_no_gap(whole: Course, priced_by: Tariff) -> None:
    """The energies sum to end − begin exactly, none is negative, and the periods cover the session without a gap."""
    periods = charging_periods(whole, priced_by, time_zone=BERLIN)
    energies = [period.energy.milliwh for period in periods if period.energy is not None]
    assert sum(energies) == whole.end_milliwh - whole.begin_milliwh
    assert min(energies) >= 0
    assert (periods[0].start, periods[-1].end) == (whole.started_at, whole.until)
    assert all(before.end == after.start for before, after in pairwise(periods))


@given(courses(), st.sampled_from([FLAT_RATE, NIGHT, BANDS]))
def test_no_price_changes_inside_a_period(whole: Course, priced_by: Tariff) -> None:
    """Cutting again at every clock, duration and energy boundary of the tariff changes no price."""
    periods = charging_periods(whole, priced_by, time_zone=BERLIN)
    again = cut_periods(priced_by, periods, time_zone=BERLIN, started_at=whole.started_at)
    once = price(priced_by, periods, time_zone=BERLIN, started_at=whole.started_at).total
    twice = price(priced_by, again, time_zone=BERLIN, started_at=whole.started_at).total
    assert once == twice


@given(courses(), st.randoms())
def test_the_order_of_arrival_changes_nothing(whole: Course, chance: object) -> None:
    samples = sorted(whole.samples, key=lambda _: chance.random())  # type: ignore[attr-defined]
    unique = {(it.at): it for it in samples}
    first = Course(whole.started_at, whole.until, whole.begin_milliwh, whole.end_milliwh, list(unique.values()))
    backwards = Course(
        whole.started_at, whole.until, whole.begin_milliwh, whole.end_milliwh, list(unique.values())[::-1]
    )
    assert charging_periods(first, NIGHT, time_zone=BERLIN) == charging_periods(backwards, NIGHT, time_zone=BERLIN)


CHARGES, SUSPENDED_EV, SUSPENDED_EVSE = ChargingState.CHARGING, ChargingState.SUSPENDED_EV, ChargingState.SUSPENDED_EVSE


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        pytest.param(
            course(60, 10, history=[(0, CHARGES), (30, SUSPENDED_EV), (45, CHARGES)]),
            [(0, CHARGING), (30, PARKED), (45, CHARGING)],
            id="the car's own pause",
        ),
        pytest.param(
            course(60, 10, history=[(0, CHARGES), (30, SUSPENDED_EVSE), (45, CHARGES)]),
            [(0, CHARGING)],
            id="a pause of the station is not the car's",
        ),
        pytest.param(
            course(
                60, 10, reading(10, 5, kw=11, offered_kw=11), reading(20, 10, kw=0, offered_kw=11),
                reading(30, 10, kw=0.01, offered_kw=11), reading(40, 10, kw=7, offered_kw=11),
            ),
            [(0, CHARGING), (20, PARKED), (40, CHARGING)],
            id="no draw in two readings though offered",
        ),
        pytest.param(
            course(60, 10, reading(20, 10, kw=0, offered_kw=11), reading(30, 10, kw=8, offered_kw=11)),
            [(0, CHARGING)],
            id="one reading without draw says nothing",
        ),
        pytest.param(
            course(60, 10, reading(20, 10, kw=0, offered_kw=0), reading(30, 10, kw=0, offered_kw=1.3)),
            [(0, CHARGING)],
            id="nothing was offered: our pause",
        ),
        pytest.param(
            course(
                60, 10, reading(20, 10, kw=0, offered_kw=11), reading(30, 10, kw=0, offered_kw=11),
                history=[(15, SUSPENDED_EVSE)],
            ),
            [(0, CHARGING)],
            id="the station paused, whatever it offers on paper",
        ),
        pytest.param(
            course(60, 10, reading(30, 5, kw=11), history=[(10, SUSPENDED_EV)]),
            [(0, CHARGING), (10, PARKED), (30, CHARGING)],
            id="a forgotten state: power flows, so it charges",
        ),
    ],
)  # fmt: skip
def test_idle_is_the_cars_own_wish(whole: Course, expected: list[tuple[float, PeriodKind]]) -> None:
    assert kind_changes(whole) == [(minute(at), kind) for at, kind in expected]


def test_the_register_is_linear_between_readings() -> None:
    """18:00 in Berlin is 17:00 UTC: what was charged until then costs the day's price, by the reading beside it."""
    whole = course(90, 12, reading(55, 9, kw=11), reading(65, 11, kw=11))
    periods = charging_periods(whole, NIGHT, time_zone=BERLIN)
    night = sum(period.energy.milliwh for period in periods if period.energy and period.start >= minute(60))
    day = sum(period.energy.milliwh for period in periods if period.energy and period.start < minute(60))
    assert (day, night) == (10_000_000, 2_000_000)


def test_a_period_ends_where_another_band_begins() -> None:
    """Power bands follow the readings, kWh bands the register."""
    whole = course(40, 20, reading(0, 0, kw=22), reading(10, 5, kw=40), reading(30, 15, kw=40))
    periods = charging_periods(whole, BANDS, time_zone=BERLIN)
    found = [
        ((p.start - START) / timedelta(minutes=1), p.energy.milliwh if p.energy else 0, p.power_w) for p in periods
    ]
    assert found == [(0, 5_000_000, 22_000), (10, 5_000_000, 40_000), (20, 10_000_000, 40_000)]


def test_a_stretch_within_one_band_names_its_least_and_greatest_power() -> None:
    """A partner judges min_power on the least and max_power on the greatest of a period (OCPI CdrDimensionType)."""
    whole = course(40, 20, reading(0, 0, kw=22), reading(10, 5, kw=11), reading(20, 7, kw=25), reading(30, 15, kw=40))
    first = charging_periods(whole, BANDS, time_zone=BERLIN)[0]
    assert (first.power_w, first.power_max_w) == (11_000, 25_000)
    plain = charging_periods(whole, FLAT_RATE, time_zone=BERLIN)[0]
    assert (plain.power_w, plain.power_max_w) == (22_000, None)


def test_where_no_power_is_reported_the_register_says_it() -> None:
    """5 kWh in ten minutes are 30 kW, 10 in the next ten 60 kW: the tariff's bands of power are still met."""
    whole = course(20, 15, reading(0, 0), reading(10, 5))
    periods = charging_periods(whole, BANDS, time_zone=BERLIN)
    assert [(p.power_w, p.energy.milliwh if p.energy else 0) for p in periods] == [
        (30_000, 5_000_000),
        (60_000, 5_000_000),
        (60_000, 5_000_000),
    ]
    assert charging_periods(whole, FLAT_RATE, time_zone=BERLIN)[0].power_w is None


@given(courses(), st.sampled_from([FLAT_RATE, NIGHT, BANDS]))
def test_a_partner_gets_the_same_total_from_our_cdr(whole: Course, priced_by: Tariff) -> None:
    """Priced anew from the CDR alone, exactly, whatever the meter counts (issue 4, §2)."""
    priced = priced_course(whole, priced_by, time_zone=BERLIN)
    document = cdr_document(cdr_head(whole.started_at, whole.until, time_zone=BERLIN), priced, priced_by)
    again = reprice(parse_cdr(loads(dumps(document))))
    assert again.priced.total == priced.total
    assert {warning.code for warning in again.warnings} <= {"free_dimension"}


def test_what_is_due() -> None:
    """Energy or time is owed; a failed start is not, even with a start fee."""
    fee = tariff(element(component(ENERGY, "0.39"), component(TIME, "0")))
    assert not is_due(priced_course(course(0, 0), fee, time_zone=BERLIN))
    assert is_due(priced_course(course(1, 0.000001), fee, time_zone=BERLIN))
    assert is_due(priced_course(course(30, 0, history=[(0, SUSPENDED_EV)]), NIGHT, time_zone=BERLIN))


def test_another_hour_is_for_those_that_run() -> None:
    whole = course(30, 10)
    assert quote_of(whole, FLAT_RATE, time_zone=BERLIN, is_running=False).next_hour is None
    more = quote_of(whole, FLAT_RATE, time_zone=BERLIN, is_running=True)
    assert more.next_hour is not None
    assert more.next_hour.excl_vat == 2 * more.cost.excl_vat


def test_another_hour_goes_on_with_the_power_that_flows_now() -> None:
    """A station's first reading says 0 W; the price of the next hour comes from the newest one."""
    ramped = course(2, 0.5, reading(0, 0, kw=0), reading(1, 0.2, kw=11), reading(2, 0.5, kw=22))
    more = quote_of(ramped, FLAT_RATE, time_zone=BERLIN, is_running=True).next_hour
    assert more is not None
    assert more.excl_vat == Decimal("0.39") * 22

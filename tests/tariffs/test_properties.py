"""What must hold for every tariff and session: splitting, order, sums (against a second evaluator: test_fuzz)."""

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, CHARGING, ENERGY, FLAT, PARKED, PARKING, TIME, at, clock, cut
from tests.tariffs.building import tariff as tariff_of

from voltway.kernel.energy import Energy
from voltway.tariffs.engine import price
from voltway.tariffs.explain import session_explanation
from voltway.tariffs.model import (
    ChargingPeriod,
    IdleRule,
    PeriodKind,
    PriceComponent,
    PriceLimit,
    Restrictions,
    Tariff,
    TariffElement,
)
from voltway.tariffs.segments import cut_periods

STARTS = ("2026-03-02T08:00", "2026-03-06T20:30", "2026-03-29T00:10", "2026-10-24T23:20", "2026-10-25T00:40")


@st.composite
def components(draw: st.DrawFn) -> PriceComponent:
    """Draw a price component with few digits and small steps."""
    amount = Decimal(draw(st.integers(0, 900))) / 100
    vat = draw(st.sampled_from([None, Decimal(0), Decimal(19), Decimal("5.5")]))
    step = draw(st.sampled_from([0, 1, 60, 300, 900]))
    return PriceComponent(draw(st.sampled_from([ENERGY, TIME, PARKING, FLAT])), amount, vat, step)


@st.composite
def restrictions(draw: st.DrawFn) -> Restrictions | None:
    """Draw at most three restrictions."""
    r = Restrictions()
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.integers(0, 5)):
            case 0:
                r = replace(r, start_time=clock(draw(st.sampled_from(["00:00", "02:30", "09:00", "21:15"]))))
            case 1:
                r = replace(r, end_time=clock(draw(st.sampled_from(["00:00", "02:15", "03:00", "10:00"]))))
            case 2:
                r = replace(r, day_of_week=tuple(draw(st.sets(st.integers(0, 6), min_size=1))))
            case 3:
                r = replace(r, min_duration_s=draw(st.sampled_from([None, 0, 600, 3600])), max_duration_s=7200)
            case 4:
                r = replace(r, min_kwh=Decimal(draw(st.integers(0, 4))), max_kwh=Decimal(draw(st.integers(2, 9))))
            case _:
                r = replace(r, start_date=date(2026, 3, 1), end_date=draw(st.sampled_from([None, date(2026, 3, 29)])))
    return r if r != Restrictions() else None


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Draw a tariff of one to four elements, sometimes with our idle rule, a limit or a price lock."""
    elements = [
        TariffElement(tuple(draw(st.lists(components(), min_size=1, max_size=3))), draw(restrictions()))
        for _ in range(draw(st.integers(1, 4)))
    ]
    return tariff_of(
        *elements,
        least=draw(st.sampled_from([None, PriceLimit(Decimal(2)), PriceLimit(Decimal(1), Decimal("1.1"))])),
        most=draw(st.sampled_from([None, PriceLimit(Decimal(20), Decimal(24))])),
        idle=draw(st.sampled_from([None, IdleRule(grace_s=700, cap=Decimal("2.5")), IdleRule(cap=Decimal(1))])),
        price_lock=draw(st.booleans()),
    )


@st.composite
def sessions(draw: st.DrawFn) -> list[ChargingPeriod]:
    """Draw up to five consecutive periods of whole minutes with whole energy per second."""
    begin, found = at(draw(st.sampled_from(STARTS))), []
    for _ in range(draw(st.integers(1, 5))):
        seconds = 60 * draw(st.integers(1, 90))
        kind = draw(st.sampled_from([CHARGING, CHARGING, PARKED]))
        milliwh = seconds * draw(st.integers(0, 3000)) if kind is PeriodKind.CHARGING else 0
        found.append(ChargingPeriod(begin, begin + timedelta(seconds=seconds), Energy(milliwh), kind, 11_000.0))
        begin = found[-1].end
    return found


@given(tariffs(), sessions(), st.integers(1, 10**6), st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_splitting_a_period_never_changes_the_price(
    of: Tariff, periods: list[ChargingPeriod], share: int, at_index: int
) -> None:
    """As long as no restriction changes inside, that is after cutting at every boundary (issue 4, §1)."""
    whole = cut_periods(of, periods, time_zone=BERLIN)
    chosen = whole[at_index % len(whole)]
    span_us = (chosen.end - chosen.start) // timedelta(microseconds=1)
    inside = chosen.start + timedelta(microseconds=max(1, span_us * share // (10**6 + 1)))
    pieces = cut(chosen, inside) if chosen.start < inside < chosen.end else [chosen]
    split = [piece for period in whole for piece in (pieces if period is chosen else [period])]
    assert price(of, split, time_zone=BERLIN).total == price(of, whole, time_zone=BERLIN).total


@given(tariffs(), sessions(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_lines_and_adjustments_are_the_total_in_any_order(
    of: Tariff, periods: list[ChargingPeriod], order: random.Random
) -> None:
    """Exactly as rationals, and once more as printed; shuffled periods give the same (billing note 42)."""
    priced = price(of, periods, time_zone=BERLIN)
    total = priced.total
    assert sum(line.excl_vat for line in priced.lines()) + sum(a.excl_vat for a in priced.adjustments) == total.excl_vat
    assert sum(line.incl_vat for line in priced.lines()) + sum(a.incl_vat for a in priced.adjustments) == total.incl_vat
    assert sum(cost.excl_vat for cost in priced.costs().values()) == Fraction(priced.lines_excl) / priced.denominator
    shuffled = order.sample(periods, len(periods))
    assert price(of, shuffled, time_zone=BERLIN) == priced
    printed = session_explanation(priced)
    shown = [Fraction(str(item["excl_vat"])) for part in printed.values() for item in part]  # type: ignore[attr-defined]  # lists of objects
    assert abs(sum(shown) - total.excl_vat) <= Fraction(1, 2 * 10**10)

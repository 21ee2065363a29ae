"""From registers to energy: the order of arrival and repetitions change nothing, and every odd step has its name."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.energy import Register
from voltway.sessions.anomalies import AnomalyCode
from voltway.sessions.registers import MARGIN_MILLIWH, Judgement, RegisterPoint, judge, step_anomaly

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KWH = 1_000_000
FELL, JUMPED = AnomalyCode.REGISTER_FELL, AnomalyCode.REGISTER_JUMPED
points_of = st.builds(
    lambda second, milliwh: RegisterPoint(START + timedelta(seconds=second), Register(milliwh)),
    st.integers(-600, 7200),
    st.integers(0, 10**11),
)


def point(minutes: float, kwh: float) -> RegisterPoint:
    """Return a reading of the register."""
    return RegisterPoint(START + timedelta(minutes=minutes), Register(round(kwh * KWH)))


def codes(judgement: Judgement) -> set[AnomalyCode]:
    """Return what was found odd."""
    return {it.code for it in judgement.anomalies}


@pytest.mark.parametrize(
    ("rise_milliwh", "seconds", "found"),
    [
        (0, 0, None),
        (-1, 60, FELL),
        (-1, 0, FELL),
        (MARGIN_MILLIWH, 0, None),  # a kilowatt-hour of slack
        (MARGIN_MILLIWH + 1, 0, JUMPED),
        (MARGIN_MILLIWH + 13_750_000, 3600, None),  # 11 kW and a quarter for an hour
        (MARGIN_MILLIWH + 13_750_001, 3600, JUMPED),
        (500 * KWH, 3600, JUMPED),
    ],
)
def test_a_step_is_odd_if_it_falls_or_outruns_the_power(
    rise_milliwh: int, seconds: int, found: AnomalyCode | None
) -> None:
    """At 11 kW."""
    after_at = START + timedelta(seconds=seconds)
    odd = step_anomaly(10 * KWH, START, 10 * KWH + rise_milliwh, after_at, max_power_w=11_000.0)
    assert (odd.code if odd is not None else None) == found
    assert odd is None or odd.since == after_at


@given(st.none() | points_of, st.lists(points_of, max_size=8), st.none() | points_of, st.randoms())
def test_order_and_repetition_change_nothing(
    begin: RegisterPoint | None, readings: list[RegisterPoint], end: RegisterPoint | None, random: Random
) -> None:
    """The same readings in any order, each any number of times, are judged the same."""
    shuffled = [*readings, *readings[:3]]
    random.shuffle(shuffled)
    assert judge(begin, shuffled, end) == judge(begin, readings, end)


@given(points_of, st.lists(points_of, max_size=8), points_of)
def test_energy_is_the_difference_of_begin_and_end(
    begin: RegisterPoint, readings: list[RegisterPoint], end: RegisterPoint
) -> None:
    """Never a sum of samples: what lies between only says whether it is plausible."""
    assert judge(begin, readings, end).energy == end.register.minus(begin.register)


@given(st.lists(points_of, min_size=1, max_size=8))
def test_without_begin_and_end_the_earliest_and_latest_reading_stand(readings: list[RegisterPoint]) -> None:
    found = judge(None, readings, None)
    assert found.begin is not None
    assert found.end is not None
    assert (found.begin.at, found.end.at) == (min(it.at for it in readings), max(it.at for it in readings))
    assert found.energy == found.end.register.minus(found.begin.register)


@pytest.mark.parametrize(
    ("begin", "readings", "end", "energy_kwh", "found"),
    [
        (point(0, 100), [point(20, 103), point(40, 106)], point(60, 110), 10, set()),
        (point(0, 100), [], point(60, 110), 10, set()),
        (point(0, 100), [], None, 0, {AnomalyCode.NO_REGISTER}),  # a begin alone says nothing of energy
        (point(0, 100), [point(20, 103)], None, 3, set()),
        (None, [point(20, 103)], None, 0, set()),
        (None, [], None, 0, {AnomalyCode.NO_REGISTER}),
        # A placeholder zero as meterStart would bill the meter's lifetime (field notes 13).
        (point(0, 0), [point(20, 103)], point(60, 110), 110, {AnomalyCode.BEGIN_IMPLAUSIBLE}),
        (None, [point(0, 0), point(20, 103)], point(60, 110), 110, {JUMPED}),
        (point(0, 100), [point(20, 103), point(40, 1)], point(60, 5), -95, {FELL, AnomalyCode.END_BELOW_BEGIN}),
        (point(0, 100), [point(20, 103), point(40, 102)], point(60, 110), 10, {FELL}),
        (point(0, 100), [point(20, 108)], point(60, 105), 5, {FELL, AnomalyCode.END_BELOW_READING}),
        # Readings outside the session belong to another one and prove nothing about this.
        (point(0, 100), [point(-9, 500), point(99, 3)], point(60, 110), 10, set()),
    ],
)
def test_what_the_registers_say(
    begin: RegisterPoint | None, readings: list[RegisterPoint], end: RegisterPoint | None, energy_kwh: float,
    found: set[AnomalyCode],
) -> None:  # fmt: skip
    judgement = judge(begin, readings, end, max_power_w=22_000.0)
    assert judgement.energy.kwh == energy_kwh
    assert codes(judgement) == found


def test_without_any_register_the_known_instant_is_named() -> None:
    """A begin or end alone is energy zero of a known place in time; nothing at all has none."""
    assert judge(None, [], point(60, 110)).energy.milliwh == 0
    assert judge(None, [], None).anomalies[0].since == datetime.min.replace(tzinfo=UTC)

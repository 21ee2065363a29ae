"""Busy periods of a week and the sentences that name them."""

from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.numbers.demand import (
    Period,
    Week,
    busiest_hour,
    busiest_sentence,
    busy_periods,
    percent,
    sentence,
)

_weeks = st.lists(
    st.lists(st.none() | st.floats(0, 1, allow_nan=False), min_size=24, max_size=24), min_size=7, max_size=7
)


def _week(*busy: tuple[int, int, float]) -> Week:
    week: list[list[float | None]] = [[0.0] * 24 for _ in range(7)]
    for day, hour, share in busy:
        week[day][hour] = share
    return week


@given(_weeks, st.floats(0.1, 1))
def test_periods_hold_just_the_busy_hours(week: Week, at_least: float) -> None:
    """Each busy hour is in one period, no other is in any, and no period says less than its bound."""
    periods = busy_periods(week, at_least)
    held = [
        (day, hour)
        for it in periods
        for day in range(it.first_day, it.last_day + 1)
        for hour in range(it.begin_hour, it.end_hour)
    ]
    busy = {
        (day, hour) for day, hours in enumerate(week) for hour, share in enumerate(hours) if (share or 0) >= at_least
    }
    assert len(held) == len(set(held))
    assert set(held) == busy
    assert all(it.share >= at_least - 1e-9 for it in periods)
    assert [it.share for it in periods] == sorted((it.share for it in periods), reverse=True)


def test_hours_in_a_row_are_one_period() -> None:
    """The mean of its hours is its share."""
    week = _week((4, 16, 0.9), (4, 17, 0.96), (4, 18, 0.9), (4, 20, 0.5))
    assert [sentence("HARBOUR", it) for it in busy_periods(week)] == ["HARBOUR: Fri 16–19, 92 % occupied"]
    assert busiest_sentence("HARBOUR", week) == "HARBOUR: Fri 16–19, 92 % occupied"


def test_days_in_a_row_with_the_same_hours_are_one_period() -> None:
    """Working days read as working days; a day of other hours stands alone."""
    week = _week(*((day, hour, 0.8) for day in range(5) for hour in (7, 8)), (6, 12, 1.0))
    assert busy_periods(week) == [Period(6, 6, 12, 13, 1.0), Period(0, 4, 7, 9, 0.8)]
    assert sentence("A", busy_periods(week)[1]) == "A: Mon–Fri 7–9, 80 % occupied"


def test_a_quiet_site_names_its_busiest_hour() -> None:
    """Nothing above the bound: the one hour that comes nearest, the first of equals."""
    assert busiest_sentence("A", _week((2, 9, 0.3), (3, 9, 0.3))) == "A: Wed 9–10, 30 % occupied"
    assert busiest_hour(_week()) is None
    assert busiest_sentence("A", _week()) == "A: no EVSE was occupied"


def test_percent_rounds_half_up() -> None:
    """As people do."""
    assert [percent(share) for share in (0.0, 0.125, 0.145, 0.925, 1.0)] == [0, 13, 15, 93, 100]

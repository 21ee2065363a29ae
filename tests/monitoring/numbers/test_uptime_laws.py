"""What must hold of every law on every timeline, and that a walk over the minutes agrees."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.numbers.pasts import (
    MINUTES,
    at,
    exclusion,
    exclusion_lists,
    interval,
    is_excluded,
    past_of,
    port_of,
    state_at,
    timelines,
)

from voltway.monitoring.numbers.exclusions import NEVI_CAUSES, Exclusion, ExclusionCause
from voltway.monitoring.numbers.sla import Contract, Weighting
from voltway.monitoring.numbers.sla_law import sla_port, sla_result
from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_model import DOWN_STATES, PortPast
from voltway.monitoring.numbers.uptime_nevi import nevi_month, nevi_port
from voltway.monitoring.numbers.uptime_spans import MINUTE_US, span_of
from voltway.monitoring.numbers.uptime_uk import uk_network, uk_port
from voltway.monitoring.timeline.model import Interval, OperatorState

MARCH = Month(2026, 3)
PERIOD = span_of(at(0), at(MINUTES))
EXCUSED = (ExclusionCause.UTILITY_INTERRUPTION, ExclusionCause.SITE_OWNER)
CONTRACT = Contract(
    "C", "C", Decimal(98), grace=timedelta(minutes=15), excluded_causes=frozenset(EXCUSED), weighting=Weighting.PORT
)
pasts = st.builds(lambda intervals, exclusions: past_of(intervals, *exclusions), timelines(), exclusion_lists())


def _split(past: PortPast, minute: int) -> PortPast:
    """Return the same past with the interval that holds a minute cut in two there."""
    parts: list[Interval] = []
    for one in past.intervals:
        assert one.end is not None
        if one.begin < at(minute) < one.end:
            parts += [replace(one, end=at(minute)), replace(one, begin=at(minute))]
        else:
            parts.append(one)
    return replace(past, intervals=tuple(parts))


@given(pasts, st.integers(0, MINUTES))
def test_splitting_an_interval_changes_nothing(past: PortPast, minute: int) -> None:
    cut = _split(past, minute)
    assert nevi_port(cut, MARCH) == nevi_port(past, MARCH)
    assert uk_port(cut, PERIOD) == uk_port(past, PERIOD)
    assert sla_port(cut, CONTRACT, MARCH, 1) == sla_port(past, CONTRACT, MARCH, 1)


@given(pasts)
def test_only_time_down_needs_to_be_read(past: PortPast) -> None:
    """The store reads nothing but what is down: the rest of the timeline changes no figure."""
    down = replace(past, intervals=tuple(one for one in past.intervals if one.state in DOWN_STATES))
    assert nevi_port(down, MARCH) == nevi_port(past, MARCH)
    assert uk_port(down, PERIOD) == uk_port(past, PERIOD)


@given(pasts)
def test_a_walk_over_the_minutes_finds_the_same_by_nevi(past: PortPast) -> None:
    down = [minute for minute in range(MINUTES) if state_at(past, minute) in DOWN_STATES]
    excused = [minute for minute in down if is_excluded(past, minute, NEVI_CAUSES)]
    figures = nevi_port(past, MARCH)
    assert (figures.outage_us, figures.excluded_us) == (len(down) * MINUTE_US, len(excused) * MINUTE_US)
    assert figures.percent == Fraction((525_600 - (len(down) - len(excused))) * 100, 525_600)
    assert figures.service_us == MINUTES * MINUTE_US
    assert figures.percent_in_service == Fraction((MINUTES - len(down) + len(excused)) * 100, MINUTES)


@given(pasts)
def test_a_walk_over_the_minutes_finds_the_same_in_the_uk(past: PortPast) -> None:
    """Working, not working, ineligible and closed are the whole of the service."""
    states = [
        state_at(past, minute)
        for minute in range(MINUTES)
        if not is_excluded(past, minute, [ExclusionCause.CLOSED_HOURS])
    ]
    neutral = sum(state in (OperatorState.OFFLINE, OperatorState.UNKNOWN) for state in states)
    broken = sum(state in (OperatorState.FAULTED, OperatorState.UNAVAILABLE) for state in states)
    point = uk_port(past, PERIOD)
    assert (point.neutral_us, point.unreliable_us) == (neutral * MINUTE_US, broken * MINUTE_US)
    assert point.closed_us == (MINUTES - len(states)) * MINUTE_US
    assert point.reliable_us + point.unreliable_us + point.neutral_us + point.closed_us == point.service_us
    assert point.service_us == MINUTES * MINUTE_US


@given(pasts)
def test_a_walk_over_the_minutes_finds_the_same_by_contract(past: PortPast) -> None:
    """A minute is down where the port was down in it and in the fifteen before it."""
    is_down = [state_at(past, minute) in DOWN_STATES for minute in range(MINUTES)]
    down = [minute for minute in range(15, MINUTES) if all(is_down[minute - 15 : minute + 1])]
    excused = [minute for minute in down if is_excluded(past, minute, EXCUSED)]
    figures = sla_port(past, CONTRACT, MARCH, 1)
    assert (figures.down_us, figures.excluded_us) == (len(down) * MINUTE_US, len(excused) * MINUTE_US)
    assert figures.percent == Fraction((MINUTES - len(down) + len(excused)) * 100, MINUTES)


@given(pasts, exclusion_lists())
def test_an_exclusion_never_lowers_uptime(past: PortPast, more: list[Exclusion]) -> None:
    """NEVI and contracts: it only ever takes from the outage. (UK opening hours shrink the whole: no such promise.)"""
    excused = replace(past, exclusions=(*past.exclusions, *more))
    assert nevi_port(excused, MARCH).percent >= nevi_port(past, MARCH).percent
    before, after = (sla_port(one, CONTRACT, MARCH, 1).percent for one in (past, excused))
    assert before is not None
    assert after is not None
    assert after >= before


@given(pasts, st.integers(0, MINUTES), st.integers(1, 100), st.sampled_from(sorted(DOWN_STATES)))
def test_an_outage_never_raises_uptime(past: PortPast, begin: int, minutes: int, state: OperatorState) -> None:
    """By NEVI and by contract, however it touches others; shown by an outage laid over the timeline."""
    worse = replace(past, intervals=(*past.intervals, interval(at(begin), at(min(begin + minutes, MINUTES)), state)))
    if begin == MINUTES:
        return
    assert nevi_port(worse, MARCH).percent <= nevi_port(past, MARCH).percent
    before, after = (sla_port(one, CONTRACT, MARCH, 1).percent for one in (past, worse))
    assert before is not None
    assert after is not None
    assert after <= before


@given(st.lists(timelines(), min_size=1, max_size=4))
def test_the_order_of_ports_changes_nothing(drawn: list[tuple[Interval, ...]]) -> None:
    """Nor of the network's figure, nor of a contract's, by any weighting."""
    some = [past_of(one, port=port_of(f"CP-{number}")) for number, one in enumerate(drawn)]
    assert uk_network(some, PERIOD).percent == uk_network(some[::-1], PERIOD).percent
    assert uk_network(some, PERIOD).percent_mean == uk_network(some[::-1], PERIOD).percent_mean
    for weighting in Weighting:
        terms = replace(CONTRACT, weighting=weighting)
        assert sla_result(some, terms, MARCH).percent == sla_result(some[::-1], terms, MARCH).percent


@given(st.lists(timelines(), min_size=1, max_size=4))
def test_ineligible_time_counted_as_reliable_is_never_stricter(drawn: list[tuple[Interval, ...]]) -> None:
    """The figure we hold against 99 % is the lower of the two readings, so no reading contradicts a pass."""
    network = uk_network([past_of(one) for one in drawn], PERIOD)
    assert network.percent_ineligible_reliable is not None
    assert network.percent is None or network.percent <= network.percent_ineligible_reliable


@given(
    st.lists(st.tuples(st.integers(0, 8_000), st.integers(1, 900), st.sampled_from(OperatorState)), max_size=12),
    st.lists(st.tuples(st.integers(0, 8_000), st.integers(1, 900)), max_size=4),
    st.sampled_from(["UTC", "Europe/London", "America/New_York", "Pacific/Auckland"]),
)
def test_twelve_months_sum_to_the_year(
    stretches: list[tuple[int, int, OperatorState]], excused: list[tuple[int, int]], zone: str
) -> None:
    """Over the changes of the clock and a leap day, in hours of 2027-03 to 2028-02, to the microsecond."""
    begin = span_of(at(0), at(0)).begin_at.replace(year=2027)
    hour = timedelta(hours=1)
    intervals = [interval(begin + a * hour, begin + (a + n) * hour, state) for a, n, state in stretches]
    past = PortPast(port_of(zone=ZoneInfo(zone)), span_of(begin, begin + timedelta(days=400)), begin, tuple(intervals))
    past = replace(past, exclusions=tuple(_excuse(begin + a * hour, n) for a, n in excused))
    last = Month(2028, 2)
    year = nevi_port(past, last)
    months = [nevi_month(past, last.after(-number)) for number in range(12)]
    assert list(year.months) == months[::-1]
    assert sum(one.outage_us for one in months) == year.outage_us
    assert sum(one.excluded_us for one in months) == year.excluded_us
    assert sum(one.service_us for one in months) == year.service_us


def _excuse(begin: datetime, hours: int) -> Exclusion:
    return exclusion(begin, begin + timedelta(hours=hours))

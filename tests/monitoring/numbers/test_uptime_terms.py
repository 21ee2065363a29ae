"""Spans, calendars, exclusions and contracts: the pieces that the laws of uptime stand on."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.numbers.pasts import at, exclusion, interval, past_of, port_of

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.numbers.exclusions import NEVI_CAUSES, applied, check_exclusion, exclusion_spans
from voltway.monitoring.numbers.sla import Period, parse_contract
from voltway.monitoring.numbers.sla_law import sla_result
from voltway.monitoring.numbers.uptime_calendar import Month, ServiceWindow, window_spans, year_span
from voltway.monitoring.numbers.uptime_model import DOWN_STATES, PortPast, outages_in
from voltway.monitoring.numbers.uptime_nevi import nevi_port
from voltway.monitoring.numbers.uptime_spans import (
    MINUTE_US,
    Span,
    intersect,
    length,
    minutes_text,
    percent_text,
    share,
    span_of,
    subtract,
    union,
)
from voltway.monitoring.numbers.uptime_uk import uk_network
from voltway.monitoring.timeline.model import Interval, OperatorState

LONDON, BERLIN = ZoneInfo("Europe/London"), ZoneInfo("Europe/Berlin")
NAMES = ["target_percent", "windows", "down_states", "name", "grace_s", "excluded_causes"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
HOUR_US = 60 * MINUTE_US
spans = st.lists(st.builds(lambda begin, size: Span(begin, begin + size), st.integers(0, 60), st.integers(0, 20)))


def _instants(some: tuple[Span, ...]) -> set[int]:
    return {instant for one in some for instant in range(one.begin, one.end)}


@given(spans, spans)
def test_spans_are_sets_of_instants(drawn: list[Span], others: list[Span]) -> None:
    one, other = union(drawn), union(others)
    assert _instants(one) == _instants(tuple(drawn))
    assert _instants(intersect(one, other)) == _instants(one) & _instants(other)
    assert _instants(subtract(one, other)) == _instants(one) - _instants(other)
    assert length(one) == len(_instants(one))
    assert all(left.end < right.begin for left, right in itertools.pairwise(one))


def test_percentages_are_rounded_down_and_minutes_half_up() -> None:
    """A figure never claims what it does not reach."""
    assert percent_text(Fraction(969_999_999, 10_000_000)) == "96.999"
    assert percent_text(Fraction(97)) == "97.000"
    assert percent_text(share(1, 0)) is None
    assert [minutes_text(micros) for micros in (300_000, 299_999, 90_000_000)] == ["0.01", "0.00", "1.50"]


@pytest.mark.parametrize(
    ("month", "zone", "hours"),
    [
        (Month(2026, 3), LONDON, 743),
        (Month(2026, 10), LONDON, 745),
        (Month(2026, 2), LONDON, 672),
        (Month(2028, 2), BERLIN, 696),
        (Month(2026, 4), ZoneInfo("Pacific/Auckland"), 721),
    ],
)
def test_a_month_has_the_hours_of_its_place(month: Month, zone: ZoneInfo, hours: int) -> None:
    assert length([month.span(zone)]) == hours * HOUR_US


def test_months_count_on_over_years() -> None:
    assert Month(2026, 11).after(3) == Month(2027, 2)
    assert Month(2026, 2).after(-2) == Month(2025, 12)
    assert Month.parse("2026-07").text == "2026-07"
    assert length([year_span(2028, LONDON)]) == 366 * 24 * HOUR_US
    assert [Period.QUARTER.holding(Month(2026, number)).month for number in (1, 3, 4, 12)] == [1, 1, 4, 10]


def test_a_window_over_midnight_loses_an_hour_in_spring_and_wins_one_in_autumn() -> None:
    """22:00 to 06:00 in Berlin: seven, eight and nine hours."""
    nights = (ServiceWindow(frozenset({6}), time(22), time(6)),)

    def hours(day: datetime) -> int:
        return length(window_spans(nights, span_of(day, day + timedelta(days=2)), BERLIN)) // HOUR_US

    saturdays = [
        datetime(2026, 3, 28, tzinfo=UTC),
        datetime(2026, 4, 4, tzinfo=UTC),
        datetime(2026, 10, 24, tzinfo=UTC),
    ]
    assert [hours(day) for day in saturdays] == [7, 8, 9]


def test_a_window_of_the_day_before_reaches_into_the_period() -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    nights = (ServiceWindow(frozenset({7}), time(22), time(6)),)
    assert length(window_spans(nights, span_of(monday, monday + timedelta(days=1)), ZoneInfo("UTC"))) == 6 * HOUR_US


def test_a_withdrawn_exclusion_and_one_of_another_cause_do_not_count() -> None:
    stands, outage = exclusion(at(0), at(10)), [span_of(at(5), at(20))]
    withdrawn = replace(stands, withdrawn_at=at(30))
    assert exclusion_spans([withdrawn], NEVI_CAUSES) == ()
    assert exclusion_spans([stands], frozenset()) == ()
    assert [one.excluded_us for one in applied([stands, withdrawn], NEVI_CAUSES, outage)] == [5 * MINUTE_US]
    assert applied([exclusion(at(30), at(40))], NEVI_CAUSES, outage) == ()


def test_an_exclusion_says_all_that_is_wrong_with_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_exclusion(at(10), at(10), evidence=" ", evidence_url="ftp://x", place=("L", "S", None))
    assert [fault.pointer for fault in caught.value.faults] == [
        "/station_id", "/end_at", "/evidence", "/evidence_url",
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="cannot stand"):
        check_exclusion(at(0), at(0) + timedelta(days=401), evidence="fire", evidence_url=None, place=("L", None, 1))


def test_service_before_the_first_evidence_is_unknown() -> None:
    """Commissioned ten minutes before anything was heard of it: ten minutes that nobody can call up."""
    past = PortPast(port_of(), span_of(at(0), at(60)), at(10))
    silent = PortPast(port_of(), span_of(at(0), at(60)), None)
    assert nevi_port(past, Month(2026, 3)).outage_us == 10 * MINUTE_US
    assert nevi_port(silent, Month(2026, 3)).outage_us == 60 * MINUTE_US
    assert [one.state for one in outages_in(past, DOWN_STATES, past.service)] == [OperatorState.UNKNOWN]


def test_low_power_is_an_outage_of_nevi_once_and_of_no_uk_law() -> None:
    offline = past_of([*_offline(0, 10), *_up(10, 60)], shortfalls=(span_of(at(5), at(25)),))
    assert nevi_port(offline, Month(2026, 3)).outage_us == 25 * MINUTE_US
    assert uk_network([offline], span_of(at(0), at(60))).ports[0].unreliable_us == 0


def _offline(begin: int, end: int) -> list[Interval]:
    return [interval(at(begin), at(end), OperatorState.OFFLINE)]


def _up(begin: int, end: int) -> list[Interval]:
    return [interval(at(begin), at(end), OperatorState.AVAILABLE)]


def test_a_network_without_a_measured_minute_has_no_figure() -> None:
    """Nothing is neither a pass nor a failure."""
    assert uk_network([], span_of(at(0), at(60))).percent is None
    only_offline = uk_network([past_of(_offline(0, 60))], span_of(at(0), at(60)))
    assert (only_offline.percent, only_offline.is_met) == (None, None)
    assert sla_result([], parse_contract("C", {"target_percent": 99}), Month(2026, 3)).is_met is None


@pytest.mark.parametrize(("weighting", "percent"), [("port", 75), ("time", 60), ("power", 55), ("worst", 50)])
def test_weightings(weighting: str, percent: int) -> None:
    """An hour of a 50 kW port up throughout; four hours at 100 kW, half of them down."""
    good = past_of(_up(0, 60), port=port_of("CP-1", max_power_w=50_000))
    bad = past_of([*_up(0, 120), *_offline(120, 240)], port=port_of("CP-2", max_power_w=100_000))
    contract = parse_contract("C", {"target_percent": 99, "weighting": weighting})
    found = sla_result([good, bad], contract, Month(2026, 3)).percent
    assert found is not None
    assert found == (Fraction(percent) if weighting != "power" else Fraction(100 * 50 + 50 * 400, 450))


def test_a_contract_is_about_its_places() -> None:
    of = {"target_percent": 99, "locations": ["HARBOUR"], "groups": ["fast", "new"], "min_power_w": 100_000}
    contract = parse_contract("C", of)
    assert contract.covers(port_of())
    assert not contract.covers(port_of(location_id="ELSEWHERE"))
    assert not contract.covers(port_of(groups=("slow",)))
    assert not contract.covers(port_of(max_power_w=None))


def test_a_contract_says_all_its_faults_at_once() -> None:
    document = {
        "target_percent": 101, "period": "week", "down_states": [], "grace_s": 1.5, "windows": [{"weekdays": [8]}],
        "excluded_causes": ["bad luck"], "weighting": "mean", "low_power_is_down": "yes", "locations": "HARBOUR",
        "min_power_w": 0, "name": "", "penalty": 3,
    }  # fmt: skip
    with pytest.raises(InvalidInput) as caught:
        parse_contract("C", document)
    assert {fault.pointer for fault in caught.value.faults} == {f"/{name}" for name in document}
    assert all(fault.message for fault in caught.value.faults)
    with pytest.raises(InvalidInput) as missing:
        parse_contract("C", {})
    assert [fault.pointer for fault in missing.value.faults] == ["/target_percent"]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES | st.lists(VALUES | st.dictionaries(st.text(), VALUES))))
def test_whatever_a_contract_holds_it_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        assert parse_contract("C", document).code == "C"
    except InvalidInput as error:
        assert error.faults  # noqa: PT017


def test_an_outage_that_goes_on_ends_with_the_service_for_now() -> None:
    """A running interval counts up to now and no further; the rest of the month is not yet anything."""
    running = past_of([interval(at(0), at(10), OperatorState.AVAILABLE), interval(at(10), None, OperatorState.FAULTED)])
    past = replace(running, service=span_of(at(0), at(30)))
    port = nevi_port(past, Month(2026, 3))
    assert (port.service_us, port.outage_us) == (30 * MINUTE_US, 20 * MINUTE_US)
    assert [(one.begin_at, one.end_at) for one in port.outages] == [(at(10), at(30))]
    before = replace(running, service=span_of(at(0), at(5)))
    assert nevi_port(before, Month(2026, 3)).outage_us == 0


def test_a_decommissioned_port_is_out_of_its_later_months() -> None:
    """Decommissioned in mid-month: what is broken afterwards is nobody's outage."""
    past = replace(past_of(_offline(0, 90)), service=span_of(at(0), at(60)))
    assert nevi_port(past, Month(2026, 3)).outage_us == 60 * MINUTE_US
    assert nevi_port(past, Month(2027, 3)).service_us == 0
    assert uk_network([past], span_of(at(60), at(90))).ports == ()


@pytest.mark.parametrize(("minutes", "counted"), [(14, 0), (15, 0), (16, 1), (45, 30)])
def test_the_grace_is_taken_from_each_outage(minutes: int, counted: int) -> None:
    """Two outages of one length, an hour apart, each less its fifteen minutes."""
    past = past_of([*_offline(0, minutes), *_up(minutes, 60), *_offline(60, 60 + minutes), *_up(60 + minutes, 200)])
    contract = parse_contract("C", {"target_percent": 99, "grace_s": 900})
    assert sla_result([past], contract, Month(2026, 3)).ports[0].down_us == 2 * counted * MINUTE_US


def test_adjacent_outages_of_several_states_have_one_grace() -> None:
    """Offline for ten minutes and then faulted for ten is twenty minutes down, listed as two stretches."""
    fault = interval(at(10), at(20), OperatorState.FAULTED, "GroundFailure")
    past = past_of([*_offline(0, 10), fault, *_up(20, 100)])
    port = sla_result([past], parse_contract("C", {"target_percent": 99, "grace_s": 900}), Month(2026, 3)).ports[0]
    assert port.down_us == 5 * MINUTE_US
    assert [(one.state.value, one.cause) for one in port.outages] == [("offline", ""), ("faulted", "GroundFailure")]


def test_ninety_seven_percent_exactly_is_not_greater_than_it() -> None:
    """NEVI's target must be exceeded, the UK's and a contract's reached."""
    minutes = 525_600 * 3 // 100
    begin = at(0)
    past = PortPast(
        port_of(), span_of(begin, begin + timedelta(days=365)), begin,
        (interval(begin, begin + timedelta(minutes=minutes), OperatorState.OFFLINE),),
    )  # fmt: skip
    port = nevi_port(past, Month(2027, 2))
    assert (port.percent, port.is_met) == (Fraction(97), False)
    broken = past_of([*_up(0, 99), interval(at(99), at(100), OperatorState.FAULTED)])
    reached = uk_network([broken], span_of(at(0), at(100)))
    assert (reached.percent, reached.is_met) == (Fraction(99), True)
    judged = sla_result([broken], parse_contract("C", {"target_percent": 99}), Month(2026, 3))
    assert (judged.percent, judged.is_met) == (Fraction(99), True)

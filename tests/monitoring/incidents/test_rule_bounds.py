"""Whatever a person writes into a rule: it is refused with words, or every detector can compute with it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.gate import step
from voltway.monitoring.incidents.model import (
    EvseView,
    MeterView,
    Notice,
    Place,
    Refusal,
    Rule,
    SessionView,
    SiteView,
    StationView,
)
from voltway.monitoring.incidents.rules import (
    LONGEST_S,
    document_of,
    effective,
    faults_of,
    parse_rule,
    shipped,
)
from voltway.monitoring.incidents.silence import SilentInput
from voltway.monitoring.timeline.model import Cause, Interval, OperatorState

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NUMBERS = st.one_of(
    st.floats(), st.integers(), st.integers(-(10**400), 10**400), st.booleans(), st.none(), st.text(max_size=3)
)  # fmt: skip


def instants(low: int = 2015, high: int = 2040) -> st.SearchStrategy[datetime]:
    """Draw an aware instant."""
    return st.datetimes(datetime(low, 1, 1), datetime(high, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - aware by it


@st.composite
def evse_views(draw: st.DrawFn) -> EvseView:
    """Draw an EVSE with anything that its parts may hold."""
    when = instants()
    maybe = st.none() | when
    state = draw(st.sampled_from(list(OperatorState)))
    cause = draw(st.sampled_from(["", *Cause]))
    session = SessionView(
        "s", "t", draw(when), "AA", draw(st.integers(0, 10**9)), draw(st.none() | st.floats(0, 4e5)),
        draw(st.none() | st.floats(0, 100)), draw(maybe), draw(when), "Charging", draw(maybe), (), draw(maybe),
    )  # fmt: skip
    meter = MeterView(
        draw(maybe), draw(st.none() | st.floats(0, 4e5)), draw(st.none() | st.floats(0, 4e5)),
        draw(st.none() | st.floats(-50, 200)), draw(st.none() | st.integers(0, 10**12)), draw(maybe),
        draw(st.booleans()), draw(st.none() | st.integers(0, 10**12)), draw(maybe),
        draw(st.none() | st.floats(0, 4e5)),
    )  # fmt: skip
    return EvseView(
        Place(1, 2, 3), draw(st.none() | st.integers(1, 400_000)), Interval(draw(when), None, state, cause, "", T0),
        draw(st.none() | st.just(session)), meter, free_since=draw(maybe), wanted=draw(st.none() | st.booleans()),
        wanted_since=draw(maybe), recent_anomalies=tuple(draw(st.lists(st.tuples(when, st.just("x")), max_size=3))),
    )  # fmt: skip


@st.composite
def station_views(draw: st.DrawFn) -> StationView:
    """Draw a station; a certificate may expire at any instant that can be written."""
    when = instants()
    certificates = st.dictionaries(st.sampled_from("ab"), instants(1, 9999), max_size=2)
    statuses = st.sampled_from(["DownloadFailed", "Installed", "Idle", 7, None])
    notices = st.builds(
        Notice, when, st.just("FirmwareStatusNotification"), st.fixed_dictionaries({"status": statuses})
    )
    return StationView(
        Place(1, 2), "CP-1", "Acme", "One", "1", (), draw(st.booleans()), draw(st.none() | when),
        draw(st.none() | when), draw(st.none() | st.integers(-(10**9), 10**9)), draw(st.none() | when),
        breaks=tuple(draw(st.lists(when, max_size=4))), notices=tuple(draw(st.lists(notices, max_size=3))),
        expiries=draw(certificates),
        refusals=tuple(draw(st.lists(st.builds(Refusal, when, st.just("Blocked"), st.sampled_from("ab")), max_size=4))),
        evses=tuple(draw(st.lists(evse_views(), max_size=3))), is_commissioned=draw(st.booleans()),
    )  # fmt: skip


SITES = st.builds(
    SiteView, st.just(Place(1)), st.just("A"), st.just("A"), st.lists(station_views(), max_size=4).map(tuple)
)
SILENCES = st.builds(
    SilentInput, st.integers(0, 10**4), st.integers(0, 10**4), st.integers(0, 10**4), st.none() | instants(),
    st.integers(0, 60),
)  # fmt: skip
VIEWS: dict[str, st.SearchStrategy[Any]] = {
    "evse": evse_views(), "station": station_views(), "site": SITES, "network": st.lists(SITES, max_size=2),
}  # fmt: skip


@st.composite
def accepted(draw: st.DrawFn) -> Rule:
    """Draw a rule that is accepted, with its numbers often at an edge of what is."""
    code = draw(st.sampled_from(sorted(shipped())))
    params = {}
    for name in DETECTORS[shipped()[code].detector].params:
        value = draw(st.sampled_from([0, 0.001, 1, 100, 3650, 8760, 525_600, 31_536_000, 1e9]))
        if not faults_of(code, {"params": {name: value}}):
            params[name] = value
    holds = st.sampled_from([0, 1, 3600, LONGEST_S])
    return parse_rule(code, {"params": params, "hold_s": draw(holds), "clear_hold_s": draw(holds)})


def hold(rule: Rule, view: object, now: datetime) -> None:
    """Let a detector look and the gate judge, twice, so that what is known is met again."""
    detector = DETECTORS[rule.detector]
    known = None
    for instant in (now, now + timedelta(days=40)):
        known = step(known, detector.function(view, rule, instant), rule, Place(1, 2, 3), instant).symptom


@given(accepted(), instants(), st.data())
def test_an_accepted_rule_is_computed_with_whatever_stations_say(
    rule: Rule, now: datetime, data: st.DataObject
) -> None:  # fmt: skip
    """One rule that raises would stop the watch of every operator, again and again."""
    view = SILENCES if rule.detector == "silent_connector" else VIEWS[rule.scope]
    hold(rule, data.draw(view), now)


@given(
    st.sampled_from(sorted(shipped())),
    st.dictionaries(
        st.sampled_from(["threshold", "clear_below", "hold_s", "clear_hold_s", "title", "severity", "detector",
                         "group_by", "enabled", "ladder", "colour"]), NUMBERS | st.lists(NUMBERS), max_size=4),
    st.none() | NUMBERS
    | st.dictionaries(st.sampled_from(["window_min", "warn_days", "x"]), NUMBERS | st.lists(NUMBERS)),
)  # fmt: skip
def test_every_document_is_a_rule_or_is_refused_with_pointers(code: str, document: dict[str, Any], params: Any) -> None:
    whole = document if params is None else {**document, "params": params}
    faults = faults_of(code, whole)
    if faults:
        with pytest.raises(InvalidInput) as caught:
            parse_rule(code, whole)
        assert list(caught.value.faults) == faults
        assert all(it.pointer.startswith("/") and it.message for it in faults)
        assert effective({code: whole}) == shipped()
    else:
        rule = parse_rule(code, whole)
        assert parse_rule(code, document_of(rule)) == rule


@pytest.mark.parametrize("document", [[], "x", 3, None])
def test_what_is_no_object_is_left_out(document: Any) -> None:
    assert effective({"faulted": document}) == shipped()


def test_a_stored_change_that_no_longer_fits_spares_the_others() -> None:
    """A parameter that a later version dropped: that rule is as shipped, the other change is in force."""
    stored: dict[str, dict[str, Any]] = {
        "flapping_connection": {"params": {"window_weeks": 2}},
        "temperature": {"threshold": 90},
        "gone": {"title": "Old", "detector": "dropped", "group_by": "evse"},
    }
    rules = effective(stored)
    assert rules["flapping_connection"] == shipped()["flapping_connection"]
    assert rules["temperature"].threshold == 90
    assert "gone" not in rules
    assert [it.pointer for it in faults_of("gone", stored["gone"])] == ["/detector"]


@pytest.mark.parametrize("name", ["threshold", "clear_below"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_threshold_that_health_would_reach_is_refused(name: str, value: float) -> None:
    """Detectors say 0 of a place that is well: at 0 a rule would raise it everywhere, or never end."""
    document = {"threshold": value, "clear_below": value} if name == "threshold" else {name: value}
    assert f"/{name}" in {it.pointer for it in faults_of("no_delivery", document)}


@pytest.mark.parametrize(
    ("code", "name", "most"),
    [
        ("certificate_expiry", "warn_days", 3650),
        ("session_stuck", "open_h", 8760),
        ("flapping_connection", "window_min", 525_600),
        ("site_outage", "within_s", 31_536_000),
        ("no_delivery", "full_soc_pct", 100),
        ("no_delivery", "delivered_wh", 1e9),
    ],
)
def test_a_parameter_is_bounded_by_its_unit(code: str, name: str, most: float) -> None:
    assert faults_of(code, {"params": {name: most}}) == []
    (fault,) = faults_of(code, {"params": {name: most * 1.01}})
    assert (fault.pointer, fault.message) == (f"/params/{name}", f"must be a number from 0 to {most:g}")


def test_parameters_are_laid_over_one_by_one_unless_another_detector_reads_others() -> None:
    stuck = parse_rule("session_stuck", {"params": {"idle_h": 2}})
    assert stuck.params == {**shipped()["session_stuck"].params, "idle_h": 2}
    other = parse_rule("session_stuck", {"detector": "temperature"})
    assert (other.scope, other.params) == ("evse", {"fresh_min": 60.0})
    assert [it.pointer for it in faults_of("temperature", {"detector": "faulted", "params": {"fresh_min": 1}})] == [
        "/params/fresh_min"
    ]

"""Which route wants what, the keys of changes, and the public document of an incident."""

from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.notify.changes import NOON, make_change, make_incident

from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import ChangeKind, Severity
from voltway.monitoring.notify.document import event_data, event_type, incident_document
from voltway.monitoring.notify.model import (
    Conditions,
    Place,
    Route,
    Told,
    allowed_at,
    change_key,
    conditions_from_json,
    conditions_to_json,
    error_words,
    wants,
)
from voltway.monitoring.notify.schedule import Hours, Schedule, Window

PLACE = Place("Europe/Berlin", "HARBOUR", "Harbour Square", "CP-1", 1, ("CP-1",), frozenset({"fast"}))
clocks = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
hours = st.one_of(st.none(), st.builds(Hours, clocks, clocks))
conditions = st.builds(
    Conditions,
    min_severity=st.sampled_from(Severity),
    kinds=st.frozensets(st.sampled_from(ChangeKind)),
    locations=st.frozensets(st.text(min_size=1)),
    groups=st.frozensets(st.text(min_size=1)),
    window=st.builds(Window, st.frozensets(st.integers(1, 7)), hours),
    schedule=st.builds(Schedule, hours, st.one_of(st.none(), st.integers(1)), critical_passes=st.booleans()),
    time_zone=st.sampled_from([None, "UTC", "Asia/Tokyo"]),
    repeat_uncertain=st.booleans(),
)


def route(**values: Any) -> Route:
    enabled = values.pop("enabled", True)
    return Route(1, OperatorId(values.pop("operator_id", 1)), "Desk", enabled, Conditions(**values))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, True),
        ({"enabled": False}, False),
        ({"operator_id": 2}, False),
        ({"min_severity": Severity.MAJOR}, True),
        ({"min_severity": Severity.CRITICAL}, False),
        ({"kinds": frozenset({ChangeKind.REMEDIED})}, False),
        ({"locations": frozenset({"HARBOUR"})}, True),
        ({"locations": frozenset({"PARK"})}, False),
        ({"groups": frozenset({"fast", "slow"})}, True),
        ({"groups": frozenset({"slow"})}, False),
        # noon UTC on a Monday is 13:00 in Berlin
        ({"window": Window(frozenset({1}), Hours(time(13), time(14)))}, True),
        ({"window": Window(frozenset({2}))}, False),
        ({"window": Window(hours=Hours(time(13), time(14))), "time_zone": "UTC"}, False),
    ],
)
def test_each_condition_counts(values: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001 - a table's column
    assert wants(route(**values), make_change(), PLACE) is wanted


def test_a_comment_is_told_only_on_request() -> None:
    comment = make_change(ChangeKind.COMMENTED)
    assert not wants(route(), comment, PLACE)
    assert wants(route(kinds=frozenset({ChangeKind.COMMENTED})), comment, PLACE)


@given(conditions)
def test_conditions_survive_the_table(drawn: Conditions) -> None:
    assert conditions_from_json(conditions_to_json(drawn)) == drawn


def test_a_change_has_one_key() -> None:
    """The same however often it is handed in; comments leave the revision alone and are told apart by their time."""
    assert change_key(make_change()) == change_key(make_change(text="again"))
    assert change_key(make_change()) != change_key(make_change(ChangeKind.REMEDIED))
    assert change_key(make_change()) != change_key(make_change(incident=make_incident(2)))
    comments = [make_change(ChangeKind.COMMENTED, minute=minute) for minute in (1, 2)]
    assert change_key(comments[0]) != change_key(comments[1])


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [("GroundFailure", "E-17", "GroundFailure (E-17)"), ("NoError", "E-17", "E-17"), (None, None, ""), ("X", "", "X")],
)
def test_codes_in_words(ours: str | None, theirs: str | None, words: str) -> None:
    assert error_words(ours, theirs) == words


def test_what_may_be_told_now() -> None:
    """13:00 in Berlin is in these quiet hours: what is due waits for 14:00, what is critical does not."""
    quiet = Conditions(schedule=Schedule(Hours(time(12), time(14))))
    told = Told.of(make_change(), PLACE)
    assert allowed_at(quiet, told, NOON) == NOON + timedelta(hours=1)
    assert allowed_at(Conditions(), told, NOON) == NOON
    critical = Told.of(make_change(incident=make_incident(severity=Severity.CRITICAL)), PLACE)
    assert allowed_at(quiet, critical, NOON) == NOON
    assert allowed_at(Conditions(schedule=Schedule(quiet.schedule.quiet, critical_passes=False)), critical, NOON) > NOON


def test_the_document_of_an_incident() -> None:
    """Every key is there from the beginning; what is not known is null."""
    document = incident_document(make_incident(), PLACE)
    assert document == {
        "id": 1, "revision": 1, "rule": "faulted", "severity": "major", "state": "open", "title": "Faulted",
        "location_id": "HARBOUR", "station_id": "CP-1", "evse_id": 1, "stations": ["CP-1"],
        "time_zone": "Europe/Berlin", "began_at": "2026-03-02T12:00:00Z", "opened_at": "2026-03-02T12:00:00Z",
        "acknowledged_at": None, "ended_at": None, "assignee": None, "reopened": 0, "mrec": None,
        "error_code": "GroundFailure", "vendor_error_code": None, "cost": None, "url": None,
    }  # fmt: skip


def test_the_cost_is_exact_text() -> None:
    incident = make_incident(lost_milliwh=12_340_000, lost_revenue=Decimal("4.8100"), currency="EUR")
    cost = incident_document(incident, PLACE)["cost"]
    assert cost == {"lost_kwh": "12.34", "lost_revenue": "4.81", "currency": "EUR"}
    unpriced = incident_document(make_incident(lost_milliwh=100_000_000), PLACE)["cost"]
    assert unpriced == {"lost_kwh": "100", "lost_revenue": None, "currency": None}


def test_an_event_tells_the_change_beside_the_incident() -> None:
    change = make_change(ChangeKind.REMEDIED, minute=7, text="gone by itself")
    assert event_type(change) == "incident.remedied"
    data = event_data(change, PLACE, "https://voltway.example")
    assert data["change"] == {"at": "2026-03-02T12:07:00Z", "actor": "rules", "text": "gone by itself"}
    assert data["incident"]["ended_at"] == "2026-03-02T12:07:00Z"
    assert data["incident"]["url"] == "https://voltway.example/#/incidents/1"
    assert change.at - NOON == timedelta(minutes=7)

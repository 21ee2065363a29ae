"""What messages say: what and where first, local times, what became of it, what was tried, what was lost before."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.notify.changes import NOON, make_change, make_incident

from voltway.kernel.ids import StationId
from voltway.monitoring.incidents.model import ChangeKind, Place, Severity
from voltway.monitoring.notify import model
from voltway.monitoring.notify.model import Told
from voltway.monitoring.notify.texts import MAX_TOLD, Doubt, Surroundings, write_message, write_test

HARBOUR = model.Place("Europe/Berlin", "HARBOUR", "Harbour Square", "AUE-01-1", 1, ("AUE-01-1",))
SITE = model.Place("Europe/Berlin", "HARBOUR", "Harbour Square", stations=("A", "B", "C"))
NOWHERE = model.Place("UTC")


def told(kind: ChangeKind = ChangeKind.OPENED, minute: float = 2, number: int = 1, **values: object) -> Told:
    place = values.pop("place", HARBOUR)
    assert isinstance(place, model.Place)
    incident = make_incident(number, began_at=NOON + timedelta(minutes=2), **values)
    return Told.of(make_change(kind, incident, minute=minute, actor="ada"), place)


def subject(*changes: Told) -> str:
    return write_message(changes, Surroundings()).subject


def test_the_first_line_says_what_and_where() -> None:
    text = write_message([told()], Surroundings())
    assert text.subject == "Faulted: HARBOUR, station AUE-01-1, EVSE 1: GroundFailure since 13:02 (Europe/Berlin)"
    assert text.body.splitlines()[0] == text.subject


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ChangeKind.WORSENED, "Worse: Faulted: HARBOUR"),
        (ChangeKind.ACKNOWLEDGED, "Acknowledged by ada: Faulted: HARBOUR"),
        (ChangeKind.ASSIGNED, "Assigned by ada: Faulted: HARBOUR"),
        (ChangeKind.COMMENTED, "Comment by ada: Faulted: HARBOUR"),
        (ChangeKind.REMEDIED, "Over: Faulted: HARBOUR"),
        (ChangeKind.RESOLVED, "Resolved by ada: Faulted: HARBOUR"),
        (ChangeKind.REOPENED, "Again: Faulted: HARBOUR"),
    ],
)
def test_each_change_has_its_word(kind: ChangeKind, expected: str) -> None:
    assert subject(told(kind)).startswith(expected)


def test_an_end_names_both_times() -> None:
    assert subject(told(ChangeKind.REMEDIED, 9)).endswith("GroundFailure from 13:02 to 13:11 (Europe/Berlin)")


def test_what_is_over_before_it_is_told_is_one_entry() -> None:
    """Opened and over again: not two mails, not two entries."""
    both = [told(), told(ChangeKind.REMEDIED, 7)]
    assert subject(*both).startswith("Opened and over again: Faulted: HARBOUR")
    assert write_message(both, Surroundings()).body.count("AUE-01-1") == 1


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((ChangeKind.OPENED, ChangeKind.RESOLVED), "Opened and resolved by ada: Faulted"),
        ((ChangeKind.OPENED, ChangeKind.REMEDIED, ChangeKind.REOPENED), "Opened, over and back again: Faulted"),
        ((ChangeKind.OPENED, ChangeKind.WORSENED), "Faulted"),
        ((ChangeKind.OPENED, ChangeKind.ACKNOWLEDGED), "Faulted"),
        ((ChangeKind.WORSENED, ChangeKind.REMEDIED), "Over: Faulted"),
    ],
)
def test_a_life_in_one_message(kinds: tuple[ChangeKind, ...], expected: str) -> None:
    assert subject(*(told(kind, minute) for minute, kind in enumerate(kinds, 3))).startswith(expected)


def test_another_day_is_named() -> None:
    """23:30 UTC is half past midnight of the next day in Berlin."""
    incident = make_incident(began_at=datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
    late = Told.of(make_change(ChangeKind.REMEDIED, incident, minute=210), HARBOUR)
    assert subject(late).endswith("from 2026-03-02 21:00 to 00:30 (Europe/Berlin)")


def test_a_site_and_the_network_are_named_as_such() -> None:
    site = told(place=SITE, title="Site is offline", error_code=None)
    assert subject(site) == "Site is offline: HARBOUR, 3 stations since 13:02 (Europe/Berlin)"
    assert subject(told(place=NOWHERE, error_code=None)) == "Faulted since 12:02 (UTC)"


def test_vendor_codes_stand_beside_ours() -> None:
    assert "GroundFailure (E-17) since" in subject(told(vendor_error_code="E-17"))
    assert ": E-17 since" in subject(told(error_code="NoError", vendor_error_code="E-17"))


def test_a_digest_counts_and_then_tells_each() -> None:
    many = [told(number=1), told(number=2), told(ChangeKind.REMEDIED, 9, number=1)]
    text = write_message(many, Surroundings())
    assert text.subject == "2 incidents at HARBOUR: 1 going on, 1 over"
    assert text.body.index("Opened and over again") < text.body.rindex("Faulted: HARBOUR")
    assert subject(told(number=1), told(number=2, place=NOWHERE)) == "2 incidents at HARBOUR: all going on"
    elsewhere = model.Place("UTC", "PARK")
    assert subject(told(number=1), told(number=2, place=elsewhere)) == "2 incidents at 2 sites: all going on"


def test_a_long_digest_is_cut_and_says_so() -> None:
    text = write_message([told(number=number) for number in range(MAX_TOLD + 7)], Surroundings())
    assert "… and 7 more incidents" in text.body
    assert text.body.count("Faulted:") == MAX_TOLD


def test_links_remedies_and_details_follow() -> None:
    around = Surroundings("https://voltway.example/", {1: ["soft reset: no change", "unlock: refused"]})
    text = write_message([told()], around)
    assert "Tried: soft reset: no change; unlock: refused" in text.body
    assert "https://voltway.example/#/incidents/1\n" in text.body
    assert '<a href="https://voltway.example/#/incidents/1">' in text.html
    assert "Site: Harbour Square" in text.body
    assert "Severity: major" in text.body
    assert "http" not in write_message([told()], Surroundings()).body


def test_lost_and_doubtful_messages_are_mentioned() -> None:
    doubts = [Doubt("Faulted: PARK", NOON, is_lost=False), Doubt("Over: PARK", NOON, is_lost=True)]
    body = write_message([told()], Surroundings(doubts=doubts)).body
    assert "May not have reached you: “Faulted: PARK” (2026-03-02 13:00)" in body
    assert "Did not reach you: “Over: PARK” (2026-03-02 13:00)" in body


def test_the_worst_severity_is_the_message_s() -> None:
    assert write_message([told(), told(number=2, severity=Severity.CRITICAL)], Surroundings()).severity == "critical"


def test_html_says_the_same_and_escapes() -> None:
    text = write_message([told(title="<b>Faulted</b> & hot")], Surroundings())
    assert "&lt;b&gt;Faulted&lt;/b&gt; &amp; hot" in text.html
    assert "<b>" not in text.html


def test_a_test_says_that_nothing_is_wrong() -> None:
    text = write_test("Desk")
    assert "“Desk”" in text.subject
    assert "Nothing is wrong" in text.body


@given(
    st.lists(st.tuples(st.sampled_from(ChangeKind), st.integers(1, 5), st.integers(0, 5000)), min_size=1, max_size=40)
)
def test_every_incident_is_told_once(drawn: list[tuple[ChangeKind, int, int]]) -> None:
    """Whatever happened to it: one entry, in the order of the first change."""
    changes = [told(kind, minute, number, place=model.Place("UTC", f"S{number}")) for kind, number, minute in drawn]
    body = write_message(changes, Surroundings("https://voltway.example")).body
    for number in {number for _, number, _ in drawn}:
        assert body.count(f"/incidents/{number}\n") == 1


@given(st.sampled_from(ChangeKind), st.sampled_from(Severity), st.integers(0, 10_000))
def test_what_is_told_survives_the_table(kind: ChangeKind, severity: Severity, minute: int) -> None:
    one = told(kind, minute, severity=severity)
    assert Told.from_json(one.to_json()) == one


def test_the_place_of_a_change_without_station_is_its_site() -> None:
    change = make_change(incident=make_incident(place=Place(1)), stations=(StationId(1), StationId(2)))
    assert Told.of(change, SITE).stations == 3
    assert Told.of(change, SITE).station == ""

"""The gate: what is raised, when, and when it ends. Property-based where time is concerned."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.incidents.gate import step
from voltway.monitoring.incidents.model import Place, Rule, Severity, Sign, Symptom

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HERE = Place(1, 2, 3)
RULE = Rule("hot", "temperature", "evse", Severity.MAJOR, "Hot", 85, 75, 300, 120, "evse")


def after(seconds: float) -> datetime:
    """Return the instant so long after T0."""
    return T0 + timedelta(seconds=seconds)


def sign(value: float, since_s: float = 0, due_s: float | None = None) -> Sign:
    """Return a sign that lasts since so many seconds after T0."""
    return Sign(value, after(since_s), due=None if due_s is None else after(due_s))


def raised(value: float = 90) -> Symptom:
    """Return a symptom that was raised."""
    return Symptom("hot", HERE, T0, value, raised_at=after(300), incident_id=7)


def looked_at(instants: Sequence[float], found: Sign | None, known: Symptom | None = None) -> Symptom | None:
    """Evaluate the same sign at several instants and return what is left."""
    for at in instants:
        known = step(known, found, RULE, HERE, after(at)).symptom
    return known


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_a_sign_is_raised_once_it_has_lasted_the_hold_and_never_before(since_s: float, later_s: float) -> None:
    found = step(None, sign(90, since_s), RULE, HERE, now := after(since_s + later_s))
    assert found.raised is (now >= after(since_s) + timedelta(seconds=300))
    assert found.symptom is not None
    assert (found.symptom.raised_at is not None) is found.raised
    assert found.raised or found.due == after(since_s) + timedelta(seconds=300)


@given(st.lists(st.floats(75, 84.9), max_size=20))
def test_within_the_hysteresis_band_nothing_changes(values: list[float]) -> None:
    known: Symptom | None = raised()
    for at, value in enumerate(values, 400):
        found = step(known, sign(value), RULE, HERE, after(at))
        assert (found.raised, found.cleared) == (False, False)
        known = found.symptom
        assert known is not None
        assert known.incident_id == 7
    assert all(step(None, sign(value), RULE, HERE, after(900)).symptom is None for value in values)


@given(st.lists(st.integers(0, 299), max_size=8), st.integers(300, 900))
def test_it_does_not_matter_how_often_somebody_looked_in_between(between: list[int], last: int) -> None:
    assert looked_at([*sorted(between), last], sign(90)) == looked_at([last], sign(90))


@given(st.lists(st.integers(400, 519), max_size=8))
def test_a_gap_shorter_than_the_clear_hold_ends_nothing(looks: list[int]) -> None:
    known = looked_at([400, *sorted(looks)], None, raised())
    assert known is not None
    assert known.clear_since == after(400)
    again = step(known, sign(90, 519), RULE, HERE, after(519))
    assert again.symptom is not None
    assert (again.symptom.since, again.symptom.raised_at, again.symptom.clear_since) == (T0, after(300), None)
    assert (again.raised, again.cleared) == (False, False)


@pytest.mark.parametrize("known", [raised(), Symptom("hot", HERE, T0, 90)], ids=["raised", "on hold"])
def test_nothing_known_for_the_clear_hold_ends_it_and_only_what_was_raised_is_cleared(known: Symptom) -> None:
    gap = step(known, None, RULE, HERE, after(400))
    assert gap.due == after(520)
    assert step(gap.symptom, None, RULE, HERE, after(519)).symptom is not None
    over = step(gap.symptom, None, RULE, HERE, after(520))
    assert over.symptom is None
    assert over.cleared is (known.raised_at is not None)


def test_health_that_is_seen_ends_it_at_once() -> None:
    found = step(raised(), sign(74.9, due_s=999), RULE, HERE, after(401))
    assert (found.symptom, found.cleared, found.due) == (None, True, after(999))


def test_what_is_on_hold_ends_below_the_threshold_without_being_cleared() -> None:
    found = step(Symptom("hot", HERE, T0, 90), sign(80), RULE, HERE, after(100))
    assert (found.symptom, found.raised, found.cleared) == (None, False, False)


def test_the_hold_goes_on_where_the_older_sign_began() -> None:
    found = step(Symptom("hot", HERE, T0, 90), sign(95, 250), RULE, HERE, after(300))
    assert found.raised
    assert found.symptom is not None
    assert (found.symptom.since, found.symptom.value) == (T0, 95)


def test_the_earlier_of_hold_and_sign_is_when_to_look_again() -> None:
    assert step(None, sign(90, due_s=60), RULE, HERE, after(1)).due == after(60)
    assert step(None, sign(90, due_s=600), RULE, HERE, after(1)).due == after(300)
    assert step(None, sign(10, due_s=60), RULE, HERE, after(1)).due == after(60)
    assert step(None, None, RULE, HERE, after(1)).due is None

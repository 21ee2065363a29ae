"""The life of an incident: what may follow what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from voltway.kernel.errors import Conflict
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import life
from voltway.monitoring.incidents.model import UNRESOLVED, Incident, IncidentState, Place, Severity

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)
OPEN = Incident(
    1, OperatorId(1), "faulted", "faulted@evse/2/1", Severity.MAJOR, IncidentState.OPEN, "Faulted", Place(1, 2, 1),
    T0, T0, T0,
)  # fmt: skip
OVER = sorted(set(IncidentState) - UNRESOLVED)


def test_who_acknowledges_first_is_the_one_who_counts() -> None:
    seen = life.acknowledged(OPEN, T0)
    again = life.acknowledged(seen, LATER)
    assert (again.state, again.acknowledged_at, again.updated_at) == (IncidentState.ACKNOWLEDGED, T0, LATER)


def test_an_assignment_is_an_acknowledgement_and_lasts_through_another_one() -> None:
    given = life.assigned(OPEN, "ben", LATER)
    assert (given.state, given.assignee, given.acknowledged_at) == (IncidentState.ASSIGNED, "ben", LATER)
    assert life.acknowledged(given, LATER).state is IncidentState.ASSIGNED


def test_an_assignment_that_is_taken_back_leaves_it_acknowledged() -> None:
    free = life.assigned(life.assigned(OPEN, "ben", T0), None, LATER)
    assert (free.state, free.assignee, free.acknowledged_at) == (IncidentState.ACKNOWLEDGED, None, T0)


@pytest.mark.parametrize("state", OVER)
def test_what_is_over_is_neither_acknowledged_nor_assigned(state: IncidentState) -> None:
    over = replace(OPEN, state=state)
    with pytest.raises(Conflict, match="reopen it"):
        life.acknowledged(over, LATER)
    with pytest.raises(Conflict, match="reopen it"):
        life.assigned(over, "ben", LATER)


def test_a_person_may_resolve_what_was_remedied_and_its_end_stays() -> None:
    done = life.resolved(life.remedied(OPEN, T0), LATER)
    assert (done.state, done.ended_at, done.updated_at) == (IncidentState.RESOLVED, T0, LATER)
    with pytest.raises(Conflict, match="resolved already"):
        life.resolved(done, LATER)


@pytest.mark.parametrize("state", OVER)
def test_what_is_over_can_be_reopened_and_is_counted(state: IncidentState) -> None:
    back = life.reopened(replace(OPEN, state=state, ended_at=T0), LATER)
    assert (back.state, back.ended_at, back.reopened) == (IncidentState.REOPENED, None, 1)
    assert back.is_unresolved


@pytest.mark.parametrize("state", sorted(UNRESOLVED))
def test_what_is_not_over_cannot_be_reopened(state: IncidentState) -> None:
    with pytest.raises(Conflict, match="nothing to reopen"):
        life.reopened(replace(OPEN, state=state), LATER)

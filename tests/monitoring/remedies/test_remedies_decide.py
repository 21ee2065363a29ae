"""The decision: no history makes it pass a limit, touch a session, leave the order, or act after the end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.remedies.decide import decide_step, next_step
from voltway.monitoring.remedies.ladders import document_of, parse_ladder, shipped
from voltway.monitoring.remedies.model import RESETS, Facts, Ladder, Mode, Past, Run, Skip, Step, Stop, Wait

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACTIONS = ("trigger_message", "unlock", "availability_cycle", "soft_reset", "hard_reset", "ticket")
STATES = ("claimed", "between", "sent", "ended", "would_run", "skipped", "blocked", "cancelled")
QUIET = Facts(is_unresolved=True, mode=Mode.ON, waiting_since=NOW, local_hour=12, evse_id=1)
RESET = Ladder("x", "x", (Step("soft_reset"), Step("ticket")), quiet_s=60, per_station_per_day=2)

steps = st.builds(Step, st.sampled_from(ACTIONS), during_session=st.booleans())
ladders = st.builds(
    Ladder, st.just("x"), st.just("x"), st.lists(steps, min_size=1, max_size=6).map(tuple),
    per_station_per_day=st.integers(0, 5), quiet_s=st.floats(0, 4000), stop_if_no_help=st.integers(1, 4),
    hours=st.sampled_from([(0, 24), (8, 20), (22, 6)]), patience_s=st.floats(0, 100_000),
)  # fmt: skip
pasts = st.builds(
    Past, st.integers(0, 5), st.sampled_from(ACTIONS), st.sampled_from(STATES), is_ours=st.booleans(),
    at=st.none() | st.floats(0, 200_000).map(lambda ago: NOW - timedelta(seconds=ago)),
    result=st.sampled_from([None, "helped", "did_not_help", "unknown"]),
)  # fmt: skip
facts_of = st.builds(
    Facts, st.booleans(), st.sampled_from(Mode),
    st.floats(0, 200_000).map(lambda ago: NOW - timedelta(seconds=ago)), st.integers(0, 23), st.integers(0, 59),
    st.integers(0, 2), has_station=st.booleans(), is_connected=st.booleans(), is_session_on_evse=st.booleans(),
    is_session_on_station=st.booleans(), is_closed_by_intent=st.booleans(),
    harms=st.dictionaries(st.sampled_from(ACTIONS), st.integers(0, 2)),
)  # fmt: skip


@given(ladders, st.lists(pasts, max_size=12), facts_of)
def test_no_history_makes_a_limit_pass(ladder: Ladder, history: list[Past], facts: Facts) -> None:
    """Whatever was done before: a command that runs is within every limit, in order, and of a live incident."""
    decision = next_step(ladder, history, facts, NOW)
    if not isinstance(decision, Run):
        return
    step = ladder.steps[decision.step]
    assert facts.is_unresolved
    assert facts.mode is not Mode.OFF
    assert decision.step == max((past.step for past in history if past.is_ours), default=-1) + 1
    if step.action == "ticket":
        return
    sent = [past.at for past in history if past.at is not None and past.action != "ticket"]
    assert sum(at > NOW - timedelta(days=1) for at in sent) < ladder.per_station_per_day
    assert all(at + timedelta(seconds=ladder.quiet_s) <= NOW for at in sent)
    assert not any(past.state in {"claimed", "between"} for past in history)
    assert sum(past.is_ours and past.result == "did_not_help" for past in history) < ladder.stop_if_no_help + sum(
        past.action == "ticket" for past in history
    )
    assert facts.is_connected
    assert facts.has_station
    assert facts.harms.get(step.key, 0) <= ladder.harms_allowed
    if not step.during_session:
        is_wide = step.action in RESETS or not facts.evse_id
        assert not (facts.is_session_on_station if is_wide else facts.is_session_on_evse)
    begin, end = ladder.hours
    hours = set(range(begin, end)) if begin < end else {*range(begin, 24), *range(end)}
    assert facts.local_hour in hours


@given(ladders, st.lists(pasts, max_size=12), facts_of)
def test_a_wait_ends_later_and_says_why(ladder: Ladder, history: list[Past], facts: Facts) -> None:
    """A wait in the past would have the runner ask for ever."""
    decision = next_step(ladder, history, facts, NOW)
    if isinstance(decision, Wait):
        assert decision.until > NOW
        assert decision.why
    if not facts.is_unresolved:
        assert decision == Stop("the incident is over")


@given(ladders, facts_of)
def test_a_ladder_ends(ladder: Ladder, facts: Facts) -> None:
    """Every way through a ladder is at most as long as the ladder: each decision but a wait uses up one step."""
    history: list[Past] = []
    for _ in range(len(ladder.steps) + 1):
        match next_step(ladder, history, facts, NOW):
            case Stop() | Wait():
                return
            case Run(number):
                history.append(Past(number, "ticket", "ended", is_ours=True, result="did_not_help"))
            case Skip():
                history.append(Past(len(history), "ticket", "skipped", is_ours=True))
    raise AssertionError("it never stopped")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(QUIET, is_connected=False), Wait(NOW + timedelta(seconds=30), "offline")),
        (replace(QUIET, is_session_on_station=True), Wait(NOW + timedelta(seconds=30), "a session runs")),
        (replace(QUIET, harms={"soft_reset": 1}), Skip("harmed before", is_blocked=True)),
        (replace(QUIET, has_station=False), Skip("the incident is not of one station")),
        (
            replace(QUIET, is_connected=False, waiting_since=NOW - timedelta(days=1)),
            Skip("it could not be done for too long: offline"),
        ),
        (replace(QUIET, mode=Mode.OFF), Stop("remedies are off")),
        (QUIET, Run(0)),
    ],
)
def test_what_stands_against_a_reset(facts: Facts, expected: object) -> None:
    """Each fact gives its own sentence."""
    assert next_step(RESET, [], facts, NOW) == expected


def test_a_session_on_a_neighbour_stops_a_reset_and_not_an_unlock() -> None:
    """A reset takes the whole station, an unlock one EVSE."""
    facts = replace(QUIET, is_session_on_station=True)
    assert isinstance(next_step(RESET, [], facts, NOW), Wait)
    assert next_step(Ladder("x", "x", (Step("unlock"),)), [], facts, NOW) == Run(0)
    asked = Ladder("x", "x", (Step("soft_reset", during_session=True),))
    assert next_step(asked, [], facts, NOW) == Run(0)


def test_the_day_and_the_rest_of_a_station_count_every_incident() -> None:
    """What other incidents sent to the station counts; the wait ends exactly when the limit allows it."""
    recent = Past(0, "unlock", "ended", is_ours=False, at=NOW - timedelta(seconds=20))
    assert next_step(RESET, [recent], QUIET, NOW) == Wait(
        NOW + timedelta(seconds=40), "the station is left in peace after a remedy"
    )
    two = [replace(recent, at=NOW - timedelta(hours=hours)) for hours in (5, 20)]
    assert next_step(RESET, two, QUIET, NOW) == Wait(
        NOW + timedelta(hours=4), "2 remedies a day are the limit of a station"
    )


def test_after_steps_in_vain_only_the_ticket_is_left() -> None:
    """Commands stop, and somebody is told."""
    ladder = replace(RESET, stop_if_no_help=1, steps=(Step("unlock"), Step("soft_reset"), Step("ticket")), quiet_s=0)
    vain = Past(0, "unlock", "ended", is_ours=True, at=NOW - timedelta(hours=1), result="did_not_help")
    assert next_step(ladder, [vain], QUIET, NOW) == Skip("1 steps did not help")
    skipped = Past(1, "soft_reset", "skipped", is_ours=True)
    assert next_step(ladder, [vain, skipped], QUIET, NOW) == Run(2)


def test_hours_over_midnight_open_at_their_begin() -> None:
    """At 12:15 local, [22, 6) opens in 9 h 45 min."""
    ladder = replace(RESET, hours=(22, 6))
    assert next_step(ladder, [], replace(QUIET, minute=15), NOW) == Wait(
        NOW + timedelta(hours=9, minutes=45), "outside the allowed hours"
    )
    assert next_step(ladder, [], replace(QUIET, local_hour=5), NOW) == Run(0)


def test_learning_skips_what_seldom_helps_only_where_asked() -> None:
    """Off by default; on, it needs enough runs."""
    facts = replace(QUIET, success={"soft_reset": (20, 1)})
    assert decide_step(RESET, 0, [], facts, NOW) == Run(0)
    learned = decide_step(replace(RESET, skip_below=0.1), 0, [], facts, NOW)
    assert learned == Skip("helped only 1 of 20 times on this product", is_blocked=True)
    assert decide_step(replace(RESET, skip_below=0.1, skip_after_runs=21), 0, [], facts, NOW) == Run(0)


def test_the_shipped_ladders_are_complete_and_end_with_a_ticket() -> None:
    """Every one reads back as it is written, and a person hears in the end."""
    names = {"offline", "faulted", "stuck_session", "no_energy", "unknown_status", "stuck_connector", "availability"}
    assert set(shipped()) == names
    for code, ladder in shipped().items():
        assert parse_ladder(code, document_of(ladder)) == ladder
        assert ladder.steps[-1].action == "ticket"
        assert not any(step.during_session for step in ladder.steps)
        assert ladder.skip_below is None
    stuck = shipped()["stuck_connector"].steps
    assert [step.action for step in stuck] == ["trigger_message", "availability_cycle", "unlock", "ticket"]


def test_the_default_mode_reaches_no_station_with_effect() -> None:
    """`safe` triggers and writes tickets; the rest is only told."""
    assert [action for action in ACTIONS if Mode.SAFE.does(action)] == ["trigger_message", "ticket"]
    assert [action for action in ACTIONS if Mode.DRY_RUN.does(action)] == []
    assert all(Mode.ON.does(action) for action in ACTIONS)

"""The gate and a worker that was away: the facts count, not who looked when. Detectors at the edges of what is said."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.gate import Step, step
from voltway.monitoring.incidents.model import (
    EvseView,
    MeterView,
    Notice,
    Place,
    Rule,
    Severity,
    Sign,
    StationView,
    Symptom,
)
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.timeline.model import Cause, Interval, OperatorState

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HERE = Place(1, 2, 3)
HOLD_S, GAP_S = 300, 120
RULE = Rule("hot", "temperature", "evse", Severity.MAJOR, "Hot", 85, 75, HOLD_S, GAP_S, "evse")
Spell = tuple[int, int]
"""A condition that lasts, in seconds after T0: [begin, end)."""


def after(seconds: float) -> datetime:
    """Return the instant so long after T0."""
    return T0 + timedelta(seconds=seconds)


def sign_at(spells: list[Spell], second: int) -> Sign | None:
    """Return what a detector of a condition says at that instant: that it lasts since its begin, or nothing."""
    return next((Sign(90, after(begin)) for begin, end in spells if begin <= second < end), None)


def watched(spells: list[Spell], looks: list[int]) -> list[Step]:
    """Look when something changes, at other instants too, and whenever the gate asks to; return all steps."""
    wanted = sorted({second for spell in spells for second in spell} | set(looks))
    known: Symptom | None = None
    steps: list[Step] = []
    while wanted:
        second = wanted.pop(0)
        found = step(known, sign_at(spells, second), RULE, HERE, after(second))
        known = found.symptom
        steps.append(found)
        if found.due is not None and found.due > after(second):
            due = int((found.due - T0).total_seconds())
            wanted = sorted({*wanted, due})
    return steps


@st.composite
def lives(draw: st.DrawFn) -> list[Spell]:
    """Draw spells of a condition that do not touch."""
    cuts = draw(st.lists(st.integers(0, 2000), min_size=2, max_size=10, unique=True).map(sorted))
    return list(zip(cuts[::2], cuts[1::2], strict=False))


def news(steps: list[Step]) -> list[tuple[bool, bool, datetime | None]]:
    """Return what was raised and cleared, in order, and since when it had lasted."""
    return [
        (it.raised, it.cleared, it.symptom.since if it.symptom else None) for it in steps if it.raised or it.cleared
    ]


@given(lives(), st.lists(st.integers(0, 2600), max_size=12))
def test_more_looks_in_between_raise_and_clear_the_same(spells: list[Spell], looks: list[int]) -> None:
    assert news(watched(spells, looks)) == news(watched(spells, []))


@given(lives(), st.lists(st.integers(0, 2600), max_size=12))
def test_raised_and_cleared_take_turns_and_nothing_is_left(spells: list[Spell], looks: list[int]) -> None:
    steps = watched(spells, looks)
    assert [raised for raised, _, _ in news(steps)] == [n % 2 == 0 for n in range(len(news(steps)))]
    assert steps[-1].symptom is None


@given(lives())
def test_nothing_is_raised_before_it_lasted_the_hold_with_short_gaps_at_most(spells: list[Spell]) -> None:
    """What is raised began with a spell, at least the hold ago, and no gap since was as long as the clear hold."""
    for found in watched(spells, []):
        if found.raised:
            assert found.symptom is not None
            assert found.symptom.raised_at is not None
            assert found.symptom.raised_at - found.symptom.since >= timedelta(seconds=HOLD_S)
            since = int((found.symptom.since - T0).total_seconds())
            raised = int((found.symptom.raised_at - T0).total_seconds())
            within = [it for it in spells if since <= it[0] <= raised]
            assert within[0][0] == since
            assert all(two[0] - one[1] < GAP_S for one, two in pairwise(within))


def test_a_hold_that_was_over_while_nobody_looked_begins_anew() -> None:
    """Seen hot at 8:00, gone from 8:01 on; the worker was away from then to 9:00, when it is hot again."""
    on_hold = Symptom("hot", HERE, T0, 90, clear_since=after(60))
    fresh = step(on_hold, Sign(90, after(3600)), RULE, HERE, after(3601))
    assert not fresh.raised
    assert fresh.symptom is not None
    assert fresh.symptom.since == after(3600)
    assert fresh.due == after(3600 + HOLD_S)
    soon = step(on_hold, Sign(90, after(60 + GAP_S - 1)), RULE, HERE, after(HOLD_S))
    assert soon.raised
    assert soon.symptom is not None
    assert soon.symptom.since == T0


def test_what_is_raised_stays_raised_over_such_a_gap() -> None:
    raised = Symptom("hot", HERE, T0, 90, raised_at=after(HOLD_S), clear_since=after(400), incident_id=7)
    again = step(raised, Sign(90, after(3600)), RULE, HERE, after(3601))
    assert (again.raised, again.cleared) == (False, False)
    assert again.symptom is not None
    assert (again.symptom.since, again.symptom.incident_id, again.symptom.clear_since) == (T0, 7, None)


# ---- detectors at the edges


def station(**more: object) -> StationView:
    """Return a connected station."""
    plain: dict[str, object] = {
        "place": Place(1, 2), "identity": "CP-1", "vendor": None, "model": None, "firmware": None, "groups": (),
        "is_connected": True, "since": T0, "last_seen_at": T0, "clock_offset_ms": None, "clock_off_since": None,
    }  # fmt: skip
    return StationView(**{**plain, **more})  # type: ignore[arg-type]


def found(rule: str, view: object, now: datetime = T0) -> Sign | None:
    """Return what the detector of a shipped rule says."""
    return DETECTORS[shipped()[rule].detector].function(view, shipped()[rule], now)


@pytest.mark.parametrize("year", [1, 1970, 2025])
def test_a_certificate_that_never_was_has_expired(year: int) -> None:
    """Some stations say 0001-01-01 of a certificate that they lack; the watch must survive it."""
    sign = found("certificate_expiry", station(expiries={"csms": datetime(year, 1, 1, tzinfo=UTC)}))
    assert sign is not None
    assert sign.value == 1


def test_the_newest_word_on_firmware_counts_in_whatever_order_it_came() -> None:
    failed, installed = (
        Notice(after(second), "FirmwareStatusNotification", {"status": status})
        for second, status in ((10, "InstallationFailed"), (20, "Installed"))
    )
    assert found("firmware_failure", station(notices=(installed, failed))) is None
    assert found("firmware_failure", station(notices=(failed, installed))) is None
    assert found("firmware_failure", station(notices=(failed,))) == Sign(1.0, after(10), "InstallationFailed")


@pytest.mark.parametrize(
    ("state", "cause", "is_ignored"),
    [
        (OperatorState.FAULTED, "", False),
        (OperatorState.FAULTED, Cause.CLOSED_UNASKED, False),
        (OperatorState.AVAILABLE, "", True),
        (OperatorState.UNAVAILABLE, "", False),
    ],
)
def test_a_fault_hides_whether_a_wish_to_close_was_followed(
    state: OperatorState, cause: str, is_ignored: bool  # noqa: FBT001 - a parameter of a table
) -> None:  # fmt: skip
    """OCPP tells one status at a time: a faulted EVSE cannot say that it is closed."""
    view = EvseView(
        HERE, None, Interval(T0, None, state, cause, "", T0), None, MeterView(), wanted=False, wanted_since=T0
    )  # fmt: skip
    assert (found("availability_ignored", view) is not None) is is_ignored

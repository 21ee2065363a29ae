"""Projection: what an EVSE was, from evidence in any order; as tables and as properties."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.timeline.model import (
    Cause,
    Connection,
    Evidence,
    Interval,
    OperatorState,
    Request,
    Spell,
    Status,
)
from voltway.monitoring.timeline.projection import CARRY_OVER, STALE_AFTER, project

Piece = TypeVar("Piece")
T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NOW = T0 + timedelta(hours=10)


def at(minutes: float) -> datetime:
    """Return an instant so many minutes after eight."""
    return T0 + timedelta(minutes=minutes)


def link(begin: float, end: float | None = None, *, seen: float | None = None, number: int = 0) -> Connection:
    """A connection; open ones were seen just now unless told otherwise."""
    last = seen if seen is not None else (end if end is not None else 600)
    return Connection(
        UUID(int=int(begin * 100) + number + 1), at(begin), None if end is None else at(end), at(last)
    )  # fmt: skip


def said(minutes: float, status: str, code: str = "", *, evse_id: int = 1, connector_id: int = 1) -> Status:
    """A status as it was reported and received at one instant."""
    return Status(at(minutes), at(minutes), evse_id, connector_id, status, code, "", "")


def session(begin: float, end: float | None, *history: tuple[float, str], confirmed: float | None = None) -> Spell:
    """A session with its charging states."""
    until = confirmed if confirmed is not None else (end if end is not None else 600)
    told = tuple((at(minutes), word) for minutes, word in history)
    return Spell(UUID(int=int(begin * 1000) + 7), at(begin), None if end is None else at(end), at(until), told)


def words(intervals: Sequence[Interval]) -> list[tuple[float, str]]:
    """Return (minute, state) of each interval, with the cause where there is one."""
    return [
        ((it.begin - T0).total_seconds() / 60, f"{it.state.value}:{it.cause}" if it.cause else it.state.value)
        for it in intervals
    ]


CASES: dict[str, tuple[Evidence, list[tuple[float, str]]]] = {
    "a plain 1.6 session": (
        Evidence(
            (link(0),),
            (said(0, "available"), said(10, "preparing"), said(60, "finishing"), said(62, "available")),
            (session(11, 60, (11.5, "charging"), (40, "suspended_ev")),),
        ),
        [
            (0, "available"),
            (10, "preparing"),
            (11, "charging"),
            (40, "suspended_by_car"),
            (60, "finishing"),
            (62, "available"),
        ],
    ),
    "2.x says only occupied": (
        Evidence(
            (link(0),),
            (said(0, "available"), said(10, "occupied"), said(62, "available")),
            (session(11, 60, (11, "ev_connected"), (12, "charging")),),
        ),
        [(0, "available"), (10, "preparing"), (12, "charging"), (60, "finishing"), (62, "available")],
    ),
    "available beside an open session is a lie": (
        Evidence(
            (link(0),),
            (said(0, "available"), said(20, "available")),
            (session(10, None, (10, "charging"), (30, "suspended_ev")),),
        ),
        [(0, "available"), (10, "charging"), (30, "suspended_by_car")],
    ),
    "a closed link": (
        Evidence((link(0, 30), link(32)), (said(0, "available"),)),
        [(0, "available"), (30, "offline:link_closed"), (32, "available")],
    ),
    "a long outage: the old word stands no more": (
        Evidence((link(0, 30), link(60)), (said(0, "available"), said(61, "available"))),
        [(0, "available"), (30, "offline:link_closed"), (60, "unknown:status_stale"), (61, "available")],
    ),
    "what was said during the outage stands after it": (
        Evidence(
            (link(0, 30), link(60)),
            (said(0, "available"), Status(at(40), at(60.1), 1, 1, "faulted", "GroundFailure", "", "")),
        ),
        [(0, "available"), (30, "offline:link_closed"), (60, "faulted:GroundFailure")],
    ),
    "a link that nobody closed": (
        Evidence((link(0, seen=30),), (said(0, "available"),)),
        [(0, "available"), (31.5, "offline:silent")],
    ),
    "a gateway that died: the next link ends the old one": (
        Evidence((link(0, seen=30), link(31)), (said(0, "available"),)),
        [(0, "available")],
    ),
    "a session that went on while nobody heard it": (
        Evidence(
            (link(0, 30), link(90)),
            (said(0, "available"), said(91, "available")),
            (session(20, 80, (20, "charging"), (70, "suspended_ev")),),
        ),
        [
            (0, "available"),
            (20, "charging"),
            (30, "charging:reported_late"),
            (70, "suspended_by_car:reported_late"),
            (80, "offline:link_closed"),
            (90, "unknown:status_stale"),
            (91, "available"),
        ],
    ),
    "closed by intent": (
        Evidence(
            (link(0),),
            (said(0, "available"), said(11, "unavailable"), said(50, "available")),
            (),
            (Request(at(10), 1, False, "Accepted"), Request(at(50), 1, True, "Accepted")),
        ),
        [(0, "available"), (11, "unavailable:intent"), (50, "available")],
    ),
    "closed by itself": (
        Evidence((link(0),), (said(0, "available"), said(11, "unavailable"))),
        [(0, "available"), (11, "faulted:closed_unasked")],
    ),
    "a refused wish closes nothing": (
        Evidence((link(0),), (said(0, "unavailable"),), (), (Request(at(-5), 1, False, "Rejected"),)),
        [(-5, "offline:never_connected"), (0, "faulted:closed_unasked")],
    ),
    "the whole station at fault": (
        Evidence((link(0),), (said(0, "available"), said(5, "faulted", "OtherError", evse_id=0, connector_id=0))),
        [(0, "available"), (5, "faulted:OtherError")],
    ),
    "one of two connectors at fault can still charge": (
        Evidence(
            (link(0),),
            (said(0, "available"), said(0, "available", connector_id=2), said(5, "faulted", "X", connector_id=2)),
        ),
        [(0, "available")],
    ),
    "both connectors at fault": (
        Evidence(
            (link(0),),
            (said(0, "faulted", "A"), said(0, "available", connector_id=2), said(5, "faulted", "B", connector_id=2)),
        ),
        [(0, "available"), (5, "faulted:B")],
    ),
    "no word yet": (Evidence((link(0),)), [(0, "unknown:no_status")]),
    "reserved": (Evidence((link(0),), (said(0, "reserved"),)), [(0, "reserved")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_the_table(name: str) -> None:
    evidence, expected = CASES[name]
    assert words(project(evidence, NOW).intervals) == expected


def test_a_commissioned_station_that_never_came_is_offline() -> None:
    found = project(Evidence((link(120),), (said(120, "available"),)), NOW, begin=at(0)).intervals
    assert words(found) == [(0, "offline:never_connected"), (120, "available")]


def test_a_silent_link_is_due_when_it_is_believed_no_more() -> None:
    seen = project(Evidence((link(0, seen=30),), (said(0, "available"),)), at(30)).due
    assert seen == at(30) + STALE_AFTER


def test_no_evidence_no_timeline() -> None:
    assert project(Evidence(), NOW).intervals == []


INSTANTS = st.integers(0, 599).map(lambda minutes: T0 + timedelta(minutes=minutes))
STATUSES = st.builds(
    Status,
    INSTANTS,
    INSTANTS,
    st.sampled_from([0, 1, 1, 1]),
    st.sampled_from([1, 2]),
    st.sampled_from(
        ["available", "preparing", "occupied", "charging", "suspended_ev", "finishing", "unavailable", "faulted"]
    ),
    st.sampled_from(["", "NoError", "GroundFailure"]),
    st.just(""),
    st.just(""),
)


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    """A link of random length, closed or left open."""
    begin, length = draw(st.integers(0, 590)), draw(st.integers(0, 200))
    begin_at = T0 + timedelta(minutes=begin)
    last = min(begin_at + timedelta(minutes=length), NOW)
    return Connection(UUID(int=draw(st.integers(1, 2**64))), begin_at, last if draw(st.booleans()) else None, last)


@st.composite
def spells(draw: st.DrawFn) -> Spell:
    """A session of random length with charging states in it."""
    begin, length = draw(st.integers(0, 590)), draw(st.integers(1, 200))
    begin_at = T0 + timedelta(minutes=begin)
    last = min(begin_at + timedelta(minutes=length), NOW)
    history = tuple(
        (begin_at + timedelta(minutes=draw(st.integers(0, length))), word)
        for word in draw(st.lists(st.sampled_from(["ev_connected", "charging", "suspended_ev", "idle"]), max_size=4))
    )
    return Spell(UUID(int=draw(st.integers(1, 2**64))), begin_at, last if draw(st.booleans()) else None, last, history)


REQUESTS = st.builds(
    Request,
    INSTANTS,
    st.sampled_from([0, 1]),
    st.booleans(),
    st.sampled_from([None, "Accepted", "Rejected"]),
)
EVIDENCE = st.builds(
    Evidence,
    st.lists(connections(), max_size=6).map(tuple),
    st.lists(STATUSES, max_size=12).map(tuple),
    st.lists(spells(), max_size=4).map(tuple),
    st.lists(REQUESTS, max_size=3).map(tuple),
)


@given(EVIDENCE)
def test_intervals_have_no_gap_and_no_overlap(evidence: Evidence) -> None:
    found = project(evidence, NOW).intervals
    assert all(one.end == two.begin for one, two in pairwise(found))
    assert all(it.end is None or it.begin < it.end for it in found)
    assert [it.end for it in found[-1:]] == [None] * len(found[-1:])
    assert all((one.state, one.cause) != (two.state, two.cause) for one, two in pairwise(found))


def _mixed(part: tuple[Piece, ...], dice: Random) -> tuple[Piece, ...]:
    return tuple(dice.sample([*part, *part], 2 * len(part)))


@given(EVIDENCE, st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(evidence: Evidence, dice: Random) -> None:
    """Late, duplicated and reordered evidence gives the same timeline."""
    mixed = Evidence(
        _mixed(evidence.connections, dice),
        _mixed(evidence.statuses, dice),
        _mixed(evidence.spells, dice),
        _mixed(evidence.requests, dice),
    )
    assert project(mixed, NOW) == project(evidence, NOW)


@given(EVIDENCE, st.integers(0, 600))
def test_what_was_told_of_the_past_is_told_again_later(evidence: Evidence, minutes: int) -> None:
    """With the same evidence, looking later never changes what lies before the earlier look."""
    earlier = T0 + timedelta(minutes=minutes)
    then = project(evidence, earlier).intervals
    later = project(evidence, NOW).intervals
    known = [(it.begin, it.state, it.cause) for it in later if it.begin <= earlier]
    assert [(it.begin, it.state, it.cause) for it in then] == known


@given(EVIDENCE, st.integers(0, 600))
def test_never_available_while_nobody_can_reach_it(evidence: Evidence, minutes: int) -> None:
    """Stale is never shown as available: at such an instant a link is open, or was seen within the limit."""
    instant = T0 + timedelta(minutes=minutes)
    found = [
        it for it in project(evidence, NOW).intervals if it.begin <= instant and (it.end is None or instant < it.end)
    ]
    if found and found[0].state is OperatorState.AVAILABLE:
        assert any(
            it.begin <= instant
            and (instant < it.end if it.end is not None else instant < it.last_seen_at + STALE_AFTER)
            for it in evidence.connections
        )


@given(EVIDENCE, st.integers(0, 600))
def test_a_projection_from_the_middle_agrees(evidence: Evidence, minutes: int) -> None:
    """Beginning at a later instant with all evidence tells the same from there on."""
    begin = T0 + timedelta(minutes=minutes)
    whole = project(evidence, NOW).intervals
    part = project(evidence, NOW, begin=begin).intervals
    if whole and whole[0].begin <= begin:
        tail = [(max(it.begin, begin), it.state) for it in whole if it.end is None or it.end > begin]
        found = [(it.begin, it.state) for it in part if it.cause is not Cause.NEVER_CONNECTED]
        assert found == tail or part[0].cause in {Cause.NEVER_CONNECTED, Cause.NO_STATUS, Cause.STATUS_STALE}


def test_the_carry_over_is_exact() -> None:
    """An outage of just the limit keeps the old word, a longer one does not."""
    for extra, state in ((timedelta(0), OperatorState.AVAILABLE), (timedelta(seconds=1), OperatorState.UNKNOWN)):
        back = T0 + timedelta(minutes=30) + CARRY_OVER + extra
        again = Connection(UUID(int=9), back, None, NOW)
        found = project(Evidence((link(0, 30), again), (said(0, "available"),)), NOW).intervals
        assert found[-1].state is state

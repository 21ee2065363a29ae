"""Splicing: a projection joined to what is stored, as a table and as a property against a plain replacement."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.timeline.model import Interval, OperatorState
from voltway.monitoring.watch.splicing import Change, spliced

T0 = datetime(2026, 3, 2, tzinfo=UTC)
STATES = (OperatorState.AVAILABLE, OperatorState.CHARGING, OperatorState.FAULTED)


def at(minutes: int) -> datetime:
    """Return an instant so many minutes after midnight."""
    return T0 + timedelta(minutes=minutes)


def chain(*parts: tuple[int, int]) -> list[Interval]:
    """Make intervals from (minute of the begin, number of the state); the last one has no end."""
    ends: list[int | None] = [*(begin for begin, _ in parts[1:]), None]
    return [
        Interval(at(begin), None if end is None else at(end), STATES[state], "", "", at(begin))
        for (begin, state), end in zip(parts, ends, strict=True)
    ]


def applied(stored: list[Interval], change: Change | None) -> list[Interval]:
    """Return what is stored after a change, as the store does it."""
    if change is None:
        return stored
    kept = [it for it in stored if it.begin not in change.replaced]
    return sorted([*kept, *change.intervals], key=lambda it: it.begin)


def test_the_next_state_closes_the_last_interval() -> None:
    """One row changes and one is new: what came before is left alone."""
    found = spliced(chain((0, 0), (10, 1)), chain((10, 1), (20, 2)))
    assert found is not None
    _, change = found
    assert change == Change((at(10),), tuple(chain((10, 1), (20, 2))), at(10))


def test_what_is_the_same_is_no_change() -> None:
    stored = chain((0, 0), (10, 1))
    assert spliced(stored, chain((10, 1))) == (stored, None)
    assert spliced(stored, chain((15, 1))) == (stored, None)


def test_a_first_projection_has_nothing_before_it() -> None:
    assert spliced([], chain((5, 0))) == (chain((5, 0)), Change((), tuple(chain((5, 0))), None))


def test_a_contradiction_at_the_begin_is_not_guessed_at() -> None:
    """The memory says another state than the store in the middle of an interval: read the evidence again."""
    assert spliced(chain((0, 0)), chain((15, 1))) is None


def test_an_earlier_begin_replaces_everything() -> None:
    found = spliced(chain((10, 0)), chain((5, 1), (10, 0)))
    assert found is not None
    assert found[1] == Change((at(10),), tuple(chain((5, 1), (10, 0))), None)


@st.composite
def chains(draw: st.DrawFn, *, least: int = 0) -> list[Interval]:
    """A timeline in which neighbours differ."""
    begins = sorted(draw(st.sets(st.integers(least, 60), min_size=1, max_size=8)))
    states = [draw(st.integers(0, 2))]
    for _ in begins[1:]:
        states.append((states[-1] + draw(st.integers(1, 2))) % 3)
    return chain(*zip(begins, states, strict=True))


@given(chains(), chains(least=20))
def test_the_store_ends_up_with_the_projection(stored: list[Interval], projected: list[Interval]) -> None:
    """From its begin on the store says what the projection says, before that what it said, without gap or overlap."""
    found = spliced(stored, projected)
    if found is None:
        return
    tail, change = found
    after = applied(stored, change)
    assert after == tail
    assert all(one.end == two.begin for one, two in pairwise(after))
    for minute in range(61):
        expected = projected if at(minute) >= projected[0].begin else stored
        assert _state_at(after, at(minute)) is _state_at(expected, at(minute))


def _state_at(intervals: list[Interval], instant: datetime) -> OperatorState | None:
    return next(
        (it.state for it in intervals if it.begin <= instant and (it.end is None or instant < it.end)), None
    )  # fmt: skip

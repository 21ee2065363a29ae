"""Joins a projection to the timeline that is stored already, and says what differs. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from voltway.monitoring.timeline.model import Interval


class Change(NamedTuple):
    """Intervals to take away (by their begin), intervals to put there, and the end of the one that stands before."""

    replaced: tuple[datetime, ...]
    intervals: tuple[Interval, ...]
    previous_end: datetime | None


def spliced(
    tail: Sequence[Interval], projected: Sequence[Interval], *, is_certain: bool = False
) -> tuple[list[Interval], Change | None] | None:
    """Return the tail as it is now, and what changed; None where the projection contradicts what stood at its begin.

    Args:
        is_certain: the projection is from all evidence: it is right, and what stood at its begin ends there.
        tail: the stored intervals that are remembered, in order; the last one has no end. Where the timeline is longer,
            one more than the projection needs is among them.
        projected: the intervals from some instant on, at least one.
    """
    index = _covering(tail, projected[0].begin)
    if index is None:
        # It begins before everything that is remembered: all of that is replaced, and nothing stands before it.
        return list(projected), _change_of(tail, projected, None)
    base, first = tail[index], projected[0]
    fresh = list(projected)
    if _is_same_state(base, first):
        # What it was at the begin of the projection it has been since it began.
        fresh[0] = replace(base, end=first.end)
    elif base.begin < first.begin:
        if not is_certain:
            return None
        fresh = [replace(base, end=first.begin), *fresh]
    before = tail[index - 1].end if index else None
    return [*tail[:index], *fresh], _change_of(tail[index:], fresh, before)


def _change_of(old: Sequence[Interval], fresh: Sequence[Interval], previous_end: datetime | None) -> Change | None:
    same = 0
    while same < min(len(old), len(fresh)) and _is_same(old[same], fresh[same]):
        same += 1
    if same == len(old) == len(fresh):
        return None
    before = previous_end if same == 0 else fresh[same - 1].end
    return Change(tuple(it.begin for it in old[same:]), tuple(fresh[same:]), before)


def _covering(tail: Sequence[Interval], instant: datetime) -> int | None:
    for index in range(len(tail) - 1, -1, -1):
        if tail[index].begin <= instant:
            return index
    return None


def _is_same_state(one: Interval, two: Interval) -> bool:
    return one.state is two.state and one.cause == two.cause


def _is_same(one: Interval, two: Interval) -> bool:
    return one.begin == two.begin and one.end == two.end and _is_same_state(one, two)

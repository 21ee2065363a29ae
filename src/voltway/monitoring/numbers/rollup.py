"""Splits a session's energy over quarter hours. Pure.

Stands between the readings of sessions and the rollups: what is billed of a session and what its quarter hours sum to
is the same, to the milliwatt-hour. Quarters begin at :00, :15, :30 and :45 UTC, which are quarters in every zone.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter

from voltway.kernel.clock import from_micros, to_micros

QUARTER = timedelta(minutes=15)
_QUARTER_US = QUARTER // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Charge:
    """A session's energy (milliwatt-hours, as billed) over [begin, end], and its registers (instant, milliwatt-hours).

    `register_begin_milliwh`: what the meter said at the begin; None where only readings tell.
    """

    begin: datetime
    end: datetime
    energy_milliwh: int
    registers: Sequence[tuple[datetime, int]] = ()
    register_begin_milliwh: int | None = None


def split(charge: Charge) -> Mapping[datetime, int]:
    """Return the energy by the begin of its quarter hour; the parts sum to the session's energy.

    Between two registers energy flows evenly. What had flowed up to the end of each quarter is rounded down, and a
    quarter has the difference: no part is off by a milliwatt-hour. A register before or after the session, one that
    falls, or one above the billed end says nothing and is bent to the nearest possible value.
    """
    if charge.energy_milliwh <= 0:
        return {}
    points = _points(charge)
    begin, end = points[0][0], points[-1][0]
    first = begin - begin % _QUARTER_US
    if begin == end:
        return {from_micros(first): charge.energy_milliwh}
    flowed = [0, *(_flowed(points, at) for at in range(first + _QUARTER_US, end, _QUARTER_US)), charge.energy_milliwh]
    starts = range(first, end, _QUARTER_US)
    parts = (after - before for before, after in pairwise(flowed))
    return {from_micros(at): part for at, part in zip(starts, parts, strict=True) if part}


def _points(charge: Charge) -> list[tuple[int, int]]:
    """Return (microseconds, energy since the begin), rising in both, from (begin, 0) to (end, all)."""
    begin, end = to_micros(charge.begin), max(to_micros(charge.begin), to_micros(charge.end))
    inside = sorted((to_micros(at), register) for at, register in charge.registers if begin < to_micros(at) < end)
    base = charge.register_begin_milliwh
    if base is None:
        base = min((register for _, register in charge.registers), default=0)
    points, reached = [(begin, 0)], 0
    for at, register in inside:
        reached = min(max(reached, register - base), charge.energy_milliwh)
        points.append((at, reached))
    return [*points, (end, charge.energy_milliwh)]


def _flowed(points: Sequence[tuple[int, int]], instant: int) -> int:
    """Return what had flowed up to an instant within the session, rounded down to whole milliwatt-hours."""
    index = bisect_right(points, instant, key=_time_of)
    (low, before), (high, after) = points[index - 1], points[index]
    return before + (after - before) * (instant - low) // (high - low)


_time_of = itemgetter(0)

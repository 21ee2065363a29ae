"""Splits a session's energy over quarter hours. Pure.

Stands between the readings of sessions and the rollups: what is billed of a session and what its quarter hours sum to
is the same, to the milliwatt-hour. Quarters begin at :00, :15, :30 and :45 UTC, which are quarters in every zone.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

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

    Between two registers energy flows evenly. A register before or after the session, one that falls, or one above the
    billed end says nothing and is bent to the nearest possible value.
    """
    if charge.energy_milliwh <= 0:
        return {}
    points = _points(charge)
    begin, end = points[0][0], points[-1][0]
    first = begin - begin % _QUARTER_US
    if begin == end:
        return {from_micros(first): charge.energy_milliwh}
    bounds = [begin, *range(first + _QUARTER_US, end, _QUARTER_US), end]
    sums = _interpolated(points, bounds)
    shares = largest_remainder([after - before for before, after in pairwise(sums)])
    starts = range(first, end, _QUARTER_US)
    return {from_micros(at): share for at, share in zip(starts, shares, strict=True) if share}


def largest_remainder(shares: Sequence[Fraction]) -> list[int]:
    """Round non-negative shares, whose sum is whole, to whole numbers with the same sum.

    Each is rounded down; what is missing goes to the largest remainders, earlier ones first (Hamilton's method).

    >>> largest_remainder([Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)])
    [1, 0, 0]
    """
    whole = [int(share) for share in shares]
    missing = int(sum(shares)) - sum(whole)
    by_remainder = sorted(range(len(shares)), key=lambda index: (whole[index] - shares[index], index))
    for index in by_remainder[:missing]:
        whole[index] += 1
    return whole


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


def _interpolated(points: Sequence[tuple[int, int]], instants: Sequence[int]) -> list[Fraction]:
    times = [at for at, _ in points]
    found = []
    for instant in instants:
        index = min(bisect_right(times, instant), len(points) - 1)
        (low, before), (high, after) = points[index - 1], points[index]
        share = Fraction(instant - low, high - low) if high > low else Fraction(1)
        found.append(before + (after - before) * share)
    return found

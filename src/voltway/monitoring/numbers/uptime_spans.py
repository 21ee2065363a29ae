"""Exact time for the laws of uptime: half-open spans in whole microseconds, their set arithmetic, shares in percent.

A percentage is never stored: it is one exact fraction, written once at the edge by `percent_text`, rounded down so that
a printed figure never claims what the exact one does not reach.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import NamedTuple

from voltway.kernel.clock import from_micros, to_micros

MINUTE_US = 60_000_000
PERCENT_PLACES = 3
MINUTE_PLACES = 2


class Span(NamedTuple):
    """[begin, end) in microseconds since 1970-01-01T00:00:00Z."""

    begin: int
    end: int

    @property
    def begin_at(self) -> datetime:
        """Return the begin as an instant."""
        return from_micros(self.begin)

    @property
    def end_at(self) -> datetime:
        """Return the end as an instant."""
        return from_micros(self.end)


def span_of(begin: datetime, end: datetime) -> Span:
    """Return the span between two instants; an end before the begin gives an empty span."""
    begin_us = to_micros(begin)
    return Span(begin_us, max(begin_us, to_micros(end)))


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same instants as sorted spans that neither overlap nor touch: what overlaps counts once."""
    joined: list[Span] = []
    for span in sorted(span for span in spans if span.end > span.begin):
        if joined and span.begin <= joined[-1].end:
            joined[-1] = Span(joined[-1].begin, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def clip(spans: Iterable[Span], to: Span) -> tuple[Span, ...]:
    """Return what of the spans lies within `to`."""
    cut = (Span(max(span.begin, to.begin), min(span.end, to.end)) for span in spans)
    return tuple(span for span in cut if span.end > span.begin)


def intersect(one: Sequence[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """Return the instants that are in both; each side as `union` returns it."""
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        begin, end = max(one[i].begin, other[j].begin), min(one[i].end, other[j].end)
        if end > begin:
            found.append(Span(begin, end))
        if one[i].end <= other[j].end:
            i += 1
        else:
            j += 1
    return tuple(found)


def subtract(spans: Sequence[Span], holes: Sequence[Span]) -> tuple[Span, ...]:
    """Return the instants of `spans` that are not in `holes`; each side as `union` returns it."""
    if not spans or not holes:
        return tuple(spans)
    around = [spans[0].begin, *(edge for hole in holes for edge in hole), spans[-1].end]
    gaps = union(Span(*pair) for pair in zip(around[::2], around[1::2], strict=True))
    return intersect(spans, gaps)


def length(spans: Iterable[Span]) -> int:
    """Return how long the spans are together, in microseconds."""
    return sum(span.end - span.begin for span in spans)


def minutes_text(micros: int) -> str:
    """Write a duration in minutes, half up to hundredths (the exact one stays in microseconds)."""
    units = floor(Fraction(micros * 10**MINUTE_PLACES, MINUTE_US) + Fraction(1, 2))
    return str(Decimal(units).scaleb(-MINUTE_PLACES))


def percent_text(percent: Fraction | None) -> str | None:
    """Write a percentage rounded down to thousandths; None where nothing could be measured."""
    if percent is None:
        return None
    return str(Decimal(floor(percent * 10**PERCENT_PLACES)).scaleb(-PERCENT_PLACES))


def share(part: int, whole: int) -> Fraction | None:
    """Return a part as an exact percentage of the whole; None where the whole is nothing."""
    return None if whole <= 0 else Fraction(part * 100, whole)

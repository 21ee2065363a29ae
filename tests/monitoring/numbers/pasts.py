"""Synthetic pasts of ports, and what a slow walk over the minutes asks of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from voltway.kernel.clock import parse_rfc3339
from voltway.monitoring.numbers.exclusions import Exclusion, ExclusionCause
from voltway.monitoring.numbers.uptime_model import Port, PortPast
from voltway.monitoring.numbers.uptime_spans import span_of
from voltway.monitoring.timeline.model import Interval, OperatorState

ORIGIN = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = 400
"""Synthetic pasts are this long, so that a walk over their minutes is quick."""


def at(minute: float) -> datetime:
    """Return an instant of the synthetic clock."""
    return ORIGIN + timedelta(minutes=minute)


def port_of(station_id: str = "CP-1", **changes: Any) -> Port:
    """Return a port of 150 kW."""
    return replace(Port(station_id, 1, "HARBOUR", ZoneInfo("UTC"), 150_000, ("fast",)), **changes)


def interval(begin: datetime, end: datetime | None, state: OperatorState, cause: str = "") -> Interval:
    """Return an interval whose evidence does not matter."""
    return Interval(begin, end, state, cause, "", begin)


def exclusion(
    begin: datetime, end: datetime, cause: ExclusionCause = ExclusionCause.UTILITY_INTERRUPTION, number: int = 1
) -> Exclusion:
    """Return an exclusion that stands."""
    return Exclusion(number, None, "CP-1", None, begin, end, cause, "notice 17", None, "test", begin)


def past_of(
    intervals: Iterable[Interval], *exclusions: Exclusion, port: Port | None = None, **changes: Any
) -> PortPast:
    """Return the past of a port over all that its intervals cover."""
    timeline = tuple(intervals)
    begin, end = timeline[0].begin, timeline[-1].end or timeline[-1].begin
    past = PortPast(port or port_of(), span_of(begin, end), begin, timeline, exclusions)
    return replace(past, **changes)


def written_past(document: Mapping[str, Any]) -> PortPast:
    """Return the past that a worked example of the page describes."""
    intervals = [
        interval(parse_rfc3339(begin), parse_rfc3339(end), OperatorState(state))
        for begin, end, state in document.get("states", [])
    ]
    exclusions = [
        exclusion(parse_rfc3339(begin), parse_rfc3339(end), ExclusionCause(cause), number)
        for number, (begin, end, cause) in enumerate(document.get("exclusions", []))
    ]
    begin, end = (parse_rfc3339(text) for text in document["service"])
    port = port_of(document.get("station", "CP-1"), zone=ZoneInfo(document.get("time_zone", "UTC")))
    port = replace(port, max_power_w=document.get("power_w", 150_000))
    return PortPast(port, span_of(begin, end), begin, tuple(intervals), tuple(exclusions))


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Interval, ...]:
    """Draw intervals without gap or overlap over the synthetic minutes."""
    cuts = sorted(draw(st.sets(st.integers(1, MINUTES - 1), max_size=12)))
    edges = [0, *cuts, MINUTES]
    states = draw(st.lists(st.sampled_from(OperatorState), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return tuple(
        interval(at(begin), at(end), state) for begin, end, state in zip(edges[:-1], edges[1:], states, strict=True)
    )


def exclusion_lists(causes: Sequence[ExclusionCause] = tuple(ExclusionCause)) -> st.SearchStrategy[list[Exclusion]]:
    """Draw exclusions, which may overlap each other and the edges."""
    one = st.builds(
        lambda begin, length, cause: exclusion(at(begin), at(begin + length), cause),
        st.integers(-50, MINUTES),
        st.integers(1, 200),
        st.sampled_from(causes),
    )
    return st.lists(one, max_size=5)


def state_at(past: PortPast, minute: int) -> OperatorState:
    """Return the state during a minute."""
    instant = at(minute)
    return next(one.state for one in past.intervals if one.begin <= instant and (one.end is None or instant < one.end))


def is_excluded(past: PortPast, minute: int, causes: Iterable[ExclusionCause]) -> bool:
    """Say whether any exclusion of those causes holds during a minute."""
    wanted, instant = set(causes), at(minute)
    return any(one.cause in wanted and one.begin_at <= instant < one.end_at for one in past.exclusions)

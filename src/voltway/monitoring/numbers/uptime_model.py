"""What the laws of uptime take and answer: a port's past, and figures with every outage and exclusion behind them."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from voltway.monitoring.numbers.exclusions import Applied, Exclusion
from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_spans import Span, clip, span_of, union
from voltway.monitoring.timeline.model import Cause, Interval, OperatorState

DOWN_STATES = frozenset({
    OperatorState.UNKNOWN, OperatorState.OFFLINE, OperatorState.FAULTED, OperatorState.UNAVAILABLE,
})  # fmt: skip
"""States in which a port is not up: nobody can say or show that it could charge a car."""


@dataclass(frozen=True, slots=True)
class Port:
    """A charging port (one EVSE): who and where it is. Ids are the public ones."""

    station_id: str
    evse_id: int
    location_id: str | None
    zone: ZoneInfo
    max_power_w: int | None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortPast:
    """What is known of a port over a window.

    `service` is from its commissioning to its decommissioning or now. `intervals` hold at least its time in the states
    that a law may count as down; where they hold the rest too, that changes nothing. `first_at` is where its timeline
    begins: service before it is time that nobody watched. `shortfalls` are stretches with less than the required power.
    """

    port: Port
    service: Span
    first_at: datetime | None
    intervals: tuple[Interval, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    shortfalls: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in one state that does not count as up, within the period."""

    begin_at: datetime
    end_at: datetime
    state: OperatorState
    cause: str


@dataclass(frozen=True, slots=True)
class NeviMonth:
    """T_outage and T_excluded of one calendar month, in microseconds (23 CFR 680.112(a)(7))."""

    month: Month
    service_us: int
    outage_us: int
    excluded_us: int
    percent: Fraction | None
    """Of the minutes in service that month."""


@dataclass(frozen=True, slots=True)
class NeviPort:
    """Uptime of a port by 23 CFR 680.116(b); `percent` by the literal 525,600 minutes."""

    port: Port
    begin_at: datetime
    end_at: datetime
    service_us: int
    outage_us: int
    excluded_us: int
    percent: Fraction
    percent_in_service: Fraction | None
    """The same over the minutes the port was in service: what a port commissioned in the year is worth."""
    is_met: bool
    months: tuple[NeviMonth, ...]
    outages: tuple[Outage, ...]
    exclusions: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class UkPort:
    """A rapid charge point by SI 2023/1168 reg. 7: its time in service, sorted by what it counts as."""

    port: Port
    service_us: int
    reliable_us: int
    unreliable_us: int
    neutral_us: int
    closed_us: int
    percent: Fraction | None
    outages: tuple[Outage, ...]


@dataclass(frozen=True, slots=True)
class UkNetwork:
    """The network of rapid charge points over a period; `percent` is the figure held against 99."""

    begin_at: datetime
    end_at: datetime
    percent: Fraction | None
    """Reliable time of all points over their measured time; ineligible time is in neither."""
    percent_ineligible_reliable: Fraction | None
    """The same with ineligible time counted as reliable: the letter of reg. 7(3)(b)."""
    percent_mean: Fraction | None
    """The mean of the points' own percentages."""
    is_met: bool | None
    ports: tuple[UkPort, ...]


@dataclass(frozen=True, slots=True)
class SlaPort:
    """A port under a contract: service time within its windows, what of it was down, and what of that is excluded."""

    port: Port
    service_us: int
    down_us: int
    excluded_us: int
    percent: Fraction | None
    outages: tuple[Outage, ...]
    exclusions: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class SlaResult:
    """A contract over one of its periods."""

    contract: str
    begin: Month
    months: int
    percent: Fraction | None
    target: Fraction
    is_met: bool | None
    ports: tuple[SlaPort, ...]


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """Uptime of a whole network in a month so far, for a page that only shows the figure."""

    month: Month
    ports: int
    service_us: int
    outage_us: int
    excluded_us: int
    percent: Fraction | None


def outage_spans(past: PortPast, states: frozenset[OperatorState], *, with_shortfalls: bool = True) -> tuple[Span, ...]:
    """Return when a port was in any of the states, as spans that neither overlap nor touch.

    Service before the timeline's first interval counts as unknown. Ends are not clipped to a period.
    """
    found = [_span(one, past.service.end) for one in past.intervals if one.state in states]
    if OperatorState.UNKNOWN in states:
        found.append(unwatched(past))
    return union([*found, *(past.shortfalls if with_shortfalls else ())])


def unwatched(past: PortPast) -> Span:
    """Return the time in service before the first evidence of any kind."""
    if past.first_at is None:
        return past.service
    return span_of(past.service.begin_at, min(past.first_at, past.service.end_at))


def outages_in(past: PortPast, states: frozenset[OperatorState], period: Span) -> tuple[Outage, ...]:
    """Return each stretch of a period in one of the states, in order; adjacent ones of one state and cause are one."""
    stretches = [(_span(one, past.service.end), one.state, one.cause) for one in past.intervals if one.state in states]
    if OperatorState.UNKNOWN in states:
        stretches.append((unwatched(past), OperatorState.UNKNOWN, Cause.NEVER_CONNECTED))
    found: list[Outage] = []
    for span, state, cause in sorted(stretches, key=lambda stretch: stretch[0]):
        for part in clip([span], period):
            last = found[-1] if found else None
            if last and (last.end_at, last.state, last.cause) == (part.begin_at, state, cause):
                found[-1] = Outage(last.begin_at, part.end_at, state, cause)
            else:
                found.append(Outage(part.begin_at, part.end_at, state, str(cause)))
    return tuple(found)


def _span(interval: Interval, latest: int) -> Span:
    """Return an interval's span, the running one up to the end of the service."""
    if interval.end is not None:
        return span_of(interval.begin, interval.end)
    begin = span_of(interval.begin, interval.begin).begin
    return Span(begin, max(begin, latest))

"""Reliability of a network of rapid charge points by the UK's Public Charge Point Regulations 2023, reg. 7. Pure.

The law speaks of EVSE statuses of OCPI 2.2.1; ours are mapped to them first. Readings and tables:
docs/algorithms/uptime.md.
"""

from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction

from voltway.monitoring.numbers.exclusions import UK_CAUSES, exclusion_spans
from voltway.monitoring.numbers.uptime_model import PortPast, UkNetwork, UkPort, outage_spans, outages_in
from voltway.monitoring.numbers.uptime_spans import Span, clip, intersect, length, share, subtract
from voltway.monitoring.timeline.model import OperatorState

RAPID_W = 50_000
TARGET = Fraction(99)
"""The network must reach this."""


class OcpiStatus(StrEnum):
    """The statuses of an EVSE in OCPI 2.2.1, 8.4.22."""

    AVAILABLE = "AVAILABLE"
    BLOCKED = "BLOCKED"
    CHARGING = "CHARGING"
    INOPERATIVE = "INOPERATIVE"
    OUTOFORDER = "OUTOFORDER"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    RESERVED = "RESERVED"
    UNKNOWN = "UNKNOWN"


OCPI_STATUS = {
    OperatorState.AVAILABLE: OcpiStatus.AVAILABLE,
    OperatorState.PREPARING: OcpiStatus.CHARGING,
    OperatorState.CHARGING: OcpiStatus.CHARGING,
    OperatorState.SUSPENDED_BY_CAR: OcpiStatus.CHARGING,
    OperatorState.SUSPENDED_BY_STATION: OcpiStatus.CHARGING,
    OperatorState.FINISHING: OcpiStatus.CHARGING,
    OperatorState.RESERVED: OcpiStatus.RESERVED,
    OperatorState.UNAVAILABLE: OcpiStatus.INOPERATIVE,
    OperatorState.FAULTED: OcpiStatus.OUTOFORDER,
    OperatorState.OFFLINE: OcpiStatus.UNKNOWN,
    OperatorState.UNKNOWN: OcpiStatus.UNKNOWN,
}
RELIABLE = frozenset({OcpiStatus.AVAILABLE, OcpiStatus.CHARGING, OcpiStatus.RESERVED})
UNRELIABLE = frozenset({OcpiStatus.INOPERATIVE, OcpiStatus.OUTOFORDER})
_UNRELIABLE_STATES = frozenset(state for state, status in OCPI_STATUS.items() if status in UNRELIABLE)
_NEUTRAL_STATES = frozenset(
    state for state, status in OCPI_STATUS.items() if status not in RELIABLE and status not in UNRELIABLE
)


def is_rapid(past: PortPast) -> bool:
    """Say whether the law measures this point: 50 kW or above."""
    return past.port.max_power_w is not None and past.port.max_power_w >= RAPID_W


def uk_port(past: PortPast, period: Span) -> UkPort:
    """Return what a charge point's time in service counts as: reliable + unreliable + neutral + closed = service."""
    service = clip([past.service], period)
    opened = subtract(service, exclusion_spans(past.exclusions, UK_CAUSES))
    unreliable = intersect(outage_spans(past, _UNRELIABLE_STATES, with_shortfalls=False), opened)
    neutral = intersect(outage_spans(past, _NEUTRAL_STATES, with_shortfalls=False), opened)
    unreliable_us, neutral_us, opened_us = length(unreliable), length(neutral), length(opened)
    reliable_us = opened_us - unreliable_us - neutral_us
    return UkPort(
        port=past.port,
        service_us=length(service),
        reliable_us=reliable_us,
        unreliable_us=unreliable_us,
        neutral_us=neutral_us,
        closed_us=length(service) - opened_us,
        percent=share(reliable_us, reliable_us + unreliable_us),
        outages=outages_in(past, _UNRELIABLE_STATES | _NEUTRAL_STATES, service[0]) if service else (),
    )


def uk_network(pasts: Iterable[PortPast], period: Span) -> UkNetwork:
    """Return the network's figure over its rapid points in service; the order of points changes nothing."""
    ports = tuple(port for past in pasts if is_rapid(past) and (port := uk_port(past, period)).service_us)
    reliable, unreliable = sum(one.reliable_us for one in ports), sum(one.unreliable_us for one in ports)
    neutral = sum(one.neutral_us for one in ports)
    measured = [one.percent for one in ports if one.percent is not None]
    percent = share(reliable, reliable + unreliable)
    return UkNetwork(
        begin_at=period.begin_at,
        end_at=period.end_at,
        percent=percent,
        percent_ineligible_reliable=share(reliable + neutral, reliable + unreliable + neutral),
        percent_mean=sum(measured, Fraction(0)) / len(measured) if measured else None,
        is_met=None if percent is None else percent >= TARGET,
        ports=ports,
    )

"""Availability by a contract's own terms. Pure. Equations and tables: docs/algorithms/uptime.md.

An instant counts as down where the port was down throughout the grace before it; so splitting an outage changes nothing
and a longer one never counts less.
"""

from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction

from voltway.monitoring.numbers.exclusions import applied, exclusion_spans
from voltway.monitoring.numbers.sla import Contract, Weighting
from voltway.monitoring.numbers.uptime_calendar import Month, window_spans
from voltway.monitoring.numbers.uptime_model import PortPast, SlaPort, SlaResult, outage_spans, outages_in
from voltway.monitoring.numbers.uptime_spans import Span, clip, intersect, length, share


def sla_port(past: PortPast, contract: Contract, begin: Month, months: int) -> SlaPort:
    """Return a port's figures under a contract over `months` calendar months of its site."""
    period = begin.span(past.port.zone, months)
    service = intersect(window_spans(contract.windows, period, past.port.zone), clip([past.service], period))
    down = intersect(_after_grace(past, contract), service)
    excluded_us = length(intersect(down, exclusion_spans(past.exclusions, contract.excluded_causes)))
    service_us, down_us = length(service), length(down)
    around = Span(service[0].begin, service[-1].end) if service else Span(period.begin, period.begin)
    return SlaPort(
        port=past.port,
        service_us=service_us,
        down_us=down_us,
        excluded_us=excluded_us,
        percent=share(service_us - down_us + excluded_us, service_us),
        outages=outages_in(past, contract.down_states, around),
        exclusions=applied(past.exclusions, contract.excluded_causes, down),
    )


def sla_result(pasts: Iterable[PortPast], contract: Contract, month: Month) -> SlaResult:
    """Return a contract's figure over its period that holds `month`; the order of ports changes nothing."""
    begin, months = contract.period.holding(month), contract.period.months
    covered = (past for past in pasts if contract.covers(past.port))
    ports = tuple(one for past in covered if (one := sla_port(past, contract, begin, months)).service_us)
    percent = _weighed(ports, contract.weighting)
    is_met = None if percent is None else percent >= contract.target
    return SlaResult(contract.code, begin, months, percent, contract.target, is_met, ports)


def _after_grace(past: PortPast, contract: Contract) -> tuple[Span, ...]:
    grace_us = contract.grace // timedelta(microseconds=1)
    outages = outage_spans(past, contract.down_states, with_shortfalls=contract.low_power_is_down)
    return tuple(Span(one.begin + grace_us, one.end) for one in outages if one.end - one.begin > grace_us)


def _weighed(ports: tuple[SlaPort, ...], weighting: Weighting) -> Fraction | None:
    figures = [(one.percent, _weight(one, weighting)) for one in ports if one.percent is not None]
    total = sum(weight for _, weight in figures)
    if not figures or total == 0:
        return None
    if weighting is Weighting.WORST:
        return min(percent for percent, _ in figures)
    return sum((percent * weight for percent, weight in figures), Fraction(0)) / total


def _weight(port: SlaPort, weighting: Weighting) -> int:
    if weighting is Weighting.TIME:
        return port.service_us
    if weighting is Weighting.POWER:
        return port.service_us * (port.port.max_power_w or 0)
    return 1

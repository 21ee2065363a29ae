"""Uptime per charging port by 23 CFR 680.116(b). Pure.

    µ = (525,600 − (T_outage − T_excluded)) / 525,600 × 100

over the previous twelve months in minutes. Readings and tables: docs/algorithms/uptime.md.
"""

from fractions import Fraction

from voltway.monitoring.numbers.exclusions import NEVI_CAUSES, applied, exclusion_spans
from voltway.monitoring.numbers.uptime_calendar import Month, months_of
from voltway.monitoring.numbers.uptime_model import (
    DOWN_STATES,
    NeviMonth,
    NeviPort,
    PortPast,
    outage_spans,
    outages_in,
)
from voltway.monitoring.numbers.uptime_spans import MINUTE_US, Span, clip, intersect, length, share

YEAR_US = 525_600 * MINUTE_US
"""The rule's literal year, also where the twelve months hold a leap day."""
TARGET = Fraction(97)
"""Uptime must be greater than this."""
MONTHS = 12


def nevi_port(past: PortPast, last: Month) -> NeviPort:
    """Return a port's uptime over the twelve calendar months (in its site's zone) that end with `last`."""
    first = last.after(1 - MONTHS)
    period = first.span(past.port.zone, MONTHS)
    outages = clip(outage_spans(past, DOWN_STATES), _in_service(past, period))
    excluded = intersect(outages, exclusion_spans(past.exclusions, NEVI_CAUSES))
    outage_us, excluded_us = length(outages), length(excluded)
    service_us = length(clip([past.service], period))
    percent = nevi_percent(outage_us, excluded_us)
    return NeviPort(
        port=past.port,
        begin_at=period.begin_at,
        end_at=period.end_at,
        service_us=service_us,
        outage_us=outage_us,
        excluded_us=excluded_us,
        percent=percent,
        percent_in_service=share(service_us - outage_us + excluded_us, service_us),
        is_met=percent > TARGET,
        months=tuple(nevi_month(past, month) for month in months_of(first, MONTHS)),
        outages=outages_in(past, DOWN_STATES, _in_service(past, period)),
        exclusions=applied(past.exclusions, NEVI_CAUSES, outages),
    )


def nevi_percent(outage_us: int, excluded_us: int) -> Fraction:
    """Return µ exactly; a leap year of nothing but outage would give less than nothing and gives 0."""
    return max(Fraction(0), Fraction((YEAR_US - (outage_us - excluded_us)) * 100, YEAR_US))


def nevi_month(past: PortPast, month: Month) -> NeviMonth:
    """Return T_outage and T_excluded of one calendar month of the site; twelve of them sum to the year's."""
    period = month.span(past.port.zone)
    outages = clip(outage_spans(past, DOWN_STATES), _in_service(past, period))
    excluded_us = length(intersect(outages, exclusion_spans(past.exclusions, NEVI_CAUSES)))
    outage_us, service_us = length(outages), length(clip([past.service], period))
    return NeviMonth(month, service_us, outage_us, excluded_us, share(service_us - outage_us + excluded_us, service_us))


def _in_service(past: PortPast, period: Span) -> Span:
    """Return the part of a period in which the port was in service, empty where there is none."""
    begin = max(past.service.begin, period.begin)
    return Span(begin, max(begin, min(past.service.end, period.end)))

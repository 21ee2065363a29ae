"""What a session costs: the one way from its course to money, whether it runs, is held or was billed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from voltway.sessions.periods import Course, Sample, charging_periods
from voltway.tariffs.engine import price
from voltway.tariffs.explain import Document, session_explanation
from voltway.tariffs.model import Tariff
from voltway.tariffs.priced import Cost, CostKind, Priced
from voltway.tariffs.segments import another_hour, next_hour


@dataclass(frozen=True, slots=True)
class Quote:
    """A session priced with its sealed tariff; `next_hour` is what one more hour would add, None once it has ended."""

    currency: str
    cost: Cost
    explanation: Document
    next_hour: Cost | None


def priced_course(course: Course, tariff: Tariff, *, time_zone: str) -> Priced:
    """Price a course; `time_zone` is the IANA zone of the place."""
    periods = charging_periods(course, tariff, time_zone=time_zone)
    return price(tariff, periods, time_zone=time_zone, started_at=course.started_at)


def quote_of(course: Course, tariff: Tariff, *, time_zone: str, is_running: bool) -> Quote:
    """Return cost, explanation and, while it runs, the price of another hour."""
    periods = charging_periods(course, tariff, time_zone=time_zone)
    priced = price(tariff, periods, time_zone=time_zone, started_at=course.started_at)
    more = None
    if is_running:
        # A period keeps the power with which it began, often 0 W; the coming hour goes on with the newest reading's.
        newest_w = _newest_power_w(course.samples)
        last = periods[-1] if newest_w is None else replace(periods[-1], power_w=newest_w, power_max_w=None)
        more = next_hour(tariff, periods, another_hour(last), time_zone=time_zone, now=priced.total)
    return Quote(priced.currency, priced.total, session_explanation(priced), more)


def _newest_power_w(samples: Sequence[Sample]) -> float | None:
    newest = max((it for it in samples if it.power_w is not None), key=lambda it: it.at, default=None)
    return None if newest is None else newest.power_w


def is_due(priced: Priced) -> bool:
    """Say whether anything is owed: energy flowed or time was used; a failed start is free (billing note 58)."""
    costs = priced.costs()
    return priced.milliwh > 0 or any(costs[kind].excl_vat > 0 for kind in (CostKind.TIME, CostKind.PARKING))

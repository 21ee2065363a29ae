"""What a session costs: the one way from its course to money, whether it runs, is held or was billed. Pure."""

from dataclasses import dataclass

from voltway.kernel.energy import ZERO_ENERGY
from voltway.sessions.periods import Course, charging_periods
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
    more = next_hour(tariff, periods, another_hour(periods[-1]), time_zone=time_zone) if is_running else None
    return Quote(priced.currency, priced.total, session_explanation(priced), more)


def is_due(priced: Priced) -> bool:
    """Say whether anything is owed: energy flowed or time was used; a failed start is free (billing note 58)."""
    costs = priced.costs()
    return priced.energy > ZERO_ENERGY or any(costs[kind].excl_vat > 0 for kind in (CostKind.TIME, CostKind.PARKING))

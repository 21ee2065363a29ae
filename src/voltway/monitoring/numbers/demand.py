"""When a site is busy: its week of hours with the share of EVSE time taken, and its busy periods in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BUSY = 0.8
"""From this share on a period is one of high demand."""
Week = Sequence[Sequence[float | None]]
"""Share (0 to 1) by day (Monday first) and local hour; None where there is no usage to tell of."""


@dataclass(frozen=True, slots=True)
class Period:
    """Hours [begin, end) of each of the days [first_day, last_day] (0 Monday), and the mean share taken then."""

    first_day: int
    last_day: int
    begin_hour: int
    end_hour: int
    share: float


def busy_periods(week: Week, at_least: float = BUSY) -> list[Period]:
    """Return the periods of high demand, the busiest first; days in a row with the same hours are one period."""
    single = [Period(day, day, *run) for day, hours in enumerate(week) for run in _runs(hours, at_least)]
    merged: list[Period] = []
    for period in sorted(single, key=lambda it: (it.begin_hour, it.end_hour, it.first_day)):
        last = merged[-1] if merged else None
        if last is not None and _continues(last, period):
            days = last.last_day - last.first_day + 1
            share = (last.share * days + period.share) / (days + 1)
            merged[-1] = Period(last.first_day, period.last_day, last.begin_hour, last.end_hour, share)
        else:
            merged.append(period)
    return sorted(merged, key=lambda it: (-it.share, it.first_day, it.begin_hour))


def busiest_hour(week: Week) -> Period | None:
    """Return the hour of the week with the highest share, the first where several are; None where all are idle."""
    known = [
        (share, -day, -hour) for day, hours in enumerate(week) for hour, share in enumerate(hours) if share
    ]  # fmt: skip
    if not known:
        return None
    share, day, hour = max(known)
    return Period(-day, -day, -hour, 1 - hour, share)


def sentence(code: str, period: Period) -> str:
    """Say a period in words.

    >>> sentence("HARBOUR", Period(4, 4, 16, 19, 0.92))
    'HARBOUR: Fri 16–19, 92 % occupied'
    >>> sentence("HARBOUR", Period(0, 4, 7, 9, 0.8))
    'HARBOUR: Mon–Fri 7–9, 80 % occupied'
    """
    first, last = DAYS[period.first_day], DAYS[period.last_day]
    days = first if first == last else f"{first}–{last}"
    return f"{code}: {days} {period.begin_hour}–{period.end_hour}, {percent(period.share)} % occupied"


def busiest_sentence(code: str, week: Week) -> str:
    """Say when a site is busiest: its period of highest demand, its busiest hour, or that it is idle."""
    periods = busy_periods(week)
    if periods:
        return sentence(code, periods[0])
    hour = busiest_hour(week)
    return f"{code}: no EVSE was occupied" if hour is None else sentence(code, hour)


def percent(share: float) -> int:
    """Return whole percent, half up."""
    return int((Decimal(str(share)) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _continues(one: Period, two: Period) -> bool:
    same_hours = (one.begin_hour, one.end_hour) == (two.begin_hour, two.end_hour)
    return same_hours and one.last_day + 1 == two.first_day


def _runs(hours: Sequence[float | None], at_least: float) -> list[tuple[int, int, float]]:
    found = []
    for is_busy, group in groupby(enumerate(hours), key=lambda it: (it[1] or 0) >= at_least):
        run = list(group)
        if is_busy:
            mean = sum(share or 0 for _, share in run) / len(run)
            found.append((run[0][0], run[-1][0] + 1, mean))
    return found

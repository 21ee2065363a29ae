"""Where a price can change: instants, energies and powers, for the segmentation of sessions and for the page.

Clock restrictions are judged on instants, so that both DST nights come out right. Pure; read by `tariffs.engine`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from voltway.kernel.clock import from_micros, to_micros
from voltway.tariffs.model import Dimension, Restrictions, Tariff
from voltway.tariffs.rates import (
    MICROS_PER_HOUR,
    MICROS_PER_SECOND,
    SLOTS,
    ClockPredicate,
    LocalClock,
    Moment,
    Rate,
    choose,
    clock_predicates,
    compiled,
    has_clock,
    local_clock,
    milliwh_bound,
    zone,
)

_INSTANT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_MIDNIGHT = time(0, 0)
_DAY_US = 24 * MICROS_PER_HOUR


class NextPrice(NamedTuple):
    """When the price of a kWh changes, and its price then (in the terms of the tariff's prices)."""

    at: datetime
    price: Decimal


def boundaries(
    tariff: Tariff, start: datetime, end: datetime, *, time_zone: str, started_at: datetime | None = None
) -> list[datetime]:
    """Return every instant inside (start, end) at which a clock or duration restriction changes its answer, sorted.

    `started_at` is the session's start, from which durations count; by default `start`.
    """
    begin_us, end_us = to_micros(start), to_micros(end)
    origin_us = begin_us if started_at is None else to_micros(started_at)
    found = {origin_us + seconds * MICROS_PER_SECOND for seconds in _durations_s(tariff)}
    found.update(_clock_changes(tariff, begin_us, end_us, time_zone))
    return [from_micros(instant_us) for instant_us in sorted(found) if begin_us < instant_us < end_us]


@lru_cache(maxsize=1024)
def energy_thresholds(tariff: Tariff) -> tuple[int, ...]:
    """Return the session energies in milliwatt-hours at which a restriction changes its answer, sorted."""
    bounds = (bound for r in _restrictions(tariff) for bound in (r.min_kwh, r.max_kwh))
    return tuple(sorted({ceil(milliwh_bound(bound)) for bound in bounds if bound is not None and bound > 0}))


@lru_cache(maxsize=1024)
def power_bands(tariff: Tariff) -> tuple[float, ...]:
    """Return the powers in W at which a restriction changes its answer, sorted; a band includes its lower end."""
    bounds = (bound for r in _restrictions(tariff) for bound in (r.min_power, r.max_power))
    return tuple(sorted({float(bound * 1000) for bound in bounds if bound is not None}))


@lru_cache(maxsize=1024)
def current_bands(tariff: Tariff) -> tuple[float, ...]:
    """Return the currents in A (sum of the phases) at which a restriction changes its answer, sorted."""
    bounds = (bound for r in _restrictions(tariff) for bound in (r.min_current, r.max_current))
    return tuple(sorted({float(bound) for bound in bounds if bound is not None}))


def kwh_rate(tariff: Tariff, at: datetime, *, time_zone: str, power_w: float | None = None) -> Rate | None:
    """Return the rate of the first kWh of a session that starts at an instant; None if energy is never priced."""
    plan = compiled((tariff,)).default
    if not plan.energy:
        return None
    moment = Moment(local_clock(at, time_zone) if plan.needs_clock else None)
    moment.power_w = power_w
    return choose(plan.energy, moment) or plan.free[SLOTS[Dimension.ENERGY]]


def next_cheaper(
    tariff: Tariff, at: datetime, *, time_zone: str, horizon_h: int = 48, power_w: float | None = None
) -> NextPrice | None:
    """Return the next instant within the horizon at which a session would start with a lower price per kWh."""
    now = kwh_rate(tariff, at, time_zone=time_zone, power_w=power_w)
    ahead = _prices_ahead(tariff, at, time_zone=time_zone, horizon_h=horizon_h, power_w=power_w)
    return None if now is None else next((then for then in ahead if then.price < now.price), None)


def next_dearer(
    tariff: Tariff, at: datetime, *, time_zone: str, horizon_h: int = 48, power_w: float | None = None
) -> NextPrice | None:
    """Return the next instant within the horizon at which a session would start with a higher price per kWh."""
    now = kwh_rate(tariff, at, time_zone=time_zone, power_w=power_w)
    ahead = _prices_ahead(tariff, at, time_zone=time_zone, horizon_h=horizon_h, power_w=power_w)
    return None if now is None else next((then for then in ahead if then.price > now.price), None)


def _prices_ahead(
    tariff: Tariff, at: datetime, *, time_zone: str, horizon_h: int, power_w: float | None
) -> Iterator[NextPrice]:
    for instant in boundaries(tariff, at, at + timedelta(hours=horizon_h), time_zone=time_zone):
        then = kwh_rate(tariff, instant, time_zone=time_zone, power_w=power_w)
        if then is not None and tariff.is_valid_at(instant):
            yield NextPrice(instant, then.price)


def _restrictions(tariff: Tariff) -> Iterator[Restrictions]:
    for element in tariff.elements:
        if element.restrictions is not None:
            yield element.restrictions


@lru_cache(maxsize=1024)
def _durations_s(tariff: Tariff) -> tuple[int, ...]:
    bounds = (bound for r in _restrictions(tariff) for bound in (r.min_duration_s, r.max_duration_s))
    return tuple(sorted({bound for bound in bounds if bound is not None}))


@lru_cache(maxsize=1024)
def _clock_tests(tariff: Tariff) -> tuple[tuple[ClockPredicate, ...], ...]:
    windows = [*_restrictions(tariff), *(tariff.idle.exempt if tariff.idle is not None else ())]
    return tuple(tuple(clock_predicates(window)) for window in windows if has_clock(window))


@lru_cache(maxsize=1024)
def _wall_times(tariff: Tariff) -> tuple[time, ...]:
    """Return the local times of day at which a clock restriction may change its answer."""
    windows = [*_restrictions(tariff), *(tariff.idle.exempt if tariff.idle is not None else ())]
    named = {clock for window in windows for clock in (window.start_time, window.end_time) if clock is not None}
    return tuple(sorted(named | {_MIDNIGHT}))


def _clock_changes(tariff: Tariff, begin_us: int, end_us: int, time_zone: str) -> Iterator[int]:
    if _clock_tests(tariff):
        for day in range(begin_us // _DAY_US, end_us // _DAY_US + 1):
            yield from _changes_of_day(tariff, time_zone, day)


@lru_cache(maxsize=4096)
def _changes_of_day(tariff: Tariff, time_zone: str, day: int) -> tuple[int, ...]:
    """Return the instants of a UTC day (days since 1970) at which a clock restriction changes its answer.

    Every session of a day asks for the same ones, again with each of its samples.
    """
    tests = _clock_tests(tariff)
    first, last = from_micros(day * _DAY_US), from_micros((day + 1) * _DAY_US)
    found = {*_wall_instants(tariff, first, last, time_zone), *_offset_changes(first, last, time_zone)}
    return tuple(
        to_micros(instant)
        for instant in sorted(found)
        if first <= instant < last
        and _answers(tests, local_clock(instant - _INSTANT, time_zone))
        != _answers(tests, local_clock(instant, time_zone))
    )


def _answers(tests: tuple[tuple[ClockPredicate, ...], ...], clock: LocalClock) -> list[bool]:
    return [all(test(clock) for test in window) for window in tests]


def _wall_instants(tariff: Tariff, first: datetime, last: datetime, time_zone: str) -> Iterator[datetime]:
    """Yield the instants at which the wall clock shows a named time; twice in the autumn hour."""
    local_zone = zone(time_zone)
    day, until = first.astimezone(local_zone).date(), last.astimezone(local_zone).date()
    while day <= until:
        for wall in _wall_times(tariff):
            local = datetime.combine(day, wall, local_zone)
            yield local.astimezone(UTC)
            yield local.replace(fold=1).astimezone(UTC)
        day += timedelta(days=1)


def _offset_changes(first: datetime, last: datetime, time_zone: str) -> Iterator[datetime]:
    """Yield the instant of a day at which the zone's offset from UTC changes (to the second), if there is one."""
    local_zone = zone(time_zone)
    low, high = first - _SECOND, last - _SECOND  # so that a change at the day's first instant is this day's
    before = low.astimezone(local_zone).utcoffset()
    if high.astimezone(local_zone).utcoffset() == before:
        return
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // (2 * _SECOND))
        if middle.astimezone(local_zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    yield high

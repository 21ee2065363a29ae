"""From a session's readings and states to charging periods that the price engine can price by their start. Pure.

Rules:
- The register is taken as linear between two readings, from the begin at the start to the end at the end; where it
  falls or leaves these bounds (an anomaly, held) it stays level. Inside, energy is cut down to 0.1 Wh, so that OCPI's
  four decimals carry it; the periods' sum is end − begin exactly.
- Idle is where the car asks for no power: its state says so and no real power flows, or it draws nothing in two or more
  consecutive readings although at least its minimum current is offered. A pause of the station or of ours never is.
- A power or current holds from its reading to the next; a period is cut where it enters another band of the tariff.
  Where the tariff has bands of power and a station names none, it is the mean between two readings of the register.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from voltway.kernel.clock import from_micros, to_micros
from voltway.kernel.energy import Energy
from voltway.kernel.facts import ChargingState
from voltway.tariffs.boundaries import boundaries, current_bands, energy_thresholds, power_bands
from voltway.tariffs.model import ChargingPeriod, PeriodKind, Tariff

MIN_OFFER_W = 1_380.0
"""6 A at 230 V on one phase: the least that IEC 61851 lets a station offer to a car."""
NO_DRAW_W = 50.0
"""Below this a car's electronics live, its battery does not charge."""
IDLE_READINGS = 2
_QUANTUM_MILLIWH = 100
_W_PER_MILLIWH_US = 3_600_000
_IDLE_STATES = frozenset({ChargingState.SUSPENDED_EV, ChargingState.IDLE})


class Sample(NamedTuple):
    """What pricing needs of a reading; `at` is the session's corrected clock, None is "not reported"."""

    at: datetime
    register_milliwh: int | None = None
    power_w: float | None = None
    current_a: float | None = None
    offered_w: float | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A session as it went so far: `until` is its end, or the newest instant known of it. Samples in any order."""

    started_at: datetime
    until: datetime
    begin_milliwh: int
    end_milliwh: int
    samples: Sequence[Sample] = ()
    history: Sequence[tuple[datetime, ChargingState]] = ()


def charging_periods(course: Course, tariff: Tariff, *, time_zone: str) -> list[ChargingPeriod]:
    """Return the periods in time order, cut wherever a price of the tariff can change; at least one."""
    curve = _Curve(course)
    total = curve.total_milliwh
    if course.until <= course.started_at:
        return [ChargingPeriod(course.started_at, course.started_at, Energy(total))]
    conditions = _conditions(course, curve, tariff)
    start_us, end_us = curve.times_us[0], curve.times_us[-1]
    cuts = {(at_us, curve.quantised(at_us)) for at_us, _ in conditions[1:]}
    for instant in boundaries(tariff, course.started_at, course.until, time_zone=time_zone):
        cuts.add((to_micros(instant), curve.quantised(to_micros(instant))))
    cuts.update((curve.reached_us(bound), bound) for bound in energy_thresholds(tariff) if bound < total)
    return list(_pieces([(start_us, 0), *sorted(cuts), (end_us, total)], conditions))


def kind_changes(course: Course) -> list[tuple[datetime, PeriodKind]]:
    """Return when the car began to charge and to idle: the first entry is the start."""
    found: list[tuple[datetime, PeriodKind]] = []
    for at_us, condition in _sweep(course):
        if not found or found[-1][1] is not condition.kind:
            found.append((from_micros(at_us), condition.kind))
    return found


class _Condition(NamedTuple):
    """What holds from an instant on; the greatest values where a stretch within one band had several."""

    kind: PeriodKind
    power_w: float | None
    current_a: float | None
    power_max_w: float | None = None
    current_max_a: float | None = None

    def widened(self, other: "_Condition") -> "_Condition":
        """Return the stretch with another reading in it."""
        least_w, most_w = _extremes(self.power_w, self.power_max_w, other.power_w)
        least_a, most_a = _extremes(self.current_a, self.current_max_a, other.current_a)
        return _Condition(self.kind, least_w, least_a, most_w, most_a)


def _extremes(least: float | None, most: float | None, value: float | None) -> tuple[float | None, float | None]:
    if least is None or value is None:
        return least, most
    low, high = min(least, value), max(least if most is None else most, value)
    return low, None if low == high else high


class _Curve:
    """The session's energy over time: increasing instants, energies that never fall, linear between."""

    def __init__(self, course: Course) -> None:
        self.total_milliwh = max(course.end_milliwh - course.begin_milliwh, 0)
        start_us, end_us = to_micros(course.started_at), to_micros(course.until)
        self.times_us, self.milliwh = [start_us], [0]
        level = 0
        readings = sorted(
            (to_micros(it.at), it.register_milliwh) for it in course.samples if it.register_milliwh is not None
        )
        for at_us, register_milliwh in readings:
            if not start_us < at_us < end_us:
                continue
            level = min(max(register_milliwh - course.begin_milliwh, level), self.total_milliwh)
            if at_us > self.times_us[-1]:
                self.times_us.append(at_us)
                self.milliwh.append(level)
            else:
                self.milliwh[-1] = level
        if end_us > self.times_us[-1]:
            self.times_us.append(end_us)
            self.milliwh.append(self.total_milliwh)

    def quantised(self, at_us: int) -> int:
        """Return the energy at an instant inside, cut down to 0.1 Wh."""
        after = bisect_right(self.times_us, at_us)
        low_us, high_us = self.times_us[after - 1], self.times_us[after]
        low, high = self.milliwh[after - 1], self.milliwh[after]
        level = low + (high - low) * (at_us - low_us) // (high_us - low_us)
        return level // _QUANTUM_MILLIWH * _QUANTUM_MILLIWH

    def mean_power_w(self, at_us: int) -> float:
        """Return the mean power between the readings around an instant (the earlier one included)."""
        after = min(bisect_right(self.times_us, at_us), len(self.times_us) - 1)
        milliwh = self.milliwh[after] - self.milliwh[after - 1]
        return milliwh * _W_PER_MILLIWH_US / (self.times_us[after] - self.times_us[after - 1])

    def reached_us(self, milliwh: int) -> int:
        """Return the instant at which an energy below the total is reached."""
        after = bisect_left(self.milliwh, milliwh, lo=1)
        low_us, high_us = self.times_us[after - 1], self.times_us[after]
        low, high = self.milliwh[after - 1], self.milliwh[after]
        return low_us + (high_us - low_us) * (milliwh - low) // (high - low)


def _pieces(cuts: Sequence[tuple[int, int]], conditions: Sequence[tuple[int, _Condition]]) -> Iterator[ChargingPeriod]:
    starts = [at_us for at_us, _ in conditions]
    reached = 0
    for (start_us, _), (end_us, milliwh) in pairwise(cuts):
        is_last = end_us == cuts[-1][0] and milliwh == cuts[-1][1]
        if start_us == end_us and milliwh <= reached and not is_last:
            continue
        level = max(milliwh, reached)
        condition = conditions[bisect_right(starts, start_us) - 1][1]
        yield ChargingPeriod(
            from_micros(start_us),
            from_micros(end_us),
            Energy(level - reached),
            condition.kind,
            condition.power_w,
            condition.current_a,
            power_max_w=condition.power_max_w,
            current_max_a=condition.current_max_a,
        )
        reached = level


def _conditions(course: Course, curve: _Curve, tariff: Tariff) -> list[tuple[int, _Condition]]:
    """Return the instants at which kind, power band or current band change, the start first."""
    powers, currents = power_bands(tariff), current_bands(tariff)
    if not (powers or currents or _may_idle(course)):
        return [(curve.times_us[0], _at_start(course))]
    found: list[tuple[int, _Condition]] = []
    last: tuple[PeriodKind, int, int] | None = None
    for at_us, reported in _sweep(course):
        is_unknown = powers and reported.power_w is None
        condition = reported._replace(power_w=curve.mean_power_w(at_us)) if is_unknown else reported
        now = condition.kind, _band(powers, condition.power_w), _band(currents, condition.current_a)
        if now != last:
            found.append((at_us, condition))
        elif powers or currents:
            start_us, before = found[-1]
            found[-1] = start_us, before.widened(condition)
        last = now
    return found


def _may_idle(course: Course) -> bool:
    """Say whether any state or reading speaks of an idle car: most sessions have none, and nothing to sweep."""
    return any(state in _IDLE_STATES for _, state in course.history) or any(map(_is_empty, course.samples))


def _at_start(course: Course) -> _Condition:
    begun = (sample for sample in course.samples if sample.at <= course.started_at)
    newest = max(begun, key=lambda sample: sample.at, default=Sample(course.started_at))
    return _Condition(PeriodKind.CHARGING, newest.power_w, newest.current_a)


def _is_empty(sample: Sample) -> bool:
    """Say whether the car draws nothing although it is offered something."""
    power_w, offered_w = sample.power_w, sample.offered_w
    return power_w is not None and power_w < NO_DRAW_W and offered_w is not None and offered_w >= MIN_OFFER_W


def _band(bounds: Sequence[float], value: float | None) -> int:
    return -1 if value is None else bisect_right(bounds, value)


def _sweep(course: Course) -> Iterator[tuple[int, _Condition]]:
    """Yield what holds from the start on and after each reading and state, each instant once."""
    start_us, end_us = to_micros(course.started_at), to_micros(course.until)
    samples = sorted(course.samples, key=lambda sample: sample.at)
    rests = _rests(samples)
    events: list[tuple[int, int, int]] = [(to_micros(at), 0, n) for n, (at, _) in enumerate(course.history)]
    events += [(to_micros(sample.at), 1, n) for n, sample in enumerate(samples)]
    state: ChargingState | None = None
    sample, rest = Sample(course.started_at), False
    at_us = start_us
    for event_us, is_sample, number in sorted(events):
        if event_us >= end_us:
            break
        if event_us > at_us:
            yield at_us, _condition(state, sample, rest=rest)
            at_us = event_us
        if is_sample:
            sample, rest = samples[number], rests[number]
        else:
            state = course.history[number][1]
    yield at_us, _condition(state, sample, rest=rest)


def _condition(state: ChargingState | None, sample: Sample, *, rest: bool) -> _Condition:
    draws = sample.power_w is not None and sample.power_w >= MIN_OFFER_W
    is_idle = (state in _IDLE_STATES and not draws) or (rest and state is not ChargingState.SUSPENDED_EVSE)
    return _Condition(PeriodKind.PARKING if is_idle else PeriodKind.CHARGING, sample.power_w, sample.current_a)


def _rests(samples: Sequence[Sample]) -> list[bool]:
    """Say of each reading whether it belongs to a run of readings without draw while power was offered."""
    empty = list(map(_is_empty, samples))
    found = [False] * len(empty)
    begin = 0
    for number, is_empty in enumerate([*empty, False]):
        if not is_empty:
            if number - begin >= IDLE_READINGS:
                found[begin:number] = [True] * (number - begin)
            begin = number + 1
    return found

"""Which periods span a change of price: a partner did not cut there, so they are priced whole by their start.

Used by `tariffs.reprice` for its warning `period_spans_change` (billing note 13); our own
segmentation always cuts. Pure.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from voltway.kernel.clock import from_micros, to_micros
from voltway.tariffs.boundaries import boundaries, energy_thresholds
from voltway.tariffs.model import ChargingPeriod, PeriodKind, Tariff, Volumes
from voltway.tariffs.rates import Candidates, Exact, Moment, Plan, choose, compiled, local_clock


def spanning(
    tariffs: Sequence[Tariff],
    periods: Sequence[ChargingPeriod],
    *,
    time_zone: str,
    started_at: datetime,
    reservation_expired: bool = False,
) -> list[int]:
    """Return the indexes of the periods in which a priced dimension changes its price.

    `periods` in time order; `started_at` is where durations begin, those of a reservation at its own first period.
    """
    plans = compiled(tuple(tariffs))
    found: list[int] = []
    before: Exact = 0
    reserved_at = next((period.start for period in periods if period.kind is PeriodKind.RESERVATION), started_at)
    for index, period in enumerate(periods):
        plan = plans.default if period.tariff_id is None else plans.plans[period.tariff_id]
        if period.kind is PeriodKind.RESERVATION:
            timed = plan.expired_time if reservation_expired else plan.reservation_time
            view = _View(plan, period, 0, _Clock(time_zone, reserved_at), [timed])
        else:
            view = _View(plan, period, before, _Clock(time_zone, started_at), list(_priced(plan, period)))
            before += view.milliwh
        if view.changes():
            found.append(index)
    return found


def _volumes(period: ChargingPeriod) -> Volumes:
    return period.volumes or Volumes(period.energy.milliwh if period.energy is not None else None)


def _priced(plan: Plan, period: ChargingPeriod) -> Iterator[Candidates]:
    """Yield the candidates of each dimension of which a period of the session has something."""
    volumes = _volumes(period)
    is_plain = period.volumes is None
    is_parked = period.kind is PeriodKind.PARKING
    if volumes.energy_milliwh:
        yield plan.energy
    if volumes.time_us or (is_plain and not is_parked):
        yield plan.time
    if volumes.parking_us or (is_plain and is_parked):
        yield plan.parking


class _Clock(NamedTuple):
    """Where local times are, and where durations begin and a locked price is judged."""

    time_zone: str
    origin: datetime


class _View:
    """One period under its tariff, with the candidates of its dimensions."""

    def __init__(
        self, plan: Plan, period: ChargingPeriod, before: Exact, clock: _Clock, candidates: Sequence[Candidates]
    ) -> None:
        self.plan, self.period, self.before, self.clock, self.candidates = plan, period, before, clock, candidates
        self.milliwh: Exact = _volumes(period).energy_milliwh or 0
        self.start_us, self.end_us = to_micros(period.start), to_micros(period.end)

    def changes(self) -> bool:
        """Say whether some dimension has another rate inside the period than at its start."""
        at_start = self._factors(self._moment(self.start_us, self.before, least=True))
        others = (self._moment(at_us, milliwh, least=True) for at_us, milliwh in self._probes())
        extreme = self._moment(self.start_us, self.before, least=False)
        return any(self._factors(moment) != at_start for moment in (*others, extreme))

    def _probes(self) -> Iterator[tuple[int, Exact]]:
        """Yield each instant inside at which a restriction may change its answer, with the energy until then."""
        span_us, tariff = self.end_us - self.start_us, self.plan.tariff
        start, end = self.period.start, self.period.end
        inside = boundaries(tariff, start, end, time_zone=self.clock.time_zone, started_at=self.clock.origin)
        for instant in inside:
            at_us = to_micros(instant)
            yield at_us, self.before + self.milliwh * Fraction(at_us - self.start_us, span_us)
        for bound in energy_thresholds(tariff):
            if self.before < bound < self.before + self.milliwh:
                share = Fraction(bound - self.before) / Fraction(self.milliwh)
                yield self.start_us + int(span_us * share), bound

    def _moment(self, at_us: int, milliwh: Exact, *, least: bool) -> Moment:
        """Return the state at an instant; the momentary values are all the least or all the greatest."""
        period = self.period
        clock, needs_clock = self.clock, self.plan.needs_clock
        moment = Moment(local_clock(clock.origin, clock.time_zone) if needs_clock else None)
        moment.clock = local_clock(from_micros(at_us), clock.time_zone) if needs_clock else None
        moment.elapsed_us = max(0, at_us - to_micros(clock.origin))
        moment.energy_milliwh = milliwh
        moment.power_w = period.power_w if least or period.power_max_w is None else period.power_max_w
        moment.current_a = period.current_a if least or period.current_max_a is None else period.current_max_a
        return moment

    def _factors(self, moment: Moment) -> list[tuple[int, int]]:
        return [self._factor(candidates, moment) for candidates in self.candidates]

    def _factor(self, candidates: Candidates, moment: Moment) -> tuple[int, int]:
        is_exempt = candidates is self.plan.parking and any(
            all(test(moment) for test in window) for window in self.plan.exempt
        )
        rate = None if is_exempt else choose(candidates, moment)
        return (0, 0) if rate is None else (rate.excl_factor, rate.incl_factor)

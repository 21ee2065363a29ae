"""Which periods span a change of price: a partner did not cut there, so they are priced whole by their start.

Used by `tariffs.reprice` for its warning `period_spans_change` (billing note 13); our own
segmentation always cuts. Pure.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction

from voltway.kernel.clock import from_micros, to_micros
from voltway.tariffs.boundaries import boundaries, energy_thresholds
from voltway.tariffs.model import ChargingPeriod, PeriodKind, Tariff, Volumes
from voltway.tariffs.rates import Candidates, Exact, Moment, Plan, choose, compiled, local_clock


def spanning(
    tariffs: Sequence[Tariff], periods: Sequence[ChargingPeriod], *, time_zone: str, started_at: datetime
) -> list[int]:
    """Return the indexes of the periods in which a priced dimension changes its price.

    `periods` in time order; `started_at` is where durations begin.
    """
    plans = compiled(tuple(tariffs))
    found: list[int] = []
    before: Exact = 0
    for index, period in enumerate(periods):
        plan = plans.default if period.tariff_id is None else plans.plans[period.tariff_id]
        view = _View(plan, period, before, time_zone, started_at)
        if view.changes():
            found.append(index)
        if period.kind is not PeriodKind.RESERVATION:
            before += view.milliwh
    return found


class _View:
    """One period under its tariff."""

    def __init__(self, plan: Plan, period: ChargingPeriod, before: Exact, time_zone: str, started_at: datetime) -> None:
        self.plan, self.period, self.before = plan, period, before
        self.time_zone, self.started_at = time_zone, started_at
        volumes = period.volumes or Volumes(period.energy.milliwh if period.energy is not None else None)
        self.milliwh: Exact = volumes.energy_milliwh or 0
        self.start_us, self.end_us = to_micros(period.start), to_micros(period.end)
        self.candidates = list(self._candidates(volumes))

    def changes(self) -> bool:
        """Say whether some dimension has another rate inside the period than at its start."""
        at_start = self._factors(self._moment(self.start_us, self.before, least=True))
        others = (self._moment(at_us, milliwh, least=True) for at_us, milliwh in self._probes())
        extreme = self._moment(self.start_us, self.before, least=False)
        return any(self._factors(moment) != at_start for moment in (*others, extreme))

    def _candidates(self, volumes: Volumes) -> Iterator[Candidates]:
        """Yield the candidates of each dimension of which the period has something."""
        if self.period.kind is PeriodKind.RESERVATION:
            yield self.plan.reservation_time
            return
        is_plain = self.period.volumes is None
        is_parked = self.period.kind is PeriodKind.PARKING
        if self.milliwh:
            yield self.plan.energy
        if volumes.time_us or (is_plain and not is_parked):
            yield self.plan.time
        if volumes.parking_us or (is_plain and is_parked):
            yield self.plan.parking

    def _probes(self) -> Iterator[tuple[int, Exact]]:
        """Yield each instant inside at which a restriction may change its answer, with the energy until then."""
        span_us, tariff = self.end_us - self.start_us, self.plan.tariff
        inside = boundaries(
            tariff, self.period.start, self.period.end, time_zone=self.time_zone, started_at=self.started_at
        )
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
        instant = from_micros(at_us)
        moment = Moment(local_clock(self.started_at, self.time_zone) if self.plan.needs_clock else None)
        moment.clock = local_clock(instant, self.time_zone) if self.plan.needs_clock else None
        moment.elapsed_us = max(0, at_us - to_micros(self.started_at))
        moment.energy_milliwh = milliwh
        moment.power_w = period.power_w if least or period.power_max_w is None else period.power_max_w
        moment.current_a = period.current_a if least or period.current_max_a is None else period.current_max_a
        return moment

    def _factors(self, moment: Moment) -> list[tuple[int, int]]:
        rates = (choose(candidates, moment) for candidates in self.candidates)
        return [(0, 0) if rate is None else (rate.excl_factor, rate.incl_factor) for rate in rates]

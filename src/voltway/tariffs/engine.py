"""The one arithmetic for money: periods of a session times a tariff, exact, with a line for each dimension.

Called by `sessions` at every sample and for the CDR, by quotes and by partners' CDRs alike. Pure; the readings chosen
where OCPI is silent stand in docs/algorithms/price.md. Instants at which a price can change: `tariffs.boundaries`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from math import ceil

from voltway.kernel.clock import from_micros, to_micros
from voltway.kernel.energy import Energy
from voltway.tariffs.boundaries import (
    NextPrice,
    boundaries,
    current_bands,
    energy_thresholds,
    kwh_rate,
    next_cheaper,
    next_dearer,
    power_bands,
)
from voltway.tariffs.model import ChargingPeriod, Dimension, PeriodKind, PriceLimit, Tariff, Volumes
from voltway.tariffs.priced import Adjustment, AdjustmentKind, Line, Priced, PricedPeriod, PriceWarning
from voltway.tariffs.rates import (
    MICROS_PER_SECOND,
    SLOTS,
    Candidates,
    Compiled,
    Exact,
    Moment,
    Plan,
    Rate,
    WallClock,
    choose,
    compiled,
)

__all__ = [
    "NextPrice",
    "boundaries",
    "current_bands",
    "energy_thresholds",
    "kwh_rate",
    "next_cheaper",
    "next_dearer",
    "power_bands",
    "price",
    "split_at",
]

_RESERVED = PeriodKind.RESERVATION
_ENERGY, _TIME, _PARKING, _RESERVED_TIME = (
    SLOTS[dimension]
    for dimension in (Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.RESERVATION_TIME)
)
_CHARGING = PeriodKind.CHARGING
_PARKED = PeriodKind.PARKING


def price(
    tariffs: Tariff | Sequence[Tariff],
    periods: Iterable[ChargingPeriod],
    *,
    time_zone: str,
    started_at: datetime | None = None,
    reservation_expired: bool = False,
) -> Priced:
    """Price a session's periods, in any order, by the first tariff or by the one a period names.

    `time_zone` is the IANA zone of the place; `started_at` is where durations begin if not at the first period.
    Raises KeyError where a period names a tariff that is not given or the zone does not exist.
    """
    one = (tariffs,) if isinstance(tariffs, Tariff) else tuple(tariffs)
    ordered = _in_order(periods)
    run = _Run(compiled(one), time_zone, reservation_expired=reservation_expired)
    run.begin(ordered, started_at)
    for period in ordered:
        for piece in run.cut_grace(period):
            run.add(piece)
    return run.finish(one[0])


def split_at(period: ChargingPeriod, instant: datetime, energy: Energy) -> tuple[ChargingPeriod, ChargingPeriod]:
    """Cut a period without explicit volumes at an instant inside; `energy` is what the front gets (if it has any)."""
    assert period.volumes is None, "a period with explicit volumes has no inside"
    whole = period.energy
    front, back = (None, None) if whole is None else (energy, Energy(whole.milliwh - energy.milliwh))
    return (
        replace(period, end=instant, energy=front),
        replace(period, start=instant, energy=back),
    )


def _in_order(periods: Iterable[ChargingPeriod]) -> list[ChargingPeriod]:
    """Return the periods in time order; where several begin together, in one that does not depend on how they came."""
    found = list(periods)
    if any(after.start <= before.start for before, after in pairwise(found)):
        found.sort(key=_order)
    return found


def _order(period: ChargingPeriod) -> tuple[object, ...]:
    milliwh = period.energy.milliwh if period.energy is not None else -1
    volumes = period.volumes or Volumes()
    explicit = (volumes.energy_milliwh or 0, volumes.time_us or 0, volumes.parking_us or 0)
    return period.start, period.end, milliwh, explicit, period.kind, period.power_w or 0.0, period.tariff_id or ""


class _Draft:
    """A period while it is priced: its lines may still grow by the step size or shrink by a cap."""

    __slots__ = ("lines", "milliwh", "period", "plan")

    def __init__(self, period: ChargingPeriod, plan: Plan) -> None:
        self.period = period
        self.plan = plan
        self.lines: list[Line] = []
        self.milliwh = _milliwh(period)

    def done(self) -> PricedPeriod:
        p = self.period
        powers = None if p.power_w is None else (p.power_w, p.power_w if p.power_max_w is None else p.power_max_w)
        currents = (
            None if p.current_a is None else (p.current_a, p.current_a if p.current_max_a is None else p.current_max_a)
        )
        tariff_id = self.plan.tariff.id
        return PricedPeriod(p.start, p.end, p.kind, self.milliwh, tariff_id, tuple(self.lines), powers, currents)


class _Run:
    """One pass over the periods of a session in time order."""

    def __init__(self, tariffs: Compiled, time_zone: str, *, reservation_expired: bool) -> None:
        self.tariffs = tariffs
        self.time_zone = time_zone
        self.expired = reservation_expired
        self.drafts: list[_Draft] = []
        self.warnings: list[PriceWarning] = []
        self.flats_due = {False, True}
        self.session = Moment()
        self.reservation = Moment()
        self.session_start_us = 0
        self.reservation_start_us = 0
        self.wall: WallClock | None = None
        self.steps: list[_Step | None] = [None] * len(Dimension)
        self.is_free = [False] * len(Dimension)
        idle = tariffs.default.tariff.idle
        self.grace_left_us = idle.grace_s * MICROS_PER_SECOND if idle is not None else 0

    def begin(self, ordered: Sequence[ChargingPeriod], started_at: datetime | None) -> None:
        """Find where durations and the locked clock begin: for reservations at their own first period."""
        first = started_at or next((p.start for p in ordered if p.kind is not _RESERVED), None)
        reserved = next((p.start for p in ordered if p.kind is _RESERVED), None)
        if self.tariffs.needs_clock and ordered:
            earliest = min(ordered[0].start, first or ordered[0].start)
            self.wall = WallClock(self.time_zone, earliest, ordered[-1].start)
        if first is not None:
            self.session_start_us = to_micros(first)
            if self.wall is not None:
                self.session.start_clock = self.wall.at(self.session_start_us)
        if reserved is not None:
            self.reservation_start_us = to_micros(reserved)

    def cut_grace(self, period: ChargingPeriod) -> Iterable[ChargingPeriod]:
        """Cut an idle period at the end of the grace, so that each piece is free or priced as a whole."""
        if not self.grace_left_us or period.kind is not _PARKED or period.volumes is not None:
            return (period,)
        start_us, end_us = to_micros(period.start), to_micros(period.end)
        if end_us - start_us <= self.grace_left_us:
            return (period,)
        milliwh = period.energy.milliwh if period.energy is not None else 0
        share = milliwh * self.grace_left_us // (end_us - start_us)
        return split_at(period, from_micros(start_us + self.grace_left_us), Energy(share))

    def add(self, period: ChargingPeriod) -> None:
        """Price one period at its start and move on."""
        plan = self.tariffs.default if period.tariff_id is None else self.tariffs.plans[period.tariff_id]
        draft = _Draft(period, plan)
        self.drafts.append(draft)
        start_us = to_micros(period.start)
        span_us = to_micros(period.end) - start_us
        if period.kind is _RESERVED:
            self._add_reservation(draft, start_us, span_us)
        else:
            self._add_session(draft, start_us, span_us)

    def _add_reservation(self, draft: _Draft, start_us: int, span_us: int) -> None:
        plan = draft.plan
        self._look(self.reservation, draft, start_us, start_us - self.reservation_start_us)
        candidates = plan.expired_time if self.expired else plan.reservation_time
        self._line(draft, candidates, _RESERVED_TIME, span_us)
        self._flat(draft, plan.reservation_flat, self.reservation, is_reservation=True)

    def _add_session(self, draft: _Draft, start_us: int, span_us: int) -> None:
        moment, plan = self.session, draft.plan
        self._look(moment, draft, start_us, start_us - self.session_start_us)
        charging_us, parking_us = _times(draft.period, span_us)
        milliwh = draft.milliwh
        if milliwh or (milliwh is not None and parking_us is None):
            self._line(draft, plan.energy, _ENERGY, milliwh)
        if charging_us is not None:
            self._line(draft, plan.time, _TIME, charging_us)
        if parking_us is not None:
            self._parking(draft, parking_us)
        self._flat(draft, plan.flat, moment, is_reservation=False)
        moment.energy_milliwh += milliwh or 0

    def _look(self, moment: Moment, draft: _Draft, start_us: int, elapsed_us: int) -> None:
        period = draft.period
        moment.elapsed_us = max(0, elapsed_us)  # a period before the start belongs to the first instant
        moment.power_w, moment.power_max_w = period.power_w, period.power_max_w
        moment.current_a, moment.current_max_a = period.current_a, period.current_max_a
        if self.wall is not None:
            moment.clock = self.wall.at(start_us)
            if moment.start_clock is None:
                moment.start_clock = moment.clock

    def _line(self, draft: _Draft, candidates: Candidates, slot: int, quantity: Exact) -> None:
        rate = choose(candidates, self.reservation if slot == _RESERVED_TIME else self.session) if candidates else None
        if rate is None:
            rate = draft.plan.free[slot]
            if candidates and quantity and not self.is_free[slot]:
                self._warn_free(rate.dimension)
                self.is_free[slot] = True
            draft.lines.append(Line(rate, quantity, quantity, 0, 0))
            return
        self.is_free[slot] = False
        if quantity:
            self._count(draft, slot, quantity)
        draft.lines.append(Line(rate, quantity, quantity, quantity * rate.excl_factor, quantity * rate.incl_factor))

    def _count(self, draft: _Draft, slot: int, quantity: Exact) -> None:
        """Remember the total and the newest line of a dimension for the step size, before the line is there."""
        step = self.steps[slot]
        if step is None:
            self.steps[slot] = _Step(quantity, draft, len(draft.lines))
        else:
            step.total += quantity
            step.draft, step.index = draft, len(draft.lines)

    def _parking(self, draft: _Draft, quantity_us: Exact) -> None:
        """Price idle time: the grace first, then our exempt windows, then the tariff's elements."""
        plan = draft.plan
        free_us = min(self.grace_left_us, quantity_us)
        if free_us:
            self.grace_left_us = max(0, self.grace_left_us - ceil(free_us))
            draft.lines.append(_line_of(plan.grace, free_us))
        if free_us and free_us == quantity_us:
            return
        quantity_us -= free_us
        if any(all(test(self.session) for test in window) for window in plan.exempt):
            draft.lines.append(_line_of(plan.exempted, quantity_us))
        else:
            self._line(draft, plan.parking, _PARKING, quantity_us)

    def _flat(self, draft: _Draft, candidates: Candidates, moment: Moment, *, is_reservation: bool) -> None:
        """Bill a flat fee once per session and once per reservation, where one first applies (billing note 21)."""
        if not candidates or is_reservation not in self.flats_due:
            return
        rate = choose(candidates, moment)
        if rate is not None:
            self.flats_due.remove(is_reservation)
            draft.lines.append(_line_of(rate, 1))

    def _warn_free(self, dimension: Dimension) -> None:
        path = f"/periods/{len(self.drafts) - 1}"
        message = f"No element prices {dimension} from here on, so it is free; add one without restrictions at the end."
        self.warnings.append(PriceWarning("free_dimension", path, message))

    def finish(self, first: Tariff) -> Priced:
        """Round by the step sizes, apply the cap and the limits, and hand over."""
        self._expire()
        _round_steps(self.steps)
        _cap_idle(self.drafts, self.tariffs)
        excl: Exact = 0
        incl: Exact = 0
        for draft in self.drafts:
            for line in draft.lines:
                excl += line.excl
                incl += line.incl
        starting = self.drafts[0].plan.tariff if self.drafts else first
        adjustments = _adjust(starting, excl, incl, self.tariffs.denominator) if self.drafts else ()
        return Priced(
            currency=first.currency,
            ocpi_version=first.ocpi_version,
            has_vat=self.tariffs.has_vat,
            denominator=self.tariffs.denominator,
            periods=tuple(draft.done() for draft in self.drafts),
            lines_excl=excl,
            lines_incl=incl,
            adjustments=adjustments,
            warnings=tuple(self.warnings),
        )

    def _expire(self) -> None:
        """Bill the flat fee of an expired reservation where the reservation ends, beside its own (note 22)."""
        reserved = [draft for draft in self.drafts if draft.period.kind is _RESERVED]
        if not self.expired or not reserved:
            return
        rate = choose(reserved[-1].plan.expired_flat, self.reservation)
        if rate is not None:
            reserved[-1].lines.append(_line_of(rate, 1))


class _Step:
    """What of one dimension was priced so far, and the newest line of it: that one is rounded."""

    __slots__ = ("draft", "index", "total")

    def __init__(self, total: Exact, draft: _Draft, index: int) -> None:
        self.total, self.draft, self.index = total, draft, index


def _milliwh(period: ChargingPeriod) -> Exact | None:
    if period.volumes is not None:
        return period.volumes.energy_milliwh
    return period.energy.milliwh if period.energy is not None else None


def _times(period: ChargingPeriod, span_us: int) -> tuple[Exact | None, Exact | None]:
    """Return charging and parking time in microseconds; None where the period has no such dimension."""
    if period.volumes is not None:
        return period.volumes.time_us, period.volumes.parking_us
    return (span_us, None) if period.kind is _CHARGING else (None, span_us)


def _line_of(rate: Rate, quantity: Exact) -> Line:
    return Line(rate, quantity, quantity, quantity * rate.excl_factor, quantity * rate.incl_factor)


def _billed(line: Line, billed: Exact) -> Line:
    return Line(line.rate, line.quantity, billed, billed * line.rate.excl_factor, billed * line.rate.incl_factor)


def _round_steps(steps: Sequence[_Step | None]) -> None:
    """Round energy once, reservation time once, and parking or else charging time once (billing notes 1 to 6)."""
    for dimension, step in zip(Dimension, steps, strict=True):
        if step is None or (dimension is Dimension.TIME and steps[_PARKING] is not None):
            continue
        line = step.draft.lines[step.index]
        if line.rate.step_units:
            extra = -step.total % line.rate.step_units
            if extra:
                step.draft.lines[step.index] = _billed(line, line.quantity + extra)


def _cap_idle(drafts: Sequence[_Draft], tariffs: Compiled) -> None:
    """Bill no more idle time than the cap buys: what lies behind it keeps its line and is billed with 0 hours."""
    idle = tariffs.default.tariff.idle
    if idle is None or idle.cap is None:
        return
    left: Exact = Fraction(idle.cap) * tariffs.denominator
    for draft in drafts:
        for index, line in enumerate(draft.lines):
            if line.rate.dimension is not Dimension.PARKING_TIME or line.excl <= 0:
                continue
            named = line.excl if draft.plan.tariff.tax_included != "YES" else line.incl
            if named > left:
                draft.lines[index] = _billed(line, Fraction(line.billed) * left / Fraction(named))
            left = max(Fraction(0), left - named)


def _adjust(tariff: Tariff, excl: Exact, incl: Exact, denominator: int) -> tuple[Adjustment, ...]:
    """Hold the session between the least and the greatest price of the tariff it began with."""
    if tariff.min_price is None and tariff.max_price is None:
        return ()
    before = Fraction(excl, denominator), Fraction(incl, denominator)
    found = []
    for kind, limit in ((AdjustmentKind.MIN_PRICE, tariff.min_price), (AdjustmentKind.MAX_PRICE, tariff.max_price)):
        if limit is None:
            continue
        after = _limited(kind, limit, before)
        if after != before:
            found.append(Adjustment(kind, after[0] - before[0], after[1] - before[1]))
            before = after
    return tuple(found)


def _limited(kind: AdjustmentKind, limit: PriceLimit, before: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    bound = max if kind is AdjustmentKind.MIN_PRICE else min
    excl = bound(before[0], Fraction(limit.excl_vat))
    if limit.incl_vat is not None:
        return excl, bound(before[1], Fraction(limit.incl_vat))
    # Billing note 30: with one side given, the tax follows the limited base; a base of 0 has no tax to follow.
    return excl, before[1] * excl / before[0] if before[0] else excl

"""The one arithmetic for money: periods of a session times a tariff, exact, with a line for each dimension.

Called by `sessions` at every sample and for the CDR, by quotes and by partners' CDRs alike. Pure; the readings chosen
where OCPI is silent stand in docs/algorithms/price.md. Instants at which a price can change: `tariffs.boundaries`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

from voltway.kernel.clock import from_micros, to_micros
from voltway.kernel.energy import ZERO_ENERGY, Energy
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
from voltway.tariffs.model import ChargingPeriod, Dimension, PeriodKind, PriceLimit, Tariff
from voltway.tariffs.priced import Adjustment, AdjustmentKind, Exact, Line, Priced, PricedPeriod, PriceWarning
from voltway.tariffs.rates import (
    MICROS_PER_SECOND,
    Candidates,
    Compiled,
    Moment,
    Plan,
    Rate,
    choose,
    compiled,
    local_clock,
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
    ordered = sorted(periods, key=_order)
    run = _Run(compiled(one), time_zone, reservation_expired=reservation_expired)
    run.begin(ordered, started_at)
    for period in ordered:
        for piece in run.cut_grace(period):
            run.add(piece)
    return run.finish(one[0])


def split_at(period: ChargingPeriod, instant: datetime, energy: Energy) -> tuple[ChargingPeriod, ChargingPeriod]:
    """Cut a period without explicit times at an instant inside; `energy` is what the front gets (if it has any)."""
    assert period.split is None, "a period with explicit times has no inside"
    whole = period.energy
    front, back = (None, None) if whole is None else (energy, Energy(whole.milliwh - energy.milliwh))
    return _part(period, period.start, instant, front), _part(period, instant, period.end, back)


def _part(whole: ChargingPeriod, start: datetime, end: datetime, energy: Energy | None) -> ChargingPeriod:
    return ChargingPeriod(start, end, energy, whole.kind, whole.power_w, whole.current_a, whole.tariff_id)


def _order(period: ChargingPeriod) -> tuple[int, int, bool, int, PeriodKind]:
    milliwh = period.energy.milliwh if period.energy is not None else 0
    return to_micros(period.start), to_micros(period.end), period.energy is not None, milliwh, period.kind


class _Draft:
    """A period while it is priced: its lines may still grow by the step size or shrink by a cap."""

    __slots__ = ("lines", "period", "plan")

    def __init__(self, period: ChargingPeriod, plan: Plan) -> None:
        self.period = period
        self.plan = plan
        self.lines: list[Line] = []

    def done(self) -> PricedPeriod:
        p = self.period
        return PricedPeriod(p.start, p.end, p.kind, p.energy, self.plan.tariff.id, tuple(self.lines))


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
        idle = tariffs.default.tariff.idle
        self.grace_left_us = idle.grace_s * MICROS_PER_SECOND if idle is not None else 0

    def begin(self, ordered: Sequence[ChargingPeriod], started_at: datetime | None) -> None:
        """Find where durations and the locked clock begin: for reservations at their own first period."""
        first = started_at or next((p.start for p in ordered if p.kind is not _RESERVED), None)
        reserved = next((p.start for p in ordered if p.kind is _RESERVED), None)
        if first is not None:
            self.session_start_us = to_micros(first)
            if any(plan.needs_clock for plan in self.tariffs.plans.values()):
                self.session.start_clock = local_clock(first, self.time_zone)
        if reserved is not None:
            self.reservation_start_us = to_micros(reserved)

    def cut_grace(self, period: ChargingPeriod) -> Iterable[ChargingPeriod]:
        """Cut an idle period at the end of the grace, so that each piece is free or priced as a whole."""
        if period.kind is not PeriodKind.PARKING or not self.grace_left_us or period.split is not None:
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
        moment, plan = self.reservation, draft.plan
        self._look(moment, draft, start_us - self.reservation_start_us)
        candidates = plan.expired_time if self.expired else plan.reservation_time
        self._line(draft, candidates, Dimension.RESERVATION_TIME, span_us)
        self._flat(draft, plan.reservation_flat, moment, is_reservation=True)

    def _add_session(self, draft: _Draft, start_us: int, span_us: int) -> None:
        moment, plan, period = self.session, draft.plan, draft.period
        self._look(moment, draft, start_us - self.session_start_us)
        charging_us, parking_us = _times(period, span_us)
        energy = period.energy
        if energy is not None and (energy.milliwh or parking_us is None):
            self._line(draft, plan.energy, Dimension.ENERGY, energy.milliwh)
        if charging_us is not None:
            self._line(draft, plan.time, Dimension.TIME, charging_us)
        if parking_us is not None:
            self._parking(draft, parking_us)
        self._flat(draft, plan.flat, moment, is_reservation=False)
        moment.energy_milliwh += (energy or ZERO_ENERGY).milliwh

    def _look(self, moment: Moment, draft: _Draft, elapsed_us: int) -> None:
        period = draft.period
        moment.elapsed_us = max(0, elapsed_us)  # a period before the start belongs to the first instant
        moment.power_w = period.power_w
        moment.current_a = period.current_a
        if draft.plan.needs_clock:
            moment.clock = local_clock(period.start, self.time_zone)
            if moment.start_clock is None:
                moment.start_clock = moment.clock

    def _line(self, draft: _Draft, candidates: Candidates, dimension: Dimension, quantity: int) -> None:
        moment = self.reservation if dimension is Dimension.RESERVATION_TIME else self.session
        rate = choose(candidates, moment)
        if rate is None:
            rate = draft.plan.free[dimension]
            if candidates:
                self._warn_free(dimension)
        draft.lines.append(_line_of(rate, quantity))

    def _parking(self, draft: _Draft, quantity_us: int) -> None:
        """Price idle time: the grace first, then our exempt windows, then the tariff's elements."""
        plan = draft.plan
        free_us = min(self.grace_left_us, quantity_us)
        if free_us:
            self.grace_left_us -= free_us
            draft.lines.append(_line_of(plan.grace, free_us))
        if free_us and free_us == quantity_us:
            return
        quantity_us -= free_us
        if any(all(test(self.session) for test in window) for window in plan.exempt):
            draft.lines.append(_line_of(plan.exempted, quantity_us))
        else:
            self._line(draft, plan.parking, Dimension.PARKING_TIME, quantity_us)

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
        message = f"No element prices {dimension} here, so it is free; add an element without restrictions at the end."
        self.warnings.append(PriceWarning("free_dimension", path, message))

    def finish(self, first: Tariff) -> Priced:
        """Round by the step sizes, apply the cap and the limits, and hand over."""
        self._expire()
        _round_steps(self.drafts)
        _cap_idle(self.drafts, self.tariffs)
        lines = [line for draft in self.drafts for line in draft.lines]
        excl, incl = sum(line.excl for line in lines), sum(line.incl for line in lines)
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


def _times(period: ChargingPeriod, span_us: int) -> tuple[int | None, int | None]:
    """Return charging and parking time in microseconds; None where the period has no such dimension."""
    if period.split is not None:
        return period.split.time_us, period.split.parking_us
    return (span_us, None) if period.kind is PeriodKind.CHARGING else (None, span_us)


def _line_of(rate: Rate, quantity: int) -> Line:
    return Line(rate, quantity, quantity, quantity * rate.excl_factor, quantity * rate.incl_factor)


def _billed(line: Line, billed: Exact) -> Line:
    return Line(line.rate, line.quantity, billed, billed * line.rate.excl_factor, billed * line.rate.incl_factor)


def _round_steps(drafts: Sequence[_Draft]) -> None:
    """Round energy once, reservation time once, and parking or else charging time once (billing notes 1 to 6)."""
    totals: dict[Dimension, int] = {}
    last: dict[Dimension, tuple[_Draft, int]] = {}
    for draft in drafts:
        for index, line in enumerate(draft.lines):
            if line.rate.element is not None and line.quantity:
                dimension = line.rate.dimension
                totals[dimension] = totals.get(dimension, 0) + line.quantity
                last[dimension] = draft, index
    for dimension, (draft, index) in last.items():
        if dimension is Dimension.TIME and Dimension.PARKING_TIME in totals:
            continue
        line = draft.lines[index]
        if step := line.rate.step_units:
            extra = -totals[dimension] % step
            if extra:
                draft.lines[index] = _billed(line, line.quantity + extra)


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
    before = Fraction(excl) / denominator, Fraction(incl) / denominator
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

"""A partner's CDR priced by our engine: its periods made ours, its tariffs chosen, its claims compared. Pure.

Used by `voltway price`, `POST /api/v1/price` and whoever checks what a partner asks for. As a receiver we never
interpolate: a period is priced whole by its start (billing note 13). Readings: docs/algorithms/price.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from voltway.kernel.errors import Fault, InvalidInput
from voltway.kernel.ids import TariffId
from voltway.kernel.money import decimal_text
from voltway.tariffs.boundaries import power_bands
from voltway.tariffs.cdr_periods import SessionPeriod, session_periods
from voltway.tariffs.engine import price
from voltway.tariffs.model import ChargingPeriod, PeriodKind, Tariff
from voltway.tariffs.ocpi_cdr_reader import Claim, PartnerCdr
from voltway.tariffs.priced import Cost, CostKind, Priced, PriceWarning
from voltway.tariffs.rates import compiled, zone_fault
from voltway.tariffs.readings import explaining
from voltway.tariffs.repriced import Repriced, half_unit
from voltway.tariffs.spans import spanning

__all__ = ["Repriced", "reprice"]

_QUANTITY_STEP = Fraction(1, 20_000)
"""Half a unit of OCPI's fourth decimal: what one rounded volume may be off."""


def reprice(
    cdr: PartnerCdr,
    tariffs: Sequence[Tariff] | None = None,
    *,
    time_zone: str | None = None,
    reservation_expired: bool = False,
) -> Repriced:
    """Price a CDR by its own tariffs, or by those that replace them.

    A period's `tariff_id` chooses; else the first tariff that is valid at the start. `time_zone` (IANA) wins over the
    CDR's; it is needed only where a restriction asks for local time.
    Raises InvalidInput where no tariff, two currencies or no time zone stand in the way: never a price then.
    """
    chosen = _Choice(cdr, tariffs)
    own = list(session_periods(cdr))
    periods = [chosen.named(item) for item in own]
    used = chosen.used()
    local_zone = _zone(cdr, time_zone, is_needed=compiled(used).needs_clock)
    reserved = any(period.kind is PeriodKind.RESERVATION for period in periods)
    started_at = None if reserved else cdr.started_at
    priced = price(used, periods, time_zone=local_zone, started_at=started_at, reservation_expired=reservation_expired)
    origin = started_at or next((p.start for p in periods if p.kind is not PeriodKind.RESERVATION), cdr.started_at)
    spans = spanning(used, periods, time_zone=local_zone, started_at=origin, reservation_expired=reservation_expired)
    warnings = [
        *cdr.oddities,
        *(warning for item in own for warning in item.warnings),
        *chosen.warnings,
        *_assumptions(own, used),
        *(_spans(own[index].pointer) for index in spans),
        *_located(priced, periods, own),
    ]
    repriced = Repriced(cdr, priced, local_zone, tuple(warnings), tuple(periods), started_at, reservation_expired)
    return replace(repriced, warnings=(*warnings, *_differences(repriced, used)))


class _Choice:
    """Which tariff prices which period."""

    def __init__(self, cdr: PartnerCdr, replacing: Sequence[Tariff] | None) -> None:
        self._cdr = cdr
        self._is_replaced = replacing is not None
        self._pool = tuple(cdr.tariffs if replacing is None else replacing)
        self._used: dict[TariffId, Tariff] = {}
        self._faults: list[Fault] = []
        self.warnings: list[PriceWarning] = []
        valid = (tariff for tariff in self._pool if tariff.is_valid_at(cdr.started_at))
        self._default = next(valid, None)

    def named(self, item: SessionPeriod) -> ChargingPeriod:
        """Return the period with the tariff that prices it."""
        tariff = self._of(item.pointer, item.period.tariff_id)
        if tariff is None:
            return item.period
        self._used.setdefault(tariff.id, tariff)
        return item.with_tariff(tariff.id)

    def used(self) -> tuple[Tariff, ...]:
        """Return the tariffs that price something, in the order in which they first do; raise where one is missing."""
        for tariff in self._used.values():
            if tariff.currency != self._cdr.currency:
                words = f"the CDR is in {self._cdr.currency}, its tariff {tariff.id} in {tariff.currency}"
                self._faults.append(Fault("/currency", f"{words}; both must name one currency"))
        if self._faults:
            raise InvalidInput("the CDR cannot be priced", list(dict.fromkeys(self._faults)))
        return tuple(self._used.values())

    def _of(self, pointer: str, tariff_id: TariffId | None) -> Tariff | None:
        if tariff_id is not None:
            # OCPI's ids are case-insensitive (CiString); of two versions under one id the valid one is meant.
            same = [tariff for tariff in self._pool if tariff.id.casefold() == tariff_id.casefold()]
            if same:
                return next((tariff for tariff in same if tariff.is_valid_at(self._cdr.started_at)), same[0])
            self._report_unknown(f"{pointer}/tariff_id", tariff_id)
        if self._default is None:
            self._faults.append(Fault("/tariffs", self._missing()))
        return self._default

    def _report_unknown(self, pointer: str, tariff_id: TariffId) -> None:
        if not self._is_replaced:
            words = f"there is no tariff {tariff_id} in the CDR's tariffs; add it or give it with --tariff"
            self._faults.append(Fault(pointer, words))
        elif self._default is not None:
            words = f"The period names {tariff_id}; it is priced by {self._default.id}, which replaces it."
            self.warnings.append(PriceWarning("tariff_replaced", pointer, words))

    def _missing(self) -> str:
        if not self._pool:
            return "there is no tariff; give one with --tariff"
        return "no tariff is valid at start_date_time; a session without a tariff has no price"


def _zone(cdr: PartnerCdr, time_zone: str | None, *, is_needed: bool) -> str:
    named = time_zone or cdr.time_zone
    if named is None and is_needed:
        words = (
            "the tariff has local times and nothing says where the session was; give --time-zone, e.g. Europe/Berlin"
        )
        raise InvalidInput("the time zone is missing", [Fault("/time_zone", words)])
    if named is None:
        return "UTC"
    if (fault := zone_fault(named)) is not None:
        raise InvalidInput("the time zone is unknown", [fault])
    return named


def _assumptions(own: Sequence[SessionPeriod], used: Sequence[Tariff]) -> Iterator[PriceWarning]:
    if not any(power_bands(tariff) for tariff in used):
        return
    for item in own:
        if item.is_power_assumed and item.period.power_w is not None:
            power_kw = decimal_text(Decimal(str(item.period.power_w)) / 1000, 3)
            words = f"The period names no power; its mean of {power_kw} kW was taken."
            yield PriceWarning("power_assumed", item.pointer, words)


def _spans(pointer: str) -> PriceWarning:
    words = "The price changes inside this period; it is priced whole by its start. The CPO must start a period there."
    return PriceWarning("period_spans_change", pointer, words)


def _located(priced: Priced, periods: Sequence[ChargingPeriod], own: Sequence[SessionPeriod]) -> Iterator[PriceWarning]:
    """Yield the engine's warnings with pointers into the CDR instead of into the priced periods."""
    pointers: dict[tuple[datetime, datetime], str] = {}
    for period, item in zip(periods, own, strict=True):
        pointers.setdefault((period.start, period.end), item.pointer)
    for warning in priced.warnings:
        period_priced = priced.periods[int(warning.path.rpartition("/")[2])]
        yield warning._replace(path=pointers[period_priced.start, period_priced.end])


class _Compared(NamedTuple):
    """What one total should be."""

    excl: Fraction
    incl: Fraction | None


def _differences(repriced: Repriced, tariffs: Sequence[Tariff]) -> Iterator[PriceWarning]:
    """Yield a warning for each claim that is not what we get (billing notes 38, 41 and 42)."""
    cdr = repriced.cdr
    total = cdr.claims.get("total_cost")
    if total is not None and total.excl_vat < 0 and not cdr.is_credit:
        words = "A negative total belongs to a credit CDR (credit: true) only."
        yield PriceWarning("negative_total", total.pointer, words)
    for name, ours in _own_totals(repriced).items():
        claim = cdr.claims.get(name)
        found = [] if claim is None else list(_difference(name, claim, ours, repriced))
        why = _explanation(repriced, tariffs) if found and name == "total_cost" else ""
        yield from (warning._replace(message=f"{warning.message}{why}") for warning in found)


def _explanation(repriced: Repriced, tariffs: Sequence[Tariff]) -> str:
    """Say by which other reading a partner gets its total, if we know one (billing note 41)."""
    conditions = [f"if {reading.condition}" for reading in explaining(repriced, tariffs)]
    return f" It is what one gets {', or '.join(conditions)}." if conditions else ""


def _own_totals(repriced: Repriced) -> Mapping[str, _Compared]:
    priced = repriced.priced
    costs = priced.costs()
    return {
        "total_cost": _cost(priced.total, repriced.sign),
        "total_fixed_cost": _cost(costs[CostKind.FIXED]),
        "total_energy_cost": _cost(costs[CostKind.ENERGY]),
        "total_time_cost": _cost(costs[CostKind.TIME]),
        "total_parking_cost": _cost(costs[CostKind.PARKING]),
        "total_reservation_cost": _cost(costs[CostKind.RESERVATION]),
        "total_energy": _Compared(priced.kwh, None),
        "total_time": _Compared(repriced.hours, None),
        "total_parking_time": _Compared(priced.parking_hours, None),
    }


def _cost(cost: Cost, sign: int = 1) -> _Compared:
    return _Compared(sign * cost.excl_vat, None if cost.incl_vat is None else sign * cost.incl_vat)


def _difference(name: str, claim: Claim, ours: _Compared, repriced: Repriced) -> Iterator[PriceWarning]:
    is_cost = name.endswith("_cost")
    sides = [("excl_vat", claim.excl_vat, ours.excl)]
    if claim.incl_vat is not None and ours.incl is not None:
        sides.append(("incl_vat", claim.incl_vat, ours.incl))
    for side, claimed, exact in sides:
        count = len(repriced.cdr.periods)
        allowed = half_unit(claimed, repriced.cdr.currency) if is_cost else _QUANTITY_STEP * count
        if abs(Fraction(claimed) - exact) > allowed:
            words = f"The CDR says {decimal_text(claimed)}, its periods and tariff give {decimal_text(exact)}"
            label = f"{name} {side.replace('_', '. ').replace('vat', 'VAT')}" if is_cost else name
            yield PriceWarning("total_differs", claim.pointer, f"{words} ({label}).")

"""A price explained: the document of `voltway price`, the merged lines of a session, and one sentence per line.

Reads `Priced` and writes decimal strings (half up to 10 decimals, contracts.md); no arithmetic of money lives here.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

from voltway.kernel.clock import to_rfc3339
from voltway.kernel.money import decimal_text, ratio_text
from voltway.tariffs.model import Dimension
from voltway.tariffs.priced import Adjustment, AdjustmentKind, Cost, CostKind, Exact, Line, Priced

Document = dict[str, object]

_UNITS = {Dimension.ENERGY: "kWh", Dimension.FLAT: "session"}
_SENTENCE_PLACES = 6
_NAMES = {
    Dimension.ENERGY: "energy",
    Dimension.TIME: "charging time",
    Dimension.PARKING_TIME: "idle time",
    Dimension.FLAT: "start fee",
    Dimension.RESERVATION_TIME: "reserved time",
}
_NOTES = {"grace": "free: the first minutes after charging cost nothing", "exempt": "free in these hours"}


def price_document(priced: Priced) -> Document:
    """Write the answer of `voltway price --json` (contracts.md)."""
    costs = priced.costs()
    return {
        "currency": priced.currency,
        "ocpi_version": priced.ocpi_version.value,
        "total_cost": cost_document(priced.total),
        "total_energy_cost": cost_document(costs[CostKind.ENERGY]),
        "total_time_cost": cost_document(costs[CostKind.TIME]),
        "total_parking_cost": cost_document(costs[CostKind.PARKING]),
        "total_fixed_cost": cost_document(costs[CostKind.FIXED]),
        "total_reservation_cost": cost_document(costs[CostKind.RESERVATION]),
        "total_energy": decimal_text(priced.energy.kwh),
        "total_time": decimal_text(priced.hours),
        "total_parking_time": decimal_text(priced.parking_hours),
        "adjustments": [_adjustment_document(item, has_vat=priced.has_vat) for item in priced.adjustments],
        "periods": [
            {
                "start": to_rfc3339(period.start),
                "end": to_rfc3339(period.end),
                "lines": [_line_document(line, has_vat=priced.has_vat) for line in period.lines],
            }
            for period in priced.periods
        ],
        "warnings": [warning._asdict() for warning in priced.warnings],
    }


def cost_document(cost: Cost) -> Document:
    """Write an amount as `{"excl_vat", "incl_vat"}`."""
    return {
        "excl_vat": decimal_text(cost.excl_vat),
        "incl_vat": decimal_text(cost.incl_vat) if cost.incl_vat is not None else None,
    }


def session_explanation(priced: Priced) -> Document:
    """Write `{"lines": [LINE], "adjustments": [ADJUSTMENT]}` with equal consecutive lines of a dimension merged.

    The printed amounts add up to the printed total: each is the difference of two rounded running sums, so it may
    differ from its own exact value by one unit of the tenth decimal. Lines also carry `start`, `end` and `text`.
    """
    runs = _merged(priced)
    adjusted = [(item.excl_vat, item.incl_vat) for item in priced.adjustments]
    amounts = _adding_up([(run.line.excl_vat, run.line.incl_vat) for run in runs] + adjusted)
    lines = [_run_document(run, priced) | _amounts(pair, priced) for run, pair in zip(runs, amounts, strict=False)]
    adjustments = [
        {"kind": item.kind.value, "text": _adjustment_sentence(item, priced.currency)} | _amounts(pair, priced)
        for item, pair in zip(priced.adjustments, amounts[len(runs) :], strict=True)
    ]
    return {"lines": lines, "adjustments": adjustments}


def sentence(line: Line, currency: str) -> str:
    """Write a line for people.

    For example `12.345 kWh × 0.39 EUR/kWh = 4.81455 EUR` (without VAT; six decimals where they do not end).
    """
    rate = line.rate
    unit = _UNITS.get(rate.dimension, "h")
    measured, billed = line.quantity_exact, line.billed_exact
    if rate.element is None:
        why = _NOTES.get(rate.note or "", "free")
        return f"{_short(measured)} {unit} of {_NAMES[rate.dimension]}: {why}"
    amount = f"{_short(line.excl_vat)} {currency}"
    if rate.dimension is Dimension.FLAT:
        return f"{'Reservation fee' if rate.is_reservation else 'Start fee'}: {amount}"
    reason = f" (measured {_short(measured)} {unit})" if measured != billed else ""
    return f"{_short(billed)} {unit}{reason} × {rate.price_text} {currency}/{unit} = {amount}"


class _Run:
    """Lines of one rate without another rate of that dimension between them."""

    __slots__ = ("end", "line", "start")

    def __init__(self, line: Line, start: datetime, end: datetime) -> None:
        self.line, self.start, self.end = line, start, end

    def grow(self, line: Line, end: datetime) -> None:
        own = self.line
        sums = own.quantity + line.quantity, own.billed + line.billed, own.excl + line.excl, own.incl + line.incl
        self.line, self.end = Line(own.rate, *sums), end


def _merged(priced: Priced) -> list[_Run]:
    runs: list[_Run] = []
    open_runs: dict[Dimension, _Run] = {}
    for period in priced.periods:
        for line in period.lines:
            run = open_runs.get(line.rate.dimension)
            if run is not None and run.line.rate is line.rate:
                run.grow(line, period.end)
                continue
            run = open_runs[line.rate.dimension] = _Run(line, period.start, period.end)
            runs.append(run)
    return runs


def _adding_up(pairs: Iterable[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    """Round running sums instead of amounts, so that what is printed adds up to the printed total."""
    sums, printed = (Fraction(0), Fraction(0)), (Fraction(0), Fraction(0))
    found = []
    for excl, incl in pairs:
        sums = sums[0] + excl, sums[1] + incl
        rounded = Fraction(decimal_text(sums[0])), Fraction(decimal_text(sums[1]))
        found.append((rounded[0] - printed[0], rounded[1] - printed[1]))
        printed = rounded
    return found


def _amounts(pair: tuple[Fraction, Fraction], priced: Priced) -> Document:
    return cost_document(Cost(pair[0], pair[1] if priced.has_vat else None))


def _run_document(run: _Run, priced: Priced) -> Document:
    times: Document = {"start": to_rfc3339(run.start), "end": to_rfc3339(run.end)}
    return _line_document(run.line, has_vat=priced.has_vat) | times | {"text": sentence(run.line, priced.currency)}


def _exact_text(exact: Exact, denominator: int) -> str:
    if isinstance(exact, int):
        return ratio_text(exact, denominator)
    return ratio_text(exact.numerator, exact.denominator * denominator)


def _line_document(line: Line, *, has_vat: bool) -> Document:
    rate, quantity, billed, excl, incl = line
    size, denominator = rate.unit_size, rate.denominator
    measured = ratio_text(quantity, size)
    amount = _exact_text(excl, denominator)
    document: Document = {
        "dimension": rate.dimension.value,
        "quantity": measured,
        "billed_quantity": measured if billed == quantity else _exact_text(billed, size),
        "unit": _UNITS.get(rate.dimension, "h"),
        "tariff_id": rate.tariff_id,
        "element": rate.element,
        "price": rate.price_text,
        "vat": rate.vat_text,
        "step_size": rate.step_size,
        "excl_vat": amount,
        "incl_vat": (amount if incl == excl else _exact_text(incl, denominator)) if has_vat else None,
    }
    if rate.is_reservation:
        document["reservation"] = True
    if rate.note is not None:
        document["note"] = rate.note
    return document


def _adjustment_document(item: Adjustment, *, has_vat: bool) -> Document:
    amounts = cost_document(Cost(item.excl_vat, item.incl_vat if has_vat else None))
    return {"kind": item.kind.value} | amounts


def _adjustment_sentence(item: Adjustment, currency: str) -> str:
    named = "Up to the minimum price" if item.kind is AdjustmentKind.MIN_PRICE else "Down to the maximum price"
    return f"{named}: {_short(item.excl_vat)} {currency}"


def _short(exact: Fraction) -> str:
    return decimal_text(exact, _SENTENCE_PLACES)


def sentences(priced: Priced) -> Sequence[str]:
    """Return the merged lines and adjustments of a session as sentences for people."""
    lines = [sentence(run.line, priced.currency) for run in _merged(priced)]
    return [*lines, *(_adjustment_sentence(item, priced.currency) for item in priced.adjustments)]

"""A price explained: the document of `voltway price`, the merged lines of a session, and one sentence per line.

Reads `Priced` and writes decimal strings (half up to 10 decimals, contracts.md); no arithmetic of money lives here.
"""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from voltway.kernel.clock import to_rfc3339
from voltway.kernel.money import decimal_text, ratio_text, scaled_half_up, scaled_text
from voltway.tariffs.model import Dimension
from voltway.tariffs.priced import Adjustment, AdjustmentKind, Cost, CostKind, Exact, Line, Priced

Document = dict[str, object]

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
        "total_energy": decimal_text(priced.kwh),
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
    printed = _Printed(priced)
    lines = [_run_document(run, priced.currency, printed) for run in _merged(priced)]
    adjustments = []
    for item in priced.adjustments:
        amounts = printed.amounts(item.excl_vat * priced.denominator, item.incl_vat * priced.denominator)
        text = _adjustment_sentence(item, priced.currency)
        adjustments.append({"kind": item.kind.value, "text": text, "excl_vat": amounts[0], "incl_vat": amounts[1]})
    return {"lines": lines, "adjustments": adjustments}


def sentence(line: Line, currency: str) -> str:
    """Write a line for people.

    For example `12.345 kWh × 0.39 EUR/kWh = 4.81455 EUR` (without VAT; six decimals where they do not end).
    """
    rate, quantity, billed, excl, _ = line
    unit = rate.unit
    measured = _exact_text(quantity, rate.unit_size, _SENTENCE_PLACES)
    if rate.element is None:
        why = _NOTES.get(rate.note or "", "free")
        return f"{measured} {unit} of {_NAMES[rate.dimension]}: {why}"
    amount = f"{_exact_text(excl, rate.denominator, _SENTENCE_PLACES)} {currency}"
    if rate.dimension is Dimension.FLAT:
        return f"{'Reservation fee' if rate.is_reservation else 'Start fee'}: {amount}"
    if quantity == billed:
        return f"{measured} {unit} × {rate.price_text} {currency}/{unit} = {amount}"
    counted = _exact_text(billed, rate.unit_size, _SENTENCE_PLACES)
    return f"{counted} {unit} (measured {measured} {unit}) × {rate.price_text} {currency}/{unit} = {amount}"


class _Run:
    """Lines of one rate without another rate of that dimension between them."""

    __slots__ = ("billed", "end", "excl", "incl", "quantity", "rate", "start")

    def __init__(self, line: Line, start: datetime, end: datetime) -> None:
        self.rate, self.quantity, self.billed, self.excl, self.incl = line
        self.start, self.end = start, end

    def grow(self, line: Line, end: datetime) -> None:
        self.quantity += line.quantity
        self.billed += line.billed
        self.excl += line.excl
        self.incl += line.incl
        self.end = end

    @property
    def line(self) -> Line:
        return Line(self.rate, self.quantity, self.billed, self.excl, self.incl)


def _merged(priced: Priced) -> list[_Run]:
    runs: list[_Run] = []
    newest: list[_Run | None] = [None] * len(Dimension)
    for period in priced.periods:
        for line in period.lines:
            slot = line.rate.slot
            run = newest[slot]
            if run is not None and run.rate is line.rate:
                run.grow(line, period.end)
            else:
                run = newest[slot] = _Run(line, period.start, period.end)
                runs.append(run)
    return runs


class _Printed:
    """Amounts as they are printed: differences of rounded running sums, so that they add up to the printed total."""

    __slots__ = ("_denominator", "_excl", "_has_vat", "_incl", "_printed_excl", "_printed_incl")

    def __init__(self, priced: Priced) -> None:
        self._denominator, self._has_vat = priced.denominator, priced.has_vat
        self._excl: Exact = 0
        self._incl: Exact = 0
        self._printed_excl = self._printed_incl = 0

    def amounts(self, excl: Exact, incl: Exact) -> tuple[str, str | None]:
        """Return the texts of the next amount, without and with VAT (None where there is no VAT at all)."""
        self._excl += excl
        units = _units(self._excl, self._denominator)
        excl_text = scaled_text(units - self._printed_excl)
        self._printed_excl = units
        if not self._has_vat:
            return excl_text, None
        self._incl += incl
        units = _units(self._incl, self._denominator)
        incl_text = scaled_text(units - self._printed_incl)
        self._printed_incl = units
        return excl_text, incl_text


def _run_document(run: _Run, currency: str, printed: _Printed) -> Document:
    line = run.line
    excl, incl = printed.amounts(run.excl, run.incl)
    document = _line_head(line)
    document["excl_vat"] = excl
    document["incl_vat"] = incl
    document["start"] = to_rfc3339(run.start)
    document["end"] = to_rfc3339(run.end)
    document["text"] = sentence(line, currency)
    return document


def _units(exact: Exact, denominator: int) -> int:
    return scaled_half_up(exact.numerator, exact.denominator * denominator)


def _exact_text(exact: Exact, denominator: int, places: int = 10) -> str:
    return ratio_text(exact.numerator, exact.denominator * denominator, places)


def _line_head(line: Line) -> Document:
    rate, quantity, billed, _, _ = line
    measured = _exact_text(quantity, rate.unit_size)
    document: Document = {
        "dimension": rate.dimension_text,
        "quantity": measured,
        "billed_quantity": measured if billed == quantity else _exact_text(billed, rate.unit_size),
        "unit": rate.unit,
        "tariff_id": rate.tariff_id,
        "element": rate.element,
        "price": rate.price_text,
        "vat": rate.vat_text,
        "step_size": rate.step_size,
    }
    if rate.is_reservation:
        document["reservation"] = True
    if rate.note is not None:
        document["note"] = rate.note
    return document


def _line_document(line: Line, *, has_vat: bool) -> Document:
    denominator = line.rate.denominator
    document = _line_head(line)
    document["excl_vat"] = amount = _exact_text(line.excl, denominator)
    document["incl_vat"] = (
        (amount if line.incl == line.excl else _exact_text(line.incl, denominator)) if has_vat else None
    )
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

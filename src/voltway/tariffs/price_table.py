"""A priced CDR as a table for people: one line per period and dimension, then totals and warnings. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction

from voltway.kernel.money import decimal_text
from voltway.tariffs.priced import AdjustmentKind, Cost, CostKind, Line
from voltway.tariffs.rates import zone
from voltway.tariffs.reprice import Repriced

_PLACES = 4
_HEADINGS = ("start", "end", "what", "quantity", "billed", "", "price", "VAT %", "element", "excl. VAT", "incl. VAT")
_LEFT = frozenset((0, 1, 2, 5))
_COSTS = {
    CostKind.ENERGY: "energy",
    CostKind.TIME: "charging time",
    CostKind.PARKING: "parking time",
    CostKind.FIXED: "flat fees",
    CostKind.RESERVATION: "reservation",
}
_ADJUSTMENTS = {
    AdjustmentKind.MIN_PRICE: "up to the minimum price",
    AdjustmentKind.MAX_PRICE: "down to the maximum price",
}


def price_table(repriced: Repriced) -> str:
    """Write the table; amounts with four decimals in the CDR's currency, times in the time zone of the place."""
    priced = repriced.priced
    head = f"OCPI {repriced.cdr.ocpi_version}, {priced.currency}, times in {repriced.time_zone}"
    totals = [("", _short(priced.kwh), "kWh energy"), ("", _short(repriced.hours), "h from start to end")]
    totals.append(("", _short(priced.parking_hours), "h parked"))
    sections = [
        head,
        "",
        aligned([_HEADINGS, *_rows(repriced)], left=_LEFT),
        "",
        aligned([*_amounts(repriced)], left={0}),
    ]
    sections += ["", aligned(totals, left={0, 2})]
    sections += _warnings(repriced)
    return "\n".join(sections)


def aligned(rows: Sequence[Sequence[str]], *, left: frozenset[int] | set[int] = frozenset()) -> str:
    """Write rows as columns with two spaces between; `left` are the columns that begin at the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _rows(repriced: Repriced) -> Iterator[Sequence[str]]:
    local_zone = zone(repriced.time_zone)
    for period in repriced.priced.periods:
        start, end = (_local(instant.astimezone(local_zone)) for instant in (period.start, period.end))
        for index, line in enumerate(period.lines):
            times = (start, end) if index == 0 else ("", "")
            yield (*times, *_line(line, has_vat=repriced.priced.has_vat))


def _line(line: Line, *, has_vat: bool) -> Iterator[str]:
    rate = line.rate
    yield rate.dimension_text
    yield _short(line.quantity_exact)
    yield _short(line.billed_exact)
    yield rate.unit
    yield rate.price_text
    yield rate.vat_text or "-"
    yield "free" if rate.element is None else str(rate.element)
    yield _money(line.excl_vat)
    yield _money(line.incl_vat) if has_vat else "-"


def _amounts(repriced: Repriced) -> Iterator[Sequence[str]]:
    priced = repriced.priced
    for kind, cost in priced.costs().items():
        if any(line.rate.is_reservation for line in priced.lines()) or kind is not CostKind.RESERVATION:
            yield _amount(_COSTS[kind], cost)
    for item in priced.adjustments:
        yield _amount(_ADJUSTMENTS[item.kind], Cost(item.excl_vat, item.incl_vat if priced.has_vat else None))
    yield _amount(f"total {priced.currency}", priced.total)


def _amount(label: str, cost: Cost) -> Sequence[str]:
    return label, _money(cost.excl_vat), "-" if cost.incl_vat is None else _money(cost.incl_vat)


def _warnings(repriced: Repriced) -> list[str]:
    if not repriced.warnings:
        return []
    return ["", "warnings", *(f"  {item.path}: {item.message} [{item.code}]" for item in repriced.warnings)]


def _local(instant: datetime) -> str:
    text = instant.strftime("%Y-%m-%d %H:%M:%S")
    return text if instant.microsecond == 0 else f"{text}.{instant.microsecond // 1000:03d}"


def _short(exact: Fraction) -> str:
    return decimal_text(exact, _PLACES)


def _money(exact: Fraction) -> str:
    """Write an amount with exactly four decimals, so that columns line up."""
    whole, _, digits = decimal_text(exact, _PLACES).partition(".")
    return f"{whole}.{digits.ljust(_PLACES, '0')}"

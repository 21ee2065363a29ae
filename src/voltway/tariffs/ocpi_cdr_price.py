"""The amounts of a CDR in each OCPI version's own form, with four decimals.

2.1.1: a number without VAT. 2.2.1: `excl_vat` and `incl_vat`. 2.3.0: `before_taxes` and one tax per VAT rate, whose
amounts add up to the difference of the two rounded sums (billing note 31).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from voltway.kernel.money import decimal_text
from voltway.tariffs.model import Dimension, OcpiVersion
from voltway.tariffs.priced import Cost, CostKind, Line, Priced
from voltway.tariffs.rates import Rate

_PLACES = 4
_KWH_PLACES = 6
Taxes = dict[Decimal, Fraction]
"""The tax of some lines by VAT rate in percent, exact, in the order of the rates."""


def number_4(exact: Fraction) -> Decimal:
    """Round half up to the four decimals of an OCPI number."""
    return Decimal(decimal_text(exact, _PLACES))


def kwh_number(kwh: Fraction) -> Decimal:
    """Write an energy with all the digits that its meter gave it, to a milliwatt-hour.

    OCPI asks for four decimals; a meter that counts finer would then have a partner round up another step or not.
    """
    return Decimal(decimal_text(kwh, _KWH_PLACES))


def cost_documents(priced: Priced, ocpi_version: OcpiVersion, *, taxed: bool = True) -> dict[str, object]:
    """Write `total_cost` and, since 2.2.1, the partial totals; `taxed` False: no tax applies (2.3.0 N/A)."""
    if ocpi_version is OcpiVersion.V2_1_1:
        return {"total_cost": number_4(priced.total.excl_vat)}
    is_new = ocpi_version is OcpiVersion.V2_3_0
    written: dict[str, object] = {"total_cost": _price(priced.total, priced.lines(), is_new=is_new, taxed=taxed)}
    for kind, cost in priced.costs().items():
        lines = (line for line in priced.lines() if _kind(line.rate) is kind)
        written[f"total_{kind.value}_cost"] = _price(cost, lines, is_new=is_new, taxed=taxed)
    return written


_KINDS = dict(zip(Dimension, (CostKind.ENERGY, CostKind.TIME, CostKind.PARKING, CostKind.FIXED), strict=False))


def _kind(rate: Rate) -> CostKind:
    return CostKind.RESERVATION if rate.is_reservation else _KINDS[rate.dimension]


def _price(cost: Cost, lines: Iterable[Line], *, is_new: bool, taxed: bool) -> dict[str, object]:
    before = number_4(cost.excl_vat)
    names = ("before_taxes", None) if is_new else ("excl_vat", "incl_vat")
    written: dict[str, object] = {names[0]: before}
    if cost.incl_vat is None:
        return written
    after = number_4(cost.incl_vat)
    if names[1] is not None:
        return written | {names[1]: after}
    shares = _spread(_taxes(lines) if taxed else {}, cost.incl_vat - cost.excl_vat)
    return written | {"taxes": _tax_documents(shares, after - before)}


def _taxes(lines: Iterable[Line]) -> Taxes:
    found: Taxes = {}
    for line in lines:
        if line.rate.vat is not None:
            found[line.rate.vat] = found.get(line.rate.vat, Fraction(0)) + line.incl_vat - line.excl_vat
    return dict(sorted(found.items()))


def _spread(taxes: Taxes, whole: Fraction) -> Mapping[Decimal | None, Fraction]:
    """Spread what a minimum or maximum price did to the tax over the rates pro rata (billing note 30)."""
    named = sum(taxes.values())
    if named:
        return {rate: tax * whole / named for rate, tax in taxes.items()}
    if len(taxes) == 1 or not whole:
        return dict.fromkeys(taxes, whole)
    return {None: whole}  # tax of a minimum price without a base: no rate is known to be its own


def _tax_documents(shares: Mapping[Decimal | None, Fraction], whole: Decimal) -> list[dict[str, object]]:
    """Write one tax per rate; running sums are rounded, so that the amounts add up to the whole."""
    written: list[dict[str, object]] = []
    running, said = Fraction(0), Decimal(0)
    for rate, share in shares.items():
        running += share
        upto = whole if len(written) == len(shares) - 1 else number_4(running)
        tax: dict[str, object] = {"name": "VAT", "percentage": rate, "amount": number_4(Fraction(upto - said))}
        written.append({key: item for key, item in tax.items() if item is not None})
        said = upto
    return written

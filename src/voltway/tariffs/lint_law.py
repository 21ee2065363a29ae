"""The linter's rules of AFIR, NEVI, the British and the German law, each under its rule set (billing note 35).

Reservations are apart: they are paid before charging begins.
"""

from collections.abc import Callable, Iterable, Iterator

from voltway.tariffs.lint_findings import Finding, RuleSet
from voltway.tariffs.lint_outline import ComponentOutline, TariffOutline
from voltway.tariffs.model import Dimension

_ORDER = (Dimension.ENERGY, Dimension.TIME, Dimension.FLAT)
_AD_HOC = "AD_HOC_PAYMENT"
_SOURCES = {
    RuleSet.AFIR: "AFIR (EU 2023/1804 Art. 5): from 50 kW on an ad hoc price is per kWh plus at most an occupancy fee",
    RuleSet.NEVI: "NEVI (23 CFR 680.116): the price is per kWh",
    RuleSet.UK: "The Public Charge Point Regulations 2023: the price is shown in pence per kWh",
    RuleSet.DE: "Eichrecht and PAngV: the price is per kWh plus at most a start fee and a parking fee",
}
_FORBIDDEN = {
    RuleSet.AFIR: frozenset({Dimension.TIME, Dimension.FLAT}),
    RuleSet.NEVI: frozenset[Dimension](),
    RuleSet.UK: frozenset({Dimension.TIME}),
    RuleSet.DE: frozenset({Dimension.TIME}),
}


def law_findings(read: TariffOutline, rules: Iterable[RuleSet]) -> Iterator[Finding]:
    """Check the components against each rule set; what NEVI says of the clock is `lock_findings`."""
    for rule in rules:
        if rule is RuleSet.AFIR:
            yield from _order(read)
        # AFIR's rule is for drivers without a contract; the other laws speak of every price on the sign.
        if rule in _SOURCES and (rule is not RuleSet.AFIR or read.tariff_type in (None, _AD_HOC)):
            yield from _per_kwh(read, rule)


def lock_findings(rules: Iterable[RuleSet], *, is_locked: bool, changes: Callable[[Dimension], bool]) -> list[Finding]:
    """Check that the price of energy and time holds through a session (NEVI, 23 CFR 680.116).

    `changes` tells whether the clock can change the price of a dimension.
    """
    if RuleSet.NEVI not in rules or is_locked:
        return []
    changing = [dimension.value for dimension in (Dimension.ENERGY, Dimension.TIME) if changes(dimension)]
    if not changing:
        return []
    message = (
        f"The price of {' and '.join(changing)} can change by the clock during a session; NEVI holds it at the start."
    )
    fix = 'Write "price_lock": true into the extension, or remove the times, dates and weekdays.'
    return [Finding("price_not_locked", "/extension/price_lock", message, fix)]


def _order(read: TariffOutline) -> Iterator[Finding]:
    """AFIR Article 5(4): the parts are shown in the order kWh, minute, session, other."""
    seen: dict[Dimension, ComponentOutline] = {}
    for component in read.components():
        dimension = component.dimension
        if dimension is None or dimension in seen:
            continue
        late = [before for before in seen if _stands_after(before, dimension)]
        if late:
            yield Finding(
                "component_order",
                component.pointer,
                f"{dimension} stands behind {late[0]}; AFIR wants the order kWh, minute, session, other.",
                "Write ENERGY first, then TIME, then FLAT; PARKING_TIME behind ENERGY. Prices do not change by it.",
            )
        seen[dimension] = component


def _stands_after(before: Dimension, dimension: Dimension) -> bool:
    """Tell whether what was seen before belongs behind the dimension."""
    if Dimension.PARKING_TIME in (before, dimension):
        return dimension is Dimension.ENERGY
    return _ORDER.index(before) > _ORDER.index(dimension)


def _per_kwh(read: TariffOutline, rule: RuleSet) -> Iterator[Finding]:
    priced = [component for component in read.components() if component.is_priced]
    if priced and not any(component.dimension is Dimension.ENERGY for component in priced):
        fix = "Add an ENERGY component with the price of a kWh."
        yield Finding("ad_hoc_not_per_kwh", "/elements", f"{_SOURCES[rule]}; this tariff has no price per kWh.", fix)
    for component in priced:
        if component.dimension in _FORBIDDEN[rule]:
            yield Finding(
                "ad_hoc_not_per_kwh",
                component.pointer,
                f"{_SOURCES[rule]}; this is a price for {component.dimension}.",
                f"Remove the price for {component.dimension} and put its cost into the price of a kWh.",
            )

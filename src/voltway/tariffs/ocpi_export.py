"""A tariff as a document of another OCPI version, and only where a partner with that document bills the same.

What cannot be said raises CannotExport with a fault per reason; the linter says what a partner would bill instead.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.model import (
    Dimension,
    IdleRule,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    Tariff,
    TariffElement,
    TariffFault,
    TaxIncluded,
)
from voltway.tariffs.ocpi_keys import known_keys
from voltway.tariffs.ocpi_tariff import tariff_document
from voltway.tariffs.rates import has_clock

_MOST_PLACES = 12
_LOCKED = (Dimension.ENERGY, Dimension.TIME)
_SIDES = frozenset(("excl_vat", "incl_vat", "before_taxes", "after_taxes"))


class CannotExport(InvalidInput):
    """The tariff has no form in that OCPI version that bills the same; the faults point into the tariff."""

    code = "cannot_export"


def exported(
    tariff: Tariff,
    ocpi_version: OcpiVersion,
    *,
    country_code: str | None = None,
    party_id: str | None = None,
    net_only: bool = False,
) -> dict[str, object]:
    """Write a tariff as a document of an OCPI version; raises CannotExport where a round trip changes the price.

    `country_code` and `party_id` are for a tariff that comes from 2.1.1 and has none. `net_only` leaves VAT and
    validity out, as in a CDR of 2.1.1, whose total is without VAT and whose tariff is chosen already.
    """
    faults = list(_extension_faults(tariff))
    restated = tariff
    is_net = tariff.tax_included is TaxIncluded.NO or ocpi_version is OcpiVersion.V2_3_0
    if ocpi_version is not tariff.ocpi_version or not is_net:
        party = {"country_code": country_code, "party_id": party_id}
        extra = {key: item for key, item in party.items() if item is not None} | dict(tariff.extra)
        restated = _restated(replace(tariff, extra=extra), ocpi_version, faults)
    if ocpi_version is OcpiVersion.V2_1_1:
        faults.extend(_missing_in_2_1_1(restated, net_only=net_only))
        restated = _without_vat(restated)
    if faults:
        raise CannotExport(f"OCPI {ocpi_version} cannot say what the tariff {tariff.id} bills", faults)
    return tariff_document(restated)


def _extension_faults(tariff: Tariff) -> Iterator[TariffFault]:
    """Name what of our extension changes a price; a rule for idle time matters only where idle time costs."""
    parked = any(item.dimension is Dimension.PARKING_TIME and item.price for item in _components(tariff))
    if tariff.idle not in (None, IdleRule()) and parked:
        yield _fault("/extension/idle", "OCPI knows no grace, cap or exempt window of idle time")
    if tariff.price_lock and any(map(_is_locked, tariff.elements)):
        yield _fault("/extension/price_lock", "OCPI cannot hold the price of the session's start")


def _is_locked(element: TariffElement) -> bool:
    return has_clock(element.restrictions) and any(item.dimension in _LOCKED for item in element.components)


def _components(tariff: Tariff) -> Iterator[PriceComponent]:
    return (component for element in tariff.elements for component in element.components)


def _fault(pointer: str, message: str) -> TariffFault:
    return TariffFault(pointer, message, "round_trip")


def _restated(tariff: Tariff, version: OcpiVersion, faults: list[TariffFault]) -> Tariff:
    """Say the same in the words of another version, as far as it has them."""
    own, other = known_keys("/id", tariff.ocpi_version), known_keys("/id", version)
    kept = {key: item for key, item in tariff.extra.items() if key in other or key not in own | {"tax_included"}}
    if version is OcpiVersion.V2_1_1:
        kept = {key: item for key, item in kept.items() if key not in ("country_code", "party_id", "type")}
    else:
        missing = [key for key in ("country_code", "party_id") if key not in kept]
        faults.extend(_fault(f"/{key}", f"OCPI {version} requires {key}") for key in missing)
    is_net = tariff.tax_included is TaxIncluded.NO or version is OcpiVersion.V2_3_0
    return replace(
        tariff,
        ocpi_version=version,
        elements=tariff.elements if is_net else tuple(_net_elements(tariff, faults)),
        tax_included=tariff.tax_included if is_net else TaxIncluded.NO,
        min_price=_bare(tariff.min_price),
        max_price=_bare(tariff.max_price),
        extra=kept,
        document=None,
    )


def _bare(limit: PriceLimit | None) -> PriceLimit | None:
    """Leave out what another version called the two sides."""
    if limit is None:
        return None
    return replace(limit, extra={key: item for key, item in limit.extra.items() if key not in _SIDES})


def _net_elements(tariff: Tariff, faults: list[TariffFault]) -> Iterator[TariffElement]:
    """Write prices that include tax (or that none applies to) without it, where that is a decimal number."""
    for index, element in enumerate(tariff.elements):
        components = []
        for place, component in enumerate(element.components):
            if (net := _net(component, tariff.tax_included)) is None:
                at = f"/elements/{index}/price_components/{place}/price"
                faults.append(_fault(at, f"{component.price:f} without {component.vat:f} % VAT is no decimal number"))
            components.append(net or component)
        yield replace(element, components=tuple(components))


def _net(component: PriceComponent, tax_included: TaxIncluded) -> PriceComponent | None:
    if tax_included is TaxIncluded.NOT_APPLICABLE:
        return replace(component, vat=None)
    if not component.vat:
        return component
    price = _decimal_of(Fraction(component.price) / (1 + Fraction(component.vat) / 100))
    return None if price is None else replace(component, price=price)


def _decimal_of(exact: Fraction) -> Decimal | None:
    """Return a ratio as a decimal number, None where it does not end within 12 decimals."""
    for places in range(_MOST_PLACES + 1):
        scaled = exact * 10**places
        if scaled.denominator == 1:
            return Decimal(f"{scaled.numerator}E-{places}")
    return None


def _missing_in_2_1_1(tariff: Tariff, *, net_only: bool) -> Iterator[TariffFault]:
    limits = ("min_price", "max_price")
    for key in limits if net_only else (*limits, "start_date_time", "end_date_time"):
        if getattr(tariff, key) is not None:
            yield _fault(f"/{key}", f"OCPI 2.1.1 has no {key}")
    for index, element in enumerate(tariff.elements):
        for place, component in enumerate(element.components):
            if component.vat and not net_only:
                yield _fault(f"/elements/{index}/price_components/{place}/vat", "OCPI 2.1.1 has no VAT")
        for key in ("min_current", "max_current", "reservation"):
            if getattr(element.restrictions, key, None) is not None:
                yield _fault(f"/elements/{index}/restrictions/{key}", f"OCPI 2.1.1 has no restriction {key}")


def _without_vat(tariff: Tariff) -> Tariff:
    elements = tuple(
        replace(element, components=tuple(replace(item, vat=None) for item in element.components))
        for element in tariff.elements
    )
    return replace(tariff, elements=elements, start_date_time=None, end_date_time=None)

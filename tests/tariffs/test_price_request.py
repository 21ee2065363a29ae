"""What the command and the route ask: the OCPI version by contracts.md, tariffs in their forms, faults with places."""

from collections.abc import Mapping

import pytest
from tests.tariffs.ocpi_documents import Document, always, per
from tests.tariffs.partner_cdrs import cdr, period

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.price_request import PriceRequest, priced_request, tariff_parts

NET: Document = {"id": "T", "currency": "EUR", "elements": [always(per("ENERGY", "1.19", vat="19"))]}
GROSS = NET | {"tax_included": "YES"}
TEN = period("12:00", {"ENERGY": "10", "TIME": "1"})
CDR = cdr([NET], "13:00", TEN)
OLD = {key: item for key, item in CDR.items() if key != "country_code"}


@pytest.mark.parametrize(
    ("document", "more", "version", "total"),
    [
        pytest.param(CDR, {}, "2.2.1", ("11.9", "14.161"), id="with a country_code"),
        pytest.param(OLD, {}, "2.1.1", ("11.9", "14.161"), id="without one; a vat that is there counts"),
        pytest.param(CDR | {"tariffs": [GROSS]}, {}, "2.3.0", ("10", "11.9"), id="tax_included"),
        pytest.param(CDR | {"total_cost": {"before_taxes": 5}}, {}, "2.3.0", ("11.9", "14.161"), id="before_taxes"),
        pytest.param(CDR, {"tariff": GROSS}, "2.3.0", ("10", "11.9"), id="tax_included in what replaces"),
        pytest.param(CDR, {"tariff": [NET, GROSS]}, "2.3.0", ("11.9", "14.161"), id="in any of an array"),
        pytest.param(CDR, {"tariff": {"document": GROSS}}, "2.3.0", ("10", "11.9"), id="in a wrapper"),
        pytest.param(OLD, {"ocpi": "2.3.0"}, "2.3.0", ("11.9", "14.161"), id="the option wins"),
    ],
)
def test_the_version(document: Document, more: Mapping[str, object], version: str, total: tuple[str, str]) -> None:
    """contracts.md, `voltway price`; what a tax is follows from the documents."""
    answer = priced_request(PriceRequest(document, **more)).document()  # type: ignore[arg-type]  # the request's fields
    assert answer["ocpi_version"] == version
    assert answer["total_cost"] == {"excl_vat": total[0], "incl_vat": total[1]}


def test_an_expired_reservation_is_asked_for() -> None:
    """RESERVATION_EXPIRES prices only then (billing note 22)."""
    elements = [
        {"price_components": [per("FLAT", "4")], "restrictions": {"reservation": "RESERVATION_EXPIRES"}},
        {"price_components": [per("TIME", "2")], "restrictions": {"reservation": "RESERVATION"}},
    ]
    document = cdr([NET | {"elements": elements}], "13:00", period("12:00", {"RESERVATION_TIME": "1"}))
    totals = [
        priced_request(PriceRequest(document, reservation_expired=expired)).priced.total.excl_vat
        for expired in (False, True)
    ]
    assert totals == [2, 6]


@pytest.mark.parametrize("junk", [None, 5, "x", [], [[]], {"document": 1}, {"document": {}, "extension": 7}])
def test_junk_is_refused_with_a_place(junk: object) -> None:
    """Whatever JSON comes: faults, never a traceback and never a price."""
    for request in (PriceRequest(junk), PriceRequest(CDR, tariff=junk if junk is not None else 0)):
        with pytest.raises(InvalidInput) as caught:
            priced_request(request)
        prefix = "/tariff" if request.cdr is CDR else "/cdr"
        assert all(fault.pointer.startswith(prefix) for fault in caught.value.faults)
        assert caught.value.faults


def test_the_parts_of_a_tariff() -> None:
    """A document alone, or with our extension beside it."""
    assert tariff_parts(NET) == (NET, None, "")
    assert tariff_parts({"document": NET, "extension": {}}) == (NET, {}, "/document")

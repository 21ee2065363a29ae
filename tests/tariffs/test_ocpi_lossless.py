"""What is read is written as it came: tariffs and CDRs of all versions, whatever partners put into them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.generated_documents import VERSIONS, cdrs, tariffs

from voltway.tariffs.model import Dimension, IdleRule, OcpiVersion, PriceComponent, TaxIncluded
from voltway.tariffs.ocpi import (
    cdr_written,
    dumps,
    extension_document,
    loads,
    parse_cdr,
    parse_tariff,
    tariff_document,
    unknown_keys,
)

ODD = """{"id":"T","currency":"EUR","min_price":null,"type":null,"elements":[{"price_components":[
{"type":"FLAT","price":5E-1,"vat":null},{"type":"ENERGY","price":0.3900,"step_size":1.0}],"restrictions":{}},
{"price_components":[{"type":"TIME","price":2e0,"step_size":60}],"restrictions":{"day_of_week":[],"start_time":null}}],
"start_date_time":"2026-01-01T00:00:00","end_date_time":"2027-01-01T00:00:00.000+01:00","tariff_alt_text":[]}"""
"""Nulls, empty lists and objects, exponents, instants without Z and with an offset, FLAT without a step."""


def _typed(value: object) -> object:
    """Tell 1 from 1.0 and true, which Python calls equal."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return type(value).__name__, str(value)


@given(st.data(), VERSIONS)
def test_a_tariff_is_written_as_it_was_read(data: st.DataObject, version: OcpiVersion) -> None:
    """Issue 4, §1: read and written without loss, unknown keys kept and named, numbers exactly as they stood."""
    document = data.draw(tariffs(version))
    before = _typed(document)
    read = parse_tariff(document)
    assert read.ocpi_version is version
    assert _typed(tariff_document(read)) == before
    assert loads(dumps(tariff_document(read))) == document
    assert parse_tariff(tariff_document(read)) == read
    named = unknown_keys(document, version)
    assert all("x_" in pointer for pointer in named)
    assert [pointer for pointer in document if pointer.startswith("x_")] == [
        pointer[1:].replace("~1", "/").replace("~0", "~") for pointer in named if pointer.count("/") == 1
    ]


@given(st.data(), VERSIONS)
def test_a_cdr_is_written_as_it_was_read(data: st.DataObject, version: OcpiVersion) -> None:
    """The partner's CDR is evidence: nothing of it is lost, and its tariffs are of its version."""
    document = data.draw(cdrs(version))
    before = _typed(document)
    read = parse_cdr(document)
    assert read.ocpi_version is version
    assert _typed(cdr_written(read)) == before
    assert loads(dumps(cdr_written(read))) == document
    assert {tariff.ocpi_version for tariff in read.tariffs} <= {version}
    assert len(read.periods) == len(document["charging_periods"])  # type: ignore[arg-type]  # a list


def test_every_oddity_of_writing_is_kept() -> None:
    """One document with all that a rewritten one would lose."""
    document = loads(ODD)
    read = parse_tariff(document)
    assert tariff_document(read) == document
    assert dumps(tariff_document(read)) == dumps(document)
    assert parse_tariff(document, version=7, extension={"price_lock": True}).version == 7


_READ = parse_tariff(loads(ODD), extension={"idle": {"grace_s": 60}})


@pytest.mark.parametrize(
    ("changed", "key", "written"),
    [
        ({"currency": "JPY"}, "currency", "JPY"),
        ({"end_date_time": None}, "end_date_time", None),
        ({"end_date_time": datetime(2028, 1, 1, tzinfo=UTC)}, "end_date_time", "2028-01-01T00:00:00Z"),
        ({"extra": {"colour": "red"}}, "colour", "red"),
        ({"tax_included": TaxIncluded.YES}, "tax_included", "YES"),
        ({"document": None}, "start_date_time", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_tariff_that_was_changed_is_written_anew(changed: dict[str, object], key: str, written: object) -> None:
    """The document that was read must never hide what somebody made of the tariff."""
    made = replace(_READ, **changed)  # type: ignore[arg-type]  # one field of the table
    assert tariff_document(made).get(key) == written
    assert parse_tariff(tariff_document(made), ocpi_version=made.ocpi_version).elements == made.elements


def test_our_version_and_extension_do_not_rewrite_the_document() -> None:
    """They stand beside it."""
    made = replace(_READ, version=9, idle=IdleRule(grace_s=5), price_lock=True)
    assert tariff_document(made) == loads(ODD)
    assert extension_document(made) == {"idle": {"grace_s": 5}, "price_lock": True}


def test_a_changed_price_is_written() -> None:
    """A component replaced inside an element is seen."""
    component = PriceComponent(Dimension.ENERGY, Decimal("0.5"), Decimal(19))
    made = replace(_READ, elements=(replace(_READ.elements[0], components=(component,)),))
    assert dumps(tariff_document(made)["elements"]) == (
        '[{"price_components":[{"type":"ENERGY","price":0.5,"vat":19,"step_size":1}],"restrictions":{}}]'
    )


def test_a_document_that_somebody_spoilt_later_is_not_written() -> None:
    """The tariff that was read counts, not what its document became."""
    document: dict[str, object] = {
        "id": "T",
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "FLAT", "price": 1}]}],
    }
    read = parse_tariff(document)
    document["currency"] = 7
    assert tariff_document(read)["currency"] == "EUR"

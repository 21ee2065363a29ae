"""A priced CDR as people read it: a line per period and dimension, totals, adjustments and warnings."""

from pathlib import Path

import pytest
from tests.tariffs.ocpi_documents import Document, always, per, when
from tests.tariffs.partner_cdrs import cdr, period

from voltway.tariffs.ocpi import parse_cdr
from voltway.tariffs.price_table import aligned, price_table
from voltway.tariffs.reprice import reprice

GOLDEN = Path(__file__).parent / "price_table.txt"
RESERVED: Document = {
    "id": "T",
    "country_code": "DE",
    "currency": "EUR",
    "max_price": {"excl_vat": 3},
    "elements": [
        when({"reservation": "RESERVATION"}, per("TIME", "2", 600, "20"), per("FLAT", "1", vat="20")),
        always(per("ENERGY", "0.25", vat="10")),
    ],
}


def table(document: Document) -> list[str]:
    return price_table(reprice(parse_cdr(document))).splitlines()


def test_the_whole_table() -> None:
    """Readable in a diff: what a person sees for a reservation, a session and a maximum price."""
    document = cdr(
        [RESERVED],
        "13:00:00.250",
        period("12:00", {"RESERVATION_TIME": "0.3667"}),
        period("12:22", {"ENERGY": "8.5", "TIME": "0.6334"}),
        total_cost={"excl_vat": 4},
        cdr_location={"time_zone": "Europe/Berlin"},
    )
    document["time_zone"] = None
    assert "\n".join(table(document)) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_without_vat_there_is_none() -> None:
    """OCPI 2.1.1 knows no VAT: a dash, not a zero; no reservation, no such line; no warning, no heading."""
    document = cdr(
        [{"id": "T", "currency": "EUR", "elements": [always(per("ENERGY", "0.25"))]}],
        "13:00",
        period("12:00", {"ENERGY": "8"}),
    )
    del document["country_code"]
    lines = table(document)
    assert lines[0].startswith("OCPI 2.1.1")
    assert lines[3].endswith("2.0000          -")
    assert "total EUR      2.0000  -" in lines
    assert not any("reservation" in line or "warnings" in line for line in lines)


@pytest.mark.parametrize(
    ("rows", "left", "text"),
    [
        ([("a", "1"), ("bc", "22")], {0}, "a    1\nbc  22"),
        ([("a", "1"), ("bc", "22")], {1}, " a  1\nbc  22"),
        ([("", "x", "")], set(), "  x"),
    ],
)
def test_columns_line_up(rows: list[tuple[str, ...]], left: set[int], text: str) -> None:
    assert aligned(rows, left=left) == text

"""The forms of a report: what a spreadsheet would run, markup in names, pages, pictures and rounding."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl  # type: ignore[import-untyped] # the package has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.reports.csv_writer import FORMULA_BEGINS, csv_archive, csv_text
from voltway.monitoring.reports.document import (
    BarChart,
    Column,
    Heading,
    Heatmap,
    Kind,
    LineChart,
    Picture,
    Report,
    Section,
    Series,
    Stretch,
    Table,
    TimelineStrip,
    Value,
    check_names,
    local_text,
    people_text,
    plain_text,
    rounded,
)
from voltway.monitoring.reports.json_writer import report_json
from voltway.monitoring.reports.pdf_writer import PRINTED_ROWS, pdf_bytes, pdf_input
from voltway.monitoring.reports.xlsx_writer import xlsx_bytes

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN, END = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
HOSTILE = (
    "=cmd()", "+1", "-2+3", "@SUM(A1)", "\t=1", "#panic()", "$x^2$", "<label>", "*b* _i_ `c`", '"quoted", text',
    "= Heading", "- item", "https://example.org", "#include \"/etc/passwd\"", "line\nbreak", "Łódź",
    "\\u{41}",
)  # fmt: skip
PICTURES: tuple[Picture, ...] = (
    BarChart("Bars #x", "%", ("A", "#panic()"), (99.5, None), 97.0, 90.0),
    LineChart("Lines", "kWh", ("01", "02", "03"), (Series("now", (1.0, None, 3.0)),), 2.0),
    Heatmap("Hours", "sessions", tuple(tuple(float(day * hour) for hour in range(24)) for day in range(7))),
    TimelineStrip("Strip", BEGIN, END, (("CP-1", (Stretch(0.1, 0.2, "faulted"), Stretch(0.5, 0.6, "new_state"))),)),
)


def _report(rows: tuple[tuple[Value, ...], ...], *columns: Column, pictures: tuple[Picture, ...] = ()) -> Report:
    heading = Heading("Op #1 $x$", "2026-03", BEGIN, END, BERLIN, datetime(2026, 4, 1, tzinfo=UTC))
    table = Table("things", "Things", columns or (Column("name", "Name"),), rows)
    section = Section("Part <one>", (table,), pictures, "#text")
    return Report("monthly", "A *report*", heading, (section,), ("note #1",), {"Energy": "12 kWh"})


def _pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type ?/Page\b", pdf))


def _cells(sheet: Any) -> list[Any]:
    return [row[0] for row in sheet.iter_rows(min_row=2)]


def test_a_spreadsheet_runs_nothing_that_came_as_a_name() -> None:
    """CSV has an apostrophe before what begins like a formula; XLSX has text, never a formula or link."""
    report = _report(tuple((name,) for name in HOSTILE))
    lines = list(csv.reader(io.StringIO(csv_text(report.tables[0]), newline="")))[1:]
    assert [row[0].removeprefix("'") for row in lines] == list(HOSTILE)
    assert not any(row[0].startswith(FORMULA_BEGINS) for row in lines)
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(report)))["things"]
    assert [cell.value for cell in _cells(sheet)] == list(HOSTILE)
    assert {cell.data_type for cell in _cells(sheet)} == {"s"}
    assert not any(cell.hyperlink for cell in _cells(sheet))


@given(st.text())
def test_any_text_comes_back_from_csv_and_never_begins_like_a_formula(text: str) -> None:
    body = csv_text(Table("t", "T", (Column("name", "Name"),), ((text,), ("end",))))
    rows = [row for row in csv.reader(io.StringIO(body, newline="")) if row]
    found = rows[1][0] if text else ""
    assert found in {text, f"'{text}"}
    assert not found.startswith(FORMULA_BEGINS)


def test_names_are_shown_by_the_pdf_never_evaluated() -> None:
    """Markup, code and labels of typst in any text of a report compile as what they are: text."""
    report = _report(tuple((name,) for name in HOSTILE), pictures=PICTURES)
    assert [row[0] for row in pdf_input(report)["sections"][0]["tables"][0]["rows"]] == list(HOSTILE)
    body = pdf_bytes(report)
    assert body.startswith(b"%PDF")
    assert b"pdfaid:part" in body


@pytest.mark.parametrize("name", ["充電站", "\u202egnp", "🔌", "\x00\x07"])
def test_a_sign_that_no_font_has_does_not_cost_the_report(name: str) -> None:
    """PDF/A forbids signs without a shape; then the file is plain PDF and says where the names are whole."""
    report = _report(((name,),))
    assert pdf_bytes(report).startswith(b"%PDF")
    assert xlsx_bytes(report)[:2] == b"PK"
    assert name in csv_text(report.tables[0])


def test_a_long_table_breaks_over_pages_and_the_count_grows() -> None:
    """200 rows take several pages; beyond the printed rows a line says where the rest is."""
    short, long = (_report(tuple((f"row {number}",) for number in range(count))) for count in (5, 200))
    assert _pages(pdf_bytes(short)) == 1
    assert 3 <= _pages(pdf_bytes(long)) <= 6
    cut = pdf_input(_report(tuple((f"row {number}",) for number in range(PRINTED_ROWS + 7))))
    table = cut["sections"][0]["tables"][0]
    assert len(table["rows"]) == PRINTED_ROWS
    assert table["more"].startswith("7 more rows")


def test_a_table_of_many_columns_lies_on_a_page_of_its_own() -> None:
    columns = tuple(Column(f"c{number}", f"Column {number}") for number in range(12))
    report = _report((tuple("x" for _ in columns),), *columns)
    assert re.search(rb"/MediaBox ?\[0 0 841\.\d+ 595\.\d+\]", pdf_bytes(report))


def test_the_same_report_is_the_same_file() -> None:
    """No clock and no font of the machine is in a file."""
    report = _report((("a",),), pictures=PICTURES)
    assert pdf_bytes(report) == pdf_bytes(report)
    assert csv_archive(report) == csv_archive(report)


def test_pictures_are_drawn_to_scale() -> None:
    """Bars from their low end to the highest, the target on the same scale, the heatmap from nothing to its most."""
    bars, lines, heat, strip = pdf_input(_report((), pictures=PICTURES))["sections"][0]["pictures"]
    assert bars["shares"] == [1.0, None]
    assert bars["line"] == pytest.approx(7 / 9.5)
    assert bars["texts"] == ["99.5", "–"]
    assert lines["series"][0]["shares"] == [pytest.approx(1 / 3), None, 1.0]
    assert (lines["low"], lines["high"]) == ("0", "3")
    assert heat["shares"][6][23] == 1.0
    assert strip["known"] == 1.0
    assert (strip["begin"], strip["end"], strip["states"]) == ("2026-03-01", "2026-04-01", ["faulted", "new_state"])


def test_a_bar_says_no_more_than_its_table() -> None:
    """99.6579 % is 99.657 in both: a percentage rounds down wherever it is written."""
    chart = BarChart("B", "%", ("A",), (99.6579,))
    assert pdf_input(_report((), pictures=(chart,)))["sections"][0]["pictures"][0]["texts"] == ["99.657"]


def test_a_strip_shows_no_future() -> None:
    """Of a period half over, half a band is drawn."""
    heading = Heading("Op", "2026-03", BEGIN, END, BERLIN, BEGIN + (END - BEGIN) / 2)
    report = Report("uk", "T", heading, (Section("S", pictures=(PICTURES[3],)),))
    assert pdf_input(report)["sections"][0]["pictures"][0]["known"] == 0.5
    assert pdf_input(report)["notes"][0].startswith("INCOMPLETE")


@pytest.mark.parametrize(
    "picture",
    [
        BarChart("B", "%", (), ()),
        BarChart("B", "%", ("A",), (0.0,)),
        LineChart("L", "%", (), ()),
        LineChart("L", "%", ("1",), (Series("s", (None,)),)),
        Heatmap("H", "n", tuple((0.0,) * 24 for _ in range(7))),
        TimelineStrip("T", BEGIN, END, ()),
    ],
)
def test_a_picture_of_nothing_is_still_a_page(picture: Picture) -> None:
    report = _report((), pictures=(picture,))
    assert _pages(pdf_bytes(report)) == 1
    assert xlsx_bytes(report)[:2] == b"PK"


def test_numbers_in_a_workbook_are_numbers_with_a_format() -> None:
    """Instants are by the wall clock of the report's zone, unknown is an empty cell."""
    columns = (
        Column("energy", "Energy", Kind.NUMBER, "kWh", 3), Column("share", "Share", Kind.PERCENT, "%", 2),
        Column("at", "At", Kind.INSTANT), Column("any", "Any", Kind.NUMBER, decimals=None),
        Column("met", "Met", Kind.YES_NO), Column("none", "None", Kind.MONEY, decimals=2),
    )  # fmt: skip
    row = (Decimal("1234.5678"), Fraction(969999, 10000), BEGIN, Decimal("7.10"), True, None)
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(_report((row,), *columns))))["things"]
    cells = next(iter(sheet.iter_rows(min_row=2)))
    assert [cell.value for cell in cells] == [1234.568, 96.99, datetime(2026, 3, 1), 7.1, "yes", None]  # noqa: DTZ001
    assert [cell.number_format for cell in cells[:2]] == ["#,##0.000", "#,##0.00"]
    assert [cell.value for cell in next(iter(sheet.iter_rows(max_row=1)))][:2] == ["Energy (kWh)", "Share (%)"]


def test_charts_of_a_workbook_stand_over_their_data() -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(_report((), pictures=PICTURES))))
    values = [[cell for cell in row if cell is not None] for row in book["Charts"].iter_rows(values_only=True)]
    assert ["A", 99.5] in values
    assert ["03", 3] in values
    assert any(row[0] == "Sun" and row[-1] == 138 for row in values if row)
    with zipfile.ZipFile(io.BytesIO(xlsx_bytes(_report((), pictures=PICTURES)))) as parts:
        assert sum(name.startswith("xl/charts/chart") for name in parts.namelist()) == 2


def test_an_archive_has_a_file_per_table_and_the_notes() -> None:
    with zipfile.ZipFile(io.BytesIO(csv_archive(_report((("a",),))))) as parts:
        assert parts.namelist() == ["things.csv", "notes.txt"]
        assert parts.read("things.csv") == b"name\r\na\r\n"
        assert "note #1" in parts.read("notes.txt").decode()


@given(st.fractions(min_value=0, max_value=100), st.integers(0, 4))
def test_a_percentage_never_claims_what_the_exact_one_does_not_reach(value: Fraction, decimals: int) -> None:
    """Rounded down, other numbers half up; both within one unit of the last digit."""
    shown = rounded(value, Column("p", "P", Kind.PERCENT, "%", decimals))
    other = rounded(value, Column("n", "N", Kind.NUMBER, "", decimals))
    unit = Fraction(1, 10**decimals)
    assert shown is not None
    assert other is not None
    assert 0 <= value - Fraction(shown) < unit
    assert -unit / 2 <= value - Fraction(other) <= unit / 2


@pytest.mark.parametrize(
    ("value", "kind", "plain", "people"),
    [
        (None, Kind.NUMBER, "", "–"),
        (True, Kind.YES_NO, "yes", "yes"),
        (Decimal("-1234.5"), Kind.MONEY, "-1234.50", "-1,234.50"),
        (Decimal("96.999"), Kind.PERCENT, "96.99", "96.99"),
        (Fraction(1, 3), Kind.MINUTES, "0.33", "0.33"),
        (1_000_000, Kind.NUMBER, "1000000.00", "1,000,000.00"),
        (BEGIN, Kind.INSTANT, "2026-02-28T23:00:00Z", "2026-03-01 00:00 CET"),
        ("text", Kind.TEXT, "text", "text"),
    ],
)
def test_programs_and_people_read_a_cell_in_their_own_way(value: Value, kind: Kind, plain: str, people: str) -> None:
    column = Column("c", "C", kind, decimals=2)
    assert plain_text(value, column) == plain
    assert people_text(value, column, BERLIN) == people


def test_two_hours_of_one_name_stay_apart() -> None:
    """The night in which the clocks go back has two o'clock twice."""
    first, second = (local_text(datetime(2026, 10, 25, hour, tzinfo=UTC), BERLIN) for hour in (0, 1))
    assert (first, second) == ("2026-10-25 02:00 CEST", "2026-10-25 02:00 CET")


def test_json_has_every_table_by_name() -> None:
    document = report_json(_report(((None,), ("x",)), Column("name", "Name")))
    assert document["tables"]["things"]["rows"] == [{"name": None}, {"name": "x"}]
    assert (document["begin_at"], document["time_zone"]) == ("2026-02-28T23:00:00Z", "Europe/Berlin")
    assert document["is_incomplete"] is False


def test_a_crooked_table_is_refused_when_it_is_made() -> None:
    """A row has a value per column, and a name stands for one table."""
    with pytest.raises(AssertionError, match="value per column"):
        Table("t", "T", (Column("a", "A"),), (("x", "y"),))
    table = Table("t", "T", (), ())
    with pytest.raises(AssertionError, match="unique"):
        check_names([table, table])

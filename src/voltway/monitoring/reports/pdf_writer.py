"""A report as PDF/A by typst. The one module that knows `typst`.

The report travels as one JSON text in `sys.inputs`; the template `report.typ` shows its strings as strings, so that no
name in it is ever read as markup or code. Fonts are those that typst embeds, so every machine writes the same file.
"""

from datetime import datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from importlib.resources import as_file, files
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson
import typst

from voltway.monitoring.reports.document import (
    BarChart,
    Heading,
    Heatmap,
    LineChart,
    Picture,
    Report,
    Table,
    TimelineStrip,
    is_numeric,
    local_text,
    people_text,
)

TEMPLATE = "report.typ"
STANDARD: Literal["a-2b"] = "a-2b"
PRINTED_ROWS = 2000
"""Paper is for people: longer tables are cut with a line that says so; CSV and XLSX have all rows."""
_WIDEST, _PADDING = 48, 2
"""In signs: longer texts wrap; what a cell has around it."""
_WIDE = 7
"""Tables with more columns are printed in smaller type."""


def pdf_bytes(report: Report) -> bytes:
    """Return the report as PDF/A-2b; takes a second or more for long tables, so call it off the event loop.

    A sign that typst's own fonts lack (a name in Chinese, say) must not cost the report: PDF/A forbids it, so the file
    is plain PDF then, and a note says where the names are whole.
    """
    shown = pdf_input(report)
    try:
        return _compiled(report, shown, STANDARD)
    except typst.TypstError as error:
        if _NO_GLYPH not in str(error):
            raise
    return _compiled(report, shown | {"notes": [*shown["notes"], _SIGNS_MISSING]}, None)


_NO_GLYPH = "could not be displayed"
_SIGNS_MISSING = (
    "Some signs in names are not in the fonts of this file, which is plain PDF for that reason; the CSV and XLSX forms "
    "of this report have them."
)


def _compiled(report: Report, shown: dict[str, Any], standard: Literal["a-2b"] | None) -> bytes:
    with as_file(files(__package__) / TEMPLATE) as template:
        made = typst.compile(
            str(template),
            format="pdf",
            ignore_system_fonts=True,
            sys_inputs={"report": orjson.dumps(shown).decode()},
            pdf_standards=standard,
            timestamp=int(report.heading.made_at.timestamp()),
        )
    assert isinstance(made, bytes), "without an output path typst returns the file"
    return made


def pdf_input(report: Report) -> dict[str, Any]:
    """Return what the template shows: texts, and numbers from 0 to 1 for what it draws."""
    head = report.heading
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "made": f"made at {local_text(head.made_at, head.zone)}; times of {head.zone.key}",
        "incomplete": head.is_incomplete,
        "figures": [[name, value] for name, value in report.figures.items()],
        "notes": list(report.all_notes),
        "sections": [
            {
                "title": section.title,
                "text": section.text,
                "pictures": [_picture(picture, head) for picture in section.pictures],
                "tables": [_table(table, head.zone) for table in section.tables],
            }
            for section in report.sections
        ],
    }


def _table(table: Table, zone: ZoneInfo) -> dict[str, Any]:
    shown = table.rows[:PRINTED_ROWS]
    left_out = len(table.rows) - len(shown)
    rows = [
        [people_text(value, column, zone) for value, column in zip(row, table.columns, strict=True)] for row in shown
    ]
    return {
        "title": table.title,
        "heads": [column.heading for column in table.columns],
        "right": [is_numeric(column.kind) for column in table.columns],
        "weights": _weights(table, rows),
        "small": len(table.columns) > _WIDE,
        "rows": rows,
        "empty": table.empty,
        "more": f"{left_out:,} more rows are in the CSV and XLSX forms of this report." if left_out else "",
    }


def _weights(table: Table, rows: list[list[str]]) -> list[int]:
    """Return the share of the width that each column gets: as its longest cell and the longest word of its heading.

    Shares, not widths: so a table is as wide as the paper, and no column runs into the next.
    """
    return [
        min(max([len(row[place]) for row in rows] + [len(word) for word in column.heading.split()]), _WIDEST) + _PADDING
        for place, column in enumerate(table.columns)
    ]


def _picture(picture: Picture, head: Heading) -> dict[str, Any]:
    match picture:
        case BarChart():
            return _bars(picture)
        case LineChart():
            return _lines(picture)
        case Heatmap():
            return _heatmap(picture)
        case TimelineStrip():
            return _strip(picture, head)


def _bars(picture: BarChart) -> dict[str, Any]:
    high = max([*(value for value in picture.values if value is not None), picture.line or 0.0, picture.low])
    extent = (high - picture.low) or 1.0

    def place(value: float) -> float:
        return min(max((value - picture.low) / extent, 0.0), 1.0)

    return {
        "kind": "bars",
        "title": f"{picture.title} ({picture.unit})",
        "labels": list(picture.labels),
        "shares": [None if value is None else place(value) for value in picture.values],
        "texts": ["–" if value is None else _short(value, is_floor=picture.unit == "%") for value in picture.values],
        "line": None if picture.line is None else place(picture.line),
        "foot": (f"Bars begin at {_short(picture.low)}. " if picture.low else "")
        + (f"The line is at {_short(picture.line)} {picture.unit}." if picture.line is not None else ""),
    }


def _lines(picture: LineChart) -> dict[str, Any]:
    values = [value for one in picture.series for value in one.values if value is not None]
    low = min([picture.low, *values])
    high = max([*values, picture.line or low]) if values else low + 1.0
    extent = (high - low) or 1.0
    return {
        "kind": "lines",
        "title": f"{picture.title} ({picture.unit})",
        "labels": list(picture.labels),
        "series": [
            {"name": one.name, "shares": [None if value is None else (value - low) / extent for value in one.values]}
            for one in picture.series
        ],
        "line": None if picture.line is None else (picture.line - low) / extent,
        "low": _short(low),
        "high": _short(high),
    }


def _heatmap(picture: Heatmap) -> dict[str, Any]:
    high = max((value for row in picture.values for value in row), default=0.0)
    return {
        "kind": "heatmap",
        "title": f"{picture.title} ({picture.unit})",
        "shares": [[value / high if high else 0.0 for value in row] for row in picture.values],
        "high": _short(high),
    }


def _strip(picture: TimelineStrip, head: Heading) -> dict[str, Any]:
    zone, whole = head.zone, picture.end_at - picture.begin_at
    return {
        "kind": "strip",
        "title": picture.title,
        "known": min(max((head.made_at - picture.begin_at) / whole, 0.0), 1.0),
        "begin": _day(picture.begin_at, zone),
        "end": _day(picture.end_at, zone),
        "bands": [
            {"name": name, "parts": [[one.begin, one.end, one.state] for one in parts]} for name, parts in picture.bands
        ],
        "states": sorted({one.state for _, parts in picture.bands for one in parts}),
    }


def _day(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d}"


def _short(value: float, *, is_floor: bool = False) -> str:
    """Write a number with at most three digits behind the point and no idle zeros; a percentage rounds down."""
    rounding = ROUND_FLOOR if is_floor else ROUND_HALF_UP
    text = f"{Decimal(repr(value)).quantize(Decimal('0.001'), rounding=rounding):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""A report as an XLSX workbook: a summary, a sheet per table with real numbers, and its pictures as native charts.

The one module that knows `xlsxwriter`. Text is always written as text, never as formula or link.
"""

import io
from datetime import UTC
from typing import Any

import xlsxwriter  # type: ignore[import-untyped] # the package has no types

from voltway.monitoring.reports.document import (
    BarChart,
    Column,
    Heatmap,
    Kind,
    LineChart,
    Report,
    Series,
    Table,
    Value,
    is_numeric,
    rounded,
)

LONGEST_NAME = 31
_WIDEST = 60
_CHART_ROWS = 18
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def xlsx_bytes(report: Report) -> bytes:
    """Write the workbook."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": report.title, "created": report.heading.made_at.astimezone(UTC).replace(tzinfo=None)})
    writer = _Writer(book, report)
    writer.add_summary()
    for table in report.tables:
        writer.add_table(table)
    writer.add_charts()
    book.close()
    return out.getvalue()


class _Writer:
    """Writes sheets of one workbook; formats are made once."""

    def __init__(self, book: Any, report: Report) -> None:
        self._book = book
        self._report = report
        self._head = book.add_format({"bold": True, "bg_color": "#E8EEF4", "bottom": 1, "text_wrap": True})
        self._title = book.add_format({"bold": True, "font_size": 16})
        self._bold = book.add_format({"bold": True})
        self._wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self._formats: dict[str, Any] = {}

    def add_summary(self) -> None:
        """Write title, figures and notes."""
        sheet = self._book.add_worksheet("Summary")
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 1, 80)
        sheet.write_string(0, 0, self._report.title, self._title)
        sheet.write_string(1, 0, self._report.subtitle)
        lines = [*self._report.figures.items(), ("", ""), *(("Note", note) for note in self._report.all_notes)]
        for number, (name, value) in enumerate(lines, start=3):
            sheet.write_string(number, 0, name, self._bold)
            sheet.write_string(number, 1, value, self._wrap)

    def add_table(self, table: Table) -> None:
        """Write a table as a sheet with a frozen, filtered header."""
        sheet = self._book.add_worksheet(table.name[:LONGEST_NAME])
        sheet.freeze_panes(1, 0)
        for number, column in enumerate(table.columns):
            sheet.write_string(0, number, column.heading, self._head)
            sheet.set_column(number, number, _width(table, number))
        if table.rows:
            sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
        for number, row in enumerate(table.rows, start=1):
            for place, (value, column) in enumerate(zip(row, table.columns, strict=True)):
                self._write(sheet, (number, place), value, column)

    def add_charts(self) -> None:
        """Draw bars and lines as native charts and the heatmap as coloured cells, each over its own data."""
        pictures = [picture for section in self._report.sections for picture in section.pictures]
        drawn = [one for one in pictures if isinstance(one, BarChart | LineChart | Heatmap) and _has_data(one)]
        if not drawn:
            return
        sheet = self._book.add_worksheet("Charts")
        row = 0
        for picture in drawn:
            sheet.write_string(row, 0, f"{picture.title} ({picture.unit})", self._bold)
            if isinstance(picture, Heatmap):
                row += self._add_heatmap(sheet, row + 1, picture) + 3
            else:
                row += self._add_chart(sheet, row + 1, picture) + 3

    def _add_chart(self, sheet: Any, row: int, picture: BarChart | LineChart) -> int:
        series = (Series(picture.unit, picture.values),) if isinstance(picture, BarChart) else picture.series
        chart = self._book.add_chart({"type": "bar" if isinstance(picture, BarChart) else "line"})
        sheet.write_column(row + 1, 0, picture.labels)
        last = row + max(len(picture.labels), 1)
        for number, one in enumerate(series, start=1):
            sheet.write_string(row, number, one.name, self._head)
            for place, value in enumerate(one.values, start=row + 1):
                if value is not None:
                    sheet.write_number(place, number, value)
            chart.add_series({
                "name": one.name,
                "categories": [sheet.get_name(), row + 1, 0, last, 0],
                "values": [sheet.get_name(), row + 1, number, last, number],
            })  # fmt: skip
        chart.set_title({"name": picture.title, "name_font": {"size": 11}})
        if isinstance(picture, BarChart):
            chart.set_legend({"none": True})
            chart.set_y_axis({"reverse": True})
        sheet.insert_chart(row, len(series) + 2, chart)
        return max(last - row + 1, _CHART_ROWS)

    def _add_heatmap(self, sheet: Any, row: int, picture: Heatmap) -> int:
        for hour in range(24):
            sheet.write_number(row, hour + 1, hour, self._head)
        for day, values in enumerate(picture.values, start=1):
            sheet.write_string(row + day, 0, _DAYS[day - 1], self._bold)
            for hour, value in enumerate(values, start=1):
                sheet.write_number(row + day, hour, value, self._format("#,##0.0"))
        sheet.conditional_format(
            row + 1, 1, row + 7, 24, {"type": "2_color_scale", "min_color": "#FFFFFF", "max_color": "#1F6FB2"}
        )
        return 8

    def _write(self, sheet: Any, place: tuple[int, int], value: Value, column: Column) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            sheet.write_string(*place, "yes" if value else "no")
        elif is_numeric(column.kind):
            number = rounded(value, column)
            assert number is not None, "None was written as nothing"
            sheet.write_number(*place, float(number), self._format(_number_format(column)))
        elif column.kind is Kind.INSTANT:
            # A spreadsheet knows no zones; the heading of the column says whose clock it is.
            assert not isinstance(value, str | int), "an instant is a datetime"
            sheet.write_datetime(*place, _wall_clock(value, self._report), self._format("yyyy-mm-dd hh:mm:ss"))
        else:
            sheet.write_string(*place, str(value))

    def _format(self, code: str) -> Any:
        if code not in self._formats:
            self._formats[code] = self._book.add_format({"num_format": code})
        return self._formats[code]


def _has_data(picture: BarChart | LineChart | Heatmap) -> bool:
    """Say whether there is a point to draw; a native chart of nothing makes a broken file."""
    match picture:
        case BarChart():
            return bool(picture.values)
        case LineChart():
            return any(one.values for one in picture.series)
        case Heatmap():
            return bool(picture.values)


def _wall_clock(value: Any, report: Report) -> Any:
    return value.astimezone(report.heading.zone).replace(tzinfo=None)


def _number_format(column: Column) -> str:
    if column.decimals is None:
        return "General"
    return "#,##0" + ("." + "0" * column.decimals if column.decimals else "")


def _width(table: Table, number: int) -> int:
    shown = [len(str(row[number])) for row in table.rows[:200] if isinstance(row[number], str)]
    return min(max([len(table.columns[number].heading) + 2, 12, *shown]), _WIDEST)

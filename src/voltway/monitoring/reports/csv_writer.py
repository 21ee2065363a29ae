"""A report as CSV (RFC 4180, UTF-8): one file per table, several tables as one ZIP archive with the notes beside them.

Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers are numbers and stay as they are.
"""

import csv
import io
import zipfile
from datetime import UTC

from voltway.monitoring.reports.document import Column, Kind, Report, Table, Value, plain_text

FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With these a cell begins that a spreadsheet takes for a formula (OWASP, CSV Injection)."""


def csv_text(table: Table) -> str:
    """Write one table, its columns named by their keys."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.key for column in table.columns])
    for row in table.rows:
        writer.writerow([_cell(value, column) for value, column in zip(row, table.columns, strict=True)])
    return out.getvalue()


def csv_archive(report: Report) -> bytes:
    """Write every table as a file of a ZIP archive, and the heading with the notes as `notes.txt`."""
    out = io.BytesIO()
    # The instant of making, not of zipping: the same report is the same file.
    stamp = report.heading.made_at.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in report.tables:
            archive.writestr(_member(f"{table.name}.csv", stamp), csv_text(table).encode())
        archive.writestr(_member("notes.txt", stamp), notes_text(report).encode())
    return out.getvalue()


def notes_text(report: Report) -> str:
    """Write what the tables alone do not say: title, period, method."""
    figures = [f"{name}: {value}" for name, value in report.figures.items()]
    return "\n".join([report.title, report.subtitle, "", *figures, "", *report.all_notes, ""])


def harmless(text: str) -> str:
    """Return a text that no spreadsheet runs.

    >>> harmless("=cmd()"), harmless("CP-1")
    ("'=cmd()", 'CP-1')
    """
    return f"'{text}" if text.startswith(FORMULA_BEGINS) else text


def _cell(value: Value, column: Column) -> str:
    text = plain_text(value, column)
    return harmless(text) if column.kind is Kind.TEXT else text


def _member(name: str, stamp: tuple[int, ...]) -> zipfile.ZipInfo:
    year, month, day, hour, minute, second = stamp
    info = zipfile.ZipInfo(name, (year, month, day, hour, minute, second))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info

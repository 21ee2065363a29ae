"""Tables (CSV, UTF-8, a header line) into typed rows; every fault at once, each at its line and field. Pure.

A fault's pointer is `LINE:FIELD`, both from 1; the line is the one where its row begins.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from typing import Any, get_args
from zoneinfo import available_timezones

from voltway.kernel.clock import parse_rfc3339
from voltway.kernel.errors import Fault

MAX_ROWS = 100_000
Parse = Callable[[str], Any]
"""Reads a cell that is not empty; raises ValueError with what to write instead."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a table may have; an empty cell of one that is not required means "nothing"."""

    name: str
    parse: Parse
    is_required: bool = False
    empty: Any = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: the columns that the table has, by name. `pointer`: where it stands, if it came from JSON instead."""

    line: int
    fields: Mapping[str, int]
    values: Mapping[str, Any]
    pointer: str | None = None

    def fault(self, column: str, message: str) -> Fault:
        """Return a fault at one of this row's cells."""
        if self.pointer is not None:
            return Fault(self.pointer, message)
        return Fault(f"{self.line}:{self.fields.get(column, 1)}", f"{column}: {message}")


def read_table(text: str, columns: Sequence[Column]) -> tuple[list[TableRow], list[Fault]]:
    """Return the rows without a fault, and all faults."""
    known = {column.name: column for column in columns}
    reader = csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[TableRow] = []
    faults: list[Fault] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        faults += _header_faults(header, known)
        if faults:
            return [], faults
        for line, cells in _lines(reader):
            row, found = _row(line, cells, [known[name] for name in header])
            faults += found
            rows += [] if found else [row]
    except csv.Error as error:
        faults.append(Fault(f"{reader.line_num}:1", f"this is not CSV: {error}"))
    if len(rows) > MAX_ROWS:
        faults.append(Fault(f"{MAX_ROWS + 1}:1", f"at most {MAX_ROWS} rows at once"))
    return rows, faults


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    begin = reader.line_num + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield begin, cells
        begin = reader.line_num + 1


def _header_faults(header: Sequence[str], known: Mapping[str, Column]) -> list[Fault]:
    if not header:
        return [Fault("1:1", f"the first line names the columns: {','.join(known)}")]
    faults = [
        Fault(f"1:{number}", f"there is no column {name!r}; known: {', '.join(known)}")
        for number, name in enumerate(header, 1)
        if name not in known
    ]
    faults += [
        Fault(f"1:{number}", f"the column {name} is there twice")
        for number, name in enumerate(header, 1)
        if name in header[: number - 1]
    ]
    missing = [column.name for column in known.values() if column.is_required and column.name not in header]
    return faults + [Fault("1:1", f"the column {name} is missing") for name in missing]


def _row(line: int, cells: Sequence[str], columns: Sequence[Column]) -> tuple[TableRow, list[Fault]]:
    fields = {column.name: number for number, column in enumerate(columns, 1)}
    values: dict[str, Any] = {}
    row = TableRow(line, fields, values)
    if len(cells) != len(columns):
        return row, [Fault(f"{line}:{min(len(cells), len(columns)) + 1}", f"{len(columns)} fields are expected")]
    faults: list[Fault] = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            values[column.name] = _value(column, cell.strip())
        except ValueError as error:
            faults.append(row.fault(column.name, str(error)))
    return row, faults


def _value(column: Column, cell: str) -> Any:
    if cell:
        return column.parse(cell)
    if column.is_required:
        raise ValueError("must not be empty")
    return column.empty


# ---- kinds of cells


def text_cell(most: int = 255) -> Parse:
    """Return the reader of printable text of at most `most` characters."""

    def parse(cell: str) -> str:
        if len(cell) > most or not cell.isprintable():
            raise ValueError(f"at most {most} printable characters")
        return cell

    return parse


def number_cell(low: float, high: float) -> Parse:
    """Return the reader of a number within limits, both included."""

    def parse(cell: str) -> float:
        try:
            number = float(cell)
        except ValueError:
            raise ValueError(f"{cell!r} is not a number; write it with a point") from None
        if not low <= number <= high:
            raise ValueError(f"{cell} is not between {low:g} and {high:g}")
        return number

    return parse


def choice_cell(literal: Any) -> Parse:
    """Return the reader of one of the words of a Literal type."""
    words = get_args(literal)

    def parse(cell: str) -> str:
        if cell not in words:
            raise ValueError(f"{cell!r} is none of {', '.join(words)}")
        return cell

    return parse


def instant_cell(cell: str) -> datetime:
    """Read an RFC 3339 instant with an offset."""
    try:
        return parse_rfc3339(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is not an instant; write 2026-03-01T12:00:00Z") from None


def zone_cell(cell: str) -> str:
    """Read a time zone's name."""
    if cell not in available_timezones():
        raise ValueError(f"{cell!r} is not a time zone; write one like Europe/Berlin")
    return cell


def words_cell(cell: str) -> list[str]:
    """Read words separated by semicolons."""
    return [word.strip() for word in cell.split(";") if word.strip()]

"""A report as one JSON document, as the API and `--json` answer it."""

from typing import Any

from voltway.kernel.clock import to_rfc3339
from voltway.monitoring.reports.document import Column, Report, Table, Value, is_numeric, plain_text


def report_json(report: Report) -> dict[str, Any]:
    """Return a report's document: decimals as texts, instants RFC 3339 with `Z`, unknown as null."""
    head = report.heading
    return {
        "kind": report.kind,
        "title": report.title,
        "operator": head.operator,
        "location": head.place,
        "period": head.period,
        "begin_at": to_rfc3339(head.begin_at),
        "end_at": to_rfc3339(head.end_at),
        "time_zone": head.zone.key,
        "made_at": to_rfc3339(head.made_at),
        "is_incomplete": head.is_incomplete,
        "figures": dict(report.figures),
        "tables": {table.name: _table(table) for table in report.tables},
        "notes": list(report.all_notes),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": [
            {"key": one.key, "title": one.title, "kind": one.kind.value, "unit": one.unit} for one in table.columns
        ],
        "rows": [
            {column.key: _value(value, column) for value, column in zip(row, table.columns, strict=True)}
            for row in table.rows
        ],
    }


def _value(value: Value, column: Column) -> str | bool | None:
    if value is None or isinstance(value, bool):
        return value
    assert not is_numeric(column.kind) or not isinstance(value, str), f"{column.key} holds numbers"
    return plain_text(value, column)

"""Reports end to end: from a database to files, read back and compared with what they were made of."""

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import openpyxl  # type: ignore[import-untyped] # the package has no types
import pytest
from tests.httpapi.client import add_operator
from tests.monitoring.reports.network_of_reports import (
    HOSTILE,
    NOW,
    add_exclusion,
    add_incident,
    add_network,
    add_session,
    at,
    decoded,
    reports_of,
)
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database
from voltway.kernel.errors import InvalidInput, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.reports.document import Report
from voltway.monitoring.reports.service import ReportFormat, ReportKind, ReportRequest, Reports, read_request

OPERATOR = OperatorId(1)
MARCH = Month(2026, 3)


@asynccontextmanager
async def _reports(database_url: str, now: datetime = NOW) -> AsyncIterator[Reports]:
    database = Database(database_url, pool_size=2)
    try:
        yield reports_of(database, now)
    finally:
        await database.close()


async def _build(database_url: str, kind: ReportKind, now: datetime = NOW, **wanted: Any) -> Report:
    async with _reports(database_url, now) as reports:
        return await reports.build(OPERATOR, ReportRequest(kind, **wanted))


async def _make(database_url: str, kind: ReportKind, form: ReportFormat, **wanted: Any) -> bytes:
    async with _reports(database_url) as reports:
        return (await reports.make(OPERATOR, ReportRequest(kind, format=form, **wanted))).content


def _rows(report: Report, name: str) -> list[dict[str, Any]]:
    table = next(table for table in report.tables if table.name == name)
    return [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]


def _files(archive: bytes) -> dict[str, list[dict[str, str]]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return {
            name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(files.read(name).decode(), newline="")))
            for name in files.namelist()
            if name.endswith(".csv")
        }


async def test_the_monthly_report_counts_what_is_in_the_database(database_url: str) -> None:
    """Sessions, energy, revenue, incidents and uptime of March, with February beside."""
    add_network(database_url)
    add_session(database_url, at(10, 8), 2, 20.5, peak_w=50_000)
    add_session(database_url, at(11, 8), 1, 0, driver="BB")
    add_session(database_url, at(20, 8, month=2), 1, 7)
    add_incident(database_url, at(2), 54)
    add_incident(database_url, at(6), 2)
    add_incident(database_url, at(7), None, rule="faulted", severity="critical")
    report = await _build(database_url, ReportKind.MONTHLY, month=MARCH)
    figures = {row["figure"]: (row["value"], row["month_before"]) for row in _rows(report, "key_figures")}
    assert figures["sessions"] == (2, 1)
    assert figures["without_energy"] == (1, 0)
    assert figures["drivers"] == (1, 1)
    assert figures["energy"] == (Decimal("20.500"), Decimal("7.000"))
    assert figures["mttr"] == (Decimal("1680.00"), None)
    # 54 hours down of twice 743: March has an hour less in Berlin.
    assert figures["uptime"][0] == Decimal(Fraction(100 * (1486 - 54) * 1000, 1486).__floor__()).scaleb(-3)
    assert figures["utilisation"][0] == Decimal(Fraction(3 * 100_000, 1486).__floor__()).scaleb(-3)
    assert _rows(report, "revenue") == [
        {"currency": "EUR", "cdrs": 1, "excl_vat": Decimal("10.25"), "incl_vat": Decimal("12.3")}
    ]
    incidents = [(row["severity"], row["rule"], row["opened"], row["mttr"]) for row in _rows(report, "incidents")]
    assert incidents == [("critical", "faulted", 1, None), ("major", "station_offline", 2, Fraction(1680))]
    site = _rows(report, "sites")[0]
    assert (site["location"], site["ports"], site["energy"]) == ("HARBOUR", 2, Decimal("20.5"))
    # Two hours of 20.5 kWh are 10.25 kW; the first of them began at nine o'clock of Berlin.
    assert (site["peak"], site["peak_at"]) == (Decimal("10.25"), "2026-03-10 09:00")
    assert [row["port"] for row in _rows(report, "worst_ports")] == ["CP-1-1"]
    assert not report.heading.is_incomplete


async def test_a_busy_hour_is_one_of_the_wall_clock_also_where_clocks_change(database_url: str) -> None:
    """On 29 March the clock of Berlin leaves out two o'clock: a session from 00:30 to 02:30 UTC is in 1, 3 and 4."""
    add_network(database_url)
    add_session(database_url, at(29, 0, 30), 2, 10)
    report = await _build(database_url, ReportKind.MONTHLY, month=MARCH)
    busy = {(row["day"], row["hour"]): row["sessions"] for row in _rows(report, "busiest_hours")}
    # Five Sundays in March, four of which have the two o'clock; none of the session is in it.
    assert set(busy) == {("Sunday", 1), ("Sunday", 3), ("Sunday", 4)}
    assert busy[("Sunday", 3)] == pytest.approx(1 / 5)
    assert busy[("Sunday", 1)] == pytest.approx(0.5 / 5)
    site = _rows(report, "sites")[0]
    assert (site["peak"], site["peak_at"]) == (5, "2026-03-29 03:00")


async def test_sessions_over_the_end_of_a_month_are_busy_in_both(database_url: str) -> None:
    """A session belongs to the month in which it started; its hours to the month in which they are."""
    add_network(database_url, "UTC")
    run_sql(database_url, "UPDATE operator SET time_zone = 'UTC'")
    add_session(database_url, datetime(2026, 2, 28, 23, tzinfo=UTC), 2, 8)
    report = await _build(database_url, ReportKind.MONTHLY, month=MARCH)
    assert [(row["day"], row["hour"]) for row in _rows(report, "busiest_hours")] == [("Sunday", 0)]
    figures = {row["figure"]: (row["value"], row["month_before"]) for row in _rows(report, "key_figures")}
    assert figures["sessions"] == (0, 1)


async def test_nevi_says_each_outage_and_what_excuses_it(database_url: str) -> None:
    """Twelve months of two ports; the months sum to the year; a day of vandalism is excluded."""
    add_network(database_url, "UTC")
    add_exclusion(database_url, at(2), at(3), "police report 4711")
    report = await _build(database_url, ReportKind.NEVI, month=MARCH)
    ports = _rows(report, "ports")
    assert [(row["port_id"], row["t_outage"], row["t_excluded"]) for row in ports] == [
        ("CP-1-1", 54 * 60, 24 * 60), ("CP-2-1", 0, 0),
    ]  # fmt: skip
    assert ports[0]["uptime"] == 100 - Fraction(30 * 60 * 100, 525_600)
    months = _rows(report, "months")
    assert len(months) == 24
    assert sum(row["t_outage"] for row in months) == 54 * 60
    three = [row for row in _rows(report, "module_3_uptime") if row["port_id"] == "CP-1-1"]
    assert [(row["uptime_reporting_end"], row["total_outage"]) for row in three] == [
        ("2026-03-01T00:00:00Z", 0), ("2026-04-01T00:00:00Z", 54 * 60),
    ]  # fmt: skip
    outages = _rows(report, "module_4_outages")
    assert [(row["outage_id"], row["outage_duration"], row["excluded_outage"]) for row in outages] == [
        ("2026-03-02T00:00:00Z", 54 * 60, "FALSE")
    ]
    states = [(row["state"], row["duration"], row["excluded"]) for row in _rows(report, "outages")]
    assert states == [("offline", 48 * 60, 24 * 60), ("faulted", 6 * 60, 0)]
    assert [row["evidence"] for row in _rows(report, "exclusions")] == ["police report 4711"]


async def test_an_outage_that_is_excused_whole_is_marked_for_ev_chart(database_url: str) -> None:
    add_network(database_url, "UTC")
    add_exclusion(database_url, at(1), at(5), "police report 4711")
    report = await _build(database_url, ReportKind.NEVI, month=MARCH)
    outage = _rows(report, "module_4_outages")[0]
    assert (outage["excluded_outage"], outage["excluded_outage_notes"]) == ("TRUE", "vandalism: police report 4711")


async def test_nevi_sessions_show_peak_power_and_errors(database_url: str) -> None:
    """Of three months; error codes are those of incidents while the session ran."""
    add_network(database_url, "UTC")
    add_session(database_url, at(10, 8), 2, 20.456, peak_w=50_250)
    add_session(database_url, at(11, 8), 1, 0)
    add_session(database_url, datetime(2025, 12, 31, 22, tzinfo=UTC), 1, 5)
    add_incident(database_url, at(10, 9), 1, mrec="CX003")
    report = await _build(database_url, ReportKind.NEVI, month=MARCH)
    rows = _rows(report, "module_2_sessions")
    assert [(row["session_start"], row["session_end"]) for row in rows] == [
        ("2026-03-10T08:00:00Z", "2026-03-10T10:00:00Z"), ("2026-03-11T08:00:00Z", "2026-03-11T09:00:00Z"),
    ]  # fmt: skip
    assert [(row["energy_kwh"], row["power_kw"], row["session_error"]) for row in rows] == [
        (Decimal("20.456000"), Decimal("50.250000"), "CX003"), (0, 0, "EVDisconnected"),
    ]  # fmt: skip
    assert {(row["station_id"], row["port_id"], row["charger_id"]) for row in rows} == {("HARBOUR", "CP-1-1", "CP-1")}


async def test_uk_is_of_a_year_or_a_month(database_url: str) -> None:
    """Six hours faulted are not reliable; two days offline are ineligible and lower nothing."""
    add_network(database_url)
    report = await _build(database_url, ReportKind.UK, month=MARCH)
    points = _rows(report, "charge_points")
    # March in London has 743 hours.
    assert [(row["service"], row["not_reliable"], row["ineligible"]) for row in points] == [
        (743 * 60, 6 * 60, 48 * 60), (743 * 60, 0, 0),
    ]  # fmt: skip
    whole = _rows(report, "network")[0]
    assert whole["reliability"] == Fraction(100 * (2 * 743 - 54), 2 * 743 - 48)
    year = await _build(database_url, ReportKind.UK)
    assert (year.heading.period, year.heading.is_incomplete) == ("2026", True)
    assert year.all_notes[0].startswith("INCOMPLETE")
    assert [row["status"] for row in _rows(year, "outages")] == ["UNKNOWN", "OUTOFORDER"]


@pytest.mark.parametrize("kind", list(ReportKind))
async def test_an_empty_network_has_its_reports_in_every_form(database_url: str, kind: ReportKind) -> None:
    """No port, no session, no division by nothing."""
    for form in ReportFormat:
        body = await _make(database_url, kind, form)
        assert len(body) > 100
    report = await _build(database_url, kind)
    assert all(not table.rows or table.name in {"key_figures", "network"} for table in report.tables)


@pytest.mark.parametrize("kind", list(ReportKind))
async def test_csv_xlsx_and_json_hold_every_number_of_the_report(database_url: str, kind: ReportKind) -> None:
    """Read back by other programs, each cell is the value of the report at the digits of its column."""
    add_network(database_url)
    add_session(database_url, at(10, 8), 2, 20.5, peak_w=50_000)
    add_incident(database_url, at(2), 54)
    add_exclusion(database_url, at(2), at(3), HOSTILE)
    report = await _build(database_url, kind, month=MARCH)
    files = _files(await _make(database_url, kind, ReportFormat.CSV, month=MARCH))
    book = openpyxl.load_workbook(io.BytesIO(await _make(database_url, kind, ReportFormat.XLSX, month=MARCH)))
    document: Any = decoded(await _make(database_url, kind, ReportFormat.JSON, month=MARCH))
    assert set(files) == {table.name for table in report.tables} == set(document["tables"])
    for table in report.tables:
        sheet = book[table.name]
        assert sheet.freeze_panes == "A2"
        for number, row in enumerate(table.rows):
            for place, (value, column) in enumerate(zip(row, table.columns, strict=True)):
                text = files[table.name][number][column.key]
                cell = sheet.cell(number + 2, place + 1)
                assert cell.data_type != "f"
                listed = document["tables"][table.name]["rows"][number][column.key]
                _compare(value, (text, cell.value, listed), report)


def _compare(value: Any, written: tuple[str, Any, Any], report: Report) -> None:
    """Assert that a value's CSV, XLSX and JSON forms are it, to the digits that CSV has."""
    text, cell, listed = written
    match value:
        case None:
            assert (text, cell, listed) == ("", None, None)
        case bool():
            assert (text, cell, listed) == (("yes" if value else "no"), ("yes" if value else "no"), value)
        case datetime():
            assert datetime.fromisoformat(text) == value == datetime.fromisoformat(listed)
            local = value.astimezone(report.heading.zone).replace(tzinfo=None)
            assert abs(cell - local) < timedelta(seconds=1)
        case str():
            assert text in {value, f"'{value}"}
            assert (cell or "", listed) == (value, value)
        case _:
            digits = -int(Decimal(text).as_tuple().exponent)
            assert abs(Fraction(text) - Fraction(value)) <= Fraction(1, 10**digits)
            assert cell == float(text)
            assert listed == text


async def test_the_report_of_one_site_knows_no_other(database_url: str) -> None:
    add_network(database_url)
    run_sql(
        database_url,
        "INSERT INTO location (operator_id, code, name, time_zone) VALUES (1, 'HILL', 'Hill', 'Europe/London')",
    )
    add_session(database_url, at(10, 8), 2, 20.5)
    report = await _build(database_url, ReportKind.MONTHLY, month=MARCH, location="HILL")
    assert _rows(report, "sites") == []
    assert report.heading.place == "Hill (HILL)"
    assert report.heading.zone.key == "Europe/London"
    async with _reports(database_url) as reports:
        with pytest.raises(NotFound, match="NOWHERE"):
            await reports.make(OPERATOR, ReportRequest(ReportKind.UK, location="NOWHERE"))


async def test_another_operator_sees_nothing_of_it(database_url: str) -> None:
    add_network(database_url)
    add_session(database_url, at(10, 8), 2, 20.5)
    add_operator(database_url, 2, "Other")
    async with _reports(database_url) as reports:
        report = await reports.build(OperatorId(2), ReportRequest(ReportKind.MONTHLY, MARCH))
    assert _rows(report, "sites") == []
    assert report.heading.operator == "Other"


async def test_a_month_that_runs_is_marked_incomplete(database_url: str) -> None:
    add_network(database_url)
    report = await _build(database_url, ReportKind.MONTHLY, now=at(10, 12), month=MARCH)
    assert report.heading.is_incomplete
    assert "2026-03-10 13:00 CET" in report.all_notes[0]


async def test_the_loop_goes_on_while_a_pdf_is_written(database_url: str) -> None:
    """Typst works in a thread: another task gets its turns meanwhile."""
    add_network(database_url)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.002)

    counter = asyncio.create_task(count())
    await _make(database_url, ReportKind.NEVI, ReportFormat.PDF, month=MARCH)
    counter.cancel()
    assert turns > 3


async def test_one_table_of_csv_is_chosen_by_its_name(database_url: str) -> None:
    add_network(database_url)
    body = await _make(database_url, ReportKind.NEVI, ReportFormat.CSV, month=MARCH, table="module_4_outages")
    header = body.decode().splitlines()[0]
    assert header == (
        "station_id,port_id,outage_id,outage_duration,excluded_outage,excluded_outage_reason,excluded_outage_notes"
    )
    with pytest.raises(InvalidInput) as caught:
        await _make(database_url, ReportKind.NEVI, ReportFormat.CSV, table="nothing")
    assert "module_2_sessions" in caught.value.faults[0].message


@pytest.mark.parametrize(
    ("kind", "period", "form", "table", "pointers"),
    [
        ("weekly", (None, None), "pdf", None, ["/kind"]),
        ("monthly", ("March", 2026), "doc", None, ["/format", "/year", "/month", "/month"]),
        ("uk", (None, 1800), "pdf", "outages", ["/year", "/table"]),
        ("uk", ("2026-03", 2026), "csv", None, ["/month"]),
    ],
)
def test_all_that_is_wrong_with_a_request_is_said_at_once(
    kind: str, period: tuple[str | None, int | None], form: str, table: str | None, pointers: list[str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(kind, period, form, location=None, table=table)
    assert [fault.pointer for fault in caught.value.faults] == pointers

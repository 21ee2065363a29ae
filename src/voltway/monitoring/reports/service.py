"""Use case of reports: read what a report is made of, build it, write it in the wanted form."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

import orjson

from voltway.infra.db import Database
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Fault, InvalidInput, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.uptime_calendar import Month, year_span
from voltway.monitoring.numbers.uptime_nevi import MONTHS
from voltway.monitoring.numbers.uptime_service import UK, Uptime, month_from
from voltway.monitoring.numbers.uptime_spans import Span
from voltway.monitoring.numbers.uptime_store import Places
from voltway.monitoring.reports import usage_store as store
from voltway.monitoring.reports.csv_writer import csv_archive, csv_text
from voltway.monitoring.reports.document import Heading, Report
from voltway.monitoring.reports.json_writer import report_json
from voltway.monitoring.reports.nevi_report import QUARTER, NeviSource, build_nevi
from voltway.monitoring.reports.operations import MonthlySource, build_monthly
from voltway.monitoring.reports.pdf_writer import pdf_bytes
from voltway.monitoring.reports.uk_report import build_uk
from voltway.monitoring.reports.xlsx_writer import xlsx_bytes

FIRST_YEAR, LAST_YEAR = 2000, 2200


class ReportKind(StrEnum):
    """Which report."""

    MONTHLY = "monthly"
    NEVI = "nevi"
    UK = "uk"


class ReportFormat(StrEnum):
    """In which form."""

    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Which report of when: a `month` (for NEVI the last of twelve), for the UK by default a whole `year`.

    Without either: the last whole month, for the UK this year. `table` picks one table of CSV.
    """

    kind: ReportKind
    month: Month | None = None
    year: int | None = None
    format: ReportFormat = ReportFormat.PDF
    location: str | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A report as a file."""

    filename: str
    media_type: str
    content: bytes


def read_request(
    kind: str, period: tuple[str | None, int | None], form: str, *, location: str | None, table: str | None
) -> ReportRequest:
    """Read what a caller wrote (`period` is month and year); raise InvalidInput with all its faults."""
    month, year = period
    faults = []
    if kind not in set(ReportKind):
        faults.append(Fault("/kind", f"write one of {', '.join(ReportKind)}"))
    if form not in set(ReportFormat):
        faults.append(Fault("/format", f"write one of {', '.join(ReportFormat)}"))
    if year is not None and kind in set(ReportKind) - {ReportKind.UK}:
        faults.append(Fault("/year", "only the uk report is by the year; name a month"))
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        faults.append(Fault("/year", f"write a year from {FIRST_YEAR} to {LAST_YEAR}"))
    if year is not None and month is not None:
        faults.append(Fault("/month", "name a month or a year, not both"))
    if table is not None and form in set(ReportFormat) - {ReportFormat.CSV}:
        faults.append(Fault("/table", "only csv is by the table"))
    parsed = _month(month, faults)
    if faults:
        raise InvalidInput("this report cannot be made", faults)
    return ReportRequest(ReportKind(kind), parsed, year, ReportFormat(form), location, table)


class Reports:
    """Reports of an operator."""

    def __init__(self, database: Database, uptime: Uptime, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._uptime = uptime
        self._clock = clock

    async def make(self, operator_id: OperatorId, wanted: ReportRequest) -> Rendered:
        """Return a report as a file; raise NotFound for an unknown location, InvalidInput for an unknown table."""
        report = await self.build(operator_id, wanted)
        # Typst and XLSX take seconds of CPU for a big network; the loop must go on.
        return await asyncio.to_thread(render, report, wanted)

    async def build(self, operator_id: OperatorId, wanted: ReportRequest) -> Report:
        """Return a report as data."""
        async with self._database.transaction(operator_id) as tx:
            operator = await store.get_operator_head(tx, operator_id)
            place = None
            if wanted.location is not None:
                place = await store.find_location(tx, operator_id, wanted.location)
                if place is None:
                    raise NotFound(f"there is no location {wanted.location}")
        match wanted.kind:
            case ReportKind.MONTHLY:
                return await self._monthly(operator_id, wanted, operator, place)
            case ReportKind.NEVI:
                return await self._nevi(operator_id, wanted, operator, place)
            case ReportKind.UK:
                return await self._uk(operator_id, wanted, operator, place)

    async def _monthly(
        self, operator_id: OperatorId, wanted: ReportRequest, operator: Row, place: Row | None
    ) -> Report:
        zone = _zone(operator, place)
        month = self._month(wanted, zone)
        heading = self._heading(operator, place, month.text, month.span(zone))
        ports = await self._uptime.nevi(operator_id, month, Places(location=wanted.location))
        async with self._database.transaction(operator_id) as tx:
            facts = [
                await store.read_month(tx, operator_id, one.span(zone), zone=zone.key, location=wanted.location)
                for one in (month, month.after(-1))
            ]
        return build_monthly(MonthlySource(month, ports, *facts), heading)

    async def _nevi(self, operator_id: OperatorId, wanted: ReportRequest, operator: Row, place: Row | None) -> Report:
        zone = _zone(operator, place)
        last = self._month(wanted, zone)
        first = last.after(1 - MONTHS)
        heading = self._heading(operator, place, f"{first.text} to {last.text}", first.span(zone, MONTHS))
        places = Places(location=wanted.location)
        months = [last.after(number) for number in range(1 - QUARTER, 1)]
        years = {month: await self._uptime.nevi(operator_id, month, places) for month in months}
        quarter = months[0].span(zone, QUARTER)
        async with self._database.transaction(operator_id) as tx:
            sessions = await store.list_port_sessions(tx, operator_id, quarter, wanted.location)
        return build_nevi(NeviSource(last, years, sessions), heading)

    async def _uk(self, operator_id: OperatorId, wanted: ReportRequest, operator: Row, place: Row | None) -> Report:
        year = wanted.year or self._clock().astimezone(UK).year
        span = year_span(year, UK) if wanted.month is None else wanted.month.span(UK)
        network = await self._uptime.uk(operator_id, span, Places(location=wanted.location))
        period = str(year) if wanted.month is None else wanted.month.text
        head = self._heading(operator, place, period, span)
        uk = Heading(head.operator, head.period, head.begin_at, head.end_at, UK, head.made_at, head.place)
        return build_uk(network, uk)

    def _month(self, wanted: ReportRequest, zone: ZoneInfo) -> Month:
        local = self._clock().astimezone(zone)
        return wanted.month or Month(local.year, local.month).after(-1)

    def _heading(self, operator: Row, place: Row | None, period: str, span: Span) -> Heading:
        name = None if place is None else f"{place['name']} ({place['code']})"
        zone = _zone(operator, place)
        return Heading(operator["name"], period, span.begin_at, span.end_at, zone, self._clock(), name)


def render(report: Report, wanted: ReportRequest) -> Rendered:
    """Write a report in the wanted form."""
    stem = "-".join(part for part in ("voltway", report.kind, _safe(wanted.location), _period(report)) if part)
    match wanted.format:
        case ReportFormat.CSV:
            return _csv(report, wanted.table, stem)
        case ReportFormat.XLSX:
            return Rendered(f"{stem}.xlsx", XLSX_TYPE, xlsx_bytes(report))
        case ReportFormat.PDF:
            return Rendered(f"{stem}.pdf", "application/pdf", pdf_bytes(report))
        case ReportFormat.JSON:
            return Rendered(f"{stem}.json", "application/json", orjson.dumps(report_json(report)))


XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _csv(report: Report, name: str | None, stem: str) -> Rendered:
    tables = {table.name: table for table in report.tables}
    if name is None and len(tables) > 1:
        return Rendered(f"{stem}.zip", "application/zip", csv_archive(report))
    name = name or next(iter(tables))
    if name not in tables:
        raise InvalidInput("there is no such table", [Fault("/table", f"write one of {', '.join(tables)}")])
    return Rendered(f"{stem}-{name}.csv", "text/csv; charset=utf-8", csv_text(tables[name]).encode())


def _period(report: Report) -> str:
    return report.heading.period.rpartition(" ")[2]


def _safe(code: str | None) -> str:
    """Return a location's code as a part of a file's name: letters, digits and hyphens of ASCII."""
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in code or "")


def _zone(operator: Row, place: Row | None) -> ZoneInfo:
    return ZoneInfo(operator["time_zone"] if place is None else place["time_zone"])


def _month(text: str | None, faults: list[Fault]) -> Month | None:
    try:
        return month_from(text)
    except InvalidInput as error:
        faults.extend(error.faults)
        return None

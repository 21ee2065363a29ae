"""The route of reports: forms, names of files, scopes and refusals."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.httpapi.client import Api, running_api
from tests.monitoring.reports.network_of_reports import add_network, add_session, at, reports_of
from tests.sessions.seeding import run_sql

from voltway.monitoring.reports.api import router
from voltway.monitoring.reports.service import XLSX_TYPE


@asynccontextmanager
async def _api(database_url: str) -> AsyncIterator[Api]:
    add_network(database_url)
    add_session(database_url, at(10, 8), 2, 20.5)
    async with running_api(database_url, lambda database: router(reports_of(database))) as api:
        yield api


async def _get(api: Api, kind: str, **query: Any) -> Any:
    return await api.client.get(f"/api/v1/reports/{kind}", params=query)


@pytest.mark.parametrize(
    ("form", "media_type", "begin", "name"),
    [
        ("pdf", "application/pdf", b"%PDF", "voltway-monthly-HARBOUR-2026-03.pdf"),
        ("xlsx", XLSX_TYPE, b"PK", "voltway-monthly-HARBOUR-2026-03.xlsx"),
        ("csv", "application/zip", b"PK", "voltway-monthly-HARBOUR-2026-03.zip"),
        ("json", "application/json", b"{", "voltway-monthly-HARBOUR-2026-03.json"),
    ],
)
async def test_a_report_is_a_file_with_a_name_that_says_what_it_is(
    database_url: str, form: str, media_type: str, begin: bytes, name: str
) -> None:
    async with _api(database_url) as api:
        answer = await _get(api, "monthly", month="2026-03", format=form, location="HARBOUR")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.content.startswith(begin)


async def test_json_is_the_default_and_the_last_whole_month_the_period(database_url: str) -> None:
    """On 10 April the monthly report is of March and NEVI's ends with March; the UK's is of this year."""
    async with _api(database_url) as api:
        periods = {kind: (await _get(api, kind)).json()["period"] for kind in ("monthly", "nevi", "uk")}
        assert periods == {"monthly": "2026-03", "nevi": "2025-04 to 2026-03", "uk": "2026"}


async def test_one_table_or_all_as_csv(database_url: str) -> None:
    async with _api(database_url) as api:
        one = await _get(api, "nevi", month="2026-03", format="csv", table="module_3_uptime")
        assert one.headers["content-type"] == "text/csv; charset=utf-8"
        assert one.text.startswith("station_id,port_id,uptime_reporting_start,uptime_reporting_end,uptime,")
        every = await _get(api, "nevi", month="2026-03", format="csv")
        with zipfile.ZipFile(io.BytesIO(every.content)) as parts:
            assert parts.read("module_3_uptime.csv").decode() == one.text


@pytest.mark.parametrize(
    ("kind", "query", "status", "said"),
    [
        ("weekly", {}, 422, "kind"),
        ("monthly", {"year": 2026, "month": "soon"}, 422, "/month"),
        ("uk", {"year": 2026, "month": "2026-03"}, 422, "not both"),
        ("uk", {"format": "doc"}, 422, "format"),
        ("uk", {"format": "csv", "table": "none"}, 422, "charge_points"),
        ("uk", {"location": "NOWHERE"}, 404, "NOWHERE"),
    ],
)
async def test_what_cannot_be_made_is_refused_with_the_reason(
    database_url: str, kind: str, query: dict[str, Any], status: int, said: str
) -> None:
    async with _api(database_url) as api:
        answer = await _get(api, kind, **query)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text


async def test_a_location_code_cannot_write_headers(database_url: str) -> None:
    """The name of the file keeps only letters, digits and hyphens of the code."""
    code = 'A"\r\nX-Evil: 1'
    async with _api(database_url) as api:
        run_sql(
            database_url,
            "INSERT INTO location (operator_id, code, name, time_zone) VALUES (1, %s, 'Odd', 'UTC')",
            code,
        )
        answer = await _get(api, "uk", location=code, year=2026)
        assert answer.status_code == 200
        assert "x-evil" not in answer.headers
        assert answer.headers["content-disposition"].endswith('"voltway-uk-A---X-Evil--1-2026.json"')


async def test_reading_reports_needs_the_scope_read(database_url: str) -> None:
    async with _api(database_url) as api:
        reader, writer = await api.client_with("read"), await api.client_with("write")
        async with reader, writer:
            assert (await reader.get("/api/v1/reports/uk")).status_code == 200
            assert (await writer.get("/api/v1/reports/uk")).status_code == 403
        assert (await api.anonymous.get("/api/v1/reports/uk")).status_code == 401

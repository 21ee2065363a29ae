"""The route of reports: one report of a month or a year as PDF, XLSX, CSV or JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from voltway.httpapi.caller import Reader
from voltway.monitoring.reports.service import FIRST_YEAR, LAST_YEAR, ReportFormat, ReportKind, Reports, read_request


class ReportQuery(BaseModel):
    """Of when, where and how: `month` as YYYY-MM (for nevi the last of twelve), `year` for the uk; by default the last
    whole month, for the uk this year. CSV is a ZIP archive of all tables unless `table` names one.
    """

    month: str | None = None
    year: int | None = Field(default=None, ge=FIRST_YEAR, le=LAST_YEAR)
    format: ReportFormat = ReportFormat.JSON
    location: str | None = None
    table: str | None = None


_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report in the wanted form",
        "content": {
            "application/json": {},
            "application/pdf": {},
            "text/csv": {},
            "application/zip": {},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {},
        },
    }
}


def router(reports: Reports) -> APIRouter:
    """Build the route of reports."""
    routes = APIRouter(prefix="/api/v1", tags=["reports"])

    @routes.get(
        "/reports/{kind}",
        summary="A report: monthly operations, NEVI with EV-ChART's tables, or the UK's reliability",
        response_class=Response,
        responses=_FORMS,
    )
    async def get_report(caller: Reader, kind: ReportKind, query: Annotated[ReportQuery, Query()]) -> Response:
        wanted = read_request(
            kind, (query.month, query.year), query.format, location=query.location, table=query.table
        )  # fmt: skip
        made = await reports.make(caller.operator_id, wanted)
        # The name has only letters, digits, hyphens and dots, so it needs no quoting rules.
        headers = {"Content-Disposition": f'attachment; filename="{made.filename}"', "Cache-Control": "no-store"}
        return Response(made.content, media_type=made.media_type, headers=headers)

    return routes

"""Reads what reports need from the tables of other slices: sessions, CDRs, incidents, the operator. Writes nothing."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.uptime_spans import Span
from voltway.monitoring.reports.figures import IncidentCount, MonthFacts, PortSession, Revenue, SiteUsage
from voltway.monitoring.reports.wording import whole_seconds

_AT_PLACE = "(CAST(:location AS text) IS NULL OR l.code = :location)"


async def get_operator_head(tx: Transaction, operator_id: OperatorId) -> Row:
    """Return the operator's name, zone and currency."""
    row = await fetch_one(
        tx, "SELECT name, time_zone, currency FROM operator WHERE operator_id = :operator_id", operator_id=operator_id
    )
    assert row is not None, "every caller has an operator"
    return row


async def find_location(tx: Transaction, operator_id: OperatorId, code: str) -> Row | None:
    """Return a location's name and zone."""
    return await fetch_one(
        tx,
        "SELECT code, name, time_zone FROM location WHERE operator_id = :operator_id AND code = :code",
        operator_id=operator_id,
        code=code,
    )


async def read_month(
    tx: Transaction, operator_id: OperatorId, span: Span, *, zone: str, location: str | None
) -> MonthFacts:
    """Return the facts of one month; local hours are those of `zone`."""
    only: dict[str, Any] = {
        "operator_id": operator_id, "begin": span.begin_at, "end": span.end_at, "location": location,
    }  # fmt: skip
    peaks = {row["location"]: row for row in await fetch_all(tx, _PEAKS, zone=zone, **only)}
    drivers = await fetch_one(tx, _DRIVERS, **only)
    return MonthFacts(
        sites=[_site(row, peaks.get(row["location"])) for row in await fetch_all(tx, _SITES, **only)],
        revenue=[_revenue(row) for row in await fetch_all(tx, _REVENUE, **only)],
        incidents=[_incidents(row) for row in await fetch_all(tx, _INCIDENTS, **only)],
        busy=_week(await fetch_all(tx, _BUSY, zone=zone, **only)),
        drivers=0 if drivers is None else drivers["drivers"],
    )


async def list_port_sessions(
    tx: Transaction, operator_id: OperatorId, span: Span, location: str | None
) -> list[PortSession]:
    """Return the sessions that started in a span, with their peak power and the error codes that fell into them."""
    rows = await fetch_all(
        tx, _PORT_SESSIONS, operator_id=operator_id, begin=span.begin_at, end=span.end_at, location=location
    )
    return [
        PortSession(
            str(row["session_id"]), row["identity"], row["evse_id"], row["connector_id"], row["location"],
            whole_seconds(row["started_at"]), None if row["ended_at"] is None else whole_seconds(row["ended_at"]),
            row["error"] or "", row["energy_milliwh"], row["peak_w"], row["token_type"],
        )
        for row in rows
    ]  # fmt: skip


def _site(row: Row, peak: Row | None) -> SiteUsage:
    return SiteUsage(
        row["location"], row["name"], row["sessions"], row["empty_sessions"], int(row["energy_milliwh"]),
        timedelta(seconds=float(row["charging_s"])), 0 if peak is None else round(peak["milliwh"]),
        None if peak is None else f"{peak['hour']:%Y-%m-%d %H:%M}",
    )  # fmt: skip


def _revenue(row: Row) -> Revenue:
    return Revenue(row["currency"], row["cdrs"], Decimal(row["excl_vat"]), row["incl_vat"])


def _incidents(row: Row) -> IncidentCount:
    return IncidentCount(
        row["rule"], row["severity"], row["opened"], row["unresolved"], row["ended"], row["repair"],
        int(row["lost_milliwh"]),
    )  # fmt: skip


def _week(rows: Sequence[Row]) -> list[list[float]]:
    found = {(row["day"], row["hour"]): float(row["mean"]) for row in rows}
    return [[found.get((day, hour), 0.0) for hour in range(24)] for day in range(1, 8)]


# A session that still runs counts up to its last reading, one without any as no time.
_SESSIONS = f"""
SELECT x.session_id, x.token, x.energy_milliwh, x.state, x.started_at,
       coalesce(x.ended_at, x.last_reading_at, x.started_at) AS ended_at, l.code AS location, l.name
  FROM session x JOIN station s ON s.station_id = x.station_id LEFT JOIN location l ON l.location_id = s.location_id
 WHERE x.operator_id = :operator_id AND x.started_at >= :begin AND x.started_at < :end AND {_AT_PLACE}"""  # noqa: S608

_SITES = f"""
WITH found AS ({_SESSIONS})
SELECT location, name, count(*) AS sessions,
       count(*) FILTER (WHERE state IN ('ended', 'held') AND energy_milliwh = 0) AS empty_sessions,
       sum(energy_milliwh) AS energy_milliwh,
       coalesce(sum(extract(epoch FROM greatest(ended_at - started_at, interval '0'))), 0) AS charging_s
  FROM found GROUP BY location, name ORDER BY sum(energy_milliwh) DESC, location"""  # noqa: S608 - our own text

_DRIVERS = f"WITH found AS ({_SESSIONS}) SELECT count(DISTINCT token) AS drivers FROM found WHERE energy_milliwh > 0"  # noqa: S608

# An hour is a stretch of real time that begins at a local hour's begin, so an hour that comes twice is two. Sessions
# that began before the month count with their hours in it, up to a week back.
_HOURS = f"""
WITH found AS ({_SESSIONS.replace(":begin", "CAST(:begin AS timestamptz) - interval '7 days'")}),
shares AS (
  SELECT f.location, f.energy_milliwh, h AS begin_at,
         extract(epoch FROM least(f.ended_at, h + interval '1 hour') - greatest(f.started_at, h)) AS in_s,
         extract(epoch FROM f.ended_at - f.started_at) AS whole_s
    FROM found f,
         generate_series(date_trunc('hour', f.started_at, :zone), f.ended_at, interval '1 hour') AS h
   WHERE f.ended_at > f.started_at AND h < f.ended_at AND h >= :begin AND h < :end)"""  # noqa: S608 - our own text

_PEAKS = f"""{_HOURS},
sums AS (SELECT location, begin_at, sum(energy_milliwh * in_s / whole_s) AS milliwh
           FROM shares GROUP BY location, begin_at)
SELECT DISTINCT ON (location) location, begin_at AT TIME ZONE :zone AS hour, milliwh
  FROM sums ORDER BY location, milliwh DESC, begin_at"""  # noqa: S608 - our own text

# Every hour of the month counts in the mean, those without a session too.
_BUSY = f"""{_HOURS},
hours AS (SELECT extract(isodow FROM h AT TIME ZONE :zone) AS day, extract(hour FROM h AT TIME ZONE :zone) AS hour,
                 count(*) AS times
            FROM generate_series(CAST(:begin AS timestamptz), CAST(:end AS timestamptz) - interval '1 hour',
                                 interval '1 hour') AS h GROUP BY 1, 2),
used AS (SELECT extract(isodow FROM begin_at AT TIME ZONE :zone) AS day,
                extract(hour FROM begin_at AT TIME ZONE :zone) AS hour, sum(in_s) / 3600 AS sessions
           FROM shares GROUP BY 1, 2)
SELECT CAST(day AS int) AS day, CAST(hour AS int) AS hour, sessions / times AS mean
  FROM used JOIN hours USING (day, hour)"""  # noqa: S608 - our own text

# A correction credits the CDR before it with negative totals, so the sum over all is what is owed.
_REVENUE = f"""
SELECT c.currency, count(*) FILTER (WHERE c.number = 1) AS cdrs, sum(c.total_excl_vat) AS excl_vat,
       CASE WHEN bool_and(c.total_incl_vat IS NOT NULL) THEN sum(c.total_incl_vat) END AS incl_vat
  FROM cdr c JOIN session x ON x.session_id = c.session_id JOIN station s ON s.station_id = x.station_id
  LEFT JOIN location l ON l.location_id = s.location_id
 WHERE c.operator_id = :operator_id AND c.ended_at >= :begin AND c.ended_at < :end AND {_AT_PLACE}
 GROUP BY c.currency ORDER BY c.currency"""  # noqa: S608 - our own text

_INCIDENTS = f"""
SELECT i.rule, i.severity, count(*) AS opened,
       count(*) FILTER (WHERE i.state IN ('open', 'acknowledged', 'assigned', 'reopened')) AS unresolved,
       count(i.ended_at) AS ended, avg(i.ended_at - i.began_at) AS repair,
       coalesce(sum(i.lost_milliwh), 0) AS lost_milliwh
  FROM incident i LEFT JOIN location l ON l.location_id = i.location_id
 WHERE i.operator_id = :operator_id AND i.opened_at >= :begin AND i.opened_at < :end AND {_AT_PLACE}
 GROUP BY i.rule, i.severity
 ORDER BY array_position(ARRAY['critical', 'major', 'minor', 'info'], i.severity), count(*) DESC, i.rule"""  # noqa: S608

# Error codes: those of the incidents at the EVSE (or its whole station) that began while the session ran; a session
# that got no energy and shows no incident tells at least why it ended.
_PORT_SESSIONS = f"""
SELECT x.session_id, s.identity, x.evse_id, x.connector_id, l.code AS location, x.started_at, x.ended_at,
       x.energy_milliwh, x.token_type, m.peak_w,
       coalesce(e.codes, CASE WHEN x.state <> 'active' AND x.energy_milliwh = 0 THEN x.end_reason END) AS error
  FROM session x JOIN station s ON s.station_id = x.station_id LEFT JOIN location l ON l.location_id = s.location_id
  LEFT JOIN LATERAL (
    SELECT max(v.power_w) AS peak_w FROM meter_value v
     WHERE v.station_id = x.station_id AND v.evse_id = x.evse_id AND v.session_id = x.session_id
       AND v.sampled_at >= x.started_at - interval '1 day'
       AND v.sampled_at <= coalesce(x.ended_at, x.updated_at) + interval '1 day') m ON true
  LEFT JOIN LATERAL (
    SELECT string_agg(DISTINCT coalesce(i.mrec, nullif(i.error_code, ''), nullif(i.vendor_error_code, '')),
                      ' ') AS codes
      FROM incident i
     WHERE i.operator_id = x.operator_id AND i.station_id = x.station_id AND coalesce(i.evse_id, 0) IN (0, x.evse_id)
       AND i.began_at >= x.started_at AND i.began_at <= coalesce(x.ended_at, x.updated_at)) e ON true
 WHERE x.operator_id = :operator_id AND x.state <> 'pending' AND x.started_at >= :begin AND x.started_at < :end
   AND {_AT_PLACE}
 ORDER BY x.started_at, x.session_id"""  # noqa: S608 - our own text

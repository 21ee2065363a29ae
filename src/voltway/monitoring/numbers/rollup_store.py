"""Tables of usage: marks of what must be made again, and the rollups made of the facts. SQL of one transaction each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers import rollup_sql as sql
from voltway.monitoring.numbers.rollup import Charge

NOWHERE = -1
"""The location of stations that have none; 0 is the whole network."""
KEEP_HOURS = timedelta(days=100)
"""How long hours of single EVSEs are kept; hours of sites stay."""


class Mark(NamedTuple):
    """A stretch of time of a station whose figures are no longer right."""

    station_id: int
    begin: datetime
    end: datetime


class Quarter(NamedTuple):
    """Energy of an EVSE in the quarter hour that begins at `at`."""

    station_id: int
    evse_id: int
    at: datetime
    milliwh: int


@dataclass(frozen=True, slots=True)
class SiteDay:
    """A local day of a site: [day_at, whole_end), of which the hours up to `day_end` are over.

    `marks` are the rows that asked for it.
    """

    operator_id: OperatorId
    location_id: int
    day_at: datetime
    day_end: datetime
    whole_end: datetime
    zone: str
    marks: tuple[int, ...]


async def mark_stations(tx: Transaction, marks: Sequence[Mark], *, now: datetime) -> int:
    """Mark the site-days of stretches that are over; today is made again every hour without being asked."""
    return await run(
        tx,
        """INSERT INTO usage_dirty (operator_id, location_id, day_at)
           SELECT DISTINCT s.operator_id, coalesce(s.location_id, -1), d
             FROM unnest(CAST(:stations AS bigint[]), CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
                  AS m(station_id, begin_at, end_at)
             JOIN station s USING (station_id) JOIN operator o ON o.operator_id = s.operator_id
             LEFT JOIN location l ON l.location_id = s.location_id
            CROSS JOIN LATERAL (SELECT coalesce(l.time_zone, o.time_zone) AS zone) z
            CROSS JOIN LATERAL (
              SELECT DISTINCT date_trunc('day', h, zone) AS d
                FROM generate_series(date_trunc('day', m.begin_at, zone) + interval '12 hours',
                                     date_trunc('day', m.end_at, zone) + interval '13 hours', interval '1 day') AS h) d
            WHERE d < date_trunc('day', CAST(:now AS timestamptz), zone)""",
        stations=[mark.station_id for mark in marks],
        begins=[mark.begin for mark in marks],
        ends=[mark.end for mark in marks],
        now=now,
    )


async def mark_sites(tx: Transaction, begin: datetime, end: datetime) -> int:
    """Mark every site's days from `begin` to before `end`."""
    return await run(
        tx,
        """INSERT INTO usage_dirty (operator_id, location_id, day_at)
           SELECT DISTINCT p.operator_id, p.location_id, date_trunc('day', h, p.zone)
             FROM (SELECT DISTINCT s.operator_id, coalesce(s.location_id, -1) AS location_id,
                          coalesce(l.time_zone, o.time_zone) AS zone
                     FROM station s JOIN operator o ON o.operator_id = s.operator_id
                     LEFT JOIN location l ON l.location_id = s.location_id) p,
                  generate_series(date_trunc('day', CAST(:begin AS timestamptz), p.zone) + interval '12 hours',
                                  date_trunc('day', CAST(:end AS timestamptz) - interval '1 microsecond', p.zone)
                                    + interval '13 hours', interval '1 day') AS h""",
        begin=begin,
        end=end,
    )


async def mark_moved(tx: Transaction) -> int:
    """Mark all days of stations that have figures at a place where they no longer stand, there and where they stand."""
    return await run(
        tx,
        """WITH moved AS (
             SELECT DISTINCT r.operator_id, r.location_id AS old_id, r.station_id,
                    coalesce(s.location_id, -1) AS new_id, coalesce(l.time_zone, o.time_zone) AS zone
               FROM usage_rollup r JOIN station s USING (station_id) JOIN operator o ON o.operator_id = r.operator_id
               LEFT JOIN location l ON l.location_id = s.location_id
              WHERE r.grain = 3 AND r.station_id > 0 AND r.location_id <> coalesce(s.location_id, -1)),
           held AS (
             SELECT DISTINCT m.*, r.start_at
               FROM moved m JOIN usage_rollup r ON r.operator_id = m.operator_id AND r.grain = 2
                AND r.location_id = m.old_id AND r.station_id = m.station_id)
           INSERT INTO usage_dirty (operator_id, location_id, day_at)
           SELECT operator_id, old_id, start_at FROM held
            UNION
           SELECT operator_id, new_id, date_trunc('day', at, zone)
             FROM held CROSS JOIN LATERAL unnest(ARRAY[start_at, start_at + interval '22 hours']) AS at
           EXCEPT SELECT operator_id, location_id, day_at FROM usage_dirty""",
    )


async def mark_past(tx: Transaction, *, now: datetime) -> int:
    """Mark the days of every site that have facts and are older than the oldest that was made of it."""
    return await run(
        tx,
        """WITH site AS (
             SELECT s.operator_id, coalesce(s.location_id, -1) AS location_id,
                    coalesce(l.time_zone, o.time_zone) AS zone,
                    min(f.at) AS first_at
               FROM station s JOIN operator o ON o.operator_id = s.operator_id
               LEFT JOIN location l ON l.location_id = s.location_id
               JOIN evse e ON e.station_id = s.station_id AND e.evse_id > 0
              CROSS JOIN LATERAL (
                SELECT least((SELECT min(t.begin_at) FROM timeline t
                               WHERE t.station_id = e.station_id AND t.evse_id = e.evse_id),
                             (SELECT min(x.started_at) FROM session x
                               WHERE x.station_id = e.station_id AND x.evse_id = e.evse_id
                                 AND x.state <> 'pending')) AS at) f
              GROUP BY 1, 2, 3)
           INSERT INTO usage_dirty (operator_id, location_id, day_at)
           SELECT s.operator_id, s.location_id, d
             FROM site s
            CROSS JOIN LATERAL (
              SELECT coalesce((SELECT min(r.start_at) FROM usage_rollup r
                                WHERE r.operator_id = s.operator_id AND r.grain = 2 AND r.location_id = s.location_id
                                  AND r.station_id = 0 AND r.evse_id = 0),
                              date_trunc('day', CAST(:now AS timestamptz), s.zone)) AS made_at) m
            CROSS JOIN LATERAL (
              SELECT DISTINCT date_trunc('day', h, s.zone) AS d
                FROM generate_series(date_trunc('day', s.first_at, s.zone) + interval '12 hours',
                                     m.made_at - interval '1 hour', interval '1 day') AS h) d
           EXCEPT SELECT operator_id, location_id, day_at FROM usage_dirty""",
        now=now,
    )


async def mark_sessions(tx: Transaction, sessions: Sequence[UUID], *, now: datetime) -> int:
    """Mark the days of sessions that are over; one that runs marks its days when it ends.

    Days that begin or end within a visit of a session tell of it too: it is a try before or after one of theirs.
    """
    rows = await fetch_all(
        tx,
        """SELECT station_id, started_at, ended_at FROM session
            WHERE session_id = ANY(CAST(:sessions AS uuid[])) AND ended_at IS NOT NULL""",
        sessions=list(sessions),
    )
    marks = [
        Mark(
            row["station_id"], row["started_at"] - sql.VISIT, max(row["started_at"], row["ended_at"]) + sql.VISIT
        )
        for row in rows
    ]  # fmt: skip
    return await mark_stations(tx, marks, now=now)


async def mark_cdrs(tx: Transaction, since: datetime, *, now: datetime) -> int:
    """Mark the days of sessions whose CDRs were made since an instant."""
    rows = await fetch_all(
        tx,
        """SELECT DISTINCT s.session_id FROM cdr c JOIN session s USING (session_id)
            WHERE c.created_at >= :since AND s.ended_at IS NOT NULL""",
        since=since,
    )
    return await mark_sessions(tx, [row["session_id"] for row in rows], now=now)


async def last_hour(tx: Transaction) -> datetime | None:
    """Return the begin of the newest hour that was made for any network."""
    row = await fetch_one(
        tx,
        """SELECT min(last_at) AS last_at FROM (
             SELECT (SELECT max(start_at) FROM usage_rollup r
                      WHERE r.operator_id = o.operator_id AND grain = 1 AND location_id = 0) AS last_at
               FROM operator o
              WHERE EXISTS (SELECT FROM station s WHERE s.operator_id = o.operator_id)) found""",
    )
    return None if row is None else row["last_at"]


async def take_marked(tx: Transaction, limit: int, *, now: datetime) -> list[SiteDay]:
    """Return the newest site-days that are marked, at most `limit`; no other worker takes any until the commit.

    They lie within two days, since the network's hours are made anew from the first to the last of them.
    """
    await run(tx, "SELECT pg_advisory_xact_lock(hashtext('voltway.usage'))")
    rows = await fetch_all(
        tx,
        """SELECT d.*, coalesce(l.time_zone, o.time_zone) AS zone,
                  date_trunc('day', d.day_at + interval '36 hours', coalesce(l.time_zone, o.time_zone)) AS whole_end,
                  date_trunc('hour', CAST(:now AS timestamptz), coalesce(l.time_zone, o.time_zone)) AS closed_at
             FROM (SELECT operator_id, location_id, day_at, array_agg(dirty_id) AS marks FROM usage_dirty
                    GROUP BY day_at, operator_id, location_id
                    ORDER BY day_at DESC, operator_id DESC, location_id DESC LIMIT :limit) d
             JOIN operator o USING (operator_id) LEFT JOIN location l ON l.location_id = d.location_id""",
        limit=limit,
        now=now,
    )
    newest = max((row["day_at"] for row in rows), default=now)
    return [
        SiteDay(
            OperatorId(row["operator_id"]), row["location_id"], row["day_at"], min(row["whole_end"], row["closed_at"]),
            row["whole_end"], row["zone"], tuple(row["marks"]),
        )
        for row in rows if newest - row["day_at"] < timedelta(days=2)
    ]  # fmt: skip


async def unmark(tx: Transaction, days: Sequence[SiteDay]) -> None:
    """Delete the very marks that were taken."""
    marks = [mark for day in days for mark in day.marks]
    await run(tx, "DELETE FROM usage_dirty WHERE dirty_id = ANY(CAST(:marks AS bigint[]))", marks=marks)


async def read_charges(tx: Transaction, days: Sequence[SiteDay]) -> Iterator[tuple[int, int, Charge]]:
    """Return the energy of the sessions that ran on those days, by station and EVSE; built as they are taken."""
    rows = await fetch_all(tx, sql.CHARGES, **_items(days))
    return ((row["station_id"], row["evse_id"], _charge(row)) for row in rows)


async def replace_days(tx: Transaction, days: Sequence[SiteDay], quarters: Sequence[Quarter], *, now: datetime) -> None:
    """Make hours and days of those sites anew."""
    items = _items(days)
    wholes = {
        "operators": items["operators"], "locations": items["locations"], "begins": items["begins"],
        "wholes": [day.whole_end for day in days],
    }  # fmt: skip
    await run(tx, sql.DELETE_DAYS, **wholes)
    await run(tx, sql.DELETE_FAILURES, **wholes)
    await run(tx, sql.FAILURES, **items, least=sql.LEAST_MILLIWH)
    await run(
        tx, sql.ROLLUPS, **items, least=sql.LEAST_MILLIWH, queue=sql.QUEUE,
        keep_since=now - KEEP_HOURS, q_stations=[it.station_id for it in quarters],
        q_evses=[it.evse_id for it in quarters], q_ats=[int(it.at.timestamp()) for it in quarters],
        q_milliwh=[it.milliwh for it in quarters],
    )  # fmt: skip


async def replace_above(tx: Transaction, days: Sequence[SiteDay]) -> None:
    """Make what lies above those days anew: months of the sites, hours, days and months of the network."""
    items = {
        "operators": [day.operator_id for day in days], "locations": [day.location_id for day in days],
        "begins": [day.day_at for day in days], "wholes": [day.whole_end for day in days],
        "zones": [day.zone for day in days],
    }  # fmt: skip
    for statement in sql.SITE_MONTHS:
        await run(tx, statement, **{name: items[name] for name in ("operators", "locations", "begins", "zones")})
    network = {name: items[name] for name in ("operators", "begins", "wholes")}
    for statement in sql.NETWORK:
        await run(tx, statement, **network)


async def prune_hours(tx: Transaction, before: datetime) -> int:
    """Delete hours of single EVSEs that are older than we keep them."""
    return await run(
        tx, "DELETE FROM usage_rollup WHERE grain = 1 AND station_id > 0 AND start_at < :before", before=before
    )


def _items(days: Sequence[SiteDay]) -> dict[str, Any]:
    return {
        "operators": [day.operator_id for day in days], "locations": [day.location_id for day in days],
        "begins": [day.day_at for day in days], "ends": [day.day_end for day in days],
        "zones": [day.zone for day in days], "longest": sql.LONGEST, "visit": sql.VISIT,
    }  # fmt: skip


def _charge(row: Row | Mapping[str, Any]) -> Charge:
    registers = list(zip(row["ats"] or (), row["registers"] or (), strict=True))
    until = max(row["started_at"], row["until_at"])
    return Charge(row["started_at"], until, row["energy_milliwh"], registers, row["register_begin_milliwh"])

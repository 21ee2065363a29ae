"""Reads the timeline, the state of every EVSE now, and live power; writing is the watch's (`watch.store`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all

FRESH = timedelta(minutes=20)
"""A power counts this long: longer than the usual quarter-hour interval of readings."""


async def list_intervals(
    tx: Transaction, place: tuple[int, int], begin: datetime, end: datetime, wanted: PageRequest
) -> Sequence[Row]:
    """Return the intervals of one EVSE that overlap [begin, end), in order."""
    after = wanted.after_texts(1)
    return await fetch_all(
        tx,
        """SELECT begin_at, nullif(end_at, 'infinity') AS end_at, state, cause, evidence, evidence_at FROM timeline
            WHERE station_id = :station_id AND evse_id = :evse_id AND end_at > :begin AND begin_at < :end
              AND begin_at > coalesce(CAST(:after AS timestamptz), '-infinity')
            ORDER BY begin_at LIMIT :limit""",
        station_id=place[0],
        evse_id=place[1],
        begin=begin,
        end=end,
        after=after[0] if after else None,
        limit=wanted.fetch,
    )


_NOW = """
    SELECT s.identity AS station_id, e.evse_id, l.code AS location_id, t.state, t.cause, t.evidence, t.evidence_at,
           t.begin_at AS since, k.last_seen_at, e.max_power_w, f.code AS feeder,
           x.session_id, x.energy_milliwh, x.soc_pct, x.started_at,
           CASE WHEN x.updated_at >= :fresh_since THEN x.power_w END AS power_w, x.updated_at AS power_at
      FROM evse e
      JOIN station s USING (station_id)
      LEFT JOIN location l USING (location_id)
      LEFT JOIN power_node f ON f.power_node_id = s.power_node_id
      LEFT JOIN station_link k ON k.station_id = e.station_id
      LEFT JOIN timeline t ON t.station_id = e.station_id AND t.evse_id = e.evse_id AND t.end_at = 'infinity'
      LEFT JOIN LATERAL (SELECT * FROM session o WHERE o.station_id = e.station_id AND o.evse_id = e.evse_id
                            AND o.state IN ('pending', 'active') ORDER BY o.started_at DESC LIMIT 1) x ON true
     WHERE e.evse_id > 0 AND s.approval = 'approved'"""


@dataclass(frozen=True, slots=True)
class EvseFilter:
    """Which EVSEs to list; None does not restrict."""

    location: str | None = None
    station: str | None = None
    state: str | None = None


async def list_evses_now(
    tx: Transaction, wanted: PageRequest, only: EvseFilter, fresh_since: datetime
) -> Sequence[Row]:
    """Return every EVSE as it is now: state with its evidence, session and power."""
    after = wanted.after_texts(2) or ("", "0")
    return await fetch_all(
        tx,
        f"""{_NOW}
              AND (CAST(:location AS text) IS NULL OR l.code = :location)
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
              AND (CAST(:state AS text) IS NULL OR coalesce(t.state, 'unknown') = :state)
              AND (s.identity, e.evse_id) > (:after, CAST(:after_evse AS int))
            ORDER BY s.identity, e.evse_id LIMIT :limit""",
        location=only.location,
        station=only.station,
        state=only.state,
        after=after[0],
        after_evse=int(after[1]),
        fresh_since=fresh_since,
        limit=wanted.fetch,
    )


async def count_states(tx: Transaction) -> dict[str, int]:
    """Return how many EVSEs are in each operator state now."""
    rows = await fetch_all(
        tx,
        """SELECT coalesce(t.state, 'unknown') AS state, count(*) AS count
             FROM evse e JOIN station s USING (station_id)
             LEFT JOIN timeline t ON t.station_id = e.station_id AND t.evse_id = e.evse_id AND t.end_at = 'infinity'
            WHERE e.evse_id > 0 AND s.approval = 'approved' GROUP BY 1""",
    )
    return {row["state"]: row["count"] for row in rows}


async def powers(tx: Transaction, fresh_since: datetime) -> Sequence[Row]:
    """Return the fresh power of each running session with its place, in W."""
    return await fetch_all(
        tx,
        """SELECT s.identity AS station_id, o.evse_id, l.code AS location_id, s.power_node_id, o.power_w,
                  o.updated_at AS at
             FROM session o JOIN station s USING (station_id) LEFT JOIN location l USING (location_id)
            WHERE o.state IN ('pending', 'active') AND o.updated_at >= :fresh_since AND o.power_w IS NOT NULL""",
        fresh_since=fresh_since,
    )


async def power_nodes(tx: Transaction) -> Sequence[Row]:
    """Return the electrical tree: nodes with their parents and limits."""
    return await fetch_all(
        tx,
        """SELECT n.power_node_id, n.parent_id, n.code, n.name, n.kind, n.limit_w, l.code AS location_id
             FROM power_node n JOIN location l USING (location_id) ORDER BY l.code, n.code""",
    )

"""What the cost of incidents is made of: whose it is to count, when EVSEs were out of use, what they delivered."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_all
from voltway.kernel.ids import EvseId, StationId
from voltway.monitoring.incidents.cost import Span
from voltway.monitoring.timeline.model import EvseKey


class Counted(NamedTuple):
    """An incident whose cost is counted now; `end` is None while it lasts."""

    incident_id: int
    operator_id: int
    currency: str
    rule: str
    location_id: int | None
    station_id: int | None
    evse_id: int | None
    begin: datetime
    end: datetime | None


async def read_counted(tx: Transaction, since: datetime) -> list[Counted]:
    """Return the incidents that last, and those that ended since then."""
    rows = await fetch_all(
        tx,
        """SELECT i.incident_id, i.operator_id, o.currency, i.rule, i.location_id, i.station_id, i.evse_id,
                  i.began_at AS begin, i.ended_at AS "end"
             FROM operator o JOIN incident i ON i.operator_id = o.operator_id
            WHERE i.state IN ('open', 'acknowledged', 'assigned', 'reopened')
           UNION ALL
           SELECT i.incident_id, i.operator_id, o.currency, i.rule, i.location_id, i.station_id, i.evse_id,
                  i.began_at, i.ended_at
             FROM operator o JOIN incident i ON i.operator_id = o.operator_id AND i.updated_at >= :since
            WHERE i.state IN ('remedied', 'resolved') AND i.ended_at >= :since""",
        since=since,
    )
    return [Counted(**row) for row in rows]


async def read_evses(tx: Transaction, one: Counted) -> list[EvseKey]:
    """Return the EVSEs of an incident's place."""
    rows = await fetch_all(
        tx,
        """SELECT e.station_id, e.evse_id FROM station s JOIN evse e ON e.station_id = s.station_id AND e.evse_id > 0
            WHERE s.operator_id = :operator_id
              AND (CAST(:location_id AS bigint) IS NULL OR s.location_id = :location_id)
              AND (CAST(:station_id AS bigint) IS NULL OR s.station_id = :station_id)
              AND (CAST(:evse_id AS int) IS NULL OR e.evse_id = :evse_id)""",
        operator_id=one.operator_id,
        location_id=one.location_id or None,
        station_id=one.station_id or None,
        evse_id=one.evse_id or None,
    )
    return [EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"])) for row in rows]


async def read_out_of_use(tx: Transaction, keys: Collection[EvseKey], begin: datetime, end: datetime) -> list[Span]:
    """Return when EVSEs were faulted or offline in [begin, end)."""
    rows = await fetch_all(
        tx,
        """SELECT t.station_id, t.evse_id, greatest(t.begin_at, :begin) AS begin_at, least(t.end_at, :end) AS end_at
             FROM unnest(CAST(:stations AS bigint[]), CAST(:evses AS int[])) AS k(station_id, evse_id)
             JOIN timeline t ON t.station_id = k.station_id AND t.evse_id = k.evse_id
            WHERE t.state IN ('faulted', 'offline') AND t.begin_at < :end AND t.end_at > :begin""",
        stations=[key.station_id for key in keys],
        evses=[key.evse_id for key in keys],
        begin=begin,
        end=end,
    )
    return [
        Span(EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"])), row["begin_at"], row["end_at"])
        for row in rows
    ]


async def read_delivered(
    tx: Transaction, keys: Collection[EvseKey], begin: datetime, end: datetime
) -> Mapping[EvseKey, int]:
    """Return what sessions that began in [begin, end) delivered by EVSE, in milliwatt-hours."""
    rows = await fetch_all(
        tx,
        """SELECT x.station_id, x.evse_id, sum(coalesce(x.energy_milliwh, 0)) AS energy_milliwh
             FROM unnest(CAST(:stations AS bigint[]), CAST(:evses AS int[])) AS k(station_id, evse_id)
             JOIN session x ON x.station_id = k.station_id AND x.evse_id = k.evse_id
            WHERE x.started_at >= :begin AND x.started_at < :end GROUP BY x.station_id, x.evse_id""",
        stations=[key.station_id for key in keys],
        evses=[key.evse_id for key in keys],
        begin=begin,
        end=end,
    )
    return {
        EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"])): int(row["energy_milliwh"]) for row in rows
    }  # fmt: skip

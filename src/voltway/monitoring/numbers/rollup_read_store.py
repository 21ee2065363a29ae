"""Reads rollups of usage, and the places that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.rollup_sql import SUMS
from voltway.monitoring.timeline.model import EvseKey


@dataclass(frozen=True, slots=True)
class Place:
    """What rollups are of: the network (location 0), a site (station 0) or an EVSE; times are local to `zone`."""

    operator_id: OperatorId
    location_id: int
    station_id: int
    evse_id: int
    zone: str
    currency: str


_COLUMNS = ", ".join(("evses", "peak_w", *SUMS))
_ADDED = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in SUMS)
_OF_PLACE = """operator_id = :operator_id AND grain = :grain AND location_id = :location_id
               AND station_id = :station_id AND evse_id = :evse_id AND start_at >= :begin AND start_at < :end"""
_USABLE = "available_s + occupied_s + reserved_s"


async def find_place(
    tx: Transaction, operator_id: OperatorId, *, location: str | None, station: str | None, evse_id: int | None
) -> Place | None:
    """Return where rollups of a place are kept; None where there is no such place."""
    row = await fetch_one(
        tx,
        """SELECT CAST(:operator_id AS int) AS operator_id, p.*
             FROM (
               SELECT 0 AS location_id, 0 AS station_id, 0 AS evse_id, time_zone AS zone, currency FROM operator
                WHERE operator_id = :operator_id AND CAST(:location AS text) IS NULL AND CAST(:station AS text) IS NULL
               UNION ALL
               SELECT l.location_id, 0, 0, l.time_zone, o.currency FROM location l JOIN operator o USING (operator_id)
                WHERE l.operator_id = :operator_id AND l.code = :location AND CAST(:station AS text) IS NULL
               UNION ALL
               SELECT coalesce(s.location_id, -1), s.station_id, e.evse_id, coalesce(l.time_zone, o.time_zone),
                      o.currency
                 FROM station s JOIN operator o USING (operator_id) LEFT JOIN location l USING (location_id)
                 JOIN evse e USING (station_id)
                WHERE s.operator_id = :operator_id AND s.identity = :station AND e.evse_id = :evse_id) p""",
        operator_id=operator_id,
        location=location,
        station=station,
        evse_id=evse_id,
    )
    return None if row is None else Place(**{name: row[name] for name in Place.__dataclass_fields__})


async def read_power_w(tx: Transaction, place: Place) -> int:
    """Return what all EVSEs of a place could deliver together."""
    row = await fetch_one(
        tx,
        """SELECT coalesce(sum(e.max_power_w), 0) AS power_w FROM evse e JOIN station s USING (station_id)
            WHERE e.operator_id = :operator_id AND e.evse_id > 0
              AND (:location_id = 0 OR coalesce(s.location_id, -1) = :location_id)
              AND (:station_id = 0 OR (e.station_id = :station_id AND e.evse_id = :evse_id))""",
        operator_id=place.operator_id,
        location_id=place.location_id,
        station_id=place.station_id,
        evse_id=place.evse_id,
    )
    assert row is not None, "an aggregate has one row"
    return int(row["power_w"])


async def read_rows(tx: Transaction, place: Place, grain: int, *, begin: datetime, end: datetime) -> Sequence[Row]:
    """Return the rollups of a place within [begin, end), in order of time."""
    return await fetch_all(
        tx,
        f"SELECT start_at, {_COLUMNS} FROM usage_rollup WHERE {_OF_PLACE} ORDER BY start_at",  # noqa: S608
        **_place(place, grain, begin, end),
    )


async def read_sums(tx: Transaction, place: Place, grain: int, *, begin: datetime, end: datetime) -> Row:
    """Return what the rollups of a place add up to, and their highest peak."""
    row = await fetch_one(
        tx,
        f"SELECT coalesce(max(peak_w), 0) AS peak_w, {_ADDED} FROM usage_rollup WHERE {_OF_PLACE}",  # noqa: S608
        **_place(place, grain, begin, end),
    )
    assert row is not None, "an aggregate has one row"
    return row


async def read_other_revenue(tx: Transaction, place: Place, *, begin: datetime, end: datetime) -> Sequence[Row]:
    """Return what sessions that ended within [begin, end) earned in currencies that the rollups leave out."""
    return await fetch_all(
        tx,
        """SELECT c.currency, sum(c.total_excl_vat) AS excl_vat,
                  sum(coalesce(c.total_incl_vat, c.total_excl_vat)) AS incl_vat
             FROM cdr c JOIN session x USING (session_id) JOIN station s ON s.station_id = x.station_id
            WHERE c.operator_id = :operator_id AND (c.currency < :currency OR c.currency > :currency)
              AND c.ended_at >= :begin AND c.ended_at < :end
              AND (:location_id = 0 OR coalesce(s.location_id, -1) = :location_id)
              AND (:station_id = 0 OR (x.station_id = :station_id AND x.evse_id = :evse_id))
            GROUP BY c.currency ORDER BY c.currency""",
        operator_id=place.operator_id,
        currency=place.currency,
        location_id=place.location_id,
        station_id=place.station_id,
        evse_id=place.evse_id,
        begin=begin,
        end=end,
    )


async def read_failures(tx: Transaction, place: Place, *, begin: datetime, end: datetime) -> dict[str, int]:
    """Return failed attempts of a site or the network by reason, the most frequent first."""
    rows = await fetch_all(
        tx,
        """SELECT reason, sum(attempts) AS attempts FROM usage_failure
            WHERE operator_id = :operator_id AND (:location_id = 0 OR location_id = :location_id)
              AND day_at >= :begin AND day_at < :end GROUP BY reason ORDER BY sum(attempts) DESC, reason""",
        operator_id=place.operator_id,
        location_id=place.location_id,
        begin=begin,
        end=end,
    )
    return {row["reason"]: int(row["attempts"]) for row in rows}


async def read_weeks(
    tx: Transaction, operator_id: OperatorId, location: str | None, *, begin: datetime, end: datetime
) -> Sequence[Row]:
    """Return the share of usable EVSE time that was taken, by site, day of the week and local hour."""
    return await fetch_all(
        tx,
        f"""SELECT l.code, l.time_zone, CAST(extract(isodow FROM r.start_at AT TIME ZONE l.time_zone) AS int) AS day,
                   CAST(extract(hour FROM r.start_at AT TIME ZONE l.time_zone) AS int) AS hour,
                   CAST(sum(occupied_s) AS float) / nullif(sum({_USABLE}), 0) AS share
              FROM location l JOIN usage_rollup r ON r.operator_id = l.operator_id AND r.location_id = l.location_id
               AND r.station_id = 0 AND r.evse_id = 0 AND r.grain = 1 AND r.start_at >= :begin AND r.start_at < :end
             WHERE l.operator_id = :operator_id AND (CAST(:location AS text) IS NULL OR l.code = :location)
             GROUP BY l.code, l.time_zone, day, hour ORDER BY l.code""",  # noqa: S608 - our own text
        operator_id=operator_id,
        location=location,
        begin=begin,
        end=end,
    )


async def read_zone(tx: Transaction, operator_id: OperatorId, location: str) -> str | None:
    """Return a location's zone; None where there is no such location."""
    row = await fetch_one(
        tx,
        "SELECT time_zone FROM location WHERE operator_id = :operator_id AND code = :location",
        operator_id=operator_id,
        location=location,
    )
    return None if row is None else str(row["time_zone"])


async def read_expected(
    tx: Transaction, keys: Sequence[EvseKey], begin: datetime, end: datetime, weeks: int
) -> Sequence[Row]:
    """Return what EVSEs would have delivered in [begin, end) by the mean of the same hours in weeks before `begin`.

    Weeks of which there is no row of the EVSE's day do not count.
    """
    return await fetch_all(
        tx,
        """SELECT station_id, evse_id, sum(energy_milliwh * part) AS energy_milliwh, sum(revenue * part) AS revenue
             FROM (
               SELECT k.station_id, k.evse_id, h,
                      extract(epoch FROM least(CAST(:end AS timestamptz), h + interval '1 hour')
                                         - greatest(CAST(:begin AS timestamptz), h)) / 3600 AS part,
                      sum(coalesce(r.energy_milliwh, 0)) / count(*) AS energy_milliwh,
                      sum(coalesce(r.revenue_excl, 0)) / count(*) AS revenue
                 FROM unnest(CAST(:stations AS bigint[]), CAST(:evses AS int[])) AS k(station_id, evse_id)
                 JOIN station s USING (station_id) JOIN operator o ON o.operator_id = s.operator_id
                 LEFT JOIN location l ON l.location_id = s.location_id
                CROSS JOIN LATERAL (SELECT coalesce(l.time_zone, o.time_zone) AS zone,
                                           coalesce(s.location_id, -1) AS location_id) z
                CROSS JOIN LATERAL generate_series(
                   date_trunc('hour', CAST(:begin AS timestamptz), zone),
                   CAST(:end AS timestamptz) - interval '1 microsecond', interval '1 hour') AS h
                CROSS JOIN LATERAL (
                   SELECT floor(extract(epoch FROM greatest(h - :begin, interval '0')) / 604800) AS late) w
                CROSS JOIN generate_series(1, :weeks) AS n
                CROSS JOIN LATERAL (
                   SELECT (h AT TIME ZONE zone - (n + late) * interval '7 days') AT TIME ZONE zone AS past) p
                 JOIN usage_rollup d ON d.operator_id = s.operator_id AND d.grain = 2 AND d.location_id = z.location_id
                  AND d.station_id = k.station_id AND d.evse_id = k.evse_id
                  AND d.start_at = date_trunc('day', past, zone)
                 LEFT JOIN usage_rollup r ON r.operator_id = s.operator_id AND r.grain = 1
                  AND r.location_id = z.location_id AND r.station_id = k.station_id AND r.evse_id = k.evse_id
                  AND r.start_at = past
                GROUP BY k.station_id, k.evse_id, h) hours
            GROUP BY station_id, evse_id""",
        stations=[key.station_id for key in keys],
        evses=[key.evse_id for key in keys],
        begin=begin,
        end=end,
        weeks=weeks,
    )


def _place(place: Place, grain: int, begin: datetime, end: datetime) -> dict[str, Any]:
    return {
        "operator_id": place.operator_id, "grain": grain, "location_id": place.location_id,
        "station_id": place.station_id, "evse_id": place.evse_id, "begin": begin, "end": end,
    }  # fmt: skip

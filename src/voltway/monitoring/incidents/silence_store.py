"""What the test for silent connectors reads: sessions that started at a site, and when its EVSEs were free."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_all
from voltway.kernel.ids import EvseId, OperatorId, StationId
from voltway.monitoring.incidents.model import Place
from voltway.monitoring.incidents.silence import SilentInput, Span, Start, counted
from voltway.monitoring.timeline.model import EvseKey

HISTORY = timedelta(weeks=8)
LEAST_PASSED = 8
"""Nobody is passed less often in a silence that means something, even where there is one sibling only."""
LEAST_PASSED_PER_SIBLING = 4
"""With twice the share of the others, 4 passes for each of them are a probability of 1 in 3,000: it is worth a look."""


class Site(NamedTuple):
    """A location of an operator."""

    operator_id: OperatorId
    location_id: int


async def read_sites(tx: Transaction, now: datetime, *, part: int = 0, parts: int = 1) -> set[Site]:
    """Return the sites that have an EVSE whose siblings were used often since it was; all, or one part of them.

    Who was not used in all of the history is missed by nobody. One index lookup for each EVSE and one for each pair at
    a site: it costs what the silences are long, not what the history is.
    """
    rows = await fetch_all(
        tx,
        """WITH place AS MATERIALIZED (
             SELECT s.operator_id, s.location_id, e.station_id, e.evse_id, last.started_at AS last_at,
                    count(*) OVER (PARTITION BY s.operator_id, s.location_id) - 1 AS siblings
               FROM station s JOIN evse e ON e.station_id = s.station_id AND e.evse_id > 0
               LEFT JOIN LATERAL (
                 SELECT x.started_at FROM session x
                  WHERE x.station_id = e.station_id AND x.evse_id = e.evse_id AND x.started_at >= :since
                  ORDER BY x.started_at DESC LIMIT 1) last ON true
              WHERE s.location_id IS NOT NULL AND s.location_id % :parts = :part)
           SELECT one.operator_id, one.location_id
             FROM place one
             JOIN place two ON two.operator_id = one.operator_id AND two.location_id = one.location_id
                           AND two.last_at > one.last_at
            CROSS JOIN LATERAL (
              SELECT count(*) AS passed FROM session x
               WHERE x.station_id = two.station_id AND x.evse_id = two.evse_id AND x.started_at > one.last_at) since
            GROUP BY one.operator_id, one.location_id, one.station_id, one.evse_id, one.siblings
           HAVING sum(since.passed) >= greatest(:least, :each * one.siblings)""",
        since=now - HISTORY,
        part=part,
        parts=parts,
        least=LEAST_PASSED,
        each=LEAST_PASSED_PER_SIBLING,
    )
    return {Site(OperatorId(row["operator_id"]), row["location_id"]) for row in rows}


async def read_choices(tx: Transaction, sites: Collection[Site], now: datetime) -> dict[Site, dict[Place, SilentInput]]:
    """Return for some sites how each EVSE was chosen and how often it has been passed since."""
    keys, free = await _read_free(tx, sites, now)
    starts = await _read_starts(tx, keys, now)
    return {
        site: {
            Place(site.location_id, key.station_id, key.evse_id): view
            for key, view in counted(starts[site], {key: free[key] for key in own}).items()
        }
        for site, own in keys.items()
    }


async def _read_free(
    tx: Transaction, sites: Collection[Site], now: datetime
) -> tuple[dict[Site, list[EvseKey]], dict[EvseKey, list[Span]]]:
    rows = await fetch_all(
        tx,
        """SELECT s.operator_id, s.location_id, e.station_id, e.evse_id, t.begin_at,
                  nullif(t.end_at, CAST('infinity' AS timestamptz)) AS end_at
             FROM station s JOIN evse e ON e.station_id = s.station_id AND e.evse_id > 0
             LEFT JOIN timeline t ON t.station_id = e.station_id AND t.evse_id = e.evse_id
                                 AND t.state = 'available' AND t.end_at > :since
            WHERE s.location_id = ANY(:locations) ORDER BY e.station_id, e.evse_id, t.begin_at""",
        since=now - HISTORY,
        locations=sorted({it.location_id for it in sites}),
    )
    keys: dict[Site, list[EvseKey]] = defaultdict(list)
    free: dict[EvseKey, list[Span]] = {}
    for row in rows:
        key = EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"]))
        if key not in free:
            free[key] = []
            keys[Site(OperatorId(row["operator_id"]), row["location_id"])].append(key)
        if row["begin_at"] is not None:
            free[key].append((row["begin_at"], row["end_at"]))
    return {site: own for site, own in keys.items() if site in sites}, free


async def _read_starts(tx: Transaction, keys: dict[Site, list[EvseKey]], now: datetime) -> dict[Site, list[Start]]:
    site_of = {key: site for site, own in keys.items() for key in own}
    rows = await fetch_all(
        tx,
        """SELECT station_id, evse_id, started_at, ended_at FROM session
            WHERE station_id = ANY(:stations) AND started_at >= :since""",
        stations=sorted({key.station_id for key in site_of}),
        since=now - HISTORY,
    )
    found: dict[Site, list[Start]] = defaultdict(list)
    for row in rows:
        key = EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"]))
        if key in site_of:
            found[site_of[key]].append(Start(row["started_at"], key, row["ended_at"]))
    return found

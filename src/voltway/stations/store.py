"""Tables of stations as operators read and edit them: location, station and all that hangs on it, the raw log.

What stations report is written by the ingest (`stations.facts`), in groups.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, conflict_if_refused, fetch_all, fetch_one, insert, like_pattern, run, update
from voltway.kernel.clock import from_micros
from voltway.kernel.errors import Conflict
from voltway.kernel.ids import OperatorId, StationId
from voltway.stations.model import (
    Connector,
    Evse,
    FoundConnector,
    FoundEvse,
    LoggedMessage,
    MessageFilter,
    StationEvent,
    StationFilter,
    StationFinding,
    StationVariable,
)

# ---- locations

_LOCATIONS = """
    SELECT code, name, address, city, postal_code, country, lat, lon, time_zone, created_at, updated_at,
           (SELECT count(*) FROM station s WHERE s.location_id = l.location_id) AS stations
      FROM location l"""


async def insert_location(tx: Transaction, operator_id: OperatorId, values: Mapping[str, Any]) -> None:
    """Store a new location; raise Conflict where its code is taken."""
    with conflict_if_refused(f"the location {values['code']} exists already"):
        await insert(tx, "location", {"operator_id": operator_id, **values})


async def update_location(tx: Transaction, code: str, changes: Mapping[str, Any]) -> int:
    """Change a location; return 0 where there is none."""
    return await update(tx, "location", {"code": code}, changes)


async def delete_location(tx: Transaction, code: str) -> int:
    """Delete a location; raise Conflict while stations stand there."""
    with conflict_if_refused(f"stations stand at {code}; move or delete them first"):
        return await run(tx, "DELETE FROM location WHERE code = :code", code=code)


async def find_location(tx: Transaction, code: str) -> Row | None:
    """Return a location's row."""
    return await fetch_one(tx, f"{_LOCATIONS} WHERE code = :code", code=code)


async def find_locations(tx: Transaction, codes: Sequence[str]) -> dict[str, Row]:
    """Return the rows of those locations that exist, by code."""
    rows = await fetch_all(tx, f"{_LOCATIONS} WHERE code = ANY(:codes)", codes=list(codes))
    return {row["code"]: row for row in rows}


async def list_locations(tx: Transaction, wanted: PageRequest, part: str | None) -> Sequence[Row]:
    """Return locations by code; `part` is contained in code, name, address or city."""
    after = wanted.after_texts(1)
    return await fetch_all(
        tx,
        f"""{_LOCATIONS}
            WHERE code > :after
              AND (CAST(:part AS text) IS NULL OR concat_ws(' ', code, name, address, city) ILIKE :part)
            ORDER BY code LIMIT :limit""",
        after=after[0] if after else "",
        part=like_pattern(part) if part else None,
        limit=wanted.fetch,
    )


async def get_location_id(tx: Transaction, code: str) -> int | None:
    """Return the internal key of a location."""
    row = await fetch_one(tx, "SELECT location_id FROM location WHERE code = :code", code=code)
    return None if row is None else int(row["location_id"])


# ---- stations

_STATIONS = """
    SELECT s.station_id, s.identity, l.code AS location_code, s.name, s.approval, s.auth, s.fallback_version, s.groups,
           s.password_hash IS NOT NULL AS has_password, s.vendor, s.model, s.serial, s.firmware, s.booted_at,
           s.commissioned_at, s.decommissioned_at, n.code AS feeder, s.created_at, s.updated_at,
           k.connected, k.version, k.connected_at, k.disconnected_at, k.last_seen_at,
           k.clock_offset_ms, k.remote, k.gateway,
           (SELECT count(*) FROM station_finding f WHERE f.station_id = s.station_id) AS findings
      FROM station s
      LEFT JOIN location l USING (location_id)
      LEFT JOIN power_node n USING (power_node_id)
      LEFT JOIN station_link k ON k.station_id = s.station_id"""


async def insert_station(tx: Transaction, operator_id: OperatorId, values: Mapping[str, Any]) -> None:
    """Store a new station; raise Conflict where its identity is taken."""
    with conflict_if_refused(f"the station {values['identity']} exists already"):
        await insert(tx, "station", {"operator_id": operator_id, **values})


async def update_station(tx: Transaction, station_id: StationId, changes: Mapping[str, Any]) -> None:
    """Change a station; the gateway sees it by `updated_at`."""
    values = dict(changes)
    sets = "".join(f"{column} = :{column}, " for column in values)
    statement = f"UPDATE station SET {sets}updated_at = clock_timestamp() WHERE station_id = :id"  # noqa: S608
    await run(tx, statement, id=station_id, **values)


async def delete_station(tx: Transaction, station_id: StationId) -> None:
    """Delete a station; raise Conflict where it has sessions, since bills stand on them."""
    with conflict_if_refused("this station has sessions, which are kept; reject it instead"):
        await run(tx, "DELETE FROM station WHERE station_id = :id", id=station_id)


async def find_station_id(tx: Transaction, identity: str) -> StationId | None:
    """Return the internal key of a station of this operator."""
    row = await fetch_one(tx, "SELECT station_id FROM station WHERE identity = :identity", identity=identity)
    return None if row is None else StationId(row["station_id"])


async def find_station(tx: Transaction, identity: str) -> Row | None:
    """Return a station's row."""
    return await fetch_one(tx, f"{_STATIONS} WHERE s.identity = :identity", identity=identity)


async def find_stations(tx: Transaction, identities: Sequence[str]) -> dict[str, Row]:
    """Return the rows of those stations that exist, by identity."""
    rows = await fetch_all(tx, f"{_STATIONS} WHERE s.identity = ANY(:identities)", identities=list(identities))
    return {row["identity"]: row for row in rows}


async def list_stations(tx: Transaction, wanted: StationFilter, *, after: str, limit: int) -> Sequence[Row]:
    """Return stations by identity, restricted by all of the filter but the state, which is a rule."""
    return await fetch_all(
        tx,
        f"""{_STATIONS}
            WHERE s.identity > :after
              AND (CAST(:connected AS boolean) IS NULL OR coalesce(k.connected, false) = :connected)
              AND (CAST(:location AS text) IS NULL OR l.code = :location)
              AND (CAST(:group AS text) IS NULL OR :group = ANY(s.groups))
              AND (CAST(:approval AS text) IS NULL OR s.approval = :approval)
              AND (CAST(:part AS text) IS NULL OR
                   concat_ws(' ', s.identity, s.name, s.vendor, s.model, s.serial, l.name) ILIKE :part)
            ORDER BY s.identity LIMIT :limit""",
        after=after,
        connected=wanted.connected,
        location=wanted.location,
        group=wanted.group,
        approval=wanted.approval,
        part=like_pattern(wanted.part) if wanted.part else None,
        limit=limit,
    )


async def find_passwords(tx: Transaction, station_ids: Sequence[int]) -> dict[int, tuple[bytes | None, bytes | None]]:
    """Return salt and hash of stations' passwords by station."""
    rows = await fetch_all(
        tx,
        "SELECT station_id, password_salt, password_hash FROM station WHERE station_id = ANY(:station_ids)",
        station_ids=list(station_ids),
    )
    return {row["station_id"]: (row["password_salt"], row["password_hash"]) for row in rows}


# ---- EVSEs and connectors


async def evses_of(tx: Transaction, station_ids: Sequence[StationId]) -> dict[StationId, list[Evse]]:
    """Return the EVSEs with their connectors of many stations, in two queries."""
    keys = {"station_ids": list(station_ids)}
    evses = await fetch_all(
        tx,
        """SELECT station_id, evse_id, power_type, max_power_w, physical_reference FROM evse
           WHERE station_id = ANY(:station_ids) ORDER BY station_id, evse_id""",
        **keys,
    )
    rows = await fetch_all(
        tx,
        """SELECT station_id, evse_id, connector_id, standard, status, error_code, vendor_error_code, info,
                  coalesce(status_reported_at, status_received_at) AS status_at
             FROM connector WHERE station_id = ANY(:station_ids) ORDER BY station_id, evse_id, connector_id""",
        **keys,
    )
    connectors: dict[tuple[int, int], list[Connector]] = {}
    for row in rows:
        place = connectors.setdefault((row["station_id"], row["evse_id"]), [])
        place.append(Connector(**{name: row[name] for name in Connector.__slots__}))
    found: dict[StationId, list[Evse]] = {station_id: [] for station_id in station_ids}
    for row in evses:
        own = connectors.get((row["station_id"], row["evse_id"]), [])
        described = {name: row[name] for name in ("evse_id", "power_type", "max_power_w", "physical_reference")}
        found[row["station_id"]].append(Evse(**described, connectors=own))
    return found


async def put_evse(tx: Transaction, station_id: StationId, evse_id: int, values: Mapping[str, Any]) -> None:
    """Make an EVSE or change it."""
    await _put(tx, "evse", {"station_id": station_id, "evse_id": evse_id}, values)


async def put_connector(
    tx: Transaction, station_id: StationId, place: tuple[int, int], values: Mapping[str, Any]
) -> None:
    """Make a connector or change it; `place` is (EVSE, connector)."""
    evse_id, connector_id = place
    key = {"station_id": station_id, "evse_id": evse_id, "connector_id": connector_id}
    await _put(tx, "connector", key, values)


async def delete_evse(tx: Transaction, station_id: StationId, evse_id: int) -> int:
    """Delete an EVSE with its connectors; raise Conflict where it has sessions."""
    held = await fetch_one(
        tx,
        "SELECT 1 FROM session WHERE station_id = :station_id AND evse_id = :evse_id LIMIT 1",
        station_id=station_id,
        evse_id=evse_id,
    )
    if held is not None:
        raise Conflict("this EVSE has sessions, which are kept")
    return await run(
        tx,
        "DELETE FROM evse WHERE station_id = :station_id AND evse_id = :evse_id",
        station_id=station_id,
        evse_id=evse_id,
    )


async def delete_connector(tx: Transaction, station_id: StationId, place: tuple[int, int]) -> int:
    """Delete a connector; its EVSE's sessions are not touched."""
    return await run(
        tx,
        """DELETE FROM connector
           WHERE station_id = :station_id AND evse_id = :evse_id AND connector_id = :connector_id""",
        station_id=station_id,
        evse_id=place[0],
        connector_id=place[1],
    )


async def list_evses(tx: Transaction, wanted: PageRequest, *, station: str | None) -> list[FoundEvse]:
    """Return EVSEs of all stations by station and EVSE."""
    identity, evse_id = _after_place(wanted, 2)
    rows = await fetch_all(
        tx,
        """SELECT s.identity AS station_id, e.evse_id, e.power_type, e.max_power_w, e.physical_reference
             FROM evse e JOIN station s USING (station_id)
            WHERE (s.identity, e.evse_id) > (:identity, CAST(:evse_id AS int))
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
            ORDER BY s.identity, e.evse_id LIMIT :limit""",
        identity=identity,
        evse_id=evse_id,
        station=station,
        limit=wanted.fetch,
    )
    return [FoundEvse(**row) for row in rows]


async def list_connectors(
    tx: Transaction, wanted: PageRequest, *, station: str | None, status: str | None
) -> list[FoundConnector]:
    """Return connectors of all stations by station, EVSE and connector."""
    identity, evse_id, connector_id = _after_place(wanted, 3)
    rows = await fetch_all(
        tx,
        """SELECT s.identity AS station_id, c.evse_id, c.connector_id, c.standard, c.status, c.error_code,
                  coalesce(c.status_reported_at, c.status_received_at) AS status_at
             FROM connector c JOIN station s USING (station_id)
            WHERE (s.identity, c.evse_id, c.connector_id)
                  > (:identity, CAST(:evse_id AS int), CAST(:connector_id AS int))
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
              AND (CAST(:status AS text) IS NULL OR c.status = :status)
            ORDER BY s.identity, c.evse_id, c.connector_id LIMIT :limit""",
        identity=identity,
        evse_id=evse_id,
        connector_id=connector_id,
        station=station,
        status=status,
        limit=wanted.fetch,
    )
    return [FoundConnector(**row) for row in rows]


# ---- what a station told us


async def list_findings(tx: Transaction, station_id: StationId) -> list[StationFinding]:
    """Return a station's findings, the newest first; there are as many as there are codes."""
    rows = await fetch_all(
        tx,
        """SELECT code, count, first_at, last_at, example FROM station_finding
           WHERE station_id = :id ORDER BY last_at DESC, code""",
        id=station_id,
    )
    return [StationFinding(**row) for row in rows]


async def list_events(
    tx: Transaction, station_id: StationId, wanted: PageRequest, *, action: str | None
) -> list[StationEvent]:
    """Return a station's events, newest first."""
    received, digest = wanted.after_numbers(2) or (None, None)
    rows = await fetch_all(
        tx,
        """SELECT action, received_at, reported_at, severity, data, CAST(digest AS text) AS digest FROM station_event
           WHERE station_id = :id
             AND (CAST(:before AS timestamptz) IS NULL OR (received_at, digest) < (:before, CAST(:digest AS bigint)))
             AND (CAST(:action AS text) IS NULL OR action = :action)
           ORDER BY received_at DESC, station_event.digest DESC LIMIT :limit""",
        id=station_id,
        before=None if received is None else from_micros(received),
        digest=digest,
        action=action,
        limit=wanted.fetch,
    )
    return [StationEvent(**row) for row in rows]


async def list_variables(
    tx: Transaction, station_id: StationId, wanted: PageRequest, *, part: str | None
) -> list[StationVariable]:
    """Return a station's variables in the order of their key."""
    *names, place = wanted.after_texts(5) or ("", "", "", "", "-1")
    keys = dict(zip(("component", "variable", "instance", "attribute"), names, strict=True))
    rows = await fetch_all(
        tx,
        """SELECT component, instance, variable, attribute, evse_id, connector_id, value, mutability, received_at
             FROM station_variable
            WHERE station_id = :id
              AND (component, variable, instance, attribute, evse_id * 10000 + connector_id)
                  > (:component, :variable, :instance, :attribute, CAST(:place AS int))
              AND (CAST(:part AS text) IS NULL OR concat_ws('.', component, variable) ILIKE :part)
            ORDER BY component, variable, instance, attribute, evse_id * 10000 + connector_id LIMIT :limit""",
        id=station_id,
        place=int(place) if place.isdecimal() else -1,
        **keys,
        part=like_pattern(part) if part else None,
        limit=wanted.fetch,
    )
    return [StationVariable(**row) for row in rows]


async def list_messages(
    tx: Transaction, station_id: StationId, page: PageRequest, wanted: MessageFilter
) -> list[LoggedMessage]:
    """Return logged frames of a station, newest first."""
    after = page.after_numbers(1)
    rows = await fetch_all(
        tx,
        """SELECT received_at, outgoing, message_id, action, frame, reply FROM ocpp_message
           WHERE station_id = :id
             AND (CAST(:before AS timestamptz) IS NULL OR received_at < :before)
             AND (CAST(:begin AS timestamptz) IS NULL OR received_at >= :begin)
             AND (CAST(:end AS timestamptz) IS NULL OR received_at < :end)
             AND (CAST(:action AS text) IS NULL OR action = :action)
             AND (CAST(:outgoing AS boolean) IS NULL OR outgoing = :outgoing)
             AND (CAST(:part AS bytea) IS NULL OR position(CAST(:part AS bytea) IN frame) > 0
                  OR position(CAST(:part AS bytea) IN coalesce(reply, '')) > 0)
           ORDER BY received_at DESC LIMIT :limit""",
        id=station_id,
        before=from_micros(after[0]) if after else None,
        begin=wanted.begin,
        end=wanted.end,
        action=wanted.action,
        outgoing=wanted.outgoing,
        # Searched as bytes: a frame that is no UTF-8 is logged too.
        part=wanted.part.encode() if wanted.part else None,
        limit=page.fetch,
    )
    return [_message(row) for row in rows]


def _message(row: Row) -> LoggedMessage:
    return LoggedMessage(
        received_at=row["received_at"],
        direction="out" if row["outgoing"] else "in",
        message_id=row["message_id"],
        action=row["action"],
        frame=row["frame"].decode(errors="replace"),
        reply=None if row["reply"] is None else row["reply"].decode(errors="replace"),
    )


def _after_place(wanted: PageRequest, count: int) -> tuple[Any, ...]:
    after = wanted.after_texts(count)
    if after is None:
        return ("", *[-1] * (count - 1))
    return (after[0], *[int(part) if part.isdecimal() else -1 for part in after[1:]])


async def _put(tx: Transaction, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    columns = [*key, *values]
    sets = ", ".join(f"{column} = excluded.{column}" for column in values)
    action = f"DO UPDATE SET {sets}" if sets else "DO NOTHING"
    await run(
        tx,
        f"""INSERT INTO {table} (operator_id, {", ".join(columns)})
            VALUES (voltway_operator(), {", ".join(f":{column}" for column in columns)})
            ON CONFLICT ({", ".join(key)}) {action}""",  # noqa: S608 - our own names
        **key,
        **values,
    )


# ---- the gateways' register

_REGISTERED = """
    SELECT station_id, operator_id, identity, approval, auth, password_salt, password_hash, fallback_version,
           booted_at IS NOT NULL AS has_booted, updated_at
      FROM station"""


async def list_registered(tx: Transaction, since: datetime | None) -> Sequence[Row]:
    """Return what a gateway must know of stations: all, or those changed since an instant."""
    return await fetch_all(
        tx, f"{_REGISTERED} WHERE CAST(:since AS timestamptz) IS NULL OR updated_at >= :since", since=since
    )


async def list_station_ids(tx: Transaction) -> set[int]:
    """Return the keys of all stations."""
    return {row["station_id"] for row in await fetch_all(tx, "SELECT station_id FROM station")}


async def count_stations(tx: Transaction) -> int:
    """Return how many stations there are."""
    row = await fetch_one(tx, "SELECT count(*) AS stations FROM station")
    return int(row["stations"]) if row else 0


async def register_unknown(
    tx: Transaction, operator_id: OperatorId, identities: Sequence[str], approval: str
) -> Sequence[Row]:
    """Enter stations that connected unknown, without a password; return the rows of all named, new or not."""
    await run(
        tx,
        """INSERT INTO station (operator_id, identity, approval, auth)
           SELECT :operator_id, identity, :approval, 'none' FROM unnest(CAST(:identities AS text[])) AS identity
           ON CONFLICT (identity) DO NOTHING""",
        operator_id=operator_id,
        approval=approval,
        identities=list(identities),
    )
    return await fetch_all(tx, f"{_REGISTERED} WHERE identity = ANY(:identities)", identities=list(identities))


async def end_links_of(tx: Transaction, gateway: str) -> int:
    """Mark what a gateway that died still called connected as gone; return how many."""
    return await run(
        tx,
        """UPDATE station_link SET connected = false, disconnected_at = last_seen_at
            WHERE gateway = :gateway AND connected""",
        gateway=gateway,
    )

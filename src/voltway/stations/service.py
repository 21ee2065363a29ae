"""Use cases of stations: enter, change, approve and read them. What stations report comes in by the ingest.

Every change is audited in its own transaction; afterwards the gateways are woken (they also poll `updated_at`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, to_micros
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import NotFound
from voltway.kernel.ids import OperatorId, StationId
from voltway.stations import availability_store, store
from voltway.stations.availability import Moment, StationAvailability, evse_availability, reported_of
from voltway.stations.model import (
    Connection,
    Evse,
    FoundConnector,
    FoundEvse,
    Location,
    LoggedMessage,
    MessageFilter,
    Station,
    StationEvent,
    StationFilter,
    StationFinding,
    StationState,
    StationVariable,
    fuse_state,
    hash_password,
    is_stale,
    make_password,
    make_salt,
)
from voltway.stations.placement import placed

Notify = Callable[[str], Awaitable[None]]
"""Publishes a wake-up on the bus; it never raises, since the table is the truth."""
STATIONS_CHANGED = "stations.changed"
_SCAN = 500
"""A filter by state reads this many stations at a time: the state is a rule, not a column."""


async def no_one(_: str) -> None:
    """Wake nobody, for where there is no bus (the command line)."""


class Stations:
    """Locations and stations of an operator."""

    def __init__(
        self,
        database: Database,
        *,
        notify: Notify = no_one,
        heartbeat_interval_s: float = 300,
        clock: Clock = wall_clock,
    ) -> None:
        self._database = database
        self._notify = notify
        self._heartbeat_interval_s = heartbeat_interval_s
        self._now = clock

    # ---- locations

    async def create_location(self, caller: Caller, values: Mapping[str, Any]) -> Location:
        """Enter a location; raise Conflict where its code is taken."""
        async with self._database.transaction(caller.operator_id) as tx:
            await store.insert_location(tx, caller.operator_id, values)
            await record(tx, caller, "location.create", values["code"], **values)
            return _location(await store.find_location(tx, values["code"]), values["code"])

    async def get_location(self, caller: Caller, code: str) -> Location:
        """Return one location."""
        async with self._database.transaction(caller.operator_id) as tx:
            return _location(await store.find_location(tx, code), code)

    async def update_location(self, caller: Caller, code: str, changes: Mapping[str, Any]) -> Location:
        """Change a location's data; its code stays."""
        async with self._database.transaction(caller.operator_id) as tx:
            if changes and await store.update_location(tx, code, {**changes, "updated_at": self._now()}):
                await record(tx, caller, "location.update", code, **changes)
            return _location(await store.find_location(tx, code), code)

    async def delete_location(self, caller: Caller, code: str) -> None:
        """Delete a location where no station stands."""
        async with self._database.transaction(caller.operator_id) as tx:
            if not await store.delete_location(tx, code):
                raise NotFound(f"there is no location {code}")
            await record(tx, caller, "location.delete", code)

    async def list_locations(self, caller: Caller, wanted: PageRequest, *, part: str | None = None) -> Page[Location]:
        """Return locations by code."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_locations(tx, wanted, part)
        return page_of([_location(row, "") for row in rows], wanted, lambda location: (location.id,))

    # ---- stations

    async def create_station(self, caller: Caller, identity: str, values: Mapping[str, Any]) -> Station:
        """Enter a station; `values` may name its location by `location` and its power node by `feeder` (codes)."""
        async with self._database.transaction(caller.operator_id) as tx:
            row = {"identity": identity, **await placed(tx, values)}
            await store.insert_station(tx, caller.operator_id, row)
            await record(tx, caller, "station.create", identity, **values)
            station = await self._station(tx, identity)
        await self._notify(STATIONS_CHANGED)
        return station

    async def get_station(self, caller: Caller, identity: str) -> Station:
        """Return one station."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await self._station(tx, identity)

    async def update_station(
        self, caller: Caller, identity: str, changes: Mapping[str, Any], *, action: str = "update"
    ) -> Station:
        """Change a station's data; its identity stays."""
        async with self._database.transaction(caller.operator_id) as tx:
            stored = await store.find_station(tx, identity)
            if stored is None:
                raise NotFound(f"there is no station {identity}")
            if changes:
                await store.update_station(tx, StationId(stored["station_id"]), await placed(tx, changes, stored))
                await record(tx, caller, f"station.{action}", identity, **changes)
            station = await self._station(tx, identity)
        await self._notify(STATIONS_CHANGED)
        return station

    async def approve(self, caller: Caller, identity: str) -> Station:
        """Let a station that waits (or was rejected) work with us."""
        return await self.update_station(caller, identity, {"approval": "approved"}, action="approve")

    async def reject(self, caller: Caller, identity: str) -> Station:
        """Turn a station away; what it did is kept."""
        return await self.update_station(caller, identity, {"approval": "rejected"}, action="reject")

    async def delete_station(self, caller: Caller, identity: str) -> None:
        """Delete a station that has no sessions."""
        async with self._database.transaction(caller.operator_id) as tx:
            await store.delete_station(tx, await get_station_id(tx, identity))
            await record(tx, caller, "station.delete", identity)
        await self._notify(STATIONS_CHANGED)

    async def set_password(self, caller: Caller, identity: str, password: str | None) -> str:
        """Set a station's password (None: make one) and return it; only its hash is kept."""
        text = make_password() if password is None else password
        async with self._database.transaction(caller.operator_id) as tx:
            station_id = await get_station_id(tx, identity)
            await store.update_station(tx, station_id, password_columns(text))
            await record(tx, caller, "station.set_password", identity)
        await self._notify(STATIONS_CHANGED)
        return text

    async def list_stations(self, caller: Caller, page: PageRequest, wanted: StationFilter) -> Page[Station]:
        """Return stations by identity."""
        after = page.after_texts(1)
        async with self._database.transaction(caller.operator_id) as tx:
            stations = await self._scan(tx, wanted, after=after[0] if after else "", fetch=page.fetch)
        return page_of(stations, page, lambda station: (station.id,))

    async def count_states(self, operator_id: OperatorId) -> dict[StationState, int]:
        """Return how many stations are in each state; every state is named."""
        counts: Counter[StationState] = Counter(dict.fromkeys(StationState, 0))
        async with self._database.transaction(operator_id) as tx:
            everything = await self._scan(tx, StationFilter(), after="", fetch=None)
        counts.update(station.state for station in everything)
        return dict(counts)

    # ---- EVSEs and connectors

    async def put_evse(self, caller: Caller, identity: str, evse_id: int, values: Mapping[str, Any]) -> Station:
        """Make an EVSE or change it, and return its station."""
        return await self._change_part(
            caller, identity, lambda tx, key: store.put_evse(tx, key, evse_id, values), what=f"evse {evse_id}"
        )

    async def put_connector(
        self, caller: Caller, identity: str, place: tuple[int, int], values: Mapping[str, Any]
    ) -> Station:
        """Make a connector (and its EVSE) or change it, and return its station."""

        async def put(tx: Transaction, key: StationId) -> int:
            await store.put_evse(tx, key, place[0], {})
            await store.put_connector(tx, key, place, values)
            return 1

        return await self._change_part(caller, identity, put, what=f"connector {place[0]}/{place[1]}")

    async def delete_evse(self, caller: Caller, identity: str, evse_id: int) -> None:
        """Delete an EVSE that has no sessions."""
        await self._change_part(
            caller, identity, lambda tx, key: store.delete_evse(tx, key, evse_id), what=f"evse {evse_id}"
        )

    async def delete_connector(self, caller: Caller, identity: str, place: tuple[int, int]) -> None:
        """Delete a connector."""
        await self._change_part(
            caller,
            identity,
            lambda tx, key: store.delete_connector(tx, key, place),
            what=f"connector {place[0]}/{place[1]}",
        )

    async def list_evses(self, caller: Caller, page: PageRequest, *, station: str | None = None) -> Page[FoundEvse]:
        """Return EVSEs over all stations."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_evses(tx, page, station=station)
        return page_of(rows, page, lambda evse: (evse.station_id, str(evse.evse_id)))

    async def list_connectors(
        self, caller: Caller, page: PageRequest, *, station: str | None = None, status: str | None = None
    ) -> Page[FoundConnector]:
        """Return connectors over all stations."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_connectors(tx, page, station=station, status=status)
        return page_of(rows, page, lambda it: (it.station_id, str(it.evse_id), str(it.connector_id)))

    # ---- what a station told us

    async def list_findings(self, caller: Caller, identity: str) -> list[StationFinding]:
        """Return the tolerances that a station needed."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await store.list_findings(tx, await get_station_id(tx, identity))

    async def get_availability(self, caller: Caller, identity: str) -> StationAvailability:
        """Return what we asked of a station's availability, what it answered and what it reports, per EVSE."""
        async with self._database.transaction(caller.operator_id) as tx:
            row = await store.find_station(tx, identity)
            if row is None:
                raise NotFound(f"there is no station {identity}")
            station_id = StationId(row["station_id"])
            requests = await availability_store.newest_requests(tx, station_id)
            statuses = await availability_store.list_statuses(tx, station_id)
            numbers = await availability_store.list_evse_ids(tx, station_id)
        connection = self._connection(row)
        moment = Moment(
            self._now(),
            is_connected=connection is not None and connection.connected and not connection.stale,
            is_leveled=connection is not None and connection.version != "1.6",
        )
        reported = [reported_of(moment.now, **status) for status in statuses]
        evses = [evse_availability(number, requests, reported, moment) for number in numbers]
        return StationAvailability(identity, moment.is_connected, evses)

    async def list_events(
        self, caller: Caller, identity: str, page: PageRequest, *, action: str | None = None
    ) -> Page[StationEvent]:
        """Return a station's events, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_events(tx, await get_station_id(tx, identity), page, action=action)
        return page_of(rows, page, lambda event: (to_micros(event.received_at), int(event.digest)))

    async def list_variables(
        self, caller: Caller, identity: str, page: PageRequest, *, part: str | None = None
    ) -> Page[StationVariable]:
        """Return a station's variables (configuration keys)."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_variables(tx, await get_station_id(tx, identity), page, part=part)
        return page_of(
            rows,
            page,
            lambda it: (
                it.component,
                it.variable,
                it.instance,
                it.attribute,
                str(it.evse_id * 10000 + it.connector_id),
            ),
        )

    async def list_messages(
        self, caller: Caller, identity: str, page: PageRequest, wanted: MessageFilter
    ) -> Page[LoggedMessage]:
        """Return what went over a station's wire, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_messages(tx, await get_station_id(tx, identity), page, wanted)
        return page_of(rows, page, lambda message: (to_micros(message.received_at),))

    # ---- inside

    async def _change_part(
        self,
        caller: Caller,
        identity: str,
        change: Callable[[Transaction, StationId], Awaitable[int | None]],
        *,
        what: str,
    ) -> Station:
        async with self._database.transaction(caller.operator_id) as tx:
            station_id = await get_station_id(tx, identity)
            if await change(tx, station_id) == 0:
                raise NotFound(f"{identity} has no {what}")
            await store.update_station(tx, station_id, {})
            await record(tx, caller, "station.change_part", identity, part=what)
            station = await self._station(tx, identity)
        await self._notify(STATIONS_CHANGED)
        return station

    async def _station(self, tx: Transaction, identity: str) -> Station:
        row = await store.find_station(tx, identity)
        if row is None:
            raise NotFound(f"there is no station {identity}")
        return (await self._build(tx, [row]))[0]

    async def _scan(self, tx: Transaction, wanted: StationFilter, *, after: str, fetch: int | None) -> list[Station]:
        found: list[Station] = []
        batch = _SCAN if wanted.state is not None or fetch is None else fetch
        while fetch is None or len(found) < fetch:
            rows = await store.list_stations(tx, wanted, after=after, limit=batch)
            found += [it for it in await self._build(tx, rows) if wanted.state in {None, it.state}]
            if len(rows) < batch:
                break
            after = rows[-1]["identity"]
        return found if fetch is None else found[:fetch]

    async def _build(self, tx: Transaction, rows: Sequence[Row]) -> list[Station]:
        evses = await store.evses_of(tx, [StationId(row["station_id"]) for row in rows])
        return [self._station_of(row, evses[row["station_id"]]) for row in rows]

    def _station_of(self, row: Row, evses: list[Evse]) -> Station:
        connection = self._connection(row)
        statuses = [(evse.evse_id, connector.status) for evse in evses for connector in evse.connectors]
        direct = {name: row[name] for name in _SAME_NAME}
        return Station(
            id=row["identity"],
            location_id=row["location_code"],
            connection=connection,
            state=fuse_state(connection, statuses, approval=row["approval"]),
            evses=evses,
            **direct,
        )

    def _connection(self, row: Row) -> Connection | None:
        if row["connected"] is None:
            return None
        seen = row["last_seen_at"]
        found = Connection(
            connected=row["connected"],
            version=row["version"],
            since=row["connected_at"] if row["connected"] else row["disconnected_at"] or row["last_seen_at"],
            last_seen_at=seen,
            clock_offset_ms=row["clock_offset_ms"],
            stale=False,
            remote=row["remote"],
            gateway=row["gateway"],
        )
        return replace(found, stale=found.connected and is_stale(seen, self._now(), self._heartbeat_interval_s))


_SAME_NAME = (
    "name", "approval", "auth", "has_password", "fallback_version", "groups", "vendor", "model", "serial", "firmware",
    "booted_at", "commissioned_at", "decommissioned_at", "feeder", "findings", "created_at", "updated_at",
)  # fmt: skip


async def get_station_id(tx: Transaction, identity: str) -> StationId:
    """Return the internal key of a station; raise NotFound where this operator has none of that identity."""
    station_id = await store.find_station_id(tx, identity)
    if station_id is None:
        raise NotFound(f"there is no station {identity}")
    return station_id


def password_columns(password: str) -> dict[str, Any]:
    """Return the columns of a password: a fresh salt and the hash."""
    salt = make_salt()
    return {"password_salt": salt, "password_hash": hash_password(salt, password.encode()), "auth": "password"}


def _location(row: Row | None, code: str) -> Location:
    if row is None:
        raise NotFound(f"there is no location {code}")
    return Location(id=row["code"], **{name: value for name, value in row.items() if name != "code"})

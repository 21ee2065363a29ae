"""Tables of locations and stations; see `httpapi.imports` for the flow."""

from collections.abc import Mapping, Sequence
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.httpapi.imports import ImportPlan, ImportReport, Values
from voltway.httpapi.tables import (
    Column,
    TableRow,
    choice_cell,
    instant_cell,
    number_cell,
    text_cell,
    words_cell,
    zone_cell,
)
from voltway.identity.audit import record
from voltway.infra.db import Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import now
from voltway.kernel.errors import Fault
from voltway.kernel.ids import StationId
from voltway.stations import power_store, store
from voltway.stations.model import Approval, FallbackVersion, StationAuth, verify_password
from voltway.stations.placement import date_faults, no_feeder, placed
from voltway.stations.service import password_columns


class _Plan(ImportPlan):
    """What both kinds share."""

    key_column = "id"

    def key_of(self, values: Values) -> str:
        """Return the id."""
        return str(values["id"])

    def changes(self, stored: Values, given: Values) -> Values:
        """Return what differs; the id is the key."""
        return super().changes(stored, {name: value for name, value in given.items() if name != "id"})

    async def finish(self, tx: Transaction, caller: Caller, report: ImportReport) -> None:
        """Write one audit row for the whole table."""
        await record(tx, caller, f"import.{self.kind}", "", created=report.created, updated=report.updated)


class LocationPlan(_Plan):
    """Locations: id,name,time_zone[,address,city,postal_code,country,lat,lon]."""

    kind = "locations"
    columns = (
        Column("id", text_cell(), is_required=True),
        Column("name", text_cell(), is_required=True),
        Column("time_zone", zone_cell, is_required=True),
        Column("address", text_cell()),
        Column("city", text_cell(100)),
        Column("postal_code", text_cell(20)),
        Column("country", text_cell(3), empty="DEU"),
        Column("lat", number_cell(-90, 90)),
        Column("lon", number_cell(-180, 180)),
    )

    async def existing(self, tx: Transaction, keys: Sequence[str]) -> Mapping[str, Values]:
        """Return the stored locations."""
        return await store.find_locations(tx, keys)

    async def create(self, tx: Transaction, caller: Caller, values: Values) -> None:
        """Store a new location."""
        await store.insert_location(tx, caller.operator_id, _renamed(values, {"id": "code"}))

    async def change(self, tx: Transaction, caller: Caller, key: str, changes: Values) -> None:
        """Change a location."""
        del caller
        await store.update_location(tx, key, {**changes, "updated_at": now()})


class StationPlan(_Plan):
    """Stations: id[,location_id,name,approval,auth,fallback_version,groups (a;b),vendor,model,serial,password,
    commissioned_at,decommissioned_at,feeder].
    """

    kind = "stations"
    columns = (
        Column("id", text_cell(), is_required=True),
        Column("location_id", text_cell()),
        Column("name", text_cell()),
        Column("approval", choice_cell(Approval), empty="approved"),
        Column("auth", choice_cell(StationAuth), empty="password"),
        Column("fallback_version", choice_cell(FallbackVersion)),
        Column("groups", words_cell, empty=[]),
        Column("vendor", text_cell()),
        Column("model", text_cell()),
        Column("serial", text_cell()),
        Column("password", text_cell(64)),
        Column("commissioned_at", instant_cell),
        Column("decommissioned_at", instant_cell),
        Column("feeder", text_cell()),
    )

    async def existing(self, tx: Transaction, keys: Sequence[str]) -> Mapping[str, Values]:
        """Return the stored stations, with salt and hash of their passwords."""
        rows = await store.find_stations(tx, keys)
        passwords = await store.find_passwords(tx, [row["station_id"] for row in rows.values()])
        return {
            identity: {**row, "location_id": row["location_code"], "password": passwords[row["station_id"]]}
            for identity, row in rows.items()
        }

    def changes(self, stored: Values, given: Values) -> Values:
        """Return what differs; an empty password leaves the stored one."""
        changes = dict(super().changes(stored, {name: it for name, it in given.items() if name != "password"}))
        password = given.get("password")
        if password is not None and not _is_password(stored["password"], password):
            changes["password"] = password
        if "location_id" in changes and given.get("feeder") is not None:
            # The same code at another location is another node.
            changes["feeder"] = given["feeder"]
        return changes

    async def check(self, tx: Transaction, rows: Sequence[TableRow]) -> list[Fault]:
        """Return a fault for every location and power node that does not exist, and for dates that do not fit."""
        codes = {row.values["location_id"] for row in rows if row.values.get("location_id")}
        known = await store.find_locations(tx, sorted(codes))
        stored = await store.find_stations(tx, [row.values["id"] for row in rows])
        nodes = await power_store.codes_by_location(tx)
        faults = [
            row.fault("location_id", f"there is no location {row.values['location_id']}")
            for row in rows
            if row.values.get("location_id") and row.values["location_id"] not in known
        ]
        for row in rows:
            faults += [
                row.fault(fault.pointer.removeprefix("/"), fault.message)
                for fault in _row_faults(row.values, stored.get(row.values["id"]), nodes)
            ]
        return faults

    async def create(self, tx: Transaction, caller: Caller, values: Values) -> None:
        """Store a new station."""
        columns = await placed(tx, _station_columns(values))
        await store.insert_station(tx, caller.operator_id, _renamed(columns, {"id": "identity"}))

    async def change(self, tx: Transaction, caller: Caller, key: str, changes: Values) -> None:
        """Change a station."""
        del caller
        stored = await store.find_station(tx, key)
        assert stored is not None, "it was found by `existing` in this transaction"
        columns = await placed(tx, _station_columns(changes), stored)
        await store.update_station(tx, StationId(stored["station_id"]), columns)


def _station_columns(values: Values) -> dict[str, Any]:
    columns = _renamed(values, {"location_id": "location"})
    password = columns.pop("password", None)
    if password is not None:
        columns = {**password_columns(password), **columns}
    return columns


def _row_faults(values: Values, stored: Row | None, nodes: Mapping[str, frozenset[str]]) -> list[Fault]:
    faults = date_faults(values, stored)
    place = values.get("location_id", stored["location_code"] if stored else None)
    feeder = values.get("feeder")
    if feeder is not None and feeder not in nodes.get(place or "", frozenset()):
        faults.append(no_feeder(place, feeder))
    return faults


def _is_password(stored: tuple[bytes | None, bytes | None], password: str) -> bool:
    salt, digest = stored
    return salt is not None and digest is not None and verify_password(salt, digest, password.encode()) is not None


def _renamed(values: Values, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}

"""What the gateways must know of every station to let it in; they keep it in memory, since a handshake cannot wait.

A gateway loads everything once, then asks for what changed; `Database` is one of the ingest role, which sees all
operators.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from voltway.infra.db import Database
from voltway.infra.sql import Row
from voltway.kernel.ids import OperatorId, StationId, StationIdentity
from voltway.stations import store


@dataclass(frozen=True, slots=True)
class Registered:
    """One station: who it is, what it proves itself by, and what it may do."""

    station_id: StationId
    operator_id: OperatorId
    identity: StationIdentity
    approval: str
    auth: str
    salt: bytes | None
    password_hash: bytes | None
    fallback_version: str | None
    has_booted: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """Stations that changed, and how many there are in all (another number than we know: some are gone)."""

    stations: tuple[Registered, ...]
    total: int


async def load_changes(database: Database, since: datetime | None = None) -> Changes:
    """Return all stations, or those whose `updated_at` is not before an instant."""
    async with database.transaction(None) as tx:
        rows = await store.list_registered(tx, since)
        return Changes(_registered(rows), await store.count_stations(tx))


async def load_ids(database: Database) -> set[int]:
    """Return the keys of all stations."""
    async with database.transaction(None) as tx:
        return await store.list_station_ids(tx)


async def register_unknown(
    database: Database, operator_id: OperatorId, identities: Sequence[str], *, approval: str
) -> tuple[Registered, ...]:
    """Enter stations that nobody entered, free of a password; those that exist by now stay as they are."""
    async with database.transaction(None) as tx:
        return _registered(await store.register_unknown(tx, operator_id, identities, approval))


async def end_links_of(database: Database, gateway: str) -> int:
    """Mark the connections that a gateway left behind when it died as ended."""
    async with database.transaction(None) as tx:
        return await store.end_links_of(tx, gateway)


def _registered(rows: Sequence[Row]) -> tuple[Registered, ...]:
    return tuple(
        Registered(
            station_id=StationId(row["station_id"]),
            operator_id=OperatorId(row["operator_id"]),
            identity=StationIdentity(row["identity"]),
            approval=row["approval"],
            auth=row["auth"],
            salt=row["password_salt"],
            password_hash=row["password_hash"],
            fallback_version=row["fallback_version"],
            has_booted=row["has_booted"],
            updated_at=row["updated_at"],
        )
        for row in rows
    )

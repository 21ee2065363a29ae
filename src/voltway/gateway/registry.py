"""All stations in memory: the handshake, which cannot wait, asks here; changes come by the bus and by asking every 2 s.

An `Entry` lives as long as its station is known, so that a new connection finds what the last one left.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from voltway.gateway.inbound import Seat
from voltway.infra.db import Database
from voltway.kernel.clock import EPOCH
from voltway.kernel.ids import OperatorId
from voltway.stations.registry import Registered, load_changes, load_ids, register_unknown

log = structlog.get_logger()

POLL_S = 2.0
_OVERLAP = timedelta(seconds=30)
"""`updated_at` is written before its transaction commits, so what was asked a moment ago is asked again."""
_FIRST_OPERATOR = OperatorId(1)
_MOST_AT_ONCE = 500
_MOST_PENDING = 10_000


class Occupant(Protocol):
    """The connection of a station."""

    def turn_away(self, reason: str) -> None:
        """Close it: its station may no longer be here."""
        ...

    def call_back(self, reason: str) -> None:
        """Close it: its station shall come again at once."""
        ...


@dataclass(slots=True, eq=False)
class Entry:
    """A station as this gateway knows it; `link` is its connection here, `last_received_at` the log's last key."""

    seat: Seat
    station: Registered
    link: Occupant | None = None
    last_received_at: datetime = EPOCH
    has_booted: bool = False


class Registry:
    """Stations by identity. Only `refresh` and `admit` wait for the database."""

    def __init__(self, database: Database, *, on_gone: Callable[[Entry], None] = lambda _: None) -> None:
        self._database = database
        self._on_gone = on_gone
        self._entries: dict[str, Entry] = {}
        self._folded: dict[str, set[str]] = {}
        self._newest = EPOCH
        self._pending = 0
        self._changed = asyncio.Event()
        self._wanted: dict[tuple[str, str], asyncio.Future[Entry]] = {}
        self._wants = asyncio.Event()
        self.is_database_up = False

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, identity: str) -> Entry | None:
        """Return the station with exactly this identity."""
        return self._entries.get(identity)

    def find_folded(self, identity: str) -> Entry | None:
        """Return the station with this identity in another case, if there is only one."""
        names = self._folded.get(identity.casefold(), ())
        return self._entries[next(iter(names))] if len(names) == 1 else None

    @property
    def is_crowded(self) -> bool:
        """Whether so many stations wait for an operator that no more are taken."""
        return self._pending >= _MOST_PENDING

    def wake(self) -> None:
        """Look for changes now."""
        self._changed.set()

    async def refresh(self) -> None:
        """Read what changed; all at the first time. Raises what the database raises."""
        changes = await load_changes(self._database, None if self._newest == EPOCH else self._newest - _OVERLAP)
        for station in changes.stations:
            self._learn(station)
        if changes.total != len(self._entries):
            self._drop_all_but(await load_ids(self._database))
        self.is_database_up = True

    async def admit(self, identity: str, approval: str) -> Entry:
        """Enter a station that connected unknown and return it; many at once are one statement."""
        key = (identity, approval)
        if key not in self._wanted:
            self._wanted[key] = asyncio.get_running_loop().create_future()
            self._wants.set()
        return await asyncio.shield(self._wanted[key])

    async def run(self) -> None:
        """Follow the table until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._admit_all())

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - a job's supervisor: the database comes back
                self._note_absence(error)

    async def _admit_all(self) -> None:
        while True:
            await self._wants.wait()
            self._wants.clear()
            while self._wanted:
                await self._admit_some()

    async def _admit_some(self) -> None:
        approval = next(iter(self._wanted))[1]
        keys = [key for key in self._wanted if key[1] == approval][:_MOST_AT_ONCE]
        fault: BaseException | None = None
        try:
            names = [identity for identity, _ in keys]
            for station in await register_unknown(self._database, _FIRST_OPERATOR, names, approval=approval):
                self._learn(station)
        except Exception as error:  # noqa: BLE001 - a job's supervisor: those sockets are told to come again
            self._note_absence(error)
            fault = error
        for key in keys:
            self._settle(key, fault)

    def _settle(self, key: tuple[str, str], fault: BaseException | None) -> None:
        future, entry = self._wanted.pop(key), self._entries.get(key[0])
        if entry is not None:
            future.set_result(entry)
        else:
            future.set_exception(fault or LookupError(f"station {key[0]} was removed meanwhile"))
            future.exception()  # who waited may be gone by now

    def _note_absence(self, error: BaseException) -> None:
        if self.is_database_up:
            log.warning("registry_database_away", error=str(error)[:200])
        self.is_database_up = False

    def _learn(self, station: Registered) -> None:
        self._newest = max(self._newest, station.updated_at)
        entry = self._entries.get(station.identity)
        if entry is not None and entry.seat.station_id == station.station_id:
            if entry.station != station:
                self._change(entry, station)
            return
        if entry is not None:
            self._drop(entry)
        seat = Seat(station.station_id, station.operator_id, station.identity, station.approval)
        self._entries[station.identity] = Entry(seat, station, has_booted=station.has_booted)
        self._folded.setdefault(station.identity.casefold(), set()).add(station.identity)
        self._pending += station.approval == "pending"

    def _change(self, entry: Entry, station: Registered) -> None:
        was_pending = entry.station.approval == "pending"
        self._pending += (station.approval == "pending") - was_pending
        entry.station = station
        entry.seat.approval = station.approval
        entry.seat.operator_id = station.operator_id
        if station.approval == "rejected" and entry.link is not None:
            entry.link.turn_away("rejected by the operator")
        elif station.approval == "approved" and was_pending and entry.link is not None:
            # Nothing may be sent to it before its boot is accepted, and else it would wait out its interval.
            entry.link.call_back("approved by the operator: boot again")

    def _drop_all_but(self, ids: set[int]) -> None:
        for entry in [entry for entry in self._entries.values() if entry.seat.station_id not in ids]:
            self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        identity = entry.seat.identity
        del self._entries[identity]
        names = self._folded[identity.casefold()]
        names.discard(identity)
        if not names:
            del self._folded[identity.casefold()]
        self._pending -= entry.station.approval == "pending"
        if entry.link is not None:
            entry.link.turn_away("this station was removed")
        self._on_gone(entry)

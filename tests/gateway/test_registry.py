"""The register follows the table: changes, removals, and newcomers in one statement."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from voltway.gateway.registry import Registry
from voltway.infra.db import Database, Role
from voltway.kernel.ids import OperatorId
from voltway.stations import store

OPERATOR = OperatorId(1)


class _Link:
    """A connection that remembers why it was closed."""

    reason: str | None = None

    def turn_away(self, reason: str) -> None:
        """Remember."""
        self.reason = reason

    call_back = turn_away


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, Role.INGEST)
    yield opened
    await opened.close()


async def _add(database: Database, *identities: str) -> None:
    async with database.transaction(OPERATOR) as tx:
        for identity in identities:
            await store.insert_station(tx, OPERATOR, {"identity": identity})


async def test_changes_arrive_in_place(database: Database) -> None:
    """A link keeps its entry, so what was changed is seen at once."""
    registry = Registry(database)
    await _add(database, "S1", "s2")
    await registry.refresh()
    entry = registry.find("S1")
    assert entry is not None
    assert registry.find_folded("S2") is registry.find("s2")
    link = entry.link = _Link()
    async with database.transaction(OPERATOR) as tx:
        await store.update_station(tx, entry.seat.station_id, {"approval": "pending"})
    await registry.refresh()
    assert registry.find("S1") is entry
    assert (entry.seat.approval, link.reason) == ("pending", None)


async def test_a_removed_station_is_forgotten_and_sent_away(database: Database, database_url: str) -> None:
    registry, own = Registry(database), Database(database_url)
    await _add(database, "S1", "S2")
    await registry.refresh()
    entry = registry.find("S1")
    assert entry is not None
    link = entry.link = _Link()
    async with own.transaction(OPERATOR) as tx:
        await store.delete_station(tx, entry.seat.station_id)
    await own.close()
    await registry.refresh()
    assert registry.find("S1") is None
    assert registry.find_folded("s1") is None
    assert registry.find("S2") is not None
    assert link.reason == "this station was removed"


async def test_newcomers_are_entered_once(database: Database) -> None:
    """Many at the same time, some twice, one that exists by now."""
    registry = Registry(database)
    await registry.refresh()
    await _add(database, "N0")
    running = asyncio.create_task(registry.run())
    names = [f"N{number % 50}" for number in range(100)]
    entries = await asyncio.gather(*(registry.admit(name, "pending") for name in names))
    assert [entry.seat.identity for entry in entries] == names
    assert len({entry.seat.station_id for entry in entries}) == 50
    assert entries[0].seat.approval == "approved"
    assert entries[1].seat.approval == "pending"
    assert entries[1].station.auth == "none"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_without_the_database_newcomers_are_told(database_url: str) -> None:
    """The register says so, and goes on with what it knows."""
    away = Database("postgresql://nobody@127.0.0.1:1/none", Role.INGEST)
    registry = Registry(away)
    running = asyncio.create_task(registry.run())
    with pytest.raises(Exception, match="database"):
        await registry.admit("N1", "pending")
    assert not registry.is_database_up
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await away.close()

"""The outbox: nothing is skipped whatever the order of commits, a wake-up is enough, what all have read is pruned."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import psycopg
import pytest

from voltway.infra.bus import connect
from voltway.infra.db import Database, Role
from voltway.infra.outbox import BEGINNING, Change, Cursor, Outbox, prune_outbox, write_change
from voltway.infra.outbox_rows import SUBJECT
from voltway.kernel.ids import OperatorId, StationId

FIRST = OperatorId(1)


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def ingest(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, Role.INGEST, pool_size=3)
    yield database
    await database.close()


async def _write(app: Database, operator_id: OperatorId = FIRST) -> UUID:
    key = uuid4()
    async with app.transaction(operator_id) as tx:
        await write_change(tx, operator_id, sessions=[key], ended=[key], stations=[StationId(7)])
    return key


async def test_what_was_written_is_read_in_order(app: Database, ingest: Database, database_url: str) -> None:
    """All operators, from a cursor on, at most a batch."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO operator (operator_id, name) VALUES (2, 'Other')")
    keys = [await _write(app), await _write(app, OperatorId(2)), await _write(app)]
    outbox = Outbox(ingest)
    found = await outbox.read(BEGINNING)
    assert [(it.operator_id, list(it.sessions), list(it.ended), list(it.stations)) for it in found] == [
        (operator, [key], [key], [7]) for operator, key in zip((1, 2, 1), keys, strict=True)
    ]
    assert await outbox.read(found[0].cursor, limit=1) == [found[1]]
    assert await outbox.read(found[-1].cursor) == []


async def test_a_slow_transaction_is_never_skipped(app: Database, ingest: Database, database_url: str) -> None:
    """A row that commits after a later one waits for it: both are read, in the order of their beginnings."""
    slow_key = uuid4()
    outbox = Outbox(ingest)
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO outbox (operator_id, sessions, ended, stations) VALUES (1, ARRAY[%s], '{}', '{}')", (slow_key,)
        )
        quick_key = await _write(app)
        assert await outbox.read(BEGINNING) == []
    assert [list(it.sessions) for it in await outbox.read(BEGINNING)] == [[slow_key], [quick_key]]


async def test_a_consumer_goes_on_where_it_was(app: Database, ingest: Database) -> None:
    """A batch whose handling fails comes again; the cursor never goes back; a nameless reader begins now."""
    keys = [await _write(app), await _write(app)]
    outbox, stopping, tries = Outbox(ingest, poll_s=0.01), asyncio.Event(), list[list[UUID]]()

    async def handle(changes: Sequence[Change]) -> None:
        tries.append([it.sessions[0] for it in changes])
        if len(tries) == 1:
            raise ValueError("once")
        stopping.set()

    await asyncio.wait_for(outbox.follow(handle, stopping, name="test"), 10)
    assert tries == [keys, keys]
    cursor = await outbox.load_cursor("test")
    assert await outbox.read(cursor) == []
    await outbox.save_cursor("test", Cursor(1, 1))
    assert await outbox.load_cursor("test") == cursor
    assert await outbox.read(await outbox.head()) == []
    fresh = await _write(app)
    assert [it.sessions[0] for it in await outbox.read(cursor)] == [fresh]


async def test_the_bus_wakes_a_reader(app: Database, ingest: Database, nats_url: str) -> None:
    """With a poll of a minute, only the wake-up can have brought it."""
    bus = await connect(nats_url)
    outbox, stopping, got = Outbox(ingest, poll_s=60), asyncio.Event(), asyncio.Event()
    await outbox.listen(bus)

    async def handle(_: Sequence[Change]) -> None:
        got.set()

    following = asyncio.create_task(outbox.follow(handle, stopping, name="test"))
    await _write(app)
    while not got.is_set():
        await bus.publish(SUBJECT)
        await asyncio.wait({asyncio.create_task(got.wait())}, timeout=0.05)
    stopping.set()
    await asyncio.wait_for(following, 5)
    await bus.close()


async def test_what_all_have_read_is_pruned_after_a_day(app: Database, ingest: Database, database_url: str) -> None:
    """Not what the slowest consumer still needs, not what is fresh; nothing while nobody reads."""
    outbox = Outbox(ingest)
    for _ in range(4):
        await _write(app)
    changes = await outbox.read(BEGINNING)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE outbox SET created_at = now() - interval '2 days' WHERE outbox_id <> %s",
            (changes[1].cursor.outbox_id,),
        )
    assert await prune_outbox(ingest, app) == 0
    await outbox.save_cursor("quick", changes[3].cursor)
    await outbox.save_cursor("slow", changes[2].cursor)
    assert await prune_outbox(ingest, app) == 2
    assert [it.cursor for it in await outbox.read(BEGINNING)] == [changes[1].cursor, changes[3].cursor]

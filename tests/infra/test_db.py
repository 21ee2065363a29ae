"""A transaction sees the rows of the operator it names, and a database that is away is said to be."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from voltway.infra.db import Database, Role, libpq_url, sqlalchemy_url
from voltway.infra.sql import fetch_all, fetch_one, insert
from voltway.kernel.errors import NotReady
from voltway.kernel.ids import OperatorId

OURS, THEIRS = OperatorId(1), OperatorId(2)


async def _enter(database: Database, operator_id: OperatorId, token: str) -> None:
    async with database.transaction(operator_id) as tx:
        await insert(tx, "id_token", {"operator_id": operator_id, "match_key": token, "token": token})


async def _tokens(database: Database, operator_id: OperatorId | None) -> list[str]:
    async with database.transaction(operator_id) as tx:
        return [str(row["token"]) for row in await fetch_all(tx, "SELECT token FROM id_token ORDER BY token")]


async def test_each_operator_sees_its_own_rows(database_url: str) -> None:
    """Nobody's transaction sees none; the ingest role sees all; writing for another is refused."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO operator (operator_id, name) VALUES (2, 'Second')")
    database = Database(database_url, pool_size=1)
    await _enter(database, OURS, "ours")
    await _enter(database, THEIRS, "theirs")
    assert [await _tokens(database, it) for it in (OURS, THEIRS, None)] == [["ours"], ["theirs"], []]

    async def write_for_them() -> None:
        async with database.transaction(OURS) as tx:
            await insert(tx, "id_token", {"operator_id": 2, "match_key": "x", "token": "x"})

    with pytest.raises(ProgrammingError, match="row-level security"):
        await write_for_them()
    await database.close()
    ingest = Database(database_url, Role.INGEST, pool_size=1)
    assert await _tokens(ingest, None) == ["ours", "theirs"]
    await ingest.close()


async def test_an_error_undoes_the_transaction(database_url: str) -> None:
    database = Database(database_url, pool_size=1)

    async def enter_and_fail() -> None:
        async with database.transaction(OURS) as tx:
            await insert(tx, "id_token", {"operator_id": 1, "match_key": "a", "token": "a"})
            raise LookupError

    with pytest.raises(LookupError):
        await enter_and_fail()
    assert await _tokens(database, OURS) == []
    await database.close()


async def test_local_settings_end_with_their_transaction(database_url: str) -> None:
    """One pooled connection serves many callers: nothing of one may reach the next."""
    database = Database(database_url, pool_size=1)
    told = []
    for local in ({"key_prefix": "abc"}, {}):
        async with database.transaction(OURS, **local) as tx:
            row = await fetch_one(tx, "SELECT current_setting('app.key_prefix', true) AS told, current_user AS role")
            assert row is not None
            told.append((row["told"] or "", row["role"]))
    assert told == [("abc", "voltway_app"), ("", "voltway_app")]
    await database.close()


async def test_a_database_that_is_away_is_not_ready(tmp_path: Path) -> None:
    database = Database(f"postgresql://voltway@/voltway?host={tmp_path}", pool_size=1)
    with pytest.raises(NotReady, match="does not answer"):
        await _tokens(database, OURS)
    await database.close()


def test_a_url_takes_on_a_role_whatever_it_carries() -> None:
    assert "voltway_app" in sqlalchemy_url("postgresql://u:p%40ss@h/d?sslmode=require", Role.APP)
    assert sqlalchemy_url("postgresql://u@h/d") == "postgresql+psycopg://u@h/d"
    assert libpq_url("postgresql://u@h/d?x=1", Role.APP).count("?") == 1
    assert "?options=-c%20role%3Dvoltway_ingest" in libpq_url("postgresql://u@h/d", Role.INGEST)

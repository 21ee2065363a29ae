"""The short forms for SQL: what is bound is bound, and a broken key is a Conflict."""

import pytest

from voltway.infra.db import Database
from voltway.infra.sql import conflict_if_refused, fetch_all, fetch_one, insert, like_pattern, run, update
from voltway.kernel.errors import Conflict
from voltway.kernel.ids import OperatorId

TOKEN = {"operator_id": 1, "match_key": "a_b%c", "token": "a_b%c'); DROP TABLE id_token; --"}


async def test_rows_go_in_and_come_out_as_they_were(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    async with database.transaction(OperatorId(1)) as tx:
        await insert(tx, "id_token", TOKEN)
        assert await fetch_one(tx, "SELECT token FROM id_token WHERE match_key = 'none'") is None
        assert await update(tx, "id_token", {"match_key": "a_b%c"}, {"note": None, "group_token": "g"}) == 1
        assert await update(tx, "id_token", {"match_key": "none"}, {"note": "x"}) == 0
        (row,) = await fetch_all(tx, "SELECT token, group_token FROM id_token WHERE group_token = :group", group="g")
        assert dict(row) == {"token": TOKEN["token"], "group_token": "g"}
        assert await run(tx, "DELETE FROM id_token") == 1
    await database.close()


async def test_a_broken_key_is_a_conflict_and_nothing_is_kept(database_url: str) -> None:
    database = Database(database_url, pool_size=1)

    async def enter_twice() -> None:
        async with database.transaction(OperatorId(1)) as tx:
            await insert(tx, "id_token", TOKEN)
            with conflict_if_refused("it is there"):
                await insert(tx, "id_token", TOKEN)

    with pytest.raises(Conflict, match="it is there"):
        await enter_twice()
    async with database.transaction(OperatorId(1)) as tx:
        assert await fetch_all(tx, "SELECT 1 FROM id_token") == []
    await database.close()


@pytest.mark.parametrize(
    ("part", "found"), [("a_b", True), ("%", True), ("_", True), ("a%b", False), ("axb", False), ("\\", False)]
)
async def test_a_pattern_finds_the_text_itself(database_url: str, part: str, *, found: bool) -> None:
    """Wildcards in what a caller writes are only characters."""
    database = Database(database_url, pool_size=1)
    async with database.transaction(OperatorId(1)) as tx:
        row = await fetch_one(tx, "SELECT CAST('a_b%c' AS text) LIKE :pattern AS found", pattern=like_pattern(part))
        assert row is not None
        assert row["found"] is found
    await database.close()

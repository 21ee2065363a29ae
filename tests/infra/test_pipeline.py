"""The ingest's hand on PostgreSQL: one transaction per call, and a connection that survives refusals and restarts."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from voltway.infra.db import Role, libpq_url
from voltway.infra.pgarrays import BYTEA, INT2, INT4, INT8, TEXT
from voltway.infra.pipeline import DatabaseAway, DataRefused, Pipeline, Statement, Work

TOKENS = Statement(
    "enter_tokens",
    "INSERT INTO id_token (operator_id, match_key, token) SELECT 1, k, k FROM unnest($1::text[]) AS v(k)",
    (TEXT,),
)
ECHO = Statement("echo", "SELECT x FROM unnest($1::bytea[]) AS v(x)", (BYTEA,))
BIG = [bytes([number]) * 1_000_000 for number in range(5)]


@pytest.fixture
async def pipeline(database_url: str) -> AsyncIterator[Pipeline]:
    """A connection of the ingest's role."""
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    yield pipeline
    await pipeline.close()


def tokens_of(database_url: str) -> list[str]:
    """Return what is stored, as the owner sees it."""
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute("SELECT token FROM id_token ORDER BY token").fetchall()]


async def test_each_work_gets_its_own_rows(pipeline: Pipeline) -> None:
    """In their order; a statement is prepared once and used again."""
    count = Statement("count_them", "SELECT count(*)::int FROM unnest($1::int[])", (INT4,))
    answers = await pipeline.run([Work(ECHO, [[b"a", None]]), Work(count, [[4, 5, 6]]), Work(ECHO, [[]])])
    assert answers == [[(b"a",), (None,)], [(b"\x00\x00\x00\x03",)], []]
    assert await pipeline.run([Work(ECHO, [[b"b"]])]) == [[(b"b",)]]
    assert await pipeline.run([]) == []


async def test_a_group_bigger_than_the_sockets_buffers_gets_through(pipeline: Pipeline) -> None:
    """5 MB there and 5 MB back, twice in one pipeline: both ends must keep reading while they write."""
    works = [Work(ECHO, [BIG]), Work(ECHO, [BIG])]
    first, second = await asyncio.wait_for(pipeline.run(works), 60)
    assert [row[0] for row in first] == [row[0] for row in second] == BIG


async def test_a_refused_value_undoes_the_whole_group(pipeline: Pipeline, database_url: str) -> None:
    """Nothing of the transaction is written, the constraint is named, and the connection goes on."""
    await pipeline.run([Work(TOKENS, [["a"]])])
    with pytest.raises(DataRefused) as refused:
        await pipeline.run([Work(TOKENS, [["b", "c"]]), Work(TOKENS, [["d", "a"]]), Work(TOKENS, [["e"]])])
    assert (refused.value.sqlstate, refused.value.constraint) == ("23505", "id_token_pkey")
    assert tokens_of(database_url) == ["a"]
    await pipeline.run([Work(TOKENS, [["b"]])])
    assert tokens_of(database_url) == ["a", "b"]


@pytest.mark.parametrize(
    ("statement", "value", "sqlstate"),
    [
        (Statement("small", "SELECT x FROM unnest($1::smallint[]) AS v(x)", (INT2,)), 2**15, "22003"),
        (Statement("large", "SELECT x FROM unnest($1::bigint[]) AS v(x)", (INT8,)), 2**64, "22003"),
        (TOKENS, "half\ud800", "22003"),
        (TOKENS, "null\x00", "22021"),
        (Statement("wrong", "SELECT nothing FROM unnest($1::int[])", (INT4,)), 1, "42703"),
        (Statement("none", "SELECT voltway_expect_rows(0, cardinality($1))", (INT4,)), 1, "VW001"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_name(
    pipeline: Pipeline, statement: Statement, value: object, sqlstate: str
) -> None:
    """Also what does not fit its column before it leaves us, a statement that is wrong, and a rule of ours."""
    with pytest.raises(DataRefused) as refused:
        await pipeline.run([Work(statement, [[value]])])
    assert refused.value.sqlstate == sqlstate
    assert await pipeline.run([Work(ECHO, [[b"on"]])]) == [[(b"on",)]]


async def test_a_lost_connection_is_said_and_made_anew(pipeline: Pipeline, database_url: str) -> None:
    """As when PostgreSQL restarts: the call fails as away, the next one works, prepared statements included."""
    await pipeline.run([Work(TOKENS, [["a"]])])
    await asyncio.to_thread(_terminate, database_url)
    with pytest.raises(DatabaseAway, match="the database is away"):
        await pipeline.run([Work(TOKENS, [["b"]])])
    await pipeline.run([Work(TOKENS, [["b"]])])
    assert tokens_of(database_url) == ["a", "b"]


async def test_a_connection_that_breaks_under_a_group_is_away(database_url: str) -> None:
    """Whether it was committed is not known, so the caller repeats it."""
    owner = Pipeline(database_url)
    ending = Statement("end_me", "SELECT pg_terminate_backend(pg_backend_pid()) FROM unnest($1::int[])", (INT4,))
    with pytest.raises(DatabaseAway):
        await owner.run([Work(TOKENS, [["a"]]), Work(ending, [[1]])])
    assert tokens_of(database_url) == []
    await owner.run([Work(TOKENS, [["a"]])])
    assert tokens_of(database_url) == ["a"]
    await owner.close()


async def test_a_conflict_of_two_writers_asks_for_a_repetition(pipeline: Pipeline, database_url: str) -> None:
    """A deadlock is nobody's fault: the group is safe to repeat."""
    raising = Statement(
        "deadlock", "SELECT CASE WHEN x > 0 THEN voltway_test_deadlock() END FROM unnest($1::int[]) AS v(x)", (INT4,)
    )
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """CREATE FUNCTION voltway_test_deadlock() RETURNS int LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'each waits for the other' USING ERRCODE = '40P01'; END $$"""
        )
    with pytest.raises(DatabaseAway, match="asks to repeat"):
        await pipeline.run([Work(raising, [[1]])])
    assert await pipeline.run([Work(ECHO, [[b"on"]])]) == [[(b"on",)]]


async def test_no_database_is_away(tmp_path: object) -> None:
    nowhere = Pipeline(f"postgresql://voltway@/voltway?host={tmp_path}")
    with pytest.raises(DatabaseAway):
        await nowhere.run([Work(ECHO, [[b"x"]])])
    await nowhere.close()


def _terminate(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

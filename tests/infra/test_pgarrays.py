"""What is packed is what PostgreSQL reads, for every type and at its bounds."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from voltway.infra.db import Role, libpq_url
from voltway.infra.pgarrays import (
    BOOL,
    BYTEA,
    FLOAT4,
    INT2,
    INT4,
    INT8,
    JSON,
    NO_UUID,
    NO_UUID_SQL,
    NULL_INT,
    TEXT,
    TIMESTAMPTZ,
    UUID_OID,
    pack,
)  # fmt: skip
from voltway.infra.pipeline import Pipeline, Statement, Work

NAMES = {
    BOOL: "bool", BYTEA: "bytea", INT2: "smallint", INT4: "int", INT8: "bigint", TEXT: "text", FLOAT4: "real",
    TIMESTAMPTZ: "timestamptz", UUID_OID: "uuid", JSON: "json",
}  # fmt: skip
KEY = UUID("01234567-89ab-7def-8123-456789abcdef")
DAY = 86_400_000_000


@pytest.fixture
async def pipeline(database_url: str) -> AsyncIterator[Pipeline]:
    """A connection as the ingest has it."""
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    yield pipeline
    await pipeline.close()


async def told(pipeline: Pipeline, oid: int, values: Sequence[Any], expression: str = "x") -> list[bytes | None]:
    """Return what PostgreSQL says of each value, as text."""
    name = NAMES[oid]
    sql = f"SELECT ({expression})::text FROM unnest($1::{name}[]) AS v(x)"  # noqa: S608 - our own text
    (rows,) = await pipeline.run([Work(Statement(f"tell_{name}", sql, (oid,)), [values])])
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("oid", "values", "expected"),
    [
        (BOOL, [True, False], ["true", "false"]),
        (INT2, [-(2**15), 0, 2**15 - 1], ["-32768", "0", "32767"]),
        (INT4, [-(2**31), 2**31 - 1], ["-2147483648", "2147483647"]),
        (INT8, [-(2**63), 2**63 - 1], ["-9223372036854775808", "9223372036854775807"]),
        (FLOAT4, [0.5, -11_000.0, float("nan"), float("inf")], ["0.5", "-11000", "NaN", "Infinity"]),
        (TIMESTAMPTZ, [0, DAY + 1, -1], [
            "2000-01-01 00:00:00+00", "2000-01-02 00:00:00.000001+00", "1999-12-31 23:59:59.999999+00",
        ]),
        (TEXT, ["", "ä🚗", "{\"a\",NULL}", None], ["", "ä🚗", "{\"a\",NULL}", None]),
        (TEXT, ["x" * 5_000], ["x" * 5_000]),
        (BYTEA, [b"", b"\x00\xff", None], ["\\x", "\\x00ff", None]),
        (UUID_OID, [KEY.bytes, NO_UUID], [str(KEY), str(UUID(int=0))]),
        (JSON, [b"{\"a\": [1, null]}", None], ["{\"a\": [1, null]}", None]),
    ],
)  # fmt: skip
async def test_every_type_arrives_as_it_left(
    pipeline: Pipeline, oid: int, values: list[Any], expected: list[str | None]
) -> None:
    found = await told(pipeline, oid, values)
    assert found == [None if it is None else it.encode() for it in expected]


@pytest.mark.parametrize("oid", NAMES)
async def test_no_value_is_an_empty_array(pipeline: Pipeline, oid: int) -> None:
    assert await told(pipeline, oid, []) == []


@pytest.mark.parametrize(
    ("oid", "absent", "present", "expression"),
    [
        (INT8, NULL_INT, 5, f"nullif(x, {NULL_INT})"),
        (FLOAT4, float("nan"), 5.0, "nullif(x, 'NaN')"),
        (UUID_OID, NO_UUID, KEY.bytes, f"nullif(x, {NO_UUID_SQL})"),
    ],
)
async def test_what_stands_for_nothing_becomes_null(
    pipeline: Pipeline, oid: int, absent: object, present: object, expression: str
) -> None:
    """Fixed-width columns have no null bitmap; their statements say which value means none."""
    unknown, known = await told(pipeline, oid, [absent, present], expression)
    assert unknown is None
    assert known is not None


async def test_many_values_of_many_lengths(pipeline: Pipeline) -> None:
    texts = ["y" * length for length in (0, 1, 4_095, 4_096, 70_000)]
    assert await told(pipeline, TEXT, texts, "length(x)") == [str(len(it)).encode() for it in texts]
    assert pack(TEXT, []) == pack(TEXT, ())

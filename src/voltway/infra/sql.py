"""Short forms for SQL text in `store` modules: rows, one row, effects, and the translation of broken constraints.

Every statement goes through here, so that parameters are always bound and a statement's text is parsed once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError

from voltway.infra.db import Transaction
from voltway.kernel.errors import Conflict

Row = Mapping[str, Any]
"""One row by column name."""


async def fetch_all(tx: Transaction, sql: str, **parameters: Any) -> Sequence[Row]:
    """Return every row of a query; parameters are written `:name` (cast with CAST, never with `::`)."""
    return cast("Sequence[Row]", (await tx.execute(_statement(sql), parameters)).mappings().all())


async def fetch_one(tx: Transaction, sql: str, **parameters: Any) -> Row | None:
    """Return the first row of a query, None where there is none."""
    return cast("Row | None", (await tx.execute(_statement(sql), parameters)).mappings().first())


async def run(tx: Transaction, sql: str, **parameters: Any) -> int:
    """Run a statement and return how many rows it touched."""
    return (await tx.execute(_statement(sql), parameters)).rowcount


async def insert(tx: Transaction, table: str, values: Mapping[str, Any]) -> None:
    """Insert one row; table and column names come from our code, never from a caller."""
    columns = ", ".join(values)
    places = ", ".join(f":{column}" for column in values)
    await run(tx, f"INSERT INTO {table} ({columns}) VALUES ({places})", **values)  # noqa: S608 - our own names


async def update(tx: Transaction, table: str, key: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    """Change the rows with that key and return how many there were; names come from our code."""
    sets = ", ".join(f"{column} = :{column}" for column in changes)
    where = " AND ".join(f"{column} = :key_{column}" for column in key)
    keys = {f"key_{column}": value for column, value in key.items()}
    return await run(tx, f"UPDATE {table} SET {sets} WHERE {where}", **changes, **keys)  # noqa: S608 - our own names


@contextmanager
def conflict_if_refused(message: str) -> Iterator[None]:
    """Turn a broken key or reference into a Conflict with that sentence."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(message) from error


def like_pattern(part: str) -> str:
    """Return the LIKE pattern for "contains this text", its own wildcards escaped."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


@lru_cache(maxsize=512)
def _statement(sql: str) -> TextClause:
    return text(sql)

"""The database as slices see it: a pool per role, and a transaction that belongs to one operator.

Row-level policies show a transaction only the rows of the operator it names. One URL (of the owner role) is configured;
a process takes on `voltway_app` or `voltway_ingest` as it connects.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from voltway.kernel.errors import NotReady
from voltway.kernel.ids import OperatorId

Transaction = AsyncConnection
"""What a service hands to its store."""


class Role(StrEnum):
    """Database roles that our processes take on."""

    APP = "voltway_app"
    INGEST = "voltway_ingest"


def sqlalchemy_url(database_url: str, role: Role | None = None) -> str:
    """Return the URL for SQLAlchemy with psycopg 3, taking on `role` at the start of each connection."""
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    if role is not None:
        url = url.update_query_dict({"options": f"-c role={role.value} -c timezone=UTC"})
    return url.render_as_string(hide_password=False)


def libpq_url(database_url: str, role: Role) -> str:
    """Return the URL for a raw libpq connection that takes on `role`."""
    joiner = "&" if "?" in database_url else "?"
    return f"{database_url}{joiner}options={quote(f'-c role={role.value} -c timezone=UTC')}"


class Database:
    """A pool of connections of one role; `transaction` is the only way to the rows."""

    def __init__(self, database_url: str, role: Role = Role.APP, *, pool_size: int = 10) -> None:
        self._engine = create_async_engine(
            sqlalchemy_url(database_url, role),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            # Prepared statements from the first use: our statements are few and repeat.
            connect_args={"prepare_threshold": 1, "connect_timeout": 5},
        )

    @asynccontextmanager
    async def transaction(self, operator_id: OperatorId | None, **local: str) -> AsyncIterator[Transaction]:
        """Open a transaction that sees the rows of one operator; commit at the end, roll back on an error.

        Args:
            operator_id: whose rows; None sees none, except under the ingest role, which sees all.
            local: further `app.*` settings of this transaction, e.g. `key_prefix`.

        Raises:
            NotReady: the database is away.
        """
        try:
            connection = await self._engine.connect()
        except (OperationalError, TimeoutError) as error:
            raise NotReady("the database does not answer; try again in a moment") from error
        try:
            async with connection.begin():
                settings: dict[str, Any] = {"operator_id": "" if operator_id is None else str(operator_id), **local}
                for name, value in settings.items():
                    await connection.execute(_SET_LOCAL, {"name": f"app.{name}", "value": value})
                yield connection
        finally:
            await connection.close()

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self._engine.dispose()


_SET_LOCAL = text("SELECT set_config(:name, :value, true)")

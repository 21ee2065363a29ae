"""One plain connection with a lock of its own, for a small process that must start fast: no pool, no SQLAlchemy.

Whoever holds the lock is the only one of its kind. The lock lives and dies with the connection, however its process
ends. Statements are written with `%(name)s`; outside `transaction()` each commits by itself.
"""

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from voltway.kernel.errors import NotReady

Row = dict[str, Any]
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


class Lane:
    """A connection that is made when it is needed and made again after it broke.

    Args:
        role: the database role it takes on.
        lock: a number that says what only one process at a time may be.
        channel: PostgreSQL notifications on it end `wait` early.
    """

    def __init__(self, database_url: str, *, role: str, lock: int, channel: str) -> None:
        self._url = database_url
        self._options = f"-c role={role} -c timezone=UTC"
        self._lock = lock
        self._channel = channel
        self._connection: psycopg.Connection[Row] | None = None
        self._has_lock = False

    def take_lock(self) -> bool:
        """Take the lock where nobody holds it; return whether we hold it. Raise NotReady where the database is away."""
        if not self._has_lock:
            (row,) = self.run("SELECT pg_try_advisory_lock(%(lock)s) AS taken", lock=self._lock)
            self._has_lock = bool(row["taken"])
        return self._has_lock

    def run(self, sql: LiteralString, **parameters: Any) -> Sequence[Row]:
        """Run a statement and return its rows; raise NotReady where the database is away."""
        with self._answering() as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do several statements together or none of them."""
        with self._answering() as connection, connection.transaction():
            yield

    def wait(self, *sources: int, timeout_s: float) -> list[int]:
        """Wait for a notification or for one of these file descriptors; return those that have something to read."""
        own = [] if self._connection is None or self._connection.closed else [self._connection.fileno()]
        if self._connection is not None and own and self._heard():
            timeout_s = 0
        readable, _, _ = select.select([*own, *sources], [], [], timeout_s)
        if self._connection is not None and own and own[0] in readable:
            self._heard()
        return [source for source in readable if source in sources]

    def close(self) -> None:
        """Give the lock and the connection back."""
        connection, self._connection, self._has_lock = self._connection, None, False
        if connection is not None:
            connection.close()

    def _heard(self) -> bool:
        """Drop the notifications that have come and return whether there were any; a broken connection goes too."""
        assert self._connection is not None, "only an open connection hears"
        try:
            return bool(list(self._connection.notifies(timeout=0)))
        except _AWAY:
            self.close()
            return False

    @contextmanager
    def _answering(self) -> Iterator[psycopg.Connection[Row]]:
        try:
            connection = self._connection or self._connect()
            yield connection
        except _AWAY as error:
            self.close()
            raise NotReady("the database does not answer") from error

    def _connect(self) -> psycopg.Connection[Row]:
        connection = psycopg.connect(
            self._url,
            options=self._options,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=5,
            # A broken network must not hold a courier for the two hours that TCP takes by itself.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=30_000,
        )
        connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(self._channel)))
        self._connection, self._has_lock = connection, False
        return connection

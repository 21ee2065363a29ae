"""Migrations: to the newest schema once, harmless again, and a newer database is recognised."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from voltway.infra import migrate
from voltway.kernel.errors import NotReady


def _tables(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row is not None
    return int(row[0])


def test_an_empty_database_becomes_current_and_stays_so(empty_database_url: str) -> None:
    """Two starts at once migrate one after the other."""
    assert not migrate.is_current(empty_database_url)
    assert not migrate.is_newer(empty_database_url)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate.upgrade, [empty_database_url] * 2))
    tables = _tables(empty_database_url)
    assert tables > 40
    migrate.upgrade(empty_database_url)
    assert _tables(empty_database_url) == tables
    assert migrate.is_current(empty_database_url)
    assert not migrate.is_newer(empty_database_url)


def test_a_database_of_a_newer_version_is_recognised(database_url: str) -> None:
    """An older program must not work on it."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    assert migrate.is_newer(database_url)
    assert not migrate.is_current(database_url)


def test_a_database_that_is_away_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(NotReady):
        migrate.is_current(f"postgresql://voltway@/voltway?host={tmp_path}")

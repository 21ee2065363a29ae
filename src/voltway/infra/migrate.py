"""Brings a database to the newest schema; knows whether it is of a newer version than this program."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from voltway.infra.db import sqlalchemy_url
from voltway.kernel.errors import NotReady

_LOCK_KEY = 0x766F6C74
"""Two starts at once migrate one after the other."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(database_url: str) -> None:
    """Migrate the database to the newest schema; does nothing where it is there already."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
        connection.commit()
        command.upgrade(_config(connection), "head")
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK_KEY})
        connection.commit()
    engine.dispose()


def is_newer(database_url: str) -> bool:
    """Say whether the database was migrated by a newer version of Voltway than this one."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return current is not None and current not in known


def is_current(database_url: str) -> bool:
    """Say whether the database is at the newest schema that this program knows; raise NotReady where it is away."""
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise NotReady("the database does not answer") from error
    finally:
        engine.dispose()
    return current == ScriptDirectory.from_config(_config()).get_current_head()

"""What a group tells the rest of the system: one row per operator, each session and station once."""

from uuid import UUID

import psycopg

from voltway.infra.db import Role, libpq_url
from voltway.infra.outbox_rows import OutboxRows
from voltway.infra.pipeline import Pipeline

RUNNING, OVER, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


def test_nothing_changed_is_no_statement() -> None:
    assert OutboxRows().works() == []


async def test_one_row_per_operator_names_each_change_once(database_url: str) -> None:
    """A session that ends within the group is among the ended ones; stations and sessions stay apart."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO operator (operator_id, name) VALUES (2, 'Second')")
    rows = OutboxRows()
    for session_id, is_ended in ((RUNNING, False), (OVER, False), (OVER, True), (RUNNING, False)):
        rows.add_session(1, session_id, is_ended=is_ended)
    rows.add_station(1, 7)
    rows.add_station(1, 7)
    rows.add_session(2, OTHER, is_ended=True)
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    await pipeline.run(rows.works())
    await pipeline.close()
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT operator_id, sessions, ended, stations FROM outbox ORDER BY operator_id"
        ).fetchall()
    assert [(it[0], sorted(it[1]), it[2], it[3]) for it in found] == [
        (1, [RUNNING, OVER], [OVER], [7]),
        (2, [OTHER], [OTHER], []),
    ]

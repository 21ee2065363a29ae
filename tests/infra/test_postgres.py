"""The embedded PostgreSQL really starts, as root too, and from folders that only their owner may enter."""

import psycopg


def test_a_fresh_database_answers_queries(empty_database_url: str) -> None:
    """The cluster of the session serves a database that is empty and writable."""
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select current_user, current_database() like 'test_%'").fetchone() == (
            "voltway",
            True,
        )


def test_the_socket_of_nats_asks_for_a_password(nats_url: str) -> None:
    assert nats_url.startswith("nats://voltway:")

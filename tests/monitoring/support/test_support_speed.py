"""Whatever the desk asks for, no big table is read through: the time it takes does not grow with the network's past."""

import psycopg
from tests.httpapi.client import running_api
from tests.monitoring.support.desk import support_router

BIG = ("session", "station_event", "audit", "ocpp_message_other", "connection")
_FILL = (
    "INSERT INTO location (operator_id, code, name, time_zone) VALUES (1, 'L', 'Site', 'Europe/Berlin')",
    """INSERT INTO station (operator_id, identity, location_id)
       SELECT 1, 'CP-' || lpad(i::text, 4, '0'), (SELECT location_id FROM location) FROM generate_series(1, 200) i""",
    """INSERT INTO evse (station_id, evse_id, operator_id, physical_reference)
       SELECT station_id, e, 1, 'DE*VWY*E' || station_id || '*' || e FROM station, generate_series(1, 2) e""",
    """INSERT INTO id_token (operator_id, match_key, token, contact_phone)
       SELECT 1, 't' || i, 'T' || i, '+4930' || lpad(i::text, 7, '0') FROM generate_series(1, 5000) i""",
    """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id, start_key,
         state, started_at, ended_at, end_reason, token, token_status, received_at, updated_at, detail)
       SELECT gen_random_uuid(), 1, 1 + i % 200, 1 + (i / 200) % 2, 1, i::text, i, 'ended', at, at + interval '20 min',
         'Local', 'T' || (1 + i * 7919 % 5000), 'Accepted', at, at + interval '20 min', '{}'
       FROM (SELECT i, timestamptz '2026-03-02 16:00Z' - (i / 200) * interval '30 min' AS at
               FROM generate_series(0, 19999) i) q""",
    """INSERT INTO station_event (station_id, received_at, digest, operator_id, action, data)
       SELECT 1 + i % 200, at, i, 1, 'Authorize', jsonb_build_object('token', 'T' || (1 + i * 31 % 5000), 'status',
         'Accepted') FROM (SELECT i, timestamptz '2026-03-02 16:00Z' - (i / 200) * interval '30 min' AS at
                             FROM generate_series(0, 19999) i) q""",
    """INSERT INTO ocpp_message (station_id, received_at, operator_id, message_id, action, frame)
       SELECT station_id, received_at, 1, '1', action, '[]' FROM station_event""",
    """INSERT INTO audit (operator_id, at, actor, action, target, detail)
       SELECT 1, timestamptz '2026-03-02 16:00Z' - i * interval '1 min', 'Mia', 'command.start',
         'CP-' || lpad((1 + i % 200)::text, 4, '0'),
         jsonb_build_object('sent', jsonb_build_object('verb', 'start', 'args', jsonb_build_object('token', 'T' || i)))
       FROM generate_series(1, 20000) i""",
    """INSERT INTO connection (station_id, link_id, operator_id, connected_at, disconnected_at, last_seen_at)
       SELECT 1 + i % 200, gen_random_uuid(), 1, at, at + interval '29 min', at
       FROM (SELECT i, timestamptz '2026-03-02 16:00Z' - (i / 200) * interval '30 min' AS at
               FROM generate_series(0, 19999) i) q""",
)  # fmt: skip
QUESTIONS: tuple[dict[str, str], ...] = (
    {"token": "T77"},
    {"token": "t77", "at": "2026-03-02T12:00:00Z"},
    {"token": "T77", "station_id": "CP-0077"},
    {"contact": "030 0000077"},
    {"station_id": "CP-0077"},
    {"station_id": "CP-0077", "at": "2026-03-02T12:00:00Z"},
    {"station_id": "DE*VWY*E77*1", "at": "2026-03-02T12:00:00Z"},
    {"session_id": "777"},
    {"session_id": "00000000-0000-0000-0000-000000000000"},
    {"token": "NOBODY", "at": "2026-03-02T12:00:00Z"},
)


async def test_no_question_reads_a_big_table_through(database_url: str) -> None:
    """PostgreSQL's own counters say so, under the role and the row-level policies of the API."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("SELECT pg_stat_reset()")
    found = {}
    async with running_api(database_url, support_router) as api:
        for question in QUESTIONS:
            answer = await api.client.get("/api/v1/support", params=question)
            assert answer.status_code == 200, answer.text
            found[str(question)] = len(answer.json()["cases"])
    # The pool is closed: its processes have handed in their counts.
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE relname = ANY(%s) AND seq_tup_read > 0",
            (list(BIG),),
        ).fetchall()
        (index_reads,) = connection.execute(
            "SELECT sum(idx_scan) FROM pg_stat_user_tables WHERE relname = ANY(%s)", (list(BIG),)
        ).fetchone() or (0,)
    assert rows == []
    assert index_reads > 0
    assert min(list(found.values())[:-2]) > 0, found

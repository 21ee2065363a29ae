"""What Prometheus is told of the installation is what the database holds, of every operator, and goes back to 0."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests.fake_clock import FakeClock
from tests.sessions.seeding import add_station, prepare, run_sql

from voltway.infra.db import Database, Role
from voltway.infra.telemetry import METRICS_VARIABLE, make_metrics_dir
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.metrics import OperationsMetrics

WORKER = """
import asyncio, sys
from voltway.infra.db import Database, Role
from voltway.monitoring.metrics import OperationsMetrics

async def count():
    readers = Database(sys.argv[1], Role.INGEST, pool_size=1)
    await OperationsMetrics(readers).refresh()
    await readers.close()

asyncio.run(count())
"""
API = "import sys; from voltway.infra.telemetry import metrics_text; sys.stdout.write(metrics_text()[0].decode())"


@pytest.fixture
async def metrics(database_url: str, clock: FakeClock) -> AsyncIterator[OperationsMetrics]:
    """Metrics over an installation with the station CP-1 of operator 1 and CP-2 of operator 2."""
    prepare(database_url)
    run_sql(database_url, "INSERT INTO operator (operator_id, name) VALUES (2, 'Neighbour')")
    with psycopg.connect(database_url) as connection:
        add_station(connection, "CP-2", 2)
    readers = Database(database_url, Role.INGEST, pool_size=2)
    yield OperationsMetrics(readers, clock=clock)
    await readers.close()


def told(name: str, **labels: str) -> float | None:
    """Return what is told now under a name and labels."""
    return REGISTRY.get_sample_value(name, labels)


def add_incident(url: str, clock: FakeClock, number: int, **values: object) -> None:
    """Enter an incident that was opened now."""
    row = {
        "operator_id": 1, "rule": "faulted", "group_key": f"group {number}", "severity": "critical", "state": "open",
        "title": "Faulted", "began_at": clock(), "opened_at": clock(), "updated_at": clock(), **values,
    }  # fmt: skip
    add_row(url, "incident", row)


def add_row(url: str, table: str, row: dict[str, object]) -> None:
    """Insert one row as the owner."""
    places = ", ".join(["%s"] * len(row))
    run_sql(url, f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())  # noqa: S608 - our own names


def add_session(url: str, clock: FakeClock, number: int, *, age_min: float, power_w: float, state: str) -> None:
    """Enter a session of CP-1 whose last word was so many minutes ago."""
    at = clock() - timedelta(minutes=age_min)
    row: dict[str, object] = {
        "operator_id": 1, "station_id": 1, "evse_id": 1, "connector_id": 1, "transaction_id": f"T{number}",
        "start_key": number, "state": state, "started_at": at, "received_at": at, "updated_at": at,
        "power_w": power_w, "detail": "{}",
    }  # fmt: skip
    add_row(url, "session", {"session_id": f"00000000-0000-0000-0000-{number:012}", **row})


def add_message(url: str, clock: FakeClock, state: str, *, created_min: float, claimed_min: float | None) -> None:
    """Enter a message that was made, and last tried, so many minutes ago."""
    claimed_at = None if claimed_min is None else clock() - timedelta(minutes=claimed_min)
    created_at = clock() - timedelta(minutes=created_min)
    row: dict[str, object] = {
        "operator_id": 1, "route_name": "Desk", "target": "mail", "kind": "incidents", "batch_id": 1,
        "incidents": [1], "severity": "major", "subject": "s", "body": "b", "html": "h", "state": state,
        "next_at": created_at, "claimed_at": claimed_at, "created_at": created_at,
    }  # fmt: skip
    add_row(url, "notification_message", row)


async def test_evses_are_told_by_operator_state_of_every_operator(
    metrics: OperationsMetrics, database_url: str
) -> None:
    """An EVSE without a timeline is unknown; every state has a number, most of them 0."""
    await metrics.refresh()
    assert (told("voltway_evses", state="unknown"), told("voltway_evses", state="faulted")) == (2, 0)
    sql = """INSERT INTO timeline (station_id, evse_id, begin_at, operator_id, state, evidence_at)
             SELECT station_id, 1, now(), operator_id, 'faulted', now() FROM station"""
    run_sql(database_url, sql)
    await metrics.refresh()
    assert (told("voltway_evses", state="unknown"), told("voltway_evses", state="faulted")) == (0, 2)


async def test_stations_are_connected_gone_or_never_seen(metrics: OperationsMetrics, database_url: str) -> None:
    """A station that was never there is no outage; one that is decommissioned or not approved is not counted."""
    with psycopg.connect(database_url) as connection:
        for identity in ("GONE", "OLD", "STRANGER"):
            add_station(connection, identity)
    run_sql(database_url, "UPDATE station SET decommissioned_at = '2026-01-01Z' WHERE identity = 'OLD'")
    run_sql(database_url, "UPDATE station SET approval = 'pending' WHERE identity = 'STRANGER'")
    sql = """INSERT INTO station_link (station_id, operator_id, link_id, gateway, version, connected, connected_at,
               last_seen_at)
             SELECT station_id, operator_id, gen_random_uuid(), 'g', '1.6', identity = 'CP-2', now(), now()
               FROM station WHERE identity <> 'CP-1'"""
    run_sql(database_url, sql)
    await metrics.refresh()
    assert [told("voltway_stations", connected=word) for word in ("true", "false", "never")] == [1, 1, 1]


async def test_power_is_of_open_sessions_that_still_speak(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """A session that has said nothing for long is open and delivers nothing that we know of."""
    add_session(database_url, clock, 1, age_min=1, power_w=11_000, state="active")
    add_session(database_url, clock, 2, age_min=60, power_w=7_000, state="active")
    add_session(database_url, clock, 3, age_min=1, power_w=5_000, state="ended")
    await metrics.refresh()
    assert (told("voltway_sessions_open"), told("voltway_power_watts")) == (2, 11_000)


async def test_unresolved_incidents_are_told_by_severity_and_rule(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """Rules that operators made share one label, however many there are; what is resolved goes back to 0."""
    add_incident(database_url, clock, 1)
    add_incident(database_url, clock, 2, operator_id=2, state="acknowledged")
    add_incident(database_url, clock, 3, rule="my_rule_1", severity="minor")
    add_incident(database_url, clock, 4, rule="my_rule_2", severity="minor")
    add_incident(database_url, clock, 5, state="remedied")
    await metrics.refresh()
    assert told("voltway_incidents_unresolved", severity="critical", rule="faulted") == 2
    assert told("voltway_incidents_unresolved", severity="minor", rule="own") == 2
    assert told("voltway_incidents_unresolved", severity="minor", rule="my_rule_1") is None
    run_sql(database_url, "UPDATE incident SET state = 'resolved'")
    await metrics.refresh()
    assert told("voltway_incidents_unresolved", severity="critical", rule="faulted") == 0


async def test_every_shipped_rule_has_a_number_from_the_start(metrics: OperationsMetrics) -> None:
    """A rule that never fired is 0, not absent, so that an alert can tell silence from health."""
    await metrics.refresh()
    assert {told("voltway_incidents_unresolved", severity="major", rule=code) for code in shipped()} == {0}


async def test_an_incident_waits_until_it_is_acknowledged(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """The oldest of each severity counts; what somebody has taken on does not."""
    add_incident(database_url, clock, 1, opened_at=clock() - timedelta(minutes=5))
    add_incident(database_url, clock, 2, opened_at=clock() - timedelta(minutes=9))
    add_incident(database_url, clock, 3, opened_at=clock() - timedelta(minutes=90), state="assigned")
    add_incident(database_url, clock, 4, opened_at=clock() - timedelta(minutes=90), state="resolved")
    await metrics.refresh()
    assert told("voltway_incident_oldest_unacknowledged_seconds", severity="critical") == 540
    assert told("voltway_incident_oldest_unacknowledged_seconds", severity="minor") == 0
    run_sql(database_url, "UPDATE incident SET state = 'acknowledged'")
    await metrics.refresh()
    assert told("voltway_incident_oldest_unacknowledged_seconds", severity="critical") == 0


async def test_a_reopened_incident_waits_since_it_was_reopened(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """An incident of last week that came back a minute ago has not waited for a week."""
    add_incident(database_url, clock, 1, opened_at=clock() - timedelta(days=7), state="reopened")
    for minutes in (500, 1):
        sql = """INSERT INTO incident_entry (incident_id, operator_id, at, kind, actor, text)
                 SELECT incident_id, 1, %s, 'reopened', 'rules', 'again' FROM incident"""
        run_sql(database_url, sql, clock() - timedelta(minutes=minutes))
    await metrics.refresh()
    assert told("voltway_incident_oldest_unacknowledged_seconds", severity="critical") == 60


async def test_messages_are_told_while_they_wait_and_for_an_hour_after(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """What failed yesterday is no alert any more, what waits since yesterday still counts."""
    add_message(database_url, clock, "pending", created_min=2000, claimed_min=None)
    add_message(database_url, clock, "failed", created_min=2000, claimed_min=5)
    add_message(database_url, clock, "failed", created_min=2000, claimed_min=61)
    add_message(database_url, clock, "uncertain", created_min=3, claimed_min=2)
    add_message(database_url, clock, "sent", created_min=3, claimed_min=2)
    await metrics.refresh()
    states = ("pending", "sending", "sent", "failed", "uncertain")
    assert [told("voltway_notifications", state=state) for state in states] == [1, 0, 1, 1, 1]
    clock.advance(hours=1)
    await metrics.refresh()
    assert [told("voltway_notifications", state=state) for state in states] == [1, 0, 0, 0, 0]


async def test_webhook_deliveries_and_endpoints_that_are_off(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """An endpoint that its owner switched off is no fault; one that Voltway switched off is."""
    for number, reason in ((1, None), (2, "the receiver answered 410 Gone")):
        row = {"operator_id": number, "url": "https://a.test", "types": [], "enabled": False, "secret": "s"}
        add_row(database_url, "webhook", {**row, "disabled_reason": reason})
    for state, minutes in (("delivered", 5), ("failed", 5), ("failed", 90), ("pending", 900)):
        at = clock() - timedelta(minutes=minutes)
        row = {
            "operator_id": 1, "webhook_id": 1, "message_id": "m", "type": "ping", "body": "{}", "state": state,
            "next_at": at, "claimed_at": at, "created_at": at,
        }  # fmt: skip
        add_row(database_url, "webhook_delivery", row)
    await metrics.refresh()
    states = ("pending", "sending", "delivered", "failed")
    assert [told("voltway_webhook_deliveries", state=state) for state in states] == [1, 0, 1, 1]
    assert told("voltway_webhooks_disabled") == 1


async def test_remedies_of_the_last_day_by_what_came_of_them(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """The verdict where there is one, else how far it came; a day later none of it is told."""
    add_incident(database_url, clock, 1)
    for step, (action, state, result) in enumerate(
        [("soft_reset", "ended", "helped"), ("soft_reset", "ended", "helped"), ("unlock", "blocked", None)]
    ):
        row = {
            "operator_id": 1, "incident_id": 1, "rule": "faulted", "ladder": "faulted", "round": 0, "step": step,
            "asked_by": "rules", "action": action, "document": "{}", "state": state, "result": result,
            "planned_at": clock(), "planned_for": clock(),
        }  # fmt: skip
        add_row(database_url, "remedy_run", row)
    await metrics.refresh()
    assert told("voltway_remedy_runs", action="soft_reset", outcome="helped") == 2
    assert told("voltway_remedy_runs", action="unlock", outcome="blocked") == 1
    clock.advance(hours=25)
    await metrics.refresh()
    assert told("voltway_remedy_runs", action="soft_reset", outcome="helped") == 0


async def test_lag_is_the_age_of_the_oldest_unread_change(
    metrics: OperationsMetrics, database_url: str, clock: FakeClock
) -> None:
    """A consumer that has read everything lags 0 s, one that stands before two changes as long as the first waits."""
    sql = """INSERT INTO outbox (operator_id, created_at, sessions, ended, stations)
             VALUES (2, %s, '{}', '{}', '{}') RETURNING CAST(xid AS text), outbox_id"""
    rows = [run_sql(database_url, sql, clock() - timedelta(seconds=age_s))[0] for age_s in (300, 90, 30)]
    for name, row in (("first", rows[0]), ("last", rows[2])):
        sql = "INSERT INTO consumer_cursor (operator_id, name, xid, outbox_id) VALUES (1, %s, CAST(%s AS xid8), %s)"
        run_sql(database_url, sql, name, *row)
    await metrics.refresh()
    assert told("voltway_outbox_lag_seconds", consumer="first") == 90
    assert told("voltway_outbox_lag_seconds", consumer="last") == 0


async def test_jobs_by_status(metrics: OperationsMetrics, database_url: str) -> None:
    """What was given up stays in the queue's table and is told."""
    for status in ("todo", "todo", "failed"):
        sql = "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, status) VALUES ('default', 't', %s)"
        run_sql(database_url, "SET search_path = jobs, public; " + sql.replace("%s", f"'{status}'"))
    await metrics.refresh()
    assert [told("voltway_jobs", status=status) for status in ("todo", "doing", "failed")] == [2, 0, 1]


async def test_the_instant_of_the_count_is_told(metrics: OperationsMetrics, clock: FakeClock) -> None:
    """Numbers that stand still are told from numbers that do not change."""
    await metrics.refresh()
    assert told("voltway_operations_refreshed_timestamp_seconds") == clock().timestamp()


async def test_a_fault_of_the_database_is_waited_out(database_url: str, clock: FakeClock) -> None:
    """The loop counts the failure, says it in the log, and counts the network again once the database is well."""
    before, stopping = told("voltway_operations_refresh_failures_total") or 0.0, asyncio.Event()
    readers = Database(database_url, Role.INGEST, pool_size=1)
    metrics = OperationsMetrics(readers, clock=clock, every_s=0.01)
    run_sql(database_url, "ALTER TABLE station RENAME TO station_away")
    with capture_logs() as logs:
        running = asyncio.create_task(metrics.run(stopping))
        async with asyncio.timeout(20):
            while (told("voltway_operations_refresh_failures_total") or 0.0) < before + 2:
                await asyncio.sleep(0.01)
            run_sql(database_url, "ALTER TABLE station_away RENAME TO station")
            clock.advance(minutes=1)
            while told("voltway_operations_refreshed_timestamp_seconds") != clock().timestamp():
                await asyncio.sleep(0.01)
            stopping.set()
            await running
    await readers.close()
    assert logs[0]["event"] == "operations_not_counted"


def test_a_worker_that_takes_over_tells_one_number(database_url: str, clock: FakeClock, tmp_path: Path) -> None:
    """The api adds up no dead worker's numbers, and what ended between the two is 0."""
    prepare(database_url)
    add_incident(database_url, clock, 1)
    environ = {**os.environ, METRICS_VARIABLE: str(make_metrics_dir(tmp_path / "metrics"))}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER, database_url], env=environ, check=True)
    assert 'voltway_incidents_unresolved{rule="faulted",severity="critical"} 1.0' in _answer(environ)
    run_sql(database_url, "UPDATE incident SET state = 'resolved'")
    subprocess.run([sys.executable, "-c", WORKER, database_url], env=environ, check=True)
    text = _answer(environ)
    assert 'voltway_incidents_unresolved{rule="faulted",severity="critical"} 0.0' in text
    assert 'voltway_evses{state="unknown"} 1.0' in text


def _answer(environ: dict[str, str]) -> str:
    return subprocess.run([sys.executable, "-c", API], env=environ, check=True, capture_output=True, text=True).stdout

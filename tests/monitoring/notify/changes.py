"""Incidents, changes and a small network for the tests of notifications."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Json
from tests.sessions.seeding import prepare, run_sql

from voltway.kernel.ids import OperatorId, StationId
from voltway.monitoring.incidents.model import (
    ChangeKind,
    Incident,
    IncidentChange,
    IncidentState,
    Place,
    Severity,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday; 13:00 in Berlin."""
_STATES = {
    ChangeKind.REMEDIED: IncidentState.REMEDIED,
    ChangeKind.RESOLVED: IncidentState.RESOLVED,
    ChangeKind.REOPENED: IncidentState.REOPENED,
    ChangeKind.ACKNOWLEDGED: IncidentState.ACKNOWLEDGED,
}

Changer = Callable[..., IncidentChange]


def make_incident(incident_id: int = 1, **values: Any) -> Incident:
    """Return an incident that a fault of EVSE 1 opened at noon."""
    began_at = values.pop("began_at", NOON)
    plain: dict[str, Any] = {
        "operator_id": OperatorId(1),
        "rule": "faulted",
        "group_key": f"faulted/{incident_id}",
        "severity": Severity.MAJOR,
        "state": IncidentState.OPEN,
        "title": "Faulted",
        "place": Place(1, 1, 1),
        "began_at": began_at,
        "opened_at": began_at,
        "updated_at": began_at,
        "error_code": "GroundFailure",
    }
    return Incident(incident_id, **{**plain, **values})


def make_change(
    kind: ChangeKind = ChangeKind.OPENED, incident: Incident | None = None, *, minute: float = 0, **values: Any
) -> IncidentChange:
    """Return a change, so many minutes after the incident began, with a revision of its own."""
    incident = incident or make_incident()
    at = incident.began_at + timedelta(minutes=minute)
    revision = incident.revision + list(ChangeKind).index(kind)
    changed = replace(incident, state=_STATES.get(kind, incident.state), updated_at=at, revision=revision)
    if kind in (ChangeKind.REMEDIED, ChangeKind.RESOLVED):
        changed = replace(changed, ended_at=at)
    return IncidentChange(
        kind, changed, at, values.pop("actor", "rules"), values.pop("text", ""),
        values.pop("stations", (StationId(1),)),
    )  # fmt: skip


def seed_network(database_url: str) -> None:
    """Enter location HARBOUR (Berlin) with station CP-1 of the group `fast`."""
    prepare(database_url)
    run_sql(database_url, "UPDATE station SET groups = '{fast}'")


def add_route(database_url: str, url: str = "mailto://mail.test?to=desk@mail.test", **conditions: Any) -> int:
    """Enter a route with one target as the owner of the database; return its number."""
    operator_id, name = conditions.pop("operator_id", 1), conditions.pop("name", "Desk")
    document = {
        "min_severity": "info", "kinds": ["opened", "worsened", "remedied", "resolved", "reopened"], "locations": [],
        "groups": [], "window": {"days": [], "hours": None}, "quiet_hours": None, "digest_min": None,
        "critical_passes": True, "time_zone": None, "repeat_uncertain": False, **conditions,
    }  # fmt: skip
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "INSERT INTO notification_route (operator_id, name, document) VALUES (%s, %s, %s) RETURNING route_id",
            (operator_id, name, Json(document)),
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO notification_target (operator_id, route_id, url, label) VALUES (%s, %s, %s, %s)",
            (operator_id, row[0], url, f"masked {url.partition('://')[0]}"),
        )
    return int(row[0])


def messages(database_url: str) -> Sequence[tuple[str, str, str]]:
    """Return (state, subject, body) of every message, oldest first."""
    return [
        (state, subject, body)
        for state, subject, body in run_sql(
            database_url, "SELECT state, subject, body FROM notification_message ORDER BY message_id"
        )
    ]

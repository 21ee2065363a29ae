"""Incidents in a database, as the watch would have opened them, and the routes over them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.sessions.seeding import run_sql

from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import store
from voltway.monitoring.incidents.model import Incident, IncidentState, Place, Severity
from voltway.monitoring.incidents.store import Entry

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
INCIDENTS = "/api/v1/incidents"


def enter_places(database_url: str) -> None:
    """Enter two sites with a station each, and another operator."""
    run_sql(database_url, "INSERT INTO operator (operator_id, name) VALUES (2, 'Other')")
    for site, identity in (("HARBOUR", "CP-1"), ("PORT", "CP-2")):
        run_sql(
            database_url,
            "INSERT INTO location (operator_id, code, name, time_zone) VALUES (1, %s, %s, 'Europe/Berlin')",
            site,
            site.title(),
        )
        run_sql(
            database_url,
            """INSERT INTO station (operator_id, identity, location_id)
               VALUES (1, %s, (SELECT location_id FROM location WHERE code = %s))""",
            identity,
            site,
        )


def place_of(database_url: str, identity: str, evse_id: int = 1) -> Place:
    """Return where an EVSE stands."""
    ((location, station),) = run_sql(
        database_url, "SELECT location_id, station_id FROM station WHERE identity = %s", identity
    )
    return Place(location, station, evse_id)


def incident(place: Place = Place(), *, rule: str = "faulted", minute: float = 0) -> Incident:  # noqa: B008 - a tuple
    """Return an open incident of operator 1 that began a minute before it was opened."""
    at = T0 + timedelta(minutes=minute)
    return Incident(
        0, OperatorId(1), rule, f"{rule}@{place}/{minute}", Severity.MAJOR, IncidentState.OPEN, f"{rule}: here", place,
        at - timedelta(minutes=1), at, at, symptoms=1,
    )  # fmt: skip


async def enter(database: Database, fresh: Incident) -> int:
    """Store an incident with the line of its opening; return its number."""
    async with database.transaction(fresh.operator_id) as tx:
        made = await store.insert_incident(tx, fresh)
        await store.add_entry(tx, made, Entry(made.opened_at, "opened", "monitoring", made.title, None))
    return made.incident_id


async def enter_in_state(database: Database, state: str, group: str = "g") -> int:
    """Store an incident that is in a state already; return its number."""
    fresh = replace(incident(), state=IncidentState(state), group_key=group)
    if state in {"remedied", "resolved"}:
        fresh = replace(fresh, ended_at=T0)
    if state == "assigned":
        fresh = replace(fresh, assignee="zoe", acknowledged_at=T0)
    return await enter(database, fresh)

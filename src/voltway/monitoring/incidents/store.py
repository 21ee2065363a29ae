"""Tables of incidents: incident and incident_entry. Works under both roles: every statement names its operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run
from voltway.kernel.clock import from_micros
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import UNRESOLVED, Incident, IncidentState, Place, Severity

_COLUMNS = """incident_id, operator_id, rule, group_key, severity, state, title, location_id, station_id, evse_id,
              began_at, opened_at, updated_at, acknowledged_at, ended_at, assignee, mrec, error_code,
              vendor_error_code, reopened, symptoms, lost_milliwh, lost_revenue, currency, revision"""
_UNRESOLVED = tuple(sorted(state.value for state in UNRESOLVED))


@dataclass(frozen=True, slots=True)
class Names:
    """How people call an incident's place."""

    location: str | None
    location_name: str | None
    station: str | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an incident's own timeline: what was seen or done."""

    at: datetime
    kind: str
    actor: str
    text: str
    data: Any


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents to list; None does not restrict. `since` inclusive and `until` exclusive, of the opening."""

    is_unresolved: bool | None = None
    state: str | None = None
    severity: str | None = None
    rule: str | None = None
    location: str | None = None
    station: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def insert_incident(tx: Transaction, incident: Incident) -> Incident:
    """Store a new incident and return it with its number."""
    row = await fetch_one(
        tx,
        f"""INSERT INTO incident ({_WRITTEN}) VALUES ({_PLACES}) RETURNING incident_id""",  # noqa: S608 - our own names
        **_values(incident),
    )
    assert row is not None, "an insert that returns has one row"
    return _with_id(incident, row["incident_id"])


async def update_incident(tx: Transaction, incident: Incident) -> bool:
    """Store a change; False where somebody else was faster (the incident's revision moved)."""
    values = _values(incident) | {"id": incident.incident_id, "revision": incident.revision}
    changed = await run(
        tx,
        f"""UPDATE incident SET ({_WRITTEN}) = ({_PLACES}), revision = revision + 1
             WHERE incident_id = :id AND operator_id = :operator_id AND revision = :revision""",  # noqa: S608
        **values,
    )
    return changed == 1


async def add_entry(
    tx: Transaction, incident: Incident, entry: Entry
) -> None:  # fmt: skip
    """Write one line of an incident's timeline."""
    await run(
        tx,
        """INSERT INTO incident_entry (incident_id, operator_id, at, kind, actor, text, data)
           VALUES (:id, :operator_id, :at, :kind, :actor, :text, CAST(:data AS json))""",
        id=incident.incident_id,
        operator_id=incident.operator_id,
        at=entry.at,
        kind=entry.kind,
        actor=entry.actor,
        text=entry.text,
        data=None if entry.data is None else orjson.dumps(entry.data, default=str).decode(),
    )


async def lock_incident(tx: Transaction, operator_id: OperatorId, incident_id: int) -> Incident | None:
    """Return an incident that nobody else changes until this transaction ends."""
    row = await fetch_one(
        tx,
        f"SELECT {_COLUMNS} FROM incident WHERE incident_id = :id AND operator_id = :operator_id FOR UPDATE",  # noqa: S608
        id=incident_id,
        operator_id=operator_id,
    )
    return None if row is None else _incident(row)


async def find_unresolved(tx: Transaction, operator_id: OperatorId, group_key: str) -> int | None:
    """Return the number of a group's incident that is unresolved."""
    row = await fetch_one(
        tx,
        """SELECT incident_id FROM incident
            WHERE operator_id = :operator_id AND group_key = :group_key AND state = ANY(:unresolved)""",
        operator_id=operator_id,
        group_key=group_key,
        unresolved=list(_UNRESOLVED),
    )
    return None if row is None else int(row["incident_id"])


async def lock_groups(
    tx: Transaction, operator_id: OperatorId, group_keys: Sequence[str], ended_since: datetime
) -> dict[str, Incident]:  # fmt: skip
    """Return, by group and locked, the incident that is unresolved, else the newest that was remedied since then."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_COLUMNS} FROM incident
             WHERE operator_id = :operator_id AND group_key = ANY(:keys)
               AND (state = ANY(:unresolved) OR (state = 'remedied' AND ended_at >= :ended_since))
             ORDER BY state = ANY(:unresolved), ended_at, incident_id FOR UPDATE""",  # noqa: S608 - our own names
        operator_id=operator_id,
        keys=list(group_keys),
        unresolved=list(_UNRESOLVED),
        ended_since=ended_since,
    )
    return {row["group_key"]: _incident(row) for row in rows}


async def read_incidents(tx: Transaction, incident_ids: Sequence[int]) -> dict[int, Incident]:
    """Return incidents by number, locked, of whichever operator this role may see."""
    rows = await fetch_all(
        tx,
        f"SELECT {_COLUMNS} FROM incident WHERE incident_id = ANY(:ids) ORDER BY incident_id FOR UPDATE",  # noqa: S608
        ids=list(incident_ids),
    )
    return {row["incident_id"]: _incident(row) for row in rows}


async def unresolved(tx: Transaction) -> list[Incident]:
    """Return every unresolved incident that this role may see."""
    rows = await fetch_all(
        tx, f"SELECT {_COLUMNS} FROM incident WHERE state = ANY(:unresolved)", unresolved=list(_UNRESOLVED)  # noqa: S608
    )  # fmt: skip
    return [_incident(row) for row in rows]


async def set_cost(tx: Transaction, incident_id: int, cost: tuple[int, Any, str | None]) -> None:
    """Write down what an incident cost so far: milliwatt-hours, revenue and its currency."""
    await run(
        tx,
        """UPDATE incident SET lost_milliwh = :energy, lost_revenue = :revenue, currency = :currency
            WHERE incident_id = :id""",
        id=incident_id,
        energy=cost[0],
        revenue=cost[1],
        currency=cost[2],
    )


async def list_incidents(
    tx: Transaction, wanted: PageRequest, only: IncidentFilter
) -> list[tuple[Incident, Names]]:  # fmt: skip
    """Return incidents of this operator, the newest opening first."""
    before = wanted.after_numbers(2) or (None, None)
    rows = await fetch_all(
        tx,
        f"""{_NAMED} WHERE i.operator_id = voltway_operator()
              AND (CAST(:is_unresolved AS boolean) IS NULL OR (i.state = ANY(:unresolved)) = :is_unresolved)
              AND (CAST(:state AS text) IS NULL OR i.state = :state)
              AND (CAST(:severity AS text) IS NULL OR i.severity = :severity)
              AND (CAST(:rule AS text) IS NULL OR i.rule = :rule)
              AND (CAST(:location AS text) IS NULL OR l.code = :location)
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
              AND (CAST(:since AS timestamptz) IS NULL OR i.opened_at >= :since)
              AND (CAST(:until AS timestamptz) IS NULL OR i.opened_at < :until)
              AND (CAST(:before AS timestamptz) IS NULL
                   OR (i.opened_at, i.incident_id) < (:before, CAST(:before_id AS bigint)))
            ORDER BY i.opened_at DESC, i.incident_id DESC LIMIT :limit""",
        unresolved=list(_UNRESOLVED),
        is_unresolved=only.is_unresolved,
        state=only.state,
        severity=only.severity,
        rule=only.rule,
        location=only.location,
        station=only.station,
        since=only.since,
        until=only.until,
        before=None if before[0] is None else from_micros(before[0]),
        before_id=before[1],
        limit=wanted.fetch,
    )
    return [(_incident(row), _names(row)) for row in rows]


async def find_incident(tx: Transaction, incident_id: int) -> tuple[Incident, Names] | None:
    """Return one incident of this operator with the names of its place."""
    row = await fetch_one(
        tx, f"{_NAMED} WHERE i.operator_id = voltway_operator() AND i.incident_id = :id", id=incident_id
    )  # fmt: skip
    return None if row is None else (_incident(row), _names(row))


async def list_entries(tx: Transaction, incident_id: int) -> list[Entry]:
    """Return what was seen and done, in order."""
    rows = await fetch_all(
        tx,
        "SELECT at, kind, actor, text, data FROM incident_entry WHERE incident_id = :id ORDER BY entry_id",
        id=incident_id,
    )
    return [Entry(**row) for row in rows]


async def changed_since(tx: Transaction, since: datetime) -> list[tuple[Incident, Names]]:
    """Return this operator's incidents that changed after an instant, the oldest change first."""
    rows = await fetch_all(
        tx,
        f"""{_NAMED} WHERE i.operator_id = voltway_operator() AND i.updated_at > :since
            ORDER BY i.updated_at LIMIT 200""",
        since=since,
    )
    return [(_incident(row), _names(row)) for row in rows]


async def count_unresolved(tx: Transaction) -> dict[str, int]:
    """Return how many unresolved incidents this operator has, by severity."""
    rows = await fetch_all(
        tx,
        """SELECT severity, count(*) AS count FROM incident
            WHERE operator_id = voltway_operator() AND state = ANY(:unresolved) GROUP BY severity""",
        unresolved=list(_UNRESOLVED),
    )
    return {row["severity"]: row["count"] for row in rows}


async def symptoms_of(tx: Transaction, incident_id: int) -> list[Row]:
    """Return the symptoms that an incident holds together now, with the names of their places."""
    return list(
        await fetch_all(
            tx,
            """SELECT y.rule, y.since, y.raised_at, y.value, y.detail, s.identity AS station_id,
                      nullif(y.evse_id, 0) AS evse_id, l.code AS location_id
                 FROM symptom y LEFT JOIN station s ON s.station_id = y.station_id
                 LEFT JOIN location l ON l.location_id = y.location_id
                WHERE y.incident_id = :id ORDER BY y.since LIMIT 500""",
            id=incident_id,
        )
    )


_WRITTEN = """operator_id, rule, group_key, severity, state, title, location_id, station_id, evse_id, began_at,
              opened_at, updated_at, acknowledged_at, ended_at, assignee, mrec, error_code, vendor_error_code,
              reopened, symptoms"""
_PLACES = ", ".join(f":{name.strip()}" for name in _WRITTEN.split(","))
_NAMED = f"""
    SELECT {", ".join(f"i.{name.strip()}" for name in _COLUMNS.split(","))}, l.code AS location_code,
           l.name AS location_name, s.identity, coalesce(l.time_zone, o.time_zone) AS time_zone
      FROM incident i JOIN operator o ON o.operator_id = i.operator_id
      LEFT JOIN station s ON s.station_id = i.station_id
      LEFT JOIN location l ON l.location_id = i.location_id"""  # noqa: S608 - our own names


def _values(incident: Incident) -> dict[str, Any]:
    place = incident.place
    direct = (
        "operator_id", "rule", "group_key", "title", "began_at", "opened_at", "updated_at", "acknowledged_at",
        "ended_at", "assignee", "mrec", "error_code", "vendor_error_code", "reopened", "symptoms",
    )  # fmt: skip
    return {
        **{name: getattr(incident, name) for name in direct},
        "severity": incident.severity.value,
        "state": incident.state.value,
        "location_id": place.location_id or None,
        "station_id": place.station_id or None,
        "evse_id": place.evse_id or None,
    }


def _incident(row: Row) -> Incident:
    own = {name: row[name] for name in (name.strip() for name in _COLUMNS.split(","))}
    place = Place(own.pop("location_id") or 0, own.pop("station_id") or 0, own.pop("evse_id") or 0)
    return Incident(
        **{**own, "place": place, "severity": Severity(own["severity"]), "state": IncidentState(own["state"])}
    )  # fmt: skip


def _with_id(incident: Incident, incident_id: int) -> Incident:
    values = {name: getattr(incident, name) for name in Incident.__slots__}
    return Incident(**{**values, "incident_id": incident_id})


def _names(row: Row) -> Names:
    return Names(row["location_code"], row["location_name"], row["identity"], row["time_zone"])

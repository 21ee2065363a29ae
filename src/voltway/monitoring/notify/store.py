"""Tables of routes, notifications and messages as the API and the Notifier see them; what the courier does with them is
in `courier_store`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, conflict_if_refused, fetch_all, fetch_one, run
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import IncidentChange
from voltway.monitoring.notify.model import MessageState, Place, Route, conditions_from_json

CHANNEL = "voltway_notify"
"""PostgreSQL's notifications on it wake the courier up as the transaction commits."""
_ROUTE = "route_id, operator_id, name, enabled, document, created_at, updated_at"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a route sends to; `label` is the URL with its secrets masked."""

    target_id: int
    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the delivery log."""

    id: int
    route: str
    target: str
    kind: str
    incidents: list[int]
    severity: str
    subject: str
    state: MessageState
    attempts: int
    next_attempt_at: datetime | None
    sent_at: datetime | None
    error: str | None
    created_at: datetime


async def routes_of(tx: Transaction, operator_ids: Sequence[OperatorId]) -> list[Route]:
    """Return the enabled routes of some operators, by age."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_ROUTE} FROM notification_route
            WHERE operator_id = ANY(:operator_ids) AND enabled ORDER BY route_id""",  # noqa: S608 - our own names
        operator_ids=list(operator_ids),
    )
    return [route_of(row) for row in rows]


async def places_of(tx: Transaction, changes: Sequence[IncidentChange]) -> list[Place]:
    """Return the place of each change in the operator's words, in their order."""
    locations = {change.incident.place.location_id for change in changes}
    stations = {station for change in changes for station in (change.incident.place.station_id, *change.stations)}
    sites = await fetch_all(
        tx,
        "SELECT location_id, code, name, time_zone FROM location WHERE location_id = ANY(:ids)",
        ids=sorted(locations - {0}),
    )
    known = await fetch_all(
        tx,
        "SELECT station_id, identity, groups FROM station WHERE station_id = ANY(:ids)",
        ids=sorted(stations - {0}),
    )
    operators = await fetch_all(
        tx,
        "SELECT operator_id, time_zone FROM operator WHERE operator_id = ANY(:ids)",
        ids=sorted({change.incident.operator_id for change in changes}),
    )
    zones = {row["operator_id"]: row["time_zone"] for row in operators}
    by_site = {row["location_id"]: row for row in sites}
    by_station = {row["station_id"]: row for row in known}
    return [_place(change, zones[change.incident.operator_id], by_site, by_station) for change in changes]


def _place(change: IncidentChange, zone: str, sites: Mapping[int, Row], stations: Mapping[int, Row]) -> Place:
    where = change.incident.place
    site, station = sites.get(where.location_id), stations.get(where.station_id)
    touched = [stations[it] for it in dict.fromkeys((where.station_id, *change.stations)) if it in stations]
    return Place(
        time_zone=zone if site is None else site["time_zone"],
        location_code="" if site is None else site["code"],
        location_name="" if site is None else site["name"],
        station="" if station is None else station["identity"],
        evse_id=where.evse_id,
        stations=tuple(row["identity"] for row in touched),
        groups=frozenset(group for row in touched for group in row["groups"]),
    )


async def waiting_digests(tx: Transaction, route_ids: Sequence[int]) -> dict[int, datetime]:
    """Return until when each route gathers; routes with nothing that waits are missing."""
    rows = await fetch_all(
        tx,
        """SELECT route_id, max(due_at) AS due_at FROM notification
           WHERE route_id = ANY(:route_ids) AND batch_id IS NULL AND held GROUP BY route_id""",
        route_ids=list(route_ids),
    )
    return {row["route_id"]: row["due_at"] for row in rows}


async def insert_notifications(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store what routes are to tell (JSON values of the columns) and wake the courier; what is there stays as it is."""
    if not rows:
        return
    await run(
        tx,
        """INSERT INTO notification (operator_id, route_id, key, incident_id, at, due_at, held, document)
           SELECT operator_id, route_id, key, incident_id, at, due_at, held, document
             FROM json_to_recordset(CAST(:rows AS json)) AS r(
               operator_id int, route_id bigint, key text, incident_id bigint, at timestamptz, due_at timestamptz,
               held boolean, document json)
           ON CONFLICT (operator_id, route_id, key) DO NOTHING""",
        rows=orjson.dumps(list(rows)).decode(),
    )
    await wake_courier(tx)


async def wake_courier(tx: Transaction) -> None:
    """Let the courier look as soon as this transaction commits."""
    await run(tx, "SELECT pg_notify(:channel, '')", channel=CHANNEL)


async def insert_route(
    tx: Transaction, operator_id: OperatorId, *, name: str, enabled: bool, document: Mapping[str, Any]
) -> int:
    """Store a route and return its number; raise Conflict where the name is taken."""
    with conflict_if_refused(f"there is a route {name!r} already"):
        row = await fetch_one(
            tx,
            """INSERT INTO notification_route (operator_id, name, enabled, document)
               VALUES (:operator_id, :name, :enabled, CAST(:document AS json)) RETURNING route_id""",
            operator_id=operator_id,
            name=name,
            enabled=enabled,
            document=orjson.dumps(document).decode(),
        )
    assert row is not None, "INSERT … RETURNING answers with its row"
    return int(row["route_id"])


async def update_route(
    tx: Transaction, route_id: int, *, name: str, enabled: bool, document: Mapping[str, Any]
) -> None:
    """Replace a route; raise Conflict where the name is taken."""
    with conflict_if_refused(f"there is a route {name!r} already"):
        await run(
            tx,
            """UPDATE notification_route SET name = :name, enabled = :enabled, document = CAST(:document AS json),
                 updated_at = now() WHERE route_id = :route_id AND operator_id = voltway_operator()""",
            route_id=route_id,
            name=name,
            enabled=enabled,
            document=orjson.dumps(document).decode(),
        )


async def delete_route(tx: Transaction, route_id: int) -> int:
    """Delete a route with what waits for it; the log of what was sent stays."""
    return await run(
        tx,
        "DELETE FROM notification_route WHERE route_id = :route_id AND operator_id = voltway_operator()",
        route_id=route_id,
    )


async def find_route(tx: Transaction, route_id: int) -> Row | None:
    """Return a route of this transaction's operator."""
    return await fetch_one(
        tx,
        f"SELECT {_ROUTE} FROM notification_route WHERE route_id = :route_id AND operator_id = voltway_operator()",  # noqa: S608 - our own names
        route_id=route_id,
    )


async def list_routes(tx: Transaction, wanted: PageRequest) -> Sequence[Row]:
    """Return routes, oldest first."""
    after = wanted.after_numbers(1)
    return await fetch_all(
        tx,
        f"""SELECT {_ROUTE} FROM notification_route WHERE operator_id = voltway_operator() AND route_id > :after
            ORDER BY route_id LIMIT :limit""",  # noqa: S608 - our own names
        after=after[0] if after else 0,
        limit=wanted.fetch,
    )


async def targets_of(tx: Transaction, route_ids: Sequence[int]) -> dict[int, list[Target]]:
    """Return the targets of some routes, in the order they were entered."""
    rows = await fetch_all(
        tx,
        """SELECT route_id, target_id, url, label FROM notification_target
           WHERE route_id = ANY(:route_ids) ORDER BY target_id""",
        route_ids=list(route_ids),
    )
    found: dict[int, list[Target]] = {}
    for row in rows:
        found.setdefault(row["route_id"], []).append(Target(row["target_id"], row["url"], row["label"]))
    return found


async def put_targets(
    tx: Transaction, operator_id: OperatorId, route_id: int, targets: Sequence[tuple[str, str]]
) -> None:
    """Make (URL, label) the targets of a route; those that stay keep their number and so their place in the queue."""
    await run(
        tx,
        "DELETE FROM notification_target WHERE route_id = :route_id AND NOT url = ANY(CAST(:urls AS text[]))",
        route_id=route_id,
        urls=[url for url, _ in targets],
    )
    for url, label in targets:
        await run(
            tx,
            """INSERT INTO notification_target (operator_id, route_id, url, label)
               VALUES (:operator_id, :route_id, :url, :label) ON CONFLICT (route_id, url) DO NOTHING""",
            operator_id=operator_id,
            route_id=route_id,
            url=url,
            label=label,
        )


async def insert_test_messages(tx: Transaction, route_id: int, text: Mapping[str, str], at: datetime) -> list[int]:
    """Store a message of kind `test` to each target of a route and return their numbers."""
    rows = await fetch_all(
        tx,
        """WITH batch AS (SELECT nextval('notification_batch') AS batch_id)
           INSERT INTO notification_message (operator_id, route_id, target_id, route_name, target, kind, batch_id,
             incidents, severity, subject, body, html, state, next_at, created_at)
           SELECT r.operator_id, r.route_id, t.target_id, r.name, t.label, 'test', batch.batch_id,
                  '{}', 'info', :subject, :body, :html, 'pending', :at, :at
             FROM notification_route r JOIN notification_target t USING (route_id) CROSS JOIN batch
            WHERE r.route_id = :route_id AND r.operator_id = voltway_operator()
            ORDER BY t.target_id RETURNING message_id""",
        route_id=route_id,
        at=at,
        **text,
    )
    await wake_courier(tx)
    return [row["message_id"] for row in rows]


async def list_messages(
    tx: Transaction, wanted: PageRequest, *, state: str | None, incident_id: int | None
) -> list[Message]:
    """Return the delivery log, newest first."""
    before = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        """SELECT message_id AS id, route_name AS route, target, kind, incidents, severity, subject, state, attempts,
                  CASE WHEN state = 'pending' THEN next_at END AS next_attempt_at, sent_at, error, created_at
             FROM notification_message
            WHERE operator_id = voltway_operator() AND message_id < CAST(:before AS bigint)
              AND (CAST(:state AS text) IS NULL OR state = :state)
              AND (CAST(:incident_id AS bigint) IS NULL OR CAST(:incident_id AS bigint) = ANY(incidents))
            ORDER BY message_id DESC LIMIT :limit""",
        before=before[0] if before else 2**62,
        state=state,
        incident_id=incident_id,
        limit=wanted.fetch,
    )
    return [Message(**{**row, "state": MessageState(row["state"])}) for row in rows]


async def prune(tx: Transaction, before: datetime) -> int:
    """Delete what was told (or failed) before an instant, of every operator (ingest role); return how many messages."""
    await run(tx, "DELETE FROM notification WHERE batch_id IS NOT NULL AND at < :before", before=before)
    return await run(
        tx,
        "DELETE FROM notification_message WHERE state NOT IN ('pending', 'sending') AND created_at < :before",
        before=before,
    )


def route_of(row: Row) -> Route:
    """Return a row as a route."""
    return Route(
        row["route_id"], OperatorId(row["operator_id"]), row["name"], row["enabled"],
        conditions_from_json(row["document"]),
    )  # fmt: skip

"""Stations, incidents and a gateway on the bus that counts what it sends, for the tests of remedies."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from tests.sessions.seeding import add_station, prepare, run_sql

from voltway.infra.bus import Bus
from voltway.infra.db import Database, Role, Transaction
from voltway.kernel.clock import now, parse_rfc3339
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import service as incidents_service
from voltway.monitoring.incidents import store as incidents_store
from voltway.monitoring.incidents.model import (
    ChangeKind,
    Incident,
    IncidentChange,
    IncidentState,
    Place,
    Rule,
    Severity,
)
from voltway.monitoring.incidents.store import Entry
from voltway.monitoring.remedies.planning import Ties
from voltway.monitoring.remedies.service import Remedies

OPERATOR = OperatorId(1)


def rule(ladder: str) -> Rule:
    """Return a rule that is called after its ladder."""
    return Rule(
        code=ladder, detector="x", scope="evse", severity=Severity.MAJOR, title="x", threshold=1, clear_below=1,
        hold_s=0, clear_hold_s=0, group_by="evse", ladder=ladder,
    )  # fmt: skip


@dataclass
class Neighbours:
    """The real incident store, rules named after ladders, and the events that were published."""

    ladders: tuple[str, ...] = ("faulted", "reset_it", "cycle_it")
    events: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)

    async def rules_of(self, tx: Transaction, operator_id: OperatorId) -> Mapping[str, Rule]:
        """Return a rule per ladder."""
        del tx, operator_id
        return {code: rule(code) for code in self.ladders}

    async def note(self, tx: Transaction, incident: Incident, kind: str, text: str, data: Any) -> None:
        """Write to the incident's real timeline."""
        await incidents_service.note(tx, incident, Entry(now(), kind, "remedy", text, data))

    async def publish(
        self, tx: Transaction, operator_id: OperatorId, kind: str, data: dict[str, Any], /, *, key: str
    ) -> None:
        """Remember an event."""
        del tx, operator_id
        self.events.append((kind, data, key))

    @property
    def ties(self) -> Ties:
        """What remedies get."""
        return Ties(self.rules_of, incidents_store.lock_incident, self.note, self.publish)


def seed(database_url: str, *, mode: str = "on") -> None:
    """Enter a site, ladders of one step without rest, and the mode."""
    prepare(database_url)
    run_sql(database_url, "INSERT INTO remedy_mode VALUES (1, '', %s, now())", mode)
    for code, action in (("reset_it", "soft_reset"), ("cycle_it", "availability_cycle")):
        add_ladder(database_url, code, {"action": action, "judge_after_s": 1, "cycle_wait_s": 1})


def add_ladder(database_url: str, code: str, *steps: dict[str, Any], **limits: Any) -> None:
    """Enter a ladder of the operator's own."""
    document = {"title": code, "steps": list(steps), "quiet_s": 0, **limits}
    run_sql(
        database_url, "INSERT INTO remedy_ladder VALUES (1, %s, %s, now())", code, orjson.dumps(document).decode()
    )  # fmt: skip


def connected_station(database_url: str, identity: str, *, is_connected: bool = True) -> int:
    """Enter a station with a connection; return its key."""
    with psycopg.connect(database_url) as connection:
        add_station(connection, identity)
        row = connection.execute(
            """UPDATE station SET vendor = 'Maker', model = 'One', firmware = '1.0' WHERE identity = %s
               RETURNING station_id""",
            (identity,),
        ).fetchone()
        assert row is not None
        link_id = uuid4()
        connection.execute(
            """INSERT INTO station_link (station_id, operator_id, link_id, gateway, version, connected, connected_at,
                 last_seen_at) VALUES (%s, 1, %s, 'g', 'ocpp1.6', %s, now(), now())""",
            (row[0], link_id, is_connected),
        )
        connection.execute("INSERT INTO connection VALUES (%s, %s, 1, now(), NULL, now())", (row[0], link_id))
    return int(row[0])


async def open_incident(
    database: Database, remedies: Remedies, station_id: int, ladder: str, at: datetime
) -> Incident:  # fmt: skip
    """Open an incident as the lead's service does, with remedies as its subscriber."""
    fresh = Incident(
        0, OPERATOR, ladder, f"{ladder}/{station_id}", Severity.MAJOR, IncidentState.OPEN, "x",
        Place(0, station_id, 1), at, at, at,
    )  # fmt: skip
    async with database.transaction(OPERATOR) as tx:
        incident = await incidents_store.insert_incident(tx, fresh)
        change = IncidentChange(ChangeKind.OPENED, incident, at, "watch", "x")
        await remedies.on_changes(tx, [change])
        await remedies.on_changes(tx, [change])
    return incident


async def end_incident(database: Database, remedies: Remedies, incident: Incident, at: datetime) -> None:
    """Have an incident remedied."""
    over = replace(incident, state=IncidentState.REMEDIED, ended_at=at, updated_at=at)
    async with database.transaction(OPERATOR) as tx:
        assert await incidents_store.update_incident(tx, over)
        await remedies.on_changes(tx, [IncidentChange(ChangeKind.REMEDIED, over, at, "watch", "x")])


class Gateway:
    """Answers commands on the real bus, counts them, and writes the raw log after the answer as the real one does."""

    def __init__(self, bus: Bus, database_url: str, *, answer_after_s: float = 0.03) -> None:
        self._bus = bus
        self._database_url = database_url
        self._answer_after_s = answer_after_s
        self.sent: dict[int, list[str]] = defaultdict(list)

    async def hold(self, station_id: int) -> None:
        """Listen for a station's commands."""

        async def on_command(data: bytes) -> bytes:
            return orjson.dumps(await self._answer(station_id, orjson.loads(data)))

        await self._bus.subscribe(f"station.{station_id}.command", on_command)

    async def _answer(self, station_id: int, body: dict[str, Any]) -> dict[str, Any]:
        if parse_rfc3339(body["deadline"]) <= now():
            return {"outcome": "timeout", "response": None, "error": {"code": "timeout"}, "ms": 0}
        sent_at, action, payload = now(), *_call_of(body)
        self.sent[station_id].append(payload.get("type", action))
        await asyncio.sleep(self._answer_after_s)
        await asyncio.to_thread(self._log, station_id, sent_at, action, payload)
        return {"outcome": "answered", "response": {"status": "Accepted"}, "error": None, "ms": 1}

    def _log(self, station_id: int, sent_at: datetime, action: str, payload: dict[str, Any]) -> None:
        frame = orjson.dumps([2, "m", action, payload])
        reply = orjson.dumps([3, "m", {"status": "Accepted"}])
        run_sql(
            self._database_url,
            """INSERT INTO ocpp_message (station_id, received_at, operator_id, outgoing, message_id, action, frame,
                 reply) VALUES (%s, %s, 1, true, 'm', %s, %s, %s)""",
            station_id, sent_at, action, frame, reply,
        )  # fmt: skip


def _call_of(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    args = body["args"]
    match body["verb"]:
        case "reset":
            return "Reset", {"type": args["kind"].capitalize()}
        case "availability":
            return "ChangeAvailability", {"connectorId": 1, "type": "Operative" if args["operative"] else "Inoperative"}
        case "unlock":
            return "UnlockConnector", {"connectorId": args["evse_id"]}
        case _:
            return "TriggerMessage", {"requestedMessage": args["message"]}


def ingest(database_url: str) -> Database:
    """Return the pool of a runner."""
    return Database(database_url, Role.INGEST, pool_size=10)


def later(instant: datetime, **duration: float) -> datetime:
    """Return an instant moved forward."""
    return instant + timedelta(**duration)

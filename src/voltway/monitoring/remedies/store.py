"""Table of remedies' runs, and what is read beside it of stations.

Works under both roles: every statement that writes names its operator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run, update
from voltway.kernel.ids import OperatorId
from voltway.monitoring.remedies.commanding import Logged
from voltway.monitoring.remedies.model import Past, Result, State, Step

_COLUMNS = """r.run_id, r.operator_id, r.incident_id, r.rule, r.ladder, r.round, r.step, r.manual, r.forced, r.asked_by,
              r.action, r.document, r.station_id, r.evse_id, r.vendor, r.model, r.firmware, r.state, r.why, r.attempt,
              r.phase, r.link_id, r.planned_at, r.planned_for, r.due_at, r.claimed_at, r.deadline_at, r.sent_at,
              r.ended_at, r.outcome, r.answer, r.result, r.harmed, s.identity"""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One row of remedy_run; `identity` is the station's public id."""

    run_id: int
    operator_id: OperatorId
    incident_id: int
    rule: str
    ladder: str
    round: int
    step: int
    manual: bool
    forced: bool
    asked_by: str
    action: str
    document: dict[str, Any]
    station_id: int | None
    evse_id: int
    vendor: str | None
    model: str | None
    firmware: str | None
    state: State
    why: str
    attempt: int
    phase: int
    link_id: UUID | None
    planned_at: datetime
    planned_for: datetime
    due_at: datetime | None
    claimed_at: datetime | None
    deadline_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    answer: str | None
    result: Result | None
    harmed: bool
    identity: str | None

    @property
    def rung(self) -> Step:
        """The step as it was when it was planned."""
        return Step(**self.document)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A step to plan; `due_at` is when it is decided."""

    operator_id: OperatorId
    incident_id: int
    rule: str
    ladder: str
    round: int
    step: int
    rung: Step
    station_id: int | None
    evse_id: int
    planned_at: datetime
    due_at: datetime
    asked_by: str = "ladder"
    manual: bool = False
    forced: bool = False


async def insert_run(tx: Transaction, new: NewRun) -> int | None:
    """Plan a step once per incident, ladder, step and round; None where it was planned already."""
    row = await fetch_one(
        tx,
        """INSERT INTO remedy_run (operator_id, incident_id, rule, ladder, round, step, manual, forced, asked_by,
             action, document, station_id, evse_id, state, planned_at, planned_for, due_at)
           VALUES (:operator_id, :incident_id, :rule, :ladder, :round, :step, :manual, :forced, :asked_by, :action,
             CAST(:document AS json), :station_id, :evse_id, 'planned', :planned_at, :due_at, :due_at)
           ON CONFLICT (incident_id, ladder, step, round) WHERE NOT manual DO NOTHING RETURNING run_id""",
        **{name: getattr(new, name) for name in NewRun.__slots__ if name != "rung"},
        action=new.rung.key,
        document=orjson.dumps(new.rung).decode(),
    )
    return None if row is None else int(row["run_id"])


async def due_runs(tx: Transaction, now: datetime, limit: int) -> list[int]:
    """Return the runs that must be looked at, the longest due first."""
    rows = await fetch_all(
        tx, "SELECT run_id FROM remedy_run WHERE due_at <= :now ORDER BY due_at LIMIT :limit", now=now, limit=limit
    )
    return [row["run_id"] for row in rows]


async def try_hold(tx: Transaction, run_id: int) -> bool:
    """Keep other runners from a run while this transaction lives; False where one has it."""
    row = await fetch_one(
        tx, "SELECT pg_try_advisory_xact_lock(hashtextextended('remedy_run', :run_id)) AS is_held", run_id=run_id
    )
    return row is not None and bool(row["is_held"])


async def lock_station(tx: Transaction, station_id: int) -> None:
    """Let one decision at a time be made about a station, so that two never pass the same limit."""
    await run(tx, "SELECT pg_advisory_xact_lock(hashtextextended('remedy_station', :id))", id=station_id)


async def find_run(tx: Transaction, run_id: int) -> StoredRun | None:
    """Return a run."""
    row = await fetch_one(
        tx,
        f"SELECT {_COLUMNS} FROM remedy_run r LEFT JOIN station s USING (station_id) WHERE run_id = :id",  # noqa: S608
        id=run_id,
    )
    return None if row is None else StoredRun(**row)


async def list_runs(
    tx: Transaction, *, incident_id: int | None, station: str | None, before: int, limit: int
) -> list[StoredRun]:
    """Return runs of an incident or a station, the newest first."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_COLUMNS} FROM remedy_run r LEFT JOIN station s USING (station_id)
            WHERE run_id < :before AND (CAST(:incident_id AS bigint) IS NULL OR incident_id = :incident_id)
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
            ORDER BY run_id DESC LIMIT :limit""",  # noqa: S608 - our own names
        before=before,
        incident_id=incident_id,
        station=station,
        limit=limit,
    )
    return [StoredRun(**row) for row in rows]


async def change_run(tx: Transaction, it: StoredRun, **changes: Any) -> None:
    """Store what came of a run; our own column names."""
    key = {"run_id": it.run_id, "operator_id": it.operator_id}
    assert await update(tx, "remedy_run", key, changes) == 1, "a run is never deleted"


async def cancel_planned(tx: Transaction, operator_id: OperatorId, incident_id: int, why: str, now: datetime) -> None:
    """Give up what was planned for an incident and not begun."""
    key = {"incident_id": incident_id, "operator_id": operator_id, "state": "planned"}
    await update(tx, "remedy_run", key, {"state": "cancelled", "why": why, "due_at": None, "ended_at": now})


async def history_of(tx: Transaction, it: NewRun | StoredRun, now: datetime) -> list[Past]:
    """Return the runs of an incident and what went to its station within a day, as the decision wants them."""
    rows = await fetch_all(
        tx,
        """SELECT step, action, state, sent_at, claimed_at, result,
                  incident_id = :incident_id AND ladder = :ladder AND round = :round AND NOT manual AS is_ours
           FROM remedy_run
           WHERE operator_id = :operator_id AND run_id <> :run_id AND state <> 'planned'
             AND (incident_id = :incident_id OR (station_id = CAST(:station_id AS bigint)
                  AND (state IN ('claimed', 'between') OR coalesce(sent_at, claimed_at) > :since)))""",
        operator_id=it.operator_id,
        incident_id=it.incident_id,
        ladder=it.ladder,
        round=it.round,
        station_id=it.station_id,
        run_id=it.run_id if isinstance(it, StoredRun) else 0,
        since=now - timedelta(days=1),
    )
    return [_past(row) for row in rows]


def _past(row: Row) -> Past:
    at = row["sent_at"] or (row["claimed_at"] if row["state"] in {"claimed", "between"} else None)
    return Past(row["step"], row["action"], row["state"], is_ours=row["is_ours"], at=at, result=row["result"])


async def station_now(tx: Transaction, station_id: int, evse_id: int) -> Row | None:
    """Return what a decision must know of a station."""
    return await fetch_one(
        tx,
        """SELECT s.identity, s.vendor, s.model, s.firmware, l.link_id, coalesce(l.connected, false) AS connected,
                  coalesce(p.time_zone, o.time_zone) AS time_zone,
                  EXISTS (SELECT FROM session x WHERE x.station_id = s.station_id
                          AND x.state IN ('pending', 'active')) AS session_on_station,
                  EXISTS (SELECT FROM session x WHERE x.station_id = s.station_id AND x.evse_id = :evse_id
                          AND x.state IN ('pending', 'active')) AS session_on_evse,
                  NOT coalesce((SELECT operative FROM availability_request a WHERE a.station_id = s.station_id
                    AND a.evse_id IN (0, :evse_id) AND a.requested_by <> 'remedy'
                    ORDER BY requested_at DESC, request_id DESC LIMIT 1), true) AS closed_by_intent
           FROM station s JOIN operator o USING (operator_id) LEFT JOIN station_link l USING (station_id)
           LEFT JOIN location p USING (location_id) WHERE s.station_id = :station_id""",
        station_id=station_id,
        evse_id=evse_id,
    )


async def product_record(tx: Transaction, operator_id: OperatorId, product: Row) -> Sequence[Row]:
    """Return by action what came of it on a vendor, model and firmware: harms, judged runs, of which helped."""
    return await fetch_all(
        tx,
        """SELECT action, count(*) FILTER (WHERE harmed) AS harms,
                  count(*) FILTER (WHERE result IN ('helped', 'did_not_help')) AS runs,
                  count(*) FILTER (WHERE result = 'helped') AS helped
           FROM remedy_run WHERE operator_id = :operator_id AND sent_at IS NOT NULL
             AND vendor IS NOT DISTINCT FROM :vendor AND model IS NOT DISTINCT FROM :model
             AND firmware IS NOT DISTINCT FROM :firmware GROUP BY action""",
        operator_id=operator_id,
        vendor=product["vendor"],
        model=product["model"],
        firmware=product["firmware"],
    )


async def was_closed_since(tx: Transaction, it: StoredRun) -> bool:
    """Whether somebody closed the place after an availability cycle began: then it stays closed."""
    row = await fetch_one(
        tx,
        """SELECT operative FROM availability_request WHERE station_id = :station_id AND evse_id IN (0, :evse_id)
             AND requested_by <> 'remedy' AND requested_at > :since ORDER BY requested_at DESC LIMIT 1""",
        station_id=it.station_id,
        evse_id=it.evse_id,
        since=it.claimed_at,
    )
    return row is not None and not row["operative"]


async def outgoing_calls(tx: Transaction, station_id: int, begin: datetime, end: datetime) -> list[Logged]:
    """Return what was sent to a station by the raw log, oldest first."""
    rows = await fetch_all(
        tx,
        """SELECT action, frame, reply FROM ocpp_message WHERE station_id = :station_id AND outgoing
             AND received_at >= :begin AND received_at <= :end ORDER BY received_at""",
        station_id=station_id,
        begin=begin,
        end=end,
    )
    return [Logged(row["action"], bytes(row["frame"]), _bytes(row["reply"])) for row in rows]


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


async def is_same_link(tx: Transaction, station_id: int, link_id: UUID | None) -> bool:
    """Whether the connection over which something was to go is still open."""
    row = await fetch_one(
        tx, "SELECT link_id FROM station_link WHERE station_id = :id AND connected", id=station_id
    )  # fmt: skip
    return row is not None and link_id is not None and row["link_id"] == link_id


async def broke_within(tx: Transaction, it: StoredRun, limit: timedelta) -> bool:
    """Whether the station's connection ended right after a run was sent."""
    if it.station_id is None or it.sent_at is None:
        return False
    row = await fetch_one(
        tx,
        """SELECT 1 FROM connection WHERE station_id = :id AND disconnected_at >= :begin AND disconnected_at < :end
           LIMIT 1""",
        id=it.station_id,
        begin=it.sent_at,
        end=it.sent_at + limit,
    )
    return row is not None


async def success_rows(tx: Transaction) -> Sequence[Row]:
    """Return how many judged runs there were and how many helped, by action, rule and product."""
    return await fetch_all(
        tx,
        """SELECT action, rule, vendor, model, firmware,
                  count(*) FILTER (WHERE result <> 'unknown') AS runs,
                  count(*) FILTER (WHERE result = 'helped') AS helped,
                  count(*) FILTER (WHERE result = 'unknown') AS unknown, count(*) FILTER (WHERE harmed) AS harmed
           FROM remedy_run WHERE result IS NOT NULL AND action <> 'ticket'
           GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5""",
    )

"""What the courier does with the tables of notifications, over its one plain connection (see `store` for the rest).

Every step is one transaction and safe to repeat: a row changes hands only by an UPDATE that names the state it was in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from voltway.infra.lane import Lane, Row
from voltway.monitoring.incidents.model import Severity
from voltway.monitoring.notify.model import Told, allowed_at, conditions_from_json
from voltway.monitoring.notify.sender import Letter, Sent
from voltway.monitoring.notify.texts import Doubt, Surroundings, write_message

MAX_COMPOSED = 200
GIVE_UP_AFTER = timedelta(hours=24)
_WAITS_S = (5, 15, 30, 60, 120, 300)
MAX_DOUBTS = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this courier sends now; `url` None: its target was removed."""

    message_id: int
    url: str | None
    letter: Letter
    accepted: tuple[str, ...]
    attempts: int
    created_at: datetime


def settle_orphans(lane: Lane, me: UUID, in_hand: Sequence[int]) -> int:
    """Decide what became of claims whose courier is gone (we hold the lock, so it is); return how many.

    They may have been sent and are not sent again, unless their route would rather have them twice. Claims of our own
    that we do not have in hand were never begun: the database broke off while it answered.
    """
    lane.run(
        """UPDATE notification_message SET state = 'pending'
            WHERE state = 'sending' AND claimed_by = %(me)s AND NOT message_id = ANY(%(in_hand)s)""",
        me=me,
        in_hand=list(in_hand),
    )
    rows = lane.run(
        """UPDATE notification_message m
              SET state = CASE WHEN coalesce((r.document->>'repeat_uncertain')::boolean, false) THEN 'pending'
                               ELSE 'uncertain' END,
                  error = 'the courier ended while it was sending this'
             FROM notification_message o LEFT JOIN notification_route r USING (route_id)
            WHERE m.message_id = o.message_id AND m.state = 'sending' AND m.claimed_by <> %(me)s
        RETURNING m.message_id""",
        me=me,
    )
    return len(rows)


def compose_due(lane: Lane, now: datetime, public_url: str) -> int:
    """Make messages of what is due, one per target and batch; return how many batches.

    What waited together is told together; of what is told at once each incident has its own message. A message takes
    along what still waits of the same incident, so that its end is never told before its beginning.
    """
    with lane.transaction():
        due = _postpone_quiet(lane, _take_due(lane, now), now)
        batches: dict[tuple[int, str], list[Row]] = {}
        for row in due:
            part = f"held {row['due_at']}" if row["held"] else f"incident {row['incident_id']}"
            batches.setdefault((row["route_id"], part), []).append(row)
        for rows in _merged(list(batches.values())):
            _compose(lane, rows, now, public_url)
    return len(batches)


def _take_due(lane: Lane, now: datetime) -> Sequence[Row]:
    """Return what is due, and what waits of the same incidents on the same routes, oldest first; locked."""
    return lane.run(
        """WITH due AS (
             SELECT route_id, incident_id FROM notification
              WHERE batch_id IS NULL AND due_at <= %(now)s ORDER BY due_at, notification_id LIMIT %(limit)s)
           SELECT notification_id, operator_id, route_id, incident_id, at, due_at,
                  held AND due_at <= %(now)s AS held, document,
                  (SELECT r.document FROM notification_route r WHERE r.route_id = n.route_id) AS route
             FROM notification n
            WHERE batch_id IS NULL AND at <= %(now)s
              AND (due_at <= %(now)s
                   OR EXISTS (SELECT FROM due d WHERE d.route_id = n.route_id AND d.incident_id = n.incident_id))
              AND route_id IN (SELECT route_id FROM due)
            ORDER BY at, notification_id FOR UPDATE SKIP LOCKED""",
        now=now,
        limit=MAX_COMPOSED,
    )


def _postpone_quiet(lane: Lane, rows: Sequence[Row], now: datetime) -> list[Row]:
    """Return what may be told now; the rest waits on: it became due while nobody could send, and now it is quiet.

    What belongs to an incident that passes is told with it.
    """
    allowed = {
        row["notification_id"]: allowed_at(conditions_from_json(row["route"]), Told.from_json(row["document"]), now)
        for row in rows
    }
    passing = {
        (row["route_id"], row["incident_id"])
        for row in rows
        if row["due_at"] <= now and allowed[row["notification_id"]] <= now
    }
    kept = [row for row in rows if (row["route_id"], row["incident_id"]) in passing]
    for row in rows:
        if row["due_at"] <= now and (row["route_id"], row["incident_id"]) not in passing:
            lane.run(
                "UPDATE notification SET due_at = %(at)s, held = true WHERE notification_id = %(id)s",
                at=allowed[row["notification_id"]],
                id=row["notification_id"],
            )
    return kept


def _merged(batches: list[list[Row]]) -> list[list[Row]]:
    """Join batches of one route that tell of the same incident: its end goes where its beginning is told."""
    merged: list[list[Row]] = []
    for rows in batches:
        incidents = {row["incident_id"] for row in rows}
        for other in merged:
            if other[0]["route_id"] == rows[0]["route_id"] and incidents & {row["incident_id"] for row in other}:
                other.extend(rows)
                other.sort(key=lambda row: (row["at"], row["notification_id"]))
                break
        else:
            merged.append(list(rows))
    return merged


def _compose(lane: Lane, rows: Sequence[Row], now: datetime, public_url: str) -> None:
    incidents = list(dict.fromkeys(row["incident_id"] for row in rows))
    (batch,) = lane.run(
        """WITH batch AS (SELECT nextval('notification_batch') AS batch_id)
           UPDATE notification SET batch_id = batch.batch_id FROM batch WHERE notification_id = ANY(%(ids)s)
           RETURNING notification.batch_id""",
        ids=[row["notification_id"] for row in rows],
    )[:1]
    tried = _tried(lane, incidents)
    for target in _targets(lane, rows[0]["route_id"]):
        around = Surroundings(public_url, tried, _take_doubts(lane, target["target_id"], now))
        text = write_message([Told.from_json(row["document"]) for row in rows], around)
        lane.run(
            """INSERT INTO notification_message (operator_id, route_id, target_id, route_name, target, kind, batch_id,
                 incidents, severity, subject, body, html, state, next_at, created_at)
               VALUES (%(operator_id)s, %(route_id)s, %(target_id)s, %(name)s, %(label)s, 'incidents', %(batch_id)s,
                 %(incidents)s, %(severity)s, %(subject)s, %(body)s, %(html)s, 'pending', %(now)s, %(now)s)""",
            **target,
            batch_id=batch["batch_id"],
            incidents=incidents,
            severity=text.severity.value,
            subject=text.subject,
            body=text.body,
            html=text.html,
            now=now,
        )


def _targets(lane: Lane, route_id: int) -> Sequence[Row]:
    return lane.run(
        """SELECT r.operator_id, r.route_id, r.name, t.target_id, t.label
             FROM notification_route r JOIN notification_target t USING (route_id)
            WHERE route_id = %(route_id)s ORDER BY t.target_id""",
        route_id=route_id,
    )


def _tried(lane: Lane, incidents: Sequence[int]) -> dict[int, list[str]]:
    """Return what remedies did to each incident so far."""
    rows = lane.run(
        """SELECT incident_id, text FROM incident_entry
            WHERE incident_id = ANY(%(incidents)s) AND kind LIKE 'remedy%%' ORDER BY entry_id""",
        incidents=list(incidents),
    )
    tried: dict[int, list[str]] = {}
    for row in rows:
        tried.setdefault(row["incident_id"], []).append(row["text"])
    return tried


def _take_doubts(lane: Lane, target_id: int, now: datetime) -> list[Doubt]:
    """Return the messages that this target may have missed and was not told of yet."""
    rows = lane.run(
        """WITH picked AS MATERIALIZED (
             SELECT message_id FROM notification_message
              WHERE target_id = %(target_id)s AND state IN ('failed', 'uncertain') AND mentioned_at IS NULL
                AND kind = 'incidents' ORDER BY message_id LIMIT %(limit)s)
           UPDATE notification_message m SET mentioned_at = %(now)s
             FROM picked WHERE m.message_id = picked.message_id
        RETURNING m.message_id, subject, created_at, state""",
        target_id=target_id,
        now=now,
        limit=MAX_DOUBTS,
    )
    ordered = sorted(rows, key=lambda row: int(row["message_id"]))
    return [Doubt(row["subject"], row["created_at"], is_lost=row["state"] == "failed") for row in ordered]


def claim(lane: Lane, me: UUID, now: datetime, limit: int) -> list[Claim]:
    """Take messages to send now: the oldest of each target that is due; a test waits for nothing."""
    rows = lane.run(
        # Materialized: as a plain subquery it may run again for each row, and the limit would hold for each run.
        """WITH picked AS MATERIALIZED (
             SELECT message_id FROM notification_message p
              WHERE state = 'pending' AND next_at <= %(now)s
                AND (kind = 'test' OR NOT EXISTS (
                  SELECT FROM notification_message e
                   WHERE e.target_id = p.target_id AND e.message_id < p.message_id AND e.kind <> 'test'
                     AND e.state IN ('pending', 'sending')))
              ORDER BY message_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
           UPDATE notification_message m
              SET state = 'sending', claimed_by = %(me)s, claimed_at = %(now)s, attempts = attempts + 1
             FROM picked WHERE m.message_id = picked.message_id AND m.state = 'pending'
        RETURNING m.message_id, operator_id, subject, body, html, severity, incidents, accepted, attempts, created_at,
                  (SELECT url FROM notification_target t WHERE t.target_id = m.target_id) AS url""",
        me=me,
        now=now,
        limit=limit,
    )
    return [_claim(row) for row in sorted(rows, key=lambda row: int(row["message_id"]))]


def _claim(row: Row) -> Claim:
    incidents = row["incidents"]
    letter = Letter(
        row["subject"],
        row["body"],
        row["html"],
        Severity(row["severity"]),
        message_id=f"voltway-message-{row['message_id']}",
        reference=f"<incident-{row['operator_id']}-{incidents[0]}@voltway>" if len(incidents) == 1 else "",
    )
    return Claim(row["message_id"], row["url"], letter, tuple(row["accepted"]), row["attempts"], row["created_at"])


def record(lane: Lane, me: UUID, claimed: Claim, sent: Sent, now: datetime) -> None:
    """Store what came of a message: sent, to be tried again, or failed; also where we were given up meanwhile."""
    state, next_at = _after(claimed, sent, now)
    lane.run(
        """UPDATE notification_message
              SET state = %(state)s, next_at = %(next_at)s, error = %(error)s, accepted = %(accepted)s,
                  sent_at = CASE WHEN %(state)s = 'sent' THEN %(now)s END
            WHERE message_id = %(message_id)s AND claimed_by = %(me)s AND state IN ('sending', 'uncertain')""",
        message_id=claimed.message_id,
        me=me,
        state=state,
        next_at=next_at,
        error=sent.error or None,
        accepted=list(sent.accepted),
        now=now,
    )


def _after(claimed: Claim, sent: Sent, now: datetime) -> tuple[str, datetime]:
    if not sent.error:
        return "sent", now
    if sent.is_hopeless or now - claimed.created_at >= GIVE_UP_AFTER:
        return "failed", now
    return "pending", now + timedelta(seconds=_WAITS_S[min(claimed.attempts, len(_WAITS_S)) - 1])

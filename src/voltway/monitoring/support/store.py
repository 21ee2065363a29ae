"""SQL of the support desk. It has no tables of its own: it reads those of the other slices, by their indexes.

Under row-level security an index serves plain equalities only, hence the columns `contact_tail`, `token_key`,
`presented_key` and `asked_key` of m0006.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from voltway.identity.model import IdToken
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, like_pattern
from voltway.kernel.ids import StationId
from voltway.monitoring.support.cases import Window
from voltway.monitoring.support.frames import ask_of_audit, without_secrets
from voltway.monitoring.support.model import (
    Ask,
    BootSeen,
    IncidentSeen,
    Link,
    Message,
    Presented,
    Ref,
    SessionFacts,
    StatusSeen,
)

MOST_STATIONS = 20
MOST_FOUND = 40
_CARD = """token, match_key, type, status, group_token AS "group", expires_at, note, contact_name, contact_phone,
    created_at, updated_at"""
_SESSION = """s.session_id, s.transaction_id, s.station_id, t.identity, s.evse_id, s.connector_id, s.state,
    s.started_at, s.ended_at, s.received_at, s.updated_at, s.end_reason, s.token, s.token_status, s.energy_milliwh,
    s.soc_pct, s.last_reading_at, s.detail"""
_WITHIN = """(CAST(:end AS timestamptz) IS NULL OR s.started_at < :end)
    AND (CAST(:begin AS timestamptz) IS NULL OR s.ended_at IS NULL OR s.ended_at >= :begin)"""
_WINDOWS = """unnest(CAST(:cases AS int[]), CAST(:stations AS bigint[]), CAST(:begins AS timestamptz[]),
    CAST(:ends AS timestamptz[])) AS w(number, station_id, begin_at, end_at)"""


@dataclass(frozen=True, slots=True)
class FoundStation:
    """A station with where it stands and whether it is connected."""

    station_id: StationId
    identity: str
    name: str | None
    approval: str
    vendor: str | None
    location_id: int | None
    location_code: str | None
    location_name: str | None
    time_zone: str
    connected: bool
    last_seen_at: datetime | None
    evse_ids: list[int]


@dataclass(frozen=True, slots=True)
class Span:
    """[begin, end); None is open."""

    begin: datetime | None
    end: datetime | None


# ---- what the desk asks for


async def tokens_by_keys(tx: Transaction, keys: Sequence[str]) -> list[IdToken]:
    """Return the idTokens with those match keys."""
    sql = f"SELECT {_CARD} FROM id_token WHERE match_key = ANY(:keys) ORDER BY match_key"  # noqa: S608 - our columns
    return [IdToken(**row) for row in await fetch_all(tx, sql, keys=list(keys))]


async def tokens_like(tx: Transaction, part: str) -> list[IdToken]:
    """Return idTokens that contain a text: a driver reads half of a worn card."""
    sql = f"SELECT {_CARD} FROM id_token WHERE token ILIKE :part ORDER BY match_key LIMIT :limit"  # noqa: S608 - ours
    return [IdToken(**row) for row in await fetch_all(tx, sql, part=like_pattern(part), limit=MOST_STATIONS)]


_STATION = """SELECT t.station_id, t.identity, t.name, t.approval, t.vendor, t.location_id, l.code AS location_code,
         l.name AS location_name, coalesce(l.time_zone, (SELECT o.time_zone FROM operator o WHERE o.operator_id =
           t.operator_id)) AS time_zone, coalesce(k.connected, false) AS connected, k.last_seen_at,
         ARRAY(SELECT e.evse_id FROM evse e WHERE e.station_id = t.station_id AND e.evse_id > 0 ORDER BY 1) AS evse_ids
    FROM station t LEFT JOIN location l USING (location_id) LEFT JOIN station_link k ON k.station_id = t.station_id"""


async def stations_by_code(tx: Transaction, code: str) -> list[FoundStation]:
    """Return stations by what stands on them: exactly, then whatever the case, then a part of it (or of a QR code)."""
    exact = await fetch_all(tx, f"{_STATION} WHERE t.identity = :code", code=code)
    if exact:
        return [_station(row) for row in exact]
    rows = await fetch_all(
        tx,
        f"""WITH found AS (
              SELECT s.station_id, min(CASE WHEN lower(s.identity) = lower(:code) OR lower(e.physical_reference) =
                       lower(:code) THEN 1 ELSE 2 END) AS rank
                FROM station s LEFT JOIN evse e ON e.station_id = s.station_id AND e.physical_reference IS NOT NULL
               WHERE s.identity ILIKE :part OR s.name ILIKE :part OR e.physical_reference ILIKE :part
                  OR (length(e.physical_reference) >= 4
                      AND position(lower(e.physical_reference) IN lower(CAST(:code AS text))) > 0)
               GROUP BY s.station_id)
            {_STATION} JOIN found f ON f.station_id = t.station_id WHERE f.rank = (SELECT min(rank) FROM found)
            ORDER BY t.identity LIMIT :limit""",  # noqa: S608 - our own columns
        code=code,
        part=like_pattern(code),
        limit=MOST_STATIONS,
    )
    return [_station(row) for row in rows]


async def stations_by_ids(tx: Transaction, station_ids: Sequence[StationId]) -> list[FoundStation]:
    """Return stations by their internal keys."""
    ids = sorted(set(station_ids))
    rows = await fetch_all(tx, f"{_STATION} WHERE t.station_id = ANY(:ids) ORDER BY t.identity", ids=ids)
    return [_station(row) for row in rows]


async def sessions_by_name(tx: Transaction, name: str) -> list[SessionFacts]:
    """Return the sessions with that id or that transaction id."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_SESSION} FROM session s JOIN station t USING (station_id)
             WHERE s.session_id = CAST(:uuid AS uuid) OR (s.transaction_id = :name)
             ORDER BY s.started_at DESC LIMIT :limit""",  # noqa: S608 - our own columns
        uuid=_uuid_or_none(name),
        name=name,
        limit=MOST_FOUND,
    )
    return [_session(row) for row in rows]


async def sessions_by_token(
    tx: Transaction, keys: Sequence[str], station_ids: Sequence[StationId] | None, span: Span
) -> list[SessionFacts]:
    """Return the newest sessions of tokens (by match key), at some stations or anywhere."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_SESSION}
              FROM unnest(CAST(:keys AS text[])) AS k(token_key)
             CROSS JOIN LATERAL (
               SELECT * FROM session s WHERE s.token_key = k.token_key AND {_WITHIN}
                  AND (CAST(:stations AS bigint[]) IS NULL OR s.station_id = ANY(:stations))
                ORDER BY s.started_at DESC LIMIT :limit) s
              JOIN station t ON t.station_id = s.station_id
             ORDER BY s.started_at DESC LIMIT :limit""",  # noqa: S608 - our own columns
        keys=list(keys),
        stations=None if station_ids is None else list(station_ids),
        begin=span.begin,
        end=span.end,
        limit=MOST_FOUND,
    )
    return [_session(row) for row in rows]


async def sessions_at(tx: Transaction, station_ids: Sequence[StationId], span: Span) -> list[SessionFacts]:
    """Return the newest sessions of stations, whosever they were."""
    rows = await fetch_all(
        tx,
        f"""SELECT {_SESSION} FROM evse e JOIN station t USING (station_id)
             CROSS JOIN LATERAL (
               SELECT * FROM session s WHERE s.station_id = e.station_id AND s.evse_id = e.evse_id AND {_WITHIN}
                ORDER BY s.started_at DESC LIMIT :limit) s
             WHERE e.station_id = ANY(:stations) ORDER BY s.started_at DESC LIMIT :limit""",  # noqa: S608 - ours
        stations=list(station_ids),
        begin=span.begin,
        end=span.end,
        limit=MOST_FOUND,
    )
    return [_session(row) for row in rows]


async def presented_tokens(
    tx: Transaction, keys: Sequence[str] | None, station_ids: Sequence[StationId] | None, span: Span
) -> list[Presented]:
    """Return the newest Authorize calls: of some tokens (by match key), at some stations."""
    by = "presented_key = ANY(:keys)" if keys is not None else "station_id = ANY(:stations) AND action = 'Authorize'"
    rows = await fetch_all(
        tx,
        f"""SELECT station_id, received_at, data FROM station_event
             WHERE {by} AND (CAST(:stations AS bigint[]) IS NULL OR station_id = ANY(:stations))
               AND (CAST(:begin AS timestamptz) IS NULL OR received_at >= :begin)
               AND (CAST(:end AS timestamptz) IS NULL OR received_at < :end)
             ORDER BY received_at DESC LIMIT :limit""",  # noqa: S608 - our own columns
        **({} if keys is None else {"keys": list(keys)}),
        stations=None if station_ids is None else list(station_ids),
        begin=span.begin,
        end=span.end,
        limit=MOST_FOUND,
    )
    return [_presented(row) for row in rows]


async def audited_starts(
    tx: Transaction, keys: Sequence[str] | None, station_ids: Sequence[StationId] | None, span: Span
) -> list[Ask]:
    """Return the newest starts from afar that the audit knows: for some tokens, at some stations."""
    by = "a.asked_key = ANY(:keys)" if keys is not None else "t.station_id = ANY(:stations) AND a.asked_key IS NOT NULL"
    rows = await fetch_all(
        tx,
        f"""SELECT a.at, t.station_id, a.actor, a.action, a.detail FROM audit a JOIN station t ON t.identity = a.target
             WHERE {by} AND (CAST(:stations AS bigint[]) IS NULL OR t.station_id = ANY(:stations))
               AND (CAST(:begin AS timestamptz) IS NULL OR a.at >= :begin)
               AND (CAST(:end AS timestamptz) IS NULL OR a.at < :end)
             ORDER BY a.at DESC LIMIT :limit""",  # noqa: S608 - our own columns
        **({} if keys is None else {"keys": list(keys)}),
        stations=None if station_ids is None else list(station_ids),
        begin=span.begin,
        end=span.end,
        limit=MOST_FOUND,
    )
    return _asks(rows)


# ---- evidence within windows


async def sessions_around(tx: Transaction, windows: Sequence[Window]) -> list[tuple[int, SessionFacts]]:
    """Return the sessions that ran within windows, by case."""
    rows = await fetch_all(
        tx,
        f"""SELECT w.number, {_SESSION} FROM {_WINDOWS}
              JOIN evse e ON e.station_id = w.station_id JOIN station t ON t.station_id = w.station_id
             CROSS JOIN LATERAL (
               SELECT * FROM session s WHERE s.station_id = e.station_id AND s.evse_id = e.evse_id
                  AND s.started_at < w.end_at AND (s.ended_at IS NULL OR s.ended_at >= w.begin_at)
                ORDER BY s.started_at DESC LIMIT 5) s""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    return [(row["number"], _session(row)) for row in rows]


async def events_in(tx: Transaction, windows: Sequence[Window]) -> list[tuple[int, Presented | StatusSeen | BootSeen]]:
    """Return tokens held up, statuses and boots within windows, by case, in order of time."""
    rows = await fetch_all(
        tx,
        f"""SELECT w.number, e.* FROM {_WINDOWS}
             CROSS JOIN LATERAL (
               SELECT station_id, action, received_at, reported_at, data FROM station_event v
                WHERE v.station_id = w.station_id AND v.received_at >= w.begin_at AND v.received_at < w.end_at
                  AND v.action IN ('Authorize', 'StatusNotification', 'BootNotification')
                ORDER BY v.received_at LIMIT 300) e
             ORDER BY e.received_at""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    return [(row["number"], _event(row)) for row in rows]


async def statuses_before(tx: Transaction, windows: Sequence[Window]) -> list[tuple[int, StatusSeen]]:
    """Return the last statuses before windows begin, by case, in order of time."""
    rows = await fetch_all(
        tx,
        f"""SELECT w.number, e.* FROM {_WINDOWS}
             CROSS JOIN LATERAL (
               SELECT received_at, reported_at, data FROM station_event v
                WHERE v.station_id = w.station_id AND v.action = 'StatusNotification' AND v.received_at < w.begin_at
                ORDER BY v.received_at DESC LIMIT 30) e
             ORDER BY e.received_at""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    return [(row["number"], _status(row)) for row in rows]


async def links_around(tx: Transaction, windows: Sequence[Window]) -> list[tuple[int, Link]]:
    """Return the connections around windows, by case: the last before each and the first after."""
    rows = await fetch_all(
        tx,
        f"""SELECT DISTINCT w.number, c.connected_at, c.disconnected_at FROM {_WINDOWS}
             CROSS JOIN LATERAL (
               (SELECT connected_at, disconnected_at FROM connection c
                 WHERE c.station_id = w.station_id AND c.connected_at < w.end_at ORDER BY c.connected_at DESC LIMIT 20)
               UNION ALL
               (SELECT connected_at, disconnected_at FROM connection c
                 WHERE c.station_id = w.station_id AND c.connected_at >= w.end_at ORDER BY c.connected_at LIMIT 1)) c
             ORDER BY c.connected_at""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    return [(row["number"], Link(row["connected_at"], row["disconnected_at"])) for row in rows]


async def commands_in(tx: Transaction, windows: Sequence[Window]) -> list[tuple[int, Ask]]:
    """Return what the audit knows of commands within windows, by case; the last availability request whenever."""
    rows = await fetch_all(
        tx,
        f"""SELECT w.number, a.at, w.station_id, a.actor, a.action, a.detail FROM {_WINDOWS}
              JOIN station t ON t.station_id = w.station_id
             CROSS JOIN LATERAL (
               SELECT at, actor, action, detail FROM audit a
                WHERE a.target = t.identity AND a.at >= w.begin_at AND a.at < w.end_at
                  AND a.action LIKE 'command.%' AND a.action <> 'command.availability' LIMIT 50) a
             ORDER BY a.at""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    wishes = await fetch_all(
        tx,
        f"""SELECT w.number, w.station_id, r.* FROM {_WINDOWS}
             CROSS JOIN LATERAL (
               SELECT requested_at, requested_by, operative, evse_id, acknowledgement FROM availability_request r
                WHERE r.station_id = w.station_id AND r.requested_at < w.end_at
                ORDER BY r.requested_at DESC LIMIT 5) r
             ORDER BY r.requested_at""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    asked = [(row["number"], ask) for row in rows for ask in _asks([row])]
    return [(row["number"], _wish(row)) for row in wishes] + asked


async def incidents_around(tx: Transaction, windows: Sequence[Window]) -> list[tuple[int, IncidentSeen]]:
    """Return incidents of the stations or of their sites that lasted into windows, by case."""
    rows = await fetch_all(
        tx,
        f"""SELECT DISTINCT w.number, i.incident_id, i.title, i.began_at, i.ended_at, i.evse_id, i.mrec, i.error_code
              FROM {_WINDOWS} JOIN station t ON t.station_id = w.station_id
             CROSS JOIN LATERAL (
               (SELECT * FROM incident i WHERE i.station_id = t.station_id
                   AND i.opened_at < w.end_at + interval '1 hour' ORDER BY i.opened_at DESC LIMIT 20)
               UNION ALL
               (SELECT * FROM incident i WHERE i.station_id IS NULL AND i.location_id = t.location_id
                   AND i.opened_at < w.end_at + interval '1 hour' ORDER BY i.opened_at DESC LIMIT 20)) i
             WHERE i.began_at < w.end_at AND (i.ended_at IS NULL OR i.ended_at >= w.begin_at)
             ORDER BY i.began_at LIMIT 100""",  # noqa: S608 - our own columns
        **_columns(windows),
    )
    return [(row["number"], IncidentSeen(**{key: row[key] for key in row if key != "number"})) for row in rows]


async def plug_limits(tx: Transaction, station_ids: Sequence[StationId]) -> dict[StationId, int]:
    """Return how long stations wait for a plug, in s, where they told us."""
    rows = await fetch_all(
        tx,
        """SELECT station_id, value FROM station_variable
            WHERE station_id = ANY(:stations) AND variable IN ('ConnectionTimeOut', 'EVConnectionTimeOut')
              AND attribute = 'Actual' AND value ~ '^[0-9]{1,6}$'""",
        stations=list(station_ids),
    )
    return {row["station_id"]: int(row["value"]) for row in rows}


_NOISE = ("Heartbeat", "MeterValues", "DataTransfer", "NotifyReport", "NotifyMonitoringReport", "NotifyEvent")


async def messages_in(tx: Transaction, window: Window, limit: int) -> list[Message]:
    """Return the raw log within a window but for what only beats, meters and lists; oldest first, secrets hidden."""
    rows = await fetch_all(
        tx,
        """SELECT station_id, received_at, outgoing, message_id, action, frame, reply FROM ocpp_message
            WHERE station_id = :station AND received_at >= :begin AND received_at < :end
              AND action <> ALL(:noise) AND position(CAST(:metered AS bytea) IN frame) = 0
            ORDER BY received_at LIMIT :limit""",
        station=window.station_id,
        begin=window.begin,
        end=window.end,
        noise=list(_NOISE),
        # 2.x puts readings into TransactionEvent.
        metered=b'"MeterValuePeriodic"',
        limit=limit,
    )
    return [_message(row) for row in rows]


async def messages_by_refs(tx: Transaction, refs: Sequence[Ref]) -> list[Message]:
    """Return single messages of the raw log, those that it still holds."""
    rows = await fetch_all(
        tx,
        """SELECT station_id, received_at, outgoing, message_id, action, frame, reply FROM ocpp_message
            WHERE station_id = ANY(:stations) AND received_at = ANY(:instants)""",
        stations=sorted({ref.station_id for ref in refs}),
        instants=sorted({ref.received_at for ref in refs}),
    )
    return [_message(row) for row in rows]


def _columns(windows: Sequence[Window]) -> Mapping[str, Any]:
    return {
        "cases": [it.case for it in windows],
        "stations": [it.station_id for it in windows],
        "begins": [it.begin for it in windows],
        "ends": [it.end for it in windows],
    }


def _station(row: Row) -> FoundStation:
    return FoundStation(**{name: row[name] for name in FoundStation.__slots__})


def _session(row: Row) -> SessionFacts:
    detail = row["detail"]
    history = tuple((datetime.fromisoformat(at), str(state)) for at, state in detail.get("history", ()))
    same = {name: row[name] for name in SessionFacts.__slots__ if name not in {"history", "anomalies"}}
    anomalies = frozenset(str(item[0]) for item in detail.get("anomalies", ()))
    return SessionFacts(**same, history=history, anomalies=anomalies)


def _presented(row: Row) -> Presented:
    data = row["data"]
    return Presented(row["received_at"], row["station_id"], str(data.get("token")), str(data.get("status")))


def _event(row: Row) -> Presented | StatusSeen | BootSeen:
    if row["action"] == "Authorize":
        return _presented(row)
    if row["action"] == "BootNotification":
        return BootSeen(row["received_at"], str(row["data"].get("reason") or ""))
    return _status(row)


def _status(row: Row) -> StatusSeen:
    data, at = row["data"], row["received_at"]
    if row["reported_at"] is not None:
        # Its own clock, corrected; a station that was offline reports what happened before.
        at = min(row["reported_at"] - timedelta(milliseconds=data.get("clock_offset_ms") or 0), at)
    texts = {name: str(data.get(name) or "") for name in ("error_code", "vendor_error_code", "info")}
    return StatusSeen(at, row["received_at"], int(data.get("evse_id") or 0), str(data.get("status")), **texts)


def _asks(rows: Sequence[Row]) -> list[Ask]:
    found = (ask_of_audit(row["at"], row["station_id"], row["actor"], row["action"], row["detail"]) for row in rows)
    return [ask for ask in found if ask is not None]


def _wish(row: Row) -> Ask:
    answer = row["acknowledgement"]
    return Ask(
        row["requested_at"], row["station_id"], "availability", by=row["requested_by"], status=answer,
        evse_id=row["evse_id"], operative=row["operative"],
    )  # fmt: skip


def _message(row: Row) -> Message:
    return Message(
        Ref(row["station_id"], row["received_at"]),
        row["outgoing"],
        row["message_id"],
        row["action"],
        without_secrets(row["frame"].decode(errors="replace")),
        None if row["reply"] is None else without_secrets(row["reply"].decode(errors="replace")),
    )


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

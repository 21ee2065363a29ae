"""What the watch reads of everybody's facts and writes of its own, under the ingest role, which sees all operators."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, run
from voltway.kernel.ids import EvseId, OperatorId, StationId
from voltway.monitoring.incidents.model import Notice, Place, Symptom
from voltway.monitoring.timeline.model import (
    Connection,
    Evidence,
    EvseKey,
    Interval,
    OperatorState,
    Request,
    Spell,
    Status,
)
from voltway.monitoring.watch.engine import SymptomKey
from voltway.monitoring.watch.model import (
    ConnectionRow,
    Facts,
    MeterRow,
    NoticeRow,
    RequestRow,
    SessionRow,
    Splice,
    StationRow,
    StatusRow,
)
from voltway.sessions.model import plausible_time

_NOTICES = ("Authorize", "FirmwareStatusNotification", "SecurityEventNotification", "BootNotification", "NotifyEvent")
METER_CODES = frozenset({
    "register_fell", "register_jumped", "end_below_begin", "begin_implausible", "end_contradicted", "end_below_reading",
    "no_register",
})  # fmt: skip
"""Anomalies of sessions that tell of the meter."""

_STATIONS = """
    SELECT s.station_id, s.operator_id, s.identity, s.approval, coalesce(s.location_id, 0) AS location_id,
           coalesce(l.code, '') AS location_code, coalesce(l.name, '') AS location_name,
           coalesce(l.time_zone, o.time_zone) AS time_zone, s.vendor, s.model, s.firmware, s.groups, s.commissioned_at,
           s.decommissioned_at,
           (SELECT coalesce(json_agg(json_build_array(e.evse_id, e.max_power_w)), '[]') FROM evse e
             WHERE e.station_id = s.station_id AND e.evse_id > 0) AS evses
      FROM station s JOIN operator o USING (operator_id) LEFT JOIN location l USING (location_id)"""


METERS_SINCE = timedelta(minutes=30)
"""Readings that are older tell nothing of now."""

# ---- stations


async def read_stations(tx: Transaction, station_ids: Sequence[int] | None) -> tuple[list[StationRow], list[StationId]]:
    """Return stations as they were entered (None: all), and those of the ids that are gone or were turned away."""
    where = "" if station_ids is None else " WHERE s.station_id = ANY(:ids)"
    given = {} if station_ids is None else {"ids": list(station_ids)}
    rows = await fetch_all(tx, f"{_STATIONS}{where}", **given)
    approved = [row for row in rows if row["approval"] == "approved"]
    missing = set(station_ids or ()) - {row["station_id"] for row in approved}
    return [_station(row) for row in approved], [StationId(it) for it in sorted(missing)]


async def changed_stations(tx: Transaction, since: datetime) -> list[int]:
    """Return the stations whose data somebody changed since an instant."""
    rows = await fetch_all(tx, "SELECT station_id FROM station WHERE updated_at > :since", since=since)
    return [row["station_id"] for row in rows]


async def read_certificates(tx: Transaction, names: Sequence[str]) -> dict[int, dict[str, datetime]]:
    """Return when certificates expire, by station and name: variables that are called like one of `names`."""
    rows = await fetch_all(
        tx,
        """SELECT station_id, concat_ws('.', nullif(component, ''), variable) AS name, value FROM station_variable
            WHERE lower(variable) = ANY(:names) AND value IS NOT NULL""",
        names=[name.lower() for name in names],
    )
    found: dict[int, dict[str, datetime]] = {}
    for row in rows:
        try:
            instant = datetime.fromisoformat(row["value"])
        except ValueError:
            continue
        if instant.tzinfo is not None:
            found.setdefault(row["station_id"], {})[row["name"]] = instant
    return found


# ---- what changed


async def read_changes(
    tx: Transaction, *, xids: Sequence[int], stations: Sequence[int], sessions: Sequence[UUID], now: datetime
) -> Facts:  # fmt: skip
    """Return what some transactions wrote of stations and sessions."""
    facts = Facts()
    if xids:
        rows = await fetch_all(
            tx,
            """SELECT station_id, received_at, reported_at, action, CAST(data AS text) AS data FROM station_event
                WHERE xid = ANY(CAST(:xids AS xid8[]))""",
            xids=[str(xid) for xid in xids],
        )
        _add_events(facts, rows)
    if stations:
        facts.connections = await read_connections(tx, stations)
        facts.requests = await read_requests(tx, stations)
    if sessions:
        facts.sessions = [_session(row) for row in await fetch_all(tx, _SESSIONS, ids=list(sessions))]
    keys = {(it.station_id, it.evse_id) for it in facts.sessions}
    facts.meters = await read_meters(tx, sorted(keys), since=now - METERS_SINCE)
    return facts


async def read_connections(tx: Transaction, stations: Sequence[int], *, newest: int = 3) -> list[ConnectionRow]:
    """Return the newest links of stations."""
    rows = await fetch_all(
        tx,
        """SELECT c.*, k.clock_offset_ms FROM unnest(CAST(:ids AS bigint[])) AS q(id)
             CROSS JOIN LATERAL (SELECT station_id, link_id, connected_at, disconnected_at, last_seen_at FROM connection
                                  WHERE station_id = q.id ORDER BY connected_at DESC LIMIT :newest) c
             LEFT JOIN station_link k ON k.station_id = q.id""",
        ids=list(stations),
        newest=newest,
    )
    return [ConnectionRow(row["station_id"], _connection(row), row["clock_offset_ms"]) for row in rows]


async def read_requests(tx: Transaction, stations: Sequence[int], *, newest: int = 2) -> list[RequestRow]:
    """Return the newest wishes for the availability of stations."""
    rows = await fetch_all(
        tx,
        """SELECT r.* FROM unnest(CAST(:ids AS bigint[])) AS q(id)
             CROSS JOIN LATERAL (SELECT station_id, evse_id, operative, requested_at, acknowledgement
                                   FROM availability_request WHERE station_id = q.id
                                  ORDER BY requested_at DESC LIMIT :newest) r""",
        ids=list(stations),
        newest=newest,
    )
    return [RequestRow(row["station_id"], _request(row)) for row in rows]


async def read_meters(
    tx: Transaction, keys: Sequence[tuple[int, int]], *, since: datetime
) -> list[MeterRow]:  # fmt: skip
    """Return the newest reading of each EVSE with what tells of power, temperature and register."""
    if not keys:
        return []
    rows = await fetch_all(
        tx,
        """SELECT m.* FROM unnest(CAST(:stations AS bigint[]), CAST(:evses AS int[])) AS q(station_id, evse_id)
             CROSS JOIN LATERAL (
               SELECT station_id, evse_id, sampled_at, session_id IS NOT NULL AS has_session, register_milliwh, power_w,
                      offered_w, extra
                 FROM meter_value v WHERE v.station_id = q.station_id AND v.evse_id = q.evse_id
                  AND v.sampled_at > :since
                ORDER BY sampled_at DESC LIMIT 1) m""",
        stations=[key[0] for key in keys],
        evses=[key[1] for key in keys],
        since=since,
    )
    return [_meter(row) for row in rows]


_SESSIONS = """
    SELECT session_id, station_id, evse_id, state, transaction_id, token, started_at, ended_at, energy_milliwh, power_w,
           soc_pct, last_reading_at, updated_at, CAST(detail->'history' AS text) AS history,
           CAST(detail->'anomalies' AS text) AS anomalies
      FROM session WHERE session_id = ANY(:ids)"""


# ---- evidence


async def read_evidence(
    tx: Transaction, keys: Sequence[EvseKey], since: datetime
) -> dict[EvseKey, Evidence]:  # fmt: skip
    """Return the evidence of EVSEs since an instant, with what was in force then."""
    ids = sorted({int(key.station_id) for key in keys})
    statuses = Facts()
    for row_set in (await fetch_all(tx, _STATUSES_SINCE, ids=ids, since=since), await fetch_all(
        tx, _STATUSES_BEFORE, ids=ids, since=since
    )):  # fmt: skip
        _add_events(statuses, row_set)
    links = await fetch_all(tx, _LINKS_SINCE, ids=ids, since=since)
    wishes = await fetch_all(tx, _REQUESTS_SINCE, ids=ids, since=since)
    sessions = [_session(row) for row in await fetch_all(tx, _SESSIONS_SINCE, ids=ids, since=since)]
    return {
        key: Evidence(
            tuple(_connection(row) for row in links if row["station_id"] == key.station_id),
            tuple(
                it.status
                for it in statuses.statuses
                if it.station_id == key.station_id and it.status.evse_id in {0, key.evse_id}
            ),
            tuple(it.spell for it in sessions if (it.station_id, it.evse_id) == key),
            tuple(
                _request(row)
                for row in wishes
                if row["station_id"] == key.station_id and row["evse_id"] in {0, key.evse_id}
            ),
        )
        for key in keys
    }


# A station's clock may be behind: what is looked for by our time of receipt begins a little earlier, and every status
# since then comes along, so that reported times within the window are complete.
_STATUSES_SINCE = """
    SELECT station_id, received_at, reported_at, action, CAST(data AS text) AS data FROM station_event
     WHERE station_id = ANY(:ids) AND action = 'StatusNotification' AND received_at >= :since"""
_STATUSES_BEFORE = """
    SELECT e.station_id, e.received_at, e.reported_at, e.action, CAST(e.data AS text) AS data
      FROM connector c CROSS JOIN LATERAL (
           SELECT * FROM station_event v
            WHERE v.station_id = c.station_id AND v.action = 'StatusNotification' AND v.received_at < :since
              AND CAST(v.data->>'evse_id' AS int) = c.evse_id
              AND CAST(v.data->>'connector_id' AS int) = c.connector_id
            ORDER BY v.received_at DESC LIMIT 1) e
     WHERE c.station_id = ANY(:ids)"""
# Among the links before the window must be those around the last long outage: it made older words worthless.
_LINKS_SINCE = """
    SELECT c.* FROM unnest(CAST(:ids AS bigint[])) AS q(id)
     CROSS JOIN LATERAL (
       (SELECT station_id, link_id, connected_at, disconnected_at, last_seen_at FROM connection
         WHERE station_id = q.id AND connected_at >= :since)
       UNION ALL
       (SELECT station_id, link_id, connected_at, disconnected_at, last_seen_at FROM connection
         WHERE station_id = q.id AND connected_at < :since ORDER BY connected_at DESC LIMIT 50)) c"""
_REQUESTS_SINCE = """
    SELECT station_id, evse_id, operative, requested_at, acknowledgement FROM availability_request r
     WHERE station_id = ANY(:ids)
       AND (requested_at >= :since OR requested_at = (SELECT max(requested_at) FROM availability_request b
             WHERE b.station_id = r.station_id AND b.evse_id = r.evse_id AND b.requested_at < :since))"""
_SESSIONS_SINCE = _SESSIONS.replace(
    "session_id = ANY(:ids)",
    """station_id = ANY(:ids) AND started_at >= CAST(:since AS timestamptz) - interval '4 days'
       AND evse_id > 0""",
)


# ---- the stored timeline


async def read_tails(
    tx: Transaction, keys: Sequence[EvseKey], since: datetime
) -> dict[EvseKey, list[Interval]]:  # fmt: skip
    """Return the stored intervals of EVSEs that last beyond an instant, and the one before them."""
    rows = await fetch_all(
        tx,
        """SELECT t.station_id, t.evse_id, t.begin_at, nullif(t.end_at, 'infinity') AS end_at, t.state, t.cause,
                  t.evidence, t.evidence_at
             FROM unnest(CAST(:stations AS bigint[]), CAST(:evses AS int[])) AS q(station_id, evse_id)
             CROSS JOIN LATERAL (
               SELECT * FROM timeline t WHERE t.station_id = q.station_id AND t.evse_id = q.evse_id
                  AND (t.end_at > :since OR t.end_at = (
                       SELECT max(b.end_at) FROM timeline b
                        WHERE b.station_id = q.station_id AND b.evse_id = q.evse_id AND b.end_at <= :since))) t
            ORDER BY t.station_id, t.evse_id, t.begin_at""",
        stations=[key.station_id for key in keys],
        evses=[key.evse_id for key in keys],
        since=since,
    )
    found: dict[EvseKey, list[Interval]] = {}
    for row in rows:
        key = EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"]))
        found.setdefault(key, []).append(_interval(row))
    return found


async def write_splices(tx: Transaction, splices: Iterable[Splice]) -> None:
    """Store changed timelines: most only close the last interval and open a new one."""
    rows: list[tuple[Any, ...]] = []
    taken: list[tuple[int, int, datetime]] = []
    for splice in splices:
        if len(splice.replaced) > 1:
            taken += [(splice.key.station_id, splice.key.evse_id, begin) for begin in splice.replaced]
        previous = splice.previous_end
        for it in splice.intervals:
            rows.append((
                splice.key.station_id, splice.key.evse_id, splice.operator_id, it.begin, it.end, previous,
                it.state.value, it.cause, it.evidence, it.evidence_at,
            ))  # fmt: skip
            previous = it.end
    if taken:
        await run(
            tx,
            """DELETE FROM timeline t USING unnest(CAST(:a AS bigint[]), CAST(:b AS int[]), CAST(:c AS timestamptz[]))
                 AS v(station_id, evse_id, begin_at)
                WHERE t.station_id = v.station_id AND t.evse_id = v.evse_id AND t.begin_at = v.begin_at""",
            **_columns("abc", taken),
        )
    if rows:
        await run(tx, _UPSERT, **_columns("abcdefghij", rows))


_UPSERT = """
    INSERT INTO timeline (station_id, evse_id, operator_id, begin_at, end_at, previous_end, state, cause, evidence,
                          evidence_at)
    SELECT a, b, c, d, coalesce(e, 'infinity'), f, g, h, i, j
      FROM unnest(CAST(:a AS bigint[]), CAST(:b AS int[]), CAST(:c AS int[]), CAST(:d AS timestamptz[]),
                  CAST(:e AS timestamptz[]), CAST(:f AS timestamptz[]), CAST(:g AS text[]), CAST(:h AS text[]),
                  CAST(:i AS text[]), CAST(:j AS timestamptz[])) AS v(a, b, c, d, e, f, g, h, i, j)
    ON CONFLICT (station_id, evse_id, begin_at) DO UPDATE SET end_at = excluded.end_at, state = excluded.state,
       previous_end = excluded.previous_end, cause = excluded.cause, evidence = excluded.evidence,
       evidence_at = excluded.evidence_at"""


async def ensure_evses(tx: Transaction, keys: Iterable[tuple[int, int, int]]) -> None:
    """Make the rows of EVSEs that only a session or reading has named: (station, EVSE, operator)."""
    wanted = sorted(set(keys))
    if wanted:
        await run(
            tx,
            """INSERT INTO evse (station_id, evse_id, operator_id)
               SELECT a, b, c FROM unnest(CAST(:a AS bigint[]), CAST(:b AS int[]), CAST(:c AS int[])) AS v(a, b, c)
               ON CONFLICT DO NOTHING""",
            **_columns("abc", wanted),
        )


# ---- symptoms


async def read_symptoms(tx: Transaction) -> dict[SymptomKey, Symptom]:
    """Return everything that rules hold against places."""
    rows = await fetch_all(tx, "SELECT * FROM symptom")
    return {
        SymptomKey(OperatorId(row["operator_id"]), row["rule"], place): Symptom(
            row["rule"], place, row["since"], row["value"], row["detail"], row["raised_at"], row["clear_since"],
            row["incident_id"],
        )
        for row in rows
        for place in [Place(row["location_id"], row["station_id"], row["evse_id"])]
    }  # fmt: skip


async def write_symptoms(tx: Transaction, symptoms: Mapping[SymptomKey, Symptom | None]) -> None:
    """Store symptoms; None: it is gone."""
    gone = [(*key[:2], *key.place) for key, symptom in symptoms.items() if symptom is None]
    if gone:
        await run(
            tx,
            """DELETE FROM symptom s USING unnest(CAST(:a AS int[]), CAST(:b AS text[]), CAST(:c AS bigint[]),
                      CAST(:d AS bigint[]), CAST(:e AS int[])) AS v(a, b, c, d, e)
                WHERE s.operator_id = v.a AND s.rule = v.b AND s.location_id = v.c AND s.station_id = v.d
                  AND s.evse_id = v.e""",
            **_columns("abcde", gone),
        )
    kept = [
        (*key[:2], *key.place, it.since, it.raised_at, it.clear_since, it.value, it.detail, it.incident_id)
        for key, it in symptoms.items()
        if it is not None
    ]
    if kept:
        await run(tx, _UPSERT_SYMPTOM, **_columns("abcdefghijk", kept))


_UPSERT_SYMPTOM = """
    INSERT INTO symptom (operator_id, rule, location_id, station_id, evse_id, since, raised_at, clear_since, value,
                         detail, incident_id)
    SELECT * FROM unnest(CAST(:a AS int[]), CAST(:b AS text[]), CAST(:c AS bigint[]), CAST(:d AS bigint[]),
                         CAST(:e AS int[]), CAST(:f AS timestamptz[]), CAST(:g AS timestamptz[]),
                         CAST(:h AS timestamptz[]), CAST(:i AS double precision[]), CAST(:j AS text[]),
                         CAST(:k AS bigint[]))
    ON CONFLICT (operator_id, rule, location_id, station_id, evse_id) DO UPDATE SET since = excluded.since,
       raised_at = excluded.raised_at, clear_since = excluded.clear_since, value = excluded.value,
       detail = excluded.detail, incident_id = excluded.incident_id"""


# ---- rows


def _add_events(facts: Facts, rows: Iterable[Row]) -> None:
    for row in rows:
        data = orjson.loads(row["data"])
        if row["action"] == "StatusNotification":
            status = _status(row, data)
            if status is not None:
                facts.statuses.append(StatusRow(row["station_id"], status))
        elif row["action"] in _NOTICES:
            at = row["reported_at"] or row["received_at"]
            facts.notices.append(NoticeRow(row["station_id"], Notice(min(at, row["received_at"]), row["action"], data)))


def _status(row: Row, data: Mapping[str, Any]) -> Status | None:
    if not (0 <= data["evse_id"] <= 1000 and 0 <= data["connector_id"] <= 1000):
        return None
    received_at = row["received_at"]
    at, _ = plausible_time(row["reported_at"] or received_at, received_at, data.get("clock_offset_ms") or 0)
    # A minute ahead is a clock that is a little fast: nothing is known before it was said.
    at = min(at, received_at)
    return Status(
        at, received_at, data["evse_id"], data["connector_id"], data["status"], data.get("error_code") or "",
        data.get("vendor_error_code") or "", data.get("info") or "",
    )  # fmt: skip


def _station(row: Row) -> StationRow:
    evses = tuple((int(number), power) for number, power in row["evses"])
    names = (
        "station_id", "operator_id", "identity", "location_id", "location_code", "location_name", "time_zone", "vendor",
        "model", "firmware", "commissioned_at", "decommissioned_at",
    )  # fmt: skip
    return StationRow(groups=tuple(row["groups"]), evses=evses, **{name: row[name] for name in names})


def _connection(row: Row) -> Connection:
    return Connection(row["link_id"], row["connected_at"], row["disconnected_at"], row["last_seen_at"])


def _request(row: Row) -> Request:
    return Request(row["requested_at"], row["evse_id"], row["operative"], row["acknowledgement"])


def _session(row: Row) -> SessionRow:
    begin, end = row["started_at"], row["ended_at"]
    history = tuple((_instant(at), str(word)) for at, word in orjson.loads(row["history"] or "[]"))
    # A clock that jumped may put an end before the begin: such a session tells nothing of the EVSE.
    end = None if end is None else max(end, begin)
    confirmed = end if end is not None else max(row["last_reading_at"] or begin, begin)
    anomalies = tuple(
        (_instant(since), code) for code, _, since, _ in orjson.loads(row["anomalies"] or "[]") if code in METER_CODES
    )
    return SessionRow(
        station_id=row["station_id"],
        evse_id=row["evse_id"],
        spell=Spell(row["session_id"], begin, end, confirmed, history),
        is_open=row["state"] in {"pending", "active"},
        transaction_id=row["transaction_id"],
        token=row["token"],
        energy_milliwh=row["energy_milliwh"],
        power_w=row["power_w"],
        soc_pct=row["soc_pct"],
        last_reading_at=row["last_reading_at"],
        updated_at=row["updated_at"],
        anomalies=anomalies,
    )


def _meter(row: Row) -> MeterRow:
    extra = orjson.loads(row["extra"]) if row["extra"] else {}
    temperature = extra.get("temperature_c")
    return MeterRow(
        row["station_id"], row["evse_id"], row["sampled_at"], row["has_session"], row["register_milliwh"],
        row["power_w"], row["offered_w"], float(temperature) if isinstance(temperature, int | float) else None,
    )  # fmt: skip


def _interval(row: Row) -> Interval:
    return Interval(
        row["begin_at"], row["end_at"], OperatorState(row["state"]), row["cause"], row["evidence"], row["evidence_at"]
    )  # fmt: skip


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _columns(names: str, rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


WINDOW = timedelta(hours=3)
"""How much of the past a fresh watch takes into its memory."""

"""What the ingest reads and writes of sessions: prepared statements and the rows that go into them.

One writer per station decides; `revision` proves it: a statement that finds another revision than it expects raises
`VW001`, nothing of the group is written, and the ingest loads and decides again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from math import nan
from typing import Any
from uuid import UUID

import orjson

from voltway.infra.pgarrays import (
    BYTEA,
    FLOAT4,
    INT2,
    INT4,
    INT8,
    JSON,
    NO_UUID,
    NO_UUID_SQL,
    NULL_INT,
    PG_EPOCH_MICROS,
    TEXT,
    TIMESTAMPTZ,
    UUID_OID,
)  # fmt: skip
from voltway.infra.pipeline import Row, Statement, Work
from voltway.kernel.clock import EPOCH
from voltway.kernel.facts import ChargingState, Reading, SessionEnded, SessionStarted, TokenStatus
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, TransactionId
from voltway.sessions.anomalies import Anomaly, AnomalyCode
from voltway.sessions.model import Progress, Session, SessionState, State

PG_EPOCH = EPOCH + timedelta(microseconds=PG_EPOCH_MICROS)
_MICROSECOND = timedelta(microseconds=1)
_LONG_SIGN = 1 << 63

_COLUMNS = """session_id, operator_id, station_id, evse_id, connector_id, transaction_id, start_key, revision, state,
 started_at, ended_at, end_reason, token, token_type, token_status, token_group, register_begin_milliwh,
 register_last_milliwh, energy_milliwh, last_reading_at, power_w, soc_pct, charging_state, tariff_id, tariff_version,
 synthetic, received_at, updated_at, seq_max, detail"""

LOAD_OPEN = Statement(
    "session_load_open",
    "SELECT row_to_json(s) FROM session s WHERE station_id = ANY($1::bigint[]) AND state IN ('pending', 'active')",
    (INT8,),
)
LOAD_BY_TRANSACTION = Statement(
    "session_load_by_transaction",
    """SELECT row_to_json(s) FROM unnest($1::bigint[], $2::text[]) AS k(station_id, transaction_id)
       JOIN session s USING (station_id, transaction_id)""",
    (INT8, TEXT),
)
LOAD_BY_START = Statement(
    "session_load_by_start",
    """SELECT row_to_json(s) FROM unnest($1::bigint[], $2::bigint[]) AS k(station_id, start_key)
       JOIN session s USING (station_id, start_key)""",
    (INT8, INT8),
)
LOAD_LATEST = Statement(
    "session_load_latest",
    """SELECT row_to_json(s) FROM unnest($1::bigint[], $2::int[]) AS k(station_id, evse_id)
       CROSS JOIN LATERAL (SELECT * FROM session t WHERE t.station_id = k.station_id AND t.evse_id = k.evse_id
                           ORDER BY started_at DESC LIMIT 1) s""",
    (INT8, INT4),
)
NEXT_TRANSACTION = Statement(
    "session_next_transaction",
    "SELECT nextval('transaction_number') FROM unnest($1::int[]) n, generate_series(1, n)",
    (INT4,),
)
_INSERT = Statement(
    "session_insert",
    f"""INSERT INTO session ({_COLUMNS}) SELECT {_COLUMNS}
        FROM unnest($1::json[]) j, json_populate_record(NULL::session, j)""",  # noqa: S608 - our own names
    (JSON,),
)
_CHANGED = [
    "evse_id",
    "connector_id",
    "state",
    "started_at",
    "ended_at",
    "end_reason",
    "token",
    "token_type",
    "token_status",
    "token_group",
    "register_begin_milliwh",
    "register_last_milliwh",
    "energy_milliwh",
    "last_reading_at",
    "power_w",
    "soc_pct",
    "charging_state",
    "tariff_id",
    "tariff_version",
    "received_at",
    "updated_at",
    "seq_max",
    "detail",
]
_SAVE = Statement(
    "session_save",
    f"""WITH u AS (
          UPDATE session s SET revision = s.revision + 1, {", ".join(f"{name} = r.{name}" for name in _CHANGED)}
          FROM unnest($1::json[], $2::int[]) AS v(j, revision), json_populate_record(NULL::session, v.j) r
          WHERE s.session_id = r.session_id AND s.revision = v.revision RETURNING 1)
        SELECT voltway_expect_rows((SELECT count(*) FROM u), cardinality($1))""",  # noqa: S608 - our own names
    (JSON, INT4),
)
_PROGRESS = Statement(
    "session_progress",
    """WITH u AS (
         UPDATE session s SET revision = s.revision + 1, register_last_milliwh = v.last, energy_milliwh = v.energy,
           last_reading_at = v.at, power_w = nullif(v.power_w, 'NaN'), soc_pct = nullif(v.soc_pct, 'NaN'),
           updated_at = v.updated_at, seq_max = nullif(v.seq_max, -1)
         FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::real[], $7::real[],
                     $8::timestamptz[], $9::int[])
           AS v(id, revision, last, energy, at, power_w, soc_pct, updated_at, seq_max)
         WHERE s.session_id = v.id AND s.revision = v.revision RETURNING 1)
       SELECT voltway_expect_rows((SELECT count(*) FROM u), cardinality($1))""",
    (UUID_OID, INT4, INT8, INT8, TIMESTAMPTZ, FLOAT4, FLOAT4, TIMESTAMPTZ, INT4),
)
_READINGS = Statement(
    "meter_value_insert",
    f"""INSERT INTO meter_value (station_id, evse_id, sampled_at, digest, operator_id, session_id, received_at, context,
          register_milliwh, power_w, current_a, voltage_v, soc_pct, offered_w, extra)
        SELECT a, b, c, d, e, nullif(f, {NO_UUID_SQL}), g, h, nullif(i, {NULL_INT}), nullif(j, 'NaN'),
               nullif(k, 'NaN'), nullif(l, 'NaN'),
               nullif(m, 'NaN'), nullif(n, 'NaN'), o
        FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::bigint[], $5::int[], $6::uuid[], $7::timestamptz[],
          $8::smallint[], $9::bigint[], $10::real[], $11::real[], $12::real[], $13::real[], $14::real[], $15::bytea[])
          AS v(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
        ON CONFLICT DO NOTHING""",  # noqa: S608 - a constant of ours
    (INT8, INT4, TIMESTAMPTZ, INT8, INT4, UUID_OID, TIMESTAMPTZ, INT2, INT8, *(FLOAT4,) * 5, BYTEA),
)


def pg_micros(instant: datetime) -> int:
    """Return microseconds since 2000-01-01, PostgreSQL's timestamptz."""
    return (instant - PG_EPOCH) // _MICROSECOND


def start_key_of(fact: SessionStarted) -> int:
    """Return the content key of a start: a repeated one gives the same, whatever its message id (field notes 9)."""
    if fact.transaction_id is not None:
        return key_of("transaction", fact.transaction_id)
    token = fact.token.token if fact.token is not None else ""
    return key_of("start", fact.evse_id, token, fact.reported_at.isoformat(), fact.register_begin_milliwh)


def orphan_key_of(fact: SessionEnded) -> int:
    """Return the content key of an end that belongs to no known session."""
    token = fact.token.token if fact.token is not None else ""
    return key_of("end", token, fact.reported_at.isoformat(), fact.register_end_milliwh)


def key_of(*parts: object) -> int:
    """Hash parts to a signed 64-bit key."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


class SessionRows:
    """What one group writes of sessions."""

    def __init__(self) -> None:
        self._inserts: list[bytes] = []
        self._saves: list[tuple[bytes, int]] = []
        self._progress: list[tuple[Any, ...]] = []
        self._readings: list[tuple[Any, ...]] = []
        self._now, self._now_micros = PG_EPOCH, 0

    def add_readings(
        self, place: tuple[StationId, int, OperatorId], session: Session | None, received_at: int,
        readings: Sequence[Reading], digest: int,
    ) -> None:  # fmt: skip
        """Add readings of one message; `digest` tells this message's rows from another's of the same instant."""
        station_id, evse_id, operator_id = place
        session_id = session.session_id.bytes if session is not None else NO_UUID
        for reading in readings:
            at, context, register, power_w, current_a, voltage_v, soc_pct, offered_w, extra = reading
            self._readings.append((
                station_id, evse_id, (at - PG_EPOCH) // _MICROSECOND, digest, operator_id, session_id, received_at,
                context, NULL_INT if register is None else register, nan if power_w is None else power_w,
                nan if current_a is None else current_a, nan if voltage_v is None else voltage_v,
                nan if soc_pct is None else soc_pct, nan if offered_w is None else offered_w, extra,
            ))  # fmt: skip
            digest = digest + 1 if digest < _LONG_SIGN - 1 else -_LONG_SIGN

    def keep(self, before: State | None, after: State, now: datetime) -> State:
        """Add what is needed to store `after`; return it with the revision it then has."""
        session, progress = after
        kept = State(session, Progress(progress[0] + 1, *progress[1:]))
        if before is None:
            self._inserts.append(_record(kept, now))
        elif before.session is session and before.progress.first_at == progress.first_at and progress.last_at:
            self._progress.append((
                session.session_id.bytes, progress.revision, progress.last_milliwh, progress.energy_milliwh,
                pg_micros(progress.last_at), nan if progress.power_w is None else progress.power_w,
                nan if progress.soc_pct is None else progress.soc_pct, self._micros_of(now),
                -1 if progress.seq_max is None else progress.seq_max,
            ))  # fmt: skip
        else:
            self._saves.append((_record(kept, now), progress.revision))
        return kept

    def _micros_of(self, now: datetime) -> int:
        if now is not self._now:
            self._now, self._now_micros = now, pg_micros(now)
        return self._now_micros

    def works(self) -> list[Work]:
        """Return the statements to run, in order."""
        works = []
        if self._inserts:
            works.append(Work(_INSERT, [self._inserts]))
        if self._saves:
            works.append(Work(_SAVE, list(zip(*self._saves, strict=True))))
        if self._progress:
            works.append(Work(_PROGRESS, list(zip(*self._progress, strict=True))))
        if self._readings:
            works.append(Work(_READINGS, list(zip(*self._readings, strict=True))))
        return works


def read_states(rows: Iterable[Row]) -> list[State]:
    """Read what a LOAD statement answered."""
    return [_state_of(orjson.loads(row[0])) for row in rows if row[0] is not None]


def read_numbers(rows: Iterable[Row]) -> list[int]:
    """Read bigints of one column."""
    return [int.from_bytes(row[0], "big", signed=True) for row in rows if row[0] is not None]


def _record(state: State, now: datetime) -> bytes:
    session, progress = state
    last_state = session.history[-1][1] if session.history else None
    return orjson.dumps({
        "session_id": session.session_id,
        "operator_id": session.operator_id,
        "station_id": session.station_id,
        "evse_id": session.evse_id,
        "connector_id": session.connector_id,
        "transaction_id": session.transaction_id,
        "start_key": session.start_key,
        "revision": progress.revision,
        "state": session.state,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "end_reason": session.end_reason,
        "token": session.token,
        "token_type": session.token_type,
        "token_status": session.token_status,
        "token_group": session.token_group,
        "register_begin_milliwh": session.register_begin_milliwh,
        "register_last_milliwh": progress.last_milliwh,
        "energy_milliwh": progress.energy_milliwh,
        "last_reading_at": progress.last_at,
        "power_w": progress.power_w,
        "soc_pct": progress.soc_pct,
        "charging_state": last_state,
        "tariff_id": session.tariff_id,
        "tariff_version": session.tariff_version,
        "synthetic": session.synthetic,
        "received_at": session.received_at,
        "updated_at": now,
        "seq_max": progress.seq_max,
        "detail": detail_of(state),
    })  # fmt: skip


def detail_of(state: State) -> dict[str, Any]:
    """Return what the column `detail` holds: all that the rules need and nobody searches by."""
    session, progress = state
    return {
        "history": [[at, charging] for at, charging in session.history],
        "anomalies": [[it.code, it.message, it.since, it.touches_money] for it in session.anomalies],
        "register_end": session.register_end_milliwh,
        "first": [progress.first_milliwh, progress.first_at] if progress.first_at is not None else None,
        "clock_offset_ms": session.clock_offset_ms,
        "seq_missing": sorted(session.seq_missing),
        "is_start_seen": session.is_start_seen,
        "remote_start_id": session.remote_start_id,
        "reservation_id": session.reservation_id,
    }


def _state_of(row: dict[str, Any]) -> State:
    detail = row["detail"]
    first = detail["first"] or [None, None]
    session = Session(
        session_id=UUID(row["session_id"]),
        operator_id=OperatorId(row["operator_id"]),
        station_id=StationId(row["station_id"]),
        evse_id=EvseId(row["evse_id"]),
        connector_id=ConnectorId(row["connector_id"]),
        transaction_id=TransactionId(row["transaction_id"]),
        start_key=row["start_key"],
        state=SessionState(row["state"]),
        started_at=_instant(row["started_at"]),
        received_at=_instant(row["received_at"]),
        ended_at=_instant_or_none(row["ended_at"]),
        end_reason=row["end_reason"],
        token=row["token"],
        token_type=row["token_type"],
        token_status=TokenStatus(row["token_status"]) if row["token_status"] else None,
        token_group=row["token_group"],
        register_begin_milliwh=row["register_begin_milliwh"],
        register_end_milliwh=detail["register_end"],
        tariff_id=row["tariff_id"],
        tariff_version=row["tariff_version"],
        synthetic=row["synthetic"],
        clock_offset_ms=detail["clock_offset_ms"],
        remote_start_id=detail["remote_start_id"],
        reservation_id=detail["reservation_id"],
        is_start_seen=detail["is_start_seen"],
        history=tuple((_instant(at), ChargingState(charging)) for at, charging in detail["history"]),
        anomalies=tuple(
            Anomaly(AnomalyCode(code), message, _instant(since), touches)
            for code, message, since, touches in detail["anomalies"]
        ),
        seq_missing=frozenset(detail["seq_missing"]),
    )
    progress = Progress(
        row["revision"], first[0], _instant_or_none(first[1]), row["register_last_milliwh"],
        _instant_or_none(row["last_reading_at"]), row["energy_milliwh"], row["power_w"], row["soc_pct"],
        row["seq_max"],
    )  # fmt: skip
    return State(session, progress)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _instant_or_none(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""Tables of sessions: the session itself as everybody but the ingest reads and judges it, its readings, its CDRs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run
from voltway.kernel.clock import from_micros, to_rfc3339
from voltway.kernel.energy import MILLIWH_PER_KWH, Energy
from voltway.sessions.assumed import Charge
from voltway.sessions.cdrs import Cdr, Place
from voltway.sessions.intake import detail_of, read_states
from voltway.sessions.model import SessionState, State
from voltway.sessions.periods import Sample

SLACK = timedelta(days=1)
"""Readings are looked for this much around a session: a station's clock may be off by more than the known offset."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A session with the place where it is; `updated_at` is our clock."""

    state: State
    place: Place
    updated_at: datetime

    @property
    def session_id(self) -> UUID:
        """The session's key."""
        return self.state.session.session_id


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list; None does not restrict. `since` inclusive and `until` exclusive, of the start."""

    state: SessionState | None = None
    station: str | None = None
    token: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CdrFilter:
    """Which CDRs to list; None does not restrict. `since` inclusive and `until` exclusive, of the end."""

    station: str | None = None
    token: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListedCdr:
    """A CDR with what a list shows beside it."""

    cdr: Cdr
    station: str
    location_name: str | None
    token: str | None


_SESSIONS = """
    SELECT CAST(row_to_json(s) AS text) AS record, s.updated_at, st.identity, l.code AS location_code,
           l.name AS location_name, l.address, l.city, l.postal_code, l.country, l.lat, l.lon,
           coalesce(l.time_zone, o.time_zone) AS time_zone, e.power_type, e.max_power_w, c.standard
      FROM session s
      JOIN station st USING (station_id)
      JOIN operator o ON o.operator_id = s.operator_id
      LEFT JOIN location l ON l.location_id = st.location_id
      LEFT JOIN evse e ON e.station_id = s.station_id AND e.evse_id = s.evse_id
      LEFT JOIN connector c ON c.station_id = s.station_id AND c.evse_id = s.evse_id
                           AND c.connector_id = s.connector_id"""
# The open ones are a sliver of the table and have an index of their own, which a bound parameter would not use.
_OF_STATE = {
    None: "true",
    SessionState.PENDING: "s.state IN ('pending', 'active') AND s.state = 'pending'",
    SessionState.ACTIVE: "s.state IN ('pending', 'active') AND s.state = 'active'",
    SessionState.ENDED: "s.state = 'ended'",
    SessionState.HELD: "s.state = 'held'",
}


async def list_sessions(tx: Transaction, wanted: PageRequest, only: SessionFilter) -> list[Stored]:
    """Return sessions, the newest start first."""
    before, session_id = wanted.after_texts(2) or (None, None)
    rows = await fetch_all(
        tx,
        f"""{_SESSIONS}
            WHERE {_OF_STATE[only.state]}
              AND (CAST(:station AS text) IS NULL OR st.identity = :station)
              AND (CAST(:token AS text) IS NULL OR s.token = :token)
              AND (CAST(:since AS timestamptz) IS NULL OR s.started_at >= :since)
              AND (CAST(:until AS timestamptz) IS NULL OR s.started_at < :until)
              AND (CAST(:before AS timestamptz) IS NULL
                   OR (s.started_at, s.session_id) < (:before, CAST(:session_id AS uuid)))
            ORDER BY s.started_at DESC, s.session_id DESC LIMIT :limit""",
        station=only.station,
        token=only.token,
        since=only.since,
        until=only.until,
        before=None if before is None else from_micros(int(before)),
        session_id=session_id,
        limit=wanted.fetch,
    )
    return [_stored(row) for row in rows]


async def find_sessions(tx: Transaction, session_ids: Sequence[UUID]) -> list[Stored]:
    """Return those of the sessions that exist."""
    if not session_ids:
        return []
    rows = await fetch_all(tx, f"{_SESSIONS} WHERE s.session_id = ANY(:ids)", ids=list(session_ids))
    return [_stored(row) for row in rows]


async def save_session(tx: Transaction, before: State, after: State, now: datetime) -> bool:
    """Store what was decided about a session; False where another writer was faster (nothing is stored then)."""
    session, progress = after
    return await run(
        tx,
        """UPDATE session SET revision = revision + 1, state = :state, ended_at = :ended_at, power_w = :power_w,
                  energy_milliwh = :energy_milliwh, updated_at = :now, detail = CAST(:detail AS json)
            WHERE session_id = :id AND revision = :revision""",
        state=session.state.value,
        ended_at=session.ended_at,
        power_w=progress.power_w,
        energy_milliwh=progress.energy_milliwh,
        now=now,
        detail=orjson.dumps(detail_of(after)).decode(),
        id=session.session_id,
        revision=before.progress.revision,
    ) == 1  # fmt: skip


# ---- readings


async def samples_of(
    tx: Transaction, sessions: Iterable[Stored], *, since: Mapping[UUID, datetime] | None = None
) -> dict[UUID, list[Sample]]:
    """Return the readings of many sessions by session, in the session's corrected clock.

    `since` (corrected clock, by session) leaves out what lies before. EVSE 0: a main meter, or an EVSE named late.
    """
    stored = list(sessions)
    rows = await fetch_all(
        tx,
        """SELECT q.id, m.sampled_at, m.register_milliwh, m.power_w, m.current_a, m.offered_w
             FROM unnest(CAST(:ids AS uuid[]), CAST(:stations AS bigint[]), CAST(:evses AS int[]),
                         CAST(:lows AS timestamptz[]), CAST(:highs AS timestamptz[]))
                  AS q(id, station_id, evse_id, low, high)
             JOIN LATERAL (SELECT * FROM meter_value v
                            WHERE v.station_id = q.station_id AND v.evse_id = ANY(ARRAY[0, q.evse_id])
                              AND v.sampled_at >= q.low AND v.sampled_at < q.high AND v.session_id = q.id) m ON true""",
        ids=[it.session_id for it in stored],
        stations=[it.state.session.station_id for it in stored],
        evses=[it.state.session.evse_id for it in stored],
        lows=[_low(it, (since or {}).get(it.session_id)) for it in stored],
        highs=[_high(it) for it in stored],
    )
    offsets = {it.session_id: timedelta(milliseconds=it.state.session.clock_offset_ms) for it in stored}
    found: dict[UUID, list[Sample]] = {it.session_id: [] for it in stored}
    for row in rows:
        at = row["sampled_at"] - offsets[row["id"]]
        sample = Sample(at, row["register_milliwh"], row["power_w"], row["current_a"], row["offered_w"])
        found[row["id"]].append(sample)
    return found


async def list_samples(tx: Transaction, stored: Stored, wanted: PageRequest) -> Sequence[Row]:
    """Return every reading of a session in the order of the station's clock."""
    at, digest, evse_id = wanted.after_numbers(3) or (None, None, None)
    return await fetch_all(
        tx,
        """SELECT evse_id, sampled_at, digest, received_at, context, register_milliwh, power_w, current_a, voltage_v,
                  soc_pct, offered_w, extra
             FROM meter_value
            WHERE station_id = :station_id AND evse_id = ANY(ARRAY[0, CAST(:evse AS int)]) AND session_id = :id
              AND sampled_at >= :low AND sampled_at < :high
              AND (CAST(:at AS timestamptz) IS NULL
                   OR (sampled_at, digest, evse_id) > (:at, CAST(:digest AS bigint), CAST(:evse_id AS int)))
            ORDER BY sampled_at, digest, evse_id LIMIT :limit""",
        station_id=stored.state.session.station_id,
        evse=stored.state.session.evse_id,
        id=stored.session_id,
        low=_low(stored, None),
        high=_high(stored),
        at=None if at is None else from_micros(at),
        digest=digest,
        evse_id=evse_id,
        limit=wanted.fetch,
    )


def _low(stored: Stored, since: datetime | None) -> datetime:
    session = stored.state.session
    return max(since or session.started_at - SLACK, session.started_at - SLACK) + _offset(stored)


def _high(stored: Stored) -> datetime:
    return (stored.state.session.ended_at or stored.updated_at) + SLACK + _offset(stored)


def _offset(stored: Stored) -> timedelta:
    return timedelta(milliseconds=stored.state.session.clock_offset_ms)


# ---- CDRs

_CDR_COLUMNS = """d.cdr_id, d.session_id, d.number, d.started_at, d.ended_at, d.currency, d.energy_milliwh,
                  d.total_excl_vat, d.total_incl_vat, CAST(d.document AS text) AS document,
                  CAST(d.explanation AS text) AS explanation, d.synthetic,
                  (d.document->'credit') IS NOT NULL AS is_credit"""


async def latest_cdrs(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, Cdr]:
    """Return the newest CDR of each session that has one; where it is a credit, nothing is owed."""
    if not session_ids:
        return {}
    rows = await fetch_all(
        tx,
        f"""SELECT DISTINCT ON (d.session_id) {_CDR_COLUMNS} FROM cdr d WHERE d.session_id = ANY(:ids)
            ORDER BY d.session_id, d.number DESC""",  # noqa: S608 - our own names
        ids=list(session_ids),
    )
    return {row["session_id"]: Cdr(**row) for row in rows}


async def insert_cdrs(tx: Transaction, operator_id: int, cdrs: Sequence[Cdr], now: datetime) -> int:
    """Store CDRs; one that exists already (session and number) is passed over. Returns how many are new."""
    if not cdrs:
        return 0
    rows = [
        f'{{"operator_id":{operator_id},"cdr_id":"{it.cdr_id}","session_id":"{it.session_id}","number":{it.number},'
        f'"started_at":"{to_rfc3339(it.started_at)}","ended_at":"{to_rfc3339(it.ended_at)}",'
        f'"currency":"{it.currency}","energy_milliwh":{it.energy_milliwh},"total_excl_vat":{it.total_excl_vat:f},'
        f'"total_incl_vat":{"null" if it.total_incl_vat is None else format(it.total_incl_vat, "f")},'
        f'"document":{it.document},"explanation":{it.explanation},"synthetic":{"true" if it.synthetic else "false"},'
        f'"created_at":"{to_rfc3339(now)}"}}'
        for it in cdrs
    ]
    columns = """operator_id, cdr_id, session_id, number, started_at, ended_at, currency, energy_milliwh,
                 total_excl_vat, total_incl_vat, document, explanation, synthetic, created_at"""
    return await run(
        tx,
        f"""INSERT INTO cdr ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::cdr, CAST(:rows AS json))
            ON CONFLICT DO NOTHING""".replace("NULL::cdr", "CAST(NULL AS cdr)"),  # noqa: S608 - our own names
        rows=f"[{','.join(rows)}]",
    )


_LISTED = f"""SELECT {_CDR_COLUMNS}, st.identity AS station, l.name AS location_name, s.token FROM cdr d
                JOIN session s ON s.session_id = d.session_id
                JOIN station st ON st.station_id = s.station_id
                LEFT JOIN location l ON l.location_id = st.location_id"""  # noqa: S608 - our own names


async def list_cdrs(tx: Transaction, wanted: PageRequest, only: CdrFilter) -> list[ListedCdr]:
    """Return CDRs, the latest end first."""
    before, cdr_id = wanted.after_texts(2) or (None, None)
    rows = await fetch_all(
        tx,
        f"""{_LISTED}
            WHERE (CAST(:station AS text) IS NULL OR st.identity = :station)
              AND (CAST(:token AS text) IS NULL OR s.token = :token)
              AND (CAST(:since AS timestamptz) IS NULL OR d.ended_at >= :since)
              AND (CAST(:until AS timestamptz) IS NULL OR d.ended_at < :until)
              AND (CAST(:before AS timestamptz) IS NULL OR (d.ended_at, d.cdr_id) < (:before, :cdr_id))
            ORDER BY d.ended_at DESC, d.cdr_id DESC LIMIT :limit""",
        station=only.station,
        token=only.token,
        since=only.since,
        until=only.until,
        before=None if before is None else from_micros(int(before)),
        cdr_id=cdr_id,
        limit=wanted.fetch,
    )
    return [_listed(row) for row in rows]


async def find_cdrs(tx: Transaction, *, cdr_id: str | None = None, session_ids: Sequence[UUID] = ()) -> list[ListedCdr]:
    """Return a CDR by its id, or all of some sessions in the order of their numbers."""
    rows = await fetch_all(
        tx,
        f"""{_LISTED} WHERE d.cdr_id = :cdr_id OR d.session_id = ANY(CAST(:ids AS uuid[]))
            ORDER BY d.session_id, d.number""",
        cdr_id=cdr_id,
        ids=list(session_ids),
    )
    return [_listed(row) for row in rows]


async def get_party(tx: Transaction) -> tuple[str, str]:
    """Return the operator's OCPI country and party."""
    row = await fetch_one(tx, "SELECT country_code, party_id FROM operator WHERE operator_id = voltway_operator()")
    assert row is not None, "the transaction names an operator that exists"
    return row["country_code"], row["party_id"]


# ---- for quotes


async def find_evse(tx: Transaction, identity: str, evse_id: int) -> Row | None:
    """Return where an EVSE is and its rated power; one that only a session has named exists too."""
    return await fetch_one(
        tx,
        """SELECT st.station_id, st.groups, l.code AS location_code, l.country,
                  coalesce(l.time_zone, o.time_zone) AS time_zone, e.max_power_w
             FROM station st
             JOIN operator o ON o.operator_id = st.operator_id
             LEFT JOIN location l ON l.location_id = st.location_id
             LEFT JOIN evse e ON e.station_id = st.station_id AND e.evse_id = :evse_id
            WHERE st.identity = :identity
              AND (e.evse_id IS NOT NULL OR EXISTS (
                   SELECT FROM session s WHERE s.station_id = st.station_id AND s.evse_id = :evse_id))""",
        identity=identity,
        evse_id=evse_id,
    )


async def recent_charges(
    tx: Transaction, station_id: int, evse_id: int, *, since: datetime, limit: int
) -> list[Charge]:
    """Return what the newest billed sessions of an EVSE drew that charged at least 1 kWh, the newest start first."""
    rows = await fetch_all(
        tx,
        """SELECT d.energy_milliwh, d.document->>'total_time' AS total_h, d.document->>'total_parking_time' AS parked_h
             FROM session s JOIN LATERAL (
                  SELECT * FROM cdr c WHERE c.session_id = s.session_id ORDER BY c.number DESC LIMIT 1
                  ) d ON (d.document->'credit') IS NULL AND d.energy_milliwh >= :least
            WHERE s.station_id = :station_id AND s.evse_id = :evse_id AND s.started_at >= :since
            ORDER BY s.started_at DESC LIMIT :limit""",
        station_id=station_id,
        evse_id=evse_id,
        since=since,
        least=MILLIWH_PER_KWH,
        limit=limit,
    )
    return [
        Charge(Energy(row["energy_milliwh"]), Decimal(row["total_h"]) - Decimal(row["parked_h"] or 0)) for row in rows
    ]


# ---- for the jobs


async def all_operators(tx: Transaction) -> list[int]:
    """Return every operator (under the ingest role, which sees all)."""
    return [row["operator_id"] for row in await fetch_all(tx, "SELECT operator_id FROM operator ORDER BY operator_id")]


async def silent_sessions(tx: Transaction, before: datetime) -> Sequence[Row]:
    """Return open sessions without a sign of life since `before`, with what their station did since."""
    return await fetch_all(
        tx,
        """SELECT s.session_id, s.updated_at, coalesce(k.connected, false) AS is_connected,
                  coalesce(c.status = 'available' AND c.status_received_at > s.updated_at, false) AS is_place_free,
                  coalesce(st.booted_at > s.updated_at, false) AS is_rebooted,
                  EXISTS (SELECT FROM session n WHERE n.station_id = s.station_id AND n.evse_id = s.evse_id
                             AND n.started_at > s.started_at) AS is_followed
             FROM session s
             JOIN station st USING (station_id)
             LEFT JOIN station_link k ON k.station_id = s.station_id
             LEFT JOIN connector c ON c.station_id = s.station_id AND c.evse_id = s.evse_id
                                  AND c.connector_id = s.connector_id
            WHERE s.state IN ('pending', 'active') AND s.updated_at < :before""",
        before=before,
    )


def _stored(row: Row) -> Stored:
    (state,) = read_states([(row["record"].encode(),)])
    place = Place(
        identity=row["identity"],
        time_zone=row["time_zone"],
        **{
            name: row[name]
            for name in (
                "location_code", "location_name", "address", "city", "postal_code", "country", "lat", "lon",
                "power_type", "standard", "max_power_w",
            )
        },
    )  # fmt: skip
    return Stored(state, place, row["updated_at"])


def _listed(row: Row) -> ListedCdr:
    own = {name: value for name, value in row.items() if name not in {"station", "location_name", "token"}}
    return ListedCdr(Cdr(**own), row["station"], row["location_name"], row["token"])


# ---- for the overview


async def network_now(tx: Transaction, fresh_since: datetime) -> Row:
    """Return the running sessions: how many, their power in W and energy, and the tariff that most of them have.

    A power that was not confirmed since `fresh_since` counts no more.
    """
    row = await fetch_one(
        tx,
        """SELECT count(*) AS sessions, coalesce(sum(power_w) FILTER (WHERE updated_at >= :fresh_since), 0) AS power_w,
                  coalesce(sum(energy_milliwh), 0) AS energy_milliwh,
                  mode() WITHIN GROUP (ORDER BY tariff_id) AS tariff_id
             FROM session WHERE state IN ('pending', 'active')""",
        fresh_since=fresh_since,
    )
    assert row is not None, "an aggregate without groups has one row"
    return row


async def powers_by_station(tx: Transaction, fresh_since: datetime) -> dict[str, float]:
    """Return the power of the running sessions in W by the station's identity, as far as it is fresh."""
    rows = await fetch_all(
        tx,
        """SELECT st.identity, coalesce(sum(s.power_w), 0) AS power_w FROM session s JOIN station st USING (station_id)
            WHERE s.state IN ('pending', 'active') AND s.updated_at >= :fresh_since GROUP BY st.identity""",
        fresh_since=fresh_since,
    )
    return {row["identity"]: float(row["power_w"]) for row in rows}


async def billed_since(tx: Transaction, since: datetime) -> Row:
    """Return what was billed of sessions that ended since: energy, and the sum with VAT in the operator's currency."""
    row = await fetch_one(
        tx,
        """SELECT o.currency, coalesce(sum(CASE WHEN d.total_excl_vat < 0 THEN -d.energy_milliwh
                                                ELSE d.energy_milliwh END), 0) AS energy_milliwh,
                  coalesce(sum(coalesce(d.total_incl_vat, d.total_excl_vat))
                           FILTER (WHERE d.currency = o.currency), 0) AS incl_vat
             FROM operator o LEFT JOIN cdr d ON d.operator_id = o.operator_id AND d.ended_at >= :since
            WHERE o.operator_id = voltway_operator() GROUP BY o.currency""",
        since=since,
    )
    assert row is not None, "the transaction names an operator that exists"
    return row


async def recent_powers(tx: Transaction, since: datetime) -> Sequence[Row]:
    """Return (place, instant, W) of the readings since an instant, for the chart that a fresh process begins with."""
    return await fetch_all(
        tx,
        """SELECT m.station_id, m.evse_id, m.received_at, m.power_w
             FROM evse e JOIN LATERAL (
                  SELECT * FROM meter_value v WHERE v.station_id = e.station_id AND v.evse_id = e.evse_id
                     AND v.sampled_at >= :since AND v.power_w IS NOT NULL) m ON true
            ORDER BY m.received_at""",
        since=since,
    )

"""The charging session: what it is, and the pure rules that fold a station's facts into it.

`gateway.ingest` loads a `State`, calls one rule per fact and stores what came out. The rules never refuse: a
transaction message is always kept, and what is odd about it becomes a named `Anomaly`. Facts may come late, twice or in
any order; what is billed is worked out again from all readings in time order when the session ends
(`sessions.registers`).
"""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from voltway.kernel.facts import (
    ChargingState,
    ConnectorStatus,
    PresentedToken,
    Reading,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    TokenInfo,
    TokenStatus,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, TransactionId
from voltway.sessions.anomalies import Anomaly, AnomalyCode, anomaly
from voltway.sessions.registers import MAX_POWER_W, step_anomaly

MAX_HISTORY = 500
"""State changes kept per session; a station that flaps more often says nothing new."""


class SessionState(StrEnum):
    """`held`: ended, but an anomaly touches money, so an operator decides."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"
    HELD = "held"


_ENDED, _HELD = SessionState.ENDED, SessionState.HELD


@dataclass(frozen=True, slots=True)
class Session:
    """The slowly changing part of a session; times are the station's clock less a known `clock_offset_ms`."""

    session_id: UUID
    operator_id: OperatorId
    station_id: StationId
    evse_id: EvseId
    connector_id: ConnectorId
    transaction_id: TransactionId
    start_key: int
    state: SessionState
    started_at: datetime
    received_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    token: str | None = None
    token_type: str | None = None
    token_status: TokenStatus | None = None
    token_group: str | None = None
    register_begin_milliwh: int | None = None
    register_end_milliwh: int | None = None
    tariff_id: str | None = None
    tariff_version: int | None = None
    synthetic: bool = False
    clock_offset_ms: int = 0
    remote_start_id: int | None = None
    reservation_id: int | None = None
    is_start_seen: bool = True
    history: tuple[tuple[datetime, ChargingState], ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    seq_missing: frozenset[int] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether the session has not ended yet."""
        return self.state is not _ENDED and self.state is not _HELD


class Progress(NamedTuple):
    """The part that changes with every reading. `first_*` and `last_*` are the earliest and latest register by time."""

    revision: int = 0
    first_milliwh: int | None = None
    first_at: datetime | None = None
    last_milliwh: int | None = None
    last_at: datetime | None = None
    energy_milliwh: int = 0
    power_w: float | None = None
    soc_pct: float | None = None
    seq_max: int | None = None


class State(NamedTuple):
    """What the rules take and give back."""

    session: Session
    progress: Progress


@dataclass(frozen=True, slots=True)
class Start:
    """What a new session needs beside the fact: who owns it, its ids, and what was found out about token and tariff."""

    session_id: UUID
    operator_id: OperatorId
    station_id: StationId
    transaction_id: TransactionId
    start_key: int
    received_at: datetime
    token: TokenInfo | None = None
    tariff: tuple[str, int] | None = None
    clock_offset_ms: int = 0
    synthetic: bool = False
    anomalies: tuple[Anomaly, ...] = field(default=())


def started(known: State | None, fact: SessionStarted, start: Start) -> State:
    """Begin a session, or complete one whose later events came first; a repeated start changes nothing."""
    if known is not None and known.session.is_start_seen:
        return known
    at, found = plausible_time(fact.reported_at, start.received_at, start.clock_offset_ms)
    base = known.session if known is not None else _new_session(fact.evse_id, fact.connector_id, at, start)
    session = replace(
        base,
        evse_id=fact.evse_id,
        connector_id=fact.connector_id,
        started_at=at,
        received_at=start.received_at,
        register_begin_milliwh=fact.register_begin_milliwh,
        remote_start_id=fact.remote_start_id,
        reservation_id=fact.reservation_id,
        state=base.state if known is not None and not base.is_open else SessionState.ACTIVE,
        tariff_id=start.tariff[0] if start.tariff else base.tariff_id,
        tariff_version=start.tariff[1] if start.tariff else base.tariff_version,
        is_start_seen=True,
        anomalies=_without(base.anomalies, AnomalyCode.START_MISSING) + start.anomalies + found,
    )
    session = with_token(session, fact.token, start.token, at, offline=fact.offline)
    progress = known.progress if known is not None else Progress()
    state = _with_sequence(State(_with_state(session, fact.charging_state, at), progress), fact.seq_no)
    state = metered(state, fact.readings)
    # The end came first: with the start known, it is judged again.
    return state if session.ended_at is None else _close(state, session.ended_at)


def adopted(fact: SessionUpdated | SessionEnded, start: Start) -> State:
    """Make a session from an event whose start never came (or comes later)."""
    at, found = plausible_time(fact.reported_at, start.received_at, start.clock_offset_ms)
    first = min((reading.at for reading in fact.readings), default=at)
    session = _new_session(fact.evse_id or EvseId(0), fact.connector_id or ConnectorId(0), min(at, first), start)
    missing = anomaly(AnomalyCode.START_MISSING, at)
    return State(replace(session, is_start_seen=False, anomalies=(missing, *start.anomalies, *found)), Progress())


def metered(state: State, readings: tuple[Reading, ...], *, max_power_w: float = MAX_POWER_W) -> State:
    """Fold readings in; the common case touches only the progress."""
    for reading in readings:
        state = _fold(state, reading, max_power_w)
    if readings and not state.session.is_open:
        # What comes after the end tells of the past: nothing flows any more.
        return State(state.session, state.progress._replace(power_w=0.0))
    return state


def updated(state: State, fact: SessionUpdated, token: TokenInfo | None, received_at: datetime) -> State:
    """Fold a 2.x Updated event in."""
    session, progress = state
    is_gap = _is_gap(state, fact.seq_no)
    if fact.token is not None or is_gap or not _is_in_state(session, fact.charging_state) or not session.evse_id:
        at = plausible_time(fact.reported_at, received_at, session.clock_offset_ms)[0]
        session = _with_state(session, fact.charging_state, at, is_kept=is_gap)
        session = with_token(session, fact.token, token, at, offline=fact.offline)
        if fact.evse_id and not session.evse_id:
            session = replace(session, evse_id=fact.evse_id, connector_id=fact.connector_id or ConnectorId(1))
    return metered(_with_sequence(State(session, progress), fact.seq_no), fact.readings)


def ended(state: State, fact: SessionEnded, received_at: datetime) -> State:
    """End the session. The first end stands; a second one that says otherwise is an anomaly, never an overwrite."""
    session = state.session
    if is_end_assumed(session):
        # The station came back and says how it really ended: what we assumed in its silence no longer stands.
        known = _without(_without(session.anomalies, AnomalyCode.END_MISSING), AnomalyCode.SUPERSEDED)
        session = replace(session, state=SessionState.ACTIVE, anomalies=known)
    if not session.is_open:
        return _with_sequence(State(_second_end(session, fact), state.progress), fact.seq_no)
    at, found = plausible_time(fact.reported_at, received_at, session.clock_offset_ms)
    if at < session.started_at:
        found = (*found, anomaly(AnomalyCode.END_BEFORE_START, at))
        at = session.started_at
    session = replace(
        session,
        state=SessionState.ENDED,
        ended_at=at,
        end_reason=fact.reason,
        register_end_milliwh=fact.register_end_milliwh,
        evse_id=session.evse_id or fact.evse_id or EvseId(0),
        connector_id=session.connector_id or fact.connector_id or ConnectorId(0),
        anomalies=merged(session.anomalies, found),
    )
    sequenced = _with_sequence(State(_with_state(session, fact.charging_state, at), state.progress), fact.seq_no)
    return _close(metered(sequenced, fact.readings), at)


def is_end_assumed(session: Session) -> bool:
    """Whether the session was ended by us, not by its station."""
    assumed = {AnomalyCode.END_MISSING, AnomalyCode.SUPERSEDED}
    return not session.is_open and any(item.code in assumed for item in session.anomalies)


def superseded(state: State, at: datetime) -> State:
    """End a session because another started on its EVSE: the last reading stands, an operator decides."""
    session, progress = state
    found = (anomaly(AnomalyCode.SUPERSEDED, at),)
    ended_at = max(session.started_at, min(progress.last_at or at, at))
    anomalies = merged(session.anomalies, found)
    session = replace(session, state=SessionState.HELD, ended_at=ended_at, anomalies=anomalies)
    return State(session, progress._replace(power_w=0.0))


def status_changed(state: State, status: ConnectorStatus, at: datetime) -> State:
    """Note what a 1.6 connector says of the car while its session runs."""
    charging_state = _STATE_OF_STATUS.get(status)
    if charging_state is None or not state.session.is_open:
        return state
    return State(_with_state(state.session, charging_state, at), state.progress)


def with_token(
    session: Session, token: PresentedToken | None, info: TokenInfo | None, at: datetime, *, offline: bool
) -> Session:
    """Note who authorised the session; a token that may not charge is an anomaly that holds the bill."""
    if token is None or session.token is not None:
        return session
    status = info.status if info is not None else TokenStatus.UNKNOWN
    found: tuple[Anomaly, ...] = ()
    if info is not None and not info.is_billable:
        status, found = TokenStatus.UNKNOWN, (anomaly(AnomalyCode.TOKEN_UNBILLED, at),)
    elif status is not TokenStatus.ACCEPTED:
        code = AnomalyCode.TOKEN_OFFLINE_NOT_ACCEPTED if offline else AnomalyCode.TOKEN_NOT_ACCEPTED
        found = (anomaly(code, at, detail=status.value),)
    return replace(
        session,
        token=str(token.token),
        token_type=token.type,
        token_status=status,
        token_group=info.group if info is not None else None,
        anomalies=merged(session.anomalies, found),
    )


def plausible_time(reported: datetime, received: datetime, offset_ms: int) -> tuple[datetime, tuple[Anomaly, ...]]:
    """Return the instant to work with: the station's clock less its known offset, or ours where that is absurd."""
    at = reported - timedelta(milliseconds=offset_ms)
    if at.year < EARLIEST_YEAR or at > received + timedelta(days=1):
        return received, (anomaly(AnomalyCode.CLOCK_IMPLAUSIBLE, received, detail=reported.isoformat()),)
    if offset_ms:
        return at, (anomaly(AnomalyCode.CLOCK_OFF, received, detail=f"{offset_ms / 1000:.0f} s"),)
    return at, ()


EARLIEST_YEAR = 2020
"""No station of ours charged before; an earlier clock has lost its time (field notes 19)."""

_STATE_OF_STATUS = {
    ConnectorStatus.CHARGING: ChargingState.CHARGING,
    ConnectorStatus.SUSPENDED_EV: ChargingState.SUSPENDED_EV,
    ConnectorStatus.SUSPENDED_EVSE: ChargingState.SUSPENDED_EVSE,
    ConnectorStatus.FINISHING: ChargingState.EV_CONNECTED,
}


def merged(known: tuple[Anomaly, ...], found: tuple[Anomaly, ...]) -> tuple[Anomaly, ...]:
    """Add anomalies, each code once, the first sighting kept."""
    codes = {item.code for item in known}
    return known + tuple(item for item in found if item.code not in codes)


def _new_session(evse_id: EvseId, connector_id: ConnectorId, at: datetime, start: Start) -> Session:
    return Session(
        session_id=start.session_id,
        operator_id=start.operator_id,
        station_id=start.station_id,
        evse_id=evse_id,
        connector_id=connector_id,
        transaction_id=start.transaction_id,
        start_key=start.start_key,
        state=SessionState.PENDING,
        started_at=at,
        received_at=start.received_at,
        tariff_id=start.tariff[0] if start.tariff else None,
        tariff_version=start.tariff[1] if start.tariff else None,
        synthetic=start.synthetic,
        clock_offset_ms=start.clock_offset_ms,
    )


def _fold(state: State, reading: Reading, max_power_w: float) -> State:
    session, old = state
    register, at = reading.register_milliwh, reading.at
    power_w = reading.power_w if reading.power_w is not None else old.power_w
    soc_pct = reading.soc_pct if reading.soc_pct is not None else old.soc_pct
    if register is None:
        # No reading is not a zero: a batch without energy leaves the total as it is.
        return State(session, old._replace(power_w=power_w, soc_pct=soc_pct))
    if old.last_at is None or old.first_at is None or old.last_milliwh is None:
        first = Progress(old.revision, register, at, register, at, 0, power_w, soc_pct, old.seq_max)
        return State(session, first._replace(energy_milliwh=_energy(session, first)))
    if at < old.last_at or (at == old.last_at and register < old.last_milliwh):
        # Of two readings of one instant nobody knows the order: the higher register is the later one.
        return _fold_late(state, register, at)
    begin = session.register_begin_milliwh
    if begin is None:
        begin = old.first_milliwh
    end = session.register_end_milliwh if session.register_end_milliwh is not None else register
    found = step_anomaly(old.last_milliwh, old.last_at, register, at, max_power_w=max_power_w)
    if found is not None:
        session = replace(session, anomalies=merged(session.anomalies, (found,)))
    progress = Progress(
        old.revision, old.first_milliwh, old.first_at, register, at, end - (begin or 0), power_w, soc_pct, old.seq_max
    )
    return State(session, progress)


def _fold_late(state: State, register: int, at: datetime) -> State:
    session, old = state
    if old.first_at is not None and at < old.first_at:
        old = old._replace(first_milliwh=register, first_at=at)
        old = old._replace(energy_milliwh=_energy(session, old))
    return State(session, old)


def _energy(session: Session, progress: Progress) -> int:
    begin = session.register_begin_milliwh
    begin = progress.first_milliwh if begin is None else begin
    end = session.register_end_milliwh
    end = progress.last_milliwh if end is None else end
    return end - begin if begin is not None and end is not None else 0


def _close(state: State, at: datetime) -> State:
    session, progress = state
    energy = _energy(session, progress)
    found: tuple[Anomaly, ...] = ()
    if energy < 0:
        found = (anomaly(AnomalyCode.END_BELOW_BEGIN, at),)
    anomalies = merged(session.anomalies, found)
    is_held = any(item.touches_money for item in anomalies)
    session = replace(session, anomalies=anomalies, state=SessionState.HELD if is_held else SessionState.ENDED)
    return State(session, progress._replace(energy_milliwh=energy, power_w=0.0))


def _second_end(session: Session, fact: SessionEnded) -> Session:
    says_otherwise = fact.register_end_milliwh is not None and fact.register_end_milliwh != session.register_end_milliwh
    if not says_otherwise:
        return session
    found = anomaly(AnomalyCode.END_CONTRADICTED, fact.reported_at, detail=f"{fact.register_end_milliwh} milliwh")
    return replace(session, state=SessionState.HELD, anomalies=merged(session.anomalies, (found,)))


def _is_in_state(session: Session, charging_state: ChargingState | None) -> bool:
    """Say whether an event tells no new state: most stations repeat it in every message."""
    return charging_state is None or (bool(session.history) and session.history[-1][1] is charging_state)


def _is_gap(state: State, seq_no: int) -> bool:
    """Say whether events are missing before this one, or were until it came."""
    seq_max = state.progress.seq_max
    return seq_no > (seq_max or 0) + 1 or seq_no in state.session.seq_missing


def _with_state(
    session: Session, charging_state: ChargingState | None, at: datetime, *, is_kept: bool = False
) -> Session:
    """Note a change of state; the same one again is no change.

    `is_kept`: beside a gap in the sequence it is noted all the same, so that what fills the gap later has its end.
    """
    history = session.history
    if charging_state is None or len(history) >= MAX_HISTORY or (at, charging_state) in history:
        return session
    place = bisect_right(history, at, key=_instant_of)
    if place and history[place - 1][1] is charging_state and not is_kept:
        return session
    return replace(session, history=(*history[:place], (at, charging_state), *history[place:]))


def _instant_of(entry: tuple[datetime, ChargingState]) -> datetime:
    return entry[0]


def _with_sequence(state: State, seq_no: int | None) -> State:
    """Follow the numbers of events; only a gap, or what fills one, changes the session itself."""
    session, progress = state
    seq_max = progress.seq_max
    if seq_no is None or seq_no == seq_max:
        return state
    missing = session.seq_missing
    if seq_max is None:
        # The sequence starts at 0 with Started (OCPP 2.0.1 part 2, E01.FR.07); what lies before is still to come.
        missing = missing if session.is_start_seen else frozenset(range(min(seq_no, _MAX_GAP)))
    elif seq_no < seq_max:
        missing -= {seq_no}
    elif seq_no > seq_max + 1:
        missing |= frozenset(range(seq_max + 1, min(seq_no, seq_max + 1 + _MAX_GAP)))
    if missing != session.seq_missing:
        session = replace(session, seq_missing=missing)
    return State(session, Progress(*progress[:-1], max(seq_no, seq_max or 0)))


_MAX_GAP = 1000
"""Never allocate by a number from a station (field notes 23)."""


def _without(anomalies: tuple[Anomaly, ...], code: AnomalyCode) -> tuple[Anomaly, ...]:
    return tuple(item for item in anomalies if item.code is not code)

"""The end of a session: judge its registers, hold it or write its CDR; run again by whatever changes it afterwards.

Idempotent: run twice it changes nothing, run after late data it corrects by credit. Sessions are taken many at a time,
since a station that was offline for a week delivers many at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from voltway.infra.db import Database, Transaction
from voltway.infra.outbox import write_change
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.energy import ZERO_ENERGY
from voltway.kernel.facts import TokenStatus
from voltway.kernel.ids import OperatorId
from voltway.sessions import store
from voltway.sessions.anomalies import Anomaly, AnomalyCode, anomaly
from voltway.sessions.cdrs import Billed, Cdr, Party, cdr_of, corrections
from voltway.sessions.courses import ended_course, judgement_of
from voltway.sessions.model import Session, SessionState, State, merged
from voltway.sessions.periods import Sample
from voltway.sessions.quotes import is_due, priced_course
from voltway.sessions.registers import Judgement
from voltway.sessions.shelf import TariffShelf
from voltway.sessions.store import Stored
from voltway.tariffs.model import Tariff

MISSING_EVENTS_WAIT = timedelta(minutes=2)
"""How long events that are known to be missing may still come before the session is judged without them."""
CHUNK = 50

log = structlog.get_logger()


class Outcome(StrEnum):
    """What came of finalising a session."""

    OPEN = "open"
    WAITING = "waiting"
    HELD = "held"
    BILLED = "billed"
    CORRECTED = "corrected"
    NOTHING_DUE = "nothing_due"
    UNCHANGED = "unchanged"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided about one session: how it is stored and which CDRs are written."""

    stored: Stored
    after: State
    cdrs: Sequence[Cdr]
    outcome: Outcome


class Finaliser:
    """Finalises sessions of any operator, each operator's in its own transactions."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._now = clock
        self._shelf = TariffShelf()

    async def finalise(self, operator_id: OperatorId, session_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
        """Finalise sessions; those that do not exist are passed over, those still open say so."""
        outcomes: dict[UUID, Outcome] = {}
        unique = list(dict.fromkeys(session_ids))
        for start in range(0, len(unique), CHUNK):
            async with self._database.transaction(operator_id) as tx:
                outcomes |= await self._finalise(tx, operator_id, unique[start : start + CHUNK])
        return outcomes

    async def _finalise(
        self, tx: Transaction, operator_id: OperatorId, session_ids: Sequence[UUID]
    ) -> dict[UUID, Outcome]:
        now = self._now()
        found = await store.find_sessions(tx, session_ids)
        outcomes = {it.session_id: outcome for it in found if (outcome := _not_yet(it, now)) is not None}
        ripe = [it for it in found if it.session_id not in outcomes]
        if not ripe:
            return outcomes
        samples = await store.samples_of(tx, ripe)
        standing = await store.latest_cdrs(tx, [it.session_id for it in ripe])
        party = Party(*await store.get_party(tx))
        verdicts = []
        for it in ripe:
            tariff = await self._shelf.of(tx, it.state.session)
            case = Case(it, samples[it.session_id], tariff, standing.get(it.session_id))
            verdicts.append(decide(case, party, now))
        return outcomes | await _keep(tx, operator_id, verdicts, now)


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of an ended session when it is judged; `latest` is its newest CDR."""

    stored: Stored
    samples: Sequence[Sample]
    tariff: Tariff | None
    latest: Cdr | None


def decide(case: Case, party: Party, now: datetime) -> Verdict:
    """Judge a session and say what is to be written."""
    state, place = case.stored.state, case.stored.place
    judgement = judgement_of(state, case.samples, max_power_w=place.max_power_w)
    session = _judged(state.session, judgement, case.tariff, now)
    after = State(session, state.progress._replace(energy_milliwh=judgement.energy.milliwh, power_w=0.0))
    if session.state is SessionState.HELD:
        # What was billed before stands until an operator decides.
        return Verdict(case.stored, after, (), Outcome.HELD)
    is_credited = case.latest is not None and case.latest.is_credit
    number = 1 if case.latest is None else case.latest.number + 1
    fresh = None
    if case.tariff is not None and is_billable(session):
        course = ended_course(after, case.samples, judgement)
        priced = priced_course(course, case.tariff, time_zone=place.time_zone)
        if is_due(priced):
            fresh = cdr_of(Billed(session, priced, case.tariff), place, party, number=number, now=now)
    cdrs = corrections(None if is_credited else case.latest, fresh, now=now)
    return Verdict(case.stored, after, cdrs, _outcome(cdrs, case.latest, fresh))


def is_billable(session: Session) -> bool:
    """Say whether a session may be billed at all: not waived, and started by a token that an account stands behind."""
    codes = {item.code for item in session.anomalies}
    if codes & {AnomalyCode.WAIVED, AnomalyCode.TOKEN_UNBILLED}:
        return False
    if session.token is None and AnomalyCode.TOKEN_MISSING not in codes:
        # Nobody authorised it and nothing was drawn: there is nobody who could owe an idle fee.
        return False
    refused = {AnomalyCode.TOKEN_NOT_ACCEPTED, AnomalyCode.TOKEN_OFFLINE_NOT_ACCEPTED}
    # An operator who reviewed a refused token and bills it has left its anomaly in place.
    return session.token_status in {None, TokenStatus.ACCEPTED} or bool(codes & refused)


def _not_yet(stored: Stored, now: datetime) -> Outcome | None:
    session = stored.state.session
    if session.is_open or session.ended_at is None:
        return Outcome.OPEN
    if session.seq_missing and now - stored.updated_at < MISSING_EVENTS_WAIT and not _has(session, _LOST):
        return Outcome.WAITING
    return None


_LOST = AnomalyCode.EVENTS_MISSING


def _has(session: Session, code: AnomalyCode) -> bool:
    return any(item.code is code for item in session.anomalies)


def _judged(session: Session, judgement: Judgement, tariff: Tariff | None, now: datetime) -> Session:
    """Add what judging found, and hold the session where any of it touches money."""
    found: list[Anomaly] = [*judgement.anomalies]
    if session.seq_missing:
        found.append(anomaly(_LOST, now, detail=f"{len(session.seq_missing)}"))
    if session.token is None and judgement.energy > ZERO_ENERGY:
        found.append(anomaly(AnomalyCode.TOKEN_MISSING, session.started_at))
    if tariff is None:
        found.append(anomaly(AnomalyCode.NO_TARIFF, session.started_at))
    kept = tuple(it for it in session.anomalies if it.code is not _LOST or session.seq_missing)
    anomalies = merged(kept, tuple(found))
    is_waived = any(it.code is AnomalyCode.WAIVED for it in anomalies)
    is_held = any(it.touches_money for it in anomalies) and not is_waived
    return replace(session, anomalies=anomalies, state=SessionState.HELD if is_held else SessionState.ENDED)


def _outcome(cdrs: Sequence[Cdr], latest: Cdr | None, fresh: Cdr | None) -> Outcome:
    if cdrs:
        return Outcome.BILLED if latest is None else Outcome.CORRECTED
    return Outcome.NOTHING_DUE if fresh is None else Outcome.UNCHANGED


async def _keep(
    tx: Transaction, operator_id: OperatorId, verdicts: Sequence[Verdict], now: datetime
) -> dict[UUID, Outcome]:
    outcomes: dict[UUID, Outcome] = {}
    touched: list[UUID] = []
    cdrs: list[Cdr] = []
    for verdict in verdicts:
        session_id, before = verdict.stored.session_id, verdict.stored.state
        is_changed = _essence(before) != _essence(verdict.after)
        if is_changed and not await store.save_session(tx, before, verdict.after, now):
            outcomes[session_id] = Outcome.OVERTAKEN
            continue
        outcomes[session_id] = verdict.outcome
        cdrs += verdict.cdrs
        if is_changed or verdict.cdrs:
            touched.append(session_id)
    await store.insert_cdrs(tx, operator_id, cdrs, now)
    if touched:
        # The live feed learns of the verdict; not named as ended, or we would judge it again.
        await write_change(tx, operator_id, sessions=touched)
    return outcomes


def _essence(state: State) -> tuple[object, ...]:
    session, progress = state
    return session.state, session.anomalies, progress.energy_milliwh

"""The route of the support desk, and its answer as it is shown."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from voltway.httpapi.caller import Reader
from voltway.kernel.clock import to_rfc3339
from voltway.kernel.energy import kwh_of
from voltway.monitoring.support import cases
from voltway.monitoring.support.model import (
    Attempt,
    Confidence,
    IncidentSeen,
    Message,
    Outcome,
    Ref,
    SessionFacts,
    Silence,
)
from voltway.monitoring.support.service import AccountRef, Answer, ExplainedCase, Support
from voltway.monitoring.support.store import FoundStation, Span


class SupportQuery(BaseModel):
    """What a driver can read out; at least one of token, contact, station_id and session_id."""

    token: str | None = Field(
        default=None, min_length=1, max_length=255, description="The whole token or a part of it."
    )
    contact: str | None = Field(
        default=None, min_length=1, max_length=40, description="The telephone number of a token's contact."
    )
    station_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="What stands on it: identity, name, an EVSE's reference or QR code, or a part of them.",
    )
    session_id: str | None = Field(
        default=None, min_length=1, max_length=64, description="A session's id or its transaction id."
    )
    at: AwareDatetime | None = Field(default=None, description="About when it happened; without: the newest first.")
    within: int = Field(default=30, ge=1, le=7 * 24 * 60, description="`at` may be wrong by so many minutes.")
    limit: int = Field(default=10, ge=1, le=20, description="At most so many cases are explained.")


class TokenItem(BaseModel):
    """A token as it stands now, and whom to call about it."""

    token: str
    type: str
    status: str
    group: str | None
    expires_at: AwareDatetime | None
    note: str | None
    contact_name: str | None
    contact_phone: str | None


class StationItem(BaseModel):
    """A station that was meant."""

    id: str
    name: str | None
    location_id: str | None
    location_name: str | None
    approval: str
    connected: bool
    last_seen_at: AwareDatetime | None
    evses: list[int]
    url: str


class SessionItem(BaseModel):
    """A session that was meant; `url` has all of it."""

    id: str
    transaction_id: str
    station_id: str
    evse_id: int
    connector_id: int
    token: str | None
    state: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    end_reason: str | None
    energy_kwh: str
    url: str


class EvidenceItem(BaseModel):
    """A message of the raw log that the sentence rests on: its station and instant are its key."""

    station_id: str
    received_at: AwareDatetime


class ExplanationItem(BaseModel):
    """Why, in one sentence. certain: station or log say so; likely: it follows from what they say."""

    code: str
    outcome: Outcome
    sentence: str
    confidence: Confidence
    evidence: list[EvidenceItem]


class MessageItem(BaseModel):
    """A call of the raw log with its answer; secrets are hidden."""

    received_at: AwareDatetime
    direction: Literal["in", "out"]
    message_id: str
    action: str
    frame: str
    reply: str | None
    is_evidence: bool


class IncidentItem(BaseModel):
    """An incident there and then."""

    id: int
    title: str
    mrec: str | None
    began_at: AwareDatetime
    ended_at: AwareDatetime | None


class CaseItem(BaseModel):
    """One thing that happened (or did not): a session, a start that led to none, or a silence."""

    kind: Literal["session", "attempt", "silence"]
    at: AwareDatetime
    station_id: str | None
    evse_id: int | None
    session_id: str | None
    token: str | None
    explanation: ExplanationItem
    messages: list[MessageItem]
    incidents: list[IncidentItem]
    log_url: str | None = Field(description="The raw log around it, complete.")


class SupportAnswer(BaseModel):
    """All that was found; `cases` nearest to `at` first, else the newest first."""

    tokens: list[TokenItem]
    accounts: list[AccountRef]
    stations: list[StationItem]
    sessions: list[SessionItem]
    cases: list[CaseItem]


def router(support: Support) -> APIRouter:
    """Build the route of the support desk."""
    routes = APIRouter(prefix="/api/v1", tags=["support"])

    @routes.get("/support", summary="Why did a start fail, why was a session cut: one sentence and the raw messages")
    async def search_support(caller: Reader, query: Annotated[SupportQuery, Query()]) -> SupportAnswer:
        wanted = cases.Query(
            token=query.token,
            contact=query.contact,
            station=query.station_id,
            session=query.session_id,
            at=query.at,
            within=timedelta(minutes=query.within),
            limit=query.limit,
        )
        return _answer(await support.search(caller, wanted))

    return routes


def _answer(found: Answer) -> SupportAnswer:
    return SupportAnswer(
        tokens=[TokenItem(**{name: getattr(it, name) for name in TokenItem.model_fields}) for it in found.tokens],
        accounts=found.accounts,
        stations=[_station(it) for it in found.stations],
        sessions=[_session(it) for it in found.sessions],
        cases=[_case(it) for it in found.cases],
    )


def _station(it: FoundStation) -> StationItem:
    return StationItem(
        id=it.identity,
        name=it.name,
        location_id=it.location_code,
        location_name=it.location_name,
        approval=it.approval,
        connected=it.connected,
        last_seen_at=it.last_seen_at,
        evses=it.evse_ids,
        url=f"/api/v1/stations/{quote(it.identity, safe='')}",
    )


def _session(it: SessionFacts) -> SessionItem:
    same = ("transaction_id", "evse_id", "connector_id", "token", "state", "started_at", "ended_at", "end_reason")
    return SessionItem(
        id=str(it.session_id),
        station_id=it.identity,
        energy_kwh=str(kwh_of(it.energy_milliwh)),
        url=f"/api/v1/sessions/{it.session_id}",
        **{name: getattr(it, name) for name in same},
    )


def _case(it: ExplainedCase) -> CaseItem:
    subject, place = it.case.subject, it.case.place
    evidence = set(it.explanation.evidence)
    identity = "" if place is None else place.identity
    return CaseItem(
        kind="session"
        if isinstance(subject, SessionFacts)
        else "attempt"
        if isinstance(subject, Attempt)
        else "silence",
        at=it.case.at,
        station_id=identity or None,
        evse_id=_evse_of(subject),
        session_id=str(subject.session_id) if isinstance(subject, SessionFacts) else None,
        token=it.case.token,
        explanation=ExplanationItem(
            code=it.explanation.code.value,
            outcome=it.explanation.outcome,
            sentence=it.explanation.sentence,
            confidence=it.explanation.confidence,
            evidence=[
                EvidenceItem(station_id=identity, received_at=ref.received_at) for ref in it.explanation.evidence
            ],
        ),
        messages=[_message(message, evidence) for message in it.messages],
        incidents=[_incident(own) for own in it.incidents],
        log_url=None if place is None else _log_url(identity, it.log),
    )


def _evse_of(subject: SessionFacts | Attempt | Silence) -> int | None:
    if isinstance(subject, SessionFacts):
        return subject.evse_id
    return subject.ask.evse_id if isinstance(subject, Attempt) and subject.ask is not None else None


def _incident(it: IncidentSeen) -> IncidentItem:
    return IncidentItem(id=it.incident_id, title=it.title, mrec=it.mrec, began_at=it.began_at, ended_at=it.ended_at)


def _message(it: Message, evidence: set[Ref]) -> MessageItem:
    return MessageItem(
        received_at=it.ref.received_at,
        direction="out" if it.outgoing else "in",
        message_id=it.message_id,
        action=it.action,
        frame=it.frame,
        reply=it.reply,
        is_evidence=it.ref in evidence,
    )


def _log_url(identity: str, span: Span) -> str:
    bounds = {"from": span.begin, "to": span.end}
    given = {name: to_rfc3339(at) for name, at in bounds.items() if isinstance(at, datetime)}
    return f"/api/v1/stations/{quote(identity, safe='')}/messages?{urlencode(given)}"


_KINDS: dict[type, Literal["session", "attempt", "silence"]] = {
    SessionFacts: "session", Attempt: "attempt", Silence: "silence",
}  # fmt: skip

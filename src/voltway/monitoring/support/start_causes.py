"""Why a start failed: attempts that no session followed, and silences where nothing reached us at all. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from voltway.monitoring.support.frames import SAME_COMMAND
from voltway.monitoring.support.model import (
    Ask,
    Attempt,
    Cause,
    Confidence,
    Evidence,
    Found,
    Outcome,
    Ref,
    SessionFacts,
    Silence,
    StatusSeen,
)  # fmt: skip
from voltway.monitoring.support.session_causes import CAUSE_OF_STATUS, FaultText, gap_at, limit_text, who_text

PATIENCE = timedelta(minutes=10)
"""So long after an authorisation a session may still begin; a station's own limit is a minute or two."""
_EARLIER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Look:
    """A failed start with its evidence at an instant."""

    subject: Attempt | Silence
    evidence: Evidence
    now: datetime
    fault_text: FaultText

    @property
    def at(self) -> datetime:
        """When it was tried; for a silence the middle of the time that was named."""
        it = self.subject
        return it.at if isinstance(it, Attempt) else it.begin + (it.end - it.begin) / 2

    @property
    def ask(self) -> Ask | None:
        """The start from afar that this attempt is, with what the raw log knows of it."""
        it = self.subject
        if not isinstance(it, Attempt) or it.ask is None:
            return None
        twins = (ask for ask in self.evidence.asks if _is_twin(ask, it.ask))
        return next(twins, it.ask)

    @property
    def evse_id(self) -> int | None:
        """The EVSE that was meant, where anybody said."""
        return self.ask.evse_id if self.ask is not None else None

    def ref(self, at: datetime) -> Ref | None:
        """Name a message of the station by its instant."""
        place = self.subject.place
        return None if place is None else Ref(place.station_id, at)

    def found(
        self, cause: Cause, *refs: Ref | None, confidence: Confidence = "certain", outcome: Outcome = "failed_start",
        **words: object,
    ) -> Found:  # fmt: skip
        """Return a finding; `words` beside those that every sentence may use."""
        it = self.subject
        station = "the station" if it.place is None else it.place.identity
        known = {
            "station": station if self.evse_id is None else f"{station} (EVSE {self.evse_id})",
            "token": f"token {it.token}" if it.token else "a token", "at": self.at, "since": self.at, "why": "",
        }  # fmt: skip
        return Found(cause, outcome, confidence, {**known, **words}, [ref for ref in refs if ref is not None])

    def status_at(self, at: datetime) -> list[StatusSeen]:
        """Return what each EVSE (and the station, 0) last said before an instant."""
        last: dict[int, StatusSeen] = {}
        for it in self.evidence.statuses:
            if it.at <= at and (self.evse_id in {None, 0, it.evse_id} or it.evse_id == 0):
                last[it.evse_id] = it
        return list(last.values())

    def statuses_after(self) -> list[StatusSeen]:
        """Return what was said while a session could still have begun."""
        return [it for it in self.evidence.statuses if self.at - _EARLIER <= it.at <= self.at + PATIENCE]


def explain_attempt(look: Look) -> Found:
    """Return why no session followed an authorisation or a start from afar."""
    return _first(look, _ATTEMPT_RULES)


def explain_silence(look: Look) -> Found:
    """Return what was the matter with a station, or a token, at a time of which we have no attempt."""
    return _first(look, _SILENCE_RULES)


def _first(look: Look, rules: tuple[Callable[[Look], Found | None], ...]) -> Found:
    for rule in rules:
        if found := rule(look):
            return found
    gap = "there is no trace of it, neither of a token nor of a session"
    return look.found(Cause.NOTHING_KNOWN, confidence="unknown", outcome="unknown", gap=gap)


# ---- attempts


def _start_not_carried_out(look: Look) -> Found | None:
    ask = look.ask
    if ask is None or (ask.outcome == "answered" and ask.status in {"Accepted", None}):
        return None
    who = who_text(ask)
    if ask.outcome == "answered":
        return look.found(Cause.START_REJECTED, ask.ref, who=who, why=_why_rejected(look))
    cause = {"offline": Cause.START_OFFLINE, "timeout": Cause.START_UNANSWERED}.get(ask.outcome, Cause.START_REFUSED)
    return look.found(cause, ask.ref, who=who, result=ask.outcome)


def _is_twin(known: Ask, asked: Ask) -> bool:
    is_near = known.at <= asked.at <= known.at + SAME_COMMAND
    return is_near and (known.kind, known.by, known.token) == (asked.kind, asked.by, asked.token)


def _why_rejected(look: Look) -> str:
    states = {it.status: it for it in look.status_at(look.at) if it.evse_id or it.status in {"faulted", "unavailable"}}
    if fault := states.get("faulted"):
        return f": it was faulted ({look.fault_text(fault.error_code, fault.vendor_error_code)})"
    if session := _session_at(look):
        return f": another session had been running there since {session.started_at:%H:%M:%S} UTC"
    word = next((state for state in ("unavailable", "reserved") if state in states), None)
    return f": it was {word}" if word else " without saying why"


def _refused(look: Look) -> Found | None:
    """A token that we refused, at once or when the station asked after a start from afar."""
    assert isinstance(look.subject, Attempt), "a rule of attempts"
    seen = look.subject.presented or next(
        (it for it in look.evidence.presented if look.at <= it.at <= look.at + PATIENCE and it.status != "Accepted"),
        None,
    )
    cause = CAUSE_OF_STATUS.get(seen.status) if seen is not None else None
    if seen is None or cause is None:
        return None
    if cause is Cause.TOKEN_NOT_HERE and look.evidence.approval != "approved":
        cause = Cause.STATION_NOT_APPROVED
    return look.found(cause, Ref(seen.station_id, seen.at), at=seen.at)


def _faulted(look: Look) -> Found | None:
    fault = _everywhere(look, "faulted") or next(
        (it for it in look.statuses_after() if it.status == "faulted" and it.at >= look.at), None
    )
    if fault is None:
        return None
    words = look.fault_text(fault.error_code, fault.vendor_error_code)
    return look.found(Cause.FAULT_AT_START, _own(look), look.ref(fault.received_at), confidence="likely", fault=words)


def _lost(look: Look) -> Found | None:
    for link in look.evidence.links:
        if link.end is not None and look.at <= link.end <= look.at + PATIENCE:
            back = [it.begin for it in look.evidence.links if it.begin > link.end]
            if not back or min(back) - link.end > timedelta(seconds=30):
                return look.found(Cause.LOST_BEFORE_START, _own(look), confidence="likely", since=link.end)
    return None


def _not_plugged(look: Look) -> Found | None:
    states = look.statuses_after()
    taken = [it.evse_id for it in look.evidence.sessions if _runs_at(it, look.at + PATIENCE) or _runs_at(it, look.at)]
    plugged = next((it for it in states if it.status in _PLUGGED and it.evse_id not in taken), None)
    if plugged is not None:
        return look.found(
            Cause.PLUGGED_NOT_STARTED, _own(look), look.ref(plugged.received_at), confidence="likely",
        )  # fmt: skip
    limit_s = look.evidence.plug_limit_s
    patience = PATIENCE if limit_s is None else timedelta(seconds=limit_s)
    given_up = next((it for it in states if it.status == "available" and it.at > look.at), None)
    if given_up is None and look.now - look.at < patience:
        return look.found(Cause.WAITING_FOR_PLUG, _own(look), outcome="in_progress", confidence="likely")
    ref = None if given_up is None else look.ref(given_up.received_at)
    return look.found(Cause.NO_PLUG, _own(look), ref, confidence="likely", limit=limit_text(limit_s))


def _own(look: Look) -> Ref | None:
    """Name the message of the attempt itself."""
    assert isinstance(look.subject, Attempt), "a rule of attempts"
    seen, ask = look.subject.presented, look.ask
    return Ref(seen.station_id, seen.at) if seen is not None else ask.ref if ask is not None else None


# ---- silences


def _token_never_seen(look: Look) -> Found | None:
    it = look.subject
    assert isinstance(it, Silence), "a rule of silences"
    if it.place is not None:
        return None
    standing = look.evidence.token_standing
    known = "" if standing == "Accepted" else "; it is not in our list" if standing is None else f"; it is {standing}"
    return look.found(Cause.TOKEN_NOT_SEEN, begin=it.begin, end=it.end, standing=known)


def _was_offline(look: Look) -> Found | None:
    it = look.subject
    assert isinstance(it, Silence), "a rule of silences"
    links = look.evidence.links
    if not any(link.begin < it.end for link in links):
        return look.found(Cause.STATION_NEVER_SEEN, end=it.end)
    since = gap_at(links, look.at)
    if since is None:
        return None
    back = [link.begin for link in links if link.begin > look.at]
    return look.found(Cause.STATION_OFFLINE, since=since, until=min(back) if back else "now")


def _was_faulted(look: Look) -> Found | None:
    fault = _everywhere(look, "faulted")
    if fault is None:
        return None
    words = look.fault_text(fault.error_code, fault.vendor_error_code)
    return look.found(Cause.FAULT_AT_START, look.ref(fault.received_at), confidence="likely", fault=words)


def _was_closed(look: Look) -> Found | None:
    closed = _everywhere(look, "unavailable")
    if closed is None:
        return None
    asks = [it for it in look.evidence.asks if it.kind == "availability" and it.at <= look.at]
    if asks and asks[-1].operative is False:
        return look.found(Cause.STATION_CLOSED_BY_US, asks[-1].ref, who=who_text(asks[-1]), since=asks[-1].at)
    return look.found(Cause.STATION_CLOSED, look.ref(closed.received_at))


def _was_taken(look: Look) -> Found | None:
    session = _session_at(look)
    if session is not None:
        station = f"{session.identity} (EVSE {session.evse_id})"
        return look.found(Cause.EVSE_OCCUPIED, confidence="likely", station=station, since=session.started_at)
    reserved = _everywhere(look, "reserved")
    return None if reserved is None else look.found(Cause.EVSE_RESERVED, look.ref(reserved.received_at))


def _nobody_came(look: Look) -> Found | None:
    it = look.subject
    assert isinstance(it, Silence), "a rule of silences"
    return look.found(Cause.TOKEN_NOT_PRESENTED, confidence="likely", begin=it.begin, end=it.end)


def _everywhere(look: Look, status: str) -> StatusSeen | None:
    """Return a report of a status that left a driver no choice: the station as a whole, or every EVSE that is meant."""
    last = look.status_at(look.at)
    whole = [it for it in last if it.evse_id == 0 and it.status == status]
    own = [it for it in last if it.evse_id != 0]
    is_all = bool(own) and all(it.status == status for it in own)
    return whole[0] if whole else own[0] if is_all else None


def _session_at(look: Look) -> SessionFacts | None:
    """Return a session that left no free place at that time: on the EVSE that was meant, or one on each."""
    busy = [it for it in look.evidence.sessions if _runs_at(it, look.at) and look.evse_id in {None, 0, it.evse_id}]
    free = set(look.evidence.evse_ids) - {it.evse_id for it in busy} if look.evse_id in {None, 0} else set()
    return busy[0] if busy and not free else None


def _runs_at(session: SessionFacts, at: datetime) -> bool:
    return session.started_at <= at and (session.ended_at is None or session.ended_at > at)


_PLUGGED = frozenset({"occupied", "charging", "suspended_ev", "suspended_evse"})
"""1.6's `preparing` is no plug: a presented token alone makes a connector say it."""
_ATTEMPT_RULES = (_start_not_carried_out, _refused, _faulted, _lost, _not_plugged)
_SILENCE_RULES = (_token_never_seen, _was_offline, _was_faulted, _was_closed, _was_taken, _nobody_came)

"""How long an open session may be silent before `sessions.jobs` assumes its end, and how it then ends. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from voltway.sessions.anomalies import AnomalyCode, anomaly
from voltway.sessions.model import SessionState, State, merged

GONE = timedelta(minutes=10)
"""The station says that the place is free: what it still has to tell comes within minutes (transient Available)."""
OVERTAKEN = timedelta(minutes=30)
"""It booted again or began another session there: its queue of old messages is delivered first."""
OFFLINE = timedelta(hours=24)
OCCUPIED = timedelta(hours=72)
"""Connected and the cable still in: a parked car may have nothing to say for a weekend."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the station did since the session's last sign of life."""

    is_connected: bool
    is_place_free: bool
    is_rebooted: bool
    is_followed: bool


def silence_limit(evidence: Evidence) -> timedelta:
    """Return how long an open session may be silent; an assumed end is taken back when the real one arrives."""
    if not evidence.is_connected:
        return OFFLINE
    if evidence.is_place_free:
        return GONE
    if evidence.is_rebooted or evidence.is_followed:
        return OVERTAKEN
    return OCCUPIED


def ended_in_silence(state: State, now: datetime) -> State:
    """End a session whose station never said so: the last reading stands, and an operator decides."""
    session, progress = state
    last_at = progress.last_at if progress.last_at is not None else session.started_at
    session = replace(
        session,
        state=SessionState.HELD,
        ended_at=max(session.started_at, last_at),
        anomalies=merged(session.anomalies, (anomaly(AnomalyCode.END_MISSING, now),)),
    )
    return State(session, progress._replace(power_w=0.0))

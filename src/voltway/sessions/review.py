"""An operator's decision about a held session: bill it as it was measured, or waive it. Pure."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from voltway.kernel.errors import Conflict
from voltway.sessions.anomalies import Anomaly, AnomalyCode, anomaly
from voltway.sessions.model import SessionState, State, merged


class Decision(StrEnum):
    """What becomes of a held session."""

    BILL = "bill"
    WAIVE = "waive"


def reviewed(state: State, decision: Decision, *, by: str, now: datetime) -> State:
    """Take a held session out of review; its anomalies stay visible. Raises Conflict where it is not held."""
    session = state.session
    if session.state is not SessionState.HELD:
        raise Conflict(f"this session is {session.state.value}; only a held one is reviewed")
    if decision is Decision.WAIVE:
        anomalies = merged(session.anomalies, (anomaly(AnomalyCode.WAIVED, now, detail=by),))
    else:
        anomalies = tuple(_accepted(item, by) if item.touches_money else item for item in session.anomalies)
    return State(replace(session, state=SessionState.ENDED, anomalies=anomalies), state.progress)


def _accepted(item: Anomaly, by: str) -> Anomaly:
    return replace(item, message=f"{item.message}; billed all the same by {by}", touches_money=False)

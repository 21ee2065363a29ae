"""The life of an incident: what may follow what. Pure.

    open ─▶ acknowledged ─▶ assigned ─▶ resolved (a person says so)
      └──────────┴─────────────┴─────▶ remedied (its symptoms are over) ─▶ reopened (they came back soon)

An incident that is over is opened again by hand, or by itself where the same symptom returns within `REOPEN_WITHIN`.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from voltway.kernel.errors import Conflict
from voltway.monitoring.incidents.model import Incident, IncidentState

REOPEN_WITHIN = timedelta(minutes=30)
"""A fault that returns so soon is the same fault: its incident goes on instead of a new one."""


def acknowledged(incident: Incident, at: datetime) -> Incident:
    """Somebody has seen it. Raises Conflict where it is over."""
    _refuse_over(incident, "acknowledged")
    state = IncidentState.ASSIGNED if incident.assignee else IncidentState.ACKNOWLEDGED
    return replace(incident, state=state, acknowledged_at=incident.acknowledged_at or at, updated_at=at)


def assigned(incident: Incident, assignee: str | None, at: datetime) -> Incident:
    """Somebody has it (None: nobody any more); that is an acknowledgement too. Raises Conflict where it is over."""
    _refuse_over(incident, "assigned")
    state = IncidentState.ASSIGNED if assignee else IncidentState.ACKNOWLEDGED
    seen_at = incident.acknowledged_at or at
    return replace(incident, state=state, assignee=assignee, acknowledged_at=seen_at, updated_at=at)


def resolved(incident: Incident, at: datetime) -> Incident:
    """A person says that it is over. Raises Conflict where it was resolved already."""
    if incident.state is IncidentState.RESOLVED:
        raise Conflict(f"incident {incident.incident_id} is resolved already")
    return replace(incident, state=IncidentState.RESOLVED, ended_at=incident.ended_at or at, updated_at=at)


def remedied(incident: Incident, at: datetime) -> Incident:
    """Its symptoms are over."""
    return replace(incident, state=IncidentState.REMEDIED, ended_at=at, updated_at=at)


def reopened(incident: Incident, at: datetime) -> Incident:
    """It is back. Raises Conflict where it never ended."""
    if incident.is_unresolved:
        raise Conflict(f"incident {incident.incident_id} is {incident.state.value}; there is nothing to reopen")
    return replace(
        incident, state=IncidentState.REOPENED, ended_at=None, reopened=incident.reopened + 1, updated_at=at
    )  # fmt: skip


def _refuse_over(incident: Incident, wish: str) -> None:
    if not incident.is_unresolved:
        raise Conflict(f"incident {incident.incident_id} is {incident.state.value}; reopen it before it can be {wish}")

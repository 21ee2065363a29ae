"""The public JSON document of an incident: what `incident.*` events carry to webhooks and pollers. Pure.

docs/integrators/webhooks.md describes it; keys are added, never renamed.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from voltway.kernel.clock import to_rfc3339
from voltway.monitoring.incidents.model import Incident, IncidentChange
from voltway.monitoring.notify.model import Place
from voltway.monitoring.notify.texts import incident_url

_MILLIWH_PER_KWH = 1_000_000


def event_type(change: IncidentChange) -> str:
    """Return the public type of a change, e.g. `incident.opened`."""
    return f"incident.{change.kind.value}"


def event_data(change: IncidentChange, place: Place, public_url: str = "") -> dict[str, Any]:
    """Return the data of the event that a change becomes."""
    return {
        "incident": incident_document(change.incident, place, public_url),
        "change": {"at": to_rfc3339(change.at), "actor": change.actor, "text": change.text},
    }


def incident_document(incident: Incident, place: Place, public_url: str = "") -> dict[str, Any]:
    """Return an incident as others see it."""
    return {
        "id": incident.incident_id,
        "revision": incident.revision,
        "rule": incident.rule,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "title": incident.title,
        "location_id": place.location_code or None,
        "station_id": place.station or None,
        "evse_id": place.evse_id or None,
        "stations": list(place.stations),
        "time_zone": place.time_zone,
        "began_at": to_rfc3339(incident.began_at),
        "opened_at": to_rfc3339(incident.opened_at),
        "acknowledged_at": _instant(incident.acknowledged_at),
        "ended_at": _instant(incident.ended_at),
        "assignee": incident.assignee,
        "reopened": incident.reopened,
        "mrec": incident.mrec,
        "error_code": incident.error_code,
        "vendor_error_code": incident.vendor_error_code,
        "cost": _cost(incident),
        "url": incident_url(public_url, incident.incident_id) or None,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)


def _cost(incident: Incident) -> dict[str, str | None] | None:
    if incident.lost_milliwh is None:
        return None
    revenue = incident.lost_revenue
    return {
        "lost_kwh": _plain(Decimal(incident.lost_milliwh) / _MILLIWH_PER_KWH),
        "lost_revenue": None if revenue is None else _plain(revenue),
        "currency": incident.currency,
    }


def _plain(number: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Messages that no rule of ours acts on: each becomes an event of its station under its OCPP action name."""

from collections.abc import Callable

from voltway.kernel.facts import Notified
from voltway.ocpp.intake import Intake, JsonObject

_INSTANT_KEYS = ("timestamp", "generatedAt", "basetime", "eventTimestamp")


def notice_reader(action: str) -> Callable[[JsonObject, Intake], Notified]:
    """Return the reader of an action that is only noted."""

    def read_notice(payload: JsonObject, intake: Intake) -> Notified:
        key = next((key for key in _INSTANT_KEYS if payload.get(key) is not None), None)
        return Notified(
            action=action,
            data=payload,
            reported_at=intake.instant(payload, key) if key is not None else None,
            severity=_severity_of(payload, intake),
        )

    return read_notice


def _severity_of(payload: JsonObject, intake: Intake) -> int | None:
    """Return the gravest severity of a NotifyEvent (2.1 has one per event; 0 is the gravest)."""
    events = payload.get("eventData")
    if not isinstance(events, list):
        return None
    found = [intake.whole(event, "severity", most=9) for event in events if isinstance(event, dict)]
    return min((severity for severity in found if severity is not None), default=None)

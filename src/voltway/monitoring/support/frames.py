"""What the raw log says beyond the facts: triggers, who ended a session with which token, our own commands. Pure.

A frame is what a station (or we) wrote, so nothing about its form is believed: what cannot be read says nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from voltway.kernel.ids import StationId
from voltway.monitoring.support.model import Ask, AskKind, Message, Ref, SessionFacts, Turn

MOST_SHOWN = 50
SAME_COMMAND = timedelta(seconds=70)
"""The audit is written after the answer, for which a station has (by default) 30 s."""
_SECRETS = ("password", "authorizationkey")
_VALUES = frozenset({"value", "attributevalue"})
_KINDS: Mapping[str, AskKind] = {
    "RemoteStartTransaction": "start",
    "RequestStartTransaction": "start",
    "RemoteStopTransaction": "stop",
    "RequestStopTransaction": "stop",
    "Reset": "reset",
    "UnlockConnector": "unlock",
    "ChangeAvailability": "availability",
}
_VERBS: Mapping[str, AskKind] = {
    "start": "start", "stop": "stop", "reset": "reset", "unlock": "unlock", "availability": "availability",
}  # fmt: skip
_TELLING = (
    "StartTransaction", "StopTransaction", "TransactionEvent", "Authorize", "StatusNotification", "BootNotification",
    *_KINDS,
)  # fmt: skip


def turn_of(message: Message, session: SessionFacts) -> Turn | None:
    """Return how a session began or ended, where this message says so."""
    payload = _payload(message.frame, 3)
    match message.action:
        case "StartTransaction":
            number = _payload(message.reply, 2).get("transactionId")
            return Turn(message.ref, is_end=False) if str(number) == session.transaction_id else None
        case "StopTransaction":
            if str(payload.get("transactionId")) != session.transaction_id:
                return None
            return Turn(
                message.ref, is_end=True, reason=_text(payload, "reason"), token=_text(payload, "idTag"),
            )  # fmt: skip
        case "TransactionEvent":
            return _turn_of_event(message.ref, payload, session)
    return None


def _turn_of_event(ref: Ref, payload: Mapping[str, Any], session: SessionFacts) -> Turn | None:
    info = _object(payload, "transactionInfo")
    kind = payload.get("eventType")
    if _text(info, "transactionId") != session.transaction_id or kind not in {"Started", "Ended"}:
        return None
    return Turn(
        ref,
        is_end=kind == "Ended",
        reason=_text(info, "stoppedReason"),
        trigger=_text(payload, "triggerReason"),
        token=_text(_object(payload, "idToken"), "idToken"),
        is_offline=payload.get("offline") is True,
    )


def ask_of_message(message: Message) -> Ask | None:
    """Return the command of ours that this message is, where it is one that matters to a driver."""
    kind = _KINDS.get(message.action) if message.outgoing else None
    if kind is None:
        return None
    answer = _payload(message.reply, 2)
    ask = _ask(message.ref.received_at, message.ref.station_id, kind, _payload(message.frame, 3))
    outcome = "answered" if answer else "timeout" if message.reply is None else "call_error"
    return replace(ask, outcome=outcome, status=_text(answer, "status"), ref=message.ref)


def ask_of_audit(at: datetime, station_id: StationId, actor: str, action: str, detail: Mapping[str, Any]) -> Ask | None:
    """Return the command that an audit row tells of; `action` is `command.` and our verb or OCPP's action."""
    name = action.removeprefix("command.")
    kind = _VERBS.get(name) or _KINDS.get(name)
    if kind is None:
        return None
    sent = _object(detail, "sent")
    ask = _ask(at, station_id, kind, _object(sent, "args") or _object(sent, "payload"))
    outcome = _text(detail, "outcome") or "answered"
    return replace(ask, by=actor, outcome=outcome, status=_text(detail, "status"))


def _ask(at: datetime, station_id: StationId, kind: AskKind, said: Mapping[str, Any]) -> Ask:
    """Read a command in our words or those of either OCPP version."""
    evse = _object(said, "evse")
    number = said.get("evse_id", said.get("evseId", said.get("connectorId", evse.get("id"))))
    transaction = said.get("transaction_id", said.get("transactionId"))
    operative = said.get("operative", _OPERATIVE.get(str(said.get("type", said.get("operationalStatus")))))
    return Ask(
        at,
        station_id,
        kind,
        evse_id=number if type(number) is int else None,
        token=_text(said, "token") or _text(said, "idTag") or _text(_object(said, "idToken"), "idToken"),
        transaction_id=None if transaction is None else str(transaction),
        operative=operative if type(operative) is bool else None,
    )


def merged_asks(audited: Iterable[Ask], logged: Iterable[Ask]) -> tuple[Ask, ...]:
    """Put the audit (who) and the raw log (what was answered) of the same commands together, in order of time."""
    left = sorted(logged, key=lambda it: it.at)
    asks = []
    for ask in sorted(audited, key=lambda it: it.at):
        twin = next((it for it in left if _is_same(it, ask)), None)
        if twin is None:
            asks.append(ask)
            continue
        left.remove(twin)
        asks.append(replace(ask, at=twin.at, status=ask.status or twin.status, ref=twin.ref))
    return tuple(sorted([*asks, *left], key=lambda it: it.at))


def _is_same(logged: Ask, audited: Ask) -> bool:
    is_near = timedelta(0) <= audited.at - logged.at <= SAME_COMMAND
    return is_near and (logged.station_id, logged.kind) == (audited.station_id, audited.kind)


def shown(messages: Sequence[Message], refs: Sequence[Ref], around: Sequence[datetime]) -> list[Message]:
    """Return the messages to show, what the explanation rests on first, then what tells most and is nearest."""
    evidence = set(refs)

    def rank(message: Message) -> tuple[bool, int, float]:
        telling = _TELLING.index(message.action) if message.action in _TELLING else len(_TELLING)
        group = 0 if telling < 3 else 1 if telling < len(_TELLING) else 2
        distance = min((abs((message.ref.received_at - at).total_seconds()) for at in around), default=0.0)
        return message.ref not in evidence, group, distance

    return sorted(messages, key=rank)[:MOST_SHOWN]


def without_secrets(frame: str) -> str:
    """Return a frame with the value of what is named like a password hidden; the gateway hides its own before it logs.

    >>> without_secrets('[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"00ff"}]')
    '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"***"}]'
    """
    lowered = frame.lower()
    if not any(word in lowered for word in _SECRETS):
        return frame
    try:
        return orjson.dumps(_masked(orjson.loads(frame))).decode()
    except orjson.JSONDecodeError:
        return "*** (not JSON, and names a password)"


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = [text for item in value.values() if isinstance(item, dict) for text in item.values()]
    texts = [text.lower() for text in (*value.values(), *inner) if isinstance(text, str)]
    names_one = any(word in text for text in texts for word in _SECRETS)
    return {
        key: "***" if _is_secret(key) or (names_one and key.lower() in _VALUES) else _masked(item)
        for key, item in value.items()
    }


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRETS)


def _payload(frame: str | None, place: int) -> Mapping[str, Any]:
    """Return the object at a place of a frame: 3 of a call, 2 of its answer."""
    try:
        parts = orjson.loads(frame or "null")
    except orjson.JSONDecodeError:
        return {}
    is_long_enough = isinstance(parts, list) and len(parts) > place
    return parts[place] if is_long_enough and isinstance(parts[place], dict) else {}


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found else None


_OPERATIVE = {"Operative": True, "Inoperative": False}

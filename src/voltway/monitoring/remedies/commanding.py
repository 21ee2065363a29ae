"""What a run sends, and what the raw log says of it: the evidence for a run whose runner was killed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from voltway.monitoring.remedies.model import Step
from voltway.stations.commands import Verb

OPENING: Final = 1
"""The second command of an availability cycle, which makes the place operative again."""


class Order(NamedTuple):
    """A verb with its arguments."""

    verb: Verb
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Logged:
    """An outgoing call in the raw log; `reply` None: no answer came."""

    action: str
    frame: bytes
    reply: bytes | None


class Sent(NamedTuple):
    """A command that certainly left: how it ended and what the station said."""

    outcome: str
    answer: str | None


def order_of(step: Step, evse_id: int, phase: int) -> Order:
    """Return the command of a step's phase (an availability cycle has two, all else one)."""
    evse = {"evse_id": evse_id} if evse_id else {}
    match step.action:
        case "trigger_message":
            return Order("trigger", {"message": step.message, **evse})
        case "unlock":
            return Order("unlock", {**evse, "connector_id": 1})
        case "availability_cycle":
            return Order("availability", {"operative": phase == OPENING, **evse})
        case "soft_reset" | "hard_reset":
            return Order("reset", {"kind": step.action.removesuffix("_reset")})
        case "ticket":
            raise AssertionError("a ticket reaches no station")


def find_sent(order: Order, calls: Iterable[Logged]) -> Sent | None:
    """Return what became of an order by the raw log, None where no such call is in it.

    A call that somebody else sent meanwhile counts as ours: better one reset too few than one too many.
    """
    for call in calls:
        if _is_of(order, call):
            return _sent(call)
    return None


def _is_of(order: Order, call: Logged) -> bool:
    payload = orjson.loads(call.frame)[3]
    match order.verb:
        case "reset":
            return call.action == "Reset"
        case "unlock":
            evse_id = payload.get("evseId", payload.get("connectorId"))
            return call.action == "UnlockConnector" and evse_id == order.args.get("evse_id")
        case "trigger":
            is_trigger = call.action in {"TriggerMessage", "ExtendedTriggerMessage"}
            return is_trigger and payload.get("requestedMessage") == order.args["message"]
        case _:
            word = payload.get("type", payload.get("operationalStatus"))
            return call.action == "ChangeAvailability" and (word == "Operative") == order.args["operative"]


def _sent(call: Logged) -> Sent:
    if call.reply is None:
        return Sent("no_answer", None)
    reply = orjson.loads(call.reply)
    if reply[0] != 3:
        return Sent("call_error", str(reply[2]))
    status = reply[2].get("status")
    return Sent("answered", status if isinstance(status, str) else None)

"""Our requests in 1.6: verbs to ChangeConfiguration, RemoteStartTransaction and the like, and what stations answer."""

from collections.abc import Callable
from typing import Any

from voltway.kernel.facts import VariableReported, VariablesReported
from voltway.ocpp.commands import Command, checked, refused, texts_by_key
from voltway.ocpp.intake import MAX_INT32, Intake, JsonObject, objects

_EXTENDED_TRIGGERS = frozenset({"LogStatusNotification", "SignChargePointCertificate"})
_MOST_VARIABLES = 2000
_LONGEST_VALUE = 2500


def commands_of(verb: str, args: dict[str, Any]) -> tuple[Command, ...]:
    """Write a verb as 1.6 requests: one, except for `write_configuration`, which takes one per key."""
    given = checked(verb, args)
    if given.get("connector_id", 1) not in (0, 1):
        raise refused("/connector_id", "in OCPP 1.6 an EVSE has one connector, number 1")
    if verb == "write_configuration":
        values = texts_by_key(given["values"])
        return tuple(Command("ChangeConfiguration", {"key": key, "value": value}) for key, value in values.items())
    return (_WRITERS[verb](given),)


def read_answer(action: str, payload: JsonObject, intake: Intake) -> VariablesReported | None:
    """Return what an answer tells us about the station; None for answers that only say yes or no."""
    if action != "GetConfiguration":
        return None
    found = []
    for entry in objects(payload.get("configurationKey"))[:_MOST_VARIABLES]:
        key = intake.text(entry, "key")
        if key is None:
            intake.note("variable_without_name", str(entry))
            continue
        value = entry.get("value")
        mutability = "ReadOnly" if entry.get("readonly") is True else "ReadWrite"
        text = None if value is None else str(value)[:_LONGEST_VALUE]
        found.append(VariableReported("", key, text, mutability=mutability))
    return VariablesReported(tuple(found))


def _start(given: dict[str, Any]) -> Command:
    payload: JsonObject = {"idTag": given["token"]}
    if given.get("evse_id"):
        payload["connectorId"] = given["evse_id"]
    if "profile" in given:
        payload["chargingProfile"] = dict(given["profile"])
    return Command("RemoteStartTransaction", payload)


def _stop(given: dict[str, Any]) -> Command:
    text = given["transaction_id"]
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_INT32):
        raise refused("/transaction_id", "in OCPP 1.6 a transaction id is a positive number below 2147483648")
    return Command("RemoteStopTransaction", {"transactionId": int(text)})


def _reset(given: dict[str, Any]) -> Command:
    if given.get("evse_id"):
        raise refused("/evse_id", "OCPP 1.6 resets the station as a whole")
    return Command("Reset", {"type": "Hard" if given["kind"] == "hard" else "Soft"})


def _unlock(given: dict[str, Any]) -> Command:
    return Command("UnlockConnector", {"connectorId": given["evse_id"]})


def _availability(given: dict[str, Any]) -> Command:
    kind = "Operative" if given["operative"] else "Inoperative"
    return Command("ChangeAvailability", {"connectorId": given.get("evse_id", 0), "type": kind})


def _trigger(given: dict[str, Any]) -> Command:
    payload: JsonObject = {"requestedMessage": given["message"]}
    if given.get("evse_id"):
        payload["connectorId"] = given["evse_id"]
    return Command("ExtendedTriggerMessage" if given["message"] in _EXTENDED_TRIGGERS else "TriggerMessage", payload)


def _read_configuration(given: dict[str, Any]) -> Command:
    return Command("GetConfiguration", {"key": list(given["keys"])} if given.get("keys") else {})


_WRITERS: dict[str, Callable[[dict[str, Any]], Command]] = {
    "availability": _availability,
    "read_configuration": _read_configuration,
    "reset": _reset,
    "start": _start,
    "stop": _stop,
    "trigger": _trigger,
    "unlock": _unlock,
}

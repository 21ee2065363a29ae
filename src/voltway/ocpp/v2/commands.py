"""Our requests in 2.0.1 and 2.1: verbs to RequestStartTransaction, SetVariables and the like, and what stations answer.

A configuration key is written `Component.Variable`, an instance in brackets: `EVSE[x].Power`, `SecurityCtrlr.Identity`.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any

from voltway.kernel.facts import VariableReported, VariablesReported
from voltway.ocpp.commands import Command, checked, refused, texts_by_key
from voltway.ocpp.intake import MAX_INT32, Intake, JsonObject, objects
from voltway.ocpp.v2.stations import read_variable

_KEY = re.compile(r"(?P<component>[^.\[\]]+)(\[(?P<of>[^\]]+)\])?\.(?P<variable>[^\[\]]+)(\[(?P<instance>[^\]]+)\])?")
_MOST_VARIABLES = 2000


def commands_of(verb: str, args: dict[str, Any]) -> tuple[Command, ...]:
    """Write a verb as 2.x requests (always one)."""
    return (_WRITERS[verb](checked(verb, args)),)


def read_answer(action: str, payload: JsonObject, intake: Intake) -> VariablesReported | None:
    """Return what an answer tells us about the station; None for answers that only say yes or no."""
    if action != "GetVariables":
        return None
    found: list[VariableReported] = []
    for entry in objects(payload.get("getVariableResult"))[:_MOST_VARIABLES]:
        if entry.get("attributeStatus") != "Accepted":
            continue
        attribute = {"value": entry.get("attributeValue"), "type": entry.get("attributeType")}
        variable = read_variable(entry, attribute, intake)
        if variable is not None:
            found.append(variable)
    return VariablesReported(tuple(found))


def _start(given: dict[str, Any]) -> Command:
    payload: JsonObject = {
        "idToken": {"idToken": given["token"], "type": given.get("token_type", "ISO14443")},
        "remoteStartId": given.get("remote_start_id") or 1 + secrets.randbelow(MAX_INT32),
    }
    if given.get("evse_id"):
        payload["evseId"] = given["evse_id"]
    if "profile" in given:
        payload["chargingProfile"] = dict(given["profile"])
    return Command("RequestStartTransaction", payload)


def _stop(given: dict[str, Any]) -> Command:
    return Command("RequestStopTransaction", {"transactionId": given["transaction_id"]})


def _reset(given: dict[str, Any]) -> Command:
    payload: JsonObject = {"type": "Immediate" if given["kind"] == "hard" else "OnIdle"}
    if given.get("evse_id"):
        payload["evseId"] = given["evse_id"]
    return Command("Reset", payload)


def _unlock(given: dict[str, Any]) -> Command:
    return Command("UnlockConnector", {"evseId": given["evse_id"], "connectorId": given.get("connector_id", 1)})


def _availability(given: dict[str, Any]) -> Command:
    status = "Operative" if given["operative"] else "Inoperative"
    return Command("ChangeAvailability", {"operationalStatus": status, **_evse(given)})


def _trigger(given: dict[str, Any]) -> Command:
    return Command("TriggerMessage", {"requestedMessage": given["message"], **_evse(given)})


def _read_configuration(given: dict[str, Any]) -> Command:
    """All variables come as NotifyReport messages after the answer; named ones in the answer itself."""
    if not given.get("keys"):
        report = {"requestId": 1 + secrets.randbelow(MAX_INT32), "reportBase": "FullInventory"}
        return Command("GetBaseReport", report)
    return Command("GetVariables", {"getVariableData": [_variable(key, "/keys") for key in given["keys"]]})


def _write_configuration(given: dict[str, Any]) -> Command:
    values = texts_by_key(given["values"])
    data = [{**_variable(key, "/values"), "attributeValue": value} for key, value in values.items()]
    return Command("SetVariables", {"setVariableData": data})


def _variable(key: str, pointer: str) -> JsonObject:
    match = _KEY.fullmatch(key)
    if match is None:
        raise refused(pointer, f"{key!r} is not of the form Component.Variable")
    component: JsonObject = {"name": match["component"]}
    variable: JsonObject = {"name": match["variable"]}
    if match["of"]:
        component["instance"] = match["of"]
    if match["instance"]:
        variable["instance"] = match["instance"]
    return {"component": component, "variable": variable}


def _evse(given: dict[str, Any]) -> JsonObject:
    """EVSE 0 is the station: named by leaving the EVSE out."""
    if not given.get("evse_id"):
        return {}
    evse: JsonObject = {"id": given["evse_id"]}
    if given.get("connector_id"):
        evse["connectorId"] = given["connector_id"]
    return {"evse": evse}


_WRITERS: dict[str, Callable[[dict[str, Any]], Command]] = {
    "availability": _availability,
    "read_configuration": _read_configuration,
    "reset": _reset,
    "start": _start,
    "stop": _stop,
    "trigger": _trigger,
    "unlock": _unlock,
    "write_configuration": _write_configuration,
}

"""Tolerance: a message that its schema refuses is mended along that schema, each mending a named finding.

Called only after validation failed. What comes back is as near to valid as can be done without guessing; who called
validates again. Values inside `sampledValue` are left for `samples`, which knows what a number is worth.
Source: field notes 8, 17, 19 and rows 9-17 of the checklist.
"""

import re
from datetime import datetime
from typing import Any, Final

import jsonschema_rs

from voltway.kernel.clock import to_rfc3339
from voltway.ocpp import schema
from voltway.ocpp.instants import read_instant
from voltway.ocpp.intake import Intake, JsonObject, json_bytes
from voltway.ocpp.versions import Version

_DROP: Final = object()
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# Beyond these no JSON writer, or no float, is exact any more.
_LARGEST_EXACT_FLOAT = 2**53
_INTEGER = re.compile(r"[+-]?\d{1,18}(\.0+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,15}([.,]\d{1,9})?", re.ASCII)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}

# Texts that identify something: cut or trimmed, they would identify something else.
_IDENTITIES: Final = frozenset({"idTag", "idToken", "transactionId"})
_SYNONYMS: Final = {
    ("unit", "hz"): "Hertz",
    ("unit", "%"): "Percent",
    ("unit", "c"): "Celsius",
    ("unit", "degc"): "Celsius",
    ("unit", "kelvin"): "K",
}
_STATUS_16_TO_2: Final = {
    "Available": "Available",
    "Reserved": "Reserved",
    "Unavailable": "Unavailable",
    "Faulted": "Faulted",
    **dict.fromkeys(("Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"), "Occupied"),
}
_DEFAULTS: Final[dict[tuple[str, str], Any]] = {
    ("BootNotification", "chargePointModel"): "",
    ("BootNotification", "chargePointVendor"): "",
    ("BootNotification", "model"): "",
    ("BootNotification", "vendorName"): "",
    ("BootNotification", "reason"): "Unknown",
    ("DataTransfer", "vendorId"): "",
    ("MeterValues", "connectorId"): 0,
    ("MeterValues", "evseId"): 0,
    ("NotifyEvent", "seqNo"): 0,
    ("NotifyReport", "requestId"): 0,
    ("NotifyReport", "seqNo"): 0,
    ("StatusNotification", "connectorId"): 0,
    ("StatusNotification", "evseId"): 0,
}
"""What a required field that is missing may safely be; instants are ours, error codes follow the status."""


def repaired(version: Version, action: str, payload: JsonObject, intake: Intake) -> JsonObject:
    """Return the payload mended along the request's schema; the findings go to the intake."""
    intake.is_mended = True
    document = schema.documents(version)[action, "request"]
    if version is not Version.V16:
        payload = _from_16_shape(action, payload, intake)
    mended = _Mender(action, document.get("definitions", {}), intake).mended_object(document, payload, "")
    if str(mended.get("errorCode", "")).lower() == "error":
        mended["errorCode"] = _error_code_of(mended)
    return mended


def is_tolerable(error: jsonschema_rs.ValidationError) -> bool:
    """Say whether a remaining violation already has its finding and its reader.

    Unknown enum values are kept as texts, identities keep their length, and sampled values are judged one by one.
    """
    kind, path = schema.kind_of(error), error.instance_path
    if kind == "Enum" or "sampledValue" in path[:-1]:
        return True
    return kind == "MaxLength" and bool(path) and path[-1] in _IDENTITIES


class _Mender:
    """Walks one payload along its schema; the walk is as deep as the schema, whatever was sent."""

    def __init__(self, action: str, definitions: JsonObject, intake: Intake) -> None:
        self._action = action
        self._definitions = definitions
        self._intake = intake

    def mended_object(self, rules: JsonObject, value: JsonObject, path: str) -> JsonObject:
        properties: JsonObject = rules.get("properties", {})
        mended: JsonObject = {}
        for key, item in value.items():
            name = self._known_name(key, properties, path)
            if name is None:
                # A `unit` on a 2.x socket is a factor of 1,000: what stands beside a value is never stripped.
                if rules.get("additionalProperties") is not False or path.endswith("/sampledValue"):
                    mended[key] = item
                continue
            fixed = self._mended_field(
                name, properties[name], item, path, is_required=name in rules.get("required", ())
            )
            if fixed is not _DROP:
                mended.setdefault(name, fixed)
        for name in rules.get("required", ()):
            if name not in mended:
                self._fill_in(name, properties.get(name, {}), mended, path)
        return mended

    def _known_name(self, key: str, properties: JsonObject, path: str) -> str | None:
        if key in properties:
            return key
        name = next((name for name in properties if name.lower() == key.strip().lower()), None)
        self._intake.note("field_unknown" if name is None else "field_spelling", f"{path}/{key}")
        return name

    def _mended_field(self, name: str, rules: JsonObject, item: Any, path: str, *, is_required: bool) -> Any:
        here = f"{path}/{name}"
        rules = self._resolved(rules)
        if item is None and "type" in rules:
            self._intake.note("null_field", here)
            return _DROP
        if name == "customData" and not (isinstance(item, dict) and isinstance(item.get("vendorId"), str)):
            self._intake.note("custom_data_invalid", here)
            return _DROP
        if name == "value" and path.endswith("/sampledValue"):
            return item
        fixed = self._mended(name, rules, item, here)
        if rules.get("format") == "date-time":
            return self._mended_instant(item, here, is_required=is_required)
        if fixed == [] and rules.get("minItems") and not is_required:
            self._intake.note("empty_list", here)
            return _DROP
        return fixed

    def _mended(self, name: str, rules: JsonObject, item: Any, path: str) -> Any:
        match rules.get("type"):
            case "object" if isinstance(item, dict):
                return self.mended_object(rules, item, path)
            case "array":
                return self._mended_list(name, rules, item, path)
            case "string":
                return self._mended_text(name, rules, item, path)
            case "integer" | "number" as kind:
                return self._mended_number(item, path, is_integer=kind == "integer")
            case "boolean" if not isinstance(item, bool):
                truth = _TRUTHS.get(str(item).strip().lower())
                self._intake.note("text_for_boolean", f"{path}: {item}")
                return item if truth is None else truth
            case _:
                return item

    def _mended_list(self, name: str, rules: JsonObject, item: Any, path: str) -> Any:
        if isinstance(item, dict):
            self._intake.note("object_for_list", path)
            item = [item]
        if not isinstance(item, list):
            return item
        inner = self._resolved(rules.get("items", {}))
        kept = [entry for entry in item if entry is not None]
        if len(kept) != len(item):
            self._intake.note("null_field", path)
        return [self._mended(name, inner, entry, path) for entry in kept]

    def _mended_text(self, name: str, rules: JsonObject, item: Any, path: str) -> Any:
        if isinstance(item, (int, float)):
            self._intake.note("number_for_text", f"{path}: {item}")
            item = str(item).lower() if isinstance(item, bool) else str(item)
        elif isinstance(item, (dict, list)) and self._action == "DataTransfer":
            self._intake.note("object_for_text", path)
            item = json_bytes(item).decode()
        if not isinstance(item, str) or rules.get("format") == "date-time":
            return item
        if "enum" in rules and item not in rules["enum"]:
            return self._mended_choice(name, rules["enum"], item, path)
        longest = rules.get("maxLength")
        if longest is None or len(item) <= longest:
            return item
        if name in _IDENTITIES:
            self._intake.note("identity_too_long", f"{path}: {item}")
            return item
        trimmed = item.strip()
        self._intake.note("text_padded" if len(trimmed) <= longest else "text_too_long", f"{path}: {item}")
        return trimmed[:longest]

    def _mended_choice(self, name: str, choices: list[str], item: str, path: str) -> str:
        wanted = item.strip().lower()
        choice = next((choice for choice in choices if choice.lower() == wanted), None)
        if choice is not None:
            self._intake.note("enum_spelling", f"{path}: {item}")
            return choice
        self._intake.note("enum_unknown", f"{path}: {item}")
        synonym = _SYNONYMS.get((name, wanted))
        return synonym if synonym in choices else item

    def _mended_number(self, item: Any, path: str, *, is_integer: bool) -> Any:
        if isinstance(item, float) and is_integer and item.is_integer() and abs(item) < _LARGEST_EXACT_FLOAT:
            self._intake.note("integer_with_point", f"{path}: {item}")
            return int(item)
        if not isinstance(item, str):
            return item
        text = item.strip()
        if not (_INTEGER if is_integer else _NUMBER).fullmatch(text):
            return item
        self._intake.note("text_for_number", f"{path}: {item}")
        return int(text.partition(".")[0]) if is_integer else float(text.replace(",", "."))

    def _mended_instant(self, item: Any, path: str, *, is_required: bool) -> Any:
        at, code = read_instant(item, self._intake.received_at)
        if at is None:
            self._intake.note(code or "timestamp_unreadable", f"{path}: {item}")
            return self._now() if is_required else _DROP
        if isinstance(item, str) and _RFC3339.fullmatch(item) and code in (None, "timestamp_implausible"):
            return item
        self._intake.note("timestamp_malformed" if code in (None, "timestamp_implausible") else code, f"{path}: {item}")
        return to_rfc3339(at)

    def _fill_in(self, name: str, rules: JsonObject, mended: JsonObject, path: str) -> None:
        """Fill a missing required field where a default is safe; leave it missing where none is."""
        if self._resolved(rules).get("format") == "date-time":
            self._intake.note("timestamp_missing", f"{path}/{name}")
            mended[name] = self._now()
        elif name == "errorCode":
            self._intake.note("field_missing", f"{path}/{name}")
            mended[name] = _error_code_of(mended)
        elif mended and (self._action, name) in _DEFAULTS:
            self._intake.note("field_missing", f"{path}/{name}")
            mended[name] = _DEFAULTS[self._action, name]

    def _resolved(self, rules: JsonObject) -> JsonObject:
        reference = rules.get("$ref")
        return self._definitions[reference.rpartition("/")[2]] if reference else rules

    def _now(self) -> str:
        received_at: datetime = self._intake.received_at
        return to_rfc3339(received_at)


def _error_code_of(payload: JsonObject) -> str:
    """Field note 17: `Error`, or nothing, stands where 1.6 wants a code."""
    return "OtherError" if payload.get("status") == "Faulted" else "NoError"


def _from_16_shape(action: str, payload: JsonObject, intake: Intake) -> JsonObject:
    """Read messages in 1.6's shape on a 2.x socket (field note 2)."""
    reshaped = dict(payload)
    match action:
        case "StatusNotification" if "status" in payload and "connectorStatus" not in payload:
            reshaped["connectorStatus"] = _STATUS_16_TO_2.get(str(reshaped.pop("status")), "Unavailable")
            reshaped.setdefault("evseId", payload.get("connectorId", 0))
            reshaped["connectorId"] = 1 if reshaped["evseId"] else 0
        case "MeterValues" if "connectorId" in payload and "evseId" not in payload:
            reshaped["evseId"] = reshaped.pop("connectorId")
        case "BootNotification" if "chargePointVendor" in payload and "chargingStation" not in payload:
            reshaped["chargingStation"] = {
                "vendorName": reshaped.pop("chargePointVendor"),
                "model": reshaped.pop("chargePointModel", ""),
            }
        case "Authorize" if "idTag" in payload and "idToken" not in payload:
            reshaped["idToken"] = {"idToken": reshaped.pop("idTag"), "type": "ISO14443"}
        case _:
            return payload
    intake.note("shape_of_16", action)
    return reshaped

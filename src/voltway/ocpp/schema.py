"""The official JSON schemas, compiled on first use per version, and how a violation is named on the wire.

The schemas are those of the `ocpp` package; only its files are read, none of its code is imported.
"""

import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import orjson

from voltway.kernel.errors import Fault
from voltway.ocpp.versions import STATION_CALLS, Version

Side = Literal["request", "response"]
JsonObject = dict[str, Any]

_FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}
_OCCURRENCE = {Version.V16: "OccurenceConstraintViolation"}
_FORMAT = {Version.V16: "FormationViolation"}
_OCCURRENCE_KINDS = frozenset({"Required", "MinItems", "MaxItems"})
_FORMAT_KINDS = frozenset({"AdditionalProperties", "Format"})


def validator(version: Version, action: str, side: Side) -> jsonschema_rs.Validator:
    """Return the compiled schema of a message; `KeyError` where this version has no such message."""
    return validators(version)[action, side]


@cache
def validators(version: Version) -> Mapping[tuple[str, Side], jsonschema_rs.Validator]:
    """Return every compiled schema of a version (35 ms and 6 MB at the first call, then for ever free)."""
    return {key: jsonschema_rs.validator_for(document) for key, document in documents(version).items()}


@cache
def documents(version: Version) -> Mapping[tuple[str, Side], JsonObject]:
    """Return every schema of a version as JSON, for the repairs that walk it."""
    folder = _package_folder() / _FOLDERS[version] / "schemas"
    return {_key_of(path): orjson.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}


def outgoing_actions(version: Version) -> frozenset[str]:
    """Return the actions that we may send to a station of this version."""
    known = {action for action, side in documents(version) if side == "request"}
    return frozenset(known - STATION_CALLS[version]) | {"DataTransfer"}


def faults_of(version: Version, action: str, side: Side, payload: Any) -> tuple[Fault, ...]:
    """Return all violations of a message, each with its JSON Pointer; empty where it is valid."""
    return tuple(Fault(pointer_of(error), error.message) for error in violations(version, action, side, payload))


def violations(version: Version, action: str, side: Side, payload: Any) -> Iterator[jsonschema_rs.ValidationError]:
    """Iterate over the violations of a message in schema order."""
    return validator(version, action, side).iter_errors(payload)


def pointer_of(error: jsonschema_rs.ValidationError) -> str:
    """Write where a violation is as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)


def kind_of(error: jsonschema_rs.ValidationError) -> str:
    """Return the violated keyword's name, e.g. `Required`, `MaxLength`."""
    return type(error.kind).__name__


def error_code_of(version: Version, error: jsonschema_rs.ValidationError) -> str:
    """Return the CALLERROR code of a violation in this version's spelling (1.6 writes `Occurence`)."""
    kind = kind_of(error)
    if kind in _OCCURRENCE_KINDS:
        return _OCCURRENCE.get(version, "OccurrenceConstraintViolation")
    if kind in _FORMAT_KINDS:
        return _FORMAT.get(version, "FormatViolation")
    return "TypeConstraintViolation" if kind == "Type" else "PropertyConstraintViolation"


def _package_folder() -> Path:
    spec = importlib.util.find_spec("ocpp")
    assert spec is not None, "the ocpp package brings the schemas and is a dependency"
    assert spec.submodule_search_locations, "the ocpp package is a folder"
    return Path(spec.submodule_search_locations[0])


def _key_of(path: Path) -> tuple[str, Side]:
    """`MeterValues.json` (1.6) and `MeterValuesRequest.json` (2.x) are both (MeterValues, request)."""
    name = path.stem
    if name.endswith("Response"):
        return name.removesuffix("Response"), "response"
    return name.removesuffix("Request"), "request"

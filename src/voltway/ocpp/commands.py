"""Our commands as version-neutral verbs: which arguments each takes, checked before a version writes it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from voltway.kernel.errors import Fault, InvalidInput
from voltway.ocpp.intake import MAX_INT32, JsonObject


class Command(NamedTuple):
    """A request of ours: OCPP's action and its payload."""

    action: str
    payload: JsonObject


class Verb(NamedTuple):
    """The arguments a verb needs and those it may have."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()


VERBS: Final[dict[str, Verb]] = {
    "start": Verb(
        frozenset({"token"}), frozenset({"evse_id", "connector_id", "token_type", "profile", "remote_start_id"})
    ),
    "stop": Verb(frozenset({"transaction_id"})),
    "reset": Verb(frozenset({"kind"}), frozenset({"evse_id"})),
    "unlock": Verb(frozenset({"evse_id"}), frozenset({"connector_id"})),
    "availability": Verb(frozenset({"operative"}), frozenset({"evse_id", "connector_id"})),
    "trigger": Verb(frozenset({"message"}), frozenset({"evse_id", "connector_id"})),
    "read_configuration": Verb(frozenset(), frozenset({"keys"})),
    "write_configuration": Verb(frozenset({"values"})),
}
"""`kind` is soft or hard, `operative` a boolean, `keys` a list of names or None for all, `values` an object or a
list of {key, value}; ids are OCPP's numbers, EVSE 0 is the station."""

RESETS = ("soft", "hard")


def checked(verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return a verb's arguments without the empty ones; raise InvalidInput with all faults at once."""
    rules = VERBS.get(verb)
    if rules is None:
        raise InvalidInput(f"there is no command {verb!r}; there are {', '.join(VERBS)}", [Fault("/verb", "unknown")])
    given = {name: value for name, value in args.items() if value is not None}
    faults = [Fault(f"/{name}", "is required") for name in sorted(rules.required - given.keys())]
    faults += [
        Fault(f"/{name}", f"is not an argument of {verb}")
        for name in sorted(given.keys() - rules.required - rules.optional)
    ]
    faults += [fault for name, value in given.items() if name in _CHECKS and (fault := _fault_of(name, value))]
    if faults:
        raise InvalidInput(f"{verb} cannot be sent like this", faults)
    return given


def texts_by_key(values: Any) -> dict[str, str]:
    """Return configuration to write as texts: booleans in OCPP's spelling, numbers in digits.

    Args:
        values: an object, or a list of {"key", "value"}.
    """
    pairs = list(values.items()) if isinstance(values, Mapping) else [(item["key"], item["value"]) for item in values]
    return {str(key): str(value).lower() if isinstance(value, bool) else str(value) for key, value in pairs}


def refused(pointer: str, message: str) -> InvalidInput:
    """Return the error for an argument that this version cannot carry."""
    return InvalidInput(message, [Fault(pointer, message)])


def _fault_of(name: str, value: Any) -> Fault | None:
    is_good, sentence = _CHECKS[name]
    return None if is_good(value) else Fault(f"/{name}", sentence)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_INT32


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) and item for item in value)


def _is_configuration(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(item, (str, int, float)) for item in value.values())
    entries = value if isinstance(value, (list, tuple)) else ()
    return bool(entries) and all(isinstance(entry, Mapping) and _is_pair(entry) for entry in entries)


def _is_pair(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("key"), str) and isinstance(entry.get("value"), (str, int, float))


_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    **dict.fromkeys(("evse_id", "connector_id", "remote_start_id"), (_is_number, "is a number from 0 to 2147483647")),
    **dict.fromkeys(("token", "token_type", "transaction_id", "message"), (_is_text, "is a text")),
    "kind": (lambda value: value in RESETS, "is soft or hard"),
    "operative": (lambda value: isinstance(value, bool), "is true or false"),
    "profile": (
        lambda value: isinstance(value, Mapping),
        "is a charging profile in the words of the station's version",
    ),
    "keys": (_is_list_of_texts, "is a list of names"),
    "values": (_is_configuration, 'is an object {key: value}, or a list of {"key", "value"}, and not empty'),
}

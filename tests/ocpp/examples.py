"""Messages made from the official schemas: the smallest and the fullest valid one, and ways to break them."""

import random
from typing import Any

from voltway.ocpp import schema
from voltway.ocpp.schema import Side
from voltway.ocpp.versions import STATION_CALLS, Version

INSTANT = "2026-03-02T08:00:00Z"
STATION_REQUESTS = [(version, action) for version in Version for action in sorted(STATION_CALLS[version])]
_TEXTS: dict[Any, str] = {"date-time": INSTANT, "uri": "https://example.org/x"}
JUNK: list[Any] = [
    None, True, False,
    0, -1, 1.0, 1.5, 2**31, 2**63 - 1, 2**64 - 1, 1e300, "", " ", "x", "12,5", "NaN", "é" * 300, "\0",
    "1970-01-01T00:00:00Z", "2026-03-02T08:00:00", "2026-03-02 08:00:00+0100", [], {}, [None], [[]], {"a": {"b": [1]}},
    "9999-12-31T23:59:59+00:01", "0001-01-01T00:00:00+14:00", "²", "1e9", "-5", "0x10", 10**18,
]  # fmt: skip


def example(version: Version, action: str, side: Side, *, is_full: bool) -> dict[str, Any]:
    """Return a valid message: required fields only, or every field there is."""
    document = schema.documents(version)[action, side]
    made: dict[str, Any] = _value(document, document.get("definitions", {}), is_full=is_full)
    return made


def _value(rules: dict[str, Any], definitions: dict[str, Any], *, is_full: bool) -> Any:
    if "$ref" in rules:
        rules = definitions[rules["$ref"].rpartition("/")[2]]
    if "enum" in rules:
        return rules["enum"][0]
    match rules.get("type"):
        case "object":
            wanted = rules.get("properties", {}) if is_full else rules.get("required", ())
            return {name: _value(rules["properties"][name], definitions, is_full=is_full) for name in wanted}
        case "array":
            return [_value(rules["items"], definitions, is_full=is_full)]
        case "string":
            return _TEXTS.get(rules.get("format"), "1")
        case kind:
            return {"boolean": True, None: {"any": "thing"}}.get(
                kind, int(rules.get("minimum", 0 if "maximum" in rules else 1))
            )


def broken(value: Any, dice: random.Random, wounds: int = 1) -> Any:
    """Return a copy of a JSON value with some of its parts replaced, removed, renamed or added."""
    for _ in range(wounds):
        value = _wounded(value, dice)
    return value


def _wounded(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.8:
        key = dice.choice(list(value))
        match dice.randrange(5):
            case 0:
                return {name: item for name, item in value.items() if name != key}
            case 1:
                name = dice.choice(["vendorExtra", key.upper(), "timestamp", "customData"])
                return {**value, name: dice.choice(JUNK)}
            case _:
                return {**value, key: _wounded(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        return [*value[:place], _wounded(value[place], dice), *value[place + 1 :], *value[: dice.randrange(2)]]
    return dice.choice(JUNK)

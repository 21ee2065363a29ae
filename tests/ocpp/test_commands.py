"""Verbs: what each needs is checked at once, in one place for all versions."""

from typing import Any

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.ocpp.commands import VERBS, checked, texts_by_key
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.versions import Version

ARGS: dict[str, dict[str, Any]] = {
    "start": {"token": "A", "evse_id": 1},
    "stop": {"transaction_id": "17"},
    "reset": {"kind": "soft"},
    "unlock": {"evse_id": 1, "connector_id": 1},
    "availability": {"operative": True, "evse_id": 1},
    "trigger": {"message": "Heartbeat", "evse_id": 0},
    "read_configuration": {"keys": ["A.B"]},
    "write_configuration": {"values": {"A.B": True}},
}


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_a_valid_command_of_every_version(version: Version, verb: str) -> None:
    """What a verb writes passes the official schema."""
    protocol = protocol_for(version)
    action, payload = protocol.command_of(verb, **ARGS[verb])
    assert protocol.check_command(action, payload) == ()


@pytest.mark.parametrize(
    ("verb", "args", "pointers"),
    [
        ("start", {}, ["/token"]),
        ("start", {"token": "", "evse_id": -1, "colour": "red"}, ["/colour", "/token", "/evse_id"]),
        ("start", {"token": "A", "profile": 5, "connector_id": True}, ["/profile", "/connector_id"]),
        ("stop", {"transaction_id": None}, ["/transaction_id"]),
        ("stop", {"transaction_id": 17}, ["/transaction_id"]),
        ("reset", {"kind": "gently"}, ["/kind"]),
        ("availability", {"operative": "yes"}, ["/operative"]),
        ("read_configuration", {"keys": "A.B"}, ["/keys"]),
        ("read_configuration", {"keys": [5]}, ["/keys"]),
        ("write_configuration", {"values": {}}, ["/values"]),
        ("write_configuration", {"values": []}, ["/values"]),
        ("write_configuration", {"values": 5}, ["/values"]),
        ("write_configuration", {"values": {"a": [1]}}, ["/values"]),
        ("write_configuration", {"values": [{"key": "a"}]}, ["/values"]),
        ("write_configuration", {"values": ["a"]}, ["/values"]),
        ("dance", {}, ["/verb"]),
    ],
)
def test_wrong_arguments_are_all_named_at_once(verb: str, args: dict[str, Any], pointers: list[str]) -> None:
    """Each with its pointer, before any version is asked."""
    with pytest.raises(InvalidInput) as caught:
        checked(verb, args)
    assert [fault.pointer for fault in caught.value.faults] == pointers


def test_configuration_is_written_as_texts() -> None:
    """OCPP's booleans are lower case; both forms are taken."""
    assert texts_by_key({"a": True, "b": 5, "c": "x"}) == {"a": "true", "b": "5", "c": "x"}
    assert texts_by_key([{"key": "a", "value": False}, {"key": "b", "value": 1.5}]) == {"a": "false", "b": "1.5"}

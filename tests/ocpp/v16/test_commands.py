"""Our requests in 1.6 and what stations answer to them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.kernel.facts import VariableReported, VariablesReported
from voltway.ocpp.intake import Intake
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.v16.commands import read_answer
from voltway.ocpp.versions import Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("verb", "args", "action", "payload"),
    [
        ("start", {"token": "A"}, "RemoteStartTransaction", {"idTag": "A"}),
        ("start", {"token": "A", "evse_id": 2}, "RemoteStartTransaction", {"idTag": "A", "connectorId": 2}),
        (
            "start",
            {"token": "A", "profile": {"x": 1}},
            "RemoteStartTransaction",
            {"idTag": "A", "chargingProfile": {"x": 1}},
        ),
        ("stop", {"transaction_id": "17"}, "RemoteStopTransaction", {"transactionId": 17}),
        ("reset", {"kind": "soft"}, "Reset", {"type": "Soft"}),
        ("reset", {"kind": "hard", "evse_id": 0}, "Reset", {"type": "Hard"}),
        ("unlock", {"evse_id": 2}, "UnlockConnector", {"connectorId": 2}),
        ("availability", {"operative": False}, "ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
        (
            "availability",
            {"operative": True, "evse_id": 2},
            "ChangeAvailability",
            {"connectorId": 2, "type": "Operative"},
        ),
        ("trigger", {"message": "Heartbeat"}, "TriggerMessage", {"requestedMessage": "Heartbeat"}),
        (
            "trigger",
            {"message": "MeterValues", "evse_id": 1},
            "TriggerMessage",
            {"requestedMessage": "MeterValues", "connectorId": 1},
        ),
        (
            "trigger",
            {"message": "LogStatusNotification"},
            "ExtendedTriggerMessage",
            {"requestedMessage": "LogStatusNotification"},
        ),
        ("read_configuration", {}, "GetConfiguration", {}),
        ("read_configuration", {"keys": ["a", "b"]}, "GetConfiguration", {"key": ["a", "b"]}),
        ("write_configuration", {"values": {"a": True}}, "ChangeConfiguration", {"key": "a", "value": "true"}),
    ],
)
def test_verbs_are_written(verb: str, args: dict[str, Any], action: str, payload: Any) -> None:
    """Golden: EVSE n is connector n."""
    assert protocol_for(Version.V16).command_of(verb, **args) == (action, payload)


@pytest.mark.parametrize(
    ("verb", "args", "pointer"),
    [
        ("stop", {"transaction_id": "abc"}, "/transaction_id"),
        ("stop", {"transaction_id": "0"}, "/transaction_id"),
        ("stop", {"transaction_id": "2147483648"}, "/transaction_id"),
        ("stop", {"transaction_id": "²"}, "/transaction_id"),
        ("reset", {"kind": "soft", "evse_id": 1}, "/evse_id"),
        ("unlock", {"evse_id": 1, "connector_id": 2}, "/connector_id"),
    ],
)
def test_what_16_cannot_say_is_refused(verb: str, args: dict[str, Any], pointer: str) -> None:
    """Told before anything is sent."""
    with pytest.raises(InvalidInput) as caught:
        protocol_for(Version.V16).command_of(verb, **args)
    assert caught.value.faults[0].pointer == pointer


def test_configuration_that_was_read_is_a_fact() -> None:
    """Golden: names without a component; keys without a value are kept as such."""
    payload = {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "1634030126"},
            {"key": "Odd", "readonly": True},
        ],
        "unknownKey": None,
    }
    understood = protocol_for(Version.V16).read_answer("GetConfiguration", payload, NOW)
    assert understood is not None
    assert understood.fact == VariablesReported(
        (
            VariableReported("", "HeartbeatInterval", "300", mutability="ReadWrite"),
            VariableReported("", "NumberOfConnectors", "1634030126", mutability="ReadOnly"),
            VariableReported("", "Odd", None, mutability="ReadOnly"),
        )
    )


def test_row_17_a_configuration_is_bounded() -> None:
    """However many keys, however long their values, and keys without a name."""
    intake = Intake(NOW)
    entries = [{"value": "x"}] + [{"key": f"k{number}", "value": "x" * 9000} for number in range(5000)]
    fact = read_answer("GetConfiguration", {"configurationKey": entries}, intake)
    assert fact is not None
    assert len(fact.variables) == 1999
    assert max(len(variable.value or "") for variable in fact.variables) == 2500
    assert [finding.code for finding in intake.findings] == ["variable_without_name"]
    assert read_answer("GetConfiguration", {}, intake) == VariablesReported(())

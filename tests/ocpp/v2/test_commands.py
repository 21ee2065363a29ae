"""Our requests in 2.x and what stations answer to them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.kernel.facts import VariableReported, VariablesReported
from voltway.kernel.ids import EvseId
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.versions import Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
VOLTWAY = protocol_for(Version.V201)
START = {"remoteStartId": 9, "idToken": {"idToken": "A", "type": "ISO14443"}}


@pytest.mark.parametrize(
    ("verb", "args", "action", "payload"),
    [
        ("start", {"token": "A", "remote_start_id": 9}, "RequestStartTransaction", START),
        (
            "start",
            {"token": "A", "token_type": "Central", "evse_id": 2, "remote_start_id": 9, "profile": {"id": 1}},
            "RequestStartTransaction",
            {
                "remoteStartId": 9,
                "evseId": 2,
                "idToken": {"idToken": "A", "type": "Central"},
                "chargingProfile": {"id": 1},
            },
        ),
        ("stop", {"transaction_id": "t-1"}, "RequestStopTransaction", {"transactionId": "t-1"}),
        ("reset", {"kind": "soft"}, "Reset", {"type": "OnIdle"}),
        ("reset", {"kind": "hard", "evse_id": 2}, "Reset", {"type": "Immediate", "evseId": 2}),
        ("unlock", {"evse_id": 2}, "UnlockConnector", {"evseId": 2, "connectorId": 1}),
        ("availability", {"operative": True}, "ChangeAvailability", {"operationalStatus": "Operative"}),
        (
            "availability",
            {"operative": False, "evse_id": 2, "connector_id": 1},
            "ChangeAvailability",
            {"operationalStatus": "Inoperative", "evse": {"id": 2, "connectorId": 1}},
        ),
        (
            "trigger",
            {"message": "Heartbeat", "evse_id": 1},
            "TriggerMessage",
            {"requestedMessage": "Heartbeat", "evse": {"id": 1}},
        ),
        (
            "read_configuration",
            {"keys": ["Clock.Time", "EVSE[a].Power[b]"]},
            "GetVariables",
            {
                "getVariableData": [
                    {"component": {"name": "Clock"}, "variable": {"name": "Time"}},
                    {"component": {"name": "EVSE", "instance": "a"}, "variable": {"name": "Power", "instance": "b"}},
                ]
            },
        ),
        (
            "write_configuration",
            {"values": [{"key": "A.B", "value": 5}, {"key": "C.D", "value": "x"}]},
            "SetVariables",
            {
                "setVariableData": [
                    {"component": {"name": "A"}, "variable": {"name": "B"}, "attributeValue": "5"},
                    {"component": {"name": "C"}, "variable": {"name": "D"}, "attributeValue": "x"},
                ]
            },
        ),
    ],
)
def test_verbs_are_written(verb: str, args: dict[str, Any], action: str, payload: Any) -> None:
    """Golden, and the same for 2.1."""
    assert VOLTWAY.command_of(verb, **args) == (action, payload)
    assert protocol_for(Version.V21).command_of(verb, **args) == (action, payload)


def test_ids_that_nobody_gave_are_made() -> None:
    """A remote start and a report are recognised by a number of ours."""
    action, start = VOLTWAY.command_of("start", token="A")
    assert action == "RequestStartTransaction"
    assert 0 < start["remoteStartId"] < 2**31
    action, report = VOLTWAY.command_of("read_configuration")
    assert (action, report["reportBase"]) == ("GetBaseReport", "FullInventory")
    assert 0 < report["requestId"] < 2**31


@pytest.mark.parametrize("key", ["HeartbeatInterval", "", ".x", "A.", "A[.B"])
def test_a_key_names_component_and_variable(key: str) -> None:
    """Told before anything is sent."""
    with pytest.raises(InvalidInput):
        VOLTWAY.command_of("write_configuration", values={key: "1"})


def test_variables_that_were_read_are_a_fact() -> None:
    """Golden: only what the station accepted to tell."""
    component = {"name": "EVSE", "evse": {"id": 1}}
    result = [
        {"attributeStatus": "Accepted", "attributeValue": "5", "component": component, "variable": {"name": "Power"}},
        {"attributeStatus": "UnknownVariable", "component": component, "variable": {"name": "Colour"}},
        {"attributeStatus": "Accepted", "attributeValue": "5", "component": {}, "variable": {"name": "Power"}},
    ]
    understood = VOLTWAY.read_answer("GetVariables", {"getVariableResult": result}, NOW)
    assert understood is not None
    assert understood.fact == VariablesReported((VariableReported("EVSE", "Power", "5", evse_id=EvseId(1)),))
    assert [finding.code for finding in understood.findings] == ["variable_without_name"]

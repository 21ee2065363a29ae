"""2.x: what a station says about itself, as golden pairs."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    Fact,
    HeartbeatReceived,
    Notified,
    PresentedToken,
    StationBooted,
    TokenPresented,
    VariableReported,
    VariablesReported,
)
from voltway.kernel.ids import ConnectorId, EvseId, Token
from voltway.ocpp import frame
from voltway.ocpp.frame import Call
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.versions import Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AT = "2026-03-02T07:00:00Z"
SEVEN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
STATION = {
    "model": "M",
    "vendorName": "V",
    "serialNumber": "S",
    "firmwareVersion": "1",
    "modem": {"iccid": "1", "imsi": "2"},
}


def understood(action: str, payload: Any, version: Version = Version.V201) -> tuple[Fact, list[str]]:
    call = frame.parse(orjson.dumps([2, "1", action, payload]), version)
    assert isinstance(call, Call)
    read = protocol_for(version).understand(call, NOW)
    return read.fact, [finding.code for finding in read.findings]


@pytest.mark.parametrize(
    ("action", "payload", "fact"),
    [
        ("Heartbeat", {}, HeartbeatReceived()),
        (
            "BootNotification",
            {"reason": "PowerUp", "chargingStation": STATION},
            StationBooted("V", "M", "S", "1", "PowerUp", "1", "2"),
        ),
        (
            "StatusNotification",
            {"timestamp": AT, "connectorStatus": "Occupied", "evseId": 2, "connectorId": 1},
            ConnectorStatusChanged(EvseId(2), ConnectorId(1), ConnectorStatus.OCCUPIED, SEVEN),
        ),
        (
            "Authorize",
            {"idToken": {"idToken": " A ", "type": "MacAddress"}, "certificate": "PEM"},
            TokenPresented(PresentedToken(Token("A"), "MacAddress"), "PEM"),
        ),
        (
            "NotifyEVChargingNeeds",
            {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}},
            Notified("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}}),
        ),
        (
            "SecurityEventNotification",
            {"type": "SettingSystemTime", "timestamp": AT},
            Notified("SecurityEventNotification", {"type": "SettingSystemTime", "timestamp": AT}, SEVEN),
        ),
    ],
)
def test_each_message_has_its_fact(action: str, payload: Any, fact: Fact) -> None:
    """Golden, the same in 2.0.1 and 2.1."""
    assert understood(action, payload)[0] == fact
    if action != "NotifyEVChargingNeeds":
        assert understood(action, payload, Version.V21)[0] == fact


def test_the_device_model_is_reported_per_attribute() -> None:
    """Golden: one entry per variable and attribute, instances named."""
    component = {"name": "EVSE", "instance": "left", "evse": {"id": 1, "connectorId": 2}}
    payload = {
        "requestId": 4,
        "generatedAt": AT,
        "seqNo": 0,
        "reportData": [
            {
                "component": component,
                "variable": {"name": "Power", "instance": "max"},
                "variableAttribute": [
                    {"type": "Actual", "value": "5", "mutability": "ReadOnly"},
                    {"type": "MaxSet", "value": "9"},
                ],
            },
            {"component": {"name": "Clock"}, "variable": {"name": "Time"}, "variableAttribute": [{}]},
        ],
    }
    power = {"evse_id": EvseId(1), "connector_id": ConnectorId(2), "instance": "max"}
    assert understood("NotifyReport", payload) == (
        VariablesReported(
            (
                VariableReported("EVSE[left]", "Power", "5", "Actual", "ReadOnly", **power),  # type: ignore[arg-type]
                VariableReported("EVSE[left]", "Power", "9", "MaxSet", None, **power),  # type: ignore[arg-type]
                VariableReported("Clock", "Time", None),
            ),
            4,
        ),
        [],
    )


def test_variables_without_a_name_are_left_out_by_name() -> None:
    """The rest of the report is kept."""
    entry = {"component": {"name": " "}, "variable": {"name": "V"}, "variableAttribute": [{"value": "1"}]}
    payload = {"requestId": 4, "generatedAt": AT, "seqNo": 0, "reportData": [entry]}
    assert understood("NotifyReport", payload) == (VariablesReported((), 4), ["variable_without_name"])


def test_the_gravest_severity_of_a_notice_counts() -> None:
    """2.1 grades its events, 0 is the gravest; 2.0.1 does not."""
    event = {
        "eventId": 1, "timestamp": AT, "trigger": "Alerting", "actualValue": "1", "component": {"name": "C"},
        "eventNotificationType": "CustomMonitor", "variable": {"name": "V"},
    }  # fmt: skip
    payload = {"generatedAt": AT, "seqNo": 0, "eventData": [{**event, "severity": 4}, {**event, "severity": 2}, event]}
    fact, _ = understood("NotifyEvent", payload, Version.V21)
    assert isinstance(fact, Notified)
    assert (fact.severity, fact.reported_at) == (2, SEVEN)
    fact, _ = understood("NotifyEvent", {**payload, "eventData": [event]})
    assert isinstance(fact, Notified)
    assert fact.severity is None

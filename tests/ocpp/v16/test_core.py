"""1.6's core profile: each message to its fact, as golden pairs."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    HeartbeatReceived,
    PresentedToken,
    SessionEnded,
    SessionStarted,
    StationBooted,
    TokenPresented,
)
from voltway.kernel.ids import ConnectorId, EvseId, Token, TransactionId
from voltway.ocpp import frame
from voltway.ocpp.frame import Call
from voltway.ocpp.intake import Intake
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.v16 import core
from voltway.ocpp.versions import Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AT = "2026-03-02T07:00:00Z"
SEVEN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def fact_of(action: str, payload: Any) -> Fact:
    call = frame.parse(orjson.dumps([2, "1", action, payload]))
    assert isinstance(call, Call)
    return protocol_for(Version.V16).understand(call, NOW).fact


@pytest.mark.parametrize(
    ("action", "payload", "fact"),
    [
        ("Heartbeat", {}, HeartbeatReceived()),
        (
            "BootNotification",
            {
                "chargePointVendor": "V", "chargePointModel": "M", "chargeBoxSerialNumber": "S",
                "firmwareVersion": "1.2", "iccid": "1", "imsi": "2", "meterType": "T", "meterSerialNumber": "3",
            },
            StationBooted("V", "M", "S", "1.2", None, "1", "2", "T", "3"),
        ),
        ("Authorize", {"idTag": "04A3B2"}, TokenPresented(PresentedToken(Token("04A3B2"), "ISO14443"))),
        (
            "StatusNotification",
            {
                "connectorId": 2, "status": "SuspendedEV", "errorCode": "NoError", "timestamp": AT, "info": "i",
                "vendorId": "v", "vendorErrorCode": "e",
            },
            ConnectorStatusChanged(
                EvseId(2), ConnectorId(1), ConnectorStatus.SUSPENDED_EV, SEVEN, "NoError", "v", "e", "i"
            ),
        ),
        (
            "StatusNotification",
            {"connectorId": 0, "status": "Unavailable", "errorCode": "InternalError"},
            ConnectorStatusChanged(EvseId(0), ConnectorId(0), ConnectorStatus.UNAVAILABLE, None, "InternalError"),
        ),
        (
            "StartTransaction",
            {"connectorId": 2, "idTag": "A", "meterStart": 1234, "timestamp": AT, "reservationId": 5},
            SessionStarted(
                EvseId(2), ConnectorId(1), SEVEN, PresentedToken(Token("A")), None, 1_234_000, reservation_id=5
            ),
        ),
        (
            "StopTransaction",
            {"transactionId": 17, "meterStop": 2234, "timestamp": AT, "idTag": "A", "reason": "EVDisconnected"},
            SessionEnded(TransactionId("17"), SEVEN, 2_234_000, "EVDisconnected", PresentedToken(Token("A"))),
        ),
    ],
)  # fmt: skip
def test_each_message_has_its_fact(action: str, payload: Any, fact: Fact) -> None:
    """Golden: 1.6's words end here."""
    assert fact_of(action, payload) == fact


def test_every_status_of_16_is_known() -> None:
    """1.6's detailed words are kept."""
    for word in (
        "Available",
        "Preparing",
        "Charging",
        "SuspendedEVSE",
        "SuspendedEV",
        "Finishing",
        "Reserved",
        "Faulted",
    ):
        fact = fact_of("StatusNotification", {"connectorId": 1, "status": word, "errorCode": "NoError"})
        assert isinstance(fact, ConnectorStatusChanged)
        assert fact.status is not ConnectorStatus.UNKNOWN


def test_transaction_data_travels_with_the_stop() -> None:
    """Registers of begin and end, in the order sent."""
    data = [
        {"timestamp": AT, "sampledValue": [{"value": "1", "context": "Transaction.Begin"}]},
        {"timestamp": AT, "sampledValue": [{"value": "2", "context": "Transaction.End"}]},
    ]
    fact = fact_of("StopTransaction", {"transactionId": 1, "meterStop": 2, "timestamp": AT, "transactionData": data})
    assert isinstance(fact, SessionEnded)
    assert [reading.register_milliwh for reading in fact.readings] == [1_000, 2_000]


@pytest.mark.parametrize(("number", "expected"), [(0, None), (-3, None), (9, 9), (2**40, None)])
def test_a_reservation_of_zero_is_none(number: int, expected: int | None) -> None:
    """Field note 8."""
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": AT, "reservationId": number}
    fact = fact_of("StartTransaction", payload)
    assert isinstance(fact, SessionStarted)
    assert fact.reservation_id == expected


@pytest.mark.parametrize(
    ("transaction", "expected"), [({}, None), ({"transactionId": 5}, "5"), ({"transactionId": 0}, None)]
)
def test_meter_values_with_and_without_a_transaction(transaction: Any, expected: str | None) -> None:
    """Without an id they are linked by EVSE and time, not dropped (field note 14)."""
    values = [{"timestamp": AT, "sampledValue": [{"value": "5"}]}]
    fact = fact_of("MeterValues", {"connectorId": 3, "meterValue": values, **transaction})
    assert isinstance(fact, EnergyMetered)
    assert (fact.evse_id, fact.transaction_id, len(fact.readings)) == (3, expected, 1)


@pytest.mark.parametrize(("meter", "milliwh"), [(-5, -5_000), (0, 0), (4 * 10**15, 4 * 10**18), (4 * 10**15 + 1, None)])
def test_registers_are_bounded_but_never_clamped(meter: int, milliwh: int | None) -> None:
    """A register below zero is for the sessions to judge; one that fits no bigint is none."""
    fact = fact_of("StopTransaction", {"transactionId": 1, "meterStop": meter, "timestamp": AT})
    assert isinstance(fact, SessionEnded)
    assert fact.register_end_milliwh == milliwh


def test_a_transaction_id_that_is_no_number_is_none() -> None:
    """The reader itself, without the schema before it."""
    intake = Intake(NOW)
    assert core.read_stop({"transactionId": "x"}, intake).transaction_id is None
    assert core.read_meter_values({"connectorId": "x", "transactionId": "7"}, intake)[:2] == (0, "7")

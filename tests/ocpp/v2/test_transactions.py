"""2.x: TransactionEvent and MeterValues to facts, whatever they look like."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from voltway.kernel.facts import (
    ChargingState,
    EnergyMetered,
    Fact,
    PresentedToken,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
)
from voltway.kernel.ids import ConnectorId, EvseId, Token, TransactionId
from voltway.ocpp import frame
from voltway.ocpp.frame import Call
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.versions import Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AT = "2026-03-02T07:00:00Z"
SEVEN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def understood(
    payload: Any, action: str = "TransactionEvent", version: Version = Version.V201
) -> tuple[Fact, list[str]]:
    call = frame.parse(orjson.dumps([2, "1", action, payload]), version)
    assert isinstance(call, Call)
    read = protocol_for(version).understand(call, NOW)
    return read.fact, [finding.code for finding in read.findings]


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": AT,
        "triggerReason": "ChargingStateChanged",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "t-1"},
        **fields,
    }


def values(context: str, wh: float) -> list[dict[str, Any]]:
    return [{"timestamp": AT, "sampledValue": [{"value": wh, "context": context}]}]


@pytest.mark.parametrize("version", [Version.V201, Version.V21])
def test_started(version: Version) -> None:
    """Golden: the Transaction.Begin reading is the begin register."""
    fact, codes = understood(
        event(
            "Started",
            evse={"id": 2, "connectorId": 1},
            idToken={"idToken": "A", "type": "eMAID"},
            meterValue=values("Transaction.Begin", 1.5),
            offline=True,
            reservationId=0,
            transactionInfo={"transactionId": "t-1", "chargingState": "EVConnected", "remoteStartId": 9},
        ),
        version=version,
    )
    assert isinstance(fact, SessionStarted)
    assert fact == SessionStarted(
        EvseId(2),
        ConnectorId(1),
        SEVEN,
        PresentedToken(Token("A"), "eMAID"),
        TransactionId("t-1"),
        1_500,
        fact.readings,
        3,
        ChargingState.EV_CONNECTED,
        offline=True,
        reservation_id=None,
        remote_start_id=9,
        trigger="ChargingStateChanged",
    )
    assert codes == []


def test_updated() -> None:
    """Golden: the message that comes most."""
    fact, codes = understood(
        event(
            "Updated",
            evse={"id": 2},
            meterValue=values("Sample.Periodic", 2),
            transactionInfo={"transactionId": "t-1", "chargingState": "SuspendedEV"},
        )
    )
    assert isinstance(fact, SessionUpdated)
    assert fact == SessionUpdated(
        EvseId(2), None, TransactionId("t-1"), SEVEN, fact.readings, 3, ChargingState.SUSPENDED_EV, None, False,
        "ChargingStateChanged",
    )  # fmt: skip
    assert [reading.register_milliwh for reading in fact.readings] == [2_000]
    assert codes == []


def test_ended() -> None:
    """Golden: the Transaction.End reading is the end register."""
    fact, codes = understood(
        event(
            "Ended",
            meterValue=values("Transaction.End", 2.5),
            idToken={"idToken": "", "type": "NoAuthorization"},
            transactionInfo={"transactionId": "t-1", "stoppedReason": "EVDisconnected"},
        )
    )
    assert isinstance(fact, SessionEnded)
    assert fact == SessionEnded(
        TransactionId("t-1"), SEVEN, 2_500, "EVDisconnected", PresentedToken(Token(""), "NoAuthorization"),
        fact.readings, 3, trigger="ChargingStateChanged",
    )  # fmt: skip
    assert codes == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"seqNo": None}, "sequence_missing"),
        ({"seqNo": -1}, "sequence_missing"),
        ({"seqNo": 2**40}, "sequence_missing"),
        ({"transactionInfo": {}}, "transaction_id_absent"),
        ({"transactionInfo": 5}, "transaction_id_absent"),
        ({"transactionInfo": {"transactionId": ""}}, "transaction_id_absent"),
        ({"transactionInfo": {"transactionId": "x" * 300}}, "transaction_id_absent"),
        ({"eventType": "Paused"}, "event_type_unknown"),
        ({"eventType": [1]}, "event_type_unknown"),
    ],
)
def test_an_event_without_its_key_is_energy_still(fields: dict[str, Any], code: str) -> None:
    """Keyed by its content, linked by EVSE and time: nothing that holds a register is dropped."""
    payload = {**event("Updated", evse={"id": 2}, meterValue=values("Sample.Periodic", 2)), **fields}
    fact, codes = understood(payload)
    assert isinstance(fact, EnergyMetered)
    assert (fact.evse_id, fact.readings[0].register_milliwh) == (2, 2_000)
    assert code in codes


def test_numbers_as_transaction_ids_are_read_as_texts() -> None:
    """Stations that came from 1.6 send their numbers."""
    fact, codes = understood(event("Ended", transactionInfo={"transactionId": 17}))
    assert isinstance(fact, SessionEnded)
    assert (fact.transaction_id, codes) == ("17", ["number_for_text"])


def test_a_transaction_id_is_neither_trimmed_nor_cut() -> None:
    """It is a key: `t ` and `t` may be two sessions."""
    for text in (" t ", "x" * 40):
        fact, _ = understood(event("Ended", transactionInfo={"transactionId": text}))
        assert isinstance(fact, SessionEnded)
        assert fact.transaction_id == text


def test_a_start_without_its_place_is_on_the_station() -> None:
    """Field note 11: a missing connector is not connector 1."""
    fact, codes = understood(event("Started"))
    assert isinstance(fact, SessionStarted)
    assert (fact.evse_id, fact.connector_id, codes) == (0, 0, ["evse_missing"])
    fact, _ = understood(event("Started", evse={"id": 2}, reservationId=4))
    assert isinstance(fact, SessionStarted)
    assert (fact.evse_id, fact.connector_id, fact.reservation_id) == (2, 1, 4)


def test_meter_values_name_their_evse() -> None:
    """2.x sends MeterValues outside of transactions."""
    fact, codes = understood({"evseId": 2, "meterValue": values("Sample.Clock", 7)}, "MeterValues")
    assert isinstance(fact, EnergyMetered)
    assert (fact.evse_id, fact.transaction_id, codes) == (2, None, [])
    fact, codes = understood({"meterValue": values("Sample.Clock", 7)}, "MeterValues")
    assert isinstance(fact, EnergyMetered)
    assert (fact.evse_id, codes) == (0, ["field_missing"])
    assert "evse_missing" in understood({"evseId": [], "meterValue": []}, "MeterValues")[1]


def test_a_token_as_bare_text() -> None:
    """Read as what it plainly is."""
    fact, codes = understood(event("Ended", idToken="A"))
    assert isinstance(fact, SessionEnded)
    assert fact.token == PresentedToken(Token("A"))
    assert "token_as_text" in codes


def test_odd_states_and_triggers_are_left_out() -> None:
    """An unknown word is a finding, not a reason to refuse."""
    info = {"transactionId": "t", "chargingState": ["x"]}
    fact, codes = understood(event("Updated", triggerReason=["x"], transactionInfo=info))
    assert isinstance(fact, SessionUpdated)
    assert (fact.charging_state, fact.trigger) == (None, "")
    assert "schema_violation" in codes

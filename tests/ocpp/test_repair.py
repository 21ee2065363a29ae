"""Rows 7 to 18 of the checklist: what stations really send, what we make of it, and by which name it is counted."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    Notified,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StationBooted,
    TokenPresented,
    VariablesReported,
)
from voltway.ocpp import frame
from voltway.ocpp.frame import Call
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.versions import Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AT = "2026-03-02T07:00:00Z"


def understood(version: Version, action: str, payload: Any) -> tuple[Fact, set[str]]:
    """Return the fact and the codes of its findings; the payload may be JSON text, for numbers no writer takes."""
    body = payload if isinstance(payload, str) else orjson.dumps(payload).decode()
    call = frame.parse(f'[2,"1","{action}",{body}]', version)
    assert isinstance(call, Call)
    read = protocol_for(version).understand(call, NOW)
    return read.fact, {finding.code for finding in read.findings}


STOP = {"transactionId": 7, "meterStop": 5, "timestamp": AT}


@pytest.mark.parametrize(
    ("number", "transaction_id", "codes"),
    [
        ("7", "7", set()),
        ("2147483647", "2147483647", set()),
        ("0", None, {"transaction_id_absent"}),
        ("-1", None, {"transaction_id_absent"}),
        ("2147483648", None, {"transaction_id_out_of_range"}),
        ("9223372036854775807", None, {"transaction_id_out_of_range"}),
        ("99999999999999999999999", None, {"schema_violation", "number_out_of_range"}),
        ('"7"', "7", {"text_for_number"}),
        ("null", None, {"null_field", "schema_violation"}),
    ],
)
def test_row_7_a_stop_with_any_id_is_a_stop(number: str, transaction_id: str | None, codes: set[str]) -> None:
    """Stored and answered; matched later by other means where there is no id."""
    body = f'{{"transactionId":{number},"meterStop":5,"timestamp":"{AT}"}}'
    fact, found = understood(Version.V16, "StopTransaction", body)
    assert isinstance(fact, SessionEnded)
    assert (fact.transaction_id, fact.register_end_milliwh) == (transaction_id, 5_000)
    assert found == codes


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        (AT, "2026-03-02T07:00:00+00:00", None),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00", "timestamp_implausible"),
        ("2099-01-01T00:00:00Z", "2099-01-01T00:00:00+00:00", "timestamp_implausible"),
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00+00:00", None),
        ("2026-03-02T07:00:00", "2026-03-02T07:00:00+00:00", "timestamp_without_zone"),
        ("2026-03-02T17:00:00+10:00", "2026-03-02T07:00:00+00:00", None),
        ("2026-03-02T07:00:00.123Z", "2026-03-02T07:00:00.123000+00:00", None),
        ("2026-03-02T08:00:00+0100", "2026-03-02T07:00:00+00:00", "timestamp_malformed"),
        ("2026-03-02 07:00:00Z", "2026-03-02T07:00:00+00:00", "timestamp_malformed"),
        ("", "2026-03-02T08:00:00+00:00", "timestamp_missing"),
        ("soon", "2026-03-02T08:00:00+00:00", "timestamp_unreadable"),
        ([], "2026-03-02T08:00:00+00:00", "timestamp_unreadable"),
        (None, "2026-03-02T08:00:00+00:00", "null_field"),
    ],
)
def test_row_9_timestamps_are_normalised_and_flagged(text: Any, expected: str, code: str | None) -> None:
    """In both versions, in transaction messages: never refused."""
    fact, codes = understood(Version.V16, "StopTransaction", {**STOP, "timestamp": text})
    assert isinstance(fact, SessionEnded)
    assert fact.reported_at.isoformat() == expected
    assert codes - {"timestamp_missing"} == ({code} if code else set()) - {"timestamp_missing"}
    info = {"transactionId": "t"}
    event = {"eventType": "Updated", "triggerReason": "Trigger", "seqNo": 1, "transactionInfo": info, "timestamp": text}
    updated, _ = understood(Version.V201, "TransactionEvent", event)
    assert isinstance(updated, SessionUpdated)
    assert updated.reported_at.isoformat() == expected


@pytest.mark.parametrize(
    ("sample", "milliwh", "code"),
    [
        ({"value": 12.5}, 12_500, "number_for_text"),
        ({"value": " 12.5"}, 12_500, "value_padded"),
        ({"value": "12,5"}, 12_500, "value_with_comma"),
        ({"value": ""}, None, "value_empty"),
        ({"value": "NaN"}, None, "value_not_a_number"),
        ({"value": None}, None, "null_field"),
        ({"value": "12.5", "unit": None}, 12_500, "null_field"),
        ({"value": "12.5", "vendor": 1}, 12_500, "field_unknown"),
        ({"value": "12.5", "unit": "KWH"}, 12_500_000, "enum_spelling"),
        ({"value": "12.5", "context": "Whenever"}, 12_500, "enum_unknown"),
        ({"value": "12.5", "unit": "Wh "}, 12_500, "enum_spelling"),
        ({"value": "50", "measurand": "Frequency", "unit": "Hz"}, None, "enum_unknown"),
        ({"value": "9", "measurand": "Made.Up"}, None, "enum_unknown"),
    ],
)
def test_rows_10_and_11_odd_values_are_kept_and_counted(sample: Any, milliwh: int | None, code: str) -> None:
    """A number where it is safe, raw in any case."""
    payload = {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": [sample]}]}
    fact, codes = understood(Version.V16, "MeterValues", payload)
    assert isinstance(fact, EnergyMetered)
    (reading,) = fact.readings
    assert reading.register_milliwh == milliwh
    assert code in codes
    assert milliwh is not None or reading.extra is not None


@pytest.mark.parametrize(
    ("id_tag", "token", "code"),
    [
        ("04a3b2", "04a3b2", None),
        (" 04A3B2 ", "04A3B2", "token_padded"),
        ("x" * 21, "x" * 21, "identity_too_long"),
        (4711, "4711", "number_for_text"),
    ],
)
def test_row_15_tokens_are_trimmed_but_never_cut(id_tag: Any, token: str, code: str | None) -> None:
    """Cut, a token could be somebody else's."""
    fact, codes = understood(Version.V16, "Authorize", {"idTag": id_tag})
    assert isinstance(fact, TokenPresented)
    assert (fact.token.token, codes) == (token, {code} if code else set())
    start = {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": AT}
    started, _ = understood(Version.V16, "StartTransaction", start)
    assert isinstance(started, SessionStarted)
    assert started.token is not None
    assert started.token.token == token


@pytest.mark.parametrize(
    ("payload", "evse_id", "status", "error_code", "codes"),
    [
        ({"connectorId": 0, "status": "Available", "errorCode": "NoError"}, 0, "AVAILABLE", "NoError", set()),
        ({"connectorId": 99, "status": "Available", "errorCode": "NoError"}, 99, "AVAILABLE", "NoError", set()),
        ({"connectorId": 1, "status": "Available"}, 1, "AVAILABLE", "NoError", {"field_missing"}),
        ({"connectorId": 1, "status": "Faulted"}, 1, "FAULTED", "OtherError", {"field_missing"}),
        ({"connectorId": 1, "status": "Faulted", "errorCode": "Error"}, 1, "FAULTED", "OtherError", {"enum_unknown"}),
        ({"connectorId": 1, "status": "charging", "errorCode": "NoError"}, 1, "CHARGING", "NoError", {"enum_spelling"}),
        ({"connectorId": 1, "status": "Dreaming", "errorCode": "NoError"}, 1, "UNKNOWN", "NoError", {"enum_unknown"}),
        ({"ConnectorID": 1, "status": "Faulted", "errorCode": "NoError"}, 1, "FAULTED", "NoError", {"field_spelling"}),
        ({"status": "Available", "errorCode": "NoError"}, 0, "AVAILABLE", "NoError", {"field_missing"}),
        ({"connectorId": -1, "status": "Available", "errorCode": "NoError"}, 0, "AVAILABLE", "NoError", None),
        (
            {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": "", "info": None},
            1, "AVAILABLE", "NoError", {"timestamp_missing", "null_field"},
        ),
    ],
)  # fmt: skip
def test_rows_11_and_16_any_status_notification_is_understood(
    payload: Any, evse_id: int, status: str, error_code: str, codes: set[str] | None
) -> None:
    """Without a time, without an error code, for the station or for a connector nobody knows."""
    fact, found = understood(Version.V16, "StatusNotification", payload)
    assert isinstance(fact, ConnectorStatusChanged)
    assert (fact.evse_id, fact.status, fact.error_code) == (evse_id, ConnectorStatus[status], error_code)
    assert fact.reported_at is None
    assert codes is None or found == codes


@pytest.mark.parametrize(
    ("payload", "vendor", "serial", "code"),
    [
        ({"chargePointVendor": "V" * 30, "chargePointModel": "M"}, "V" * 20, None, "text_too_long"),
        ({"chargePointVendor": "V" + " " * 30, "chargePointModel": "M"}, "V", None, "text_padded"),
        ({"chargePointModel": "M"}, "", None, "field_missing"),
        ({"chargePointVendor": True, "chargePointModel": "M"}, "true", None, "number_for_text"),
        (
            {"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "S" * 26},
            "V", "S" * 25, "text_too_long",
        ),
        ({"chargePointVendor": "V", "chargePointModel": "M", "imsi": None}, "V", None, "null_field"),
    ],
)  # fmt: skip
def test_odd_boots_are_understood(payload: Any, vendor: str, serial: str | None, code: str) -> None:
    """Field note 17: a serial of 26 characters must not keep a station out."""
    fact, codes = understood(Version.V16, "BootNotification", payload)
    assert isinstance(fact, StationBooted)
    assert (fact.vendor, fact.serial, codes) == (vendor, serial, {code})


def test_messages_in_the_shape_of_16_on_a_2_socket() -> None:
    """Field note 2: FoxESS speaks 1.6's shapes under 2.0.1."""
    fact, codes = understood(
        Version.V201, "StatusNotification", {"connectorId": 2, "status": "Charging", "timestamp": AT}
    )
    assert isinstance(fact, ConnectorStatusChanged)
    assert (fact.evse_id, fact.connector_id, fact.status) == (2, 1, ConnectorStatus.OCCUPIED)
    assert codes == {"shape_of_16"}
    fact, _ = understood(Version.V201, "StatusNotification", {"connectorId": 0, "status": "Odd", "timestamp": AT})
    assert isinstance(fact, ConnectorStatusChanged)
    assert (fact.evse_id, fact.connector_id, fact.status) == (0, 0, ConnectorStatus.UNAVAILABLE)
    fact, _ = understood(Version.V201, "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert isinstance(fact, StationBooted)
    assert (fact.vendor, fact.model, fact.reason) == ("V", "M", "Unknown")
    fact, _ = understood(Version.V201, "Authorize", {"idTag": "A"})
    assert isinstance(fact, TokenPresented)
    assert fact.token.token == "A"
    meter = {"connectorId": 2, "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "5", "unit": "kWh"}]}]}
    fact, codes = understood(Version.V201, "MeterValues", meter)
    assert isinstance(fact, EnergyMetered)
    assert (fact.evse_id, fact.readings[0].register_milliwh) == (2, 5_000_000)
    assert {"shape_of_16", "text_for_number", "field_unknown"} >= codes


@pytest.mark.parametrize(
    ("action", "payload", "codes"),
    [
        ("DataTransfer", {"vendorId": "V", "data": {"a": 1}}, {"object_for_text"}),
        ("DataTransfer", {"data": "x"}, {"field_missing"}),
        ("LogStatusNotification", {"status": "Idle", "requestId": "7"}, {"text_for_number"}),
        ("LogStatusNotification", {"status": "Idle", "requestId": 7.0}, set()),
        ("LogStatusNotification", {"status": "Idle", "requestId": 1e300, "x": 7}, {"field_unknown"}),
        ("LogStatusNotification", {"status": "Idle", "requestId": "7.0", "x": 7}, {"text_for_number", "field_unknown"}),
        ("DiagnosticsStatusNotification", {"status": "Sleeping"}, {"enum_unknown"}),
        ("SecurityEventNotification", {"type": "Odd"}, {"timestamp_missing"}),
    ],
)
def test_odd_notices_of_16_are_events(action: str, payload: Any, codes: set[str]) -> None:
    """An event is kept under its name."""
    fact, found = understood(Version.V16, action, payload)
    assert isinstance(fact, Notified)
    assert (fact.action, found) == (action, codes)


@pytest.mark.parametrize(
    ("action", "payload", "codes"),
    [
        ("NotifyReport", {"generatedAt": AT, "tbc": "true"}, {"text_for_boolean", "field_missing"}),
        ("NotifyReport", {"generatedAt": AT, "requestId": 1, "seqNo": 0, "reportData": []}, {"empty_list"}),
        (
            "NotifyReport",
            {"generatedAt": AT, "requestId": 1, "seqNo": 0, "reportData": [None]},
            {"null_field", "empty_list"},
        ),
        ("NotifyReport", {"generatedAt": AT, "requestId": 1, "seqNo": 0, "customData": {}}, {"custom_data_invalid"}),
    ],
)
def test_odd_reports_are_reports(action: str, payload: Any, codes: set[str]) -> None:
    """The device model comes in many messages: one odd field must not cost one of them."""
    fact, found = understood(Version.V201, action, payload)
    assert isinstance(fact, VariablesReported)
    assert found == codes


def test_a_single_object_where_a_list_was_wanted() -> None:
    """Read as a list of one."""
    meter = {"connectorId": 1, "meterValue": {"timestamp": AT, "sampledValue": {"value": "5"}}}
    fact, codes = understood(Version.V16, "MeterValues", meter)
    assert isinstance(fact, EnergyMetered)
    assert (fact.readings[0].register_milliwh, codes) == (5_000, {"object_for_list"})


def test_numbers_as_texts_with_a_comma() -> None:
    """2.1's limits are numbers; a comma is read as a point."""
    payload = {"id": 1, "pending": 0, "basetime": AT, "data": [{"t": "1,5", "v": 2}]}
    call = frame.parse(orjson.dumps([6, "1", "NotifyPeriodicEventStream", payload]), Version.V21)
    assert isinstance(call, Call)
    read = protocol_for(Version.V21).understand(call, NOW)
    assert isinstance(read.fact, Notified)
    assert read.fact.data["data"] == [{"t": 1.5, "v": "2"}]


def test_customers_own_data_may_stay() -> None:
    """`customData` with a vendor is the standard's way to add fields: no finding."""
    payload = {"customData": {"vendorId": "V", "anything": [1]}}
    assert understood(Version.V201, "Heartbeat", payload)[1] == set()
    assert understood(Version.V201, "Heartbeat", {**payload, "x": 1})[1] == {"field_unknown"}


@pytest.mark.parametrize("junk", [{}, {"a": 1}, {"meterValue": 5}, {"timestamp": []}])
@pytest.mark.parametrize(
    ("version", "action"),
    [
        (Version.V16, "StartTransaction"),
        (Version.V16, "StopTransaction"),
        (Version.V16, "MeterValues"),
        (Version.V201, "TransactionEvent"),
        (Version.V21, "MeterValues"),
    ],
)
def test_a_transaction_message_is_always_a_fact(version: Version, action: str, junk: Any) -> None:
    """Field note 8: a refused one is repeated for ever. What is wrong is named."""
    fact, codes = understood(version, action, junk)
    assert isinstance(fact, (SessionStarted, SessionEnded, EnergyMetered))
    assert "schema_violation" in codes

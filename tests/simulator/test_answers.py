"""Commands: every answer is valid, and what was answered is then done."""

from typing import Any

import pytest
from tests.simulator.stage import Stage

from voltway.simulator.answers16 import ANSWERS_16
from voltway.simulator.answers201 import ANSWERS_201
from voltway.simulator.bay import Bay
from voltway.simulator.session import Status
from voltway.simulator.specs import FAST_150, Version
from voltway.simulator.visits import QUICK, Pace

CALM = Pace(gap_s=(3, 4), draw_s=(500, 600), overstay_s=(10, 20), sample_interval_s=5, fault_share=0, offline_share=0)
EMPTY = Pace(
    gap_s=(9000, 9001), draw_s=(40, 50), overstay_s=(5, 6), sample_interval_s=5, fault_share=0, offline_share=0
)
NOW = "2026-11-02T09:00:30Z"
LATER = "2026-11-03T09:00:00Z"
SCHEDULE = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000.0}]}
PROFILE_16 = {
    "chargingProfileId": 7,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {**SCHEDULE, "startSchedule": "2026-11-02T09:00:00Z"},
}
PROFILE_201 = {
    "id": 7,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [{**SCHEDULE, "id": 1, "startSchedule": "2026-11-02T09:00:00Z"}],
}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1"}
TOKEN = {"idToken": "REMOTE-1", "type": "Central"}
VARIABLE = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
LOG = {"remoteLocation": "https://example.org/logs"}
CALLS_16: dict[str, dict[str, Any]] = {
    "RemoteStartTransaction": {"idTag": "REMOTE-1", "connectorId": 2},
    "RemoteStopTransaction": {"transactionId": 999},
    "Reset": {"type": "Soft"},
    "UnlockConnector": {"connectorId": 1},
    "ChangeAvailability": {"connectorId": 1, "type": "Inoperative"},
    "TriggerMessage": {"requestedMessage": "StatusNotification"},
    "ExtendedTriggerMessage": {"requestedMessage": "LogStatusNotification"},
    "GetConfiguration": {"key": ["HeartbeatInterval", "Nonsense"]},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "20"},
    "ClearCache": {},
    "DataTransfer": {"vendorId": "org.example"},
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE_16},
    "ClearChargingProfile": {"id": 7},
    "GetCompositeSchedule": {"connectorId": 1, "duration": 3600},
    "ReserveNow": {"connectorId": 1, "expiryDate": LATER, "idTag": "R", "reservationId": 1},
    "CancelReservation": {"reservationId": 1},
    "SendLocalList": {"listVersion": 4, "updateType": "Full"},
    "GetLocalListVersion": {},
    "GetDiagnostics": {"location": "ftp://example.org/"},
    "UpdateFirmware": {"location": "https://example.org/fw", "retrieveDate": NOW},
    "GetLog": {"logType": "DiagnosticsLog", "requestId": 1, "log": LOG},
    "SignedUpdateFirmware": {
        "requestId": 2,
        "firmware": {
            "location": "https://example.org/fw",
            "retrieveDateTime": NOW,
            "signingCertificate": "c",
            "signature": "s",
        },
    },
    "CertificateSigned": {"certificateChain": "c"},
    "InstallCertificate": {"certificateType": "CentralSystemRootCertificate", "certificate": "c"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
}
CALLS_201: dict[str, dict[str, Any]] = {
    "RequestStartTransaction": {"idToken": TOKEN, "remoteStartId": 5, "evseId": 2},
    "RequestStopTransaction": {"transactionId": "nobody"},
    "Reset": {"type": "OnIdle"},
    "UnlockConnector": {"evseId": 1, "connectorId": 1},
    "ChangeAvailability": {"operationalStatus": "Inoperative", "evse": {"id": 1}},
    "TriggerMessage": {"requestedMessage": "TransactionEvent"},
    "GetVariables": {"getVariableData": [VARIABLE, {"component": {"name": "X"}, "variable": {"name": "Y"}}]},
    "SetVariables": {"setVariableData": [{**VARIABLE, "attributeValue": "9"}]},
    "GetBaseReport": {"requestId": 1, "reportBase": "FullInventory"},
    "GetReport": {"requestId": 2},
    "GetMonitoringReport": {"requestId": 3},
    "SetMonitoringBase": {"monitoringBase": "All"},
    "SetMonitoringLevel": {"severity": 4},
    "SetVariableMonitoring": {"setMonitoringData": [{**VARIABLE, "value": 1, "type": "Delta", "severity": 5}]},
    "ClearVariableMonitoring": {"id": [1]},
    "SetNetworkProfile": {
        "configurationSlot": 1,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": "wss://example.org",
            "messageTimeout": 30,
            "securityProfile": 1,
            "ocppInterface": "Wired0",
        },
    },
    "SetChargingProfile": {"evseId": 1, "chargingProfile": PROFILE_201},
    "ClearChargingProfile": {"chargingProfileId": 7},
    "GetChargingProfiles": {"requestId": 4, "chargingProfile": {}},
    "GetCompositeSchedule": {"evseId": 1, "duration": 3600},
    "ReserveNow": {"id": 1, "expiryDateTime": LATER, "idToken": TOKEN, "evseId": 1},
    "CancelReservation": {"reservationId": 1},
    "SendLocalList": {"versionNumber": 4, "updateType": "Full"},
    "GetLocalListVersion": {},
    "ClearCache": {},
    "GetLog": {"logType": "DiagnosticsLog", "requestId": 5, "log": LOG},
    "UpdateFirmware": {"requestId": 6, "firmware": {"location": "https://example.org/fw", "retrieveDateTime": NOW}},
    "PublishFirmware": {"location": "https://example.org/fw", "checksum": "c", "requestId": 7},
    "UnpublishFirmware": {"checksum": "c"},
    "GetTransactionStatus": {},
    "CustomerInformation": {"requestId": 8, "report": True, "clear": False},
    "CostUpdated": {"totalCost": 1.5, "transactionId": "x"},
    "SetDisplayMessage": {
        "message": {"id": 1, "priority": "AlwaysFront", "message": {"format": "UTF8", "content": "Hello"}}
    },
    "GetDisplayMessages": {"requestId": 9},
    "ClearDisplayMessage": {"id": 1},
    "CertificateSigned": {"certificateChain": "c"},
    "InstallCertificate": {"certificateType": "CSMSRootCertificate", "certificate": "c"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "GetInstalledCertificateIds": {},
    "DataTransfer": {"vendorId": "org.example"},
}
ALL = [(Version.V16, action, payload) for action, payload in CALLS_16.items()] + [
    (Version.V201, action, payload) for action, payload in CALLS_201.items()
]
BOTH = pytest.mark.parametrize("version", list(Version))


def ready(version: Version, pace: Pace = CALM, *, seconds: float = 20) -> Stage:
    """Return a stage whose station is up; with the calm pace its cars charge for ten minutes."""
    stage = Stage(version, pace=pace)
    stage.station.start()
    stage.play(seconds)
    return stage


def ask(stage: Stage, action: str, payload: dict[str, Any]) -> Any:
    """Call the station, let a moment pass and return its answer."""
    message_id = stage.server.call("SIM-00001", action, payload)
    wire = stage.server.wires["SIM-00001"]
    stage.play(0.05)
    return wire.answers[message_id]


def test_every_command_of_both_versions_has_a_case() -> None:
    """The tables of this test and of the stations hold the same actions."""
    assert CALLS_16.keys() == ANSWERS_16.keys()
    assert CALLS_201.keys() == ANSWERS_201.keys()


@pytest.mark.parametrize(("version", "action", "payload"), ALL)
def test_answers_and_what_follows_are_valid(version: Version, action: str, payload: dict[str, Any]) -> None:
    """Every command is answered by a valid CALLRESULT, and all that the station then sends is valid too."""
    stage = ready(version)
    answer = ask(stage, action, payload)
    assert isinstance(answer, dict), answer
    stage.play(30)
    stage.end()
    assert stage.server.faults == []
    assert stage.world.tally.sent == stage.world.tally.answered


@BOTH
def test_unknown_action_and_nonsense_are_refused(version: Version) -> None:
    """What a station does not know is NotImplemented; what it cannot read is a formation violation."""
    stage = ready(version)
    wire = stage.server.wires["SIM-00001"]
    wire.answers.update({"a": "", "b": ""})
    wire.listener.on_frame(wire, b'[2,"a","BrewCoffee",{}]')
    wire.listener.on_frame(wire, b'[2,"b","ChangeAvailability",{}]')
    stage.play(0.1)
    assert wire.answers["a"][0] == "NotImplemented"
    assert wire.answers["b"][0] == ("FormationViolation" if version is Version.V16 else "FormatViolation")


@BOTH
def test_remote_start_and_stop(version: Version) -> None:
    """A remote start brings a session for that token, a remote stop ends it with the reason Remote."""
    stage = ready(version, EMPTY)
    is_16 = version is Version.V16
    start = CALLS_16["RemoteStartTransaction"] if is_16 else CALLS_201["RequestStartTransaction"]
    assert ask(stage, "RemoteStartTransaction" if is_16 else "RequestStartTransaction", start)["status"] == "Accepted"
    stage.play(10)
    session = stage.station.bays[1].session
    assert session is not None
    assert session.token == "REMOTE-1"
    assert session.transaction_id is not None
    wire_id: Any = int(session.transaction_id) if is_16 else session.transaction_id
    stop = "RemoteStopTransaction" if is_16 else "RequestStopTransaction"
    assert ask(stage, stop, {"transactionId": wire_id})["status"] == "Accepted"
    stage.play(2)
    last = stage.server.of("StopTransaction", "TransactionEvent")[-1].payload
    assert last["reason" if is_16 else "eventType"] == ("Remote" if is_16 else "Ended")
    assert stage.book.sessions[-1].token == "REMOTE-1"
    if not is_16:
        started = next(h.payload for h in stage.server.of("TransactionEvent"))
        assert started["transactionInfo"]["remoteStartId"] == 5
        assert last["transactionInfo"]["stoppedReason"] == "Remote"


@BOTH
def test_a_profile_limits_the_power_and_zero_pauses(version: Version) -> None:
    """A charging profile really limits; a limit of zero pauses the session as SuspendedEVSE, without idle time."""
    stage = ready(version)
    is_16 = version is Version.V16
    bay = stage.station.bays[0]
    before_w = bay.power_w
    assert before_w > 3000
    set_profile(stage, 3000.0 if bay.phases == 1 else 5000.0)
    assert 0 < bay.power_w <= 5000.0
    set_profile(stage, 0.0)
    assert bay.power_w == 0
    assert status_of(bay) == "SuspendedEVSE"
    register = bay.register_milliwh
    stage.play(60)
    assert bay.register_milliwh == register
    schedule = ask(stage, "GetCompositeSchedule", {("connectorId" if is_16 else "evseId"): 1, "duration": 600})
    body = schedule["chargingSchedule" if is_16 else "schedule"]
    assert body["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 0.0}]
    assert ask(stage, "ClearChargingProfile", {"id": 7} if is_16 else {"chargingProfileId": 7})["status"] == "Accepted"
    assert bay.power_w == before_w
    assert status_of(bay) == "Charging"
    stage.end()
    assert all(truth.idle_ms == 0 for truth in stage.book.sessions)
    assert stage.server.faults == []


def status_of(bay: Bay) -> str:
    """The status in words, which the type checker does not remember from the last look."""
    return bay.status.value


def set_profile(stage: Stage, limit_w: float) -> None:
    """Set the default profile of EVSE 1."""
    schedule = {**SCHEDULE, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_w}]}
    start = {"startSchedule": "2026-11-02T09:00:00Z"}
    if stage.version is Version.V16:
        profile = {**PROFILE_16, "chargingSchedule": {**schedule, **start}}
        answer = ask(stage, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    else:
        profile = {**PROFILE_201, "chargingSchedule": [{**schedule, **start, "id": 1}]}
        answer = ask(stage, "SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
    assert answer["status"] == "Accepted"


@BOTH
def test_reset_ends_sessions_and_boots_again(version: Version) -> None:
    """A hard reset stops what runs, comes back with a boot and reports its state."""
    stage = ready(version)
    assert ask(stage, "Reset", {"type": "Hard" if version is Version.V16 else "Immediate"})["status"] == "Accepted"
    stage.play(10)
    assert len(stage.book.sessions) == 2
    boots = stage.server.of("BootNotification")
    assert len(boots) == 2
    assert boots[1].payload.get("reason") in {None, "RemoteReset"}


def test_reset_on_idle_waits_for_the_sessions() -> None:
    """2.0.1's OnIdle reset is scheduled and happens when the last session has ended."""
    stage = ready(Version.V201)
    assert ask(stage, "Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    stage.play(30)
    assert len(stage.server.of("BootNotification")) == 1
    for bay in stage.station.bays:
        bay.stop("Local")
    stage.play(10)
    boots = stage.server.of("BootNotification")
    assert boots[1].payload["reason"] == "ScheduledReset"


@BOTH
def test_availability_is_kept_until_the_session_ends(version: Version) -> None:
    """A change during a session is scheduled, then the EVSE is unavailable and no car starts there."""
    stage = ready(version)
    is_16 = version is Version.V16
    down = CALLS_16["ChangeAvailability"] if is_16 else CALLS_201["ChangeAvailability"]
    assert ask(stage, "ChangeAvailability", down)["status"] == "Scheduled"
    bay = stage.station.bays[0]
    bay.stop("Local")
    stage.play(30)
    assert bay.status is Status.UNAVAILABLE
    assert bay.session is None
    up = {**down, "type": "Operative"} if is_16 else {**down, "operationalStatus": "Operative"}
    assert ask(stage, "ChangeAvailability", up)["status"] == "Accepted"
    stage.play(15)
    assert bay.session is not None


@BOTH
def test_the_sample_interval_is_obeyed(version: Version) -> None:
    """A new interval of meter values holds from the next reading on."""
    stage = ready(version)
    if version is Version.V16:
        answer = ask(stage, "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"})
        assert answer["status"] == "Accepted"
    else:
        answer = ask(stage, "SetVariables", {"setVariableData": [{**VARIABLE, "attributeValue": "30"}]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    stage.play(10)
    before = len(stage.server.of("MeterValues", "TransactionEvent"))
    stage.play(120)
    assert 6 <= len(stage.server.of("MeterValues", "TransactionEvent")) - before <= 10


@BOTH
def test_a_new_password_is_used_from_the_next_connection(version: Version) -> None:
    """The key of Basic authentication is replaced on command; 1.6 sends it in hexadecimal."""
    stage = ready(version)
    if version is Version.V16:
        ask(stage, "ChangeConfiguration", {"key": "AuthorizationKey", "value": "ff00fe"})
    else:
        secret = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        ask(stage, "SetVariables", {"setVariableData": [{**secret, "attributeValue": "new"}]})
    stage.play(10)
    expected = b"\xff\x00\xfe" if version is Version.V16 else b"new"
    assert stage.server.endpoints[-1].authorization == b"SIM-00001:" + expected


@BOTH
def test_reservations_hold_the_evse(version: Version) -> None:
    """A reserved EVSE takes no car until the reservation is cancelled; a busy one says so."""
    stage = ready(version, EMPTY)
    is_16 = version is Version.V16
    wanted = (CALLS_16 if is_16 else CALLS_201)["ReserveNow"]
    assert ask(stage, "ReserveNow", wanted)["status"] == "Accepted"
    assert ask(stage, "ReserveNow", wanted)["status"] == "Occupied"
    assert stage.station.bays[0].status is Status.RESERVED
    assert ask(stage, "CancelReservation", {"reservationId": 1})["status"] == "Accepted"
    assert ask(stage, "CancelReservation", {"reservationId": 1})["status"] == "Rejected"


def test_dc_stations_report_the_state_of_charge() -> None:
    """On DC the readings carry SoC, and power follows the car's curve down."""
    stage = Stage(Version.V16, build=FAST_150, pace=QUICK)
    stage.station.start()
    stage.play(120)
    measurands = {
        sample["measurand"]
        for heard in stage.server.of("MeterValues")
        for sample in heard.payload["meterValue"][0]["sampledValue"]
    }
    assert {"SoC", "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage"} <= measurands

"""Every cause the desk can name, told as facts in a real database and asked for over the API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.httpapi.client import running_api
from tests.monitoring.support.desk import TRANSACTION, Desk, ask_desk, minute, support_router

from voltway.monitoring.support.model import Cause

Story = Callable[[Desk], object]
BY_SESSION = {"session_id": TRANSACTION}
BY_TOKEN = {"token": "AA", "at": minute(0).isoformat()}
BY_STATION = {"station_id": "CP-1", "at": minute(0).isoformat()}


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    told = Desk(database_url)
    yield told
    told.close()


def _all(*steps: Story) -> Story:
    def tell(desk: Desk) -> None:
        for step in steps:
            step(desk)

    return tell


# (cause, outcome, confidence, what happened, a part of the sentence)
SESSIONS: list[tuple[Cause, str, str, Story, str]] = [
    # the reason of the station, in both versions' words
    (Cause.EMERGENCY_STOP, "cut", "certain", lambda d: d.session(60, "EmergencyStop"), "emergency stop was pressed"),
    (Cause.POWER_LOSS, "cut", "certain", lambda d: d.session(60, "PowerLoss"), "lost its power supply"),
    (Cause.POWER_QUALITY, "cut", "certain", lambda d: d.session(60, "PowerQuality"), "voltage or frequency"),
    (Cause.GROUND_FAULT, "cut", "certain", lambda d: d.session(60, "GroundFault"), "residual current"),
    (Cause.OVERCURRENT, "cut", "certain", lambda d: d.session(60, "OvercurrentFault"), "more current than allowed"),
    (Cause.OUT_OF_CREDIT, "cut", "certain", lambda d: d.session(60, "LocalOutOfCredit"), "credit was used up"),
    (Cause.MASTER_PASS, "cut", "certain", lambda d: d.session(60, "MasterPass"), "staff with a master card"),
    (Cause.TIME_LIMIT, "normal", "certain", lambda d: d.session(60, "TimeLimitReached"), "time limit"),
    (Cause.ENERGY_LIMIT, "normal", "certain", lambda d: d.session(60, "EnergyLimitReached"), "energy limit"),
    (Cause.SOC_LIMIT, "normal", "certain", lambda d: d.session(60, "SOCLimitReached", soc_pct=80), "battery at 80 %"),
    (Cause.TRANSFER_REJECTED, "cut", "certain", lambda d: d.session(60, "ReqEnergyTransferRejected"), "was rejected"),
    (Cause.UNPLUGGED, "normal", "certain",
     lambda d: d.session(60, "EVDisconnected"), "unplugged while it was charging"),
    (Cause.STOPPED_BY_CAR, "normal", "certain", lambda d: d.session(60, "StoppedByEV"), "ended by the car"),
    (Cause.STOPPED_BY_DRIVER, "normal", "certain", lambda d: d.session(60, "Local"), "stopped by the driver"),
    (Cause.STOPPED_BY_DRIVER, "normal", "likely", lambda d: d.session(60, None), "stopped by the driver"),
    # the trigger of 2.x, where the reason says nothing
    (Cause.COST_LIMIT, "normal", "certain",
     _all(lambda d: d.session(60, "Other"), lambda d: d.event_201(60, "Ended", "CostLimitReached", "Other")),
     "cost limit"),
    (Cause.TARIFF_REFUSED, "cut", "certain",
     _all(lambda d: d.session(60, "Other"), lambda d: d.event_201(60, "Ended", "TariffNotAccepted", "Other")),
     "did not accept the tariff"),
    (Cause.EV_LOST, "cut", "certain",
     _all(lambda d: d.session(60, None), lambda d: d.event_201(60, "Ended", "EVCommunicationLost")), "stopped talking"),
    (Cause.UNPLUGGED, "normal", "certain",
     _all(lambda d: d.session(60, None), lambda d: d.event_201(60, "Ended", "EVDeparted")), "unplugged"),
    # commands of ours, and others'
    (Cause.STOPPED_BY_US, "cut", "certain",
     _all(lambda d: d.session(60, "Remote"),
          lambda d: d.ask(59, "stop", {"transaction_id": "77"}, action="RemoteStopTransaction")), "by Mia, from afar"),
    (Cause.STOPPED_BY_US, "cut", "certain",
     _all(lambda d: d.session(60, None), lambda d: d.event_201(60, "Ended", "RemoteStop"),
          lambda d: d.ask(59, "stop", {"transaction_id": "77"})), "by Mia"),
    (Cause.STOPPED_REMOTELY, "cut", "certain",
     _all(lambda d: d.session(60, "Remote"), lambda d: d.ask(59, "stop", {"transaction_id": "78"}),
          lambda d: d.ask(59, "stop", {"transaction_id": "77"}, status="Rejected")), "no stop of ours"),
    (Cause.RESET_BY_US, "cut", "certain",
     _all(lambda d: d.session(60, "HardReset"), lambda d: d.ask(58, "reset", {"kind": "hard"}, action="Reset")),
     "Mia reset the station"),
    (Cause.RESET_BY_US, "cut", "certain",
     _all(lambda d: d.session(60, "Reboot"), lambda d: d.ask(59, "reset", {"kind": "soft"}, by="remedies")),
     "remedies"),
    (Cause.RESET, "cut", "certain", lambda d: d.session(60, "SoftReset"), "did not come from us"),
    (Cause.RESET, "cut", "certain",
     _all(lambda d: d.session(60, "ImmediateReset"), lambda d: d.ask(20, "reset", {})), "did not come from us"),
    (Cause.UNLOCKED_BY_US, "cut", "certain",
     _all(lambda d: d.session(60, "UnlockCommand"), lambda d: d.ask(60, "unlock", {"evse_id": 1}, status="Unlocked")),
     "Mia unlocked"),
    (Cause.UNLOCKED, "cut", "certain",
     _all(lambda d: d.session(60, "UnlockCommand"), lambda d: d.ask(60, "unlock", {"evse_id": 2}, status="Unlocked")),
     "not by us"),
    (Cause.DEAUTHORISED, "cut", "certain", lambda d: d.session(60, "DeAuthorized"), "no longer authorised."),
    (Cause.DEAUTHORISED, "cut", "certain",
     _all(lambda d: d.session(60, "DeAuthorized"), lambda d: d.authorize(59, "Blocked")), "we answered Blocked to AA"),
    # faults and reboots around the end
    (Cause.STATION_FAULT, "cut", "likely",
     _all(lambda d: d.session(60, "Other"), lambda d: d.status(60.2, "faulted", error="GroundFailure")),
     "GroundFailure: ground fault in the supply"),
    (Cause.STATION_FAULT, "cut", "likely",
     _all(lambda d: d.session(60, None), lambda d: d.status(59.9, "faulted", error="OtherError", vendor_error="E42")),
     "OtherError, E42: contactor welded"),
    (Cause.STATION_FAULT, "cut", "likely",
     _all(lambda d: d.session(60, "Other"), lambda d: d.status(60, "faulted", evse_id=0)), "named no error code"),
    (Cause.STATION_FAULT, "cut", "likely",
     _all(lambda d: d.session(60, "Other"), lambda d: d.incident(60, "Feeder tripped", is_of_site=True)),
     "Feeder tripped"),
    (Cause.STATION_FAULT, "cut", "certain",
     _all(lambda d: d.session(60, "Other"), lambda d: d.event_201(60, "Ended", "AbnormalCondition", "Other")),
     "named no error code"),
    (Cause.REBOOT, "cut", "certain",
     _all(lambda d: d.session(60, "Reboot"), lambda d: d.boot(62, "Watchdog")), "it named Watchdog as the reason"),
    (Cause.REBOOT, "cut", "certain", lambda d: d.session(60, "Reboot"), "rebooted by itself."),
    (Cause.REBOOT, "cut", "likely",
     _all(lambda d: d.session(60, "Other"), lambda d: d.boot(63)), "rebooted by itself."),
    # a token that may not charge
    (Cause.TOKEN_BLOCKED, "failed_start", "certain",
     lambda d: d.session(1, "DeAuthorized", kwh=0, token_status="Blocked", anomalies=["token_not_accepted"]),
     "blocked"),
    (Cause.TOKEN_EXPIRED, "cut", "certain",
     lambda d: d.session(9, "DeAuthorized", kwh=1, token_status="Expired", anomalies=["token_offline_not_accepted"]),
     "has expired"),
    (Cause.STOPPED_BY_DRIVER, "normal", "certain",
     lambda d: d.session(60, "Local", token_status="Blocked", anomalies=["token_offline_not_accepted"]),
     "stopped by the driver"),
    # no plug, no energy
    (Cause.NO_PLUG, "failed_start", "certain",
     _all(lambda d: d.session(1, "Timeout", kwh=0), lambda d: d.plug_limit(60)), "limit of 60 s"),
    (Cause.NO_PLUG, "failed_start", "certain",
     _all(lambda d: d.session(1, None, kwh=0), lambda d: d.event_201(1, "Ended", "EVConnectTimeout")),
     "the time that the station allows"),
    (Cause.NOT_AUTHORISED, "failed_start", "certain",
     lambda d: d.session(5, "EVDisconnected", kwh=0, token=None, token_status=None, history=[(0, "ev_connected")]),
     "no token was held up"),
    (Cause.CAR_TOOK_NONE, "failed_start", "certain",
     lambda d: d.session(30, "EVDisconnected", kwh=0, history=[(0, "ev_connected"), (1, "suspended_ev")]),
     "took no energy"),
    (Cause.STATION_GAVE_NONE, "failed_start", "certain",
     lambda d: d.session(30, "Local", kwh=0, history=[(1, "suspended_evse")]), "gave no energy"),
    (Cause.NO_ENERGY, "failed_start", "likely",
     lambda d: d.session(30, "Local", kwh=0.01, history=[]), "without energy"),
    # ordinary ends
    (Cause.CAR_FULL, "normal", "certain",
     lambda d: d.session(90, "EVDisconnected", history=[(0, "charging"), (50, "suspended_ev"), (89, "ev_connected")],
                         soc_pct=100), "17:50:00 CET (battery at 100 %)"),
    (Cause.STOPPED_BY_OTHER_TOKEN, "normal", "certain",
     _all(lambda d: d.session(60, "Local"), lambda d: d.stop_16(60, "Local", "BB")), "another token (BB)"),
    (Cause.STOPPED_BY_DRIVER, "normal", "certain",
     _all(lambda d: d.session(60, "Local"), lambda d: d.stop_16(60, "Local", "aa ")), "stopped by the driver"),
    # the connection
    (Cause.LOST_AND_ENDED, "cut", "certain",
     _all(lambda d: d.session(60, "Other", updated=150), lambda d: d.offline(40, 149),
          lambda d: d.stop_16(150, "Other")), "lost at 2026-03-02 17:40:00 CET"),
    (Cause.LOST_FOR_GOOD, "unknown", "certain",
     _all(lambda d: d.session(40, None, anomalies=["end_missing"], updated=170), lambda d: d.offline(41, None)),
     "never reported the session's end"),
    (Cause.END_NEVER_REPORTED, "unknown", "certain",
     lambda d: d.session(40, None, anomalies=["end_missing"], updated=170), "never reported the end"),
    (Cause.SUPERSEDED, "unknown", "certain",
     lambda d: d.session(40, None, anomalies=["superseded"]), "another session"),
    (Cause.NOTHING_KNOWN, "unknown", "unknown", lambda d: d.session(60, "Other"), "reason for the end was Other"),
    (Cause.NOTHING_KNOWN, "unknown", "unknown", lambda d: d.session(60, "VendorMagic"), "was VendorMagic"),
    # not over yet
    (Cause.CHARGING, "in_progress", "certain", lambda d: d.session(None), "is charging"),
    (Cause.CAR_TOOK_NONE, "in_progress", "certain",
     lambda d: d.session(None, kwh=0, history=[(1, "suspended_ev")]), "took no energy"),
    (Cause.PAUSED_BY_CAR, "in_progress", "certain",
     lambda d: d.session(None, history=[(0, "charging"), (30, "suspended_ev")]), "since 2026-03-02 17:30:00 CET"),
    (Cause.PAUSED_BY_STATION, "in_progress", "certain",
     lambda d: d.session(None, history=[(0, "charging"), (30, "suspended_evse")]), "the station has held"),
    (Cause.CONNECTED_IDLE, "in_progress", "certain",
     lambda d: d.session(None, kwh=0, history=[(0, "ev_connected")]), "does not charge"),
    (Cause.WAITING_FOR_PLUG, "in_progress", "certain",
     lambda d: d.session(None, kwh=0, history=[(0, "idle")]), "waits for a car"),
    (Cause.LOST_GOES_ON, "in_progress", "certain",
     _all(lambda d: d.session(None), lambda d: d.offline(30, None)), "the session goes on there"),
]  # fmt: skip

ATTEMPTS: list[tuple[Cause, str, str, Story, str]] = [
    # refused at the station
    (Cause.TOKEN_BLOCKED, "failed_start", "certain", lambda d: d.authorize(1, "Blocked"), "AA was refused at CP-1"),
    (Cause.TOKEN_EXPIRED, "failed_start", "certain", lambda d: d.authorize(1, "Expired"), "has expired"),
    (Cause.TOKEN_UNKNOWN, "failed_start", "certain", lambda d: d.authorize(1, "Unknown"), "we do not know it"),
    (Cause.TOKEN_INVALID, "failed_start", "certain", lambda d: d.authorize(1, "Invalid"), "marked as invalid"),
    (Cause.TOKEN_NO_CREDIT, "failed_start", "certain", lambda d: d.authorize(1, "NoCredit"), "no credit left"),
    (Cause.TOKEN_NOT_HERE, "failed_start", "certain", lambda d: d.authorize(1, "NotAtThisLocation"), "this location"),
    (Cause.TOKEN_IN_USE, "failed_start", "certain", lambda d: d.authorize(1, "ConcurrentTx"), "somewhere else"),
    (Cause.STATION_NOT_APPROVED, "failed_start", "certain",
     _all(lambda d: d.approve("pending"), lambda d: d.authorize(1, "NotAtThisLocation")), "not approved"),
    # accepted, and then nothing
    (Cause.NO_PLUG, "failed_start", "likely", lambda d: d.authorize(1), "no car was plugged in"),
    (Cause.NO_PLUG, "failed_start", "likely",
     _all(lambda d: d.authorize(1), lambda d: d.status(1.1, "preparing"), lambda d: d.status(2.1, "available"),
          lambda d: d.plug_limit(60)), "limit of 60 s"),
    (Cause.PLUGGED_NOT_STARTED, "failed_start", "likely",
     _all(lambda d: d.authorize(1), lambda d: d.status(1.5, "occupied")), "started no session"),
    (Cause.FAULT_AT_START, "failed_start", "likely",
     _all(lambda d: d.authorize(1), lambda d: d.status(1.5, "faulted", error="ConnectorLockFailure")),
     "ConnectorLockFailure"),
    (Cause.LOST_BEFORE_START, "failed_start", "likely",
     _all(lambda d: d.authorize(1), lambda d: d.offline(2, 20)), "lost at 2026-03-02 17:02:00 CET"),
    (Cause.WAITING_FOR_PLUG, "in_progress", "likely",
     _all(lambda d: d.plug_limit(4 * 3600), lambda d: d.authorize(1)), "still waits"),
    # starts from afar
    (Cause.START_OFFLINE, "failed_start", "certain",
     lambda d: d.ask(1, "start", {"token": "AA"}, outcome="offline", status=None), "Mia asked CP-1"),
    (Cause.START_UNANSWERED, "failed_start", "certain",
     lambda d: d.ask(1, "start", {"token": "AA", "evse_id": 1}, outcome="timeout", status=None), "CP-1 (EVSE 1)"),
    (Cause.START_REFUSED, "failed_start", "certain",
     lambda d: d.ask(1, "start", {"token": "AA"}, outcome="not_booted", status=None), "(not_booted)"),
    (Cause.START_REJECTED, "failed_start", "certain",
     lambda d: d.ask(1, "start", {"token": "AA"}, status="Rejected"), "without saying why"),
    (Cause.START_REJECTED, "failed_start", "certain",
     _all(lambda d: d.status(-400, "faulted", error="GroundFailure"),
          lambda d: d.ask(1, "start", {"token": "AA", "evse_id": 1}, status="Rejected")),
          "it was faulted (GroundFailure"),
    (Cause.START_REJECTED, "failed_start", "certain",
     _all(lambda d: d.session(60, "Local", begin=-30, token="ZZ"),
          lambda d: d.ask(1, "start", {"token": "AA"}, status="Rejected")), "another session had been running"),
    (Cause.START_REJECTED, "failed_start", "certain",
     _all(lambda d: d.status(-400, "unavailable"),
          lambda d: d.ask(1, "start", {"token": "AA"}, status="Rejected")), "it was unavailable"),
    (Cause.NO_PLUG, "failed_start", "likely", lambda d: d.ask(1, "start", {"token": "AA"}), "no car was plugged in"),
    (Cause.TOKEN_BLOCKED, "failed_start", "certain",
     _all(lambda d: d.ask(1, "start", {"token": "AA"}), lambda d: d.authorize(1.2, "Blocked")), "it is blocked"),
]  # fmt: skip

SILENCES: list[tuple[Cause, str, str, Story, str]] = [
    (Cause.TOKEN_NOT_PRESENTED, "failed_start", "likely",
     lambda d: d.status(-50, "available"), "Nobody held a token up"),
    (Cause.STATION_OFFLINE, "failed_start", "certain",
     lambda d: d.offline(-20, 40), "offline from 2026-03-02 16:40:00"),
    (Cause.STATION_OFFLINE, "failed_start", "certain", lambda d: d.offline(-20, None), "to now"),
    (Cause.STATION_NEVER_SEEN, "failed_start", "certain", lambda d: d.never_connected(), "never been connected"),
    (Cause.FAULT_AT_START, "failed_start", "likely",
     lambda d: d.status(-500, "faulted", error="GroundFailure"), "GroundFailure"),
    (Cause.STATION_CLOSED_BY_US, "failed_start", "certain",
     _all(lambda d: d.wish(-3000, operative=False, by="Jo"), lambda d: d.status(-2999, "unavailable")),
     "Jo took it out"),
    (Cause.STATION_CLOSED, "failed_start", "certain",
     _all(lambda d: d.wish(-4000, operative=False), lambda d: d.wish(-3500, operative=True),
          lambda d: d.status(-2999, "unavailable")), "without a request of ours"),
    (Cause.EVSE_RESERVED, "failed_start", "certain", lambda d: d.status(-3, "reserved"), "reserved for somebody else"),
]  # fmt: skip


async def _explained(database_url: str, query: dict[str, Any]) -> Any:
    async with running_api(database_url, support_router) as api:
        found = await ask_desk(api, **query)
    assert len(found["cases"]) == 1, found["cases"]
    return found["cases"][0]


def _check(case: Any, expected: tuple[Cause, str, str, Story, str]) -> None:
    cause, outcome, confidence, _, part = expected
    explanation = case["explanation"]
    assert (explanation["code"], explanation["outcome"], explanation["confidence"]) == (cause, outcome, confidence), (
        explanation
    )
    assert part in explanation["sentence"]
    assert explanation["sentence"].endswith(".")
    assert "{" not in explanation["sentence"]
    keys = {message["received_at"] for message in case["messages"] if message["is_evidence"]}
    assert keys == {item["received_at"] for item in explanation["evidence"]}


@pytest.mark.parametrize("expected", SESSIONS, ids=[f"{number}-{row[0]}" for number, row in enumerate(SESSIONS)])
async def test_a_session_is_explained(
    database_url: str, desk: Desk, expected: tuple[Cause, str, str, Story, str]
) -> None:
    """Each reason, trigger and circumstance gives its own sentence, and its evidence is among the messages shown."""
    expected[3](desk)
    case = await _explained(database_url, BY_SESSION)
    assert case["kind"] == "session"
    _check(case, expected)


@pytest.mark.parametrize("expected", ATTEMPTS, ids=[f"{number}-{row[0]}" for number, row in enumerate(ATTEMPTS)])
async def test_a_failed_start_is_explained(
    database_url: str, desk: Desk, expected: tuple[Cause, str, str, Story, str]
) -> None:
    """A token held up, or a start from afar, that no session followed."""
    expected[3](desk)
    case = await _explained(database_url, BY_TOKEN)
    assert (case["kind"], case["token"]) == ("attempt", "AA")
    _check(case, expected)


@pytest.mark.parametrize("expected", SILENCES, ids=[f"{number}-{row[0]}" for number, row in enumerate(SILENCES)])
async def test_a_silence_is_explained(
    database_url: str, desk: Desk, expected: tuple[Cause, str, str, Story, str]
) -> None:
    """Nothing reached us: then the station's own state is the answer, or that nobody came."""
    expected[3](desk)
    case = await _explained(database_url, BY_STATION)
    assert case["kind"] == "silence"
    _check(case, expected)


async def test_a_station_in_use_is_the_answer_for_another_token(database_url: str, desk: Desk) -> None:
    desk.session(60, "Local", begin=-30, token="ZZ")
    case = await _explained(database_url, {**BY_STATION, "token": "AA"})
    assert (case["kind"], case["explanation"]["code"]) == ("silence", Cause.EVSE_OCCUPIED)
    assert "CP-1 (EVSE 1) was in use" in case["explanation"]["sentence"]


@pytest.mark.parametrize(
    ("status", "part"),
    [("Accepted", "16:30:00 UTC."), ("Blocked", "; it is Blocked."), (None, "; it is not in our list.")],
)  # fmt: skip
async def test_a_token_that_no_station_ever_saw(database_url: str, desk: Desk, status: str | None, part: str) -> None:
    """Without a station the sentence can only say that nobody asked about it, and how it stands."""
    if status is not None:
        desk.add_token("AA", status)
    case = await _explained(database_url, BY_TOKEN)
    assert (case["kind"], case["station_id"], case["log_url"]) == ("silence", None, None)
    assert case["explanation"]["code"] == Cause.TOKEN_NOT_SEEN
    assert case["explanation"]["sentence"].endswith(part)


def test_every_cause_has_its_story() -> None:
    told = {row[0] for row in (*SESSIONS, *ATTEMPTS, *SILENCES)} | {Cause.EVSE_OCCUPIED, Cause.TOKEN_NOT_SEEN}
    assert set(Cause) - told == set()

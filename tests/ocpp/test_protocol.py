"""The facade: calls to facts, replies to valid answers, for every action of every version, and nothing crashes it."""

import random
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ocpp.examples import JUNK, STATION_REQUESTS, broken, example

from voltway.kernel.errors import InvalidInput
from voltway.kernel.facts import (
    ACKNOWLEDGED,
    TRANSACTION_FACTS,
    Acknowledged,
    BootReply,
    BootStatus,
    ClockReply,
    EnergyMetered,
    Fact,
    HeartbeatReceived,
    Notified,
    Reading,
    Reply,
    SessionEnded,
    SessionReply,
    SessionStarted,
    StartReply,
    StationBooted,
    TokenInfo,
    TokenPresented,
    TokenReply,
    TokenStatus,
)
from voltway.kernel.ids import TransactionId
from voltway.ocpp import frame
from voltway.ocpp.frame import Call
from voltway.ocpp.protocol import TRANSACTION_ACTIONS, CallRefused, Protocol, Understood, protocol_for
from voltway.ocpp.versions import SENDS, Version

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
INT64 = range(-(2**63), 2**63)


def call_of(version: Version, action: str, payload: Any) -> Call:
    read = frame.parse(orjson.dumps([2, "id", action, payload]), version)
    assert isinstance(read, Call)
    return read


def replies_to(fact: Fact) -> list[Reply]:
    """Every reply that the rules may give to a fact."""
    infos = [TokenInfo(status, NOW, group) for status in TokenStatus for group in (None, "G", "G" * 300)]
    match fact:
        case StationBooted():
            return [BootReply(status, 300, NOW) for status in BootStatus]
        case HeartbeatReceived():
            return [ClockReply(NOW)]
        case TokenPresented():
            return [TokenReply(info) for info in infos]
        case SessionStarted():
            return [StartReply(TransactionId("17"), info) for info in [None, *infos]]
        case _ if isinstance(fact, TRANSACTION_FACTS):
            sessions = (
                [] if isinstance(fact, EnergyMetered) else [SessionReply(info, "12.35") for info in [None, *infos]]
            )
            return [ACKNOWLEDGED, SessionReply(), *sessions]
        case _:
            return [ACKNOWLEDGED, Acknowledged()]


@pytest.mark.parametrize(("version", "action"), STATION_REQUESTS)
@pytest.mark.parametrize("is_full", [False, True], ids=["least", "full"])
def test_every_action_is_understood_and_answered_validly(version: Version, action: str, is_full: Any) -> None:
    """For every action of every version: a fact without findings, and a reply that the official schema accepts."""
    protocol = protocol_for(version)
    call = call_of(version, action, example(version, action, "request", is_full=is_full))
    fact = protocol.understand(call, NOW).fact
    for reply in replies_to(fact):
        answer = protocol.reply_payload(call, reply)
        if action not in SENDS:
            assert protocol.check_answer(action, answer) == ()
            assert orjson.loads(protocol.encode_reply(call, reply)) == [3, "id", answer]


@pytest.mark.parametrize(
    ("version", "action"), [pair for pair in STATION_REQUESTS if pair[1] not in {"TransactionEvent", "MeterValues"}]
)
def test_a_valid_message_needs_no_tolerance(version: Version, action: str) -> None:
    """Findings are about stations that err, not about those that do not."""
    understood = protocol_for(version).understand(
        call_of(version, action, example(version, action, "request", is_full=False)), NOW
    )
    assert understood.findings == ()


def test_a_send_gets_no_reply() -> None:
    """2.1's message type 6, also where it is refused."""
    read = frame.parse(b'[6,"1","NotifyPeriodicEventStream",{}]', Version.V21)
    assert isinstance(read, Call)
    protocol = protocol_for(Version.V21)
    assert protocol.encode_reply(read, ACKNOWLEDGED) == b""
    with pytest.raises(CallRefused) as caught:
        protocol.understand(read, NOW)
    assert protocol.encode_refusal(read, caught.value) == b""


@pytest.mark.parametrize("version", list(Version))
def test_unknown_actions_are_refused_by_the_right_name(version: Version) -> None:
    """What we know but a station may not send is not supported; what nobody knows is not implemented."""
    protocol = protocol_for(version)
    for action, code in (("Reset", "NotSupported"), ("Abracadabra", "NotImplemented"), ("é" * 400, "NotImplemented")):
        call = call_of(version, action, {})
        with pytest.raises(CallRefused) as caught:
            protocol.understand(call, NOW)
        assert caught.value.code == code
        assert orjson.loads(protocol.encode_refusal(call, caught.value))[:3] == [4, "id", code]


@pytest.mark.parametrize(
    ("version", "action", "payload", "code"),
    [
        (Version.V16, "Authorize", {}, "OccurenceConstraintViolation"),
        (Version.V16, "Authorize", {"idTag": "  "}, "OccurenceConstraintViolation"),
        (Version.V16, "BootNotification", {}, "OccurenceConstraintViolation"),
        (Version.V16, "SecurityEventNotification", {"type": [], "timestamp": "x"}, "TypeConstraintViolation"),
        (Version.V201, "Authorize", {"idToken": {}}, "OccurrenceConstraintViolation"),
        (Version.V201, "Authorize", {"idToken": {"idToken": "", "type": "Local"}}, "OccurrenceConstraintViolation"),
        (Version.V201, "NotifyEvent", {"generatedAt": "x", "eventData": 5}, "TypeConstraintViolation"),
        (Version.V21, "ReportDERControl", {}, "OccurrenceConstraintViolation"),
    ],
)
def test_a_call_without_a_possible_answer_is_refused(version: Version, action: str, payload: Any, code: str) -> None:
    """The refusal says where, in this version's words."""
    with pytest.raises(CallRefused) as caught:
        protocol_for(version).understand(call_of(version, action, payload), NOW)
    assert caught.value.code == code


@pytest.mark.parametrize("version", list(Version))
def test_absurd_nesting_is_refused_where_it_would_be_kept(version: Version) -> None:
    """Whether the schema takes it (DataTransfer of 2.x) or not; a transaction message passes without it."""
    abyss: Any = []
    for _ in range(100):
        abyss = [abyss]
    protocol = protocol_for(version)
    for action in ("DataTransfer", "Heartbeat"):
        with pytest.raises(CallRefused) as caught:
            protocol.understand(call_of(version, action, {"vendorId": "x", "data": abyss}), NOW)
        assert caught.value.code in ("FormationViolation", "FormatViolation")
    fact = protocol.understand(call_of(version, "MeterValues", {"meterValue": abyss}), NOW).fact
    assert isinstance(fact, EnergyMetered)


def understood_or_refused(version: Version, action: str, payload: Any) -> Understood | CallRefused:
    """Anything else than these two fails the test that asks."""
    try:
        return protocol_for(version).understand(call_of(version, action, payload), NOW)
    except CallRefused as refused:
        return refused


def is_storable(fact: Fact) -> bool:
    """PostgreSQL's limits: 64-bit integers, REAL telemetry, no NUL; JSON that its writers take."""
    if isinstance(fact, Notified):
        return len(orjson.dumps(fact.data)) > 0
    readings: tuple[Reading, ...] = getattr(fact, "readings", ())
    numbers = [
        getattr(fact, name, None)
        for name in ("evse_id", "connector_id", "seq_no", "register_begin_milliwh", "register_end_milliwh", "digest")
    ]
    numbers += [reading.register_milliwh for reading in readings]
    telemetry = [
        value
        for reading in readings
        for value in (reading.power_w, reading.current_a, reading.voltage_v, reading.soc_pct, reading.offered_w)
        if value is not None
    ]
    return (
        all(number is None or number in INT64 for number in numbers)
        and all(abs(value) < 3e38 for value in telemetry)
        and all(reading.at.tzinfo is UTC for reading in readings)
    )


@settings(max_examples=600)
@given(
    pair=st.sampled_from(STATION_REQUESTS), is_full=st.booleans(), seed=st.integers(0, 2**32), wounds=st.integers(1, 6)
)
def test_broken_messages_never_crash_and_money_is_never_refused(
    pair: tuple[Version, str], is_full: Any, seed: int, wounds: int
) -> None:
    """Mutations of valid messages: a storable fact or a CallRefused; a transaction message is always a fact."""
    version, action = pair
    payload = broken(example(version, action, "request", is_full=is_full), random.Random(seed), wounds)  # noqa: S311
    if not isinstance(payload, dict):
        payload = {"payload": payload}
    understood = understood_or_refused(version, action, payload)
    if isinstance(understood, CallRefused):
        assert action not in TRANSACTION_ACTIONS
        assert understood.code
    else:
        assert is_storable(understood.fact)
        assert all(len(finding.example) <= 200 for finding in understood.findings)
        assert len({finding.code for finding in understood.findings}) == len(understood.findings)


@pytest.mark.parametrize(("version", "action"), [pair for pair in STATION_REQUESTS if pair[1] in TRANSACTION_ACTIONS])
def test_one_bad_field_never_loses_a_transaction_message(version: Version, action: str) -> None:
    """Every field of every transaction message replaced by every kind of junk."""
    protocol = protocol_for(version)
    whole = example(version, action, "request", is_full=True)
    for key in whole:
        for junk in JUNK:
            fact = protocol.understand(call_of(version, action, {**whole, key: junk}), NOW).fact
            assert isinstance(fact, TRANSACTION_FACTS)
            assert is_storable(fact)


@pytest.mark.parametrize("version", list(Version))
def test_commands_are_checked_with_all_their_faults(version: Version) -> None:
    """Unknown commands are told from invalid ones; a station's own actions are not ours to send."""
    protocol = protocol_for(version)
    assert protocol.check_command("Reset", example(version, "Reset", "request", is_full=True)) == ()
    assert protocol.check_command("Heartbeat", {}) is None
    assert protocol.check_command("Abracadabra", {}) is None
    assert protocol.check_command("DataTransfer", {"vendorId": "x"}) == ()
    faults = protocol.check_command("UnlockConnector", {"connectorId": "one", "x": 1})
    assert faults is not None
    assert "/connectorId" in {fault.pointer for fault in faults}
    assert len(faults) >= 2
    assert protocol.check_command("Reset", []) != ()
    assert protocol.encode_command("v1", "Reset", {"type": "Soft"}) == b'[2,"v1","Reset",{"type":"Soft"}]'


def test_one_protocol_per_version() -> None:
    """Stateless, so shared; it knows its subprotocol."""
    assert protocol_for(Version.V16) is protocol_for(Version.V16)
    assert [protocol_for(version).subprotocol for version in Version] == ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
    assert isinstance(protocol_for(Version.V21), Protocol)


def test_a_verb_that_needs_several_requests_says_so() -> None:
    """1.6 writes its configuration key by key."""
    protocol = protocol_for(Version.V16)
    assert len(protocol.commands_of("write_configuration", values={"a": "1", "b": "2"})) == 2
    with pytest.raises(InvalidInput):
        protocol.command_of("write_configuration", values={"a": "1", "b": "2"})


def test_frame_findings_and_message_findings_come_together() -> None:
    """One list for the operator."""
    read = frame.parse(b'[2,5,"Heartbeat",{"x":1}]')
    assert isinstance(read, Call)
    understood = protocol_for(Version.V16).understand(read, NOW)
    assert [finding.code for finding in understood.findings] == ["message_id_not_text", "field_unknown"]


def test_a_resent_message_has_the_same_digest_under_a_new_id() -> None:
    """Field note 9: a retry uses a new message id; what it says is the same."""
    digests = set()
    for message_id in ("1", "2", "{3}"):
        payload = example(Version.V16, "MeterValues", "request", is_full=False)
        read = frame.parse(orjson.dumps([2, message_id, "MeterValues", payload]))
        assert isinstance(read, Call)
        fact = protocol_for(Version.V16).understand(read, NOW).fact
        assert isinstance(fact, EnergyMetered)
        digests.add(fact.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("version", list(Version))
def test_bare_answers_hold_no_fact(version: Version) -> None:
    """Only configuration that was read says something about the station."""
    assert protocol_for(version).read_answer("Reset", {"status": "Accepted"}, NOW) is None


def test_ended_sessions_of_16_take_a_bare_acknowledgement() -> None:
    """A stop without a token has nothing to be judged."""
    payload = example(Version.V16, "StopTransaction", "request", is_full=False)
    call = call_of(Version.V16, "StopTransaction", payload)
    protocol = protocol_for(Version.V16)
    assert isinstance(protocol.understand(call, NOW).fact, SessionEnded)
    assert protocol.encode_reply(call, SessionReply()) == b'[3,"id",{}]'

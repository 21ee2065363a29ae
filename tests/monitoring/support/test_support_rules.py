"""The desk's pure parts: frames that may hold anything, commands told twice, windows, ranking, sentences."""

import string
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.support.desk import AT, NOW, minute

from voltway.kernel.ids import StationId
from voltway.monitoring.support.cases import AFTER, BEFORE, Query, attempts_of, nearest, windows_of
from voltway.monitoring.support.frames import (
    MOST_SHOWN,
    ask_of_audit,
    ask_of_message,
    merged_asks,
    shown,
    turn_of,
    without_secrets,
)
from voltway.monitoring.support.model import (
    Ask,
    Attempt,
    Case,
    Cause,
    Evidence,
    Found,
    Link,
    Message,
    Place,
    Presented,
    Ref,
    SessionFacts,
    StatusSeen,
)
from voltway.monitoring.support.session_causes import Look, explain_session
from voltway.monitoring.support.texts import LANGUAGES, worded

S1 = StationId(1)
PLACE = Place(S1, "CP-1", None, "Europe/Berlin")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["transactionInfo", "transactionId", "eventType", "idToken", "reason", "evse", "key", "value"])
        | st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def _session(**values: Any) -> SessionFacts:
    base: dict[str, Any] = {
        "session_id": UUID(int=1), "transaction_id": "77", "station_id": S1, "identity": "CP-1", "evse_id": 1,
        "connector_id": 1, "state": "ended", "started_at": minute(0), "ended_at": minute(60), "received_at": minute(0),
        "updated_at": minute(60), "end_reason": "Local", "token": "AA", "token_status": "Accepted",
        "energy_milliwh": 10_000_000,
    }  # fmt: skip
    return SessionFacts(**(base | values))


def _message(action: str, frame: object, reply: object = None, *, at: float = 0, outgoing: bool = False) -> Message:
    texts = [item if isinstance(item, str) else orjson.dumps(item).decode() for item in (frame, reply)]
    return Message(Ref(S1, minute(at)), outgoing, "1", action, texts[0], None if reply is None else texts[1])


@given(st.sampled_from(["StartTransaction", "StopTransaction", "TransactionEvent", "Reset"]), JSON, JSON)
def test_no_frame_can_break_the_desk(action: str, frame: Any, reply: Any) -> None:
    """Whatever stands in the log is read or says nothing."""
    for whole in (frame, [2, "1", action, frame]):
        message = _message(action, whole, [3, "1", reply], outgoing=True)
        turn_of(message, _session())
        ask_of_message(message)
        without_secrets(message.frame)


@given(st.text())
def test_text_that_is_no_json_is_shown_or_hidden_whole(text: str) -> None:
    assert without_secrets(text) == text or "password" in text.lower() or "authorizationkey" in text.lower()
    assert "hush" not in without_secrets(f"{text} password hush")


@pytest.mark.parametrize(
    "value",
    [
        {"key": "AuthorizationKey", "value": "hush"},
        {"password": "hush"},
        {"setVariableData": [{"variable": {"name": "BasicAuthPassword"}, "component": {"name": "S"},
                              "attributeValue": "hush"}]},
        [{"a": {"AuthorizationKey": "hush"}}],
    ],
)  # fmt: skip
def test_a_secret_is_hidden_however_it_is_named(value: object) -> None:
    hidden = without_secrets(orjson.dumps([2, "1", "X", value]).decode())
    assert "hush" not in hidden
    assert "***" in hidden


def test_a_start_and_an_end_are_read_in_both_versions() -> None:
    """1.6 names its transaction in the answer to the start, 2.x in every event."""
    start = _message("StartTransaction", [2, "1", "StartTransaction", {}], [3, "1", {"transactionId": 77}])
    stop = _message(
        "StopTransaction", [2, "1", "StopTransaction", {"transactionId": 77, "reason": "Local", "idTag": "B"}]
    )
    info = {"transactionId": "77", "stoppedReason": "EVDisconnected"}
    event = _message("TransactionEvent", [2, "1", "T", {
        "eventType": "Ended", "triggerReason": "EVDeparted", "transactionInfo": info, "offline": True,
        "idToken": {"idToken": "CC"}}])  # fmt: skip
    turns = [turn_of(message, _session()) for message in (start, stop, event)]
    assert [turn and (turn.is_end, turn.reason, turn.trigger, turn.token, turn.is_offline) for turn in turns] == [
        (False, None, None, None, False),
        (True, "Local", None, "B", False),
        (True, "EVDisconnected", "EVDeparted", "CC", True),
    ]
    assert [turn_of(message, _session(transaction_id="78")) for message in (start, stop, event)] == [None, None, None]


@pytest.mark.parametrize(
    ("action", "payload", "kind", "evse_id", "token", "transaction", "operative"),
    [
        ("RemoteStartTransaction", {"idTag": "AA", "connectorId": 2}, "start", 2, "AA", None, None),
        ("RequestStartTransaction", {"idToken": {"idToken": "AA"}, "evseId": 3}, "start", 3, "AA", None, None),
        ("RemoteStopTransaction", {"transactionId": 77}, "stop", None, None, "77", None),
        ("RequestStopTransaction", {"transactionId": "77"}, "stop", None, None, "77", None),
        ("Reset", {"type": "Hard"}, "reset", None, None, None, None),
        ("UnlockConnector", {"connectorId": 1}, "unlock", 1, None, None, None),
        ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}, "availability", 0, None, None, False),
        ("ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 1}}, "availability", 1, None, None,
         True),
    ],
)  # fmt: skip
def test_our_commands_are_read_from_the_log_and_from_the_audit(  # noqa: PLR0917 - a table's columns
    action: str, payload: dict[str, Any], kind: str, evse_id: int | None, token: str | None, transaction: str | None,
    operative: bool | None,  # noqa: FBT001
) -> None:  # fmt: skip
    """Either way the same command comes out."""
    message = _message(action, [2, "1", action, payload], [3, "1", {"status": "Accepted"}], outgoing=True)
    logged = ask_of_message(message)
    detail = {"sent": {"action": action, "payload": payload}, "outcome": "answered", "status": "Accepted"}
    audited = ask_of_audit(minute(0), S1, "Mia", f"command.{action}", detail)
    assert logged is not None
    assert audited is not None
    for ask in (logged, audited):
        assert (ask.kind, ask.evse_id, ask.token, ask.transaction_id, ask.operative, ask.status) == (
            kind, evse_id, token, transaction, operative, "Accepted",
        )  # fmt: skip
    assert (logged.by, audited.by) == ("", "Mia")


def test_what_is_no_command_of_ours_is_none() -> None:
    incoming = _message("Reset", [2, "1", "Reset", {}])
    other = _message("TriggerMessage", [2, "1", "TriggerMessage", {}], outgoing=True)
    assert (ask_of_message(incoming), ask_of_message(other)) == (None, None)
    assert ask_of_audit(minute(0), S1, "Mia", "command.trigger", {}) is None
    unanswered = ask_of_message(_message("Reset", [2, "1", "Reset", {}], outgoing=True))
    refused = ask_of_message(_message("Reset", [2, "1", "Reset", {}], [4, "1", "NotSupported", "", {}], outgoing=True))
    assert [it and it.outcome for it in (unanswered, refused)] == ["timeout", "call_error"]


def test_log_and_audit_tell_of_one_command_once() -> None:
    """The audit says who, the log says what was answered; a command that only one of them knows stays."""
    audited = [Ask(minute(1), S1, "reset", by="Mia"), Ask(minute(30), S1, "reset", by="Jo", outcome="offline")]
    ref = Ref(S1, minute(0.9))
    logged = [
        Ask(minute(0.9), S1, "reset", status="Accepted", ref=ref),
        Ask(minute(0.95), S1, "stop", ref=Ref(S1, minute(0.95))),
        Ask(minute(10), S1, "reset", ref=Ref(S1, minute(10))),
    ]
    merged = merged_asks(audited, logged)
    assert [(it.at, it.kind, it.by, it.status, it.outcome) for it in merged] == [
        (minute(0.9), "reset", "Mia", "Accepted", "answered"),
        (minute(0.95), "stop", "", None, "answered"),
        (minute(10), "reset", "", None, "answered"),
        (minute(30), "reset", "Jo", None, "offline"),
    ]
    assert merged[0].ref == ref


def test_the_telling_messages_come_first() -> None:
    """Evidence, then the session's own, then statuses and commands, then the rest; the nearest first within each."""
    messages = [
        _message("FirmwareStatusNotification", [], at=0),
        _message("StatusNotification", [], at=9),
        _message("StatusNotification", [], at=1),
        _message("StopTransaction", [], at=5),
        _message("BootNotification", [], at=8),
    ]
    order = shown(messages, [Ref(S1, minute(8))], [minute(0)])
    assert [message.ref.received_at for message in order] == [minute(at) for at in (8, 5, 1, 9, 0)]
    assert len(shown(messages * 20, [], [])) == MOST_SHOWN


@given(st.lists(st.floats(0, 3000), min_size=2, max_size=4))
def test_windows_cover_start_and_end_without_overlap(minutes: list[float]) -> None:
    begin, end, *late = sorted(minutes)
    session = _session(
        started_at=minute(begin), received_at=minute(begin), ended_at=minute(end), updated_at=minute(max([end, *late]))
    )
    windows = windows_of(3, Case(session.started_at, PLACE, session))
    assert all(one.end < other.begin for one, other in pairwise(windows))
    for at in (minute(begin), minute(end)):
        assert any(it.begin <= at - BEFORE and at + AFTER <= it.end for it in windows)
    assert {it.case for it in windows} == {3}


def test_the_nearest_case_is_the_one_whose_start_or_end_is_near() -> None:
    long = Case(minute(0), PLACE, _session(ended_at=minute(300)))
    short = Case(minute(200), PLACE, _session(started_at=minute(200), ended_at=minute(210)))
    attempt = Case(minute(290), PLACE, Attempt(minute(290), PLACE, "AA"))
    query = Query(token="AA", at=minute(299), limit=2)
    assert nearest([short, attempt, long], query) == [long, attempt]
    assert nearest([short, attempt, long], Query(token="AA")) == [attempt, short, long]


def test_an_attempt_needs_a_station_of_ours() -> None:
    """A station that is gone (or another operator's) gives no case."""
    seen, ask = Presented(minute(0), StationId(9), "AA", "Blocked"), Ask(minute(0), StationId(9), "start", token="AA")
    assert attempts_of([seen], [ask], [], {S1: PLACE}) == []


@pytest.mark.parametrize("token", ["AA", None])
def test_a_start_from_afar_that_led_to_a_session_is_no_attempt(token: str | None) -> None:
    ask = Ask(minute(-1), S1, "start", token="aa", evse_id=1)
    assert attempts_of([], [ask], [_session(token=token)], {S1: PLACE}) == []
    assert len(attempts_of([], [ask], [_session(token=token, evse_id=2)], {S1: PLACE})) == 1
    assert len(attempts_of([], [ask], [_session(token="BB")], {S1: PLACE})) == 1


@pytest.mark.parametrize(
    ("status", "evse_id", "at", "is_fault"),
    [("faulted", 1, 60, True), ("faulted", 0, 61, True), ("faulted", 2, 60, False), ("faulted", 1, 63, False),
     ("available", 1, 60, False)],
)  # fmt: skip
def test_only_a_fault_of_this_evse_at_the_end_cuts_a_session(
    status: str,
    evse_id: int,
    at: float,
    is_fault: bool,  # noqa: FBT001 - a column
) -> None:
    seen = StatusSeen(minute(at), minute(at), evse_id, status)
    look = Look(_session(end_reason="Other"), Evidence(statuses=(seen,)), NOW, lambda *codes: "-".join(codes))
    assert (explain_session(look).cause is Cause.STATION_FAULT) is is_fault


@pytest.mark.parametrize(
    ("links", "cause"),
    [
        ((Link(minute(-99), None),), Cause.CHARGING),
        ((Link(minute(-99), minute(30)), Link(minute(31), None)), Cause.CHARGING),
        ((Link(minute(-99), minute(30)),), Cause.LOST_GOES_ON),
        ((), Cause.CHARGING),
    ],
)
def test_a_connection_is_lost_only_where_none_holds(links: tuple[Link, ...], cause: Cause) -> None:
    """Overlapping links (a station that reconnects before we notice) are no gap; without any nothing is claimed."""
    look = Look(
        _session(ended_at=None, state="active", history=((AT, "charging"),)), Evidence(links=links), NOW, lambda *_: ""
    )
    assert explain_session(look).cause is cause


@given(st.sampled_from(["suspended_ev", "charging", "ev_connected", "suspended_evse", "idle"]), st.text(max_size=8),
       st.integers(-5, 10**8), st.booleans())  # fmt: skip
def test_every_session_gets_a_sentence(state: str, reason: str, milliwh: int, is_open: bool) -> None:  # noqa: FBT001
    """Whatever a station calls its reason, an explanation comes out whole."""
    session = _session(
        ended_at=None if is_open else minute(60), end_reason=reason, energy_milliwh=milliwh, history=((AT, state),)
    )
    explained = worded(explain_session(Look(session, Evidence(), NOW, lambda *_: "fault")), time_zone="Asia/Tokyo")
    assert explained.sentence[0] == explained.sentence[0].upper()
    assert explained.confidence in {"certain", "likely", "unknown"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_words_every_cause(language: str) -> None:
    """The same causes, and no placeholder that nobody fills."""
    known = {
        "station", "token", "at", "ended", "since", "until", "who", "why", "level", "fault", "limit", "begin", "end",
        "standing", "result", "other", "gap",
    }  # fmt: skip
    assert set(LANGUAGES[language]) == set(Cause)
    for sentence in LANGUAGES[language].values():
        assert {name for _, name, _, _ in string.Formatter().parse(sentence) if name} <= known
        assert sentence.endswith(".")


def test_instants_are_written_in_the_time_of_the_place() -> None:
    words = {"station": "S", "at": AT, "since": AT + timedelta(days=180)}
    explained = worded(Found(Cause.EVSE_OCCUPIED, "failed_start", words=words), time_zone="Europe/Berlin")
    assert "2026-03-02 17:00:00 CET" in explained.sentence
    assert "2026-08-29 18:00:00 CEST" in explained.sentence

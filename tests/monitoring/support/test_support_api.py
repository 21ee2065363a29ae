"""The desk finds what a caller means by whatever they can read out, and shows the raw messages behind its sentence."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.httpapi.client import ADMIN_TOKEN, Api, add_operator, running_api
from tests.monitoring.support.desk import TRANSACTION, Desk, ask_desk, minute, support_router

from voltway.infra.db import Database, Transaction
from voltway.infra.sql import fetch_one
from voltway.monitoring.support.cases import Query
from voltway.monitoring.support.service import AccountRef
from voltway.stations import api as stations_api
from voltway.stations.service import Stations


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    told = Desk(database_url)
    yield told
    told.close()


@pytest.fixture
async def api(database_url: str, desk: Desk) -> AsyncIterator[Api]:
    del desk
    async with running_api(database_url, support_router, lambda db: stations_api.router(Stations(db))) as running:
        yield running


def _codes(found: Any) -> list[str]:
    return [case["explanation"]["code"] for case in found["cases"]]


async def test_a_whole_story_end_to_end(api: Api, desk: Desk) -> None:
    """A card is held up, a car charges, somebody hits the emergency stop: one sentence, its messages first."""
    desk.add_token("AA", phone="+49301234567")
    held_up, start = desk.authorize(-1), desk.start_16(0)
    session_id = desk.session(60, "EmergencyStop")
    desk.message(30, "Heartbeat", {})
    desk.message(31, "MeterValues", {"connectorId": 1})
    desk.message(32, "TransactionEvent", {"triggerReason": "MeterValuePeriodic"})
    fault, stop = desk.status(59.9, "faulted", error="OtherError"), desk.stop_16(60, "EmergencyStop")
    found = await ask_desk(api, contact="030 1234567")
    (case,) = found["cases"]
    explanation = case["explanation"]
    assert found["tokens"][0]["contact_phone"] == "+49301234567"
    assert [it["id"] for it in found["sessions"]] == [str(session_id)]
    assert explanation["sentence"] == (
        "The session at CP-1 (EVSE 1) was cut at 2026-03-02 18:00:00 CET: the emergency stop was pressed."
    )
    assert (explanation["outcome"], explanation["confidence"]) == ("cut", "certain")
    evidence = [item["received_at"] for item in explanation["evidence"]]
    assert evidence == [_text(at) for at in (fault, start, stop)]
    shown = [(message["received_at"], message["is_evidence"]) for message in case["messages"]]
    assert {at for at, is_evidence in shown[:3] if is_evidence} == set(evidence)
    assert (_text(held_up), False) in shown
    assert {"Heartbeat", "MeterValues"}.isdisjoint({message["action"] for message in case["messages"]})
    assert not any("MeterValuePeriodic" in message["frame"] for message in case["messages"])
    assert case["messages"][0]["reply"] is not None


def _text(at: Any) -> str:
    return str(at.isoformat()).replace("+00:00", "Z")


async def test_the_link_leads_to_the_whole_log(api: Api, desk: Desk) -> None:
    desk.session(60)
    beat = desk.message(55, "Heartbeat", {})
    case = (await ask_desk(api, session_id=TRANSACTION))["cases"][0]
    log = (await api.client.get(case["log_url"])).json()["items"]
    assert [message["received_at"] for message in log] == [_text(beat)]


async def test_the_station_is_known_by_what_stands_on_it(api: Api, desk: Desk) -> None:
    """Exactly first, then whatever the case, then a part of identity, name, reference or QR code."""
    desk.add_station("CP-11", name="South pillar")
    desk.add_station("cp-1", name="another")

    async def found(code: str) -> list[str]:
        answer = await ask_desk(api, station_id=code)
        return [station["id"] for station in answer["stations"]]

    assert await found("CP-1") == ["CP-1"]
    assert await found("Cp-1") == ["CP-1", "cp-1"]
    assert await found("p-1") == ["CP-1", "CP-11", "cp-1"]
    assert await found("north") == ["CP-1"]
    assert await found("de*vwy*e100*1") == ["CP-1"]
    assert await found("E100*1") == ["CP-1"]
    assert await found("https://pay.example/q?evse=DE*VWY*E100*1&l=de") == ["CP-1"]
    assert await found("100%") == []


async def test_a_token_is_known_by_a_part_and_in_any_case(api: Api, desk: Desk) -> None:
    """What stands in our list is found by half of it; sessions keep the spelling of the station."""
    desk.add_token("04A1B2C3")
    desk.session(60, token="04a1B2C3")
    for text in ("04a1B2c3", " 04A1B2C3 ", "A1B2"):
        found = await ask_desk(api, token=text)
        assert ([it["token"] for it in found["tokens"]], len(found["sessions"])) == (["04A1B2C3"], 1), text


async def test_a_session_is_known_by_both_its_ids(api: Api, desk: Desk) -> None:
    session_id = desk.session(60, transaction="abc-1")
    desk.session(90, transaction="abc-2", begin=70, token="BB")
    for text in (str(session_id), "abc-1"):
        found = await ask_desk(api, session_id=text)
        assert [it["id"] for it in found["sessions"]] == [str(session_id)]
        assert found["cases"][0]["session_id"] == str(session_id)
    assert (await ask_desk(api, session_id="abc-2", token="AA"))["sessions"] == []
    assert (await ask_desk(api, session_id="abc-9"))["cases"] == []


async def test_time_narrows_and_the_nearest_comes_first(api: Api, desk: Desk) -> None:
    for number, begin in enumerate((-600, 0, 120)):
        desk.session(begin + 60, begin=begin, transaction=str(number))
    near = await ask_desk(api, token="AA", at=minute(125).isoformat(), within=90)
    newest = await ask_desk(api, token="AA", limit=2)
    assert [case["at"] for case in near["cases"]] == [_text(minute(120)), _text(minute(0))]
    assert [case["at"] for case in newest["cases"]] == [_text(minute(120)), _text(minute(0))]
    assert len(newest["sessions"]) == 3


async def test_token_and_station_together_mean_both(api: Api, desk: Desk) -> None:
    """Somebody else's session at the same station, and the same token elsewhere, are not meant."""
    desk.add_station("CP-2")
    desk.session(60, transaction="mine")
    desk.session(60, transaction="other place", station="CP-2")
    desk.session(160, begin=100, transaction="other token", token="BB")
    found = await ask_desk(api, token="AA", station_id="CP-1")
    assert [it["transaction_id"] for it in found["sessions"]] == ["mine"]


async def test_a_token_that_led_to_a_session_is_no_failed_start(api: Api, desk: Desk) -> None:
    """Held up before the start, again at the end, and by a friend who stopped it: one case, the session."""
    desk.authorize(-1)
    desk.ask(-2, "start", {"token": "AA"})
    desk.session(60)
    desk.authorize(60)
    assert len((await ask_desk(api, token="AA"))["cases"]) == 1
    desk.authorize(60.2, token="FRIEND")
    assert len((await ask_desk(api, station_id="CP-1"))["cases"]) == 1


async def test_trying_again_is_one_attempt_and_later_is_another(api: Api, desk: Desk) -> None:
    for at in (1, 1.5, 2, 40):
        desk.authorize(at, "Blocked")
    found = await ask_desk(api, token="AA")
    assert _codes(found) == ["token_blocked", "token_blocked"]
    assert [case["at"][:19] for case in found["cases"]] == ["2026-03-02T16:40:00", "2026-03-02T16:02:00"]


async def test_a_refusal_before_the_session_stays_a_failed_start(api: Api, desk: Desk) -> None:
    """The desk unblocked the token in between: both the refusal and the session are told."""
    desk.authorize(-5, "Blocked")
    desk.authorize(-1)
    desk.session(60)
    assert _codes(await ask_desk(api, token="AA")) == ["stopped_by_driver", "token_blocked"]


async def test_an_unknown_station_proves_nothing_about_a_token(api: Api) -> None:
    """No sentence about stations that were not looked at."""
    found = await ask_desk(api, token="AA", station_id="NOWHERE", at=minute(0).isoformat())
    assert (found["stations"], found["cases"]) == ([], [])


async def test_a_start_from_afar_and_the_stations_question_are_one_attempt(api: Api, desk: Desk) -> None:
    key = desk.ask(1, "start", {"token": "AA"}, action="RemoteStartTransaction")
    question = desk.authorize(1.1, "Expired")
    (case,) = (await ask_desk(api, token="AA"))["cases"]
    assert case["explanation"]["code"] == "token_expired"
    assert [it["received_at"] for it in case["explanation"]["evidence"]] == [_text(question)]
    assert _text(key) in {message["received_at"] for message in case["messages"]}


async def test_a_rejected_start_names_its_frame(api: Api, desk: Desk) -> None:
    """Where the audit holds no status (older rows) the reply in the raw log counts; the frame is the evidence."""
    args = {"token": "AA", "evse_id": 1}
    key = desk.ask(1, "start", args, status=None, action="RemoteStartTransaction", answer="Rejected")
    (case,) = (await ask_desk(api, token="AA"))["cases"]
    assert case["explanation"]["code"] == "remote_start_rejected"
    assert [it["received_at"] for it in case["explanation"]["evidence"]] == [_text(key)]


async def test_an_old_fault_is_shown_though_it_lies_outside(api: Api, desk: Desk) -> None:
    """What the sentence rests on is always there, however long ago it was said."""
    fault = desk.status(-5000, "faulted", error="GroundFailure")
    (case,) = (await ask_desk(api, station_id="CP-1", at=minute(0).isoformat()))["cases"]
    assert [(it["received_at"], it["is_evidence"]) for it in case["messages"]] == [(_text(fault), True)]


async def test_the_messages_are_bounded(api: Api, desk: Desk) -> None:
    for number in range(80):
        desk.message(number / 20, "FirmwareStatusNotification", {"status": "Idle"})
    stop = desk.stop_16(10, "Local")
    desk.session(10)
    case = (await ask_desk(api, session_id=TRANSACTION))["cases"][0]
    assert len(case["messages"]) == 50
    assert case["messages"][0]["received_at"] == _text(stop)


async def test_secrets_in_the_log_are_hidden(api: Api, desk: Desk) -> None:
    """Also where a station tells its own password, which the gateway logs as it came."""
    listed = {"configurationKey": [{"key": "AuthorizationKey", "value": "hush-hush", "readonly": False}]}
    desk.message(1, "GetConfiguration", {}, listed, outgoing=True)
    desk.message(2, "ChangeConfiguration", {"key": "AuthorizationKey", "value": "hush-hush"}, outgoing=True)
    desk.message(3, "DataReport", b"\xffpassword=hush-hush")
    desk.session(10)
    answer = await api.client.get("/api/v1/support", params={"session_id": TRANSACTION})
    assert "hush-hush" not in answer.text
    assert "AuthorizationKey" in answer.text
    assert len(answer.json()["cases"][0]["messages"]) == 3


async def test_broken_frames_do_no_harm(api: Api, desk: Desk) -> None:
    """The log keeps whatever came; the desk shows it and goes on."""
    for frame in (b"", b"[", b"[2]", b"{}", b"null", b'[2,"1","StopTransaction",[]]', b"\xff\xfe"):
        desk.message(59, "StopTransaction", frame)
    desk.message(59, "TransactionEvent", {"transactionInfo": [1], "eventType": 5, "idToken": "x"})
    desk.session(60)
    case = (await ask_desk(api, session_id=TRANSACTION))["cases"][0]
    assert (case["explanation"]["code"], len(case["messages"])) == ("stopped_by_driver", 8)


async def test_incidents_there_and_then_are_named(api: Api, desk: Desk) -> None:
    desk.session(60)
    desk.incident(30, "Site without power", is_of_site=True, mrec="CX001")
    case = (await ask_desk(api, session_id=TRANSACTION))["cases"][0]
    assert [(it["title"], it["mrec"]) for it in case["incidents"]] == [("Site without power", "CX001")]


async def test_accounts_are_found_by_the_function_that_is_passed_in(database_url: str, desk: Desk) -> None:
    """It works in the same transaction, and its tokens are looked for as if they had been named."""
    desk.add_token("CARD")
    desk.session(60, token="CARD")
    asked: list[str] = []

    async def find(tx: Transaction, text: str) -> Sequence[AccountRef]:
        assert await fetch_one(tx, "SELECT 1 AS one FROM id_token") is not None
        asked.append(text)
        return [AccountRef("7", "Kim Doe", ("card",))]

    def router(database: Database) -> Any:
        return support_router(database, find_accounts=find)

    async with running_api(database_url, router) as api:
        found = await ask_desk(api, contact="0301234567")
    assert asked == ["0301234567"]
    assert found["accounts"] == [{"id": "7", "name": "Kim Doe", "tokens": ["card"]}]
    assert ([it["token"] for it in found["tokens"]], len(found["sessions"])) == (["CARD"], 1)


async def test_another_operator_sees_nothing(api: Api, desk: Desk, database_url: str) -> None:
    add_operator(database_url, 2, "Other")
    desk.add_token("AA", phone="+49301234567")
    desk.session(60)
    desk.authorize(70, "Blocked")
    async with await api.client_with("read", operator_id=2) as other:
        for params in ({"token": "AA"}, {"contact": "0301234567"}, {"station_id": "CP-1"}, {"session_id": TRANSACTION}):
            found = (await other.get("/api/v1/support", params=params)).json()
            assert (found["tokens"], found["stations"], found["sessions"]) == ([], [], []), params
            assert all(not case["messages"] and case["station_id"] is None for case in found["cases"])


async def test_who_may_ask_and_what(api: Api) -> None:
    """A reader may; nothing to look for, and what is no telephone number, is refused in a sentence."""
    nothing = await api.client.get("/api/v1/support")
    no_phone = await api.client.get("/api/v1/support", params={"contact": "Kim"})
    unknown = await ask_desk(api, contact="0309999999")
    async with await api.client_with("commands") as commander:
        assert (await commander.get("/api/v1/support", params={"token": "AA"})).status_code == 403
    assert (await api.anonymous.get("/api/v1/support", params={"token": "AA"})).status_code == 401
    assert (nothing.status_code, "name at least one of" in nothing.text) == (422, True)
    assert (no_phone.status_code, "a telephone number has digits" in no_phone.text) == (422, True)
    assert (unknown["tokens"], unknown["cases"]) == ([], [])


async def test_a_telephone_number_is_in_no_log(api: Api, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.add_token("AA", phone="+49301234567")
    await ask_desk(api, contact="0301234567")
    audit = await api.client.get("/api/v1/audit")
    said = capsys.readouterr()
    assert "1234567" not in said.out + said.err + audit.text
    assert ADMIN_TOKEN not in said.out


async def test_a_late_status_counts_at_its_own_time(api: Api, desk: Desk) -> None:
    """A station that was offline reports its fault afterwards; it explains the end that it belongs to."""
    desk.session(60, "Other", updated=170)
    desk.offline(50, 169)
    fault = desk.status(60, "faulted", error="GroundFailure", received=170)
    (case,) = (await ask_desk(api, session_id=TRANSACTION))["cases"]
    assert case["explanation"]["code"] == "station_fault"
    assert [it["received_at"] for it in case["explanation"]["evidence"]] == [_text(fault)]


async def test_each_evse_is_its_own_place(api: Api, desk: Desk) -> None:
    """One of two EVSEs in use leaves the other free: that is no reason."""
    desk.add_station("CP-2", evses=2)
    desk.link(-600, None, "CP-2")
    desk.session(60, token="ZZ", station="CP-2", evse_id=1)
    query = {"station_id": "CP-2", "token": "AA", "at": minute(30).isoformat(), "within": 5}
    assert _codes(await ask_desk(api, **query)) == ["token_not_presented"]
    desk.session(60, token="YY", station="CP-2", evse_id=2, transaction="78")
    assert _codes(await ask_desk(api, **query)) == ["evse_occupied"]


async def test_a_silence_without_a_time_is_about_now(api: Api, desk: Desk) -> None:
    desk.offline(100, None)
    (case,) = (await ask_desk(api, station_id="CP-1"))["cases"]
    assert (case["kind"], case["explanation"]["code"]) == ("silence", "station_offline")


async def test_the_answer_is_described(api: Api) -> None:
    """The document names the route, its parameters and its answer."""
    document = orjson.loads((await api.client.get("/openapi.json")).content)
    route = document["paths"]["/api/v1/support"]["get"]
    names = {parameter["name"] for parameter in route["parameters"]}
    assert {"token", "contact", "station_id", "session_id", "at", "within", "limit"} <= names


def test_the_default_tolerance_is_half_an_hour() -> None:
    assert Query(token="AA", at=minute(0)).begin == minute(0) - timedelta(minutes=30)
    assert Query(token="AA").begin is None

"""Incidents over HTTP: the inbox with its filters and pages, what people do with who and when, and what is refused."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, running_api
from tests.monitoring.incidents.desk import INCIDENTS, T0, enter, enter_in_state, enter_places, incident, place_of
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import api as incidents_api
from voltway.monitoring.incidents.model import IncidentState, Severity
from voltway.monitoring.incidents.service import Incidents

ACTIONS: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("acknowledge", None),
    ("assign", {"assignee": "mia"}),
    ("comments", {"text": "on my way"}),
    ("resolve", {"reason": "fuse replaced"}),
    ("reopen", {"reason": "it is not"}),
)


@pytest.fixture
async def api(database_url: str, clock: FakeClock) -> AsyncIterator[Api]:
    enter_places(database_url)

    def routes(database: Database) -> Any:
        return incidents_api.router(Incidents(database, clock=clock))

    async with running_api(database_url, routes) as running:
        yield running


async def listed(api: Api, **params: str | bool | int) -> list[int]:
    answer = await api.client.get(INCIDENTS, params=params)
    assert answer.status_code == 200, answer.text
    return [it["id"] for it in answer.json()["items"]]


async def act(api: Api, number: int, action: str, body: dict[str, Any] | None = None) -> Any:
    return await api.client.post(f"{INCIDENTS}/{number}/{action}", json=body)


@pytest.fixture
async def three(api: Api, database_url: str) -> tuple[int, int, int]:
    """The oldest first: a remedied one at HARBOUR, an open critical one at PORT, one of the network."""
    one = replace(incident(place_of(database_url, "CP-1")), state=IncidentState.REMEDIED, ended_at=T0)
    port = place_of(database_url, "CP-2")
    two = replace(incident(port, rule="temperature", minute=10), severity=Severity.CRITICAL)
    three = incident(rule="network_outage", minute=20)
    return await enter(api.database, one), await enter(api.database, two), await enter(api.database, three)


FILTERS: tuple[tuple[dict[str, str | bool], tuple[int, ...]], ...] = (
    ({}, (2, 1, 0)),
    ({"unresolved": True}, (2, 1)),
    ({"unresolved": False}, (0,)),
    ({"state": "remedied"}, (0,)),
    ({"state": "acknowledged"}, ()),
    ({"severity": "critical"}, (1,)),
    ({"rule": "temperature"}, (1,)),
    ({"location": "HARBOUR"}, (0,)),
    ({"station_id": "CP-2"}, (1,)),
    ({"location": "HARBOUR", "station_id": "CP-2"}, ()),
    ({"from": "2026-03-02T08:10:00Z"}, (2, 1)),
    ({"to": "2026-03-02T08:10:00Z"}, (0,)),
    ({"from": "2026-03-02T09:10:00+01:00", "to": "2026-03-02T08:20:00Z"}, (1,)),
)


async def test_filters_and_the_newest_opening_first(api: Api, three: tuple[int, int, int]) -> None:
    """`from` is inclusive, `to` exclusive; filters narrow each other."""
    for params, wanted in FILTERS:
        assert await listed(api, **params) == [three[index] for index in wanted], params


WRONG_FILTERS = (
    ({"state": "broken"}, "state"),
    ({"severity": "huge"}, "severity"),
    ({"from": "2026-03-02T08:10:00"}, "from"),
    ({"limit": "0"}, "limit"),
    ({"unresolved": "maybe"}, "unresolved"),
    ({"cursor": "nonsense"}, "cursor"),
    ({"rule": "a\x00b"}, "rule"),
)


async def test_a_wrong_filter_is_named(api: Api) -> None:
    for params, field in WRONG_FILTERS:
        answer = await api.client.get(INCIDENTS, params=params)
        assert answer.status_code == 422, (params, answer.text)
        assert [it["pointer"].strip("/") for it in answer.json()["errors"]] == [field]


async def test_pages_show_each_once_though_new_ones_open_meanwhile(api: Api) -> None:
    """Many of one instant are told apart by number; the Link header names the next page."""
    numbers = [await enter(api.database, replace(incident(), group_key=str(n))) for n in range(5)]
    seen, url, pages = [], f"{INCIDENTS}?limit=2", 0
    while url:
        answer = await api.client.get(url)
        seen += [it["id"] for it in answer.json()["items"]]
        pages += 1
        await enter(api.database, incident(minute=pages))
        url = answer.headers["Link"].split(">")[0][1:] if "Link" in answer.headers else ""
    assert (seen, pages) == (numbers[::-1], 3)


async def test_the_detail_names_the_place_and_tells_the_story(api: Api, database_url: str, clock: FakeClock) -> None:
    """Place and times as people read them, the symptoms now, and every line in order with who did it and when."""
    number = await enter(api.database, incident(place_of(database_url, "CP-1")))
    run_sql(
        database_url,
        """INSERT INTO symptom (operator_id, rule, location_id, station_id, evse_id, since, raised_at, value, detail,
             incident_id) SELECT 1, 'faulted', location_id, station_id, 1, %s, %s, 1, 'GroundFailure', %s
             FROM station WHERE identity = 'CP-1'""",
        T0, T0, number,
    )  # fmt: skip
    clock.advance(minutes=5)
    await act(api, number, "comments", {"text": "looked at it"})
    found = (await api.client.get(f"{INCIDENTS}/{number}")).json()
    assert {key: found[key] for key in ("location_id", "location_name", "station_id", "evse_id", "time_zone")} == {
        "location_id": "HARBOUR", "location_name": "Harbour", "station_id": "CP-1", "evse_id": 1,
        "time_zone": "Europe/Berlin",
    }  # fmt: skip
    assert (found["began_at"], found["opened_at"]) == ("2026-03-02T07:59:00Z", "2026-03-02T08:00:00Z")
    (symptom,) = found["current_symptoms"]
    assert (symptom["rule"], symptom["station_id"], symptom["detail"]) == ("faulted", "CP-1", "GroundFailure")
    assert [(it["at"], it["kind"], it["actor"], it["text"]) for it in found["entries"]] == [
        ("2026-03-02T08:00:00Z", "opened", "monitoring", "faulted: here"),
        ("2026-03-02T08:05:00Z", "commented", "admin", "looked at it"),
    ]


ALLOWED = (
    ("open", "acknowledge", None, "acknowledged", "acknowledged", "acknowledged"),
    ("reopened", "acknowledge", None, "acknowledged", "acknowledged", "acknowledged"),
    ("assigned", "acknowledge", None, "assigned", "acknowledged", "acknowledged"),
    ("open", "assign", {"assignee": "mia"}, "assigned", "assigned", "assigned to mia"),
    ("acknowledged", "assign", {"assignee": "mia"}, "assigned", "assigned", "assigned to mia"),
    ("assigned", "assign", {"assignee": None}, "acknowledged", "assigned", "assigned to nobody"),
    ("open", "resolve", {"reason": "fuse replaced"}, "resolved", "resolved", "fuse replaced"),
    ("assigned", "resolve", {"reason": "fuse replaced"}, "resolved", "resolved", "fuse replaced"),
    ("remedied", "resolve", {"reason": "seen"}, "resolved", "resolved", "seen"),
    ("remedied", "reopen", {"reason": "no"}, "reopened", "reopened", "no"),
    ("resolved", "reopen", {"reason": "no"}, "reopened", "reopened", "no"),
    ("open", "comments", {"text": "hm"}, "open", "commented", "hm"),
    ("resolved", "comments", {"text": "hm"}, "resolved", "commented", "hm"),
)


async def test_what_people_do_is_written_with_who_and_when(api: Api, clock: FakeClock) -> None:
    """Each act moves the state, adds one line to the timeline and one to the audit, in that person's name."""
    person = await api.client_with("read", "write")
    for index, (state, action, body, after, kind, text) in enumerate(ALLOWED):
        number = await enter_in_state(api.database, state, str(index))
        clock.advance(minutes=1)
        answer = await person.post(f"{INCIDENTS}/{number}/{action}", json=body)
        case = (state, action)
        assert answer.status_code == (201 if action == "comments" else 200), (case, answer.text)
        found, at = answer.json(), clock().isoformat().replace("+00:00", "Z")
        assert found["state"] == after, case
        line = found["entries"][-1]
        assert (line["at"], line["kind"], line["actor"], line["text"]) == (at, kind, "test", text), case
        assert len(found["entries"]) == 2, case
        assert found == (await person.get(f"{INCIDENTS}/{number}")).json(), case
        audit = (await api.client.get("/api/v1/audit", params={"action": f"incident.{kind}"})).json()["items"]
        assert (audit[0]["target"], audit[0]["detail"]["text"]) == (str(number), text), case


async def test_times_of_a_life(api: Api, clock: FakeClock) -> None:
    """Acknowledged once, at the first time; ended when resolved; not ended any more when reopened, which is counted."""
    number = await enter(api.database, incident())
    first = clock.advance(minutes=1)
    await act(api, number, "assign", {"assignee": "mia"})
    clock.advance(minutes=1)
    found = (await act(api, number, "acknowledge")).json()
    stamp = first.isoformat().replace("+00:00", "Z")
    assert (found["acknowledged_at"], found["assignee"], found["state"]) == (stamp, "mia", "assigned")
    ended = clock.advance(minutes=1).isoformat().replace("+00:00", "Z")
    assert (await act(api, number, "resolve", {"reason": "done"})).json()["ended_at"] == ended
    again = (await act(api, number, "reopen", {"reason": "not done"})).json()
    assert (again["ended_at"], again["reopened"], again["assignee"]) == (None, 1, "mia")


REFUSED = (
    ("remedied", "acknowledge", None, "is remedied; reopen it before it can be acknowledged"),
    ("resolved", "acknowledge", None, "is resolved; reopen it before it can be acknowledged"),
    ("remedied", "assign", {"assignee": "mia"}, "is remedied; reopen it before it can be assigned"),
    ("resolved", "assign", {"assignee": None}, "is resolved; reopen it before it can be assigned"),
    ("resolved", "resolve", {"reason": "x"}, "is resolved already"),
    ("open", "reopen", {"reason": "x"}, "is open; there is nothing to reopen"),
    ("assigned", "reopen", {"reason": "x"}, "is assigned; there is nothing to reopen"),
)


async def test_what_does_not_fit_the_state_is_a_conflict_that_says_why(api: Api) -> None:
    for index, (state, action, body, why) in enumerate(REFUSED):
        number = await enter_in_state(api.database, state, str(index))
        before = (await api.client.get(f"{INCIDENTS}/{number}")).json()
        answer = await act(api, number, action, body)
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (409, "urn:voltway:problem:conflict"), (state, action)
        assert problem["detail"] == f"incident {number} {why}"
        assert (await api.client.get(f"{INCIDENTS}/{number}")).json() == before


async def test_an_old_one_is_not_reopened_beside_its_successor(api: Api, clock: FakeClock) -> None:
    """At most one incident of a group is unresolved: the newer one goes on, and the answer names it."""
    old = await enter_in_state(api.database, "resolved", "same")
    new = await enter_in_state(api.database, "open", "same")
    answer = await act(api, old, "reopen", {"reason": "again"})
    assert answer.status_code == 409, answer.text
    assert f"incident {new}" in answer.json()["detail"]
    assert len((await api.client.get(f"{INCIDENTS}/{old}")).json()["entries"]) == 1
    await act(api, new, "resolve", {"reason": "it is the old one"})
    assert (await act(api, old, "reopen", {"reason": "again"})).json()["state"] == "reopened"


MALFORMED: tuple[tuple[str, dict[str, Any], list[str]], ...] = (
    ("assign", {}, ["/assignee"]),
    ("assign", {"assignee": ""}, ["/assignee"]),
    ("assign", {"assignee": "x" * 256}, ["/assignee"]),
    ("assign", {"assignee": "mia", "to": 1}, ["/to"]),
    ("resolve", {}, ["/reason"]),
    ("resolve", {"reason": "x" * 2001, "by": "me"}, ["/reason", "/by"]),
    ("reopen", {"reason": 7}, ["/reason"]),
    ("comments", {"text": ""}, ["/text"]),
    ("comments", {"text": "a\x00b"}, ["/text"]),
)


async def test_malformed_bodies_name_every_fault(api: Api) -> None:
    number = await enter(api.database, incident())
    for action, body, pointers in MALFORMED:
        answer = await act(api, number, action, body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert [it["pointer"] for it in answer.json()["errors"]] == pointers
    assert (await act(api, number, "comments", {"text": "two\nlines, öäü"})).status_code == 201


async def test_there_is_no_such_incident(api: Api) -> None:
    """However large the number: not found or malformed, never a failure of ours."""
    for number in ("999", "9223372036854775807", "99999999999999999999", "-1"):
        for method, path in (("GET", ""), ("POST", "/acknowledge")):
            answer = await api.client.request(method, f"{INCIDENTS}/{number}{path}")
            assert answer.status_code in {404, 422}, answer.text
            assert answer.json()["code"] in {"not_found", "invalid_input"}


async def test_another_operators_incidents_are_never_visible(api: Api, three: tuple[int, int, int]) -> None:
    """Not in lists by any filter, not by number, and not to be acted on: to others it is as if there is none."""
    stranger = await api.client_with("read", "write", "commands", "admin", operator_id=2)
    for params, _ in FILTERS:
        assert (await stranger.get(INCIDENTS, params=params)).json()["items"] == []
    for number in three:
        unknown = await stranger.get(f"{INCIDENTS}/{number}")
        assert (unknown.status_code, unknown.json()["detail"]) == (404, f"there is no incident {number}")
        for action, body in ACTIONS:
            assert (await stranger.post(f"{INCIDENTS}/{number}/{action}", json=body)).status_code == 404, action
        assert len((await api.client.get(f"{INCIDENTS}/{number}")).json()["entries"]) == 1
    own = await enter(api.database, replace(incident(), operator_id=OperatorId(2)))
    assert [it["id"] for it in (await stranger.get(INCIDENTS)).json()["items"]] == [own]
    assert own not in await listed(api)


async def test_a_reader_may_look_and_not_act(api: Api) -> None:
    number = await enter(api.database, incident())
    reader, writer = await api.client_with("read"), await api.client_with("write")
    assert (await reader.get(f"{INCIDENTS}/{number}")).status_code == 200
    for action, body in ACTIONS:
        refused = await reader.post(f"{INCIDENTS}/{number}/{action}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), action
        assert (await api.anonymous.post(f"{INCIDENTS}/{number}/{action}", json=body)).status_code == 401
    assert (await writer.get(INCIDENTS)).status_code == 403
    assert len((await reader.get(f"{INCIDENTS}/{number}")).json()["entries"]) == 1


async def test_the_desk_counts_and_follows(api: Api, three: tuple[int, int, int]) -> None:
    """What live views ask for: unresolved by severity, and what changed since an instant, of one's own only."""
    desk = Incidents(api.database)
    assert await desk.count_unresolved(OperatorId(1)) == {"critical": 1, "major": 1}
    assert await desk.count_unresolved(OperatorId(2)) == {}
    changed = await desk.changed_since(OperatorId(1), T0 + timedelta(minutes=5))
    assert [it.incident.incident_id for it in changed] == list(three[1:])
    assert await desk.changed_since(OperatorId(2), T0 - timedelta(days=1)) == []

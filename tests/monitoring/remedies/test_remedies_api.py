"""Routes of remedies: ladders and modes are edited, runs and their success are read, a person may run a step."""

from collections.abc import AsyncIterator

import pytest
from tests.httpapi.client import Api, running_api
from tests.monitoring.remedies.stage import Neighbours, connected_station, open_incident, seed
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database
from voltway.kernel.clock import now
from voltway.monitoring.remedies import api as remedies_api
from voltway.monitoring.remedies.service import Remedies

LADDERS = "/api/v1/monitoring/ladders"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    seed(database_url, mode="safe")

    def routes(database: Database) -> object:
        return remedies_api.router(Remedies(database, Neighbours().ties))

    async with running_api(database_url, routes) as running:  # type: ignore[arg-type]  # a router it is
        yield running


async def incident_of(api: Api, database_url: str, *, is_connected: bool = True) -> int:
    """Open an incident of a station of its own; return its number."""
    station_id = connected_station(database_url, "CP-9", is_connected=is_connected)
    remedies = Remedies(api.database, Neighbours().ties)
    return (await open_incident(api.database, remedies, station_id, "reset_it", now())).incident_id


async def test_a_shipped_ladder_is_changed_and_is_back_after_the_delete(api: Api) -> None:
    shipped = (await api.client.get(f"{LADDERS}/offline")).json()
    assert (shipped["own"], shipped["mode"], [step["action"] for step in shipped["steps"]]) == (
        False, "safe", ["ticket"],
    )  # fmt: skip
    body = {"title": "Ours", "steps": [{"action": "ticket", "wait_before_s": 60}]}
    assert (await api.client.put(f"{LADDERS}/offline", json=body)).json()["own"] is True
    assert (await api.client.get(f"{LADDERS}/offline")).json()["title"] == "Ours"
    assert (await api.client.delete(f"{LADDERS}/offline")).status_code == 204
    assert (await api.client.get(f"{LADDERS}/offline")).json() == shipped
    assert (await api.client.delete(f"{LADDERS}/offline")).status_code == 404
    assert (await api.client.get(f"{LADDERS}/nothing")).status_code == 404
    audit = (await api.client.get("/api/v1/audit", params={"action": "ladder.put"})).json()["items"]
    assert [entry["target"] for entry in audit] == ["offline"]


async def test_one_setting_turns_remedies_on(api: Api) -> None:
    """A ladder's own mode is stronger than the operator's."""
    put = "/api/v1/monitoring/remedies/mode"
    assert (await api.client.put(put, json={"mode": "on"})).status_code == 204
    assert (await api.client.put(put, json={"mode": "off", "ladder": "faulted"})).status_code == 204
    modes = {it["code"]: it["mode"] for it in (await api.client.get(LADDERS)).json()}
    assert (modes["faulted"], modes["no_energy"]) == ("off", "on")
    assert (await api.client.put(put, json={"mode": "on", "ladder": "no"})).status_code == 404
    reader = await api.client_with("read", "write")
    assert (await reader.put(put, json={"mode": "on"})).status_code == 403


async def test_malformed_ladders_are_refused(api: Api) -> None:
    for body in ({}, {"title": "x", "steps": []}, {"title": "x", "steps": [{"action": "explode"}]}):
        assert (await api.client.put(f"{LADDERS}/mine", json=body)).status_code == 422
    assert (await api.client.put(f"{LADDERS}/Mine!", json={})).status_code == 422


async def test_the_plan_says_what_would_be_done_and_what_stands_against_it(api: Api, database_url: str) -> None:
    incident_id = await incident_of(api, database_url)
    path = f"/api/v1/incidents/{incident_id}/remedies/plan"
    plan = (await api.client.get(path)).json()
    assert (plan["ladder"], plan["decision"]["word"], plan["decision"]["action"]) == (
        "reset_it", "would_run", "soft_reset",
    )  # fmt: skip
    assert [it["state"] for it in plan["runs"]] == ["planned"]
    run_sql(database_url, "UPDATE station_link SET connected = false")
    decision = (await api.client.get(path)).json()["decision"]
    assert (decision["word"], decision["why"]) == ("wait", "offline")
    assert (await api.client.get("/api/v1/incidents/999/remedies/plan")).status_code == 404


async def test_a_person_runs_a_step_within_limits_or_by_force(api: Api, database_url: str) -> None:
    """The limit is named; force is a commander's right, and stands in the audit."""
    incident_id = await incident_of(api, database_url, is_connected=False)
    path = f"/api/v1/incidents/{incident_id}/remedies/unlock"
    refused = await api.client.post(path, json={})
    assert (refused.status_code, "offline" in refused.text) == (409, True)
    done = await api.client.post(path, json={"force": True})
    assert (done.status_code, done.json()["manual"], done.json()["forced"]) == (202, True, True)
    assert (await api.client.post(path, json={"message": "Heartbeat"})).status_code == 422
    writer = await api.client_with("read", "write")
    assert (await writer.post(path, json={})).status_code == 403
    listed = (await api.client.get("/api/v1/monitoring/remedies/runs", params={"station_id": "CP-9"})).json()["items"]
    assert [it["action"] for it in listed] == ["unlock", "soft_reset"]
    audit = (await api.client.get("/api/v1/audit", params={"action": "remedy.unlock"})).json()["items"]
    assert [(entry["target"], entry["detail"]["forced"]) for entry in audit] == [("CP-9", True)]


async def test_success_is_counted_by_product_with_its_interval(api: Api, database_url: str) -> None:
    await incident_of(api, database_url)
    run_sql(
        database_url,
        """UPDATE remedy_run SET state = 'ended', result = 'helped', sent_at = now(), vendor = 'Maker',
             due_at = NULL""",
    )
    (row,) = (await api.client.get("/api/v1/monitoring/remedies/success")).json()
    assert (row["action"], row["rule"], row["vendor"], row["runs"], row["helped"]) == (
        "soft_reset", "reset_it", "Maker", 1, 1,
    )  # fmt: skip
    assert row["low"] == pytest.approx(0.2065, abs=1e-4)
    stranger = await api.client_with("read")
    assert len((await stranger.get("/api/v1/monitoring/remedies/success")).json()) == 1


async def test_another_operator_sees_nothing(api: Api, database_url: str) -> None:
    incident_id = await incident_of(api, database_url)
    run_sql(database_url, "INSERT INTO operator (operator_id, name) VALUES (2, 'Other')")
    other = await api.client_with("read", "commands", operator_id=2)
    assert (await other.get("/api/v1/monitoring/remedies/runs")).json()["items"] == []
    assert (await other.post(f"/api/v1/incidents/{incident_id}/remedies/unlock", json={})).status_code == 404
    assert (await other.get(f"{LADDERS}/reset_it")).status_code == 404

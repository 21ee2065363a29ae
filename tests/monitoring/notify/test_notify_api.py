"""Routes, log and webhooks over HTTP: secrets are shown once or never, faults all at once, scopes, audit."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.httpapi.client import Api, add_operator, running_api
from tests.monitoring.notify.changes import seed_network
from tests.monitoring.notify.test_events import maker
from tests.sessions.seeding import run_sql

SECRET = "s3cr3tword"
MAIL = f"mailtos://desk:{SECRET}@mail.test?to=desk@mail.test"
ROUTE: dict[str, Any] = {"name": "Desk", "targets": [MAIL]}
FULL: dict[str, Any] = {
    "name": "Nights", "enabled": False, "targets": [MAIL], "min_severity": "major", "kinds": ["opened", "remedied"],
    "locations": ["HARBOUR"], "groups": ["fast"],
    "window": {"days": [5, 6, 7], "hours": {"from": "18:00", "to": "08:00"}},
    "quiet_hours": {"from": "22:00", "to": "06:00"}, "digest_min": 30, "critical_passes": False,
    "time_zone": "Europe/London", "repeat_uncertain": True,
}  # fmt: skip
HOOKS = "/api/v1/webhooks"
ROUTES = "/api/v1/monitoring/routes"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    seed_network(database_url)
    async with running_api(database_url, maker(database_url)) as running:
        yield running


async def create(api: Api, url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.client.post(url, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_route_lives(api: Api) -> None:
    """Entered with defaults, listed, replaced, deleted."""
    made = await create(api, ROUTES, ROUTE)
    assert (made["enabled"], made["min_severity"], made["digest_min"]) == (True, "info", None)
    assert made["kinds"] == ["opened", "worsened", "remedied", "resolved", "reopened"]
    url = f"{ROUTES}/{made['id']}"
    assert (await api.client.get(ROUTES)).json()["items"] == [made]
    replaced = await api.client.put(url, json=FULL)
    shown = (await api.client.get(url)).json()
    assert replaced.json() == shown
    assert {key: shown[key] for key in FULL if key != "targets"} == {key: FULL[key] for key in FULL if key != "targets"}
    assert (await api.client.delete(url)).status_code == 204
    assert (await api.client.get(url)).status_code == 404
    assert (await api.client.put(url, json=ROUTE)).status_code == 404


async def test_a_secret_is_never_shown_again(api: Api, database_url: str) -> None:
    """Not in answers, not in the audit; the masked form that an answer shows keeps what is stored."""
    made = await create(api, ROUTES, ROUTE)
    url = f"{ROUTES}/{made['id']}"
    assert SECRET not in str(made)
    assert made["targets"][0].startswith("mailtos://desk:****@mail.test/")
    again = await api.client.put(url, json={**ROUTE, "name": "Renamed", "targets": made["targets"]})
    assert again.json()["targets"] == made["targets"]
    assert run_sql(database_url, "SELECT url FROM notification_target") == [(MAIL,)]
    audit = run_sql(database_url, "SELECT action, CAST(detail AS text) FROM audit ORDER BY audit_id")
    assert [action for action, _ in audit] == ["notification_route.create", "notification_route.replace"]
    assert SECRET not in str(audit)


async def test_all_faults_of_targets_at_once(api: Api) -> None:
    answer = await api.client.post(ROUTES, json={**ROUTE, "targets": ["file:///etc/passwd", MAIL, "slack://x"]})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/targets/0", "/targets/2"]


@pytest.mark.parametrize(
    "fault",
    [
        {"targets": []}, {"name": ""}, {"kinds": []}, {"min_severity": "bad"}, {"digest_min": 0}, {"time_zone": "Mars"},
        {"quiet_hours": {"from": "22:00", "to": "22:00"}}, {"quiet_hours": {"from": "24:00", "to": "06:00"}},
        {"window": {"days": [8]}}, {"odd": 1},
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(api: Api, fault: dict[str, Any]) -> None:
    assert (await api.client.post(ROUTES, json={**ROUTE, **fault})).status_code == 422


async def test_a_name_is_taken_once(api: Api) -> None:
    await create(api, ROUTES, ROUTE)
    assert (await api.client.post(ROUTES, json=ROUTE)).status_code == 409


async def test_a_test_is_queued_and_in_the_log(api: Api) -> None:
    made = await create(api, ROUTES, ROUTE)
    answer = await api.client.post(f"{ROUTES}/{made['id']}/test")
    assert answer.status_code == 202
    (number,) = answer.json()["messages"]
    (line,) = (await api.client.get("/api/v1/monitoring/notifications")).json()["items"]
    assert (line["id"], line["route"], line["kind"], line["state"], line["attempts"]) == (
        number,
        "Desk",
        "test",
        "pending",
        0,
    )
    assert line["subject"].startswith("Test: ")
    assert SECRET not in str(line)
    assert (await api.client.post(f"{ROUTES}/99/test")).status_code == 404


async def test_the_log_outlives_its_route_and_is_filtered(api: Api, database_url: str) -> None:
    made = await create(api, ROUTES, ROUTE)
    for _ in range(2):
        await api.client.post(f"{ROUTES}/{made['id']}/test")
    run_sql(database_url, "UPDATE notification_message SET state = 'uncertain', incidents = '{7}' WHERE message_id = 1")
    await api.client.delete(f"{ROUTES}/{made['id']}")

    async def numbers(**query: str) -> list[int]:
        answer = await api.client.get("/api/v1/monitoring/notifications", params=query)
        return [line["id"] for line in answer.json()["items"]]

    assert await numbers() == [2, 1]
    assert await numbers(state="uncertain") == [1]
    assert await numbers(incident="7") == [1]
    assert await numbers(limit="1") == [2]
    assert (await api.client.get("/api/v1/monitoring/notifications", params={"state": "odd"})).status_code == 422


async def test_a_webhook_lives(api: Api) -> None:
    """Its secret is shown as it is made and as it is exchanged, and never else."""
    made = await create(api, HOOKS, {"url": "https://8.8.8.8/hook", "types": ["incident.*"], "description": "CRM"})
    assert made["secret"].startswith("whsec_")
    url = f"{HOOKS}/{made['webhook']['id']}"
    shown = (await api.client.get(url)).json()
    assert shown == made["webhook"]
    assert "secret" not in shown
    rotated = (await api.client.post(f"{url}/rotate-secret", json={"overlap_hours": 1})).json()
    assert rotated["secret"] != made["secret"]
    assert rotated["webhook"]["old_secret_until"] is not None
    changed = await api.client.patch(url, json={"enabled": False, "types": []})
    assert (changed.json()["enabled"], changed.json()["types"], changed.json()["description"]) == (False, [], "CRM")
    assert [it["id"] for it in (await api.client.get(HOOKS)).json()["items"]] == [shown["id"]]
    assert (await api.client.delete(url)).status_code == 204
    assert (await api.client.get(f"{url}/deliveries")).status_code == 404


async def test_a_ping_and_replays_over_http(api: Api) -> None:
    made = await create(api, HOOKS, {"url": "https://8.8.8.8/hook"})
    url = f"{HOOKS}/{made['webhook']['id']}"
    number = (await api.client.post(f"{url}/ping")).json()["delivery"]
    (delivery,) = (await api.client.get(f"{url}/deliveries", params={"state": "pending"})).json()["items"]
    assert (delivery["id"], delivery["type"], delivery["log"]) == (number, "ping", [])
    assert (await api.client.post(f"{url}/deliveries/{number}/replay")).json() == {"deliveries": 1}
    answer = await api.client.post(f"{url}/replay", json={"since": "2026-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 0})
    assert (await api.client.post(f"{url}/replay", json={"since": "2026-01-01T00:00:00"})).status_code == 422


@pytest.mark.parametrize(
    "url",
    ["http://8.8.8.8/", "https://127.0.0.1/", "https://user:pw@8.8.8.8/", "ftp://8.8.8.8/", "nonsense", "https://[::1]/",
     "https://169.254.169.254/latest/meta-data", "https://2130706433/", ""],
)  # fmt: skip
async def test_where_a_webhook_may_not_lead(database_url: str, url: str) -> None:
    """Plain HTTP, our own network in any spelling, a password in the URL; with a sentence that says so."""
    async with running_api(database_url, maker(database_url, allow_private=False)) as api:
        answer = await api.client.post(HOOKS, json={"url": url})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/url"


async def test_who_may(api: Api, database_url: str) -> None:
    """Readers read; targets and endpoints make us call others, so only administrators enter them."""
    add_operator(database_url, 2, "Other")
    made = await create(api, ROUTES, ROUTE)
    async with await api.client_with("read", "write", "commands") as reader:
        assert (await reader.get(ROUTES)).status_code == 200
        assert (await reader.get(HOOKS)).status_code == 200
        assert (await reader.post(ROUTES, json=ROUTE)).status_code == 403
        assert (await reader.post(f"{ROUTES}/{made['id']}/test")).status_code == 403
        assert (await reader.post(HOOKS, json={"url": "https://8.8.8.8/"})).status_code == 403
    async with await api.client_with("read", "admin", operator_id=2) as other:
        assert (await other.get(ROUTES)).json()["items"] == []
        assert (await other.get(f"{ROUTES}/{made['id']}")).status_code == 404
        assert (await other.delete(f"{ROUTES}/{made['id']}")).status_code == 404

"""Rules over HTTP: read, changed, refused with every fault, put back; the watch takes a change in without a restart."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, add_operator, running_api
from tests.monitoring.watch.stage import Network, running_network, status

from voltway.infra.db import Database
from voltway.kernel.facts import ConnectorStatus
from voltway.monitoring.incidents import rules_api
from voltway.monitoring.incidents.rule_service import Rules
from voltway.monitoring.incidents.rules import shipped

RULES = "/api/v1/monitoring/rules"
OWN = {"title": "Vandalism", "detector": "faulted", "group_by": "station", "severity": "critical"}


@pytest.fixture
async def api(database_url: str, clock: FakeClock) -> AsyncIterator[Api]:
    add_operator(database_url, 2, "Other")

    def routes(database: Database) -> Any:
        return rules_api.router(Rules(database, clock=clock))

    async with running_api(database_url, routes) as running:
        yield running


@pytest.fixture
async def network(database_url: str, clock: FakeClock) -> AsyncIterator[Network]:
    async with running_network(database_url, clock) as made:
        made.add("A", site="HARBOUR")
        made.add("B", site="PORT")
        yield made


async def put(api: Api, code: str, **body: Any) -> dict[str, Any]:
    answer = await api.client.put(f"{RULES}/{code}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_shipped_rules_are_read(api: Api) -> None:
    """By code, each with all that it computes with; nothing is changed yet."""
    items = (await api.client.get(RULES)).json()["items"]
    assert [it["code"] for it in items] == sorted(shipped())
    assert all((it["changed"], it["is_shipped"], it["faults"]) == ([], True, []) for it in items)
    one = (await api.client.get(f"{RULES}/site_outage")).json()
    assert one in items
    assert (one["scope"], one["threshold"], one["hold_s"], one["severity"]) == ("site", 0.6, 120.0, "critical")
    assert (await api.client.get(f"{RULES}/nothing")).status_code == 404


async def test_a_change_names_only_what_differs_and_is_put_back(api: Api) -> None:
    """What is not named stays as shipped; a second change takes the place of the first; each stands in the audit."""
    before = (await api.client.get(f"{RULES}/temperature")).json()
    changed = await put(api, "temperature", threshold=90, clear_below=80, hold_s=60, where={"vendors": ["Acme"]})
    assert changed["changed"] == ["clear_below", "hold_s", "threshold", "where"]
    differs = {key for key in before if before[key] != changed[key]}
    assert differs == {"changed", "clear_below", "hold_s", "threshold", "where"}
    assert (changed["threshold"], changed["hold_s"], changed["where"]) == (90.0, 60.0, {"vendors": ["Acme"]})
    assert changed == (await api.client.get(f"{RULES}/temperature")).json()
    again = await put(api, "temperature", enabled=False)
    assert {key: again[key] for key in ("enabled", "threshold", "changed")} == {
        "enabled": False, "threshold": before["threshold"], "changed": ["enabled"],
    }  # fmt: skip
    assert (await api.client.delete(f"{RULES}/temperature")).status_code == 204
    assert (await api.client.get(f"{RULES}/temperature")).json() == before
    assert (await api.client.delete(f"{RULES}/temperature")).status_code == 404
    audit = (await api.client.get("/api/v1/audit")).json()["items"]
    told = [(it["action"], it["target"]) for it in audit if it["action"].startswith("rule.")]
    assert told == [("rule.reset", "temperature"), ("rule.put", "temperature"), ("rule.put", "temperature")]
    assert audit[1]["detail"] == {"enabled": False}


async def test_parameters_are_changed_one_by_one(api: Api) -> None:
    before = (await api.client.get(f"{RULES}/site_outage")).json()["params"]
    changed = await put(api, "site_outage", params={"within_s": 60})
    assert changed["params"] == {**before, "within_s": 60}


async def test_a_rule_of_ones_own(api: Api) -> None:
    """A new code needs a title, a detector and what it groups by; deleting drops it."""
    made = await put(api, "vandalism", **OWN)
    assert (made["is_shipped"], made["scope"], made["threshold"], made["enabled"]) == (False, "evse", 1.0, True)
    assert made in (await api.client.get(RULES)).json()["items"]
    assert (await api.client.delete(f"{RULES}/vandalism")).status_code == 204
    assert (await api.client.get(f"{RULES}/vandalism")).status_code == 404


REFUSED: tuple[tuple[str, str, list[str]], ...] = (
    ("temperature", '{"threshold": NaN}', ["/threshold"]),
    ("temperature", '{"threshold": Infinity, "hold_s": -Infinity}', ["/threshold", "/hold_s"]),
    ("temperature", '{"threshold": 1e300}', ["/threshold"]),
    ("temperature", '{"threshold": true, "enabled": 1, "title": 7}', ["/threshold", "/title", "/enabled"]),
    ("temperature", '{"threshold": null}', ["/threshold"]),
    ("temperature", '{"clear_below": 86}', ["/clear_below"]),
    ("temperature", '{"threshold": 0, "clear_below": -1}', ["/threshold", "/clear_below"]),
    ("temperature", '{"hold_s": -1, "clear_hold_s": 2592001}', ["/hold_s", "/clear_hold_s"]),
    ("temperature", '{"detector": "crystal_ball", "severity": "huge", "group_by": "planet"}',
     ["/detector", "/severity", "/group_by"]),
    ("temperature", '{"treshold": 80, "titel": ""}', ["/treshold", "/titel"]),
    ("temperature", '{"title": "", "where": {"planets": ["Mars"], "groups": "fast"}}',
     ["/title", "/where/planets", "/where/groups"]),
    ("temperature", '{"where": []}', ["/where"]),
    ("temperature", '{"ladder": 3, "params": []}', ["/params", "/ladder"]),
    ("site_outage", '{"group_by": "evse"}', ["/group_by"]),
    ("site_outage", '{"params": {"within_s": NaN, "speed": 3}}', ["/params/within_s", "/params/speed"]),
    ("mine", "{}", ["/detector", "/group_by", "/title"]),
)  # fmt: skip


async def test_refused_changes_name_the_pointer_of_each_fault_and_change_nothing(api: Api) -> None:
    before = (await api.client.get(RULES)).json()
    for code, body, pointers in REFUSED:
        answer = await api.client.put(f"{RULES}/{code}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (body, answer.text)
        problem = answer.json()
        assert problem["code"] == "invalid_input", body
        assert sorted(it["pointer"] for it in problem["errors"]) == sorted(pointers), body
        assert all(it["message"] for it in problem["errors"]), body
    assert (await api.client.get(RULES)).json() == before
    for code, body in (("temperature", "[]"), ("temperature", "{"), ("Temperature!", "{}")):
        answer = await api.client.put(f"{RULES}/{code}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (code, body)


async def test_only_who_may_write_changes_rules_and_only_their_own(api: Api) -> None:
    """A reader looks; another operator has the shipped rules, whatever this one changed."""
    reader = await api.client_with("read")
    stranger = await api.client_with("read", "write", operator_id=2)
    assert (await reader.put(f"{RULES}/temperature", json={"threshold": 99})).status_code == 403
    assert (await reader.delete(f"{RULES}/temperature")).status_code == 403
    assert (await api.anonymous.get(RULES)).status_code == 401
    before = (await stranger.get(RULES)).json()
    await put(api, "temperature", threshold=99)
    await put(api, "vandalism", **OWN)
    assert (await stranger.get(RULES)).json() == before
    assert (await stranger.get(f"{RULES}/vandalism")).status_code == 404
    assert (await stranger.delete(f"{RULES}/temperature")).status_code == 404
    assert (await stranger.put(f"{RULES}/temperature", json={"threshold": 77})).status_code == 200
    assert (await reader.get(f"{RULES}/temperature")).json()["threshold"] == 99


async def faulted(network: Network, identity: str) -> None:
    await network.tell(identity, status(ConnectorStatus.FAULTED, network.clock(), "GroundFailure"))


async def test_the_watch_takes_a_longer_hold_in_without_a_restart(api: Api, network: Network) -> None:
    await network.connect("A", "B")
    await network.step(seconds=1)
    await put(api, "faulted", hold_s=60)
    await network.step(seconds=1)
    await faulted(network, "A")
    await network.step(seconds=30)
    assert network.incidents() == []
    await network.live("A", "B")
    await network.step(seconds=31)
    assert network.incidents() == [("faulted", "open")]


async def test_the_watch_takes_where_and_enabled_in_without_a_restart(api: Api, network: Network) -> None:
    """A rule of one's own for one site; the shipped one is off."""
    await network.connect("A", "B")
    await network.step(seconds=1)
    await put(api, "faulted", enabled=False)
    await put(api, "vandalism", **OWN, where={"locations": ["PORT"]})
    await network.step(seconds=1)
    await faulted(network, "A")
    await faulted(network, "B")
    await network.step(seconds=5)
    assert network.incidents() == [("vandalism", "open")]
    assert network.sql("SELECT severity, group_key FROM incident") == [
        ("critical", f"vandalism@station/{network.seats['B'].station_id}")
    ]


async def test_another_operators_rules_do_not_touch_these_stations(api: Api, network: Network) -> None:
    stranger = await api.client_with("read", "write", operator_id=2)
    assert (await stranger.put(f"{RULES}/faulted", json={"enabled": False})).status_code == 200
    await network.connect("A", "B")
    await network.step(seconds=1)
    await faulted(network, "A")
    await network.step(seconds=1)
    assert network.incidents() == [("faulted", "open")]


@pytest.mark.parametrize("change", [{"enabled": False}, {"where": {"locations": ["PORT"]}}])
async def test_what_a_rule_no_longer_asks_for_is_over(api: Api, network: Network, change: dict[str, Any]) -> None:
    """A rule that is switched off, or no longer applies to a place, takes its open incidents with it."""
    await network.connect("A", "B")
    await network.step(seconds=1)
    await faulted(network, "A")
    await network.step(seconds=1)
    assert network.incidents() == [("faulted", "open")]
    await put(api, "faulted", **change)
    await network.step(seconds=5)
    assert network.incidents() == [("faulted", "remedied")]
    assert network.sql("SELECT count(*) FROM symptom") == [(0,)]


async def test_a_rule_that_is_switched_on_sees_what_stands_already(api: Api, network: Network) -> None:
    """No new fact is needed: a fault that lasts is raised once the rule asks for it."""
    await put(api, "faulted", enabled=False)
    await network.connect("A", "B")
    await network.step(seconds=1)
    await faulted(network, "A")
    await network.step(seconds=1)
    assert network.incidents() == []
    assert (await api.client.delete(f"{RULES}/faulted")).status_code == 204
    await network.step(seconds=1)
    assert network.incidents() == [("faulted", "open")]

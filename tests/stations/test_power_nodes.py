"""The electrical tree of a location: it stays a tree, and a station hangs on a node of its own site."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.httpapi.client import ADMIN, Api, add_operator, running_api

from voltway.httpapi.imports import Importer
from voltway.stations import api as stations_api
from voltway.stations import power_api
from voltway.stations.imports import StationPlan
from voltway.stations.power_nodes import NodeValues, PowerNode, PowerNodes, node_faults, way_up
from voltway.stations.service import Stations

TREE = "/api/v1/locations/L1/power-nodes"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    add_operator(database_url, 2, "Other")
    makers = (lambda db: power_api.router(PowerNodes(db)), lambda db: stations_api.router(Stations(db)))
    async with running_api(database_url, *makers) as running:
        for code in ("L1", "L2"):
            place = {"id": code, "name": code, "time_zone": "Europe/Berlin"}
            assert (await running.client.post("/api/v1/locations", json=place)).status_code == 201
        yield running


async def _put(api: Api, code: str, kind: str, parent: str | None = None, **values: Any) -> Any:
    return await api.client.put(f"{TREE}/{code}", json={"kind": kind, "parent": parent, **values})


async def _tree(api: Api) -> None:
    for code, kind, parent in (("G", "grid", None), ("F1", "feeder", "G"), ("P1", "panel", "F1")):
        answer = await _put(api, code, kind, parent, limit_w=100_000)
        assert answer.status_code == 200, answer.text


async def test_a_tree_is_built_read_and_taken_down(api: Api) -> None:
    """Every change is in the audit; a node that feeds something stays."""
    await _tree(api)
    listed = (await api.client.get(TREE)).json()["items"]
    one = (await api.client.get(f"{TREE}/F1")).json()
    refused = await api.client.delete(f"{TREE}/F1")
    deleted = await api.client.delete(f"{TREE}/P1")
    gone = await api.client.get(f"{TREE}/P1")
    audit = (await api.client.get("/api/v1/audit")).json()["items"]
    assert [(node["code"], node["parent"]) for node in listed] == [("F1", "G"), ("G", None), ("P1", "F1")]
    assert one == {
        "code": "F1", "name": None, "kind": "feeder", "parent": "G", "limit_w": 100_000, "stations": [],
    }  # fmt: skip
    assert (refused.status_code, refused.json()["detail"]) == (409, "F1 feeds P1; hang them on another node first")
    assert (deleted.status_code, gone.status_code) == (204, 404)
    assert [(entry["action"], entry["target"]) for entry in audit[:2]] == [
        ("power_node.delete", "L1/P1"), ("power_node.put", "L1/P1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "kind", "parent", "message"),
    [
        ("G", "grid", "F1", "a grid connection is the top of its tree and has no parent"),
        ("F1", "feeder", "F1", "F1 cannot feed itself"),
        ("F1", "feeder", "P1", "F1 feeds P1 already (P1 < F1), so it cannot hang on it"),
        ("F2", "feeder", "X", "this location has no power node X; it has F1, G, P1"),
    ],
)
async def test_what_is_no_tree_is_refused_with_a_reason(
    api: Api, code: str, kind: str, parent: str, message: str
) -> None:
    await _tree(api)
    answer = await _put(api, code, kind, parent)
    assert answer.status_code == 422
    assert message in answer.text
    assert len((await api.client.get(TREE)).json()["items"]) == 3


async def test_a_changed_node_is_said_anew(api: Api) -> None:
    await _tree(api)
    changed = await _put(api, "P1", "panel", "G", name="Panel 1")
    assert (changed.json()["parent"], changed.json()["name"], changed.json()["limit_w"]) == ("G", "Panel 1", None)
    assert (await _put(api, "P1", "panel", limit_w=0)).status_code == 422
    assert (await _put(api, "P1", "cable")).status_code == 422


async def test_nobody_sees_or_changes_another_operators_tree(api: Api) -> None:
    await _tree(api)
    other = await api.client_with("read", "write", operator_id=2)
    reader = await api.client_with("read")
    async with other, reader:
        assert (await other.get(TREE)).status_code == 404
        assert (await other.put(f"{TREE}/P1", json={"kind": "panel"})).status_code == 404
        assert (await reader.get(TREE)).status_code == 200
        assert (await reader.delete(f"{TREE}/P1")).status_code == 403


async def _patch(api: Api, **changes: Any) -> Any:
    return await api.client.patch("/api/v1/stations/S1", json=changes)


async def test_a_station_hangs_on_a_node_of_its_own_site(api: Api) -> None:
    """Another site's feeder is refused; moving away takes it off, and its node says who hangs there."""
    await _tree(api)
    made = await api.client.post("/api/v1/stations", json={"id": "S1", "location_id": "L1", "feeder": "P1"})
    node = (await api.client.get(f"{TREE}/P1")).json()
    held = await api.client.delete(f"{TREE}/P1")
    elsewhere = await _patch(api, location_id="L2", feeder="P1")
    named = await _patch(api, name="one", location_id="L1")
    moved = await _patch(api, location_id="L2")
    nowhere = await _patch(api, location_id=None, feeder="P1")
    assert (made.json()["feeder"], node["stations"]) == ("P1", ["S1"])
    assert (held.status_code, "feeds S1" in held.text) == (409, True)
    assert (elsewhere.status_code, "L2 has no power node P1" in elsewhere.text) == (422, True)
    assert named.json()["feeder"] == "P1"
    assert moved.json()["feeder"] is None
    assert (nowhere.status_code, "a station without a location has no power node P1" in nowhere.text) == (422, True)


async def test_a_station_counts_from_its_commissioning(api: Api) -> None:
    """Both dates are shown; one that ends before it begins is refused, also against what is stored."""
    begin, end = "2026-03-01T00:00:00Z", "2026-09-01T00:00:00Z"
    made = await api.client.post("/api/v1/stations", json={"id": "S1", "commissioned_at": begin})
    ended = await _patch(api, decommissioned_at=end)
    refused = await _patch(api, decommissioned_at="2026-02-01T00:00:00Z")
    cleared = await _patch(api, commissioned_at=None)
    assert (made.json()["commissioned_at"], made.json()["decommissioned_at"]) == (begin, None)
    assert ended.json()["decommissioned_at"] == end
    assert (refused.status_code, "taken out of service after" in refused.text) == (422, True)
    assert (cleared.json()["commissioned_at"], cleared.json()["decommissioned_at"]) == (None, end)


async def test_dates_and_feeder_are_imported(api: Api) -> None:
    """A table brings them in, again changes nothing, and every fault stands at its cell."""
    await _tree(api)
    importer = Importer(api.database, StationPlan())
    head = "id,location_id,commissioned_at,decommissioned_at,feeder\n"
    table = f"{head}S1,L1,2026-03-01T00:00:00Z,,F1\nS2,L2,,,\n"
    made = await importer.run(ADMIN, table, dry_run=False)
    again = await importer.run(ADMIN, table, dry_run=False)
    faulty = f"{head}S1,L1,2026-03-01T00:00:00Z,2026-01-01T00:00:00Z,F9\nS2,L2,,,F1\nS3,L9,soon,,\n"
    refused = await importer.run(ADMIN, faulty, dry_run=True)
    moved = await importer.run(ADMIN, "id,location_id\nS1,L2\n", dry_run=False)
    station = (await api.client.get("/api/v1/stations/S1")).json()
    assert (made.faults, made.created, again.unchanged, moved.updated) == ([], 2, 2, 1)
    assert [fault.pointer for fault in refused.faults] == ["2:4", "2:5", "3:5", "4:3"]
    assert (station["location_id"], station["feeder"], station["commissioned_at"]) == (
        "L2", None, "2026-03-01T00:00:00Z",
    )  # fmt: skip


_CODES = st.sampled_from("ABCDEF")


@given(st.lists(st.tuples(_CODES, st.none() | _CODES), max_size=30))
def test_no_order_of_changes_makes_a_circle(changes: list[tuple[str, str | None]]) -> None:
    """Whatever is put where, every node's way up ends at a top."""
    nodes: dict[str, PowerNode] = {}
    for code, parent in changes:
        if not node_faults(code, NodeValues("feeder", parent=parent), nodes):
            nodes[code] = PowerNode(code, None, "feeder", parent, None, [])
    for code in nodes:
        assert nodes[way_up(code, nodes)[-1]].parent is None

"""The routes of the timeline over a real database: states with their evidence, the past, live power, the live feed."""

from collections.abc import AsyncIterator
from datetime import timedelta

import orjson
import pytest
from fastapi import APIRouter
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, add_operator, running_api
from tests.monitoring.watch.stage import T0, Network, reading, running_network, start, status

from voltway.httpapi.sse import Hub
from voltway.infra.db import Database
from voltway.kernel.facts import ConnectorStatus
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.service import Incidents
from voltway.monitoring.live import OperationsFeed
from voltway.monitoring.timeline import api as timeline_api
from voltway.monitoring.timeline.service import Timeline

S = ConnectorStatus


@pytest.fixture
async def network(database_url: str, clock: FakeClock) -> AsyncIterator[Network]:
    async with running_network(database_url, clock) as made:
        made.add("A", "B")
        await made.connect("A", "B")
        await made.step(seconds=1)
        yield made


@pytest.fixture
async def api(network: Network, clock: FakeClock) -> AsyncIterator[Api]:
    def routes(database: Database) -> APIRouter:
        return timeline_api.router(Timeline(database, clock=clock), clock=clock)

    async with running_api(network.url, routes) as made:
        yield made


async def test_an_evse_is_told_with_its_evidence_and_its_age(network: Network, api: Api) -> None:
    await network.step(seconds=29)
    answer = (await api.client.get("/api/v1/monitoring/evses?station_id=A")).json()
    (evse,) = answer["items"]
    assert (evse["state"], evse["evse_id"], evse["location_id"]) == ("available", 1, "HARBOUR")
    assert evse["evidence"] == "connector 1 said available"
    assert evse["evidence_age_s"] == pytest.approx(30, abs=0.1)


async def test_stale_is_never_shown_as_available(network: Network, api: Api) -> None:
    """Without the watch, too: nothing was heard for long, so what is stored is not believed."""
    network.clock.advance(minutes=10)
    answer = (await api.client.get("/api/v1/monitoring/evses")).json()
    assert {(it["state"], it["cause"]) for it in answer["items"]} == {("unknown", "status_stale")}


async def test_states_are_counted_and_listed_by_state(network: Network, api: Api) -> None:
    await network.tell("B", status(S.FAULTED, network.clock(), "GroundFailure"))
    await network.step(seconds=1)
    counts = (await api.client.get("/api/v1/monitoring/states")).json()
    assert (counts["available"], counts["faulted"], sum(counts.values()), len(counts)) == (1, 1, 2, 11)
    found = (await api.client.get("/api/v1/monitoring/evses?state=faulted")).json()["items"]
    assert [(it["station_id"], it["cause"]) for it in found] == [("B", "GroundFailure")]


async def test_the_past_is_told_in_intervals_by_pages(network: Network, api: Api) -> None:
    for word in (S.PREPARING, S.AVAILABLE, S.PREPARING):
        await network.tell("A", status(word, network.clock()))
        await network.step(seconds=10)
    url = f"/api/v1/stations/A/evses/1/timeline?from={_text(T0)}&to={_text(network.clock())}&limit=3"
    page = (await api.client.get(url)).json()
    rest = (await api.client.get(f"{url}&cursor={page['next_cursor']}")).json()
    items = [*page["items"], *rest["items"]]
    assert [it["state"] for it in items] == ["available", "preparing", "available", "preparing"]
    assert [it["end"] for it in items[:-1]] == [it["begin"] for it in items[1:]]
    assert (items[-1]["end"], rest["next_cursor"]) == (None, None)


async def test_a_span_that_ends_before_it_begins_is_refused(api: Api) -> None:
    url = f"/api/v1/stations/A/evses/1/timeline?from={_text(T0)}&to={_text(T0 - timedelta(hours=1))}"
    answer = await api.client.get(url)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/from"


async def test_power_is_told_at_every_level_with_the_first_answer(network: Network, api: Api) -> None:
    """What the station was answered is in the power at once: the route reads the truth."""
    network.sql(
        """INSERT INTO power_node (operator_id, location_id, code, kind, limit_w)
           SELECT 1, location_id, 'F1', 'feeder', 50000 FROM location"""
    )
    network.sql("UPDATE station SET power_node_id = (SELECT power_node_id FROM power_node) WHERE identity = 'A'")
    await network.tell("A", start(network.clock()))
    network.clock.advance(seconds=60)
    await network.tell("A", reading(network.clock(), 1_200_000, 10_500.0))
    power = (await api.client.get("/api/v1/monitoring/power")).json()
    assert power["network_w"] == power["sites"]["HARBOUR"] == power["stations"]["A"] == 10_500.0
    assert power["evses"] == [{"station_id": "A", "evse_id": 1, "power_w": 10_500.0}]
    assert power["feeders"] == [
        {"location_id": "HARBOUR", "code": "F1", "kind": "feeder", "power_w": 10_500.0, "limit_w": 50_000}
    ]


async def test_another_operator_sees_nothing_of_it(network: Network, api: Api) -> None:
    add_operator(network.url, 2, "Other")
    other = await api.client_with("read", operator_id=2)
    assert (await other.get("/api/v1/monitoring/evses")).json()["items"] == []
    assert (await other.get("/api/v1/monitoring/power")).json()["network_w"] == 0
    assert (await other.get("/api/v1/stations/A/evses/1/timeline")).status_code == 404
    await other.aclose()


class _Listener(Hub):
    """A hub that keeps what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, dict[str, object]]] = []

    def publish(self, event: str, data: bytes) -> None:
        """Keep an event."""
        self.sent.append((event, orjson.loads(data)))


async def test_the_feed_tells_power_and_incidents_once_each(network: Network, clock: FakeClock) -> None:
    database, hub = Database(network.url, pool_size=2), _Listener()
    feed = OperationsFeed(Timeline(database, clock=clock), Incidents(database, clock=clock), clock=clock)
    await feed.publish(OperatorId(1), hub)
    await network.tell("A", start(clock()), reading(clock(), 1_100_000, 9_000.0))
    await network.tell("B", status(S.FAULTED, clock(), "GroundFailure"))
    await network.step(seconds=1)
    for _ in range(4):
        await feed.publish(OperatorId(1), hub)
    powers = [data for event, data in hub.sent if event == "power"]
    incidents = [data for event, data in hub.sent if event == "incident"]
    assert powers[-1]["network_w"] == 9_000.0
    assert [(it["rule"], it["station_id"]) for it in incidents] == [("faulted", "B")]
    sent = len(hub.sent)
    await feed.publish(OperatorId(1), hub)
    assert len(hub.sent) == sent
    await database.close()


def _text(instant: object) -> str:
    return str(instant).replace(" ", "T").replace("+00:00", "Z")

"""The routes of uptime: figures with all they rest on, exclusions and contracts, and what each refuses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, running_api
from tests.monitoring.numbers.networks import add_location, add_port

from voltway.monitoring.numbers.uptime_api import router
from voltway.monitoring.numbers.uptime_service import Uptime

NOW = datetime(2026, 4, 10, tzinfo=UTC)
EXCLUSION = {
    "station_id": "CP-1", "evse_id": 1, "begin_at": "2026-03-03T00:00:00Z", "end_at": "2026-03-06T00:00:00+01:00",
    "cause": "vandalism", "evidence": "police report 4711", "evidence_url": "https://police.example/4711",
}  # fmt: skip


@asynccontextmanager
async def _api(database_url: str) -> AsyncIterator[Api]:
    """Run the routes over two ports of one site, the first of which was offline from 2 to 4 March."""
    add_location(database_url, "HARBOUR", "UTC")
    begin = datetime(2026, 2, 1, tzinfo=UTC)
    down = [(datetime(2026, 3, 2, tzinfo=UTC), "offline"), (datetime(2026, 3, 4, tzinfo=UTC), "charging")]
    add_port(database_url, "CP-1", [(begin, "available"), *down])
    add_port(database_url, "CP-2", [(begin, "available")])
    async with running_api(database_url, lambda database: router(Uptime(database, clock=FakeClock(NOW)))) as api:
        yield api


async def _get(api: Api, **query: Any) -> Any:
    answer = await api.client.get("/api/v1/uptime", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_nevi_shows_the_minutes_the_outages_and_the_exclusions(database_url: str) -> None:
    """All that a report or an auditor asks for is in the answer."""
    async with _api(database_url) as api:
        assert (await api.client.post("/api/v1/uptime/exclusions", json=EXCLUSION)).status_code == 201
        found = await _get(api, law="nevi", month="2026-03")
        assert (found["period"], found["target_percent"], found["ports"]) == ("2025-04/2026-03", "97.000", 2)
        assert (found["uptime_percent"], found["is_met"]) == ("99.726", True)
        port = found["items"][0]
        assert (port["station_id"], port["evse_id"], port["location_id"]) == ("CP-1", 1, "HARBOUR")
        assert (port["minutes"], port["outage_minutes"], port["excluded_minutes"]) == (
            "84960.00", "2880.00", "1440.00",
        )  # fmt: skip
        assert port["outages"] == [
            {"begin_at": "2026-03-02T00:00:00Z", "end_at": "2026-03-04T00:00:00Z", "state": "offline", "cause": ""}
        ]
        assert [one["evidence"] for one in port["exclusions"]] == ["police report 4711"]
        assert port["months"][-1] == {
            "month": "2026-03", "minutes": "44640.00", "outage_minutes": "2880.00", "excluded_minutes": "1440.00",
            "uptime_percent": "96.774",
        }  # fmt: skip


async def test_the_uk_is_asked_by_year_month_or_span(database_url: str) -> None:
    """Offline is ineligible: it lowers neither side, and the other reading counts it as reliable."""
    async with _api(database_url) as api:
        for period in (
            {"year": 2026},
            {"month": "2026-03"},
            {"from": "2026-03-02T00:00:00Z", "to": "2026-03-09T00:00:00Z"},
        ):
            found = await _get(api, law="uk", **period)
            assert (found["uptime_percent"], found["ineligible_reliable_percent"]) == ("100.000", "100.000")
            assert found["items"][0]["neutral_minutes"] == "2880.00"
        week = await _get(api, law="uk", **{"from": "2026-03-02T00:00:00Z", "to": "2026-03-09T00:00:00Z"})
        assert week["items"][0]["minutes"] == "10080.00"


async def test_a_contract_is_entered_used_and_deleted(database_url: str) -> None:
    async with _api(database_url) as api:
        path = "/api/v1/uptime/contracts/CITY-1"
        body = {"target_percent": "97.5", "weighting": "worst", "excluded_causes": ["vandalism"]}
        assert (await api.client.put(path, json=body)).json()["document"] == body
        assert (await api.client.get(path)).json()["code"] == "CITY-1"
        found = await _get(api, law="sla", contract="CITY-1", month="2026-03")
        assert (found["uptime_percent"], found["is_met"]) == ("93.548", False)
        assert [port["is_met"] for port in found["items"]] == [False, True]
        assert len((await api.client.get("/api/v1/uptime/contracts")).json()["items"]) == 1
        assert (await api.client.delete(path)).status_code == 204
        assert (await api.client.get(path)).status_code == 404


async def test_a_page_of_ports_has_the_figure_of_all(database_url: str) -> None:
    async with _api(database_url) as api:
        first = await _get(api, law="nevi", month="2026-03", limit=1)
        second = await _get(api, law="nevi", month="2026-03", limit=1, cursor=first["next_cursor"])
        assert [page["items"][0]["station_id"] for page in (first, second)] == ["CP-1", "CP-2"]
        assert (first["ports"], second["ports"], second["next_cursor"]) == (2, 2, None)
        assert first["uptime_percent"] == second["uptime_percent"]
        assert (await _get(api, law="nevi", station_id="CP-2"))["items"][0]["outages"] == []


async def test_an_exclusion_is_withdrawn_not_deleted(database_url: str) -> None:
    async with _api(database_url) as api:
        made = (await api.client.post("/api/v1/uptime/exclusions", json=EXCLUSION)).json()
        assert made["end_at"] == "2026-03-05T23:00:00Z"
        path = f"/api/v1/uptime/exclusions/{made['id']}"
        assert (await api.client.delete(path)).status_code == 405
        assert (await api.client.post(f"{path}/withdraw", json={"reason": "not ours"})).status_code == 200
        assert (await api.client.post(f"{path}/withdraw", json={"reason": "not ours"})).status_code == 409
        assert (await api.client.get(path)).json()["withdrawal_reason"] == "not ours"
        listed = (await api.client.get("/api/v1/uptime/exclusions", params={"station_id": "CP-1"})).json()
        assert [one["withdrawn_by"] for one in listed["items"]] == ["admin"]
        assert (await _get(api, law="nevi", month="2026-03"))["items"][0]["excluded_minutes"] == "0.00"


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ({"law": "sla"}, {"/contract"}),
        ({"law": "nevi", "year": 2026}, {"/year"}),
        ({"law": "nevi", "contract": "C", "from": "2026-03-01T00:00:00Z"}, {"/contract", "/from", "/to"}),
        ({"law": "uk", "year": 2026, "month": "2026-03"}, {"/month"}),
        ({"law": "uk", "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, {"/to"}),
        ({"law": "nevi", "month": "soon"}, {"/month"}),
    ],
)
async def test_a_period_that_does_not_fit_its_law_is_refused(
    database_url: str, query: dict[str, Any], pointers: set[str]
) -> None:
    """All faults at once, each where it is."""
    async with _api(database_url) as api:
        answer = await api.client.get("/api/v1/uptime", params=query)
        assert answer.status_code == 422
        assert all(pointer in answer.text for pointer in pointers)


async def test_reading_needs_read_and_writing_write(database_url: str) -> None:
    async with _api(database_url) as api:
        reader, writer = await api.client_with("read"), await api.client_with("write")
        async with reader, writer:
            assert (await reader.get("/api/v1/uptime", params={"law": "uk"})).status_code == 200
            assert (await reader.post("/api/v1/uptime/exclusions", json=EXCLUSION)).status_code == 403
            assert (await reader.put("/api/v1/uptime/contracts/C", json={"target_percent": 9})).status_code == 403
            assert (await writer.get("/api/v1/uptime", params={"law": "uk"})).status_code == 403
            assert (await writer.put("/api/v1/uptime/contracts/C", json={"target_percent": 9})).status_code == 200
        assert (await api.anonymous.get("/api/v1/uptime", params={"law": "uk"})).status_code == 401

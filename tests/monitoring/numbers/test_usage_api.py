"""The routes of usage: their shapes and what they refuse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, running_api
from tests.monitoring.numbers.usage_facts import NOW, bill, enter_site, make_all, session

from voltway.monitoring.numbers.usage_api import router
from voltway.monitoring.numbers.usage_service import Usage

MONDAY = {"from": "2026-03-02T00:00:00+01:00", "to": "2026-03-03T00:00:00+01:00"}


@asynccontextmanager
async def _api(database_url: str) -> AsyncIterator[Api]:
    enter_site(database_url)
    bill(database_url, session(database_url, "HB-1", 16, 17, 6.5), 1, "3.20")
    await make_all(database_url)
    async with running_api(database_url, lambda database: router(Usage(database, clock=FakeClock(NOW)))) as api:
        yield api


async def _get(api: Api, path: str, **query: Any) -> Any:
    answer = await api.client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_usage_by_grain_and_place(database_url: str) -> None:
    """Energy and money are decimal texts, instants have their Z, and each place answers."""
    async with _api(database_url) as api:
        found = await _get(api, "usage", **MONDAY)
        assert (found["grain"], found["time_zone"], found["currency"]) == ("day", "Europe/Berlin", "EUR")
        (day,) = found["items"]
        assert (day["start_at"], day["energy_kwh"], day["revenue_excl_vat"]) == ("2026-03-01T23:00:00Z", "6.5", "3.20")
        assert (day["revenue_incl_vat"], day["sessions"], day["evses"]) == ("3.8080", 1, 2)
        hours = await _get(api, "usage", **MONDAY, grain="hour", location="HARBOUR")
        assert (hours["grain"], len(hours["items"])) == ("hour", 24)
        port = await _get(api, "usage", **MONDAY, station_id="HB-1", evse_id=1)
        assert [row["energy_kwh"] for row in port["items"]] == ["6.5"]


async def test_a_week_has_seven_days_of_24_hours(database_url: str) -> None:
    """Monday first; the busiest hours are named."""
    async with _api(database_url) as api:
        found = await _get(api, "usage/heatmap", location="HARBOUR")
        assert list(found) == ["location", "time_zone", "hours", "busiest"]
        assert [len(day) for day in found["hours"]] == [24] * 7
        assert (found["hours"][0][17], found["busiest"]) == (1.0, "HARBOUR: Mon 17–18, 100 % occupied")
        demand = await _get(api, "usage/demand")
        assert demand["items"] == [
            {
                "location": "HARBOUR", "time_zone": "Europe/Berlin", "first_day": "Mon", "last_day": "Mon",
                "begin_hour": 17, "end_hour": 18, "occupied_share": 1.0,
                "sentence": "HARBOUR: Mon 17–18, 100 % occupied",
            }
        ]  # fmt: skip
        assert len((await _get(api, "usage/demand", at_least=0.2, location="HARBOUR"))["items"]) == 1


async def test_key_figures_by_the_api(database_url: str) -> None:
    """Rates are numbers from 0 to 1, or null."""
    async with _api(database_url) as api:
        found = await _get(api, "kpis", **MONDAY)
        assert (found["first_try_rate"], found["charging_success_rate"], found["energy_kwh"]) == (1.0, 1.0, "6.5")
        assert (found["faults"], found["mean_time_to_repair_s"], found["failed_by_reason"]) == (1, 3600.0, {})
        empty = await _get(api, "kpis", **{"from": "2020-01-01T00:00:00+01:00", "to": "2020-01-02T00:00:00+01:00"})
        assert (empty["attempts"], empty["first_try_rate"], empty["mean_time_between_failures_s"]) == (0, None, None)


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("usage", {}, 422),
        ("usage", {**MONDAY, "location": "HARBOUR", "station_id": "HB-1"}, 422),
        ("usage", {**MONDAY, "evse_id": 1}, 422),
        ("usage", {**MONDAY, "grain": "year"}, 422),
        ("usage", {**MONDAY, "to": "2026-03-02T00:30:00+01:00"}, 422),
        ("usage", {**MONDAY, "location": "NOWHERE"}, 404),
        ("usage/heatmap", {}, 422),
        ("usage/heatmap", {"location": "NOWHERE"}, 404),
        ("usage/demand", {"at_least": 0}, 422),
        ("kpis", {**MONDAY, "station_id": "HB-9"}, 404),
    ],
)
async def test_what_the_routes_refuse(database_url: str, path: str, query: dict[str, Any], status: int) -> None:
    """Each with its status and a sentence."""
    async with _api(database_url) as api:
        answer = await api.client.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == status, answer.text
        anonymous = await api.anonymous.get(f"/api/v1/{path}", params=query)
        assert anonymous.status_code == 401

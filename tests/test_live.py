"""The live feed: what changed reaches the pages that listen, once, in the API's own form; the network in numbers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from tests.httpapi.client import Api, running_api
from tests.sessions.seeding import Seed, add_session, minute, prepare, run_sql

from voltway.httpapi.sse import Hubs
from voltway.identity.service import Identity
from voltway.infra.db import Database, Role
from voltway.infra.outbox import Outbox
from voltway.kernel.clock import now
from voltway.kernel.ids import OperatorId
from voltway.live import HISTORY_STEP_S, MAX_PENDING, LiveFeed, powers_over_time, router
from voltway.sessions.finalise import Finaliser
from voltway.sessions.service import Sessions
from voltway.stations.service import Stations
from voltway.tariffs.service import Tariffs

FIRST = OperatorId(1)
RUNNING = Seed(state="active", end_kwh=None, ended_at=None, started_at=now() - timedelta(minutes=41), updated_at=now())


class _Page:
    """An open page: what it was sent, parsed."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        self._frames = frames
        self._waiting: list[tuple[str, Any]] = []

    async def next(self, event: str) -> Any:
        """Return the data of the next event of a kind; others before it are passed over."""
        async with asyncio.timeout(10):
            while True:
                while self._waiting:
                    name, data = self._waiting.pop(0)
                    if name == event:
                        return data
                for frame in (await anext(self._frames)).split(b"\n\n"):
                    lines = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line)
                    if b"event" in lines:
                        self._waiting.append((lines[b"event"].decode(), orjson.loads(lines[b"data"])))


@pytest.fixture
async def seeded(database_url: str) -> str:
    prepare(database_url)
    return database_url


@pytest.fixture
async def feed(seeded: str) -> AsyncIterator[tuple[LiveFeed, Hubs, Api]]:
    hubs, made = Hubs(), list[LiveFeed]()

    def routes(database: Database) -> Any:
        made.append(
            LiveFeed(
                hubs,
                identity=Identity(database),
                stations=Stations(database),
                sessions=Sessions(database),
                tariffs=Tariffs(database),
            )
        )
        return router(made[0])

    async with running_api(seeded, routes) as api:
        ingest, stopping = Database(seeded, Role.INGEST, pool_size=2), asyncio.Event()
        running = asyncio.create_task(made[0].run(Outbox(ingest, poll_s=0.05), stopping))
        yield made[0], hubs, api
        stopping.set()
        await running
        await ingest.close()


def _change(url: str, *sessions: UUID) -> None:
    run_sql(
        url,
        "INSERT INTO outbox (operator_id, sessions, ended, stations) VALUES (1, %s::uuid[], '{}', '{}')",
        list(sessions),
    )


async def test_what_changed_reaches_an_open_page(seeded: str, feed: tuple[LiveFeed, Hubs, Api]) -> None:
    """A session as the API shows it, its end, its bill, a station that came online, and the overview each second."""
    _, hubs, api = feed
    page = _Page(hubs.of(FIRST).stream())
    first = asyncio.create_task(page.next("overview"))
    overview = await first
    assert overview.keys() == {
        "power_w", "stations", "stations_total", "sessions_active", "energy_today_kwh", "revenue_today", "tariff",
        "as_of",
    }  # fmt: skip
    session_id = add_session(seeded, RUNNING)
    _change(seeded, session_id)
    started = await page.next("session")
    assert (started["id"], started["state"], started["energy_kwh"]) == (str(session_id), "active", "8")
    assert started["cost"]["excl_vat"] == "3.12"
    station = await page.next("station")
    assert station == {"id": "CP-1", "state": "offline", "connected": False, "power_w": 11_000.0}
    run_sql(seeded, "UPDATE session SET state = 'ended', ended_at = last_reading_at, revision = revision + 1")
    await Finaliser(api.database).finalise(FIRST, [session_id])
    ended = await page.next("session")
    assert (ended["state"], ended["cost"]["excl_vat"]) == ("ended", "3.12")
    bill = await page.next("cdr")
    assert (bill["session_id"], bill["excl_vat"], bill["location_name"]) == (str(session_id), "3.12", "Harbour Square")


async def test_a_page_that_comes_back_late_fetches_again(
    seeded: str, feed: tuple[LiveFeed, Hubs, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody heard is not sent; the first tick with a listener says resync. A flood says so too."""
    live, hubs, _ = feed
    monkeypatch.setattr("voltway.live.LINGER_S", -1.0)
    session_id = add_session(seeded, RUNNING)
    async with asyncio.timeout(10):
        # Written until it is heard: the feed follows from the moment it began.
        while not any(network.has_missed for network in live._networks.values()):
            _change(seeded, session_id)
            await asyncio.sleep(0.05)
    monkeypatch.setattr("voltway.live.LINGER_S", 60.0)
    page = _Page(hubs.of(FIRST).stream())
    assert await page.next("resync") == {}
    await page.next("overview")
    run_sql(
        seeded,
        """INSERT INTO outbox (operator_id, sessions, ended, stations)
           SELECT 1, array_agg(gen_random_uuid()), '{}', '{}' FROM generate_series(0, %s)""",
        MAX_PENDING,
    )
    assert await page.next("resync") == {}


async def test_the_overview_in_numbers(seeded: str, feed: tuple[LiveFeed, Hubs, Api]) -> None:
    """Power with its last 15 minutes, stations by state, the day's sums, and the price now."""
    _, _, api = feed
    run_sql(seeded, "UPDATE evse SET max_power_w = 11000")
    add_session(seeded, RUNNING)
    run_sql(seeded, "INSERT INTO tariff_assignment (operator_id, tariff_id, target_kind) VALUES (1, 'DAY', 'operator')")
    answer = await api.client.get("/api/v1/overview")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["power_w"], found["sessions_active"], found["stations_total"]) == (11_000.0, 1, 1)
    assert (found["stations"]["offline"], found["stations"]["charging"]) == (1, 0)
    assert found["energy_today_kwh"] == "8"
    assert found["revenue_today"] == {"currency": "EUR", "incl_vat": "0.00"}
    assert found["tariff"] == {
        "tariff_id": "DAY", "currency": "EUR", "price_kwh_now": "0.39", "vat": "19",
        "next_cheaper": None, "next_dearer": None,
    }  # fmt: skip
    assert len(found["power_history"]) >= 180 - 1
    assert (await api.anonymous.get("/api/v1/overview")).status_code == 401


async def test_an_empty_network_has_an_overview(feed: tuple[LiveFeed, Hubs, Api]) -> None:
    _, _, api = feed
    found = (await api.client.get("/api/v1/overview")).json()
    assert (found["power_w"], found["tariff"], found["energy_today_kwh"]) == (0, None, "0")


def test_the_chart_of_a_fresh_process() -> None:
    """The sum of each place's newest reading, which holds for a minute."""
    rows = [
        {"station_id": station, "evse_id": 1, "received_at": minute(at), "power_w": power_w}
        for at, station, power_w in ((1, 1, 5_000.0), (1.5, 2, 7_000.0), (1.9, 1, 6_000.0))
    ]
    points = dict(powers_over_time(rows, minute(15)))
    assert len(points) == 180
    assert max(points) - min(points) == 179 * HISTORY_STEP_S
    at = {text: points[minute(number).timestamp()] for text, number in (("1", 1), ("1.5", 1.5), ("2", 2), ("2.5", 2.5))}
    assert at == {"1": 5_000.0, "1.5": 12_000.0, "2": 13_000.0, "2.5": 13_000.0}
    assert points[minute(4).timestamp()] == 0

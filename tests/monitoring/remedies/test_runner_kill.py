"""A runner killed at any moment sends nothing twice, forgets nothing, and leaves no station closed."""

import asyncio
import os
import random
from collections.abc import Iterator

import pytest
from tests.monitoring.forking import Forked
from tests.monitoring.remedies.stage import Gateway, Neighbours, connected_station, open_incident, seed
from tests.sessions.seeding import run_sql

from voltway.infra import bus
from voltway.infra.db import Database
from voltway.kernel.clock import monotonic_s, now
from voltway.monitoring.remedies.service import Remedies

KILLS = int(os.environ.get("KILLS", "10"))
SEED = 11


@pytest.fixture
def runners(database_url: str, nats_url: str) -> Iterator[Forked]:
    running = Forked("tests.monitoring.remedies.runner_like", database_url, nats_url)
    yield running
    running.close()


async def test_kills_send_each_planned_effect_exactly_once(database_url: str, nats_url: str, runners: Forked) -> None:
    """Every station is reset once, or closed once and opened once after that, whatever moment the runner died at."""
    seed(database_url)
    chance = random.Random(SEED)  # noqa: S311 - moments of a test
    connected, database = await bus.connect(nats_url), Database(database_url, pool_size=2)
    gateway, remedies = Gateway(connected, database_url), Remedies(database, Neighbours().ties)
    kinds: dict[int, str] = {}
    for number in range(KILLS):
        for ladder in ("reset_it", "cycle_it"):
            station_id = connected_station(database_url, f"{ladder}-{number}")
            kinds[station_id] = ladder
            await gateway.hold(station_id)
            await open_incident(database, remedies, station_id, ladder, now())
        runners.start()
        if number % 2:  # half of the kills fall while a command is underway or its result is being written
            seen = sum(map(len, gateway.sent.values()))
            await _until(lambda seen=seen: sum(map(len, gateway.sent.values())) > seen, 5)
            await asyncio.sleep(chance.uniform(0, 0.08))
        else:
            await asyncio.sleep(chance.uniform(0, 0.6))
        runners.kill()
    in_doubt = run_sql(database_url, "SELECT count(*) FROM remedy_run WHERE state IN ('claimed', 'between')")[0][0]
    runners.start()
    assert await _until(lambda: _unfinished(database_url) == 0, 60), "something was forgotten"
    runners.kill()
    await connected.close()
    await database.close()
    assert in_doubt > 0, "no kill fell between a claim and its result: the test proves nothing"
    expected = {"reset_it": ["Soft"], "cycle_it": ["Inoperative", "Operative"]}
    assert {station: sent for station, sent in gateway.sent.items() if sent != expected[kinds[station]]} == {}
    assert len(gateway.sent) == len(kinds)


def _unfinished(database_url: str) -> int:
    ((number,),) = run_sql(database_url, "SELECT count(*) FROM remedy_run WHERE due_at IS NOT NULL")
    return int(number)


async def _until(is_so: object, timeout_s: float) -> bool:
    assert callable(is_so)
    deadline_s = monotonic_s() + timeout_s
    while not is_so():
        if monotonic_s() > deadline_s:
            return False
        await asyncio.sleep(0.01)
    return True

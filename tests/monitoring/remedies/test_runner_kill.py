"""A runner killed at any moment sends nothing twice, forgets nothing, and leaves no station closed."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.monitoring.remedies.stage import Gateway, Neighbours, connected_station, open_incident, seed
from tests.sessions.seeding import run_sql

from voltway.infra import bus
from voltway.infra.db import Database
from voltway.kernel.clock import monotonic_s, now
from voltway.monitoring.remedies.service import Remedies

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("KILLS", "30"))
SEED = 11


class Runners:
    """Starts and kills runners, one at a time."""

    def __init__(self, database_url: str, nats_url: str) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.monitoring.remedies.runner_like", database_url, nats_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )  # fmt: skip
        self._pid = 0

    def start(self) -> None:
        """Start a runner."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write("\n")
        self._zygote.stdin.flush()
        self._pid = int(self._zygote.stdout.readline())

    def kill(self) -> None:
        """Kill the runner as the kernel would."""
        os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process that forks them."""
        with self._zygote:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()


@pytest.fixture
def runners(database_url: str, nats_url: str) -> Iterator[Runners]:
    running = Runners(database_url, nats_url)
    yield running
    running.close()


async def test_thirty_kills_send_each_planned_effect_exactly_once(
    database_url: str, nats_url: str, runners: Runners
) -> None:
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

"""Runners to be killed: `python -m tests.monitoring.remedies.runner_like DATABASE NATS` forks one per line on stdin."""

import asyncio
import sys

from tests.monitoring.forking import fork_per_line
from tests.monitoring.remedies.stage import Neighbours, ingest

from voltway.infra import bus
from voltway.infra.db import Database
from voltway.monitoring.remedies import jobs
from voltway.stations.commands import Commands


async def work(database_url: str, nats_url: str) -> None:
    """Keep a runner until killed; its limits are short, so that a lost claim is judged soon."""
    jobs.POLL_S = 0.03  # type: ignore[misc]  # a test has no second to wait
    connected = await bus.connect(nats_url)
    commands = Commands(Database(database_url, pool_size=5), connected.request)
    runner = jobs.Runner(ingest(database_url), commands, Neighbours().ties, limits_s=(0.6, 0.6))
    await runner.run(asyncio.Event())


if __name__ == "__main__":
    fork_per_line(lambda _: work(sys.argv[1], sys.argv[2]))

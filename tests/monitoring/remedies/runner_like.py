"""Runners to be killed: `python -m tests.monitoring.remedies.runner_like DATABASE NATS` forks one per line on stdin."""

import asyncio
import os
import signal
import sys

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


def main() -> None:
    """Fork a runner per line and print its pid."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(work(sys.argv[1], sys.argv[2]))
        print(pid, flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()

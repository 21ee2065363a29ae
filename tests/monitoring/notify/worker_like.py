"""Workers to be killed: `python -m tests.monitoring.notify.worker_like DATABASE_URL` forks one per line on stdin.

A worker keeps a courier and writes notifications of new incidents, as the real one does; its pid is printed. Forking
from a process that has everything imported makes fifty of them affordable.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from itertools import count

from tests.monitoring.notify.changes import make_change, make_incident

from voltway.infra.db import Database, Role
from voltway.infra.jobs import Jobs
from voltway.kernel.clock import now
from voltway.monitoring.incidents.model import ChangeKind
from voltway.monitoring.notify.courier import Courier
from voltway.monitoring.notify.service import Notifier

REST_S = 0.3


async def work(database_url: str, first: int) -> None:
    """Write an incident, sometimes with its end, again and again until killed; `first` is the number of the first."""
    courier = Courier(database_url)
    await courier.start()
    database, notifier = Database(database_url, Role.INGEST, pool_size=1), Notifier(Jobs(database_url))
    for number in count(first):
        incident = make_incident(number, began_at=now() - timedelta(seconds=1))
        changes = [make_change(incident=incident)]
        if number % 3 == 0:
            changes.append(make_change(ChangeKind.REMEDIED, incident))
        async with database.transaction(None) as tx:
            await notifier.on_changes(tx, changes)
        await asyncio.sleep(REST_S)


async def only_send(database_url: str) -> None:
    """Keep a courier and write nothing."""
    await Courier(database_url).start()
    await asyncio.Event().wait()


def main() -> None:
    """Fork a worker per line: `work FIRST_INCIDENT` or `send`."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        command = line.split()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(work(sys.argv[1], int(command[1])) if command[0] == "work" else only_send(sys.argv[1]))
        print(pid, flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()

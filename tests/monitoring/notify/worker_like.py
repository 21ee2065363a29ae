"""Workers to be killed: `python -m tests.monitoring.notify.worker_like DATABASE_URL` forks one per line on stdin.

A worker keeps a courier and writes notifications of new incidents, as the real one does; its pid is printed.
"""

import asyncio
import sys
from datetime import timedelta
from itertools import count

from tests.monitoring.forking import fork_per_line
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


async def obey(line: str) -> None:
    """Do what a line says: `work FIRST_INCIDENT` or `send`."""
    command = line.split()
    await (work(sys.argv[1], int(command[1])) if command[0] == "work" else only_send(sys.argv[1]))


if __name__ == "__main__":
    fork_per_line(obey)

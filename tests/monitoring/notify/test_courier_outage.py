"""The database crashes and comes back while mails leave: the courier keeps its results; each mail once, none lost."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from tests.monitoring.notify.changes import add_route, make_change, make_incident, seed_network
from tests.monitoring.notify.fake_smtp import running_mailbox
from tests.sessions.seeding import run_sql

from voltway.infra import migrate, postgres
from voltway.infra.db import Database, Role
from voltway.infra.jobs import Jobs
from voltway.infra.postgres import Cluster, identity_of
from voltway.kernel.clock import monotonic_s, now
from voltway.kernel.errors import NotReady
from voltway.monitoring.notify.courier import Courier
from voltway.monitoring.notify.service import Notifier

OUTAGES = 3


class Server:
    """A PostgreSQL of this test's own that can crash."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        launch = self._cluster.launch(postgres.DURABLE_OPTIONS)
        user, group, groups = identity_of(launch.account)
        process = subprocess.Popen(
            launch.argv, cwd=launch.cwd, env=launch.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            user=user, group=group, extra_groups=groups,
        )  # fmt: skip
        postgres.wait_until_ready(self._cluster.url("postgres"))
        return process

    def crash(self) -> None:
        """End it at once: what was not committed is gone, as after a crash."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)

    def start(self) -> None:
        """Start it again."""
        self._process = self._launch()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path (a socket's name has at most 107 bytes) that the server's account can reach."""
    made = Path(tempfile.mkdtemp(prefix="voltway-outage-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    cluster = postgres.prepare_cluster(folder / "data", folder / "socket")
    running = Server(cluster)
    postgres.create_database(cluster, "voltway")
    migrate.upgrade(cluster.url("voltway"))
    yield running
    running.crash()


async def write_on(database_url: str, stopping: asyncio.Event) -> int:
    """Write an incident every 50 ms until stopping; return how many were committed for certain."""
    database, notifier = Database(database_url, Role.INGEST, pool_size=1), Notifier(Jobs(database_url))
    committed = 0
    for number in count(1):
        incident = make_incident(number, began_at=now() - timedelta(seconds=1))
        try:
            async with database.transaction(None) as tx:
                await notifier.on_changes(tx, [make_change(incident=incident)])
            committed += 1
        except (NotReady, DBAPIError):
            pass  # rolled back, or nobody knows: the table says which
        await asyncio.sleep(0.05)
        if stopping.is_set():
            break
    await database.close()
    return committed


def unsent(database_url: str) -> int:
    ((number,),) = run_sql(
        database_url,
        """SELECT (SELECT count(*) FROM notification WHERE batch_id IS NULL)
                + (SELECT count(*) FROM notification_message WHERE state IN ('pending', 'sending'))""",
    )
    return int(number)


async def test_outages_of_the_database_repeat_and_forget_no_mail(server: Server, folder: Path) -> None:
    """One courier through all of them; what it had sent and could not note, it notes later."""
    url = server._cluster.url("voltway")
    seed_network(url)
    with running_mailbox(wait_s=0.03) as mailbox:
        add_route(url, mailbox.url())
        courier, stopping = Courier(url), asyncio.Event()
        await courier.start()
        writing = asyncio.create_task(write_on(url, stopping))
        first = courier.pid
        for _ in range(OUTAGES):
            seen, deadline_s = len(mailbox.mails), monotonic_s() + 30
            while len(mailbox.mails) < seen + 3 and monotonic_s() < deadline_s:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.crash)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
        stopping.set()
        committed = await writing
        deadline_s = monotonic_s() + 60
        while unsent(url) and monotonic_s() < deadline_s:
            await asyncio.sleep(0.05)
        assert unsent(url) == 0
        assert courier.pid == first
        await courier.stop()
        assert not _lives(first)
    states = run_sql(url, "SELECT state, count(*) FROM notification_message GROUP BY 1")
    assert [state for state, _ in states] == ["sent"]
    mails = Counter(mail["X-Voltway-Message"] for mail in mailbox.mails)
    assert set(mails.values()) == {1}
    ((told,),) = run_sql(url, "SELECT count(DISTINCT incident_id) FROM notification")
    assert len({mail["References"] for mail in mailbox.mails}) == told >= committed > OUTAGES * 3


def _lives(pid: int | None) -> bool:
    return pid is not None and os.path.exists(f"/proc/{pid}/fd")

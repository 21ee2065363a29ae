"""Real servers for tests: one PostgreSQL cluster and one NATS a session, one fresh migrated database a test.

The cluster runs without fsync (tests of SQL alone; crash tests start their own). Nothing leaves the machine.
"""

import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from tests.fake_clock import FakeClock

from voltway.infra import migrate, postgres
from voltway.infra.nats_server import NatsServer, prepare_nats
from voltway.infra.postgres import Cluster, Launch, identity_of

# A shared machine is slow at times: how long an example takes proves nothing. `make fuzz` asks for more of them.
settings.register_profile("voltway", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("voltway")

_TEMPLATE = "voltway_template"
_numbers = count(1)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see no VOLTWAY_ variable and no data folder of the machine they run on."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("VOLTWAY_")]:
            patch.delenv(name)
        patch.setenv("VOLTWAY_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _plain_log() -> None:
    _log_plainly()


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Let a test configure the log of this process, and put it back afterwards."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    _log_plainly()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def clock() -> FakeClock:
    """A clock at 2026-03-02T08:00:00Z, a Monday."""
    return FakeClock(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL of this session's own."""
    folder = Path(tempfile.mkdtemp(prefix="voltway-test-"))
    folder.chmod(0o755)
    prepared = postgres.prepare_cluster(folder / "data", folder / "socket")
    process = _start(prepared.launch(postgres.FAST_OPTIONS), folder / "postgres.log")
    try:
        postgres.wait_until_ready(prepared.url("postgres"))
        yield prepared
    finally:
        _stop(process)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template_database(cluster: Cluster) -> str:
    """The name of a migrated database that is copied for each test."""
    postgres.create_database(cluster, _TEMPLATE)
    migrate.upgrade(cluster.url(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database_url(cluster: Cluster, template_database: str) -> Iterator[str]:
    """The URL (owner role) of a fresh migrated database."""
    yield from _database(cluster, template_database)


@pytest.fixture
def empty_database_url(cluster: Cluster) -> Iterator[str]:
    """The URL (owner role) of a fresh database with nothing in it."""
    yield from _database(cluster, "template1")


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The URL of a running NATS of this session's own."""
    folder = Path(tempfile.mkdtemp(prefix="voltway-nats-"))
    server = prepare_nats(folder)
    process = _start(server.launch(), folder / "nats.log")
    try:
        yield _bound(server.with_port).url
    finally:
        _stop(process)
        shutil.rmtree(folder)


def _log_plainly() -> None:
    """Structlog's own default draws a traceback with every local variable, which takes seconds where an app is one."""
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.stdlib.add_log_level, renderer])


def _database(cluster: Cluster, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    postgres.create_database(cluster, name, template=template)
    yield cluster.url(name)
    postgres.drop_database(cluster, name)


def _bound(poll: Callable[[], NatsServer | None]) -> NatsServer:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if server := poll():
            return server
        time.sleep(0.01)
    raise TimeoutError("nats-server did not say its port within 10 s")


def _start(launch: Launch, log: Path) -> subprocess.Popen[bytes]:
    user, group, groups = identity_of(launch.account)
    with log.open("wb") as stream:
        return subprocess.Popen(
            launch.argv, cwd=launch.cwd, env=launch.environ, stdout=stream, stderr=stream,
            user=user, group=group, extra_groups=groups,
        )  # fmt: skip


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(2)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

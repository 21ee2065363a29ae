"""`voltway up`: servers, migrations and roles in one process tree, from an empty folder to ready, and down again.

Order: data folder, PostgreSQL, migrations, NATS, roles, readiness, demo. Each role is a child that runs
`voltway.app.run_role` with exactly these settings in its environment. Contract: contracts.md, `voltway up`.
"""

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self, TextIO

from voltway import __version__
from voltway.infra import migrate, nats_server, postgres
from voltway.infra.datafolder import DataFolder, open_data_folder
from voltway.infra.postgres import Launch
from voltway.infra.steps import Steps
from voltway.infra.supervisor import Child, ChildFailed, Report, Supervisor
from voltway.infra.telemetry import METRICS_VARIABLE, configure_logging, forget_processes, make_metrics_dir
from voltway.kernel.clock import monotonic_s
from voltway.kernel.errors import NotReady, VoltwayError
from voltway.settings import CONFIG_VARIABLE, Settings, to_environ, without_settings

POSTGRES = "postgres"
NATS = "nats"
DEMO = "demo"
_READY_TIMEOUT_S = 60.0
_DEMO_TIMEOUT_S = 900.0
_LOG_KEEP_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running Voltway is reached from this machine."""

    http_url: str
    ocpp_url: str


def run_up(settings: Settings, *, demo: bool) -> int:
    """Run until a signal or a failure and return the exit code: 0 asked to end, 1 a child gave up, 3 not ready."""
    started_s = monotonic_s()
    try:
        folder = open_data_folder(settings.data_dir)
        _check_ports(settings)
        with suppress(asyncio.CancelledError), _Journal(settings, demo=demo) as journal:
            return asyncio.run(_run(partial(_Up, settings, folder, log_fd=journal.fd, started_s=started_s), demo=demo))
        return 0
    except VoltwayError as error:
        sys.stderr.write(f"{error.message}\n")
        return 3
    except ChildFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1


async def _run(make: Callable[[], "_Up"], *, demo: bool) -> int:
    """Do the work until it fails or a signal comes; whichever way, leave nothing running."""
    up = make()
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if interrupted.is_set():
            up.supervisor.kill()
        interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    work = asyncio.create_task(up.work(demo=demo))
    waiting = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        return 0
    finally:
        await _cancel(work, waiting)
        await up.shut_down()


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Up:
    """One run: what is known so far (URLs, ports) and the children."""

    def __init__(self, settings: Settings, folder: DataFolder, *, log_fd: int, started_s: float) -> None:
        self._settings = settings
        self._folder = folder
        self._started_s = started_s
        self._steps = Steps()
        self._socket_dir: Path | None = None
        self._metrics_dir = make_metrics_dir(folder.path / "metrics")
        self._known_pids: set[int] = set()
        self._is_ready = False
        self.supervisor = Supervisor(on_pids=self._on_pids, on_progress=self._on_progress, stderr_fd=log_fd)

    async def work(self, *, demo: bool) -> None:
        """Start everything, say so, and wait for a child that is given up (raised)."""
        with self._steps:
            token_is_new = self._take_admin_token()
            await self._start_postgres()
            await self._start_nats()
            await self._start_roles()
            link = await self._start_demo() if demo else ""
        self._announce(token_is_new=token_is_new, link=link)
        raise await self.supervisor.failure()

    async def shut_down(self) -> None:
        """End the children: demo, then roles, then the servers under them (at most 9 s together)."""
        await self.supervisor.stop(self._settings.roles, (NATS,), (POSTGRES,))
        self._folder.remove_run()
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    @property
    def addresses(self) -> Addresses:
        """The URLs of this run, with the ports that were really bound."""
        host = _reachable_host(self._settings.bind)
        http, ocpp = self._settings.http_port, self._settings.ocpp_port
        return Addresses(http_url=f"http://{host}:{http}", ocpp_url=f"ws://{host}:{ocpp}/ocpp")

    def _learn(self, **values: Any) -> None:
        self._settings = self._settings.model_copy(update=values)

    def _take_admin_token(self) -> bool:
        token, is_new = self._folder.admin_token(self._settings.admin_token)
        self._learn(admin_token=token)
        return is_new

    async def _start_postgres(self) -> None:
        if not self._settings.database_url:
            async with self._steps.step("PostgreSQL"):
                await self._start_own_postgres()
        url = self._settings.database_url
        if not await asyncio.to_thread(postgres.is_ready, url):
            raise NotReady("the database at VOLTWAY_DATABASE_URL does not answer; `voltway doctor` says more")
        async with self._steps.step("Schema"):
            if await asyncio.to_thread(migrate.is_newer, url):
                raise NotReady("the data were written by a newer version of Voltway; run that version or a later one")
            await asyncio.to_thread(migrate.upgrade, url)

    async def _start_own_postgres(self) -> None:
        self._socket_dir = self._folder.new_socket_dir()
        cluster = await asyncio.to_thread(postgres.prepare_cluster, self._folder.path / "postgres", self._socket_dir)

        async def probe() -> Report | None:
            return {} if await asyncio.to_thread(postgres.is_ready, cluster.url("postgres")) else None

        launch = partial(cluster.launch, postgres.DURABLE_OPTIONS)
        await self.supervisor.start(Child(POSTGRES, launch, probe, stop_signal=signal.SIGINT, stop_timeout_s=3.0))
        await asyncio.to_thread(postgres.create_database, cluster, postgres.DATABASE)
        self._learn(database_url=cluster.url())

    async def _start_nats(self) -> None:
        if self._settings.nats_url:
            return
        server = nats_server.prepare_nats(self._folder.path / "nats")

        def launch() -> Launch:
            return server.launch()

        async def probe() -> Report | None:
            nonlocal server
            server = server.with_port() or server
            return {"port": server.port} if server.port else None

        async with self._steps.step("NATS"):
            await self.supervisor.start(Child(NATS, launch, probe, stop_timeout_s=1.0))
        self._learn(nats_url=server.url)

    async def _start_roles(self) -> None:
        async with self._steps.step("Roles: " + ", ".join(self._settings.roles)):
            reports = await _all_or_first_fault(
                *(self.supervisor.start(self._role(role)) for role in self._settings.roles)
            )
            bound = dict(zip(self._settings.roles, reports, strict=True))
            self._learn(
                http_port=bound.get("api", {}).get("port", self._settings.http_port),
                ocpp_port=bound.get("gateway", {}).get("port", self._settings.ocpp_port),
            )
            if "api" in self._settings.roles:
                await _wait_until_200(self.addresses.http_url + "/readyz")

    async def _start_demo(self) -> str:
        async with self._steps.step("Demo: 30 days of history, then 200 stations"):
            report = await self.supervisor.start(self._role(DEMO, ready_timeout_s=_DEMO_TIMEOUT_S))
        return str(report.get("login_url", ""))

    def _role(self, role: str, *, ready_timeout_s: float = _READY_TIMEOUT_S) -> Child:
        def launch() -> Launch:
            argv = (sys.executable, "-P", "-m", "voltway.cli", "run-role", role)
            return Launch(argv, self._folder.path, self._role_environ(), None)

        return Child(role, launch, ready_timeout_s=ready_timeout_s)

    def _role_environ(self) -> dict[str, str]:
        ours = {CONFIG_VARIABLE: os.devnull, METRICS_VARIABLE: str(self._metrics_dir)}
        return without_settings(os.environ) | to_environ(self._settings) | ours

    def _on_progress(self, _role: str, report: Report) -> None:
        self._steps.advance(int(report.get("done", 0)), int(report.get("total", 1)), str(report.get("step", "")))

    def _on_pids(self, pids: dict[str, int]) -> None:
        forget_processes(self._metrics_dir, self._known_pids - set(pids.values()))
        self._known_pids = set(pids.values())
        if self._is_ready:
            self._write_run()

    def _write_run(self) -> None:
        addresses, settings = self.addresses, self._settings
        self._folder.write_run(
            {
                "pids": self.supervisor.pids,
                "http_url": addresses.http_url,
                "ocpp_url": addresses.ocpp_url,
                "database_url": settings.database_url,
                "nats_url": settings.nats_url,
                "version": __version__,
            }
        )

    def _announce(self, *, token_is_new: bool, link: str) -> None:
        self._is_ready = True
        self._write_run()
        addresses = self.addresses
        if token_is_new:
            self._steps.say(f"admin token (kept in {self._folder.path / 'admin-token'}): {self._settings.admin_token}")
        self._steps.say(f"page      {link or self._settings.public_url or addresses.http_url}")
        self._steps.say(f"API       {addresses.http_url}/api/v1")
        self._steps.say(f"stations  {addresses.ocpp_url}/STATION-ID")
        self._steps.say("Ctrl-C ends everything; the data stay.")
        seconds = monotonic_s() - self._started_s
        sys.stdout.write(f"ready http={addresses.http_url} ocpp={addresses.ocpp_url} seconds={seconds:.1f}\n")
        sys.stdout.flush()


class _Journal:
    """Where log lines go: stderr, or a file in the data folder where stderr is a terminal or shows the demo's steps."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self._settings = settings
        self._path = settings.data_dir / "voltway.log" if demo or sys.stderr.isatty() else None
        self._file: TextIO | None = None
        self.fd = 2

    def __enter__(self) -> Self:
        if self._path is not None:
            with suppress(FileNotFoundError):
                if self._path.stat().st_size > _LOG_KEEP_BYTES:
                    self._path.rename(self._path.with_suffix(".log.1"))
            self._file = self._path.open("a", encoding="utf-8")
            self.fd = self._file.fileno()
        configure_logging(role="up", level=self._settings.log_level, form=self._settings.log_format, stream=self._file)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            logging.root.handlers.clear()
            self._file.close()


async def _all_or_first_fault(*starts: Coroutine[Any, Any, Report]) -> list[Report]:
    """Return all results; the first fault cancels the other waits and is raised as it is."""
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _cancel(*tasks)


async def _wait_until_200(url: str) -> None:
    deadline_s = monotonic_s() + _READY_TIMEOUT_S
    while not await asyncio.to_thread(_answers_200, url):
        if monotonic_s() > deadline_s:
            raise NotReady(f"{url} did not answer 200 within {_READY_TIMEOUT_S:.0f} s")
        await asyncio.sleep(0.1)


def _answers_200(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _check_ports(settings: Settings) -> None:
    """Raise NotReady for a port that is in use before anything is started."""
    ports = {"gateway": ("OCPP_PORT", settings.ocpp_port), "api": ("HTTP_PORT", settings.http_port)}
    for role in settings.roles:
        if role in ports and ports[role][1]:
            _check_port(settings.bind, ports[role][1], name="VOLTWAY_" + ports[role][0])


def _check_port(host: str, port: int, *, name: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise NotReady(f"port {port} on {host} cannot be used: {error.strerror}; set {name} to another") from error


def _reachable_host(bind: str) -> str:
    address = ip_address(bind)
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{address}]" if address.version == 6 else str(address)

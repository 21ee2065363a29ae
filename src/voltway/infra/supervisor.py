"""One process tree: starts children, starts a dead one again with back-off, ends all of them within a deadline.

A child is one of our roles (it reports over its stdout, see `infra.lifeline`) or a server (PostgreSQL, NATS: asked
until it answers). `up` says what the children are; nothing here knows them. Each child has a session of its own, so
that Ctrl-C in a terminal reaches only us, and the kernel ends it when we die.
"""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from voltway.infra.account import end_with_parent
from voltway.infra.postgres import Launch, identity_of
from voltway.kernel.clock import monotonic_s
from voltway.kernel.errors import NotReady

log = structlog.get_logger()

Report = dict[str, Any]
MAX_DEATHS = 5
SHORT_LIFE_S = 3.0
# Together over 10 s: that long PostgreSQL may refuse its data folder after a kill -9 (gateway-notes §5).
BACKOFF_S = (0.2, 0.8, 3.0, 7.0)
# How long a dead role's pipe is still read for what it said last.
_LAST_WORDS_S = 1.0
_PROBE_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class Child:
    """What is to be kept running.

    Attributes:
        launch: returns how to start it; asked at every start.
        probe: for servers: returns facts once it answers, None before; None for roles, which report themselves.
        stop_signal: what asks it to end; `stop_timeout_s` later it is killed.
        ready_timeout_s: how long its first start may take.
    """

    name: str
    launch: Callable[[], Launch]
    probe: Callable[[], Awaitable[Report | None]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 5.0
    ready_timeout_s: float = 60.0


class ChildFailed(Exception):
    """A child died five times in a row, each time soon after its start."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} died {MAX_DEATHS} times in a row, each within {SHORT_LIFE_S:.0f} s of its start")
        self.name = name


@dataclass(slots=True)
class _Running:
    child: Child
    process: Process | None = None
    first_report: asyncio.Future[Report] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """Keeps children running until told to stop.

    Args:
        on_pids: called with all pids whenever one changes.
        on_progress: called with the name of a role and what it reports while it prepares itself.
        stderr_fd: where the children's log goes.
    """

    def __init__(
        self,
        *,
        on_pids: Callable[[dict[str, int]], None],
        on_progress: Callable[[str, Report], None],
        stderr_fd: int,
    ) -> None:
        self._on_pids = on_pids
        self._on_progress = on_progress
        self._stderr_fd = stderr_fd
        self._running: dict[str, _Running] = {}
        self._stopping = asyncio.Event()
        self._failure: asyncio.Future[ChildFailed] = asyncio.get_running_loop().create_future()

    @property
    def pids(self) -> dict[str, int]:
        """Names and pids of the children that live now."""
        alive = {name: running.process for name, running in self._running.items()}
        return {name: process.pid for name, process in alive.items() if process and process.returncode is None}

    async def start(self, child: Child) -> Report:
        """Start a child, keep it running, and return what it (or its probe) first says when it is ready.

        Raises:
            NotReady: it says why it cannot start, or says nothing in time.
            ChildFailed: it died five times in a row.
        """
        running = self._running[child.name] = _Running(child)
        running.keeper = asyncio.create_task(self._keep(running), name=f"keep {child.name}")
        waiting: set[asyncio.Future[Any]] = {running.first_report, self._failure}
        done, _ = await asyncio.wait(waiting, timeout=child.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._failure in done:
            raise self._failure.result()
        if not done:
            raise NotReady(f"{child.name} was not ready within {child.ready_timeout_s:.0f} s")
        return running.first_report.result()

    async def failure(self) -> ChildFailed:
        """Wait until a child is given up, and return why."""
        return await asyncio.shield(self._failure)

    async def stop(self, *groups: tuple[str, ...]) -> None:
        """End the children of each group together, one group after the other; what is in no group ends first."""
        self._stopping.set()
        named = {name for group in groups for name in group}
        others = tuple(name for name in self._running if name not in named)
        for group in (others, *groups):
            await asyncio.gather(*(self._end(self._running[name]) for name in group if name in self._running))

    def kill(self) -> None:
        """End all children at once, without asking."""
        self._stopping.set()
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def _keep(self, running: _Running) -> None:
        deaths = 0
        while not self._stopping.is_set():
            started_s = monotonic_s()
            code = await self._live(running)
            if self._stopping.is_set():
                return
            deaths = deaths + 1 if monotonic_s() - started_s < SHORT_LIFE_S else 0
            log.warning("child_died", child=running.child.name, exit_code=code, deaths_in_a_row=deaths)
            if deaths >= MAX_DEATHS:
                self._give_up(running.child.name)
                return
            await asyncio.sleep(BACKOFF_S[max(deaths - 1, 0)])

    def _give_up(self, name: str) -> None:
        if not self._failure.done():
            self._failure.set_result(ChildFailed(name))

    async def _live(self, running: _Running) -> int:
        """Run a child once, from start to death."""
        try:
            process = running.process = await self._spawn(running.child)
        except OSError as error:
            log.error("child_not_started", child=running.child.name, reason=str(error))
            return -1
        self._on_pids(self.pids)
        listener = asyncio.create_task(self._listen(running, process))
        try:
            code = await process.wait()
            await asyncio.wait({listener}, timeout=0 if running.child.probe else _LAST_WORDS_S)
            return code
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    async def _spawn(self, child: Child) -> Process:
        launch = child.launch()
        user, group, groups = identity_of(launch.account)
        pipe = DEVNULL if child.probe else PIPE
        stdout = self._stderr_fd if child.probe else PIPE
        return await asyncio.create_subprocess_exec(
            *launch.argv, cwd=launch.cwd, env=launch.environ, stdin=pipe, stdout=stdout, stderr=self._stderr_fd,
            user=user, group=group, extra_groups=groups, start_new_session=True,
            preexec_fn=end_with_parent(child.stop_signal),
        )  # fmt: skip

    async def _listen(self, running: _Running, process: Process) -> None:
        if running.child.probe is None:
            await self._read_reports(running, process)
            return
        while (facts := await running.child.probe()) is None:  # noqa: ASYNC110 - another program has no event
            await asyncio.sleep(_PROBE_INTERVAL_S)
        _resolve(running.first_report, facts)

    async def _read_reports(self, running: _Running, process: Process) -> None:
        assert process.stdout is not None, "a role's stdout is a pipe"
        async for line in process.stdout:
            word, _, text = line.decode(errors="replace").partition(" ")
            match word:
                case "ready":
                    _resolve(running.first_report, json.loads(text))
                case "progress":
                    self._on_progress(running.child.name, json.loads(text))
                case "failed" if not running.first_report.done():
                    running.first_report.set_exception(NotReady(json.loads(text)["message"]))
                case _:
                    log.warning("child_said", child=running.child.name, text=line.decode(errors="replace").strip())

    async def _end(self, running: _Running) -> None:
        process = running.process
        if process is not None and process.returncode is None:
            await _ask_to_end(process, running.child)
        if running.keeper is not None:
            running.keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running.keeper


def _resolve(future: asyncio.Future[Report], facts: Report) -> None:
    if not future.done():
        future.set_result(facts)


async def _ask_to_end(process: Process, child: Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(child.stop_signal)
    try:
        await asyncio.wait_for(process.wait(), child.stop_timeout_s)
    except TimeoutError:
        log.warning("child_killed", child=child.name, after_s=child.stop_timeout_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

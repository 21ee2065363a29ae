"""The worker's side of the courier: starts it as a process of its own, starts it again, lets it end in order."""

import asyncio
import contextlib
import json
import subprocess
import sys

import structlog

from voltway.kernel.clock import monotonic_s

_MODULE = "voltway.monitoring.notify.courier_run"
_LOOK_S = 0.2
_BACK_OFF_S = (0.2, 1.0, 5.0)
_LONG_LIFE_S = 10.0
STOP_TIMEOUT_S = 4.0

log = structlog.get_logger()


class Courier:
    """A courier process that lives as long as we do, and a moment longer if it has something in hand.

    Args:
        public_url: where people reach this installation, for the links in messages.
        allow_private: let targets other than mail name hosts of private networks.
    """

    def __init__(self, database_url: str, *, public_url: str = "", allow_private: bool = False) -> None:
        order = {"database_url": database_url, "public_url": public_url, "allow_private": allow_private}
        self._order = json.dumps(order).encode() + b"\n"
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def start(self) -> None:
        """Start the courier and keep it running."""
        self._stopping.clear()
        self._launch()
        self._keeper = asyncio.create_task(self._keep(), name="keep the courier")

    async def stop(self) -> None:
        """Let it end: it finishes what it sends, notes it and goes. It is never killed, and waited for 4 s at most."""
        self._stopping.set()
        if self._keeper is not None:
            await self._keeper
            self._keeper = None
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        deadline_s = monotonic_s() + STOP_TIMEOUT_S
        while process.poll() is None and monotonic_s() < deadline_s:  # noqa: ASYNC110 - a process is no event
            await asyncio.sleep(0.02)
        if process.poll() is None:
            log.warning("courier_ends_later", pid=process.pid)

    def wake(self) -> None:
        """Let it look now. Not needed after a transaction that notified it: PostgreSQL does it then."""
        self._write(b".")

    def _launch(self) -> None:
        # In a session of its own, so that neither Ctrl-C nor the end of the worker's group ends it. Its stdin ends when
        # we do, however that happens. Not asyncio's subprocess, which kills its child as the loop is closed.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        self._write(self._order)

    def _write(self, line: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line)

    async def _keep(self) -> None:
        started_s, deaths = monotonic_s(), 0
        while not await self._is_over(_LOOK_S):
            if self.pid is not None:
                continue
            deaths = 0 if monotonic_s() - started_s > _LONG_LIFE_S else deaths + 1
            log.warning("courier_died", exit_code=self._process and self._process.returncode)
            if await self._is_over(_BACK_OFF_S[min(deaths, len(_BACK_OFF_S)) - 1]):
                return
            self._close_stdin()
            self._launch()
            started_s = monotonic_s()

    def _close_stdin(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def _is_over(self, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), within_s)
        return self._stopping.is_set()

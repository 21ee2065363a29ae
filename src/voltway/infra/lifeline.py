"""The child's side of supervision: a role says upward how it does, and hears when it must end.

The supervisor (`infra.supervisor`) starts a role with pipes as stdin and stdout. Each line that the role writes is a
word and a JSON object: `ready {...}`, `progress {...}` or `failed {"message": ...}`. SIGTERM, SIGINT or the end of
stdin (the supervisor is gone, however it went) mean: end now.
"""

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from voltway.kernel.errors import VoltwayError

OVERDUE_S = 6.0
"""A supervisor kills after 5 s; a role that outlived its supervisor does so itself, a little later."""


class Lifeline:
    """What a role holds of its supervisor; `stopping` is set when the role must end (within 5 s)."""

    def __init__(self, report_fd: int) -> None:
        self.stopping = asyncio.Event()
        self._report_fd = report_fd

    def ready(self, **facts: Any) -> None:
        """Say that the role does its work now, e.g. with the `port` it bound."""
        self._report("ready", facts)

    def progress(self, **facts: Any) -> None:
        """Say how far the role's preparation is: `step` (a sentence), `done` and `total`."""
        self._report("progress", facts)

    def failed(self, message: str) -> None:
        """Say in one sentence why the role cannot start."""
        self._report("failed", {"message": message})

    def _report(self, word: str, facts: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the supervisor is gone: stdin's end will stop us
            os.write(self._report_fd, f"{word} {json.dumps(facts)}\n".encode())


async def run_with_lifeline(role: Callable[[Lifeline], Awaitable[None]]) -> int:
    """Run a role until it ends and return its exit code: 0, or 3 where it could not start."""
    lifeline = Lifeline(_take_stdout())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lifeline.stopping.set)
    _watch_stdin(loop, lifeline.stopping)
    overdue = asyncio.create_task(_leave_when_overdue(lifeline.stopping))
    try:
        await role(lifeline)
    except VoltwayError as error:
        lifeline.failed(error.message)
        return 3
    finally:
        overdue.cancel()
    return 0


async def _leave_when_overdue(stopping: asyncio.Event) -> None:
    """End the process where a role does not: its database may have died with the supervisor, and nobody kills it."""
    await stopping.wait()
    await asyncio.sleep(OVERDUE_S)
    os._exit(1)


def _take_stdout() -> int:
    """Keep stdout for reports and send whatever else is printed to stderr."""
    sys.stdout.flush()
    report_fd = os.dup(1)
    os.dup2(2, 1)
    return report_fd


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return  # started by hand: only a signal ends it

    def on_readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stopping.set()

    loop.add_reader(0, on_readable)

"""Processes to be killed: a module forks one for each line on its stdin, and the test starts and kills them.

Forking from a process that has everything imported makes fifty of them affordable.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Forked:
    """Starts and kills what a module forks, one process at a time: `python -m MODULE ARGUMENTS`."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )  # fmt: skip
        self._pid = 0

    def start(self, command: str = "") -> None:
        """Start a process."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(f"{command}\n")
        self._zygote.stdin.flush()
        self._pid = int(self._zygote.stdout.readline())

    def kill(self) -> None:
        """Kill the process with its whole group, as an operator or the kernel would."""
        os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process that forks them."""
        with self._zygote:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()


def fork_per_line(work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Be the module: for each line fork a process that does its work, and print its pid."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(work(line.strip()))
        print(pid, flush=True)  # noqa: T201 - what the test reads

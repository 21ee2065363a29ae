"""Starts the real `voltway up` for a test, waits for its ready line, and says how it ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voltway.infra.account import Account
from voltway.infra.postgres import identity_of

READY_TIMEOUT_S = 90.0
END_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Running:
    """A started `voltway up`."""

    process: subprocess.Popen[str]
    data_dir: Path
    log: Path
    seen_pids: set[int] = field(default_factory=set)

    @property
    def run(self) -> dict[str, Any]:
        """What `run.json` says now."""
        facts: dict[str, Any] = json.loads((self.data_dir / "run.json").read_text())
        self.seen_pids |= set(facts["pids"].values())
        return facts

    def wait_ready(self) -> str:
        """Return the ready line."""
        assert self.process.stdout is not None, "stdout is a pipe"
        line = self.process.stdout.readline()
        assert line, f"voltway up ended before it was ready:\n{self.log.read_text()}"
        return line

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and return the exit code and how long the end took, in seconds."""
        begun_s = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(END_TIMEOUT_S), time.monotonic() - begun_s

    def wait_for_pid(self, name: str, *, other_than: int) -> int:
        """Return the pid of a child that was started again."""
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            pid = self.run["pids"].get(name, other_than)
            if pid != other_than:
                return int(pid)
            time.sleep(0.05)
        raise AssertionError(f"{name} was not started again within 30 s:\n{self.log.read_text()}")


def environ_for(data_dir: Path, **settings: str) -> dict[str, str]:
    """Return an environment with free ports and a data folder, and with these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VOLTWAY_")}
    ours = {"VOLTWAY_DATA_DIR": str(data_dir), "VOLTWAY_HTTP_PORT": "0", "VOLTWAY_OCPP_PORT": "0"}
    return kept | ours | settings


def up_command(*arguments: str) -> list[str]:
    """Return the command line of `voltway up` with this interpreter."""
    return [sys.executable, "-P", "-m", "voltway.cli", "up", *arguments]


@contextmanager
def voltway_up(
    data_dir: Path,
    *,
    command: Sequence[str] = (),
    environ: dict[str, str] | None = None,
    account: Account | None = None,
) -> Iterator[Running]:
    """Start `voltway up` and make sure that it is gone afterwards, whatever the test did.

    Args:
        data_dir: may be missing; the log of stderr is written beside it.
        command: the command line, where it is not `up_command()`.
        environ: the environment, where it is not `environ_for(data_dir)`.
        account: who runs it, where it is not us.
    """
    user, group, groups = identity_of(account)
    log = data_dir.parent / f"{data_dir.name}.stderr"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command or up_command(), env=environ or environ_for(data_dir), stdout=subprocess.PIPE, stderr=stream,
            text=True, user=user, group=group, extra_groups=groups,
        )  # fmt: skip
    running = Running(process, data_dir, log)
    try:
        yield running
    finally:
        _make_sure_it_ended(process)


def refused(data_dir: Path, **settings: str) -> tuple[int, str]:
    """Run a `voltway up` that should end by itself; return its exit code and what it wrote for people."""
    done = subprocess.run(
        up_command(), env=environ_for(data_dir, **settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "", "a start that failed never says that it is ready"
    return done.returncode, done.stderr


def is_alive(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def living(pids: Sequence[int]) -> list[int]:
    """Return which of these processes run."""
    return [pid for pid in pids if is_alive(pid)]


def _make_sure_it_ended(process: subprocess.Popen[str]) -> None:
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_TIMEOUT_S)
    process.kill()
    process.wait()

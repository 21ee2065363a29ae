"""The data folder of one machine: its lock, the token of the first administrator, and `run.json` for who wants to know.

Used by `up`. One Voltway at a time may use a folder; what others may not read is written with mode 600.
"""

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from voltway.infra.postgres import make_socket_dir
from voltway.kernel.errors import NotReady

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A data folder that is ours until the process ends (the lock is the kernel's, so none goes stale)."""

    path: Path
    lock: TextIO

    def admin_token(self, given: str) -> tuple[str, bool]:
        """Return the first administrator's token and whether it was made just now; a given one is not stored."""
        path = self.path / "admin-token"
        if given:
            return given, False
        if path.exists():
            return path.read_text(encoding="ascii").strip(), False
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        _write_private(path, token + "\n")
        return token, True

    def new_socket_dir(self) -> Path:
        """Make a folder for PostgreSQL's socket; what a start that was killed left of its own is removed."""
        record = self.path / "socket-dir"
        if record.exists():
            shutil.rmtree(record.read_text(encoding="utf-8"), ignore_errors=True)
        folder = make_socket_dir()
        _write_private(record, str(folder))
        return folder

    def write_run(self, facts: dict[str, Any]) -> None:
        """Write `run.json` (contracts.md) in one step, so that a reader never sees half of it."""
        _write_private(self.path / "run.json", json.dumps(facts, indent=2) + "\n")

    def remove_run(self) -> None:
        """Remove `run.json`: nothing runs any more."""
        (self.path / "run.json").unlink(missing_ok=True)


def open_data_folder(path: Path) -> DataFolder:
    """Make the folder where there is none and lock it; raise NotReady where it cannot be ours."""
    try:
        _make(path)
        lock = (path / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise NotReady(f"the data folder {path} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with lock:
            lock.seek(0)
            raise NotReady(f"another Voltway (pid {lock.read().strip()}) runs on the data folder {path}") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return DataFolder(path, lock)


def read_run(path: Path) -> dict[str, Any] | None:
    """Return what `run.json` says of the Voltway that runs on a data folder, None where none does."""
    try:
        facts: dict[str, Any] = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except OSError:
        return None
    return facts if any(_is_alive(pid) for pid in facts["pids"].values()) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make(path: Path) -> None:
    """As root others may pass through (PostgreSQL runs as nobody inside) but not look around."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.rename(path)

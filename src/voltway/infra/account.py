"""Which account runs a server that refuses root, and how a child process ends with its parent.

PostgreSQL refuses uid 0. As root its processes therefore run as `nobody`, dropped per child, so that no account is
added to the machine. Used by `infra.postgres`, `infra.nats_server` and `infra.supervisor`.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_NOBODY_ID = 65534


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id that a child process is given."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """Return `nobody` when we are root, else None: the servers run as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(_NOBODY_ID, _NOBODY_ID)
    return Account(entry.pw_uid, entry.pw_gid)


def may_enter(account: Account, folder: Path) -> bool:
    """Say whether an account (with no further groups) may enter a folder and all above it."""
    return all(_may_search(account, place) for place in (folder, *folder.parents))


def _may_search(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def end_with_parent(signal_number: int = signal.SIGTERM) -> Callable[[], None]:
    """Return a function for a fresh child: the kernel sends it the signal when its parent ends, however that happens.

    Linux only (prctl PR_SET_PDEATHSIG); elsewhere nothing happens, and our own roles notice their pipe's end instead.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal_number))
        if os.getppid() != parent:
            os._exit(0)

    return ask_kernel

"""CPU time and memory of processes, read from Linux's /proc; used by the load process at the edges of its windows."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME, _CUTIME, _CSTIME = 11, 12, 13, 14  # places after the command's closing bracket, proc(5)


def is_available() -> bool:
    """Say whether this machine has a /proc that names children (Linux)."""
    return Path("/proc/self/task").is_dir() and Path(f"/proc/self/task/{os.getpid()}/children").exists()


def cpu_s(pid: int) -> float:
    """Return user and system time of one process, all of its threads, in seconds."""
    fields = _stat(pid)
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def tree_cpu_s(pid: int) -> float:
    """Return the time of a process, of all that live below it and of the children that ended, in seconds."""
    fields = _stat(pid)
    own = sum(int(fields[place]) for place in (_UTIME, _STIME, _CUTIME, _CSTIME)) / _TICKS_PER_S
    return own + sum(_tree_or_nothing(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """Return the direct children of a process, of whichever thread."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def rss_bytes(pid: int) -> int:
    """Return the resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def _tree_or_nothing(pid: int) -> float:
    try:
        return tree_cpu_s(pid)
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile: its parent has its time from now on
        return 0.0


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return text.rpartition(") ")[2].split()

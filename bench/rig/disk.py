"""How long this disk takes to make 8 kB durable: what no reply after a commit can be faster than."""

import os
import tempfile
import time
from collections.abc import Iterable

_WRITES = 50
_BLOCK = b"x" * 8192


def sync_times_ms() -> list[float]:
    """Return the times of fifty `fdatasync` calls after 8 kB each, where the databases of the bench lie too."""
    with tempfile.NamedTemporaryFile(prefix="voltway-bench-") as file:
        return [_timed_ms(file.fileno()) for _ in range(_WRITES)]


def sync_line(times_ms: Iterable[float]) -> str:
    """Say the median and the slowest hundredth in one line."""
    ordered = sorted(times_ms)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.50, 0.99))
    return f"fdatasync of 8 kB on this disk, before each round: p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def _timed_ms(descriptor: int) -> float:
    os.write(descriptor, _BLOCK)
    started_at = time.perf_counter()
    os.fdatasync(descriptor)
    return 1000 * (time.perf_counter() - started_at)

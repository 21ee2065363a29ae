"""CPU time and memory as /proc tells them."""

import os
import subprocess
import sys
import time

from rig import procfs

_BURN = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\n"


def test_the_own_time_grows_as_the_process_works() -> None:
    """A tenth of a second of work is seen, in steps of the kernel's clock."""
    before = procfs.cpu_s(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert procfs.cpu_s(os.getpid()) - before >= 0.05


def test_a_tree_counts_living_children_and_those_that_ended() -> None:
    """A child's time is in its parent's tree while it lives and after it was reaped."""
    before = procfs.tree_cpu_s(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", f"{_BURN}input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None, "a pipe was asked for"
    assert child.stdout.readline() == b"\n"
    assert child.pid in procfs.children(os.getpid())
    assert procfs.tree_cpu_s(os.getpid()) - before >= 0.3
    child.communicate(b"\n")
    assert child.pid not in procfs.children(os.getpid())
    assert procfs.tree_cpu_s(os.getpid()) - before >= 0.3


def test_memory_is_resident_bytes() -> None:
    """A Python process holds some megabytes, and less than this machine has."""
    assert 5_000_000 < procfs.rss_bytes(os.getpid()) < 10_000_000_000

"""The supervisor keeps children running, gives one up after five short lives, and leaves none behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from voltway.infra import supervisor as module
from voltway.infra.postgres import Launch
from voltway.infra.supervisor import Child, ChildFailed, Report, Supervisor
from voltway.kernel.errors import NotReady

SAY_READY = "import sys; sys.stdout.write('ready {\"port\": 7}\\n'); sys.stdout.flush()\n"
WAIT = "import signal; signal.pause()\n"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def _role(code: str, name: str = "role", **values: Any) -> Child:
    launch = Launch((sys.executable, "-c", code), Path("/"), dict(os.environ), None)
    return Child(name, lambda: launch, **values)


class Watched:
    """A supervisor and what it told."""

    def __init__(self) -> None:
        self.pids: list[dict[str, int]] = []
        self.progress: list[tuple[str, Report]] = []
        self.it = Supervisor(
            on_pids=self.pids.append, on_progress=lambda name, report: self.progress.append((name, report)), stderr_fd=2
        )


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(module, "BACKOFF_S", (0.0, 0.0, 0.0, 0.0))
    watched = Watched()
    yield watched
    await watched.it.stop()
    assert watched.it.pids == {}


async def test_a_role_reports_its_port_and_progress(watched: Watched) -> None:
    code = (
        "print('progress {\"done\": 1, \"total\": 2}', flush=True)\nprint('something else', flush=True)\n"
        + SAY_READY
        + WAIT
    )
    assert await watched.it.start(_role(code)) == {"port": 7}
    assert watched.progress == [("role", {"done": 1, "total": 2})]
    assert watched.pids == [watched.it.pids]


async def test_a_server_is_ready_when_its_probe_says_so(watched: Watched) -> None:
    answers = iter([None, None, {"port": 9}])

    async def probe() -> Report | None:
        return next(answers)

    assert await watched.it.start(_role(WAIT, probe=probe)) == {"port": 9}


async def test_a_dead_child_is_started_again(watched: Watched) -> None:
    await watched.it.start(_role(SAY_READY + WAIT))
    pid = watched.it.pids["role"]
    os.kill(pid, signal.SIGKILL)
    while watched.it.pids.get("role", pid) == pid:
        await asyncio.sleep(0.01)
    assert len(watched.pids) == 2


async def test_five_short_lives_are_given_up_with_the_name(watched: Watched) -> None:
    with pytest.raises(ChildFailed, match="role died 5 times in a row") as caught:
        await watched.it.start(_role("raise SystemExit(7)"))
    assert caught.value.name == "role"
    assert len(watched.pids) == module.MAX_DEATHS


async def test_a_long_life_forgives_the_deaths_before_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only deaths in a row count: a child that lived its 3 s begins anew."""
    monkeypatch.setattr(module, "SHORT_LIFE_S", 0.0)
    await watched.it.start(_role(SAY_READY))
    while len(watched.pids) < module.MAX_DEATHS + 2:
        await asyncio.sleep(0.01)
    assert not asyncio.ensure_future(watched.it.failure()).done()


async def test_a_failure_after_the_start_is_told(watched: Watched) -> None:
    await watched.it.start(_role(SAY_READY))
    assert (await watched.it.failure()).name == "role"


async def test_a_program_that_cannot_be_started_is_given_up(watched: Watched) -> None:
    missing = Launch(("/nonexistent/program",), Path("/"), {}, None)
    with pytest.raises(ChildFailed):
        await watched.it.start(Child("missing", lambda: missing))


async def test_a_role_s_last_words_are_the_reason(watched: Watched) -> None:
    """A role that cannot start says why, and that sentence reaches the person."""
    code = 'print(\'failed {"message": "port 9000 is in use"}\', flush=True); raise SystemExit(3)'
    with pytest.raises(NotReady, match="port 9000 is in use"):
        await watched.it.start(_role(code))


async def test_silence_is_not_readiness(watched: Watched) -> None:
    with pytest.raises(NotReady, match="role was not ready within 0 s"):
        await watched.it.start(_role(WAIT, ready_timeout_s=0.3))


async def test_who_does_not_hear_is_killed(watched: Watched) -> None:
    await watched.it.start(_role(DEAF + SAY_READY + WAIT, stop_timeout_s=0.2))
    pid = watched.it.pids["role"]
    await watched.it.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_groups_end_one_after_the_other(watched: Watched, tmp_path: Path) -> None:
    """What stands on a server ends before it."""
    order = tmp_path / "order"
    note = (
        "import signal, sys\ndef note(*_):\n open(%r, 'a').write(%r); sys.exit()\nsignal.signal(signal.SIGTERM, note)\n"
    )
    for name in ("server", "role", "demo"):
        await watched.it.start(_role(note % (str(order), name + " ") + SAY_READY + WAIT, name))
    await watched.it.stop(("role",), ("server",))
    assert order.read_text() == "demo role server "


async def test_killing_takes_all_at_once(watched: Watched) -> None:
    await watched.it.start(_role(DEAF + SAY_READY + WAIT))
    watched.it.kill()
    await asyncio.wait_for(watched.it.stop(), 2)
    assert watched.it.pids == {}


async def test_a_child_sees_the_end_of_its_pipe(tmp_path: Path) -> None:
    """Where the kernel does not end a child with its parent, the end of stdin does (the lifeline reads it)."""
    code = (
        "import asyncio\nfrom voltway.infra.lifeline import run_with_lifeline\n"
        "async def role(line):\n line.ready(port=1); await line.stopping.wait()\n"
        "raise SystemExit(asyncio.run(run_with_lifeline(role)))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert await process.stdout.readline() == b'ready {"port": 1}\n'
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_a_role_s_expected_failure_is_one_sentence() -> None:
    code = (
        "import asyncio\nfrom voltway.infra.lifeline import run_with_lifeline\n"
        "from voltway.kernel.errors import NotReady\n"
        "async def role(line):\n print('noise'); line.progress(done=1); raise NotReady('the bus is away')\n"
        "raise SystemExit(asyncio.run(run_with_lifeline(role)))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, noise = await process.communicate()
    assert process.returncode == 3
    assert said.splitlines() == [b'progress {"done": 1}', b'failed {"message": "the bus is away"}']
    assert noise == b"noise\n"

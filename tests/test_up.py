"""Small parts of `voltway up`; the whole of it is started in tests/system/test_up.py."""

import os
import socket
import sys
from pathlib import Path

import pytest

from voltway import up
from voltway.kernel.errors import NotReady
from voltway.settings import Settings

pytestmark = pytest.mark.usefixtures("own_logging")


@pytest.mark.parametrize(
    ("bind", "host"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("192.0.2.7", "192.0.2.7")],
)
def test_a_bound_address_is_reached_at(bind: str, host: str) -> None:
    assert up._reachable_host(bind) == host


def test_only_the_ports_of_roles_that_run_are_checked(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        up._check_ports(Settings(data_dir=tmp_path, ocpp_port=port, http_port=0, roles=("api",)))
        with pytest.raises(NotReady, match=f"port {port} .*VOLTWAY_OCPP_PORT"):
            up._check_ports(Settings(data_dir=tmp_path, ocpp_port=port, http_port=0, roles=("gateway",)))


def test_the_log_stays_on_stderr_where_nobody_looks(tmp_path: Path) -> None:
    """A service's log is read by who started it; a terminal shows the steps, so the log goes to a file."""
    settings = Settings(data_dir=tmp_path)
    with up._Journal(settings, demo=False) as journal:
        assert journal.fd == (2 if not sys.stderr.isatty() else journal.fd)
    with up._Journal(settings, demo=True) as journal:
        os.write(journal.fd, b"a line\n")
    assert (tmp_path / "voltway.log").read_text() == "a line\n"


def test_a_long_log_is_put_aside_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_LOG_KEEP_BYTES", 3)
    (tmp_path / "voltway.log").write_text("long enough\n")
    with up._Journal(Settings(data_dir=tmp_path), demo=True):
        pass
    assert (tmp_path / "voltway.log.1").read_text() == "long enough\n"
    assert (tmp_path / "voltway.log").read_text() == ""


def test_a_page_that_never_comes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_READY_TIMEOUT_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/readyz"
    assert not up._answers_200(url)

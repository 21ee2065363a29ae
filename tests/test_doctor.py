"""The doctor sees what is wrong and says how to mend it; where nothing is wrong it says so."""

import json
import os
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from voltway import doctor
from voltway.doctor import Finding, examine, to_json, to_text
from voltway.settings import Settings


def _settings(tmp_path: Path, **values: Any) -> Settings:
    defaults: dict[str, Any] = {"data_dir": tmp_path, "http_port": 0, "ocpp_port": 0}
    return Settings(**(defaults | values))


def _found(settings: Settings, check: str) -> Finding:
    return next(finding for finding in examine(settings) if finding.check == check)


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy that passes /healthz on and nothing else."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_fresh_machine_is_well(tmp_path: Path) -> None:
    findings = examine(_settings(tmp_path))
    assert [finding.check for finding in findings if not finding.is_ok] == []
    assert to_json(findings)["ok"] is True
    assert to_text(findings).startswith("ok    data folder")


def test_a_database_that_answers(tmp_path: Path, empty_database_url: str) -> None:
    finding = _found(_settings(tmp_path, database_url=empty_database_url), "database")
    assert finding.is_ok
    assert "clock is" in finding.message


def test_a_database_whose_clock_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "database_clock_skew_s", lambda _url: 3600.0)
    finding = _found(_settings(tmp_path, database_url="postgresql://x/y"), "database")
    assert (finding.is_ok, "+3600.0 s" in finding.message, "NTP" in finding.mend) == (False, True, True)


def test_a_database_that_is_away(tmp_path: Path) -> None:
    finding = _found(_settings(tmp_path, database_url="postgresql://x:hidden@127.0.0.1:1/y"), "database")
    assert (finding.is_ok, "hidden" in finding.message) == (False, False)
    assert "VOLTWAY_DATABASE_URL" in finding.mend


def test_a_broker_that_answers(tmp_path: Path, nats_url: str) -> None:
    assert _found(_settings(tmp_path, nats_url=nats_url), "broker").is_ok


def test_a_broker_with_another_password(tmp_path: Path, nats_url: str) -> None:
    wrong = nats_url.replace("nats://voltway:", "nats://voltway:x")
    assert not _found(_settings(tmp_path, nats_url=wrong), "broker").is_ok


@pytest.mark.parametrize(("check", "name"), [("http port", "http_port"), ("ocpp port", "ocpp_port")])
def test_a_port_in_use(tmp_path: Path, check: str, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        settings = _settings(tmp_path, **{name: busy.getsockname()[1]})
        finding = _found(settings, check)
        assert (finding.is_ok, f"VOLTWAY_{name.upper()}" in finding.mend) == (False, True)
        run = {"pids": {"api": os.getpid()}, "database_url": "", "nats_url": "", "version": "9"}
        (tmp_path / "run.json").write_text(json.dumps(run))
        assert _found(settings, check).message == "Voltway 9 runs on this data folder"


@pytest.mark.parametrize(
    ("values", "is_ok", "said"),
    [
        ({}, True, "VOLTWAY_BIND=0.0.0.0"),
        ({"bind": "0.0.0.0"}, False, "proxy with TLS"),
        ({"bind": "::", "public_url": "https://localhost:1"}, True, ""),
    ],
)
def test_how_open_it_is(tmp_path: Path, values: dict[str, str], *, is_ok: bool, said: str) -> None:
    finding = _found(_settings(tmp_path, **values), "bind")
    assert (finding.is_ok, said in finding.mend) == (is_ok, True)


def test_a_proxy_that_nobody_trusts(tmp_path: Path, proxy: str) -> None:
    finding = _found(_settings(tmp_path, public_url=proxy), "proxy")
    assert (finding.is_ok, "VOLTWAY_TRUSTED_PROXIES" in finding.mend) == (False, True)


def test_a_proxy_that_passes_on(tmp_path: Path, proxy: str) -> None:
    assert _found(_settings(tmp_path, public_url=proxy, trusted_proxies="127.0.0.1"), "proxy").is_ok
    wrong = _settings(tmp_path, public_url=f"{proxy}/elsewhere", trusted_proxies="127.0.0.1")
    assert not _found(wrong, "proxy").is_ok


@pytest.mark.parametrize(("days", "is_ok"), [(90, True), (5, False)])
def test_a_certificate_s_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, days: int, is_ok: bool) -> None:
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    monkeypatch.setattr(doctor, "_certificate_end", lambda _host, _port: end)
    finding = _found(_settings(tmp_path, public_url="https://localhost:1"), "tls")
    assert (finding.is_ok, f"{days} days" in finding.message) == (is_ok, True)


def test_tls_that_cannot_be_verified(tmp_path: Path, proxy: str) -> None:
    finding = _found(_settings(tmp_path, public_url=proxy.replace("http:", "https:")), "tls")
    assert (finding.is_ok, "renew" in finding.mend) == (False, True)
    assert issubclass(ssl.SSLError, OSError), "a failed handshake is an OSError, which the check reads"


def test_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, 256))
    finding = _found(_settings(tmp_path), "open files")
    assert (finding.is_ok, "ulimit" in finding.mend) == (False, True)


def test_a_data_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not _found(_settings(tmp_path / "file"), "data folder").is_ok

"""`voltway doctor`: looks at database, broker, ports, clock, proxy, TLS and limits, and says how to mend what is wrong.

Each check returns one finding and never raises for what it finds. Nothing is started or changed.
"""

import asyncio
import os
import resource
import socket
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from voltway.infra.datafolder import read_run
from voltway.infra.probes import database_clock_skew_s, nats_fault
from voltway.kernel.clock import now
from voltway.settings import Settings

MAX_CLOCK_SKEW_S = 2.0
_FILES_PER_STATION = 1
_FILES_FOR_THE_REST = 200
_TLS_WARN_DAYS = 14
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw; `mend` says what to do where it is not well, or how to go further where it is."""

    check: str
    is_ok: bool
    message: str
    mend: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Run every check and return what they found, in a fixed order."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _check_data_dir,
        _check_database,
        _check_broker,
        _check_http_port,
        _check_ocpp_port,
        _check_bind,
        _check_proxy,
        _check_tls,
        _check_open_files,
    )
    seen = _as_it_runs(settings)
    return [check(seen) for check in checks]


def to_json(findings: list[Finding]) -> dict[str, object]:
    """Return the document of `voltway doctor --json`."""
    return {"ok": all(finding.is_ok for finding in findings), "findings": [asdict(finding) for finding in findings]}


def to_text(findings: list[Finding]) -> str:
    """Return the findings for people, one line each and a line below where there is something to do."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok   ' if finding.is_ok else 'WRONG'} {finding.check}: {finding.message}")
        if finding.mend:
            lines.append(f"      {finding.mend}")
    return "\n".join(lines)


def _as_it_runs(settings: Settings) -> Settings:
    """Return the settings with the servers that a running Voltway on this data folder started itself."""
    run = read_run(settings.data_dir)
    if run is None:
        return settings
    return settings.model_copy(update={"database_url": run["database_url"], "nats_url": run["nats_url"]})


def _check_data_dir(settings: Settings) -> Finding:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    is_writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    message = f"{settings.data_dir} {'can' if is_writable else 'cannot'} be written"
    return Finding(
        "data folder", is_writable, message, "" if is_writable else "set VOLTWAY_DATA_DIR to a folder of yours"
    )


def _check_database(settings: Settings) -> Finding:
    if not settings.database_url:
        return Finding("database", True, "an own PostgreSQL is started in the data folder")
    try:
        skew_s = database_clock_skew_s(settings.database_url)
    except ConnectionError as error:
        return Finding("database", False, str(error), "check VOLTWAY_DATABASE_URL: host, port, name, role and password")
    if abs(skew_s) > MAX_CLOCK_SKEW_S:
        message = f"its clock is {skew_s:+.1f} s from ours"
        return Finding("database", False, message, "run NTP (chrony, systemd-timesyncd) on both machines")
    return Finding("database", True, f"answers; its clock is {skew_s:+.2f} s from ours")


def _check_broker(settings: Settings) -> Finding:
    if not settings.nats_url:
        return Finding("broker", True, "an own NATS is started on the loopback interface")
    fault = asyncio.run(nats_fault(settings.nats_url))
    if fault:
        return Finding(
            "broker", False, f"NATS does not answer: {fault}", "check VOLTWAY_NATS_URL: host, port and password"
        )
    return Finding("broker", True, "answers")


def _check_http_port(settings: Settings) -> Finding:
    return _check_port(settings, "http port", settings.http_port, variable="VOLTWAY_HTTP_PORT")


def _check_ocpp_port(settings: Settings) -> Finding:
    return _check_port(settings, "ocpp port", settings.ocpp_port, variable="VOLTWAY_OCPP_PORT")


def _check_port(settings: Settings, check: str, port: int, *, variable: str) -> Finding:
    host = settings.bind
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if run := read_run(settings.data_dir):
            return Finding(check, True, f"Voltway {run['version']} runs on this data folder")
        mend = f"set {variable} to another port, or end what uses it"
        return Finding(check, False, f"{port} on {host} cannot be used: {error.strerror}", mend)
    return Finding(check, True, f"{port} on {host} is free")


def _check_bind(settings: Settings) -> Finding:
    if ip_address(settings.bind).is_loopback:
        mend = "to let stations in: VOLTWAY_BIND=0.0.0.0, or a proxy with TLS (docs/operators/reverse-proxy.md)"
        return Finding("bind", True, f"{settings.bind}: only this machine reaches us", mend)
    if settings.public_url.startswith("https://"):
        return Finding("bind", True, f"{settings.bind}, published as {settings.public_url}")
    mend = "passwords travel unencrypted: put a proxy with TLS in front and set VOLTWAY_PUBLIC_URL=https://…"
    return Finding("bind", False, f"{settings.bind} is open to the network without TLS", mend)


def _check_proxy(settings: Settings) -> Finding:
    if not settings.public_url:
        return Finding("proxy", True, "none (VOLTWAY_PUBLIC_URL is not set)")
    if not settings.trusted_proxies:
        mend = "set VOLTWAY_TRUSTED_PROXIES to the proxy's address, else every caller seems to be the proxy"
        return Finding("proxy", False, f"{settings.public_url} is served by a proxy nobody trusts", mend)
    try:
        with urllib.request.urlopen(settings.public_url + "/healthz", timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the operator's own address
            status = answer.status
    except OSError as error:
        mend = "start Voltway first; then check that the proxy passes /healthz on to VOLTWAY_HTTP_PORT"
        return Finding("proxy", False, f"{settings.public_url}/healthz: {error}", mend)
    return Finding("proxy", status == 200, f"{settings.public_url}/healthz answers {status}")


def _check_tls(settings: Settings) -> Finding:
    url = urlsplit(settings.public_url)
    if url.scheme != "https" or url.hostname is None:
        return Finding("tls", True, "not used (VOLTWAY_PUBLIC_URL has no https)")
    try:
        ends_at = _certificate_end(url.hostname, url.port or 443)
    except OSError as error:
        return Finding("tls", False, f"{url.hostname}: {error}", "stations refuse what this machine refuses: renew it")
    days = (ends_at - now()) // timedelta(days=1)
    mend = "" if days >= _TLS_WARN_DAYS else "renew the certificate now"
    return Finding("tls", days >= _TLS_WARN_DAYS, f"the certificate of {url.hostname} ends in {days} days", mend)


def _certificate_end(host: str, port: int) -> datetime:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), _TIMEOUT_S) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        certificate = tls.getpeercert()
    assert certificate, "a verified peer has a certificate"
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def _check_open_files(_settings: Settings) -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    stations = (limit - _FILES_FOR_THE_REST) // _FILES_PER_STATION
    mend = "" if stations >= 1000 else "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the unit"
    return Finding(
        "open files", stations >= 100, f"the limit {limit} is enough for about {max(stations, 0)} stations", mend
    )

"""Detectors that look at one station. Pure; see `detectors` for the registry and what a sign is."""

from datetime import UTC, datetime, timedelta

from voltway.monitoring.incidents.detectors_evse import number
from voltway.monitoring.incidents.model import Notice, Rule, Sign, StationView

_FIRMWARE = "FirmwareStatusNotification"
_FAILED = frozenset({
    "DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature", "RevokedCertificate",
    "InvalidCertificate",
})  # fmt: skip
"""OCPP 1.6 and 2.x FirmwareStatus."""
_FIRST = datetime.min.replace(tzinfo=UTC)


def station_offline(view: StationView, _rule: Rule, _now: datetime) -> Sign | None:
    """Say that a commissioned station that has been here before is away. Value: 1."""
    if view.is_connected or not view.is_commissioned or view.since is None:
        return None
    return Sign(1.0, view.since, f"since {view.since:%d %b %H:%M} UTC")


def flapping_connection(view: StationView, rule: Rule, now: datetime) -> Sign | None:
    """Say how often the connection broke within the window. Value: breaks."""
    if not view.breaks:
        return None
    window = timedelta(minutes=number(rule, "window_min"))
    recent = [at for at in view.breaks if at > now - window]
    if not recent:
        return None
    return Sign(float(len(recent)), recent[0], f"{len(recent)} breaks within {window}", due=recent[0] + window)


def clock_drift(view: StationView, _rule: Rule, _now: datetime) -> Sign | None:
    """Say how far the station's clock is off. Value: seconds, to either side."""
    if view.clock_offset_ms is None or view.clock_off_since is None:
        return None
    off_s = view.clock_offset_ms / 1000
    return Sign(abs(off_s), view.clock_off_since, f"{abs(off_s):.0f} s {'fast' if off_s > 0 else 'slow'}")


def failed_authorisations(view: StationView, rule: Rule, now: datetime) -> Sign | None:
    """Say how many drivers in a row were refused. Value: different tokens since the last one that was accepted.

    One driver who tries a refused card again and again is one.
    """
    if not view.refusals:
        return None
    window = timedelta(hours=number(rule, "window_h"))
    recent = [it for it in view.refusals if it.at > now - window]
    if not recent:
        return None
    drivers = {it.token for it in recent}
    why = ", ".join(sorted({it.why for it in recent}))
    return Sign(float(len(drivers)), recent[0].at, f"{len(drivers)} drivers: {why}", due=recent[0].at + window)


def certificate_expiry(view: StationView, rule: Rule, now: datetime) -> Sign | None:
    """Say that a certificate of the station expires soon or has expired. Value: 1 from `warn_days` before on."""
    if not view.expiries:
        return None
    name, expires_at = min(view.expiries.items(), key=lambda it: it[1])
    ahead = timedelta(days=number(rule, "warn_days"))
    # Stations say "0001-01-01" of a certificate that they do not have; no earlier instant can be named.
    warn_at = expires_at - min(ahead, expires_at - _FIRST)
    if now < warn_at:
        return Sign(0.0, warn_at, due=warn_at)
    return Sign(1.0, warn_at, f"{name} expires {expires_at:%d %b %Y}")


def firmware_failure(view: StationView, _rule: Rule, _now: datetime) -> Sign | None:
    """Say that the last firmware update failed. Value: 1; an update that goes well afterwards ends it."""
    told = [it for it in view.notices if it.action == _FIRMWARE]
    last = max(reversed(told), key=lambda it: it.at, default=None)
    if last is None or _status(last) not in _FAILED:
        return None
    return Sign(1.0, last.at, _status(last))


def _status(notice: Notice) -> str:
    return str(notice.data.get("status", ""))

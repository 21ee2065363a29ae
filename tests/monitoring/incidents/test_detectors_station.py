"""What gives a sign at a station, and what must not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.model import Notice, Place, Refusal, Sign, StationView
from voltway.monitoring.incidents.rules import shipped

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STATION = StationView(Place(1, 2), "S1", "Acme", "One", "1.0", (), True, T0, T0, None, None)


def after(minutes: float) -> datetime:
    """Return the instant so many minutes after T0."""
    return T0 + timedelta(minutes=minutes)


def found(name: str, minutes: float = 30, **facts: object) -> Sign | None:
    """Return the sign of a shipped rule's detector for a station with such facts."""
    seen = replace(STATION, **facts)  # type: ignore[arg-type]
    return DETECTORS[name].function(seen, shipped()[name], after(minutes))


def counts(name: str, sign: Sign | None) -> bool:
    """Say whether a sign reaches the shipped threshold."""
    return sign is not None and sign.value >= shipped()[name].threshold


def test_a_station_is_offline_since_it_left() -> None:
    sign = found("station_offline", is_connected=False, since=after(3))
    assert sign is not None
    assert (sign.value, sign.since) == (1.0, after(3))


@pytest.mark.parametrize(
    "facts",
    [{}, {"is_connected": False, "since": None}, {"is_connected": False, "is_commissioned": False}],
    ids=["connected", "never here", "not commissioned"],
)
def test_a_station_is_not_offline_that_is(facts: dict[str, object]) -> None:
    assert found("station_offline", **facts) is None  # type: ignore[arg-type]


def test_six_breaks_within_an_hour_are_flapping_and_the_first_leaves_when_due() -> None:
    breaks = tuple(after(minute) for minute in range(6))
    sign = found("flapping_connection", breaks=breaks)
    assert counts("flapping_connection", sign)
    assert sign is not None
    assert (sign.since, sign.due) == (T0, after(60))
    assert not counts("flapping_connection", found("flapping_connection", 60, breaks=breaks))
    assert found("flapping_connection", 65, breaks=breaks) is None


def test_nightly_reconnects_are_no_flapping() -> None:
    nights = tuple(T0 - timedelta(days=day) for day in range(7, -1, -1))
    assert not counts("flapping_connection", found("flapping_connection", breaks=nights))


@pytest.mark.parametrize(("offset_ms", "is_off"), [(-95_000, True), (95_000, True), (89_000, False), (None, False)])
def test_a_clock_is_off_to_either_side(offset_ms: int | None, *, is_off: bool) -> None:
    sign = found("clock_drift", clock_offset_ms=offset_ms, clock_off_since=after(1))
    assert counts("clock_drift", sign) is is_off
    assert sign is None or sign.since == after(1)


def test_four_refused_drivers_count_and_one_with_a_bad_card_does_not() -> None:
    many = tuple(Refusal(after(n), "Invalid", f"T{n}") for n in range(4))
    one = tuple(Refusal(after(n), "Invalid", "T1") for n in range(12))
    sign = found("failed_authorisations", refusals=many)
    assert counts("failed_authorisations", sign)
    assert sign == Sign(4.0, T0, "4 drivers: Invalid", due=after(480))
    assert not counts("failed_authorisations", found("failed_authorisations", refusals=one))
    assert not counts("failed_authorisations", found("failed_authorisations", 480, refusals=many))


def test_a_token_is_never_shown() -> None:
    sign = found("failed_authorisations", refusals=(Refusal(T0, "Invalid", "04A1B2C3"),))
    assert sign is not None
    assert "04A1B2C3" not in sign.detail


def test_the_certificate_that_expires_first_warns_two_weeks_before() -> None:
    expiries = {"CSMS": T0 + timedelta(days=90), "V2G": T0 + timedelta(days=14, minutes=30)}
    early = found("certificate_expiry", 29, expiries=expiries)
    assert early is not None
    assert (early.value, early.due) == (0.0, after(30))
    sign = found("certificate_expiry", 30, expiries=expiries)
    assert counts("certificate_expiry", sign)
    assert sign is not None
    assert sign.since == after(30)
    assert sign.detail.startswith("V2G expires")
    assert found("certificate_expiry") is None


@pytest.mark.parametrize(
    ("statuses", "since"),
    [
        (["InstallationFailed"], 0),
        (["Downloading", "DownloadFailed"], 1),
        (["InstallationFailed", "Installed"], None),
        (["Installing"], None),
        ([], None),
    ],
)
def test_the_last_word_on_firmware_counts(statuses: list[str], since: int | None) -> None:
    told = [Notice(after(n), "FirmwareStatusNotification", {"status": word}) for n, word in enumerate(statuses)]
    other = Notice(after(20), "SecurityEventNotification", {"status": "InvalidSignature"})
    sign = found("firmware_failure", notices=(*told, other))
    assert (sign.since if sign is not None else None) == (after(since) if since is not None else None)

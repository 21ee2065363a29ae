"""Nights on which clocks change, in zones of both hemispheres, with half hours and at midnight (billing note 18)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.tariffs.lint_documents import Json, energy, found, lint, words

from voltway.tariffs.lint_dst import transitions
from voltway.tariffs.rates import local_clock

BERLIN = "Europe/Berlin"
START, END = "/elements/0/restrictions/start_time", "/elements/0/restrictions/end_time"


@pytest.mark.parametrize(
    ("window", "time_zone", "expected"),
    [
        ({"start_time": "02:30"}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        ({"start_time": "02:00"}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        ({"start_time": "01:59"}, BERLIN, []),
        ({"start_time": "03:00"}, BERLIN, []),
        ({"end_time": "02:30"}, BERLIN, [("dst_gap", END), ("dst_repeat", END)]),
        ({"end_time": "02:00"}, BERLIN, []),
        ({"end_time": "03:00"}, BERLIN, []),
        ({"start_time": "02:00", "end_time": "03:00"}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        ({"start_time": "22:00", "end_time": "06:00"}, BERLIN, []),
        # both changes are in the night to a Sunday
        ({"start_time": "02:30", "day_of_week": ["SATURDAY"]}, BERLIN, []),
        ({"start_time": "02:30", "day_of_week": ["SUNDAY"]}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        # only the dates of the restriction count, two years at most
        ({"start_time": "02:30", "end_date": "2026-03-29"}, BERLIN, []),
        ({"start_time": "02:30", "end_date": "2026-03-30"}, BERLIN, [("dst_gap", START)]),
        (
            {"start_time": "02:30", "start_date": "2026-06-01", "end_date": "2027-01-01"},
            BERLIN,
            [("dst_repeat", START)],
        ),
        ({"start_time": "02:30", "end_date": "2020-01-01"}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        ({"start_time": "02:30", "start_date": "2026-07-02", "end_date": "2026-07-01"}, BERLIN, []),
        ({"start_time": "02:30", "start_date": "9999-12-30"}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        ({"start_time": "02:30", "end_date": "0001-01-02"}, BERLIN, [("dst_gap", START), ("dst_repeat", START)]),
        # Lord Howe moves by half an hour, Chatham at 02:45, Beirut and Havana at midnight
        ({"start_time": "02:15"}, "Australia/Lord_Howe", [("dst_gap", START)]),
        ({"start_time": "01:45"}, "Australia/Lord_Howe", [("dst_repeat", START)]),
        ({"start_time": "03:15"}, "Pacific/Chatham", [("dst_gap", START), ("dst_repeat", START)]),
        ({"end_time": "00:30"}, "Asia/Beirut", [("dst_gap", END)]),
        ({"start_time": "23:30", "end_time": "00:00"}, "Asia/Beirut", [("dst_repeat", START)]),
        ({"start_time": "02:30"}, "UTC", []),
        ({"start_time": "02:30"}, "Asia/Tokyo", []),
        ({"start_time": "02:30"}, None, []),
    ],
)
def test_windows_at_the_change(window: Json, time_zone: str | None, expected: list[tuple[str, str]]) -> None:
    """The hour that lacks is [low, high) for a start and (low, high) for an end, the same for the one that repeats."""
    report = lint(energy(**window), time_zone=time_zone)
    assert found(report, "dst_gap", "dst_repeat") == expected
    assert report.ok


@pytest.mark.parametrize(
    ("time_zone", "gap", "repeat"),
    [
        (BERLIN, "On 2026-03-29 02:30 does not exist in Europe/Berlin", "On 2026-10-25 02:30 comes twice"),
        ("America/New_York", "On 2026-03-08 02:30 does not exist", "On 2026-11-01 01:30 comes twice"),
        ("Australia/Sydney", "On 2026-10-04 02:30 does not exist", "On 2026-04-05 02:30 comes twice"),
    ],
)
def test_the_message_names_the_night(time_zone: str, gap: str, repeat: str) -> None:
    """Date, wall time and zone, by default in 2026."""
    report = lint(energy(start_time="02:30"), energy(start_time="01:30"), time_zone=time_zone)
    assert [message[: len(gap)] for message in words(report, "dst_gap")] == [gap]
    assert repeat in [message[: len(repeat)] for message in words(report, "dst_repeat")]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("2027-01-01T00:00:00Z", None, ["On 2027-03-28"]),
        ("2026-04-01T00:00:00Z", "2026-12-31T00:00:00Z", []),
        ("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", ["On 2026-03-29"]),
    ],
)
def test_the_validity_bounds_the_nights(begin: str, end: str | None, expected: list[str]) -> None:
    """A tariff that is not valid on that night has nothing to say about it."""
    report = lint(energy(start_time="02:30"), start_date_time=begin, end_date_time=end, time_zone=BERLIN)
    assert [message[:13] for message in words(report, "dst_gap")] == expected


def test_exempt_windows_of_the_extension_are_looked_at() -> None:
    """They are wall clock too."""
    report = lint(energy(), extension={"idle": {"exempt": [{"start_time": "02:30"}]}}, time_zone=BERLIN)
    path = "/extension/idle/exempt/0/start_time"
    assert found(report, "dst_gap", "dst_repeat") == [("dst_gap", path), ("dst_repeat", path)]


@pytest.mark.parametrize("time_zone", [BERLIN, "Australia/Lord_Howe", "America/Havana", "Pacific/Chatham"])
def test_the_stretches_are_those_of_the_wall_clock(time_zone: str) -> None:
    """Minute by minute through two years: missing minutes are never shown, repeated ones twice."""
    shown: dict[tuple[int, int], int] = {}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for minute in range(0, 2 * 365 * 24 * 60, 15):
        clock = local_clock(start + timedelta(minutes=minute), time_zone)
        shown[clock.day, clock.minute] = shown.get((clock.day, clock.minute), 0) + 1
    found_in = transitions(time_zone, date(2026, 1, 2), date(2027, 12, 30))
    assert len(found_in) == 4
    for change in found_in:
        wall = change.low
        while wall < change.high:
            assert shown.get((wall.toordinal(), wall.hour * 60 + wall.minute), 0) == (2 if change.repeats else 0)
            wall += timedelta(minutes=15)
    odd = sum(count > 1 for count in shown.values())
    assert odd == sum((change.high - change.low) // timedelta(minutes=15) for change in found_in if change.repeats)

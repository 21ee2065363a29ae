"""Instants as stations write them (row 9)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.ocpp.instants import read_instant

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        ("2026-03-02T07:00:00Z", "2026-03-02T07:00:00", None),
        ("2026-03-02T07:00:00.123Z", "2026-03-02T07:00:00.123000", None),
        ("2026-03-02T07:00:00.123456789Z", "2026-03-02T07:00:00.123456", None),
        ("2026-03-02T17:00:00+10:00", "2026-03-02T07:00:00", None),
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00", None),
        ("2026-03-02T07:00:00+0100", "2026-03-02T06:00:00", None),
        ("2026-03-02 07:00:00Z", "2026-03-02T07:00:00", None),
        ("2026-03-02T07:00:00", "2026-03-02T07:00:00", "timestamp_without_zone"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00", "timestamp_implausible"),
        ("1970-01-01T00:00:00", "1970-01-01T00:00:00", "timestamp_implausible"),
        ("2099-01-01T00:00:00Z", "2099-01-01T00:00:00", "timestamp_implausible"),
        ("2026-03-03T08:00:01Z", "2026-03-03T08:00:01", "timestamp_implausible"),
        ("2026-03-02T06:59:60Z", "2026-03-02T07:00:00", None),
        ("2026-03-02T06:59:60", "2026-03-02T07:00:00", "timestamp_malformed"),
        ("2026-03-02t07:00:00z", "2026-03-02T07:00:00", "timestamp_malformed"),
        (" 2026-03-02T07:00:00 Z ", "2026-03-02T07:00:00", "timestamp_malformed"),
        ("2026/03/02T07:00:00,5Z", "2026-03-02T07:00:00.500000", "timestamp_malformed"),
        ("", None, "timestamp_missing"),
        (None, None, "timestamp_missing"),
        ("yesterday", None, "timestamp_unreadable"),
        ("2026-02-30T07:00:00Z", None, "timestamp_unreadable"),
        ("0001-01-01T00:00:00+14:00", None, "timestamp_unreadable"),
        ("9999-12-31T23:59:60Z", None, "timestamp_unreadable"),
        (1767340800, None, "timestamp_unreadable"),
        ([], None, "timestamp_unreadable"),
    ],
)
def test_an_instant_is_read_as_utc_and_its_oddity_named(text: object, expected: str | None, code: str | None) -> None:
    """The station's clock is never corrected here, only read."""
    at, found = read_instant(text, NOW)
    assert (at and at.isoformat(), found) == (expected and f"{expected}+00:00", code)


@given(st.text(max_size=40))
def test_no_text_crashes_it(text: str) -> None:
    """An instant in UTC, or the name of what is wrong."""
    at, code = read_instant(text, NOW)
    assert (at is not None and at.tzinfo is UTC) or code is not None


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1), max_value=datetime(2026, 3, 2)))  # noqa: DTZ001
def test_what_we_write_we_read(at: datetime) -> None:
    """Round trip of every plausible instant."""
    assert read_instant(at.isoformat().replace("+00:00", "Z"), NOW) == (at, None)

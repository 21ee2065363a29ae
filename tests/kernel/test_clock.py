"""Instants are aware UTC, exact to the microsecond, and have one text form."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel import clock

instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(instants)
def test_text_and_micros_are_exact(instant: datetime) -> None:
    """What is written is read back to the microsecond."""
    assert clock.parse_rfc3339(clock.to_rfc3339(instant)) == instant
    assert clock.from_micros(clock.to_micros(instant)) == instant


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_the_zone_of_the_writer_does_not_matter(instant: datetime, offset_min: int) -> None:
    there = instant.astimezone(timezone(timedelta(minutes=offset_min)))
    assert clock.to_rfc3339(there) == clock.to_rfc3339(instant)
    assert clock.parse_rfc3339(there.isoformat()) == instant


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        clock.parse_rfc3339("2026-03-02T08:00:00")


def test_now_is_aware_and_the_monotonic_clock_never_goes_back() -> None:
    assert clock.now().tzinfo is UTC
    assert clock.monotonic_s() <= clock.monotonic_s()

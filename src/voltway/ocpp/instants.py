"""Instants as stations write them: RFC 3339 first, then the ways in which it is missed, each named.

Source: field note 19 (stations that count from 1970, write local time without a zone, or are hours ahead).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

FIRST_PLAUSIBLE_YEAR = 2020
_AHEAD = timedelta(days=1)
_LEAP_SECOND = re.compile(r":60(?=[.,Zz+-]|$)")
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def read_instant(value: Any, received_at: datetime) -> tuple[datetime | None, str | None]:
    """Return the instant as aware UTC and the name of the tolerance it needed.

    None for an instant that cannot be read. An implausible instant (before 2020, or a day after we received it) is
    returned as it is, with the finding `timestamp_implausible`: who judges sessions also judges clocks.
    """
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return _read_odd(value, received_at)
    if at.tzinfo is not UTC:
        return _read_zoned(at, received_at, None if at.tzinfo else "timestamp_without_zone")
    if at > received_at or at.year < FIRST_PLAUSIBLE_YEAR:
        return at, _implausible(at, received_at)
    return at, None


def _read_zoned(at: datetime, received_at: datetime, code: str | None) -> tuple[datetime | None, str | None]:
    """Without a zone it is UTC: our clock beside it shows by how much that is wrong."""
    try:
        utc = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        return None, "timestamp_unreadable"
    return utc, _implausible(utc, received_at) or code


def _read_odd(value: Any, received_at: datetime) -> tuple[datetime | None, str | None]:
    if value is None or value == "":
        return None, "timestamp_missing"
    if not isinstance(value, str):
        return None, "timestamp_unreadable"
    leap = _LEAP_SECOND.search(value)
    text = _LEAP_SECOND.sub(":59", value.strip().replace("/", "-").replace(",", "."))
    text = re.sub(r"\s+(?=[+\-Zz])", "", text)
    text = _LONG_FRACTION.sub(r"\1", text)
    text = text[:-1] + "Z" if text.endswith("z") else text
    try:
        at = datetime.fromisoformat(text)
        at = at + timedelta(seconds=1) if leap else at
    except (ValueError, OverflowError):
        return None, "timestamp_unreadable"
    return _read_zoned(at, received_at, None if at.tzinfo and leap else "timestamp_malformed")


def _implausible(at: datetime, received_at: datetime) -> str | None:
    is_odd = at.year < FIRST_PLAUSIBLE_YEAR or at - received_at > _AHEAD
    return "timestamp_implausible" if is_odd else None

"""Time: aware UTC everywhere, one place that reads the wall clock and one text form (RFC 3339 with Z)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""A source of the current instant; tests and the made history pass their own."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """Return the current instant as aware UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Return seconds of a clock that never goes back, for timeouts and rates."""
    return time.monotonic()


def to_rfc3339(instant: datetime) -> str:
    """Write an aware instant as RFC 3339 UTC with `Z`; fractions only where there are any.

    >>> to_rfc3339(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))
    '2026-03-29T01:00:00Z'
    """
    return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 instant with an offset; raise ValueError where the offset is missing.

    >>> parse_rfc3339("2026-03-29T03:00:00+02:00").isoformat()
    '2026-03-29T01:00:00+00:00'
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"the instant {text!r} has no time zone; write it with Z or an offset")
    return instant.astimezone(UTC)


def to_micros(instant: datetime) -> int:
    """Return microseconds since 1970-01-01T00:00:00Z, exactly."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC instant of microseconds since 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(microseconds=micros)

"""A clock for tests: it stands still until a test moves it."""

from datetime import datetime, timedelta


class FakeClock:
    """A clock that stands still until a test moves it; call it for the current instant."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """Return the current instant."""
        return self._now

    def advance(self, **duration: float) -> datetime:
        """Move forward by `timedelta(**duration)` and return the new instant."""
        self._now += timedelta(**duration)
        return self._now

    def set(self, instant: datetime) -> None:
        """Move to an instant, forward or back."""
        self._now = instant

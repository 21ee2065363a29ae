"""How far a station's clock is from ours, estimated per connection from its messages. Pure.

A message is sent after it was written, so each live one says "at least this much behind", and the largest difference
seen is the truest: offset = max(reported − received) over the last one to two windows. Older windows are dropped, so
that a clock which was set right is believed within two of them. A message from the future proves a fast clock whatever
it is about; one from the past proves nothing unless it is surely live (it may have waited in the station's queue).
"""

from datetime import datetime, timedelta
from typing import Final

from voltway.kernel.facts import (
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
)

_MILLISECOND: Final = timedelta(milliseconds=1)
_WINDOW: Final = timedelta(minutes=10)
_LIVE_CONTEXTS: Final = frozenset({ReadingContext.PERIODIC, ReadingContext.CLOCK, ReadingContext.TRIGGER})


class ClockOffset:
    """The estimate of one connection; `offset_ms` is the station's clock minus ours, None until something came."""

    __slots__ = ("_begun_at", "_now_ms", "_was_ms")

    def __init__(self) -> None:
        self._begun_at: datetime | None = None
        self._now_ms: int | None = None
        self._was_ms: int | None = None

    @property
    def offset_ms(self) -> int | None:
        """The best estimate, in milliseconds."""
        known = [sample_ms for sample_ms in (self._now_ms, self._was_ms) if sample_ms is not None]
        return max(known, default=None)

    def observe(self, fact: Fact, received_at: datetime) -> None:
        """Learn from a message."""
        found = _instant_of(fact)
        if found is None:
            return
        reported_at, is_live = found
        if is_live or reported_at > received_at:
            self._note((reported_at - received_at) // _MILLISECOND, received_at)

    def _note(self, sample_ms: int, received_at: datetime) -> None:
        if self._begun_at is None or received_at - self._begun_at >= _WINDOW:
            self._begun_at, self._was_ms, self._now_ms = received_at, self._now_ms, None
        if self._now_ms is None or sample_ms > self._now_ms:
            self._now_ms = sample_ms


def _instant_of(fact: Fact) -> tuple[datetime, bool] | None:
    """Return the station's time in a message, and whether it was surely written just now."""
    match fact:
        case EnergyMetered(readings=[*_, last]):
            return last.at, last.context in _LIVE_CONTEXTS
        case SessionUpdated():
            return fact.reported_at, not fact.offline
        case SessionStarted() | SessionEnded():
            return fact.reported_at, False
        case ConnectorStatusChanged(reported_at=datetime() as reported_at):
            return reported_at, False
    return None

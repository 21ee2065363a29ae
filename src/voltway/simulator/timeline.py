"""The simulator's own time: planned milliseconds since the start, in which cars and faults happen at the planned
instant.

The physical world moves on this line and not on the wall clock, so that a slow server or a late answer changes no
energy: the same seed gives the same cars, energies and faults. `run` drives it in real time, tests drive it by hand.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

Action = Callable[[], object]


class Timer:
    """One planned action; `cancel` makes it never happen."""

    __slots__ = ("action", "at_ms")

    def __init__(self, at_ms: int, action: Action) -> None:
        self.at_ms = at_ms
        self.action: Action | None = action

    def cancel(self) -> None:
        """Forget the action; harmless when it has already happened."""
        self.action = None


class Timeline:
    """An agenda of actions by planned time; `anchor` is the wall-clock instant of millisecond 0."""

    def __init__(self, anchor: datetime) -> None:
        self.anchor = anchor.replace(microsecond=anchor.microsecond // 1000 * 1000)
        self.now_ms = 0
        self._agenda: list[tuple[int, int, Timer]] = []
        self._order = count()

    def after(self, delay_s: float, action: Action) -> Timer:
        """Plan `action` for `delay_s` seconds from the current planned time."""
        timer = Timer(self.now_ms + max(0, round(delay_s * 1000)), action)
        heapq.heappush(self._agenda, (timer.at_ms, next(self._order), timer))
        return timer

    def advance(self, to_ms: int) -> None:
        """Let everything happen that is planned up to `to_ms`, each at its own planned time."""
        while self._agenda and self._agenda[0][0] <= to_ms:
            at_ms, _, timer = heapq.heappop(self._agenda)
            self.now_ms = max(self.now_ms, at_ms)
            action, timer.action = timer.action, None
            if action is not None:
                action()
        self.now_ms = max(self.now_ms, to_ms)

    def instant(self, at_ms: int | None = None) -> datetime:
        """Return the wall-clock instant of a planned time (now if none is given), exact to the millisecond."""
        return self.anchor + timedelta(milliseconds=self.now_ms if at_ms is None else at_ms)

    def text(self, at_ms: int | None = None) -> str:
        """Write a planned time as a station writes it: RFC 3339 UTC with milliseconds and Z."""
        return self.instant(at_ms).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

"""What really happened: counts, reply times and the truth about every session; what a server is held to."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO

import orjson

KEPT_REPLY_TIMES = 200_000
"""Percentiles are taken over the last so many replies, so that a long run keeps its memory."""


@dataclass(slots=True)
class Tally:
    """Counts over all stations; `sent` counts messages once, however often they had to be sent again."""

    sent: int = 0
    answered: int = 0
    call_errors: int = 0
    sessions: int = 0
    energy_milliwh: int = 0
    turned_away: int = 0
    booted: set[str] = field(default_factory=set)
    behaviours: Counter[str] = field(default_factory=Counter)
    reply_times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_REPLY_TIMES))


@dataclass(frozen=True, slots=True)
class Truth:
    """One session as it happened; registers in milliwatt-hours as the station sent them."""

    station: str
    evse: int
    token: str | None
    transaction_id: str | None
    started_at: str
    ended_at: str
    register_begin_milliwh: int
    register_end_milliwh: int
    energy_milliwh: int
    idle_ms: int
    behaviours: tuple[str, ...]

    def line(self) -> str:
        """Write the session as one line of the truth file (contracts.md)."""
        return orjson.dumps(self).decode() + "\n"


class TruthBook:
    """Writes the truth of every session at once where a file was asked for; `keeps`: in memory too, for tests."""

    def __init__(self, file: TextIO | None = None, *, keeps: bool = False) -> None:
        self._file, self._keeps = file, keeps
        self.sessions: list[Truth] = []

    def record(self, truth: Truth) -> None:
        """Take one finished session."""
        if self._file is not None:
            self._file.write(truth.line())
            self._file.flush()
        if self._keeps:
            self.sessions.append(truth)


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """The summary that `voltway simulate` prints; `ok` is its exit code's reason."""

    stations: int
    connected: int
    sent: int
    answered: int
    call_errors: int
    unanswered: int
    sessions: int
    energy_milliwh: int
    reply_ms_p50: float
    reply_ms_p99: float
    behaviours: dict[str, int]
    turned_away: int = 0

    @property
    def ok(self) -> bool:
        """Whether every station booted and every call was answered."""
        return self.connected == self.stations and self.unanswered == 0

    def as_json(self) -> dict[str, Any]:
        """Return the summary in the form of contracts.md."""
        return {
            "stations": self.stations,
            "connected": self.connected,
            "sent": self.sent,
            "answered": self.answered,
            "call_errors": self.call_errors,
            "unanswered": self.unanswered,
            "sessions": self.sessions,
            "energy_milliwh": self.energy_milliwh,
            "reply_ms": {"p50": self.reply_ms_p50, "p99": self.reply_ms_p99},
            "behaviours": self.behaviours,
        }


def report_of(tally: Tally, *, stations: int, unsent: int) -> SimulationReport:
    """Sum up a run; `connected` counts the stations whose boot was accepted, `unsent` messages that never left."""
    return SimulationReport(
        stations=stations,
        connected=len(tally.booted),
        sent=tally.sent,
        answered=tally.answered,
        call_errors=tally.call_errors,
        unanswered=tally.sent - tally.answered + unsent,
        sessions=tally.sessions,
        energy_milliwh=tally.energy_milliwh,
        reply_ms_p50=percentile(tally.reply_times_ms, 0.50),
        reply_ms_p99=percentile(tally.reply_times_ms, 0.99),
        behaviours=dict(sorted(tally.behaviours.items())),
        turned_away=tally.turned_away,
    )


def percentile(values: Iterable[float], share: float) -> float:
    """Return the nearest-rank percentile, rounded to a microsecond when the values are milliseconds; 0 of none.

    >>> percentile([4.0, 1.0, 3.0, 2.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))
    return round(ordered[rank], 3)

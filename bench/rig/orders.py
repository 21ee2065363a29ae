"""What the bench asks of the load process and what it answers: plain data, one JSON document each way."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

PhaseKind = Literal["saturated", "paced", "idle"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of load: some warming up, then a measured window.

    saturated: every station sends as soon as it is answered; paced: `share` of the rate that the saturated phase before
    it sustained, evenly over the stations; idle: nothing is sent.
    """

    kind: PhaseKind
    warmup_s: float
    window_s: float
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """One run of the load process; `server_pid` alone and the whole tree of `postgres_pid` (0: none) are measured."""

    url: str
    prefix: str
    stations: int
    versions: tuple[str, ...]
    phases: tuple[Phase, ...]
    server_pid: int
    postgres_pid: int = 0
    other_pids: tuple[int, ...] = ()

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Build an order from its JSON document."""
        phases = tuple(Phase(**phase) for phase in document["phases"])
        tuples = {name: tuple(document[name]) for name in ("versions", "other_pids")}
        return cls(**document | tuples | {"phases": phases})


@dataclass(frozen=True, slots=True)
class Window:
    """What one measured window showed; CPU in microseconds per answered message, None where nothing was measured."""

    kind: PhaseKind
    seconds: float
    messages: int
    asked_per_s: float | None
    p50_ms: float
    p99_ms: float
    server_us: float
    postgres_us: float
    other_us: float
    load_us: float

    @property
    def per_s(self) -> float:
        """Answered messages per second."""
        return self.messages / self.seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """All windows of a run and what was answered in all, warm-up and last replies included."""

    windows: tuple[Window, ...] = ()
    boots: int = 0
    starts: int = 0
    updates: int = 0
    unanswered: int = 0
    faults: tuple[str, ...] = ()
    rss_before_bytes: int = 0
    rss_idle_bytes: int = 0

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Build an outcome from its JSON document."""
        windows = tuple(Window(**window) for window in document["windows"])
        return cls(**document | {"windows": windows, "faults": tuple(document["faults"])})

    def window(self, kind: PhaseKind) -> Window:
        """Return the window of one kind."""
        return next(window for window in self.windows if window.kind == kind)


@dataclass(slots=True)
class Tally:
    """What the stations count while they run."""

    boots: int = 0
    starts: int = 0
    updates: int = 0
    unanswered: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, sentence: str) -> None:
        """Note what went wrong; a hundred sentences say enough."""
        if len(self.faults) < 100:
            self.faults.append(sentence)


def as_document(value: Order | Outcome) -> dict[str, Any]:
    """Return the JSON document of an order or an outcome."""
    return asdict(value)

"""Medians and ratios of a run: rounds of each contestant side by side, goals beside what was measured.

A ratio is taken within each round, so that a machine whose speed drifts says the same thing; its median is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from rig.orders import Outcome, Window

Figure = Callable[[Outcome], float]

VOLTWAY, FLOOR, PEER = "voltway", "floor", "peer"


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: the bound, what each round showed and the sentence with both sides of the ratio."""

    name: str
    bound: float
    rounds: tuple[float, ...]
    sides: str
    unit: str = ""
    is_share: bool = False  # the figure is shown as 1/x

    @property
    def measured(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the bound."""
        return self.measured <= self.bound

    def text(self, value: float) -> str:
        """Return a value of this goal as people read it."""
        return f"1/{1 / value:.0f}" if self.is_share and value else f"{value:.2f}{self.unit}"


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured in one run."""

    rounds: dict[str, list[Outcome]]
    memory_bytes: dict[str, float]

    def median(self, name: str, figure: Figure) -> float:
        """Return the median over the rounds of one contestant's figure."""
        return median(figure(outcome) for outcome in self.rounds[name])

    def ratios(self, upper: str, lower: str, figure: Figure) -> tuple[float, ...]:
        """Return upper : lower in each round."""
        pairs = zip(self.rounds[upper], self.rounds[lower], strict=True)
        return tuple(figure(above) / figure(below) for above, below in pairs)

    def goals(self) -> list[Goal]:
        """Return the goals of the main job with what this run showed."""
        return [
            self._ratio_goal("gateway CPU a message against the floor", 3.0, FLOOR),
            self._ratio_goal("gateway CPU a message against the peer", 1 / 80, PEER, is_share=True),
            self._plain_goal("PostgreSQL CPU a message", 20.0, saturated("postgres_us"), " µs"),
            self._plain_goal("p99 reply at 50 % of the sustained rate", 20.0, paced("p99_ms"), " ms"),
        ]

    def document(self) -> dict[str, Any]:
        """Return medians and goals as JSON takes them."""
        return {
            "contestants": {name: self._medians(name) for name in self.rounds},
            "goals": [
                {"name": goal.name, "bound": goal.bound, "measured": goal.measured, "rounds": goal.rounds,
                 "sides": goal.sides, "met": goal.is_met}
                for goal in self.goals()
            ],
        }  # fmt: skip

    def _medians(self, name: str) -> dict[str, float]:
        values = {key: self.median(name, figure) for key, _, figure, _ in ROWS}
        return values | {"memory_per_connection_bytes": self.memory_bytes[name]}

    def _ratio_goal(self, name: str, bound: float, against: str, *, is_share: bool = False) -> Goal:
        figure = saturated("server_us")
        sides = f"{self.median(VOLTWAY, figure):.1f} µs : {self.median(against, figure):.1f} µs"
        return Goal(name, bound, self.ratios(VOLTWAY, against, figure), sides, is_share=is_share)

    def _plain_goal(self, name: str, bound: float, figure: Figure, unit: str) -> Goal:
        return Goal(name, bound, tuple(map(figure, self.rounds[VOLTWAY])), "", unit)


def saturated(field: str) -> Figure:
    """Return the reader of a field of the saturated window."""
    return _reader("saturated", field)


def paced(field: str) -> Figure:
    """Return the reader of a field of the window at half the rate."""
    return _reader("paced", field)


def _reader(kind: Any, field: str) -> Figure:
    def read(outcome: Outcome) -> float:
        window: Window = outcome.window(kind)
        return float(getattr(window, field))

    return read


ROWS: tuple[tuple[str, str, Figure, int], ...] = (
    ("messages_per_s", "messages a second, saturated", saturated("per_s"), 0),
    ("server_us", "server CPU a message, µs", saturated("server_us"), 1),
    ("postgres_us", "PostgreSQL CPU a message, µs", saturated("postgres_us"), 1),
    ("other_us", "other processes' CPU a message, µs", saturated("other_us"), 1),
    ("load_us", "load process' CPU a message, µs", saturated("load_us"), 1),
    ("p50_ms", "reply p50, saturated, ms", saturated("p50_ms"), 2),
    ("p99_ms", "reply p99, saturated, ms", saturated("p99_ms"), 2),
    ("paced_messages_per_s", "messages a second, paced at 50 %", paced("per_s"), 0),
    ("paced_server_us", "server CPU a message, paced, µs", paced("server_us"), 1),
    ("paced_postgres_us", "PostgreSQL CPU a message, paced, µs", paced("postgres_us"), 1),
    ("paced_p50_ms", "reply p50, paced, ms", paced("p50_ms"), 2),
    ("paced_p99_ms", "reply p99, paced, ms", paced("p99_ms"), 2),
)
"""Key in the JSON document, words in the table, where the figure is, digits after the point."""

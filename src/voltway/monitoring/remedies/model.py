"""The words of remedies: ladders and their steps, what is known of a station, what was done, what is next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

Action = Literal["trigger_message", "unlock", "availability_cycle", "soft_reset", "hard_reset", "ticket"]
Result = Literal["helped", "did_not_help", "unknown"]
State = Literal["planned", "claimed", "between", "sent", "ended", "would_run", "skipped", "blocked", "cancelled"]
RESETS: Final[frozenset[str]] = frozenset({"soft_reset", "hard_reset"})
HARMLESS: Final[frozenset[str]] = frozenset({"trigger_message", "ticket"})
"""What changes nothing at a station: done in the mode `safe`."""


class Mode(StrEnum):
    """How far remedies go by themselves. `safe`: what changes nothing at a station is done, the rest only told."""

    OFF = "off"
    DRY_RUN = "dry_run"
    SAFE = "safe"
    ON = "on"

    def does(self, action: str) -> bool:
        """Whether a step with that action is carried out (otherwise it is only told)."""
        return self is Mode.ON or (self is Mode.SAFE and action in HARMLESS)


@dataclass(frozen=True, slots=True)
class Step:
    """One rung. `wait_before_s` gives the station time first; `judge_after_s` later we say whether it helped."""

    action: Action
    message: str = ""
    """What to trigger, for trigger_message."""
    wait_before_s: float = 0.0
    judge_after_s: float = 60.0
    cycle_wait_s: float = 10.0
    """How long an availability cycle leaves the place closed."""
    during_session: bool = False

    @property
    def key(self) -> str:
        """What is counted and remembered per product: the action, with the message where there is one."""
        return f"{self.action}:{self.message}" if self.message else self.action

    @property
    def is_command(self) -> bool:
        """Whether it reaches a station."""
        return self.action != "ticket"


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps in order, and the limits of all of them. Limits count commands to a station, of every ladder and incident.

    `hours` [from, to) are local hours of the site in which commands may go, over midnight where from > to.
    `patience_s`: a step that could not be done for so long is skipped. `skip_below` skips a step whose success rate on
    that vendor, model and firmware is lower after `skip_after_runs` runs (None: never).
    """

    code: str
    title: str
    steps: tuple[Step, ...]
    per_station_per_day: int = 6
    quiet_s: float = 300.0
    stop_if_no_help: int = 4
    hours: tuple[int, int] = (0, 24)
    patience_s: float = 86_400.0
    harms_allowed: int = 0
    skip_below: float | None = None
    skip_after_runs: int = 20


@dataclass(frozen=True, slots=True)
class Past:
    """A run as the decision sees it; `is_ours`: of this incident, ladder and round; `at`: when it was sent."""

    step: int
    action: str
    state: State
    is_ours: bool
    at: datetime | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a step is decided; `waiting_since`: when the step at hand was first due."""

    is_unresolved: bool
    mode: Mode
    waiting_since: datetime
    local_hour: int
    minute: int = 0
    evse_id: int = 0
    has_station: bool = True
    is_connected: bool = True
    is_session_on_evse: bool = False
    is_session_on_station: bool = False
    is_closed_by_intent: bool = False
    harms: Mapping[str, int] = field(default_factory=dict)
    """How often a step's key harmed this vendor, model and firmware."""
    success: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By a step's key on this vendor, model and firmware: (judged runs, of which it helped)."""


@dataclass(frozen=True, slots=True)
class Run:
    """Do that step now."""

    step: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again then."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave that step out; the next one follows. `is_blocked`: for what it did or did not do on this product before."""

    why: str
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more is done about this incident."""

    why: str


Decision = Run | Wait | Skip | Stop

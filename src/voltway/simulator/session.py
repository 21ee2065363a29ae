"""A simulated charging session and its meter samples: the state that bay, dialects and behaviours share. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from voltway.simulator.calls import Message
from voltway.vehicles.battery import Battery


class Status(StrEnum):
    """Connector status in 1.6's words, which are the finer ones."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class Step(StrEnum):
    """What part of a session a message tells."""

    START = "start"
    UPDATE = "update"
    STOP = "stop"


Twist = Callable[[Step, Message], list[Message]]
"""What a behaviour makes of each message of a session."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of an EVSE's meter: the register exact in milliwatt-hours, the rest telemetry; `soc_pct`: DC only."""

    at_ms: int
    register_milliwh: int
    power_w: float
    current_a: float
    voltage_v: float
    offered_w: float
    soc_pct: float | None
    context: str = "Sample.Periodic"


@dataclass(slots=True, eq=False)
class Session:
    """A session while it runs; registers in milliwatt-hours exactly as sent."""

    evse_id: int
    battery: Battery
    token: str | None
    started_ms: int
    register_begin_milliwh: int
    transaction_id: str | None = None
    remote_start_id: int | None = None
    seq_no: int = 0
    token_is_told: bool = False
    meter_begin_milliwh: int = 0
    suspended_ms: int | None = None
    ended_ms: int | None = None
    register_end_milliwh: int = 0
    energy_milliwh: int = 0
    behaviours: list[str] = field(default_factory=list)
    twist: Twist | None = None

    def next_seq_no(self) -> int:
        """Return the next sequence number, from 0."""
        self.seq_no += 1
        return self.seq_no - 1

    @property
    def idle_ms(self) -> int:
        """How long the car was plugged in after it stopped drawing, until the session's end."""
        if self.suspended_ms is None or self.ended_ms is None:
            return 0
        return self.ended_ms - self.suspended_ms

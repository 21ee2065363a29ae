"""What all stations of a run share, and how they reach a network: interfaces without sockets, which tests fill too."""

from dataclasses import dataclass, field
from typing import Protocol

from voltway.simulator.report import Tally, TruthBook
from voltway.simulator.timeline import Timeline
from voltway.simulator.visits import Plan


class Wire(Protocol):
    """One open WebSocket, seen from the station."""

    def send(self, data: bytes, *, binary: bool = False) -> None:
        """Send one frame; nothing happens on a dead socket."""

    def close(self) -> None:
        """Say goodbye and close."""

    def freeze(self) -> None:
        """Read no more and answer no ping, but stay open."""

    def abort(self) -> None:
        """Drop the socket without a word, as a lost network does."""


class Listener(Protocol):
    """What a socket tells its owner."""

    def on_open(self, wire: Wire, subprotocol: str | None) -> None:
        """The server agreed."""

    def on_frame(self, wire: Wire, data: bytes) -> None:
        """A text frame came."""

    def on_closed(self, wire: Wire | None) -> None:
        """The socket is gone; None: it never opened."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to connect: `path` follows the base URL, `authorization` is user and password as raw bytes."""

    path: str
    subprotocols: tuple[str, ...]
    authorization: bytes | None = None


class Dial(Protocol):
    """Opens a socket in the background and tells the listener how it went."""

    def __call__(self, endpoint: Endpoint, listener: Listener) -> None:
        """Begin to connect; returns at once."""


@dataclass(slots=True)
class World:
    """A run's shared things. `run_id` makes message and transaction ids unlike those of any other run."""

    timeline: Timeline
    plan: Plan
    dial: Dial
    run_id: str
    tally: Tally = field(default_factory=Tally)
    book: TruthBook = field(default_factory=TruthBook)
    call_timeout_s: float = 30.0

"""What a station says, whatever its version: the interface that `v16` and `v201` fill. No I/O."""

from typing import Protocol

from voltway.simulator.calls import Json, Message
from voltway.simulator.session import Sample, Session, Status


class Dialect(Protocol):
    """Builds a version's calls for one station and reads their answers."""

    subprotocol: str

    def boot(self, reason: str) -> Message:
        """BootNotification."""

    def heartbeat(self) -> Message:
        """Heartbeat."""

    def status(self, evse_id: int, status: Status, at: str, error: str | None = None) -> Message:
        """StatusNotification of an EVSE's connector (`evse_id` 0: the station)."""

    def status_word(self, status: Status) -> str:
        """Return the status in the version's words, so that only changes are told."""

    def authorize(self, token: str) -> Message:
        """Authorize."""

    def start(self, session: Session, sample: Sample, *, offline: bool) -> Message:
        """StartTransaction, or TransactionEvent Started."""

    def update(self, session: Session, sample: Sample, *, trigger: str, state: Status, offline: bool) -> Message | None:
        """MeterValues, or TransactionEvent Updated; None where this version has no such message."""

    def stop(self, session: Session, sample: Sample, *, reason: str, offline: bool) -> Message:
        """StopTransaction, or TransactionEvent Ended."""

    def clock_aligned(self, evse_id: int, sample: Sample) -> Message:
        """MeterValues outside of a session."""

    def fault_event(self, evse_id: int, code: str, at: str) -> Message | None:
        """A fault told in detail, where the version has a message of its own for it."""

    def is_accepted(self, answer: Json) -> bool | None:
        """Read the standing of the token from an answer to Authorize or to a start; None if it says nothing."""

    def transaction_id(self, answer: Json) -> str | None:
        """Read the transaction id from the answer to a start; None where the station made it."""

    def as_sent(self, register_milliwh: int) -> int:
        """Return a register at the resolution that this version's messages have, in milliwatt-hours."""


class TextOf(Protocol):
    """Writes a planned time as the station's clock shows it."""

    def __call__(self, at_ms: int | None = None) -> str:
        """Return RFC 3339 text; None is now."""

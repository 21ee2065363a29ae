"""One link's protocol state, pure: who may speak, what we are waiting for, and which answer belongs to what.

One call of ours is outstanding at a time; calls of the station cross it freely (field note 6). Nothing of ours is
sent before the boot is accepted (field note 5). The gateway feeds in frames and instants; nothing here waits.
"""

from enum import StrEnum
from typing import NamedTuple

from voltway.ocpp.frame import CallError, CallResult, JsonObject
from voltway.ocpp.versions import Version, negotiate

__all__ = ["Answer", "Connection", "Outgoing", "Refusal", "Stray", "Version", "negotiate"]

_REMEMBERED = 32


class Refusal(StrEnum):
    """Why a call of ours may not go out now."""

    NOT_BOOTED = "not_booted"
    BUSY = "busy"


class Stray(StrEnum):
    """An answer that nobody waits for, as a finding's code."""

    LATE = "answer_late"
    UNKNOWN = "answer_unknown"


class Outgoing(NamedTuple):
    """A call of ours on its way; `sent_at_s` is monotonic."""

    message_id: str
    action: str
    payload: JsonObject
    sent_at_s: float


class Answer(NamedTuple):
    """What came back to a call of ours: a payload, or an error."""

    call: Outgoing
    payload: JsonObject | None = None
    error: CallError | None = None


class Connection:
    """The state of one socket; the version belongs to it, never to the station's record.

    `is_booted` is set by who knows: after an accepted boot, or for a station that reconnects without booting again.
    """

    __slots__ = ("_expired", "_number", "_salt", "is_booted", "outstanding", "version")

    def __init__(self, version: Version, salt: str = "") -> None:
        """Args: salt: a short text that keeps message ids of a station's successive connections apart."""
        self.version = version
        self.is_booted = False
        self.outstanding: Outgoing | None = None
        self._salt = salt
        self._number = 0
        # Made when the first call is given up: thousands of idle links do without.
        self._expired: list[str] | None = None

    def begin(
        self, action: str, payload: JsonObject, *, now_s: float, is_boot_needed: bool = True
    ) -> Outgoing | Refusal:
        """Reserve the one outgoing call, or say why not.

        Args:
            action: OCPP's name of the command.
            payload: its valid payload.
            now_s: monotonic seconds.
            is_boot_needed: False for what the standard allows while the boot is pending.
        """
        if is_boot_needed and not self.is_booted:
            return Refusal.NOT_BOOTED
        if self.outstanding is not None:
            return Refusal.BUSY
        self.outstanding = Outgoing(self.next_message_id(), action, payload, now_s)
        return self.outstanding

    def match(self, frame: CallResult | CallError) -> Answer | Stray:
        """Return the answer to the outstanding call, which is then done; else what kind of stray this is."""
        call = self.outstanding
        if call is not None and call.message_id == frame.message_id:
            self.outstanding = None
            return Answer(call, error=frame) if isinstance(frame, CallError) else Answer(call, payload=frame.payload)
        if self._expired is None or frame.message_id not in self._expired:
            return Stray.UNKNOWN
        self._expired.remove(frame.message_id)
        return Stray.LATE

    def give_up(self) -> Outgoing | None:
        """Stop waiting for the outstanding call; its late answer will be known as such."""
        call, self.outstanding = self.outstanding, None
        if call is not None:
            self._expired = [*(self._expired or [])[1 - _REMEMBERED :], call.message_id]
        return call

    def next_message_id(self) -> str:
        """Return an id that this connection has not used."""
        self._number += 1
        return f"{self._salt}-{self._number}" if self._salt else f"v{self._number}"

"""The one tree of expected failures; edges map it once to HTTP, CALLERROR or an exit code.

VoltwayError
├── InvalidInput       what came in is malformed         HTTP 422, exit 2
│   └── InvalidFile    with a place: file and pointer
├── NotFound           no such thing (or not yours)      HTTP 404
├── Conflict           it contradicts what is stored     HTTP 409
├── NotAllowed         you may not                       HTTP 403
├── NotAuthenticated   we do not know who you are        HTTP 401
└── NotReady           an engine is away, try again      HTTP 503, exit 3
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in an input: a JSON Pointer (or LINE:COLUMN) and a sentence that says what to do."""

    pointer: str
    message: str


class VoltwayError(Exception):
    """An expected failure with a stable `code` and a sentence for people."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(VoltwayError):
    """Malformed input: all faults at once."""

    code = "invalid_input"

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class InvalidFile(InvalidInput):
    """Malformed file: `lines()` are in the form `FILE#JSON-POINTER: message` (tables `FILE:LINE:COLUMN: message`)."""

    def __init__(self, file: str, faults: Sequence[Fault], *, table: bool = False) -> None:
        super().__init__(f"{file} has {len(faults)} fault(s)", faults)
        self.file = file
        self.separator = ":" if table else "#"

    def lines(self) -> list[str]:
        """Return one line per fault."""
        return [f"{self.file}{self.separator}{fault.pointer}: {fault.message}" for fault in self.faults]


class NotFound(VoltwayError):
    """There is no such thing, or it belongs to another operator."""

    code = "not_found"


class Conflict(VoltwayError):
    """The request contradicts what is stored."""

    code = "conflict"


class NotAllowed(VoltwayError):
    """The caller is known but may not do this."""

    code = "not_allowed"


class NotAuthenticated(VoltwayError):
    """The caller is not known."""

    code = "not_authenticated"


class NotReady(VoltwayError):
    """An engine is away or a limit is reached; trying again later may work."""

    code = "not_ready"

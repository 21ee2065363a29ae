"""The outbox's writing end: what changed, one row per group and operator, in the transaction that changed it."""

from uuid import UUID

from voltway.infra.pgarrays import INT4, INT8, UUID_OID
from voltway.infra.pipeline import Statement, Work

SUBJECT = "outbox"
"""Where the wake-up after commits goes; readers look at the table anyway."""
_INSERT = Statement(
    "outbox_insert",
    "INSERT INTO outbox (operator_id, sessions, ended, stations) VALUES (($1::int[])[1], $2, $3, $4)",
    (INT4, UUID_OID, UUID_OID, INT8),
)


class _Changes:
    """One operator's part: keys in order of first mention, each once."""

    __slots__ = ("ended", "sessions", "stations")

    def __init__(self) -> None:
        self.sessions: dict[bytes, None] = {}
        self.ended: dict[bytes, None] = {}
        self.stations: dict[int, None] = {}


class OutboxRows:
    """What one group tells the rest of the system."""

    def __init__(self) -> None:
        self._changes: dict[int, _Changes] = {}

    def add_session(self, operator_id: int, session_id: UUID, *, is_ended: bool) -> None:
        """A session changed; `is_ended`: it is over (or changed after its end), so that it is billed (again)."""
        changes, key = self._of(operator_id), session_id.bytes
        changes.sessions[key] = None
        if is_ended:
            changes.ended[key] = None

    def add_station(self, operator_id: int, station_id: int) -> None:
        """A station, or something at it, changed."""
        self._of(operator_id).stations[station_id] = None

    def works(self) -> list[Work]:
        """Return the statements to run: one per operator."""
        return [
            Work(_INSERT, [[operator_id], list(it.sessions), list(it.ended), list(it.stations)])
            for operator_id, it in self._changes.items()
        ]

    def _of(self, operator_id: int) -> _Changes:
        changes = self._changes.get(operator_id)
        if changes is None:
            changes = self._changes[operator_id] = _Changes()
        return changes

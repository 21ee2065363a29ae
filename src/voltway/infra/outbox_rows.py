"""The outbox's writing end: what changed, one row per group and operator, in the transaction that changed it."""

from uuid import UUID

from voltway.infra.pgarrays import INT2, INT4, INT8, UUID_OID
from voltway.infra.pipeline import Statement, Work

SUBJECT = "outbox"
"""Where the wake-up after each commit goes; readers look at the table anyway."""
_SESSION, _ENDED, _STATION = 0, 1, 2
_NOBODY = bytes(16)
_INSERT = Statement(
    "outbox_insert",
    """INSERT INTO outbox (operator_id, sessions, ended, stations)
       SELECT o, coalesce(array_agg(s) FILTER (WHERE k < 2), '{}'), coalesce(array_agg(s) FILTER (WHERE k = 1), '{}'),
              coalesce(array_agg(t) FILTER (WHERE k = 2), '{}')
       FROM unnest($1::int[], $2::smallint[], $3::uuid[], $4::bigint[]) AS v(o, k, s, t) GROUP BY o""",
    (INT4, INT2, UUID_OID, INT8),
)


class OutboxRows:
    """What one group tells the rest of the system."""

    def __init__(self) -> None:
        self._rows: dict[bytes | int, tuple[int, int, bytes, int]] = {}

    def add_session(self, operator_id: int, session_id: UUID, *, is_ended: bool) -> None:
        """A session changed; `is_ended`: it is over (or changed after its end), so that it is billed (again)."""
        key = session_id.bytes
        self._rows[key] = (operator_id, _ENDED if is_ended else _SESSION, key, 0)

    def add_station(self, operator_id: int, station_id: int) -> None:
        """A station, or something at it, changed."""
        self._rows[station_id] = (operator_id, _STATION, _NOBODY, station_id)

    def works(self) -> list[Work]:
        """Return the statement to run, if any."""
        return [Work(_INSERT, list(zip(*self._rows.values(), strict=True)))] if self._rows else []

"""Session ids are UUIDs of version 7: they sort by time."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from voltway.kernel.ids import new_session_id

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_session_ids_sort_by_time_and_never_repeat() -> None:
    """RFC 9562: version 7, the milliseconds in front, the rest random."""
    ids = [new_session_id(AT + timedelta(milliseconds=n // 3)) for n in range(300)]
    assert len(set(ids)) == 300
    assert [it.int >> 80 for it in ids] == sorted(it.int >> 80 for it in ids)
    assert {(it.version, it.variant) for it in ids} == {(7, RFC_4122)}
    assert ids[0].int >> 80 == int(AT.timestamp() * 1000)

"""The offset of a station's clock is what its live messages prove, and no more."""

from datetime import UTC, datetime, timedelta

from voltway.gateway.clock_offset import ClockOffset
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    HeartbeatReceived,
    Reading,
    ReadingContext,
    SessionEnded,
)
from voltway.kernel.ids import ConnectorId, EvseId, TransactionId

T = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def _metered(at: datetime, context: ReadingContext = ReadingContext.PERIODIC) -> EnergyMetered:
    return EnergyMetered(EvseId(1), TransactionId("1"), (Reading(at, context, 1),), 1)


def _offset_s(*messages: tuple[Fact, datetime]) -> float | None:
    offset = ClockOffset()
    for fact, received_at in messages:
        offset.observe(fact, received_at)
    return None if offset.offset_ms is None else offset.offset_ms / 1000


def test_the_least_delayed_message_tells_the_truth() -> None:
    """A queue in the station only ever makes its clock look slower."""
    late = [(_metered(T - timedelta(seconds=delay)), T) for delay in (300, 2, 60)]
    assert _offset_s(*late) == -2


def test_the_future_proves_a_fast_clock_the_past_nothing() -> None:
    ended = SessionEnded(TransactionId("1"), T)
    assert _offset_s((ended, T + timedelta(hours=4))) is None
    assert _offset_s((ended, T - timedelta(hours=2))) == 7200
    status = ConnectorStatusChanged(EvseId(1), ConnectorId(1), ConnectorStatus.AVAILABLE, T)
    assert _offset_s((status, T + timedelta(hours=4))) is None
    assert _offset_s((HeartbeatReceived(), T), (_metered(T, ReadingContext.END), T + timedelta(hours=1))) is None


def test_a_clock_that_was_set_right_is_believed_after_two_windows() -> None:
    wrong = [(_metered(T + timedelta(hours=2, minutes=minute)), T + timedelta(minutes=minute)) for minute in range(5)]
    right = [(_metered(T + timedelta(minutes=minute)), T + timedelta(minutes=minute)) for minute in range(5, 25)]
    assert _offset_s(*wrong) == 7200
    assert _offset_s(*wrong, *right) == 0

"""A group decides in memory and answers only after its commit; tests/gateway/test_ingest.py has what is stored."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.gateway.test_ingest import ANNA, Recorder, ended_16, metered, start_16

from voltway.gateway.book import Book
from voltway.gateway.group import Group, Policy
from voltway.gateway.inbound import Inbound, LinkNote, Record, Seat
from voltway.kernel.facts import (
    BootReply,
    BootStatus,
    ClockReply,
    Fact,
    HeartbeatReceived,
    Notified,
    PresentedToken,
    Reply,
    StartReply,
    StationBooted,
    TokenPresented,
    TokenReply,
    TokenStatus,
    VariableReported,
    VariablesReported,
)
from voltway.kernel.ids import OperatorId, StationId, StationIdentity, Token
from voltway.sessions.anomalies import AnomalyCode
from voltway.sessions.model import State

AT = datetime(2026, 3, 2, 8, 10, tzinfo=UTC)
STRANGER = PresentedToken(Token("STRANGER"))
PLUG = PresentedToken(Token(""), "NoAuthorization")


def seat_of(approval: str = "approved", clock_offset_ms: int | None = None) -> Seat:
    return Seat(StationId(1), OperatorId(1), StationIdentity("S1"), approval, clock_offset_ms)


def policy_of(*, accepts_unknown: bool = False) -> Policy:
    return Policy(300, accepts_unknown, lambda: AT, lambda _at: UUID(int=5))


class Desk:
    """Groups in memory: reads answer with nothing but transaction numbers."""

    def __init__(self, seat: Seat | None = None, *, accepts_unknown: bool = False) -> None:
        self.book, self.source, self.seat = Book(), Recorder(), seat or seat_of()
        self._policy = policy_of(accepts_unknown=accepts_unknown)

    def decide(self, *facts: Fact) -> Group:
        """Decide a group of one station's facts."""
        items = [Inbound(self.source, self.seat, fact, (), AT, "m", "Name", None) for fact in facts]
        group = Group(items, self.book, self._policy)
        works = group.reads()
        if works:
            numbers = [(number.to_bytes(8, "big"),) for number in range(1, 9)]
            group.load([numbers if it.statement.name == "session_next_transaction" else [] for it in works])
        group.decide()
        return group

    def tell(self, *facts: Fact) -> list[Reply]:
        """Decide, commit in thought, and return the replies."""
        before = len(self.source.replies)
        self.decide(*facts).finish()
        return [reply for _, reply in self.source.replies[before:]]

    def sessions(self) -> Sequence[State]:
        """Return the sessions in memory."""
        return list(self.book.sessions.values())


def test_no_answer_leaves_before_the_commit() -> None:
    desk = Desk()
    group = desk.decide(HeartbeatReceived())
    assert (desk.source.replies, group.works(), group.stations) == ([], [], {1})
    group.finish()
    assert [reply for _, reply in desk.source.replies] == [ClockReply(AT)]


def test_a_group_that_is_not_committed_changes_no_memory() -> None:
    """It is decided again from the same state."""
    desk = Desk()
    names = [work.statement.name for work in desk.decide(start_16()).works()]
    assert names == ["session_insert", "outbox_insert"]
    assert desk.sessions() == []


@pytest.mark.parametrize(
    ("approval", "status", "interval_s"),
    [
        ("approved", BootStatus.ACCEPTED, 300),
        ("pending", BootStatus.PENDING, 60),
        ("rejected", BootStatus.REJECTED, 60),
    ],
)
def test_a_boot_is_answered_by_approval(approval: str, status: BootStatus, interval_s: int) -> None:
    assert Desk(seat_of(approval)).tell(StationBooted("V", "M")) == [BootReply(status, interval_s, AT)]


@pytest.mark.parametrize(
    ("approval", "accepts_unknown", "token", "status"),
    [
        ("approved", False, STRANGER, TokenStatus.UNKNOWN),
        ("approved", True, STRANGER, TokenStatus.ACCEPTED),
        ("approved", False, PLUG, TokenStatus.ACCEPTED),
        ("pending", True, STRANGER, TokenStatus.NOT_AT_THIS_LOCATION),
    ],
)
def test_who_may_charge(approval: str, token: PresentedToken, status: TokenStatus, *, accepts_unknown: bool) -> None:
    (reply,) = Desk(seat_of(approval), accepts_unknown=accepts_unknown).tell(TokenPresented(token))
    assert isinstance(reply, TokenReply)
    assert reply.info.status is status


def test_a_whole_session_within_one_group() -> None:
    """Start, readings and end that arrive together see each other; the session is over and let go."""
    desk = Desk()
    reply, *_ = desk.tell(start_16(), metered(1, 1_500_000, "1"), ended_16(5, 2_000_000, "1"))
    assert isinstance(reply, StartReply)
    assert (reply.transaction_id, desk.book.open_on, desk.sessions()) == ("1", {}, [])


def test_without_a_tariff_and_with_a_clock_that_is_off_the_session_says_so() -> None:
    """Within the tolerance the station's clock is taken as it is."""
    for offset_ms, found in ((10_000, set()), (7_200_000, {AnomalyCode.CLOCK_OFF})):
        desk = Desk(seat_of(clock_offset_ms=offset_ms))
        desk.tell(start_16())
        (state,) = desk.sessions()
        codes = {it.code for it in state.session.anomalies}
        assert codes == {AnomalyCode.NO_TARIFF, AnomalyCode.TOKEN_NOT_ACCEPTED} | found
        assert (AT - state.session.started_at) == timedelta(minutes=10, milliseconds=offset_ms if found else 0)


def test_a_link_that_closed_is_forgotten_after_the_commit() -> None:
    desk = Desk()
    desk.tell(start_16())
    note = LinkNote(desk.seat, UUID(int=1), "g1", "ocpp1.6", "127.0.0.1", False, AT, AT)
    group = Group([note], desk.book, policy_of())
    group.decide()
    assert [work.statement.name for work in group.works()] == [
        "station_link_upsert",
        "connection_upsert",
        "outbox_insert",
    ]
    assert len(desk.sessions()) == 1
    group.finish()
    assert (desk.sessions(), desk.book.loaded) == ([], set())


def test_reports_and_our_own_calls_are_kept() -> None:
    """A message that needs no decision still has its row."""
    desk = Desk()
    variable = VariablesReported((VariableReported("EVSE", "Power", "11000"),))
    event = Notified("FirmwareStatusNotification", {"status": "Installed"})
    works = desk.decide(variable, event, TokenPresented(ANNA)).works()
    assert [work.statement.name for work in works] == [
        "station_event_insert",
        "station_variable_upsert",
        "outbox_insert",
    ]
    record = Record(desk.seat, AT, "m1", "Reset", b"[2]", b"[3]", outgoing=True)
    group = Group([record], desk.book, policy_of())
    group.decide()
    (work,) = group.works()
    assert [column[0] for column in work.columns][2:] == [1, True, "m1", "Reset", b"[2]", b"[3]"]

"""What a group reads before it decides: nothing for what is known, and each thing once."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.gateway.test_book import state_of
from tests.gateway.test_ingest import ANNA, Recorder, ended_16, metered, start_16

from voltway.gateway.book import Book
from voltway.gateway.inbound import Inbound, LinkNote, Seat
from voltway.gateway.needs import NUMBERS_AHEAD, Needs
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    Fact,
    HeartbeatReceived,
    SessionStarted,
    SessionUpdated,
    TokenPresented,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, StationIdentity, TransactionId

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TX = TransactionId("a")
SEAT = Seat(StationId(1), OperatorId(1), StationIdentity("S1"), "approved")
OPEN, BY_ID, BY_START = "session_load_open", "session_load_by_transaction", "session_load_by_start"
TOKENS, TARIFFS, PLACES = "id_token_load", "tariff_assignment_load", "tariff_place_load"
NUMBERS = "session_next_transaction"
STARTED_2X = SessionStarted(EvseId(1), ConnectorId(1), AT, ANNA, TX)
UPDATED = SessionUpdated(EvseId(1), ConnectorId(1), TX, AT, (), 1, None, None, False, "MeterValuePeriodic")
STATUS = ConnectorStatusChanged(EvseId(1), ConnectorId(1), ConnectorStatus.AVAILABLE, AT)


def inbound(fact: Fact) -> Inbound:
    return Inbound(Recorder(), SEAT, fact, (), AT, "m", type(fact).__name__, None)


def asked(book: Book, *facts: Fact) -> dict[str, int]:
    """Return how many keys each statement is asked for."""
    works = Needs([inbound(fact) for fact in facts], book).works()
    return {work.statement.name: len(work.columns[0]) for work in works}


@pytest.mark.parametrize(
    ("fact", "names"),
    [
        (HeartbeatReceived(), set()),
        (STATUS, {OPEN}),
        (TokenPresented(ANNA), {TOKENS}),
        (metered(1, 5, None), {OPEN}),
        (metered(1, 5, "a"), {OPEN, BY_ID}),
        (UPDATED, {OPEN, BY_ID, TARIFFS, PLACES}),
        (start_16(), {OPEN, BY_START, TOKENS, TARIFFS, PLACES, NUMBERS}),
        (STARTED_2X, {OPEN, BY_ID, TOKENS, TARIFFS, PLACES}),
        (ended_16(5, 9, "a"), {OPEN, BY_ID, TARIFFS, PLACES}),
        (ended_16(5, 9, None), {OPEN, BY_ID, TARIFFS, PLACES}),
    ],
)
def test_an_unknown_station_is_read_as_far_as_the_fact_needs(fact: Fact, names: set[str]) -> None:
    assert set(asked(Book(), fact)) == names


@pytest.mark.parametrize(
    ("fact", "names"),
    [
        (metered(1, 5, "a"), set()),
        (UPDATED, set()),
        (UPDATED._replace(token=ANNA), {TOKENS}),
        (STATUS, set()),
        (ended_16(5, 9, "a"), set()),
        (STARTED_2X, {TOKENS, TARIFFS, PLACES}),
    ],
)
def test_a_meter_message_of_a_known_session_reads_nothing(fact: Fact, names: set[str]) -> None:
    """The common case costs no round trip."""
    book = Book()
    book.learn([state_of(1, "a")])
    book.loaded.add(StationId(1))
    assert set(asked(book, fact)) == names


def test_each_key_is_asked_once() -> None:
    """However many messages of a group need it."""
    found = asked(Book(), metered(1, 5, "a"), metered(2, 6, "a"), UPDATED, TokenPresented(ANNA), TokenPresented(ANNA))
    assert found == {OPEN: 1, BY_ID: 1, TOKENS: 1, TARIFFS: 1, PLACES: 1}


def test_transaction_numbers_are_taken_ahead() -> None:
    """One round trip for many starts; those at hand are used first."""
    book = Book()
    works = Needs([inbound(start_16()), inbound(start_16(minutes=1))], book).works()
    (numbers,) = [work.columns for work in works if work.statement.name == NUMBERS]
    assert numbers == [(2 + NUMBERS_AHEAD,)]
    book.transaction_numbers.extend([7, 8])
    assert NUMBERS not in asked(book, start_16(), start_16(minutes=1))


def test_a_note_of_a_link_needs_nothing() -> None:
    note = LinkNote(SEAT, UUID(int=1), "g1", "ocpp1.6", "127.0.0.1", True, AT, AT)
    assert Needs([note], Book()).works() == []


def test_what_was_read_is_known_afterwards() -> None:
    """A station without any open session is not asked for again."""
    book = Book()
    needs = Needs([inbound(start_16())], book)
    numbers = [(number.to_bytes(8, "big"),) for number in (41, 42)]
    needs.load([numbers if work.statement.name == NUMBERS else [] for work in needs.works()])
    assert book.loaded == {1}
    assert list(book.transaction_numbers) == [41, 42]
    assert (needs.tokens, needs.starts, needs.learnt) == ({}, {}, [])

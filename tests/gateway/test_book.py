"""The ingest's memory of sessions: what is open is found by its EVSE, what is over or forgotten is not there."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from voltway.gateway.book import Book
from voltway.kernel.facts import PresentedToken, SessionStarted
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, Token, TransactionId
from voltway.sessions import model as rules
from voltway.sessions.model import SessionState, Start, State

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def state_of(station_id: int, name: str, evse_id: int = 1) -> State:
    """Return a session that has just started."""
    fact = SessionStarted(EvseId(evse_id), ConnectorId(1), AT, PresentedToken(Token("A")), TransactionId(name), 0)
    start = Start(UUID(int=1), OperatorId(1), StationId(station_id), TransactionId(name), 1, AT)
    return rules.started(None, fact, start)


def over(state: State) -> State:
    """Return the same session, ended."""
    return State(replace(state.session, state=SessionState.ENDED), state.progress)


def test_what_is_open_is_found_by_its_evse() -> None:
    book = Book()
    running, ended = state_of(1, "a"), over(state_of(1, "b", 2))
    book.learn([running, ended])
    assert book.open_on == {(1, 1): "a"}
    assert set(book.sessions) == {(1, "a"), (1, "b")}
    book.let_go_of_ended([(StationId(1), TransactionId(name)) for name in ("a", "b", "never")])
    assert set(book.sessions) == {(1, "a")}


def test_a_session_that_ends_is_let_go_unless_another_took_its_place() -> None:
    book = Book()
    first, second = state_of(1, "a"), state_of(1, "b")
    book.keep([first])
    book.keep([second, over(first)])
    assert (book.open_on, set(book.sessions)) == ({(1, 1): "b"}, {(1, "b")})
    book.keep([over(second)])
    book.keep([over(second)])
    assert (book.open_on, book.sessions) == ({}, {})


def test_forgetting_a_station_leaves_the_others() -> None:
    book = Book()
    book.keep([state_of(1, "a"), state_of(2, "a")])
    book.loaded |= {StationId(1), StationId(2)}
    book.forget({StationId(1)})
    assert (set(book.sessions), set(book.open_on), book.loaded) == ({(2, "a")}, {(2, 1)}, {2})

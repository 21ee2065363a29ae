"""What a group must read before it can decide: sessions not in memory, tokens, tariffs, fresh transaction numbers."""

from collections.abc import Sequence
from typing import Any

from voltway.gateway.book import Book, SessionKey
from voltway.gateway.inbound import Inbound, LinkNote, Record, Seat
from voltway.identity.intake import LOAD_TOKENS, KnownToken, TokenKey, read_tokens, token_key
from voltway.infra.pipeline import Row, Statement, Work
from voltway.kernel.facts import (
    ConnectorStatusChanged,
    EnergyMetered,
    PresentedToken,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    TokenPresented,
)  # fmt: skip
from voltway.kernel.ids import OperatorId, StationId, TransactionId
from voltway.sessions.intake import (
    LOAD_BY_START,
    LOAD_BY_TRANSACTION,
    LOAD_OPEN,
    NEXT_TRANSACTION,
    orphan_key_of,
    read_numbers,
    read_states,
    start_key_of,
)  # fmt: skip
from voltway.tariffs.intake import LOAD_ASSIGNMENTS, LOAD_PLACES, TariffBook

NUMBERS_AHEAD = 64
"""Transaction numbers taken from the sequence at once; a crash leaves a gap, never a repetition."""


class Needs:
    """Finds out what to read, and holds what was read beside the book."""

    def __init__(self, items: Sequence[Inbound | Record | LinkNote], book: Book) -> None:
        self._book = book
        self._open: set[StationId] = set()
        self._transactions: set[SessionKey] = set()
        self._starts: set[tuple[StationId, int]] = set()
        self._tokens: set[TokenKey] = set()
        self._places: set[StationId] = set()
        self._operators: set[OperatorId] = set()
        self._numbers = 0
        self._asked: list[Statement] = []
        self.tokens: dict[TokenKey, KnownToken] = {}
        self.tariffs = TariffBook()
        self.learnt: list[SessionKey] = []
        self.starts: dict[tuple[StationId, int], TransactionId] = {}
        for item in items:
            if type(item) is Inbound:
                self._look_at(item)

    def works(self) -> list[Work]:
        """Return the reads, none for what the book knows."""
        missing = self._numbers - len(self._book.transaction_numbers)
        numbers = [missing + NUMBERS_AHEAD] if missing > 0 else []
        wanted: list[tuple[Statement, Sequence[Any]]] = [
            (LOAD_OPEN, [(it,) for it in self._open]),
            (LOAD_BY_TRANSACTION, list(self._transactions)),
            (LOAD_BY_START, list(self._starts)),
            (LOAD_TOKENS, list(self._tokens)),
            (LOAD_ASSIGNMENTS, [(it,) for it in self._operators]),
            (LOAD_PLACES, [(it,) for it in self._places]),
            (NEXT_TRANSACTION, [(it,) for it in numbers]),
        ]
        works = [Work(statement, list(zip(*rows, strict=True))) for statement, rows in wanted if rows]
        self._asked = [work.statement for work in works]
        return works

    def load(self, answers: Sequence[Sequence[Row]]) -> None:
        """Take in the answers of `works`, in their order."""
        found = dict(zip((statement.name for statement in self._asked), answers, strict=True))
        for statement in (LOAD_OPEN, LOAD_BY_TRANSACTION, LOAD_BY_START):
            states = read_states(found.get(statement.name, ()))
            self._book.learn(states)
            self.learnt += [(state.session.station_id, state.session.transaction_id) for state in states]
            if statement is LOAD_BY_START:
                self.starts = {
                    (it.session.station_id, it.session.start_key): it.session.transaction_id for it in states
                }
        self._book.loaded |= self._open
        self.tokens = read_tokens(found.get(LOAD_TOKENS.name, ()))
        self.tariffs = TariffBook(found.get(LOAD_ASSIGNMENTS.name, ()), found.get(LOAD_PLACES.name, ()))
        self._book.transaction_numbers.extend(read_numbers(found.get(NEXT_TRANSACTION.name, ())))

    def _look_at(self, item: Inbound) -> None:
        fact, seat = item.fact, item.seat
        kind = type(fact)
        if kind is EnergyMetered or kind is SessionUpdated:
            self._metered(seat, fact)  # type: ignore[arg-type]
        elif isinstance(fact, SessionStarted):
            self._started(seat, fact)
        elif isinstance(fact, SessionEnded):
            self._ended(seat, fact)
        elif isinstance(fact, ConnectorStatusChanged):
            self._open_of(seat)
        elif isinstance(fact, TokenPresented):
            self._token(seat, fact.token)

    def _metered(self, seat: Seat, fact: EnergyMetered | SessionUpdated) -> None:
        transaction_id = fact.transaction_id
        if transaction_id is not None and (seat.station_id, transaction_id) in self._book.sessions:
            if type(fact) is SessionUpdated and fact.token is not None:
                self._token(seat, fact.token)
            return
        if transaction_id is not None:
            self._transactions.add((seat.station_id, transaction_id))
        self._open_of(seat)
        if type(fact) is SessionUpdated:
            self._token(seat, fact.token)
            self._tariff(seat)

    def _started(self, seat: Seat, fact: SessionStarted) -> None:
        self._open_of(seat)
        self._token(seat, fact.token)
        self._tariff(seat)
        if fact.transaction_id is None:
            self._numbers += 1
            self._starts.add((seat.station_id, start_key_of(fact)))
        elif (seat.station_id, fact.transaction_id) not in self._book.sessions:
            self._transactions.add((seat.station_id, fact.transaction_id))

    def _ended(self, seat: Seat, fact: SessionEnded) -> None:
        self._open_of(seat)
        self._token(seat, fact.token)
        if fact.transaction_id is not None and (seat.station_id, fact.transaction_id) in self._book.sessions:
            return
        self._tariff(seat)
        if fact.transaction_id is not None:
            self._transactions.add((seat.station_id, fact.transaction_id))
        self._transactions.add((seat.station_id, TransactionId(f"end:{orphan_key_of(fact):x}")))

    def _open_of(self, seat: Seat) -> None:
        if seat.station_id not in self._book.loaded:
            self._open.add(seat.station_id)

    def _token(self, seat: Seat, token: PresentedToken | None) -> None:
        if token is not None:
            self._tokens.add(token_key(seat.operator_id, token))

    def _tariff(self, seat: Seat) -> None:
        self._places.add(seat.station_id)
        self._operators.add(seat.operator_id)

"""The ingest's memory of sessions: open ones of connected stations, so that a meter message needs no read.

It is a cache: `revision` in the database decides, and whatever a failed group touched is forgotten.
"""

from collections import deque
from collections.abc import Iterable

from voltway.kernel.ids import StationId, TransactionId
from voltway.sessions.model import State

SessionKey = tuple[StationId, TransactionId]
EvseKey = tuple[StationId, int]


class Book:
    """Sessions by station and transaction, and which one is open on each EVSE."""

    def __init__(self) -> None:
        self.sessions: dict[SessionKey, State] = {}
        self.open_on: dict[EvseKey, TransactionId] = {}
        self.loaded: set[StationId] = set()
        self.transaction_numbers: deque[int] = deque()

    def learn(self, states: Iterable[State]) -> None:
        """Take in what was read from the database."""
        for state in states:
            session = state.session
            self.sessions[session.station_id, session.transaction_id] = state
            if session.is_open:
                self.open_on[session.station_id, session.evse_id] = session.transaction_id

    def keep(self, states: Iterable[State]) -> None:
        """Take in what was committed; sessions that are over are let go."""
        for state in states:
            session = state.session
            key = (session.station_id, session.transaction_id)
            place = (session.station_id, session.evse_id)
            if session.is_open:
                self.sessions[key] = state
                self.open_on[place] = session.transaction_id
            else:
                self.sessions.pop(key, None)
                if self.open_on.get(place) == session.transaction_id:
                    del self.open_on[place]

    def let_go_of_ended(self, keys: Iterable[SessionKey]) -> None:
        """Let go of sessions that were read only to decide about them and are over."""
        for key in keys:
            state = self.sessions.get(key)
            if state is not None and not state.session.is_open:
                del self.sessions[key]

    def forget(self, stations: set[StationId]) -> None:
        """Let go of everything about these stations: their link is gone, or a write about them failed."""
        self.loaded -= stations
        for key in [key for key in self.sessions if key[0] in stations]:
            del self.sessions[key]
        for place in [place for place in self.open_on if place[0] in stations]:
            del self.open_on[place]

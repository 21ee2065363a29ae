"""The words of the laboratory: what a detector is fed (events), what it answers (openings), and the truth (labels)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from voltway.kernel.facts import Fact, TokenStatus


class LinkOpened(NamedTuple):
    """The station connected; links are numbered through the network. Until it closes, it answers pings."""

    link: int


class LinkClosed(NamedTuple):
    """The connection is over: closed, or its pings went unanswered."""

    link: int


class Asked(NamedTuple):
    """We asked the station (EVSE 0) or an EVSE to be available or not, and it answered."""

    evse_id: int
    operative: bool
    acknowledgement: str


class CertificateSeen(NamedTuple):
    """The gateway saw or read a certificate of the station."""

    name: str
    expires_at: datetime


What = Fact | LinkOpened | LinkClosed | Asked | CertificateSeen


class Event(NamedTuple):
    """What we learnt at `at` (our clock) of a station; `answer` is ours to a presented token. Sorted by receipt."""

    at: datetime
    station_id: int
    what: What
    answer: TokenStatus | None = None


class Place(NamedTuple):
    """Where: 0 means "not that narrow", as in `monitoring.incidents.model.Place`."""

    location_id: int = 0
    station_id: int = 0
    evse_id: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """The truth: a fault of a kind at a place from `onset` to `end`. Not required: it may be found, and need not."""

    kind: str
    place: Place
    onset: datetime
    end: datetime
    size: float
    is_required: bool = True


class Opening(NamedTuple):
    """An incident was opened by a rule at a place."""

    rule: str
    place: Place
    at: datetime
    detail: str = ""


class Engine(Protocol):
    """What is judged. Both answer with the incidents that were opened since the last answer."""

    def feed(self, event: Event) -> Iterable[Opening]:
        """Take an event in."""

    def tick(self, now: datetime) -> Iterable[Opening]:
        """Let time pass until `now`, without any event."""

"""A crowd of stations as facts, without sockets: entered by SQL and told to the real ingest (`bench/monitoring.py`).

Every EVSE says something every `PERIOD_S`: half of them a status, half a reading of the session that runs there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import psycopg

from voltway.gateway.inbound import Inbound, LinkNote, Seat
from voltway.kernel.clock import now
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    PresentedToken,
    Reading,
    ReadingContext,
    Reply,
    SessionStarted,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, StationIdentity, Token, TransactionId

PERIOD_S = 10.0
SITE_SIZE = 20
POWER_W = 11_000.0
EVSE, CONNECTOR = EvseId(1), ConnectorId(1)
_CYCLE = (ConnectorStatus.PREPARING, ConnectorStatus.FINISHING, ConnectorStatus.AVAILABLE)


class Nowhere:
    """A source that expects no answer."""

    def encode(self, _inbound: Inbound, _reply: Reply) -> bytes:
        """Answer nothing."""
        return b""

    def deliver(self, _inbound: Inbound, _frame: bytes) -> None:
        """Nobody waits."""


_NOWHERE = Nowhere()


@dataclass(slots=True)
class Member:
    """One station with its only EVSE."""

    seat: Seat
    has_session: bool
    link_id: UUID = field(default_factory=uuid4)
    connected_at: datetime = field(default_factory=now)
    turn: int = 0
    register_milliwh: int = 0
    last_at: datetime = field(default_factory=now)

    def stamp(self) -> datetime:
        """Return an instant that no other message of this station has."""
        self.last_at = max(now(), self.last_at + timedelta(microseconds=1))
        return self.last_at


def enter(database_url: str, stations: int) -> list[Member]:
    """Enter a network of sites with 20 stations each, every second EVSE with a session to come."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """INSERT INTO location (operator_id, code, name, time_zone)
               SELECT 1, 'SITE-' || n, 'Site ' || n, 'Europe/Berlin' FROM generate_series(0, %s) n""",
            ((stations - 1) // SITE_SIZE,),
        )
        rows = connection.execute(
            """INSERT INTO station (operator_id, identity, location_id, auth, vendor, model, firmware)
               SELECT 1, 'CROWD-' || lpad(CAST(n AS text), 5, '0'), l.location_id, 'none', 'Acme', 'One', '1.0'
                 FROM generate_series(0, %s) n JOIN location l ON l.code = 'SITE-' || (n / %s) ORDER BY n
               RETURNING station_id, identity""",
            (stations - 1, SITE_SIZE),
        ).fetchall()
        connection.execute(
            """INSERT INTO evse (station_id, evse_id, operator_id, power_type, max_power_w)
               SELECT station_id, 1, 1, 'AC_3_PHASE', 11000 FROM station"""
        )
        connection.execute(
            """INSERT INTO connector (station_id, evse_id, connector_id, operator_id) SELECT station_id, 1, 1, 1
                 FROM station"""
        )
        connection.execute("ANALYZE")
    return [
        Member(Seat(StationId(key), OperatorId(1), StationIdentity(identity), "approved"), number % 2 == 0)
        for number, (key, identity) in enumerate(sorted(rows, key=lambda row: row[1]))
    ]


def arrival(member: Member) -> Iterator[Inbound | LinkNote]:
    """Yield what a station says as it connects: its link, its status, and the start of its session."""
    member.link_id, member.connected_at = uuid4(), member.stamp()
    yield link_note(member, connected=True)
    yield status(member, ConnectorStatus.AVAILABLE)
    if member.has_session and not member.register_milliwh:
        at = member.stamp()
        member.register_milliwh = 1_000_000_000
        start = SessionStarted(
            EVSE, CONNECTOR, at, PresentedToken(Token("CROWD")), transaction_of(member), member.register_milliwh,
            seq_no=0,
        )  # fmt: skip
        yield inbound(member, start, at)


def transaction_of(member: Member) -> TransactionId:
    """Return the id of a station's session."""
    return TransactionId(f"crowd-{member.seat.station_id}")


def link_note(member: Member, *, connected: bool) -> LinkNote:
    """Return the note of a link that is up, or has just closed."""
    return LinkNote(
        member.seat, member.link_id, "bench", "ocpp2.0.1", "127.0.0.1", connected, member.connected_at, member.stamp()
    )  # fmt: skip


def word(member: Member) -> Inbound:
    """Return the next thing a station says: its next status, or the next reading of its session."""
    member.turn += 1
    if not member.has_session:
        return status(member, _CYCLE[member.turn % len(_CYCLE)])
    at = member.stamp()
    member.register_milliwh += int(POWER_W * PERIOD_S / 3.6)
    reading = Reading(at, ReadingContext.PERIODIC, member.register_milliwh, POWER_W + member.turn % 7, 16.0, 230.0)
    return inbound(member, EnergyMetered(EVSE, transaction_of(member), (reading,), member.turn), at)


def status(member: Member, word: ConnectorStatus, error_code: str | None = None) -> Inbound:
    """Return a status as it would come off a socket now."""
    at = member.stamp()
    return inbound(member, ConnectorStatusChanged(EVSE, CONNECTOR, word, at, error_code), at)


def inbound(member: Member, fact: Fact, at: datetime) -> Inbound:
    """Return a fact as a message of that station."""
    return Inbound(_NOWHERE, member.seat, fact, (), at, "", type(fact).__name__, frame=None)


def shuffled(members: Sequence[Member], seed: int) -> list[Member]:
    """Return the stations in the order in which they speak."""
    order = list(members)
    Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    return order

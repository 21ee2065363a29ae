"""A network for tests of the watch: facts through the real ingest into a real PostgreSQL, the watch stepped by hand.

Time is a fake clock that the test moves; nothing sleeps.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
from tests.fake_clock import FakeClock

from voltway.gateway.group import Policy
from voltway.gateway.inbound import Inbound, LinkNote, Seat
from voltway.gateway.ingest import Ingest
from voltway.infra.db import Database, Role, libpq_url
from voltway.infra.outbox import Outbox
from voltway.infra.pipeline import Pipeline
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    PresentedToken,
    Reading,
    ReadingContext,
    Reply,
    SessionEnded,
    SessionStarted,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, StationIdentity, Token, TransactionId
from voltway.monitoring.incidents.service import Incidents, Subscriber
from voltway.monitoring.watch.register import Register
from voltway.monitoring.watch.service import Watch
from voltway.operations import rule_books

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Nowhere:
    """A source that expects no answer."""

    def encode(self, _inbound: Inbound, _reply: Reply) -> bytes:
        """Answer nothing."""
        return b"[3]"

    def deliver(self, _inbound: Inbound, _frame: bytes) -> None:
        """Nobody waits."""


@dataclass
class Network:
    """Stations by identity, what they say, and a watch over them."""

    url: str
    clock: FakeClock
    ingest: Ingest
    readers: Database
    subscribers: Sequence[Subscriber] = ()
    seats: dict[str, Seat] = field(default_factory=dict)
    links: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)
    ticks: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.readers)
        self.watch = self.fresh_watch()

    def fresh_watch(self) -> Watch:
        """Return a watch that knows nothing yet, like a worker that was just started."""
        incidents = Incidents(self.readers, self.subscribers, clock=self.clock)
        self.watch = Watch(self.readers, Register(incidents), rule_books=rule_books, clock=self.clock)
        return self.watch

    def add(self, *identities: str, site: str = "HARBOUR", evses: int = 1) -> None:
        """Enter stations at a site."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                """INSERT INTO location (operator_id, code, name, time_zone) VALUES (1, %s, %s, 'Europe/Berlin')
                   ON CONFLICT DO NOTHING""",
                (site, site.title()),
            )
            for identity in identities:
                row = connection.execute(
                    """INSERT INTO station (operator_id, identity, location_id, auth, vendor, model, firmware)
                       VALUES (1, %s, (SELECT location_id FROM location WHERE code = %s), 'none', 'Acme', 'One', '1.0')
                       RETURNING station_id""",
                    (identity, site),
                ).fetchone()
                assert row is not None
                connection.execute(
                    """INSERT INTO evse (station_id, evse_id, operator_id, power_type, max_power_w)
                       SELECT %s, n, 1, 'AC_3_PHASE', 11000 FROM generate_series(1, %s) n""",
                    (row[0], evses),
                )
                self.seats[identity] = Seat(StationId(row[0]), OperatorId(1), StationIdentity(identity), "approved")

    async def tell(self, identity: str, *facts: Fact) -> None:
        """Let a station report facts now."""
        items = []
        for fact in facts:
            at = self.clock() + timedelta(microseconds=next(self.ticks))
            items.append(Inbound(Nowhere(), self.seats[identity], fact, (), at, "m", type(fact).__name__, frame=b"[2]"))
        await self.ingest.store(items)

    async def connect(self, *identities: str) -> None:
        """Open a link for each station, and let it say that its EVSE is free."""
        for identity in identities:
            self.links[identity] = (uuid4(), self.clock())
        await self.ingest.store([self._note(identity, connected=True) for identity in identities])
        for identity in identities:
            await self.tell(identity, status(ConnectorStatus.AVAILABLE, self.clock()))

    async def live(self, *identities: str) -> None:
        """Let links show that they live."""
        await self.ingest.store([self._note(identity, connected=True) for identity in identities])

    async def vanish(self, *identities: str) -> None:
        """Close the links of stations."""
        await self.ingest.store([self._note(identity, connected=False) for identity in identities])

    async def step(self, **duration: float) -> None:
        """Move the clock and let the watch do all that is due."""
        self.clock.advance(**duration)
        self.watch.hurry()
        while await self.watch.step(self.outbox):
            pass
        self.watch.hurry()
        await self.watch.step(self.outbox)

    def timeline(self, identity: str, evse_id: int = 1) -> list[tuple[float, str]]:
        """Return (minutes after T0, state) of a stored timeline, with the cause where there is one."""
        rows = self.sql(
            """SELECT begin_at, state, cause FROM timeline WHERE station_id = %s AND evse_id = %s ORDER BY begin_at""",
            self.seats[identity].station_id,
            evse_id,
        )
        return [
            (round((at - T0).total_seconds() / 60, 2), f"{state}:{cause}" if cause else state)
            for at, state, cause in rows
        ]

    def incidents(self) -> list[tuple[str, str]]:
        """Return (rule, state) of every incident, the oldest first."""
        return [(rule, state) for rule, state in self.sql("SELECT rule, state FROM incident ORDER BY incident_id")]

    def sql(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the owner."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(sql.encode(), values)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    def _note(self, identity: str, *, connected: bool) -> LinkNote:
        link_id, since = self.links[identity]
        return LinkNote(self.seats[identity], link_id, "g1", "ocpp1.6", "127.0.0.1", connected, since, self.clock())


@asynccontextmanager
async def running_network(
    database_url: str, clock: FakeClock, subscribers: Sequence[Subscriber] = ()
) -> AsyncIterator[Network]:
    """Open a network over a migrated database."""

    async def wake() -> None:
        return None

    policy = Policy(300, accepts_unknown_tokens=True, clock=clock, new_session_id=lambda _: uuid4())
    ingest = Ingest(Pipeline(libpq_url(database_url, Role.INGEST)), policy, wake)
    readers = Database(database_url, Role.INGEST, pool_size=3)
    try:
        yield Network(database_url, clock, ingest, readers, subscribers)
    finally:
        await ingest.close()
        await readers.close()


def status(
    word: ConnectorStatus, at: datetime, code: str | None = None, *, evse_id: int = 1
) -> ConnectorStatusChanged:  # fmt: skip
    """Return a status as a station reports it at an instant."""
    return ConnectorStatusChanged(EvseId(evse_id), ConnectorId(1), word, at, code)


def start(at: datetime, register_milliwh: int = 1_000_000) -> SessionStarted:
    """Return the start of a session (2.x) with the id S-1."""
    return SessionStarted(
        EvseId(1), ConnectorId(1), at, PresentedToken(Token("ANNA")), TransactionId("S-1"), register_milliwh, seq_no=0
    )  # fmt: skip


def reading(at: datetime, register_milliwh: int, power_w: float = 11_000.0) -> EnergyMetered:
    """Return a reading of the session S-1."""
    sample = Reading(at, ReadingContext.PERIODIC, register_milliwh, power_w)
    return EnergyMetered(EvseId(1), TransactionId("S-1"), (sample,), int(at.timestamp()))


def end(at: datetime, register_milliwh: int) -> SessionEnded:
    """Return the end of the session S-1."""
    return SessionEnded(TransactionId("S-1"), at, register_milliwh, "Local", seq_no=9, evse_id=EvseId(1))

"""The group commit against a real PostgreSQL: what is stored, what is answered, what a repetition changes."""

import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
import pytest

from voltway.gateway.group import Group, Policy
from voltway.gateway.inbound import Inbound, LinkNote, Seat
from voltway.gateway.ingest import Ingest
from voltway.infra.db import Role, libpq_url
from voltway.infra.pipeline import Pipeline
from voltway.kernel.facts import (
    BootReply,
    BootStatus,
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    Finding,
    PresentedToken,
    Reading,
    ReadingContext,
    Reply,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StartReply,
    StationBooted,
    TokenPresented,
    TokenReply,
    TokenStatus,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, StationIdentity, Token, TransactionId

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ANNA = PresentedToken(Token("ANNA"))


class Recorder:
    """A source that keeps what was answered."""

    def __init__(self) -> None:
        self.replies: list[tuple[Fact, Reply]] = []
        self._written: dict[int, Reply] = {}

    def encode(self, inbound: Inbound, reply: Reply) -> bytes:
        """Remember the reply until it is delivered."""
        self._written[id(inbound)] = reply
        return b"[3]"

    def deliver(self, inbound: Inbound, _frame: bytes) -> None:
        """The message is on disk."""
        self.replies.append((inbound.fact, self._written.pop(id(inbound))))


class Desk:
    """An ingest with one approved station, and a look into its database."""

    def __init__(self, ingest: Ingest, seat: Seat, database_url: str) -> None:
        self.ingest, self.seat, self.source = ingest, seat, Recorder()
        self._url = database_url
        self._ticks = count()

    async def tell(self, *facts: Fact, findings: tuple[Finding, ...] = ()) -> list[Reply]:
        """Let the station report facts as one group; return the replies."""
        before = len(self.source.replies)
        items = []
        for fact in facts:
            tick = next(self._ticks)
            at = START + timedelta(minutes=10, microseconds=tick)
            name = type(fact).__name__
            items.append(Inbound(self.source, self.seat, fact, findings, at, f"m{tick}", name, b'[2,"x"]'))
        await self.ingest.store(items)
        return [reply for _, reply in self.source.replies[before:]]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query as the owner."""
        with psycopg.connect(self._url) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """An ingest on a fresh database with station S1, token ANNA, and no tariff."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO station (operator_id, identity) VALUES (1, 'S1')")
        connection.execute("INSERT INTO id_token (operator_id, match_key, token) VALUES (1, 'anna', 'ANNA')")
    seat = Seat(StationId(1), OperatorId(1), StationIdentity("S1"), "approved")
    numbers = count(1)
    policy = Policy(300, False, lambda: START, lambda _at: UUID(int=next(numbers)))
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))

    async def wake() -> None:
        return None

    yield Desk(Ingest(pipeline, policy, wake), seat, database_url)
    await pipeline.close()


def start_16(minutes: int = 0, register: int = 1_000_000, token: PresentedToken = ANNA) -> SessionStarted:
    """A StartTransaction on connector 1."""
    at = START + timedelta(minutes=minutes)
    return SessionStarted(EvseId(1), ConnectorId(1), at, token, None, register_begin_milliwh=register)


def metered(minutes: int, register: int | None, transaction_id: str | None, digest: int = 7) -> EnergyMetered:
    """MeterValues with one reading."""
    reading = Reading(START + timedelta(minutes=minutes), ReadingContext.PERIODIC, register, 11_000.0)
    return EnergyMetered(EvseId(1), TransactionId(transaction_id) if transaction_id else None, (reading,), digest)


def ended_16(minutes: int, register: int, transaction_id: str | None) -> SessionEnded:
    """A StopTransaction."""
    at = START + timedelta(minutes=minutes)
    known = TransactionId(transaction_id) if transaction_id else None
    return SessionEnded(known, at, register_end_milliwh=register, reason="Local")


async def transaction_of(desk: Desk, fact: SessionStarted) -> str:
    """Start and return the id that the station was told."""
    (reply,) = await desk.tell(fact)
    assert isinstance(reply, StartReply)
    return str(reply.transaction_id)


async def test_a_session_from_start_to_end_keeps_its_energy_exactly(desk: Desk) -> None:
    """Energy is the difference of the registers, to the milliwatt-hour."""
    transaction_id = await transaction_of(desk, start_16(register=123_456_000))
    await desk.tell(metered(1, 124_456_000, transaction_id), metered(2, 125_456_000, transaction_id))
    assert desk.rows("SELECT state, energy_milliwh, power_w FROM session") == [("active", 2_000_000, 11000.0)]
    await desk.tell(ended_16(3, 125_999_000, transaction_id))
    assert desk.rows("SELECT state, energy_milliwh, token_status FROM session") == [("ended", 2_543_000, "Accepted")]
    assert desk.rows("SELECT count(*) FROM meter_value WHERE session_id IS NOT NULL") == [(2,)]


async def test_a_repeated_start_gets_the_same_id_and_one_session(desk: Desk) -> None:
    """Row 6: three starts with new message ids, also in one group and after the memory is lost."""
    replies = await desk.tell(start_16(), start_16())
    replies += await desk.tell(start_16())
    desk.ingest._book.forget({desk.seat.station_id})
    replies += await desk.tell(start_16())
    assert len({reply.transaction_id for reply in replies if isinstance(reply, StartReply)}) == 1
    assert desk.rows("SELECT count(*) FROM session") == [(1,)]


async def test_transaction_ids_differ_between_sessions(desk: Desk) -> None:
    """Every start gets its own positive id."""
    ids = [await transaction_of(desk, start_16(minutes=n, register=1_000_000 + n)) for n in range(3)]
    assert len(set(ids)) == 3
    assert all(int(it) > 0 for it in ids)


async def test_a_resent_reading_changes_nothing(desk: Desk) -> None:
    """The same message again, in the same group or later, is one row and no anomaly."""
    transaction_id = await transaction_of(desk, start_16())
    message = metered(1, 1_500_000, transaction_id)
    await desk.tell(message, message)
    await desk.tell(message)
    assert desk.rows("SELECT count(*) FROM meter_value") == [(1,)]
    assert desk.rows("SELECT energy_milliwh, json_array_length(detail->'anomalies') FROM session") == [(500_000, 1)]


async def test_a_batch_without_energy_leaves_the_total(desk: Desk) -> None:
    """Row 14: no reading is not a zero."""
    transaction_id = await transaction_of(desk, start_16())
    await desk.tell(metered(1, 1_500_000, transaction_id), metered(2, None, transaction_id, digest=8))
    assert desk.rows("SELECT energy_milliwh FROM session") == [(500_000,)]


@pytest.mark.parametrize("sent_id", [None, "999999"])
async def test_an_end_without_a_usable_id_ends_the_only_session_that_fits(desk: Desk, sent_id: str | None) -> None:
    """Row 7: stops with id -1, 0, 2^63-1 (all None) or an unknown id; a repetition changes nothing."""
    await transaction_of(desk, start_16())
    await desk.tell(ended_16(5, 3_000_000, sent_id))
    found = desk.rows("SELECT state, energy_milliwh, detail->'anomalies'->1->>0 FROM session")
    assert found == [("ended", 2_000_000, "matched_by_evse")]


async def test_an_end_that_fits_nothing_is_kept_as_a_held_session_once(desk: Desk) -> None:
    """A stop with no start is quarantined, never dropped; a resend finds it."""
    await desk.tell(ended_16(5, 3_000_000, None))
    await desk.tell(ended_16(5, 3_000_000, None))
    assert desk.rows("SELECT state, detail->'anomalies'->0->>0 FROM session") == [("held", "start_missing")]


async def test_an_end_below_the_begin_is_held_not_clamped(desk: Desk) -> None:
    """Negative energy stays visible and is not billed."""
    transaction_id = await transaction_of(desk, start_16(register=5_000_000))
    await desk.tell(ended_16(5, 4_000_000, transaction_id))
    assert desk.rows("SELECT state, energy_milliwh FROM session") == [("held", -1_000_000)]


async def test_a_second_end_that_differs_is_noted_and_held(desk: Desk) -> None:
    """The first end stands."""
    transaction_id = await transaction_of(desk, start_16())
    await desk.tell(ended_16(5, 2_000_000, transaction_id))
    await desk.tell(ended_16(5, 2_000_000, transaction_id))
    assert desk.rows("SELECT state FROM session") == [("ended",)]
    await desk.tell(ended_16(6, 2_500_000, transaction_id))
    assert desk.rows("SELECT state, energy_milliwh FROM session") == [("held", 1_000_000)]


def events_2x() -> list[Fact]:
    """A 2.0.1 transaction: Started, two Updated, Ended."""
    tx = TransactionId("T-1")

    def reading(minutes: int, register: int, context: ReadingContext) -> tuple[Reading, ...]:
        return (Reading(START + timedelta(minutes=minutes), context, register),)

    def update(minutes: int, seq_no: int) -> SessionUpdated:
        readings = reading(minutes, 1_000_000 * (minutes + 1), ReadingContext.PERIODIC)
        at = START + timedelta(minutes=minutes)
        return SessionUpdated(
            EvseId(1), ConnectorId(1), tx, at, readings, seq_no, None, None, False, "MeterValuePeriodic"
        )

    begin, end = (reading(0, 1_000_000, ReadingContext.BEGIN), reading(3, 4_000_000, ReadingContext.END))
    return [
        SessionStarted(EvseId(1), ConnectorId(1), START, ANNA, tx, 1_000_000, begin, 0),
        update(1, 1),
        update(2, 2),
        SessionEnded(tx, START + timedelta(minutes=3), 4_000_000, "Local", None, end, 3, EvseId(1), ConnectorId(1)),
    ]


ORDERS = [(0, 1, 2, 3), (3, 0, 1, 2), (1, 3, 0, 2), (2, 1, 0, 3), (3, 2, 1, 0), (0, 3, 3, 2, 1, 0)]


@pytest.mark.parametrize("order", ORDERS)
async def test_events_in_any_order_give_the_same_session(desk: Desk, order: tuple[int, ...]) -> None:
    """Row 8: Ended before Started, gaps, repetitions: the same begin, end and energy; nothing is missing."""
    events = events_2x()
    for index in order:
        await desk.tell(events[index])
    found = desk.rows(
        "SELECT state, energy_milliwh, register_begin_milliwh, token, evse_id, detail->>'seq_missing' FROM session"
    )
    assert found == [("ended", 3_000_000, 1_000_000, "ANNA", 1, "[]")]
    assert desk.rows("SELECT count(*) FROM meter_value") == [(4,)]


async def test_an_unknown_token_is_refused_but_its_session_is_kept(desk: Desk) -> None:
    """An offline start by an unknown token is stored and flagged, never dropped."""
    stranger = PresentedToken(Token("STRANGER"))
    (answer,) = await desk.tell(TokenPresented(stranger))
    assert isinstance(answer, TokenReply)
    assert answer.info.status is TokenStatus.UNKNOWN
    transaction_id = await transaction_of(desk, start_16(token=stranger))
    await desk.tell(ended_16(5, 2_000_000, transaction_id))
    assert desk.rows("SELECT state, token_status FROM session") == [("held", "Unknown")]


async def test_a_start_without_authorisation_is_kept(desk: Desk) -> None:
    """2.x plug and charge by button: the idToken is empty and its type NoAuthorization; nobody is billed."""
    nobody = PresentedToken(Token(""), "NoAuthorization")
    start = SessionStarted(EvseId(1), ConnectorId(1), START, nobody, TransactionId("T-9"), 1_000_000)
    (reply,) = await desk.tell(start)
    assert isinstance(reply, StartReply)
    assert desk.rows("SELECT state, token, detail->'anomalies'->1->>0 FROM session") == [
        ("active", "", "token_unbilled")
    ]


async def test_a_token_is_matched_without_case_and_spaces(desk: Desk) -> None:
    """Row 15."""
    (answer,) = await desk.tell(TokenPresented(PresentedToken(Token(" anna "))))
    assert isinstance(answer, TokenReply)
    assert answer.info.status is TokenStatus.ACCEPTED


async def test_a_boot_is_answered_by_approval_and_stored(desk: Desk) -> None:
    """A station in quarantine is told to wait."""
    boot = StationBooted("Acme", "DC50", firmware="1.2")
    (reply,) = await desk.tell(boot)
    desk.seat.approval = "pending"
    (waiting,) = await desk.tell(boot)
    assert isinstance(reply, BootReply)
    assert isinstance(waiting, BootReply)
    assert (reply.status, waiting.status) == (BootStatus.ACCEPTED, BootStatus.PENDING)
    assert desk.rows("SELECT vendor, firmware FROM station") == [("Acme", "1.2")]


async def test_status_findings_and_log_are_stored(desk: Desk) -> None:
    """Row 16: an absurd connector becomes an event, a real one a connector; an older status does not win."""

    def status(connector: int, minutes: int, status: ConnectorStatus) -> ConnectorStatusChanged:
        at = START + timedelta(minutes=minutes)
        return ConnectorStatusChanged(EvseId(connector), ConnectorId(1), status, at, "NoError")

    finding = Finding("timestamp_without_zone", "2026-03-02T08:00:00")
    newer, older = status(1, 2, ConnectorStatus.CHARGING), status(1, 1, ConnectorStatus.AVAILABLE)
    await desk.tell(newer, older, findings=(finding,))
    await desk.tell(status(99_999, 2, ConnectorStatus.FAULTED), findings=(finding,))
    assert desk.rows("SELECT evse_id, status FROM connector") == [(1, "charging")]
    assert desk.rows("SELECT count(*) FROM station_event") == [(3,)]
    assert desk.rows("SELECT code, count FROM station_finding") == [("timestamp_without_zone", 3)]
    assert desk.rows("SELECT count(*), min(reply) FROM ocpp_message") == [(3, b"[3]")]


async def test_one_poison_value_does_not_fail_its_neighbours(desk: Desk) -> None:
    """A group that is refused is split until one message is left; that one is kept as an event."""
    transaction_id = await transaction_of(desk, start_16())
    poison = metered(2, 2**70, transaction_id, digest=9)
    replies = await desk.tell(metered(1, 1_500_000, transaction_id), poison, metered(3, 1_700_000, transaction_id, 10))
    assert len(replies) == 3
    assert desk.rows("SELECT energy_milliwh FROM session") == [(700_000,)]
    assert desk.rows("SELECT action FROM station_event") == [("NotStorable",)]


async def test_a_writer_that_was_overtaken_decides_again(desk: Desk) -> None:
    """Another gateway wrote the session in between: nothing is lost, the revision moves on."""
    transaction_id = await transaction_of(desk, start_16())
    desk.rows("UPDATE session SET revision = 40, energy_milliwh = 1 RETURNING 1")
    await desk.tell(metered(1, 1_500_000, transaction_id))
    assert desk.rows("SELECT revision, energy_milliwh FROM session") == [(41, 500_000)]


async def test_a_new_start_on_the_same_evse_ends_the_forgotten_session(desk: Desk) -> None:
    """A stop that never comes: the earlier session is held, and its real end still counts when it comes."""
    first = await transaction_of(desk, start_16())
    await desk.tell(metered(1, 1_500_000, first))
    await transaction_of(desk, start_16(minutes=5, register=2_000_000))
    assert desk.rows("SELECT state FROM session ORDER BY started_at") == [("held",), ("active",)]
    await desk.tell(ended_16(4, 1_900_000, first))
    found = desk.rows("SELECT state, energy_milliwh FROM session ORDER BY started_at")
    assert found == [("ended", 900_000), ("active", 0)]


async def test_a_late_close_of_an_old_link_does_not_hide_the_new_one(desk: Desk) -> None:
    """Links are told apart by when they opened."""

    def note(number: int, minutes: int, *, connected: bool) -> LinkNote:
        at = START + timedelta(minutes=minutes)
        return LinkNote(desk.seat, UUID(int=number), "g1", "ocpp1.6", "127.0.0.1", connected, at, at)

    old, new = note(1, 0, connected=True), note(2, 1, connected=True)
    old_end = LinkNote(desk.seat, UUID(int=1), "g1", "ocpp1.6", "127.0.0.1", False, START, START + timedelta(minutes=2))
    await desk.ingest.store([old])
    await desk.ingest.store([new])
    await desk.ingest.store([old_end])
    assert desk.rows("SELECT link_id, connected FROM station_link") == [(UUID(int=2), True)]


async def test_the_outbox_says_what_changed(desk: Desk) -> None:
    """One row per group, the ended sessions named."""
    transaction_id = await transaction_of(desk, start_16())
    await desk.tell(ended_16(5, 2_000_000, transaction_id))
    found = desk.rows("SELECT cardinality(sessions), cardinality(ended) FROM outbox ORDER BY outbox_id")
    assert found == [(1, 0), (1, 1)]


async def test_a_committed_group_is_free_without_the_collector(desk: Desk) -> None:
    """No cycle keeps a group and its messages: the gateway's collector runs seldom, and memory would grow meanwhile."""
    transaction_id = await transaction_of(desk, start_16())
    gc.collect()
    gc.disable()
    try:
        for minute in range(1, 4):
            await desk.tell(metered(minute, 1_000_000 + minute, transaction_id, digest=minute))
        desk.source.replies.clear()
        left = [it for it in gc.get_objects() if isinstance(it, Group)]
    finally:
        gc.enable()
    assert left == []

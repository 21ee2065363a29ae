"""Sessions as the ingest stores them: what was written is read back, and an overtaken writer is told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.infra.db import Role, libpq_url
from voltway.infra.pipeline import DataRefused, Pipeline, Work
from voltway.kernel.facts import (
    ChargingState,
    PresentedToken,
    Reading,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    TokenInfo,
    TokenStatus,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, Token, TransactionId
from voltway.sessions import model as rules
from voltway.sessions.anomalies import AnomalyCode, anomaly
from voltway.sessions.intake import (
    LOAD_BY_START,
    LOAD_BY_TRANSACTION,
    LOAD_LATEST,
    LOAD_OPEN,
    NEXT_TRANSACTION,
    SessionRows,
    key_of,
    orphan_key_of,
    pg_micros,
    read_numbers,
    read_states,
    start_key_of,
)
from voltway.sessions.model import Start, State

AT = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)
TX = TransactionId("T-1")
PLACE = (StationId(1), 1, OperatorId(1))


@pytest.fixture
async def pipeline(database_url: str) -> AsyncIterator[Pipeline]:
    """The ingest's connection to a database with station 1."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO station (operator_id, identity) VALUES (1, 'S1')")
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    yield pipeline
    await pipeline.close()


def reading(minutes: int, register: int | None, **rest: float | None) -> Reading:
    return Reading(AT + timedelta(minutes=minutes), ReadingContext.PERIODIC, register, **rest)  # type: ignore[arg-type]


def session() -> State:
    """A session in which everything is said."""
    fact = SessionStarted(
        EvseId(1), ConnectorId(2), AT, PresentedToken(Token("ANNA"), "eMAID"), TX, 1_000_000,
        (reading(1, 1_500_000, power_w=11_000.0, soc_pct=41.0),), 3, ChargingState.CHARGING, reservation_id=8,
        remote_start_id=9,
    )  # fmt: skip
    start = Start(
        UUID(int=77), OperatorId(1), StationId(1), TX, key_of("start", 1), AT,
        TokenInfo(TokenStatus.BLOCKED, None, "G"), None, 400_000,
        synthetic=True, anomalies=(anomaly(AnomalyCode.NO_TARIFF, AT, detail="none"),),
    )  # fmt: skip
    return rules.started(None, fact, start)


async def stored(pipeline: Pipeline, before: State | None, after: State) -> State:
    """Write a step of a session; return what was kept."""
    rows = SessionRows()
    kept = rows.keep(before, after, AT)
    await pipeline.run(rows.works())
    return kept


async def loaded(pipeline: Pipeline) -> list[State]:
    """Read the session back by its transaction."""
    (rows,) = await pipeline.run([Work(LOAD_BY_TRANSACTION, [[1], [TX]])])
    return read_states(rows)


async def test_what_was_written_is_read_back(pipeline: Pipeline) -> None:
    """Every field, through each of the three ways of writing: new, changed, and only metered on."""
    kept = await stored(pipeline, None, session())
    assert await loaded(pipeline) == [kept]
    further = rules.metered(kept, (reading(2, 1_700_000, power_w=7_000.0, soc_pct=42.0),))
    kept = await stored(pipeline, kept, further)
    assert await loaded(pipeline) == [kept]
    ended = rules.ended(kept, SessionEnded(TX, AT + timedelta(minutes=9), 1_800_000, "Local", seq_no=7), AT)
    kept = await stored(pipeline, kept, ended)
    assert await loaded(pipeline) == [kept]
    assert (kept.progress.revision, kept.session.seq_missing) == (3, frozenset({4, 5, 6}))


async def test_a_session_is_found_in_four_ways(pipeline: Pipeline) -> None:
    kept = await stored(pipeline, None, session())
    works = [
        Work(LOAD_OPEN, [[1]]),
        Work(LOAD_BY_TRANSACTION, [[1, 1], [TX, "other"]]),
        Work(LOAD_BY_START, [[1], [kept.session.start_key]]),
        Work(LOAD_LATEST, [[1], [1]]),
        Work(LOAD_OPEN, [[2]]),
    ]
    assert [read_states(rows) for rows in await pipeline.run(works)] == [[kept]] * 4 + [[]]


async def test_an_overtaken_writer_is_told_and_writes_nothing(pipeline: Pipeline) -> None:
    """Two writers decide from the same state: the second loads again (VW001)."""
    kept = await stored(pipeline, None, session())
    first = await stored(pipeline, kept, rules.metered(kept, (reading(2, 1_700_000),)))
    for change in (
        rules.metered(kept, (reading(3, 1_900_000),)),
        rules.ended(kept, SessionEnded(TX, AT + timedelta(minutes=9), 1_900_000), AT),
    ):
        with pytest.raises(DataRefused) as refused:
            await stored(pipeline, kept, change)
        assert refused.value.sqlstate == "VW001"
    assert await loaded(pipeline) == [first]


async def test_readings_keep_what_was_not_reported_as_null(pipeline: Pipeline, database_url: str) -> None:
    """Repeated readings are one row; two of one instant in a message are two, also at the end of the numbers."""
    rows = SessionRows()
    last = 2**63 - 1
    rows.add_readings(PLACE, None, pg_micros(AT), (reading(1, None), reading(1, 5, power_w=0.0)), last)
    rows.add_readings(PLACE, None, pg_micros(AT), (reading(1, None),), last)
    await pipeline.run(rows.works())
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT session_id, digest, register_milliwh, power_w, soc_pct, sampled_at FROM meter_value ORDER BY digest"
        ).fetchall()
    at = AT + timedelta(minutes=1)
    assert found == [(None, -(2**63), 5, 0.0, None, at), (None, last, None, None, None, at)]


async def test_transaction_numbers_never_repeat(pipeline: Pipeline) -> None:
    numbers = []
    for count in (3, 2):
        (rows,) = await pipeline.run([Work(NEXT_TRANSACTION, [[count]])])
        numbers += read_numbers(rows)
    assert len(set(numbers)) == 5
    assert min(numbers) > 0


@given(st.lists(st.text() | st.integers(), max_size=4))
def test_keys_are_stable_signed_longs(parts: list[str | int]) -> None:
    assert key_of(*parts) == key_of(*parts)
    assert -(2**63) <= key_of(*parts) < 2**63


def test_a_repeated_start_has_the_same_key_and_another_has_not() -> None:
    """By content, whatever the message id; 2.x by its transaction."""

    def start(register: int | None = 5, by: str | None = "A", tx: str | None = None) -> SessionStarted:
        presented = PresentedToken(Token(by)) if by else None
        known = TransactionId(tx) if tx else None
        return SessionStarted(EvseId(1), ConnectorId(1), AT, presented, known, register)

    assert start_key_of(start()) == start_key_of(start())
    assert len({start_key_of(it) for it in (start(), start(6), start(by=None), start(tx="t"))}) == 4
    assert start_key_of(start(5, tx="t")) == start_key_of(start(6, tx="t"))
    ends = [SessionEnded(None, AT, 5, token=it) for it in (None, PresentedToken(Token("A")))]
    assert len({orphan_key_of(it) for it in (*ends, SessionEnded(None, AT, 6))}) == 3

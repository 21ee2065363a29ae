"""The end of a session: billed once, held where money is touched, corrected by credit when late data come."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from tests.fake_clock import FakeClock
from tests.sessions.seeding import Seed, add_late_reading, add_session, minute, prepare, run_sql

from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId
from voltway.sessions.finalise import Finaliser, Outcome
from voltway.tariffs.ocpi import loads

FIRST = OperatorId(1)
FELL = ["end_below_begin", "register_fell", "end_below_reading"]


class _Bench:
    """A database with sessions and a finaliser over it."""

    def __init__(self, url: str, database: Database, clock: FakeClock) -> None:
        self.url = url
        self.clock = clock
        self.finaliser = Finaliser(database, clock=clock)

    async def finalise(self, *session_ids: UUID) -> list[Outcome]:
        return list((await self.finaliser.finalise(FIRST, session_ids)).values())

    def cdrs(self) -> list[tuple[int, Decimal, int]]:
        rows = run_sql(self.url, "SELECT number, total_excl_vat, energy_milliwh FROM cdr ORDER BY session_id, number")
        return [(number, total.normalize(), energy) for number, total, energy in rows]

    def session(self) -> tuple[str, list[str], int]:
        ((state, anomalies, energy),) = run_sql(
            self.url, "SELECT state, detail->'anomalies', energy_milliwh FROM session"
        )
        return state, [code for code, *_ in anomalies], energy

    def outbox(self) -> int:
        return int(run_sql(self.url, "SELECT count(*) FROM outbox")[0][0])


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[_Bench]:
    prepare(database_url)
    database = Database(database_url, pool_size=3)
    yield _Bench(database_url, database, FakeClock(minute(61)))
    await database.close()


async def test_a_session_is_billed_once(bench: _Bench) -> None:
    """Run again, many at once or at the same time from two workers, it changes nothing."""
    session_id = add_session(bench.url, Seed())
    both = await asyncio.gather(bench.finalise(session_id), bench.finalise(session_id))
    assert Outcome.BILLED in [outcome for outcomes in both for outcome in outcomes]
    assert await bench.finalise(session_id, session_id) == [Outcome.UNCHANGED]
    assert bench.cdrs() == [(1, Decimal("3.9"), 10_000_000)]
    assert bench.outbox() <= 2


async def test_many_sessions_are_billed_in_one_go(bench: _Bench) -> None:
    ids = [add_session(bench.url, Seed(started_at=minute(100 * n))) for n in range(60)]
    assert set(await bench.finalise(*ids)) == {Outcome.BILLED}
    assert len(bench.cdrs()) == 60


@pytest.mark.parametrize(
    ("seed", "outcome", "codes"),
    [
        pytest.param(Seed(end_kwh=None, ended_at=None, state="active"), Outcome.OPEN, [], id="still open"),
        pytest.param(Seed(end_kwh=99.0), Outcome.HELD, FELL, id="fell"),
        pytest.param(Seed(begin_kwh=0.0), Outcome.HELD, ["begin_implausible"], id="a zero at the start"),
        pytest.param(Seed(end_kwh=200.0), Outcome.HELD, ["register_jumped"], id="faster than the EVSE can"),
        pytest.param(Seed(token=None, token_status=None), Outcome.HELD, ["token_missing"], id="nobody authorised"),
        pytest.param(Seed(begin_kwh=None, end_kwh=None, readings=()), Outcome.HELD, ["no_register"], id="no register"),
        pytest.param(Seed(tariff=None), Outcome.NOTHING_DUE, ["no_tariff"], id="no tariff"),
        pytest.param(Seed(tariff=("GONE", 1)), Outcome.NOTHING_DUE, ["no_tariff"], id="a tariff that is not there"),
        pytest.param(
            Seed(token_status="Unknown", anomalies=[("token_unbilled", False)]),
            Outcome.NOTHING_DUE, ["token_unbilled"], id="let in without a bill",
        ),
        pytest.param(Seed(end_kwh=100.0, readings=()), Outcome.NOTHING_DUE, [], id="a failed start"),
        pytest.param(Seed(anomalies=[("clock_off", False)]), Outcome.BILLED, ["clock_off"], id="harmless"),
    ],
)  # fmt: skip
async def test_what_is_billed_and_what_is_not(bench: _Bench, seed: Seed, outcome: Outcome, codes: list[str]) -> None:
    """What touches money is held with its reason, never billed; what is not billable says why."""
    session_id = add_session(bench.url, seed)
    assert await bench.finalise(session_id) == [outcome]
    state, found, _ = bench.session()
    assert set(found) == set(codes)
    assert state == {Outcome.OPEN: "active", Outcome.HELD: "held"}.get(outcome, "ended")
    assert len(bench.cdrs()) == (1 if outcome is Outcome.BILLED else 0)


async def test_missing_events_may_still_come(bench: _Bench) -> None:
    """Two minutes are waited; then it is billed with a mark, which goes when the events arrive after all."""
    session_id = add_session(bench.url, Seed(detail={"seq_missing": [3], "seq_max": 5}))
    assert await bench.finalise(session_id) == [Outcome.WAITING]
    bench.clock.advance(seconds=120)
    assert await bench.finalise(session_id) == [Outcome.BILLED]
    assert bench.session()[1] == ["events_missing"]
    run_sql(bench.url, "UPDATE session SET detail = jsonb_set(detail::jsonb, '{seq_missing}', '[]')::json")
    assert await bench.finalise(session_id) == [Outcome.UNCHANGED]
    assert bench.session()[1] == []


async def test_late_data_are_a_credit_and_a_new_cdr(bench: _Bench) -> None:
    """The sum of all CDRs is what is owed; documents are never changed, the credit names what it takes back."""
    session_id = add_session(bench.url, Seed(end_kwh=None))
    assert await bench.finalise(session_id) == [Outcome.BILLED]
    assert bench.session()[2] == 8_000_000
    add_late_reading(bench.url, Seed(readings=((55, 109.5, 10_000.0),)), session_id)
    assert await bench.finalise(session_id) == [Outcome.CORRECTED]
    assert await bench.finalise(session_id) == [Outcome.UNCHANGED]
    assert bench.session()[2] == 9_500_000
    first, credit, fresh = bench.cdrs()
    assert (first[1], credit[1], fresh[1]) == (Decimal("3.12"), Decimal("-3.12"), Decimal("3.705"))
    texts = run_sql(bench.url, "SELECT document::text, cdr_id FROM cdr ORDER BY number")
    documents = [loads(text) for text, _ in texts]
    assert [isinstance(it, dict) and it.get("credit_reference_id") for it in documents] == [None, texts[0][1], None]
    assert isinstance(documents[1], dict)
    assert documents[1]["total_cost"] == {"excl_vat": Decimal("-3.12"), "incl_vat": Decimal("-3.7128")}
    assert all(len(cdr_id) <= 39 for _, cdr_id in texts)
    explained = run_sql(bench.url, "SELECT explanation->'adjustments'->0->>'kind' FROM cdr WHERE number = 2")
    assert explained == [("credit",)]


async def test_a_waived_bill_is_taken_back(bench: _Bench) -> None:
    """A contradiction after the bill holds it; once waived only the credit is written."""
    session_id = add_session(bench.url, Seed())
    await bench.finalise(session_id)
    _mark(bench.url, "end_contradicted", touches="true")
    assert await bench.finalise(session_id) == [Outcome.HELD]
    assert len(bench.cdrs()) == 1
    _mark(bench.url, "waived", touches="false")
    assert await bench.finalise(session_id) == [Outcome.CORRECTED]
    assert await bench.finalise(session_id) == [Outcome.NOTHING_DUE]
    assert [total for _, total, _ in bench.cdrs()] == [Decimal("3.9"), Decimal("-3.9")]


async def test_readings_are_found_in_the_stations_own_clock(bench: _Bench) -> None:
    """A clock three hours ahead: its readings lie inside the session once corrected."""
    session_id = add_session(bench.url, Seed(end_kwh=None, clock_offset_ms=3 * 3_600_000))
    assert await bench.finalise(session_id) == [Outcome.BILLED]
    assert bench.session()[2] == 8_000_000


async def test_another_writer_was_faster(bench: _Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict on an old revision is not stored, and no CDR comes of it."""
    session_id = add_session(bench.url, Seed(end_kwh=None))

    async def too_late(*_: object) -> bool:
        return False

    monkeypatch.setattr("voltway.sessions.store.save_session", too_late)
    run_sql(bench.url, "UPDATE session SET energy_milliwh = 1")
    assert await bench.finalise(session_id) == [Outcome.OVERTAKEN]
    assert bench.cdrs() == []


def _mark(url: str, code: str, *, touches: str) -> None:
    anomaly = f'[["{code}", "{code}", "2026-03-02T17:00:00+00:00", {touches}]]'
    run_sql(
        url,
        """UPDATE session SET revision = revision + 1, detail =
             jsonb_set(detail::jsonb, '{anomalies}', (detail::jsonb->'anomalies') || %s::jsonb)::json""",
        anomaly,
    )


async def test_a_refused_card_owes_no_idle_fee(bench: _Bench) -> None:
    """A 2.x station opens a transaction before the card is refused: without a token and energy there is no bill."""
    parked = {
        "id": "PARK", "currency": "EUR",
        "elements": [{"price_components": [{"type": "PARKING_TIME", "price": 12, "step_size": 60}]}],
    }  # fmt: skip
    run_sql(
        bench.url,
        """INSERT INTO tariff (operator_id, tariff_id, version, currency, document)
           VALUES (1, 'PARK', 1, 'EUR', CAST(%s AS json))""",
        json.dumps(parked),
    )
    seed = Seed(
        end_kwh=100.0, readings=(), tariff=("PARK", 1), detail={"history": [[minute(0).isoformat(), "suspended_ev"]]}
    )
    nobody = replace(seed, token=None, token_status=None)
    assert await bench.finalise(add_session(bench.url, nobody)) == [Outcome.NOTHING_DUE]
    assert bench.cdrs() == []
    somebody = add_session(bench.url, replace(seed, transaction="T-2"))
    assert await bench.finalise(somebody) == [Outcome.BILLED]

"""Routes of sessions and CDRs: the contract's keys, money that adds up, reviews, exports, walls between operators."""

import csv
from decimal import Decimal
from io import StringIO
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter
from tests.httpapi.client import Api, add_operator, running_api
from tests.sessions.seeding import START, Seed, add_late_reading, add_session, minute, prepare, run_sql

from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId
from voltway.sessions import api as sessions_api
from voltway.sessions.finalise import Finaliser, Outcome
from voltway.sessions.service import Sessions

FIRST = OperatorId(1)
CONTRACT = {
    "id", "transaction_id", "station_id", "evse_id", "connector_id", "token", "state", "started_at", "ended_at",
    "end_reason", "energy_kwh", "synthetic", "cost", "next_hour", "tariff_id", "tariff_version", "explanation",
    "anomalies",
}  # fmt: skip
RUNNING = Seed(state="active", end_kwh=None, ended_at=None, readings=((30, 110.0, 11_000.0),), updated_at=minute(30))


@pytest.fixture
def seeded_url(database_url: str) -> str:
    prepare(database_url)
    return database_url


def _routes(database: Database) -> APIRouter:
    return sessions_api.router(Sessions(database))


async def _finalise(api: Api, *session_ids: UUID) -> list[Outcome]:
    return list((await Finaliser(api.database).finalise(FIRST, session_ids)).values())


async def test_a_running_session_is_priced_as_it_is_read(seeded_url: str) -> None:
    """10 kWh × 0.39 so far; another hour at the 11 kW that flow now is 4.29 more; no CDR is made."""
    session_id = add_session(seeded_url, RUNNING)
    async with running_api(seeded_url, _routes) as api:
        one = (await api.client.get(f"/api/v1/sessions/{session_id}")).json()
        listed = (await api.client.get("/api/v1/sessions?state=active&limit=10")).json()["items"]
        assert (await api.client.get("/api/v1/cdrs")).json()["items"] == []
    assert one.keys() >= CONTRACT
    assert (one["energy_kwh"], one["state"], one["tariff_version"]) == ("10", "active", 1)
    assert one["cost"] == {"currency": "EUR", "excl_vat": "3.9", "incl_vat": "4.641"}
    assert one["next_hour"] == {"excl_vat": "4.29", "incl_vat": "5.1051"}
    assert [line["text"] for line in one["explanation"]["lines"]] == [
        "10 kWh × 0.39 EUR/kWh = 3.9 EUR",
        "0.5 h of charging time: free",
    ]
    assert (one["location_name"], one["connector"]["max_power_w"], one["power_w"]) == ("Harbour Square", 11000, 11000.0)
    assert listed == [one]


async def test_each_reading_changes_the_price(seeded_url: str) -> None:
    """The cache holds a revision; the next one reads only the newest readings and gets the same price as all."""
    session_id = add_session(seeded_url, RUNNING)
    async with running_api(seeded_url, _routes) as api:
        path = f"/api/v1/sessions/{session_id}"
        assert (await api.client.get(path)).json()["cost"]["excl_vat"] == "3.9"
        add_late_reading(seeded_url, Seed(readings=((40, 112.0, 11_000.0),)), session_id)
        run_sql(
            seeded_url,
            """UPDATE session SET revision = revision + 1, energy_milliwh = 12000000, register_last_milliwh = 112000000,
               last_reading_at = %s, updated_at = %s""",
            minute(40), minute(40),
        )  # fmt: skip
        assert (await api.client.get(path)).json()["cost"]["excl_vat"] == "4.68"
    async with running_api(seeded_url, _routes) as fresh:
        assert (await fresh.client.get(path)).json()["cost"]["excl_vat"] == "4.68"


async def test_no_tariff_is_visible_and_never_free(seeded_url: str) -> None:
    session_id = add_session(seeded_url, Seed(tariff=None))
    async with running_api(seeded_url, _routes) as api:
        one = (await api.client.get(f"/api/v1/sessions/{session_id}")).json()
        assert await _finalise(api, session_id) == [Outcome.NOTHING_DUE]
        stored = (await api.client.get(f"/api/v1/sessions/{session_id}")).json()
    for document in (one, stored):
        assert document["cost"] is None
        assert [it["code"] for it in document["anomalies"]] == ["no_tariff"]


async def test_lists_are_filtered_and_paged(seeded_url: str) -> None:
    ids = [str(add_session(seeded_url, Seed(started_at=minute(100 * n), token=f"T{n % 2}"))) for n in range(5)]
    async with running_api(seeded_url, _routes) as api:

        async def listed(query: str) -> list[str]:
            answer = await api.client.get(f"/api/v1/sessions?{query}")
            assert answer.status_code == 200, answer.text
            return [it["id"] for it in answer.json()["items"]]

        assert await listed("token=T1") == [ids[3], ids[1]]
        assert await listed("state=held") == []
        assert await listed("station_id=CP-9") == []
        assert await listed("from=2026-03-02T17:40:00Z&to=2026-03-02T21:00:00Z") == [ids[2], ids[1]]
        first = (await api.client.get("/api/v1/sessions?limit=2")).json()
        assert [it["id"] for it in first["items"]] == [ids[4], ids[3]]
        assert await listed(f"limit=10&cursor={first['next_cursor']}") == [ids[2], ids[1], ids[0]]
        assert (await api.client.get("/api/v1/sessions?state=odd")).status_code == 422
        assert (await api.client.get(f"/api/v1/sessions/{uuid4()}")).status_code == 404


async def test_an_ended_session_shows_its_bill(seeded_url: str) -> None:
    """Session, list of CDRs, OCPI document and CSV say the same; lines add up to the total."""
    session_id = add_session(seeded_url, Seed())
    async with running_api(seeded_url, _routes) as api:
        assert await _finalise(api, session_id) == [Outcome.BILLED]
        session = (await api.client.get(f"/api/v1/sessions/{session_id}")).json()
        (item,) = (await api.client.get("/api/v1/cdrs?station_id=CP-1&token=AA")).json()["items"]
        answer = await api.client.get(f"/api/v1/cdrs/{item['id']}")
        table = await api.client.get("/api/v1/cdrs.csv?from=2026-03-01T00:00:00Z")
        accepted = await api.client.get("/api/v1/cdrs", headers={"Accept": "text/csv"})
        assert (await api.client.get("/api/v1/cdrs?to=2026-03-01T00:00:00Z")).json()["items"] == []
        assert (await api.client.get("/api/v1/cdrs/none")).status_code == 404
    assert session["cost"] == {"currency": "EUR", "excl_vat": "3.9", "incl_vat": "4.641"}
    assert session["explanation"] == item["explanation"]
    assert sum(Decimal(line["incl_vat"]) for line in item["explanation"]["lines"]) == Decimal(item["incl_vat"])
    document = answer.json()["document"]
    assert (document["total_energy"], document["total_cost"]) == (10, {"excl_vat": 3.9, "incl_vat": 4.641})
    assert document["cdr_location"]["coordinates"] == {"latitude": "53.500000", "longitude": "9.900000"}
    assert '"price":0.39' in answer.text
    (row,) = csv.DictReader(StringIO(table.text))
    assert (row["total_energy_kwh"], row["token"], row["total_cost_incl_vat"]) == ("10", "AA", "4.641")
    assert accepted.text == table.text


async def test_every_reading_can_be_read(seeded_url: str) -> None:
    """In pages, with both clocks and what has no column of its own."""
    session_id = add_session(seeded_url, Seed(clock_offset_ms=3_600_000))
    async with running_api(seeded_url, _routes) as api:
        path = f"/api/v1/sessions/{session_id}/samples"
        page = (await api.client.get(path, params={"limit": 1})).json()
        rest = (await api.client.get(path, params={"cursor": page["next_cursor"]})).json()
        assert (await api.client.get(f"/api/v1/sessions/{uuid4()}/samples")).status_code == 404
    first, second = page["items"] + rest["items"]
    assert (first["register_kwh"], first["context"], first["extra"]) == ("104", "periodic", {"raw": 1})
    assert (first["at"], first["sampled_at"]) == ("2026-03-02T16:20:00Z", "2026-03-02T17:20:00Z")
    assert (second["register_kwh"], rest["next_cursor"]) == ("108", None)


@pytest.mark.parametrize(
    ("decision", "outcome", "total", "codes"),
    [
        ("bill", Outcome.BILLED, "3.9", ["register_fell"]),
        ("waive", Outcome.NOTHING_DUE, None, ["register_fell", "waived"]),
    ],
)  # fmt: skip
async def test_a_held_session_is_reviewed(
    seeded_url: str, decision: str, outcome: Outcome, total: str | None, codes: list[str]
) -> None:
    """Billed as measured or waived, in the audit, once; the anomaly stays visible."""
    session_id = add_session(seeded_url, Seed(state="held", anomalies=[("register_fell", True)]))
    async with running_api(seeded_url, _routes) as api:
        path = f"/api/v1/sessions/{session_id}"
        assert (await _finalise(api, session_id))[0] is Outcome.HELD
        assert (await api.client.get("/api/v1/cdrs")).json()["items"] == []
        reader = await api.client_with("read")
        assert (await reader.post(f"{path}/review", json={"decision": decision})).status_code == 403
        answer = await api.client.post(f"{path}/review", json={"decision": decision})
        assert (answer.status_code, answer.json()["state"]) == (200, "ended")
        assert (await api.client.post(f"{path}/review", json={"decision": decision})).status_code == 409
        assert (await api.client.post(f"{path}/review", json={"decision": "forget"})).status_code == 422
        assert (
            await api.client.post(f"/api/v1/sessions/{uuid4()}/review", json={"decision": "bill"})
        ).status_code == 404
        assert await _finalise(api, session_id) == [outcome]
        assert await _finalise(api, session_id) == [Outcome.UNCHANGED if total else Outcome.NOTHING_DUE]
        items = (await api.client.get("/api/v1/cdrs")).json()["items"]
        session = (await api.client.get(path)).json()
        entry = (await api.client.get("/api/v1/audit")).json()["items"][0]
    assert [it["excl_vat"] for it in items] == ([total] if total else [])
    assert [it["code"] for it in session["anomalies"]] == codes
    assert (entry["action"], entry["detail"]) == (
        "session.review", {"decision": decision, "anomalies": ["register_fell"]}
    )  # fmt: skip
    assert run_sql(seeded_url, "SELECT ended FROM outbox WHERE cardinality(ended) > 0") == [([session_id],)]


async def test_another_operator_sees_nothing(seeded_url: str) -> None:
    add_operator(seeded_url, 2, "Other")
    session_id = add_session(seeded_url, Seed())
    async with running_api(seeded_url, _routes) as api:
        await _finalise(api, session_id)
        other = await api.client_with("read", "write", operator_id=2)
        for path in ("sessions", "cdrs"):
            assert (await other.get(f"/api/v1/{path}")).json()["items"] == []
        assert (await other.get(f"/api/v1/sessions/{session_id}")).status_code == 404
        assert (await other.post(f"/api/v1/sessions/{session_id}/review", json={"decision": "bill"})).status_code == 404
        assert (await other.get("/api/v1/cdrs.csv")).text.count("\n") == 1
        assert await Finaliser(api.database).finalise(OperatorId(2), [session_id]) == {}


async def test_the_network_now(seeded_url: str) -> None:
    """What runs, and what the operator's local day has brought."""
    add_session(seeded_url, RUNNING)
    billed = add_session(seeded_url, Seed(transaction="2"))
    async with running_api(seeded_url, _routes) as api:
        await _finalise(api, billed)
        sessions = Sessions(api.database, clock=lambda: minute(45))
        now = await sessions.network_now(FIRST, "Europe/Berlin")
        tomorrow = Sessions(api.database, clock=lambda: minute(60 * 24))
        later = await tomorrow.network_now(FIRST, "Europe/Berlin")
        assert await sessions.powers_w(FIRST) == {"CP-1": 11_000}
        assert await tomorrow.powers_w(FIRST) == {}
        powers = await sessions.recent_powers(FIRST, START)
    assert (now.sessions, now.power_w, now.tariff_id) == (1, 11_000.0, "DAY")
    assert (now.energy_today_milliwh, now.currency, Decimal(now.revenue_incl_vat)) == (
        20_000_000,
        "EUR",
        Decimal("4.641"),
    )
    assert (later.energy_today_milliwh, Decimal(later.revenue_incl_vat)) == (10_000_000, Decimal(0))
    assert len(powers) == 3

"""The route of quotes: real power, the tariff of a session that would start then, its price, and what was assumed."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi import APIRouter
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api, add_operator, running_api
from tests.sessions.seeding import START, TARIFF, Seed, add_session, add_station, minute, prepare, run_sql

from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId
from voltway.sessions import quotes_api
from voltway.sessions.finalise import Finaliser
from voltway.sessions.quote_service import RECENT, Quotes
from voltway.sessions.quotes_api import QuoteView
from voltway.tariffs.price_text_words import Language

NOW = minute(60 * 24 * 7)
AT = "2026-03-02T16:00:00Z"
FLEET = TARIFF.replace('"DAY"', '"FLEET"').replace("0.39", "0.29")
BY_CURRENT = TARIFF.replace('"DAY"', '"AMPERE"').replace(
    '"elements": [',
    '"elements": [{"price_components": [{"type": "ENERGY", "price": 9, "step_size": 1}],'
    ' "restrictions": {"min_current": 8}},',
)


def _routes(database: Database) -> APIRouter:
    return quotes_api.router(Quotes(database, clock=FakeClock(NOW)))


@pytest.fixture
def seeded_url(database_url: str) -> str:
    """One EVSE of 11 kW, and the tariff DAY for everybody."""
    prepare(database_url)
    assign(database_url, "DAY")
    return database_url


def add_station_of(database_url: str, identity: str, operator_id: int) -> None:
    with psycopg.connect(database_url) as connection:
        add_station(connection, identity, operator_id)


def assign(database_url: str, tariff_id: str, *, group: str | None = None, since: datetime | None = None) -> None:
    run_sql(
        database_url,
        """INSERT INTO tariff_assignment (operator_id, tariff_id, target_kind, token_group, valid_from)
           VALUES (1, %s, 'operator', %s, %s)""",
        tariff_id, group, since,
    )  # fmt: skip


def add_tariff(database_url: str, tariff_id: str, document: str) -> None:
    run_sql(
        database_url,
        "INSERT INTO tariff (operator_id, tariff_id, version, currency, document) VALUES (1, %s, 1, 'EUR', %s)",
        tariff_id, document,
    )  # fmt: skip


def add_token(database_url: str, token: str, *, group: str | None = None, status: str = "Accepted") -> None:
    run_sql(
        database_url,
        "INSERT INTO id_token (operator_id, match_key, token, status, group_token) VALUES (1, %s, %s, %s, %s)",
        token.lower(), token, status, group,
    )  # fmt: skip


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def idled(start: datetime) -> Seed:
    """Write an hour of which the car asked for no power in the last ten minutes."""
    states = [[(start + timedelta(minutes=50)).isoformat(), "suspended_ev"]]
    return Seed(started_at=start, readings=((20, 104.0, 12_000.0), (50, 110.0, 0.0)), detail={"history": states})


async def quote(api: Api, evse: str = "CP-1/1", **query: str) -> dict[str, Any]:
    answer = await api.client.get("/api/v1/quotes", params={"evse": evse, "start": AT, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found.keys() == QuoteView.model_fields.keys()
    return found


def said(found: dict[str, Any]) -> list[str]:
    return [it["code"] for it in found["assumptions"]]


async def bill(database_url: str, *session_ids: UUID) -> None:
    database = Database(database_url, pool_size=1)
    await Finaliser(database).finalise(OperatorId(1), session_ids)
    await database.close()


async def test_a_quote_says_all_of_it(seeded_url: str) -> None:
    """11 kWh at the rated 11 kW, an hour of charging, half an hour idle: 4.29 + 3, explained, in five languages."""
    async with running_api(seeded_url, _routes) as api:
        found = await quote(api, kwh="11", minutes="90")
    texts, explanation = found.pop("price_text"), found.pop("explanation")
    assert found == {
        "evse": "CP-1/1",
        "start": AT,
        "end": "2026-03-02T17:30:00Z",
        "charging_ends_at": "2026-03-02T17:00:00Z",
        "kwh": "11",
        "minutes": "90",
        "power_kw": "11",
        "billable": True,
        "tariff_id": "DAY",
        "tariff_version": 1,
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "cost": {"currency": "EUR", "excl_vat": "7.29", "incl_vat": "8.6751"},
        "assumptions": [
            {"code": "power_rated", "text": "rated power 11 kW: fewer than 5 sessions since 2025-12-09"},
            {"code": "constant_power", "text": "the car draws that power constantly until it is charged"},
            {"code": "idle_after", "text": "charged after 60 minutes, the car idles for 30"},
            {"code": "tariff_without_group", "text": "the tariff that applies here then for tokens without a group"},
        ],
    }
    assert [line["text"] for line in explanation["lines"]] == [
        "11 kWh × 0.39 EUR/kWh = 4.29 EUR",
        "1 h of charging time: free",
        "0.5 h × 6 EUR/h = 3 EUR",
    ]
    assert sum(Decimal(line["incl_vat"]) for line in explanation["lines"]) == Decimal("8.6751")
    assert tuple(texts) == tuple(language.value for language in Language)
    assert (texts["en"][0], len(texts["en"])) == ("Energy: €0.4641 per kWh incl. 19% VAT", 4)
    assert texts["de"][0].startswith("Energie: 0,4641\xa0€ ")


@pytest.mark.parametrize(
    ("query", "end", "drawn", "how"),
    [
        ({"kwh": "5.5"}, "2026-03-02T16:30:00Z", ("5.5", "30"), "leaves_when_charged"),
        ({"minutes": "30"}, "2026-03-02T16:30:00Z", ("5.5", "30"), "charges_throughout"),
        ({"kwh": "20", "minutes": "30"}, "2026-03-02T16:30:00Z", ("5.5", "30"), "energy_cut"),
        ({"kwh": "7", "minutes": "50.5"}, "2026-03-02T16:50:30Z", ("7", "50.5"), "idle_after"),
        ({"kwh": "1", "start": "2026-03-02T17:00:00+01:00"}, "2026-03-02T16:05:27.272728Z", ("1", "5.4545454667"),
         "leaves_when_charged"),
    ],
)  # fmt: skip
async def test_energy_or_time_or_both(
    seeded_url: str, query: dict[str, str], end: str, drawn: tuple[str, str], how: str
) -> None:
    """One follows from the other by the power; where both are named, the time wins."""
    async with running_api(seeded_url, _routes) as api:
        found = await quote(api, **query)
    assert (found["start"], found["end"], (found["kwh"], found["minutes"])) == (AT, end, drawn)
    assert said(found) == ["power_rated", "constant_power", how, "tariff_without_group"]


async def test_the_real_power_is_that_of_recent_bills(seeded_url: str) -> None:
    """Energy over charging time: 10 kWh in 60 minutes, of which the car idled 0 or 10; the odd ones do not count."""
    usual = [add_session(seeded_url, idled(day(n))) for n in range(3)]
    usual += [add_session(seeded_url, Seed(started_at=day(n))) for n in (3, 4)]
    old = add_session(seeded_url, Seed(started_at=NOW - RECENT - timedelta(days=1)))
    small = add_session(seeded_url, Seed(end_kwh=100.9, readings=(), started_at=day(-1)))
    held = add_session(seeded_url, Seed(anomalies=[("token_not_accepted", True)], started_at=day(-2)))
    unbilled = add_session(seeded_url, Seed(tariff=None, started_at=day(-3)))
    await bill(seeded_url, *usual[1:], old, small, held, unbilled)
    run_sql(seeded_url, "UPDATE evse SET max_power_w = 50000")
    async with running_api(seeded_url, _routes) as api:
        before = await quote(api, kwh="12")
        await bill(seeded_url, usual[0])
        after = await quote(api, kwh="12")
        run_sql(seeded_url, "UPDATE evse SET max_power_w = 11000")
        bounded = await quote(api, kwh="12")
    assert (before["power_kw"], said(before)[0]) == ("50", "power_rated")
    assert (after["power_kw"], said(after)[0]) == ("12", "power_measured")
    assert after["assumptions"][0]["text"] == "median of 5 sessions since 2025-12-09: 12 kW"
    assert (after["minutes"], bounded["power_kw"]) == ("60", "11")


async def test_a_bill_taken_back_says_nothing_of_the_power(seeded_url: str) -> None:
    """The credit is the session's newest CDR: what it had measured was wrong."""
    ids = [add_session(seeded_url, Seed(started_at=day(n))) for n in range(5)]
    await bill(seeded_url, *ids)
    async with running_api(seeded_url, _routes) as api:
        assert said(await quote(api, kwh="1"))[0] == "power_measured"
        run_sql(
            seeded_url,
            """INSERT INTO cdr SELECT operator_id, cdr_id || 'C', session_id, 2, started_at, ended_at, currency,
                 energy_milliwh, -total_excl_vat, -total_incl_vat, '{"credit": true}', explanation, synthetic, now()
                 FROM cdr WHERE session_id = %s""",
            ids[0],
        )
        assert said(await quote(api, kwh="1"))[0] == "power_rated"


async def test_a_quote_is_what_the_session_is_billed(seeded_url: str) -> None:
    """A session with the readings that were assumed gets a CDR with the cost and the lines that were quoted."""
    seed = Seed(
        begin_kwh=100.0, end_kwh=111.0, ended_at=90,
        readings=((0, 100.0, 11_000.0), (30, 105.5, 11_000.0), (60, 111.0, 0.0)),
        detail={"history": [[minute(0).isoformat(), "charging"], [minute(60).isoformat(), "suspended_ev"]]},
    )  # fmt: skip
    async with running_api(seeded_url, _routes) as api:
        found = await quote(api, kwh="11", minutes="90")
    await bill(seeded_url, add_session(seeded_url, seed))
    ((excl_vat, incl_vat, explanation),) = run_sql(
        seeded_url, "SELECT total_excl_vat, total_incl_vat, explanation FROM cdr"
    )
    assert found["cost"] == {"currency": "EUR", "excl_vat": str(excl_vat), "incl_vat": str(incl_vat)}
    assert found["explanation"] == explanation


async def test_no_tariff_is_not_free(seeded_url: str) -> None:
    """Before the assignment holds there is none: not billable and said so, no cost, above all no 0."""
    run_sql(seeded_url, "DELETE FROM tariff_assignment")
    assign(seeded_url, "DAY", since=minute(60))
    async with running_api(seeded_url, _routes) as api:
        none, some = await quote(api, kwh="1"), await quote(api, kwh="1", start="2026-03-02T17:00:00Z")
    assert (none["billable"], some["billable"]) == (False, True)
    for key in ("tariff_id", "tariff_version", "currency", "cost", "explanation", "price_text"):
        assert none[key] is None
    assert (none["kwh"], said(none)[-1]) == ("1", "no_tariff")
    assert "tokens without a group" in none["assumptions"][-1]["text"]


async def test_the_tariff_is_that_of_the_group(seeded_url: str) -> None:
    """Named itself or by one of its tokens; a group without a tariff of its own gets everybody's."""
    add_tariff(seeded_url, "FLEET", FLEET)
    assign(seeded_url, "FLEET", group="VANS")
    add_token(seeded_url, "04AB", group="VANS")
    add_token(seeded_url, "04CD", group="VANS", status="Blocked")
    async with running_api(seeded_url, _routes) as api:
        by_group, by_token = await quote(api, kwh="10", token_group="VANS"), await quote(api, kwh="10", token="04ab")
        other, blocked = await quote(api, kwh="10", token_group="CABS"), await quote(api, kwh="10", token="04CD")
        unknown = await api.client.get("/api/v1/quotes", params={"evse": "CP-1/1", "kwh": "1", "token": "04EF"})
    assert by_group == by_token
    assert (by_group["tariff_id"], by_group["cost"]["excl_vat"], said(by_group)[-1]) == (
        "FLEET",
        "2.9",
        "tariff_of_group",
    )
    assert by_group["assumptions"][-1]["text"] == "the tariff that applies here then for tokens of the group VANS"
    assert (other["tariff_id"], other["cost"]["excl_vat"]) == ("DAY", "3.9")
    assert (blocked["cost"], said(blocked)[-1]) == (by_group["cost"], "token_not_accepted")
    assert blocked["assumptions"][-1]["text"] == "the token 04CD is blocked: a station refuses it, a bill would be held"
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "there is no token 04EF")


async def test_a_price_by_current_is_not_guessed(seeded_url: str) -> None:
    """Nobody knows the car's phases: the element does not hold, and the quote says so."""
    add_tariff(seeded_url, "AMPERE", BY_CURRENT)
    run_sql(seeded_url, "UPDATE tariff_assignment SET tariff_id = 'AMPERE'")
    async with running_api(seeded_url, _routes) as api:
        found = await quote(api, kwh="10")
    assert (found["cost"]["excl_vat"], said(found)[-1]) == ("3.9", "current_unknown")


async def test_an_unknown_power_is_asked_for(seeded_url: str) -> None:
    """No rated power, no sessions: 409 says what to enter; who names both gets the mean."""
    run_sql(seeded_url, "UPDATE evse SET max_power_w = NULL")
    async with running_api(seeded_url, _routes) as api:
        answer = await api.client.get("/api/v1/quotes", params={"evse": "CP-1/1", "kwh": "10"})
        found = await quote(api, kwh="10", minutes="120")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "Enter its max_power_w, or ask for both kwh and minutes" in answer.json()["detail"]
    assert (found["power_kw"], said(found)[0], found["charging_ends_at"]) == ("5", "power_mean", found["end"])


async def test_an_evse_that_only_a_session_named(seeded_url: str) -> None:
    """A station that never listed its EVSEs still charges there."""
    add_session(seeded_url, Seed())
    run_sql(seeded_url, "DELETE FROM evse")
    async with running_api(seeded_url, _routes) as api:
        assert (await quote(api, kwh="10", minutes="60"))["power_kw"] == "10"
        assert (await api.client.get("/api/v1/quotes", params={"evse": "CP-1/2", "kwh": "1"})).status_code == 404


async def test_an_identity_may_hold_slashes(seeded_url: str) -> None:
    """The EVSE stands behind the last one; a station without a place keeps its operator's time zone."""
    run_sql(seeded_url, "UPDATE station SET identity = 'A/1/2', location_id = NULL")
    async with running_api(seeded_url, _routes) as api:
        found = await quote(api, "A/1/2/1", kwh="10")
    assert (found["evse"], found["time_zone"], found["cost"]["excl_vat"]) == ("A/1/2/1", "Europe/Berlin", "3.9")


async def test_the_texts_are_those_of_the_country(seeded_url: str) -> None:
    """In the United States NEVI's: the price per kWh first, other fees explained, taxes that are no VAT."""
    run_sql(seeded_url, "UPDATE location SET country = 'USA', time_zone = 'America/New_York'")
    async with running_api(seeded_url, _routes) as api:
        found = await quote(api, kwh="10")
    assert found["time_zone"] == "America/New_York"
    assert found["price_text"]["en"][0] == "Energy: €0.4641 per kWh incl. 19% tax"


async def test_now_is_the_default_start(seeded_url: str) -> None:
    """To the second: a quote is no measurement."""
    async with running_api(seeded_url, lambda it: quotes_api.router(Quotes(it, clock=lambda: minute(0.001)))) as api:
        answer = await api.client.get("/api/v1/quotes", params={"evse": "CP-1/1", "kwh": "11"})
    assert (answer.json()["start"], answer.json()["end"]) == (AT, "2026-03-02T17:00:00Z")


@pytest.mark.parametrize(
    ("query", "pointer", "message"),
    [
        ({"kwh": "1"}, "/evse", "field required"),
        ({"evse": "CP-1", "kwh": "1"}, "/evse", "an EVSE is written STATION/EVSE, e.g. CP-1/2"),
        ({"evse": "CP-1/x", "kwh": "1"}, "/evse", "an EVSE is written STATION/EVSE, e.g. CP-1/2"),
        ({"evse": "/1", "kwh": "1"}, "/evse", "an EVSE is written STATION/EVSE, e.g. CP-1/2"),
        ({"evse": "CP\x00/1", "kwh": "1"}, "/evse", "an EVSE is written STATION/EVSE, e.g. CP-1/2"),
        ({"evse": "CP-1/1"}, "/minutes", "name kwh, minutes or both"),
        ({"evse": "CP-1/1", "kwh": "0"}, "/kwh", "input should be greater than 0"),
        ({"evse": "CP-1/1", "kwh": "1000.1"}, "/kwh", "input should be less than or equal to 1000"),
        ({"evse": "CP-1/1", "kwh": "NaN"}, "/kwh", "input should be a finite number"),
        ({"evse": "CP-1/1", "kwh": "1,5"}, "/kwh", "input should be a valid decimal"),
        ({"evse": "CP-1/1", "kwh": "0.0000001"}, "/kwh", "decimal input should have no more than 6 decimal places"),
        ({"evse": "CP-1/1", "minutes": "-5"}, "/minutes", "input should be greater than 0"),
        ({"evse": "CP-1/1", "minutes": "10081"}, "/minutes", "input should be less than or equal to 10080"),
        ({"evse": "CP-1/1", "minutes": "0.000001"}, "/minutes",
         "at 11 kW not even 0.1 Wh flows in that time; ask for longer"),
        ({"evse": "CP-1/1", "kwh": "1", "start": "2026-03-02T16:00:00"}, "/start", "input should have timezone info"),
        ({"evse": "CP-1/1", "kwh": "1", "start": "9999-12-31T16:00:00Z"}, "/start",
         "input should be less than 2100-01-01T00:00:00Z"),
        ({"evse": "CP-1/1", "kwh": "1", "start": "now"}, "/start", None),
        ({"evse": "CP-1/1", "kwh": "1", "token": "A", "token_group": "B"}, "/token_group",
         "name a token or a token_group: a token brings its own group"),
        ({"evse": "CP-1/1", "kwh": "1", "token": " "}, "/token", "no control characters, and no spaces at the ends"),
    ],
)  # fmt: skip
async def test_a_bad_question_names_the_parameter(
    seeded_url: str, query: dict[str, str], pointer: str, message: str | None
) -> None:
    """422 with the parameter and what to write, before anything is priced."""
    async with running_api(seeded_url, _routes) as api:
        answer = await api.client.get("/api/v1/quotes", params=query)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["location"]) == (pointer, "query")
    assert message in {None, fault["message"]}


async def test_longer_than_a_week_is_refused(seeded_url: str) -> None:
    """1,000 kWh at 1 kW are six weeks: the parameter is named, though only the EVSE made it wrong."""
    run_sql(seeded_url, "UPDATE evse SET max_power_w = 1000")
    async with running_api(seeded_url, _routes) as api:
        answer = await api.client.get("/api/v1/quotes", params={"evse": "CP-1/1", "kwh": "1000"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "pointer": "/kwh",
            "message": "at 1 kW that takes longer than 7 days; ask for less",
            "location": "query",
        }
    ]


async def test_walls_between_operators(seeded_url: str) -> None:
    """Another operator's EVSE is 404 and its tariff unseen; a key must read."""
    add_operator(seeded_url, 2, "Other")
    add_station_of(seeded_url, "CP-2", operator_id=2)
    async with running_api(seeded_url, _routes) as api:
        other, writer = await api.client_with("read", operator_id=2), await api.client_with("write")

        async def status(client: Any, evse: str) -> int:
            answer = await client.get("/api/v1/quotes", params={"evse": evse, "kwh": "1"})
            return int(answer.status_code)

        assert (await status(api.client, "CP-1/1"), await status(api.client, "CP-2/1")) == (200, 404)
        assert (await status(other, "CP-1/1"), await status(other, "CP-2/1")) == (404, 200)
        assert (await status(writer, "CP-1/1"), await status(api.anonymous, "CP-1/1")) == (403, 401)
        own = await other.get("/api/v1/quotes", params={"evse": "CP-2/1", "kwh": "1"})
    assert own.json()["billable"] is False

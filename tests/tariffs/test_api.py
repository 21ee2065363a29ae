"""Routes of tariffs: documents byte for byte in versions that never change, and where they apply."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from fastapi import APIRouter
from tests.httpapi.client import ADMIN, Api, add_operator, running_api

from voltway.infra.db import Database, Role
from voltway.kernel.errors import NotFound
from voltway.kernel.ids import OperatorId
from voltway.tariffs import api as tariffs_api
from voltway.tariffs.assignments import Place
from voltway.tariffs.service import Tariffs, find_tariff, load_tariff, read_tariff

FIRST = OperatorId(1)
DOCUMENT = """{ "country_code": "DE", "party_id": "VWY",
  "id": "DAY", "currency": "EUR", "x_ours": 1.10,
  "elements": [{"price_components": [{"type": "ENERGY", "price": 0.390, "vat": 19.00, "step_size": 1}]}],
  "last_updated": "2026-01-01T00:00:00Z" }"""
DEARER = DOCUMENT.replace("0.390", "0.490")
WRAPPED = f'{{"document": {DEARER}, "extension": {{"idle": {{"grace_s": 600}}}}}}'


def _routes(database: Database) -> APIRouter:
    return tariffs_api.router(Tariffs(database))


async def test_a_document_comes_back_byte_for_byte(database_url: str) -> None:
    """Spaces, trailing zeros and unknown keys included: a price is shown as it was written."""
    async with running_api(database_url, _routes) as api:
        made = await api.client.post("/api/v1/tariffs", content=DOCUMENT)
        got = await api.client.get("/api/v1/tariffs/DAY")
        listed = await api.client.get("/api/v1/tariffs")
    assert (made.status_code, made.json()["version"]) == (201, 1)
    assert DOCUMENT in got.text
    assert DOCUMENT in listed.text
    assert made.json()["created_at"].endswith("Z")


async def test_a_new_document_is_the_next_version(database_url: str) -> None:
    """The old one stays; the same again changes nothing; a wrapper carries our extension."""
    async with running_api(database_url, _routes) as api:
        client = api.client
        versions = [
            (await client.put("/api/v1/tariffs/DAY", content=text)).json()["version"]
            for text in (DOCUMENT, DOCUMENT, WRAPPED, WRAPPED, DOCUMENT)
        ]
        assert versions == [1, 1, 2, 2, 3]
        assert (await client.post("/api/v1/tariffs", content=DOCUMENT)).status_code == 409
        assert (await client.put("/api/v1/tariffs/NIGHT", content=DOCUMENT)).status_code == 422
        second = (await client.get("/api/v1/tariffs/DAY/versions/2")).text
        assert '"price":0.490' in second
        assert '"extension":{"idle":{"grace_s":600}}' in second
        page = (await client.get("/api/v1/tariffs/DAY/versions", params={"limit": 2})).json()
        rest = await client.get("/api/v1/tariffs/DAY/versions", params={"limit": 2, "cursor": page["next_cursor"]})
        assert [it["version"] for it in page["items"] + rest.json()["items"]] == [3, 2, 1]
        assert rest.json()["next_cursor"] is None
        for path in ("/NIGHT", "/NIGHT/versions", "/DAY/versions/9"):
            assert (await client.get(f"/api/v1/tariffs{path}")).status_code == 404
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE tariff SET currency = 'CHF'")


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ("", [""]),
        ("[]", [""]),
        ('{"id": "x", "currency": "EUR", "elements": []}', ["/elements"]),
        ('{"document": {"id": "x"}}', ["/document/currency", "/document/elements"]),
        (WRAPPED.replace("600", "-1"), ["/extension/idle/grace_s"]),
        ('{"document": {}, "extra": 1}', ["/extra"]),
        (DOCUMENT.replace("0.390", "NaN"), [""]),
    ],
)
async def test_a_malformed_tariff_names_every_fault(database_url: str, text: str, pointers: list[str]) -> None:
    async with running_api(database_url, _routes) as api:
        answer = await api.client.post("/api/v1/tariffs", content=text)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
        assert (await api.client.get("/api/v1/tariffs")).json()["items"] == []


async def test_writers_at_once_make_one_version_each(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        texts = [DOCUMENT.replace("0.390", f"0.{number}") for number in range(100, 106)]
        answers = await asyncio.gather(*(api.client.put("/api/v1/tariffs/DAY", content=text) for text in texts))
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4, 5, 6]


async def test_an_assignments_life(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        client = api.client
        body = {"tariff_id": "DAY", "target_kind": "evse", "target": "CP-1/2", "valid_from": "2026-01-01T00:00:00Z"}
        assert (await client.post("/api/v1/tariff-assignments", json=body)).status_code == 404
        await client.post("/api/v1/tariffs", content=DOCUMENT)
        made = (await client.post("/api/v1/tariff-assignments", json=body)).json()
        path = f"/api/v1/tariff-assignments/{made['id']}"
        changed = (await client.patch(path, json={"priority": 5, "valid_to": "2027-01-01T00:00:00Z"})).json()
        assert (changed["priority"], changed["valid_from"]) == (5, "2026-01-01T00:00:00Z")
        assert (await client.patch(path, json={"valid_to": "2025-01-01T00:00:00Z"})).status_code == 422
        assert (await client.get(path)).json() == changed
        for query, count in (("tariff_id=DAY", 1), ("target_kind=evse&target=CP-1/2", 1), ("target_kind=station", 0)):
            assert len((await client.get(f"/api/v1/tariff-assignments?{query}")).json()["items"]) == count
        assert (await client.delete(path)).status_code == 204
        assert (await client.delete(path)).status_code == 404
        audit = (await client.get("/api/v1/audit")).json()["items"]
    assert [entry["action"] for entry in audit] == [
        "tariff.unassign",
        "tariff.reassign",
        "tariff.assign",
        "tariff.add_version",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"target_kind": "operator", "target": "x"},
        {"target_kind": "station", "target": ""},
        {"target_kind": "evse", "target": "CP-1"},
        {"target_kind": "planet", "target": "x"},
        {"target_kind": "operator", "valid_from": "2026-01-02T00:00:00Z", "valid_to": "2026-01-02T00:00:00Z"},
        {"target_kind": "operator", "valid_from": "2026-01-02T00:00:00"},
        {"target_kind": "operator", "priority": 1001},
    ],
)
async def test_a_malformed_assignment_is_refused(database_url: str, wrong: dict[str, object]) -> None:
    async with running_api(database_url, _routes) as api:
        answer = await api.client.post("/api/v1/tariff-assignments", json={"tariff_id": "DAY", **wrong})
    assert answer.status_code == 422


async def _assign(api: Api, tariff_id: str, **body: object) -> None:
    await api.client.put(f"/api/v1/tariffs/{tariff_id}", content=DOCUMENT.replace('"DAY"', f'"{tariff_id}"'))
    answer = await api.client.post("/api/v1/tariff-assignments", json={"tariff_id": tariff_id, **body})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("role", list(Role))
async def test_the_tariff_of_a_session_is_found(database_url: str, role: Role) -> None:
    """Under either role, with the version of that instant; another operator's assignments never apply."""
    add_operator(database_url, 2, "Other")
    async with running_api(database_url, _routes) as api:
        await _assign(api, "DAY", target_kind="operator")
        await _assign(api, "FAST", target_kind="group", target="fast", token_group="fleet")
        await asyncio.sleep(0.002)
        between = datetime.now(UTC)
        await api.client.put("/api/v1/tariffs/DAY", content=DEARER)
        database = Database(database_url, role, pool_size=1)
        place, now = Place("CP-1", 1, ("fast",)), datetime.now(UTC)
        async with database.transaction(FIRST) as tx:
            found = [
                await find_tariff(tx, FIRST, place, token_group=group, at=at)
                for group, at in ((None, now), ("fleet", now), (None, between), (None, between - timedelta(days=30)))
            ]
            assert found == [("DAY", 2), ("FAST", 1), ("DAY", 1), ("DAY", 1)]
            assert await find_tariff(tx, OperatorId(2), place, token_group=None, at=now) is None
            away = Place("CP-9", 1, ())
            assert await find_tariff(tx, FIRST, away, token_group=None, at=now) == ("DAY", 2)
            tariff = await load_tariff(tx, FIRST, "DAY", 2)
            assert tariff.elements[0].components[0].price == Decimal("0.490")
            assert tariff.version == 2
            with pytest.raises(NotFound):
                await load_tariff(tx, FIRST, "DAY", 3)
        await database.close()


async def test_an_assignment_of_a_tariff_that_is_not_there_is_passed_over(database_url: str) -> None:
    """The next best one applies; without any the session is not billable, and visible as such."""
    async with running_api(database_url, _routes) as api:
        await _assign(api, "DAY", target_kind="operator")
        with psycopg.connect(database_url) as connection:
            connection.execute(
                """INSERT INTO tariff_assignment (operator_id, tariff_id, target_kind, target)
                   VALUES (1, 'GONE', 'station', 'CP-1')"""
            )
        async with api.database.transaction(FIRST) as tx:
            place, now = Place("CP-1", 1), datetime.now(UTC)
            assert await find_tariff(tx, FIRST, place, token_group=None, at=now) == ("DAY", 1)
        page = (await api.client.get("/api/v1/tariff-assignments?tariff_id=DAY")).json()
        await api.client.delete(f"/api/v1/tariff-assignments/{page['items'][0]['id']}")
        async with api.database.transaction(FIRST) as tx:
            assert await find_tariff(tx, FIRST, place, token_group=None, at=now) is None


async def test_what_is_read_keeps_its_text() -> None:
    text = read_tariff(f"\n{DOCUMENT} \n")
    assert (text.document, text.extension, text.tariff.id) == (DOCUMENT, "{}", "DAY")
    assert ADMIN.operator_id == FIRST

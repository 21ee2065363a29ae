"""Whom to call about a token: entered, found by number, imported, and in no log."""

import psycopg
import pytest
from tests.httpapi.client import ADMIN, OTHER, add_operator, running_api

from voltway.httpapi.imports import Importer
from voltway.identity.imports import TokenPlan
from voltway.infra.db import Database
from voltway.kernel.errors import InvalidInput


async def test_a_contact_is_kept_in_one_spelling_and_not_in_the_audit(database_url: str) -> None:
    async with running_api(database_url) as api:
        body = {"token": "AA", "contact_name": "Kim Doe", "contact_phone": "0049 (0)30 / 123-4567"}
        made = await api.client.post("/api/v1/tokens", json=body)
        changed = await api.client.patch("/api/v1/tokens/AA", json={"contact_phone": "030 7654321"})
        cleared = await api.client.patch("/api/v1/tokens/AA", json={"contact_phone": None})
        found = await api.client.get("/api/v1/tokens", params={"q": "kim"})
        audit = await api.client.get("/api/v1/audit")
    assert (made.status_code, made.json()["contact_phone"], made.json()["contact_name"]) == (
        201, "+49301234567", "Kim Doe",
    )  # fmt: skip
    assert (changed.json()["contact_phone"], cleared.json()["contact_phone"]) == ("0307654321", None)
    assert [item["token"] for item in found.json()["items"]] == ["AA"]
    assert [entry["detail"]["contact_phone"] for entry in audit.json()["items"]] == [None, "***", "***"]
    assert not any(part in audit.text for part in ("Kim", "1234567", "7654321"))


async def test_what_is_no_number_is_refused(database_url: str) -> None:
    async with running_api(database_url) as api:
        answer = await api.client.post("/api/v1/tokens", json={"token": "AA", "contact_phone": "call me"})
    assert answer.status_code == 422
    assert "a telephone number has digits" in answer.text


@pytest.mark.parametrize("asked", ["+49 30 1234567", "0049301234567", "030-1234567", "1234567"])
async def test_a_number_finds_its_tokens_however_it_is_written(database_url: str, asked: str) -> None:
    """Other lines that end alike, and other operators' tokens, are not found."""
    add_operator(database_url, 2, "Other")
    async with running_api(database_url) as api:
        for token, phone in (("AA", "+49301234567"), ("BB", "030 1234567"), ("CC", "+49 30 9234567")):
            await api.client.post("/api/v1/tokens", json={"token": token, "contact_phone": phone})
        async with api.database.transaction(ADMIN.operator_id) as tx:
            found = await api.identity.find_tokens_by_phone(tx, asked)
        async with api.database.transaction(OTHER.operator_id) as tx:
            foreign = await api.identity.find_tokens_by_phone(tx, asked)
    assert [token.token for token in found] == ["AA", "BB"]
    assert foreign == []


async def test_too_few_digits_name_nobody(database_url: str) -> None:
    async with running_api(database_url) as api, api.database.transaction(ADMIN.operator_id) as tx:
        with pytest.raises(InvalidInput, match="6 to 15 digits"):
            await api.identity.find_tokens_by_phone(tx, "4567")


async def test_contacts_are_imported_with_their_tokens(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    importer = Importer(database, TokenPlan())
    table = "token,contact_name,contact_phone\nAA,Kim,0049 30 1234567\nBB,,\n"
    made = await importer.run(ADMIN, table, dry_run=False)
    again = await importer.run(ADMIN, table, dry_run=False)
    refused = await importer.run(ADMIN, "token,contact_phone\nCC,nobody\n", dry_run=True)
    await database.close()
    assert (made.created, again.unchanged) == (2, 2)
    assert [(fault.pointer, "telephone number" in fault.message) for fault in refused.faults] == [("2:2", True)]
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT token, contact_phone, contact_tail FROM id_token ORDER BY token").fetchall()
    assert rows == [("AA", "+49301234567", "234567"), ("BB", None, None)]

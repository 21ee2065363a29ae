"""`POST /api/v1/price` and `/api/v1/tariffs/lint`: the commands' inputs as one object, their `--json` document back."""

import json
from typing import Any

import pytest
from fastapi import APIRouter
from tests.httpapi.client import running_api
from tests.tariffs.test_command import CDR, NIGHT, run

from voltway.infra.db import Database
from voltway.tariffs import api as tariffs_api
from voltway.tariffs.service import Tariffs


def _routes(database: Database) -> APIRouter:
    return tariffs_api.router(Tariffs(database))


async def test_the_routes_answer_what_the_commands_print(database_url: str) -> None:
    """Byte for byte the same JSON document."""
    asked = {"cdr": CDR, "tariff": NIGHT, "time_zone": "Europe/Paris", "reservation_expired": False}
    async with running_api(database_url, _routes) as api:
        priced = await api.client.post("/api/v1/price", json=asked)
        linted = await api.client.post(
            "/api/v1/tariffs/lint", json={"tariff": NIGHT, "rules": ["ocpi", "afir"], "ocpi": "2.2.1"}
        )
        texts = await api.client.post("/api/v1/tariffs/lint", json={"tariff": NIGHT, "rules": "ocpi,afir"})
    command = run("price", "--cdr", "-", "--time-zone", "Europe/Paris", "--json", text=json.dumps(CDR))
    assert (priced.status_code, priced.json()) == (200, json.loads(command.stdout))
    command = run("tariff", "lint", "-", "--rules", "ocpi,afir", "--json", text=json.dumps(NIGHT))
    assert (linted.status_code, linted.json()) == (200, json.loads(command.stdout))
    assert texts.json() == linted.json()


@pytest.mark.parametrize(
    ("route", "body", "pointers"),
    [
        ("price", [], [""]),
        ("price", {"tarif": {}}, ["/tarif", "/cdr"]),
        ("price", {"cdr": CDR, "time_zone": 5}, ["/time_zone"]),
        ("price", {"cdr": CDR, "reservation_expired": "yes"}, ["/reservation_expired"]),
        ("price", {"cdr": CDR | {"charging_periods": []}, "ocpi": "7"}, ["/ocpi", "/cdr/charging_periods"]),
        ("price", {"cdr": CDR, "tariff": NIGHT | {"elements": []}}, ["/tariff/elements"]),
        ("price", {"cdr": CDR | {"currency": "CHF"}}, ["/cdr/currency"]),
        ("tariffs/lint", {"tariff": {"elements": []}}, ["/tariff"]),
        ("tariffs/lint", {"tariff": NIGHT, "rules": [1]}, ["/rules"]),
        ("tariffs/lint", {"tariff": NIGHT, "rules": ["mars"], "time_zone": "X"}, ["/time_zone", "/rules"]),
    ],
)
async def test_a_fault_is_a_problem_with_its_pointer(
    database_url: str, route: str, body: Any, pointers: list[str]
) -> None:
    """RFC 9457, 422, each fault at its place in the body; never a price."""
    async with running_api(database_url, _routes) as api:
        answer = await api.client.post(f"/api/v1/{route}", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers


async def test_what_is_no_json_and_who_is_nobody(database_url: str) -> None:
    """A body that cannot be read is 422, a caller without a key 401."""
    async with running_api(database_url, _routes) as api:
        assert (await api.client.post("/api/v1/price", content=b"{")).status_code == 422
        nobody = await api.client.post("/api/v1/price", json={"cdr": CDR}, headers={"Authorization": ""})
        assert nobody.status_code == 401

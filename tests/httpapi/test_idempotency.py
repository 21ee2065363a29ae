"""Idempotency-Key: the same POST again gets the first answer, and nothing is done twice."""

import asyncio

import pytest
from fastapi import APIRouter, Response
from tests.httpapi.client import Api, add_operator, running_api

from voltway.httpapi.caller import Writer
from voltway.infra.db import Database
from voltway.kernel.errors import NotReady

TOKEN = {"token": "AABB", "note": "first"}


class Counting:
    """Routes that count how often they ran, and can be held up."""

    def __init__(self) -> None:
        self.runs = 0
        self.may_go = asyncio.Event()
        self.may_go.set()

    def router(self, _: Database) -> APIRouter:
        """Build the routes."""
        routes = APIRouter(prefix="/api/v1")

        @routes.post("/counted", status_code=201)
        async def count(_caller: Writer) -> int:
            self.runs += 1
            await self.may_go.wait()
            return self.runs

        @routes.post("/bytes")
        async def give_bytes(_caller: Writer) -> Response:
            self.runs += 1
            return Response(b"\x00\xff", media_type="application/x-odd")

        @routes.post("/away")
        async def be_away(_caller: Writer) -> None:
            self.runs += 1
            raise NotReady("later")

        @routes.post("/bug")
        async def fail(_caller: Writer) -> None:
            self.runs += 1
            raise RuntimeError("bug")

        return routes


async def _post(api: Api, path: str, key: str, body: object = None) -> tuple[int, bytes]:
    answer = await api.client.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.content


async def test_a_repeat_gets_the_first_answer(database_url: str) -> None:
    counting = Counting()
    async with running_api(database_url, counting.router) as api:
        first = await api.client.post("/api/v1/counted", headers={"Idempotency-Key": "k"})
        again = await api.client.post("/api/v1/counted", headers={"Idempotency-Key": "k"})
        assert await _post(api, "/bytes", "b") == await _post(api, "/bytes", "b") == (200, b"\x00\xff")
        without = await api.client.post("/api/v1/counted")
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (201, 1)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert without.json() == 3


async def test_creating_twice_under_one_key_creates_once(database_url: str) -> None:
    """Without a key the second would be a conflict; with it the answer is the same token."""
    async with running_api(database_url) as api:
        assert await _post(api, "/tokens", "k", TOKEN) == await _post(api, "/tokens", "k", TOKEN)
        assert (await api.client.post("/api/v1/tokens", json=TOKEN)).status_code == 409
        audit = (await api.client.get("/api/v1/audit", params={"action": "token.create"})).json()
    assert len(audit["items"]) == 1


@pytest.mark.parametrize(("path", "body"), [("/tokens", {"token": "CC"}), ("/tokens?x=1", TOKEN), ("/counted", TOKEN)])
async def test_another_request_under_the_key_is_refused(database_url: str, path: str, body: object) -> None:
    async with running_api(database_url, Counting().router) as api:
        await _post(api, "/tokens", "k", TOKEN)
        status, _ = await _post(api, path, "k", body)
    assert status == 409


async def test_a_repeat_in_flight_is_refused_and_then_replayed(database_url: str) -> None:
    counting = Counting()
    counting.may_go.clear()
    async with running_api(database_url, counting.router) as api:
        first = asyncio.create_task(_post(api, "/counted", "k"))
        while counting.runs == 0:
            await asyncio.sleep(0.005)
        assert (await _post(api, "/counted", "k"))[0] == 409
        counting.may_go.set()
        assert await first == (201, b"1")
        assert await _post(api, "/counted", "k") == (201, b"1")


async def test_many_at_once_run_once(database_url: str) -> None:
    counting = Counting()
    async with running_api(database_url, counting.router) as api:
        answers = await asyncio.gather(*(_post(api, "/counted", "k") for _ in range(8)))
    assert counting.runs == 1
    assert {status for status, _ in answers} <= {201, 409}


async def test_a_refused_request_gives_its_key_back(database_url: str) -> None:
    """It did nothing, so it may be mended and sent again under the same key."""
    counting = Counting()
    async with running_api(database_url, counting.router) as api:
        assert (await _post(api, "/tokens", "k", {"token": ""}))[0] == 422
        assert (await _post(api, "/tokens", "k", TOKEN))[0] == 201
        assert (await _post(api, "/away", "a"))[0] == (await _post(api, "/away", "a"))[0] == 503
    assert counting.runs == 2


async def test_a_bug_keeps_its_key(database_url: str) -> None:
    """Nobody knows what was done, so it is not done again."""
    counting = Counting()
    async with running_api(database_url, counting.router) as api:
        assert (await _post(api, "/bug", "k"))[0] == 500
        status, _ = await _post(api, "/bug", "k")
    assert counting.runs == 1
    assert status == 409


async def test_a_secret_is_never_stored_for_a_replay(database_url: str) -> None:
    async with running_api(database_url) as api:
        body = {"name": "n", "scopes": ["read"]}
        status, first = await _post(api, "/api-keys", "k", body)
        again, problem = await _post(api, "/api-keys", "k", body)
        keys = (await api.client.get("/api/v1/api-keys")).json()
    assert (status, again, len(keys["items"])) == (201, 409, 1)
    assert b'"secret"' in first
    assert b"shown only once" in problem


async def test_keys_belong_to_an_operator_and_need_a_caller(database_url: str) -> None:
    add_operator(database_url, 2, "Other")
    async with running_api(database_url, Counting().router) as api:
        other = await api.client_with("write", operator_id=2)
        headers = {"Idempotency-Key": "k"}
        assert (await api.client.post("/api/v1/counted", headers=headers)).json() == 1
        assert (await other.post("/api/v1/counted", headers=headers)).json() == 2
        assert (await api.anonymous.post("/api/v1/counted", headers=headers)).status_code == 401
        too_long = {"Idempotency-Key": "k" * 256}
        assert (await api.client.post("/api/v1/counted", headers=too_long)).status_code == 422

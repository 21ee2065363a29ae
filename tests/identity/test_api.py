"""Routes of identity: keys, tokens, the operator and the audit."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.fake_clock import FakeClock
from tests.httpapi.client import running_api

from voltway.httpapi.caller import ALL_SCOPES, Caller, Scope
from voltway.identity.service import Identity, make_login_token
from voltway.infra.db import Database
from voltway.kernel.errors import NotAllowed, NotAuthenticated
from voltway.kernel.ids import OperatorId

ADMIN = Caller(OperatorId(1), "admin", ALL_SCOPES)


async def test_a_key_lives_until_it_is_revoked(database_url: str) -> None:
    async with running_api(database_url) as api:
        made = (await api.client.post("/api/v1/api-keys", json={"name": "ci", "scopes": ["read", "write"]})).json()
        headers = {"Authorization": f"Bearer {made['secret']}"}
        me = await api.anonymous.get("/api/v1/me", headers=headers)
        listed = (await api.client.get("/api/v1/api-keys")).json()["items"]
        assert (await api.client.delete(f"/api/v1/api-keys/{made['key']['id']}")).status_code == 204
        assert (await api.client.delete(f"/api/v1/api-keys/{made['key']['id']}")).status_code == 204
        assert (await api.anonymous.get("/api/v1/me", headers=headers)).status_code == 401
        assert (await api.client.delete("/api/v1/api-keys/999")).status_code == 404
        after = (await api.client.get("/api/v1/api-keys")).json()["items"]
    assert (me.json()["name"], me.json()["scopes"]) == ("ci", ["read", "write"])
    assert listed[0]["last_used_at"] is not None
    assert "secret" not in listed[0]
    assert after[0]["revoked_at"] is not None


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "n", "scopes": []},
        {"name": "n", "scopes": ["root"]},
        {"name": "n", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "n", "scopes": ["read"], "expires_at": "2030-01-01T00:00:00"},
        {"name": "n", "scopes": ["read"], "kind": "login"},
    ],
)
async def test_a_malformed_key_is_not_made(database_url: str, body: dict[str, object]) -> None:
    async with running_api(database_url) as api:
        assert (await api.client.post("/api/v1/api-keys", json=body)).status_code == 422
        assert (await api.client.get("/api/v1/api-keys")).json()["items"] == []


async def test_nobody_gives_what_they_lack(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    some = Caller(OperatorId(1), "some", frozenset({Scope.ADMIN, Scope.READ}))
    with pytest.raises(NotAllowed, match="commands"):
        await Identity(database).create_key(some, "n", scopes=[Scope.COMMANDS], expires_at=None)
    await database.close()


async def test_keys_and_logins_end_with_time(database_url: str, clock: FakeClock) -> None:
    """A login lives a day, a browser's session two weeks, a key as long as it was made for."""
    database = Database(database_url, pool_size=1)
    identity = Identity(database, clock=clock)
    login = await make_login_token(database, OperatorId(1))
    clock.set(datetime.now(UTC))
    key = await identity.redeem_login(login)
    _, short = await identity.create_key(ADMIN, "n", scopes=[Scope.READ], expires_at=clock() + timedelta(hours=1))
    late = await identity.make_login_token(OperatorId(1))
    clock.advance(hours=25)
    assert await identity.find_caller(short) is None
    assert await identity.find_caller(key) is not None
    with pytest.raises(NotAuthenticated):
        await identity.redeem_login(late)
    clock.advance(days=14)
    assert await identity.find_caller(key) is None
    clock.advance(days=40)
    assert await identity.delete_spent_keys(OperatorId(1)) == 3
    await database.close()


async def test_a_tokens_life(database_url: str) -> None:
    """Entered, found in any case, changed, forgotten; every step stands in the audit."""
    async with running_api(database_url) as api:
        body = {"token": " 04AbCd ", "group": "fleet", "expires_at": "2030-01-01T01:00:00+01:00"}
        made = await api.client.post("/api/v1/tokens", json=body)
        assert (made.status_code, made.json()["match_key"]) == (201, "04abcd")
        assert made.json()["expires_at"] == "2030-01-01T00:00:00Z"
        assert (await api.client.post("/api/v1/tokens", json={"token": "04ABCD"})).status_code == 409
        assert (await api.client.get("/api/v1/tokens/04aBcD")).json()["token"] == "04AbCd"
        changed = (await api.client.patch("/api/v1/tokens/04ABCD", json={"status": "Blocked"})).json()
        assert (changed["status"], changed["group"]) == ("Blocked", "fleet")
        cleared = (await api.client.patch("/api/v1/tokens/04ABCD", json={"group": None})).json()
        assert (cleared["status"], cleared["group"]) == ("Blocked", None)
        assert (await api.client.delete("/api/v1/tokens/04ABCD")).status_code == 204
        assert (await api.client.delete("/api/v1/tokens/04ABCD")).status_code == 404
        assert (await api.client.patch("/api/v1/tokens/04ABCD", json={"status": "Blocked"})).status_code == 404
        audit = (await api.client.get("/api/v1/audit")).json()["items"]
    assert [entry["action"] for entry in audit] == ["token.delete", "token.update", "token.update", "token.create"]
    assert {entry["actor"] for entry in audit} == {"admin"}


async def test_tokens_are_listed_by_page_and_filter(database_url: str) -> None:
    async with running_api(database_url) as api:
        for token, status, group in (("A1", "Accepted", "x"), ("a%2", "Blocked", "x"), ("B/3", "Accepted", None)):
            body = {"token": token, "status": status, "group": group}
            assert (await api.client.post("/api/v1/tokens", json=body)).status_code == 201
        first = await api.client.get("/api/v1/tokens", params={"limit": 2})
        link = first.headers["link"]
        second = await api.client.get(link[link.index("<") + 1 : link.index(">")])
        assert [it["token"] for it in first.json()["items"] + second.json()["items"]] == ["a%2", "A1", "B/3"]
        assert second.json()["next_cursor"] is None
        for params, expected in (
            ({"status": "Blocked"}, ["a%2"]),
            ({"group": "x"}, ["a%2", "A1"]),
            ({"q": "%"}, ["a%2"]),
            ({"q": "b/"}, ["B/3"]),
        ):
            items = (await api.client.get("/api/v1/tokens", params=params)).json()["items"]
            assert [it["token"] for it in items] == expected, params
        assert (await api.client.get("/api/v1/tokens/B%2F3")).json()["token"] == "B/3"


@pytest.mark.parametrize("token", ["", "   ", "a\u0000b", "x" * 256])
async def test_a_malformed_token_is_refused(database_url: str, token: str) -> None:
    async with running_api(database_url) as api:
        assert (await api.client.post("/api/v1/tokens", json={"token": token})).status_code == 422


async def test_the_operators_own_data_can_be_changed(database_url: str) -> None:
    async with running_api(database_url) as api:
        changed = await api.client.patch("/api/v1/operator", json={"name": "Stadtwerk", "time_zone": "Europe/Vienna"})
        assert (changed.json()["name"], changed.json()["currency"]) == ("Stadtwerk", "EUR")
        assert (await api.client.get("/api/v1/operator")).json() == changed.json()
        for wrong in ({"currency": "euro"}, {"time_zone": "Mars"}, {"name": ""}, {"operator_id": 2}):
            assert (await api.client.patch("/api/v1/operator", json=wrong)).status_code == 422

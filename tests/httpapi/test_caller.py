"""Who is asking: keys, the admin token, the session cookie and requests that another site forged."""

import pytest
from httpx import AsyncClient
from tests.httpapi.client import ADMIN_TOKEN, running_api

from voltway.httpapi.caller import COOKIE, Gate
from voltway.kernel.ids import OperatorId

KEY_BODY = {"name": "n", "scopes": ["read"]}


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YWRtaW4=", "Bearer wrong", "Bearer vw_x_y", "Bearer vw_", "Bearer é", ADMIN_TOKEN],
)
async def test_a_stranger_is_told_how_to_ask(database_url: str, header: str) -> None:
    async with running_api(database_url) as api:
        answer = await api.anonymous.get("/api/v1/me", headers={b"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_empty_admin_token_opens_nothing() -> None:
    async def nobody(_: str) -> None:
        return None

    assert await Gate(nobody, "").caller_of("") is None
    assert await Gate(nobody, "long-enough-token").caller_of("long-enough-token") is not None


async def test_signing_in_gives_a_session_and_signing_out_ends_it(database_url: str) -> None:
    """The cookie is HttpOnly and Lax; after signing out the same cookie opens nothing."""
    async with running_api(database_url) as api:
        browser = api.anonymous
        assert (await browser.post("/api/v1/login", json={"key": "wrong"})).status_code == 401
        answer = await browser.post("/api/v1/login", json={"key": ADMIN_TOKEN})
        cookie = answer.headers["set-cookie"].lower()
        assert answer.json()["operator"]["name"] == "Voltway"
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        assert (await browser.get("/api/v1/me")).status_code == 200
        kept = browser.cookies[COOKIE]
        assert (await browser.post("/api/v1/logout", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 204
        browser.cookies.set(COOKIE, kept)
        assert (await browser.get("/api/v1/me")).status_code == 401


async def test_the_cookie_is_secure_behind_https(database_url: str) -> None:
    async with running_api(database_url) as api:
        api.app.state.gate = Gate(api.identity.find_caller, ADMIN_TOKEN, "https://csms.example.org")
        answer = await api.anonymous.post("/api/v1/login", json={"key": ADMIN_TOKEN})
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://voltway.test"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://voltway.test"}, 201),
        ({"Origin": "https://csms.example.org"}, 201),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_a_forged_request_with_the_cookie_is_refused(
    database_url: str, headers: dict[str, str], status: int
) -> None:
    """A cookie travels with requests of other sites; only what the browser itself says of the sender counts."""
    async with running_api(database_url) as api:
        api.app.state.gate = Gate(api.identity.find_caller, ADMIN_TOKEN, "https://csms.example.org")
        await api.anonymous.post("/api/v1/login", json={"key": ADMIN_TOKEN})
        _without_secure(api.anonymous)
        answer = await api.anonymous.post("/api/v1/api-keys", json=KEY_BODY, headers=headers)
        assert answer.status_code == status
        assert (await api.anonymous.get("/api/v1/me", headers=headers)).status_code == 200


async def test_another_site_cannot_sign_somebody_in(database_url: str) -> None:
    async with running_api(database_url) as api:
        headers = {"Sec-Fetch-Site": "cross-site"}
        answer = await api.anonymous.post("/api/v1/login", json={"key": ADMIN_TOKEN}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_bearer_key_needs_no_proof_of_origin(database_url: str) -> None:
    async with running_api(database_url) as api:
        answer = await api.client.post("/api/v1/api-keys", json=KEY_BODY, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 201


async def test_a_one_time_login_works_once(database_url: str) -> None:
    """It opens the page, not the API, and of two users one wins; the browser then reads as an administrator."""
    async with running_api(database_url) as api:
        token = await api.identity.make_login_token(OperatorId(1))
        as_key = await api.anonymous.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        first = await api.anonymous.get("/login", params={"token": token})
        me = await api.anonymous.get("/api/v1/me")
        api.anonymous.cookies.clear()
        second = await api.anonymous.get("/login", params={"token": token})
    assert as_key.status_code == 401
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert sorted(me.json()["scopes"]) == ["admin", "commands", "read", "write"]
    assert (second.status_code, second.headers["location"]) == (303, "/?login=expired")
    assert "set-cookie" not in second.headers


def _without_secure(browser: AsyncClient) -> None:
    """The test speaks plain HTTP behind a proxy that we only pretend to have."""
    for cookie in browser.cookies.jar:
        cookie.secure = False

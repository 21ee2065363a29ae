"""The whole shell: problems, request ids, headers, the description of the API, readiness and metrics."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import APIRouter, Query, Request
from httpx import ASGITransport, AsyncClient
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs
from tests.httpapi.client import ADMIN_TOKEN, Api, running_api

from voltway.httpapi import imports, sse
from voltway.httpapi.health import engine_checks
from voltway.httpapi.sse import Hubs
from voltway.imports import make_importers
from voltway.infra.bus import BusAway
from voltway.infra.db import Database
from voltway.kernel.errors import Conflict, Fault, InvalidInput, NotAllowed, NotFound, NotReady, VoltwayError
from voltway.stations import api as stations_api
from voltway.stations import commands_api
from voltway.stations.commands import Commands
from voltway.stations.service import Stations
from voltway.tariffs import api as tariffs_api
from voltway.tariffs.service import Tariffs


class Thing(BaseModel):
    """A body with a nested list."""

    names: list[str]


ERRORS: dict[str, Exception] = {
    "invalid": InvalidInput("that is wrong", [Fault("/a/0", "write a number")]),
    "missing": NotFound("there is no such thing"),
    "conflict": Conflict("it is there already"),
    "forbidden": NotAllowed("you may not"),
    "away": NotReady("try again"),
    "bus": BusAway("the broker is away"),
    "odd": VoltwayError("nobody placed it"),
    "bug": RuntimeError("secret detail"),
}


def trouble(_: Database) -> APIRouter:
    """Routes that fail in every way."""
    routes = APIRouter()

    @routes.get("/trouble/late")
    async def fail_late() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("after the first part")

        return StreamingResponse(parts())

    @routes.get("/trouble/{kind}")
    async def fail(kind: str) -> None:
        raise ERRORS[kind]

    @routes.post("/trouble/body")
    async def take(thing: Thing, limit: Annotated[int, Query(ge=1)] = 1) -> int:
        return len(thing.names) + limit

    @routes.post("/trouble/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return routes


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("invalid", 422, "invalid_input"),
        ("missing", 404, "not_found"),
        ("conflict", 409, "conflict"),
        ("forbidden", 403, "not_allowed"),
        ("away", 503, "not_ready"),
        ("bus", 503, "bus_away"),
        ("odd", 500, "error"),
        ("bug", 500, "internal"),
    ],
)
async def test_every_failure_is_a_problem(database_url: str, kind: str, status: int, code: str) -> None:
    """RFC 9457, with the request id as instance; never the text of a bug."""
    async with running_api(database_url, trouble) as api:
        answer = await api.client.get(f"/trouble/{kind}", headers={"X-Request-Id": "mine-1"})
    problem = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "mine-1"
    assert (problem["status"], problem["code"], problem["instance"]) == (status, code, "mine-1")
    assert problem["type"] == f"urn:voltway:problem:{code}"
    assert "secret" not in answer.text
    if kind == "invalid":
        assert problem["errors"] == [{"pointer": "/a/0", "message": "write a number", "location": "body"}]


@pytest.mark.parametrize(
    ("body", "query", "errors"),
    [
        ('{"names": [1]}', "", [("/names/0", "body")]),
        ("{}", "?limit=0", [("/limit", "query"), ("/names", "body")]),
        ('{"names": [}', "", [("", "body")]),
        ("", "", [("", "body")]),
    ],
)
async def test_a_malformed_request_says_where(
    database_url: str, body: str, query: str, errors: list[tuple[str, str]]
) -> None:
    async with running_api(database_url, trouble) as api:
        headers = {"content-type": "application/json"}
        answer = await api.client.post(f"/trouble/body{query}", content=body, headers=headers)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["location"]) for fault in answer.json()["errors"]] == errors


async def test_unknown_paths_and_methods_are_problems_too(database_url: str) -> None:
    async with running_api(database_url) as api:
        missing, wrong = await api.client.get("/nope"), await api.client.delete("/api/v1/me")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "GET")


async def test_a_bug_after_the_first_byte_cuts_the_answer_off(database_url: str) -> None:
    """A half answer must not look whole."""
    async with running_api(database_url, trouble) as api:
        transport = ASGITransport(app=api.app, raise_app_exceptions=True)
        async with AsyncClient(transport=transport, base_url="http://voltway.test") as strict:
            with pytest.raises(RuntimeError, match="first part"), capture_logs() as logs:
                await strict.get("/trouble/late")
    assert "http_failed" in [line["event"] for line in logs]


async def test_answers_carry_the_security_headers(database_url: str) -> None:
    async with running_api(database_url) as api:
        page = await api.client.get("/")
        me = await api.client.get("/api/v1/me")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-cache"
    assert me.headers["cache-control"] == "no-store"


async def test_the_pages_files_are_served(database_url: str) -> None:
    async with running_api(database_url) as api:
        answer = await api.client.get("/static/favicon.svg")
        outside = await api.client.get("/static/%2e%2e/factory.py")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert outside.status_code == 404


async def test_the_access_log_names_the_caller_but_no_query(database_url: str) -> None:
    """A query may carry a one-time login; an odd request id is replaced by ours."""
    async with running_api(database_url) as api:
        with capture_logs() as logs:
            await api.client.get("/login?token=vw_secret", headers={"X-Request-Id": "a b\n"})
            await api.client.get("/api/v1/me")
            await api.client.get("/healthz")
    lines = [line for line in logs if line["event"] == "http_request"]
    assert [(line["path"], line["status"], line["actor"]) for line in lines] == [
        ("/login", 303, None),
        ("/api/v1/me", 200, "admin"),
    ]
    assert "vw_secret" not in str(lines)
    assert len(lines[0]["request_id"]) == 32


async def test_readiness_names_what_is_wrong(database_url: str) -> None:
    async def well() -> None:
        return None

    async def away() -> None:
        raise NotReady("the broker is away")

    async with running_api(database_url, checks={"database": well, "bus": away}) as api:
        ready, alive = await api.anonymous.get("/readyz"), await api.anonymous.get("/healthz")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "ok", "bus": "the broker is away"})
    assert alive.status_code == 200


async def test_the_engines_are_asked_by_readiness(database_url: str, empty_database_url: str) -> None:
    """A database that answers but is not at our schema is not ready; nor is one without its broker."""
    database = Database(database_url, pool_size=1)
    for url, connected, status in (
        (database_url, True, 200),
        (database_url, False, 503),
        (empty_database_url, True, 503),
    ):
        checks = engine_checks(database, url, lambda connected=connected: connected)  # type: ignore[misc]
        async with running_api(database_url, checks=checks) as api:
            answer = await api.anonymous.get("/readyz")
        assert answer.status_code == status, answer.text
    await database.close()


async def test_without_a_database_nothing_is_ready() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    checks = engine_checks(Database(nowhere, pool_size=1), nowhere, lambda: True)
    for name in ("database", "migrations"):
        with pytest.raises(NotReady):
            await checks[name]()


async def test_a_check_that_hangs_is_a_check_that_fails(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voltway.httpapi.health.CHECK_TIMEOUT_S", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    async with running_api(database_url, checks={"bus": hang}) as api:
        ready = await api.anonymous.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"bus": "no answer within 0.01 s"})


async def test_metrics_count_by_route_template(database_url: str) -> None:
    """Labels stay bounded: templates, never paths; strangers from elsewhere need a key."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        await api.client.get("/api/v1/stations/CP-77")
        await api.client.get("/made/up/path")
        here = await api.anonymous.get("/metrics")
        proxied = await api.anonymous.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
        keyed = await api.client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
        unable = await (await api.client_with("write")).get("/metrics", headers={"Forwarded": "for=203.0.113.9"})
    assert 'route="/api/v1/stations/{station_id:path}",status="404"' in here.text
    assert "CP-77" not in here.text
    assert "/made/up" not in here.text
    assert (here.status_code, proxied.status_code, keyed.status_code, unable.status_code) == (200, 401, 200, 403)


async def _full(database_url: str) -> Api:
    async def ask(_subject: str, _data: bytes, _timeout_s: float) -> bytes:
        return b""

    makers = (
        lambda db: commands_api.router(Commands(db, ask)),
        lambda db: stations_api.router(Stations(db)),
        lambda db: tariffs_api.router(Tariffs(db)),
        lambda db: imports.router(make_importers(db)),
        lambda _: sse.router(Hubs().of),
    )
    async with running_api(database_url, *makers) as api:
        return api


async def test_the_description_is_openapi_3_1_with_stable_ids(database_url: str) -> None:
    """Every operation has a tag, a summary and an id of its own; problems are described."""
    api = await _full(database_url)
    document = api.app.openapi()
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    ids = [operation["operationId"] for _, _, operation in operations]
    assert document["openapi"].startswith("3.1")
    assert len(ids) == len(set(ids))
    assert all(operation["tags"] and operation["summary"] for _, _, operation in operations)
    assert all("default" in operation["responses"] for _, _, operation in operations)
    problem = operations[0][2]["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"]
    assert document["components"]["schemas"][problem.rpartition("/")[2]]["title"] == "Problem"
    assert {"list_stations", "send_command", "put_tariff", "stream_live", "import_table"} <= set(ids)


async def test_no_route_is_open_by_accident(database_url: str) -> None:
    """Every API route but signing in and out refuses a stranger before it looks at anything."""
    api = await _full(database_url)
    transport = ASGITransport(app=api.app)
    opened = []
    async with AsyncClient(transport=transport, base_url="http://voltway.test") as stranger:
        for path, item in api.app.openapi()["paths"].items():
            for method in item:
                address = path.replace("{evse_id}", "1").replace("{connector_id}", "1").replace("{key_id}", "1")
                address = address.replace("{assignment_id}", "1").replace("{version}", "1")
                answer = await stranger.request(method.upper(), address)
                if answer.status_code != 401:
                    opened.append(f"{method} {path}")
    assert sorted(opened) == ["get /healthz", "get /readyz", "post /api/v1/login", "post /api/v1/logout"]


async def test_a_key_without_the_scope_is_refused(database_url: str) -> None:
    """Reading changes nothing: no unsafe route opens to a key that may only read."""
    async with running_api(database_url, lambda db: stations_api.router(Stations(db))) as api:
        reader = await api.client_with("read")
        assert (await reader.get("/api/v1/stations")).status_code == 200
        refused = await reader.post("/api/v1/stations", json={"id": "A"})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        assert (await reader.get("/api/v1/audit")).status_code == 403
        writer = await api.client_with("write")
        assert (await writer.get("/api/v1/stations")).status_code == 403
        assert ADMIN_TOKEN not in refused.text

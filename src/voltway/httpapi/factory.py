"""Puts the HTTP application together: layers from the outside in, then the routers that the composition hands over.

envelope (request id, headers, log, last resort) → idempotency → FastAPI (who is asking, problems, routes) → files
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from voltway import __version__
from voltway.httpapi import health, metrics, pages, problems
from voltway.httpapi.caller import Gate
from voltway.httpapi.envelope import Envelope
from voltway.httpapi.health import Check
from voltway.httpapi.idempotency import MAX_BODY_BYTES, Idempotency
from voltway.httpapi.problems import CONTENT_TYPE, Problem
from voltway.infra.db import Database

_SCHEMAS = "#/components/schemas/"
# Named by hand, since FastAPI would file a model under application/json.
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "An RFC 9457 problem",
        "content": {CONTENT_TYPE: {"schema": {"$ref": _SCHEMAS + "Problem"}}},
    }
}
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_TAGS = [
    {"name": "identity", "description": "Signing in, API keys, idTokens, the operator and the audit"},
    {"name": "stations", "description": "Locations, stations, EVSEs, connectors and what they told us"},
    {"name": "commands", "description": "Reaching a station: verbs, and every OCPP action validated"},
    {"name": "tariffs", "description": "Tariffs in versions, and where they apply"},
    {"name": "sessions", "description": "Charging sessions with their samples and prices"},
    {"name": "cdrs", "description": "Charge detail records with their explanation"},
    {"name": "monitoring", "description": "One operator state per EVSE, its timeline, live power"},
    {"name": "incidents", "description": "Faults with a life, and the rules that find them"},
    {"name": "remedies", "description": "Ladders of remedies, what they would do, did and cured"},
    {"name": "notifications", "description": "Who is told what and when; public events and signed webhooks"},
    {"name": "uptime", "description": "Uptime by three laws, exclusions and contracts"},
    {"name": "usage", "description": "Rollups of usage, busy hours and key figures"},
    {"name": "reports", "description": "Reports as PDF, XLSX, CSV and JSON"},
    {"name": "support", "description": "Why a start failed or a session was cut"},
    {"name": "live", "description": "What happens now, as server-sent events"},
    {"name": "import", "description": "Tables in, with a dry run"},
    {"name": "operation", "description": "Health, readiness and metrics"},
]


@asynccontextmanager
async def _no_lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


def create_app(
    routers: Sequence[APIRouter],
    *,
    database: Database,
    gate: Gate,
    checks: Mapping[str, Check] | None = None,
    lifespan: Lifespan = _no_lifespan,
) -> FastAPI:
    """Return the application.

    Args:
        routers: of the slices, and of this package (`sse.router`, `imports.router`).
        database: holds the idempotency keys.
        gate: recognises callers.
        checks: what `/readyz` asks, by name.
        lifespan: runs around the application's life; the composition starts its readers there.
    """
    app = FastAPI(
        title="Voltway",
        version=__version__,
        summary="Runs an EV charging network: stations, sessions, tariffs and bills.",
        lifespan=lifespan,
        # Their pages load scripts from another host, which our content policy forbids.
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
        generate_unique_id_function=_operation_id,
        responses=_PROBLEMS,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.gate = gate
    app.openapi = partial(_description, app, app.openapi)  # type: ignore[method-assign]
    problems.install(app)
    for router in (health.router(checks or {}), metrics.router(), *routers, pages.router()):
        app.include_router(router)
    pages.mount_files(app)
    app.add_middleware(Idempotency, database=database)
    app.add_middleware(Envelope)
    return app


def _description(app: FastAPI, describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the description of the API, made once, with the schema that every problem has."""
    if app.openapi_schema is None:
        _, problems_schema = models_json_schema([(Problem, "serialization")], ref_template=_SCHEMAS + "{model}")
        document = describe()
        document.setdefault("components", {}).setdefault("schemas", {}).update(problems_schema["$defs"])
    assert app.openapi_schema is not None, "FastAPI keeps what it has described"
    return app.openapi_schema


def _operation_id(route: APIRoute) -> str:
    """A function's name is its operation id: stable while paths are reordered, and what a generated client calls."""
    return route.name

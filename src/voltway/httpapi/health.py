"""`/healthz`: this process answers. `/readyz`: what it needs answers too, each part by name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from pydantic import BaseModel

from voltway.infra.db import Database
from voltway.infra.migrate import is_current
from voltway.kernel.errors import NotReady, VoltwayError

Check = Callable[[], Awaitable[None]]
"""Returns where all is well; raises VoltwayError with the sentence to show."""
CHECK_TIMEOUT_S = 3.0


class Health(BaseModel):
    """The process answers."""

    status: str


class Readiness(BaseModel):
    """Every part by name: `ok`, or what is wrong."""

    status: str
    checks: dict[str, str]


def router(checks: Mapping[str, Check]) -> APIRouter:
    """Build the routes; `checks` are e.g. database, migrations, bus."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", summary="Is the process alive")
    async def get_health() -> Health:
        return Health(status="ok")

    @routes.get("/readyz", summary="Is everything it needs there", responses={503: {"model": Readiness}})
    async def get_readiness(response: Response) -> Readiness:
        results = await asyncio.gather(*(_result(check) for check in checks.values()))
        is_ready = all(result == "ok" for result in results)
        response.status_code = 200 if is_ready else 503
        return Readiness(status="ready" if is_ready else "not ready", checks=dict(zip(checks, results, strict=True)))

    return routes


def engine_checks(database: Database, database_url: str, is_bus_connected: Callable[[], bool]) -> Mapping[str, Check]:
    """Return the checks of what every api process needs: the database, its schema and the bus.

    Args:
        database_url: of the owner, who may read which migration was the last.
        is_bus_connected: says whether the broker answers right now.
    """

    async def check_database() -> None:
        async with database.transaction(None):
            pass

    async def check_migrations() -> None:
        if not await asyncio.to_thread(is_current, database_url):
            raise NotReady("the database is not at this program's schema; `voltway up` migrates it")

    async def check_bus() -> None:
        if not is_bus_connected():
            raise NotReady("the message broker is away")

    return {"database": check_database, "migrations": check_migrations, "bus": check_bus}


async def _result(check: Check) -> str:
    try:
        await asyncio.wait_for(check(), CHECK_TIMEOUT_S)
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except VoltwayError as error:
        return error.message
    return "ok"

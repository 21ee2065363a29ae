"""An application over a fresh database and a client that calls it, for the tests of every slice's routes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient

from voltway.httpapi.caller import ALL_SCOPES, Caller, Gate, Scope
from voltway.httpapi.factory import create_app
from voltway.httpapi.health import Check
from voltway.identity import api as identity_api
from voltway.identity.service import Identity
from voltway.infra.db import Database
from voltway.kernel.ids import OperatorId

RouterMaker = Callable[[Database], APIRouter]
ADMIN_TOKEN = "admin-token-of-the-tests"
ADMIN = Caller(OperatorId(1), "admin", ALL_SCOPES)
OTHER = Caller(OperatorId(2), "other", ALL_SCOPES)


@dataclass(frozen=True, slots=True)
class Api:
    """A running application: `client` is the administrator, `anonymous` nobody yet."""

    app: FastAPI
    database: Database
    identity: Identity
    client: AsyncClient
    anonymous: AsyncClient

    async def client_with(self, *scopes: str, operator_id: int = 1) -> AsyncClient:
        """Return a client whose key has those scopes."""
        caller = Caller(OperatorId(operator_id), "test", ALL_SCOPES)
        _, key = await self.identity.create_key(
            caller, "test", scopes=frozenset(Scope(scope) for scope in scopes), expires_at=None
        )
        return _client(self.app, key)


@asynccontextmanager
async def running_api(
    database_url: str, *make_routers: RouterMaker, checks: Mapping[str, Check] | None = None
) -> AsyncIterator[Api]:
    """Build the application with identity's routes and those of the makers, called with the database."""
    database = Database(database_url, pool_size=4)
    identity = Identity(database)
    routers = [identity_api.router(identity), *(make(database) for make in make_routers)]
    app = create_app(routers, database=database, gate=Gate(identity.find_caller, ADMIN_TOKEN), checks=checks)
    async with _client(app, ADMIN_TOKEN) as client, _client(app, None) as anonymous:
        yield Api(app, database, identity, client, anonymous)
    await database.close()


def add_operator(database_url: str, operator_id: int, name: str) -> None:
    """Enter another operator, as the owner of the database."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO operator (operator_id, name) VALUES (%s, %s)", (operator_id, name))


def _client(app: FastAPI, key: str | None) -> AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://voltway.test", headers=headers)

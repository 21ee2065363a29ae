"""Who is asking, and what they may do: Bearer keys, the session cookie, scopes and the guard against forged requests.

The look-up of a key belongs to a higher slice and is passed in; this module only knows where a key stands in a request.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from voltway.kernel.errors import NotAllowed, NotAuthenticated
from voltway.kernel.ids import OperatorId

COOKIE = "voltway_session"
FIRST_OPERATOR = OperatorId(1)
"""The operator that the first migration makes; the admin token belongs to it."""
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Scope(StrEnum):
    """What a key may do.

    `read`: see everything of the operator; `write`: change locations, stations, tokens and tariffs; `commands`: reach a
    station; `admin`: API keys, the operator's own data and the audit. None implies another.
    """

    READ = "read"
    WRITE = "write"
    COMMANDS = "commands"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request: the operator whose rows they see, a name for the audit, and their scopes."""

    operator_id: OperatorId
    name: str
    scopes: frozenset[Scope]
    key_prefix: str | None = None


KeyLookup = Callable[[str], Awaitable[Caller | None]]
"""Finds the caller of a key; None where the key is unknown, revoked or expired."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How this installation recognises callers.

    `public_origin` is the `https://host` that browsers see where a proxy changes it; "" trusts the Host header.
    """

    find_caller: KeyLookup
    admin_token: str
    public_origin: str = ""

    async def caller_of(self, key: str) -> Caller | None:
        """Return the caller of a key (the admin token included), None where nobody has it."""
        if self.admin_token and hmac.compare_digest(key.encode(), self.admin_token.encode()):
            return Caller(FIRST_OPERATOR, "admin", ALL_SCOPES)
        return await self.find_caller(key)


async def authenticate(request: Request) -> Caller:
    """Return the caller of a request, looked up once per request.

    Raises:
        NotAuthenticated: no key, or one that nobody has.
        NotAllowed: a cookie on a request that another site may have forged.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    key, from_cookie = _key_of(request)
    if from_cookie:
        refuse_forged(request)
    caller = await gate_of(request).caller_of(key)
    if caller is None:
        raise NotAuthenticated("this key is not known, was revoked or has expired")
    request.state.caller = caller
    return caller


def gate_of(request: Request) -> Gate:
    """Return the gate of the application that got this request."""
    gate = request.app.state.gate
    assert isinstance(gate, Gate), "create_app puts the gate there"
    return gate


def refuse_forged(request: Request) -> None:
    """Raise NotAllowed for an unsafe request that does not prove to come from our own page.

    Browsers say it in Sec-Fetch-Site, older ones in Origin; neither can be set by a page's script.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise NotAllowed("a request with the session cookie must come from our own page")
        return
    if request.headers.get("origin", "") not in _own_origins(request):
        raise NotAllowed("a request with the session cookie must come from our own page; programs use a Bearer key")


def requires(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Build the dependency of a route: the caller, who must have that scope."""

    async def caller_with_scope(
        request: Request,
        _bearer: Annotated[Any, Security(_BEARER)],
        _cookie: Annotated[Any, Security(_SESSION)],
    ) -> Caller:
        caller = await authenticate(request)
        if scope not in caller.scopes:
            raise NotAllowed(f"this key may not do that: it lacks the scope {scope.value}")
        return caller

    return caller_with_scope


_BEARER = HTTPBearer(auto_error=False, scheme_name="api_key", description="An API key: `vw_…`")
_SESSION = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="Set by signing in")

Reader = Annotated[Caller, Depends(requires(Scope.READ))]
Writer = Annotated[Caller, Depends(requires(Scope.WRITE))]
Commander = Annotated[Caller, Depends(requires(Scope.COMMANDS))]
Administrator = Annotated[Caller, Depends(requires(Scope.ADMIN))]


def _key_of(request: Request) -> tuple[str, bool]:
    header = request.headers.get("authorization", "")
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip(), False
    if cookie := request.cookies.get(COOKIE):
        return cookie, True
    raise NotAuthenticated("send an API key as `Authorization: Bearer <key>`")


def _own_origins(request: Request) -> set[str]:
    own = {f"{request.url.scheme}://{request.url.netloc}"}
    public = gate_of(request).public_origin
    if public:
        parts = urlsplit(public)
        own.add(f"{parts.scheme}://{parts.netloc}")
    return own

"""Routes of identity: signing in, API keys, idTokens, the operator and the audit."""

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import COOKIE, Administrator, Reader, Scope, Writer, authenticate, gate_of, refuse_forged
from voltway.httpapi.fields import Currency, TimeZone
from voltway.httpapi.idempotency import mark_secret
from voltway.httpapi.paging import Page, WantedPage
from voltway.identity.model import (
    BROWSER_LIFE,
    ApiKey,
    AuditEntry,
    IdToken,
    Operator,
    TokenStanding,
    TokenType,
)
from voltway.identity.phones import normalise_phone
from voltway.identity.service import Identity
from voltway.kernel.errors import InvalidInput, NotAuthenticated


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LoginBody(_Body):
    """An API key, or the admin token."""

    key: str = Field(min_length=1, max_length=200)


class Me(BaseModel):
    """Who is asking."""

    operator: Operator
    name: str
    scopes: list[Scope]


class NewKeyBody(_Body):
    """A key to make."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(min_length=1)
    expires_at: AwareDatetime | None = None


class CreatedKey(BaseModel):
    """The key that was made; `secret` is the whole key and is shown only here."""

    key: ApiKey
    secret: str


class OperatorPatch(_Body):
    """What may change of the operator."""

    name: str = Field(default="", min_length=1, max_length=100)
    country_code: str = Field(default="", pattern="^[A-Z]{2}$")
    party_id: str = Field(default="", pattern="^[A-Z0-9]{3}$")
    currency: Currency = ""
    time_zone: TimeZone = ""


def _phone(text: str) -> str:
    try:
        return normalise_phone(text)
    except InvalidInput as error:
        raise ValueError(error.message) from error


PhoneNumber = Annotated[str, Field(max_length=40), AfterValidator(_phone)]
TokenText = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(str.strip)]


class TokenFields(_Body):
    """What may change of an idToken."""

    type: TokenType = "ISO14443"
    status: TokenStanding = "Accepted"
    group: str | None = Field(default=None, max_length=255)
    expires_at: AwareDatetime | None = None
    note: str | None = Field(default=None, max_length=500)
    contact_name: str | None = Field(default=None, max_length=100)
    contact_phone: PhoneNumber | None = Field(default=None, description="Kept as + and digits; whom support calls.")

    def given(self) -> dict[str, Any]:
        """Return what was sent, by column."""
        sent = self.model_dump(exclude_unset=True, exclude={"token"})
        return {"group_token" if name == "group" else name: value for name, value in sent.items()}


class TokenFilter(BaseModel):
    """Which idTokens to list."""

    status: TokenStanding | None = None
    group: str | None = None
    q: str | None = Field(default=None, max_length=255, description="Contained in the token, its note or contact name.")


class TokenBody(TokenFields):
    """An idToken to enter."""

    token: TokenText


def router(identity: Identity) -> APIRouter:
    """Build the routes of identity."""
    routes = APIRouter(tags=["identity"])
    _add_sign_in(routes, identity)
    _add_keys(routes, identity)
    _add_operator(routes, identity)
    _add_tokens(routes, identity)
    return routes


def _add_sign_in(routes: APIRouter, identity: Identity) -> None:
    @routes.get("/login", include_in_schema=False)
    async def redeem_login(request: Request, token: Annotated[str, Query(max_length=200)]) -> RedirectResponse:
        try:
            key = await identity.redeem_login(token)
        except NotAuthenticated:
            # The page asks for a key; a problem document would be no help in a browser.
            return RedirectResponse("/?login=expired", 303)
        response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
        _set_cookie(request, response, key)
        return response

    @routes.post("/api/v1/login", summary="Sign in with a key: sets the session cookie")
    async def sign_in(request: Request, response: Response, body: LoginBody) -> Me:
        if "sec-fetch-site" in request.headers or "origin" in request.headers:
            refuse_forged(request)
        caller = await gate_of(request).caller_of(body.key)
        if caller is None:
            raise NotAuthenticated("this key is not known, was revoked or has expired")
        _set_cookie(request, response, await identity.open_session(caller))
        return Me(
            operator=await identity.get_operator(caller.operator_id), name=caller.name, scopes=sorted(caller.scopes)
        )

    @routes.post("/api/v1/logout", status_code=204, summary="Sign out: ends the session")
    async def sign_out(request: Request, response: Response) -> None:
        with contextlib.suppress(NotAuthenticated):
            await identity.close_session(await authenticate(request))
        response.delete_cookie(COOKIE, path="/")

    @routes.get("/api/v1/me", summary="Who am I")
    async def get_me(request: Request) -> Me:
        caller = await authenticate(request)
        operator = await identity.get_operator(caller.operator_id)
        return Me(operator=operator, name=caller.name, scopes=sorted(caller.scopes))


def _add_keys(routes: APIRouter, identity: Identity) -> None:
    @routes.post("/api/v1/api-keys", status_code=201, summary="Make an API key; its text is shown once")
    async def create_api_key(request: Request, caller: Administrator, body: NewKeyBody) -> CreatedKey:
        mark_secret(request)
        key, secret = await identity.create_key(
            caller, body.name, scopes=frozenset(body.scopes), expires_at=body.expires_at
        )
        return CreatedKey(key=key, secret=secret)

    @routes.get("/api/v1/api-keys", summary="List API keys")
    async def list_api_keys(caller: Administrator, pager: WantedPage) -> Page[ApiKey]:
        return pager.linked(await identity.list_keys(caller, pager.wanted))

    @routes.delete("/api/v1/api-keys/{key_id}", status_code=204, summary="Revoke an API key")
    async def revoke_api_key(caller: Administrator, key_id: int) -> None:
        await identity.revoke_key(caller, key_id)


def _add_operator(routes: APIRouter, identity: Identity) -> None:
    @routes.get("/api/v1/operator", summary="The operator's own data")
    async def get_operator(caller: Reader) -> Operator:
        return await identity.get_operator(caller.operator_id)

    @routes.patch("/api/v1/operator", summary="Change the operator's own data")
    async def update_operator(caller: Administrator, body: OperatorPatch) -> Operator:
        return await identity.update_operator(caller, body.model_dump(exclude_unset=True))

    @routes.get("/api/v1/audit", summary="Who changed what, newest first")
    async def list_audit(
        caller: Administrator, pager: WantedPage, action: str | None = None, target: str | None = None
    ) -> Page[AuditEntry]:
        return pager.linked(await identity.list_audit(caller, pager.wanted, action=action, target=target))


def _add_tokens(routes: APIRouter, identity: Identity) -> None:
    @routes.post("/api/v1/tokens", status_code=201, summary="Enter an idToken")
    async def create_token(caller: Writer, body: TokenBody) -> IdToken:
        return await identity.create_token(caller, body.token, body.given())

    @routes.get("/api/v1/tokens", summary="List idTokens")
    async def list_tokens(caller: Reader, pager: WantedPage, wanted: Annotated[TokenFilter, Query()]) -> Page[IdToken]:
        page = await identity.list_tokens(caller, pager.wanted, status=wanted.status, group=wanted.group, part=wanted.q)
        return pager.linked(page)

    @routes.get("/api/v1/tokens/{token:path}", summary="One idToken")
    async def get_token(caller: Reader, token: str) -> IdToken:
        return await identity.get_token(caller, token)

    @routes.patch("/api/v1/tokens/{token:path}", summary="Change an idToken")
    async def update_token(caller: Writer, token: str, body: TokenFields) -> IdToken:
        return await identity.update_token(caller, token, body.given())

    @routes.delete("/api/v1/tokens/{token:path}", status_code=204, summary="Forget an idToken")
    async def delete_token(caller: Writer, token: str) -> None:
        await identity.delete_token(caller, token)


def _set_cookie(request: Request, response: Response, key: str) -> None:
    public = gate_of(request).public_origin
    is_https = request.url.scheme == "https" or public.startswith("https://")
    response.set_cookie(
        COOKIE,
        key,
        max_age=int(BROWSER_LIFE.total_seconds()),
        path="/",
        httponly=True,
        secure=is_https,
        samesite="lax",
    )

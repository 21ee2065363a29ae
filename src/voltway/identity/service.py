"""Use cases of identity: keys and signing in, idTokens, the operator's own data, the audit."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from voltway.httpapi.caller import ALL_SCOPES, Caller, Scope
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity import store
from voltway.identity.audit import record
from voltway.identity.model import (
    BROWSER_LIFE,
    LOGIN_LIFE,
    ApiKey,
    AuditEntry,
    IdToken,
    KeyKind,
    NewKey,
    Operator,
    StoredKey,
    is_valid,
    make_key,
    match_key_of,
    needs_last_used,
    split_key,
)
from voltway.identity.phones import normalise_phone, phone_tail, same_line
from voltway.infra.db import Database, Transaction
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import InvalidInput, NotAllowed, NotAuthenticated, NotFound
from voltway.kernel.ids import OperatorId

MOST_BY_PHONE = 200
"""Tokens with one telephone number that are looked at: a fleet's dispatcher may stand behind many."""


class Identity:
    """Who may use this installation, and who may charge."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._now = clock

    # ---- keys and signing in

    async def find_caller(self, key: str) -> Caller | None:
        """Return the caller of an API key or a browser session; None where it does not open (any more).

        A one-time login is no key: it opens nothing but `/login`.
        """
        stored = await self._open(key)
        if stored is None or stored.key.kind is KeyKind.LOGIN:
            return None
        now = self._now()
        if needs_last_used(stored.key, now):
            async with self._database.transaction(stored.operator_id) as tx:
                await store.touch_key(tx, stored.key.prefix, now)
        return _caller_of(stored)

    async def make_login_token(self, operator_id: OperatorId, *, name: str = "one-time login") -> str:
        """Make a key that signs in once, within a day, with every scope; it stands in the URL `/login?token=…`."""
        caller = Caller(operator_id, name, ALL_SCOPES)
        new, _ = await self._make(caller, KeyKind.LOGIN, name, life=LOGIN_LIFE)
        return new.text

    async def open_session(self, caller: Caller) -> str:
        """Make a browser session with the rights of that caller and return its key, for the cookie."""
        new, _ = await self._make(caller, KeyKind.BROWSER, caller.name, life=BROWSER_LIFE)
        return new.text

    async def redeem_login(self, token: str) -> str:
        """Turn a one-time login into a browser session and return its key; of two users one wins.

        Raises:
            NotAuthenticated: not known, used already, or too old.
        """
        stored = await self._open(token)
        if stored is None or stored.key.kind is not KeyKind.LOGIN:
            raise NotAuthenticated("this login was used already or is too old; sign in with an API key")
        async with self._database.transaction(stored.operator_id) as tx:
            if not await store.revoke_key(tx, self._now(), prefix=stored.key.prefix):
                raise NotAuthenticated("this login was used already; sign in with an API key")
        return await self.open_session(_caller_of(stored))

    async def close_session(self, caller: Caller) -> None:
        """End the browser session that sent the request; a program's key stays."""
        if caller.key_prefix is None:
            return
        async with self._database.transaction(caller.operator_id) as tx:
            stored = await store.find_key(tx, caller.key_prefix)
            if stored is not None and stored.key.kind is KeyKind.BROWSER:
                await store.revoke_key(tx, self._now(), prefix=caller.key_prefix)
                await record(tx, caller, "session.close", caller.name)

    async def create_key(
        self, caller: Caller, name: str, *, scopes: Collection[Scope], expires_at: datetime | None
    ) -> tuple[ApiKey, str]:
        """Make an API key and return it with its text, which nobody can read again.

        Raises:
            NotAllowed: it would have a scope that its maker lacks.
        """
        if missing := sorted(set(scopes) - caller.scopes):
            raise NotAllowed(f"you cannot give what you lack: {', '.join(missing)}")
        if expires_at is not None and expires_at <= self._now():
            raise InvalidInput("expires_at has passed already")
        life = None if expires_at is None else expires_at - self._now()
        maker = Caller(caller.operator_id, caller.name, frozenset(scopes))
        new, key = await self._make(maker, KeyKind.API, name, life=life)
        return key, new.text

    async def list_keys(self, caller: Caller, wanted: PageRequest) -> Page[ApiKey]:
        """Return the API keys, newest first, without their secrets."""
        async with self._database.transaction(caller.operator_id) as tx:
            return page_of(await store.list_keys(tx, wanted), wanted, lambda key: (key.id,))

    async def revoke_key(self, caller: Caller, key_id: int) -> None:
        """Revoke an API key for good; revoking it again changes nothing."""
        async with self._database.transaction(caller.operator_id) as tx:
            prefix = await store.prefix_of_key(tx, key_id)
            if prefix is None:
                raise NotFound(f"there is no API key {key_id}")
            if await store.revoke_key(tx, self._now(), prefix=prefix):
                await record(tx, caller, "api_key.revoke", prefix)

    async def delete_spent_keys(self, operator_id: OperatorId) -> int:
        """Forget ended sessions and logins older than a month; the worker's daily job calls it."""
        async with self._database.transaction(operator_id) as tx:
            return await store.delete_spent_keys(tx, self._now() - timedelta(days=30))

    # ---- the operator and the audit

    async def get_operator(self, operator_id: OperatorId) -> Operator:
        """Return an operator's own data."""
        async with self._database.transaction(operator_id) as tx:
            return await store.get_operator(tx)

    async def update_operator(self, caller: Caller, changes: Mapping[str, Any]) -> Operator:
        """Change the operator's own data."""
        async with self._database.transaction(caller.operator_id) as tx:
            if changes:
                await store.update_operator(tx, caller.operator_id, changes)
                await record(tx, caller, "operator.update", str(caller.operator_id), **changes)
            return await store.get_operator(tx)

    async def list_audit(
        self, caller: Caller, wanted: PageRequest, *, action: str | None = None, target: str | None = None
    ) -> Page[AuditEntry]:
        """Return who changed what, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_audit(tx, wanted, action=action, target=target)
        return page_of(rows, wanted, lambda entry: (entry.id,))

    # ---- idTokens

    async def create_token(self, caller: Caller, token: str, values: Mapping[str, Any]) -> IdToken:
        """Enter an idToken; raise Conflict where it is known already."""
        match_key = match_key_of(token)
        row = {"match_key": match_key, "token": token.strip(), **values}
        async with self._database.transaction(caller.operator_id) as tx:
            await store.insert_token(tx, caller.operator_id, row)
            await record(tx, caller, "token.create", token.strip(), **_auditable(values))
            return _existing(await store.find_token(tx, match_key), token)

    async def get_token(self, caller: Caller, token: str) -> IdToken:
        """Return an idToken; upper and lower case are one."""
        async with self._database.transaction(caller.operator_id) as tx:
            return _existing(await store.find_token(tx, match_key_of(token)), token)

    async def update_token(self, caller: Caller, token: str, changes: Mapping[str, Any]) -> IdToken:
        """Change an idToken's status, group, expiry, type, note or contact."""
        match_key = match_key_of(token)
        async with self._database.transaction(caller.operator_id) as tx:
            if changes and await store.update_token(tx, match_key, {**changes, "updated_at": self._now()}):
                await record(tx, caller, "token.update", token, **_auditable(changes))
            return _existing(await store.find_token(tx, match_key), token)

    async def delete_token(self, caller: Caller, token: str) -> None:
        """Forget an idToken: it may not charge any more."""
        async with self._database.transaction(caller.operator_id) as tx:
            if not await store.delete_token(tx, match_key_of(token)):
                raise NotFound(f"there is no token {token}")
            await record(tx, caller, "token.delete", token)

    async def list_tokens(
        self,
        caller: Caller,
        wanted: PageRequest,
        *,
        status: str | None = None,
        group: str | None = None,
        part: str | None = None,
    ) -> Page[IdToken]:
        """Return idTokens in the order of their match keys."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_tokens(tx, wanted, status=status, group=group, part=part)
        return page_of(rows, wanted, lambda token: (token.match_key,))

    async def find_tokens_by_phone(self, tx: Transaction, phone: str) -> list[IdToken]:
        """Return the idTokens whose contact can be reached by a number, however it is written.

        Raises:
            InvalidInput: it is no telephone number, or too short to name anybody.
        """
        wanted = normalise_phone(phone)
        rows = await store.tokens_by_phone_tail(tx, phone_tail(wanted), MOST_BY_PHONE)
        return [token for token in rows if token.contact_phone and same_line(token.contact_phone, wanted)]

    async def _open(self, key: str) -> StoredKey | None:
        parts = split_key(key)
        if parts is None:
            return None
        prefix, secret = parts
        async with self._database.transaction(None, key_prefix=prefix) as tx:
            stored = await store.find_key(tx, prefix)
        return stored if stored is not None and is_valid(stored, secret, self._now()) else None

    async def _make(self, maker: Caller, kind: KeyKind, name: str, *, life: timedelta | None) -> tuple[NewKey, ApiKey]:
        new = make_key()
        values = {
            "operator_id": maker.operator_id,
            "kind": kind.value,
            "name": name,
            "scopes": sorted(maker.scopes),
            "expires_at": None if life is None else self._now() + life,
        }
        async with self._database.transaction(maker.operator_id) as tx:
            key = await store.insert_key(tx, new, values)
            await record(tx, maker, f"{kind.value}_key.create", new.prefix, name=name, scopes=values["scopes"])
        return new, key


async def make_login_token(database: Database, operator_id: OperatorId) -> str:
    """Make the one-time login for the URL that `voltway up --demo` prints."""
    return await Identity(database).make_login_token(operator_id)


def _caller_of(stored: StoredKey) -> Caller:
    scopes = frozenset(Scope(scope) for scope in stored.key.scopes)
    return Caller(stored.operator_id, stored.key.name, scopes, stored.key.prefix)


def _auditable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what the audit may show: that a contact changed, but nobody's name or number."""
    return {name: "***" if name.startswith("contact_") and value else value for name, value in values.items()}


def _existing(token: IdToken | None, text: str) -> IdToken:
    if token is None:
        raise NotFound(f"there is no token {text}")
    return token

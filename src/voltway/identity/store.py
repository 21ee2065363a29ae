"""Tables of identity: operator, api_key, id_token, audit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from voltway.httpapi.paging import PageRequest
from voltway.identity.model import ApiKey, AuditEntry, IdToken, KeyKind, NewKey, Operator, StoredKey
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, conflict_if_refused, fetch_all, fetch_one, insert, like_pattern, run, update
from voltway.kernel.ids import OperatorId

_KEY_COLUMNS = "key_id AS id, prefix, kind, name, scopes, created_at, expires_at, last_used_at, revoked_at"
_CARD_COLUMNS = """token, match_key, type, status, group_token AS "group", expires_at, note, contact_name,
    contact_phone, created_at, updated_at"""


async def get_operator(tx: Transaction) -> Operator:
    """Return the operator of this transaction."""
    row = await fetch_one(tx, "SELECT name, country_code, party_id, currency, time_zone FROM operator")
    assert row is not None, "a caller belongs to an operator that exists"
    return Operator(**row)


async def update_operator(tx: Transaction, operator_id: OperatorId, changes: Mapping[str, Any]) -> None:
    """Change the operator's own data."""
    await update(tx, "operator", {"operator_id": operator_id}, changes)


async def find_key(tx: Transaction, prefix: str) -> StoredKey | None:
    """Return the key with that prefix; the transaction must name it (`key_prefix`) or its operator."""
    row = await fetch_one(
        tx,
        f"SELECT operator_id, secret_hash, {_KEY_COLUMNS} FROM api_key WHERE prefix = :prefix",  # noqa: S608
        prefix=prefix,
    )
    if row is None:
        return None
    return StoredKey(OperatorId(row["operator_id"]), _key(row), row["secret_hash"])


async def insert_key(tx: Transaction, new: NewKey, values: Mapping[str, Any]) -> ApiKey:
    """Store a new key and return it as it can be shown."""
    await insert(tx, "api_key", {"prefix": new.prefix, "secret_hash": new.secret_hash, **values})
    stored = await find_key(tx, new.prefix)
    assert stored is not None, "it was inserted just now"
    return stored.key


async def list_keys(tx: Transaction, wanted: PageRequest) -> list[ApiKey]:
    """Return keys of programs, newest first."""
    after = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        f"""SELECT {_KEY_COLUMNS} FROM api_key WHERE kind = 'api' AND key_id < :before
            ORDER BY key_id DESC LIMIT :limit""",  # noqa: S608
        before=after[0] if after else 2**63 - 1,
        limit=wanted.fetch,
    )
    return [_key(row) for row in rows]


async def touch_key(tx: Transaction, prefix: str, now: datetime) -> None:
    """Write down that a key was used."""
    await run(tx, "UPDATE api_key SET last_used_at = :now WHERE prefix = :prefix", now=now, prefix=prefix)


async def revoke_key(tx: Transaction, now: datetime, *, prefix: str) -> bool:
    """Revoke a key; False where it was revoked already, so that of two users of a one-time key one wins."""
    revoked = await run(
        tx,
        "UPDATE api_key SET revoked_at = :now WHERE prefix = :prefix AND revoked_at IS NULL",
        now=now,
        prefix=prefix,
    )
    return revoked == 1


async def prefix_of_key(tx: Transaction, key_id: int) -> str | None:
    """Return the prefix of a key of this operator."""
    row = await fetch_one(tx, "SELECT prefix FROM api_key WHERE key_id = :key_id", key_id=key_id)
    return None if row is None else str(row["prefix"])


async def delete_spent_keys(tx: Transaction, before: datetime) -> int:
    """Forget sessions and one-time logins that ended before an instant."""
    return await run(
        tx, "DELETE FROM api_key WHERE kind <> 'api' AND least(expires_at, revoked_at) < :before", before=before
    )


async def insert_token(tx: Transaction, operator_id: OperatorId, values: Mapping[str, Any]) -> None:
    """Store a new idToken; raise Conflict where one with that match key exists."""
    with conflict_if_refused(f"the token {values['token']} exists already"):
        await insert(tx, "id_token", {"operator_id": operator_id, **values})


async def update_token(tx: Transaction, match_key: str, changes: Mapping[str, Any]) -> int:
    """Change an idToken; return 0 where there is none."""
    return await update(tx, "id_token", {"match_key": match_key}, changes)


async def delete_token(tx: Transaction, match_key: str) -> int:
    """Forget an idToken; sessions keep their own copy of what it was."""
    return await run(tx, "DELETE FROM id_token WHERE match_key = :match_key", match_key=match_key)


async def find_token(tx: Transaction, match_key: str) -> IdToken | None:
    """Return the idToken with that match key."""
    row = await fetch_one(
        tx, f"SELECT {_CARD_COLUMNS} FROM id_token WHERE match_key = :match_key", match_key=match_key  # noqa: S608
    )  # fmt: skip
    return None if row is None else IdToken(**row)


async def find_tokens(tx: Transaction, match_keys: Sequence[str]) -> dict[str, IdToken]:
    """Return those of the idTokens that exist, by match key."""
    rows = await fetch_all(
        tx,
        f"SELECT {_CARD_COLUMNS} FROM id_token WHERE match_key = ANY(:match_keys)",  # noqa: S608
        match_keys=list(match_keys),
    )
    return {row["match_key"]: IdToken(**row) for row in rows}


async def list_tokens(
    tx: Transaction, wanted: PageRequest, *, status: str | None, group: str | None, part: str | None
) -> list[IdToken]:
    """Return idTokens by match key; `part` is contained in the token, its note or its contact's name."""
    after = wanted.after_texts(1)
    rows = await fetch_all(
        tx,
        f"""SELECT {_CARD_COLUMNS} FROM id_token
            WHERE match_key > :after
              AND (CAST(:status AS text) IS NULL OR status = :status)
              AND (CAST(:group AS text) IS NULL OR group_token = :group)
              AND (CAST(:part AS text) IS NULL OR token ILIKE :part OR note ILIKE :part OR contact_name ILIKE :part)
            ORDER BY match_key LIMIT :limit""",  # noqa: S608
        after=after[0] if after else "",
        status=status,
        group=group,
        part=like_pattern(part) if part else None,
        limit=wanted.fetch,
    )
    return [IdToken(**row) for row in rows]


async def tokens_by_phone_tail(tx: Transaction, tail: str, limit: int) -> list[IdToken]:
    """Return idTokens whose contact's number ends with those six digits."""
    rows = await fetch_all(
        tx,
        f"SELECT {_CARD_COLUMNS} FROM id_token WHERE contact_tail = :tail ORDER BY match_key LIMIT :limit",  # noqa: S608
        tail=tail,
        limit=limit,
    )
    return [IdToken(**row) for row in rows]


async def insert_audit(tx: Transaction, *, actor: str, action: str, target: str, detail: Mapping[str, Any]) -> None:
    """Write one audit row of this transaction's operator."""
    await run(
        tx,
        """INSERT INTO audit (operator_id, actor, action, target, detail)
           VALUES (voltway_operator(), :actor, :action, :target, CAST(:detail AS jsonb))""",
        actor=actor,
        action=action,
        target=target,
        detail=orjson.dumps(detail, default=str).decode(),
    )


async def list_audit(
    tx: Transaction, wanted: PageRequest, *, action: str | None, target: str | None
) -> list[AuditEntry]:
    """Return audit rows, newest first."""
    after = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        """SELECT audit_id AS id, at, actor, action, target, detail FROM audit
           WHERE audit_id < :before
             AND (CAST(:action AS text) IS NULL OR action = :action)
             AND (CAST(:target AS text) IS NULL OR target = :target)
           ORDER BY audit_id DESC LIMIT :limit""",
        before=after[0] if after else 2**63 - 1,
        action=action,
        target=target,
        limit=wanted.fetch,
    )
    return [AuditEntry(**row) for row in rows]


def _key(row: Row) -> ApiKey:
    shown = {name: row[name] for name in ApiKey.__slots__}
    return ApiKey(**{**shown, "kind": KeyKind(row["kind"])})

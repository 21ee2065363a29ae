"""The HTTP shell's only table: idempotency keys with the answer that was given."""

from dataclasses import dataclass

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_one, run


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is known under an idempotency key; `status` None: still in flight, `body` None: it held a secret."""

    request_hash: bytes
    status: int | None
    body: bytes | None
    content_type: str | None


async def claim_key(tx: Transaction, *, operator_id: int, key: str, request_hash: bytes) -> bool:
    """Take an idempotency key; False where somebody has it."""
    return await run(
        tx,
        """INSERT INTO idempotency_key (operator_id, key, request_hash) VALUES (:operator_id, :key, :request_hash)
           ON CONFLICT DO NOTHING""",
        operator_id=operator_id,
        key=key,
        request_hash=request_hash,
    ) == 1  # fmt: skip


async def find_answer(tx: Transaction, key: str) -> StoredAnswer | None:
    """Return what is known under a key."""
    row = await fetch_one(
        tx, "SELECT request_hash, status, body, content_type FROM idempotency_key WHERE key = :key", key=key
    )
    return None if row is None else StoredAnswer(**row)


async def keep_answer(
    tx: Transaction, key: str, *, status: int | None, body: bytes | None, content_type: str | None
) -> None:
    """Store the answer of the request that holds the key."""
    await run(
        tx,
        "UPDATE idempotency_key SET status = :status, body = :body, content_type = :content_type WHERE key = :key",
        status=status,
        body=body,
        content_type=content_type,
        key=key,
    )


async def release_key(tx: Transaction, key: str) -> None:
    """Give a key back: the request was refused, so nothing was done under it."""
    await run(tx, "DELETE FROM idempotency_key WHERE key = :key AND status IS NULL", key=key)

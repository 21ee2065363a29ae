"""The audit that every slice writes to, in the transaction of the change itself."""

from typing import Any

from voltway.httpapi.caller import Caller
from voltway.identity import store
from voltway.infra.db import Transaction


async def record(tx: Transaction, caller: Caller, action: str, target: str, /, **detail: Any) -> None:
    """Write who did what to what.

    Args:
        action: `thing.verb` in the past-free imperative, e.g. `station.approve`.
        target: the thing's public id.
        detail: what changed, JSON values; never a secret.
    """
    await store.insert_audit(tx, actor=caller.name, action=action, target=target, detail=detail)

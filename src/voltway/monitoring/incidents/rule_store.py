"""The table of rules as an operator changed them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_all, run
from voltway.kernel.ids import OperatorId


async def read_overrides(tx: Transaction) -> dict[OperatorId, dict[str, dict[str, Any]]]:
    """Return the changes of every operator that this role may see, operators without any included."""
    operators = await fetch_all(tx, "SELECT operator_id FROM operator")
    rows = await fetch_all(tx, "SELECT operator_id, code, CAST(document AS text) AS document FROM monitoring_rule")
    found: dict[OperatorId, dict[str, dict[str, Any]]] = {OperatorId(row["operator_id"]): {} for row in operators}
    for row in rows:
        found[OperatorId(row["operator_id"])][row["code"]] = orjson.loads(row["document"])
    return found


async def put_override(
    tx: Transaction, operator_id: OperatorId, code: str, document: Mapping[str, Any], now: datetime
) -> None:
    """Store what differs from the shipped rule."""
    await run(
        tx,
        """INSERT INTO monitoring_rule (operator_id, code, document, updated_at)
           VALUES (:operator_id, :code, CAST(:document AS json), :now)
           ON CONFLICT (operator_id, code)
           DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at""",
        operator_id=operator_id,
        code=code,
        document=orjson.dumps(document).decode(),
        now=now,
    )


async def delete_override(tx: Transaction, operator_id: OperatorId, code: str) -> bool:
    """Go back to the shipped rule (or to none); False where nothing was changed."""
    statement = "DELETE FROM monitoring_rule WHERE operator_id = :operator_id AND code = :code"
    return await run(tx, statement, operator_id=operator_id, code=code) == 1

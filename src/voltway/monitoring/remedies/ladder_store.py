"""Tables of ladders and modes that an operator chose. Works under both roles: every statement names its operator."""

from datetime import datetime
from typing import Any

import orjson

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_all, run
from voltway.kernel.ids import OperatorId
from voltway.monitoring.remedies.ladders import document_of, parse_ladder, shipped
from voltway.monitoring.remedies.model import Ladder, Mode

DEFAULT_MODE = Mode.SAFE


async def ladders_of(tx: Transaction, operator_id: OperatorId) -> dict[str, Ladder]:
    """Return every ladder of an operator: the shipped ones, and their own instead or beside."""
    rows = await fetch_all(
        tx, "SELECT code, document FROM remedy_ladder WHERE operator_id = :operator_id", operator_id=operator_id
    )
    return {**shipped(), **{row["code"]: parse_ladder(row["code"], row["document"]) for row in rows}}


async def own_codes(tx: Transaction, operator_id: OperatorId) -> set[str]:
    """Return the codes of the ladders that the operator entered."""
    rows = await fetch_all(tx, "SELECT code FROM remedy_ladder WHERE operator_id = :id", id=operator_id)
    return {row["code"] for row in rows}


async def put_ladder(tx: Transaction, operator_id: OperatorId, ladder: Ladder, now: datetime) -> None:
    """Store a ladder of the operator's own."""
    document: Any = document_of(ladder)
    await run(
        tx,
        """INSERT INTO remedy_ladder (operator_id, code, document, updated_at)
           VALUES (:operator_id, :code, CAST(:document AS json), :now)
           ON CONFLICT (operator_id, code)
           DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at""",
        operator_id=operator_id,
        code=ladder.code,
        document=orjson.dumps(document).decode(),
        now=now,
    )


async def delete_ladder(tx: Transaction, operator_id: OperatorId, code: str) -> bool:
    """Forget an operator's own ladder (a shipped one is back then); False where there was none."""
    sql = "DELETE FROM remedy_ladder WHERE operator_id = :operator_id AND code = :code"
    return await run(tx, sql, operator_id=operator_id, code=code) == 1


async def modes_of(tx: Transaction, operator_id: OperatorId) -> dict[str, Mode]:
    """Return the modes the operator set, by ladder; '' is the one for all ladders without their own."""
    rows = await fetch_all(tx, "SELECT ladder, mode FROM remedy_mode WHERE operator_id = :id", id=operator_id)
    return {"": DEFAULT_MODE, **{row["ladder"]: Mode(row["mode"]) for row in rows}}


async def mode_of(tx: Transaction, operator_id: OperatorId, ladder: str) -> Mode:
    """Return the mode of one ladder."""
    modes = await modes_of(tx, operator_id)
    return modes.get(ladder, modes[""])


async def put_mode(tx: Transaction, operator_id: OperatorId, ladder: str, mode: Mode, now: datetime) -> None:
    """Set the mode of a ladder, or with '' of all that have none."""
    await run(
        tx,
        """INSERT INTO remedy_mode (operator_id, ladder, mode, updated_at) VALUES (:operator_id, :ladder, :mode, :now)
           ON CONFLICT (operator_id, ladder) DO UPDATE SET mode = excluded.mode, updated_at = excluded.updated_at""",
        operator_id=operator_id,
        ladder=ladder,
        mode=mode.value,
        now=now,
    )

"""Table of the electrical tree; `power_nodes` holds its rules and use cases."""

from collections.abc import Mapping, Sequence
from typing import Any

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run
from voltway.kernel.ids import OperatorId

_NODES = """
    SELECT n.code, n.name, n.kind, p.code AS parent, n.limit_w,
           ARRAY(SELECT s.identity FROM station s WHERE s.power_node_id = n.power_node_id ORDER BY s.identity)
             AS stations
      FROM power_node n LEFT JOIN power_node p ON p.power_node_id = n.parent_id"""


async def lock_tree(tx: Transaction, location_id: int) -> None:
    """Let one change at a time into a location's tree: two that are right alone may close a circle together."""
    await run(
        tx,
        "SELECT pg_advisory_xact_lock(hashtextextended('power_node', CAST(:location_id AS bigint)))",
        location_id=location_id,
    )


async def list_nodes(tx: Transaction, location_id: int) -> Sequence[Row]:
    """Return the nodes of a location by code."""
    return await fetch_all(tx, f"{_NODES} WHERE n.location_id = :location_id ORDER BY n.code", location_id=location_id)


async def codes_by_location(tx: Transaction) -> dict[str, frozenset[str]]:
    """Return the codes of all nodes by their location's code."""
    rows = await fetch_all(
        tx,
        """SELECT l.code, array_agg(n.code) AS nodes FROM power_node n JOIN location l USING (location_id)
            GROUP BY l.code""",
    )
    return {row["code"]: frozenset(row["nodes"]) for row in rows}


async def find_node_id(tx: Transaction, location_id: int | None, code: str) -> int | None:
    """Return the internal key of a node."""
    row = await fetch_one(
        tx,
        "SELECT power_node_id FROM power_node WHERE location_id = :location_id AND code = :code",
        location_id=location_id,
        code=code,
    )
    return None if row is None else int(row["power_node_id"])


async def put_node(
    tx: Transaction, operator_id: OperatorId, location_id: int, code: str, values: Mapping[str, Any]
) -> None:
    """Make a node or change it; `values` has kind, name, limit_w and the parent's key."""
    await run(
        tx,
        """INSERT INTO power_node (operator_id, location_id, code, name, kind, parent_id, limit_w)
           VALUES (:operator_id, :location_id, :code, :name, :kind, :parent_id, :limit_w)
           ON CONFLICT (operator_id, location_id, code) DO UPDATE SET name = excluded.name, kind = excluded.kind,
             parent_id = excluded.parent_id, limit_w = excluded.limit_w""",
        operator_id=operator_id,
        location_id=location_id,
        code=code,
        **values,
    )


async def delete_node(tx: Transaction, location_id: int, code: str) -> None:
    """Delete a node."""
    await run(
        tx, "DELETE FROM power_node WHERE location_id = :location_id AND code = :code",
        location_id=location_id, code=code,
    )  # fmt: skip

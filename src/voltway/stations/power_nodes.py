"""The electrical tree of a location: grid connection, feeders, panels, and the stations on them; rules and use cases.

A node hangs on at most one parent of the same location; `limit_w` is what may flow through it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from voltway.httpapi.caller import Caller
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.kernel.errors import Conflict, Fault, InvalidInput, NotFound
from voltway.stations import power_store as tree
from voltway.stations import store

NodeKind = Literal["grid", "feeder", "panel"]


@dataclass(frozen=True, slots=True)
class PowerNode:
    """One node: `parent` is the code of the node that feeds it, `stations` hang right on it."""

    code: str
    name: str | None
    kind: NodeKind
    parent: str | None
    limit_w: int | None
    stations: list[str]


@dataclass(frozen=True, slots=True)
class NodeValues:
    """What is said of a node; power in watts, None means no limit is known."""

    kind: NodeKind
    name: str | None = None
    parent: str | None = None
    limit_w: int | None = None


def node_faults(code: str, values: NodeValues, nodes: Mapping[str, PowerNode]) -> list[Fault]:
    """Return what is wrong with putting a node into a tree, all at once."""
    faults = []
    if values.kind == "grid" and values.parent is not None:
        faults.append(Fault("/parent", "a grid connection is the top of its tree and has no parent"))
    if values.parent is None:
        return faults
    if values.parent == code:
        return [*faults, Fault("/parent", f"{code} cannot feed itself")]
    if values.parent not in nodes:
        known = ", ".join(sorted(nodes.keys() - {code})) or "none yet"
        return [*faults, Fault("/parent", f"this location has no power node {values.parent}; it has {known}")]
    way = way_up(values.parent, nodes)
    if code in way:
        circle = " < ".join(way[: way.index(code) + 1])
        faults.append(Fault("/parent", f"{code} feeds {values.parent} already ({circle}), so it cannot hang on it"))
    return faults


def way_up(code: str, nodes: Mapping[str, PowerNode]) -> list[str]:
    """Return the codes from a node up to the top of its tree."""
    way: list[str] = []
    here: str | None = code
    while here is not None and here in nodes and here not in way:
        way.append(here)
        here = nodes[here].parent
    return way


class PowerNodes:
    """The electrical trees of an operator's locations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_nodes(self, caller: Caller, location: str) -> list[PowerNode]:
        """Return a location's nodes, by code."""
        async with self._database.transaction(caller.operator_id) as tx:
            return list((await _nodes(tx, await _location_id(tx, location))).values())

    async def get_node(self, caller: Caller, location: str, code: str) -> PowerNode:
        """Return one node."""
        async with self._database.transaction(caller.operator_id) as tx:
            return _existing(await _nodes(tx, await _location_id(tx, location)), location, code)

    async def put_node(self, caller: Caller, location: str, code: str, values: NodeValues) -> PowerNode:
        """Make a node or say it anew; raise InvalidInput where it would not be a tree."""
        async with self._database.transaction(caller.operator_id) as tx:
            location_id = await _location_id(tx, location)
            await tree.lock_tree(tx, location_id)
            faults = node_faults(code, values, await _nodes(tx, location_id))
            if faults:
                raise InvalidInput(f"{code} cannot stand there", faults)
            parent_id = None if values.parent is None else await tree.find_node_id(tx, location_id, values.parent)
            columns: dict[str, Any] = {"kind": values.kind, "name": values.name, "limit_w": values.limit_w}
            await tree.put_node(tx, caller.operator_id, location_id, code, {**columns, "parent_id": parent_id})
            await record(tx, caller, "power_node.put", f"{location}/{code}", **columns, parent=values.parent)
            return _existing(await _nodes(tx, location_id), location, code)

    async def delete_node(self, caller: Caller, location: str, code: str) -> None:
        """Delete a node that feeds nothing; raise Conflict with what hangs on it."""
        async with self._database.transaction(caller.operator_id) as tx:
            location_id = await _location_id(tx, location)
            await tree.lock_tree(tx, location_id)
            nodes = await _nodes(tx, location_id)
            node = _existing(nodes, location, code)
            fed = [*(it.code for it in nodes.values() if it.parent == code), *node.stations]
            if fed:
                raise Conflict(f"{code} feeds {', '.join(fed)}; hang them on another node first")
            await tree.delete_node(tx, location_id, code)
            await record(tx, caller, "power_node.delete", f"{location}/{code}")


async def _location_id(tx: Transaction, location: str) -> int:
    location_id = await store.get_location_id(tx, location)
    if location_id is None:
        raise NotFound(f"there is no location {location}")
    return location_id


async def _nodes(tx: Transaction, location_id: int) -> dict[str, PowerNode]:
    rows: Sequence[Mapping[str, Any]] = await tree.list_nodes(tx, location_id)
    return {row["code"]: PowerNode(**row) for row in rows}


def _existing(nodes: Mapping[str, PowerNode], location: str, code: str) -> PowerNode:
    if code not in nodes:
        raise NotFound(f"{location} has no power node {code}")
    return nodes[code]

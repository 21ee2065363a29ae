"""Live power summed up the electrical tree: EVSE, station, site, feeder, network. Pure; telemetry, never for a bill."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Flow(NamedTuple):
    """The power of one EVSE in W and where it hangs."""

    station_id: str
    evse_id: int
    location_id: str | None
    power_node_id: int | None
    power_w: float


class Node(NamedTuple):
    """One node of the electrical tree."""

    power_node_id: int
    parent_id: int | None
    code: str
    kind: str
    location_id: str
    limit_w: int | None


@dataclass(slots=True)
class Power:
    """Power in W at every level; feeders are keyed by (location, code)."""

    network_w: float = 0.0
    sites_w: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    feeders_w: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    stations_w: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    evses_w: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))


def summed(flows: Sequence[Flow], nodes: Sequence[Node]) -> Power:
    """Sum flows up the tree: a feeder carries all that hangs on it and on what hangs below it."""
    by_id = {node.power_node_id: node for node in nodes}
    power = Power()
    for node in nodes:
        power.feeders_w[node.location_id, node.code] = 0.0
    for flow in flows:
        power.network_w += flow.power_w
        power.stations_w[flow.station_id] += flow.power_w
        power.evses_w[flow.station_id, flow.evse_id] += flow.power_w
        if flow.location_id is not None:
            power.sites_w[flow.location_id] += flow.power_w
        for node in _above(flow.power_node_id, by_id):
            power.feeders_w[node.location_id, node.code] += flow.power_w
    return power


def _above(power_node_id: int | None, nodes: Mapping[int, Node]) -> list[Node]:
    """Return a node and everything above it; a circle, which the service refuses, would end at its first repetition."""
    path: list[Node] = []
    node = nodes.get(power_node_id) if power_node_id is not None else None
    while node is not None and node not in path:
        path.append(node)
        node = nodes.get(node.parent_id) if node.parent_id is not None else None
    return path

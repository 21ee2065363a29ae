"""Use cases of the timeline: what an EVSE was and is, and what flows where now."""

from collections.abc import Sequence
from datetime import datetime

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.infra.db import Database
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, to_rfc3339
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.ids import OperatorId
from voltway.monitoring.timeline import store
from voltway.monitoring.timeline.model import OperatorState
from voltway.monitoring.timeline.power import Flow, Node, Power, summed
from voltway.monitoring.timeline.store import EvseFilter
from voltway.stations.service import get_station_id


class Timeline:
    """The timeline of an operator's EVSEs."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._now = clock

    async def list_intervals(
        self, caller: Caller, identity: str, evse_id: int, span: tuple[datetime, datetime], wanted: PageRequest
    ) -> Page[Row]:
        """Return what an EVSE was within a span; raise NotFound where the station does not exist."""
        async with self._database.transaction(caller.operator_id) as tx:
            station_id = await get_station_id(tx, identity)
            rows = await store.list_intervals(tx, (station_id, evse_id), *span, wanted)
        return page_of(rows, wanted, lambda row: (to_rfc3339(row["begin_at"]),))

    async def list_now(self, caller: Caller, wanted: PageRequest, only: EvseFilter) -> Page[Row]:
        """Return every EVSE as it is now."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_evses_now(tx, wanted, only, self._now() - store.FRESH)
        return page_of(rows, wanted, lambda row: (row["station_id"], str(row["evse_id"])))

    async def count_states(self, operator_id: OperatorId) -> dict[OperatorState, int]:
        """Return how many EVSEs are in each state now; every state is named."""
        async with self._database.transaction(operator_id) as tx:
            counts = await store.count_states(tx)
        return {state: counts.get(state.value, 0) for state in OperatorState}

    async def power(self, operator_id: OperatorId) -> tuple[Power, Sequence[Node]]:
        """Return what flows now at every level, and the electrical tree."""
        async with self._database.transaction(operator_id) as tx:
            rows = await store.powers(tx, self._now() - store.FRESH)
            tree = await store.power_nodes(tx)
        flows = [
            Flow(row["station_id"], row["evse_id"], row["location_id"], row["power_node_id"], float(row["power_w"]))
            for row in rows
        ]
        nodes = [
            Node(row["power_node_id"], row["parent_id"], row["code"], row["kind"], row["location_id"], row["limit_w"])
            for row in tree
        ]
        return summed(flows, nodes), nodes

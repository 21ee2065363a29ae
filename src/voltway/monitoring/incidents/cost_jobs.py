"""Counts what incidents cost, every few minutes while they last and once more when they have ended."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from voltway.infra.db import Database, Transaction
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.monitoring.incidents import cost_store
from voltway.monitoring.incidents.cost import HAMPERING, LONGEST, Loss, Span, lost, together
from voltway.monitoring.incidents.cost_store import Counted
from voltway.monitoring.incidents.store import set_cost
from voltway.monitoring.timeline.model import EvseKey

LOOK_BACK = timedelta(hours=1)
"""Incidents that ended so long ago are counted again: what an offline station delivered is told when it is back."""

Expect = Callable[[Transaction, Sequence[EvseKey], datetime, datetime], Awaitable[Mapping[EvseKey, Loss]]]
"""What EVSEs would have delivered and earned in a stretch of time; those of which nothing is known are left out."""


class Costs:
    """Counts the cost of incidents of all operators.

    Args:
        ingest: a pool of the ingest role, which sees every operator.
        expect: see there.
    """

    def __init__(self, ingest: Database, expect: Expect, *, clock: Clock = wall_clock) -> None:
        self._database, self._expect, self._now = ingest, expect, clock

    async def count(self) -> None:
        """Count all that last or have just ended, each in its own transaction."""
        now = self._now()
        async with self._database.transaction(None) as tx:
            counted = await cost_store.read_counted(tx, now - LOOK_BACK)
        for one in counted:
            async with self._database.transaction(None) as tx:
                found = await self._cost_of(tx, one, now)
                if found is not None:
                    await set_cost(tx, one.incident_id, (*found, one.currency))

    async def _cost_of(self, tx: Transaction, one: Counted, now: datetime) -> Loss | None:
        end = one.end or now
        begin = max(one.begin, end - LONGEST)
        keys = await cost_store.read_evses(tx, one)
        spans = (
            [Span(key, begin, end) for key in keys]
            if one.rule in HAMPERING
            else await cost_store.read_out_of_use(tx, keys, begin, end)
        )
        expected: dict[EvseKey, list[Loss]] = defaultdict(list)
        for (since, until), own in together(spans).items():
            for key, loss in (await self._expect(tx, own, since, until)).items():
                expected[key].append(loss)
        return lost(expected, await cost_store.read_delivered(tx, list(expected), begin, end))

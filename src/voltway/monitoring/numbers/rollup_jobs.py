"""Keeps the rollups right: marks what facts changed, and makes the marked site-days again in bounded batches.

Marks are written in the transaction of the change (timelines) or by an own reader of the outbox (sessions); making is
idempotent, since a site-day is always made whole from the facts. A worker killed at any moment leaves its marks.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from traceback import format_exception

import structlog

from voltway.infra.db import Database, Transaction
from voltway.infra.outbox import Change, write_cursor
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.monitoring.numbers import rollup_store as store
from voltway.monitoring.numbers.rollup import Charge, split
from voltway.monitoring.numbers.rollup_store import Mark, Quarter, SiteDay
from voltway.monitoring.watch.model import Splice

CONSUMER = "monitoring.usage"
SITE_DAYS = 10
"""So many site-days are one transaction."""
BITE = 25
"""So many sessions are split before others on the event loop have their turn; the watch shares it."""
WORK_S = 60.0
LOOK_BACK = timedelta(hours=3)
"""CDRs that were made so long ago are looked at again every hour."""
_LONGEST_PAST = timedelta(days=1100)
"""Nothing is made again that is longer ago."""

log = structlog.get_logger()


class Rollups:
    """Makes usage by hour, day and month from the facts of all operators.

    Args:
        ingest: a pool of the ingest role, which sees every operator.
    """

    def __init__(self, ingest: Database, *, clock: Clock = wall_clock) -> None:
        self._database = ingest
        self._now = clock

    async def mark_timeline(self, tx: Transaction, splices: Sequence[Splice]) -> None:
        """Mark the days of changed timelines, in the transaction of the change (`watch.service.TimelineChanged`)."""
        now = self._now()
        begins = ((it.key.station_id, _begin_of(it, now)) for it in splices)
        marks = [Mark(station_id, begin, now) for station_id, begin in begins if begin < now]
        if marks:
            await store.mark_stations(tx, marks, now=now)

    async def handle(self, changes: Sequence[Change]) -> None:
        """Mark the days of sessions that ended or changed afterwards (`infra.outbox.Handler`)."""
        sessions = list({key: None for change in changes for key in (*change.sessions, *change.ended)})
        async with self._database.transaction(None) as tx:
            if sessions:
                await store.mark_sessions(tx, sessions, now=self._now())
            await write_cursor(tx, CONSUMER, changes[-1].cursor)

    async def mark_days(self, begin: datetime, end: datetime) -> None:
        """Ask for all sites' days from `begin` to before `end` to be made again."""
        async with self._database.transaction(None) as tx:
            await store.mark_sites(tx, begin, end)

    async def mark_past(self) -> int:
        """Mark what happened before the first figures of each site, as an installation has it that was updated."""
        async with self._database.transaction(None) as tx:
            return await store.mark_past(tx, now=self._now())

    async def close_hour(self) -> None:
        """Make the hour that is over for everybody, those that were missed, and what stations that moved leave."""
        now = self._now()
        async with self._database.transaction(None) as tx:
            last = await store.last_hour(tx)
            since = max(now - _LONGEST_PAST, last or now - timedelta(hours=1))
            await store.mark_sites(tx, since, max(now.replace(minute=0, second=0, microsecond=0), since))
            await store.mark_moved(tx)
            await store.mark_cdrs(tx, now - LOOK_BACK, now=now)
            await store.prune_hours(tx, now - store.KEEP_HOURS)
        await self.work()

    async def work(self) -> int:
        """Make everything that is marked again; return how many site-days that were."""
        count = 0
        while made := await self._work_batch():
            count += made
        return count

    async def run(self, stopping: asyncio.Event) -> None:
        """Mark the past that was never made, then work every minute until stopping."""
        is_past_marked = False
        while not stopping.is_set():
            try:
                if not is_past_marked:
                    await self.mark_past()
                    is_past_marked = True
                await self.work()
            except Exception as error:  # noqa: BLE001 - a job's supervisor: the marks stay, the next minute tries again
                log.error("usage_failed", exception="".join(format_exception(error)))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), WORK_S)

    async def _work_batch(self) -> int:
        now = self._now()
        async with self._database.transaction(None) as tx:
            days = await store.take_marked(tx, SITE_DAYS, now=now)
            begun = [day for day in days if day.day_at < day.day_end]
            if begun:
                await _make(tx, begun, now)
            await store.unmark(tx, days)
        return len(days)


async def _make(tx: Transaction, days: Sequence[SiteDay], now: datetime) -> None:
    quarters = await quarters_of(await store.read_charges(tx, days))
    await store.replace_days(tx, days, quarters, now=now)
    await store.replace_above(tx, days)


async def quarters_of(charges: Iterable[tuple[int, int, Charge]]) -> list[Quarter]:
    """Split sessions by quarter hours, in bites that do not hold up the event loop."""
    quarters: list[Quarter] = []
    for number, (station_id, evse_id, charge) in enumerate(charges):
        if number % BITE == 0:
            await asyncio.sleep(0)
        quarters += (Quarter(station_id, evse_id, at, milliwh) for at, milliwh in split(charge).items())
    return quarters


def _begin_of(splice: Splice, now: datetime) -> datetime:
    """Return from when on a timeline may say something else."""
    begins = (*splice.replaced, *(it.begin for it in splice.intervals))
    return max(min(begins, default=now), now - _LONGEST_PAST)

"""The watch as the worker runs it: one loop that reads what changed, lets the engine judge it and stores what came out.

Timelines, symptoms, incidents, messages to be sent and the cursor of the outbox are one transaction: a worker that is
killed at any moment has either done a batch or not, and does it again with the same result. The engine's memory is
thrown away whenever a transaction fails, and read anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from traceback import format_exception

import structlog
from prometheus_client import Counter, Gauge, Histogram

from voltway.infra.db import Database, Transaction
from voltway.infra.outbox import BATCH, Change, Cursor, Outbox, write_cursor
from voltway.kernel.clock import Clock, monotonic_s
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.ids import EvseId, OperatorId
from voltway.monitoring.timeline.model import EvseKey
from voltway.monitoring.timeline.projection import STALE_AFTER
from voltway.monitoring.watch import store
from voltway.monitoring.watch.engine import Engine, Outcome, SymptomKey
from voltway.monitoring.watch.judge import RuleBook, Verdict
from voltway.monitoring.watch.model import Facts, Splice, StationRow
from voltway.monitoring.watch.register import Register

CONSUMER = "monitoring.watch"
TICK_S = 0.5
REFRESH_S = 10.0
"""Rules and what people changed of stations are looked at again so often."""
LONG_LOOK_S = 300.0
"""Certificates and rules over long histories are looked at so often."""
BACKFILL = timedelta(minutes=10)
"""What was received so long ago tells of the past: timelines are projected again, no rule is held against it."""
QUIET_S, PATIENCE_S = 3.0, 60.0
"""The past is projected again once nothing more of it has come for a while, at the latest after this time."""
CHUNK = 10
_BACK_OFF_S = (0.2, 1.0, 5.0)
CERTIFICATE_VARIABLES = ("CertificateExpiryDate", "CertificateExpirationDate", "CertificateValidTo")

TimelineChanged = Callable[[Transaction, Sequence[Splice]], Awaitable[None]]
"""Told of changed timelines in their transaction."""
LongLook = Callable[[Transaction, Engine, datetime], Awaitable[list[tuple[SymptomKey, Verdict]]]]
"""Holds rules that need long histories; returns verdicts."""
RuleBooks = Callable[[Transaction], Awaitable[dict[OperatorId, RuleBook]]]

log = structlog.get_logger()
BATCH_SECONDS = Histogram(
    "voltway_watch_batch_seconds", "Time from reading a batch of changes to its commit.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
CHANGES = Counter("voltway_watch_changes", "Rows of the outbox that the watch has read.")
SPLICES = Counter("voltway_watch_splices", "Timelines that changed.")
LATE = Gauge(
    "voltway_watch_late", "EVSEs whose past waits to be projected again.", multiprocess_mode="mostrecent"
)  # fmt: skip


class Watch:
    """Runs the engine over everybody's facts."""

    def __init__(
        self,
        readers: Database,
        register: Register,
        *,
        rule_books: RuleBooks,
        stale_after: timedelta = STALE_AFTER,
        clock: Clock = wall_clock,
    ) -> None:
        self._readers = readers
        self._register = register
        self._rule_books = rule_books
        self._stale_after = stale_after
        self._now = clock
        self._timeline_changed: list[TimelineChanged] = []
        self._long_looks: list[LongLook] = []
        self._engine: Engine | None = None
        self._books: dict[OperatorId, RuleBook] = {}
        self._cursor = Cursor(0, 0)
        self._refreshed_at = self._now()
        self._late: dict[EvseKey, datetime] = {}
        self._late_since_s = self._late_last_s = 0.0
        self._next_s = dict.fromkeys(("tick", "refresh", "long"), 0.0)

    def on_timeline_changed(self, subscriber: TimelineChanged) -> None:
        """Tell somebody of changed timelines, in the transaction of the change."""
        self._timeline_changed.append(subscriber)

    def add_long_look(self, look: LongLook) -> None:
        """Hold rules that need long histories, every few minutes."""
        self._long_looks.append(look)

    @property
    def engine(self) -> Engine:
        """The engine, once loaded."""
        assert self._engine is not None, "loaded by the first step"
        return self._engine

    async def run(self, outbox: Outbox, stopping: asyncio.Event) -> None:
        """Watch until stopping."""
        failures = 0
        while not stopping.is_set():
            try:
                is_behind = await self.step(outbox)
                failures = 0
            except Exception as error:  # noqa: BLE001 - a subscription's supervisor: memory is read anew, the batch again
                log.error("watch_failed", exception="".join(format_exception(error)))
                self._engine = None
                with suppress(TimeoutError):
                    pause_s = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
                    await asyncio.wait_for(stopping.wait(), pause_s)
                failures += 1
                continue
            if not is_behind:
                await outbox.wait_for_news(stopping, TICK_S / 2)

    def hurry(self) -> None:
        """Make everything that is done now and then due at once, and wait for nothing."""
        self._next_s = dict.fromkeys(self._next_s, 0.0)
        self._late_since_s = self._late_last_s = 0.0

    async def step(self, outbox: Outbox) -> bool:
        """Do what is due now; say whether more waits to be read."""
        if self._engine is None:
            await self._load(outbox)
        changes = await outbox.read(self._cursor)
        if changes:
            await self.handle(changes)
        if self._is_due("refresh", REFRESH_S):
            await self._refresh()
        if self._is_due("tick", TICK_S):
            async with self._readers.transaction(None) as tx:
                await self._commit(tx, self.engine.tick(self._now()))
        if self._is_due("long", LONG_LOOK_S):
            await self._look_long()
        if self._late_is_due(is_idle=not changes):
            await self._relearn()
        return len(changes) >= BATCH or bool(self._late and not changes and self._late_is_due(is_idle=True))

    async def handle(self, changes: Sequence[Change]) -> None:
        """Take in one batch of changes."""
        begun_s, now = monotonic_s(), self._now()
        engine, cursor = self.engine, changes[-1].cursor
        async with self._readers.transaction(None) as tx:
            facts = await self._read(tx, changes)
            self._set_aside(facts, now)
            await self._commit(tx, engine.take(facts, now))
            await write_cursor(tx, CONSUMER, cursor)
        self._cursor = cursor
        CHANGES.inc(len(changes))
        BATCH_SECONDS.observe(monotonic_s() - begun_s)

    # ---- reading

    async def _read(self, tx: Transaction, changes: Sequence[Change]) -> Facts:
        stations = sorted({int(station) for change in changes for station in change.stations})
        sessions = list({it: None for change in changes for it in (*change.sessions, *change.ended)})
        xids = sorted({change.cursor.xid for change in changes})
        facts = await store.read_changes(tx, xids=xids, stations=stations, sessions=sessions, now=self._now())
        facts.meters += await store.read_meters(tx, self._idle(stations), since=self._now() - store.METERS_SINCE)
        seen = {*stations, *(it.station_id for it in facts.sessions)}
        unknown = sorted(seen - set(self.engine.stations))
        if unknown:
            await self._meet(tx, unknown, facts)
        return facts

    def _idle(self, stations: Iterable[int]) -> list[tuple[int, int]]:
        """Return the EVSEs without a session: whether energy flows there all the same."""
        known = (self.engine.stations.get(it) for it in stations)
        evses = (evse for station in known if station is not None for evse in station.evses.values())
        return [(it.key.station_id, it.key.evse_id) for it in evses if it.session is None]

    async def _meet(self, tx: Transaction, unknown: Sequence[int], facts: Facts) -> None:
        """Take in stations that were never seen: as they were entered, and all that is known of them."""
        facts.stations, facts.gone = await store.read_stations(tx, unknown)

    def _set_aside(self, facts: Facts, now: datetime) -> None:
        """Take out of a batch what tells of the past: those timelines are projected again from the database."""
        limit = now - BACKFILL
        old_statuses = [it for it in facts.statuses if it.status.received_at < limit]
        old_sessions = [it for it in facts.sessions if it.updated_at < limit]
        if not (old_statuses or old_sessions):
            return
        for it in old_statuses:
            station = self.engine.stations.get(it.station_id)
            entered = next((row for row in facts.stations if row.station_id == it.station_id), None)
            known = set(station.evses) if station is not None else {n for n, _ in entered.evses} if entered else set()
            for evse_id in {it.status.evse_id} if it.status.evse_id else known:
                self._note_late(EvseKey(it.station_id, evse_id), it.status.at)  # type: ignore[arg-type]
        for session in old_sessions:
            if session.evse_id > 0:
                self._note_late(EvseKey(session.station_id, session.evse_id), session.spell.begin)  # type: ignore[arg-type]
        facts.statuses = [it for it in facts.statuses if it.status.received_at >= limit]
        facts.sessions = [it for it in facts.sessions if it.updated_at >= limit]
        facts.notices = [it for it in facts.notices if it.notice.at >= limit]

    async def _load(self, outbox: Outbox) -> None:
        """Fill a fresh engine with what the last hours left, and with the ends of all timelines."""
        now = self._now()
        since = now - store.WINDOW
        engine = Engine(lambda operator_id: self._books.get(operator_id, _NO_RULES), stale_after=self._stale_after)
        async with self._readers.transaction(None) as tx:
            self._books = await self._rule_books(tx)
            rows, _ = await store.read_stations(tx, None)
            engine.symptoms = await store.read_symptoms(tx)
            engine.take(Facts(stations=rows), now)
        keys = [evse.key for station in engine.stations.values() for evse in station.evses.values()]
        self._engine, self._cursor = engine, await outbox.load_cursor(CONSUMER)
        for chunk in _chunks(keys, 500):
            async with self._readers.transaction(None) as tx:
                tails = await store.read_tails(tx, chunk, since)
                known = [key for key in chunk if key in tails]
                evidence = await store.read_evidence(tx, known, since)
                for key in known:
                    await self._commit(tx, engine.relearn(key, evidence[key], since, tails[key], now))
        async with self._readers.transaction(None) as tx:
            # Rules may have changed while nobody watched.
            await self._commit(tx, engine.withdraw(self._books))
        for key in keys:
            if not engine.stations[key.station_id].evse(key.evse_id).tail:
                self._note_late(key, _LONG_AGO)
        log.info("watch_loaded", stations=len(rows), evses=len(keys), fresh=len(self._late))

    async def _refresh(self) -> None:
        """Look at rules and at what people changed of stations."""
        since, self._refreshed_at = self._refreshed_at - timedelta(seconds=REFRESH_S), self._now()
        async with self._readers.transaction(None) as tx:
            books = await self._rule_books(tx)
            changed = await store.changed_stations(tx, since)
            rows, gone = await store.read_stations(tx, changed) if changed else ([], [])
            known, self._books = self._books, {
                key: _kept(self._books.get(key), book) for key, book in books.items()
            }  # fmt: skip
            other = [key for key, book in self._books.items() if book is not known.get(key)]
            for row in rows:
                self._note_unknown(row)
            await self._commit(tx, self.engine.take(Facts(stations=rows, gone=gone), self._now()))
            if other:
                await self._commit(tx, self.engine.obey(other, self._now()))

    async def _look_long(self) -> None:
        now = self._now()
        async with self._readers.transaction(None) as tx:
            expiries = await store.read_certificates(tx, CERTIFICATE_VARIABLES)
            outcome = self.engine.take(Facts(expiries=dict(expiries)), now)
            for look in self._long_looks:
                for key, verdict in await look(tx, self.engine, now):
                    self.engine.judge_sign(outcome, key, verdict)
            await self._commit(tx, outcome)

    # ---- the past

    def _note_unknown(self, row: StationRow) -> None:
        """A station that was let in just now may have a past."""
        if row.station_id not in self.engine.stations:
            for evse_id, _ in row.evses:
                self._note_late(EvseKey(row.station_id, EvseId(evse_id)), _LONG_AGO)

    def _note_late(self, key: EvseKey, since: datetime) -> None:
        if not self._late:
            self._late_since_s = monotonic_s()
        self._late_last_s = monotonic_s()
        self._late[key] = min(since, self._late.get(key, since))
        LATE.set(len(self._late))

    def _late_is_due(self, *, is_idle: bool) -> bool:
        now_s = monotonic_s()
        is_quiet = is_idle and now_s - self._late_last_s >= QUIET_S
        return bool(self._late) and (is_quiet or now_s - self._late_since_s >= PATIENCE_S)

    async def _relearn(self) -> None:
        """Project a few of those EVSEs again whose past changed."""
        chunk = dict(islice(self._late.items(), CHUNK))
        keys = [key for key in chunk if key.station_id in self.engine.stations]
        async with self._readers.transaction(None) as tx:
            for since in sorted({_day(chunk[key]) for key in keys}):
                same = [key for key in keys if _day(chunk[key]) == since]
                evidence = await store.read_evidence(tx, same, since)
                tails = await store.read_tails(tx, same, since)
                for key in same:
                    outcome = self.engine.relearn(key, evidence[key], since, tails.get(key, []), self._now())
                    await self._commit(tx, outcome)
        for key in chunk:
            self._late.pop(key, None)
        LATE.set(len(self._late))

    # ---- writing

    async def _commit(self, tx: Transaction, outcome: Outcome) -> None:
        for key, since in outcome.late.items():
            self._note_late(key, since)
        if outcome.splices:
            splices = list(outcome.splices.values())
            await store.ensure_evses(tx, self._new_evses(splices))
            await store.write_splices(tx, splices)
            SPLICES.inc(len(splices))
            for subscriber in self._timeline_changed:
                await subscriber(tx, splices)
        if outcome.verdicts:
            held = await self._register.take(tx, outcome.verdicts, self.engine, self._books, self._now())
            await store.write_symptoms(tx, held)

    def _new_evses(self, splices: Iterable[Splice]) -> list[tuple[int, int, int]]:
        stations = self.engine.stations
        return [
            (it.key.station_id, it.key.evse_id, it.operator_id)
            for it in splices
            if it.key.evse_id not in {number for number, _ in stations[it.key.station_id].row.evses}
        ]

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = monotonic_s()
        if now_s < self._next_s[what]:
            return False
        self._next_s[what] = now_s + every_s
        return True


_NO_RULES = RuleBook({})
_LONG_AGO = datetime(2000, 1, 2, tzinfo=UTC)


def _kept(known: RuleBook | None, book: RuleBook) -> RuleBook:
    """Keep a compiled book whose rules did not change."""
    return known if known is not None and known.rules == book.rules else book


def _day(instant: datetime) -> datetime:
    """Begin a little before the change, at the same instant for many EVSEs, so that one query serves them."""
    return (instant - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)


def _chunks(keys: Sequence[EvseKey], size: int) -> Iterable[list[EvseKey]]:
    for start in range(0, len(keys), size):
        yield list(keys[start : start + size])

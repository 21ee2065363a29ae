"""Prices of sessions as they are read: from the CDR where there is one, else computed now and kept per revision.

A running session's readings are kept in memory and only the newest are read again, so that a session of many hours is
not loaded anew with each of its samples. The CDR is made from all readings (`sessions.finalise`).
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from voltway.infra.db import Transaction
from voltway.sessions import store
from voltway.sessions.courses import ended_course, judgement_of, running_course
from voltway.sessions.finalise import is_billable
from voltway.sessions.periods import Sample
from voltway.sessions.quotes import quote_of
from voltway.sessions.shelf import TariffShelf
from voltway.sessions.store import Stored
from voltway.sessions.views import UNPRICED, Document, billed_money, quoted_money
from voltway.tariffs.model import Tariff

MAX_QUOTES = 5_000
MAX_TAILS = 1_000
OVERLAP = timedelta(minutes=5)
"""Readings this much older than the newest known are read again: stations send some late."""


class Pricer:
    """Prices sessions for the API and the live feed of one process."""

    def __init__(self) -> None:
        self.shelf = TariffShelf()
        self._quotes: OrderedDict[tuple[UUID, int], Document] = OrderedDict()
        self._tails: OrderedDict[UUID, list[Sample]] = OrderedDict()

    async def money_of(self, tx: Transaction, sessions: Sequence[Stored]) -> dict[UUID, Document]:
        """Return cost, next_hour and explanation of each session."""
        closed = [it.session_id for it in sessions if not it.state.session.is_open]
        billed = await store.latest_cdrs(tx, closed)
        money = {session_id: billed_money(cdr) for session_id, cdr in billed.items()}
        wanted: list[tuple[Stored, Tariff]] = []
        for stored in sessions:
            if stored.session_id in money:
                continue
            known = self._quotes.get(_key(stored))
            tariff = None if known is not None else await self.shelf.of(tx, stored.state.session)
            if known is not None:
                money[stored.session_id] = known
            elif tariff is None or not is_billable(stored.state.session):
                money[stored.session_id] = UNPRICED
            else:
                wanted.append((stored, tariff))
        samples = await self._samples(tx, [stored for stored, _ in wanted]) if wanted else {}
        for stored, tariff in wanted:
            money[stored.session_id] = self._quote(stored, tariff, samples[stored.session_id])
        return money

    def _quote(self, stored: Stored, tariff: Tariff, samples: Sequence[Sample]) -> Document:
        state, zone = stored.state, stored.place.time_zone
        if state.session.is_open:
            course = running_course(state, samples, stored.updated_at)
        else:
            judgement = judgement_of(state, samples, max_power_w=stored.place.max_power_w)
            course = ended_course(state, samples, judgement)
        money = quoted_money(quote_of(course, tariff, time_zone=zone, is_running=state.session.is_open))
        _remember(self._quotes, _key(stored), money, MAX_QUOTES)
        return money

    async def _samples(self, tx: Transaction, sessions: Sequence[Stored]) -> dict[UUID, list[Sample]]:
        since = {
            it.session_id: self._tails[it.session_id][-1].at - OVERLAP
            for it in sessions
            if it.session_id in self._tails and it.state.session.is_open
        }
        fresh = await store.samples_of(tx, sessions, since=since)
        for stored in sessions:
            key = stored.session_id
            if key in since:
                old = [sample for sample in self._tails[key] if sample.at < since[key]]
                fresh[key] = old + [sample for sample in fresh[key] if sample.at >= since[key]]
            self._keep_tail(stored, fresh[key])
        return fresh

    def _keep_tail(self, stored: Stored, samples: list[Sample]) -> None:
        if not stored.state.session.is_open:
            self._tails.pop(stored.session_id, None)
        elif samples:
            samples.sort(key=lambda sample: sample.at)
            _remember(self._tails, stored.session_id, samples, MAX_TAILS)


def _key(stored: Stored) -> tuple[UUID, int]:
    return stored.session_id, stored.state.progress.revision


def _remember(known: OrderedDict[Any, Any], key: object, value: object, limit: int) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > limit:
        known.popitem(last=False)

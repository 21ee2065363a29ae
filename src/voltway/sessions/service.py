"""Use cases of sessions: list and read them with their price, their readings, the review of held ones, CDRs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database
from voltway.infra.outbox import write_change
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, to_micros
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Conflict, NotFound
from voltway.kernel.ids import OperatorId
from voltway.sessions import store
from voltway.sessions.pricer import Pricer
from voltway.sessions.review import Decision, reviewed
from voltway.sessions.store import CdrFilter, ListedCdr, SessionFilter, Stored
from voltway.sessions.views import Document, cdr_item, sample_document, session_document

__all__ = ["CdrFilter", "ListedCdr", "NetworkNow", "SessionFilter", "Sessions"]

FRESH = timedelta(minutes=20)
"""A power counts this long: longer than the usual quarter-hour interval of readings."""


@dataclass(frozen=True, slots=True)
class NetworkNow:
    """What runs now, and what the day has brought so far (the operator's local day)."""

    sessions: int
    power_w: float
    energy_today_milliwh: int
    currency: str
    revenue_incl_vat: str
    tariff_id: str | None


class Sessions:
    """Sessions and CDRs of an operator."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._now = clock
        self._pricer = Pricer()

    # ---- sessions

    async def list_sessions(self, caller: Caller, wanted: PageRequest, only: SessionFilter) -> Page[Document]:
        """Return sessions with their price, the newest start first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_sessions(tx, wanted, only)
            shown = page_of(rows, wanted, _session_key)
            money = await self._pricer.money_of(tx, shown.items)
        items = [session_document(it, money[it.session_id]) for it in shown.items]
        return Page(items=items, next_cursor=shown.next_cursor)

    async def get_session(self, caller: Caller, session_id: UUID) -> Document:
        """Return one session; raise NotFound where there is none."""
        found = await self.find_sessions(caller.operator_id, [session_id])
        if not found:
            raise NotFound(f"there is no session {session_id}")
        return found[0]

    async def find_sessions(self, operator_id: OperatorId, session_ids: Sequence[UUID]) -> list[Document]:
        """Return those of the sessions that exist, with their price."""
        async with self._database.transaction(operator_id) as tx:
            found = await store.find_sessions(tx, session_ids)
            money = await self._pricer.money_of(tx, found)
        return [session_document(it, money[it.session_id]) for it in found]

    async def list_samples(self, caller: Caller, session_id: UUID, wanted: PageRequest) -> Page[Document]:
        """Return every reading of a session in the order of the station's clock."""
        async with self._database.transaction(caller.operator_id) as tx:
            found = await store.find_sessions(tx, [session_id])
            if not found:
                raise NotFound(f"there is no session {session_id}")
            rows = await store.list_samples(tx, found[0], wanted)
        page = page_of(rows, wanted, lambda row: (to_micros(row["sampled_at"]), row["digest"], row["evse_id"]))
        offset_ms = found[0].state.session.clock_offset_ms
        return Page(items=[sample_document(row, offset_ms) for row in page.items], next_cursor=page.next_cursor)

    async def review(self, caller: Caller, session_id: UUID, decision: Decision) -> Document:
        """Decide about a held session; the worker then writes its CDR, or takes back the one it had.

        Raises:
            NotFound: there is no such session.
            Conflict: it is not held, or it changed at this moment.
        """
        now = self._now()
        async with self._database.transaction(caller.operator_id) as tx:
            found = await store.find_sessions(tx, [session_id])
            if not found:
                raise NotFound(f"there is no session {session_id}")
            before = found[0].state
            after = reviewed(before, decision, by=caller.name, now=now)
            if not await store.save_session(tx, before, after, now):
                raise Conflict("the session changed at this moment; look at it again")
            codes = [item.code.value for item in before.session.anomalies if item.touches_money]
            await record(tx, caller, "session.review", str(session_id), decision=decision.value, anomalies=codes)
            await write_change(tx, caller.operator_id, sessions=[session_id], ended=[session_id])
        return await self.get_session(caller, session_id)

    # ---- CDRs

    async def list_cdrs(self, caller: Caller, wanted: PageRequest, only: CdrFilter) -> Page[ListedCdr]:
        """Return CDRs, the latest end first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_cdrs(tx, wanted, only)
        return page_of(rows, wanted, lambda it: (str(to_micros(it.cdr.ended_at)), it.cdr.cdr_id))

    async def get_cdr(self, caller: Caller, cdr_id: str) -> ListedCdr:
        """Return one CDR; raise NotFound where there is none."""
        async with self._database.transaction(caller.operator_id) as tx:
            found = await store.find_cdrs(tx, cdr_id=cdr_id)
        if not found:
            raise NotFound(f"there is no CDR {cdr_id}")
        return found[0]

    async def find_cdrs(self, operator_id: OperatorId, session_ids: Sequence[UUID]) -> list[Document]:
        """Return the CDRs of some sessions as the live feed shows them."""
        async with self._database.transaction(operator_id) as tx:
            found = await store.find_cdrs(tx, session_ids=session_ids)
        return [cdr_item(it) for it in found]

    # ---- the network as a whole

    async def network_now(self, operator_id: OperatorId, time_zone: str) -> NetworkNow:
        """Return what runs now and what the local day has brought."""
        local = self._now().astimezone(ZoneInfo(time_zone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        async with self._database.transaction(operator_id) as tx:
            running = await store.network_now(tx, self._now() - FRESH)
            billed = await store.billed_since(tx, midnight)
        return NetworkNow(
            sessions=running["sessions"],
            power_w=float(running["power_w"]),
            energy_today_milliwh=int(running["energy_milliwh"]) + int(billed["energy_milliwh"]),
            currency=billed["currency"],
            revenue_incl_vat=format(billed["incl_vat"], "f"),
            tariff_id=running["tariff_id"],
        )

    async def powers_w(self, operator_id: OperatorId) -> dict[str, float]:
        """Return the power of the running sessions in W by station."""
        async with self._database.transaction(operator_id) as tx:
            return await store.powers_by_station(tx, self._now() - FRESH)

    async def recent_powers(self, operator_id: OperatorId, since: datetime) -> Sequence[Row]:
        """Return the powers that were read since an instant, by place, in the order of arrival."""
        async with self._database.transaction(operator_id) as tx:
            return await store.recent_powers(tx, since)


def _session_key(stored: Stored) -> tuple[str, str]:
    return str(to_micros(stored.state.session.started_at)), str(stored.session_id)

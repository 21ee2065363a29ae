"""Use cases of incidents: list and read them, acknowledge, assign, comment, resolve, reopen.

Each change writes the incident, a line of its timeline and the audit, and tells the subscribers (notifications,
remedies), all in one transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row, conflict_if_refused
from voltway.kernel.clock import Clock, to_micros
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Conflict, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import life, store
from voltway.monitoring.incidents.model import ChangeKind, Incident, IncidentChange
from voltway.monitoring.incidents.store import Entry, IncidentFilter, Names

Subscriber = Callable[[Transaction, Sequence[IncidentChange]], Awaitable[None]]
"""Acts on changes in their own transaction; safe to be told twice."""


@dataclass(frozen=True, slots=True)
class Told:
    """An incident as people read it: with the names of its place, its symptoms now, and its timeline."""

    incident: Incident
    names: Names
    symptoms: Sequence[Row] = ()
    entries: Sequence[Entry] = ()


class Incidents:
    """Incidents of an operator."""

    def __init__(
        self, database: Database, subscribers: Sequence[Subscriber] = (), *, clock: Clock = wall_clock
    ) -> None:  # fmt: skip
        self._database = database
        self._subscribers = tuple(subscribers)
        self._now = clock

    async def list_incidents(self, caller: Caller, wanted: PageRequest, only: IncidentFilter) -> Page[Told]:
        """Return incidents, the newest opening first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_incidents(tx, wanted, only)
        told = [Told(incident, names) for incident, names in rows]
        return page_of(told, wanted, lambda it: (to_micros(it.incident.opened_at), it.incident.incident_id))

    async def get_incident(self, caller: Caller, incident_id: int) -> Told:
        """Return one incident with all that was seen and done; raise NotFound where there is none."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await self._told(tx, incident_id)

    async def count_unresolved(self, operator_id: OperatorId) -> dict[str, int]:
        """Return how many incidents are unresolved, by severity."""
        async with self._database.transaction(operator_id) as tx:
            return await store.count_unresolved(tx)

    async def changed_since(self, operator_id: OperatorId, since: datetime) -> list[Told]:
        """Return the incidents that changed after an instant."""
        async with self._database.transaction(operator_id) as tx:
            return [Told(*found) for found in await store.changed_since(tx, since)]

    async def acknowledge(self, caller: Caller, incident_id: int) -> Told:
        """Say that somebody has seen it."""
        return await self._change(caller, incident_id, ChangeKind.ACKNOWLEDGED, "acknowledged", life.acknowledged)

    async def assign(self, caller: Caller, incident_id: int, assignee: str | None) -> Told:
        """Give it to somebody, or to nobody."""
        text = f"assigned to {assignee}" if assignee else "assigned to nobody"
        return await self._change(
            caller, incident_id, ChangeKind.ASSIGNED, text, lambda it, at: life.assigned(it, assignee, at)
        )

    async def resolve(self, caller: Caller, incident_id: int, reason: str) -> Told:
        """Say that it is over, and why."""
        return await self._change(caller, incident_id, ChangeKind.RESOLVED, reason, life.resolved)

    async def reopen(self, caller: Caller, incident_id: int, reason: str) -> Told:
        """Say that it is not over."""
        return await self._change(caller, incident_id, ChangeKind.REOPENED, reason, life.reopened)

    async def comment(self, caller: Caller, incident_id: int, text: str) -> Told:
        """Add a remark to its timeline."""
        return await self._change(caller, incident_id, ChangeKind.COMMENTED, text, lambda it, _: it)

    async def publish(self, tx: Transaction, changes: Sequence[IncidentChange]) -> None:
        """Write the changes' lines of the timeline and tell the subscribers, in the transaction of the change."""
        for change in changes:
            entry = Entry(change.at, change.kind.value, change.actor, change.text, None)
            await store.add_entry(tx, change.incident, entry)
        for subscriber in self._subscribers:
            await subscriber(tx, changes)

    async def _change(
        self,
        caller: Caller,
        incident_id: int,
        kind: ChangeKind,
        text: str,
        rule: Callable[[Incident, datetime], Incident],
    ) -> Told:
        now = self._now()
        async with self._database.transaction(caller.operator_id) as tx:
            before = await store.lock_incident(tx, caller.operator_id, incident_id)
            if before is None:
                raise NotFound(f"there is no incident {incident_id}")
            after = rule(before, now)
            if kind is ChangeKind.REOPENED:
                await self._refuse_successor(tx, before)
            with conflict_if_refused("the fault came back at this moment as another incident; look at the list again"):
                is_stored = after is before or await store.update_incident(tx, after)
            if not is_stored:
                raise Conflict("the incident changed at this moment; look at it again")
            await record(tx, caller, f"incident.{kind.value}", str(incident_id), text=text)
            await self.publish(tx, [IncidentChange(kind, after, now, caller.name, text)])
            return await self._told(tx, incident_id)

    @staticmethod
    async def _refuse_successor(tx: Transaction, incident: Incident) -> None:
        """At most one incident of a group is unresolved: where the fault came back meanwhile, that one goes on."""
        newer = await store.find_unresolved(tx, incident.operator_id, incident.group_key)
        if newer is not None:
            raise Conflict(f"the fault is back already as incident {newer}; go on there, or resolve that one first")

    async def _told(self, tx: Transaction, incident_id: int) -> Told:
        found = await store.find_incident(tx, incident_id)
        if found is None:
            raise NotFound(f"there is no incident {incident_id}")
        symptoms = await store.symptoms_of(tx, incident_id)
        return Told(*found, symptoms, await store.list_entries(tx, incident_id))


async def find_for_update(tx: Transaction, operator_id: OperatorId, incident_id: int) -> Incident | None:
    """Return an incident that nobody else changes until this transaction ends."""
    return await store.lock_incident(tx, operator_id, incident_id)


async def note(tx: Transaction, incident: Incident, entry: Entry) -> None:
    """Add a line to an incident's timeline (what a remedy or a message has to say)."""
    await store.add_entry(tx, incident, entry)

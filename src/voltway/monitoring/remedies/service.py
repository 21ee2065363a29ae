"""Use cases of remedies: plan a first step as an incident opens, edit ladders and modes, tell what helped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Conflict, NotFound
from voltway.monitoring.incidents.model import ChangeKind, Incident, IncidentChange
from voltway.monitoring.remedies import ladder_store, store
from voltway.monitoring.remedies.decide import next_step
from voltway.monitoring.remedies.model import Decision, Ladder, Mode, Run, Step, Stop
from voltway.monitoring.remedies.planning import Ties, by_hand, planned, scene_of
from voltway.monitoring.remedies.store import NewRun, StoredRun

_BEGINS = frozenset({ChangeKind.OPENED, ChangeKind.REOPENED})
_ENDS = frozenset({ChangeKind.REMEDIED, ChangeKind.RESOLVED})
_NEWEST = 2**62


@dataclass(frozen=True, slots=True)
class Plan:
    """What a ladder would do now about an incident; `ladder` None: its rule has none."""

    ladder: Ladder | None
    mode: Mode
    decision: Decision
    runs: Sequence[StoredRun]


class Remedies:
    """Remedies of an operator; `on_changes` is a subscriber of incidents."""

    def __init__(self, database: Database, ties: Ties, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._ties = ties
        self._now = clock

    async def on_changes(self, tx: Transaction, changes: Sequence[IncidentChange]) -> None:
        """Plan the first step where an incident begins, give up what is planned where it ends."""
        for change in changes:
            incident = change.incident
            if change.kind in _ENDS:
                why = f"the incident was {change.kind.value}"
                await store.cancel_planned(tx, incident.operator_id, incident.incident_id, why, self._now())
            elif change.kind in _BEGINS:
                await self._plan_first(tx, change)

    async def _plan_first(self, tx: Transaction, change: IncidentChange) -> None:
        incident = change.incident
        ladder = await self._ladder_of(tx, incident)
        if ladder is None or await ladder_store.mode_of(tx, incident.operator_id, ladder.code) is Mode.OFF:
            return
        first = planned(incident, ladder, 0, self._now(), change.at)
        if first is not None:
            await store.insert_run(tx, first)

    async def _ladder_of(self, tx: Transaction, incident: Incident) -> Ladder | None:
        rule = (await self._ties.rules_of(tx, incident.operator_id)).get(incident.rule)
        if rule is None or rule.ladder is None:
            return None
        return (await ladder_store.ladders_of(tx, incident.operator_id)).get(rule.ladder)

    async def list_ladders(self, caller: Caller) -> tuple[dict[str, Ladder], set[str], dict[str, Mode]]:
        """Return every ladder, the codes of the operator's own, and the modes that were set."""
        async with self._database.transaction(caller.operator_id) as tx:
            ladders = await ladder_store.ladders_of(tx, caller.operator_id)
            own = await ladder_store.own_codes(tx, caller.operator_id)
            return ladders, own, await ladder_store.modes_of(tx, caller.operator_id)

    async def put_ladder(self, caller: Caller, ladder: Ladder) -> None:
        """Enter a ladder, or change a shipped one for this operator."""
        async with self._database.transaction(caller.operator_id) as tx:
            await ladder_store.put_ladder(tx, caller.operator_id, ladder, self._now())
            await record(tx, caller, "ladder.put", ladder.code, steps=[step.key for step in ladder.steps])

    async def delete_ladder(self, caller: Caller, code: str) -> None:
        """Forget an operator's own ladder; a shipped one is as shipped again. Raises NotFound where none is theirs."""
        async with self._database.transaction(caller.operator_id) as tx:
            if not await ladder_store.delete_ladder(tx, caller.operator_id, code):
                raise NotFound(f"there is no ladder {code} of your own")
            await record(tx, caller, "ladder.delete", code)

    async def put_mode(self, caller: Caller, mode: Mode, ladder: str = "") -> None:
        """Say how far remedies go by themselves, for one ladder or (with "") for all without a mode of their own."""
        async with self._database.transaction(caller.operator_id) as tx:
            if ladder and ladder not in await ladder_store.ladders_of(tx, caller.operator_id):
                raise NotFound(f"there is no ladder {ladder}")
            await ladder_store.put_mode(tx, caller.operator_id, ladder, mode, self._now())
            await record(tx, caller, "remedies.mode", ladder or "*", mode=mode.value)

    async def list_runs(
        self, caller: Caller, wanted: PageRequest, *, incident_id: int | None = None, station: str | None = None
    ) -> Page[StoredRun]:
        """Return runs, the newest first."""
        after = wanted.after_numbers(1)
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_runs(
                tx, incident_id=incident_id, station=station, before=after[0] if after else _NEWEST, limit=wanted.fetch
            )
        return page_of(rows, wanted, lambda it: (it.run_id,))

    async def success(self, caller: Caller) -> Sequence[Row]:
        """Return how often each action helped, by rule, vendor, model and firmware."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await store.success_rows(tx)

    async def plan(self, caller: Caller, incident_id: int) -> Plan:
        """Return what the ladder of an incident would do now."""
        now = self._now()
        async with self._database.transaction(caller.operator_id) as tx:
            incident = await self._incident(tx, caller, incident_id)
            ladder = await self._ladder_of(tx, incident)
            runs = await store.list_runs(tx, incident_id=incident_id, station=None, before=_NEWEST, limit=1000)
            if ladder is None:
                return Plan(None, Mode.OFF, Stop("the rule of this incident has no ladder"), runs)
            mode = await ladder_store.mode_of(tx, caller.operator_id, ladder.code)
            waiting = next((it for it in runs if it.state == "planned" and not it.manual), None)
            at_hand = waiting or planned(incident, ladder, 0, now)
            assert at_hand is not None, "a ladder has a step"
            scene = await scene_of(tx, at_hand, incident, now)
            assert scene is not None, "its ladder was just read"
            decision = next_step(ladder, await store.history_of(tx, at_hand, now), scene.facts, now)
            return Plan(ladder, mode, decision, runs)

    async def run_by_hand(self, caller: Caller, incident_id: int, rung: Step, *, force: bool = False) -> StoredRun:
        """Have the runner do a step at once.

        Raises:
            Conflict: a limit stands against it and `force` is not given.
        """
        now = self._now()
        async with self._database.transaction(caller.operator_id) as tx:
            incident = await self._incident(tx, caller, incident_id)
            ladder = await self._ladder_of(tx, incident)
            new = NewRun(
                caller.operator_id, incident_id, incident.rule, ladder.code if ladder else "manual", incident.reopened,
                0, rung, incident.place.station_id or None, incident.place.evse_id, now, now, caller.name,
                manual=True, forced=force,
            )  # fmt: skip
            run_id = await store.insert_run(tx, new)
            assert run_id is not None, "only a ladder's own steps are unique"
            stored = await store.find_run(tx, run_id)
            assert stored is not None, "it was just stored"
            await self._refuse_limited(tx, stored, incident)
            details: Any = {"incident": incident_id, "forced": force, "run": run_id}
            await record(tx, caller, f"remedy.{rung.action}", stored.identity or "", **details)
            return stored

    async def _refuse_limited(self, tx: Transaction, it: StoredRun, incident: Incident) -> None:
        scene = await scene_of(tx, it, incident, self._now())
        assert scene is not None, "by hand needs no ladder"
        if it.forced:
            return
        decision = by_hand(scene, it.rung, await store.history_of(tx, it, self._now()), self._now())
        if not isinstance(decision, Run):
            raise Conflict(f"{it.action} is not done now: {decision.why}; with force it is")

    async def _incident(self, tx: Transaction, caller: Caller, incident_id: int) -> Incident:
        incident = await self._ties.incident_of(tx, caller.operator_id, incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {incident_id}")
        return incident

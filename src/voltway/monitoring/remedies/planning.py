"""From rows to decisions: the facts of a station, the plan of a step, shared by the service and the runner."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from voltway.infra.db import Transaction
from voltway.infra.sql import Row
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import Incident, Rule
from voltway.monitoring.remedies import ladder_store, store
from voltway.monitoring.remedies.decide import decide_step
from voltway.monitoring.remedies.model import Decision, Facts, Ladder, Mode, Past, Step
from voltway.monitoring.remedies.store import NewRun, StoredRun

RulesOf = Callable[[Transaction, OperatorId], Awaitable[Mapping[str, Rule]]]
IncidentOf = Callable[[Transaction, OperatorId, int], Awaitable[Incident | None]]
Note = Callable[[Transaction, Incident, str, str, Any], Awaitable[None]]
"""Writes (kind, text, data) to an incident's timeline."""


class Publish(Protocol):
    """Publishes an event in the caller's transaction; the same key again changes nothing."""

    async def __call__(
        self, tx: Transaction, operator_id: OperatorId, kind: str, data: dict[str, Any], /, *, key: str
    ) -> None:
        """Publish one event."""


@dataclass(frozen=True, slots=True)
class Ties:
    """What remedies need of their neighbours, passed in where everything is put together."""

    rules_of: RulesOf
    incident_of: IncidentOf
    note: Note
    publish: Publish


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a decision stands on; `station` None where the incident is not of one station."""

    ladder: Ladder
    facts: Facts
    station: Row | None


def is_current(incident: Incident | None, round_number: int) -> bool:
    """Whether an incident still goes on in the round for which something was planned."""
    return incident is not None and incident.is_unresolved and incident.reopened == round_number


def planned(
    incident: Incident, ladder: Ladder, step: int, now: datetime, base: datetime | None = None
) -> NewRun | None:  # fmt: skip
    """Return the run of a ladder's step for an incident, None past its end; `base`: when its wait begins."""
    if step >= len(ladder.steps):
        return None
    rung = ladder.steps[step]
    due_at = (base or now) + timedelta(seconds=rung.wait_before_s)
    return NewRun(
        incident.operator_id, incident.incident_id, incident.rule, ladder.code, incident.reopened, step, rung,
        incident.place.station_id or None, incident.place.evse_id, now, due_at,
    )  # fmt: skip


def by_hand(scene: Scene, rung: Step, history: Sequence[Past], now: datetime) -> Decision:
    """Say whether a person may run a step now: the ladder's limits hold, its mode and its order do not."""
    ladder = replace(scene.ladder, steps=(rung,), stop_if_no_help=10**6)
    return decide_step(ladder, 0, history, scene.facts, now)


async def scene_of(
    tx: Transaction, it: NewRun | StoredRun, incident: Incident | None, now: datetime
) -> Scene | None:  # fmt: skip
    """Read what a decision stands on; None where the ladder is gone."""
    ladder = (await ladder_store.ladders_of(tx, it.operator_id)).get(it.ladder)
    if ladder is None and it.manual:
        ladder = Ladder(it.ladder, "By hand", (it.rung,))
    if ladder is None:
        return None
    mode = await ladder_store.mode_of(tx, it.operator_id, it.ladder)
    waiting_since = it.planned_for if isinstance(it, StoredRun) else it.due_at
    is_unresolved = is_current(incident, it.round)
    station = None if it.station_id is None else await store.station_now(tx, it.station_id, it.evse_id)
    if station is None:
        return Scene(ladder, Facts(is_unresolved, mode, waiting_since, now.hour, has_station=False), None)
    record = await store.product_record(tx, it.operator_id, station)
    return Scene(ladder, _facts(it, station, (is_unresolved, mode, waiting_since, now), record), station)


def _facts(
    it: NewRun | StoredRun, station: Row, said: tuple[bool, Mode, datetime, datetime], record: Any
) -> Facts:  # fmt: skip
    is_unresolved, mode, waiting_since, now = said
    local = now.astimezone(ZoneInfo(station["time_zone"]))
    return Facts(
        is_unresolved, mode, waiting_since, local.hour, local.minute, it.evse_id,
        is_connected=station["connected"],
        is_session_on_evse=station["session_on_evse"],
        is_session_on_station=station["session_on_station"],
        is_closed_by_intent=station["closed_by_intent"],
        harms={row["action"]: row["harms"] for row in record},
        success={row["action"]: (row["runs"], row["helped"]) for row in record},
    )  # fmt: skip

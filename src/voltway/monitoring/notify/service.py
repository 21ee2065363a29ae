"""What a change of an incident becomes: public events, deliveries of webhooks, notifications of routes.

`Notifier.on_changes` runs inside the transaction that changes the incidents. It only writes rows; sending is the
courier's and the job queue's business, so that nothing is told that did not happen and nothing is forgotten that did.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from voltway.infra.db import Transaction
from voltway.infra.jobs import Jobs
from voltway.kernel.clock import Clock, to_rfc3339
from voltway.kernel.clock import now as wall_clock
from voltway.monitoring.incidents.model import IncidentChange
from voltway.monitoring.notify import store
from voltway.monitoring.notify.document import event_data, event_type
from voltway.monitoring.notify.events import Events
from voltway.monitoring.notify.events_store import NewEvent
from voltway.monitoring.notify.model import Place, Route, Told, change_key, event_of, wants
from voltway.monitoring.notify.schedule import due


class Notifier:
    """Turns changes of incidents into public events and notifications, in the transaction that makes them.

    Args:
        jobs: the queue that webhooks are delivered by; it need not be open.
        public_url: where people reach this installation, for the links; "" leaves them out.
    """

    def __init__(self, jobs: Jobs, *, public_url: str = "", clock: Clock = wall_clock) -> None:
        self.events = Events(jobs, clock=clock)
        self._public_url = public_url
        self._now = clock

    async def on_changes(self, tx: Transaction, changes: Sequence[IncidentChange]) -> None:
        """Write what follows from a batch of changes (of any operators, under either role); again changes nothing."""
        if not changes:
            return
        placed = list(zip(changes, await store.places_of(tx, changes), strict=True))
        await self.events.publish_all(tx, [self._event(change, place) for change, place in placed])
        routes = await store.routes_of(tx, sorted({change.incident.operator_id for change in changes}))
        waiting = await store.waiting_digests(tx, [route.route_id for route in routes])
        now = self._now()
        rows = [
            _notification(route, Pending(change, place, now), waiting)
            for change, place in placed
            for route in routes
            if wants(route, change, place)
        ]
        await store.insert_notifications(tx, rows)

    def _event(self, change: IncidentChange, place: Place) -> NewEvent:
        data = event_data(change, place, self._public_url)
        return NewEvent(change.incident.operator_id, change_key(change), event_type(change), change.at, data)


class Pending(NamedTuple):
    """A change that is to be told: where, and what the clock says as it is planned."""

    change: IncidentChange
    place: Place
    now: datetime


def _notification(route: Route, pending: Pending, waiting: dict[int, datetime]) -> dict[str, Any]:
    """Return the row of one change for one route; a digest that begins with it is noted in `waiting`."""
    change, place, now = pending
    conditions, event = route.conditions, event_of(change, now)
    due_at = due(conditions.schedule, event, conditions.zone(place.time_zone), waiting.get(route.route_id))
    held = due_at > event.at
    if held:
        waiting[route.route_id] = due_at
    return {
        "operator_id": route.operator_id,
        "route_id": route.route_id,
        "key": change_key(change),
        "incident_id": change.incident.incident_id,
        "at": to_rfc3339(change.at),
        "due_at": to_rfc3339(due_at),
        "held": held,
        "document": Told.of(change, place).to_json(),
    }

"""Monitoring's part of the live feed: power at every level and incidents, published as they change.

The feed's tick calls `publish` for each operator that somebody watches, twice a second, so that power is at most a
second behind the reply to the station. Only what differs from the tick before is sent; a page begins with the routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from voltway.httpapi.sse import Hub
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.api import incident_document
from voltway.monitoring.incidents.service import Incidents
from voltway.monitoring.timeline.api import power_document
from voltway.monitoring.timeline.service import Timeline

OVERLAP = timedelta(seconds=5)
"""Incidents are looked for from a little before the last look: a transaction may commit late."""
INCIDENTS_EVERY = 2
"""Ticks."""


@dataclass(slots=True)
class _Seen:
    """What was sent of one operator."""

    since: datetime
    power: dict[str, Any] = field(default_factory=dict)
    incidents: dict[int, int] = field(default_factory=dict)
    ticks: int = 0


class OperationsFeed:
    """Publishes `power` and `incident` events."""

    def __init__(self, timeline: Timeline, incidents: Incidents, *, clock: Clock = wall_clock) -> None:
        self._timeline = timeline
        self._incidents = incidents
        self._now = clock
        self._seen: dict[OperatorId, _Seen] = {}

    async def publish(self, operator_id: OperatorId, hub: Hub) -> None:
        """Send what changed since the last tick."""
        seen = self._seen.setdefault(operator_id, _Seen(self._now()))
        await self._publish_power(operator_id, seen, hub)
        if seen.ticks % INCIDENTS_EVERY == 0:
            await self._publish_incidents(operator_id, seen, hub)
        seen.ticks += 1

    async def _publish_power(self, operator_id: OperatorId, seen: _Seen, hub: Hub) -> None:
        document = (await power_document(self._timeline, operator_id, self._now)).model_dump(mode="json")
        as_of = document.pop("as_of")
        flat = {
            "network_w": document["network_w"],
            "sites": document["sites"],
            "stations": document["stations"],
            "evses": {f"{it['station_id']}/{it['evse_id']}": it["power_w"] for it in document["evses"]},
            "feeders": {f"{it['location_id']}/{it['code']}": it["power_w"] for it in document["feeders"]},
        }
        changed = changes(seen.power, flat)
        seen.power = flat
        if changed:
            hub.publish("power", orjson.dumps({"as_of": as_of, **changed}))

    async def _publish_incidents(self, operator_id: OperatorId, seen: _Seen, hub: Hub) -> None:
        since, seen.since = seen.since - OVERLAP, self._now()
        for told in await self._incidents.changed_since(operator_id, since):
            it = told.incident
            if seen.incidents.get(it.incident_id) != it.revision:
                seen.incidents[it.incident_id] = it.revision
                hub.publish("incident", incident_document(told).model_dump_json().encode())
        if len(seen.incidents) > 10_000:
            seen.incidents = dict(list(seen.incidents.items())[-5_000:])


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs between two documents of numbers, one level deep; what is gone is 0.

    >>> changes({"sites": {"A": 1.0, "B": 2.0}}, {"sites": {"A": 1.0}, "network_w": 1.0})
    {'sites': {'B': 0.0}, 'network_w': 1.0}
    """
    found: dict[str, Any] = {}
    for name, value in after.items():
        known = before.get(name)
        if not isinstance(value, dict):
            if value != known:
                found[name] = value
            continue
        known = known or {}
        differing = {key: number for key, number in value.items() if known.get(key) != number}
        differing |= {key: 0.0 for key in known if key not in value}
        if differing:
            found[name] = differing
    return found

"""Use cases of routes: who is told of what, when and where; a test of a route; the log of what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Conflict, Fault, InvalidInput, NotFound
from voltway.monitoring.notify import sender, store
from voltway.monitoring.notify.model import Conditions, conditions_to_json
from voltway.monitoring.notify.store import Message, Target
from voltway.monitoring.notify.texts import write_test

MAX_TARGETS = 20


@dataclass(frozen=True, slots=True)
class RouteText:
    """A route as it is entered; a target may be the masked form of one that is stored already."""

    name: str
    enabled: bool
    targets: Sequence[str]
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class ShownRoute:
    """A route as its operator sees it: the secrets of its targets are masked."""

    route_id: int
    text: RouteText
    created_at: datetime
    updated_at: datetime


class Routes:
    """Routes of an operator and the log of what they sent."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._now = clock

    async def create(self, caller: Caller, text: RouteText) -> ShownRoute:
        """Enter a route."""
        targets = _checked(text.targets, ())
        async with self._database.transaction(caller.operator_id) as tx:
            route_id = await store.insert_route(
                tx, caller.operator_id, name=text.name, enabled=text.enabled, document=_document(text)
            )
            await store.put_targets(tx, caller.operator_id, route_id, targets)
            await record(tx, caller, "notification_route.create", text.name, **_audited(text, targets))
            return await _shown_one(tx, route_id)

    async def replace(self, caller: Caller, route_id: int, text: RouteText) -> ShownRoute:
        """Replace a route; targets in their masked form keep what was stored."""
        async with self._database.transaction(caller.operator_id) as tx:
            before = await _get(tx, route_id)
            known = (await store.targets_of(tx, [route_id])).get(route_id, [])
            targets = _checked(text.targets, known)
            await store.update_route(tx, route_id, name=text.name, enabled=text.enabled, document=_document(text))
            await store.put_targets(tx, caller.operator_id, route_id, targets)
            await record(tx, caller, "notification_route.replace", before["name"], **_audited(text, targets))
            return await _shown_one(tx, route_id)

    async def delete(self, caller: Caller, route_id: int) -> None:
        """Delete a route; what it sent stays in the log."""
        async with self._database.transaction(caller.operator_id) as tx:
            before = await _get(tx, route_id)
            await store.delete_route(tx, route_id)
            await record(tx, caller, "notification_route.delete", before["name"])

    async def get(self, caller: Caller, route_id: int) -> ShownRoute:
        """Return one route."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await _shown_one(tx, route_id)

    async def test(self, caller: Caller, route_id: int) -> list[int]:
        """Send a test to each target of a route; return the numbers of the messages, whose state the log shows."""
        async with self._database.transaction(caller.operator_id) as tx:
            route = await _get(tx, route_id)
            text = write_test(route["name"])
            words = {"subject": text.subject, "body": text.body, "html": text.html}
            messages = await store.insert_test_messages(tx, route_id, words, self._now())
            if not messages:
                raise Conflict("this route has no target to test")
            return messages

    async def log(
        self, caller: Caller, wanted: PageRequest, *, state: str | None, incident_id: int | None
    ) -> Page[Message]:
        """Return what was sent and what came of it, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_messages(tx, wanted, state=state, incident_id=incident_id)
        return page_of(rows, wanted, lambda message: (message.id,))

    async def list(self, caller: Caller, wanted: PageRequest) -> Page[ShownRoute]:
        """Return routes, oldest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            shown = await _shown(tx, await store.list_routes(tx, wanted))
        return page_of(shown, wanted, lambda route: (route.route_id,))


def _checked(entered: Sequence[str], known: Sequence[Target]) -> list[tuple[str, str]]:
    """Return (URL, label) of the targets that were entered; raise InvalidInput with every fault."""
    by_label = {target.label: target.url for target in known}
    targets: dict[str, str] = {}
    faults = []
    for number, text in enumerate(entered):
        if text in by_label:
            targets[by_label[text]] = text
            continue
        try:
            targets[text] = sender.check_target(text)
        except InvalidInput as error:
            faults.append(Fault(f"/targets/{number}", error.message))
    if faults:
        raise InvalidInput("some targets cannot be used", faults)
    return list(targets.items())


def _document(text: RouteText) -> Mapping[str, Any]:
    return conditions_to_json(text.conditions)


def _audited(text: RouteText, targets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    labels = [label for _, label in targets]
    return {"name": text.name, "enabled": text.enabled, "targets": labels, "conditions": _document(text)}


async def _get(tx: Transaction, route_id: int) -> Row:
    found = await store.find_route(tx, route_id)
    if found is None:
        raise NotFound(f"there is no route {route_id}")
    return found


async def _shown_one(tx: Transaction, route_id: int) -> ShownRoute:
    (shown,) = await _shown(tx, [await _get(tx, route_id)])
    return shown


async def _shown(tx: Transaction, rows: Sequence[Row]) -> list[ShownRoute]:
    targets = await store.targets_of(tx, [row["route_id"] for row in rows])
    return [_shown_route(row, targets.get(row["route_id"], ())) for row in rows]


def _shown_route(row: Row, targets: Sequence[Target]) -> ShownRoute:
    route = store.route_of(row)
    text = RouteText(route.name, route.enabled, [target.label for target in targets], route.conditions)
    return ShownRoute(route.route_id, text, row["created_at"], row["updated_at"])

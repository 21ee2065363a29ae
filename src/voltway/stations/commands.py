"""The one way to reach a station: a request on the bus, answered by whichever gateway holds its socket.

The subject is `station.<internal id>.command`. Nobody listening means offline, at once. A gateway that has just taken a
station over may subscribe a moment late, so "nobody" is asked twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

import orjson

from voltway.httpapi.caller import Caller
from voltway.identity.audit import record
from voltway.infra.bus import NoResponders
from voltway.infra.db import Database
from voltway.infra.outbox import write_change
from voltway.kernel.clock import Clock, monotonic_s, to_rfc3339
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.ids import StationId
from voltway.stations import availability_store
from voltway.stations.availability import Wish, wish_of_call, wish_of_verb
from voltway.stations.service import get_station_id

Request = Callable[[str, bytes, float], Awaitable[bytes]]
"""Sends (subject, data, timeout in s) and returns the answer; raises NoResponders, BusAway or TimeoutError."""

OutcomeWord = Literal["answered", "call_error", "invalid", "unsupported", "not_booted", "busy", "timeout", "offline"]
Verb = Literal[
    "start", "stop", "reset", "unlock", "availability", "trigger", "read_configuration", "write_configuration"
]
RETRY_AFTER_S = 0.3
GRACE_S = 1.0
"""The gateway ends a command at its deadline; we wait this much longer for it to say so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command; `response` is the station's answer, `error` what it or we had against it."""

    outcome: OutcomeWord
    response: dict[str, Any] | None
    error: dict[str, Any] | None
    ms: int


@dataclass(frozen=True, slots=True)
class _Order:
    """What goes to a station: `action` for the audit, `body` for the gateway, `wish` where it is about availability."""

    identity: str
    action: str
    body: dict[str, Any]
    wish: Wish | None


class Commands:
    """Sends commands and verbs to stations; the caller always gets one outcome."""

    def __init__(
        self,
        database: Database,
        request: Request,
        *,
        timeout_s: float = 30.0,
        clock: Clock = wall_clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._request = request
        self._timeout_s = timeout_s
        self._now = clock
        self._pause = pause

    async def call(
        self,
        caller: Caller,
        identity: str,
        action: str,
        payload: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
    ) -> Outcome:
        """Send any OCPP action; the gateway validates the payload against that connection's version."""
        wish = wish_of_call(payload) if action == "ChangeAvailability" else None
        body = {"action": action, "payload": payload}
        return await self._send(caller, _Order(identity, f"command.{action}", body, wish), timeout_s)

    async def do(
        self,
        caller: Caller,
        identity: str,
        verb: Verb,
        args: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
    ) -> Outcome:
        """Do a verb; the gateway writes it in the station's version. None among `args` means "not given"."""
        wish = wish_of_verb(args) if verb == "availability" else None
        body = {"verb": verb, "args": {name: value for name, value in args.items() if value is not None}}
        return await self._send(caller, _Order(identity, f"command.{verb}", body, wish), timeout_s)

    async def _send(self, caller: Caller, order: _Order, timeout_s: float | None) -> Outcome:
        station_id, request_id = await self._begin(caller, order)
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = to_rfc3339(self._now() + timedelta(seconds=limit_s))
        begun_s = monotonic_s()
        data = orjson.dumps({**order.body, "deadline": deadline})
        outcome = await self._ask(f"station.{station_id}.command", data, limit_s, begun_s)
        async with self._database.transaction(caller.operator_id) as tx:
            sent = _without_secrets(order.body)
            status = None if outcome.response is None else outcome.response.get("status")
            await record(tx, caller, order.action, order.identity, sent=sent, outcome=outcome.outcome, status=status)
            if request_id is not None:
                answer = status if isinstance(status, str) else outcome.outcome
                await availability_store.acknowledge(tx, caller.operator_id, request_id, answer, self._now())
                await write_change(tx, caller.operator_id, stations=[station_id])
        return outcome

    async def _begin(self, caller: Caller, order: _Order) -> tuple[StationId, int | None]:
        """Store what we wish before it is sent: a station may already follow it while its answer is lost."""
        async with self._database.transaction(caller.operator_id) as tx:
            station_id = await get_station_id(tx, order.identity)
            if order.wish is None:
                return station_id, None
            said = (self._now(), caller.name)
            request_id = await availability_store.insert_request(tx, caller.operator_id, station_id, order.wish, said)
            await write_change(tx, caller.operator_id, stations=[station_id])
        return station_id, request_id

    async def _ask(self, subject: str, data: bytes, limit_s: float, begun_s: float) -> Outcome:
        try:
            answer = await self._request_twice(subject, data, limit_s + GRACE_S)
        except NoResponders:
            return _failed("offline", "the station is not connected", begun_s)
        except TimeoutError:
            return _failed("timeout", f"the station did not answer within {limit_s:g} s", begun_s)
        return _outcome_of(answer, begun_s)

    async def _request_twice(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        try:
            return await self._request(subject, data, timeout_s)
        except NoResponders:
            await self._pause(RETRY_AFTER_S)
            return await self._request(subject, data, timeout_s)


def _outcome_of(answer: bytes, begun_s: float) -> Outcome:
    found = orjson.loads(answer)
    assert found["outcome"] in get_args(OutcomeWord), "our own gateway answers with one of these words"
    return Outcome(found["outcome"], found.get("response"), found.get("error"), _ms_since(begun_s))


def _failed(word: OutcomeWord, message: str, begun_s: float) -> Outcome:
    return Outcome(word, None, {"code": word, "message": message}, _ms_since(begun_s))


def _ms_since(begun_s: float) -> int:
    return round((monotonic_s() - begun_s) * 1000)


def _without_secrets(value: Any) -> Any:
    """Hide from the audit what goes to a station as a password, named by its key or by a name beside it."""
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    names_one = any(_is_secret(word) for word in _own_words(value))
    return {
        key: "***" if _is_secret(key) or (names_one and "value" in key.lower()) else _without_secrets(item)
        for key, item in value.items()
    }


def _own_words(value: Mapping[str, Any]) -> list[str]:
    """Return the texts of an object and of the objects right in it: SetVariables names its variable one level down."""
    inner = [word for item in value.values() if isinstance(item, dict) for word in item.values()]
    return [word for word in [*value.values(), *inner] if isinstance(word, str)]


def _is_secret(word: str) -> bool:
    return "password" in word.lower() or "authorizationkey" in word.lower()

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
from voltway.kernel.clock import Clock, monotonic_s, to_rfc3339
from voltway.kernel.clock import now as wall_clock
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
        body = {"action": action, "payload": payload}
        return await self._send(caller, identity, f"command.{action}", body, timeout_s)

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
        body = {"verb": verb, "args": {name: value for name, value in args.items() if value is not None}}
        return await self._send(caller, identity, f"command.{verb}", body, timeout_s)

    async def _send(
        self, caller: Caller, identity: str, action: str, body: dict[str, Any], timeout_s: float | None
    ) -> Outcome:
        async with self._database.transaction(caller.operator_id) as tx:
            station_id = await get_station_id(tx, identity)
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = to_rfc3339(self._now() + timedelta(seconds=limit_s))
        begun_s = monotonic_s()
        data = orjson.dumps({**body, "deadline": deadline})
        outcome = await self._ask(f"station.{station_id}.command", data, limit_s, begun_s)
        async with self._database.transaction(caller.operator_id) as tx:
            await record(tx, caller, action, identity, sent=_without_secrets(body), outcome=outcome.outcome)
        return outcome

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

"""Commands to stations: a request on the bus becomes one call over the link, and always gets one outcome.

    bus "station.<id>.command" ─▶ Desk ─▶ Outbox (one call outstanding, a short queue) ─▶ Link ─▶ station ─▶ back

Forms of request and answer: contracts.md. A gateway subscribes when a station connects, so nobody there is "offline".
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import structlog

from voltway.gateway.inbound import Inbound, Record
from voltway.gateway.link import Heard, Link, Sink
from voltway.infra.bus import Bus, Subscription
from voltway.kernel.clock import monotonic_s, now, parse_rfc3339
from voltway.kernel.errors import Fault, InvalidInput
from voltway.kernel.facts import Finding, Reply
from voltway.ocpp.commands import Command
from voltway.ocpp.connection import Outgoing, Refusal
from voltway.ocpp.protocol import Protocol, protocol_for

log = structlog.get_logger()

SETTLE_S: Final = 10.0
"""So long a station that speaks without a boot is left alone."""
MOST_WAITING: Final = 5
LONGEST_S: Final = 600.0
_SECRETS: Final = ("authorizationkey", "basicauthpassword", "password")
_VALUES: Final = frozenset({"value", "attributevalue"})

Answer = dict[str, Any]
"""{"outcome", "response", "error", "ms"}."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants of a station: an action with its payload, or a verb with its arguments."""

    action: str | None
    payload: Any
    verb: str | None
    args: Mapping[str, Any]
    timeout_s: float


class Ended(Exception):
    """A command that ends before the station answered; the word is its outcome."""

    def __init__(self, outcome: str, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.error: dict[str, Any] = {"code": outcome, "message": message}
        if faults:
            self.error["faults"] = [{"pointer": fault.pointer, "message": fault.message} for fault in faults]


class Outbox:
    """The calls of ours over one link: one is outstanding, a few wait their turn until their deadline, no more."""

    __slots__ = ("_link", "_protocol", "_sink", "_turn", "_waiting", "subscription")

    def __init__(self, link: Link, sink: Sink) -> None:
        self._link = link
        self._sink = sink
        self._protocol: Protocol = protocol_for(link.version)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.subscription: Subscription | None = None

    async def carry_out(self, request: Request) -> Any:
        """Do what is wanted and return the station's answer; of several calls, all answers.

        Raises:
            Ended: any other outcome than "answered".
        """
        deadline_s = monotonic_s() + request.timeout_s
        commands = self._commands_of(request)
        async with self._turn_before(deadline_s):
            answers = [await self._call(command, deadline_s) for command in commands]
        if len(commands) == 1:
            return answers[0]
        asked = [without_secrets(command.payload) for command in commands]
        return {"results": [{**sent, **answer} for sent, answer in zip(asked, answers, strict=True)]}

    def _commands_of(self, request: Request) -> tuple[Command, ...]:
        if request.action is not None:
            commands: tuple[Command, ...] = (Command(request.action, request.payload),)
        else:
            try:
                commands = self._protocol.commands_of(str(request.verb), **request.args)
            except (InvalidInput, TypeError) as error:
                faults = error.faults if isinstance(error, InvalidInput) else ()
                raise Ended("invalid", str(error), faults) from error
        for command in commands:
            faults_found = self._protocol.check_command(command.action, command.payload)
            if faults_found is None:
                raise Ended("unsupported", f"OCPP {self._link.version} has no command {command.action[:50]}")
            if faults_found:
                raise Ended("invalid", f"{command.action} cannot be sent like this", faults_found)
        return commands

    @asynccontextmanager
    async def _turn_before(self, deadline_s: float) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise Ended("busy", "other commands wait for this station already")
        self._waiting += 1
        try:
            async with asyncio.timeout(max(deadline_s - monotonic_s(), 0)):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Ended("busy", "another command was underway until the deadline") from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    async def _call(self, command: Command, deadline_s: float) -> dict[str, Any]:
        link = self._link
        if link.is_closed:
            raise Ended("offline", "the station is not connected")
        now_s = monotonic_s()
        if deadline_s <= now_s:
            raise Ended("timeout", "the deadline is over; nothing was sent")
        is_booted = link.may_command(now_s, SETTLE_S)
        wants_boot = (
            command.action == "TriggerMessage" and command.payload.get("requestedMessage") == "BootNotification"
        )
        call = link.connection.begin(
            command.action, command.payload, now_s=now_s, is_boot_needed=not (is_booted or wants_boot)
        )
        if call is Refusal.NOT_BOOTED:
            raise Ended("not_booted", "the station's boot is not accepted yet")
        assert isinstance(call, Outgoing), "the turn keeps others out"
        return await self._await_answer(call, deadline_s)

    async def _await_answer(self, call: Outgoing, deadline_s: float) -> dict[str, Any]:
        link, sent_at = self._link, self._link.stamp()
        frame = self._protocol.encode_command(call.message_id, call.action, call.payload)
        link.answer = asyncio.get_running_loop().create_future()
        heard: Heard | None = None
        try:
            link.send(frame)
            async with asyncio.timeout(max(deadline_s - monotonic_s(), 0)):
                heard = await link.answer
        except TimeoutError as error:
            raise Ended("timeout", "the station did not answer in time") from error
        finally:
            link.answer = None
            if heard is None:
                link.connection.give_up()
            self._log(call, sent_at, heard)
        if heard is None:
            raise Ended("offline", "the connection was lost before the station answered")
        return self._read(call, heard)

    def _read(self, call: Outgoing, heard: Heard) -> dict[str, Any]:
        error, payload = heard.answer.error, heard.answer.payload
        if error is not None:
            ended = Ended("call_error", error.description or error.code)
            ended.error = {"code": error.code, "message": error.description, "details": error.details}
            raise ended
        assert payload is not None, "an answer holds a payload or an error"
        received_at = self._link.stamp()
        understood = self._protocol.read_answer(call.action, payload, received_at)
        if understood is not None:
            self._sink.submit(
                Inbound(
                    _NOWHERE,
                    self._link.seat,
                    understood.fact,
                    understood.findings,
                    received_at,
                    call.message_id,
                    call.action,
                    frame=None,
                )
            )
        return payload

    def _log(self, call: Outgoing, sent_at: datetime, heard: Heard | None) -> None:
        """Keep the call with its answer in the raw log; a password in it is not kept."""
        payload = without_secrets(call.payload)
        frame = self._protocol.encode_command(call.message_id, call.action, payload)
        findings = heard.findings if heard is not None else ()
        if heard is not None and heard.answer.payload is not None:
            faults = self._protocol.check_answer(call.action, heard.answer.payload)
            if faults:
                example = f"{call.action}: {faults[0].pointer or '/'} {faults[0].message}"
                findings = (*findings, Finding("answer_schema_violation", example[:200]))
        self._sink.submit(
            Record(
                self._link.seat,
                sent_at,
                call.message_id,
                call.action,
                frame,
                None if heard is None else heard.frame,
                outgoing=True,
                findings=findings,
            )
        )


class Desk:
    """Listens for commands to the stations of this gateway, and for other gateways that took one over."""

    def __init__(self, bus: Bus, sink: Sink, gateway: str, *, timeout_s: float) -> None:
        self._bus = bus
        self._sink = sink
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._links: dict[int, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Hear when another gateway takes a station over."""
        await self._bus.subscribe("station.*.taken", self._on_taken)

    async def stop(self) -> None:
        """Give up what is underway; the subscriptions end with the bus."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def open(self, link: Link) -> None:
        """Listen for commands to this link's station and tell other gateways that it is here."""
        self._links[link.seat.station_id] = link
        outbox = Outbox(link, self._sink)
        link.outbox = outbox
        self._spawn(self._listen(link, outbox))

    def close(self, link: Link) -> None:
        """Listen no more."""
        if self._links.get(link.seat.station_id) is link:
            del self._links[link.seat.station_id]
        if isinstance(link.outbox, Outbox) and link.outbox.subscription is not None:
            self._spawn(self._unlisten(link.outbox))

    async def _listen(self, link: Link, outbox: Outbox) -> None:
        station_id = link.seat.station_id

        async def on_command(data: bytes) -> bytes:
            return orjson.dumps(await self.answer(outbox, data))

        outbox.subscription = await self._bus.subscribe(f"station.{station_id}.command", on_command)
        if link.is_closed:
            await self._unlisten(outbox)
            return
        word = {"station_id": station_id, "link_id": str(link.link_id), "gateway": self._gateway}
        await self._bus.publish(f"station.{station_id}.taken", orjson.dumps(word))

    async def _unlisten(self, outbox: Outbox) -> None:
        subscription, outbox.subscription = outbox.subscription, None
        if subscription is not None:
            await self._bus.end(subscription)

    async def answer(self, outbox: Outbox, data: bytes) -> Answer:
        """Carry out a request as it came over the bus."""
        begun_s = monotonic_s()
        outcome, response, error = "answered", None, None
        try:
            response = await outbox.carry_out(read_request(data, self._timeout_s))
        except Ended as ended:
            outcome, error = ended.outcome, ended.error
        return {
            "outcome": outcome,
            "response": response,
            "error": error,
            "ms": round((monotonic_s() - begun_s) * 1000),
        }

    async def _on_taken(self, data: bytes) -> None:
        word = orjson.loads(data)
        link = self._links.get(word["station_id"])
        if link is not None and word["gateway"] != self._gateway and word["link_id"] != str(link.link_id):
            link.turn_away("another gateway took this station over")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.warning("station_subscription_failed", error=str(fault)[:200])


def read_request(data: bytes, timeout_s: float) -> Request:
    """Read a request; raise Ended("invalid") where it is none.

    Args:
        data: JSON as contracts.md has it.
        timeout_s: how long to wait where no deadline is named.
    """
    try:
        body = orjson.loads(data)
        action, verb = body.get("action"), body.get("verb")
        deadline = body.get("deadline")
        if deadline is not None:
            timeout_s = min((parse_rfc3339(deadline) - now()).total_seconds(), LONGEST_S)
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise Ended("invalid", f"not a request: {error}") from error
    payload, args = body.get("payload"), body.get("args")
    payload = {} if payload is None else payload
    if not isinstance(action if action is not None else verb, str) or not isinstance(payload, dict):
        raise Ended("invalid", "a request names an action with an object as payload, or a verb")
    return Request(action, payload, verb, args if isinstance(args, dict) else {}, timeout_s)


def without_secrets(value: Any) -> Any:
    """Return a payload with the value of what is named like a password hidden.

    >>> without_secrets({"key": "AuthorizationKey", "value": "0011"})
    {'key': 'AuthorizationKey', 'value': '***'}
    """
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = [text for item in value.values() if isinstance(item, dict) for text in item.values()]
    texts = [text.lower() for text in (*value.values(), *inner) if isinstance(text, str)]
    is_secret = any(word in text for text in texts for word in _SECRETS)
    return {
        key: "***" if is_secret and key.lower() in _VALUES else without_secrets(item) for key, item in value.items()
    }


class _Nowhere:
    """The source of what an answer told us: nobody waits for a reply."""

    def encode(self, inbound: Inbound, reply: Reply) -> bytes:
        """Write nothing."""
        del inbound, reply
        return b""

    def deliver(self, inbound: Inbound, frame: bytes) -> None:
        """Send nothing."""


_NOWHERE = _Nowhere()

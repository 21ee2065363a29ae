"""A small charging server in memory: checks calls against the official schemas, answers, records, loses answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import ocpp
import orjson

from voltway.simulator.timeline import Timeline
from voltway.simulator.world import Endpoint, Listener

ROUND_TRIP_S = 0.02
FOLDERS = {"ocpp1.6": ("v16", ""), "ocpp2.0.1": ("v201", "Request")}


@cache
def validator(subprotocol: str, action: str, *, response: bool = False) -> Any:
    """Return the compiled official schema of an action, or of its response."""
    folder, suffix = FOLDERS[subprotocol]
    path = Path(ocpp.__file__).parent / folder / "schemas" / f"{action}{'Response' if response else suffix}.json"
    return jsonschema_rs.validator_for(orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf")))


@dataclass
class Heard:
    """One call that came in."""

    identity: str
    message_id: str
    action: str
    payload: dict[str, Any]
    at_ms: int


class FakeWire:
    """The station's end of a connection; what it sends reaches the server half a round trip later."""

    def __init__(self, server: "FakeServer", endpoint: Endpoint, listener: Listener) -> None:
        self.server, self.endpoint, self.listener = server, endpoint, listener
        self.subprotocol = endpoint.subprotocols[0] if endpoint.subprotocols else ""
        self.is_open = True
        self.answers: dict[str, Any] = {}

    def send(self, data: bytes, *, binary: bool = False) -> None:
        """Take a frame to the server."""
        if self.is_open:
            self.server.later(lambda: self.server.hear(self, data, binary=binary) if self.is_open else None)

    def close(self) -> None:
        """Close."""
        self.abort()

    def freeze(self) -> None:
        """Go silent: the server still holds the connection, nothing passes."""
        self.is_open = False

    def abort(self) -> None:
        """Drop the connection."""
        if self.is_open:
            self.is_open = False
            self.server.later(lambda: self.listener.on_closed(self))


@dataclass
class FakeServer:
    """The server; `answer` may be replaced, `loses` says which calls are heard but never answered (the link dies)."""

    timeline: Timeline
    heard: list[Heard] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    wires: dict[str, FakeWire] = field(default_factory=dict)
    is_down: bool = False
    boot_status: str = "Accepted"
    token_status: Callable[[str], str] = lambda _: "Accepted"
    loses: Callable[[Heard], bool] = lambda _: False
    delay_s: float = 0.0
    transactions: dict[bytes, int] = field(default_factory=dict)
    numbers: int = 100

    def __call__(self, endpoint: Endpoint, listener: Listener) -> None:
        """Dial."""
        self.endpoints.append(endpoint)
        if self.is_down or not FOLDERS.keys() & set(endpoint.subprotocols):
            self.later(lambda: listener.on_closed(None))
            return
        wire = FakeWire(self, endpoint, listener)
        self.wires[endpoint.path] = wire
        self.later(lambda: listener.on_open(wire, wire.subprotocol))

    def later(self, action: Callable[[], None]) -> None:
        """Do something half a round trip from now."""
        self.timeline.after(ROUND_TRIP_S / 2, action)

    def go_down(self) -> None:
        """Die with all connections, as a killed server does."""
        self.is_down = True
        for wire in self.wires.values():
            wire.abort()

    def call(self, identity: str, action: str, payload: dict[str, Any]) -> str:
        """Call a station; its answer appears in `answers` of its wire."""
        wire = self.wires[identity]
        schema = validator(wire.subprotocol, action)
        self.faults += [f"our {action}: {error.message}" for error in schema.iter_errors(payload)]
        message_id = f"s{self.timeline.now_ms}{len(wire.answers)}"
        wire.answers[message_id] = action
        wire.listener.on_frame(wire, orjson.dumps([2, message_id, action, payload]))
        return message_id

    def hear(self, wire: FakeWire, data: bytes, *, binary: bool) -> None:
        """Take one frame of a station."""
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError:
            frame = None
        match frame:
            case [2, str(message_id), str(action), dict(payload)] if not binary:
                self._hear_call(wire, Heard(wire.endpoint.path, message_id, action, payload, self.timeline.now_ms))
            case [3, str(message_id), dict(payload)] if message_id in wire.answers:
                self._check(wire, str(wire.answers[message_id]), payload, response=True)
                wire.answers[message_id] = payload
            case [4, str(message_id), *rest] if message_id in wire.answers:
                wire.answers[message_id] = rest
            case _:
                self.raw.append(data)

    def of(self, *actions: str) -> list[Heard]:
        """Return the calls of these actions in order."""
        return [heard for heard in self.heard if heard.action in actions]

    def _hear_call(self, wire: FakeWire, heard: Heard) -> None:
        self.heard.append(heard)
        self._check(wire, heard.action, heard.payload, response=False)
        answer = self._answer(wire, heard)
        if self.loses(heard):
            wire.abort()
            return
        frame = orjson.dumps([3, heard.message_id, answer])
        delay_s = self.delay_s + ROUND_TRIP_S / 2
        self.timeline.after(delay_s, lambda: wire.listener.on_frame(wire, frame) if wire.is_open else None)

    def _check(self, wire: FakeWire, action: str, payload: dict[str, Any], *, response: bool) -> None:
        try:
            schema = validator(wire.subprotocol, action, response=response)
        except FileNotFoundError:
            self.faults.append(f"no such action: {action}")
            return
        self.faults += [f"{action}: {error.message}" for error in schema.iter_errors(payload)]

    def _answer(self, wire: FakeWire, heard: Heard) -> dict[str, Any]:
        now, is_16 = self.timeline.text(), wire.subprotocol == "ocpp1.6"
        info = "idTagInfo" if is_16 else "idTokenInfo"
        token = heard.payload.get("idTag") or heard.payload.get("idToken", {}).get("idToken")
        standing = {info: {"status": self.token_status(token)}} if token else {}
        match heard.action:
            case "BootNotification":
                return {"status": self.boot_status, "currentTime": now, "interval": 30}
            case "Heartbeat":
                return {"currentTime": now}
            case "Authorize" | "TransactionEvent" | "StopTransaction":
                return standing
            case "StartTransaction":
                key = orjson.dumps([heard.identity, heard.payload])
                if key not in self.transactions:
                    self.numbers += 1
                    self.transactions[key] = self.numbers
                return {"transactionId": self.transactions[key], **standing}
        return {}

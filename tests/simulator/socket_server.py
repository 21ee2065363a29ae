"""The same small server behind real WebSockets (the `websockets` library), for the transport and whole runs."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from voltway.kernel.clock import now, to_rfc3339


@dataclass
class SocketServer:
    """Answers every call; records calls, credentials and raw frames; `passwords` None lets everybody in."""

    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    raw: list[bytes | str] = field(default_factory=list)
    credentials: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    password: bytes | None = None
    transactions: dict[bytes, int] = field(default_factory=dict)
    connections: set[ServerConnection] = field(default_factory=set)
    server: Server | None = None

    @property
    def url(self) -> str:
        """Where stations connect."""
        assert self.server is not None, "the server runs"
        return f"ws://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}/ocpp"

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Check the password."""
        self.paths.append(request.path)
        header = request.headers.get("Authorization", "")
        given = base64.b64decode(header.removeprefix("Basic "))
        self.credentials.append(given)
        if self.password is not None and given.partition(b":")[2] != self.password:
            return connection.respond(401, "who are you?\n")
        return None

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one station."""
        assert connection.request is not None, "a connection begins with a request"
        identity = unquote(connection.request.path.rpartition("/")[2])
        self.connections.add(connection)
        try:
            async for data in connection:
                reply = self.reply(identity, data)
                if reply is not None:
                    await connection.send(reply.decode())
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(connection)

    def reply(self, identity: str, data: bytes | str) -> bytes | None:
        """Answer one frame."""
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError:
            frame = None
        match frame:
            case [2, str(message_id), str(action), dict(payload)] if isinstance(data, str):
                self.calls.append((identity, action, payload))
                return orjson.dumps([3, message_id, self.answer(identity, action, payload)])
        self.raw.append(data)
        return None

    def answer(self, identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Say yes to everything."""
        at = to_rfc3339(now())
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": at, "interval": 5}
            case "Heartbeat":
                return {"currentTime": at}
            case "StartTransaction":
                number = self.transactions.setdefault(orjson.dumps([identity, payload]), len(self.transactions) + 1)
                return {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
            case "Authorize":
                return {"idTokenInfo" if "idToken" in payload else "idTagInfo": {"status": "Accepted"}}
        return {}

    def drop_all(self) -> None:
        """Drop every connection without a word."""
        for connection in tuple(self.connections):
            connection.transport.abort()


@asynccontextmanager
async def running_server(password: bytes | None = None) -> AsyncIterator[SocketServer]:
    """Run a server on a free port."""
    csms = SocketServer(password=password)
    names = [Subprotocol("ocpp1.6"), Subprotocol("ocpp2.0.1")]
    async with serve(
        csms.talk, "127.0.0.1", 0, subprotocols=names, process_request=csms.admit, max_size=None
    ) as server:
        csms.server = server
        yield csms
        csms.drop_all()
        await asyncio.sleep(0)

"""A receiver of webhooks of the test's own: a real HTTP server that notes what comes and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Received:
    """One request: header names in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and what is answered next: (status, extra headers, body); the last answer is used again."""

    requests: list[Received] = field(default_factory=list)
    answers: list[tuple[int, str, bytes]] = field(default_factory=lambda: [(200, "", b"thanks")])
    wait_s: float = 0.0
    port: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    at_work: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request and answer it."""
        self.at_work += 1
        try:
            await self._handle(reader, writer)
        finally:
            writer.close()
            self.at_work -= 1

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(Received(first.split(" ")[1], headers, body))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), self.wait_s)
        status, extra, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(f"HTTP/1.1 {status} X\r\n{extra}content-length: {len(answer)}\r\n\r\n".encode() + answer)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """Run the server in this event loop."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
        receiver.closing.set()
        while receiver.at_work:
            await asyncio.sleep(0.01)

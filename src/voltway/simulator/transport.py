"""The simulator's sockets: WebSocket clients on picows, many thousand in one process.

Only this module of the simulator does network I/O. A refused or failed connection is reported like a lost one.
"""

import asyncio
import base64
import logging
import ssl
from contextlib import suppress

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from voltway.simulator.world import Endpoint, Listener

log = logging.getLogger("voltway.simulator")
HANDSHAKE_TIMEOUT_S = 20.0
MAX_MESSAGE_BYTES = 1 << 20
READ_BUFFER_BYTES = 2048
DIALS_AT_ONCE = 200
"""So many handshakes are under way at a time; more only make each of them slower."""


class Socket(WSListener):
    """One WebSocket: reassembles fragments, answers the closing handshake, hands text to its listener."""

    def __init__(self, listener: Listener, endpoint: Endpoint) -> None:
        super().__init__()
        self._listener, self._endpoint = listener, endpoint
        self._transport: WSTransport | None = None
        self._parts = bytearray()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Tell the listener which subprotocol the server chose."""
        self._transport = transport
        chosen = transport.response.headers.get("Sec-WebSocket-Protocol")
        self._listener.on_open(self, chosen)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand complete text messages on."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type in {WSMsgType.TEXT, WSMsgType.CONTINUATION}:
            self._parts += frame.get_payload_as_bytes()
            if frame.fin:
                data, self._parts = bytes(self._parts), bytearray()
                self._listener.on_frame(self, data)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the listener, once."""
        del transport
        self._transport = None
        self._listener.on_closed(self)

    def pause_writing(self) -> None:
        """Go on: a station's frames are few, and a server that reads slowly gets them later."""

    def resume_writing(self) -> None:
        """Nothing was paused."""

    def send(self, data: bytes, *, binary: bool = False) -> None:
        """Send one frame."""
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY if binary else WSMsgType.TEXT, data)

    def close(self) -> None:
        """Close politely; a server that does not answer is left after a moment."""
        transport = self._transport
        if transport is not None:
            transport.send_close(WSCloseCode.OK)
            asyncio.get_running_loop().call_later(2.0, transport.disconnect, False)

    def freeze(self) -> None:
        """Read no more and answer no ping, but stay open."""
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def abort(self) -> None:
        """Drop the socket."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)


class Dialler:
    """Opens sockets below a base URL in the background; use as an async context manager, which waits for its dials."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._gate = asyncio.Semaphore(DIALS_AT_ONCE)
        self._dials: set[asyncio.Task[None]] = set()

    def __call__(self, endpoint: Endpoint, listener: Listener) -> None:
        """Begin to connect."""
        task = asyncio.get_running_loop().create_task(self._dial(endpoint, listener))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def aclose(self) -> None:
        """Give up what is still being dialled."""
        for task in tuple(self._dials):
            task.cancel()
        for task in tuple(self._dials):
            with suppress(asyncio.CancelledError):
                await task

    async def _dial(self, endpoint: Endpoint, listener: Listener) -> None:
        async with self._gate:
            try:
                await ws_connect(
                    lambda: Socket(listener, endpoint),
                    f"{self._url}/{endpoint.path}",
                    websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                    extra_headers=_headers(endpoint),
                    max_frame_size=MAX_MESSAGE_BYTES,
                    read_buffer_init_size=READ_BUFFER_BYTES,
                    use_aiofastnet=False,
                )
            except (TimeoutError, OSError, WSError, ssl.SSLError) as fault:
                log.info("cannot connect to %s: %s", endpoint.path, fault)
                listener.on_closed(None)


def _headers(endpoint: Endpoint) -> list[tuple[str, str]]:
    headers = []
    if endpoint.subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(endpoint.subprotocols)))
    if endpoint.authorization is not None:
        headers.append(("Authorization", f"Basic {base64.b64encode(endpoint.authorization).decode()}"))
    return headers

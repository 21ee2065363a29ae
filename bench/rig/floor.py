"""The floor: the same frames through bare picows, orjson, the compiled official schema and a reply; nothing is kept.

What no gateway in this language can go below. picows runs as it comes (aiofastnet where it is installed, on uvloop),
which is its cheapest. Run as `python -m rig.floor`; it writes one line of JSON with its URL when it listens.
"""

import asyncio
import json
from functools import lru_cache
from importlib.resources import files

import jsonschema_rs
import orjson
import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from rig.load import raise_open_files

_BOOT = b'{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}'
_REPLY = {
    ("1.6", "BootNotification"): _BOOT,
    ("1.6", "StartTransaction"): b'{"transactionId":1,"idTagInfo":{"status":"Accepted"}}',
    ("2.0.1", "BootNotification"): _BOOT,
}
_SCHEMAS = {"1.6": ("ocpp.v16", "{}.json"), "2.0.1": ("ocpp.v201", "{}Request.json")}


@lru_cache
def validator(version: str, action: str) -> jsonschema_rs.Validator:
    """Return the compiled official schema of a request."""
    package, name = _SCHEMAS[version]
    text = (files(package) / "schemas" / name.format(action)).read_text(encoding="utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text))


class Link(WSListener):
    """One station's socket."""

    def __init__(self, version: str) -> None:
        self._version = version

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Decode, validate, answer."""
        if frame.msg_type != WSMsgType.TEXT:
            transport.disconnect()
            return
        _, message_id, action, payload = orjson.loads(frame.get_payload_as_memoryview())
        if validator(self._version, action).is_valid(payload):
            reply = _REPLY.get((self._version, action), b"{}")
            transport.send(WSMsgType.TEXT, b'[3,"%s",%s]' % (message_id.encode(), reply))
        else:
            error = [4, message_id, "FormationViolation", "", {}]
            transport.send(WSMsgType.TEXT, orjson.dumps(error))


def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
    """Take a station with the subprotocol it offers."""
    subprotocol = request.headers["Sec-WebSocket-Protocol"]
    response = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": subprotocol})
    return WSUpgradeResponseWithListener(response, Link(subprotocol.removeprefix("ocpp")))


async def serve() -> None:
    """Listen on a free port until the process is ended."""
    server = await ws_create_server(accept, "127.0.0.1", 0, read_buffer_init_size=2048, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"ws://127.0.0.1:{port}/ocpp"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    raise_open_files()
    uvloop.run(serve())

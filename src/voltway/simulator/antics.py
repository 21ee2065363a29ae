"""What misbehaving stations do with their link: rows 01–05 and 16–20 of the checklist in the field notes, and their
kind.

Each antic is played when a car arrives and ends by itself; afterwards the station connects and speaks as it should.
`number` counts how often the behaviour was played, so that its variants take turns.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import orjson

from voltway.simulator.calls import Json, Message
from voltway.simulator.configuration import Setting
from voltway.simulator.session import Status
from voltway.simulator.specs import Version
from voltway.simulator.station import Station
from voltway.simulator.world import Endpoint, Wire

Antic = Callable[[Station, int], None]
HOLD_S = 1.5
ABSURD_CONNECTORS = "1634030126"
MANY_KEYS = 300
FLOOD = 200
SLOW_SERVER_S = 120.0
BIG_FRAME_BYTES = 10 * 1024 * 1024


class Excursion:
    """A second, odd connection that says a few frames, refuses what it is asked and closes after a moment."""

    def __init__(self, station: Station, sayings: Sequence[bytes]) -> None:
        self._station, self._sayings = station, sayings

    def on_open(self, wire: Wire, subprotocol: str | None) -> None:
        """Say what there is to say."""
        del subprotocol
        for saying in self._sayings:
            wire.send(saying)
        self._station.world.timeline.after(HOLD_S, wire.close)

    def on_frame(self, wire: Wire, data: bytes) -> None:
        """Refuse calls."""
        with suppress(orjson.JSONDecodeError):
            frame = orjson.loads(data)
            if isinstance(frame, list) and frame[:1] == [2]:
                wire.send(orjson.dumps([4, frame[1], "NotSupported", "", {}]))

    def on_closed(self, wire: Wire | None) -> None:
        """That was all."""


def frame_of(station: Station, message: Message) -> bytes:
    """Write a message as a frame with a fresh id, past the queue."""
    return orjson.dumps([2, station.calls.next_id(), message.action, message.build()])


def _visit(station: Station, endpoint: Endpoint) -> None:
    boot = frame_of(station, station.dialect.boot("PowerUp"))
    station.world.dial(endpoint, Excursion(station, [boot]))


def wrong_subprotocol(station: Station, number: int) -> None:
    """Row 01: a connection without a subprotocol, a probe in 1.6, a list of versions nobody has."""
    offers: tuple[tuple[str, ...], ...] = ((), ("ocpp1.6",), ("ocpp0.9", "ocpp1.2"))
    _visit(station, replace(station.endpoint, subprotocols=offers[number % len(offers)]))


def odd_path(station: Station, number: int) -> None:
    """Row 02: a trailing slash, a double slash, percent signs, small letters, a whole URL in the path."""
    path = station.endpoint.path
    escaped = "".join(f"%{byte:02X}" for byte in station.spec.identity.encode())
    paths = (f"{path}/", f"/{path}", escaped, path.lower(), f"ws://example.org/ocpp/{path}")
    _visit(station, replace(station.endpoint, path=paths[number % len(paths)]))


def odd_credentials(station: Station, number: int) -> None:
    """Row 03: the password in hexadecimal, raw bytes with a colon, another user's name, a wrong password."""
    user, password = station.spec.identity.encode(), station.password or b"none"
    given = (
        user + b":" + password.hex().encode(),
        user + b":\xff\x00:\x01",
        b"somebody:" + password,
        user + b":" + password + b"x",
    )
    _visit(station, replace(station.endpoint, authorization=given[number % len(given)]))


def second_socket(station: Station, _: int) -> None:
    """Row 04: a second socket while the first is half-open; the first closes later."""
    station.open_second()


def talks_before_boot(station: Station, _: int) -> None:
    """Row 05: calls before BootNotification, and the boot three times."""
    status = station.dialect.status(1, Status.AVAILABLE, station.world.timeline.text())
    boot = station.dialect.boot("PowerUp")
    station.prelude = [frame_of(station, m) for m in (station.dialect.heartbeat(), status, boot, boot)]
    station.drop()


def odd_statuses(station: Station, _: int) -> None:
    """Row 16: connector 0 and 99, no timestamp, an old one, Available during a session."""
    dialect, timeline = station.dialect, station.world.timeline
    hour_ago = timeline.text(timeline.now_ms - 3_600_000)
    told = [dialect.status(99, Status.AVAILABLE, timeline.text()), dialect.status(1, Status.FAULTED, hour_ago)]
    if station.spec.version is Version.V16:
        told.append(dialect.status(0, Status.AVAILABLE, timeline.text()))
    untimed = dialect.status(1, Status.PREPARING, "").build()
    untimed.pop("timestamp")
    told.append(Message("StatusNotification", lambda: untimed))
    for message in told:
        station.post_if_online(message)

    def deny() -> None:
        station.post_if_online(dialect.status(1, Status.AVAILABLE, timeline.text()))

    timeline.after(4.0, deny)


def absurd_configuration(station: Station, _: int) -> None:
    """Row 17: a million connectors and three hundred keys, in answers and reports, for twenty seconds."""
    settings = station.configuration.settings
    key = "NumberOfConnectors" if station.spec.version is Version.V16 else "ChargingStation.AvailableConnectors"
    before = settings.get(key)
    settings[key] = Setting(ABSURD_CONNECTORS, is_writable=False)
    extra = [f"VendorX.Key{number:03d}" for number in range(MANY_KEYS)]
    settings.update({name: Setting("0") for name in extra})

    def restore() -> None:
        for name in (*extra, *([] if before else [key])):
            settings.pop(name, None)
        if before is not None:
            settings[key] = before

    station.world.timeline.after(20.0, restore)
    if station.spec.version is Version.V201:
        station.post_if_online(Message("NotifyReport", lambda: _absurd_report(station)))


def _absurd_report(station: Station) -> Json:
    attribute = {"type": "Actual", "value": ABSURD_CONNECTORS}
    item = {
        "component": {"name": "ChargingStation"},
        "variable": {"name": "AvailableConnectors"},
        "variableAttribute": [attribute],
    }
    at = station.world.timeline.text()
    return {"requestId": 0, "generatedAt": at, "seqNo": 0, "tbc": False, "reportData": [item]}


def stray_answers(station: Station, _: int) -> None:
    """Row 18: answers for nobody, an error with nothing in it, a call whose payload is null."""
    for frame in (
        b'[3,"nobody",{}]',
        b'[4,"nobody","","",{}]',
        b'[4,"nobody"]',
        b'[3,"nobody",null]',
        orjson.dumps([2, station.calls.next_id(), "Heartbeat", None]),
    ):
        station.send_raw(frame)


def patient_with_slow_server(station: Station, _: int) -> None:
    """Row 20: waits two minutes for an answer before it sends again."""
    usual_s = station.calls.timeout_s
    station.calls.timeout_s = SLOW_SERVER_S

    def restore() -> None:
        station.calls.timeout_s = min(usual_s, SLOW_SERVER_S)

    station.world.timeline.after(SLOW_SERVER_S, restore)


def malformed_frames(station: Station, number: int) -> None:
    """Frames that are no OCPP at all: no JSON, wrong arity, unknown type, an id that is a number."""
    frames = (b"hello", b"[2]", b'[2,"x","Heartbeat"]', b'[9,"x",{}]', b'[2,17,"Heartbeat",{}]', b"{}", b"[]", b"null")
    station.send_raw(frames[number % len(frames)])
    station.send_raw(frames[(number + 1) % len(frames)])


def unknown_action(station: Station, _: int) -> None:
    """A call that no version has, and one with fields of its own."""
    station.send_raw(orjson.dumps([2, station.calls.next_id(), "BrewCoffee", {"strength": 3}]))
    station.send_raw(orjson.dumps([2, station.calls.next_id(), "Heartbeat", {"vendorField": True}]))


def binary_frame(station: Station, _: int) -> None:
    """A call in a binary frame."""
    station.send_raw(frame_of(station, station.dialect.heartbeat()), binary=True)


def big_frame(station: Station, _: int) -> None:
    """A frame of ten megabytes; the server may close, the station comes back."""
    station.send_raw(b'[2,"big","DataTransfer",{"vendorId":"x","data":"' + b"x" * BIG_FRAME_BYTES + b'"}]')


def flood(station: Station, _: int) -> None:
    """Two hundred heartbeats at once, without waiting for answers."""
    for _number in range(FLOOD):
        station.send_raw(frame_of(station, station.dialect.heartbeat()))


def half_open(station: Station, _: int) -> None:
    """The network swallows the connection: the old socket stays open and silent, a new one is dialled."""
    station.abandon()


def silent_reconnect(station: Station, _: int) -> None:
    """A connection that is lost and taken up again without a boot."""
    station.skips_boot = True
    station.drop()


def offline_session(station: Station, _: int) -> None:
    """The network is away for half a minute while the car charges; everything is told afterwards."""
    station.lose_network(30.0)

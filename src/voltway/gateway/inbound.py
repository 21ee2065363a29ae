"""What the links hand to the ingest: one `Inbound` per message, one `LinkNote` per change of a connection."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from voltway.kernel.facts import Fact, Finding, Reply
from voltway.kernel.ids import OperatorId, StationId, StationIdentity


@dataclass(slots=True)
class Seat:
    """A station as the gateway knows it in memory. One object per station: the registry updates it in place.

    `clock_offset_ms` is the station's clock minus ours, None until it is known (see `gateway.clock_offset`).
    """

    station_id: StationId
    operator_id: OperatorId
    identity: StationIdentity
    approval: str
    clock_offset_ms: int | None = None


class Source(Protocol):
    """Where a message came from and its answer goes: a link, or the made history."""

    def encode(self, inbound: "Inbound", reply: Reply) -> bytes:
        """Write the reply as the frame for this message (it is logged beside the message, then delivered)."""
        ...

    def deliver(self, inbound: "Inbound", frame: bytes) -> None:
        """Send the frame: the message is on disk."""
        ...


@dataclass(slots=True, eq=False)
class Inbound:
    """One message of a station. `received_at` is unique and increasing per station (microseconds): it is the log's key.

    `call` is the parsed frame for the source's use; `frame` the raw bytes for the log (None: do not log).
    """

    source: Source
    seat: Seat
    fact: Fact
    findings: tuple[Finding, ...]
    received_at: datetime
    message_id: str
    action: str
    frame: bytes | None
    call: Any = None
    synthetic: bool = False


@dataclass(slots=True, eq=False)
class Record:
    """A message that needs no decision but belongs to the raw log: our own call with its answer, or a refused frame."""

    seat: Seat
    received_at: datetime
    message_id: str
    action: str
    frame: bytes
    reply: bytes | None
    outgoing: bool
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True, eq=False)
class LinkNote:
    """A connection opened, lives on (`last_seen_at`), or closed; one of made history wakes nobody."""

    seat: Seat
    link_id: UUID
    gateway: str
    version: str
    remote: str
    connected: bool
    connected_at: datetime
    last_seen_at: datetime
    findings: tuple[Finding, ...] = ()
    synthetic: bool = False

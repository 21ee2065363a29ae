"""Identifiers: one NewType per kind, so that a station's id is never taken for a session's."""

from datetime import datetime
from secrets import token_bytes
from typing import NewType
from uuid import UUID

OperatorId = NewType("OperatorId", int)
StationId = NewType("StationId", int)
"""Our internal key of a station; the OCPP identity is a `StationIdentity`."""
StationIdentity = NewType("StationIdentity", str)
"""The identity a station connects with: percent-decoded once, then byte-exact."""
EvseId = NewType("EvseId", int)
"""OCPP's EVSE number within a station, from 1; 0 is the station as a whole."""
ConnectorId = NewType("ConnectorId", int)
"""OCPP's connector number: within the EVSE for 2.x, within the station for 1.6."""
SessionId = NewType("SessionId", str)
"""Our key of a charging session (UUID text, time-ordered)."""
TransactionId = NewType("TransactionId", str)
"""What station and system call the session on the wire; 1.6's integers are written in decimal."""
Token = NewType("Token", str)
TariffId = NewType("TariffId", str)


def new_session_id(at: datetime) -> UUID:
    """Return a UUID version 7 (RFC 9562): sorted by `at`, random within the millisecond."""
    millis = int(at.timestamp() * 1000) & (2**48 - 1)
    random = int.from_bytes(token_bytes(10), "big")
    high, low = random >> 62 & 0xFFF, random & (2**62 - 1)
    return UUID(int=millis << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)

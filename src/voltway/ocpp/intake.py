"""What reading one message needs beside its payload: when it came, its bytes, and the findings made on the way.

Also the tolerant getters: each returns the value, or None with a finding, and never raises.
"""

from datetime import datetime
from typing import Any, NamedTuple

import orjson
import xxhash

from voltway.kernel.errors import VoltwayError
from voltway.kernel.facts import Fact, Finding
from voltway.ocpp.instants import read_instant

JsonObject = dict[str, Any]

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
LONGEST_TEXT = 255
_NOTED_CHARACTERS = 200


class Understood(NamedTuple):
    """A message as a fact, with the tolerances it needed."""

    fact: Fact
    findings: tuple[Finding, ...] = ()


class CallRefused(VoltwayError):
    """A call that gets a CALLERROR: unknown action, or no valid answer can be built."""

    def __init__(self, code: str, description: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.findings = findings


class Intake:
    """The desk a message is read at."""

    __slots__ = ("body", "findings", "is_mended", "received_at")

    def __init__(self, received_at: datetime, body: bytes = b"{}") -> None:
        self.received_at = received_at
        self.body = body
        self.findings: list[Finding] = []
        # True after the schema refused the message: nothing in it may be taken at a glance.
        self.is_mended = False

    def note(self, code: str, example: object = "") -> None:
        """Record a tolerance once per message."""
        if all(finding.code != code for finding in self.findings):
            self.findings.append(Finding(code, str(example)[:_NOTED_CHARACTERS]))

    def digest(self) -> int:
        """Return xxh3 of the payload's bytes as a signed 64-bit integer (PostgreSQL's bigint)."""
        unsigned = xxhash.xxh3_64_intdigest(self.body)
        return unsigned - (1 << 64) if unsigned > MAX_INT64 else unsigned

    def instant(self, payload: JsonObject, key: str = "timestamp") -> datetime:
        """Return the station's instant; our own clock where it sent none that can be read."""
        at, code = read_instant(payload.get(key), self.received_at)
        if code is not None:
            self.note(code, payload.get(key, ""))
        return at if at is not None else self.received_at

    def optional_instant(self, payload: JsonObject, key: str = "timestamp") -> datetime | None:
        """Return the station's instant, None where there is none."""
        return self.instant(payload, key) if payload.get(key) is not None else None

    def text(self, payload: JsonObject, key: str) -> str | None:
        """Return a trimmed text of at most 255 characters, None where it is missing or empty."""
        value = payload.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.note("not_a_text", f"{key}: {value}")
            value = str(value)
        return value.strip()[:LONGEST_TEXT] or None

    def whole(self, payload: JsonObject, key: str, *, least: int = 0, most: int = MAX_INT32) -> int | None:
        """Return an integer within bounds, None with a finding where it is none."""
        value = payload.get(key)
        if value is None or (type(value) is int and least <= value <= most):
            return value
        number = _whole_of(value)
        if number is None:
            self.note("not_a_number", f"{key}: {value}")
        elif not least <= number <= most:
            self.note("number_out_of_range", f"{key}: {value}")
            return None
        return number

    def child(self, payload: JsonObject, key: str) -> JsonObject:
        """Return an object within, an empty one where there is none."""
        value = payload.get(key)
        return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[JsonObject]:
    """Return the objects of a list, or the one object where a list was expected."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def json_bytes(value: Any) -> bytes:
    """Encode as JSON."""
    return orjson.dumps(value)


def _whole_of(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if len(text) < 20 and text.removeprefix("-").isdecimal() else None

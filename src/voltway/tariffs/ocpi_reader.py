"""Reading a JSON document field by field: each fault is noted with its JSON Pointer and reading goes on.

Used by `tariffs.ocpi_tariff` and `tariffs.ocpi_cdr_reader`, so that a bad document is refused with all its faults at
once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from voltway.tariffs.model import JsonObject, TariffFault

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339 as OCPI types it (16.4), and the forms that partners send: no offset, no seconds, a blank for the T.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,30})?")
_ID_LENGTH = 36
_MOST_DIGITS = 20
_MOST_DECIMALS = 30
_TOO_GREAT = Decimal(10) ** _MOST_DIGITS
_EnumT = TypeVar("_EnumT", bound=Enum)


class ObjectReader:
    """One JSON object of a document; asking for a key marks it as known, the rest is `extra`."""

    def __init__(self, value: JsonObject, pointer: str, faults: list[TariffFault]) -> None:
        self.value = value
        self.pointer = pointer
        self.faults = faults
        self._known: set[str] = set()

    def at(self, key: str) -> str:
        """Return the JSON Pointer of a key."""
        return f"{self.pointer}/{key.replace('~', '~0').replace('/', '~1')}"

    def fault(self, key: str, message: str, code: str = "bad_value") -> None:
        """Note a fault at a key."""
        self.faults.append(TariffFault(self.at(key), message, code))

    def take(self, key: str, *, required: bool = False) -> object:
        """Return the raw value; null and missing are None, and a fault where it is required."""
        self._known.add(key)
        found = self.value.get(key)
        if found is None and required:
            self.fault(key, f"{key} is missing")
        return found

    def extra(self) -> JsonObject:
        """Return what nobody asked for, kept as it came."""
        return {key: item for key, item in self.value.items() if key not in self._known}

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Read a text that is not empty."""
        found = self.take(key, required=required)
        if found is None or (isinstance(found, str) and found):
            return found
        self.fault(key, f"{key} must be a text that is not empty")
        return None

    def identifier(self, key: str, *, required: bool = False) -> str | None:
        """Read a text of 1 to 36 printable characters (OCPI CiString(36))."""
        found = self.text(key, required=required)
        if found is not None and not (len(found) <= _ID_LENGTH and found.isprintable()):
            self.fault(key, f"{key} must be at most {_ID_LENGTH} printable characters")
            return None
        return found

    def currency(self, key: str) -> str:
        """Read an ISO 4217 code; empty where it is missing or no code."""
        found = self.text(key, required=True)
        if found is not None and not _CURRENCY.fullmatch(found):
            self.fault(key, f"{key} must be an ISO 4217 code such as EUR")
        return found or ""

    def number(
        self, key: str, *, required: bool = False, minimum: int | None = None, quoted: bool = False
    ) -> Decimal | None:
        """Read an exact number; `quoted` takes one in a text too."""
        found = self.take(key, required=required)
        if found is None:
            return None
        is_quoted = isinstance(found, str) and _NUMBER.fullmatch(found) is not None
        number = exact_number(Decimal(str(found)) if quoted and is_quoted else found)
        if number is None:
            form = "without quotes" if is_quoted else "of at most 20 digits"
            self.fault(key, f"{key} must be a JSON number {form}")
        elif minimum is not None and number < minimum:
            self.fault(key, f"{key} must be at least {minimum}")
            return None
        return number

    def whole(self, key: str, *, required: bool = False) -> int | None:
        """Read a whole number that is not negative."""
        number = self.number(key, required=required, minimum=0)
        if number is None:
            return None
        if number != int(number):
            self.fault(key, f"{key} must be a whole number")
            return None
        return int(number)

    def choice(self, key: str, kind: type[_EnumT], *, required: bool = False) -> _EnumT | None:
        """Read one value of an enumeration."""
        found = self.take(key, required=required)
        if found is None:
            return None
        for member in kind:
            if found == member.value:
                return member
        self.fault(key, f"{key} must be one of {', '.join(str(member.value) for member in kind)}")
        return None

    def clock(self, key: str) -> time | None:
        """Read a local time of day HH:MM; 24:00 does not exist in OCPI (billing note 15)."""
        found = self.take(key)
        if found is None:
            return None
        if isinstance(found, str) and _TIME.fullmatch(found):
            return time(int(found[:2]), int(found[3:]))
        if found == "24:00":
            self.fault(key, "24:00 is no time of day; write 00:00 as end_time for the end of the day", "time_24_00")
        else:
            self.fault(key, f"{key} must be a local time HH:MM with leading zeros")
        return None

    def day(self, key: str) -> date | None:
        """Read a local date YYYY-MM-DD."""
        found = self.take(key)
        if found is None:
            return None
        try:
            if isinstance(found, str) and _DATE.fullmatch(found):
                return date.fromisoformat(found)
        except ValueError:
            pass
        self.fault(key, f"{key} must be a date YYYY-MM-DD")
        return None

    def instant(self, key: str, *, required: bool = False) -> datetime | None:
        """Read an OCPI DateTime; without an offset it is UTC (OCPI 2.2.1, 16.4)."""
        found = self.take(key, required=required)
        if found is None:
            return None
        parsed = parse_instant(found)
        if parsed is None:
            self.fault(key, f"{key} must be an RFC 3339 date and time such as 2026-03-29T01:00:00Z")
        return parsed

    def object(self, key: str) -> ObjectReader | None:
        """Descend into an object."""
        found = self.take(key)
        if isinstance(found, Mapping):
            return ObjectReader(found, self.at(key), self.faults)
        if found is not None:
            self.fault(key, f"{key} must be an object")
        return None

    def objects(self, key: str, *, code: str | None = None) -> Iterator[ObjectReader]:
        """Descend into each object of a list; `code` is the fault's code where the list is missing or empty."""
        found = self.take(key)
        if not found and isinstance(found, list | tuple | None):
            if code is not None:
                self.fault(key, f"{key} must hold at least one entry", code)
            return
        if not isinstance(found, list | tuple):
            self.fault(key, f"{key} must be a list")
            return
        for index, item in enumerate(found):
            if isinstance(item, Mapping):
                yield ObjectReader(item, f"{self.at(key)}/{index}", self.faults)
            else:
                self.faults.append(TariffFault(f"{self.at(key)}/{index}", "this entry must be an object"))


def exact_number(found: object) -> Decimal | None:
    """Return a JSON number as Decimal; None where it is none or so long that only a mistake writes it."""
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        found = Decimal(found)
    if isinstance(found, float):  # a JSON library between us and the wire: its shortest text is what stood there
        found = Decimal(repr(found))
    if not isinstance(found, Decimal) or not found.is_finite():
        return None
    exponent = found.as_tuple().exponent
    # As a ratio 1E999999999 has a billion digits; the exponent of a zero counts too.
    is_short = isinstance(exponent, int) and -_MOST_DECIMALS <= exponent <= _MOST_DIGITS
    return found if is_short and found.copy_abs() < _TOO_GREAT else None


def parse_instant(found: object) -> datetime | None:
    """Return an OCPI DateTime as aware UTC; None where it is none."""
    if not isinstance(found, str) or not _INSTANT.fullmatch(found):
        return None
    try:
        parsed = datetime.fromisoformat(found.upper())
        return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 with an offset has no UTC
        return None

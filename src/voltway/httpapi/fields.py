"""Field types that routes of several slices share; their messages say what to write."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not a time zone; write one like Europe/Berlin")
    return name


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("no control characters, and no spaces at the ends")
    return text


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""A zone of the IANA database."""
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
"""ISO 4217."""
Identifier = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
"""A name that people and stations write: printable, kept byte-exact."""

"""Short ways to write a partner's CDR of Monday 2026-03-02 in tests."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tests.tariffs.ocpi_documents import Document

from voltway.tariffs.ocpi import parse_cdr
from voltway.tariffs.reprice import Repriced, reprice

MONDAY = "2026-03-02"

Metered = tuple[str, Mapping[str, str]]
"""A charging period: when it begins (HH:MM or HH:MM:SS) and its volumes by dimension."""


def instant(clock: str) -> str:
    """Write a time of the day as OCPI does."""
    return f"{MONDAY}T{clock}Z"


def period(start: str, volumes: Mapping[str, str], **more: object) -> Document:
    """Build a charging period."""
    dimensions = [{"type": kind, "volume": Decimal(volume)} for kind, volume in volumes.items()]
    return {"start_date_time": instant(start), "dimensions": dimensions, **more}


def cdr(tariffs: Sequence[Document], end: str, *periods: Document, **more: object) -> Document:
    """Build a CDR in EUR that starts with its first period (in list order), at a place in UTC."""
    return {
        "country_code": "DE",
        "start_date_time": periods[0]["start_date_time"],
        "end_date_time": instant(end),
        "currency": "EUR",
        "time_zone": "UTC",
        "tariffs": list(tariffs),
        "charging_periods": list(periods),
        **more,
    }


def repriced(tariff: Document, end: str, *periods: Metered, **more: object) -> Repriced:
    """Price a CDR of one tariff."""
    return reprice(parse_cdr(cdr([tariff], end, *(period(start, volumes) for start, volumes in periods), **more)))

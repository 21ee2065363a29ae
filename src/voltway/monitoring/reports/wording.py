"""How reports write places, energies and durations, and the arithmetic they share. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from voltway.monitoring.numbers.uptime_model import NeviPort, Outage, Port
from voltway.monitoring.numbers.uptime_spans import MINUTE_US, Span, percent_text, share
from voltway.monitoring.reports.document import Column, Kind, Stretch

NOWHERE = "(no location)"


def port_id(port: Port) -> str:
    """Return the id of a port in all reports: the station's identity and the EVSE.

    >>> from zoneinfo import ZoneInfo
    >>> port_id(Port("CP-1", 2, None, ZoneInfo("UTC"), None))
    'CP-1-2'
    """
    return f"{port.station_id}-{port.evse_id}"


def kwh(milliwh: int) -> Decimal:
    """Return exact kilowatt-hours.

    >>> kwh(1_500_000)
    Decimal('1.500000')
    """
    return Decimal(milliwh).scaleb(-6)


def whole_seconds(instant: datetime) -> str:
    """Write an instant as EV-ChART's own examples do: whole seconds, UTC, `Z`."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def minutes(micros: int) -> Fraction:
    """Return exact minutes."""
    return Fraction(micros, MINUTE_US)


def minutes_of(duration: timedelta | None) -> Fraction | None:
    """Return a duration in exact minutes, None where there is none."""
    return None if duration is None else minutes(duration // timedelta(microseconds=1))


def percent(value: Fraction | None) -> str:
    """Write a percentage for a figure at the top, rounded down."""
    text = percent_text(value)
    return "not measured" if text is None else f"{text} %"


def uptime_of(parts: Iterable[tuple[int, int, int]]) -> Fraction | None:
    """Return the uptime of several ports by service, outage and excluded time, weighed by their time in service."""
    service_us = outage_us = excluded_us = 0
    for one_service_us, one_outage_us, one_excluded_us in parts:
        service_us += one_service_us
        outage_us += one_outage_us
        excluded_us += one_excluded_us
    return share(service_us - outage_us + excluded_us, service_us)


def band(outages: Sequence[Outage], period: Span) -> tuple[Stretch, ...]:
    """Return the outages as stretches of a strip over the period."""
    whole = timedelta(microseconds=period.end - period.begin)
    return tuple(
        Stretch((one.begin_at - period.begin_at) / whole, (one.end_at - period.begin_at) / whole, one.state.value)
        for one in outages
        if one.end_at > period.begin_at and one.begin_at < period.end_at
    )


def clipped(outages: Iterable[Outage], period: Span) -> tuple[Outage, ...]:
    """Return what of the outages lies in the period."""
    cut = (
        Outage(max(one.begin_at, period.begin_at), min(one.end_at, period.end_at), one.state, one.cause)
        for one in outages
    )
    return tuple(one for one in cut if one.end_at > one.begin_at)


def location_of(port: NeviPort) -> str:
    """Return a port's site code, as tables name it."""
    return port.port.location_id or NOWHERE


def text_column(key: str, title: str) -> Column:
    """Return a column of text."""
    return Column(key, title)


def count_column(key: str, title: str) -> Column:
    """Return a column of whole numbers."""
    return Column(key, title, Kind.NUMBER)


def minutes_column(key: str, title: str) -> Column:
    """Return a column of minutes with hundredths."""
    return Column(key, title, Kind.MINUTES, "min", 2)


def percent_column(key: str, title: str, decimals: int = 3) -> Column:
    """Return a column of percentages."""
    return Column(key, title, Kind.PERCENT, "%", decimals)


def kwh_column(key: str, title: str, decimals: int = 3) -> Column:
    """Return a column of energies."""
    return Column(key, title, Kind.NUMBER, "kWh", decimals)


def paragraphs(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a text that is wrapped for reading in code.

    >>> paragraphs("One\\nline.\\n\\nTwo.")
    ('One line.', 'Two.')
    """
    return tuple(" ".join(part.split()) for part in text.strip().split("\n\n"))

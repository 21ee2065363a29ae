"""What an incident costs: what the EVSEs would have delivered while they could not, less what they delivered. Pure.

While the timeline says faulted or offline an EVSE is out of use; a rule of `HAMPERING` says so of its EVSE by itself,
whatever the timeline says. What is expected is the EVSE's own mean of the last 8 same hours of the week. Sessions that
began meanwhile are taken off (a station that is offline may charge all the same, and one that gives little gives some).
Planned closure is nobody's fault and costs nothing here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from voltway.monitoring.timeline.model import EvseKey

HAMPERING = frozenset({"no_delivery", "low_power", "session_stuck", "silent_connector"})
"""Rules whose EVSE is of no use to drivers though it does not say so."""
LONGEST = timedelta(days=31)
"""An incident that lasts longer is counted from so long before its end."""
_MINUTE = timedelta(minutes=1)


class Loss(NamedTuple):
    """Energy, and revenue without VAT."""

    energy_milliwh: int
    revenue: Decimal


class Span(NamedTuple):
    """An EVSE was out of use in [begin, end)."""

    key: EvseKey
    begin: datetime
    end: datetime


def together(spans: Iterable[Span]) -> Mapping[tuple[datetime, datetime], list[EvseKey]]:
    """Return the EVSEs that were out of use in the same minutes: a network's outage is asked for at once."""
    found: dict[tuple[datetime, datetime], list[EvseKey]] = defaultdict(list)
    for span in spans:
        begin, end = _minute_of(span.begin), _minute_of(span.end)
        if begin < end:
            found[begin, end].append(span.key)
    return found


def lost(expected: Mapping[EvseKey, Sequence[Loss]], delivered: Mapping[EvseKey, int]) -> Loss | None:
    """Return what was lost in all; None where nothing is known of any of the EVSEs.

    >>> key = EvseKey(1, 1)
    >>> lost({key: [Loss(4000, Decimal(2)), Loss(4000, Decimal(2))]}, {key: 2000})
    Loss(energy_milliwh=6000, revenue=Decimal('3.00'))
    """
    if not any(expected.values()):
        return None
    parts = [_lost_at(losses, delivered.get(key, 0)) for key, losses in expected.items()]
    return Loss(sum(it.energy_milliwh for it in parts), sum((it.revenue for it in parts), Decimal(0)))


def _lost_at(losses: Sequence[Loss], delivered_milliwh: int) -> Loss:
    energy = sum(it.energy_milliwh for it in losses)
    revenue = sum((it.revenue for it in losses), Decimal(0))
    missing = max(0, energy - delivered_milliwh)
    share = Decimal(missing) / energy if energy else Decimal(0)
    return Loss(missing, (revenue * share).quantize(Decimal("0.01")))


def _minute_of(at: datetime) -> datetime:
    return at - timedelta(seconds=at.second, microseconds=at.microsecond)

"""From registers to energy: what a session's meter readings add up to, and where they contradict themselves. Pure.

Rule: energy = register at the end − register at the begin, never a sum of samples. The begin is what the start message
said, else the earliest reading; the end is what the stop message said, else the latest reading. A step between two
readings is odd if it falls, or if it rises faster than the EVSE's power (with a margin) could in the time between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from voltway.kernel.energy import Energy, Register
from voltway.sessions.anomalies import Anomaly, AnomalyCode, anomaly

MAX_POWER_W = 1_000_000.0
"""Assumed where an EVSE's power is not known: above the largest megawatt-class dispenser in the field."""
MARGIN_MILLIWH = 1_000_000
"""A kilowatt-hour of slack: stations round registers and stamp samples seconds apart."""
POWER_MARGIN = 1.25
_MILLIWH_PER_W_SECOND = 1000 / 3600


@dataclass(frozen=True, slots=True)
class RegisterPoint:
    """The register at an instant (the session's corrected clock)."""

    at: datetime
    register: Register


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the registers say: begin and end where known, the energy, and what is odd."""

    begin: RegisterPoint | None
    end: RegisterPoint | None
    energy: Energy
    anomalies: tuple[Anomaly, ...]


def step_anomaly(
    before_milliwh: int, before_at: datetime, after_milliwh: int, after_at: datetime, *, max_power_w: float
) -> Anomaly | None:
    """Return what is odd about one step of the register, if anything."""
    rise = after_milliwh - before_milliwh
    if rise < 0:
        return anomaly(AnomalyCode.REGISTER_FELL, after_at, detail=f"{before_milliwh} to {after_milliwh} milliwh")
    if rise <= MARGIN_MILLIWH:
        return None
    seconds = (after_at - before_at) / timedelta(seconds=1)
    if rise > MARGIN_MILLIWH + max_power_w * POWER_MARGIN * _MILLIWH_PER_W_SECOND * seconds:
        return anomaly(AnomalyCode.REGISTER_JUMPED, after_at, detail=f"{rise / 1e6:.3f} kWh in {seconds:.0f} s")
    return None


def judge(
    begin: RegisterPoint | None,
    readings: Sequence[RegisterPoint],
    end: RegisterPoint | None,
    *,
    max_power_w: float = MAX_POWER_W,
) -> Judgement:
    """Work a session's energy out from all that is known, in time order whatever the order of arrival.

    Args:
        begin: meterStart with the start's instant, where the station sent one.
        readings: registers of the session in any order.
        end: meterStop with the end's instant, where the station sent one.
        max_power_w: the EVSE's power.
    """
    ordered = sorted(readings, key=lambda point: (point.at, point.register.milliwh))
    first = begin or (ordered[0] if ordered else None)
    last = end or (ordered[-1] if ordered else None)
    if first is None or last is None:
        return Judgement(first, last, Energy(0), (anomaly(AnomalyCode.NO_REGISTER, _some_instant(first, last)),))
    chain = [first, *(point for point in ordered if first.at <= point.at <= last.at), last]
    found = _chain_anomalies(chain, has_begin=begin is not None, max_power_w=max_power_w)
    energy = last.register.minus(first.register)
    if energy.milliwh < 0:
        found.append(anomaly(AnomalyCode.END_BELOW_BEGIN, last.at))
    if end is not None and ordered and end.register < ordered[-1].register and ordered[-1].at <= end.at:
        found.append(anomaly(AnomalyCode.END_BELOW_READING, end.at))
    unique = {item.code: item for item in reversed(found)}
    return Judgement(first, last, energy, tuple(unique.values()))


def _chain_anomalies(chain: Sequence[RegisterPoint], *, has_begin: bool, max_power_w: float) -> list[Anomaly]:
    found = []
    for index, (before, after) in enumerate(pairwise(chain)):
        odd = step_anomaly(
            before.register.milliwh, before.at, after.register.milliwh, after.at, max_power_w=max_power_w
        )
        if odd is not None and index == 0 and has_begin:
            # A placeholder zero at the start would bill the lifetime of the meter (field notes 13).
            odd = anomaly(AnomalyCode.BEGIN_IMPLAUSIBLE, odd.since, detail=odd.message)
        if odd is not None:
            found.append(odd)
    return found


def _some_instant(first: RegisterPoint | None, last: RegisterPoint | None) -> datetime:
    known = first or last
    return known.at if known is not None else datetime.min.replace(tzinfo=UTC)

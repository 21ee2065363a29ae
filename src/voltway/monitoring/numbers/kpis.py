"""Key figures of a stretch of time, from the sums of its rollups. Pure; definitions in docs/algorithms/usage.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kpis:
    """Counts as they are; rates from 0 to 1 and means in seconds, None where nothing is there to divide by."""

    attempts: int
    first_try_ok: int
    first_try_rate: float | None
    sessions: int
    ended: int
    ok: int
    failed: int
    refused: int
    charging_success_rate: float | None
    failed_by_reason: Mapping[str, int]
    faults: int
    repairs: int
    mean_time_to_repair_s: float | None
    mean_time_between_failures_s: float | None
    utilisation_by_time: float | None
    load_factor: float | None
    energy_milliwh: int
    peak_w: int
    full_s: int
    queued_starts: int
    turned_away: float


def kpis_of(sums: Mapping[str, Any], failures: Mapping[str, int], *, power_w: int, span_s: float) -> Kpis:
    """Return the key figures.

    Args:
        sums: columns of the rollups, added up; `peak_w` is their highest.
        failures: attempts that failed, by reason.
        power_w: what all EVSEs of the place could deliver together.
        span_s: how long the stretch is.
    """
    in_service_s = int(sums["available_s"] + sums["occupied_s"] + sums["reserved_s"])
    possible_milliwh = power_w * span_s / 3.6
    return Kpis(
        attempts=int(sums["attempts"]),
        first_try_ok=int(sums["first_try_ok"]),
        first_try_rate=_ratio(sums["first_try_ok"], sums["attempts"]),
        sessions=int(sums["sessions"]),
        ended=int(sums["ended"]),
        ok=int(sums["ok"]),
        failed=int(sums["failed"]),
        refused=int(sums["refused"]),
        charging_success_rate=_ratio(sums["ok"], sums["ended"] + sums["refused"]),
        failed_by_reason=dict(failures),
        faults=int(sums["faults"]),
        repairs=int(sums["repairs"]),
        mean_time_to_repair_s=_ratio(sums["repair_s"], sums["repairs"]),
        mean_time_between_failures_s=_ratio(in_service_s, sums["faults"]),
        utilisation_by_time=_ratio(sums["occupied_s"], in_service_s),
        load_factor=_ratio(sums["energy_milliwh"], possible_milliwh),
        energy_milliwh=int(sums["energy_milliwh"]),
        peak_w=int(sums["peak_w"]),
        full_s=int(sums["full_s"]),
        queued_starts=int(sums["queued_starts"]),
        turned_away=float(sums["turned_away"]),
    )


def _ratio(part: float, whole: float) -> float | None:
    return None if not whole else float(part) / float(whole)

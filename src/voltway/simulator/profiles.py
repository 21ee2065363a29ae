"""Charging profiles as a station obeys them: what is stored, which one wins, and the limit in watts at an instant.
Pure.

Source: OCPP 1.6 §3.13 and 2.0.1 K01: station maximum, transaction profile over default profile, higher stack level
wins. Both versions' forms are read into one; schedules of 2.0.1 are lists, of which stations of ours use the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from voltway.kernel.clock import parse_rfc3339

NO_LIMIT_W = float("inf")
STATION_PURPOSES = frozenset(
    {"ChargePointMaxProfile", "ChargingStationMaxProfile", "ChargingStationExternalConstraints"}
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One stored profile; `evse_id` 0 is the station as a whole, `periods` are (start in s, limit, phases or None)."""

    evse_id: int
    profile_id: int
    stack_level: int
    purpose: str
    kind: str
    recurrency: str | None
    transaction_id: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    start: datetime | None
    duration_s: int | None
    unit: str
    periods: tuple[tuple[int, float, int | None], ...]


def parse_profile(evse_id: int, wire: dict[str, Any]) -> Profile:
    """Read csChargingProfiles (1.6) or chargingProfile (2.0.1); raise KeyError, ValueError or TypeError on nonsense."""
    schedules = wire["chargingSchedule"]
    schedule = schedules[0] if isinstance(schedules, list) else schedules
    return Profile(
        evse_id=evse_id,
        profile_id=int(wire.get("chargingProfileId", wire.get("id", 0))),
        stack_level=int(wire["stackLevel"]),
        purpose=str(wire["chargingProfilePurpose"]),
        kind=str(wire["chargingProfileKind"]),
        recurrency=wire.get("recurrencyKind"),
        transaction_id=str(wire["transactionId"]) if "transactionId" in wire else None,
        valid_from=_instant(wire.get("validFrom")),
        valid_to=_instant(wire.get("validTo")),
        start=_instant(schedule.get("startSchedule")),
        duration_s=schedule.get("duration"),
        unit=str(schedule["chargingRateUnit"]),
        periods=tuple(
            (int(period["startPeriod"]), float(period["limit"]), period.get("numberPhases"))
            for period in schedule["chargingSchedulePeriod"]
        ),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_rfc3339(text)


def limit_of(profile: Profile, at: datetime, *, session_start: datetime | None, phases: int) -> float | None:
    """Return the profile's limit in W at an instant, or None where it says nothing."""
    if (profile.valid_from and at < profile.valid_from) or (profile.valid_to and at >= profile.valid_to):
        return None
    begin = _begin(profile, at, session_start)
    if begin is None or at < begin:
        return None
    elapsed_s = (at - begin).total_seconds()
    if profile.duration_s is not None and elapsed_s >= profile.duration_s:
        return None
    current = [period for period in profile.periods if period[0] <= elapsed_s]
    return _watts(profile.unit, current[-1], phases) if current else None


def _begin(profile: Profile, at: datetime, session_start: datetime | None) -> datetime | None:
    if profile.kind == "Relative" or profile.start is None:
        return session_start
    if profile.kind == "Recurring":
        cycle = timedelta(days=7 if profile.recurrency == "Weekly" else 1)
        return profile.start + (at - profile.start) // cycle * cycle
    return profile.start


def _watts(unit: str, period: tuple[int, float, int | None], phases: int) -> float:
    _, limit, number_phases = period
    return limit if unit == "W" else limit * 230.0 * (number_phases or phases)


class ProfileStore:
    """The profiles that one station holds."""

    def __init__(self) -> None:
        self._profiles: list[Profile] = []

    def put(self, profile: Profile) -> None:
        """Store a profile in place of one with its id, or with its purpose and stack level at that EVSE."""
        key = (profile.evse_id, profile.purpose, profile.stack_level, profile.transaction_id)
        self._profiles = [
            other
            for other in self._profiles
            if other.profile_id != profile.profile_id
            and (other.evse_id, other.purpose, other.stack_level, other.transaction_id) != key
        ]
        self._profiles.append(profile)

    def clear(self, **wanted: object) -> int:
        """Forget the profiles that match all given fields (those not None); return how many there were."""
        fields = {name: value for name, value in wanted.items() if value is not None}
        kept = [p for p in self._profiles if any(getattr(p, name) != value for name, value in fields.items())]
        gone = len(self._profiles) - len(kept)
        self._profiles = kept
        return gone

    def forget_session(self, transaction_id: str | None, evse_id: int) -> None:
        """Drop the transaction profiles of a session that ended."""
        self._profiles = [
            p
            for p in self._profiles
            if p.purpose != "TxProfile" or (p.evse_id != evse_id and p.transaction_id != transaction_id)
        ]

    def of_evse(self, evse_id: int | None) -> list[Profile]:
        """Return the profiles of an EVSE, or all of them."""
        return [p for p in self._profiles if evse_id is None or p.evse_id == evse_id]

    def limit_w(self, evse_id: int, at: datetime, *, session_start: datetime | None, phases: int) -> float:
        """Return what the EVSE may give at an instant in W; infinite without a profile."""

        def strongest(candidates: Iterable[Profile]) -> float | None:
            for profile in sorted(candidates, key=lambda p: -p.stack_level):
                limit = limit_of(profile, at, session_start=session_start, phases=phases)
                if limit is not None:
                    return limit
            return None

        here = [p for p in self._profiles if p.evse_id in {0, evse_id}]
        of_session = strongest(p for p in here if p.purpose == "TxProfile")
        if of_session is None:
            of_session = strongest(p for p in here if p.purpose == "TxDefaultProfile")
        of_station = strongest(p for p in here if p.purpose in STATION_PURPOSES)
        return min(limit for limit in (of_session, of_station, NO_LIMIT_W) if limit is not None)

    def composite(self, evse_id: int, at: datetime, *, duration_s: int, ceiling_w: float) -> list[tuple[int, float]]:
        """Return the limits from `at` on as (start in s, W), one entry per change; relative ones begin at `at`."""
        edges = {0}
        for profile in self._profiles:
            begin = _begin(profile, at, at)
            if begin is not None:
                offset = (begin - at).total_seconds()
                ends = [profile.duration_s] if profile.duration_s is not None else []
                edges |= {int(offset + start) for start in (*(p[0] for p in profile.periods), *ends)}
        schedule: list[tuple[int, float]] = []
        for edge in sorted(edge for edge in edges if 0 <= edge < duration_s):
            instant = at + timedelta(seconds=edge)
            limit = min(ceiling_w, self.limit_w(evse_id, instant, session_start=at, phases=3))
            if not schedule or schedule[-1][1] != limit:
                schedule.append((edge, limit))
        return schedule

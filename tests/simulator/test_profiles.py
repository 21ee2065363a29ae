"""Charging profiles: which one holds at an instant, and what it allows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from voltway.simulator.profiles import NO_LIMIT_W, ProfileStore, parse_profile

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def wire(profile_id: int, limit: float, **changes: Any) -> dict[str, Any]:
    """A 1.6 profile that limits from 09:00 on."""
    schedule = {
        "chargingRateUnit": changes.pop("unit", "W"),
        "startSchedule": "2026-11-02T09:00:00Z",
        "chargingSchedulePeriod": changes.pop("periods", [{"startPeriod": 0, "limit": limit}]),
        **changes.pop("schedule", {}),
    }
    return {
        "chargingProfileId": profile_id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **changes,
    }


def limit(store: ProfileStore, at: datetime = NOW, *, phases: int = 3) -> float:
    """What EVSE 1 may give."""
    return store.limit_w(1, at, session_start=NOW - timedelta(minutes=10), phases=phases)


def store_of(*profiles: tuple[int, dict[str, Any]]) -> ProfileStore:
    """A store with profiles put in order."""
    store = ProfileStore()
    for evse_id, profile in profiles:
        store.put(parse_profile(evse_id, profile))
    return store


def test_nothing_stored_limits_nothing() -> None:
    """Without profiles there is no limit."""
    assert limit(ProfileStore()) == NO_LIMIT_W


@pytest.mark.parametrize(
    ("profiles", "expected_w"),
    [
        ([(1, wire(1, 7000))], 7000),
        ([(0, wire(1, 7000))], 7000),
        ([(2, wire(1, 7000))], NO_LIMIT_W),
        ([(1, wire(1, 16, unit="A"))], 16 * 230 * 3),
        ([(1, wire(1, 7000)), (1, wire(2, 5000, stackLevel=1))], 5000),
        ([(1, wire(1, 7000, stackLevel=1)), (1, wire(2, 5000))], 7000),
        ([(1, wire(1, 3000)), (1, wire(2, 9000, chargingProfilePurpose="TxProfile"))], 9000),
        ([(1, wire(1, 9000)), (0, wire(2, 4000, chargingProfilePurpose="ChargePointMaxProfile"))], 4000),
        ([(1, wire(1, 7000)), (1, wire(1, 6000))], 6000),
        ([(1, wire(1, 7000, validFrom="2026-11-02T10:00:00Z"))], NO_LIMIT_W),
        ([(1, wire(1, 7000, validTo="2026-11-02T09:00:00Z"))], NO_LIMIT_W),
        ([(1, wire(1, 7000, schedule={"duration": 3600}))], 7000),
        ([(1, wire(1, 7000, schedule={"duration": 0}))], NO_LIMIT_W),
        ([(1, wire(1, 7000, chargingProfileKind="Relative"))], 7000),
        (
            [(1, wire(1, 0, chargingProfileKind="Recurring", recurrencyKind="Daily",
                      schedule={"startSchedule": "2026-10-01T08:30:00Z"},
                      periods=[{"startPeriod": 0, "limit": 2000}, {"startPeriod": 1800, "limit": 3000}]))],
            3000,
        ),
    ],
)  # fmt: skip
def test_the_limit_at_an_instant(profiles: list[tuple[int, dict[str, Any]]], expected_w: float) -> None:
    """Purpose, stack level, validity, duration, kind and unit decide as the standard says."""
    assert limit(store_of(*profiles)) == pytest.approx(expected_w)


def test_amperes_count_on_the_phases_that_are_used() -> None:
    """A limit in amperes is per phase; numberPhases wins over the car's phases."""
    assert limit(store_of((1, wire(1, 16, unit="A"))), phases=1) == 16 * 230
    period = [{"startPeriod": 0, "limit": 16, "numberPhases": 2}]
    assert limit(store_of((1, wire(1, 0, unit="A", periods=period)))) == 16 * 230 * 2


def test_clearing_by_what_is_named() -> None:
    """Only profiles that match all criteria go; the session's own go with the session."""
    store = store_of(
        (1, wire(1, 7000)),
        (1, wire(2, 5000, stackLevel=3)),
        (1, wire(3, 4000, chargingProfilePurpose="TxProfile", transactionId=5)),
    )
    assert store.clear(profile_id=9) == 0
    assert store.clear(stack_level=3, evse_id=2) == 0
    assert store.clear(stack_level=3, evse_id=1) == 1
    assert limit(store) == 4000
    store.forget_session("5", 1)
    assert limit(store) == 7000
    assert len(store.of_evse(None)) == 1
    assert store.clear() == 1


def test_the_composite_schedule_has_one_entry_per_change() -> None:
    """Edges of all profiles are followed, the station's ceiling holds, equal neighbours are one entry."""
    periods = [
        {"startPeriod": 0, "limit": 7000},
        {"startPeriod": 600, "limit": 30000},
        {"startPeriod": 900, "limit": 0},
    ]
    store = store_of((1, wire(1, 0, periods=periods, schedule={"duration": 1200})))
    composite = store.composite(1, NOW, duration_s=3600, ceiling_w=22_000)
    assert composite == [(0, 7000), (600, 22_000), (900, 0), (1200, 22_000)]
    assert store.composite(1, NOW, duration_s=300, ceiling_w=22_000) == [(0, 7000)]

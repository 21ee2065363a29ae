"""What gives a sign at an EVSE, and what must not. Each case is a claim of its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.model import EvseView, MeterView, Place, SessionView, Sign
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.timeline.model import Cause, Interval, OperatorState

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WH = 1000


def after(minutes: float) -> datetime:
    """Return the instant so many minutes after T0."""
    return T0 + timedelta(minutes=minutes)


SESSION = SessionView("s", "t", T0, "ANNA", 0, 0.0, None, after(15), after(15), "Charging", None, (), T0)
IDLE = MeterView(at=after(60), power_w=0.0, is_idle=True)


def view(
    state: OperatorState = OperatorState.CHARGING, cause: str = "", session: SessionView | None = None, **more: object
) -> EvseView:
    """Return an EVSE that is in a state since T0."""
    current = replace(INTERVAL, state=state, cause=cause)
    return replace(EvseView(Place(1, 2, 3), 22_000, current, session, MeterView()), **more)  # type: ignore[arg-type]


INTERVAL = Interval(T0, None, OperatorState.CHARGING, "", "", T0)


def found(name: str, seen: EvseView, minutes: float = 30) -> Sign | None:
    """Return the sign of a shipped rule's detector."""
    return DETECTORS[name].function(seen, shipped()[name], after(minutes))


def counts(name: str, sign: Sign | None) -> bool:
    """Say whether a sign reaches the shipped threshold."""
    return sign is not None and sign.value >= shipped()[name].threshold


def charging(**more: object) -> EvseView:
    """Return an EVSE that charges in a session with such facts."""
    return view(session=replace(SESSION, **more))  # type: ignore[arg-type]


def test_a_fault_counts_since_the_station_says_so_and_tells_its_codes() -> None:
    seen = view(OperatorState.FAULTED, "GroundFailure", error_code="GroundFailure", vendor_error_code="E42")
    assert found("faulted", seen) == Sign(1.0, T0, "GroundFailure E42")


def test_one_that_closed_itself_counts_only_after_ten_minutes() -> None:
    seen = view(OperatorState.FAULTED, Cause.CLOSED_UNASKED)
    early = found("faulted", seen, 9)
    assert not counts("faulted", early)
    assert early is not None
    assert early.due == after(10)
    late = found("faulted", seen, 10)
    assert counts("faulted", late)
    assert late is not None
    assert late.since == after(10)


@pytest.mark.parametrize("state", sorted(set(OperatorState) - {OperatorState.FAULTED}))
def test_no_other_state_is_a_fault(state: OperatorState) -> None:
    assert found("faulted", view(state)) is None


def test_a_register_that_stands_still_over_two_readings_counts_since_it_stands() -> None:
    sign = found("no_delivery", charging(energy_since=after(2)))
    assert counts("no_delivery", sign)
    assert sign is not None
    assert sign.since == after(2)


@pytest.mark.parametrize(
    "facts",
    [
        {"energy_since": None},
        {"energy_since": T0, "last_reading_at": None},
        {"energy_since": after(15), "energy_milliwh": 900 * WH},
        {"soc_pct": 95.0},
    ],
    ids=["no reading yet", "one reading", "energy flows", "a full car"],
)
def test_no_delivery_says_nothing_of(facts: dict[str, object]) -> None:
    assert not counts("no_delivery", found("no_delivery", charging(**facts)))


@pytest.mark.parametrize("state", [OperatorState.SUSPENDED_BY_CAR, OperatorState.SUSPENDED_BY_STATION])
def test_a_car_that_suspends_is_no_missing_delivery(state: OperatorState) -> None:
    assert found("no_delivery", view(state, session=SESSION)) is None


def test_energy_that_flows_is_seen_as_health() -> None:
    sign = found("no_delivery", charging(energy_since=after(15), energy_milliwh=900 * WH))
    assert sign is not None
    assert sign.value == 0


def test_a_car_that_had_its_share_is_given_patience() -> None:
    sign = found("no_delivery", charging(energy_milliwh=500 * WH))
    assert sign is not None
    assert sign.since == after(45)


def test_power_without_a_session_counts_and_a_stations_own_consumption_does_not() -> None:
    free = view(OperatorState.AVAILABLE)
    assert counts(
        "energy_without_session", found("energy_without_session", replace(free, meter=replace(IDLE, power_w=400.0)))
    )
    assert not counts(
        "energy_without_session", found("energy_without_session", replace(free, meter=replace(IDLE, power_w=80.0)))
    )
    assert found("energy_without_session", view(session=SESSION, meter=IDLE)) is None
    assert found("energy_without_session", replace(free, meter=replace(IDLE, is_idle=False))) is None


def test_two_idle_registers_tell_of_the_power_between_them_since_the_first() -> None:
    meter = replace(IDLE, idle_register_milliwh=0, idle_at=T0, register_milliwh=600 * WH, register_at=after(60))
    sign = found("energy_without_session", view(OperatorState.AVAILABLE, meter=meter))
    assert sign is not None
    assert (sign.value, sign.since) == (600.0, T0)


def test_a_session_whose_place_is_free_is_stuck_since_then() -> None:
    sign = found("session_stuck", view(OperatorState.AVAILABLE, session=SESSION, free_since=after(20)))
    assert sign is not None
    assert (sign.value, sign.since) == (1.0, after(20))


def test_a_session_that_spoke_after_its_place_was_free_is_not_stuck() -> None:
    assert not counts("session_stuck", found("session_stuck", view(session=SESSION, free_since=after(10))))


def test_a_long_session_that_still_charges_is_not_stuck() -> None:
    fresh = charging(energy_since=after(30 * 60), updated_at=after(30 * 60))
    sign = found("session_stuck", fresh, 30 * 60)
    assert sign is not None
    assert (sign.value, sign.due) == (0.0, after(38 * 60))


def test_a_session_open_a_day_and_long_without_energy_is_stuck_since_both_hold() -> None:
    sign = found("session_stuck", charging(updated_at=after(25 * 60)), 25 * 60)
    assert sign is not None
    assert (sign.value, sign.since) == (1.0, after(24 * 60))


@pytest.mark.parametrize(
    ("facts", "meter", "is_low"),
    [
        ({}, {"power_w": 1_000.0}, True),
        ({}, {"power_w": 3_700.0}, False),
        ({}, {"power_w": 1_000.0, "peak_w": 20_000.0}, False),
        ({"soc_pct": 30.0}, {"power_w": 1_000.0, "peak_w": 20_000.0}, True),
        ({"soc_pct": 70.0}, {"power_w": 1_000.0}, False),
        ({}, {"power_w": 1_000.0, "offered_w": 1_400.0}, False),
        ({}, {"power_w": 0.0}, False),
        ({}, {"power_w": None}, False),
    ],
    ids=[
        "far too little",
        "one phase",
        "taper",
        "low at a low charge",
        "nearly full",
        "offer is low",
        "none",
        "unknown",
    ],
)
def test_low_power(facts: dict[str, object], meter: dict[str, float | None], *, is_low: bool) -> None:
    seen = view(session=replace(SESSION, **facts), meter=MeterView(at=after(15), **meter))  # type: ignore[arg-type]
    assert counts("low_power", found("low_power", seen)) is is_low


def test_power_that_was_measured_before_the_session_says_nothing_of_it() -> None:
    seen = view(session=SESSION, meter=MeterView(at=after(-1), power_w=1_000.0))
    assert found("low_power", seen) is None


def test_a_temperature_counts_while_it_is_fresh() -> None:
    seen = view(meter=MeterView(at=T0, temperature_c=90.0))
    sign = found("temperature", seen, 59)
    assert counts("temperature", sign)
    assert sign is not None
    assert (sign.since, sign.due) == (T0, after(60))
    assert found("temperature", seen, 60) is None
    assert not counts("temperature", found("temperature", view(meter=MeterView(at=T0, temperature_c=65.0))))


def test_anomalies_count_until_the_oldest_leaves_the_window() -> None:
    seen = view(recent_anomalies=((after(5), "register_fell"), (T0, "register_fell")))
    sign = found("meter_anomaly", seen)
    assert sign == Sign(2.0, T0, "register fell", due=after(24 * 60))
    later = found("meter_anomaly", seen, 24 * 60)
    assert later is not None
    assert (later.value, later.since) == (1.0, after(5))
    assert found("meter_anomaly", seen, 24 * 60 + 5) is None


def test_only_an_unknown_state_is_unknown() -> None:
    assert counts("status_unknown", found("status_unknown", view(OperatorState.UNKNOWN)))
    assert found("status_unknown", view(OperatorState.OFFLINE)) is None


@pytest.mark.parametrize(
    ("state", "cause", "wanted", "is_ignored"),
    [
        (OperatorState.AVAILABLE, "", False, True),
        (OperatorState.UNAVAILABLE, Cause.INTENT, False, False),
        (OperatorState.UNAVAILABLE, "", True, True),
        (OperatorState.FAULTED, Cause.CLOSED_UNASKED, True, True),
        (OperatorState.AVAILABLE, "", True, False),
        (OperatorState.OFFLINE, "", False, False),
        (OperatorState.UNKNOWN, "", False, False),
        (OperatorState.AVAILABLE, "", None, False),
    ],
)
def test_a_wish_is_ignored(state: OperatorState, cause: str, *, wanted: bool | None, is_ignored: bool) -> None:
    seen = view(state, cause, wanted=wanted, wanted_since=after(-5))
    sign = found("availability_ignored", seen)
    assert counts("availability_ignored", sign) is is_ignored
    assert sign is None or sign.since == after(-5)

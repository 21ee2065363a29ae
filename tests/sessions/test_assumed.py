"""The assumed session: its power is what the EVSE really gave, its price that of a real session with its readings."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, CHARGING, ENERGY, FLAT, PARKED, PARKING, TIME, clock, component, element
from tests.tariffs.building import tariff as tariff_of
from tests.tariffs.test_properties import STARTS, tariffs

from voltway.kernel.clock import parse_rfc3339
from voltway.kernel.energy import Energy
from voltway.kernel.errors import Conflict
from voltway.kernel.facts import ChargingState
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, TransactionId
from voltway.sessions.assumed import (
    MAX_STAY,
    AssumedPower,
    AssumedSession,
    Assumption,
    AssumptionCode,
    Charge,
    ImpossibleWish,
    Wish,
    assumed_session,
    real_power,
)
from voltway.sessions.courses import ended_course, judgement_of
from voltway.sessions.model import Progress, Session, SessionState, State
from voltway.sessions.periods import Sample, charging_periods, kind_changes
from voltway.sessions.quotes import priced_course, quote_of
from voltway.tariffs.model import PeriodKind, Restrictions, Tariff

START = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
SINCE = datetime(2025, 12, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
CODE = AssumptionCode
LEAVES, THROUGHOUT, IDLES, CUT = CODE.LEAVES_WHEN_CHARGED, CODE.CHARGES_THROUGHOUT, CODE.IDLE_AFTER, CODE.ENERGY_CUT


def power_of(power_w: int) -> AssumedPower:
    return AssumedPower(power_w, Assumption(CODE.POWER_RATED, "rated"))


def kwh(text: str) -> Energy:
    return Energy(int(Decimal(text) * 1_000_000))


def charges(*powers_kw: str, hours: str = "2") -> list[Charge]:
    return [Charge(kwh(str(Decimal(kw) * Decimal(hours))), Decimal(hours)) for kw in powers_kw]


FIVE = ("9", "11", "10.8", "3.7", "11")


@pytest.mark.parametrize(
    ("rated_w", "known", "power_w", "code", "text"),
    [
        pytest.param(
            22_000, charges(*FIVE), 10_800, CODE.POWER_MEASURED, "median of 5 sessions since 2025-12-02: 10.8 kW",
            id="what its sessions drew, whatever the sign says",
        ),
        pytest.param(
            None, charges(*FIVE, "10.9"), 10_850, CODE.POWER_MEASURED,
            "median of 6 sessions since 2025-12-02: 10.85 kW", id="an even number, no rated power",
        ),
        pytest.param(
            7_400, charges(*FIVE), 7_400, CODE.POWER_MEASURED,
            "median of 5 sessions since 2025-12-02: 10.8 kW, more than the rated power of 7.4 kW, which is assumed",
            id="never more than the rated power",
        ),
        pytest.param(
            22_000, charges(*FIVE[:4]), 22_000, CODE.POWER_RATED,
            "rated power 22 kW: fewer than 5 sessions since 2025-12-02", id="four sessions say too little",
        ),
        pytest.param(
            22_000, [*charges(*FIVE[:4]), Charge(kwh("5"), Decimal(0))], 22_000, CODE.POWER_RATED,
            "rated power 22 kW: fewer than 5 sessions since 2025-12-02", id="no time, no power: it is not counted",
        ),
        pytest.param(
            None, charges(*["0.0001"] * 5, hours="10000"), 1, CODE.POWER_MEASURED,
            "median of 5 sessions since 2025-12-02: 0.001 kW", id="never 0",
        ),
    ],
)  # fmt: skip
def test_the_power_is_what_sessions_here_drew(
    rated_w: int | None, known: Sequence[Charge], power_w: int, code: AssumptionCode, text: str
) -> None:
    """The median of the recent sessions, bounded by the rated power; with too few of them the rated power."""
    assert real_power(rated_w, known, since=SINCE) == AssumedPower(power_w, Assumption(code, text))


def test_nothing_known_is_no_power() -> None:
    """Four sessions and no rated power: nothing is made up."""
    assert real_power(None, charges(*FIVE[:4]), since=SINCE) is None


@pytest.mark.parametrize(
    ("energy", "minutes", "charging_min", "drawn", "how"),
    [
        ("11", None, 60, "11", (LEAVES, "the car leaves when it is charged")),
        (None, 90, 90, "16.5", (THROUGHOUT, "the car charges the whole time")),
        ("11", 90, 60, "11", (IDLES, "charged after 60 minutes, the car idles for 30")),
        ("11", 60, 60, "11", (THROUGHOUT, "the car charges the whole time")),
        ("12", 60, 60, "11", (CUT, "12 kWh do not fit into 60 minutes at 11 kW: 11 kWh are assumed")),
        (None, 0.01, 0.01, "0.0018", (THROUGHOUT, "the car charges the whole time")),
    ],
)
def test_how_the_session_goes(
    energy: str | None, minutes: float | None, charging_min: float, drawn: str, how: tuple[AssumptionCode, str]
) -> None:
    """11 kW: charging lasts energy over power, what does not fit is cut down to 0.1 Wh, what is left is idle."""
    stay = None if minutes is None else timedelta(minutes=minutes)
    found = assumed_session(Wish(START, None if energy is None else kwh(energy), stay), power_of(11_000))
    assert (found.charging_ends_at, found.energy) == (START + timedelta(minutes=charging_min), kwh(drawn))
    assert found.ends_at == START + (timedelta(minutes=charging_min) if stay is None else stay)
    assert [it.code for it in found.assumptions[:-1]] == [CODE.POWER_RATED, CODE.CONSTANT_POWER]
    assert found.assumptions[-1] == how
    assert found.power_w == 11_000


def test_an_unknown_power_is_the_mean_where_both_are_named() -> None:
    """20 kWh in three hours: 6.667 kW, and the energy is the one asked for, to the last mWh."""
    found = assumed_session(Wish(START, kwh("20"), 3 * HOUR), None)
    assert (found.energy, found.power_w, found.charging_ends_at) == (kwh("20"), 6_667, found.ends_at)
    assert [it.code for it in found.assumptions] == [CODE.POWER_MEAN, CODE.CONSTANT_POWER, THROUGHOUT]
    assert found.assumptions[0].text == "the power of this EVSE is not known: 6.667 kW, the energy over the time"
    assert assumed_session(Wish(START, Energy(1), HOUR), None).power_w == 1


@pytest.mark.parametrize(
    ("wish", "power", "kind", "said"),
    [
        pytest.param(Wish(START, kwh("11")), None, Conflict, "max_power_w", id="no power, no time"),
        pytest.param(Wish(START, None, HOUR), None, Conflict, "both kwh and minutes", id="no power, no energy"),
        pytest.param(Wish(START, kwh("1000")), power_of(5_900), ImpossibleWish, "a week", id="longer than a week"),
        pytest.param(Wish(START, kwh("1000"), HOUR / 2), None, ImpossibleWish, "too much energy", id="2 MW"),
        pytest.param(Wish(START, None, HOUR / 36e5), power_of(3_000), ImpossibleWish, "too short", id="a millisecond"),
    ],
)
def test_what_comes_to_no_session(wish: Wish, power: AssumedPower | None, kind: type[Exception], said: str) -> None:
    """It is refused with a sentence that says what to enter; nothing is made up."""
    with pytest.raises(kind, match=said):
        assumed_session(wish, power)


@pytest.mark.parametrize(
    ("wish", "power", "pointer"),
    [
        (Wish(START, kwh("1000")), power_of(5_900), "/kwh"),
        (Wish(START, kwh("1000"), HOUR / 2), None, "/kwh"),
        (Wish(START, kwh("1"), timedelta(microseconds=60)), power_of(3_000), "/minutes"),
    ],
)
def test_a_refusal_names_the_parameter(wish: Wish, power: AssumedPower | None, pointer: str) -> None:
    """So that a form can say it beside the field."""
    with pytest.raises(ImpossibleWish) as caught:
        assumed_session(wish, power)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_a_week_is_not_too_long() -> None:
    """1,008 kWh at 6 kW are exactly the week."""
    assert assumed_session(Wish(START, kwh("1008")), power_of(6_000)).ends_at == START + MAX_STAY


def test_power_bands_see_the_assumed_power() -> None:
    """Below 32 kW one price, from there another; idle time is parking."""
    bands = tariff_of(
        element(component(ENERGY, "0.50"), component(PARKING, "6"), only=Restrictions(max_power=Decimal(32))),
        element(component(ENERGY, "0.70")),
    )
    slow = assumed_session(Wish(START, kwh("11"), 2 * HOUR), power_of(11_000))
    fast = assumed_session(Wish(START, kwh("50"), 2 * HOUR), power_of(50_000))
    assert kind_changes(slow.course()) == [(START, CHARGING), (START + HOUR, PARKED)]
    for session, excl_vat in ((slow, "11.5"), (fast, "41")):
        quote = quote_of(session.course(), bands, time_zone=BERLIN, is_running=False)
        assert quote.cost.excl_vat == Decimal(excl_vat)


def test_a_quote_over_a_change_of_price() -> None:
    """18:00 in Berlin is an hour after the start: 11 kWh at the day's price, 5.5 at the evening's, fee and time too."""
    evening = tariff_of(
        element(component(ENERGY, "0.30"), only=Restrictions(start_time=clock("18:00"))),
        element(component(ENERGY, "0.50"), component(FLAT, "1"), component(TIME, "0.6")),
    )
    course = assumed_session(Wish(START, kwh("16.5")), power_of(11_000)).course()
    quote = quote_of(course, evening, time_zone=BERLIN, is_running=False)
    assert quote.cost.excl_vat == Decimal("5.5") + Decimal("1.65") + 1 + Decimal("0.9")


# ---- the same as a real session


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Wish, AssumedPower]:
    """Draw a wish whose charging takes whole minutes, so that a station's readings lie on the line to the mWh."""
    power = power_of(60 * draw(st.integers(1, 5_000)))
    minutes = draw(st.integers(1, 600))
    energy = Energy(power.power_w * minutes * 1000 // 60)
    start = parse_rfc3339(draw(st.sampled_from(STARTS)) + "+00:00")
    stay = draw(st.none() | st.integers(1, 900).map(lambda more: timedelta(minutes=more)))
    return Wish(start, energy, stay), power


def session_of(assumed: AssumedSession, step: timedelta) -> tuple[State, list[Sample]]:
    """Return a real session as a station would report it: a reading now and then, its states, both registers."""
    begin = 123_456_789_000
    history = [(assumed.started_at, ChargingState.CHARGING)]
    if assumed.charging_ends_at < assumed.ends_at:
        history.append((assumed.charging_ends_at, ChargingState.SUSPENDED_EV))
    session = Session(
        UUID(int=1), OperatorId(1), StationId(1), EvseId(1), ConnectorId(1), TransactionId("1"), 1, SessionState.ENDED,
        assumed.started_at, assumed.started_at, ended_at=assumed.ends_at, register_begin_milliwh=begin,
        register_end_milliwh=begin + assumed.energy.milliwh, history=tuple(history),
    )  # fmt: skip
    samples, at = [], assumed.started_at
    while at < assumed.ends_at:
        flows = at < assumed.charging_ends_at
        drawn = assumed.power_w * ((at - assumed.started_at) // timedelta(minutes=1)) * 1000 // 60
        register = begin + (drawn if flows else assumed.energy.milliwh)
        samples.append(Sample(at, register, float(assumed.power_w) if flows else 0.0))
        at += step
    if assumed.charging_ends_at < assumed.ends_at:
        samples.append(Sample(assumed.charging_ends_at, begin + assumed.energy.milliwh, 0.0))
    return State(session, Progress()), samples


@given(tariffs(), wishes(), st.integers(1, 60))
def test_a_quote_is_the_price_of_a_real_session(of: Tariff, asked: tuple[Wish, AssumedPower], step_min: int) -> None:
    """A session with these readings, judged and cut as the bill does it, costs what was quoted, line by line."""
    assumed = assumed_session(*asked)
    state, samples = session_of(assumed, timedelta(minutes=step_min))
    judgement = judgement_of(state, samples, max_power_w=400_000)
    assert judgement.anomalies == ()
    real = ended_course(state, samples, judgement)
    quoted = quote_of(assumed.course(), of, time_zone=BERLIN, is_running=False)
    assert quoted.cost == priced_course(real, of, time_zone=BERLIN).total
    assert quoted == quote_of(real, of, time_zone=BERLIN, is_running=False)


@given(st.none() | st.integers(1, 10**9), st.none() | st.integers(1, 10_080 * 60), st.integers(1_000, 400_000))
def test_no_session_draws_more_than_its_power(milliwh: int | None, seconds: int | None, power_w: int) -> None:
    """Never more energy than asked or than the power gives, never longer than the stay, and idle only at the end."""
    stay = None if seconds is None else timedelta(seconds=seconds)
    wish = Wish(START, None if milliwh is None else Energy(milliwh), stay)
    assume(milliwh is not None or stay is not None)
    assume((milliwh or 0) * 3600 <= power_w * 1000 * MAX_STAY.total_seconds())
    found = assumed_session(wish, power_of(power_w))
    charging = found.charging_ends_at - START
    assert found.charging_ends_at <= found.ends_at
    assert stay is None or found.ends_at == START + stay
    assert found.energy.milliwh > 0
    assert wish.energy is None or found.energy <= wish.energy
    assert found.energy.milliwh * 3_600_000 <= power_w * (charging // timedelta(microseconds=1))
    periods = charging_periods(found.course(), tariff_of(element(component(ENERGY, "1"))), time_zone=BERLIN)
    kinds = [period.kind for period in periods]
    assert kinds == sorted(kinds, key=lambda kind: kind is PeriodKind.PARKING)

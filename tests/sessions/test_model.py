"""The rules of a session: facts in any order, any number of times, give the same session; odd ones have a name."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.facts import (
    ChargingState,
    ConnectorStatus,
    PresentedToken,
    Reading,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    TokenInfo,
    TokenStatus,
)
from voltway.kernel.ids import ConnectorId, EvseId, OperatorId, StationId, Token, TransactionId
from voltway.sessions import model as rules
from voltway.sessions.anomalies import AnomalyCode, anomaly
from voltway.sessions.model import SessionState, Start, State

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RECEIVED = START + timedelta(hours=12)
TX = TransactionId("T-1")
ANNA = PresentedToken(Token("ANNA"))
ACCEPTED = TokenInfo(TokenStatus.ACCEPTED, group="FLEET")
BEGIN = 100_000_000
Code = AnomalyCode
Event = SessionStarted | SessionUpdated | SessionEnded


def minute(number: float) -> datetime:
    """Return an instant of the station's clock."""
    return START + timedelta(minutes=number)


def reading(at: float, register: int | None, power_w: float | None = 11_000.0, soc_pct: float | None = None) -> Reading:
    return Reading(minute(at), ReadingContext.PERIODIC, register, power_w, soc_pct=soc_pct)


def start_of(**changes: object) -> Start:
    """Return what the ingest knows beside the fact."""
    start = Start(UUID(int=1), OperatorId(1), StationId(1), TX, 77, RECEIVED, ACCEPTED, ("DAY", 1))
    return replace(start, **changes)  # type: ignore[arg-type]


def start_event(
    register: int | None = BEGIN, *, token: PresentedToken | None = ANNA, offline: bool = False, at: float = 0
) -> SessionStarted:
    return SessionStarted(EvseId(1), ConnectorId(1), minute(at), token, TX, register, (), 0, offline=offline)


def update_event(
    seq_no: int, *readings: Reading, state: ChargingState | None = None, token: PresentedToken | None = None
) -> SessionUpdated:
    return SessionUpdated(
        EvseId(1), ConnectorId(1), TX, minute(seq_no), readings, seq_no, state, token, False, "MeterValuePeriodic"
    )


def end_event(at: float, register: int | None, *readings: Reading, seq_no: int | None = None) -> SessionEnded:
    return SessionEnded(TX, minute(at), register, "Local", None, readings, seq_no, EvseId(1), ConnectorId(1))


def apply(state: State | None, event: Event, start: Start | None = None) -> State:
    """Fold one event as the ingest does."""
    start = start or start_of()
    if isinstance(event, SessionStarted):
        return rules.started(state, event, start)
    known = state if state is not None else rules.adopted(event, replace(start, token=None))
    if isinstance(event, SessionUpdated):
        return rules.updated(known, event, start.token, RECEIVED)
    return rules.ended(known, event, RECEIVED)


def fold(events: Sequence[Event]) -> State:
    """Fold events in the order given."""
    state: State | None = None
    for event in events:
        state = apply(state, event)
    assert state is not None
    return state


def begun(**changes: object) -> State:
    """A session that has just started."""
    return rules.started(None, start_event(), start_of(**changes))


def runs(state: State) -> list[tuple[datetime, ChargingState]]:
    """Return since when the session was in which state."""
    history = state.session.history
    return [it for n, it in enumerate(history) if n == 0 or history[n - 1][1] is not it[1]]


def codes(state: State) -> set[AnomalyCode]:
    return {it.code for it in state.session.anomalies}


@st.composite
def transactions(draw: st.DrawFn) -> list[Event]:
    """A sane 2.x transaction: registers rise by at most 11 kW, some events carry a state or no register."""
    rises = draw(st.lists(st.integers(0, 180_000), max_size=6))
    events: list[Event] = [start_event()]
    register = BEGIN
    for seq_no, rise in enumerate(rises, 1):
        register += rise
        shown = register if draw(st.booleans()) else None
        state = draw(st.none() | st.sampled_from(ChargingState))
        events.append(update_event(seq_no, reading(seq_no, shown), state=state))
    last = len(rises) + 1
    register += draw(st.integers(0, 180_000))
    inside = (reading(last, register),) if draw(st.booleans()) else ()
    return [*events, end_event(last, register, *inside, seq_no=last)]


@given(transactions(), st.data())
def test_order_and_repetition_change_nothing(events: list[Event], data: st.DataObject) -> None:
    """What is stored of the session is the same however its events arrive: no anomaly, energy to the milliwatt-hour."""
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))
    shuffled = data.draw(st.permutations([*events, *again]))
    expected, found = fold(events), fold(shuffled)
    ended = events[-1]
    assert isinstance(ended, SessionEnded)
    assert expected.progress.energy_milliwh == (ended.register_end_milliwh or 0) - BEGIN
    assert replace(found.session, history=()) == replace(expected.session, history=())
    assert runs(found) == runs(expected)
    assert codes(found) == codes(expected) == set()
    assert found.session.state is SessionState.ENDED
    assert found.session.seq_missing == frozenset()
    assert (found.progress.energy_milliwh, found.progress.power_w) == (expected.progress.energy_milliwh, 0.0)
    assert found.progress.first_milliwh == expected.progress.first_milliwh
    assert found.progress.last_milliwh == expected.progress.last_milliwh


@given(st.permutations([reading(n, BEGIN + n * 100_000) for n in range(1, 6)]))
def test_readings_in_any_order_give_the_same_energy(readings: list[Reading]) -> None:
    """Late samples of an offline spell neither add energy nor take any away."""
    state = rules.metered(begun(), tuple(readings))
    assert state.progress.energy_milliwh == 500_000
    assert (state.progress.first_milliwh, state.progress.last_milliwh) == (BEGIN + 100_000, BEGIN + 500_000)
    assert rules.metered(state, tuple(readings)).progress.energy_milliwh == 500_000
    assert codes(state) == set()


def test_without_a_begin_the_earliest_reading_stands() -> None:
    """Also when it comes late."""
    state = rules.started(None, start_event(None), start_of())
    state = rules.metered(state, (reading(2, BEGIN + 300_000), reading(1, BEGIN), reading(3, BEGIN + 400_000)))
    assert state.progress.energy_milliwh == 400_000
    assert rules.ended(state, end_event(4, None), RECEIVED).progress.energy_milliwh == 400_000


def test_a_reading_without_energy_is_not_a_zero() -> None:
    state = rules.metered(begun(), (reading(1, BEGIN + 100_000, soc_pct=40), reading(2, None, 7_000.0, 41)))
    assert (state.progress.energy_milliwh, state.progress.power_w, state.progress.soc_pct) == (100_000, 7_000.0, 41)
    kept = rules.metered(state, (reading(3, BEGIN + 200_000, None),))
    assert (kept.progress.power_w, kept.progress.soc_pct) == (7_000.0, 41)


def test_a_session_without_any_register_has_no_energy() -> None:
    state = rules.started(None, start_event(None), start_of())
    assert rules.ended(state, end_event(5, None), RECEIVED).progress.energy_milliwh == 0


def test_two_readings_of_one_instant_have_no_order() -> None:
    """The end's register and a sample of the same second may arrive either way: nothing fell, the higher one stands."""
    for registers in ((BEGIN, BEGIN + 1_000), (BEGIN + 1_000, BEGIN)):
        state = rules.metered(begun(), tuple(reading(5, register) for register in registers))
        assert codes(state) == set()
        assert state.progress.last_milliwh == BEGIN + 1_000


@pytest.mark.parametrize(
    ("registers", "found"),
    [
        ((BEGIN, BEGIN + 100_000), set()),
        ((BEGIN, BEGIN - 1), {Code.REGISTER_FELL}),
        ((BEGIN, 5_000, 6_000), {Code.REGISTER_FELL}),
        ((BEGIN, BEGIN + 90_000_000), {Code.REGISTER_JUMPED}),
        ((BEGIN, BEGIN - 1, BEGIN + 90_000_000), {Code.REGISTER_FELL, Code.REGISTER_JUMPED}),
    ],
)
def test_odd_steps_are_named_once_and_hold_the_bill(registers: Sequence[int], found: set[AnomalyCode]) -> None:
    readings = tuple(reading(n, register) for n, register in enumerate(registers, 1))
    state = rules.metered(begun(), readings * 2)
    assert codes(state) - {Code.REGISTER_FELL} == found - {Code.REGISTER_FELL}
    assert (Code.REGISTER_FELL in codes(state)) == (Code.REGISTER_FELL in found)
    ended = rules.ended(state, end_event(9, BEGIN + 100_000_000), RECEIVED)
    assert ended.session.state is (SessionState.HELD if found else SessionState.ENDED)
    assert len(ended.session.anomalies) == len(codes(ended))


def test_a_repeated_start_changes_nothing() -> None:
    state = rules.metered(begun(), (reading(1, BEGIN + 100_000),))
    assert rules.started(state, start_event(5), start_of()) is state


def test_an_event_without_a_start_makes_a_session_that_says_so() -> None:
    """The start's own words replace the guess when it comes; a state that was reached stays."""
    lone = apply(None, update_event(3, reading(2, BEGIN), state=ChargingState.CHARGING))
    assert (codes(lone), lone.session.state) == ({Code.START_MISSING}, SessionState.PENDING)
    assert (lone.session.started_at, lone.session.seq_missing) == (minute(2), frozenset({0, 1, 2}))
    whole = rules.started(lone, start_event(BEGIN - 500_000), start_of())
    assert (codes(whole), whole.session.state) == (set(), SessionState.ACTIVE)
    assert (whole.session.started_at, whole.session.token) == (START, "ANNA")
    assert whole.session.seq_missing == frozenset({1, 2})
    kept = rules.started(lone, start_event(), start_of(tariff=None))
    assert (kept.session.tariff_id, kept.session.tariff_version) == ("DAY", 1)


def test_an_end_alone_is_held() -> None:
    state = apply(None, end_event(5, BEGIN, seq_no=2))
    assert (state.session.state, codes(state)) == (SessionState.HELD, {Code.START_MISSING})
    bare = SessionEnded(TX, minute(5), BEGIN)
    assert (apply(None, bare).session.evse_id, apply(None, bare).session.connector_id) == (0, 0)


def test_an_end_below_the_begin_is_shown_not_clamped() -> None:
    state = rules.ended(begun(), end_event(5, BEGIN - 1_000), RECEIVED)
    assert (state.session.state, state.progress.energy_milliwh) == (SessionState.HELD, -1_000)
    assert codes(state) == {Code.END_BELOW_BEGIN}


def test_an_end_before_the_start_is_put_at_the_start() -> None:
    state = rules.ended(begun(), end_event(-5, BEGIN), RECEIVED)
    assert (state.session.ended_at, codes(state)) == (START, {Code.END_BEFORE_START})


@pytest.mark.parametrize(
    ("register", "state", "found"),
    [
        (BEGIN + 9, SessionState.ENDED, set()),
        (None, SessionState.ENDED, set()),
        (BEGIN, SessionState.HELD, {Code.END_CONTRADICTED}),
    ],
)
def test_the_first_end_stands(register: int | None, state: SessionState, found: set[AnomalyCode]) -> None:
    first = rules.ended(begun(), end_event(5, BEGIN + 9), RECEIVED)
    second = rules.ended(first, end_event(6, register), RECEIVED)
    assert (second.session.ended_at, second.progress.energy_milliwh) == (minute(5), 9)
    assert (second.session.state, codes(second)) == (state, found)


def test_the_real_end_replaces_an_assumed_one() -> None:
    """Superseded by another start: held with the last reading, until the station says how it really ended."""
    state = rules.metered(begun(), (reading(3, BEGIN + 300_000),))
    assumed = rules.superseded(state, minute(9))
    assert (assumed.session.state, assumed.session.ended_at) == (SessionState.HELD, minute(3))
    assert rules.is_end_assumed(assumed.session)
    assert (assumed.progress.energy_milliwh, assumed.progress.power_w) == (300_000, 0.0)
    real = rules.ended(assumed, end_event(4, BEGIN + 400_000), RECEIVED)
    assert (real.session.state, codes(real)) == (SessionState.ENDED, set())
    assert (real.session.ended_at, real.progress.energy_milliwh) == (minute(4), 400_000)
    assert not rules.is_end_assumed(real.session)


def test_a_superseded_session_never_ends_before_it_started() -> None:
    assert rules.superseded(begun(), minute(-9)).session.ended_at == START


@pytest.mark.parametrize(
    ("info", "offline", "status", "found"),
    [
        (ACCEPTED, False, TokenStatus.ACCEPTED, set()),
        (ACCEPTED, True, TokenStatus.ACCEPTED, set()),
        (TokenInfo(TokenStatus.BLOCKED), False, TokenStatus.BLOCKED, {Code.TOKEN_NOT_ACCEPTED}),
        (TokenInfo(TokenStatus.EXPIRED), True, TokenStatus.EXPIRED, {Code.TOKEN_OFFLINE_NOT_ACCEPTED}),
        (TokenInfo(TokenStatus.ACCEPTED, is_billable=False), False, TokenStatus.UNKNOWN, {Code.TOKEN_UNBILLED}),
        (None, False, TokenStatus.UNKNOWN, {Code.TOKEN_NOT_ACCEPTED}),
    ],
)
def test_who_may_charge_decides_whether_the_bill_is_held(
    info: TokenInfo | None, status: TokenStatus, found: set[AnomalyCode], *, offline: bool
) -> None:
    """The session itself is always kept."""
    state = rules.started(None, start_event(offline=offline), start_of(token=info))
    assert (state.session.token, state.session.token_status, codes(state)) == ("ANNA", status, found)
    holds = found - {Code.TOKEN_UNBILLED}
    ended = rules.ended(state, end_event(5, BEGIN), RECEIVED)
    assert ended.session.state is (SessionState.HELD if holds else SessionState.ENDED)


def test_a_token_that_comes_later_is_taken_once() -> None:
    """2.x: plugged in first, presented afterwards; a second token does not change who pays."""
    state = rules.started(None, start_event(token=None), start_of(token=None))
    assert state.session.token is None
    state = apply(state, update_event(1, token=ANNA))
    state = apply(state, update_event(2, token=PresentedToken(Token("BERT"))))
    assert (state.session.token, state.session.token_group) == ("ANNA", "FLEET")


def test_an_update_names_an_evse_that_was_not_known() -> None:
    lone = rules.adopted(SessionEnded(TX, START), start_of())
    placed = rules.updated(lone, replace_connector(update_event(1)), None, RECEIVED)
    assert (placed.session.evse_id, placed.session.connector_id) == (1, 1)
    nowhere = update_event(2)._replace(evse_id=None)
    assert rules.updated(placed, nowhere, None, RECEIVED).session.evse_id == 1


def replace_connector(event: SessionUpdated) -> SessionUpdated:
    """Name the EVSE without its connector."""
    return event._replace(connector_id=None)


@pytest.mark.parametrize(
    ("reported", "offset_ms", "at", "found"),
    [
        (START, 0, START, None),
        (START, 7_200_000, minute(-120), Code.CLOCK_OFF),
        (datetime(1970, 1, 1, tzinfo=UTC), 0, RECEIVED, Code.CLOCK_IMPLAUSIBLE),
        (RECEIVED + timedelta(days=2), 0, RECEIVED, Code.CLOCK_IMPLAUSIBLE),
        (RECEIVED + timedelta(days=2), 2 * 86_400_000, RECEIVED, Code.CLOCK_OFF),
        (RECEIVED + timedelta(hours=23), 0, RECEIVED + timedelta(hours=23), None),
    ],
)
def test_an_absurd_clock_is_replaced_by_ours(
    reported: datetime, offset_ms: int, at: datetime, found: AnomalyCode | None
) -> None:
    """A known offset is taken off; both are said."""
    instant, anomalies = rules.plausible_time(reported, RECEIVED, offset_ms)
    assert instant == at
    assert [it.code for it in anomalies] == ([found] if found else [])


@pytest.mark.parametrize(
    ("status", "charging_state"),
    [
        (ConnectorStatus.CHARGING, ChargingState.CHARGING),
        (ConnectorStatus.SUSPENDED_EV, ChargingState.SUSPENDED_EV),
        (ConnectorStatus.SUSPENDED_EVSE, ChargingState.SUSPENDED_EVSE),
        (ConnectorStatus.FINISHING, ChargingState.EV_CONNECTED),
        (ConnectorStatus.AVAILABLE, None),
        (ConnectorStatus.FAULTED, None),
    ],
)
def test_a_connector_says_what_the_car_does(status: ConnectorStatus, charging_state: ChargingState | None) -> None:
    """1.6 has no charging state of its own; a session that is over takes none."""
    state = rules.status_changed(begun(), status, minute(1))
    assert state.session.history == (((minute(1), charging_state),) if charging_state else ())
    over = rules.ended(begun(), end_event(5, BEGIN), RECEIVED)
    assert rules.status_changed(over, status, minute(6)) is over


def test_the_history_is_in_time_order_without_repetitions_and_bounded() -> None:
    state = begun()
    for at, status in ((3, ConnectorStatus.SUSPENDED_EV), (1, ConnectorStatus.CHARGING), (1, ConnectorStatus.CHARGING)):
        state = rules.status_changed(state, status, minute(at))
    assert [at for at, _ in state.session.history] == [minute(1), minute(3)]
    flapping = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV)
    for at in range(rules.MAX_HISTORY + 20):
        state = rules.status_changed(state, flapping[at % 2], minute(10 + at))
    assert len(state.session.history) == rules.MAX_HISTORY


def test_the_same_state_again_is_no_change() -> None:
    """Most stations repeat it in every message; the session itself stays the same object, so that storing is cheap."""
    state = apply(begun(), update_event(1, state=ChargingState.CHARGING))
    again = apply(state, update_event(2, reading(2, BEGIN + 1), state=ChargingState.CHARGING))
    assert again.session is state.session


def test_a_pause_that_is_told_late_ends_where_the_next_event_said_so() -> None:
    """A car that rested from minute 2 to 3 is not idle for the rest of the session."""
    charging, resting = ChargingState.CHARGING, ChargingState.SUSPENDED_EV
    state = apply(begun(), update_event(1, state=charging))
    for seq_no in (3, 4, 5):
        state = apply(state, update_event(seq_no, state=charging))
    state = apply(state, update_event(2, state=resting))
    assert runs(state) == [(minute(1), charging), (minute(2), resting), (minute(3), charging)]


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((1, 2, 3), 0),
        ((1, 4), 2),
        ((1, 4, 2, 3), 0),
        ((5, 5), 4),
        ((2**40,), 1_000),  # never allocate by a number from a station
    ],
)
def test_gaps_in_the_sequence_are_known(numbers: Sequence[int], missing: int) -> None:
    state = begun()
    for number in numbers:
        event = update_event(1)._replace(seq_no=number)
        state = rules.updated(state, event, None, RECEIVED)
    assert len(state.session.seq_missing) == missing


def test_an_anomaly_is_kept_at_its_first_sighting() -> None:
    first, second = (anomaly(Code.REGISTER_FELL, minute(n)) for n in (1, 2))
    assert rules.merged((first,), (second,)) == (first,)


def test_offset_and_absence_of_a_tariff_are_said_from_the_start() -> None:
    none = anomaly(Code.NO_TARIFF, RECEIVED)
    state = begun(clock_offset_ms=3_600_000, tariff=None, anomalies=(none,), synthetic=True)
    assert codes(state) == {Code.NO_TARIFF, Code.CLOCK_OFF}
    assert (state.session.started_at, state.session.synthetic) == (minute(-60), True)
    assert rules.ended(state, end_event(60, BEGIN), RECEIVED).session.state is SessionState.ENDED

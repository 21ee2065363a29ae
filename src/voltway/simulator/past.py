"""One session of the past as facts: plug-in, start, a reading every 10 or 15 minutes, idle time, end. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from voltway.kernel.facts import (
    ChargingState,
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    PresentedToken,
    Reading,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
)
from voltway.kernel.ids import ConnectorId, EvseId, StationIdentity, Token, TransactionId
from voltway.simulator.specs import EvseSpec, StationSpec, Version
from voltway.vehicles.battery import Battery, power_w
from voltway.vehicles.catalogue import VOLTAGE_V

Timed = tuple[StationIdentity, Fact, datetime]
"""(station, fact, received_at)."""
READING_EVERY = {True: timedelta(minutes=10), False: timedelta(minutes=15)}
"""By whether it is DC."""
STEP = {True: timedelta(minutes=2.5), False: timedelta(minutes=15)}
TOKEN_AFTER, START_AFTER, UNPLUG_AFTER = timedelta(seconds=8), timedelta(seconds=14), timedelta(seconds=20)
DC_VOLTAGE_V = 400.0
CONNECTOR = ConnectorId(1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PastSession:
    """What was decided beforehand; `stay`: until the driver is back, `overstay`: after the battery is full."""

    number: int
    station: StationSpec
    evse: EvseSpec
    token: str
    begin: datetime
    battery: Battery
    stay: timedelta
    overstay: timedelta
    register_milliwh: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class _Moment:
    """The meter at one instant."""

    at: datetime
    register_milliwh: int
    power_w: float
    soc: float
    is_reading: bool


def facts_of(session: PastSession) -> tuple[list[Timed], datetime, int]:
    """Return the facts in order of receipt, the instant of plug-out, and the register (milliwatt-hours) then."""
    start = session.begin + START_AFTER
    moments = list(_charge(session, start))
    full_at = moments[-1].at
    end = min(session.begin + max(session.stay, 5 * SECOND), full_at + session.overstay)
    end = max(end, full_at)
    is_16 = session.station.version is Version.V16
    facts = _facts_16(session, moments, end) if is_16 else _facts_201(session, moments, end)
    late = timedelta(seconds=session.delay_s)
    identity = session.station.identity
    return [(identity, fact, at + late) for at, fact in facts], end + UNPLUG_AFTER, moments[-1].register_milliwh


def _charge(session: PastSession, start: datetime) -> Iterator[_Moment]:
    """Yield the meter at the start, at every step and when the car stops drawing (full, or the driver back)."""
    battery, dc = session.battery, session.evse.dc
    at, register_milliwh, leaves = start, session.register_milliwh, session.begin + max(session.stay, START_AFTER * 2)
    next_reading = start + READING_EVERY[dc]
    while not battery.is_full and at < leaves:
        flowing_w = power_w(battery, float(session.evse.power_w), dc=dc)
        yield _Moment(at, register_milliwh, flowing_w, battery.soc, at >= next_reading)
        if at >= next_reading:
            next_reading += READING_EVERY[dc]
        lasting = min(STEP[dc], leaves - at, _until_full(battery, flowing_w, dc=dc))
        gained_milliwh = int(flowing_w * (lasting // timedelta(milliseconds=1)) / 3600)
        register_milliwh += gained_milliwh
        battery.charge(gained_milliwh / 1000, dc=dc)
        at += lasting
    yield _Moment(at, register_milliwh, 0.0, battery.soc, is_reading=False)


def _until_full(battery: Battery, flowing_w: float, *, dc: bool) -> timedelta:
    per_wh = 1 - (0.08 / 3 if dc else 0.08)
    missing_wh = (battery.target_soc - battery.soc) * battery.model.capacity_wh / per_wh
    return timedelta(seconds=missing_wh / flowing_w * 3600 + 1.0)


def _facts_16(session: PastSession, moments: list[_Moment], end: datetime) -> Iterator[tuple[datetime, Fact]]:
    evse, transaction = EvseId(session.evse.evse_id), TransactionId(f"H-{session.number}")
    first, last = moments[0], moments[-1]
    yield _status(session, session.begin, ConnectorStatus.PREPARING)
    yield first.at, _started(session, first, transaction, seq_no=None)
    yield _status(session, first.at + SECOND / 2, ConnectorStatus.CHARGING)
    for number, moment in enumerate(moments):
        if moment.is_reading:
            digest = session.number << 12 | number
            yield moment.at, EnergyMetered(evse, transaction, (_reading(session, moment),), digest)
    if end > last.at:
        yield _status(session, last.at, ConnectorStatus.SUSPENDED_EV)
    yield end, _ended(session, last, transaction, end)
    yield _status(session, end + SECOND / 2, ConnectorStatus.FINISHING)
    yield _status(session, end + UNPLUG_AFTER, ConnectorStatus.AVAILABLE)


def _facts_201(session: PastSession, moments: list[_Moment], end: datetime) -> Iterator[tuple[datetime, Fact]]:
    transaction = TransactionId(f"H-{session.number}")
    first, last, seq_no = moments[0], moments[-1], 0
    yield _status(session, session.begin, ConnectorStatus.OCCUPIED)
    yield first.at, _started(session, first, transaction, seq_no=0)
    for moment in moments:
        if moment.is_reading:
            seq_no += 1
            yield moment.at, _updated(session, moment, seq_no, ChargingState.CHARGING)
    if end > last.at:
        seq_no += 1
        yield last.at, _updated(session, last, seq_no, ChargingState.SUSPENDED_EV)
    yield end, _ended(session, last, transaction, end, seq_no=seq_no + 1)
    yield _status(session, end + UNPLUG_AFTER, ConnectorStatus.AVAILABLE)


def _status(session: PastSession, at: datetime, status: ConnectorStatus) -> tuple[datetime, Fact]:
    return at, ConnectorStatusChanged(EvseId(session.evse.evse_id), CONNECTOR, status, at)


def _started(
    session: PastSession, moment: _Moment, transaction: TransactionId, *, seq_no: int | None
) -> SessionStarted:
    is_201 = seq_no is not None
    return SessionStarted(
        evse_id=EvseId(session.evse.evse_id),
        connector_id=CONNECTOR,
        reported_at=moment.at,
        token=PresentedToken(Token(session.token)),
        transaction_id=transaction,
        register_begin_milliwh=_as_sent(session, moment.register_milliwh),
        readings=(_reading(session, moment, ReadingContext.BEGIN),) if is_201 else (),
        seq_no=seq_no,
        charging_state=ChargingState.CHARGING if is_201 else None,
        trigger="Authorized" if is_201 else None,
    )


def _updated(session: PastSession, moment: _Moment, seq_no: int, state: ChargingState) -> SessionUpdated:
    return SessionUpdated(
        evse_id=EvseId(session.evse.evse_id),
        connector_id=CONNECTOR,
        transaction_id=TransactionId(f"H-{session.number}"),
        reported_at=moment.at,
        readings=(_reading(session, moment),),
        seq_no=seq_no,
        charging_state=state,
        token=None,
        offline=False,
        trigger="MeterValuePeriodic" if state is ChargingState.CHARGING else "ChargingStateChanged",
    )


def _ended(
    session: PastSession, last: _Moment, transaction: TransactionId, end: datetime, *, seq_no: int | None = None
) -> SessionEnded:
    closing = _Moment(end, last.register_milliwh, 0.0, last.soc, is_reading=True)
    is_201, left_alone = seq_no is not None, end > last.at
    return SessionEnded(
        transaction_id=transaction,
        reported_at=end,
        register_end_milliwh=_as_sent(session, last.register_milliwh),
        reason="EVDisconnected" if left_alone else "Local",
        token=None if left_alone else PresentedToken(Token(session.token)),
        readings=(_reading(session, closing, ReadingContext.END),),
        seq_no=seq_no,
        evse_id=EvseId(session.evse.evse_id) if is_201 else None,
        connector_id=CONNECTOR if is_201 else None,
        charging_state=ChargingState.EV_CONNECTED if is_201 else None,
        trigger=("EVDeparted" if left_alone else "StopAuthorized") if is_201 else None,
    )


def _reading(session: PastSession, moment: _Moment, context: ReadingContext = ReadingContext.PERIODIC) -> Reading:
    dc = session.evse.dc
    volts = DC_VOLTAGE_V if dc else VOLTAGE_V
    phases = 1 if dc else session.battery.model.ac_phases
    return Reading(
        moment.at,
        context,
        _as_sent(session, moment.register_milliwh),
        round(moment.power_w, 1),
        round(moment.power_w / volts / phases, 2),
        volts,
        round(moment.soc * 100, 1) if dc else None,
        float(session.evse.power_w),
    )


def _as_sent(session: PastSession, register_milliwh: int) -> int:
    """1.6 counts whole watt-hours."""
    return register_milliwh // 1000 * 1000 if session.station.version is Version.V16 else register_milliwh

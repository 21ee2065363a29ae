"""What a station says of a session, a connector and itself: 1.6's detailed words or 2.0.1's coarse ones. Facts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rig.lab.cars import Flow
from rig.lab.network import EvseSpec, StationSpec
from voltway.kernel.facts import (
    ChargingState,
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    Notified,
    PresentedToken,
    Reading,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StationBooted,
)
from voltway.kernel.ids import ConnectorId, EvseId, Token, TransactionId

CONNECTOR = ConnectorId(1)
ENERGY_STEP_MILLIWH = 1_000
"""Meters of most stations count whole watt-hours."""
_COARSE = {
    ConnectorStatus.PREPARING: ConnectorStatus.OCCUPIED,
    ConnectorStatus.CHARGING: ConnectorStatus.OCCUPIED,
    ConnectorStatus.SUSPENDED_EV: ConnectorStatus.OCCUPIED,
    ConnectorStatus.SUSPENDED_EVSE: ConnectorStatus.OCCUPIED,
    ConnectorStatus.FINISHING: ConnectorStatus.OCCUPIED,
}
_STATE_OF = {
    ConnectorStatus.CHARGING: ChargingState.CHARGING,
    ConnectorStatus.SUSPENDED_EV: ChargingState.SUSPENDED_EV,
    ConnectorStatus.SUSPENDED_EVSE: ChargingState.SUSPENDED_EVSE,
}


@dataclass(slots=True)
class Tale:
    """One session as its station tells it; `is_away` says whether the station is without connection then."""

    station: StationSpec
    evse: EvseSpec
    transaction: str
    token: str
    is_away: Callable[[float], bool]
    stamp: Callable[[float], datetime]
    digest: Callable[[], int]
    seq_no: int = -1

    def started(self, at_s: float, flow: Flow) -> SessionStarted:
        """StartTransaction, or TransactionEvent Started."""
        is_16 = self.station.is_16
        return SessionStarted(
            evse_id=EvseId(self.evse.evse_id),
            connector_id=CONNECTOR,
            reported_at=self.stamp(at_s),
            token=PresentedToken(Token(self.token)),
            transaction_id=TransactionId(self.transaction),
            register_begin_milliwh=_counted(flow.register_milliwh),
            readings=() if is_16 else (self.reading(flow, ReadingContext.BEGIN),),
            seq_no=None if is_16 else self._next(),
            charging_state=None if is_16 else ChargingState.EV_CONNECTED,
            offline=self.is_away(at_s),
            trigger=None if is_16 else "Authorized",
        )

    def metered(self, flow: Flow, status: ConnectorStatus) -> Fact:
        """Tell a periodic reading."""
        if self.station.is_16:
            evse_id, transaction = EvseId(self.evse.evse_id), TransactionId(self.transaction)
            return EnergyMetered(evse_id, transaction, (self.reading(flow),), self.digest())
        return self._updated(flow.at_s, (self.reading(flow),), _STATE_OF[status], "MeterValuePeriodic")

    def changed(self, at_s: float, status: ConnectorStatus) -> Fact:
        """Tell a new state of car or station: a status in 1.6, an event of the transaction in 2.0.1."""
        if self.station.is_16:
            return said_status(self.station, self.evse, self.stamp(at_s), status)
        return self._updated(at_s, (), _STATE_OF[status], "ChargingStateChanged")

    def ended(self, flow: Flow, reason: str) -> SessionEnded:
        """StopTransaction, or TransactionEvent Ended."""
        is_16 = self.station.is_16
        return SessionEnded(
            transaction_id=TransactionId(self.transaction),
            reported_at=self.stamp(flow.at_s),
            register_end_milliwh=_counted(flow.register_milliwh),
            reason=reason,
            readings=(self.reading(flow, ReadingContext.END),),
            seq_no=None if is_16 else self._next(),
            evse_id=None if is_16 else EvseId(self.evse.evse_id),
            connector_id=None if is_16 else CONNECTOR,
            charging_state=None if is_16 else ChargingState.EV_CONNECTED,
            offline=self.is_away(flow.at_s),
            trigger=None if is_16 else "StopAuthorized",
        )

    def reading(self, flow: Flow, context: ReadingContext = ReadingContext.PERIODIC) -> Reading:
        """Return what this maker's meter values tell of an instant."""
        return said_reading(self.station, self.stamp(flow.at_s), flow, context)

    def _updated(
        self, at_s: float, readings: tuple[Reading, ...], state: ChargingState, trigger: str
    ) -> SessionUpdated:
        return SessionUpdated(
            EvseId(self.evse.evse_id), CONNECTOR, TransactionId(self.transaction), self.stamp(at_s), readings,
            self._next(), state, None, self.is_away(at_s), trigger,
        )  # fmt: skip

    def _next(self) -> int:
        self.seq_no += 1
        return self.seq_no


def said_reading(station: StationSpec, at: datetime, flow: Flow, context: ReadingContext) -> Reading:
    """Return a reading as this maker sends it: only what its habits report."""
    vendor = station.vendor
    extra = b'{"temperature_c": %.1f}' % flow.temperature_c if vendor.reports_temperature else None
    return Reading(
        at,
        context,
        _counted(flow.register_milliwh),
        round(flow.power_w, 1) if vendor.reports_power else None,
        None,
        None,
        round(flow.soc_pct, 1) if vendor.dc and flow.soc_pct else None,
        flow.offered_w if vendor.reports_offered else None,
        extra,
    )


def idle_metered(station: StationSpec, evse: EvseSpec, at: datetime, flow: Flow, digest: int) -> EnergyMetered:
    """Tell a clock-aligned reading outside any session."""
    reading = said_reading(station, at, flow, ReadingContext.CLOCK)
    return EnergyMetered(EvseId(evse.evse_id), None, (reading,), digest)


def said_status(
    station: StationSpec,
    evse: EvseSpec,
    at: datetime,
    status: ConnectorStatus,
    code: tuple[str, str, str] = ("", "", ""),
) -> ConnectorStatusChanged:
    """Tell a connector's status; 2.0.1 knows only coarse ones and no codes (it tells those by NotifyEvent)."""
    if not station.is_16:
        return ConnectorStatusChanged(EvseId(evse.evse_id), CONNECTOR, _COARSE.get(status, status), at)
    standard, own, text = code
    error = standard or ("OtherError" if status is ConnectorStatus.FAULTED else "NoError")
    return ConnectorStatusChanged(
        EvseId(evse.evse_id), CONNECTOR, status, at, error, station.vendor.name if own else None, own or None,
        text or None,
    )  # fmt: skip


def told_problem(evse: EvseSpec, at: datetime, code: tuple[str, str, str], *, cleared: bool) -> Notified:
    """Tell a 2.0.1 station's fault of a connector as NotifyEvent, with the maker's technical code."""
    _, own, text = code
    event = {
        "eventId": 1,
        "timestamp": at.isoformat(),
        "trigger": "Alerting",
        "actualValue": "false" if cleared else "true",
        "cleared": cleared,
        "techCode": own,
        "techInfo": text,
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": evse.evse_id, "connectorId": 1}},
        "variable": {"name": "Problem"},
    }
    return Notified("NotifyEvent", {"generatedAt": at.isoformat(), "seqNo": 0, "eventData": [event]}, at)


def booted(station: StationSpec, *, firmware: str, reason: str) -> StationBooted:
    """BootNotification."""
    vendor = station.vendor
    said = None if station.is_16 else reason
    return StationBooted(vendor.name, station.model, serial=station.identity, firmware=firmware, reason=said)


def firmware_status(station: StationSpec, at: datetime, status: str) -> Notified:
    """FirmwareStatusNotification."""
    data: dict[str, object] = {"status": status} if station.is_16 else {"status": status, "requestId": 1}
    return Notified("FirmwareStatusNotification", data, at)


def _counted(register_milliwh: float) -> int:
    return int(register_milliwh) // ENERGY_STEP_MILLIWH * ENERGY_STEP_MILLIWH

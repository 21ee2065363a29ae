"""OCPP 2.0.1 as a station speaks it: calls and what their answers say. No I/O."""

from voltway.simulator.calls import Json, Kind, Message
from voltway.simulator.dialect import TextOf
from voltway.simulator.session import Sample, Session, Status
from voltway.simulator.specs import StationSpec

STATES = {
    Status.PREPARING: "EVConnected",
    Status.CHARGING: "Charging",
    Status.SUSPENDED_EV: "SuspendedEV",
    Status.SUSPENDED_EVSE: "SuspendedEVSE",
}
COARSE = {Status.AVAILABLE, Status.RESERVED, Status.UNAVAILABLE, Status.FAULTED}
STOPS: dict[str, tuple[str, str]] = {
    "Local": ("StopAuthorized", "Local"),
    "EVDisconnected": ("EVDeparted", "EVDisconnected"),
    "Remote": ("RemoteStop", "Remote"),
    "DeAuthorized": ("Deauthorized", "DeAuthorized"),
    "Other": ("AbnormalCondition", "Other"),
    "SoftReset": ("ResetCommand", "ImmediateReset"),
    "HardReset": ("ResetCommand", "ImmediateReset"),
    "UnlockCommand": ("UnlockCommand", "Other"),
}
"""Reasons in 1.6's words, as (triggerReason, stoppedReason)."""


class Dialect201:
    """The 2.0.1 side of one station."""

    subprotocol = "ocpp2.0.1"

    def __init__(self, spec: StationSpec, text_of: TextOf) -> None:
        self._spec, self._text_of = spec, text_of

    def boot(self, reason: str) -> Message:
        """BootNotification."""
        spec = self._spec
        station = {
            "vendorName": spec.vendor,
            "model": spec.model,
            "serialNumber": spec.serial,
            "firmwareVersion": spec.firmware,
        }
        return Message("BootNotification", lambda: {"chargingStation": station, "reason": reason}, Kind.BOOT)

    def heartbeat(self) -> Message:
        """Heartbeat."""
        return Message("Heartbeat", dict)

    def status(self, evse_id: int, status: Status, at: str, error: str | None = None) -> Message:
        """StatusNotification; faults are told in detail by NotifyEvent."""
        del error
        word = self.status_word(status)
        payload = {"timestamp": at, "connectorStatus": word, "evseId": evse_id, "connectorId": 1 if evse_id else 0}
        return Message("StatusNotification", lambda: payload)

    def status_word(self, status: Status) -> str:
        """2.0.1 calls everything between plug-in and plug-out Occupied."""
        return status.value if status in COARSE else "Occupied"

    def authorize(self, token: str) -> Message:
        """Authorize."""
        return Message("Authorize", lambda: {"idToken": _token(token)})

    def start(self, session: Session, sample: Sample, *, offline: bool) -> Message:
        """TransactionEvent Started, by the token or (a habit) by the cable."""
        by_cable = session.token is None or not session.token_is_told
        trigger = (
            "CablePluggedIn" if by_cable else "RemoteStart" if session.remote_start_id is not None else "Authorized"
        )
        state = Status.PREPARING if by_cable else Status.CHARGING
        return self._event(session, sample, kind=("Started", trigger), state=state, offline=offline)

    def update(self, session: Session, sample: Sample, *, trigger: str, state: Status, offline: bool) -> Message | None:
        """TransactionEvent Updated."""
        return self._event(session, sample, kind=("Updated", trigger), state=state, offline=offline)

    def stop(self, session: Session, sample: Sample, *, reason: str, offline: bool) -> Message:
        """TransactionEvent Ended."""
        trigger, stopped = STOPS.get(reason, STOPS["Other"])
        message = self._event(session, sample, kind=("Ended", trigger), state=Status.PREPARING, offline=offline)
        info = message.build()["transactionInfo"]
        info["stoppedReason"] = stopped
        return message

    def clock_aligned(self, evse_id: int, sample: Sample) -> Message:
        """MeterValues outside of a transaction."""
        payload = {"evseId": evse_id, "meterValue": [self._meter_value(sample)]}
        return Message("MeterValues", lambda: payload)

    def fault_event(self, evse_id: int, code: str, at: str) -> Message | None:
        """NotifyEvent: a problem of the connector's component."""
        event = {
            "eventId": int(self._text_of()[11:23].translate({58: None, 46: None})),
            "timestamp": at,
            "trigger": "Alerting",
            "actualValue": "true",
            "techCode": code,
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "EVSE", "evse": {"id": evse_id}},
            "variable": {"name": "Problem"},
        }
        return Message("NotifyEvent", lambda: {"generatedAt": at, "seqNo": 0, "tbc": False, "eventData": [event]})

    def is_accepted(self, answer: Json) -> bool | None:
        """Read idTokenInfo."""
        info = answer.get("idTokenInfo")
        return info.get("status") == "Accepted" if isinstance(info, dict) else None

    def transaction_id(self, answer: Json) -> str | None:
        """Say nothing: the station makes the id."""
        del answer
        return None

    def as_sent(self, register_milliwh: int) -> int:
        """2.0.1 sends watt-hours with three decimals, or kilowatt-hours with six: all there is."""
        return register_milliwh

    def _event(
        self, session: Session, sample: Sample, *, kind: tuple[str, str], state: Status, offline: bool
    ) -> Message:
        event, trigger = kind
        info: Json = {"transactionId": session.transaction_id, "chargingState": STATES[state]}
        if session.remote_start_id is not None and event == "Started":
            info["remoteStartId"] = session.remote_start_id
        payload: Json = {
            "eventType": event,
            "timestamp": self._text_of(sample.at_ms),
            "triggerReason": trigger,
            "seqNo": session.next_seq_no(),
            "transactionInfo": info,
            "evse": {"id": session.evse_id, "connectorId": 1},
            "meterValue": [self._meter_value(sample)],
        }
        if offline:
            payload["offline"] = True
        if session.token is not None and trigger in {"Authorized", "RemoteStart", "StopAuthorized"}:
            payload["idToken"] = _token(session.token)
        return Message("TransactionEvent", lambda: payload, Kind.TRANSACTION)

    def _meter_value(self, sample: Sample) -> Json:
        values = [
            self._energy(sample),
            _value(sample, round(sample.power_w, 1), "Power.Active.Import", "W"),
            _value(sample, round(sample.current_a, 2), "Current.Import", "A"),
            {**_value(sample, round(sample.voltage_v, 1), "Voltage", "V"), **_phase(sample)},
            _value(sample, round(sample.offered_w, 1), "Power.Offered", "W"),
        ]
        if sample.soc_pct is not None:
            values.append({**_value(sample, round(sample.soc_pct), "SoC", "Percent"), "location": "EV"})
        return {"timestamp": self._text_of(sample.at_ms), "sampledValue": values}

    def _energy(self, sample: Sample) -> Json:
        if self._spec.habits.meters_in_kwh:
            return _value(sample, sample.register_milliwh / 1_000_000, "Energy.Active.Import.Register", "kWh")
        return _value(sample, sample.register_milliwh / 1000, "Energy.Active.Import.Register", "Wh")


def _token(token: str) -> Json:
    return {"idToken": token, "type": "ISO14443"}


def _phase(sample: Sample) -> Json:
    return {} if sample.soc_pct is not None else {"phase": "L1-N"}


def _value(sample: Sample, value: float, measurand: str, unit: str) -> Json:
    return {
        "value": value,
        "context": sample.context,
        "measurand": measurand,
        "location": "Outlet",
        "unitOfMeasure": {"unit": unit},
    }

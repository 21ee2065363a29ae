"""OCPP 1.6J as a station speaks it: calls and what their answers say. No I/O."""

from voltway.simulator.calls import Json, Kind, Message
from voltway.simulator.dialect import TextOf
from voltway.simulator.session import Sample, Session, Status
from voltway.simulator.specs import StationSpec

NO_TRANSACTION = -1
"""What stations put where they never learned the id (field notes 7)."""


class Dialect16:
    """The 1.6 side of one station."""

    subprotocol = "ocpp1.6"

    def __init__(self, spec: StationSpec, text_of: TextOf) -> None:
        self._spec, self._text_of = spec, text_of

    def boot(self, reason: str) -> Message:  # noqa: ARG002 - 1.6 has no field for it
        """BootNotification."""
        spec = self._spec
        payload = {
            "chargePointVendor": spec.vendor,
            "chargePointModel": spec.model,
            "chargePointSerialNumber": spec.serial,
            "firmwareVersion": spec.firmware,
            "meterType": "VW-M3",
            "meterSerialNumber": f"M{spec.serial}",
        }
        return Message("BootNotification", lambda: payload, Kind.BOOT)

    def heartbeat(self) -> Message:
        """Heartbeat."""
        return Message("Heartbeat", dict)

    def status(self, evse_id: int, status: Status, at: str, error: str | None = None) -> Message:
        """StatusNotification; connector n is EVSE n."""
        payload = {"connectorId": evse_id, "errorCode": error or "NoError", "status": status.value, "timestamp": at}
        return Message("StatusNotification", lambda: payload)

    def status_word(self, status: Status) -> str:
        """1.6 has all the words."""
        return status.value

    def authorize(self, token: str) -> Message:
        """Authorize."""
        return Message("Authorize", lambda: {"idTag": token})

    def start(self, session: Session, sample: Sample, *, offline: bool) -> Message:  # noqa: ARG002 - 1.6 does not say
        """StartTransaction."""
        payload = {
            "connectorId": session.evse_id,
            "idTag": session.token,
            "meterStart": sample.register_milliwh // 1000,
            "timestamp": self._text_of(sample.at_ms),
        }
        return Message("StartTransaction", lambda: payload, Kind.TRANSACTION)

    def update(self, session: Session, sample: Sample, *, trigger: str, state: Status, offline: bool) -> Message | None:
        """MeterValues with the session's id, which is known only once the start was answered."""
        del state, offline
        if trigger not in {"MeterValuePeriodic", "Trigger"}:
            return None
        meter_value = self._meter_value(sample)

        def build() -> Json:
            wanted = {"connectorId": session.evse_id, "transactionId": _wire_id(session)}
            return {**wanted, "meterValue": [meter_value]}

        return Message("MeterValues", build, Kind.TRANSACTION)

    def stop(self, session: Session, sample: Sample, *, reason: str, offline: bool) -> Message:  # noqa: ARG002
        """StopTransaction with a closing reading."""
        at, meter_value = self._text_of(sample.at_ms), self._meter_value(sample)

        def build() -> Json:
            token = {"idTag": session.token} if reason == "Local" and session.token else {}
            return {
                "transactionId": _wire_id(session),
                "meterStop": sample.register_milliwh // 1000,
                "timestamp": at,
                "reason": reason,
                **token,
                "transactionData": [meter_value],
            }

        return Message("StopTransaction", build, Kind.TRANSACTION)

    def clock_aligned(self, evse_id: int, sample: Sample) -> Message:
        """MeterValues without a transaction."""
        payload = {"connectorId": evse_id, "meterValue": [self._meter_value(sample)]}
        return Message("MeterValues", lambda: payload)

    def fault_event(self, evse_id: int, code: str, at: str) -> Message | None:
        """1.6 tells faults in StatusNotification."""
        del evse_id, code, at
        return None

    def is_accepted(self, answer: Json) -> bool | None:
        """Read idTagInfo."""
        info = answer.get("idTagInfo")
        return info.get("status") == "Accepted" if isinstance(info, dict) else None

    def transaction_id(self, answer: Json) -> str | None:
        """Read transactionId."""
        return str(answer.get("transactionId", NO_TRANSACTION))

    def as_sent(self, register_milliwh: int) -> int:
        """1.6 counts whole watt-hours."""
        return register_milliwh // 1000 * 1000

    def _meter_value(self, sample: Sample) -> Json:
        values = [
            self._energy(sample),
            _value(sample, f"{sample.power_w:.1f}", "Power.Active.Import", "W"),
            _value(sample, f"{sample.current_a:.2f}", "Current.Import", "A"),
            {
                **_value(sample, f"{sample.voltage_v:.1f}", "Voltage", "V"),
                **({} if _is_dc(sample) else {"phase": "L1-N"}),
            },
            _value(sample, f"{sample.offered_w:.1f}", "Power.Offered", "W"),
        ]
        if sample.soc_pct is not None:
            values.append({**_value(sample, f"{sample.soc_pct:.0f}", "SoC", "Percent"), "location": "EV"})
        return {"timestamp": self._text_of(sample.at_ms), "sampledValue": values}

    def _energy(self, sample: Sample) -> Json:
        whole_wh = sample.register_milliwh // 1000
        if self._spec.habits.meters_in_kwh:
            text = f"{whole_wh // 1000}.{whole_wh % 1000:03d}"
            return _value(sample, text, "Energy.Active.Import.Register", "kWh")
        return _value(sample, str(whole_wh), "Energy.Active.Import.Register", "Wh")


def _wire_id(session: Session) -> int:
    return NO_TRANSACTION if session.transaction_id is None else int(session.transaction_id)


def _is_dc(sample: Sample) -> bool:
    return sample.soc_pct is not None


def _value(sample: Sample, value: str, measurand: str, unit: str) -> Json:
    return {"value": value, "context": sample.context, "measurand": measurand, "location": "Outlet", "unit": unit}

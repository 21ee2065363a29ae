"""The OCPP versions we speak, and which side may send which action in each."""

from collections.abc import Iterable
from enum import StrEnum


class Version(StrEnum):
    """An OCPP version; it belongs to a connection, never to a station record."""

    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol's name, as registered with IANA."""
        return f"ocpp{self.value}"


def negotiate(offered: Iterable[str], fallback: str | None = None) -> Version | None:
    """Choose the client's first subprotocol that we speak.

    Args:
        offered: what the Sec-WebSocket-Protocol headers held; one item may be a comma-separated list.
        fallback: the subprotocol (or bare version) that this station's policy allows when it offers none at all.

    Returns:
        None where the connection must be refused.
    """
    names = [name.strip().lower() for item in offered for name in item.split(",") if name.strip()]
    if not names and fallback is not None:
        names = [fallback.strip().lower()]
    for name in names:
        if (version := _BY_NAME.get(name)) is not None:
            return version
    return None


_BY_NAME = {version.subprotocol: version for version in Version} | {version.value: version for version in Version}

_V16_CALLS = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }
)
_V201_CALLS = frozenset(
    {
        "Authorize",
        "BootNotification",
        "ClearedChargingLimit",
        "DataTransfer",
        "FirmwareStatusNotification",
        "Get15118EVCertificate",
        "GetCertificateStatus",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEVChargingNeeds",
        "NotifyEVChargingSchedule",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "SignCertificate",
        "StatusNotification",
        "TransactionEvent",
    }
)
_V21_CALLS = _V201_CALLS | frozenset(
    {
        "BatterySwap",
        "ClosePeriodicEventStream",
        "GetCertificateChainStatus",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyPeriodicEventStream",
        "NotifyPriorityCharging",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "PullDynamicScheduleUpdate",
        "ReportDERControl",
        "VatNumberValidation",
    }
)
STATION_CALLS = {Version.V16: _V16_CALLS, Version.V201: _V201_CALLS, Version.V21: _V21_CALLS}
"""Actions a station may send us; all others of a version are ours to send (DataTransfer is both)."""

SENDS = frozenset({"NotifyPeriodicEventStream"})
"""Actions of 2.1 that travel as SEND: nobody answers them."""

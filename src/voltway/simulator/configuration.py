"""A station's settings: 1.6's configuration keys, or 2.0.1's variables written `Component.Variable`. No I/O."""

from dataclasses import dataclass

from voltway.simulator.specs import StationSpec, Version

SECRETS = frozenset({"AuthorizationKey", "SecurityCtrlr.BasicAuthPassword"})


@dataclass(slots=True)
class Setting:
    """One value; `is_writable` by the server."""

    value: str
    is_writable: bool = True


class Configuration:
    """All settings of one station by name; a few of them steer the simulation."""

    def __init__(self, spec: StationSpec, sample_interval_s: int) -> None:
        is_16 = spec.version is Version.V16
        self._sample_key = "MeterValueSampleInterval" if is_16 else "SampledDataCtrlr.TxUpdatedInterval"
        self._heartbeat_key = "HeartbeatInterval" if is_16 else "OCPPCommCtrlr.HeartbeatInterval"
        self.settings = _settings_16(spec) if is_16 else _settings_201(spec)
        self.settings[self._sample_key] = Setting(str(sample_interval_s))
        self.settings[self._heartbeat_key] = Setting("60")

    @property
    def sample_interval_s(self) -> int:
        """Seconds between meter values in a session; 0 would mean none, we then measure each minute all the same."""
        return _at_least_one(self.settings[self._sample_key].value, 60)

    @property
    def heartbeat_interval_s(self) -> int:
        """Seconds between heartbeats."""
        return _at_least_one(self.settings[self._heartbeat_key].value, 60)

    @heartbeat_interval_s.setter
    def heartbeat_interval_s(self, interval_s: int) -> None:
        self.settings[self._heartbeat_key].value = str(interval_s)

    def write(self, name: str, value: str) -> str:
        """Write a setting; return Accepted, Rejected or NotSupported (1.6's words)."""
        setting = self.settings.get(name)
        if setting is None and name not in SECRETS:
            return "NotSupported"
        if setting is None:
            return "Accepted"
        if not setting.is_writable or (setting.value.isdigit() and not value.isdigit()):
            return "Rejected"
        setting.value = value
        return "Accepted"


def _at_least_one(text: str, default: int) -> int:
    return max(1, int(text)) if text.isdigit() and int(text) else default


def _settings_16(spec: StationSpec) -> dict[str, Setting]:
    fixed = {
        "NumberOfConnectors": str(len(spec.evses)),
        "SupportedFeatureProfiles": "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging",
        "ChargeProfileMaxStackLevel": "8",
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
        "ChargingScheduleMaxPeriods": "24",
        "MaxChargingProfilesInstalled": "20",
        "GetConfigurationMaxKeys": "100",
        "LocalAuthListMaxLength": "1000",
        "SendLocalListMaxLength": "100",
    }
    free = {
        "AllowOfflineTxForUnknownId": "true",
        "AuthorizationCacheEnabled": "true",
        "AuthorizeRemoteTxRequests": "false",
        "ClockAlignedDataInterval": "0",
        "ConnectionTimeOut": "60",
        "LocalAuthListEnabled": "true",
        "LocalAuthorizeOffline": "true",
        "LocalPreAuthorize": "false",
        "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC",
        "ResetRetries": "1",
        "StopTransactionOnEVSideDisconnect": "true",
        "StopTransactionOnInvalidId": "true",
        "StopTxnSampledData": "Energy.Active.Import.Register",
        "TransactionMessageAttempts": "3",
        "TransactionMessageRetryInterval": "2",
        "UnlockConnectorOnEVSideDisconnect": "true",
        "WebSocketPingInterval": "0",
    }
    return _both(fixed, free)


def _settings_201(spec: StationSpec) -> dict[str, Setting]:
    fixed = {
        "ChargingStation.Model": spec.model,
        "ChargingStation.VendorName": spec.vendor,
        "ChargingStation.SerialNumber": spec.serial,
        "ChargingStation.AvailabilityState": "Available",
        "DeviceDataCtrlr.ItemsPerMessage": "50",
        "SmartChargingCtrlr.Enabled": "true",
        "SmartChargingCtrlr.ProfileStackLevel": "8",
        "SmartChargingCtrlr.RateUnit": "A,W",
        "SecurityCtrlr.SecurityProfile": "1",
    }
    free = {
        "AlignedDataCtrlr.Interval": "0",
        "AuthCtrlr.AuthorizeRemoteStart": "false",
        "AuthCtrlr.LocalAuthorizeOffline": "true",
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
        "OCPPCommCtrlr.MessageAttempts": "3",
        "OCPPCommCtrlr.ResetRetries": "1",
        "OCPPCommCtrlr.WebSocketPingInterval": "0",
        "SampledDataCtrlr.TxUpdatedMeasurands": "Energy.Active.Import.Register,Power.Active.Import,Voltage",
        "TxCtrlr.EVConnectionTimeOut": "60",
        "TxCtrlr.StopTxOnInvalidId": "true",
        "TxCtrlr.TxStartPoint": "EVConnected" if spec.habits.starts_on_cable else "PowerPathClosed",
        "TxCtrlr.TxStopPoint": "EVConnected,Authorized",
    }
    return _both(fixed, free)


def _both(fixed: dict[str, str], free: dict[str, str]) -> dict[str, Setting]:
    return {
        **{name: Setting(value, is_writable=False) for name, value in fixed.items()},
        **{name: Setting(value) for name, value in free.items()},
    }

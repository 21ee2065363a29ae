"""What a 1.6J station answers to each call of the server (core, smart charging, reservation, firmware, security)."""

from collections.abc import Callable

from voltway.simulator import deeds
from voltway.simulator.calls import Json
from voltway.simulator.configuration import SECRETS
from voltway.simulator.profiles import parse_profile
from voltway.simulator.station import Station

Handler = Callable[[Station, Json], Json]
ACCEPTED: Json = {"status": "Accepted"}
REJECTED: Json = {"status": "Rejected"}


def _accept(_: Station, __: Json) -> Json:
    return ACCEPTED


def _remote_start(station: Station, payload: Json) -> Json:
    token, wanted = str(payload["idTag"]), payload.get("connectorId")
    if isinstance(payload.get("chargingProfile"), dict) and wanted:
        station.profiles.put(parse_profile(int(wanted), payload["chargingProfile"]))
    bays = [bay for bay in station.bays if wanted in {None, bay.spec.evse_id}]
    return ACCEPTED if any(bay.remote_start(token, 0) for bay in bays) else REJECTED


def _remote_stop(station: Station, payload: Json) -> Json:
    wanted = str(payload["transactionId"])
    for bay in station.bays:
        if bay.session is not None and bay.session.transaction_id == wanted:
            deeds.stop_soon(station, bay)
            return ACCEPTED
    return REJECTED


def _reset(station: Station, payload: Json) -> Json:
    kind = str(payload["type"])
    deeds.reset(station, stop_reason=f"{kind}Reset", boot_reason="RemoteReset")
    return ACCEPTED


def _unlock(station: Station, payload: Json) -> Json:
    bay = station.bay(int(payload["connectorId"]))
    if bay is None or bay.spec.dc:
        return {"status": "NotSupported"}
    bay.stop("UnlockCommand")
    return {"status": "Unlocked"}


def _change_availability(station: Station, payload: Json) -> Json:
    operative = payload["type"] == "Operative"
    return {"status": deeds.set_availability(station, int(payload["connectorId"]), operative=operative)}


def _trigger(station: Station, payload: Json) -> Json:
    wanted = str(payload["requestedMessage"])
    connector = payload.get("connectorId")
    bays = [bay for bay in station.bays if connector in {None, 0, bay.spec.evse_id}]
    if not bays:
        return REJECTED
    actions: dict[str, Callable[[], None]] = {
        "BootNotification": station.boot,
        "Heartbeat": station.beat,
        "StatusNotification": station.tell_all,
        "MeterValues": lambda: _send_readings(station, connector),
        "DiagnosticsStatusNotification": lambda: _idle(station, "DiagnosticsStatusNotification"),
        "FirmwareStatusNotification": lambda: _idle(station, "FirmwareStatusNotification"),
        "LogStatusNotification": lambda: _idle(station, "LogStatusNotification"),
    }
    action = actions.get(wanted)
    if action is None:
        return {"status": "NotImplemented"}
    station.world.timeline.after(0.1, action)
    return ACCEPTED


def _send_readings(station: Station, connector: int | None) -> None:
    for bay in station.bays:
        if connector in {None, 0, bay.spec.evse_id} and not bay.report_now() and station.is_online:
            station.calls.post(station.dialect.clock_aligned(bay.spec.evse_id, bay.sample("Trigger")))


def _idle(station: Station, action: str) -> None:
    deeds.post_later(station, action, {"status": "Idle"})


def _get_configuration(station: Station, payload: Json) -> Json:
    wanted = [str(key) for key in payload.get("key") or station.configuration.settings]
    known = [key for key in wanted if key in station.configuration.settings]
    settings = station.configuration.settings
    keys = [{"key": key, "readonly": not settings[key].is_writable, "value": settings[key].value} for key in known]
    return {"configurationKey": keys, "unknownKey": [key for key in wanted if key not in known]}


def _change_configuration(station: Station, payload: Json) -> Json:
    key, value = str(payload["key"]), str(payload["value"])
    if key in SECRETS:
        deeds.change_password(station, _key_bytes(value))
        return ACCEPTED
    return {"status": station.configuration.write(key, value)}


def _key_bytes(text: str) -> bytes:
    """Read an AuthorizationKey: hexadecimal as the security whitepaper has it, else as written."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode()


def _set_profile(station: Station, payload: Json) -> Json:
    evse_id = int(payload["connectorId"])
    profile = parse_profile(evse_id, payload["csChargingProfiles"])
    bay = station.bay(evse_id)
    if evse_id and bay is None:
        return REJECTED
    if profile.purpose == "TxProfile" and (bay is None or bay.session is None):
        return REJECTED
    station.profiles.put(profile)
    deeds.limits_changed(station)
    return ACCEPTED


def _clear_profile(station: Station, payload: Json) -> Json:
    gone = station.profiles.clear(
        profile_id=payload.get("id"),
        evse_id=payload.get("connectorId"),
        purpose=payload.get("chargingProfilePurpose"),
        stack_level=payload.get("stackLevel"),
    )
    deeds.limits_changed(station)
    return {"status": "Accepted" if gone else "Unknown"}


def _composite(station: Station, payload: Json) -> Json:
    evse_id, duration_s = int(payload["connectorId"]), int(payload["duration"])
    bay = station.bay(evse_id or 1)
    if bay is None:
        return REJECTED
    at = station.world.timeline.instant()
    periods = station.profiles.composite(evse_id, at, duration_s=duration_s, ceiling_w=station.ceiling_w(evse_id))
    unit = str(payload.get("chargingRateUnit", "W"))
    divisor = 1.0 if unit == "W" else 690.0
    schedule = {
        "duration": duration_s,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": round(limit / divisor, 1)} for start, limit in periods
        ],
    }
    start = station.world.timeline.text()
    return {**ACCEPTED, "connectorId": evse_id, "scheduleStart": start, "chargingSchedule": schedule}


def _reserve(station: Station, payload: Json) -> Json:
    return {"status": deeds.reserve(station, int(payload["connectorId"]))}


def _cancel_reservation(station: Station, payload: Json) -> Json:
    int(payload["reservationId"])
    return ACCEPTED if deeds.cancel_reservation(station) else REJECTED


def _send_list(station: Station, payload: Json) -> Json:
    station.local_list_version = int(payload["listVersion"])
    return ACCEPTED


def _list_version(station: Station, _: Json) -> Json:
    return {"listVersion": station.local_list_version}


def _diagnostics(station: Station, payload: Json) -> Json:
    str(payload["location"])
    reports: list[Json] = [{"status": status} for status in ("Uploading", "Uploaded")]
    deeds.report_progress(station, "DiagnosticsStatusNotification", reports)
    return {"fileName": f"{station.spec.serial}.log"}


def _get_log(station: Station, payload: Json) -> Json:
    request_id = int(payload["requestId"])
    reports: list[Json] = [{"status": status, "requestId": request_id} for status in ("Uploading", "Uploaded")]
    deeds.report_progress(station, "LogStatusNotification", reports)
    return {**ACCEPTED, "filename": f"{station.spec.serial}.log"}


def _update_firmware(station: Station, payload: Json) -> Json:
    str(payload["location"])
    reports: list[Json] = [{"status": status} for status in ("Downloading", "Downloaded", "Installing", "Installed")]
    deeds.report_progress(station, "FirmwareStatusNotification", reports, _reboot(station))
    return {}


def _signed_firmware(station: Station, payload: Json) -> Json:
    request_id = int(payload["requestId"])
    words = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed")
    reports: list[Json] = [{"status": status, "requestId": request_id} for status in words]
    deeds.report_progress(station, "SignedFirmwareStatusNotification", reports, _reboot(station))
    return ACCEPTED


def _reboot(station: Station) -> Callable[[], None]:
    return lambda: station.reboot("FirmwareUpdate", stop_reason="HardReset")


def _installed(_: Station, __: Json) -> Json:
    return {"status": "NotFound"}


def _data_transfer(_: Station, payload: Json) -> Json:
    str(payload["vendorId"])
    return {"status": "UnknownVendorId"}


ANSWERS_16: dict[str, Handler] = {
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "Reset": _reset,
    "UnlockConnector": _unlock,
    "ChangeAvailability": _change_availability,
    "TriggerMessage": _trigger,
    "ExtendedTriggerMessage": _trigger,
    "GetConfiguration": _get_configuration,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": _accept,
    "DataTransfer": _data_transfer,
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "GetCompositeSchedule": _composite,
    "ReserveNow": _reserve,
    "CancelReservation": _cancel_reservation,
    "SendLocalList": _send_list,
    "GetLocalListVersion": _list_version,
    "GetDiagnostics": _diagnostics,
    "UpdateFirmware": _update_firmware,
    "GetLog": _get_log,
    "SignedUpdateFirmware": _signed_firmware,
    "CertificateSigned": _accept,
    "InstallCertificate": _accept,
    "DeleteCertificate": _installed,
    "GetInstalledCertificateIds": _installed,
}

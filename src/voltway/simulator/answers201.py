"""What a 2.0.1 station answers to each call of the server."""

from collections.abc import Callable

from voltway.simulator import deeds
from voltway.simulator.calls import Json
from voltway.simulator.configuration import SECRETS
from voltway.simulator.profiles import Profile, parse_profile
from voltway.simulator.station import Station

Handler = Callable[[Station, Json], Json]
ACCEPTED: Json = {"status": "Accepted"}
REJECTED: Json = {"status": "Rejected"}


def _always(**answer: object) -> Handler:
    return lambda _, __: dict(answer)


def _request_start(station: Station, payload: Json) -> Json:
    token, wanted = str(payload["idToken"]["idToken"]), payload.get("evseId")
    for bay in station.bays:
        if wanted in {None, bay.spec.evse_id} and bay.remote_start(token, int(payload["remoteStartId"])):
            if isinstance(payload.get("chargingProfile"), dict):
                station.profiles.put(parse_profile(bay.spec.evse_id, payload["chargingProfile"]))
            return ACCEPTED
    return REJECTED


def _request_stop(station: Station, payload: Json) -> Json:
    for bay in station.bays:
        if bay.session is not None and bay.session.transaction_id == payload["transactionId"]:
            deeds.stop_soon(station, bay)
            return ACCEPTED
    return REJECTED


def _reset(station: Station, payload: Json) -> Json:
    running = any(bay.session is not None for bay in station.bays)
    if payload["type"] == "OnIdle" and running:
        station.reset_is_due = True
        return {"status": "Scheduled"}
    deeds.reset(station, stop_reason="HardReset", boot_reason="RemoteReset")
    return ACCEPTED


def _unlock(station: Station, payload: Json) -> Json:
    bay = station.bay(int(payload["evseId"]))
    if bay is None or payload["connectorId"] != 1:
        return {"status": "UnknownConnector"}
    return {"status": "OngoingAuthorizedTransaction" if bay.session is not None else "Unlocked"}


def _change_availability(station: Station, payload: Json) -> Json:
    evse_id = int(payload.get("evse", {}).get("id", 0))
    operative = payload["operationalStatus"] == "Operative"
    return {"status": deeds.set_availability(station, evse_id, operative=operative)}


def _trigger(station: Station, payload: Json) -> Json:
    evse_id = payload.get("evse", {}).get("id")
    bays = [bay for bay in station.bays if evse_id in {None, bay.spec.evse_id}]
    if not bays:
        return REJECTED

    def events() -> None:
        for bay in bays:
            bay.report_now()

    def readings() -> None:
        for bay in bays:
            if not bay.report_now() and station.is_online:
                station.calls.post(station.dialect.clock_aligned(bay.spec.evse_id, bay.sample("Trigger")))

    actions: dict[str, Callable[[], None]] = {
        "BootNotification": station.boot,
        "Heartbeat": station.beat,
        "StatusNotification": station.tell_all,
        "MeterValues": readings,
        "TransactionEvent": events,
        "LogStatusNotification": lambda: _idle(station, "LogStatusNotification"),
        "FirmwareStatusNotification": lambda: _idle(station, "FirmwareStatusNotification"),
    }
    action = actions.get(str(payload["requestedMessage"]))
    if action is None:
        return {"status": "NotImplemented"}
    station.world.timeline.after(0.1, action)
    return ACCEPTED


def _idle(station: Station, action: str) -> None:
    deeds.post_later(station, action, {"status": "Idle"})


def _name(wanted: Json) -> str:
    return f"{wanted['component']['name']}.{wanted['variable']['name']}"


def _get_variables(station: Station, payload: Json) -> Json:
    return {"getVariableResult": [_read(station, wanted) for wanted in payload["getVariableData"]]}


def _read(station: Station, wanted: Json) -> Json:
    echo = {"component": wanted["component"], "variable": wanted["variable"]}
    name = _name(wanted)
    if name in SECRETS:
        return {"attributeStatus": "Rejected", **echo}
    setting = station.configuration.settings.get(name)
    if setting is None:
        components = {known.split(".")[0] for known in station.configuration.settings}
        known = wanted["component"]["name"] in components
        return {"attributeStatus": "UnknownVariable" if known else "UnknownComponent", **echo}
    if wanted.get("attributeType", "Actual") != "Actual":
        return {"attributeStatus": "NotSupportedAttributeType", **echo}
    return {"attributeStatus": "Accepted", "attributeValue": setting.value, **echo}


def _set_variables(station: Station, payload: Json) -> Json:
    return {"setVariableResult": [_write(station, wanted) for wanted in payload["setVariableData"]]}


def _write(station: Station, wanted: Json) -> Json:
    name, value = _name(wanted), str(wanted["attributeValue"])
    if name in SECRETS:
        deeds.change_password(station, value.encode())
        status = "Accepted"
    else:
        status = station.configuration.write(name, value)
    status = "UnknownVariable" if status == "NotSupported" else status
    return {"attributeStatus": status, "component": wanted["component"], "variable": wanted["variable"]}


def _base_report(station: Station, payload: Json) -> Json:
    deeds.post_later(station, "NotifyReport", report_of(station, int(payload["requestId"])))
    return ACCEPTED


def report_of(station: Station, request_id: int) -> Json:
    """Return NotifyReport with every setting and the EVSEs' nameplates."""
    items: list[Json] = [
        _reported({"name": name.split(".")[0]}, name.split(".")[1], setting.value, writable=setting.is_writable)
        for name, setting in station.configuration.settings.items()
    ]
    for bay in station.bays:
        component = {"name": "EVSE", "evse": {"id": bay.spec.evse_id}}
        items.append(_reported(component, "Power", str(bay.spec.power_w), writable=False))
        items.append(_reported(component, "AvailabilityState", station.dialect.status_word(bay.status), writable=False))
    at = station.world.timeline.text()
    return {"requestId": request_id, "generatedAt": at, "seqNo": 0, "tbc": False, "reportData": items}


def _reported(component: Json, variable: str, value: str, *, writable: bool) -> Json:
    attribute = {"type": "Actual", "value": value, "mutability": "ReadWrite" if writable else "ReadOnly"}
    kind = {"dataType": "integer" if value.isdigit() else "string", "supportsMonitoring": False}
    return {
        "component": component,
        "variable": {"name": variable},
        "variableAttribute": [attribute],
        "variableCharacteristics": kind,
    }


def _set_profile(station: Station, payload: Json) -> Json:
    evse_id = int(payload["evseId"])
    profile = parse_profile(evse_id, payload["chargingProfile"])
    bay = station.bay(evse_id)
    if evse_id and bay is None:
        return {**REJECTED, "statusInfo": {"reasonCode": "UnknownEvse"}}
    if profile.purpose == "TxProfile" and not _fits_session(profile, bay.session if bay else None):
        return {**REJECTED, "statusInfo": {"reasonCode": "TxNotFound"}}
    station.profiles.put(profile)
    deeds.limits_changed(station)
    return ACCEPTED


def _fits_session(profile: Profile, session: object) -> bool:
    return session is not None and profile.transaction_id == getattr(session, "transaction_id", None)


def _clear_profile(station: Station, payload: Json) -> Json:
    criteria = payload.get("chargingProfileCriteria", {})
    gone = station.profiles.clear(
        profile_id=payload.get("chargingProfileId"),
        evse_id=criteria.get("evseId"),
        purpose=criteria.get("chargingProfilePurpose"),
        stack_level=criteria.get("stackLevel"),
    )
    deeds.limits_changed(station)
    return {"status": "Accepted" if gone else "Unknown"}


def _get_profiles(station: Station, payload: Json) -> Json:
    profiles = station.profiles.of_evse(payload.get("evseId"))
    if not profiles:
        return {"status": "NoProfiles"}
    request_id = int(payload["requestId"])
    for number, profile in enumerate(profiles):
        report: Json = {
            "requestId": request_id,
            "chargingLimitSource": "CSO",
            "evseId": profile.evse_id,
            "tbc": number < len(profiles) - 1,
            "chargingProfile": [_wire_profile(profile)],
        }
        deeds.post_later(station, "ReportChargingProfiles", report, delay_s=0.1 * (number + 1))
    return ACCEPTED


def _wire_profile(profile: Profile) -> Json:
    periods = [{"startPeriod": start, "limit": round(limit, 1)} for start, limit, _ in profile.periods]
    schedule = {"id": 1, "chargingRateUnit": profile.unit, "chargingSchedulePeriod": periods}
    return {
        "id": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose,
        "chargingProfileKind": profile.kind,
        "chargingSchedule": [schedule],
    }


def _composite(station: Station, payload: Json) -> Json:
    evse_id, duration_s = int(payload["evseId"]), int(payload["duration"])
    if evse_id and station.bay(evse_id) is None:
        return REJECTED
    at = station.world.timeline.instant()
    periods = station.profiles.composite(evse_id, at, duration_s=duration_s, ceiling_w=station.ceiling_w(evse_id))
    unit = str(payload.get("chargingRateUnit", "W"))
    divisor = 1.0 if unit == "W" else 690.0
    schedule = {
        "evseId": evse_id,
        "duration": duration_s,
        "scheduleStart": station.world.timeline.text(),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": round(limit / divisor, 1)} for start, limit in periods
        ],
    }
    return {**ACCEPTED, "schedule": schedule}


def _reserve(station: Station, payload: Json) -> Json:
    return {"status": deeds.reserve(station, int(payload.get("evseId", 0)))}


def _cancel_reservation(station: Station, payload: Json) -> Json:
    int(payload["reservationId"])
    return ACCEPTED if deeds.cancel_reservation(station) else REJECTED


def _send_list(station: Station, payload: Json) -> Json:
    station.local_list_version = int(payload["versionNumber"])
    return ACCEPTED


def _list_version(station: Station, _: Json) -> Json:
    return {"versionNumber": station.local_list_version}


def _get_log(station: Station, payload: Json) -> Json:
    request_id = int(payload["requestId"])
    reports: list[Json] = [{"status": status, "requestId": request_id} for status in ("Uploading", "Uploaded")]
    deeds.report_progress(station, "LogStatusNotification", reports)
    return {**ACCEPTED, "filename": f"{station.spec.serial}.log"}


def _update_firmware(station: Station, payload: Json) -> Json:
    request_id = int(payload["requestId"])
    words = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed")
    reports: list[Json] = [{"status": status, "requestId": request_id} for status in words]
    deeds.report_progress(
        station,
        "FirmwareStatusNotification",
        reports,
        lambda: station.reboot("FirmwareUpdate", stop_reason="HardReset"),
    )
    return ACCEPTED


def _transaction_status(station: Station, payload: Json) -> Json:
    wanted = payload.get("transactionId")
    if wanted is None:
        return {"messagesInQueue": station.calls.holds_transactions}
    running = any(bay.session is not None and bay.session.transaction_id == wanted for bay in station.bays)
    return {"ongoingIndicator": running, "messagesInQueue": station.calls.holds_transactions}


def _customer_information(station: Station, payload: Json) -> Json:
    at = station.world.timeline.text()
    told: Json = {"data": "", "seqNo": 0, "generatedAt": at, "requestId": int(payload["requestId"]), "tbc": False}
    deeds.post_later(station, "NotifyCustomerInformation", told)
    return ACCEPTED


def _set_monitoring(_: Station, payload: Json) -> Json:
    results = [
        {
            "status": "Rejected",
            "type": wanted["type"],
            "component": wanted["component"],
            "variable": wanted["variable"],
            "severity": wanted["severity"],
        }
        for wanted in payload["setMonitoringData"]
    ]
    return {"setMonitoringResult": results}


def _clear_monitoring(_: Station, payload: Json) -> Json:
    return {"clearMonitoringResult": [{"status": "NotFound", "id": wanted} for wanted in payload["id"]]}


ANSWERS_201: dict[str, Handler] = {
    "RequestStartTransaction": _request_start,
    "RequestStopTransaction": _request_stop,
    "Reset": _reset,
    "UnlockConnector": _unlock,
    "ChangeAvailability": _change_availability,
    "TriggerMessage": _trigger,
    "GetVariables": _get_variables,
    "SetVariables": _set_variables,
    "GetBaseReport": _base_report,
    "GetReport": _base_report,
    "GetMonitoringReport": _always(status="EmptyResultSet"),
    "SetMonitoringBase": _always(status="Accepted"),
    "SetMonitoringLevel": _always(status="Accepted"),
    "SetVariableMonitoring": _set_monitoring,
    "ClearVariableMonitoring": _clear_monitoring,
    "SetNetworkProfile": _always(status="Rejected"),
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "GetChargingProfiles": _get_profiles,
    "GetCompositeSchedule": _composite,
    "ReserveNow": _reserve,
    "CancelReservation": _cancel_reservation,
    "SendLocalList": _send_list,
    "GetLocalListVersion": _list_version,
    "ClearCache": _always(status="Accepted"),
    "GetLog": _get_log,
    "UpdateFirmware": _update_firmware,
    "PublishFirmware": _always(status="Rejected"),
    "UnpublishFirmware": _always(status="NoFirmware"),
    "GetTransactionStatus": _transaction_status,
    "CustomerInformation": _customer_information,
    "CostUpdated": _always(),
    "SetDisplayMessage": _always(status="NotSupportedMessageFormat"),
    "GetDisplayMessages": _always(status="Unknown"),
    "ClearDisplayMessage": _always(status="Unknown"),
    "CertificateSigned": _always(status="Accepted"),
    "InstallCertificate": _always(status="Accepted"),
    "DeleteCertificate": _always(status="NotFound"),
    "GetInstalledCertificateIds": _always(status="NotFound"),
    "DataTransfer": _always(status="UnknownVendorId"),
}

"""2.x: what a station says about itself: boot, heartbeat, status, tokens presented, and its device model."""

from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    HeartbeatReceived,
    PresentedToken,
    StationBooted,
    TokenPresented,
    VariableReported,
    VariablesReported,
)
from voltway.kernel.ids import ConnectorId, EvseId, Token
from voltway.ocpp.intake import CallRefused, Intake, JsonObject, objects

_STATUSES = {
    "Available": ConnectorStatus.AVAILABLE,
    "Occupied": ConnectorStatus.OCCUPIED,
    "Reserved": ConnectorStatus.RESERVED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
    "Faulted": ConnectorStatus.FAULTED,
}


def read_boot(payload: JsonObject, intake: Intake) -> StationBooted:
    """Read BootNotification."""
    station = intake.child(payload, "chargingStation")
    modem = intake.child(station, "modem")
    return StationBooted(
        vendor=intake.text(station, "vendorName") or "",
        model=intake.text(station, "model") or "",
        serial=intake.text(station, "serialNumber"),
        firmware=intake.text(station, "firmwareVersion"),
        reason=intake.text(payload, "reason"),
        iccid=intake.text(modem, "iccid"),
        imsi=intake.text(modem, "imsi"),
    )


def read_heartbeat(_payload: JsonObject, _intake: Intake) -> HeartbeatReceived:
    """Read Heartbeat."""
    return HeartbeatReceived()


def read_status(payload: JsonObject, intake: Intake) -> ConnectorStatusChanged:
    """Read StatusNotification; a status that is none of 2.x's is UNKNOWN."""
    return ConnectorStatusChanged(
        evse_id=EvseId(intake.whole(payload, "evseId") or 0),
        connector_id=ConnectorId(intake.whole(payload, "connectorId") or 0),
        status=_STATUSES.get(intake.text(payload, "connectorStatus") or "", ConnectorStatus.UNKNOWN),
        reported_at=intake.optional_instant(payload),
    )


def read_authorize(payload: JsonObject, intake: Intake) -> TokenPresented:
    """Read Authorize, with the contract certificate of ISO 15118 where there is one."""
    token = token_in(payload, intake)
    if token is None:
        raise CallRefused("OccurrenceConstraintViolation", "Authorize without an idToken cannot be judged")
    certificate = payload.get("certificate")
    return TokenPresented(token, certificate if isinstance(certificate, str) else None)


def read_report(payload: JsonObject, intake: Intake) -> VariablesReported:
    """Read NotifyReport: one entry per variable and attribute."""
    found = [
        variable
        for entry in objects(payload.get("reportData"))
        for attribute in objects(entry.get("variableAttribute")) or [{}]
        if (variable := read_variable(entry, attribute, intake)) is not None
    ]
    return VariablesReported(tuple(found), intake.whole(payload, "requestId", least=-(2**31)))


def read_variable(entry: JsonObject, attribute: JsonObject, intake: Intake) -> VariableReported | None:
    """Read one attribute of one variable; None where component or variable has no name."""
    component, variable = intake.child(entry, "component"), intake.child(entry, "variable")
    component_name, variable_name = intake.text(component, "name"), intake.text(variable, "name")
    if component_name is None or variable_name is None:
        intake.note("variable_without_name", str(entry))
        return None
    evse = intake.child(component, "evse")
    evse_id, connector_id = intake.whole(evse, "id"), intake.whole(evse, "connectorId")
    value = attribute.get("value")
    instance = intake.text(component, "instance")
    return VariableReported(
        component=component_name if instance is None else f"{component_name}[{instance}]",
        variable=variable_name,
        value=None if value is None else str(value),
        attribute=intake.text(attribute, "type") or "Actual",
        mutability=intake.text(attribute, "mutability"),
        evse_id=None if evse_id is None else EvseId(evse_id),
        connector_id=None if connector_id is None else ConnectorId(connector_id),
        instance=intake.text(variable, "instance"),
    )


def token_in(payload: JsonObject, intake: Intake) -> PresentedToken | None:
    """Return the presented token; NoAuthorization with an empty text is a token as well, other empty ones are none."""
    given = payload.get("idToken")
    if isinstance(given, str):
        intake.note("token_as_text", given)
        given = {"idToken": given}
    if not isinstance(given, dict):
        return None
    kind = intake.text(given, "type") or "ISO14443"
    text = intake.text(given, "idToken")
    raw = given.get("idToken")
    if isinstance(raw, str) and raw != raw.strip():
        intake.note("token_padded", raw)
    if text is None and kind != "NoAuthorization":
        return None
    return PresentedToken(Token(text or ""), kind)

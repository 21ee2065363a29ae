"""1.6's core profile, read: boot, heartbeat, status, tokens, transactions and meter values, each to its fact."""

from collections.abc import Callable

from voltway.kernel.energy import MILLIWH_PER_WH
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    HeartbeatReceived,
    PresentedToken,
    SessionEnded,
    SessionStarted,
    StationBooted,
    TokenPresented,
)
from voltway.kernel.ids import ConnectorId, EvseId, Token, TransactionId
from voltway.ocpp.intake import MAX_INT32, CallRefused, Intake, JsonObject
from voltway.ocpp.readings import readings_16

Reader = Callable[[JsonObject, Intake], Fact]

# A register beyond this many Wh is no register, and its milliwatt-hours would not fit a bigint's half.
_LARGEST_WH = 4 * 10**15
_STATUSES = {
    "Available": ConnectorStatus.AVAILABLE,
    "Preparing": ConnectorStatus.PREPARING,
    "Charging": ConnectorStatus.CHARGING,
    "SuspendedEV": ConnectorStatus.SUSPENDED_EV,
    "SuspendedEVSE": ConnectorStatus.SUSPENDED_EVSE,
    "Finishing": ConnectorStatus.FINISHING,
    "Reserved": ConnectorStatus.RESERVED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
    "Faulted": ConnectorStatus.FAULTED,
}


def read_boot(payload: JsonObject, intake: Intake) -> StationBooted:
    """Read BootNotification."""
    return StationBooted(
        vendor=intake.text(payload, "chargePointVendor") or "",
        model=intake.text(payload, "chargePointModel") or "",
        serial=intake.text(payload, "chargePointSerialNumber") or intake.text(payload, "chargeBoxSerialNumber"),
        firmware=intake.text(payload, "firmwareVersion"),
        iccid=intake.text(payload, "iccid"),
        imsi=intake.text(payload, "imsi"),
        meter_type=intake.text(payload, "meterType"),
        meter_serial=intake.text(payload, "meterSerialNumber"),
    )


def read_heartbeat(_payload: JsonObject, _intake: Intake) -> HeartbeatReceived:
    """Read Heartbeat."""
    return HeartbeatReceived()


def read_status(payload: JsonObject, intake: Intake) -> ConnectorStatusChanged:
    """Read StatusNotification; a status that is none of 1.6's is UNKNOWN."""
    evse_id, connector_id = _place(payload, intake)
    return ConnectorStatusChanged(
        evse_id=evse_id,
        connector_id=connector_id,
        status=_STATUSES.get(intake.text(payload, "status") or "", ConnectorStatus.UNKNOWN),
        reported_at=intake.optional_instant(payload),
        error_code=intake.text(payload, "errorCode"),
        vendor_id=intake.text(payload, "vendorId"),
        vendor_error_code=intake.text(payload, "vendorErrorCode"),
        info=intake.text(payload, "info"),
    )


def read_authorize(payload: JsonObject, intake: Intake) -> TokenPresented:
    """Read Authorize."""
    token = _token(payload, intake)
    if token is None:
        raise CallRefused("OccurenceConstraintViolation", "Authorize without an idTag cannot be judged")
    return TokenPresented(token)


def read_start(payload: JsonObject, intake: Intake) -> SessionStarted:
    """Read StartTransaction; the transaction's id is ours to allocate."""
    evse_id, connector_id = _place(payload, intake)
    reservation_id = intake.whole(payload, "reservationId", least=-MAX_INT32)
    return SessionStarted(
        evse_id=evse_id,
        connector_id=connector_id,
        reported_at=intake.instant(payload),
        token=_token(payload, intake),
        transaction_id=None,
        register_begin_milliwh=_register(payload, "meterStart", intake),
        # Field note 8: a reservation 0 means "none".
        reservation_id=reservation_id if reservation_id and reservation_id > 0 else None,
    )


def read_stop(payload: JsonObject, intake: Intake) -> SessionEnded:
    """Read StopTransaction with its transactionData."""
    return SessionEnded(
        transaction_id=_transaction(payload, intake),
        reported_at=intake.instant(payload),
        register_end_milliwh=_register(payload, "meterStop", intake),
        reason=intake.text(payload, "reason"),
        token=_token(payload, intake),
        readings=readings_16(payload.get("transactionData"), intake),
    )


def read_meter_values(payload: JsonObject, intake: Intake) -> EnergyMetered:
    """Read MeterValues: the message that comes 25,000 times a second, so the usual case is read in place."""
    number = payload.get("connectorId")
    evse_id = number if type(number) is int and 0 <= number <= MAX_INT32 else _place(payload, intake)[0]
    number = payload.get("transactionId")
    if number is None:
        transaction_id = None
    elif type(number) is int and 0 < number <= MAX_INT32:
        transaction_id = TransactionId(str(number))
    else:
        transaction_id = _transaction(payload, intake)
    readings = readings_16(payload.get("meterValue"), intake)
    return EnergyMetered(EvseId(evse_id), transaction_id, readings, intake.digest())


def _place(payload: JsonObject, intake: Intake) -> tuple[EvseId, ConnectorId]:
    """Connector n is EVSE n, connector 1; one that is missing or absurd is the station as a whole."""
    number = intake.whole(payload, "connectorId")
    if number is None:
        intake.note("connector_missing", payload.get("connectorId", ""))
    return EvseId(number or 0), ConnectorId(1 if number else 0)


def _token(payload: JsonObject, intake: Intake) -> PresentedToken | None:
    given = payload.get("idTag")
    text = intake.text(payload, "idTag")
    if isinstance(given, str) and given != given.strip():
        intake.note("token_padded", given)
    if text is None:
        return None
    return PresentedToken(Token(text))


def _transaction(payload: JsonObject, intake: Intake) -> TransactionId | None:
    """Field notes 7 and 8: 0 and negative ids mean "none"; past 2^31 - 1 it is not one of ours."""
    number = intake.whole(payload, "transactionId", least=-(2**63), most=2**64)
    if number is None:
        return None
    if not 0 < number <= MAX_INT32:
        intake.note("transaction_id_absent" if number <= 0 else "transaction_id_out_of_range", number)
        return None
    return TransactionId(str(number))


def _register(payload: JsonObject, key: str, intake: Intake) -> int | None:
    number = intake.whole(payload, key, least=-_LARGEST_WH, most=_LARGEST_WH)
    return None if number is None else number * MILLIWH_PER_WH


READERS: dict[str, Reader] = {
    "Authorize": read_authorize,
    "BootNotification": read_boot,
    "Heartbeat": read_heartbeat,
    "MeterValues": read_meter_values,
    "StartTransaction": read_start,
    "StatusNotification": read_status,
    "StopTransaction": read_stop,
}

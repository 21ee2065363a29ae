"""2.x: TransactionEvent and MeterValues, the messages money comes from: always a fact, whatever they look like."""

from voltway.kernel.facts import (
    ChargingState,
    EnergyMetered,
    Reading,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
)
from voltway.kernel.ids import ConnectorId, EvseId, TransactionId
from voltway.ocpp.intake import LONGEST_TEXT, MAX_INT32, Intake, JsonObject
from voltway.ocpp.readings import readings_2, register_in
from voltway.ocpp.v2.stations import token_in

TransactionFact = SessionStarted | SessionUpdated | SessionEnded | EnergyMetered

_STATES: dict[str, ChargingState] = {
    "Charging": ChargingState.CHARGING,
    "EVConnected": ChargingState.EV_CONNECTED,
    "SuspendedEV": ChargingState.SUSPENDED_EV,
    "SuspendedEVSE": ChargingState.SUSPENDED_EVSE,
    "Idle": ChargingState.IDLE,
}


def read_meter_values(payload: JsonObject, intake: Intake) -> EnergyMetered:
    """Read MeterValues: 2.x sends them outside of transactions, so they are linked by EVSE and time."""
    evse_id = intake.whole(payload, "evseId")
    if evse_id is None:
        intake.note("evse_missing", payload.get("evseId", ""))
    return EnergyMetered(EvseId(evse_id or 0), None, readings_2(payload.get("meterValue"), intake), intake.digest())


def read_transaction_event(payload: JsonObject, intake: Intake) -> TransactionFact:
    """Read TransactionEvent.

    An event without its key (transaction and seqNo), or of an unknown type, still holds energy: it becomes an
    EnergyMetered, which is keyed by its content.
    """
    given = payload.get("transactionInfo")
    info: JsonObject = given if type(given) is dict else {}
    transaction_id = _transaction(info, intake)
    elements = payload.get("meterValue")
    readings = readings_2(elements, intake) if elements is not None else ()
    match payload.get("eventType"):
        case "Updated":
            return _updated(payload, info, transaction_id, readings, intake)
        case "Started":
            return _started(payload, info, transaction_id, readings, intake)
        case "Ended":
            return _ended(payload, info, transaction_id, readings, intake)
        case other:
            intake.note("event_type_unknown", other)
            return _metered(payload, transaction_id, readings, intake)


def _updated(
    payload: JsonObject,
    info: JsonObject,
    transaction_id: TransactionId | None,
    readings: tuple[Reading, ...],
    intake: Intake,
) -> SessionUpdated | EnergyMetered:
    seq_no = _seq_no(payload, intake)
    if transaction_id is None or seq_no is None:
        return _metered(payload, transaction_id, readings, intake)
    evse_id, connector_id = _place(payload, intake)
    trigger = payload.get("triggerReason")
    return SessionUpdated(
        evse_id,
        connector_id,
        transaction_id,
        intake.instant(payload),
        readings,
        seq_no,
        _charging_state(info),
        token_in(payload, intake) if "idToken" in payload else None,
        payload.get("offline") is True,
        trigger if type(trigger) is str else "",
    )


def _started(
    payload: JsonObject,
    info: JsonObject,
    transaction_id: TransactionId | None,
    readings: tuple[Reading, ...],
    intake: Intake,
) -> SessionStarted:
    evse_id, connector_id = _place(payload, intake)
    if evse_id is None:
        intake.note("evse_missing")
    reservation_id = intake.whole(payload, "reservationId", least=-MAX_INT32)
    return SessionStarted(
        evse_id=evse_id or EvseId(0),
        connector_id=connector_id or ConnectorId(1 if evse_id else 0),
        reported_at=intake.instant(payload),
        token=token_in(payload, intake),
        transaction_id=transaction_id,
        register_begin_milliwh=register_in(readings, ReadingContext.BEGIN),
        readings=readings,
        seq_no=_seq_no(payload, intake),
        charging_state=_charging_state(info),
        offline=payload.get("offline") is True,
        reservation_id=reservation_id if reservation_id and reservation_id > 0 else None,
        remote_start_id=intake.whole(info, "remoteStartId", least=-MAX_INT32),
        trigger=intake.text(payload, "triggerReason"),
    )


def _ended(
    payload: JsonObject,
    info: JsonObject,
    transaction_id: TransactionId | None,
    readings: tuple[Reading, ...],
    intake: Intake,
) -> SessionEnded:
    evse_id, connector_id = _place(payload, intake)
    return SessionEnded(
        transaction_id=transaction_id,
        reported_at=intake.instant(payload),
        register_end_milliwh=register_in(readings, ReadingContext.END),
        reason=intake.text(info, "stoppedReason"),
        token=token_in(payload, intake),
        readings=readings,
        seq_no=_seq_no(payload, intake),
        evse_id=evse_id,
        connector_id=connector_id,
        charging_state=_charging_state(info),
        offline=payload.get("offline") is True,
        trigger=intake.text(payload, "triggerReason"),
    )


def _metered(
    payload: JsonObject, transaction_id: TransactionId | None, readings: tuple[Reading, ...], intake: Intake
) -> EnergyMetered:
    evse_id, _ = _place(payload, intake)
    return EnergyMetered(evse_id or EvseId(0), transaction_id, readings, intake.digest())


def _place(payload: JsonObject, intake: Intake) -> tuple[EvseId | None, ConnectorId | None]:
    evse = payload.get("evse")
    if type(evse) is not dict:
        return None, None
    evse_id, connector_id = intake.whole(evse, "id"), intake.whole(evse, "connectorId")
    return (
        None if evse_id is None else EvseId(evse_id),
        None if connector_id is None else ConnectorId(connector_id),
    )


def _transaction(info: JsonObject, intake: Intake) -> TransactionId | None:
    """The id byte-exact: it is a key, so it is neither trimmed nor cut to 36 characters."""
    given = info.get("transactionId")
    if type(given) is str and 0 < len(given) <= LONGEST_TEXT:
        return TransactionId(given)
    intake.note("transaction_id_absent", given)
    return None


def _charging_state(info: JsonObject) -> ChargingState | None:
    state = info.get("chargingState")
    return _STATES.get(state) if type(state) is str else None


def _seq_no(payload: JsonObject, intake: Intake) -> int | None:
    seq_no = intake.whole(payload, "seqNo")
    if seq_no is None:
        intake.note("sequence_missing", payload.get("seqNo", ""))
    return seq_no

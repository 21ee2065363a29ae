"""Table of our availability requests, and what they are compared with."""

from collections.abc import Sequence
from datetime import datetime

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, run
from voltway.kernel.ids import OperatorId, StationId
from voltway.stations.availability import AvailabilityRequest, Wish


async def insert_request(
    tx: Transaction, operator_id: OperatorId, station_id: StationId, wish: Wish, said: tuple[datetime, str]
) -> int:
    """Store a wish before it is sent and return its key; `said` is when, and by whom."""
    row = await fetch_one(
        tx,
        """INSERT INTO availability_request (operator_id, station_id, evse_id, connector_id, operative, requested_at,
             requested_by)
           VALUES (:operator_id, :station_id, :evse_id, :connector_id, :operative, :requested_at, :requested_by)
           RETURNING request_id""",
        operator_id=operator_id,
        station_id=station_id,
        evse_id=wish.evse_id,
        connector_id=wish.connector_id,
        operative=wish.operative,
        requested_at=said[0],
        requested_by=said[1],
    )
    assert row is not None, "an insert returns its row"
    return int(row["request_id"])


async def acknowledge(tx: Transaction, operator_id: OperatorId, request_id: int, answer: str, at: datetime) -> None:
    """Write down what became of a wish."""
    await run(
        tx,
        """UPDATE availability_request SET acknowledgement = :answer, acknowledged_at = :at
            WHERE request_id = :request_id AND operator_id = :operator_id""",
        answer=answer,
        at=at,
        request_id=request_id,
        operator_id=operator_id,
    )


async def newest_requests(tx: Transaction, station_id: StationId) -> list[AvailabilityRequest]:
    """Return the newest wish for each part of a station."""
    rows = await fetch_all(
        tx,
        """SELECT DISTINCT ON (evse_id, connector_id) evse_id, connector_id, operative, requested_at, requested_by,
                  acknowledgement, acknowledged_at
             FROM availability_request WHERE station_id = :station_id
            ORDER BY evse_id, connector_id, requested_at DESC, request_id DESC""",
        station_id=station_id,
    )
    return [_request(row) for row in rows]


async def list_statuses(tx: Transaction, station_id: StationId) -> Sequence[Row]:
    """Return what the connectors last said, EVSE 0 first."""
    return await fetch_all(
        tx,
        """SELECT evse_id, connector_id, status, coalesce(status_reported_at, status_received_at) AS at
             FROM connector WHERE station_id = :station_id ORDER BY evse_id, connector_id""",
        station_id=station_id,
    )


async def list_evse_ids(tx: Transaction, station_id: StationId) -> list[int]:
    """Return the numbers of a station's EVSEs."""
    rows = await fetch_all(
        tx,
        "SELECT evse_id FROM evse WHERE station_id = :station_id AND evse_id > 0 ORDER BY evse_id",
        station_id=station_id,
    )
    return [row["evse_id"] for row in rows]


def _request(row: Row) -> AvailabilityRequest:
    return AvailabilityRequest(
        wish=Wish(row["operative"], row["evse_id"], row["connector_id"]),
        requested_at=row["requested_at"],
        requested_by=row["requested_by"],
        acknowledgement=row["acknowledgement"],
        acknowledged_at=row["acknowledged_at"],
    )

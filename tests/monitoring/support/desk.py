"""A station's life written into a database as gateway and API write it, for the tests of the support desk."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
from tests.fake_clock import FakeClock
from tests.httpapi.client import Api

from voltway.identity.service import Identity
from voltway.infra.db import Database
from voltway.monitoring.support import api as support_api
from voltway.monitoring.support.service import Support

AT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
NOW = AT + timedelta(hours=3)
TRANSACTION = "77"
_WIRE = {"token": "idTag", "evse_id": "connectorId", "transaction_id": "transactionId", "kind": "type"}
"""Our words in 1.6's."""


def minute(number: float) -> datetime:
    """Return an instant of the story."""
    return AT + timedelta(minutes=number)


class Desk:
    """Writes facts; minutes count from 16:00 UTC. Station CP-1 has one EVSE and has been connected since yesterday."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._count = 0
        self._run(
            """INSERT INTO location (operator_id, code, name, time_zone) VALUES (1, 'HARBOUR', 'Harbour Square',
               'Europe/Berlin')"""
        )
        self.stations: dict[str, int] = {}
        self.add_station("CP-1", name="North pillar", reference="DE*VWY*E100*1")
        self.link(-24 * 60, None)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def add_station(
        self, identity: str, *, name: str | None = None, reference: str | None = None, evses: int = 1,
        operator_id: int = 1,
    ) -> int:  # fmt: skip
        """Enter a station."""
        (row,) = self._run(
            """INSERT INTO station (operator_id, identity, name, vendor, location_id) VALUES (%s, %s, %s, 'ACME',
                 (SELECT location_id FROM location WHERE operator_id = %s)) RETURNING station_id""",
            operator_id, identity, name, operator_id,
        )  # fmt: skip
        self.stations[identity] = row[0]
        for evse_id in range(1, evses + 1):
            self._run(
                "INSERT INTO evse (station_id, evse_id, operator_id, physical_reference) VALUES (%s, %s, %s, %s)",
                row[0], evse_id, operator_id, reference,
            )  # fmt: skip
        return int(row[0])

    def add_token(self, token: str, status: str = "Accepted", phone: str | None = None) -> None:
        """Enter a token."""
        self._run(
            """INSERT INTO id_token (operator_id, match_key, token, status, contact_phone)
               VALUES (1, %s, %s, %s, %s)""",
            token.lower(), token, status, phone,
        )  # fmt: skip

    def approve(self, approval: str) -> None:
        """Change the station's approval."""
        self._run("UPDATE station SET approval = %s", approval)

    def session(  # noqa: PLR0913 - a row's columns
        self, end: float | None = 60, reason: str | None = "Local", *, begin: float = 0, kwh: float = 10.0,
        token: str | None = "AA", token_status: str | None = "Accepted", station: str = "CP-1", evse_id: int = 1,  # noqa: S107
        history: Sequence[tuple[float, str]] = ((0, "charging"),), anomalies: Sequence[str] = (),
        transaction: str = TRANSACTION, updated: float | None = None, soc_pct: float | None = None,
    ) -> UUID:  # fmt: skip
        """Write a session."""
        session_id = uuid4()
        state = "active" if end is None else "held" if anomalies else "ended"
        detail = {
            "history": [[minute(at).isoformat(), word] for at, word in history],
            "anomalies": [[code, code, AT.isoformat(), True] for code in anomalies],
        }
        self._run(
            """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id,
                 start_key, state, started_at, ended_at, end_reason, token, token_type, token_status, energy_milliwh,
                 soc_pct, received_at, updated_at, detail)
               VALUES (%s, 1, %s, %s, 1, %s, %s, %s, %s, %s, %s, %s, 'ISO14443', %s, %s, %s, %s, %s, %s)""",
            session_id, self.stations[station], evse_id, transaction, session_id.int % 2**62, state, minute(begin),
            None if end is None else minute(end), reason if end is not None else None, token, token_status,
            round(kwh * 1_000_000), soc_pct, minute(begin),
            minute(updated if updated is not None else 10 if end is None else end), orjson.dumps(detail).decode(),
        )  # fmt: skip
        return session_id

    def message(
        self, at: float, action: str, payload: object, answer: object = None, *, outgoing: bool = False,
        station: str = "CP-1", is_answered: bool = True,
    ) -> datetime:  # fmt: skip
        """Write a row of the raw log and return its key."""
        self._count += 1
        received_at = minute(at) + timedelta(microseconds=self._count)
        frame = payload if isinstance(payload, bytes) else orjson.dumps([2, str(self._count), action, payload])
        reply = orjson.dumps([3, str(self._count), answer or {}]) if is_answered else None
        self._run(
            """INSERT INTO ocpp_message (station_id, received_at, operator_id, outgoing, message_id, action, frame,
                 reply)
               VALUES (%s, %s, 1, %s, %s, %s, %s, %s)""",
            self.stations[station], received_at, outgoing, str(self._count), action, frame, reply,
        )  # fmt: skip
        return received_at

    def _event(self, received_at: datetime, action: str, data: object, station: str, reported_at: datetime) -> None:
        self._run(
            """INSERT INTO station_event (station_id, received_at, digest, operator_id, action, reported_at, data)
               VALUES (%s, %s, 0, 1, %s, %s, %s)""",
            self.stations[station], received_at, action, reported_at, orjson.dumps(data).decode(),
        )  # fmt: skip

    def authorize(self, at: float, status: str = "Accepted", token: str = "AA", station: str = "CP-1") -> datetime:  # noqa: S107 - no password
        """Hold a token up."""
        key = self.message(at, "Authorize", {"idTag": token}, {"idTagInfo": {"status": status}}, station=station)
        self._event(key, "Authorize", {"token": token, "status": status, "type": "ISO14443"}, station, key)
        return key

    def status(
        self, at: float, status: str, *, evse_id: int = 1, error: str = "NoError", vendor_error: str | None = None,
        received: float | None = None, station: str = "CP-1",
    ) -> datetime:  # fmt: skip
        """Report a connector's status."""
        payload = {
            "connectorId": evse_id,
            "status": status.title(),
            "errorCode": error,
            "vendorErrorCode": vendor_error,
        }
        key = self.message(at if received is None else received, "StatusNotification", payload, station=station)
        data = {
            "evse_id": evse_id, "connector_id": 1, "status": status, "error_code": error,
            "vendor_error_code": vendor_error, "info": None,
        }  # fmt: skip
        self._event(key, "StatusNotification", data, station, key if received is None else minute(at))
        return key

    def boot(self, at: float, reason: str | None = None) -> None:
        """Boot."""
        key = self.message(at, "BootNotification", {"reason": reason}, {"status": "Accepted"})
        self._event(
            key, "BootNotification", {"vendor": "V", "model": "M", "firmware": "1", "reason": reason}, "CP-1", key
        )

    def start_16(self, at: float = 0, token: str = "AA") -> datetime:  # noqa: S107 - no password
        """Start in 1.6."""
        return self.message(
            at, "StartTransaction", {"connectorId": 1, "idTag": token}, {"transactionId": int(TRANSACTION)}
        )

    def stop_16(self, at: float, reason: str | None, token: str | None = None) -> datetime:
        """Stop in 1.6."""
        payload = {"transactionId": int(TRANSACTION), "reason": reason, "idTag": token}
        return self.message(at, "StopTransaction", {key: value for key, value in payload.items() if value is not None})

    def event_201(
        self, at: float, kind: str, trigger: str, reason: str | None = None, token: str | None = None
    ) -> datetime:
        """Send a TransactionEvent."""
        info = {"transactionId": TRANSACTION} | ({} if reason is None else {"stoppedReason": reason})
        payload: dict[str, Any] = {"eventType": kind, "triggerReason": trigger, "seqNo": 1, "transactionInfo": info}
        if token is not None:
            payload["idToken"] = {"idToken": token, "type": "ISO14443"}
        return self.message(at, "TransactionEvent", payload)

    def ask(
        self, at: float, verb: str, args: dict[str, Any], *, by: str = "Mia", outcome: str = "answered",
        status: str | None = "Accepted", action: str | None = None, answer: str = "Accepted",
    ) -> datetime | None:  # fmt: skip
        """Send a command: the raw log has it where it left, the audit always."""
        key = None
        if action is not None:
            payload = {_WIRE.get(name, name): value for name, value in args.items()}
            key = self.message(
                at, action, payload, {"status": status or answer}, outgoing=True, is_answered=outcome != "timeout"
            )
        detail = {"sent": {"verb": verb, "args": args}, "outcome": outcome, "status": status}
        self._run(
            "INSERT INTO audit (operator_id, at, actor, action, target, detail) VALUES (1, %s, %s, %s, 'CP-1', %s)",
            minute(at) + timedelta(seconds=1), by, f"command.{verb}", orjson.dumps(detail).decode(),
        )  # fmt: skip
        return key

    def wish(self, at: float, *, operative: bool, by: str = "Mia") -> None:
        """Open or close the station."""
        self._run(
            """INSERT INTO availability_request (operator_id, station_id, operative, requested_at, requested_by,
                 acknowledged_at, acknowledgement) VALUES (1, %s, %s, %s, %s, %s, 'Accepted')""",
            self.stations["CP-1"], operative, minute(at), by, minute(at),
        )  # fmt: skip

    def link(self, begin: float, end: float | None, station: str = "CP-1") -> None:
        """Connect."""
        self._run(
            """INSERT INTO connection (station_id, link_id, operator_id, connected_at, disconnected_at, last_seen_at)
               VALUES (%s, %s, 1, %s, %s, %s)""",
            self.stations[station], uuid4(), minute(begin), None if end is None else minute(end),
            NOW if end is None else minute(end),
        )  # fmt: skip

    def offline(self, begin: float, end: float | None) -> None:
        """Lose the connection from `begin` on, and come back at `end` (None: not yet)."""
        self._run("UPDATE connection SET disconnected_at = %s, last_seen_at = %s", minute(begin), minute(begin))
        if end is not None:
            self.link(end, None)

    def never_connected(self) -> None:
        """Forget that the station was ever connected."""
        self._run("DELETE FROM connection")

    def incident(self, at: float, title: str, *, is_of_site: bool = False, mrec: str | None = None) -> None:
        """Open an incident."""
        self._run(
            """INSERT INTO incident (operator_id, rule, group_key, severity, state, title, location_id, station_id,
                 began_at, opened_at, updated_at, mrec)
               SELECT 1, 'r', 'k', 'major', 'open', %s, location_id, CASE WHEN %s THEN NULL ELSE station_id END, %s, %s,
                 %s, %s FROM station WHERE identity = 'CP-1'""",
            title, is_of_site, minute(at), minute(at), minute(at), mrec,
        )  # fmt: skip

    def plug_limit(self, limit_s: int) -> None:
        """Tell how long the station waits for a plug."""
        self._run(
            """INSERT INTO station_variable (station_id, operator_id, component, variable, value, received_at)
               VALUES (%s, 1, '', 'ConnectionTimeOut', %s, now())""",
            self.stations["CP-1"], str(limit_s),
        )  # fmt: skip


def mrec_text(vendor: str, error_code: str, vendor_error_code: str) -> str | None:
    """Word a fault as the mapping of incidents does: the vendor's own code where that vendor's is known."""
    own = {("ACME", "E42"): "contactor welded"}.get((vendor, vendor_error_code))
    return own or {"GroundFailure": "ground fault in the supply"}.get(error_code)


def support_router(database: Database, **options: Any) -> Any:
    """Build the route under test, with a clock that stands at NOW."""
    support = Support(database, Identity(database), mrec_text=mrec_text, clock=FakeClock(NOW), **options)
    return support_api.router(support)


async def ask_desk(api: Api, **params: Any) -> Any:
    """Ask, and return the answer."""
    answer = await api.client.get("/api/v1/support", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()

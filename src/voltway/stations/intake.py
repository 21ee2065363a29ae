"""What the ingest writes of stations: links, boots, connector status, events, variables, findings and the raw log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from voltway.infra.pgarrays import BOOL, BYTEA, INT2, INT4, INT8, JSON, NULL_INT, TEXT, TIMESTAMPTZ, UUID_OID
from voltway.infra.pipeline import Statement, Work
from voltway.kernel.facts import ConnectorStatusChanged, Finding, Notified, StationBooted, VariablesReported
from voltway.kernel.ids import OperatorId, StationId

_LINK = Statement(
    "station_link_upsert",
    """INSERT INTO station_link AS l (station_id, operator_id, link_id, gateway, version, remote, connected,
         connected_at, disconnected_at, last_seen_at, clock_offset_ms)
       SELECT a, b, c, d, e, f, g, h, CASE WHEN g THEN NULL ELSE i END, i, nullif(j, -9223372036854775808)
       FROM unnest($1::bigint[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bool[],
                   $8::timestamptz[], $9::timestamptz[], $10::bigint[]) AS v(a, b, c, d, e, f, g, h, i, j)
       ON CONFLICT (station_id) DO UPDATE SET link_id = excluded.link_id, gateway = excluded.gateway,
         version = excluded.version, remote = excluded.remote, connected = excluded.connected,
         connected_at = excluded.connected_at, disconnected_at = excluded.disconnected_at,
         last_seen_at = excluded.last_seen_at, clock_offset_ms = coalesce(excluded.clock_offset_ms, l.clock_offset_ms)
       -- An older link that ends late must not hide the newer one.
       WHERE l.connected_at <= excluded.connected_at""",
    (INT8, INT4, UUID_OID, TEXT, TEXT, TEXT, BOOL, TIMESTAMPTZ, TIMESTAMPTZ, INT8),
)
_CONNECTION = Statement(
    "connection_upsert",
    """INSERT INTO connection AS c (station_id, link_id, operator_id, connected_at, disconnected_at, last_seen_at)
       SELECT a, b, c, d, CASE WHEN e THEN NULL ELSE f END, f
       FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::timestamptz[], $5::bool[], $6::timestamptz[])
         AS v(a, b, c, d, e, f)
       ON CONFLICT (station_id, link_id) DO UPDATE SET last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
         disconnected_at = coalesce(c.disconnected_at, excluded.disconnected_at)""",
    (INT8, UUID_OID, INT4, TIMESTAMPTZ, BOOL, TIMESTAMPTZ),
)
_BOOT = Statement(
    "station_boot",
    """UPDATE station s SET vendor = v.vendor, model = v.model, serial = coalesce(v.serial, s.serial),
         firmware = coalesce(v.firmware, s.firmware), booted_at = v.at, boot_reason = v.reason
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
         AS v(id, vendor, model, serial, firmware, reason, at)
       WHERE s.station_id = v.id AND (s.booted_at IS NULL OR s.booted_at <= v.at)""",
    (INT8, TEXT, TEXT, TEXT, TEXT, TEXT, TIMESTAMPTZ),
)
_EVSE = Statement(
    "evse_ensure",
    """INSERT INTO evse (station_id, evse_id, operator_id) SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[])
       ON CONFLICT DO NOTHING""",
    (INT8, INT4, INT4),
)
_STATUS = Statement(
    "connector_status_upsert",
    """INSERT INTO connector AS c (station_id, evse_id, connector_id, operator_id, status, status_reported_at,
         status_received_at, error_code, vendor_error_code, info)
       SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[], $6::timestamptz[],
         $7::timestamptz[], $8::text[], $9::text[], $10::text[])
       ON CONFLICT (station_id, evse_id, connector_id) DO UPDATE SET status = excluded.status,
         status_reported_at = excluded.status_reported_at, status_received_at = excluded.status_received_at,
         error_code = excluded.error_code, vendor_error_code = excluded.vendor_error_code, info = excluded.info
       WHERE c.status_reported_at IS NULL OR c.status_reported_at <= excluded.status_reported_at
          OR c.status_reported_at > excluded.status_received_at + interval '1 minute'""",
    (INT8, INT4, INT4, INT4, TEXT, TIMESTAMPTZ, TIMESTAMPTZ, TEXT, TEXT, TEXT),
)
_EVENT = Statement(
    "station_event_insert",
    """INSERT INTO station_event (station_id, received_at, digest, operator_id, action, reported_at, severity, data)
       SELECT a, b, c, d, e, f, nullif(g, -1), h::jsonb FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[],
         $4::int[], $5::text[], $6::timestamptz[], $7::smallint[], $8::json[]) AS v(a, b, c, d, e, f, g, h)
       ON CONFLICT DO NOTHING""",
    (INT8, TIMESTAMPTZ, INT8, INT4, TEXT, TIMESTAMPTZ, INT2, JSON),
)
_VARIABLE = Statement(
    "station_variable_upsert",
    """INSERT INTO station_variable AS t (station_id, evse_id, connector_id, component, instance, variable, attribute,
         operator_id, value, mutability, received_at)
       SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[],
         $8::int[], $9::text[], $10::text[], $11::timestamptz[])
       ON CONFLICT (station_id, evse_id, connector_id, component, instance, variable, attribute) DO UPDATE
         SET value = excluded.value, mutability = coalesce(excluded.mutability, t.mutability),
             received_at = excluded.received_at""",
    (INT8, INT4, INT4, TEXT, TEXT, TEXT, TEXT, INT4, TEXT, TEXT, TIMESTAMPTZ),
)
_FINDING = Statement(
    "station_finding_upsert",
    """INSERT INTO station_finding AS t (station_id, code, operator_id, count, first_at, last_at, example)
       SELECT a, b, c, d, e, e, f FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bigint[], $5::timestamptz[],
         $6::text[]) AS v(a, b, c, d, e, f)
       ON CONFLICT (station_id, code) DO UPDATE SET count = t.count + excluded.count, last_at = excluded.last_at,
         example = excluded.example""",
    (INT8, TEXT, INT4, INT8, TIMESTAMPTZ, TEXT),
)
_MESSAGE = Statement(
    "ocpp_message_insert",
    """INSERT INTO ocpp_message (station_id, received_at, operator_id, outgoing, message_id, action, frame, reply)
       SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::int[], $4::bool[], $5::text[], $6::text[], $7::bytea[],
         $8::bytea[])
       ON CONFLICT DO NOTHING""",
    (INT8, TIMESTAMPTZ, INT4, BOOL, TEXT, TEXT, BYTEA, BYTEA),
)
MAX_NUMBER = 1000
"""EVSE and connector numbers above this are no numbers of a station but noise (field notes 23)."""
MAX_EXAMPLE = 200


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows these are."""

    station_id: StationId
    operator_id: OperatorId


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A connection as it is stored."""

    link_id: UUID
    gateway: str
    version: str
    remote: str
    connected: bool
    connected_at: int
    last_seen_at: int
    clock_offset_ms: int | None


class StationRows:
    """What one group writes of stations. Instants are microseconds since 2000 (PostgreSQL's)."""

    def __init__(self) -> None:
        self._links: dict[StationId, tuple[Any, ...]] = {}
        self._connections: dict[tuple[StationId, bytes], tuple[Any, ...]] = {}
        self._boots: dict[StationId, tuple[Any, ...]] = {}
        self._evses: dict[tuple[StationId, int], tuple[Any, ...]] = {}
        self._statuses: dict[tuple[StationId, int, int], tuple[Any, ...]] = {}
        self._events: list[tuple[Any, ...]] = []
        self._variables: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._findings: dict[tuple[StationId, str], list[Any]] = {}
        self._messages: list[tuple[Any, ...]] = []

    def add_link(self, owner: Owner, link: LinkRow) -> None:
        """Note a connection that opened, lives on or closed."""
        offset = NULL_INT if link.clock_offset_ms is None else link.clock_offset_ms
        # The history has every link, each with its last word in this group.
        self._connections[owner.station_id, link.link_id.bytes] = (
            owner.station_id, link.link_id.bytes, owner.operator_id, link.connected_at, link.connected,
            link.last_seen_at,
        )  # fmt: skip
        known = self._links.get(owner.station_id)
        if known is None or known[7] <= link.connected_at:
            self._links[owner.station_id] = (
                owner.station_id, owner.operator_id, link.link_id.bytes, link.gateway, link.version, link.remote,
                link.connected, link.connected_at, link.last_seen_at, offset,
            )  # fmt: skip

    def add_boot(self, owner: Owner, fact: StationBooted, at: int) -> None:
        """Note what a station says it is."""
        self._boots[owner.station_id] = (
            owner.station_id, fact.vendor, fact.model, fact.serial, fact.firmware, fact.reason, at,
        )  # fmt: skip

    def add_status(self, owner: Owner, fact: ConnectorStatusChanged, reported_at: int, received_at: int) -> bool:
        """Note a connector's status; False where its number is absurd (stored as an event only)."""
        if not (0 <= fact.evse_id <= MAX_NUMBER and 0 <= fact.connector_id <= MAX_NUMBER):
            return False
        key = (owner.station_id, fact.evse_id, fact.connector_id)
        known = self._statuses.get(key)
        if known is None or known[5] <= reported_at:
            self._evses[key[:2]] = (*key[:2], owner.operator_id)
            self._statuses[key] = (
                *key, owner.operator_id, fact.status.value, reported_at, received_at, fact.error_code,
                fact.vendor_error_code, fact.info,
            )  # fmt: skip
        return True

    def add_event(self, owner: Owner, fact: Notified, received_at: int, reported_at: int) -> None:
        """Keep a message as an event of the station."""
        severity = -1 if fact.severity is None else min(max(fact.severity, 0), 9)
        data = orjson.dumps(dict(fact.data), default=str)
        row = (owner.station_id, received_at, 0, owner.operator_id, fact.action, reported_at, severity, data)
        self._events.append(row)

    def add_variables(self, owner: Owner, fact: VariablesReported, received_at: int) -> None:
        """Keep the device model's values."""
        for it in fact.variables:
            key = (
                owner.station_id, it.evse_id or 0, it.connector_id or 0, it.component, it.instance or "", it.variable,
                it.attribute,
            )  # fmt: skip
            self._variables[key] = (*key, owner.operator_id, it.value, it.mutability, received_at)

    def add_findings(self, owner: Owner, findings: Sequence[Finding], at: int) -> None:
        """Count tolerances that the station needed."""
        for finding in findings:
            key = (owner.station_id, finding.code)
            row = self._findings.setdefault(key, [*key, owner.operator_id, 0, at, ""])
            row[3], row[4] = row[3] + 1, at
            row[5] = finding.example[:MAX_EXAMPLE].replace("\x00", "\ufffd")

    def add_message(self, row: tuple[int, int, int, bool, str, str, bytes, bytes | None]) -> None:
        """Log a call with its answer: station, instant, operator, outgoing, message id, action, frame, reply."""
        self._messages.append(row)

    def works(self) -> list[Work]:
        """Return the statements to run, in order."""
        tables: list[tuple[Statement, Sequence[Sequence[Any]]]] = [
            (_LINK, list(self._links.values())),
            (_CONNECTION, list(self._connections.values())),
            (_BOOT, list(self._boots.values())),
            (_EVSE, list(self._evses.values())),
            (_STATUS, list(self._statuses.values())),
            (_EVENT, self._events),
            (_VARIABLE, list(self._variables.values())),
            (_FINDING, list(self._findings.values())),
            (_MESSAGE, self._messages),
        ]
        return [Work(statement, list(zip(*rows, strict=True))) for statement, rows in tables if rows]


def instant_of(reported_at: datetime | None, received_at: datetime) -> datetime:
    """Return the station's instant where it gave one."""
    return reported_at if reported_at is not None else received_at

"""Tables of uptime: exclusions, contracts, and the pasts of ports read from the timeline."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one, insert, run
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.exclusions import Exclusion, ExclusionCause
from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_model import DOWN_STATES, Port, PortPast
from voltway.monitoring.numbers.uptime_spans import Span, span_of
from voltway.monitoring.timeline.model import Interval, OperatorState

# As a literal, so that the partial indexes of what is down serve every plan.
_DOWN = ", ".join(f"'{state.value}'" for state in sorted(DOWN_STATES))


@dataclass(frozen=True, slots=True)
class Places:
    """Which ports to read; None: all. `station_keys` are internal."""

    location: str | None = None
    station: str | None = None
    min_power_w: int | None = None
    station_keys: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read of the ports: the window, the present, states beyond the usual ones, rules that mean low power."""

    window: Span
    now: datetime
    states: frozenset[OperatorState] = DOWN_STATES
    shortfall_rules: frozenset[str] = frozenset()


# ---- pasts


async def list_pasts(tx: Transaction, operator_id: OperatorId, places: Places, reading: Reading) -> list[PortPast]:
    """Return the ports in service within a window, each with its time down, by station and EVSE."""
    ports = await _ports(tx, operator_id, places)
    keys = None if places == Places() else sorted({row["station_id"] for row in ports})
    intervals = await _intervals(tx, operator_id, keys, reading)
    exclusions = _by_place(await _standing(tx, operator_id, reading.window))
    shortfalls = await _shortfalls(tx, operator_id, reading)
    pasts = []
    for row in ports:
        service = _service(row, reading.now)
        if service is not None and service.end > reading.window.begin and service.begin < reading.window.end:
            key = (row["station_id"], row["evse_id"])
            pasts.append(
                PortPast(
                    _port(row), service, row["first_at"], tuple(intervals.get(key, ())),
                    _of_port(exclusions, row), _low_power(shortfalls, key),
                )
            )  # fmt: skip
    return pasts


async def _ports(tx: Transaction, operator_id: OperatorId, places: Places) -> Sequence[Row]:
    return await fetch_all(
        tx,
        """SELECT s.station_id, s.identity, e.evse_id, s.location_id, l.code AS location_code,
                  coalesce(l.time_zone, o.time_zone) AS time_zone, e.max_power_w, s.groups,
                  s.commissioned_at, s.decommissioned_at, t.begin_at AS first_at
             FROM evse e JOIN station s USING (station_id) JOIN operator o ON o.operator_id = s.operator_id
             LEFT JOIN location l USING (location_id)
             LEFT JOIN timeline t ON t.station_id = e.station_id AND t.evse_id = e.evse_id AND t.previous_end IS NULL
            WHERE e.evse_id > 0 AND s.approval = 'approved' AND s.operator_id = :operator_id
              AND (CAST(:location AS text) IS NULL OR l.code = :location)
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
              AND (CAST(:min_power_w AS int) IS NULL OR e.max_power_w >= :min_power_w)
              AND (CAST(:keys AS bigint[]) IS NULL OR s.station_id = ANY(CAST(:keys AS bigint[])))
            ORDER BY s.identity COLLATE "C", e.evse_id""",
        operator_id=operator_id,
        location=places.location,
        station=places.station,
        min_power_w=places.min_power_w,
        keys=None if places.station_keys is None else list(places.station_keys),
    )


async def _intervals(
    tx: Transaction, operator_id: OperatorId, keys: list[int] | None, reading: Reading
) -> Mapping[tuple[int, int], Sequence[Interval]]:
    """Return time in the states that count, by EVSE, in order; `keys` None: of every station."""
    states = _DOWN if reading.states <= DOWN_STATES else ", ".join(f"'{one.value}'" for one in sorted(reading.states))
    rows = await fetch_all(
        tx,
        f"""SELECT station_id, evse_id, begin_at, nullif(end_at, 'infinity') AS end_at, state, cause, evidence_at
              FROM timeline
             WHERE operator_id = :operator_id AND state IN ({states}) AND end_at > :begin AND begin_at < :end
               {"" if keys is None else "AND station_id = ANY(CAST(:keys AS bigint[]))"}
             ORDER BY station_id, evse_id, begin_at""",  # noqa: S608 - our own names
        operator_id=operator_id,
        begin=reading.window.begin_at,
        end=reading.window.end_at,
        **({} if keys is None else {"keys": keys}),
    )
    found = defaultdict(list)
    for row in rows:
        found[row["station_id"], row["evse_id"]].append(
            Interval(row["begin_at"], row["end_at"], OperatorState(row["state"]), row["cause"], "", row["evidence_at"])
        )
    return found


async def _shortfalls(tx: Transaction, operator_id: OperatorId, reading: Reading) -> Sequence[Row]:
    """Return when a station or an EVSE delivered less than it must, as incidents of those rules tell."""
    if not reading.shortfall_rules:
        return ()
    return await fetch_all(
        tx,
        """SELECT station_id, evse_id, began_at, coalesce(ended_at, :now) AS ended_at FROM incident
            WHERE operator_id = :operator_id AND rule = ANY(CAST(:rules AS text[])) AND station_id IS NOT NULL
              AND began_at < :end AND coalesce(ended_at, :now) > :begin""",
        operator_id=operator_id,
        rules=sorted(reading.shortfall_rules),
        begin=reading.window.begin_at,
        end=reading.window.end_at,
        now=reading.now,
    )


async def list_special_stations(tx: Transaction, operator_id: OperatorId, reading: Reading) -> set[int]:
    """Return the stations with a standing exclusion or low power within a window."""
    places = await _standing(tx, operator_id, reading.window)
    rows = await fetch_all(
        tx,
        """SELECT station_id FROM station
            WHERE operator_id = :operator_id AND location_id = ANY(CAST(:keys AS bigint[]))""",
        operator_id=operator_id,
        keys=[row["location_key"] for row in places if row["location_key"] is not None],
    )
    low = await _shortfalls(tx, operator_id, reading)
    own = (row["station_key"] for row in places if row["station_key"] is not None)
    return {row["station_id"] for row in [*rows, *low]} | set(own)


async def sum_month(
    tx: Transaction, operator_id: OperatorId, month: Month, *, now: datetime, without: Iterable[int]
) -> Row:
    """Return how many ports were in service in a month of their sites, and their service and outage in microseconds.

    Args:
        without: keys of stations that are left out.
    """
    row = await fetch_one(
        tx,
        f"""WITH known AS (
              SELECT e.station_id, e.evse_id, t.begin_at AS first_at, s.commissioned_at, s.decommissioned_at,
                     CAST(:begin AS timestamp) AT TIME ZONE coalesce(l.time_zone, o.time_zone) AS low,
                     CAST(:end AS timestamp) AT TIME ZONE coalesce(l.time_zone, o.time_zone) AS high
                FROM evse e JOIN station s USING (station_id) JOIN operator o ON o.operator_id = s.operator_id
                LEFT JOIN location l USING (location_id)
                LEFT JOIN timeline t ON t.station_id = e.station_id AND t.evse_id = e.evse_id AND t.previous_end IS NULL
               WHERE e.evse_id > 0 AND s.approval = 'approved' AND s.operator_id = :operator_id
                 AND s.station_id <> ALL(CAST(:without AS bigint[]))
            ), port AS (
              SELECT station_id, evse_id, coalesce(first_at, 'infinity') AS first_at,
                     greatest(low, coalesce(commissioned_at, first_at)) AS begin_at,
                     least(high, decommissioned_at, CAST(:now AS timestamptz)) AS end_at
                FROM known WHERE coalesce(commissioned_at, first_at) IS NOT NULL
            ), served AS (SELECT * FROM port WHERE begin_at < end_at),
            down AS (
              SELECT least(d.end_at, p.end_at) - greatest(d.begin_at, p.begin_at) AS lasted
                FROM timeline d JOIN served p USING (station_id, evse_id)
               WHERE d.operator_id = :operator_id AND d.state IN ({_DOWN})
                 AND d.end_at > CAST(:begin AS timestamptz) - interval '1 day'
                 AND d.begin_at < CAST(:end AS timestamptz) + interval '1 day'
                 AND d.end_at > p.begin_at AND d.begin_at < p.end_at
              UNION ALL
              SELECT least(first_at, end_at) - begin_at FROM served WHERE first_at > begin_at
            )
            SELECT (SELECT count(*) FROM served) AS ports,
                   (SELECT coalesce(sum(extract(epoch FROM end_at - begin_at)), 0) * 1000000 FROM served) AS service_us,
                   (SELECT coalesce(sum(extract(epoch FROM lasted)), 0) * 1000000 FROM down) AS outage_us""",  # noqa: S608
        operator_id=operator_id,
        begin=f"{month.text}-01 00:00:00",
        end=f"{month.after(1).text}-01 00:00:00",
        now=now,
        without=sorted(without),
    )
    assert row is not None, "an aggregate answers with one row"
    return row


def _port(row: Row) -> Port:
    return Port(
        row["identity"], row["evse_id"], row["location_code"], ZoneInfo(row["time_zone"]), row["max_power_w"],
        tuple(row["groups"]),
    )  # fmt: skip


def _service(row: Row, now: datetime) -> Span | None:
    begin = row["commissioned_at"] or row["first_at"]
    return None if begin is None else span_of(begin, min(row["decommissioned_at"] or now, now))


def _low_power(rows: Sequence[Row], key: tuple[int, int]) -> tuple[Span, ...]:
    return tuple(
        span_of(row["began_at"], row["ended_at"])
        for row in rows
        if row["station_id"] == key[0] and row["evse_id"] in (None, 0, key[1])
    )


_ByPlace = Mapping[tuple[int | None, int | None, int | None], list[Exclusion]]


def _by_place(rows: Sequence[Row]) -> _ByPlace:
    found = defaultdict(list)
    for row in rows:
        found[row["location_key"], row["station_key"], row["evse_id"]].append(_exclusion(row))
    return found


def _of_port(exclusions: _ByPlace, row: Row) -> tuple[Exclusion, ...]:
    if not exclusions:
        return ()
    station = row["station_id"]
    places = [(row["location_id"], None, None), (None, station, None), (None, station, row["evse_id"])]
    return tuple(one for place in places for one in exclusions.get(place, ()))


# ---- exclusions

_EXCLUSION = """
    SELECT x.exclusion_id, x.location_id AS location_key, x.station_id AS station_key, l.code AS location_id,
           s.identity AS station_id, x.evse_id, x.begin_at, x.end_at, x.cause, x.evidence, x.evidence_url,
           x.entered_by, x.entered_at, w.withdrawn_at, w.withdrawn_by, w.reason
      FROM uptime_exclusion x
      LEFT JOIN uptime_exclusion_withdrawal w USING (exclusion_id)
      LEFT JOIN location l ON l.location_id = x.location_id
      LEFT JOIN station s ON s.station_id = x.station_id"""


async def _standing(tx: Transaction, operator_id: OperatorId, window: Span) -> Sequence[Row]:
    return await fetch_all(
        tx,
        f"""{_EXCLUSION} WHERE x.operator_id = :operator_id AND x.end_at > :begin AND x.begin_at < :end
              AND w.exclusion_id IS NULL ORDER BY x.begin_at, x.exclusion_id""",
        operator_id=operator_id,
        begin=window.begin_at,
        end=window.end_at,
    )


async def insert_exclusion(tx: Transaction, operator_id: OperatorId, values: Mapping[str, Any]) -> int:
    """Store an exclusion; return its id."""
    columns = list(values)
    row = await fetch_one(
        tx,
        f"""INSERT INTO uptime_exclusion (operator_id, {", ".join(columns)})
            VALUES (:operator_id, {", ".join(f":{column}" for column in columns)}) RETURNING exclusion_id""",  # noqa: S608
        operator_id=operator_id,
        **values,
    )
    assert row is not None, "INSERT … RETURNING answers with its row"
    return int(row["exclusion_id"])


async def insert_withdrawal(tx: Transaction, operator_id: OperatorId, values: Mapping[str, Any]) -> bool:
    """Withdraw an exclusion; False where it is withdrawn already."""
    count = await run(
        tx,
        """INSERT INTO uptime_exclusion_withdrawal (exclusion_id, operator_id, withdrawn_by, withdrawn_at, reason)
           VALUES (:exclusion_id, :operator_id, :withdrawn_by, :withdrawn_at, :reason) ON CONFLICT DO NOTHING""",
        operator_id=operator_id,
        **values,
    )
    return count == 1


async def find_exclusion(tx: Transaction, operator_id: OperatorId, exclusion_id: int) -> Exclusion | None:
    """Return one exclusion, withdrawn or not."""
    row = await fetch_one(
        tx,
        f"{_EXCLUSION} WHERE x.operator_id = :operator_id AND x.exclusion_id = :exclusion_id",
        operator_id=operator_id,
        exclusion_id=exclusion_id,
    )
    return None if row is None else _exclusion(row)


async def list_exclusions(
    tx: Transaction, operator_id: OperatorId, wanted: PageRequest, *, station: str | None, location: str | None
) -> list[Exclusion]:
    """Return exclusions, newest first, withdrawn ones too; those of a location include its stations'."""
    after = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        f"""{_EXCLUSION} LEFT JOIN location h ON h.location_id = s.location_id
            WHERE x.operator_id = :operator_id AND x.exclusion_id < CAST(:before AS bigint)
              AND (CAST(:station AS text) IS NULL OR s.identity = :station)
              AND (CAST(:location AS text) IS NULL OR :location IN (l.code, h.code))
            ORDER BY x.exclusion_id DESC LIMIT :limit""",
        operator_id=operator_id,
        before=after[0] if after else 2**63 - 1,
        station=station,
        location=location,
        limit=wanted.fetch,
    )
    return [_exclusion(row) for row in rows]


async def find_keys(
    tx: Transaction, operator_id: OperatorId, *, location: str | None, station: str | None, evse_id: int | None
) -> Row | None:
    """Return the internal keys of a place as `location_id` and `station_id`; None where there is no such place."""
    return await fetch_one(
        tx,
        """SELECT location_id, CAST(NULL AS bigint) AS station_id FROM location
            WHERE operator_id = :operator_id AND code = CAST(:location AS text)
           UNION ALL
           SELECT CAST(NULL AS bigint), station_id FROM station s
            WHERE operator_id = :operator_id AND identity = CAST(:station AS text)
              AND (CAST(:evse_id AS int) IS NULL OR EXISTS (
                   SELECT FROM evse e WHERE e.station_id = s.station_id AND e.evse_id = :evse_id AND e.evse_id > 0))""",
        operator_id=operator_id,
        location=location,
        station=station,
        evse_id=evse_id,
    )


def _exclusion(row: Row) -> Exclusion:
    return Exclusion(
        row["exclusion_id"], row["location_id"], row["station_id"], row["evse_id"], row["begin_at"], row["end_at"],
        ExclusionCause(row["cause"]), row["evidence"], row["evidence_url"], row["entered_by"], row["entered_at"],
        row["withdrawn_at"], row["withdrawn_by"], row["reason"],
    )  # fmt: skip


# ---- contracts


async def put_contract(tx: Transaction, operator_id: OperatorId, code: str, document: str, at: datetime) -> None:
    """Store a contract's document, in the place of the one before."""
    await run(tx, "DELETE FROM sla_contract WHERE operator_id = :id AND code = :code", id=operator_id, code=code)
    values = {"operator_id": operator_id, "code": code, "document": document, "updated_at": at}
    await insert(tx, "sla_contract", values)


async def delete_contract(tx: Transaction, operator_id: OperatorId, code: str) -> int:
    """Delete a contract; return 0 where there is none. The audit keeps its terms."""
    return await run(
        tx, "DELETE FROM sla_contract WHERE operator_id = :operator_id AND code = :code", operator_id=operator_id,
        code=code,
    )  # fmt: skip


async def find_contract(tx: Transaction, operator_id: OperatorId, code: str) -> Row | None:
    """Return a contract's code, document and last change."""
    return await fetch_one(
        tx,
        "SELECT code, document, updated_at FROM sla_contract WHERE operator_id = :operator_id AND code = :code",
        operator_id=operator_id,
        code=code,
    )


async def list_contracts(tx: Transaction, operator_id: OperatorId, wanted: PageRequest) -> Sequence[Row]:
    """Return contracts by code."""
    after = wanted.after_texts(1)
    return await fetch_all(
        tx,
        """SELECT code, document, updated_at FROM sla_contract WHERE operator_id = :operator_id AND code > :after
            ORDER BY code LIMIT :limit""",
        operator_id=operator_id,
        after=after[0] if after else "",
        limit=wanted.fetch,
    )

"""What `--check` proves before it measures: rows on disk, durable settings, validation that refuses, log levels.

Each proof is a sentence and whether it held; a bench that cannot prove its measurement has none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import psycopg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from rig.orders import Outcome
from rig.servers import Contestant

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
MILLIWH_PER_UPDATE = 100  # frames.py: the register goes up a tenth of a watt-hour per message

# Every reading of the run lies after its session's start, which has a row of its own.
_ROWS_VOLTWAY = """
select count(m.*), (select coalesce(sum(energy_milliwh), 0) from session join station using (station_id)
                     where identity like %(prefix)s)
  from meter_value m join session s using (session_id) join station t on t.station_id = s.station_id
 where t.identity like %(prefix)s and m.sampled_at > s.started_at
"""
# Four rows a message; the energy through the text, since the peer keeps floats.
_ROWS_PEER = """
select (select count(*) / 4.0 from meter_value m join charging_session s on s.id = m.session_id
         where s.station like %(prefix)s),
       (select coalesce(round(sum(1000 * (register_last_wh::numeric - register_begin_wh::numeric))), 0)
          from charging_session where station like %(prefix)s)
"""
_BAD_FRAMES = {
    "ocpp1.6": [2, "bad-1", "MeterValues", {"meterValue": []}],
    "ocpp2.0.1": [2, "bad-2", "TransactionEvent", {"eventType": "Updated", "seqNo": "one"}],
}


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that must hold, and whether it does."""

    claim: str
    holds: bool


def prove_server(contestant: Contestant) -> Iterator[Proof]:
    """Prove what does not depend on the load: settings, log level, validation."""
    if contestant.database_url:
        yield prove_settings(contestant)
    if contestant.log_level:
        level = contestant.log_level
        yield Proof(f"{contestant.name}: the library logs at {level}", level == "WARNING")
    if contestant.name != "voltway":  # ours is tolerant by design: it stores what it takes and answers
        yield from (prove_refusal(contestant, subprotocol) for subprotocol in _BAD_FRAMES)


def prove_settings(contestant: Contestant) -> Proof:
    """Prove that commits reach the disk, and that no role or database says otherwise."""
    with psycopg.connect(contestant.database_url) as connection:
        values = {name: _show(connection, name) for name in DURABLE}
        overrides = connection.execute("select setconfig from pg_db_role_setting").fetchall()
    overridden = [row for row in overrides if any(name in str(row) for name in DURABLE)]
    text = ", ".join(f"{name} {value}" for name, value in values.items())
    return Proof(f"{contestant.name}: {text}, overridden nowhere", set(values.values()) == {"on"} and not overridden)


def prove_refusal(contestant: Contestant, subprotocol: str) -> Proof:
    """Prove that a frame which breaks the schema is answered with a CALLERROR."""
    frame = orjson.dumps(_BAD_FRAMES[subprotocol]).decode()
    url = f"{contestant.url}/BAD-{subprotocol}"
    with connect(url, subprotocols=[Subprotocol(subprotocol)], proxy=None) as socket:
        socket.send(frame)
        answer = orjson.loads(socket.recv(timeout=10))
    error = answer[2] if answer[0] == 4 else "an answer"
    return Proof(f"{contestant.name}: a bad {subprotocol} frame is answered {error}", answer[0] == 4)


def prove_rows(contestant: Contestant, prefix: str, outcome: Outcome) -> Proof:
    """Prove that what was answered is stored exactly once, and that the sessions' energy is what was sent."""
    rows, energy_milliwh = count_rows(contestant, prefix)
    holds = rows == outcome.updates and energy_milliwh == outcome.updates * MILLIWH_PER_UPDATE
    sentence = f"{outcome.updates} messages answered, {rows} stored, sessions' energy {energy_milliwh / 1_000_000} kWh"
    return Proof(f"{contestant.name}: {sentence}, {outcome.unanswered} unanswered", holds and not outcome.unanswered)


def prove_replies(contestant: Contestant, outcome: Outcome) -> Proof:
    """Prove that nothing but answers came."""
    example = f" ({outcome.faults[0]})" if outcome.faults else ""
    return Proof(f"{contestant.name}: {len(outcome.faults)} unexpected frames{example}", not outcome.faults)


def count_rows(contestant: Contestant, prefix: str) -> tuple[int | float, int]:
    """Return the messages stored for stations with that prefix, and the energy of their sessions in milliwatt-hours."""
    query = _ROWS_VOLTWAY if contestant.name == "voltway" else _ROWS_PEER
    with psycopg.connect(contestant.database_url) as connection:
        row = connection.execute(query, {"prefix": f"{prefix}-%"}).fetchone()
    assert row is not None, "an aggregate has one row"
    return (int(row[0]) if row[0] == int(row[0]) else float(row[0])), int(row[1])


def settings_of(contestant: Contestant) -> dict[str, str]:
    """Return the database's version and the settings that decide what a commit costs."""
    names = ("server_version", *DURABLE, "shared_buffers", "max_wal_size", "wal_compression", "data_checksums")
    with psycopg.connect(contestant.database_url) as connection:
        return {name: _show(connection, name) for name in names}


def _show(connection: psycopg.Connection[tuple[object, ...]], name: str) -> str:
    row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    assert row is not None, "current_setting has one row"
    return str(row[0])

"""Starting the product for a bench, and counting in its database, without a gateway at hand."""

import os
import sys
from pathlib import Path

import psycopg
import pytest

from rig import proofs, servers
from rig.orders import Outcome
from rig.servers import Contestant, NotRunError

_COMMAND = """#!{python}
import json, os, pathlib, signal, sys
folder = pathlib.Path(os.environ["VOLTWAY_DATA_DIR"])
folder.mkdir(parents=True)
{body}
"""
_SERVES = """
words = [os.environ["VOLTWAY_UNKNOWN_STATIONS"], os.environ["VOLTWAY_UNKNOWN_TOKENS"], *sys.argv[1:]]
pids = {"gateway": os.getpid(), "postgres": 2, "api": 3, "nats": 4}
run = {"pids": pids, "ocpp_url": "-".join(words), "database_url": "d"}
(folder / "new").write_text(json.dumps(run))
(folder / "new").rename(folder / "run.json")
signal.pause()
"""


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    command = folder / "voltway"
    command.write_text(_COMMAND.format(python=sys.executable, body=body), encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setattr(servers, "_voltway_command", lambda: command)


def test_the_product_is_started_empty_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts every station and token; run.json says whose CPU time is whose; nothing is left running."""
    _install(tmp_path, monkeypatch, _SERVES)
    with servers.running_voltway() as contestant:
        gateway = contestant.server_pid
        assert Path(f"/proc/{gateway}").exists()
        assert contestant == Contestant("voltway", "accept-accept_unbilled-up", gateway, 2, (3, 4), "d")
    assert not Path(f"/proc/{gateway}").exists()


def test_a_product_that_does_not_start_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words are in the sentence."""
    _install(tmp_path, monkeypatch, 'sys.exit("the port is taken")')
    with pytest.raises(NotRunError, match="not ready: the port is taken"), servers.running_voltway():
        pass


def test_rows_of_the_product_are_counted_with_their_energy(database_url: str) -> None:
    """A reading counts when it belongs to a session of that prefix and lies after its start; the begin does not."""
    contestant = Contestant("voltway", "", os.getpid(), database_url=database_url)
    with psycopg.connect(database_url) as connection:
        for identity in ("BENCH-R1-00001", "BENCH-R2-00001"):
            _store_session(connection, identity)
    outcome = Outcome(updates=2)
    assert proofs.count_rows(contestant, "BENCH-R1") == (2, 200)
    assert proofs.prove_rows(contestant, "BENCH-R1", outcome).holds
    assert not proofs.prove_rows(contestant, "BENCH-R1", Outcome(updates=3)).holds
    assert not proofs.prove_rows(contestant, "BENCH-R1", Outcome(updates=2, unanswered=1)).holds


def _store_session(connection: psycopg.Connection[tuple[object, ...]], identity: str) -> None:
    """Store a session with a begin reading and two more, a tenth of a watt-hour apart."""
    row = connection.execute(
        "insert into station (operator_id, identity) values (1, %s) returning station_id", (identity,)
    ).fetchone()
    assert row is not None, "an insert returns its row"
    connection.execute(
        """insert into session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id, start_key,
             state, started_at, energy_milliwh, received_at, updated_at, detail)
           values (gen_random_uuid(), 1, %s, 1, 1, '1', 1, 'active', '2026-01-01', 200, now(), now(), '{}')""",
        row,
    )
    for second in (0, 1, 2):
        connection.execute(
            """insert into meter_value (station_id, evse_id, sampled_at, digest, operator_id, session_id, received_at,
                 context)
               select station_id, 1, timestamptz '2026-01-01' + %s * interval '1 second', %s, 1, session_id, now(), 0
                 from session where station_id = %s""",
            (second, second, *row),
        )

"""A reply means it is on disk: gateway and PostgreSQL are killed with -9 under load, and nothing is lost."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from tests.system.operating import api_of, enter_tariff, milliwh, simulate, tracebacks, wait_until
from tests.system.running import Running, environ_for, voltway_up

STATIONS = 40
DURATION_S = 34
BLOWS = ("gateway", "postgres", "gateway", "postgres", "both", "gateway")


def _children_of(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if folder.name.isdecimal() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(folder.name))
    return found


def _kill(running: Running, name: str) -> None:
    """Kill a server with all that belongs to it, as a power cut would; wait until it is started again."""
    pid = int(running.run["pids"][name])
    for victim in (pid, *_children_of(pid)):
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    running.wait_for_pid(name, other_than=pid)


def _strike(running: Running) -> None:
    for blow in BLOWS:
        time.sleep(4)  # load, not time, is what is waited for: sessions must be under way
        for name in ("postgres", "gateway") if blow == "both" else (blow,):
            _kill(running, name)


def test_every_answered_message_is_stored_once_whatever_is_killed(tmp_path: Path) -> None:
    """Sessions equal the truth to the milliwatt-hour, none twice, none missing, none odd, after six kills."""
    environ = environ_for(
        tmp_path / "state", VOLTWAY_UNKNOWN_STATIONS="accept", VOLTWAY_UNKNOWN_TOKENS="accept_unbilled"
    )
    load = ("--stations", str(STATIONS), "--duration", str(DURATION_S), "--seed", "7")
    with voltway_up(tmp_path / "state", environ=environ) as running:
        running.wait_ready()
        enter_tariff(api_of(running))
        with simulate(running, tmp_path, *load) as stations:
            _strike(running)
            summary = stations.summary(70)
            assert tracebacks(running, role="gateway") == []
            assert (summary["connected"], summary["unanswered"], summary["call_errors"]) == (STATIONS, 0, 0)
            assert stations.process.returncode == 0
        _compare(running, stations.truth())
        _look_for_duplicates(running, answered=summary["answered"])


def _compare(running: Running, truth: list[dict[str, object]]) -> None:
    api = api_of(running)
    assert len(truth) >= STATIONS, "the load was one"
    wait_until(lambda: all(it["state"] != "active" for it in api.every("/api/v1/sessions")))
    sessions = api.every("/api/v1/sessions")
    found = {(it["station_id"], it["transaction_id"]): milliwh(it["energy_kwh"]) for it in sessions}
    wanted = {(it["station"], it["transaction_id"]): it["energy_milliwh"] for it in truth}
    assert found == wanted
    assert len(sessions) == len(truth) == len(wanted)
    assert {it["state"] for it in sessions} == {"ended"}
    assert {found["code"] for it in sessions for found in it["anomalies"]} == {"token_unbilled"}, "as the policy says"


def _look_for_duplicates(running: Running, *, answered: int) -> None:
    """Readings are held against the raw log: a message that was sent again has the same content under another id."""
    with psycopg.connect(running.run["database_url"]) as connection:
        frames = connection.execute("select station_id, message_id, frame from ocpp_message where not outgoing")
        logged = [(station, message_id, json.loads(bytes(frame))[2:]) for station, message_id, frame in frames]
        stored = connection.execute("select count(*) from meter_value").fetchone()
    assert len(logged) >= answered, "every answered message is in the log"
    assert len({(station, message_id) for station, message_id, _ in logged}) == len(logged), "and once"
    told = {(station, json.dumps(content)): _readings_in(*content) for station, _, content in logged}
    assert stored == (sum(told.values()),), "every reading is stored, and once however often it was told"


def _readings_in(action: str, payload: dict[str, list[object]]) -> int:
    if action not in {"MeterValues", "TransactionEvent", "StopTransaction"}:
        return 0
    return len(payload.get("meterValue") or payload.get("transactionData") or ())

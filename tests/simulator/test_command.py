"""`voltway simulate`: what is typed is checked, what is printed is the contract's, exit codes say how it went."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voltway.cli import app
from voltway.simulator.command import SimulateArguments, options_of, raise_file_limit, told
from voltway.simulator.registers import RegisterBook, register_at, write_registers
from voltway.simulator.report import Tally, Truth, percentile, report_of
from voltway.simulator.specs import Version, numbered_stations

KEYS = [
    "stations",
    "connected",
    "sent",
    "answered",
    "call_errors",
    "unanswered",
    "sessions",
    "energy_milliwh",
    "reply_ms",
    "behaviours",
]


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["--url", "http://127.0.0.1/ocpp"],
        ["--url", "ws://"],
        ["--url", "ws://127.0.0.1:1/ocpp", "--ocpp", "2.2"],
        ["--url", "ws://127.0.0.1:1/ocpp", "--stations", "0"],
        ["--url", "ws://127.0.0.1:1/ocpp", "--duration", "0"],
        ["--url", "ws://127.0.0.1:1/ocpp", "--misbehave=row99"],
        ["--url", "ws://127.0.0.1:1/ocpp", "--password-file", "/no/such/file"],
        ["--url", "ws://127.0.0.1:1/ocpp", "--truth", "/no/such/folder/truth"],
    ],
)
def test_wrong_usage_is_refused(typed: list[str]) -> None:
    """Each wrong option is one sentence on stderr and exit code 2, nothing on stdout."""
    result = CliRunner().invoke(app, ["simulate", *typed])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("voltway simulate: ")
    assert result.stderr.count("\n") == 1


def test_a_server_that_is_not_there_is_a_no() -> None:
    """Stations that never boot make exit code 1; the summary is one JSON document with the contract's keys."""
    result = CliRunner().invoke(
        app, ["simulate", "--url", "ws://127.0.0.1:9/ocpp", "--stations", "2", "--duration", "0.3", "--json"]
    )
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert list(summary) == KEYS
    assert (summary["stations"], summary["connected"], summary["sent"]) == (2, 0, 0)
    assert result.stderr == ""


def test_the_list_of_behaviours() -> None:
    """`--list-behaviours` names all twenty rows and more."""
    result = CliRunner().invoke(app, ["simulate", "--list-behaviours"])
    assert result.exit_code == 0
    assert {f"row{number:02d}" for number in range(1, 21)} <= {line.split()[0] for line in result.stdout.splitlines()}


def test_a_bare_misbehave_is_the_checklist() -> None:
    """`--misbehave` needs no value, and none means all rows."""
    result = CliRunner().invoke(
        app, ["simulate", "--misbehave", "--url", "ws://127.0.0.1:9/ocpp", "--stations", "1", "--duration", "0.1"]
    )
    assert result.exit_code == 1, "the server is not there, but the usage is right"
    assert "0 of 1 stations booted" in result.stderr
    options = options_of(SimulateArguments("ws://127.0.0.1:9/ocpp", misbehave="rows"))
    assert len(options.misbehave) == 20


def test_the_city_brings_its_own_stations() -> None:
    """`--city` runs the demo's 200 stations at the demo's pace with the demo's drivers."""
    options = options_of(SimulateArguments("ws://127.0.0.1:9/ocpp", city=True))
    assert options.specs is not None
    assert len(options.specs) == 200
    assert options.tokens is not None
    assert len(options.tokens) == 500
    assert options.pace == "city"


def test_tokens_come_from_the_file_where_there_is_one(tmp_path: Path) -> None:
    """One token per line, blank lines do not count; a file without any is refused."""
    file = tmp_path / "tokens"
    file.write_text("A\n\n B \n")
    assert options_of(SimulateArguments("ws://127.0.0.1:9/ocpp", city=True, tokens_file=file)).tokens == ("A", "B")
    file.write_text("\n")
    with pytest.raises(ValueError, match="holds no token"):
        options_of(SimulateArguments("ws://127.0.0.1:9/ocpp", tokens_file=file))


def test_stations_are_numbered_and_mixed() -> None:
    """Odd numbers speak 1.6, even ones 2.0.1; a version alone holds for all."""
    mixed = numbered_stations(4, "mixed", "SIM")
    assert [spec.identity for spec in mixed] == ["SIM-00001", "SIM-00002", "SIM-00003", "SIM-00004"]
    assert [spec.version for spec in mixed] == [Version.V16, Version.V201] * 2
    assert {spec.version for spec in numbered_stations(3, "2.0.1", "X")} == {Version.V201}


def test_meters_never_fall_between_runs(tmp_path: Path) -> None:
    """Without a file a later run begins higher; with one it goes on where the last ended, broken files are ignored."""
    spec = numbered_stations(1, "1.6", "SIM")[0]
    first = datetime(2026, 5, 1, tzinfo=UTC)
    hour_later = register_at(spec, spec.evses[0], first + timedelta(hours=1))
    assert hour_later - register_at(spec, spec.evses[0], first) == spec.evses[0].power_w * 1000
    file = tmp_path / "meters.json"
    assert RegisterBook(file, first).of_station(spec)[1] == register_at(spec, spec.evses[0], first)
    write_registers(file, {"SIM-00001/1": 42_000})
    assert RegisterBook(file, first).of_station(spec)[1] == 42_000
    file.write_text("{ broken")
    assert RegisterBook(file, first).of_station(spec)[1] == register_at(spec, spec.evses[0], first)


def test_summary_counts_what_was_never_answered() -> None:
    """Unanswered are sent messages without an answer and those that never left; either makes the answer a no."""
    tally = Tally(sent=10, answered=9, booted={"A"})
    report = report_of(tally, stations=1, unsent=2)
    assert report.unanswered == 3
    assert not report.ok
    assert report_of(Tally(sent=1, answered=1, booted={"A"}), stations=1, unsent=0).ok
    assert "1 of 1" in told(report_of(Tally(booted={"A"}, turned_away=3), stations=1, unsent=0))
    assert percentile([], 0.5) == 0.0
    assert percentile([1.0, 2.0, 3.0, 100.0], 0.99) == 100.0


def test_a_truth_line_is_the_contracts() -> None:
    """The truth line has the contract's keys in order."""
    truth = Truth(
        "S", 1, "T", "5", "2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z", 1000, 3000, 2000, 0, ("row06",)
    )
    assert json.loads(truth.line()) == {
        "station": "S",
        "evse": 1,
        "token": "T",
        "transaction_id": "5",
        "started_at": "2026-01-01T00:00:00.000Z",
        "ended_at": "2026-01-01T00:01:00.000Z",
        "register_begin_milliwh": 1000,
        "register_end_milliwh": 3000,
        "energy_milliwh": 2000,
        "idle_ms": 0,
        "behaviours": ["row06"],
    }


def test_the_file_limit_is_raised_at_most_to_what_is_allowed() -> None:
    """Raising the limit twice is harmless."""
    raise_file_limit()
    raise_file_limit()

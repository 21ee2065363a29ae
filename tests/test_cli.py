"""The command line starts quickly, reads the settings once, and keeps its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voltway.cli import app

HEAVY = {
    "fastapi",
    "sqlalchemy",
    "pydantic",
    "psycopg",
    "nats",
    "rich",
    "orjson",
    "jsonschema_rs",
    "asyncio",
    "ocpp",
    "uvloop",
}


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.setenv("VOLTWAY_DATA_DIR", str(tmp_path))
    return CliRunner()


def test_help_imports_nothing_heavy() -> None:
    """`voltway --help` answers in under 150 ms because what a command needs is imported when it runs."""
    code = (
        "import sys; from voltway.cli import main; sys.argv = ['voltway', '--help']\n"
        "try: main()\nexcept SystemExit: print('|'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    assert HEAVY & set(done.stderr.strip().split("|")) == set()


def test_help_lists_every_command(runner: CliRunner) -> None:
    lines = runner.invoke(app, ["--help"]).stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == [
        "up",
        "doctor",
        "simulate",
        "import",
        "price",
        "report",
        "config",
        "tariff",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["cars", "x.csv"], 2, "cars cannot be imported"),
        (["tokens", "nowhere.csv"], 2, "cannot be read"),
        (["tokens", "-"], 3, "voltway up"),
    ],
)
def test_import_passes_its_exit_code_on(runner: CliRunner, arguments: list[str], code: int, says: str) -> None:
    """The command is thin: tests/test_imports.py has what it does."""
    done = runner.invoke(app, ["import", *arguments, "--dry-run", "--json"], input="token\nAA\n")
    assert (done.exit_code, done.stdout) == (code, "")
    assert says in done.stderr


def test_config_show_hides_secrets(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTWAY_ADMIN_TOKEN", "a-token-of-mine-1")
    shown = json.loads(runner.invoke(app, ["config", "show", "--json"]).stdout)
    assert (shown["admin_token"], shown["ocpp_port"]) == ("***", "9000")
    assert "admin_token = a-token-of-mine-1" in runner.invoke(app, ["config", "show", "--secrets"]).stdout


def test_config_check(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runner.invoke(app, ["config", "check"]).exit_code == 0
    monkeypatch.setenv("VOLTWAY_HTTP_PORT", "x")
    refused = runner.invoke(app, ["config", "check"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("VOLTWAY_HTTP_PORT: ")


def test_config_docs_writes_the_page(runner: CliRunner) -> None:
    assert runner.invoke(app, ["config", "docs"]).stdout.startswith("# Settings\n")


def test_doctor_answers_in_both_forms(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTWAY_HTTP_PORT", "0")
    monkeypatch.setenv("VOLTWAY_OCPP_PORT", "0")
    well = runner.invoke(app, ["doctor", "--json"])
    assert (well.exit_code, json.loads(well.stdout)["ok"]) == (0, True)
    monkeypatch.setenv("VOLTWAY_NATS_URL", "nats://127.0.0.1:1")
    unwell = runner.invoke(app, ["doctor"])
    assert unwell.exit_code == 1
    assert "WRONG broker" in unwell.stdout


def test_an_unknown_role_is_refused(runner: CliRunner) -> None:
    refused = runner.invoke(app, ["up", "--role", "kitchen"])
    assert refused.exit_code == 2
    assert "VOLTWAY_ROLES" in refused.stderr

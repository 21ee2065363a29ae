"""`voltway report`: where the file goes, what is said, and the exit codes of contracts.md."""

from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest
from tests.monitoring.reports.network_of_reports import add_network

from voltway.kernel.errors import NotReady
from voltway.monitoring.reports.command import ReportArguments, run_report

MARCH = {"kind": "monthly", "month": "2026-03"}


def _run(database_url: str, *, as_json: bool = False, **arguments: Any) -> int:
    return run_report(ReportArguments(**{**MARCH, **arguments}), lambda: database_url, as_json=as_json)


def test_a_file_is_written_whole_and_its_place_is_said(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder gets the report's own name; nothing but the file is left there, and an older one is replaced."""
    add_network(database_url)
    (tmp_path / "voltway-monthly-2026-03.pdf").write_text("old")
    assert _run(database_url, out=str(tmp_path)) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["voltway-monthly-2026-03.pdf"]
    assert (tmp_path / "voltway-monthly-2026-03.pdf").read_bytes().startswith(b"%PDF")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith(f"written: {tmp_path / 'voltway-monthly-2026-03.pdf'}\n")


def test_a_hyphen_is_stdout_and_nothing_else_is_there(
    database_url: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert _run(database_url, kind="uk", format="csv", out="-", table="network") == 0
    assert capsysbinary.readouterr().out.startswith(b"charge_points,reliable,")


def test_json_is_one_document_on_stdout(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(database_url, as_json=True) == 0
    assert orjson.loads(capsys.readouterr().out)["kind"] == "monthly"


def test_json_with_a_file_says_where_it_is(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "march.xlsx"
    assert _run(database_url, as_json=True, format="xlsx", out=str(file)) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["file"], told["bytes"]) == (str(file), file.stat().st_size)


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({"kind": "weekly", "month": "soon"}, ["report: write one of monthly, nevi, uk", "--month: write YYYY-MM"]),
        ({"year": 2026}, ["--year: only the uk report", "--month: name a month or a year"]),
        ({"format": "doc"}, ["--format: write one of csv, xlsx, pdf, json"]),
        ({"location": "NOWHERE"}, ["there is no location NOWHERE"]),
        ({"format": "csv", "table": "none"}, ["--table: write one of key_figures"]),
        ({"out": "/nowhere/report.pdf"}, ["/nowhere/report.pdf cannot be written: No such file"]),
    ],
)
def test_bad_input_ends_with_2_and_a_line_per_fault(
    database_url: str, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], lines: list[str]
) -> None:
    assert _run(database_url, **arguments) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("reading")]
    assert len(said) == len(lines)
    assert all(line.startswith(begin) for line, begin in zip(said, lines, strict=True))


def test_without_a_database_it_is_not_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """Both where none is configured and where the one that is does not answer."""

    def none() -> NoReturn:
        raise NotReady("start `voltway up` first")

    assert run_report(ReportArguments("uk"), none) == 3
    assert run_report(ReportArguments("uk"), lambda: "postgresql://voltway@127.0.0.1:1/none") == 3
    assert "start `voltway up` first" in capsys.readouterr().err

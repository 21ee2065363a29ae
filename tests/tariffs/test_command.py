"""`voltway price`, `tariff lint` and `tariff show` as a person or program runs them: files, stdin, exit codes."""

import io
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from voltway.cli import app
from voltway.tariffs.command import ShowArguments, run_show

NIGHT: dict[str, Any] = {
    "country_code": "DE",
    "party_id": "ALL",
    "id": "22",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.29, "vat": 19, "step_size": 1}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"},
        },
        {
            "price_components": [
                {"type": "ENERGY", "price": 0.49, "vat": 19, "step_size": 1},
                {"type": "PARKING_TIME", "price": 6, "vat": 19, "step_size": 60},
            ]
        },
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}
CDR: dict[str, Any] = {
    "country_code": "DE",
    "party_id": "ALL",
    "id": "C1",
    "start_date_time": "2026-03-02T20:00:00Z",
    "end_date_time": "2026-03-02T22:10:30Z",
    "currency": "EUR",
    "cdr_location": {"time_zone": "Europe/Berlin"},
    "tariffs": [NIGHT],
    "charging_periods": [
        {
            "start_date_time": "2026-03-02T20:00:00Z",
            "dimensions": [{"type": "ENERGY", "volume": 11}, {"type": "TIME", "volume": 1}],
        },
        {
            "start_date_time": "2026-03-02T21:00:00Z",
            "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 1}],
        },
        {"start_date_time": "2026-03-02T22:00:00Z", "dimensions": [{"type": "PARKING_TIME", "volume": 0.175}]},
    ],
    "total_cost": {"excl_vat": 9.39, "incl_vat": 11.1741},
    "total_energy": 21,
    "total_time": 2.175,
}

Write = Callable[[object], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a document (or a text as it is) into a file and return its path."""
    count = 0

    def written(document: object) -> str:
        nonlocal count
        count += 1
        path = tmp_path / f"{count}.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return str(path)

    return written


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def test_price_answers_with_the_document_of_the_contract(write: Write) -> None:
    """Every key of contracts.md, amounts as decimal texts, each line adding up to the total."""
    done = run("price", "--cdr", write(CDR), "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert list(document) == [
        "currency", "ocpi_version", "total_cost", "total_energy_cost", "total_time_cost", "total_parking_cost",
        "total_fixed_cost", "total_reservation_cost", "total_energy", "total_time", "total_parking_time",
        "adjustments", "periods", "warnings",
    ]  # fmt: skip
    # 11 kWh before 22:00 at 0.49, 10 after it at 0.29, 10.5 minutes parked, billed as 11.
    assert document["total_cost"] == {"excl_vat": "9.39", "incl_vat": "11.1741"}
    assert (document["total_time"], document["total_parking_time"]) == ("2.175", "0.175")
    lines = [line for period in document["periods"] for line in period["lines"]]
    assert sum(Decimal(line["excl_vat"]) for line in lines) == Decimal("9.39")
    assert [line["element"] for line in lines] == [1, None, 0, None, 1]
    assert lines[1] | {"tariff_id": "22"} == {
        "dimension": "TIME", "quantity": "1", "billed_quantity": "1", "unit": "h", "tariff_id": "22", "element": None,
        "price": "0", "vat": None, "step_size": 0, "excl_vat": "0", "incl_vat": "0",
    }  # fmt: skip
    assert document["warnings"] == []


def test_price_shows_people_a_table(write: Write) -> None:
    """One line per period and dimension, then the totals, times as the place's clock showed them."""
    done = run("price", "--cdr", write(CDR | {"total_cost": {"excl_vat": 8}}))
    lines = done.stdout.splitlines()
    assert lines[0] == "OCPI 2.2.1, EUR, times in Europe/Berlin"
    assert lines[3].split() == [
        "2026-03-02", "21:00:00", "2026-03-02", "22:00:00",
        "ENERGY", "11", "11", "kWh", "0.49", "19", "1", "5.3900", "6.4141",
    ]  # fmt: skip
    assert "total EUR" in done.stdout
    assert "The CDR says 8, its periods and tariff give 9.39" in done.stdout


def test_a_tariff_replaces_the_cdr_s_own(write: Write) -> None:
    """One Tariff, an array, or one with our extension beside it; the CDR's own is then not even read."""
    broken = CDR | {"tariffs": [{"id": 5}]}
    plain = run("price", "--cdr", write(broken), "--tariff", write(NIGHT), "--json")
    listed = run("price", "--cdr", write(broken), "--tariff", write([NIGHT]), "--json")
    graced = {"document": NIGHT, "extension": {"idle": {"grace_s": 600}}}
    free = run("price", "--cdr", write(broken), "--tariff", write(graced), "--json")
    assert json.loads(plain.stdout)["total_cost"] == json.loads(listed.stdout)["total_cost"]
    assert json.loads(plain.stdout)["total_parking_cost"]["excl_vat"] == "1.1"
    assert json.loads(free.stdout)["total_parking_cost"]["excl_vat"] == "0.1"


def test_a_bill_of_our_own_api_is_priced_as_it_comes(write: Write) -> None:
    """`GET /api/v1/cdrs/{id}` has the CDR as `document`; faults point into it there."""
    answered = {"id": "C1", "excl_vat": "9.39", "document": CDR}
    done = run("price", "--cdr", write(answered), "--json")
    assert json.loads(done.stdout)["total_cost"]["excl_vat"] == "9.39"
    odd = write(answered | {"document": CDR | {"charging_periods": []}})
    assert run("price", "--cdr", odd).stderr.startswith(f"{odd}#/document/charging_periods: ")
    mixed = write(answered | {"document": CDR | {"currency": "CHF"}})
    assert run("price", "--cdr", mixed).stderr.startswith(f"{mixed}#/document/currency: ")


def test_stdin_is_a_file(write: Write) -> None:
    """`-` reads stdin; it can be read once."""
    done = run("price", "--cdr", "-", "--tariff", write(NIGHT), "--json", text=json.dumps(CDR))
    assert json.loads(done.stdout)["total_cost"]["excl_vat"] == "9.39"
    twice = run("price", "--cdr", "-", "--tariff", "-", text=json.dumps(CDR))
    assert (twice.exit_code, twice.stderr) == (2, "-#: stdin can be read once; name a file for one of them\n")


def test_every_fault_of_both_files_is_told_at_once(write: Write) -> None:
    """`FILE#POINTER: message`, a line each, exit 2, nothing on stdout and never a traceback."""
    cdr = write({key: item for key, item in CDR.items() if key != "end_date_time"} | {"currency": "euro"})
    tariff = write(NIGHT | {"elements": [{"price_components": [{"type": "ENERGY", "price": "0.3"}]}]})
    done = run("price", "--cdr", cdr, "--tariff", tariff, "--time-zone", "Mars/Olympus", "--ocpi", "9", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "--ocpi: 9 is none of 2.1.1, 2.2.1, 2.3.0",
        "--time-zone: there is no time zone Mars/Olympus; write an IANA name such as Europe/Berlin",
        f"{cdr}#/end_date_time: end_date_time is missing",
        f"{cdr}#/currency: currency must be an ISO 4217 code such as EUR",
        f"{tariff}#/elements/0/price_components/0/price: price must be a JSON number without quotes",
        f"{tariff}#/elements/0/price_components/0/step_size: step_size is missing",
    ]


def test_a_fault_inside_our_wrapper_points_into_the_file(write: Write) -> None:
    """The document under /document, the extension under /extension, an array by its index."""
    wrapped = {"document": NIGHT | {"currency": 1}, "extension": {"idle": {"grace_s": -1}}}
    tariff = write([NIGHT, wrapped])
    done = run("price", "--cdr", write(CDR), "--tariff", tariff)
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        f"{tariff}#/1/document/currency",
        f"{tariff}#/1/extension/idle/grace_s",
    ]
    empty = write([])
    assert run("price", "--cdr", write(CDR), "--tariff", empty).stderr == f"{empty}#: the array holds no tariff\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "this is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", "this is not UTF-8 (byte 0)"),
    ],
)
@pytest.mark.parametrize("command", [("price", "--cdr"), ("tariff", "lint"), ("tariff", "show")])
def test_what_is_no_json_is_refused(
    tmp_path: Path, content: str | bytes | None, says: str, command: tuple[str, ...]
) -> None:
    """One line with the file's name, exit 2."""
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run(*command, str(path))
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"{path}#: {says}\n")


def test_two_files_that_cannot_be_read_are_both_named(write: Write) -> None:
    """All faults at once, also before anything is parsed."""
    done = run("price", "--cdr", write("{"), "--tariff", write("]"))
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 2)


def test_a_tariff_with_local_times_needs_a_place(write: Write) -> None:
    """No zone anywhere and a window: exit 2, never a guess; without local times UTC will do."""
    cdr = write({key: item for key, item in CDR.items() if key != "cdr_location"})
    done = run("price", "--cdr", cdr)
    assert (done.exit_code, "give --time-zone" in done.stderr, done.stderr.startswith(f"{cdr}#/time_zone")) == (
        2,
        True,
        True,
    )
    whole_day = write(NIGHT | {"elements": NIGHT["elements"][1:]})
    assert run("price", "--cdr", cdr, "--tariff", whole_day).exit_code == 0
    assert run("price", "--cdr", cdr, "--time-zone", "Europe/Lisbon").exit_code == 0


def test_lint_tells_its_findings_and_says_no(write: Write) -> None:
    """Exit 0 without an error, 1 with one, 2 for what is no tariff; findings sorted by path and code."""
    good = run("tariff", "lint", write(NIGHT), "--json")
    report = json.loads(good.stdout)
    assert (good.exit_code, report["tariff_id"], report["ok"]) == (0, "22", True)
    assert all(set(finding) == {"code", "severity", "path", "message", "fix"} for finding in report["findings"])
    bad = NIGHT | {"elements": [{"price_components": [], "restrictions": {"start_time": "24:00"}}]}
    told = run("tariff", "lint", write(bad), "--json")
    found = json.loads(told.stdout)["findings"]
    assert told.exit_code == 1
    assert found == sorted(found, key=lambda finding: (finding["path"], finding["code"]))
    assert {"bad_value", "time_24_00"} <= {finding["code"] for finding in found}
    none = write({"currency": "EUR"})
    refused = run("tariff", "lint", none, "--json")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"{none}#: this is not a tariff")


def test_lint_takes_rules_zone_and_our_wrapper(write: Write) -> None:
    """`--rules` with commas; paths point into the file, also where the document lies in a wrapper."""
    file = write({"document": NIGHT, "extension": {"price_lock": True}})
    free = json.loads(run("tariff", "lint", file, "--rules", "ocpi, nevi", "--json").stdout)
    assert "price_not_locked" not in {finding["code"] for finding in free["findings"]}
    codes = {finding["code"]: finding["path"] for finding in free["findings"]}
    assert codes["step_size_unit"] == "/document/elements/1/price_components/1/step_size"
    assert codes["round_trip"] == "/extension/price_lock"
    locked = run("tariff", "lint", write(NIGHT), "--rules", "nevi", "--json")
    assert locked.exit_code == 1
    assert "price_not_locked" in locked.stdout
    odd = run("tariff", "lint", file, "--rules", "ocpi,mars", "--time-zone", "X", "--ocpi", "3.0")
    assert (odd.exit_code, [line.partition(":")[0] for line in odd.stderr.splitlines()]) == (
        2,
        ["--ocpi", "--time-zone", "--rules"],
    )
    assert "22" in run("tariff", "lint", file).stdout


def test_show_draws_the_week(write: Write) -> None:
    """The price at each hour, in the language asked for; JSON for programs."""
    file = write(NIGHT)
    done = run("tariff", "show", file, "--time-zone", "Europe/Berlin", "--week", "2026-03-25", "--language", "de")
    assert done.exit_code == 0
    assert "Europe/Berlin" in done.stdout
    assert "0.29" not in done.stdout  # a driver is shown the gross price, in German with a comma
    assert "0,3451" in done.stdout
    week = json.loads(run("tariff", "show", file, "--week", "2026-03-25", "--power-kw", "22", "--json").stdout)
    assert "2026-03-23" in json.dumps(week)


def test_show_says_whose_times_it_shows(write: Write) -> None:
    """Without a zone the tariff's times are taken as UTC, and that is said on stderr; where none matter it is quiet."""
    file = write(NIGHT)
    assert "taken as UTC" in run("tariff", "show", file).stderr
    assert run("tariff", "show", write(NIGHT | {"elements": NIGHT["elements"][1:]})).stderr == ""


def test_show_begins_where_the_tariff_does(write: Write) -> None:
    """A tariff of next year is shown in its first week."""
    later = write(NIGHT | {"start_date_time": "2099-06-01T00:00:00Z"})
    assert "2099-06-01" in run("tariff", "show", later, "--json").stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--language", "la"], "--language: la is none of en, de, fr, es, nl"),
        (["--week", "someday"], "--week: someday is no date YYYY-MM-DD"),
        (
            ["--time-zone", "../etc"],
            "--time-zone: there is no time zone ../etc; write an IANA name such as Europe/Berlin",
        ),
        (["--ocpi", "1"], "--ocpi: 1 is none of 2.1.1, 2.2.1, 2.3.0"),
    ],
)
def test_show_refuses_what_it_does_not_know(write: Write, options: list[str], says: str) -> None:
    done = run("tariff", "show", write(NIGHT), *options)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, says)


def test_show_refuses_a_broken_tariff(write: Write) -> None:
    """The same faults as everywhere, with the file's name."""
    file = write({"document": NIGHT | {"currency": 5}, "extension": {"price_lock": "yes"}})
    done = run("tariff", "show", file)
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        f"{file}#/document/currency",
        f"{file}#/extension/price_lock",
    ]


def test_show_colours_a_terminal_only(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANSI shades where stdout is a terminal and NO_COLOR is not set."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    arguments = ShowArguments(write(NIGHT), time_zone="Europe/Berlin")
    shown = []
    for no_colour in (False, True):
        monkeypatch.setattr(sys, "stdout", terminal := Terminal())
        monkeypatch.delenv("NO_COLOR", raising=False)
        if no_colour:
            monkeypatch.setenv("NO_COLOR", "1")
        assert run_show(arguments, as_json=False) == 0
        shown.append("\x1b[" in terminal.getvalue())
    assert shown == [True, False]

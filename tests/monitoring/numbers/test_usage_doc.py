"""Every worked example of docs/algorithms/usage.md is true, and its tables say what the code does."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from voltway.kernel.clock import parse_rfc3339
from voltway.kernel.energy import kwh_of
from voltway.monitoring.numbers import rollup_sql
from voltway.monitoring.numbers.demand import DAYS, busy_periods, sentence
from voltway.monitoring.numbers.kpis import kpis_of
from voltway.monitoring.numbers.rollup import QUARTER, Charge, split
from voltway.monitoring.timeline.model import OCCUPIED, OperatorState

PAGE = (Path(__file__).parents[3] / "docs" / "algorithms" / "usage.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [orjson.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def _of(kind: str) -> pytest.MarkDecorator:
    examples = [example for example in EXAMPLES if example["kind"] == kind]
    assert examples, "the page has such examples"
    return pytest.mark.parametrize("example", examples, ids=range(len(examples)))


@_of("quarters")
def test_a_worked_session(example: Mapping[str, Any]) -> None:
    """Its quarters as printed."""
    begin, end = parse_rfc3339(example["begin"]), parse_rfc3339(example["end"])
    registers = [(parse_rfc3339(at), kwh * 1_000_000) for at, kwh in example["registers"]]
    parts = split(Charge(begin, end, example["energy_kwh"] * 1_000_000, registers, example["register_kwh"] * 1_000_000))
    first = begin.replace(minute=begin.minute // 15 * 15)
    printed = example["quarters_kwh"]
    assert [str(kwh_of(parts.get(first + QUARTER * number, 0))) for number in range(len(printed))] == printed
    assert sum(parts.values()) == example["energy_kwh"] * 1_000_000


@_of("kpis")
def test_worked_key_figures(example: Mapping[str, Any]) -> None:
    """Each rate and mean as printed."""
    sums = {**dict.fromkeys(rollup_sql.SUMS, 0), "peak_w": 0, **example["sums"]}
    found = kpis_of(sums, {}, power_w=example["power_w"], span_s=example["span_s"])
    names = set(example) - {"kind", "sums", "power_w", "span_s"}
    assert {name: getattr(found, name) for name in names} == {name: example[name] for name in names}


@_of("demand")
def test_a_worked_week(example: Mapping[str, Any]) -> None:
    """Its periods in words."""
    shares = example["shares"]
    week = [[shares.get(day, {}).get(str(hour), 0.0) for hour in range(24)] for day in DAYS]
    assert [sentence(example["location"], it) for it in busy_periods(week)] == example["sentences"]


def test_the_table_of_states_is_what_the_code_does() -> None:
    """Each operator state stands in a row, and occupied means a car stands there."""
    rows = dict(re.findall(r"^\| `(\w+)_s` \| ([\w, ]+?)(?: \(.*?)? \|$", PAGE, re.MULTILINE))
    states = {name: set(text.split(", ")) for name, text in rows.items()}
    assert states.pop("occupied") == set(OCCUPIED) == set(rollup_sql.OCCUPIED)
    assert set(states) == set(rollup_sql.STATES)
    assert all(held == {name} for name, held in states.items())
    assert set(OCCUPIED).union(*states.values()) == set(OperatorState)


def test_the_page_names_the_reasons_and_bounds_of_the_code() -> None:
    """Nobody must read SQL to know what a failed session is."""
    assert all(f"`{reason}`" in PAGE for reason in rollup_sql.FAULT_REASONS)
    assert f"{kwh_of(rollup_sql.LEAST_MILLIWH)} kWh" in PAGE
    assert f"{rollup_sql.VISIT.seconds // 60} minutes" in PAGE

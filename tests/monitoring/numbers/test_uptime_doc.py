"""Every worked example of docs/algorithms/uptime.md is true, and its tables say what the code does."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.monitoring.numbers.pasts import written_past

from voltway.kernel.clock import parse_rfc3339
from voltway.monitoring.numbers.exclusions import NEVI_CAUSES
from voltway.monitoring.numbers.sla import Weighting, parse_contract
from voltway.monitoring.numbers.sla_law import sla_result
from voltway.monitoring.numbers.uptime_calendar import Month, year_span
from voltway.monitoring.numbers.uptime_documents import nevi_document, sla_document, uk_document
from voltway.monitoring.numbers.uptime_model import DOWN_STATES
from voltway.monitoring.numbers.uptime_nevi import nevi_port
from voltway.monitoring.numbers.uptime_service import UK
from voltway.monitoring.numbers.uptime_spans import span_of
from voltway.monitoring.numbers.uptime_uk import OCPI_STATUS, RELIABLE, UNRELIABLE, uk_network
from voltway.monitoring.timeline.model import OperatorState

PAGE = (Path(__file__).parents[3] / "docs" / "algorithms" / "uptime.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [orjson.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
ROWS = re.findall(
    r"^\| ([\w, ]+?) \| (up|outage) \| (\w+) \| (reliable|not reliable|ineligible) \|", PAGE, re.MULTILINE
)


def _of(law: str) -> pytest.MarkDecorator:
    examples = [example for example in EXAMPLES if example["law"] == law]
    return pytest.mark.parametrize("example", examples, ids=range(len(examples)))


def _expect(example: Mapping[str, Any], found: Mapping[str, Any], *names: str) -> None:
    assert {name: found[name] for name in names if name in example} == {
        name: example[name] for name in names if name in example
    }


@_of("nevi")
def test_a_worked_port_by_nevi(example: Mapping[str, Any]) -> None:
    """Minutes and both percentages as printed."""
    written = nevi_document([nevi_port(written_past(example), Month.parse(example["month"]))])
    _expect(
        example, written.items[0].model_dump(), "minutes", "outage_minutes", "excluded_minutes", "uptime_percent",
        "uptime_in_service_percent", "is_met",
    )  # fmt: skip


@_of("uk")
def test_a_worked_network_of_the_uk(example: Mapping[str, Any]) -> None:
    """The figure, and the two other readings."""
    year = example.get("year")
    period = year_span(year, UK) if year else span_of(parse_rfc3339(example["from"]), parse_rfc3339(example["to"]))
    network = uk_network([written_past(port) for port in example["ports"]], period)
    written = uk_document(network).model_dump()
    assert written["ports"] == example["ports_measured"]
    _expect(example, written, "uptime_percent", "ineligible_reliable_percent", "mean_percent", "is_met")


@_of("sla")
def test_a_worked_contract(example: Mapping[str, Any]) -> None:
    """The contract's figure, and the minutes of its only port."""
    contract = parse_contract("EXAMPLE", example["contract"])
    result = sla_result([written_past(port) for port in example["ports"]], contract, Month.parse(example["month"]))
    written = sla_document(result)
    _expect(example, written.model_dump(), "uptime_percent", "is_met")
    _expect(example, written.items[0].model_dump(), "minutes", "outage_minutes", "excluded_minutes")


def test_the_page_has_its_examples() -> None:
    """The blocks are found at all."""
    assert [[one["law"] for one in EXAMPLES].count(law) for law in ("nevi", "uk", "sla")] == [4, 2, 4]


def test_the_table_of_states_is_what_the_code_does() -> None:
    """Each operator state stands in one row, with what it counts as."""
    seen = {}
    for states, nevi, status, kind in ROWS:
        for name in states.split(", "):
            seen[OperatorState(name)] = (nevi == "outage", status, kind)
    assert set(seen) == set(OperatorState)
    for state, (is_outage, status, kind) in seen.items():
        assert is_outage == (state in DOWN_STATES)
        assert status == OCPI_STATUS[state].value
        assert (kind == "reliable", kind == "not reliable") == (
            OCPI_STATUS[state] in RELIABLE,
            OCPI_STATUS[state] in UNRELIABLE,
        )


def test_the_page_names_every_cause_and_weighting() -> None:
    """Nobody must read code to write an exclusion or a contract."""
    for name in (*NEVI_CAUSES, *Weighting):
        assert f"`{name}`" in PAGE

"""Every worked example of docs/algorithms/price.md is true."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.tariffs.building import stays

from voltway.kernel.money import decimal_text
from voltway.tariffs.engine import price
from voltway.tariffs.model import PeriodKind
from voltway.tariffs.ocpi import loads, parse_cdr, parse_tariff
from voltway.tariffs.reprice import reprice
from voltway.tariffs.segments import cut_periods

PAGE = (Path(__file__).parents[2] / "docs" / "algorithms" / "price.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


SESSIONS = [example for example in EXAMPLES if "tariff" in example]
CDRS = [example for example in EXAMPLES if "cdr" in example]


@pytest.mark.parametrize("example", SESSIONS, ids=range(len(SESSIONS)))
def test_a_worked_example_of_the_page(example: Mapping[str, Any]) -> None:
    """Tariff, session and total as printed."""
    of = parse_tariff(example["tariff"], extension=example.get("extension"))
    parts = [(float(minutes), str(kwh), PeriodKind(kind)) for minutes, kwh, kind in example["parts"]]
    zone, is_expired = example.get("time_zone", "UTC"), example.get("reservation_expired", False)
    cut = cut_periods(of, stays(example["start"], *parts), time_zone=zone)
    priced = price(of, cut, time_zone=zone, reservation_expired=is_expired)
    assert decimal_text(priced.total.excl_vat) == example["excl_vat"]
    if "incl_vat" in example:
        assert priced.total.incl_vat is not None
        assert decimal_text(priced.total.incl_vat) == example["incl_vat"]


@pytest.mark.parametrize("example", CDRS, ids=range(len(CDRS)))
def test_a_partners_cdr_of_the_page(example: Mapping[str, Any]) -> None:
    """Its price by its own periods and tariffs, and what we warn of."""
    repriced = reprice(parse_cdr(example["cdr"]))
    assert decimal_text(repriced.priced.total.excl_vat) == example["excl_vat"]
    assert [warning.code for warning in repriced.warnings] == example["warnings"]


def test_the_page_has_its_examples() -> None:
    """The blocks are found at all."""
    assert (len(SESSIONS), len(CDRS)) == (15, 2)

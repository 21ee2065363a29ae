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
from voltway.tariffs.ocpi import loads, parse_tariff
from voltway.tariffs.segments import cut_periods

PAGE = (Path(__file__).parents[2] / "docs" / "algorithms" / "price.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_a_worked_example_of_the_page(example: Mapping[str, Any]) -> None:
    """Tariff, session and total as printed."""
    of = parse_tariff(example["tariff"], extension=example.get("extension"))
    parts = [(float(minutes), str(kwh), PeriodKind(kind)) for minutes, kwh, kind in example["parts"]]
    priced = price(of, cut_periods(of, stays(example["start"], *parts), time_zone="UTC"), time_zone="UTC")
    assert decimal_text(priced.total.excl_vat) == example["excl_vat"]
    if "incl_vat" in example:
        assert priced.total.incl_vat is not None
        assert decimal_text(priced.total.incl_vat) == example["incl_vat"]


def test_the_page_has_its_examples() -> None:
    """The blocks are found at all."""
    assert len(EXAMPLES) == 8

"""The linter on the tariffs that the OCPI texts print: what an operator would be told of each.

Source: ocpi/ocpi mod_tariffs 2.1.1, 2.2.1-d2, 2.3.0 and mod_cdrs, as written down in `ocpi_documents`.
"""

import pytest
from tests.tariffs import ocpi_documents as ocpi
from tests.tariffs.lint_documents import found, words
from tests.tariffs.ocpi_documents import Document

from voltway.tariffs.lint import RuleSet, lint_tariff

HARMLESS = ("free_dimension", "step_size_unit")
NIGHTS_FREE = (
    "No element prices PARKING_TIME here: Monday to Friday 00:00-09:00 and 18:00-24:00, "
    "Saturday 00:00-10:00 and 17:00-24:00, Sunday all day. It is billed with 0 there."
)
GAP = ("gap", "/elements")
SOUND = ("1", "2", "3", "5", "6", "8", "9", "10", "11", "12", "13", "15", "16", "17", "18")


@pytest.mark.parametrize("name", [f"TARIFF_{number}" for number in SOUND])
@pytest.mark.parametrize("time_zone", [None, "Europe/Amsterdam", "America/Toronto"])
def test_the_sound_examples_have_no_warning(name: str, time_zone: str | None) -> None:
    """Infos on what is free and on steps at most: bands, reservations, limits and fallbacks are as OCPI means them."""
    report = lint_tariff(getattr(ocpi, name), time_zone=time_zone)
    assert [item for item in found(report) if item[0] not in HARMLESS] == []


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (ocpi.TARIFF_4, [GAP]),
        (ocpi.COMPLEX_2_1_1, [GAP]),
        (ocpi.FREE_2_1_1, []),
        (ocpi.SIMPLE_2_1_1, []),
        (ocpi.MAX_POWER, []),
        (ocpi.MAX_DURATION, []),
        (ocpi.MIN_MAX_DURATION, []),
        (ocpi.first_hour_free(10_800), []),
        (ocpi.first_hour_free(14_400), []),
        (ocpi.TARIFF_14, [GAP]),  # parking is free from 20:00
    ],
)
def test_what_the_other_examples_are_told(document: Document, expected: list[tuple[str, str]]) -> None:
    """Complex tariffs leave nights and Sundays without a price; these examples print no VAT."""
    found_in = found(lint_tariff(document))
    assert [item for item in found_in if item[0] not in (*HARMLESS, "vat_missing")] == expected


def test_each_price_without_vat_is_named() -> None:
    """The step_size examples print none."""
    parts = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))
    assert found(lint_tariff(ocpi.TARIFF_14), "vat_missing") == [
        ("vat_missing", f"/elements/{element}/price_components/{component}/vat") for element, component in parts
    ]


@pytest.mark.parametrize("document", [ocpi.TARIFF_4, ocpi.COMPLEX_2_1_1])
def test_the_gap_of_the_complex_example_in_words(document: Document) -> None:
    """Parking is priced on weekdays 09:00-18:00 and Saturday 10:00-17:00 only."""
    assert words(lint_tariff(document), "gap") == [NIGHTS_FREE]


@pytest.mark.parametrize("name", [f"TARIFF_{number}" for number in (*SOUND, "4", "14", "PUT")])
def test_both_later_versions_are_told_the_same(name: str) -> None:
    """An example reads alike as 2.2.1 and as 2.3.0."""
    document = getattr(ocpi, name)
    assert found(lint_tariff(ocpi.as_2_3_0(document))) == found(lint_tariff(document))


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        # OCPI's ad hoc examples are priced by the hour: no longer lawful
        ("2", RuleSet.AFIR, [("ad_hoc_not_per_kwh", "/elements"), ("ad_hoc_not_per_kwh", "0")]),
        ("2", RuleSet.UK, [("ad_hoc_not_per_kwh", "/elements"), ("ad_hoc_not_per_kwh", "0")]),
        ("11", RuleSet.NEVI, [("ad_hoc_not_per_kwh", "/elements")]),
        ("8", RuleSet.AFIR, []),
        ("9", RuleSet.DE, []),
        ("9", RuleSet.AFIR, [("ad_hoc_not_per_kwh", "0"), ("component_order", "1")]),
        ("10", RuleSet.UK, []),
        ("13", RuleSet.DE, [("ad_hoc_not_per_kwh", "/elements"), ("ad_hoc_not_per_kwh", "0")]),
        ("4", RuleSet.NEVI, [("ad_hoc_not_per_kwh", "/elements"), ("price_not_locked", "/extension/price_lock")]),
    ],
)
def test_what_the_laws_say_of_the_examples(name: str, rule: RuleSet, expected: list[tuple[str, str]]) -> None:
    """A digit stands for that component of the first element."""
    report = lint_tariff(getattr(ocpi, f"TARIFF_{name}"), rules=[RuleSet.OCPI, rule])
    full = [(code, f"/elements/0/price_components/{path}" if path.isdigit() else path) for code, path in expected]
    assert found(report, "ad_hoc_not_per_kwh", "component_order", "price_not_locked") == full
    assert report.ok is (expected == [])

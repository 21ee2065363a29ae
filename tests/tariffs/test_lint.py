"""The linter as a whole: its report, what it refuses, and that no JSON brings it down."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tariffs.lint_documents import document, energy, found, lint, only, part

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.lint import Finding, LintReport, RuleSet, Severity, lint_table, lint_tariff
from voltway.tariffs.lint_findings import listed
from voltway.tariffs.model import WEEKDAYS, OcpiVersion

FULL = only(part("ENERGY", 0.4), part("TIME", 0, step_size=0), part("PARKING_TIME", 6))

SEVERITIES = {
    # contracts.md, `voltway tariff lint`
    Severity.ERROR: """bad_value no_elements time_24_00 min_above_max component_order ad_hoc_not_per_kwh
        price_not_locked""",
    Severity.INFO: "free_dimension step_size_unit dst_gap dst_repeat",
    Severity.WARNING: """unknown_key gap overlap unreachable_element time_23_59 start_equals_end weekday_wrap
        vat_missing flat_repeated round_trip negative_price reservation_dimension""",
}


@pytest.mark.parametrize(
    ("code", "severity"), [(code, severity) for severity, codes in SEVERITIES.items() for code in codes.split()]
)
def test_every_code_has_the_severity_of_the_contract(code: str, severity: Severity) -> None:
    """Contracts.md names the errors and the infos; all others are warnings."""
    finding = Finding(code, "/elements", "It is so.", "Write it.")
    assert finding.severity is severity
    assert LintReport("T", (finding,)).ok is (severity is not Severity.ERROR)


def test_the_operators_page_explains_every_code() -> None:
    """docs/operators/tariff-lint.md has a row for each, and none for a code that does not exist."""
    page = (Path(__file__).parents[2] / "docs" / "operators" / "tariff-lint.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == {
        code for codes in SEVERITIES.values() for code in codes.split()
    }


def test_a_good_tariff_has_no_finding() -> None:
    """All dimensions priced at all times, VAT and steps given."""
    report = lint(FULL, time_zone="Europe/Berlin", rules=[RuleSet.OCPI, RuleSet.AFIR, RuleSet.UK])
    assert report.document() == {"tariff_id": "T", "ok": True, "findings": []}
    assert lint_table(report) == "Tariff T: nothing found."
    assert lint_table(LintReport(None, ())) == "The tariff: nothing found."


def test_the_report_is_sorted_by_path_then_code() -> None:
    """As plain strings, so /elements/10 stands before /elements/2 (contracts.md)."""
    elements = [energy(price, min_kwh=number, max_kwh=number) for number, price in enumerate([-1] * 11)]
    report = lint(*elements, rules=[RuleSet.NEVI])
    keys = [(item.path, item.code) for item in report.findings]
    assert keys == sorted(keys)
    assert ("/elements/10", "unreachable_element") in keys
    entry = report.document()["findings"]
    assert isinstance(entry, list)
    assert set(entry[0]) == {"code", "severity", "path", "message", "fix"}
    assert all(item.message and item.fix for item in report.findings)


def test_the_table_is_aligned_and_counts() -> None:
    """One line a finding with its columns in line, the fix below."""
    report = LintReport(
        None,
        (
            Finding("gap", "/elements", "Nothing applies.", "Add one."),
            Finding("bad_value", "", "It is odd.", "Write it even."),
            Finding("time_23_59", "/x", "A minute.", "Write 00:00."),
        ),
    )
    assert lint_table(report).splitlines() == [
        "The tariff: 1 error and 2 warnings.",
        "warning  /elements  gap         Nothing applies.",
        "                                Fix: Add one.",
        "error    /          bad_value   It is odd.",
        "                                Fix: Write it even.",
        "warning  /x         time_23_59  A minute.",
        "                                Fix: Write 00:00.",
    ]
    assert listed(["a"]) == "a"
    assert listed([]) == ""


@pytest.mark.parametrize("value", [None, [], "x", 3, {}, {"currency": "EUR"}, {"elements": []}])
def test_what_has_no_currency_and_elements_is_no_tariff(value: object) -> None:
    """Contracts.md: not a tariff is no JSON object with `currency` and `elements`."""
    with pytest.raises(InvalidInput, match="not a tariff"):
        lint_tariff(value)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc", "Europe", "a\0b", "ü" * 300])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    """The zone decides what a tariff means, so it is not guessed."""
    with pytest.raises(InvalidInput, match="unknown time zone"):
        lint_tariff(document(FULL), time_zone=name)


def test_a_document_nested_too_deep_is_refused() -> None:
    """Recursion has an end long before Python's."""
    nested: object = []
    for _ in range(900):
        nested = [nested]
    with pytest.raises(InvalidInput):
        lint_tariff(document(FULL) | {"x": nested})
    with pytest.raises(InvalidInput):
        lint_tariff(document(FULL), extension={"x": nested})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"elements": []}, ("no_elements", "/elements")),
        ({"currency": None}, ("bad_value", "/currency")),
        ({"currency": "euro"}, ("bad_value", "/currency")),
        ({"id": 7}, ("bad_value", "/id")),
        ({"elements": [energy(end_time="24:00")]}, ("time_24_00", "/elements/0/restrictions/end_time")),
        ({"elements": [only(part("ENERGY", "0.39"))]}, ("bad_value", "/elements/0/price_components/0/price")),
        ({"elements": [energy(min_kwh=9, max_kwh=3)]}, ("min_above_max", "/elements/0/restrictions/min_kwh")),
        ({"min_price": {"excl_vat": 9}, "max_price": {"excl_vat": 3}}, ("min_above_max", "/min_price/excl_vat")),
    ],
)
def test_faults_are_findings_and_errors(keys: dict[str, object], expected: tuple[str, str]) -> None:
    """`lint` reports what `voltway price` refuses (issue 4, §3), with a fix."""
    report = lint(FULL, also=keys)
    assert found(report, "no_elements", "bad_value", "time_24_00", "min_above_max") == [expected]
    assert not report.ok


def test_a_broken_tariff_still_gets_the_other_rules() -> None:
    """What does not need the whole tariff is found beside the faults."""
    broken = only(part("ENERGY", "x", vat=None), part("TIME", -1, step_size=5), start_time="24:00", end_time="23:59")
    report = lint(broken, tpye="REGULAR", id=None)
    assert {code for code, _ in found(report)} == {
        "bad_value",
        "time_24_00",
        "time_23_59",
        "unknown_key",
        "negative_price",
        "step_size_unit",
    }
    assert report.tariff_id is None


def test_an_extension_with_faults_is_reported_at_its_own_pointer() -> None:
    """Our document beside OCPI's has pointers below /extension."""
    report = lint(FULL, extension={"idle": {"grace_s": -1, "exempt": [{"end_time": "23:59"}]}, "price_lock": 3})
    assert found(report) == [
        ("time_23_59", "/extension/idle/exempt/0/end_time"),
        ("bad_value", "/extension/idle/grace_s"),
        ("bad_value", "/extension/price_lock"),
    ]
    assert found(lint_tariff(document(FULL), extension=[])) == [("bad_value", "/extension")]


def test_the_version_can_be_given() -> None:
    """In 2.1.1 `vat` is unknown and never missing; contracts.md `--ocpi`."""
    report = lint_tariff(document(FULL), ocpi_version=OcpiVersion.V2_1_1)
    assert ("unknown_key", "/elements/0/price_components/0/vat") in found(report)
    fixes = {item.path: item.fix for item in report.findings}
    assert "OCPI 2.2.1, which has it" in fixes["/country_code"]


TEXTS = st.sampled_from(["ENERGY", "TIME", "FLAT", "24:00", "02:30", "02:15", "2026-03-29", "9999-12-31", "0001-01-01"])
TIMES = st.sampled_from(
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-29T01:00:00Z", "RESERVATION", "", "EUR"]
)
NUMBERS = st.one_of(st.integers(), st.decimals(), st.sampled_from([Decimal("1E+400000000"), Decimal("1E-400000000")]))
SCALARS = st.one_of(st.none(), st.booleans(), TEXTS, TIMES, NUMBERS, st.floats(), st.sampled_from(WEEKDAYS), st.text())
KNOWN = """currency elements price_components restrictions type price vat step_size start_time end_time start_date
    end_date
    min_kwh max_kwh min_power max_power min_current max_duration day_of_week reservation min_price max_price excl_vat
    before_taxes idle exempt grace_s cap price_lock tax_included start_date_time end_date_time id a~b/c"""
KEYS = st.sampled_from(KNOWN.split())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=40,
)
COMPONENTS = st.fixed_dictionaries(
    {"type": st.one_of(TEXTS, SCALARS), "price": NUMBERS, "step_size": st.one_of(st.integers(0, 90), VALUES)}
)
DATES = st.one_of(SCALARS, st.dates().map(str))
RESTRICTIONS = st.fixed_dictionaries(
    {},
    optional={
        "start_date": DATES,
        "end_date": DATES,
        "start_time": TEXTS,
        "end_time": st.one_of(TEXTS, SCALARS),
        "min_kwh": NUMBERS,
        "max_duration": st.integers(0),
        "day_of_week": st.one_of(VALUES, st.lists(st.sampled_from(WEEKDAYS))),
    },
)
ELEMENTS = st.fixed_dictionaries(
    {
        "price_components": st.lists(COMPONENTS, max_size=3),
        "restrictions": st.one_of(RESTRICTIONS, RESTRICTIONS, VALUES),
    }
)
DOCUMENTS = st.one_of(
    VALUES,
    st.fixed_dictionaries({"currency": st.just("EUR"), "elements": st.one_of(st.lists(ELEMENTS, max_size=4), VALUES)}),
    st.fixed_dictionaries(
        {"id": st.just("T"), "currency": st.just("EUR"), "elements": st.lists(ELEMENTS, min_size=1, max_size=4)},
        optional={"start_date_time": TIMES, "end_date_time": TIMES, "min_price": VALUES, "tax_included": VALUES},
    ),
)
EXTENSIONS = st.one_of(
    st.none(),
    VALUES,
    st.fixed_dictionaries(
        {
            "idle": st.fixed_dictionaries({}, optional={"grace_s": st.integers(0), "cap": NUMBERS}),
            "price_lock": st.booleans(),
        }
    ),
)


@given(
    DOCUMENTS, EXTENSIONS, st.sampled_from([None, "Europe/Berlin", "Pacific/Apia"]), st.sets(st.sampled_from(RuleSet))
)
@settings(max_examples=400, deadline=None)
def test_no_json_ever_brings_the_linter_down(
    value: object, extension: object, time_zone: str | None, rules: set[RuleSet]
) -> None:
    """Nothing but InvalidInput is raised, and every finding is complete (issue 4, §3: never a traceback)."""
    try:
        report = lint_tariff(value, extension=extension, time_zone=time_zone, rules=rules)
    except InvalidInput:
        return
    assert all(item.message and item.fix and item.path[:1] in ("", "/") for item in report.findings)
    assert lint_table(report)

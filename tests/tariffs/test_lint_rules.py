"""The linter's rules for one window, one component and one key."""

import pytest
from tests.tariffs.lint_documents import Json, energy, found, lint, only, part, words

from voltway.kernel.errors import Fault
from voltway.tariffs.lint_rules import fault_findings
from voltway.tariffs.model import WEEKDAYS

FLAT = only(part("FLAT", 1))


@pytest.mark.parametrize(
    ("element", "code", "paths"),
    [
        # billing note 15: 23:59 leaves one minute uncovered, equal times are undefined
        (energy(start_time="07:00", end_time="23:59"), "time_23_59", ["/elements/0/restrictions/end_time"]),
        (energy(start_time="23:59"), "time_23_59", []),
        (energy(start_time="07:00", end_time="00:00"), "time_23_59", []),
        (energy(start_time="07:00", end_time="07:00"), "start_equals_end", ["/elements/0/restrictions/start_time"]),
        (energy(start_time="00:00", end_time="00:00"), "start_equals_end", ["/elements/0/restrictions/start_time"]),
        (energy(start_time="07:00"), "start_equals_end", []),
        # billing note 16: window and weekday are independent tests
        (
            energy(start_time="22:00", end_time="06:00", day_of_week=["FRIDAY"]),
            "weekday_wrap",
            ["/elements/0/restrictions/day_of_week"],
        ),
        (energy(start_time="22:00", end_time="06:00", day_of_week=list(WEEKDAYS)), "weekday_wrap", []),
        (energy(start_time="22:00", end_time="06:00"), "weekday_wrap", []),
        (energy(start_time="22:00", end_time="00:00", day_of_week=["FRIDAY"]), "weekday_wrap", []),
        (energy(start_time="06:00", end_time="22:00", day_of_week=["FRIDAY"]), "weekday_wrap", []),
        # contracts.md: a reservation element may hold FLAT and TIME only
        (
            only(*map(part, ("ENERGY", "TIME", "PARKING_TIME", "FLAT")), reservation="RESERVATION"),
            "reservation_dimension",
            ["/elements/0/price_components/0/type", "/elements/0/price_components/2/type"],
        ),
        (energy(), "reservation_dimension", []),
        (only(part("ENERGY", -0.1), part("TIME", 0)), "negative_price", ["/elements/0/price_components/0/price"]),
    ],
)
def test_windows_and_components(element: Json, code: str, paths: list[str]) -> None:
    """Each rule at the key concerned, and silent beside it."""
    assert found(lint(element), code) == [(code, path) for path in paths]


def test_a_friday_night_is_written_as_two_elements() -> None:
    """Billing note 16: the fix names both elements, Sunday's night ends on Monday."""
    report = lint(energy(start_time="22:00", end_time="06:00", day_of_week=["SUNDAY", "FRIDAY"]))
    fix = next(item.fix for item in report.findings if item.code == "weekday_wrap")
    assert "start_time 22:00, end_time 00:00 with day_of_week FRIDAY and SUNDAY" in fix
    assert "start_time 00:00, end_time 06:00 with day_of_week MONDAY and SATURDAY" in fix


@pytest.mark.parametrize(
    ("component", "keys", "count"),
    [
        # billing note 29: omitted is not 0 %
        (part("ENERGY", 1, vat=None), {}, 1),
        (part("ENERGY", 1) | {"vat": None}, {}, 1),
        (part("ENERGY", 1, vat=0), {}, 0),
        (part("ENERGY", 0, vat=None), {}, 0),
        (part("ENERGY", 1, vat=None), {"tax_included": "YES"}, 1),
        (part("ENERGY", 1, vat=None), {"tax_included": "N/A"}, 0),
        (part("ENERGY", 1, vat=None), {"country_code": None}, 1),
    ],
)
def test_vat_that_is_left_out(component: Json, keys: Json, count: int) -> None:
    """Reported for each price that is not 0, unless the tariff says that tax does not apply."""
    expected = [("vat_missing", "/elements/0/price_components/0/vat")] * count
    assert found(lint(only(component), also=keys), "vat_missing") == expected


@pytest.mark.parametrize(
    ("dimension", "step", "says"),
    [
        # billing note 8: energy steps are Wh, times are seconds
        ("ENERGY", 5, "steps of 5 Wh. The number looks small for Wh: 5 kWh are 5000."),
        ("ENERGY", 25, "steps of 25 Wh."),
        ("ENERGY", 1000, "steps of 1000 Wh (1 kWh)."),
        ("TIME", 15, "steps of 15 s. The number looks small for s: 15 min are 900."),
        ("PARKING_TIME", 900, "steps of 900 s (15 min)."),
        ("TIME", 61, "steps of 61 s."),
        ("TIME", 1, None),
        ("TIME", 0, None),
        ("FLAT", 5, None),
    ],
)
def test_a_step_is_told_in_its_unit(dimension: str, step: int, says: str | None) -> None:
    """Info for each step over 1, with a hint where another unit seems meant."""
    messages = words(lint(only(part(dimension, 1, step_size=step))), "step_size_unit")
    assert [message[-len(says or "") :] for message in messages] == ([says] if says else [])


def test_only_the_first_flat_is_billed() -> None:
    """Billing note 21; a reservation's FLAT is due beside it and not counted."""
    reserved = only(part("FLAT", 5), reservation="RESERVATION")
    report = lint(reserved, only(part("ENERGY"), part("FLAT", 1)), only(part("FLAT", 2)), FLAT)
    assert found(report, "flat_repeated") == [
        ("flat_repeated", "/elements/2/price_components/0"),
        ("flat_repeated", "/elements/3/price_components/0"),
    ]
    assert found(lint(reserved, FLAT), "flat_repeated") == []


@pytest.mark.parametrize(
    ("element", "keys", "path", "fix"),
    [
        (energy(), {"tpe": "REGULAR"}, "/tpe", "Write type if"),
        (energy(), {"colour": "blue"}, "/colour", "Remove colour; OCPI has no such key here."),
        (energy(start_tme="07:00"), {}, "/elements/0/restrictions/start_tme", "Write start_time if"),
        (only(part("ENERGY", stepsize=1)), {}, "/elements/0/price_components/0/stepsize", "Write step_size if"),
        (energy(), {"min_price": {"excl_vat": 1, "a/b~c": 1}}, "/min_price/a~1b~0c", "Remove a/b~c; OCPI"),
        (energy(), {"preauthorize_amount": 9}, "/preauthorize_amount", "or write the tariff as OCPI 2.3.0, which"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_one(element: Json, keys: Json, path: str, fix: str) -> None:
    """Users ask for misspelt keys (tandemdrive #6, #45): a partner would not read it."""
    report = lint(element, also=keys)
    assert found(report, "unknown_key") == [("unknown_key", path)]
    assert fix in next(item.fix for item in report.findings if item.code == "unknown_key")


def test_a_fault_without_code_is_a_bad_value() -> None:
    """Whoever refuses a document with plain faults is understood."""
    (finding,) = fault_findings((Fault("/elements/0/odd", "this is odd"),))
    assert (finding.code, finding.message) == ("bad_value", "this is odd.")
    assert finding.fix == "Write a value of the kind that the message names."

"""Rules as data: the shipped ones, changes to them, and every fault of a change at once."""

from typing import Any

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.rules import document_of, effective, parse_rule, shipped


def faults_of(code: str, document: Any) -> dict[str, str]:
    """Return the faults of a document by pointer."""
    with pytest.raises(InvalidInput) as caught:
        parse_rule(code, document)
    return {fault.pointer: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize("code", sorted(shipped()))
def test_a_shipped_rule_parses_back_to_itself(code: str) -> None:
    rule = shipped()[code]
    assert parse_rule(code, document_of(rule)) == rule
    assert parse_rule(code, {}) == rule


def test_every_parameter_of_a_shipped_rule_is_one_that_its_detector_reads() -> None:
    for rule in shipped().values():
        assert set(rule.params) == set(DETECTORS[rule.detector].params), rule.code


def test_a_change_names_only_what_differs() -> None:
    changed = effective({"temperature": {"threshold": 90, "enabled": False}})["temperature"]
    assert (changed.threshold, changed.enabled, changed.clear_below) == (
        90,
        False,
        shipped()["temperature"].clear_below,
    )
    assert effective({}) == shipped()


def test_a_new_code_with_a_detector_is_a_rule_beside_the_shipped_ones() -> None:
    own = {"hot_depot": {"title": "Hot", "detector": "temperature", "group_by": "site", "where": {"locations": ["D"]}}}
    rules = effective(own)
    assert rules.keys() - shipped().keys() == {"hot_depot"}
    assert rules["hot_depot"].scope == "evse"
    assert rules["hot_depot"].params == {"fresh_min": 60.0}


def test_a_new_code_without_words_lacks_them_all() -> None:
    assert faults_of("own", {}).keys() == {"/title", "/detector", "/group_by"}


def test_all_wrong_types_and_words_are_told_at_once() -> None:
    bad = {
        "threshold": "much", "hold_s": True, "severity": "awful", "group_by": "galaxy", "enabled": 1, "ladder": 3,
        "where": {"planets": ["Mars"], "vendors": "Acme"}, "params": [], "colour": "red", "title": "",
    }  # fmt: skip
    assert faults_of("faulted", bad).keys() == {
        "/threshold", "/hold_s", "/severity", "/group_by", "/enabled", "/ladder", "/where/planets", "/where/vendors",
        "/params", "/colour", "/title",
    }  # fmt: skip


def test_all_contradictions_are_told_at_once() -> None:
    bad = {"threshold": 1, "clear_below": 2, "hold_s": -1, "clear_hold_s": 1e9, "group_by": "evse"}
    bad["params"] = {"window_min": -1, "moons": 2}
    assert faults_of("flapping_connection", bad).keys() == {
        "/clear_below", "/hold_s", "/clear_hold_s", "/group_by", "/params/window_min", "/params/moons",
    }  # fmt: skip


@pytest.mark.parametrize("document", [None, [], "faulted", 3])
def test_what_is_no_object_is_no_rule(document: object) -> None:
    assert faults_of("faulted", document) == {"": "must be an object"}

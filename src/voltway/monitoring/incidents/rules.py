"""Rules as data: the shipped ones, an operator's changes to them, and what is wrong with a change.

A change is a JSON object that names only what differs from the shipped rule of that code; a new code needs a detector.
Whatever is accepted here is computed with by the worker that watches everybody's stations: numbers are finite and
windows are not longer than people remember.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.model import Rule, Severity

SCOPES = ("evse", "station", "site", "network")
PLACES = ("locations", "groups", "vendors", "models")
_NUMBERS = ("threshold", "clear_below", "hold_s", "clear_hold_s")
_TEXTS = ("title", "detector", "severity", "group_by")
_KEYS = frozenset({*_NUMBERS, *_TEXTS, "enabled", "params", "where", "ladder"})
LONGEST_S = 30 * 86_400
MOST = 1e9
_LONGEST_BY_UNIT = {"days": 3_650.0, "h": 8_760.0, "min": 525_600.0, "s": 31_536_000.0, "pct": 100.0}
"""By the unit at the end of a parameter's name: ten years ahead, a year back."""


@cache
def shipped() -> Mapping[str, Rule]:
    """Return the shipped rules by code."""
    text = files("voltway.monitoring.incidents").joinpath("data/rules.toml").read_text("utf-8")
    return {code: _rule(code, document) for code, document in tomllib.loads(text).items()}


def effective(overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Rule]:
    """Return the rules in force: the shipped ones with an operator's changes, and the operator's own.

    A stored change that no longer fits (a later version may know other parameters) is left out: `faults_of` tells why,
    and nobody else's stations go unwatched for it.
    """
    rules = dict(shipped())
    for code, document in overrides.items():
        if not faults_of(code, document):
            rules[code] = parse_rule(code, document)
    return rules


def faults_of(code: str, document: Any) -> list[Fault]:
    """Return everything that is wrong with a change."""
    if not isinstance(document, dict):
        return [Fault("", "must be an object")]
    merged = _merged(code, document)
    return [*_unknown(document), *_wrong_types(merged), *_wrong_words(merged)] or [
        *_contradictions(merged),
        *_wrong_params(merged),
    ]


def parse_rule(code: str, document: Any) -> Rule:
    """Read a change as the rule that it makes.

    Raises:
        InvalidInput: with every fault at once, as JSON pointers.
    """
    faults = faults_of(code, document)
    if faults:
        raise InvalidInput(f"the rule {code} has {len(faults)} fault(s)", faults)
    return _rule(code, _merged(code, document))


def document_of(rule: Rule) -> dict[str, Any]:
    """Write a rule as the document that `parse_rule` reads."""
    document = asdict(rule)
    del document["code"], document["scope"]
    return {**document, "severity": rule.severity.value, "params": dict(rule.params), "where": dict(rule.where)}


_NEW: dict[str, Any] = {
    "severity": "minor", "threshold": 1.0, "clear_below": 1.0, "hold_s": 0.0, "clear_hold_s": 0.0, "enabled": True,
    "params": {}, "where": {}, "ladder": None, "title": "", "detector": "", "group_by": "",
}  # fmt: skip


def _merged(code: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a change over the shipped rule; parameters one by one, unless another detector reads others."""
    base = shipped().get(code)
    if base is None:
        return {**_NEW, **document}
    merged = {**document_of(base), **document}
    params = document.get("params", {})
    if isinstance(params, dict):
        merged["params"] = {**base.params, **params} if merged["detector"] == base.detector else params
    return merged


def _rule(code: str, document: Mapping[str, Any]) -> Rule:
    detector = DETECTORS[document["detector"]]
    return Rule(
        code=code,
        detector=document["detector"],
        scope=detector.scope,
        severity=Severity(document["severity"]),
        title=document["title"],
        threshold=float(document["threshold"]),
        clear_below=float(document["clear_below"]),
        hold_s=float(document["hold_s"]),
        clear_hold_s=float(document["clear_hold_s"]),
        group_by=document["group_by"],
        enabled=document.get("enabled", True),
        params={**detector.params, **document.get("params", {})},
        where=document.get("where", {}),
        ladder=document.get("ladder"),
    )


def _unknown(document: Mapping[str, Any]) -> list[Fault]:
    known = ", ".join(sorted(_KEYS))
    return [Fault(f"/{key}", f"there is no such field; there are {known}") for key in document if key not in _KEYS]


def _wrong_types(document: Mapping[str, Any]) -> list[Fault]:
    faults = [Fault(f"/{name}", "must be a number") for name in _NUMBERS if not _is_number(document[name])]
    faults += [Fault(f"/{name}", "must be a text") for name in _TEXTS if not isinstance(document[name], str)]
    faults += [Fault(f"/{name}", "must be an object") for name in ("params", "where") if not _is_object(document[name])]
    if not isinstance(document["enabled"], bool):
        faults.append(Fault("/enabled", "must be true or false"))
    if document["ladder"] is not None and not isinstance(document["ladder"], str):
        faults.append(Fault("/ladder", "must be the code of a ladder, or null"))
    return faults


def _wrong_words(document: Mapping[str, Any]) -> list[Fault]:
    choices = {"detector": DETECTORS, "severity": list(Severity), "group_by": SCOPES}
    faults = [
        Fault(f"/{name}", f"{document[name]!r} is none of {', '.join(words)}")
        for name, words in choices.items()
        if isinstance(document[name], str) and document[name] not in words
    ]
    if isinstance(document["title"], str) and not 0 < len(document["title"]) <= 100:
        faults.append(Fault("/title", "must have 1 to 100 characters"))
    if _is_object(document["where"]):
        faults += [
            Fault(f"/where/{name}", f"must be one of {', '.join(PLACES)} with a list of texts")
            for name, words in document["where"].items()
            if name not in PLACES or not isinstance(words, list) or not all(isinstance(it, str) for it in words)
        ]
    return faults


def _contradictions(document: Mapping[str, Any]) -> list[Fault]:
    faults = []
    if document["clear_below"] > document["threshold"]:
        faults.append(Fault("/clear_below", "must not be above the threshold, or the rule would clear what it raises"))
    faults += [
        Fault(f"/{name}", "must be above 0, which is what a detector says of a place that is well")
        for name in ("threshold", "clear_below")
        if document[name] <= 0
    ]
    faults += [
        Fault(f"/{name}", f"must lie between 0 and {LONGEST_S} (30 days)")
        for name in ("hold_s", "clear_hold_s")
        if not 0 <= document[name] <= LONGEST_S
    ]
    scope = DETECTORS[document["detector"]].scope
    if SCOPES.index(document["group_by"]) < SCOPES.index(scope):
        faults.append(Fault("/group_by", f"this detector looks at a {scope}; group by that or by something wider"))
    return faults


def _wrong_params(document: Mapping[str, Any]) -> list[Fault]:
    known = DETECTORS[document["detector"]].params
    faults = []
    for name, value in document["params"].items():
        most = _LONGEST_BY_UNIT.get(name.rsplit("_", 1)[-1], MOST)
        if name not in known:
            words = ", ".join(sorted(known)) or "none"
            faults.append(Fault(f"/params/{name}", f"this detector has no such parameter; it has {words}"))
        elif not _is_number(value) or not 0 <= value <= most:
            faults.append(Fault(f"/params/{name}", f"must be a number from 0 to {most:g}"))
    return faults


def _is_number(value: Any) -> bool:
    """Say whether a value is a number to compute with: JSON as Python reads it knows NaN and infinity too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)

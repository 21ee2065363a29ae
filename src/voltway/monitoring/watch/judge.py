"""The rules as the engine holds them: compiled once, chosen by what a station is, each behind its gate. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from voltway.monitoring.incidents.detectors import DETECTORS, Detect
from voltway.monitoring.incidents.gate import step
from voltway.monitoring.incidents.model import Place, Rule, Scope, Symptom
from voltway.monitoring.watch.model import StationRow


class Verdict(NamedTuple):
    """What a rule holds against a place now, what that changed, and when to look again without new facts."""

    symptom: Symptom | None
    raised: bool
    cleared: bool
    due: datetime | None
    was: Symptom | None = None

    def is_news(self, known: Symptom | None) -> bool:
        """Say whether this differs from what was known in more than its value."""
        if known is None or self.symptom is None:
            return (known is None) is not (self.symptom is None)
        return (known.raised_at, known.clear_since) != (self.symptom.raised_at, self.symptom.clear_since)


class Judge(NamedTuple):
    """One rule with its detector."""

    rule: Rule
    detect: Detect

    @property
    def code(self) -> str:
        """The rule's code."""
        return self.rule.code

    def hold(self, known: Symptom | None, view: object, place: Place, now: datetime) -> Verdict | None:
        """Hold the rule against a view; None where it has nothing to say and had nothing."""
        sign = self.detect(view, self.rule, now)
        if sign is None and known is None:
            return None
        found = step(known, sign, self.rule, place, now)
        return Verdict(found.symptom, found.raised, found.cleared, found.due, known)


@dataclass(frozen=True, slots=True)
class Bench:
    """The rules that apply to one kind of station, by scope."""

    evse: tuple[Judge, ...]
    station: tuple[Judge, ...]
    site: tuple[Judge, ...]


@dataclass(slots=True)
class RuleBook:
    """An operator's rules in force."""

    rules: Mapping[str, Rule]
    network: tuple[Judge, ...] = ()
    _benches: dict[tuple[object, ...], Bench] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network = self._of_scope("network", None)

    def judge_of(self, row: StationRow) -> Bench:
        """Return the rules for a station."""
        key = (row.location_code, row.groups, row.vendor, row.model)
        bench = self._benches.get(key)
        if bench is None:
            scopes = ("evse", "station", "site")
            bench = self._benches[key] = Bench(*(self._of_scope(scope, row) for scope in scopes))
        return bench

    def long_rules(self, row: StationRow) -> list[Rule]:
        """Return the rules that need long histories and apply to a station: they are held outside the engine."""
        return [
            rule
            for rule in self.rules.values()
            if rule.enabled and DETECTORS[rule.detector].is_long and _applies(rule, row)
        ]

    def asks(self, code: str, place: Place, rows: Iterable[StationRow]) -> bool:
        """Say whether a rule of that code looks at a place with those stations."""
        rule = self.rules.get(code)
        if rule is None or not rule.enabled or rule.scope != _scope_of(place):
            return False
        is_everywhere = rule.scope == "network" or DETECTORS[rule.detector].is_long
        return is_everywhere or any(_applies(rule, row) for row in rows)

    def _of_scope(self, scope: str, row: StationRow | None) -> tuple[Judge, ...]:
        return tuple(
            Judge(rule, DETECTORS[rule.detector].function)
            for rule in self.rules.values()
            if rule.enabled
            and rule.scope == scope
            and not DETECTORS[rule.detector].is_long
            and (row is None or _applies(rule, row))
        )


def _scope_of(place: Place) -> Scope:
    if place.evse_id:
        return "evse"
    if place.station_id:
        return "station"
    return "site" if place.location_id else "network"


def _applies(rule: Rule, row: StationRow) -> bool:
    facts = {"locations": [row.location_code], "groups": row.groups, "vendors": [row.vendor], "models": [row.model]}
    return all(set(facts.get(name, ())) & set(wanted) for name, wanted in rule.where.items() if wanted)

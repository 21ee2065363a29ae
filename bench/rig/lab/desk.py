"""Incidents from what the rules raised and cleared, as `monitoring.watch.register` makes them, kept in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from rig.lab.ledger import OPERATOR
from rig.lab.stream import Opening, Place
from voltway.monitoring.incidents.grouping import home_of, is_mass, may_be_part
from voltway.monitoring.incidents.life import REOPEN_WITHIN
from voltway.monitoring.incidents.model import Place as WatchedPlace
from voltway.monitoring.incidents.model import Rule
from voltway.monitoring.watch.engine import Engine, Outcome, SymptomKey


@dataclass(slots=True)
class _Incident:
    number: int
    group: str
    ended_at: datetime | None = None


@dataclass(slots=True)
class Desk:
    """All incidents of a month; a symptom names its incident, so that parts can move to a wider fault and back."""

    engine: Engine
    rules: Mapping[str, Rule]
    by_group: dict[str, _Incident] = field(default_factory=dict)
    by_number: dict[int, _Incident] = field(default_factory=dict)

    def settle(self, outcome: Outcome, now: datetime) -> Iterator[Opening]:
        """Open, attach, reopen and close incidents; yield those that were opened."""
        raised = [key for key, verdict in outcome.verdicts.items() if verdict.raised]
        cleared = {key: verdict.was for key, verdict in outcome.verdicts.items() if verdict.cleared and verdict.was}
        if not (raised or cleared):
            return
        wanted = list(dict.fromkeys([*raised, *self._strays([*raised, *cleared])]))
        left = {it.incident_id for it in cleared.values()} | {self.engine.symptoms[key].incident_id for key in wanted}
        for key in sorted(wanted, key=self._rank):
            yield from self._admit(key, now)
        self._close(left, now)

    def _rank(self, key: SymptomKey) -> tuple[bool, str, WatchedPlace]:
        return not is_mass(self.rules[key.rule]), key.rule, key.place

    def _strays(self, news: list[SymptomKey]) -> list[SymptomKey]:
        """Return raised symptoms that a wider fault takes in, or that one which is over leaves alone."""
        if not any(is_mass(self.rules[key.rule]) for key in news):
            return []
        symptoms = self.engine.symptoms.items()
        return [key for key, it in symptoms if it.raised_at is not None and may_be_part(self.rules[key.rule])]

    def _admit(self, key: SymptomKey, now: datetime) -> Iterator[Opening]:
        symptom = self.engine.symptoms[key]
        group = home_of(self.rules[key.rule], key.place, self.rules, self._is_raised)
        incident = self.by_group.get(group)
        if incident is None or (incident.ended_at is not None and incident.ended_at < now - REOPEN_WITHIN):
            number = len(self.by_number) + 1
            incident = self.by_group[group] = self.by_number[number] = _Incident(number, group)
            yield Opening(key.rule, Place(*key.place), now, symptom.detail)
        incident.ended_at = None
        if symptom.incident_id != incident.number:
            self.engine.symptoms[key] = replace(symptom, incident_id=incident.number)

    def _close(self, numbers: set[int | None], now: datetime) -> None:
        alive = {it.incident_id for it in self.engine.symptoms.values() if it.raised_at is not None}
        for number in numbers - alive - {None}:
            assert number is not None, "taken out above"
            incident = self.by_number[number]
            incident.ended_at = incident.ended_at or now

    def _is_raised(self, code: str, place: WatchedPlace) -> bool:
        symptom = self.engine.symptoms.get(SymptomKey(OPERATOR, code, place))
        return symptom is not None and symptom.raised_at is not None

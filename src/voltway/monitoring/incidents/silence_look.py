"""The long look at silent connectors, which the watch takes every few minutes: counts are read, test and gate held."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from voltway.infra.db import Transaction
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.gate import Step, step
from voltway.monitoring.incidents.model import Place, Rule, Symptom
from voltway.monitoring.incidents.silence import SilentInput, silent_connector
from voltway.monitoring.incidents.silence_store import Site, read_choices, read_sites

PARTS = 12
"""Each look searches one part of the sites, so that none takes long: all in an hour, with a look every five minutes.
Sites where something is known are looked at each time, so that it ends soon.
"""

RulesAt = Callable[[OperatorId, Place], Sequence[Rule]]
"""The rules with the detector `silent_connector` that apply to a station."""
Key = tuple[OperatorId, str, Place]
"""Operator, rule and place of a symptom."""


class Found(NamedTuple):
    """What a rule holds against an EVSE now."""

    operator_id: OperatorId
    rule: Rule
    place: Place
    known: Symptom | None
    step: Step


class SilenceLook:
    """Looks at the sites where somebody may be silent."""

    def __init__(self, *, parts: int = PARTS) -> None:
        self._parts = parts
        self._turn = 0

    async def look(
        self, tx: Transaction, rules_at: RulesAt, symptoms: Iterable[tuple[Key, Symptom]], now: datetime
    ) -> list[Found]:
        """Hold the rules against every EVSE of the sites that are worth it; return what there is to say.

        Args:
            tx: sees every operator, or one.
            rules_at: see there.
            symptoms: all that is known; those of other rules are passed over.
            now: the present.
        """
        court = _Court(rules_at, {key: it for key, it in symptoms if _is_ours(key, rules_at)}, now)
        sites = {Site(operator_id, place.location_id) for operator_id, _, place in court.known}
        sites |= await read_sites(tx, now, part=self._turn % self._parts, parts=self._parts)
        self._turn += 1
        choices = await read_choices(tx, sites, now) if sites else {}
        return [found for site, views in choices.items() for found in court.judge(site.operator_id, views)]


@dataclass(frozen=True, slots=True)
class _Court:
    """The rules with what they hold already."""

    rules_at: RulesAt
    known: Mapping[Key, Symptom]
    now: datetime

    def judge(self, operator_id: OperatorId, views: Mapping[Place, SilentInput]) -> Iterator[Found]:
        """Yield what there is to say of a site's EVSEs."""
        for place, view in views.items():
            for rule in self.rules_at(operator_id, place):
                was = self.known.get((operator_id, rule.code, place))
                sign = silent_connector(view, rule, self.now)
                if sign is not None or was is not None:
                    yield Found(operator_id, rule, place, was, step(was, sign, rule, place, self.now))


def _is_ours(key: Key, rules_at: RulesAt) -> bool:
    operator_id, code, place = key
    return place.evse_id > 0 and any(rule.code == code for rule in rules_at(operator_id, place))

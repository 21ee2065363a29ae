"""The register: what the rules raised and cleared becomes incidents, in the transaction of the watch.

`grouping` says what belongs together; here that meets what is stored. Whatever people did meanwhile stands: an incident
is locked and read before it is changed. A symptom that is raised always has an incident; an incident whose last symptom
is over is remedied; a fault that returns soon reopens its incident.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from voltway.infra.db import Transaction
from voltway.kernel.ids import OperatorId, StationId
from voltway.monitoring.incidents import life, store
from voltway.monitoring.incidents.grouping import home_of, is_mass, may_be_part
from voltway.monitoring.incidents.model import ChangeKind, Incident, IncidentChange, IncidentState, Place, Rule, Symptom
from voltway.monitoring.incidents.mrec import mrec_of
from voltway.monitoring.incidents.service import Incidents
from voltway.monitoring.watch.engine import Engine, SymptomKey
from voltway.monitoring.watch.judge import RuleBook, Verdict
from voltway.monitoring.watch.wording import title_of

ACTOR = "monitoring"


class Register:
    """Turns verdicts into incidents."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents

    async def take(
        self,
        tx: Transaction,
        verdicts: Mapping[SymptomKey, Verdict],
        engine: Engine,
        books: Mapping[OperatorId, RuleBook],
        now: datetime,
    ) -> dict[SymptomKey, Symptom | None]:
        """Open, attach, reopen and close incidents; return every symptom to be stored (None: it is over)."""
        touched = set(verdicts)
        for operator_id, own in _by_operator(verdicts).items():
            desk = _Desk(operator_id, books[operator_id].rules, engine, now)
            raised = [key for key, verdict in own.items() if verdict.raised]
            cleared = {key: verdict.was for key, verdict in own.items() if verdict.cleared and verdict.was is not None}
            if raised or cleared:
                await self._settle(tx, desk, raised, cleared)
                touched |= desk.moved
        return {key: engine.symptoms.get(key) for key in touched}

    async def _settle(
        self, tx: Transaction, desk: "_Desk", raised: Iterable[SymptomKey], cleared: Mapping[SymptomKey, Symptom]
    ) -> None:
        wanted = {**dict.fromkeys(raised), **dict.fromkeys(desk.strays(raised, cleared))}
        left = {it.incident_id for it in cleared.values()} | {desk.engine.symptoms[key].incident_id for key in wanted}
        await desk.read(tx, {desk.home(key) for key in wanted}, {number for number in left if number is not None})
        for key in sorted(wanted, key=desk.rank):
            await desk.admit(tx, key)
        desk.close({number for number in left if number is not None})
        for incident in desk.changed.values():
            is_stored = await store.update_incident(tx, incident)
            assert is_stored, "a locked incident is changed by nobody else"
        await self._incidents.publish(tx, desk.changes)


@dataclass(slots=True)
class _Desk:
    """One operator's part of a batch."""

    operator_id: OperatorId
    rules: Mapping[str, Rule]
    engine: Engine
    now: datetime
    by_group: dict[str, Incident] = field(default_factory=dict)
    by_id: dict[int, Incident] = field(default_factory=dict)
    changed: dict[int, Incident] = field(default_factory=dict)
    changes: list[IncidentChange] = field(default_factory=list)
    moved: set[SymptomKey] = field(default_factory=set)

    def home(self, key: SymptomKey) -> str:
        """Return the group that a raised symptom belongs to now."""
        return home_of(self.rules[key.rule], key.place, self.rules, self._is_raised)

    def rank(self, key: SymptomKey) -> tuple[bool, str, Place]:
        """Wider faults come first, so that their parts find them open."""
        return not is_mass(self.rules[key.rule]), key.rule, key.place

    def strays(self, raised: Iterable[SymptomKey], cleared: Mapping[SymptomKey, Symptom]) -> list[SymptomKey]:
        """Return raised symptoms that a wider fault takes in, or that one which is over leaves alone."""
        if not any(is_mass(self.rules[key.rule]) for key in (*raised, *cleared) if key.rule in self.rules):
            return []
        return [
            key
            for key, it in self.engine.symptoms.items()
            if it.raised_at is not None
            and key.operator_id == self.operator_id
            and key.rule in self.rules
            and may_be_part(self.rules[key.rule])
        ]

    async def read(self, tx: Transaction, groups: Iterable[str], numbers: Iterable[int]) -> None:
        """Lock and read what the groups have, and the incidents of those numbers."""
        ended_since = self.now - life.REOPEN_WITHIN
        self.by_group = await store.lock_groups(tx, self.operator_id, sorted(groups), ended_since)
        self.by_id = {it.incident_id: it for it in self.by_group.values()}
        missing = sorted(set(numbers) - set(self.by_id))
        if missing:
            self.by_id |= await store.read_incidents(tx, missing)

    async def admit(self, tx: Transaction, key: SymptomKey) -> None:
        """Give a raised symptom its incident."""
        symptom, group = self.engine.symptoms[key], self.home(key)
        incident = self.by_group.get(group)
        if incident is None:
            if self._is_settled(symptom, group):
                return
            incident = await self._open(tx, key, symptom, group)
        elif not incident.is_unresolved:
            again = replace(incident, symptoms=incident.symptoms + 1)
            incident = self._change(ChangeKind.REOPENED, life.reopened(again, self.now), "it is back")
        elif symptom.incident_id != incident.incident_id:
            incident = self._attach(key, symptom, incident)
        if symptom.incident_id != incident.incident_id:
            self.engine.symptoms[key] = replace(symptom, incident_id=incident.incident_id)
            self.moved.add(key)

    def _is_settled(self, symptom: Symptom, group: str) -> bool:
        """Say whether a person resolved the incident of this symptom: what still lasts then is nobody's news."""
        known = self.by_id.get(symptom.incident_id or 0)
        return known is not None and known.group_key == group and known.state is IncidentState.RESOLVED

    def close(self, numbers: Iterable[int]) -> None:
        """Close the incidents that no raised symptom is a part of any more."""
        alive = Counter(it.incident_id for it in self.engine.symptoms.values() if it.raised_at is not None)
        moved_to = Counter(self.engine.symptoms[key].incident_id for key in self.moved)
        for number in sorted(numbers):
            incident = self.by_id.get(number)
            if incident is None or alive[number] or not incident.is_unresolved:
                continue
            wider = max(moved_to, key=lambda it: moved_to[it], default=None)
            text = "it is over"
            if wider is not None and wider != number and incident.rule != self.by_id[wider].rule:
                text = f"it is a part of incident {wider} now"
            self._change(ChangeKind.REMEDIED, life.remedied(incident, self.now), text)

    async def _open(self, tx: Transaction, key: SymptomKey, symptom: Symptom, group: str) -> Incident:
        rule = self.rules[key.rule]
        station = self.engine.stations.get(key.place.station_id)
        code, vendor_code, info = self.engine.codes_of(key.place) if rule.detector == "faulted" else ("", "", "")
        found = mrec_of(station.row.vendor if station else None, code, vendor_code, info)
        fresh = Incident(
            incident_id=0,
            operator_id=self.operator_id,
            rule=rule.code,
            group_key=group,
            severity=rule.severity,
            state=IncidentState.OPEN,
            title=title_of(rule, key.place, self.engine, symptom.detail),
            place=key.place,
            began_at=symptom.since,
            opened_at=self.now,
            updated_at=self.now,
            mrec=found.code if found is not None else None,
            error_code=code or None,
            vendor_error_code=vendor_code or None,
            symptoms=1,
        )
        incident = await store.insert_incident(tx, fresh)
        self._note(ChangeKind.OPENED, incident, incident.title)
        return incident

    def _attach(self, key: SymptomKey, symptom: Symptom, incident: Incident) -> Incident:
        rule = self.rules[key.rule]
        more = replace(incident, symptoms=incident.symptoms + 1, updated_at=self.now)
        if rule.severity.rank > incident.severity.rank:
            text = title_of(rule, key.place, self.engine, symptom.detail)
            return self._change(ChangeKind.WORSENED, replace(more, severity=rule.severity), text)
        self._keep(more)
        self.changed[more.incident_id] = more
        return more

    def _change(self, kind: ChangeKind, incident: Incident, text: str) -> Incident:
        self.changed[incident.incident_id] = incident
        self._note(kind, incident, text)
        return incident

    def _note(self, kind: ChangeKind, incident: Incident, text: str) -> None:
        self._keep(incident)
        stations = (StationId(incident.place.station_id),) if incident.place.station_id else ()
        self.changes.append(IncidentChange(kind, incident, self.now, ACTOR, text, stations))

    def _keep(self, incident: Incident) -> None:
        self.by_group[incident.group_key] = self.by_id[incident.incident_id] = incident

    def _is_raised(self, code: str, place: Place) -> bool:
        symptom = self.engine.symptoms.get(SymptomKey(self.operator_id, code, place))
        return symptom is not None and symptom.raised_at is not None


def _by_operator(verdicts: Mapping[SymptomKey, Verdict]) -> dict[OperatorId, dict[SymptomKey, Verdict]]:
    found: dict[OperatorId, dict[SymptomKey, Verdict]] = defaultdict(dict)
    for key, verdict in verdicts.items():
        found[key.operator_id][key] = verdict
    return found

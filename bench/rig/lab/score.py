"""Incidents held against the truth: what was found, what was missed, what was false, and how long it took. Pure.

An incident finds a label if its rule is one of the kind's, it is at the label's place, and it opened between onset and
end + tolerance. A site's fault is found only by an incident of the whole site, a station's or an EVSE's by one of that
station or EVSE. Each label is found once; further incidents of it are duplicates, shown and not false. An incident that
follows from another fault by a named pair of the data file is secondary: neither found nor false. All others are false.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median, quantiles

from rig.lab.ranges import Kind, Recipe
from rig.lab.stream import Label, Opening, Place

UNKNOWN = "other rules"
"""Incidents of rules that no kind of the data file names: they are false."""


@dataclass(slots=True)
class Tally:
    """What became of one kind: labels that had to be found, those found, and its rules' incidents."""

    kind: str
    labels: int = 0
    found: int = 0
    true: int = 0
    false: int = 0
    duplicates: int = 0
    secondary: int = 0
    delays_s: list[float] = field(default_factory=list)
    missed: list[Label] = field(default_factory=list)
    false_openings: list[Opening] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        """Share of the labels that were found; None where there was none."""
        return self.found / self.labels if self.labels else None

    @property
    def precision(self) -> float | None:
        """Share of the incidents that were true; None where there was none."""
        opened = self.true + self.false
        return self.true / opened if opened else None

    def delay_s(self, *, p95: bool = False) -> float | None:
        """Return the median (or 95th percentile) from onset to incident."""
        if len(self.delays_s) < 2:
            return self.delays_s[0] if self.delays_s else None
        return quantiles(self.delays_s, n=20)[-1] if p95 else median(self.delays_s)

    def add(self, other: "Tally") -> None:
        """Take in another month's."""
        for name in ("labels", "found", "true", "false", "duplicates", "secondary"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("delays_s", "missed", "false_openings"):
            getattr(self, name).extend(getattr(other, name))


@dataclass(slots=True)
class Score:
    """All kinds, over `evse_days`."""

    tallies: dict[str, Tally]
    evse_days: float

    @property
    def recall(self) -> float:
        """Over all labels of all kinds."""
        labels = sum(it.labels for it in self.tallies.values())
        return sum(it.found for it in self.tallies.values()) / labels if labels else 0.0

    @property
    def false_per_1000(self) -> float:
        """False incidents per 1,000 EVSE-days."""
        return 1000 * sum(it.false for it in self.tallies.values()) / self.evse_days

    def add(self, other: "Score") -> None:
        """Take in another month's."""
        self.evse_days += other.evse_days
        for kind, tally in other.tallies.items():
            self.tallies.setdefault(kind, Tally(kind)).add(tally)


def scored(recipe: Recipe, truth: Iterable[Label], openings: Sequence[Opening], *, evse_days: float) -> Score:
    """Hold incidents against labels."""
    tallies = {name: Tally(name) for name in recipe.kinds}
    by_site: dict[int, list[Label]] = defaultdict(list)
    for label in sorted(truth, key=lambda it: it.onset):
        by_site[label.place.location_id].append(label)
        tallies[label.kind].labels += label.is_required
    found: set[Label] = set()
    for opening in sorted(openings, key=lambda it: it.at):
        _judge(recipe, by_site[opening.place.location_id], opening, found, tallies)
    for labels in by_site.values():
        for label in labels:
            if label.is_required and label not in found:
                tallies[label.kind].missed.append(label)
    return Score(tallies, evse_days)


def _judge(
    recipe: Recipe, labels: Sequence[Label], opening: Opening, found: set[Label], tallies: dict[str, Tally]
) -> None:
    fitting = [it for it in labels if opening.rule in recipe.kinds[it.kind].rules and _fits(recipe, it, opening)]
    fresh = next((it for it in fitting if it not in found), None)
    if fresh is not None:
        found.add(fresh)
        tally = tallies[fresh.kind]
        tally.true += 1
        tally.found += fresh.is_required
        if fresh.is_required:
            tally.delays_s.append((opening.at - fresh.onset) / timedelta(seconds=1))
    elif fitting:
        tallies[fitting[0].kind].true += 1
        tallies[fitting[0].kind].duplicates += 1
    elif cause := _cause_of(recipe, labels, opening):
        tallies[cause.kind].secondary += 1
    else:
        kind = _kind_of(recipe, opening)
        tally = tallies.setdefault(kind, Tally(kind))
        tally.false += 1
        tally.false_openings.append(opening)


def _fits(recipe: Recipe, label: Label, opening: Opening) -> bool:
    return is_at(label.place, opening.place) and _is_in_time(recipe.kinds[label.kind], label, opening)


def is_at(truth: Place, said: Place) -> bool:
    """Say whether an incident's place is a label's: no wider than a station, and a site's fault is told of the site."""
    if truth.location_id != said.location_id or truth.station_id != said.station_id:
        return False
    return said.evse_id in {0, truth.evse_id}


def _is_in_time(kind: Kind, label: Label, opening: Opening) -> bool:
    return label.onset <= opening.at <= label.end + timedelta(seconds=kind.tolerance_s)


def _cause_of(recipe: Recipe, labels: Sequence[Label], opening: Opening) -> Label | None:
    """Return the label from which an incident follows by a named pair; it may lie anywhere within the label's place."""
    for label in labels:
        if opening.rule not in recipe.secondary.get(label.kind, ()):
            continue
        is_within = label.place.station_id in {0, opening.place.station_id}
        if is_within and _is_in_time(recipe.kinds[label.kind], label, opening):
            return label
    return None


def _kind_of(recipe: Recipe, opening: Opening) -> str:
    return next((name for name, kind in recipe.kinds.items() if opening.rule in kind.rules), UNKNOWN)

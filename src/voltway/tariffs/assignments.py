"""Which tariff applies: assignments, versions, and the rules that choose among them, pure.

A tariff is assigned to the operator as a whole, a location, a group of stations, a station or one EVSE, within a
validity and, if wanted, for one token group. Of those that hold, the highest priority wins; then the most specific
target; then one for the token's own group before one for everybody; then the newest. Of its tariff the newest version
applies that existed at the start and is valid then; where none is, the next assignment is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from voltway.kernel.ids import TariffId


class TargetKind(StrEnum):
    """What a tariff is assigned to, the least specific first."""

    OPERATOR = "operator"
    LOCATION = "location"
    GROUP = "group"
    STATION = "station"
    EVSE = "evse"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One assignment; `target` is the location's code, the group's name, the identity or `IDENTITY/EVSE`.

    `valid_from` is inclusive, `valid_to` exclusive, None is open.
    """

    id: int
    tariff_id: TariffId
    target_kind: TargetKind
    target: str
    token_group: str | None
    priority: int
    valid_from: datetime | None
    valid_to: datetime | None
    created_at: datetime

    def holds(self, at: datetime, token_group: str | None) -> bool:
        """Say whether it holds at that instant for a token of that group."""
        begun = self.valid_from is None or self.valid_from <= at
        ended = self.valid_to is not None and self.valid_to <= at
        return begun and not ended and self.token_group in {None, token_group}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is: everything that a tariff may be assigned to."""

    identity: str
    evse_id: int
    groups: tuple[str, ...] = ()
    location: str | None = None

    def targets(self) -> list[tuple[TargetKind, str]]:
        """Return every target that covers this place."""
        covered = [
            (TargetKind.OPERATOR, ""),
            (TargetKind.STATION, self.identity),
            (TargetKind.EVSE, f"{self.identity}/{self.evse_id}"),
            *((TargetKind.GROUP, group) for group in self.groups),
        ]
        return covered if self.location is None else [*covered, (TargetKind.LOCATION, self.location)]


class Version(NamedTuple):
    """One version of a tariff: since when we have it, and OCPI's validity in it (start inclusive, end exclusive)."""

    number: int
    created_at: datetime
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def is_valid_at(self, at: datetime) -> bool:
        """Say whether the instant lies in its validity."""
        begun = self.valid_from is None or self.valid_from <= at
        return begun and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class Start:
    """A session that starts: where, when, and with a token of which group."""

    place: Place
    at: datetime
    token_group: str | None = None


def find_version(
    assignments: Iterable[Assignment], versions: Mapping[TariffId, Sequence[Version]], start: Start
) -> tuple[TariffId, int] | None:
    """Return the tariff and version that apply to a start, None where none does: not billable, and visible as such.

    `versions` of each tariff in the order of their numbers.
    """
    left = list(assignments)
    while (chosen := choose(left, start.place, token_group=start.token_group, at=start.at)) is not None:
        number = version_at(versions.get(chosen.tariff_id, ()), start.at)
        if number is not None:
            return chosen.tariff_id, number
        left.remove(chosen)
    return None


def version_at(versions: Sequence[Version], at: datetime) -> int | None:
    """Return the newest version that existed at an instant and is valid then; before all of them the first counts."""
    existing = [version for version in versions if version.created_at <= at] or versions[:1]
    return next((version.number for version in reversed(existing) if version.is_valid_at(at)), None)


def choose(
    assignments: Iterable[Assignment], place: Place, *, token_group: str | None, at: datetime
) -> Assignment | None:
    """Return the assignment that applies at a place for a token group, None where no tariff does."""
    covered = set(place.targets())
    holding = [it for it in assignments if (it.target_kind, it.target) in covered and it.holds(at, token_group)]
    return max(holding, key=_rank, default=None)


def _rank(assignment: Assignment) -> tuple[int, int, bool, datetime, int]:
    specificity = list(TargetKind).index(assignment.target_kind)
    own_group = assignment.token_group is not None
    return (assignment.priority, specificity, own_group, assignment.created_at, assignment.id)

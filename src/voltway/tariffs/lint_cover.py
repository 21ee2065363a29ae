"""The linter's rules that compare elements: moments that nobody prices, elements never reached, elements that overlap.

Elements of one dimension compete in list order, reservations apart (docs/algorithms/price.md); the cells that they are
compared on are `lint_regions`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from voltway.kernel.money import decimal_text
from voltway.tariffs.lint_findings import Finding, listed
from voltway.tariffs.lint_regions import Dates, Grid, Position
from voltway.tariffs.lint_words import places, region_words, shortened
from voltway.tariffs.model import Dimension, Reservation, Restrictions, Tariff
from voltway.tariffs.rates import zone

_METERED = (Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME)
_RESERVED = (Dimension.TIME, Dimension.FLAT)
_MOST_PAIRS = 50_000
_EAST, _WEST = timedelta(hours=14), timedelta(hours=12)
_INSTANT = timedelta(microseconds=1)


class Entry(NamedTuple):
    """One price component among those that compete for a dimension."""

    element: int
    component: int
    restrictions: Restrictions | None
    rate: tuple[Decimal, Decimal | None]

    @property
    def pointer(self) -> str:
        """Return the component's JSON Pointer."""
        return f"/elements/{self.element}/price_components/{self.component}"


class Contest:
    """The components that compete for one dimension, in list order, with the cells that each wins."""

    def __init__(self, dimension: Dimension, entries: tuple[Entry, ...], dates: Dates) -> None:
        self.dimension = dimension
        self.entries = entries
        self.grid = Grid([entry.restrictions for entry in entries], dates)

    @cached_property
    def outcome(self) -> "Outcome":
        """Walk the cells once."""
        reached: set[int] = set()
        holes: dict[Position, int] = {}
        changes = False
        for position, wins, left in self.grid.walk():
            reached.update(index for index, _ in wins)
            prices = {self.entries[index].rate for index, _ in wins}
            if left and self.grid.is_known(position):
                holes[position] = left
            changes = changes or len(prices) + bool(left) > 1
        return Outcome(frozenset(reached), holes, changes)

    @cached_property
    def unreachable(self) -> frozenset[int]:
        """Return the entries that never price; in a thinned grid those of which that is plain."""
        if not self.grid.is_thinned:
            return frozenset(range(len(self.entries))) - self.outcome.reached
        never, is_shadowed = set(), False
        for index, entry in enumerate(self.entries):
            if is_shadowed or _contradiction(entry.restrictions) is not None:
                never.add(index)
            is_shadowed = is_shadowed or entry.restrictions in (None, Restrictions())
        return frozenset(never)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who wins anything, the cells that nobody wins, and whether the clock alone can change the price."""

    reached: frozenset[int]
    holes: Mapping[Position, int]
    changes_by_clock: bool


class Cover:
    """The contests of a tariff: one per dimension, and those of its reservations."""

    def __init__(self, tariff: Tariff, time_zone: str | None) -> None:
        dates = _validity(tariff, time_zone)
        self.session = _contests(tariff, None, dates)
        reservations = [_contests(tariff, kind, dates) for kind in Reservation]
        self.all = [*self.session.values(), *(contest for found in reservations for contest in found.values())]

    def changes_by_clock(self, dimension: Dimension) -> bool:
        """Tell whether the clock can change a dimension's price within a session."""
        contest = self.session.get(dimension)
        return contest is not None and contest.outcome.changes_by_clock

    def findings(self) -> Iterator[Finding]:
        """Yield what the comparison of elements shows."""
        for dimension in _METERED:
            contest = self.session.get(dimension)
            if contest is None:
                yield _free(dimension)
            elif contest.outcome.holes:
                yield _gap(contest)
        yield from _unreachable(self.all)
        yield from _overlaps(self.all)


def _contests(tariff: Tariff, kind: Reservation | None, dates: Dates) -> dict[Dimension, Contest]:
    entries: dict[Dimension, list[Entry]] = {}
    for index, element in enumerate(tariff.elements):
        r = element.restrictions
        if (r.reservation if r is not None else None) is not kind:
            continue
        for number, component in enumerate(element.components):
            if kind is None or component.dimension in _RESERVED:
                entry = Entry(index, number, r, (component.price, component.vat))
                entries.setdefault(component.dimension, []).append(entry)
    return {dimension: Contest(dimension, tuple(found), dates) for dimension, found in entries.items()}


def _validity(tariff: Tariff, time_zone: str | None) -> Dates:
    """Return the local dates of the tariff's validity; without a zone those that are in it anywhere on earth."""
    begins, ends = tariff.start_date_time, tariff.end_date_time
    try:
        if time_zone is None:
            first = (begins + _EAST).toordinal() if begins is not None else None
            return first, (ends - _WEST - _INSTANT).toordinal() + 1 if ends is not None else None
        local = zone(time_zone)
        first = begins.astimezone(local).toordinal() if begins is not None else None
        return first, (ends - _INSTANT).astimezone(local).toordinal() + 1 if ends is not None else None
    except OverflowError:  # the first or the last day of the calendar stands for "always"
        return None, None


def _free(dimension: Dimension) -> Finding:
    return Finding(
        "free_dimension",
        "/elements",
        f"No element prices {dimension}: it is free.",
        f"Leave it so if {dimension} is meant to be free; else add a component of type {dimension}.",
    )


def _gap(contest: Contest) -> Finding:
    dimension = contest.dimension
    where = "; ".join(places(contest.grid, contest.outcome.holes))
    return Finding(
        "gap",
        "/elements",
        f"No element prices {dimension} here: {where}. It is billed with 0 there.",
        f"Add an element without restrictions at the end of the list with a component of type {dimension} "
        "(price 0 if it is meant to be free).",
    )


def _unreachable(contests: list[Contest]) -> Iterator[Finding]:
    """Name elements of which nothing is ever reached, and single components of the others."""
    found: dict[int, list[tuple[Contest, int]]] = {}
    sizes: dict[int, int] = {}
    for contest in contests:
        for index, entry in enumerate(contest.entries):
            sizes[entry.element] = sizes.get(entry.element, 0) + 1
            if index in contest.unreachable:
                found.setdefault(entry.element, []).append((contest, index))
    for element, never in found.items():
        if len(never) == sizes[element]:
            reasons = list(dict.fromkeys(_reason(contest, index) for contest, index in never))
            yield _never(f"/elements/{element}", "This element", " ".join(reasons))
        else:
            for contest, index in never:
                yield _never(contest.entries[index].pointer, "This component", _reason(contest, index))


def _never(path: str, what: str, reason: str) -> Finding:
    fix = (
        "Remove it, or move it before the elements that hold first; correct its restrictions where they can never hold."
    )
    return Finding("unreachable_element", path, f"{what} never applies. {reason}", fix)


def _reason(contest: Contest, index: int) -> str:
    entry = contest.entries[index]
    contradiction = _contradiction(entry.restrictions)
    if contradiction is not None:
        return f"Its restrictions can never hold: {contradiction}."
    region = contest.grid.regions[index]
    if region.is_empty and not contest.grid.is_thinned:
        return "Its restrictions can never hold: its dates have no such day, or lie outside the tariff's validity."
    earlier = [entry.element for entry in contest.entries[:index]]
    regions = contest.grid.regions[:index]
    within = (number for number, its in zip(earlier, regions, strict=True) if region.is_within(its))
    alone = list(islice(within, 1))
    together = (number for number, its in zip(earlier, regions, strict=True) if not its.meet(region).is_empty)
    names = list(dict.fromkeys(map(str, alone or together)))
    if names == [str(entry.element)]:
        return f"An earlier {contest.dimension} component of the same element always comes first."
    word = "Element" if len(names) == 1 else "Elements"
    verb = "comes" if len(names) == 1 else "come"
    return f"{word} {listed(shortened(names))} always {verb} first for {contest.dimension}."


def _contradiction(r: Restrictions | None) -> str | None:
    """Say which two restrictions exclude each other."""
    if r is None:
        return None
    if r.start_date is not None and r.end_date is not None and r.start_date >= r.end_date:
        return f"end_date {r.end_date} is exclusive and not after start_date {r.start_date}"
    sides = {
        "kwh": (r.min_kwh, r.max_kwh),
        "current": (r.min_current, r.max_current),
        "power": (r.min_power, r.max_power),
        "duration": (r.min_duration_s, r.max_duration_s),
    }
    for name, (low, high) in sides.items():
        if high is not None and high <= (low or 0):
            return f"max_{name} {decimal_text(Decimal(high))} is exclusive and leaves nothing above min_{name}"
    return None


def _overlaps(contests: list[Contest]) -> Iterator[Finding]:
    """Name pairs of elements that meet while neither contains the other, one finding per pair."""
    found: dict[tuple[int, int], dict[str, list[str]]] = {}
    for contest in contests:
        for earlier, later in islice(_pairs(contest), _MOST_PAIRS):
            words = _overlap_words(contest, earlier, later)
            if words is not None:
                pair = contest.entries[earlier].element, contest.entries[later].element
                found.setdefault(pair, {}).setdefault(words, []).append(contest.dimension.value)
    for (first, second), by_words in found.items():
        where = "; ".join(f"{listed(dimensions)} here: {words}" for words, dimensions in by_words.items())
        yield Finding(
            "overlap",
            f"/elements/{second}",
            f"Elements {first} and {second} both price {where}. List order decides, so element {first} applies there.",
            f"Write what holds where both meet as an element of its own before element {first}, or narrow one of them.",
        )


def _pairs(contest: Contest) -> Iterator[tuple[int, int]]:
    """Yield pairs that meet on the clock; elements that meet nobody before them are passed over at once."""
    regions, clock_before = contest.grid.regions, 0
    for later, region in enumerate(regions):
        if region.clock & clock_before:
            yield from ((earlier, later) for earlier in range(later))
        clock_before |= region.clock


def _overlap_words(contest: Contest, earlier: int, later: int) -> str | None:
    """Say where two entries meet; None where that is no overlap or an exception for it stands before both."""
    regions = contest.grid.regions
    first, second = regions[earlier], regions[later]
    both = first.meet(second)
    if both.is_empty or both in (first, second):
        return None
    if any(both.is_within(other) for other in regions[:earlier]):
        return None
    if {earlier, later} & contest.unreachable:
        return None
    return region_words(contest.grid, both)

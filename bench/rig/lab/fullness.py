"""When a site was full: all EVSEs in service taken, found afterwards from who stood where. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import timedelta

from rig.lab.planning import DAY_S
from rig.lab.site import SiteLife
from rig.lab.stream import Label, Place

Span = tuple[float, float]


def full_spells(life: SiteLife) -> Iterator[Label]:
    """Yield a label for each spell in which the site was full for long enough."""
    full = life.recipe.full
    taken = [span for bay in life.bays.values() for span in merged(bay.taken, full.gap_s)]
    out = [span for bay in life.bays.values() for span in without(merged(bay.out, 0), merged(bay.taken, full.gap_s))]
    turned = sorted(life.turned_away)
    evses = len(life.bays)
    for begin_s, end_s in merged(all_taken(taken, out, evses), full.gap_s):
        until_s = min(end_s, life.days * DAY_S)
        if until_s - begin_s < full.least_min * 60:
            continue
        refused = bisect_right(turned, until_s) - bisect_left(turned, begin_s)
        is_required = evses >= full.least_evses and refused >= full.least_turned_away
        begin = life.recipe.begin
        onset, end = begin + timedelta(seconds=begin_s), begin + timedelta(seconds=until_s)
        yield Label("queue", Place(life.site.location_id), onset, end, refused, is_required=is_required)


def all_taken(taken: Sequence[Span], out: Sequence[Span], evses: int) -> Iterator[Span]:
    """Yield the spans in which each of `evses` is taken or out of service, and at least half are taken."""
    steps = [(at_s, step, 0) for begin_s, end_s in taken for at_s, step in ((begin_s, 1), (end_s, -1))]
    steps += [(at_s, 0, step) for begin_s, end_s in out for at_s, step in ((begin_s, 1), (end_s, -1))]
    cars = gone = 0
    since: float | None = None
    for at_s, car, loss in sorted(steps):
        cars, gone = cars + car, gone + loss
        is_full = cars + gone >= evses and 2 * cars >= evses
        if is_full and since is None:
            since = at_s
        elif not is_full and since is not None:
            if at_s > since:
                yield since, at_s
            since = None


def merged(spans: Sequence[Span] | Iterator[Span], gap_s: float) -> list[Span]:
    """Join spans that overlap or lie at most `gap_s` apart."""
    found: list[Span] = []
    for begin_s, end_s in sorted(spans):
        if found and begin_s <= found[-1][1] + gap_s:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((begin_s, end_s))
    return found


def without(spans: Sequence[Span], others: Sequence[Span]) -> Iterator[Span]:
    """Yield what of `spans` lies outside `others`; both ascending and without overlap."""
    for begin_s, end_s in spans:
        at_s = begin_s
        for other_begin_s, other_end_s in others:
            if other_end_s <= at_s or other_begin_s >= end_s:
                continue
            if other_begin_s > at_s:
                yield at_s, other_begin_s
            at_s = other_end_s
        if at_s < end_s:
            yield at_s, end_s

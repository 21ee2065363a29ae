"""Feeding a month to an engine, and three engines that prove the scoring: one that knows, one that is mute, one that
cries wolf."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from rig.lab.month import Month
from rig.lab.ranges import Recipe
from rig.lab.stream import Engine, Event, Label, Opening, Place

TICK_S = 60.0
"""How often time passes for an engine without any event."""


def openings_of(month: Month, engine: Engine, *, tick_s: float = TICK_S) -> list[Opening]:
    """Feed a month to an engine, event by event with time passing in between, and return what it opened."""
    found: list[Opening] = []
    step = timedelta(seconds=tick_s)
    begin = month.recipe.begin
    next_tick, until = begin + step, begin + timedelta(days=month.days)
    for event in month.events():
        while next_tick <= event.at:
            found.extend(engine.tick(next_tick))
            next_tick += step
        found.extend(engine.feed(event))
    while next_tick <= until:
        found.extend(engine.tick(next_tick))
        next_tick += step
    return found


class Mute:
    """Finds nothing."""

    def feed(self, event: Event) -> Iterable[Opening]:
        """Take an event in."""
        del event
        return ()

    def tick(self, now: datetime) -> Iterable[Opening]:
        """Let time pass."""
        del now
        return ()


class Wolf(Mute):
    """Opens an incident of a rule at a site once a day, whatever happens."""

    def __init__(self, rule: str, place: Place) -> None:
        self._rule = rule
        self._place = place
        self._day: int | None = None

    def tick(self, now: datetime) -> Iterable[Opening]:
        """Cry at the first tick of a day."""
        if now.toordinal() == self._day:
            return ()
        self._day = now.toordinal()
        return (Opening(self._rule, self._place, now),)


def all_knowing(recipe: Recipe, truth: Sequence[Label]) -> Iterator[Opening]:
    """Yield what an engine that knows the truth opens: one incident for each label, a minute after its onset."""
    for label in truth:
        rule = min(recipe.kinds[label.kind].rules)
        yield Opening(rule, label.place, min(label.end, label.onset + timedelta(minutes=1)))

"""A connector that nobody uses while its neighbours are used: a test against its own history and its siblings. Pure.

A car that comes to a site takes one of the EVSEs that are free. So each start of a session at a site is, for an EVSE
that was free just then, a choice: it was *taken* (while a sibling was free too), or a sibling was and it was *passed*.
What brings more or fewer cars (the hour of the week, a holiday, a closed road) is the same for all of them and drops
out: starts that are Poisson with whatever rate, given how many there were, are binomial in the EVSE's share.

    share ~ Beta(a, b)    a = s/k + w * taken,  b = s * (1 - 1/k) + w * passed
    P(n) = product over i < n of (b + i) / (a + b + i) = G(b + n) G(a + b) / (G(b) G(a + b + n))

P(n) is the probability to be passed n times in a row, k the number of the site's EVSEs, s what the belief that all are
alike is worth in choices, and w = min(1, most / (taken + passed)) lets old habits fade, so that P never rests on more
than `most` choices: shares drift, and P falls the slower for it. G is the gamma function.
Source: the beta-binomial distribution (Johnson, Kemp and Kotz, Univariate Discrete Distributions, 3rd edition, 6.2.2).

P only falls while an EVSE is passed and begins anew when it is taken, so it is one test per session however often it is
looked at: at three sessions a day a threshold of 3.75 (P = 1 in 5,600) is one false alarm in 1,900 EVSE-days at most,
and fewer where an EVSE is not passed often enough between two sessions for P to fall so low (measured: 1 in 5,000).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import lgamma, log
from typing import NamedTuple

from voltway.monitoring.incidents.detectors_evse import number
from voltway.monitoring.incidents.model import Rule, Sign
from voltway.monitoring.timeline.model import EvseKey

_FOREVER = datetime.max.replace(tzinfo=UTC)
Span = tuple[datetime, datetime | None]
"""[begin, end); None: until now."""


class Start(NamedTuple):
    """A session that started, and until when it lasted (None: it still does)."""

    at: datetime
    key: EvseKey
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SilentInput:
    """How an EVSE was chosen before the present silence, and how often it has been passed since."""

    taken: int
    passed: int
    silent: int
    """Passed since it was last taken."""
    since: datetime | None
    """When it was first passed in this silence."""
    siblings: int


@dataclass(slots=True)
class Tally:
    """One EVSE's choices, counted as they come."""

    taken: int = 0
    passed: int = 0
    silent: int = 0
    since: datetime | None = None

    def take(self, *, is_choice: bool) -> None:
        """Count that a session started here; `is_choice`: a sibling was free too."""
        self.taken += is_choice
        self.passed += self.silent
        self.silent, self.since = 0, None

    def skip(self, at: datetime) -> None:
        """Count that a session started at a sibling while this one was free."""
        self.silent += 1
        self.since = self.since or at

    def input_of(self, siblings: int) -> SilentInput:
        """Return what the test looks at."""
        return SilentInput(self.taken, self.passed, self.silent, self.since, siblings)


def counted(starts: Iterable[Start], free: Mapping[EvseKey, Sequence[Span]]) -> dict[EvseKey, SilentInput]:
    """Count the choices at one site.

    Args:
        starts: the site's sessions of the last weeks, in any order.
        free: for each EVSE of the site when it was available, in order and without overlap.
    """
    begins = {key: [begin for begin, _ in spans] for key, spans in free.items()}
    tallies = {key: Tally() for key in free}
    busy: dict[EvseKey, datetime] = {}
    for start in sorted(set(starts), key=lambda it: (it.at, it.key)):
        at = start.at
        # A session that does not end keeps drivers away, whatever the connector says of itself.
        idle = (key for key in free if key not in busy or busy[key] <= at)
        count(tallies, start, {key for key in idle if _is_free(begins[key], free[key], at)})
        until = start.until if start.until is not None else _FOREVER
        busy[start.key] = max(until, busy.get(start.key, until))
    return {key: tally.input_of(len(tallies) - 1) for key, tally in tallies.items()}


def count(tallies: Mapping[EvseKey, Tally], start: Start, free: set[EvseKey]) -> None:
    """Count one start at a site, given which of its EVSEs were free just then."""
    others = free - {start.key}
    if start.key in tallies:
        tallies[start.key].take(is_choice=bool(others))
    for key in others:
        tallies[key].skip(start.at)


def silent_connector(view: SilentInput, rule: Rule, _now: datetime) -> Sign | None:
    """Say how improbable it is to be passed so often by chance. Value: -log10 of the probability."""
    if not view.siblings or view.since is None:
        return None
    value = surprise(view, prior=number(rule, "prior"), most=number(rule, "most_choices"))
    return Sign(value, view.since, f"passed {view.silent} times in a row while it was free")


def surprise(view: SilentInput, *, prior: float, most: float) -> float:
    """Return -log10 of the probability to be passed `view.silent` times in a row.

    >>> alike = SilentInput(taken=100, passed=300, silent=40, since=None, siblings=3)
    >>> round(surprise(alike, prior=2.0, most=1e9), 2)
    4.74
    """
    share = 1 / (view.siblings + 1)
    history = view.taken + view.passed
    weight = min(1.0, most / history) if history else 0.0
    a = prior * share + weight * view.taken
    b = prior * (1 - share) + weight * view.passed
    if a <= 0 or b <= 0:
        return 0.0
    fallen = lgamma(b) - lgamma(b + view.silent) + lgamma(a + b + view.silent) - lgamma(a + b)
    return max(0.0, fallen / log(10))


def _is_free(begins: Sequence[datetime], spans: Sequence[Span], at: datetime) -> bool:
    index = bisect_right(begins, at) - 1
    if index < 0:
        return False
    end = spans[index][1]
    return end is None or at < end

"""The engine: whatever comes in whatever order, the timeline that it keeps is the projection of all evidence."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.ids import EvseId, OperatorId, StationId
from voltway.monitoring.timeline.model import Connection, Evidence, EvseKey, Interval, Request, Spell, Status
from voltway.monitoring.timeline.projection import project
from voltway.monitoring.watch.engine import Engine, Outcome
from voltway.monitoring.watch.judge import RuleBook
from voltway.monitoring.watch.model import ConnectionRow, Facts, RequestRow, SessionRow, StationRow, StatusRow

T0 = datetime(2026, 3, 2, 8, tzinfo=UTC)
KEY = EvseKey(StationId(1), EvseId(1))
STATION = StationRow(StationId(1), OperatorId(1), "A", location_id=1, location_code="HARBOUR", evses=((1, 11_000),))
WORDS = (
    "available", "preparing", "occupied", "charging", "suspended_ev", "finishing", "unavailable", "faulted",
)  # fmt: skip


@dataclass
class World:
    """A station that lives by chance, the engine that watches it, and what a store would hold of both."""

    dice: Random
    engine: Engine = field(default_factory=lambda: Engine(lambda _: RuleBook({})))
    now: datetime = T0
    link: Connection | None = None
    links: dict[UUID, Connection] = field(default_factory=dict)
    statuses: set[Status] = field(default_factory=set)
    spells: dict[UUID, Spell] = field(default_factory=dict)
    requests: dict[tuple[object, ...], Request] = field(default_factory=dict)
    stored: dict[datetime, Interval] = field(default_factory=dict)

    def live(self, steps: int) -> None:
        """Let chance happen, and tell the engine."""
        self.engine.take(Facts(stations=[STATION]), T0)
        for _ in range(steps):
            self.now += timedelta(seconds=self.dice.choice([1, 5, 30, 200, 600, 2000]))
            self.keep(self.engine.take(self.happen(), self.now))
            self.keep(self.engine.tick(self.now))
        self.now += timedelta(seconds=5)
        self.keep(self.engine.tick(self.now))

    def happen(self) -> Facts:
        """Return what one step brings."""
        chance, facts = self.dice.random(), Facts()
        if chance < 0.2 or self.link is None:
            self.reconnect(facts)
        elif chance < 0.3 and self.link.end is None:
            self.hear(facts, Connection(self.link.link_id, self.link.begin, self.now, self.now))
        elif self.link.end is None:
            # Whatever it says proves that its link lives.
            self.hear(facts, Connection(self.link.link_id, self.link.begin, None, self.now))
            self.say(facts)
        return facts

    def reconnect(self, facts: Facts) -> None:
        """Begin a new link; the old one was closed, or a gateway died and closed nothing."""
        known = self.link
        if known is not None and known.end is None and self.dice.random() < 0.7:
            ended = self.now - timedelta(seconds=1)
            self.hear(facts, Connection(known.link_id, known.begin, ended, ended))
        self.hear(facts, Connection(self.key(), self.now, None, self.now))

    def say(self, facts: Facts) -> None:
        """Say a status (some from a queue), follow a session, or answer a wish of ours."""
        chance = self.dice.random()
        if chance < 0.4:
            late = timedelta(seconds=self.dice.choice([0, 0, 0, 1, 60, 4000]))
            place, code = self.dice.choice([1, 1, 1, 1, 0]), self.dice.choice(["", "X"])
            word = self.dice.choice(WORDS)
            status = Status(max(self.now - late, T0), self.now, place, 1, word, code, "", "")
            self.statuses.add(status)
            facts.statuses.append(StatusRow(1, status))
        elif chance < 0.5:
            answer = self.dice.choice([None, "Accepted", "Rejected"])
            request = Request(self.now, self.dice.choice([0, 1]), self.dice.random() < 0.5, answer)
            self.requests[request[:3]] = request
            facts.requests.append(RequestRow(1, request))
        elif chance < 0.9:
            spell = self.session()
            self.spells[spell.session_id] = spell
            facts.sessions.append(
                SessionRow(1, 1, spell, spell.end is None, "t", None, 0, None, None, None, self.now)
            )  # fmt: skip

    def session(self) -> Spell:
        """Go on with a session of late, or begin one (perhaps a while ago)."""
        recent = [it for it in list(self.spells.values())[-3:] if it.end is None]
        if not recent or self.dice.random() < 0.3:
            begin = max(self.now - timedelta(seconds=self.dice.choice([0, 0, 5, 3000])), T0)
            return Spell(self.key(), begin, None, begin, ())
        known = self.dice.choice(recent)
        at = max(self.now - timedelta(seconds=self.dice.choice([0, 0, 30])), known.begin)
        history = (*known.history, (at, self.dice.choice(["charging", "suspended_ev", "ev_connected"])))
        end = self.now if self.dice.random() < 0.4 else None
        return Spell(known.session_id, known.begin, end, end or self.now, history)

    def hear(self, facts: Facts, link: Connection) -> None:
        """Note a link as it is now."""
        self.link = self.links[link.link_id] = link
        facts.connections.append(ConnectionRow(1, link))

    def key(self) -> UUID:
        """Return a fresh key."""
        return UUID(int=self.dice.getrandbits(120))

    def keep(self, outcome: Outcome) -> None:
        """Store what an outcome says, and read again what it could not tell, as the service does."""
        for splice in outcome.splices.values():
            for begin in splice.replaced:
                self.stored.pop(begin)
            for interval in splice.intervals:
                assert interval.begin not in self.stored
                self.stored[interval.begin] = interval
        for key, late in outcome.late.items():
            since = (late - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
            tail = self.timeline()
            lasting = next((n for n, it in enumerate(tail) if it.end is None or it.end > since), len(tail))
            again = self.engine.relearn(key, self.evidence(), since, tail[max(lasting - 1, 0) :], self.now)
            assert not again.late
            self.keep(again)

    def evidence(self) -> Evidence:
        """Return everything that ever was known."""
        return Evidence(
            tuple(self.links.values()),
            tuple(self.statuses),
            tuple(self.spells.values()),
            tuple(self.requests.values()),
        )  # fmt: skip

    def timeline(self) -> list[Interval]:
        """Return what is stored, in order."""
        return sorted(self.stored.values(), key=lambda it: it.begin)


def shape(intervals: list[Interval]) -> list[tuple[object, ...]]:
    """Return what must agree: begin, end, state and cause."""
    return [(it.begin, it.end, it.state, it.cause) for it in intervals]


@given(st.integers(0, 2**32), st.integers(5, 120))
def test_the_kept_timeline_is_the_projection_of_all_evidence(seed: int, steps: int) -> None:
    """Step by step, with a short memory and evidence that comes late, the store ends up with the whole truth."""
    world = World(Random(seed))  # noqa: S311 - chance, not a secret
    world.live(steps)
    assert shape(world.timeline()) == shape(project(world.evidence(), world.now).intervals)


@given(st.integers(0, 2**32), st.integers(5, 60))
def test_a_fresh_engine_goes_on_where_the_old_one_stopped(seed: int, steps: int) -> None:
    """A worker that was killed reads its memory anew from what is stored, and nothing differs."""
    world = World(Random(seed))  # noqa: S311 - chance, not a secret
    world.live(steps)
    world.engine = Engine(lambda _: RuleBook({}))
    world.engine.take(Facts(stations=[STATION]), world.now)
    world.keep(world.engine.relearn(KEY, world.evidence(), T0 - timedelta(hours=1), world.timeline(), world.now))
    for _ in range(steps):
        world.now += timedelta(seconds=world.dice.choice([1, 5, 30, 200, 600]))
        world.keep(world.engine.take(world.happen(), world.now))
    world.keep(world.engine.tick(world.now))
    assert shape(world.timeline()) == shape(project(world.evidence(), world.now).intervals)


@given(st.integers(0, 2**32), st.integers(5, 60))
def test_a_batch_that_comes_twice_changes_nothing(seed: int, steps: int) -> None:
    """What was told already makes no splice: a consumer may read a batch again."""
    world = World(Random(seed))  # noqa: S311 - chance, not a secret
    world.engine.take(Facts(stations=[STATION]), T0)
    for _ in range(steps):
        world.now += timedelta(seconds=world.dice.choice([1, 5, 30, 200, 600]))
        facts = world.happen()
        world.keep(world.engine.take(facts, world.now))
        again = world.engine.take(facts, world.now)
        assert not again.splices
        world.keep(again)

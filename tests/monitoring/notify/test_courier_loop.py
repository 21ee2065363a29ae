"""The courier's steps on a real database, with a sender that the test holds: compose, claim, send, record, settle."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg
import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.notify.changes import NOON, add_route, make_change, make_incident, messages, seed_network
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database
from voltway.infra.jobs import Jobs
from voltway.infra.lane import Lane
from voltway.kernel.errors import NotReady
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import ChangeKind, IncidentChange, Severity
from voltway.monitoring.notify.courier_run import CHANNEL, LOCK, CourierLoop
from voltway.monitoring.notify.sender import Letter, Sent
from voltway.monitoring.notify.service import Notifier

NIGHT = NOON + timedelta(hours=10)
"""23:00 in Berlin."""


@dataclass
class Post:
    """A sender that notes what it is given and answers as the test wants; `gate` holds it in the middle of sending."""

    answers: dict[str, Sent] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    gate: threading.Event | None = None

    def send(self, url: str, letter: Letter, accepted: tuple[str, ...]) -> Sent:
        """Note a letter and say what the test wants to come of it."""
        self.letters.append(letter)
        if self.gate is not None:
            assert self.gate.wait(30)
        return self.answers.get(url, Sent("", (*accepted, "desk")))

    @property
    def subjects(self) -> list[str]:
        """Return the first words of what was sent."""
        return [letter.subject.partition(":")[0] for letter in self.letters]


@dataclass
class Stage:
    """A courier loop on a database with a clock of the test."""

    url: str
    clock: FakeClock
    post: Post
    loop: CourierLoop

    def run(self, rounds: int = 3) -> None:
        """Take steps until what was begun is noted."""
        for _ in range(rounds):
            assert self.loop.step()
            self.loop.rest(timeout_s=0.3)
        assert self.loop.step()

    async def tell(self, *changes: IncidentChange) -> None:
        """Write what follows from changes."""
        database = Database(self.url, pool_size=1)
        async with database.transaction(OperatorId(1)) as tx:
            await Notifier(Jobs(self.url), clock=self.clock).on_changes(tx, changes)
        await database.close()

    def states(self) -> list[str]:
        """Return the states of all messages, oldest first."""
        return [state for state, _, _ in messages(self.url)]


MakeLoop = Callable[[Post], CourierLoop]


@pytest.fixture
def make_loop(database_url: str) -> Iterator[Callable[[FakeClock, Post], CourierLoop]]:
    loops: list[CourierLoop] = []

    def make(clock: FakeClock, post: Post) -> CourierLoop:
        lane = Lane(database_url, role="voltway_ingest", lock=LOCK, channel=CHANNEL)
        loops.append(CourierLoop(lane, send=post.send, public_url="https://voltway.example", clock=clock))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()  # also one that the test has closed


@pytest.fixture
def stage(database_url: str, make_loop: Callable[[FakeClock, Post], CourierLoop]) -> Stage:
    seed_network(database_url)
    clock, post = FakeClock(NOON + timedelta(hours=1)), Post()
    return Stage(database_url, clock, post, make_loop(clock, post))


def fault(number: int = 1, at: datetime = NOON, **values: object) -> IncidentChange:
    return make_change(incident=make_incident(number, began_at=at, **values))


def over(number: int = 1, at: datetime = NOON, minute: float = 5, **values: object) -> IncidentChange:
    return make_change(ChangeKind.REMEDIED, make_incident(number, began_at=at, **values), minute=minute)


async def test_what_is_due_is_sent_once(stage: Stage) -> None:
    """With text, HTML and headers that are the same at every attempt."""
    add_route(stage.url)
    await stage.tell(fault())
    stage.run()
    (letter,) = stage.post.letters
    assert letter.subject.startswith("Faulted: HARBOUR, station CP-1, EVSE 1: GroundFailure since 13:00")
    assert letter.reference == "<incident-1-1@voltway>"
    assert letter.message_id == "voltway-message-1"
    assert "https://voltway.example/#/incidents/1" in letter.body
    assert run_sql(stage.url, "SELECT state, accepted, attempts FROM notification_message") == [("sent", ["desk"], 1)]


async def test_each_incident_has_its_message_and_each_change_too(stage: Stage) -> None:
    add_route(stage.url)
    await stage.tell(fault(1), fault(2))
    stage.run()
    await stage.tell(over(1))
    stage.run()
    assert stage.post.subjects == ["Faulted", "Faulted", "Over"]
    assert stage.states() == ["sent"] * 3


async def test_over_before_it_was_told(stage: Stage) -> None:
    """One message says both, though each was due at once."""
    add_route(stage.url)
    await stage.tell(fault(), over())
    stage.run()
    assert stage.post.subjects == ["Opened and over again"]


async def test_what_the_night_held_is_one_message_in_the_morning(stage: Stage) -> None:
    add_route(stage.url, quiet_hours={"from": "22:00", "to": "06:00"})
    await stage.tell(fault(1, NIGHT), fault(2, NIGHT), over(1, NIGHT))
    stage.clock.set(NIGHT + timedelta(hours=6, minutes=59))
    stage.run(1)
    assert stage.post.letters == []
    stage.clock.set(NIGHT + timedelta(hours=7))
    stage.run()
    assert [letter.subject for letter in stage.post.letters] == ["2 incidents at HARBOUR: 1 going on, 1 over"]
    assert "Opened and over again: Faulted" in stage.post.letters[0].body


async def test_what_became_due_while_nobody_could_send_is_not_told_at_night(stage: Stage) -> None:
    """Due at 21:30, the courier is back at 23:00: it waits for the morning; what is critical does not."""
    add_route(stage.url, quiet_hours={"from": "22:00", "to": "06:00"})
    evening = NIGHT - timedelta(minutes=90)
    await stage.tell(fault(1, evening), fault(2, evening, severity=Severity.CRITICAL))
    stage.clock.set(NIGHT)
    stage.run()
    assert [letter.severity for letter in stage.post.letters] == [Severity.CRITICAL]
    stage.clock.set(NIGHT + timedelta(hours=7))
    stage.run()
    assert [letter.reference for letter in stage.post.letters] == ["<incident-1-2@voltway>", "<incident-1-1@voltway>"]


async def test_what_comes_late_is_told_by_the_clock_of_today(stage: Stage) -> None:
    """It happened in the evening and is found at night: held like what happens at night."""
    add_route(stage.url, quiet_hours={"from": "22:00", "to": "06:00"})
    stage.clock.set(NIGHT)
    await stage.tell(fault(1, NIGHT - timedelta(minutes=90)))
    stage.run()
    assert stage.post.letters == []
    stage.clock.set(NIGHT + timedelta(hours=7))
    stage.run()
    assert len(stage.post.letters) == 1


async def test_what_gets_critical_at_night_brings_its_beginning_along(stage: Stage) -> None:
    """The held opening is told with it, and not once more in the morning; other held incidents stay held."""
    add_route(stage.url, quiet_hours={"from": "22:00", "to": "06:00"})
    worse = make_change(ChangeKind.WORSENED, make_incident(1, began_at=NIGHT, severity=Severity.CRITICAL), minute=10)
    await stage.tell(fault(1, NIGHT), fault(2, NIGHT), worse)
    stage.clock.set(NIGHT + timedelta(minutes=11))
    stage.run()
    assert [letter.severity for letter in stage.post.letters] == [Severity.CRITICAL]
    assert stage.post.subjects == ["Faulted"]
    stage.clock.set(NIGHT + timedelta(hours=8))
    stage.run()
    assert [letter.reference for letter in stage.post.letters] == ["<incident-1-1@voltway>", "<incident-1-2@voltway>"]


async def test_every_target_gets_its_own(stage: Stage) -> None:
    """One that is away does not hold up the other."""
    route = add_route(stage.url, "mailto://bad")
    run_sql(
        stage.url,
        "INSERT INTO notification_target (operator_id, route_id, url, label) VALUES (1, %s, 'mailto://good', 'good')",
        route,
    )
    stage.post.answers["mailto://bad"] = Sent("refused")
    await stage.tell(fault())
    stage.run()
    assert stage.states() == ["pending", "sent"]


async def test_a_failure_is_tried_again_later_and_in_order(stage: Stage) -> None:
    """Who has it already is remembered; the next message to that target waits for the first."""
    add_route(stage.url, "mailto://desk")
    stage.post.answers["mailto://desk"] = Sent("451 later", ("ada",))
    await stage.tell(fault(1))
    stage.run()
    await stage.tell(fault(2))
    stage.run()
    assert run_sql(stage.url, "SELECT state, attempts, error, accepted FROM notification_message ORDER BY 1, 2") == [
        ("pending", 0, None, []), ("pending", 1, "451 later", ["ada"]),
    ]  # fmt: skip
    stage.post.answers.clear()
    stage.clock.advance(seconds=6)
    stage.run()
    assert stage.states() == ["sent", "sent"]
    assert [letter.reference[10:13] for letter in stage.post.letters] == ["1-1", "1-1", "1-2"]
    assert stage.post.letters[0].message_id == stage.post.letters[1].message_id


async def test_a_message_that_never_arrives_is_given_up_and_mentioned(stage: Stage) -> None:
    add_route(stage.url, "mailto://desk")
    stage.post.answers["mailto://desk"] = Sent("550 no such user")
    await stage.tell(fault(1))
    stage.run()
    stage.clock.advance(hours=25)
    stage.run()
    assert stage.states() == ["failed"]
    stage.post.answers.clear()
    await stage.tell(fault(2))
    stage.run()
    assert "Did not reach you: “Faulted: HARBOUR" in stage.post.letters[-1].body
    await stage.tell(fault(3))
    stage.run()
    assert "Did not reach you" not in stage.post.letters[-1].body


async def test_hopeless_is_not_tried_again(stage: Stage) -> None:
    """A target that is not understood, and one that was removed before its message left."""
    add_route(stage.url, "mailto://desk")
    stage.post.answers["mailto://desk"] = Sent("not understood", is_hopeless=True)
    await stage.tell(fault(1))
    stage.run()
    stage.post.answers["mailto://desk"] = Sent("busy")
    await stage.tell(fault(2))
    stage.run()
    run_sql(stage.url, "DELETE FROM notification_target")
    stage.clock.advance(minutes=1)
    stage.run()
    rows = run_sql(stage.url, "SELECT state, error FROM notification_message ORDER BY message_id")
    assert rows == [("failed", "not understood"), ("failed", "the target was removed from its route")]


async def test_a_test_waits_for_nothing(stage: Stage) -> None:
    """Though an older message to that target is still in its back-off."""
    route = add_route(stage.url, "mailto://desk")
    stage.post.answers["mailto://desk"] = Sent("busy")
    await stage.tell(fault(1))
    stage.run()
    run_sql(
        stage.url,
        """INSERT INTO notification_message (operator_id, route_id, target_id, route_name, target, kind, batch_id,
             incidents, severity, subject, body, html, state, next_at, created_at)
           SELECT 1, %s, target_id, 'Desk', label, 'test', 99, '{}', 'info', 'Test', 'Test', 'Test', 'pending', %s, %s
             FROM notification_target""",
        route, stage.clock(), stage.clock(),
    )  # fmt: skip
    stage.post.answers.clear()
    stage.run()
    assert stage.states() == ["pending", "sent"]


async def test_what_remedies_did_is_told(stage: Stage) -> None:
    add_route(stage.url)
    run_sql(
        stage.url,
        """INSERT INTO incident (operator_id, rule, group_key, severity, state, title, began_at, opened_at, updated_at)
           VALUES (1, 'faulted', 'x', 'major', 'open', 'Faulted', now(), now(), now())""",
    )
    run_sql(
        stage.url,
        """INSERT INTO incident_entry (incident_id, operator_id, at, kind, actor, text)
           SELECT incident_id, 1, now(), kind, 'remedies', text FROM incident,
             (VALUES ('remedy', 'soft reset: still faulted'), ('comment', 'hm')) AS v(kind, text)""",
    )
    await stage.tell(fault())
    stage.run()
    assert "Tried: soft reset: still faulted\n" in stage.post.letters[0].body
    assert "hm" not in stage.post.letters[0].body


class Held:
    """Two couriers on one database, the first in the middle of sending."""

    def __init__(self, stage: Stage, second: CourierLoop, second_post: Post) -> None:
        self.stage, self.second, self.second_post = stage, second, second_post
        self.gate = stage.post.gate = threading.Event()


@pytest.fixture
def held(stage: Stage, make_loop: Callable[[FakeClock, Post], CourierLoop]) -> Iterator[Held]:
    post = Post()
    held = Held(stage, make_loop(stage.clock, post), post)
    yield held
    held.gate.set()


async def test_a_second_courier_waits_for_the_first(held: Held) -> None:
    """While the first is at it, and though its worker is gone; then the second goes on, and nothing is sent twice."""
    stage = held.stage
    add_route(stage.url)
    await stage.tell(fault(1))
    assert stage.loop.step()
    assert not held.second.step()
    held.gate.set()
    assert stage.loop.finish() == 0
    assert stage.states() == ["sent"]
    stage.loop.close()
    await stage.tell(fault(2))
    second = Stage(stage.url, stage.clock, held.second_post, held.second)
    second.run()
    assert (len(stage.post.letters), len(held.second_post.letters)) == (1, 1)
    assert stage.states() == ["sent", "sent"]


def _break_connections(url: str) -> None:
    """End the couriers' connections on the server's side, as its restart does."""
    with psycopg.connect(url) as connection:
        connection.execute(
            """SELECT pg_terminate_backend(l.pid, 5000) FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.pid <> pg_backend_pid()
                  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
        )


async def test_a_courier_that_vanished_leaves_doubt_not_a_second_mail(held: Held) -> None:
    """Shown as uncertain and mentioned next time; should it live after all, its result still counts."""
    stage = held.stage
    add_route(stage.url)
    await stage.tell(fault(1))
    assert stage.loop.step()
    _break_connections(stage.url)
    second = Stage(stage.url, stage.clock, held.second_post, held.second)
    second.run()
    assert stage.states() == ["uncertain"]
    assert held.second_post.letters == []
    await stage.tell(fault(2))
    second.run()
    assert "May not have reached you: “Faulted: HARBOUR" in held.second_post.letters[0].body
    held.gate.set()
    assert stage.loop.finish() == 0
    assert stage.states() == ["sent", "sent"]


async def test_a_route_may_want_it_rather_twice(held: Held) -> None:
    stage = held.stage
    add_route(stage.url, repeat_uncertain=True)
    await stage.tell(fault(1))
    assert stage.loop.step()
    _break_connections(stage.url)
    Stage(stage.url, stage.clock, held.second_post, held.second).run()
    assert len(held.second_post.letters) == 1
    assert stage.states() == ["sent"]


async def test_a_result_waits_for_the_database(held: Held) -> None:
    """The connection breaks while a mail is on its way: it is noted as sent once there is a connection again."""
    stage = held.stage
    add_route(stage.url)
    await stage.tell(fault(1))
    assert stage.loop.step()
    _break_connections(stage.url)
    with pytest.raises(NotReady):
        stage.loop.step()
    held.gate.set()
    stage.run()
    assert stage.states() == ["sent"]
    assert len(stage.post.letters) == 1


async def test_a_claim_whose_answer_was_lost_is_taken_back(stage: Stage) -> None:
    """The database broke off between the claim and its answer: nothing was begun, so it is sent."""
    add_route(stage.url)
    await stage.tell(fault(1))
    me = stage.loop._me
    stage.loop._lane.run("SELECT 1")
    run_sql(
        stage.url,
        """INSERT INTO notification_message (operator_id, route_name, target, kind, batch_id, incidents, severity,
             subject, body, html, state, next_at, created_at, claimed_by, route_id, target_id)
           SELECT 1, 'Desk', 'x', 'incidents', 77, '{5}', 'major', 'Claimed', 'b', 'h', 'sending', %s, %s, %s,
                  route_id, target_id FROM notification_target""",
        stage.clock(), stage.clock(), me,
    )  # fmt: skip
    stage.run(4)
    assert sorted(stage.post.subjects) == ["Claimed", "Faulted"]
    assert stage.states() == ["sent", "sent"]


def test_a_notification_ends_the_rest(stage: Stage) -> None:
    """PostgreSQL wakes the courier as the transaction commits."""
    assert stage.loop.step()
    stage.loop.rest(timeout_s=0)
    with psycopg.connect(stage.url) as connection:
        connection.execute("SELECT pg_notify('voltway_notify', '')")
    waited: Sequence[int] = stage.loop.rest(timeout_s=20)
    assert waited == []

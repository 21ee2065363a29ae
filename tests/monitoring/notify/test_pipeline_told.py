"""The whole way from a change to a mail, drawn at random: each wanted change is told once, in order, never at night."""

import random
from collections import Counter
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fake_clock import FakeClock
from tests.monitoring.notify.changes import NOON, add_route, make_change, make_incident, seed_network
from tests.sessions.seeding import run_sql

from voltway.infra.db import Database, Role
from voltway.infra.jobs import Jobs
from voltway.infra.lane import Lane
from voltway.kernel.clock import monotonic_s
from voltway.monitoring.incidents.model import ChangeKind, IncidentChange, Severity
from voltway.monitoring.notify.courier_run import CHANNEL, LOCK, CourierLoop
from voltway.monitoring.notify.schedule import Hours, is_quiet
from voltway.monitoring.notify.sender import Letter, Sent
from voltway.monitoring.notify.service import Notifier

BERLIN = ZoneInfo("Europe/Berlin")
QUIET = {"from": "22:00", "to": "06:00"}
NIGHT = Hours(time(22), time(6))
ROUTES: list[dict[str, Any]] = [
    {"name": "at once"},
    {"name": "quiet", "quiet_hours": QUIET},
    {"name": "hourly", "digest_min": 60},
    {"name": "both", "quiet_hours": QUIET, "digest_min": 90, "critical_passes": False},
    {"name": "worst", "min_severity": "critical"},
    {"name": "elsewhere", "locations": ["PARK"]},
]
LIFE = (ChangeKind.OPENED, ChangeKind.WORSENED, ChangeKind.REMEDIED)


class City:
    """A day of incidents with a courier that is away at times and a mail server that refuses at times."""

    def __init__(self, database_url: str, chance: random.Random) -> None:
        self.url, self.chance = database_url, chance
        self.clock = FakeClock(NOON)
        self.sent: list[tuple[datetime, str, Letter]] = []
        self.changes: list[IncidentChange] = []
        self.refuses = True
        lane = Lane(database_url, role="voltway_ingest", lock=LOCK, channel=CHANNEL)
        self.loop = CourierLoop(lane, send=self.send, clock=self.clock)

    def send(self, url: str, letter: Letter, accepted: tuple[str, ...]) -> Sent:
        """Take a letter, or refuse one in five."""
        if self.refuses and self.chance.random() < 0.2:
            return Sent("451 later", accepted)
        self.sent.append((self.clock(), url, letter))
        return Sent("")

    async def live(self, database: Database, steps: int) -> None:
        """Open, worsen and end incidents, twice in a while with nothing sent for hours."""
        notifier, lives = Notifier(Jobs(self.url), clock=self.clock), Counter[int]()
        for _ in range(steps):
            self.clock.advance(minutes=self.chance.choice((0, 1, 7, 45, 300)))
            batch = []
            for number in self.chance.sample(range(1, 6), 2):
                severity = Severity.CRITICAL if number == 1 else Severity.MAJOR
                incident = make_incident(number + 10 * (lives[number] // 3), began_at=self.clock(), severity=severity)
                batch.append(make_change(LIFE[lives[number] % 3], incident))
                lives[number] += 1
            async with database.transaction(None) as tx:
                await notifier.on_changes(tx, batch)
                if self.chance.random() < 0.3:
                    await notifier.on_changes(tx, batch)
            self.changes += batch
            if self.chance.random() < 0.7:
                self.work()

    def work(self, rounds: int = 4) -> None:
        """Let the courier do what can be done now."""
        for _ in range(rounds):
            self.loop.step()
            self.loop.rest(timeout_s=0.02)

    def drain(self) -> None:
        """Let time pass until nothing waits."""
        self.refuses = False
        for _ in range(40):
            self.clock.advance(hours=1)
            self.work()


@pytest.fixture
def prepared(database_url: str) -> str:
    seed_network(database_url)
    for route in ROUTES:
        add_route(database_url, f"mailto://{route['name'].replace(' ', '-')}", **route)
    return database_url


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6))
async def test_each_change_is_told_once_in_order_and_never_at_night(prepared: str, seed: int) -> None:
    run_sql(prepared, "DELETE FROM notification")
    run_sql(prepared, "DELETE FROM notification_message")
    city = City(prepared, random.Random(seed))  # noqa: S311 - a day of a test
    database = Database(prepared, Role.INGEST, pool_size=1)
    await city.live(database, 12)
    city.drain()
    await database.close()
    city.loop.close()
    _check_nothing_is_lost(city)
    _check_nothing_at_night(city)
    _check_order(city)


def _check_nothing_is_lost(city: City) -> None:
    """Every change that a route wants is in one batch, every batch in one message that was sent once."""
    rows = run_sql(
        city.url,
        """SELECT r.name, n.key, m.state, m.message_id FROM notification n JOIN notification_route r USING (route_id)
             LEFT JOIN notification_message m ON m.batch_id = n.batch_id""",
    )
    assert {state for _, _, state, _ in rows} <= {"sent"}
    told = Counter((name, key) for name, key, _, _ in rows)
    assert not told or max(told.values()) == 1
    per_route = Counter(name for name, _ in told)
    wanted = {"at once", "quiet", "hourly", "both"}
    critical = sum(change.incident.severity is Severity.CRITICAL for change in city.changes)
    expected = {name: len(city.changes) for name in wanted} | ({"worst": critical} if critical else {})
    assert dict(per_route) == expected
    mails = Counter(letter.message_id for _, _, letter in city.sent)
    assert set(mails.values()) == {1}
    assert len(mails) == len({message for _, _, _, message in rows})


def _check_nothing_at_night(city: City) -> None:
    """Messages are made outside the quiet hours, but for the critical ones where they pass."""
    made = run_sql(
        city.url,
        "SELECT route_name, severity, created_at FROM notification_message WHERE route_name IN ('quiet', 'both')",
    )
    for name, severity, created_at in made:
        passes = name == "quiet" and severity == "critical"
        assert passes or not is_quiet(NIGHT, created_at, BERLIN)


def _check_order(city: City) -> None:
    """To one target messages leave in the order they were made, and an incident's end never before its beginning."""
    for url in {url for _, url, _ in city.sent}:
        numbers = [int(letter.message_id.rpartition("-")[2]) for _, target, letter in city.sent if target == url]
        assert all(before < after for before, after in pairwise(numbers))
    rows = run_sql(
        city.url,
        """SELECT route_id, incident_id, array_agg(batch_id ORDER BY at, notification_id) FROM notification
           GROUP BY route_id, incident_id""",
    )
    for _, _, batches in rows:
        assert list(batches) == sorted(batches)


async def test_a_large_batch_is_written_soon(prepared: str) -> None:
    """Five hundred changes for four routes at once: not a statement for each."""
    database = Database(prepared, Role.INGEST, pool_size=1)
    notifier = Notifier(Jobs(prepared), clock=FakeClock(NOON))
    batch = [make_change(incident=make_incident(number)) for number in range(1, 501)]
    begun_s = monotonic_s()
    async with database.transaction(None) as tx:
        await notifier.on_changes(tx, batch)
    assert monotonic_s() - begun_s < 5, "it takes half a second on a machine that does nothing else"
    await database.close()
    assert run_sql(prepared, "SELECT count(*) FROM notification") == [(500 * 4,)]


def test_the_times_of_the_test_are_what_it_says() -> None:
    """Noon UTC is an afternoon in Berlin, ten hours later it is night."""
    assert not is_quiet(NIGHT, NOON, BERLIN)
    assert is_quiet(NIGHT, NOON + timedelta(hours=10), BERLIN)

"""A worker killed at any moment repeats and forgets no mail: random kills, a real mail server that counts.

`make fuzz` asks for fifty. Kills fall at any moment of a worker's life, half of them while mails are leaving.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.monitoring.forking import Forked
from tests.monitoring.notify.changes import add_route, seed_network
from tests.monitoring.notify.fake_smtp import Mailbox, running_mailbox
from tests.sessions.seeding import run_sql

KILLS = int(os.environ.get("KILLS", "12"))
SEED = 7


@pytest.fixture
def workers(database_url: str) -> Iterator[Forked]:
    running = Forked("tests.monitoring.notify.worker_like", database_url)
    yield running
    running.close()


def wait_until(is_so: Callable[[], bool], timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def test_kills_repeat_and_forget_no_mail(database_url: str, workers: Forked) -> None:
    """Every notification that was committed is in exactly one mail per target, and none is in doubt."""
    seed_network(database_url)
    chance = random.Random(SEED)  # noqa: S311 - moments of a test
    with running_mailbox(wait_s=0.04) as mailbox:
        for name in ("Desk", "Field"):
            add_route(database_url, mailbox.url(f"{name.lower()}@voltway.test"), name=name)
        for number in range(KILLS):
            workers.start(f"work {number * 1000 + 1}")
            seen = len(mailbox.mails)
            if number % 2:
                wait_until(lambda seen=seen: len(mailbox.mails) > seen, 10)  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.3))
            else:
                time.sleep(chance.uniform(0, 1.0))
            workers.kill()
        workers.start("send")
        left = unsent(database_url)
        while left:  # as long as it goes on: a slow machine has more to catch up with
            assert wait_until(lambda left=left: unsent(database_url) < left, 30), f"{left} were forgotten"  # type: ignore[misc]
            left = unsent(database_url)
        workers.kill()
        _check(database_url, mailbox)


def unsent(database_url: str) -> int:
    """Return how many notifications and messages still wait."""
    ((number,),) = run_sql(
        database_url,
        """SELECT (SELECT count(*) FROM notification WHERE batch_id IS NULL)
                + (SELECT count(*) FROM notification_message WHERE state IN ('pending', 'sending'))""",
    )
    return int(number)


def _check(database_url: str, mailbox: Mailbox) -> None:
    states = dict(run_sql(database_url, "SELECT state, count(*) FROM notification_message GROUP BY 1"))
    assert set(states) == {"sent"}
    told = Counter((mail["To"], mail["X-Voltway-Message"]) for mail in mailbox.mails)
    assert max(told.values()) == 1, "a mail was sent twice"
    ((notifications, incidents),) = run_sql(
        database_url, "SELECT count(*), count(DISTINCT (route_id, incident_id)) FROM notification"
    )
    assert notifications > KILLS
    about = Counter((mail["To"], mail["References"]) for mail in mailbox.mails)
    assert len(about) == incidents, "an incident was not told"
    begun = Counter(
        (mail["To"], mail["References"])
        for mail, subject in zip(mailbox.mails, mailbox.subjects(), strict=True)
        if not subject.startswith("Over:")
    )
    assert begun == Counter(dict.fromkeys(about, 1)), "an incident began in two mails"

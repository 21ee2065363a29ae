"""The courier as a process: it starts, sends, is started again, finishes what it has in hand, leaves nobody."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.monitoring.notify.changes import add_route, make_change, make_incident, messages, seed_network
from tests.monitoring.notify.fake_smtp import Mailbox, running_mailbox

from voltway.infra.db import Database
from voltway.infra.jobs import Jobs
from voltway.kernel.ids import OperatorId
from voltway.monitoring.notify.courier import Courier
from voltway.monitoring.notify.courier_run import Order, read_order, run
from voltway.monitoring.notify.service import Notifier


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as box:
        yield box


@pytest.fixture
async def courier(database_url: str, mailbox: Mailbox) -> AsyncIterator[Courier]:
    """A courier that runs; ended and gone after the test."""
    seed_network(database_url)
    add_route(database_url, mailbox.url())
    running = Courier(database_url)
    await running.start()
    yield running
    await running.stop()
    assert await comes(lambda: running.pid is None)


async def tell(database_url: str, number: int) -> None:
    database = Database(database_url, pool_size=1)
    async with database.transaction(OperatorId(1)) as tx:
        await Notifier(Jobs(database_url)).on_changes(tx, [make_change(incident=make_incident(number))])
    await database.close()


async def comes(is_so: Callable[[], bool], timeout_s: float = 30) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
    return is_so()


async def test_it_sends_what_is_committed(courier: Courier, database_url: str, mailbox: Mailbox) -> None:
    """Soon after the commit, which wakes it."""
    await tell(database_url, 1)
    assert await comes(lambda: len(mailbox.mails) == 1)
    assert await comes(lambda: messages(database_url)[0][0] == "sent")
    await tell(database_url, 2)
    courier.wake()
    assert await comes(lambda: len(mailbox.mails) == 2)


async def test_a_courier_that_dies_is_started_again(courier: Courier, database_url: str, mailbox: Mailbox) -> None:
    assert courier.pid is not None
    os.kill(courier.pid, signal.SIGKILL)
    await tell(database_url, 1)
    assert await comes(lambda: len(mailbox.mails) == 1)


async def test_it_ends_with_what_it_has_in_hand(courier: Courier, database_url: str, mailbox: Mailbox) -> None:
    """A slow mail server does not make it forget: the mail is noted as sent before it goes."""
    mailbox.wait_s = 1.0
    await tell(database_url, 1)
    assert await comes(lambda: len(mailbox.mails) == 1)
    assert courier.pid is not None
    os.kill(courier.pid, signal.SIGTERM)
    await courier.stop()
    assert await comes(lambda: courier.pid is None, 0)
    assert messages(database_url)[0][0] == "sent"


async def test_its_secrets_are_not_in_its_command_line(courier: Courier, database_url: str) -> None:
    """What it must know, the database's password among it, comes over its stdin."""
    with open(f"/proc/{courier.pid}/cmdline", "rb") as file:  # noqa: ASYNC230 - procfs does not block
        assert database_url.encode() not in file.read()


def test_an_order_is_one_line() -> None:
    read, write = os.pipe()
    os.write(
        write, json.dumps({"database_url": "postgresql://x", "public_url": "https://v.example"}).encode() + b"\nrest"
    )
    assert read_order(read) == Order("postgresql://x", "https://v.example")
    assert os.read(read, 10) == b"rest"
    os.write(write, b'{"database')
    os.close(write)
    assert read_order(read) is None
    os.close(read)


def test_it_goes_at_once_when_nobody_wants_it_any_more(database_url: str) -> None:
    """Its stdin has ended before it began; with the database away it goes too, since it has nothing to note."""
    for url in (database_url, "postgresql://nobody@127.0.0.1:1/none"):
        read, write = os.pipe()
        os.close(write)
        assert run(Order(url), read) == 0
        os.close(read)

"""Operations, end to end: a frame becomes an incident, a mail, a remedy; the worker may be killed at any time.

The whole product runs as installed; a station speaks OCPP 1.6 over a real socket, a real SMTP server counts mails.
"""

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from tests.monitoring.notify.fake_smtp import Mailbox, running_mailbox
from tests.system.operating import Api, api_of, wait_until
from tests.system.running import Running, environ_for, voltway_up
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

STATION = "OPS-1"
KILLS = int(os.environ.get("KILLS", "5"))


@dataclass
class Station:
    """A station of one connector in a thread of its own: it says what it is told to, and keeps what we ask of it."""

    url: str
    orders: "asyncio.Queue[tuple[str, dict[str, Any]]]" = field(default_factory=asyncio.Queue)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    answered: int = 0

    def say(self, action: str, **payload: Any) -> None:
        """Send a call and wait for its answer: what is answered is on disk."""
        before = self.answered
        self.loop.call_soon_threadsafe(self.orders.put_nowait, (action, payload))
        wait_until(lambda: self.answered > before)

    def tell_status(self, status: str, code: str = "NoError") -> None:
        """Send a StatusNotification."""
        self.say("StatusNotification", connectorId=1, status=status, errorCode=code)

    def run(self) -> None:
        """Live until the loop is stopped."""
        asyncio.set_event_loop(self.loop)
        with suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self._live())
        self.loop.close()

    async def _live(self) -> None:
        link = connect(self.url, subprotocols=[Subprotocol("ocpp1.6")], proxy=None)
        async with link as socket, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(socket))
            tasks.create_task(self._speak(socket))

    async def _speak(self, socket: ClientConnection) -> None:
        number = 0
        while True:
            action, payload = await self.orders.get()
            number += 1
            await socket.send(json.dumps([2, f"s{number}", action, payload]))

    async def _listen(self, socket: ClientConnection) -> None:
        async for data in socket:
            frame = json.loads(data)
            if frame[0] == 2:
                self.asked.append((frame[2], frame[3]))
                await socket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
            else:
                self.answered += 1


@contextmanager
def living_station(running: Running) -> Iterator[Station]:
    """Run a station that has booted and is free."""
    station = Station(f"{running.run['ocpp_url']}/{STATION}")
    thread = threading.Thread(target=station.run)
    thread.start()
    try:
        station.say("BootNotification", chargePointVendor="Acme", chargePointModel="One", firmwareVersion="1.0")
        station.tell_status("Available")
        yield station
    finally:
        station.loop.call_soon_threadsafe(_cancel_all, station.loop)
        thread.join(10)


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def _enter(api: Api, mailbox: Mailbox) -> None:
    api.post("/api/v1/locations", {"id": "PORT", "name": "Port", "country": "DEU", "time_zone": "Europe/Berlin"})
    api.post("/api/v1/stations", {"id": STATION, "location_id": "PORT", "auth": "none"})
    route = {"name": "desk", "targets": [mailbox.url()], "kinds": ["opened", "remedied", "reopened"]}
    api.post("/api/v1/monitoring/routes", route)


def _incidents(api: Api, rule: str = "faulted") -> list[dict[str, Any]]:
    return [it for it in api.every("/api/v1/incidents") if it["rule"] == rule]


def test_a_fault_is_an_incident_a_mail_and_a_remedy(tmp_path: Path) -> None:
    """Within seconds of its frame; acknowledged by one call; over when the station says so; all on its timeline."""
    environ = environ_for(tmp_path / "state", VOLTWAY_WEBHOOKS_TO_PRIVATE="true")
    with running_mailbox() as mailbox, voltway_up(tmp_path / "state", environ=environ) as running:
        running.wait_ready()
        api = api_of(running)
        _enter(api, mailbox)
        api.request("PUT", "/api/v1/monitoring/rules/faulted", {"clear_hold_s": 0})
        with living_station(running) as station:
            begun_s = time.monotonic()
            station.tell_status("Faulted", "GroundFailure")
            (incident,) = wait_until(lambda: _incidents(api))
            assert time.monotonic() - begun_s < 5
            assert (incident["error_code"], incident["mrec"], incident["station_id"]) == (
                "GroundFailure",
                "CX002",
                STATION,
            )
            wait_until(lambda: mailbox.mails)
            assert "GroundFailure" in mailbox.subjects()[0]
            seen = api.post(f"/api/v1/incidents/{incident['id']}/acknowledge", {})
            assert seen["state"] == "acknowledged"
            evse = api.get(f"/api/v1/monitoring/evses?station_id={STATION}")["items"][0]
            assert (evse["state"], evse["cause"]) == ("faulted", "GroundFailure")
            station.tell_status("Available")
            wait_until(lambda: _incidents(api)[0]["state"] == "remedied")
            wait_until(lambda: len(mailbox.mails) == 2)
        detail = api.get(f"/api/v1/incidents/{incident['id']}")
        kinds = [entry["kind"] for entry in detail["entries"]]
        assert [kind for kind in kinds if not kind.startswith("remedy")] == ["opened", "acknowledged", "remedied"]
        events = api.get("/api/v1/events?limit=10")["items"]
        assert [it["type"] for it in events] == ["incident.opened", "incident.acknowledged", "incident.remedied"]
        answer = api.get(f"/api/v1/support?station_id={STATION}")
        assert answer["stations"][0]["id"] == STATION


def test_a_worker_killed_at_any_moment_repeats_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    """`kill -9` of the product's worker at random instants while faults come and go.

    Each fault is opened and remedied once; each change is told once, by a mail that may tell of both where the fault
    was over before it could be sent; no mail comes twice.
    """
    dice = Random(5)  # noqa: S311 - instants, not secrets
    environ = environ_for(tmp_path / "state")
    with running_mailbox() as mailbox, voltway_up(tmp_path / "state", environ=environ) as running:
        running.wait_ready()
        api = api_of(running)
        _enter(api, mailbox)
        api.request("PUT", "/api/v1/monitoring/rules/faulted", {"clear_hold_s": 0})
        with living_station(running) as station:
            for number in range(KILLS):
                station.tell_status("Faulted", "GroundFailure" if number % 2 else "HighTemperature")
                time.sleep(dice.uniform(0, 0.8))  # the instant of the kill is what is drawn
                worker = int(running.run["pids"]["worker"])
                os.kill(worker, signal.SIGKILL)
                running.wait_for_pid("worker", other_than=worker)
                wait_until(lambda: [it for it in _incidents(api) if it["ended_at"] is None])
                station.tell_status("Available")
                wait_until(lambda: not [it for it in _incidents(api) if it["ended_at"] is None])
            wait_until(lambda: _unsent(running) == [])
            time.sleep(2)  # a mail that came twice would come now
        changes = Counter(event["type"] for event in api.get("/api/v1/events?limit=1000")["items"])
        assert changes == {"incident.opened": 1, "incident.reopened": KILLS - 1, "incident.remedied": KILLS}
        assert _rows(running, "SELECT count(*), count(batch_id) FROM notification") == [(2 * KILLS, 2 * KILLS)]
        assert _rows(running, "SELECT DISTINCT state FROM notification_message") == [("sent",)]
        assert len(mailbox.mails) == _rows(running, "SELECT count(*) FROM notification_message")[0][0]
        assert set(Counter(mail["X-Voltway-Message"] for mail in mailbox.mails).values()) == {1}


def _unsent(running: Running) -> list[tuple[Any, ...]]:
    return _rows(
        running,
        """SELECT notification_id FROM notification WHERE batch_id IS NULL
           UNION ALL SELECT message_id FROM notification_message WHERE state IN ('pending', 'sending')""",
    )


def _rows(running: Running, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(running.run["database_url"]) as connection:
        return connection.execute(sql.encode()).fetchall()

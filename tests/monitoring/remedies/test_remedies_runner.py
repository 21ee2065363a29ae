"""The runner: ladders are climbed, results judged, lost claims judged by the raw log, and nobody is left closed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.remedies.stage import (
    Gateway,
    Neighbours,
    add_ladder,
    connected_station,
    end_incident,
    ingest,
    open_incident,
    seed,
)
from tests.sessions.seeding import run_sql

from voltway.infra import bus
from voltway.infra.db import Database
from voltway.kernel.clock import now
from voltway.monitoring.incidents.model import Incident
from voltway.monitoring.remedies.jobs import Runner
from voltway.monitoring.remedies.service import Remedies
from voltway.stations.commands import Commands

TWO = ({"action": "soft_reset", "judge_after_s": 60}, {"action": "unlock", "judge_after_s": 60}, {"action": "ticket"})


@dataclass
class Stage:
    """A runner with all that stands around it, on a clock that the test moves."""

    url: str
    clock: FakeClock
    gateway: Gateway
    database: Database
    remedies: Remedies
    runner: Runner
    other: Runner
    neighbours: Neighbours

    async def station(self, identity: str = "CP-9", *, is_connected: bool = True) -> int:
        """Enter a station that the gateway holds."""
        station_id = connected_station(self.url, identity, is_connected=is_connected)
        await self.gateway.hold(station_id)
        return station_id

    async def incident(self, station_id: int, ladder: str) -> Incident:
        """Open an incident."""
        return await open_incident(self.database, self.remedies, station_id, ladder, self.clock())

    async def after(self, duration_s: float) -> None:
        """Let the runner work after some time."""
        self.clock.advance(seconds=duration_s)
        await self.runner.run_due()

    def runs(self, columns: str = "step, action, state, result") -> list[tuple[object, ...]]:
        """Return the runs in the order of their planning."""
        return run_sql(self.url, f"SELECT {columns} FROM remedy_run ORDER BY run_id")  # noqa: S608

    def lose(self, station_id: int, *, phase: int = 0) -> None:
        """Leave the newest run as a killed runner does: claimed, with nothing recorded."""
        run_sql(
            self.url,
            """UPDATE remedy_run SET state = 'claimed', attempt = 1, phase = %s, claimed_at = %s, deadline_at = %s,
                 due_at = %s, link_id = (SELECT link_id FROM station_link WHERE station_id = %s)
               WHERE station_id = %s""",
            phase, self.clock(), self.clock() + timedelta(seconds=30), self.clock() + timedelta(seconds=60),
            station_id, station_id,
        )  # fmt: skip

    def log(self, station_id: int, action: str, payload: dict[str, object]) -> None:
        """Write a call with its answer to the raw log."""
        run_sql(
            self.url,
            """INSERT INTO ocpp_message (station_id, received_at, operator_id, outgoing, message_id, action, frame,
                 reply) VALUES (%s, %s, 1, true, 'm', %s, %s, %s)""",
            station_id, self.clock(), action, orjson.dumps([2, "m", action, payload]),
            orjson.dumps([3, "m", {"status": "Rejected"}]),
        )  # fmt: skip


@pytest.fixture
async def stage(database_url: str, nats_url: str) -> AsyncIterator[Stage]:
    seed(database_url)
    clock, neighbours, connected = FakeClock(now()), Neighbours(), await bus.connect(nats_url)
    database, workers = Database(database_url, pool_size=6), ingest(database_url)
    commands = Commands(database, connected.request)
    remedies = Remedies(database, neighbours.ties, clock=clock)
    runner, other = (Runner(workers, commands, neighbours.ties, clock=clock) for _ in range(2))
    gateway = Gateway(connected, database_url, answer_after_s=0.01)
    yield Stage(database_url, clock, gateway, database, remedies, runner, other, neighbours)
    await connected.close()
    await workers.close()
    await database.close()


async def test_a_ladder_is_climbed_to_its_ticket(stage: Stage) -> None:
    """Each step is judged before the next; what did not help is followed, and in the end a ticket is published."""
    add_ladder(stage.url, "faulted", *TWO)
    station_id = await stage.station()
    incident = await stage.incident(station_id, "faulted")
    for _ in range(4):
        await stage.after(61)
    assert stage.gateway.sent[station_id] == ["Soft", "UnlockConnector"]
    assert stage.runs() == [
        (0, "soft_reset", "ended", "did_not_help"),
        (1, "unlock", "ended", "did_not_help"),
        (2, "ticket", "planned", None),
    ]
    await stage.after(1)
    ((kind, data, key),) = stage.neighbours.events
    assert (kind, data["incident_id"], data["station_id"]) == ("ticket.requested", incident.incident_id, "CP-9")
    assert key.startswith("ticket.")
    texts = [text for (text,) in run_sql(stage.url, "SELECT text FROM incident_entry ORDER BY entry_id")]
    assert texts == [
        "soft_reset: answered (Accepted)", "soft_reset: did not help", "unlock: answered (Accepted)",
        "unlock: did not help", "ticket: a ticket was requested",
    ]  # fmt: skip


async def test_what_helped_is_recorded_with_its_product_and_ends_the_ladder(stage: Stage) -> None:
    add_ladder(stage.url, "faulted", *TWO)
    incident = await stage.incident(await stage.station(), "faulted")
    await stage.after(1)
    await end_incident(stage.database, stage.remedies, incident, stage.clock())
    await stage.after(61)
    assert stage.runs("state, result, vendor, model, firmware") == [("ended", "helped", "Maker", "One", "1.0")]


async def test_what_was_planned_is_given_up_with_the_incident(stage: Stage) -> None:
    station_id = await stage.station()
    incident = await stage.incident(station_id, "reset_it")
    await end_incident(stage.database, stage.remedies, incident, stage.clock())
    await stage.after(61)
    assert (stage.gateway.sent[station_id], stage.runs("state, due_at")) == ([], [("cancelled", None)])


@pytest.mark.parametrize("mode", ["dry_run", "safe"])
async def test_a_dry_run_says_what_it_would_do_and_sends_nothing(stage: Stage, mode: str) -> None:
    run_sql(stage.url, "UPDATE remedy_mode SET mode = %s", mode)
    add_ladder(stage.url, "faulted", *TWO)
    station_id = await stage.station()
    await stage.incident(station_id, "faulted")
    for _ in range(5):
        await stage.after(61)
    assert stage.gateway.sent[station_id] == []
    assert [state for (state,) in stage.runs("state")] == ["would_run"] * 2 + [
        "ended" if mode == "safe" else "would_run"
    ]
    assert len(stage.neighbours.events) == (mode == "safe")
    texts = [text for (text,) in run_sql(stage.url, "SELECT text FROM incident_entry ORDER BY entry_id")]
    assert texts[0] == "soft_reset: would be done now (dry run)"


async def test_off_plans_nothing(stage: Stage) -> None:
    run_sql(stage.url, "UPDATE remedy_mode SET mode = 'off'")
    await stage.incident(await stage.station(), "reset_it")
    assert stage.runs() == []


async def test_an_offline_station_gets_its_step_when_it_is_back(stage: Stage) -> None:
    station_id = await stage.station(is_connected=False)
    await stage.incident(station_id, "reset_it")
    await stage.after(1)
    assert stage.runs("state, why") == [("planned", "waits: offline")]
    run_sql(stage.url, "UPDATE station_link SET connected = true")
    await stage.after(31)
    assert stage.gateway.sent[station_id] == ["Soft"]


async def test_two_runners_send_once(stage: Stage) -> None:
    """Whoever has the lock does it; the other sees that it is done."""
    station_id = await stage.station()
    await stage.incident(station_id, "reset_it")
    stage.clock.advance(seconds=1)
    await asyncio.gather(*(runner.run_due() for runner in (stage.runner, stage.other) * 3))
    assert stage.gateway.sent[station_id] == ["Soft"]


async def test_a_lost_claim_in_the_log_is_taken_from_there(stage: Stage) -> None:
    station_id = await stage.station()
    await stage.incident(station_id, "reset_it")
    stage.lose(station_id)
    stage.log(station_id, "Reset", {"type": "Soft"})
    await stage.after(59)
    assert stage.runs("state") == [("claimed",)], "judged before the log is complete"
    await stage.after(2)
    assert stage.runs("state, outcome, answer") == [("sent", "answered", "Rejected")]
    assert stage.gateway.sent[station_id] == []


async def test_a_lost_claim_that_never_left_is_done_again_in_the_same_row(stage: Stage) -> None:
    station_id = await stage.station()
    await stage.incident(station_id, "reset_it")
    stage.lose(station_id)
    await stage.after(61)
    await stage.after(1)
    assert stage.gateway.sent[station_id] == ["Soft"]
    assert stage.runs("state, attempt") == [("sent", 2)]


async def test_a_lost_claim_over_a_broken_link_is_never_sent_again(stage: Stage) -> None:
    """A gateway that died may have sent it and lost its log: no second reset."""
    station_id = await stage.station()
    await stage.incident(station_id, "reset_it")
    stage.lose(station_id)
    run_sql(stage.url, "UPDATE station_link SET link_id = %s", uuid4())
    for _ in range(4):
        await stage.after(61)
    assert stage.gateway.sent[station_id] == []
    assert stage.runs("state, outcome, result") == [("ended", "unknown", "unknown")]


async def test_a_cycle_opens_what_it_closed_even_when_nobody_knows_or_needs_it(stage: Stage) -> None:
    """The claim of the closing is lost over a broken link, the incident ends: the place is opened all the same."""
    station_id = await stage.station()
    incident = await stage.incident(station_id, "cycle_it")
    stage.lose(station_id)
    run_sql(stage.url, "UPDATE station_link SET link_id = %s", uuid4())
    await end_incident(stage.database, stage.remedies, incident, stage.clock())
    await stage.after(61)
    run_sql(stage.url, "UPDATE station_link SET connected = false")
    await stage.after(86_400 * 3)
    assert stage.gateway.sent[station_id] == []
    run_sql(stage.url, "UPDATE station_link SET connected = true")
    await stage.after(31)
    assert stage.gateway.sent[station_id] == ["Operative"]
    assert stage.runs("state") == [("sent",)]


async def test_a_cycle_leaves_closed_what_somebody_closed_meanwhile(stage: Stage) -> None:
    """A person's wish is stronger than the second half of a remedy."""
    station_id = await stage.station()
    await stage.incident(station_id, "cycle_it")
    await stage.runner.run_due()
    run_sql(
        stage.url,
        """INSERT INTO availability_request (operator_id, station_id, evse_id, operative, requested_at, requested_by)
           VALUES (1, %s, 1, false, %s, 'anna')""",
        station_id, stage.clock() + timedelta(milliseconds=500),
    )  # fmt: skip
    await stage.after(2)
    assert stage.gateway.sent[station_id] == ["Inoperative"]
    assert stage.runs("state, outcome") == [("sent", "left_closed")]


async def test_a_step_that_harmed_is_not_repeated_on_that_product(stage: Stage) -> None:
    """A station that disconnects within seconds of an unlock: the next of its firmware is not unlocked."""
    add_ladder(stage.url, "faulted", {"action": "unlock"}, {"action": "ticket"})
    first, second = await stage.station("CP-8"), await stage.station("CP-9")
    await stage.incident(first, "faulted")
    await stage.after(1)
    run_sql(
        stage.url, "UPDATE connection SET disconnected_at = %s WHERE station_id = %s",
        stage.clock() + timedelta(seconds=3), first,
    )  # fmt: skip
    await stage.after(61)
    await stage.incident(second, "faulted")
    await stage.after(1)
    assert stage.gateway.sent[second] == []
    assert run_sql(stage.url, "SELECT state, why FROM remedy_run WHERE station_id = %s AND step = 0", second) == [
        ("blocked", "harmed before")
    ]


async def test_a_session_is_waited_for(stage: Stage) -> None:
    """A running session on the station holds a reset up, with its reason in the row."""
    station_id = await stage.station()
    run_sql(
        stage.url,
        """INSERT INTO session (session_id, operator_id, station_id, evse_id, connector_id, transaction_id, start_key,
             state, started_at, received_at, updated_at, detail)
           VALUES (%s, 1, %s, 2, 1, 't', 1, 'active', now(), now(), now(), '{}')""",
        uuid4(), station_id,
    )  # fmt: skip
    await stage.incident(station_id, "reset_it")
    await stage.after(1)
    assert (stage.gateway.sent[station_id], stage.runs("why")) == ([], [("waits: a session runs",)])
    run_sql(stage.url, "UPDATE session SET state = 'ended'")
    await stage.after(31)
    assert stage.gateway.sent[station_id] == ["Soft"]

"""A station before a server in memory: its messages are valid, kept until answered, and tell what really happened."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import orjson
import pytest
from tests.simulator.fake_server import Heard
from tests.simulator.stage import Stage

from voltway.simulator.report import Truth
from voltway.simulator.specs import FAST_150, POST_22, Version

BOTH = pytest.mark.parametrize("version", list(Version))


@BOTH
@pytest.mark.parametrize("build", ["ac", "dc"])
def test_every_message_of_an_hour_is_valid(version: Version, build: str) -> None:
    """All that a station says by itself in an hour obeys the official schemas of its version."""
    stage = Stage(version, build=FAST_150 if build == "dc" else POST_22)
    stage.station.start()
    stage.play(3600)
    stage.end()
    assert stage.server.faults == []
    assert len(stage.book.sessions) > 100
    assert stage.world.tally.sent == stage.world.tally.answered
    assert stage.station.is_done


@BOTH
def test_truth_is_what_was_sent(version: Version) -> None:
    """Registers, times and idle time of each truth line are those of the messages."""
    stage = Stage(version)
    stage.station.start()
    stage.play(600)
    stage.end()
    told = {truth.transaction_id: truth for truth in stage.book.sessions}
    seen = sessions_16(stage) if version is Version.V16 else sessions_201(stage)
    assert {key: brief(truth) for key, truth in told.items()} == seen
    assert any(truth.idle_ms for truth in told.values())
    assert sum(truth.energy_milliwh for truth in told.values()) == stage.world.tally.energy_milliwh


def brief(truth: Truth) -> tuple[str, str, int, int]:
    """What both sides know."""
    return truth.started_at, truth.ended_at, truth.register_begin_milliwh, truth.register_end_milliwh


def sessions_16(stage: Stage) -> dict[str | None, tuple[str, str, int, int]]:
    """Sessions as StartTransaction and StopTransaction told them."""
    starts = {
        str(stage.server.transactions[orjson.dumps([heard.identity, heard.payload])]): heard.payload
        for heard in stage.server.of("StartTransaction")
    }
    return {
        str(stop.payload["transactionId"]): (
            starts[str(stop.payload["transactionId"])]["timestamp"],
            stop.payload["timestamp"],
            starts[str(stop.payload["transactionId"])]["meterStart"] * 1000,
            stop.payload["meterStop"] * 1000,
        )
        for stop in stage.server.of("StopTransaction")
    }


def sessions_201(stage: Stage) -> dict[str | None, tuple[str, str, int, int]]:
    """Sessions as TransactionEvent told them."""
    events = defaultdict(list)
    for heard in stage.server.of("TransactionEvent"):
        events[heard.payload["transactionInfo"]["transactionId"]].append(heard.payload)
    return {
        key: (each[0]["timestamp"], each[-1]["timestamp"], register_of(each[0]), register_of(each[-1]))
        for key, each in events.items()
    }


def register_of(event: dict[str, Any]) -> int:
    """The register of an event's reading in milliwatt-hours, read as the gateway reads it."""
    value = event["meterValue"][0]["sampledValue"][0]
    factor = 1000 if value["unitOfMeasure"]["unit"] == "Wh" else 1_000_000
    exact = Decimal(repr(value["value"])) * factor
    assert exact == int(exact), "registers are sent without loss"
    return int(exact)


@BOTH
def test_sequence_numbers_are_without_gap(version: Version) -> None:
    """2.0.1's events of a session are numbered from 0 in the order of their times, Started first and Ended last."""
    stage = Stage(version)
    stage.station.start()
    stage.play(300)
    stage.end()
    events = defaultdict(list)
    for heard in stage.server.of("TransactionEvent"):
        events[heard.payload["transactionInfo"]["transactionId"]].append(heard.payload)
    assert bool(events) is (version is Version.V201)
    for each in events.values():
        assert [event["seqNo"] for event in each] == list(range(len(each)))
        assert each[0]["eventType"] == "Started"
        assert each[-1]["eventType"] == "Ended"
        assert [event["timestamp"] for event in each] == sorted(event["timestamp"] for event in each)


@BOTH
def test_lost_answers_bring_the_same_content_again(version: Version) -> None:
    """A transaction message whose answer was lost comes again: same content, new id, nothing overtakes it."""
    stage, lost = Stage(version), []

    def loses(heard: Heard) -> bool:
        transaction = heard.action in {"StartTransaction", "StopTransaction", "TransactionEvent"}
        if transaction and len(stage.server.heard) % 3 == 0:
            lost.append(heard)
        return bool(lost and lost[-1] is heard)

    stage.server.loses = loses
    stage.station.start()
    stage.play(300)
    stage.server.loses = lambda _: False
    stage.end()
    assert len(lost) > 3
    transactions = stage.server.of("StartTransaction", "StopTransaction", "TransactionEvent", "MeterValues")
    for heard in lost:
        again = transactions[transactions.index(heard) + 1]
        assert (again.action, again.payload) == (heard.action, heard.payload)
        assert again.message_id != heard.message_id
    assert stage.world.tally.sent == stage.world.tally.answered
    assert stage.server.faults == []


@BOTH
def test_a_server_that_is_away_loses_nothing(version: Version) -> None:
    """Sessions of an outage are told afterwards, in order and with the times at which they happened."""
    stage = Stage(version)
    stage.station.start()
    stage.play(60)
    stage.server.go_down()
    stage.play(120)
    heard_before = len(stage.server.heard)
    stage.server.is_down = False
    stage.play(60)
    stage.end()
    assert heard_before < len(stage.server.heard)
    assert stage.server.faults == []
    told = sessions_16(stage) if version is Version.V16 else sessions_201(stage)
    assert told == {truth.transaction_id: brief(truth) for truth in stage.book.sessions}
    late = [heard for heard in stage.server.of("TransactionEvent") if heard.payload.get("offline")]
    assert bool(late) is (version is Version.V201)


@BOTH
def test_the_seed_gives_the_energies(version: Version) -> None:
    """The same seed gives the same energies, also before a slow server that goes away; another gives others."""
    quiet, troubled, other = Stage(version, seed=5), Stage(version, seed=5), Stage(version, seed=6)
    troubled.server.delay_s = 0.8
    for stage in (quiet, troubled, other):
        stage.station.start()
        stage.play(100)
    troubled.server.go_down()
    for stage in (quiet, troubled, other):
        stage.play(100)
    troubled.server.is_down = False
    for stage in (quiet, troubled, other):
        stage.end()
    energies = [sorted((t.evse, t.energy_milliwh) for t in stage.book.sessions) for stage in (quiet, troubled, other)]
    assert energies[0] == energies[1] != energies[2]


@BOTH
def test_a_refused_token_gets_nothing(version: Version) -> None:
    """A car whose token is refused leaves without energy, and is counted."""
    stage = Stage(version)
    stage.server.token_status = lambda _: "Blocked"
    stage.station.start()
    stage.play(200)
    stage.end()
    assert stage.world.tally.turned_away > 5
    assert stage.world.tally.energy_milliwh == 0


@BOTH
def test_nothing_but_boot_before_it_is_accepted(version: Version) -> None:
    """A pending station sends BootNotification at the interval it was given, and nothing else."""
    stage = Stage(version)
    stage.server.boot_status = "Pending"
    stage.station.start()
    stage.play(100)
    assert {heard.action for heard in stage.server.heard} == {"BootNotification"}
    assert len(stage.server.heard) == 4
    stage.server.boot_status = "Accepted"
    stage.play(60)
    stage.end()
    assert "SIM-00001" in stage.world.tally.booted
    assert stage.world.tally.sent == stage.world.tally.answered

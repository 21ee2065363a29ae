"""Misbehaviour: every behaviour is played, counted and named, and the station is sane again afterwards."""

from collections import Counter
from typing import Any

import orjson
import pytest
from tests.simulator.fake_server import Heard
from tests.simulator.stage import Stage

from voltway.simulator.misbehave import BEHAVIOURS, ROWS, Performer, parse_names
from voltway.simulator.specs import Version
from voltway.simulator.station import Station

BOTH = pytest.mark.parametrize("version", list(Version))
TRANSACTIONS = ("StartTransaction", "StopTransaction", "TransactionEvent")


def play(version: Version, *names: str, seconds: float = 200) -> Stage:
    """Play behaviours in turn before the server in memory."""
    stage = Stage(version)
    performer = Performer(names, stage.world)
    manners = type(stage.station.manners)(stage.station.manners.answer, performer, b"secret")
    registers = {evse.evse_id: 5_000_000 for evse in stage.station.spec.evses}
    stage.station = Station(stage.station.spec, stage.world, manners=manners, registers=registers)
    performer.know(stage.station)
    stage.station.start()
    stage.play(seconds)
    stage.end()
    return stage


@BOTH
@pytest.mark.parametrize("name", list(BEHAVIOURS))
def test_a_behaviour_is_played_and_leaves_nothing_unanswered(version: Version, name: str) -> None:
    """Each behaviour is counted, named in the truth, and all messages of the station are answered in the end."""
    stage = play(version, name)
    assert stage.world.tally.behaviours[name] > 3
    assert {truth.behaviours for truth in stage.book.sessions} == {(name,)}
    assert stage.world.tally.sent == stage.world.tally.answered
    assert stage.station.is_done
    assert len(stage.book.sessions) > 3


@BOTH
def test_all_rows_in_turn(version: Version) -> None:
    """The whole checklist is gone through in turn."""
    stage = play(version, *ROWS, seconds=1200)
    assert set(stage.world.tally.behaviours) == set(ROWS)
    assert len(ROWS) == 20


@BOTH
def test_row06_repeats_the_start(version: Version) -> None:
    """Row 06: one start, three messages, one content."""
    stage = play(version, "row06")
    starts = [h for h in stage.server.of(*TRANSACTIONS) if h.payload.get("eventType", "Started") == "Started"]
    starts = [h for h in starts if h.action != "StopTransaction"]
    contents = Counter(orjson.dumps(heard.payload) for heard in starts)
    assert set(contents.values()) == {3}
    assert len({heard.message_id for heard in starts}) == len(starts)


def test_row07_stops_with_absurd_ids() -> None:
    """Row 07: stops carry -1, 0, 2^63-1 and the id of nobody."""
    stage = play(Version.V16, "row07")
    ids = {heard.payload["transactionId"] for heard in stage.server.of("StopTransaction")}
    assert {-1, 0, 2**63 - 1} <= ids
    assert any(2_000_000_000 <= number < 2**62 for number in ids)


def test_row08_ends_before_it_starts() -> None:
    """Row 08: 2.0.1's Ended comes before Started, or a sequence number is missing."""
    stage = play(Version.V201, "row08", seconds=400)
    orders: dict[str, list[int]] = {}
    for heard in stage.server.of("TransactionEvent"):
        orders.setdefault(heard.payload["transactionInfo"]["transactionId"], []).append(heard.payload["seqNo"])
    assert any(numbers[0] > numbers[-1] for numbers in orders.values())
    assert any(sorted(numbers) != list(range(len(numbers))) for numbers in orders.values())


@BOTH
def test_row09_writes_odd_times(version: Version) -> None:
    """Row 09: times lie in 1970 and 2099, lack a zone or have another."""
    stage = play(version, "row09", seconds=400)
    texts = [heard.payload["timestamp"] for heard in stage.server.of(*TRANSACTIONS)]
    assert any(text.startswith("1970") for text in texts)
    assert any(text.startswith("2099") for text in texts)
    assert any(text.endswith("+10:00") for text in texts)
    assert any(len(text) == len("2026-11-02T09:00:00") for text in texts)


@BOTH
def test_row12_truth_states_what_was_sent(version: Version) -> None:
    """Row 12: the truth's registers are the odd ones that were sent, its energy is what was really delivered."""
    stage = play(version, "row12", seconds=400)
    assert any(truth.register_begin_milliwh == 0 for truth in stage.book.sessions)
    restarted = [t for t in stage.book.sessions if 0 <= t.register_end_milliwh < t.register_begin_milliwh]
    assert restarted
    delivered = sum(bay.register_milliwh - 5_000_000 for bay in stage.station.bays)
    rounding = 1000 * len(stage.book.sessions)
    assert abs(sum(truth.energy_milliwh for truth in stage.book.sessions) - delivered) <= rounding


@BOTH
def test_row13_sends_phases(version: Version) -> None:
    """Row 13: energy comes by phases."""
    stage = play(version, "row13")
    phases = Counter(
        sample.get("phase") for heard in stage.server.heard for sample in samples_of(heard) if is_energy(sample)
    )
    assert {None, "L1", "L2", "L3", "L1-N"} <= set(phases)


def samples_of(heard: Heard) -> list[dict[str, Any]]:
    """All sampled values of a call."""
    return [sample for value in heard.payload.get("meterValue", []) for sample in value["sampledValue"]]


def is_energy(sample: dict[str, Any]) -> bool:
    """Whether a sample is the register."""
    return bool(sample.get("measurand") == "Energy.Active.Import.Register")


@BOTH
def test_row01_tries_without_subprotocol_and_row03_with_odd_passwords(version: Version) -> None:
    """Rows 01 to 03: odd offers, paths and credentials reach the server, and sane ones follow."""
    stage = play(version, "row01", "row02", "row03", seconds=400)
    offers = {endpoint.subprotocols for endpoint in stage.server.endpoints}
    assert {(), ("ocpp0.9", "ocpp1.2")} <= offers
    assert {"/SIM-00001", "SIM-00001/", "sim-00001"} <= {endpoint.path for endpoint in stage.server.endpoints}
    assert b"SIM-00001:" + b"secret".hex().encode() in {e.authorization for e in stage.server.endpoints}


def test_row19_brings_everybody_back_at_once() -> None:
    """Row 19: all stations drop and dial again in the same instant."""
    stage = play(Version.V16, "row19")
    boots = stage.server.of("BootNotification")
    assert len(boots) > 5


def test_names_are_checked() -> None:
    """Unknown behaviours are refused by name; the default is the checklist."""
    assert parse_names(None) == ()
    assert parse_names("rows") == ROWS
    assert parse_names("all") == tuple(BEHAVIOURS)
    assert parse_names("row03, flood") == ("row03", "flood")
    for wrong in ("row99", "", "row01,nonsense"):
        with pytest.raises(ValueError, match="--misbehave knows no"):
            parse_names(wrong)

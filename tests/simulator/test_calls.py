"""The call queue: order, one outstanding call, resends with the same content, errors; and planned time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tests.simulator.stage import Stage

from voltway.simulator.calls import CallQueue, Json, Kind, Message
from voltway.simulator.report import Tally
from voltway.simulator.specs import Version
from voltway.simulator.timeline import Timeline

START = datetime(2026, 11, 2, 9, 0, 0, 123_456, tzinfo=UTC)


@dataclass
class Desk:
    """A queue with its wire."""

    timeline: Timeline = field(default_factory=lambda: Timeline(START))
    tally: Tally = field(default_factory=Tally)
    frames: list[list[Any]] = field(default_factory=list)
    answers: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = CallQueue(self.timeline, self.tally, "x", timeout_s=30)

    def open(self) -> None:
        """Open the wire; the boot is already accepted."""
        self.queue.opened(lambda data: self.frames.append(orjson.loads(data)))
        self.queue.release()

    def post(self, action: str, kind: Kind = Kind.TRANSACTION) -> Message:
        """Queue a message whose content is its action."""
        message = Message(action, lambda: {"a": action}, kind, self.answers.append)
        self.queue.post(message)
        return message

    @property
    def actions(self) -> list[str]:
        """What was sent so far."""
        return [frame[2] for frame in self.frames]


def test_one_at_a_time_in_order() -> None:
    """The next call leaves only when the last was answered."""
    desk = Desk()
    desk.open()
    for action in ("A", "B", "C"):
        desk.post(action)
    assert desk.actions == ["A"]
    assert desk.queue.answered(desk.frames[-1][1], {"ok": 1})
    assert desk.actions == ["A", "B"]
    assert not desk.queue.answered("nobody", {})
    assert desk.queue.holds_transactions
    assert desk.answers == [{"ok": 1}]


def test_before_release_only_the_boot_leaves() -> None:
    """Transaction messages wait for the accepted boot, which overtakes them."""
    desk = Desk()
    desk.post("A")
    desk.queue.opened(lambda data: desk.frames.append(orjson.loads(data)))
    assert desk.actions == []
    desk.post("Boot", Kind.BOOT)
    assert desk.queue.has_boot
    desk.queue.answered(desk.frames[-1][1], {})
    assert desk.actions == ["Boot"]
    desk.queue.release()
    assert desk.actions == ["Boot", "A"]


def test_no_answer_brings_it_again_and_a_late_one_counts() -> None:
    """After the timeout the same content goes out under a new id; the answer to the old id is taken all the same."""
    desk = Desk()
    desk.open()
    desk.post("A")
    desk.timeline.advance(31_000)
    assert desk.actions == ["A", "A"]
    assert desk.frames[0][1] != desk.frames[1][1]
    assert desk.queue.answered(desk.frames[0][1], {})
    assert desk.queue.is_empty
    assert (desk.tally.sent, desk.tally.answered) == (1, 1)


def test_a_lost_connection_keeps_what_must_be_kept() -> None:
    """Unsent words of the moment are forgotten, all else is sent again in order."""
    desk = Desk()
    desk.open()
    desk.post("A")
    desk.post("Status", Kind.MOMENT)
    desk.post("B")
    desk.queue.closed()
    assert desk.queue.unsent == 1
    desk.open()
    desk.queue.answered(desk.frames[-1][1], {})
    assert desk.actions == ["A", "A", "B"]


def test_errors_are_tried_three_times_for_transactions_once_for_others() -> None:
    """A CALLERROR to a transaction message is tried again twice with growing pauses, then given up."""
    desk = Desk()
    desk.open()
    desk.post("Status", Kind.MOMENT)
    assert desk.queue.refused(desk.frames[-1][1])
    assert desk.tally.call_errors == 1
    given_up: list[str] = []
    message = desk.post("A")
    message.on_refusal = lambda: given_up.append("A")
    desk.post("B")
    for pause_ms in (2_000, 4_000):
        sent = len(desk.frames)
        desk.queue.refused(desk.frames[-1][1])
        desk.timeline.advance(desk.timeline.now_ms + pause_ms - 1)
        assert len(desk.frames) == sent
        desk.timeline.advance(desk.timeline.now_ms + 1)
        assert desk.actions[-1] == "A"
    desk.queue.refused(desk.frames[-1][1])
    assert given_up == ["A"]
    assert desk.actions[-1] == "B"
    assert desk.tally.call_errors == 2
    assert not desk.queue.refused("nobody")


@pytest.mark.parametrize("version", list(Version))
def test_a_station_survives_a_server_that_speaks_nonsense(version: Version) -> None:
    """Frames that are no JSON or no OCPP change nothing."""
    stage = Stage(version)
    stage.station.start()
    stage.play(5)
    wire = stage.server.wires["SIM-00001"]
    for data in (b"hello", b"[]", b"[3]", b'[7,"x",{}]', b'[3,"nobody",{}]', b'[4,"nobody","E","",{}]', b"\xff"):
        wire.listener.on_frame(wire, data)
    stage.play(100)
    stage.end()
    assert stage.server.faults == []
    assert stage.world.tally.sent == stage.world.tally.answered


def test_planned_time_is_exact_and_cancelled_actions_do_not_happen() -> None:
    """Actions happen at their planned millisecond, in order, also those planned on the way."""
    timeline, seen = Timeline(START), []
    timeline.after(2.0, lambda: seen.append(("late", timeline.now_ms)))
    timeline.after(0.5, lambda: timeline.after(1.0, lambda: seen.append(("planned on the way", timeline.now_ms))))
    timeline.after(1.0, lambda: seen.append(("cancelled", timeline.now_ms))).cancel()
    timeline.advance(10_000)
    assert seen == [("planned on the way", 1500), ("late", 2000)]
    assert timeline.now_ms == 10_000
    assert timeline.text(1500) == "2026-11-02T09:00:01.623Z"

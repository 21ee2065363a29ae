"""Station and gateway agree on the wire: what the simulator sends is read by `voltway.ocpp` as what really happened."""

from contextlib import suppress

import pytest
from tests.simulator.stage import Stage
from tests.simulator.test_misbehave import play

from voltway.kernel.facts import EnergyMetered, SessionEnded, SessionStarted, SessionUpdated
from voltway.ocpp import frame
from voltway.ocpp.intake import CallRefused, Understood
from voltway.ocpp.protocol import protocol_for
from voltway.ocpp.versions import Version as WireVersion
from voltway.simulator.misbehave import BEHAVIOURS
from voltway.simulator.specs import Version

BOTH = pytest.mark.parametrize("version", list(Version))


def understood(stage: Stage) -> list[tuple[str, Understood]]:
    """Read every call that the server heard as the gateway does; refused ones are left out."""
    version = WireVersion(stage.station.dialect.subprotocol.removeprefix("ocpp"))
    protocol, facts = protocol_for(version), []
    for heard in stage.server.heard:
        call = frame.parse(frame.call(heard.message_id, heard.action, heard.payload), version)
        assert isinstance(call, frame.Call)
        with suppress(CallRefused):
            facts.append((heard.action, protocol.understand(call, stage.timeline.instant(heard.at_ms))))
    return facts


@BOTH
def test_sane_messages_need_no_tolerance(version: Version) -> None:
    """Not one message of a well-behaved station needs a finding."""
    stage = Stage(version)
    stage.station.start()
    stage.play(600)
    stage.end()
    facts = understood(stage)
    assert len(facts) == len(stage.server.heard)
    assert [(action, each.findings) for action, each in facts if each.findings] == []


@BOTH
def test_facts_hold_the_registers_of_the_truth(version: Version) -> None:
    """Begin and end registers, as the gateway reads them, are those of the truth, to the milliwatt-hour."""
    stage = Stage(version)
    stage.station.start()
    stage.play(600)
    stage.end()
    begins, ends, between = [], [], 0
    for _, each in understood(stage):
        match each.fact:
            case SessionStarted(register_begin_milliwh=begin):
                begins.append(begin)
            case SessionEnded(register_end_milliwh=end, readings=readings):
                ends.append(end)
                assert readings[-1].register_milliwh == end
            case EnergyMetered(readings=readings) | SessionUpdated(readings=readings):
                between += len(readings)
    assert sorted(truth.register_begin_milliwh for truth in stage.book.sessions) == sorted(b or 0 for b in begins)
    assert sorted(truth.register_end_milliwh for truth in stage.book.sessions) == sorted(e or 0 for e in ends)
    assert between > 50


@BOTH
def test_no_misbehaviour_breaks_the_reader(version: Version) -> None:
    """Whatever a misbehaving station sends is read, or refused in order; frames that are no OCPP raise FrameFault."""
    stage = play(version, *BEHAVIOURS, seconds=1500)
    assert len(understood(stage)) > 100
    assert stage.server.raw
    for raw in stage.server.raw:
        with suppress(frame.FrameFault):
            frame.parse(raw, WireVersion(stage.station.dialect.subprotocol.removeprefix("ocpp")))

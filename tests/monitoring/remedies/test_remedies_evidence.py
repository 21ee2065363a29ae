"""What the raw log proves, and how sure a success rate is."""

import orjson
import pytest

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.remedies.commanding import Logged, Sent, find_sent, order_of
from voltway.monitoring.remedies.ladders import parse_ladder
from voltway.monitoring.remedies.model import Step
from voltway.monitoring.remedies.success import wilson


def call(action: str, payload: dict[str, object], reply: object = None) -> Logged:
    return Logged(action, orjson.dumps([2, "m", action, payload]), None if reply is None else orjson.dumps(reply))


@pytest.mark.parametrize(
    ("step", "phase", "logged", "is_found"),
    [
        (Step("soft_reset"), 0, call("Reset", {"type": "Soft"}), True),
        (Step("soft_reset"), 0, call("Reset", {"type": "OnIdle"}), True),
        # Somebody else's hard reset in the same half minute: no second one.
        (Step("soft_reset"), 0, call("Reset", {"type": "Hard"}), True),
        (Step("soft_reset"), 0, call("UnlockConnector", {"connectorId": 1}), False),
        (Step("unlock"), 0, call("UnlockConnector", {"connectorId": 1}), True),
        (Step("unlock"), 0, call("UnlockConnector", {"connectorId": 2}), False),
        (Step("unlock"), 0, call("UnlockConnector", {"evseId": 1, "connectorId": 1}), True),
        (Step("unlock"), 0, call("UnlockConnector", {"evseId": 2, "connectorId": 1}), False),
        (Step("availability_cycle"), 0, call("ChangeAvailability", {"type": "Inoperative"}), True),
        (Step("availability_cycle"), 1, call("ChangeAvailability", {"type": "Inoperative"}), False),
        (Step("availability_cycle"), 1, call("ChangeAvailability", {"operationalStatus": "Operative"}), True),
        (Step("trigger_message", "MeterValues"), 0, call("TriggerMessage", {"requestedMessage": "MeterValues"}), True),
        (Step("trigger_message", "MeterValues"), 0, call("TriggerMessage", {"requestedMessage": "Heartbeat"}), False),
    ],
)
def test_a_call_in_the_log_is_evidence_of_its_own_order(
    step: Step, phase: int, logged: Logged, *, is_found: bool
) -> None:
    """In the words of 1.6 and 2.x; the halves of a cycle are told apart."""
    assert (find_sent(order_of(step, 1, phase), [logged]) is not None) == is_found


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (None, Sent("no_answer", None)),
        ([3, "m", {"status": "Accepted"}], Sent("answered", "Accepted")),
        ([3, "m", {}], Sent("answered", None)),
        ([4, "m", "NotSupported", "", {}], Sent("call_error", "NotSupported")),
    ],
)
def test_the_answer_is_taken_from_the_log(reply: object, expected: Sent) -> None:
    assert find_sent(order_of(Step("soft_reset"), 1, 0), [call("Reset", {"type": "Soft"}, reply)]) == expected


@pytest.mark.parametrize(
    ("helped", "runs", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (80, 100, 0.7112, 0.8666)],
)
def test_wilson_agrees_with_published_values(helped: int, runs: int, low: float, high: float) -> None:
    """Few runs give a wide interval, none give no knowledge."""
    assert wilson(helped, runs) == pytest.approx((low, high), abs=1e-4)


def test_a_ladder_tells_all_its_faults_at_once() -> None:
    document = {"title": "", "steps": [{"action": "explode"}, {"action": "trigger_message"}], "hours": [3, 3]}
    with pytest.raises(InvalidInput) as caught:
        parse_ladder("x", document)
    assert {fault.pointer for fault in caught.value.faults} >= {"/title", "/steps/0/action", "/steps/1"}

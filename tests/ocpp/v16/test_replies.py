"""Our answers in 1.6, byte for byte where they matter."""

from datetime import UTC, datetime

import pytest

from voltway.kernel.facts import (
    ACKNOWLEDGED,
    Acknowledged,
    BootReply,
    BootStatus,
    ClockReply,
    Reply,
    SessionReply,
    StartReply,
    TokenInfo,
    TokenReply,
    TokenStatus,
)
from voltway.kernel.ids import TransactionId
from voltway.ocpp.v16.replies import write_reply

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ACCEPTED = TokenInfo(TokenStatus.ACCEPTED)


@pytest.mark.parametrize(
    ("action", "reply", "payload"),
    [
        (
            "BootNotification",
            BootReply(BootStatus.PENDING, 60, NOW),
            {"status": "Pending", "currentTime": "2026-03-02T08:00:00Z", "interval": 60},
        ),
        ("Heartbeat", ClockReply(NOW), {"currentTime": "2026-03-02T08:00:00Z"}),
        (
            "Authorize",
            TokenReply(TokenInfo(TokenStatus.ACCEPTED, NOW, "G")),
            {"idTagInfo": {"status": "Accepted", "expiryDate": "2026-03-02T08:00:00Z", "parentIdTag": "G"}},
        ),
        ("Authorize", TokenReply(TokenInfo(TokenStatus.UNKNOWN, group="g" * 21)), {"idTagInfo": {"status": "Invalid"}}),
        ("Authorize", TokenReply(TokenInfo(TokenStatus.NO_CREDIT)), {"idTagInfo": {"status": "Invalid"}}),
        (
            "StartTransaction",
            StartReply(TransactionId("17"), TokenInfo(TokenStatus.CONCURRENT_TX)),
            {"transactionId": 17, "idTagInfo": {"status": "ConcurrentTx"}},
        ),
        (
            "StartTransaction",
            StartReply(TransactionId("17"), None),
            {"transactionId": 17, "idTagInfo": {"status": "Accepted"}},
        ),
        ("StopTransaction", SessionReply(ACCEPTED, "1.50"), {"idTagInfo": {"status": "Accepted"}}),
        ("StopTransaction", SessionReply(), {}),
        ("MeterValues", SessionReply(ACCEPTED), {}),
        ("DataTransfer", ACKNOWLEDGED, {"status": "UnknownVendorId"}),
        ("DataTransfer", Acknowledged({"status": "Accepted", "data": "x"}), {"status": "Accepted", "data": "x"}),
        ("SignCertificate", ACKNOWLEDGED, {"status": "Rejected"}),
        ("FirmwareStatusNotification", ACKNOWLEDGED, {}),
    ],
)
def test_replies_are_written(action: str, reply: Reply, payload: object) -> None:
    """Golden: instants with Z, statuses folded into 1.6's five, groups that do not fit left out."""
    assert write_reply(action, reply) == payload


@pytest.mark.parametrize("text", ["0", "-1", "2147483648"])
def test_a_transaction_id_that_16_cannot_carry_is_our_mistake(text: str) -> None:
    """Field note 10: one positive 31-bit sequence."""
    with pytest.raises(AssertionError):
        write_reply("StartTransaction", StartReply(TransactionId(text), None))

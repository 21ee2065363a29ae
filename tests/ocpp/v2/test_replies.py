"""Our answers in 2.x."""

from datetime import UTC, datetime
from typing import Any

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
from voltway.ocpp.v2.replies import write_reply

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EIGHT = "2026-03-02T08:00:00Z"
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"}
FAILED = {"certificateHashData": HASH, "source": "CRL", "status": "Failed", "nextUpdate": "1970-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("action", "reply", "payload"),
    [
        (
            "BootNotification",
            BootReply(BootStatus.ACCEPTED, 300, NOW),
            {"status": "Accepted", "currentTime": EIGHT, "interval": 300},
        ),
        ("Heartbeat", ClockReply(NOW), {"currentTime": EIGHT}),
        (
            "Authorize",
            TokenReply(TokenInfo(TokenStatus.NOT_AT_THIS_LOCATION, NOW, "G")),
            {
                "idTokenInfo": {
                    "status": "NotAtThisLocation",
                    "cacheExpiryDateTime": EIGHT,
                    "groupIdToken": {"idToken": "G", "type": "Central"},
                }
            },
        ),
        (
            "Authorize",
            TokenReply(TokenInfo(TokenStatus.BLOCKED, group="g" * 37)),
            {"idTokenInfo": {"status": "Blocked"}},
        ),
        ("TransactionEvent", StartReply(TransactionId("t"), None), {}),
        (
            "TransactionEvent",
            StartReply(TransactionId("t"), TokenInfo(TokenStatus.EXPIRED)),
            {"idTokenInfo": {"status": "Expired"}},
        ),
        ("TransactionEvent", SessionReply(total_cost="12.35"), {"totalCost": 12.35}),
        ("TransactionEvent", SessionReply(TokenInfo(TokenStatus.INVALID)), {"idTokenInfo": {"status": "Invalid"}}),
        ("TransactionEvent", ACKNOWLEDGED, {}),
        ("MeterValues", SessionReply(total_cost="1"), {}),
        ("DataTransfer", ACKNOWLEDGED, {"status": "UnknownVendorId"}),
        ("NotifyEVChargingNeeds", Acknowledged({"status": "Processing"}), {"status": "Processing"}),
        ("Get15118EVCertificate", ACKNOWLEDGED, {"status": "Failed", "exiResponse": ""}),
        ("NotifyEvent", ACKNOWLEDGED, {}),
    ],
)
def test_replies_are_written(action: str, reply: Reply, payload: object) -> None:
    """Golden: what is not set up gets an honest no."""
    assert write_reply(action, {}, reply) == payload


@pytest.mark.parametrize(
    ("action", "question", "payload"),
    [
        ("VatNumberValidation", {"vatNumber": "DE1"}, {"status": "Rejected", "vatNumber": "DE1"}),
        ("VatNumberValidation", {}, {"status": "Rejected", "vatNumber": ""}),
        (
            "GetCertificateChainStatus",
            {"certificateStatusRequests": [{"certificateHashData": HASH, "source": "CRL", "urls": ["u"]}]},
            {"certificateStatus": [FAILED]},
        ),
    ],
)
def test_two_answers_of_21_repeat_the_question(action: str, question: dict[str, Any], payload: object) -> None:
    """No VAT register and no OCSP responder is connected: said so, in a valid form."""
    assert write_reply(action, question, ACKNOWLEDGED) == payload

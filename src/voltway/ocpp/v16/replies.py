"""Our answers in 1.6."""

from typing import Any, assert_never

from voltway.kernel.clock import to_rfc3339
from voltway.kernel.facts import (
    Acknowledged,
    BootReply,
    ClockReply,
    Reply,
    SessionReply,
    StartReply,
    TokenInfo,
    TokenReply,
    TokenStatus,
)
from voltway.ocpp.intake import MAX_INT32, JsonObject

# 1.6 knows five of OCPP 2's statuses; whoever may not charge for another reason is Invalid.
_STATUSES = {
    TokenStatus.ACCEPTED: "Accepted",
    TokenStatus.BLOCKED: "Blocked",
    TokenStatus.CONCURRENT_TX: "ConcurrentTx",
    TokenStatus.EXPIRED: "Expired",
}
_LONGEST_ID_TAG = 20

DEFAULTS: dict[str, dict[str, Any]] = {
    "DataTransfer": {"status": "UnknownVendorId"},
    # No certificate authority is configured: an honest no.
    "SignCertificate": {"status": "Rejected"},
}


def write_reply(action: str, reply: Reply) -> JsonObject:
    """Write the answer to a station's call; valid against the response schema for the reply its fact asks for."""
    match reply:
        case Acknowledged():
            return {**DEFAULTS.get(action, {}), **reply.fields}
        case BootReply():
            return {"status": reply.status.value, "currentTime": to_rfc3339(reply.now), "interval": reply.interval_s}
        case ClockReply():
            return {"currentTime": to_rfc3339(reply.now)}
        case TokenReply():
            return {"idTagInfo": _token_info(reply.info)}
        case StartReply():
            return _start(reply)
        case SessionReply():
            return {"idTagInfo": _token_info(reply.info)} if reply.info and action == "StopTransaction" else {}
    assert_never(reply)


def _start(reply: StartReply) -> JsonObject:
    """The schema wants an idTagInfo: a start that nobody judged was stored, and is accepted as such."""
    number = int(reply.transaction_id)
    assert 0 < number <= MAX_INT32, f"1.6 transaction ids are positive 31-bit numbers, this one is {number}"
    info = reply.info or TokenInfo(TokenStatus.ACCEPTED)
    return {"transactionId": number, "idTagInfo": _token_info(info)}


def _token_info(info: TokenInfo) -> JsonObject:
    """A group longer than 1.6 can carry is left out: cut, it could be another's."""
    written: JsonObject = {"status": _STATUSES.get(info.status, "Invalid")}
    if info.expires_at is not None:
        written["expiryDate"] = to_rfc3339(info.expires_at)
    if info.group is not None and len(info.group) <= _LONGEST_ID_TAG:
        written["parentIdTag"] = info.group
    return written

"""Our answers in 2.0.1 and 2.1."""

from collections.abc import Callable
from decimal import Decimal
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
)
from voltway.ocpp.intake import JsonObject, objects

_LONGEST_GROUP = 36
_LONGEST_VAT_NUMBER = 20
_REJECTED = {"status": "Rejected"}
_FAILED = {"status": "Failed"}

# What an operator has not set up gets an honest no; all actions that are not here are answered with {}.
DEFAULTS: dict[str, dict[str, Any]] = {
    "DataTransfer": {"status": "UnknownVendorId"},
    "Get15118EVCertificate": {**_FAILED, "exiResponse": ""},
    "GetCertificateStatus": _FAILED,
    "NotifyEVChargingNeeds": _REJECTED,
    "NotifyEVChargingSchedule": _REJECTED,
    "OpenPeriodicEventStream": _REJECTED,
    "PullDynamicScheduleUpdate": _REJECTED,
    "SignCertificate": _REJECTED,
}


def write_reply(action: str, payload: JsonObject, reply: Reply) -> JsonObject:
    """Write the answer to a station's call; two answers of 2.1 repeat parts of the question."""
    match reply:
        case Acknowledged():
            echo = _ECHOES.get(action)
            return {**DEFAULTS.get(action, {}), **(echo(payload) if echo else {}), **reply.fields}
        case BootReply():
            return {"status": reply.status.value, "currentTime": to_rfc3339(reply.now), "interval": reply.interval_s}
        case ClockReply():
            return {"currentTime": to_rfc3339(reply.now)}
        case TokenReply():
            return {"idTokenInfo": _token_info(reply.info)}
        case StartReply():
            return {"idTokenInfo": _token_info(reply.info)} if reply.info else {}
        case SessionReply():
            return _session(reply) if action == "TransactionEvent" else {}
    assert_never(reply)


def _session(reply: SessionReply) -> JsonObject:
    written: JsonObject = {}
    if reply.total_cost is not None:
        # A display value: at most 15 digits, which a JSON number carries unchanged.
        written["totalCost"] = float(Decimal(reply.total_cost))
    if reply.info is not None:
        written["idTokenInfo"] = _token_info(reply.info)
    return written


def _token_info(info: TokenInfo) -> JsonObject:
    """A group longer than 2.0.1 can carry is left out: cut, it could be another's."""
    written: JsonObject = {"status": info.status.value}
    if info.expires_at is not None:
        written["cacheExpiryDateTime"] = to_rfc3339(info.expires_at)
    if info.group is not None and len(info.group) <= _LONGEST_GROUP:
        written["groupIdToken"] = {"idToken": info.group, "type": "Central"}
    return written


def _unvalidated_vat_number(payload: JsonObject) -> JsonObject:
    """No VAT register is connected."""
    number = payload.get("vatNumber")
    return {"status": "Rejected", "vatNumber": number[:_LONGEST_VAT_NUMBER] if isinstance(number, str) else ""}


def _failed_chain_status(payload: JsonObject) -> JsonObject:
    """No OCSP responder is asked on behalf of a station: each certificate is answered with Failed, valid until 1970."""
    answers = [
        {
            "certificateHashData": request.get("certificateHashData", {}),
            "source": request.get("source", "OCSP"),
            "status": "Failed",
            "nextUpdate": "1970-01-01T00:00:00Z",
        }
        for request in objects(payload.get("certificateStatusRequests"))[:4]
    ]
    return {"certificateStatus": answers}


_ECHOES: dict[str, Callable[[JsonObject], JsonObject]] = {
    "GetCertificateChainStatus": _failed_chain_status,
    "VatNumberValidation": _unvalidated_vat_number,
}

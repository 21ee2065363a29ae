"""Frames of OCPP-J: bytes to call, result or error and back; the first and the last step of every message.

Tolerances become findings (named in `Finding.code`); what cannot be read at all raises `FrameFault`.
Source: OCPP-J 1.6 section 4, OCPP 2.0.1 part 4, OCPP 2.1 part 4 (message types 5 and 6).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from voltway.kernel.errors import VoltwayError
from voltway.kernel.facts import Finding
from voltway.ocpp.versions import Version

JsonObject = dict[str, Any]

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4
CALL_RESULT_ERROR: Final = 5
SEND: Final = 6

UNKNOWN_MESSAGE_ID: Final = "-1"
"""The id of a CALLERROR that answers a frame whose own id could not be read (OCPP 2.0.1 part 4, 4.2.3)."""
LONGEST_ID: Final = 36
LONGEST_TOLERATED_ID: Final = 255
DEEPEST_NESTING: Final = 64
"""Neither orjson's writer (254) nor a recursive walk may fail on what we let in."""

_NUL_ESCAPE = b"\\u0000"
_EMPTY = b",{}]"
_V16_CODES = {"RpcFrameworkError": "FormationViolation", "MessageTypeNotSupported": "ProtocolError"}


class Call(NamedTuple):
    """A request. `payload_bytes`: the payload as it came, without the message id, for digests; `is_send`: no reply."""

    message_id: str
    action: str
    payload: JsonObject
    payload_bytes: bytes
    findings: tuple[Finding, ...] = ()
    is_send: bool = False


class CallResult(NamedTuple):
    """The answer to our request."""

    message_id: str
    payload: JsonObject
    findings: tuple[Finding, ...] = ()


class CallError(NamedTuple):
    """The refusal of our request; `is_result_error`: of our answer (2.1's CALLRESULTERROR)."""

    message_id: str
    code: str
    description: str
    details: JsonObject
    findings: tuple[Finding, ...] = ()
    is_result_error: bool = False


Frame = Call | CallResult | CallError


class FrameFault(VoltwayError):
    """A frame that cannot be read; `code` is a CALLERROR code in this version's spelling."""

    def __init__(
        self, code: str, description: str, message_id: str | None = None, *, is_answerable: bool = True
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.message_id = message_id
        self.is_answerable = is_answerable

    def reply(self) -> bytes | None:
        """Return the CALLERROR to send, None where the standard wants silence."""
        if not self.is_answerable:
            return None
        return error(self.message_id or UNKNOWN_MESSAGE_ID, self.code, self.description)


def parse(raw: bytes | bytearray | memoryview | str, version: Version = Version.V16) -> Frame:
    """Read one text frame.

    Raises:
        FrameFault: not JSON, no array, unknown message type, wrong number of elements, unreadable id or payload.
    """
    data = raw.encode(errors="replace") if isinstance(raw, str) else bytes(raw)
    try:
        elements = orjson.loads(data)
    except orjson.JSONDecodeError as fault:
        _refuse(version, "RpcFrameworkError", f"not JSON: {str(fault)[:80]}")
    if type(elements) is not list or not elements:
        _refuse(version, "RpcFrameworkError", "a frame is a JSON array that begins with its message type")
    findings: list[Finding] = []
    # Two searches, since a single byte is found ten times faster than six.
    if b"\\" in data and _NUL_ESCAPE in data:
        elements = _cleaned(elements, version, findings)
    if elements[0] == CALL and type(elements[0]) is int:
        return _read_call(elements, data, version, findings)
    return _read_other(elements, data, version, findings)


def call(message_id: str, action: str, payload: Mapping[str, Any]) -> bytes:
    """Write a request."""
    return orjson.dumps([CALL, message_id, action, payload])


def send(message_id: str, action: str, payload: Mapping[str, Any]) -> bytes:
    """Write a message of 2.1 that gets no reply."""
    return orjson.dumps([SEND, message_id, action, payload])


def result(message_id: str, payload: Mapping[str, Any]) -> bytes:
    """Write an answer; the empty one, which most messages get, is not encoded again."""
    if not payload:
        return b"[3," + orjson.dumps(message_id) + _EMPTY
    return orjson.dumps([CALL_RESULT, message_id, payload])


def error(message_id: str, code: str, description: str = "", details: Mapping[str, Any] | None = None) -> bytes:
    """Write a refusal; the description is cut at 255 characters, as the standard says."""
    return orjson.dumps([CALL_ERROR, message_id, code, description[:255], details or {}])


def is_too_deep(value: Any) -> bool:
    """Say whether a JSON value nests deeper than we keep; without recursion, since 1,024 levels pass the decoder."""
    level = [value]
    for _ in range(DEEPEST_NESTING):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _read_call(elements: list[Any], data: bytes, version: Version, findings: list[Finding]) -> Call:
    if len(elements) != 4:
        _refuse(version, "FormatViolation", f"a CALL has 4 elements, this one has {len(elements)}", _plain_id(elements))
    _, message_id, action, payload = elements
    if type(message_id) is not str or not 0 < len(message_id) <= LONGEST_ID:
        message_id = _repaired_id(message_id, version, findings)
    if type(action) is not str or not action:
        _refuse(version, "FormatViolation", "the action of a CALL is a string", message_id)
    if type(payload) is not dict:
        payload = _repaired_payload(payload, version, message_id, findings)
    # The first brace after id and action; an id may hold braces itself (`{GUID}`).
    start = data.find(b"{", 8 + len(message_id) + len(action))
    body = data[start:] if start >= 0 else b"{}"
    return Call(message_id, action, payload, body, tuple(findings) if findings else (), elements[0] == SEND)


def _read_other(elements: list[Any], data: bytes, version: Version, findings: list[Finding]) -> Frame:
    kind = elements[0] if type(elements[0]) is int else None
    if kind == CALL_RESULT:
        return _read_result(elements, version, findings)
    if kind == CALL_ERROR or (kind == CALL_RESULT_ERROR and version is Version.V21):
        return _read_error(elements, version, findings)
    if kind == SEND and version is Version.V21:
        return _read_call(elements, data, version, findings)
    # OCPP-J 1.6, 4.1.3: a message type that is not known SHALL be ignored; 2.x wants an error.
    description = f"message type {str(elements[0])[:20]} is not one of this version"
    fault_id = _plain_id(elements)
    code = _code(version, "MessageTypeNotSupported")
    raise FrameFault(code, description, fault_id, is_answerable=version is not Version.V16)


def _read_result(elements: list[Any], version: Version, findings: list[Finding]) -> CallResult:
    message_id = _answer_id(elements, version, findings)
    if len(elements) == 2:
        findings.append(Finding("result_without_payload"))
        return CallResult(message_id, {}, tuple(findings))
    payload = elements[2]
    if payload is None:
        findings.append(Finding("null_payload"))
        payload = {}
    if len(elements) != 3 or type(payload) is not dict or is_too_deep(payload):
        fault = "a CALLRESULT is [3, id, object] of sensible depth"
        raise FrameFault(_code(version, "FormatViolation"), fault, message_id, is_answerable=False)
    return CallResult(message_id, payload, tuple(findings))


def _read_error(elements: list[Any], version: Version, findings: list[Finding]) -> CallError:
    message_id = _answer_id(elements, version, findings)
    code, description, details = [*elements[2:5], None, None, None][:3]
    if len(elements) != 5 or type(code) is not str or not code or type(description) is not str:
        findings.append(Finding("call_error_incomplete", str(elements[2:])[:200]))
    return CallError(
        message_id=message_id,
        code=code if type(code) is str and code else "GenericError",
        description=description if type(description) is str else "",
        details=details if type(details) is dict and not is_too_deep(details) else {},
        findings=tuple(findings),
        is_result_error=elements[0] == CALL_RESULT_ERROR,
    )


def _answer_id(elements: list[Any], version: Version, findings: list[Finding]) -> str:
    """An answer without a readable id belongs to nothing: a fault that nobody is told of."""
    message_id = elements[1] if len(elements) > 1 else None
    if type(message_id) is str and 0 < len(message_id) <= LONGEST_ID:
        return message_id
    try:
        return _repaired_id(message_id, version, findings)
    except FrameFault as fault:
        raise FrameFault(fault.code, fault.description, is_answerable=False) from None


def _repaired_id(message_id: Any, version: Version, findings: list[Finding]) -> str:
    if type(message_id) in (int, float):
        findings.append(Finding("message_id_not_text", str(message_id)[:200]))
        return str(message_id)
    if type(message_id) is not str or len(message_id) > LONGEST_TOLERATED_ID:
        _refuse(version, "RpcFrameworkError", "the message id is not a string of at most 36 characters")
    findings.append(Finding("message_id_too_long" if message_id else "message_id_empty", message_id[:200]))
    return message_id


def _repaired_payload(payload: Any, version: Version, message_id: str, findings: list[Finding]) -> JsonObject:
    if payload is not None:
        _refuse(version, "FormatViolation", "the payload of a CALL is a JSON object", message_id)
    findings.append(Finding("null_payload"))
    return {}


def _cleaned(elements: list[Any], version: Version, findings: list[Finding]) -> list[Any]:
    """Replace NUL characters, which PostgreSQL takes neither in text nor in jsonb."""
    if is_too_deep(elements):
        _refuse(version, "FormatViolation", f"nested deeper than {DEEPEST_NESTING} levels", _plain_id(elements))
    cleaned: list[Any] = _without_nul(elements)
    if cleaned != elements:
        findings.append(Finding("nul_character"))
    return cleaned


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def _plain_id(elements: list[Any]) -> str | None:
    message_id = elements[1] if len(elements) > 1 else None
    return message_id if type(message_id) is str and 0 < len(message_id) <= LONGEST_TOLERATED_ID else None


def _code(version: Version, code: str) -> str:
    """Spell a 2.x code as this version does."""
    if version is not Version.V16:
        return code
    return _V16_CODES.get(code, "FormationViolation" if code == "FormatViolation" else code)


def _refuse(version: Version, code: str, description: str, message_id: str | None = None) -> NoReturn:
    raise FrameFault(_code(version, code), description, message_id)

"""Frames: what is read, what is tolerated by name, what is refused, and that no bytes ever crash the reader."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.ocpp import frame
from voltway.ocpp.frame import Call, CallError, CallResult, FrameFault
from voltway.ocpp.versions import Version

V16, V201, V21 = Version.V16, Version.V201, Version.V21


def codes(read: frame.Frame) -> list[str]:
    return [finding.code for finding in read.findings]


def reads_or_refuses(raw: bytes | str, version: Version) -> bool:
    """Anything else than a frame or a FrameFault fails the test that asks."""
    try:
        return isinstance(frame.parse(raw, version), tuple)
    except FrameFault as fault:
        return bool(fault.code and fault.message)


def test_a_call_is_read_with_the_bytes_of_its_payload() -> None:
    """The digest of a message must not depend on its id: the payload's bytes begin at the payload."""
    read = frame.parse(b'[2,"19223201","BootNotification",{"chargePointVendor":"V"}]')
    assert read == Call("19223201", "BootNotification", {"chargePointVendor": "V"}, b'{"chargePointVendor":"V"}]')


@pytest.mark.parametrize("message_id", ["{0a1b}", "{", "a}{b", "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{"])
def test_braces_in_the_id_are_not_taken_for_the_payload(message_id: str) -> None:
    """Some stations write GUIDs in braces."""
    read = frame.parse(orjson.dumps([2, message_id, "Heartbeat", {"a": 1}]))
    assert isinstance(read, Call)
    assert read.payload_bytes == b'{"a":1}]'


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda raw: raw.decode()])
def test_every_form_of_a_text_frame_is_read(kind: Any) -> None:
    """The server hands over views, the simulator texts."""
    assert frame.parse(kind(b'[3,"1",{"a":1}]')) == CallResult("1", {"a": 1})


@pytest.mark.parametrize(
    ("raw", "version", "expected"),
    [
        (b'[4,"1","InternalError","broken",{"a":1}]', V16, CallError("1", "InternalError", "broken", {"a": 1})),
        (b'[5,"1","FormatViolation","",{}]', V21, CallError("1", "FormatViolation", "", {}, is_result_error=True)),
        (
            b'[6,"1","NotifyPeriodicEventStream",{}]',
            V21,
            Call("1", "NotifyPeriodicEventStream", {}, b"{}]", is_send=True),
        ),
        (b' [ 3 , "1" , { } ] \r\n', V16, CallResult("1", {})),
    ],
)
def test_the_other_frames_are_read(raw: bytes, version: Version, expected: frame.Frame) -> None:
    """Types 5 and 6 exist in 2.1 only."""
    assert frame.parse(raw, version) == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'[2,"1","Heartbeat",null]', "null_payload"),
        (b'[2,17,"Heartbeat",{}]', "message_id_not_text"),
        (b'[2,"' + b"x" * 37 + b'","Heartbeat",{}]', "message_id_too_long"),
        (b'[2,"","Heartbeat",{}]', "message_id_empty"),
        (b'[2,"1","DataTransfer",{"vendorId":"a\\u0000b"}]', "nul_character"),
        (b'[3,"1",null]', "null_payload"),
        (b'[3,"1"]', "result_without_payload"),
        (b"[3,1,{}]", "message_id_not_text"),
        (b'[4,"1"]', "call_error_incomplete"),
        (b'[4,"1","","",{}]', "call_error_incomplete"),
        (b'[4,"1","GenericError",null,null]', "call_error_incomplete"),
        (b'[4,"1","GenericError","",{},1]', "call_error_incomplete"),
    ],
)
def test_a_tolerance_is_a_named_finding(raw: bytes, code: str) -> None:
    """Row 18 of the checklist and the like: read, and told."""
    assert codes(frame.parse(raw)) == [code]


def test_what_a_tolerance_becomes() -> None:
    """`null` is {}, numbers become texts, a NUL becomes the replacement character, an empty error a GenericError."""
    assert frame.parse(b'[2,17,"Heartbeat",null]')[:4] == ("17", "Heartbeat", {}, b"{}")
    read = frame.parse(b'[2,"1","DataTransfer",{"vendorId":"a\\u0000b","d":["\\u0000",1]}]')
    assert isinstance(read, Call)
    assert read.payload == {"vendorId": "a\ufffdb", "d": ["\ufffd", 1]}
    assert frame.parse(b'[4,"1"]')[:4] == ("1", "GenericError", "", {})


def test_an_escaped_backslash_is_no_nul() -> None:
    r"""`\\u0000` is a backslash and five characters: nothing to replace and nothing to report."""
    read = frame.parse(b'[2,"1","DataTransfer",{"vendorId":"\\\\u0000"}]')
    assert isinstance(read, Call)
    assert (read.payload, read.findings) == ({"vendorId": "\\u0000"}, ())


@pytest.mark.parametrize(
    ("raw", "version", "code", "message_id"),
    [
        (b"", V16, "FormationViolation", None),
        (b"hello", V201, "RpcFrameworkError", None),
        (b"{}", V16, "FormationViolation", None),
        (b"[]", V201, "RpcFrameworkError", None),
        (b'[2,"1","Heartbeat"]', V16, "FormationViolation", "1"),
        (b'[2,"1","Heartbeat"]', V201, "FormatViolation", "1"),
        (b'[2,"1","Heartbeat",{},{}]', V201, "FormatViolation", "1"),
        (b"[2]", V201, "FormatViolation", None),
        (b'[2,"1",5,{}]', V201, "FormatViolation", "1"),
        (b'[2,"1","",{}]', V201, "FormatViolation", "1"),
        (b'[2,"1","Heartbeat",[]]', V201, "FormatViolation", "1"),
        (b'[2,"1","Heartbeat","x"]', V16, "FormationViolation", "1"),
        (b'[2,null,"Heartbeat",{}]', V201, "RpcFrameworkError", None),
        (b'[2,"' + b"x" * 256 + b'","Heartbeat",{}]', V201, "RpcFrameworkError", None),
        (b'[7,"1",{}]', V201, "MessageTypeNotSupported", "1"),
        (b'[true,"1","Heartbeat",{}]', V201, "MessageTypeNotSupported", "1"),
        (b'[6,"1","Heartbeat",{}]', V201, "MessageTypeNotSupported", "1"),
        (b'[2,"1","X",{"a":"\\u0000","b":' + b"[" * 70 + b"]" * 70 + b"}]", V201, "FormatViolation", "1"),
        (b'[2,"1","X",{"a":NaN}]', V201, "RpcFrameworkError", None),
        (b'[2,"1","X",{"a":"\xff"}]', V201, "RpcFrameworkError", None),
    ],
)
def test_what_cannot_be_read_is_answered_with_an_error(
    raw: bytes, version: Version, code: str, message_id: str | None
) -> None:
    """The error names the frame's id where it can be read, else `-1`."""
    with pytest.raises(FrameFault) as caught:
        frame.parse(raw, version)
    assert (caught.value.code, caught.value.message_id) == (code, message_id)
    reply = caught.value.reply()
    assert reply is not None
    assert orjson.loads(reply)[:3] == [4, message_id or "-1", code]


@pytest.mark.parametrize(
    ("raw", "version"),
    [
        (b'[9,"1"]', V16),
        (b'[3,"1",[]]', V16),
        (b'[3,"1",{},{}]', V201),
        (b"[3]", V16),
        (b"[4,null]", V201),
        (b'[3,"1",{"a":' + b"[" * 70 + b"]" * 70 + b"}]", V201),
    ],
)
def test_broken_answers_and_types_unknown_to_16_get_silence(raw: bytes, version: Version) -> None:
    """An error to an answer would be taken for an answer to something else; 1.6 ignores unknown types."""
    with pytest.raises(FrameFault) as caught:
        frame.parse(raw, version)
    assert caught.value.reply() is None


def test_details_of_an_error_that_nest_absurdly_are_left_out() -> None:
    """They go on as JSON, and writers have a depth."""
    read = frame.parse(b'[4,"1","GenericError","",{"a":' + b"[" * 70 + b"]" * 70 + b"}]")
    assert isinstance(read, CallError)
    assert read.details == {}


def test_frames_are_written() -> None:
    """Golden: what goes out, byte for byte."""
    assert frame.call("v1", "Reset", {"type": "Soft"}) == b'[2,"v1","Reset",{"type":"Soft"}]'
    assert frame.send("v1", "X", {}) == b'[6,"v1","X",{}]'
    assert frame.result("a", {}) == b'[3,"a",{}]'
    assert frame.result('a"\\', {}) == b'[3,"a\\"\\\\",{}]'
    assert frame.result("a", {"b": 1}) == b'[3,"a",{"b":1}]'
    assert frame.error("a", "NotSupported", "d" * 300) == b'[4,"a","NotSupported","' + b"d" * 255 + b'",{}]'
    assert frame.error("a", "NotSupported", details={"b": 1}) == b'[4,"a","NotSupported","",{"b":1}]'


@given(raw=st.binary(max_size=300) | st.text(max_size=300), version=st.sampled_from(Version))
def test_no_bytes_crash_the_reader(raw: bytes | str, version: Version) -> None:
    """Bytes give a frame or a FrameFault, never anything else."""
    assert reads_or_refuses(raw, version)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@given(elements=st.lists(st.sampled_from([2, 3, 4, 5, 6, "1", "Heartbeat", None]) | _json, max_size=6))
def test_no_json_array_crashes_the_reader(elements: list[Any]) -> None:
    """Arrays of any content, in every version."""
    for version in Version:
        assert reads_or_refuses(orjson.dumps(elements), version)


@given(message_id=st.text(max_size=60), payload=st.dictionaries(st.text(max_size=5), _json, max_size=3))
def test_what_is_written_is_read_back(message_id: str, payload: dict[str, Any]) -> None:
    """Ids with quotes, braces and controls travel unchanged."""
    read = frame.parse(frame.result(message_id, payload))
    assert isinstance(read, CallResult)
    assert read.message_id == message_id.replace("\0", "\ufffd")

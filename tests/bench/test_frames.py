"""The frames of the load: valid by the official schemas, fresh and increasing."""

import itertools
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from rig.floor import validator
from rig.frames import Script, Stamp, Version

VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1")


def _script(version: Version) -> Script:
    return Script(version, "BENCH-R1-00001", Stamp())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_frame_is_valid_by_the_official_schema(version: Version) -> None:
    """The floor and the peer validate what we send, so nothing of it may be refused."""
    script = _script(version)
    script.transaction_id = b"17" if version == "1.6" else script.transaction_id
    for frame in (script.boot(), script.start(), script.update(), script.update()):
        kind, message_id, action, payload = orjson.loads(frame)
        assert kind == 2
        assert len(message_id) == 36
        assert validator(version, action).is_valid(payload), frame


@pytest.mark.parametrize("version", VERSIONS)
def test_readings_carry_four_values_and_the_register_goes_up_a_tenth_of_a_watt_hour(version: Version) -> None:
    """Each reading is new, so that no server may take it for a repeated one."""
    script = _script(version)
    script.transaction_id = b"17"
    readings = [orjson.loads(script.update())[3]["meterValue"][0] for _ in range(30)]
    registers = [round(10 * float(reading["sampledValue"][0]["value"])) for reading in readings]
    assert {len(reading["sampledValue"]) for reading in readings} == {4}
    assert [b - a for a, b in itertools.pairwise(registers)] == [1] * 29


def test_a_reading_is_stamped_with_the_time_of_day() -> None:
    """The timestamp is RFC 3339 in UTC and of this moment."""
    at = datetime.fromisoformat(Stamp()().decode())
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=5)


def test_an_answer_is_known_by_its_first_bytes() -> None:
    """`answer_start` is how a CALLRESULT of the last frame begins."""
    script = _script("1.6")
    message_id = orjson.loads(script.boot())[1]
    assert orjson.dumps([3, message_id, {}]).startswith(script.answer_start)

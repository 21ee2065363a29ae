"""The desk a message is read at: tolerant getters and bounded findings."""

from datetime import UTC, datetime
from typing import Any

import pytest

from voltway.ocpp.intake import MAX_INT32, Intake, objects

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected", "code"),
    [
        (5, 5, None),
        (None, None, None),
        (5.0, 5, None),
        (" 5 ", 5, None),
        ("-5", None, "number_out_of_range"),
        (5.5, None, "not_a_number"),
        (True, None, "not_a_number"),
        ("5.0", None, "not_a_number"),
        ("9" * 30, None, "not_a_number"),
        ([5], None, "not_a_number"),
        (MAX_INT32 + 1, None, "number_out_of_range"),
        (1e300, None, "number_out_of_range"),
    ],
)
def test_a_whole_number_is_within_bounds_or_absent(value: Any, expected: int | None, code: str | None) -> None:
    """Field note 23: every number of a station is range-checked."""
    intake = Intake(NOW)
    assert intake.whole({"n": value}, "n") == expected
    assert [finding.code for finding in intake.findings] == ([code] if code else [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" a ", "a"), ("", None), ("  ", None), (None, None), (5, "5"), ([1], "[1]"), ("x" * 300, "x" * 255)],
)
def test_a_text_is_trimmed_and_bounded(value: Any, expected: str | None) -> None:
    """What is no text is written as one, and noted."""
    intake = Intake(NOW)
    assert intake.text({"t": value}, "t") == expected
    assert bool(intake.findings) == (value is not None and not isinstance(value, str))


def test_a_finding_is_made_once_per_message_and_quotes_a_little() -> None:
    """Sixty bad samples are one finding, not sixty."""
    intake = Intake(NOW)
    for _ in range(60):
        intake.note("value_empty", "x" * 1000)
    assert [(finding.code, len(finding.example)) for finding in intake.findings] == [("value_empty", 200)]


def test_an_instant_that_is_missing_is_ours() -> None:
    """A message without a time happened when it came."""
    intake = Intake(NOW)
    assert (intake.instant({}), intake.optional_instant({})) == (NOW, None)
    assert intake.optional_instant({"timestamp": "2026-03-02T07:00:00Z"}) == datetime(2026, 3, 2, 7, tzinfo=UTC)


def test_the_digest_is_a_signed_64_bit_number_of_the_body() -> None:
    """Golden values on both sides of zero: PostgreSQL's bigint is signed."""
    digests = [Intake(NOW, body).digest() for body in (b"a", b"b")]
    assert digests == [-1817709641818812897, 6294355645245719615]


def test_lists_of_objects() -> None:
    """One object stands for a list of one; what is no object is left out."""
    assert objects([{"a": 1}, 5, None]) == [{"a": 1}]
    assert objects({"a": 1}) == [{"a": 1}]
    assert objects("x") == []
    assert Intake(NOW).child({"a": 5}, "a") == {}

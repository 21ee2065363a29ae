"""Failures: each kind has its stable code and a sentence; malformed files name every place."""

import pytest

from voltway.kernel import errors
from voltway.kernel.errors import Fault, InvalidFile, InvalidInput, VoltwayError

CODES = {
    "InvalidInput": "invalid_input",
    "InvalidFile": "invalid_input",
    "NotFound": "not_found",
    "Conflict": "conflict",
    "NotAllowed": "not_allowed",
    "NotAuthenticated": "not_authenticated",
    "NotReady": "not_ready",
}


def test_codes_are_stable_and_the_drawing_is_complete() -> None:
    """Integrators match on the code; the docstring draws the whole tree."""
    kinds = [it for it in vars(errors).values() if isinstance(it, type) and issubclass(it, VoltwayError)]
    assert {it.__name__: it.code for it in kinds if it is not VoltwayError} == CODES
    assert all(name in (errors.__doc__ or "") for name in CODES)


@pytest.mark.parametrize(("table", "line"), [(True, "a.csv:2:5: too long"), (False, "a.csv#2:5: too long")])
def test_a_file_s_faults_are_one_line_each(line: str, *, table: bool) -> None:
    error = InvalidFile("a.csv", [Fault("2:5", "too long")], table=table)
    assert error.lines() == [line]
    assert error.message == str(error) == "a.csv has 1 fault(s)"


def test_an_input_keeps_all_its_faults() -> None:
    faults = [Fault("/a", "one"), Fault("/b", "two")]
    assert InvalidInput("two faults", faults).faults == tuple(faults)

"""The official schemas: all there, compiled once, and their violations in the words of the wire."""

from typing import Any

import pytest
from tests.ocpp.examples import example

from voltway.ocpp import schema
from voltway.ocpp.versions import SENDS, STATION_CALLS, Version


@pytest.mark.parametrize(("version", "count"), [(Version.V16, 78), (Version.V201, 128), (Version.V21, 181)])
def test_every_schema_of_a_version_is_compiled_once(version: Version, count: int) -> None:
    """As many as the standard has."""
    assert len(schema.validators(version)) == count
    assert schema.validators(version) is schema.validators(version)


@pytest.mark.parametrize("version", list(Version))
def test_the_two_sides_share_out_all_actions(version: Version) -> None:
    """Every action is the station's or ours; DataTransfer is both; only a SEND has no answer."""
    ours, theirs = schema.outgoing_actions(version), STATION_CALLS[version]
    assert ours & theirs == {"DataTransfer"}
    messages = schema.documents(version)
    assert ours | theirs == {action for action, side in messages if side == "request"}
    assert {action for action in ours | theirs if (action, "response") not in messages} <= SENDS


@pytest.mark.parametrize("version", list(Version))
def test_the_examples_of_these_tests_are_valid(version: Version) -> None:
    """Every message of every version can be made and passes its own schema."""
    for action, side in schema.documents(version):
        for is_full in (False, True):
            made = example(version, action, side, is_full=is_full)
            assert schema.faults_of(version, action, side, made) == ()


@pytest.mark.parametrize(
    ("payload", "code_16", "code_2"),
    [
        ({}, "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ({"status": 5}, "TypeConstraintViolation", "TypeConstraintViolation"),
        ({"status": "Perhaps"}, "PropertyConstraintViolation", "PropertyConstraintViolation"),
        ({"status": "Accepted", "x": 1}, "FormationViolation", "FormatViolation"),
    ],
)
def test_a_violation_has_its_code_per_version(payload: dict[str, Any], code_16: str, code_2: str) -> None:
    """1.6 misspells `Occurence`, and the misspelling is the standard."""
    for version, code in ((Version.V16, code_16), (Version.V201, code_2), (Version.V21, code_2)):
        error = next(schema.violations(version, "SignCertificate", "response", payload))
        assert schema.error_code_of(version, error) == code


def test_faults_name_their_place_as_json_pointers() -> None:
    """All at once, each with its pointer."""
    payload = {"connectorId": "1", "idTag": "x" * 21, "chargingProfile": {"a/b~": 1}}
    faults = schema.faults_of(Version.V16, "RemoteStartTransaction", "request", payload)
    assert {"/connectorId", "/idTag", "/chargingProfile"} <= {fault.pointer for fault in faults}
    assert all(fault.message for fault in faults)


def test_an_unknown_message_has_no_validator() -> None:
    """The caller asks for the action first."""
    with pytest.raises(KeyError):
        schema.validator(Version.V16, "TransactionEvent", "request")

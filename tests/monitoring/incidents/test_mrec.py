"""What stations say of a fault as ChargeX codes."""

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.incidents.mrec import mrec_of, parse_mapping, shipped


def code_of(vendor: str | None, error_code: str = "", vendor_error_code: str = "", info: str = "") -> str | None:
    """Return the code of a fault in the shipped mapping."""
    found = mrec_of(vendor, error_code, vendor_error_code, info)
    return found.code if found is not None else None


@pytest.mark.parametrize("said", sorted(shipped().ocpp16))
def test_each_mapped_error_code_of_ocpp_16_has_a_code_with_words(said: str) -> None:
    found = mrec_of(None, said, "", "")
    assert found is not None
    assert all((found.name, found.fix, found.driver, found.runbook))


def test_a_code_in_any_field_wins_over_the_coarse_error_code() -> None:
    assert code_of("Acme", "GroundFailure", "CX020") == "CX020"
    assert code_of("Acme", "GroundFailure", info="fault CX020 at plug") == "CX020"
    assert code_of("Acme", "GroundFailure") == "CX002"


def test_what_nobody_knows_has_no_code() -> None:
    assert code_of("Acme", "NoError") is None
    assert code_of(None) is None
    assert code_of(None, "", "CX099") is None


def test_a_vendors_own_code_wins_over_ocpps_and_is_found_in_any_case() -> None:
    own = parse_mapping({"vendor": {"ACME": {"E42": "CX020"}}}, shipped())
    found = mrec_of("acme", "GroundFailure", "E42", "", own)
    assert found is not None
    assert found.code == "CX020"
    other = mrec_of("Other", "GroundFailure", "E42", "", own)
    assert other is not None
    assert other.code == "CX002"


def test_every_fault_of_a_mapping_is_told_at_once() -> None:
    bad = {
        "codes": {"CX001": {"name": "One", "fix": "moon", "driver": "d", "runbook": "r"}, "CX003": {"name": "Three"}},
        "ocpp16": {"GroundFailure": "CX050"},
        "vendor": {"Acme": {"E1": "CX051"}},
    }
    with pytest.raises(InvalidInput) as caught:
        parse_mapping(bad)
    assert {it.pointer for it in caught.value.faults} == {
        "/codes/CX001/fix", "/codes/CX003/fix", "/codes/CX003/driver", "/codes/CX003/runbook",
        "/ocpp16/GroundFailure", "/vendor/acme/E1",
    }  # fmt: skip

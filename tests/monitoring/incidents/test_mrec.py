"""What stations say of a fault as ChargeX codes."""

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.incidents.mrec import FIXERS, Mrec, mrec_of, parse_mapping, shipped


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


def test_all_26_codes_are_there_and_say_who_can_mend_it() -> None:
    codes = shipped().codes
    assert sorted(codes) == [f"CX{number:03d}" for number in range(1, 27)]
    assert {it.fix for it in codes.values()} == set(FIXERS)
    assert len({it.name for it in codes.values()}) == 26


@pytest.mark.parametrize(
    ("said", "code"),
    [("evse_board_support/MREC8EmergencyStop", "CX008"), ("ac_rcd/MREC2GroundFailure", "CX002")],
)
def test_everests_own_words_are_known_whoever_built_the_station(said: str, code: str) -> None:
    """Many makers run EVerest under a name of their own."""
    assert code_of("Acme", "OtherError", said) == code
    assert code_of("Acme", said) == code


def test_a_second_document_adds_codes_and_words_and_leaves_the_first_alone() -> None:
    words = {"name": "Ours", "fix": "evse", "driver": "d", "runbook": "r"}
    both = parse_mapping({"codes": {"CX027": words}, "ocpp16": {"ReaderFailure": "CX027"}}, shipped())
    found = mrec_of(None, "ReaderFailure", "", "", both)
    assert found == Mrec("CX027", "Ours", "evse", "d", "r")
    assert mrec_of(None, "GroundFailure", "", "", both) == mrec_of(None, "GroundFailure", "", "")
    assert code_of(None, "ReaderFailure") is None

"""Which version a socket speaks."""

import pytest

from voltway.ocpp.versions import SENDS, STATION_CALLS, Version, negotiate


@pytest.mark.parametrize(
    ("offered", "fallback", "expected"),
    [
        (["ocpp1.6"], None, Version.V16),
        (["ocpp2.0.1"], None, Version.V201),
        (["ocpp2.1", "ocpp2.0.1"], None, Version.V21),
        (["ocpp1.6, ocpp2.0.1"], None, Version.V16),
        (["ocpp2.0.1,ocpp1.6"], None, Version.V201),
        (["ocpp1.5", "soap", "OCPP1.6"], None, Version.V16),
        (["ocpp2.0"], None, None),
        (["ocpp2.0"], "ocpp1.6", None),
        ([], None, None),
        ([""], "ocpp1.6", Version.V16),
        ([], "1.6", Version.V16),
        ([], "nonsense", None),
    ],
)
def test_the_clients_first_known_subprotocol_wins(offered: list[str], fallback: str | None, expected: object) -> None:
    """Row 1: none offered is refused unless the station's policy names a fallback; an unknown offer always is."""
    assert negotiate(offered, fallback) is expected


def test_a_version_names_its_subprotocol() -> None:
    """The names that are registered with IANA."""
    assert [version.subprotocol for version in Version] == ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


def test_newer_versions_know_all_that_older_ones_send() -> None:
    """2.1 adds to 2.0.1 and takes nothing away; what travels as SEND is one of its actions."""
    assert STATION_CALLS[Version.V201] < STATION_CALLS[Version.V21]
    assert STATION_CALLS[Version.V21].issuperset(SENDS)

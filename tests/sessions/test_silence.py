"""How long an open session may be silent: short where the station shows that it is over, long where it cannot speak."""

from datetime import timedelta

import pytest

from voltway.sessions.silence import GONE, OCCUPIED, OFFLINE, OVERTAKEN, Evidence, silence_limit


@pytest.mark.parametrize(
    ("evidence", "limit"),
    [
        (Evidence(is_connected=False, is_place_free=True, is_rebooted=True, is_followed=True), OFFLINE),
        (Evidence(is_connected=True, is_place_free=True, is_rebooted=False, is_followed=False), GONE),
        (Evidence(is_connected=True, is_place_free=False, is_rebooted=True, is_followed=False), OVERTAKEN),
        (Evidence(is_connected=True, is_place_free=False, is_rebooted=False, is_followed=True), OVERTAKEN),
        (Evidence(is_connected=True, is_place_free=False, is_rebooted=False, is_followed=False), OCCUPIED),
    ],
)
def test_the_evidence_decides(evidence: Evidence, limit: timedelta) -> None:
    """An offline station keeps its queue for a day; a live session inside a reconnect window is never killed."""
    assert silence_limit(evidence) == limit
    assert limit >= timedelta(minutes=10)

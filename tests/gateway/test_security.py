"""Identities and passwords as they come over the wire, and a bounded memory of failures."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.gateway.security import (
    FAILURE_WINDOW_S,
    FAILURES_ALLOWED,
    Admitted,
    Doorkeeper,
    Refused,
    authenticate,
    read_identity,
)
from voltway.kernel.ids import OperatorId, StationId, StationIdentity
from voltway.stations.model import hash_password
from voltway.stations.registry import Registered

SALT = b"salt"


def _station(identity: str = "S1", key: bytes | None = b"key", auth: str = "password") -> Registered:
    return Registered(
        station_id=StationId(1),
        operator_id=OperatorId(1),
        identity=StationIdentity(identity),
        approval="approved",
        auth=auth,
        salt=None if key is None else SALT,
        password_hash=None if key is None else hash_password(SALT, key),
        fallback_version=None,
        has_booted=False,
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _basic(raw: bytes, *, scheme: str = "Basic") -> list[str]:
    return [f"{scheme} {base64.b64encode(raw).decode()}"]


@pytest.mark.parametrize(
    ("path", "candidates"),
    [
        (b"/ocpp/S1", ("S1",)),
        (b"/ocpp/S1?a=/ocpp/S2", ("S1",)),
        (b"/ocpp/tenant/S1", ("tenant/S1", "S1")),
        (b"/ocpp/%2525", ("%25",)),
        (b"/ocpp/ocpp", ("ocpp",)),
        ("/ocpp/é".encode(), ("é",)),
        (b"/ocpp", None),
        (b"/S1", None),
        (b"/ocpp/%FF", None),
        (b"/ocpp/%0A", None),
        (b"/ocpp/" + b"x" * 256, None),
    ],
)
def test_the_identity_in_a_path(path: bytes, candidates: tuple[str, ...] | None) -> None:
    presented = read_identity(path)
    assert (presented and presented.candidates) == candidates


@given(st.binary(max_size=300))
def test_no_path_is_too_odd(path: bytes) -> None:
    """Whatever stands there, the answer is an identity that can be printed, or none."""
    presented = read_identity(b"/ocpp/" + path)
    assert presented is None or all(name.isprintable() and name for name in presented.candidates)


@pytest.mark.parametrize(
    ("station", "headers", "verdict"),
    [
        (_station(auth="none", key=None), [], Admitted),
        (_station(key=None), _basic(b"S1:key"), Refused.NONE_SET),
        (_station(), [], Refused.NONE_SENT),
        (_station(), ["Basic"], Refused.MALFORMED),
        (_station(), ["Basic \u00e9"], Refused.MALFORMED),
        (_station(), ["Digest x"], Refused.MALFORMED),
        (_station(), _basic(b"S1:key"), Admitted),
        (_station(), _basic(b"S1:key", scheme="bASIC"), Admitted),
        (_station(), [_basic(b"S1:key")[0].rstrip("=")], Admitted),
        (_station(key=b"a:b:c"), _basic(b"S1:a:b:c"), Admitted),
        (_station("a:b", key=b"c:d"), _basic(b"a:b:c:d"), Admitted),
        (_station(), _basic(b"S2:key"), Refused.WRONG_USER),
        (_station(), _basic(b"S1:KEY"), Refused.WRONG_KEY),
        (_station(), _basic(b"key"), Refused.MALFORMED),
    ],
)
def test_credentials(station: Registered, headers: list[str], verdict: object) -> None:
    found = authenticate(station, headers, station.identity)
    assert (type(found) if isinstance(found, Admitted) else found) == verdict


def test_the_user_may_repeat_the_paths_spelling() -> None:
    """A station that writes its id in another case does so in both places."""
    assert authenticate(_station("S1"), _basic(b"s1:key"), "s1") == Admitted()


def test_failures_are_forgotten_after_a_minute_and_after_success() -> None:
    keeper = Doorkeeper()
    for attempt in range(FAILURES_ALLOWED):
        assert keeper.retry_after_s("a", "S1", 100.0 + attempt) == 0
        keeper.note_failure("a", "S1", 100.0 + attempt)
    assert keeper.retry_after_s("a", "S1", 110.0) == pytest.approx(FAILURE_WINDOW_S - 10)
    assert keeper.retry_after_s("b", "S1", 110.0) == 0
    assert keeper.retry_after_s("a", "S1", 100.0 + FAILURE_WINDOW_S) == 0
    keeper.forget("a", "S1")
    assert keeper.retry_after_s("a", "S1", 110.0) == 0


def test_the_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voltway.gateway.security._REMEMBERED", 3)
    keeper = Doorkeeper()
    for number in range(10):
        keeper.note_failure("a", f"S{number}", 1.0)
    assert len(keeper._failures) == 3

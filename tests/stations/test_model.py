"""A station in one word, and its password as bytes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.facts import ConnectorStatus
from voltway.stations.model import (
    Connection,
    PasswordMatch,
    StationState,
    fuse_state,
    hash_password,
    is_stale,
    make_password,
    make_salt,
    verify_password,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SALT = b"0123456789abcdef"


def _connection(*, connected: bool = True, stale: bool = False) -> Connection:
    return Connection(connected, "2.0.1", NOW, NOW, 0, stale, None, "g")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "unknown"),
        ([(1, "available")], "available"),
        ([(1, "available"), (2, "charging")], "charging"),
        ([(1, "available"), (2, "occupied")], "charging"),
        ([(1, "available"), (2, "suspended_ev")], "charging"),
        ([(1, "charging"), (2, "faulted")], "faulted"),
        ([(1, "unavailable"), (2, "available")], "available"),
        ([(1, "unavailable"), (2, "reserved")], "unavailable"),
        ([(1, "unknown")], "unknown"),
        ([(1, "of_a_later_version")], "unknown"),
        ([(0, "available"), (1, "unknown")], "unknown"),
        ([(0, "unavailable"), (1, "available")], "unavailable"),
        ([(0, "faulted"), (1, "available")], "faulted"),
        ([(0, "available"), (1, "available")], "available"),
    ],
)
def test_the_worst_of_a_station_is_its_state(statuses: list[tuple[int, str]], expected: str) -> None:
    """EVSE 0 is the station as a whole: its fault or closure covers all, its availability says nothing."""
    assert fuse_state(_connection(), statuses) == expected


@pytest.mark.parametrize(
    ("connection", "approval", "expected"),
    [
        (None, "approved", "offline"),
        (_connection(connected=False), "approved", "offline"),
        (_connection(stale=True), "approved", "offline"),
        (_connection(connected=False), "pending", "offline"),
        (_connection(), "pending", "pending"),
        (_connection(), "rejected", "unavailable"),
    ],
)
def test_a_station_that_is_away_or_unapproved(connection: Connection | None, approval: str, expected: str) -> None:
    """Its last connector states stay visible beside it, but they are not its state."""
    assert fuse_state(connection, [(1, "available")], approval=approval) == expected


def test_every_status_has_a_state() -> None:
    known = {fuse_state(_connection(), [(1, status.value)]) for status in ConnectorStatus}
    assert StationState.UNKNOWN in known
    assert fuse_state(_connection(), [(1, ConnectorStatus.UNKNOWN)]) is StationState.UNKNOWN
    others = [status for status in ConnectorStatus if status is not ConnectorStatus.UNKNOWN]
    assert all(fuse_state(_connection(), [(1, status)]) is not StationState.UNKNOWN for status in others)


def test_a_station_is_stale_after_two_and_a_half_intervals() -> None:
    assert not is_stale(NOW - timedelta(seconds=750), NOW, 300)
    assert is_stale(NOW - timedelta(seconds=751), NOW, 300)


@given(st.binary(max_size=64))
def test_a_password_fits_as_bytes(password: bytes) -> None:
    """Any bytes, not only text; the same password under another salt has another hash."""
    stored = hash_password(SALT, password)
    assert verify_password(SALT, stored, password) is PasswordMatch.EXACT
    assert verify_password(SALT, stored, password + b"x") is None
    assert hash_password(make_salt(), password) != stored


@given(st.binary(min_size=1, max_size=40))
def test_the_hex_spelling_fits_in_both_directions(password: bytes) -> None:
    """Field note 4: the key travels as hex in ChangeConfiguration and decoded in the header."""
    for stored_as in (password.hex().encode(), password.hex().upper().encode()):
        assert verify_password(SALT, hash_password(SALT, stored_as), password) is PasswordMatch.HEX_SPELLING
    for presented in (password.hex().encode(), password.hex().upper().encode()):
        assert verify_password(SALT, hash_password(SALT, password), presented) is PasswordMatch.HEX_SPELLING


def test_made_passwords_differ_and_are_short_enough_for_stations() -> None:
    made = {make_password() for _ in range(100)}
    assert len(made) == 100
    assert {len(password) for password in made} == {32}

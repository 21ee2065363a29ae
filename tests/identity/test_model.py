"""Keys and tokens: what is stored of a key opens nothing, and tokens are compared as stations send them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.identity.model import (
    ApiKey,
    KeyKind,
    StoredKey,
    hash_secret,
    is_valid,
    make_key,
    match_key_of,
    needs_last_used,
    split_key,
)
from voltway.kernel.errors import InvalidInput
from voltway.kernel.ids import OperatorId

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def _stored(
    secret: str, *, expires_at: datetime | None = None, revoked_at: datetime | None = None, used: datetime | None = None
) -> StoredKey:
    key = ApiKey(1, "p", KeyKind.API, "n", ["read"], NOW, expires_at, used, revoked_at)
    return StoredKey(OperatorId(1), key, hash_secret(secret))


def test_a_key_is_its_prefix_and_its_secret() -> None:
    """Neither the secret nor the whole key stands in what is stored."""
    new = make_key()
    parts = split_key(new.text)
    assert parts is not None
    prefix, secret = parts
    assert (prefix, hash_secret(secret)) == (new.prefix, new.secret_hash)
    assert new.text.startswith("vw_")
    assert len(secret) >= 32
    assert make_key().text != new.text


@given(st.text(max_size=60))
def test_any_text_splits_or_is_no_key(text: str) -> None:
    parts = split_key(text)
    assert parts is None or "vw_" + "_".join(parts) == text


@pytest.mark.parametrize("text", ["", "vw", "vw_", "vw_a", "vw_a_", "vw__b", "xx_a_b", "VW_a_b"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert split_key(text) is None


@pytest.mark.parametrize(
    ("stored", "secret", "expected"),
    [
        (_stored("s"), "s", True),
        (_stored("s"), "t", False),
        (_stored("s"), "", False),
        (_stored("s", revoked_at=NOW), "s", False),
        (_stored("s", expires_at=NOW + timedelta(seconds=1)), "s", True),
        (_stored("s", expires_at=NOW), "s", False),
    ],
)
def test_a_key_opens_until_it_is_revoked_or_expires(stored: StoredKey, secret: str, *, expected: bool) -> None:
    assert is_valid(stored, secret, NOW) is expected


@pytest.mark.parametrize(
    ("used", "expected"), [(None, True), (NOW - timedelta(seconds=59), False), (NOW - timedelta(minutes=1), True)]
)
def test_the_use_of_a_key_is_written_once_a_minute(used: datetime | None, *, expected: bool) -> None:
    assert needs_last_used(_stored("s", used=used).key, NOW) is expected


@given(st.text(min_size=1, max_size=30))
def test_a_match_key_is_the_same_however_it_is_written(token: str) -> None:
    try:
        key = match_key_of(token)
    except InvalidInput:
        assert not token.strip() or not token.isprintable()
    else:
        assert match_key_of(f" {key} ") == key

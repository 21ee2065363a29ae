"""API keys, idTokens, the operator and the audit: types and pure rules.

A key is `vw_<prefix>_<secret>`: the prefix names the row, of the secret only a SHA-256 is stored. A fast hash is
enough, since the secret is random (192 bits), not a password that somebody chose.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal

from voltway.kernel.errors import InvalidInput
from voltway.kernel.ids import OperatorId

KEY_MARK = "vw"
PREFIX_BYTES = 6
SECRET_BYTES = 24
BROWSER_LIFE = timedelta(days=14)
LOGIN_LIFE = timedelta(days=1)
LAST_USED_STEP = timedelta(minutes=1)
"""`last_used_at` is written at most this often: reading the API must not write to the database each time."""

TokenType = Literal[
    "Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization", "DirectPayment",
    "EVCCID", "VIN",
]  # fmt: skip
TokenStanding = Literal["Accepted", "Blocked", "Expired", "Invalid", "NoCredit"]


class KeyKind(StrEnum):
    """What a key is for: a program, a browser's session, or one sign-in by URL."""

    API = "api"
    BROWSER = "browser"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `text` is shown once and never stored."""

    prefix: str
    secret_hash: bytes
    text: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown: everything but its secret."""

    id: int
    prefix: str
    kind: KeyKind
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the check of a presented key needs."""

    operator_id: OperatorId
    key: ApiKey
    secret_hash: bytes


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose network it is; country and party are OCPI's ids of them."""

    name: str
    country_code: str
    party_id: str
    currency: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class IdToken:
    """An idToken that may (or may not) charge: `match_key` is what it is compared by, the contact whom to call."""

    token: str
    match_key: str
    type: str
    status: str
    group: str | None
    expires_at: datetime | None
    note: str | None
    contact_name: str | None
    contact_phone: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what, when; `detail` never holds a secret."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]


def make_key() -> NewKey:
    """Make a random key."""
    prefix, secret = secrets.token_hex(PREFIX_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(prefix, hash_secret(secret), f"{KEY_MARK}_{prefix}_{secret}")


def split_key(text: str) -> tuple[str, str] | None:
    """Return a key's prefix and secret, None where the text is no key of ours."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != KEY_MARK or not parts[1] or not parts[2]:
        return None
    return parts[1], parts[2]


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret: SHA-256."""
    return sha256(secret.encode()).digest()


def is_valid(stored: StoredKey, secret: str, now: datetime) -> bool:
    """Say whether that secret opens the key now: the hash matches (constant time), not revoked, not expired."""
    matches = hmac.compare_digest(stored.secret_hash, hash_secret(secret))
    expires_at = stored.key.expires_at
    return matches and stored.key.revoked_at is None and (expires_at is None or now < expires_at)


def needs_last_used(key: ApiKey, now: datetime) -> bool:
    """Say whether the use of a key should be written down again."""
    return key.last_used_at is None or now - key.last_used_at >= LAST_USED_STEP


def match_key_of(token: str) -> str:
    """Return what tokens are compared by: OCPP's idTokens are case-insensitive and stations add spaces.

    >>> match_key_of(" 04AbCd ")
    '04abcd'
    """
    key = token.strip().casefold()
    if not key or not token.isprintable():
        raise InvalidInput("a token has at least one character, and none that cannot be printed")
    return key

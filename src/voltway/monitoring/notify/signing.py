"""Standard Webhooks: secrets, signatures and the waits between attempts. The one module that knows `standardwebhooks`.

Source: standardwebhooks.com, specification of 2024: HMAC-SHA256 over `id.timestamp.body`, `v1,` base64.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes

from standardwebhooks.webhooks import Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105 - the standard's prefix
_SECRET_BYTES = 32
_WAITS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200)
"""Together about 28 hours: a receiver may be away over a night and a morning."""
MAX_ATTEMPTS = len(_WAITS_S) + 1
_MAX_RETRY_AFTER_S = 3600


def new_secret() -> str:
    """Return a fresh secret."""
    return SECRET_PREFIX + b64encode(token_bytes(_SECRET_BYTES)).decode()


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """Return the headers of a delivery; while a secret is being exchanged each of both has signed."""
    signatures = [Webhook(secret).sign(msg_id=message_id, timestamp=at, data=body) for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": "Voltway-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def next_attempt(at: datetime, attempts: int, *, key: int, headers: Mapping[str, str] | None = None) -> datetime | None:
    """Return when to try again after that many attempts, None after the last.

    The wait varies by up to a tenth with the key, so that what failed together does not come back together. A receiver
    may ask for more by Retry-After (seconds), up to an hour.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    spread = int.from_bytes(sha256(f"{key}/{attempts}".encode()).digest()[:4], "big") / 2**32
    wait_s = _WAITS_S[attempts - 1] * (0.9 + 0.2 * spread)
    asked = (headers or {}).get("retry-after", "")
    asked_s = min(int(asked), _MAX_RETRY_AFTER_S) if asked.isascii() and asked.isdecimal() else 0
    return at + timedelta(seconds=max(wait_s, asked_s))

"""Who stands at the door: the identity in the path, the password in the header, and how often one may be wrong.

Pure but for the doorkeeper's memory of failures; `gateway.server` turns verdicts into HTTP answers.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote_to_bytes

from voltway.kernel.facts import Finding
from voltway.stations.model import PasswordMatch, verify_password
from voltway.stations.registry import Registered

LONGEST_IDENTITY = 255
_PREFIX = b"ocpp"
FAILURES_ALLOWED = 10
FAILURE_WINDOW_S = 60.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Presented:
    """The identities a path may mean, likeliest first; `finding` says what was untidy about it."""

    candidates: tuple[str, ...]
    finding: Finding | None = None


class Refused(Enum):
    """Why credentials do not let a station in; the log says it, the station hears only 401."""

    NONE_SET = "no password is set for this station"
    NONE_SENT = "no credentials were sent"
    MALFORMED = "the Authorization header is not HTTP Basic"
    WRONG_USER = "the password fits, but the user name is not the station's identity"
    WRONG_KEY = "the password does not fit"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Credentials that fit, with the tolerances they needed."""

    findings: tuple[Finding, ...] = ()


def read_identity(path: bytes) -> Presented | None:
    """Read the identity out of a request path (bytes as on the wire); None where it names no station.

    Percent-decoded exactly once. Stations write double and trailing slashes, and whole URLs into the path
    (field note 3), so the last segment counts; a longer candidate comes first for an id that holds a plain slash.
    """
    raw = path.split(b"?", 1)[0].split(b"#", 1)[0]
    segments = [segment for segment in raw.split(b"/") if segment]
    if _PREFIX not in segments[:-1]:
        return None
    last_prefix = len(segments) - 2 - segments[-2::-1].index(_PREFIX)
    rest = segments[last_prefix + 1 :]
    names = [name for name in (_decoded(b"/".join(rest)), _decoded(rest[-1])) if name is not None]
    if not names:
        return None
    is_tidy = raw == b"/ocpp/" + rest[-1]
    finding = None if is_tidy else Finding("identity_path_untidy", raw.decode(errors="replace")[:200])
    return Presented(tuple(dict.fromkeys(names)), finding)


def authenticate(station: Registered, headers: Sequence[str], spoken: str) -> Admitted | Refused:
    """Check HTTP Basic credentials as bytes.

    Args:
        station: whom the path names.
        headers: the values of Authorization.
        spoken: the identity as the path spelled it, which the user name may repeat.
    """
    if station.auth == "none":
        return Admitted()
    if station.salt is None or station.password_hash is None:
        return Refused.NONE_SET
    raw = _basic(headers[0]) if headers else None
    if raw is None:
        return Refused.MALFORMED if headers else Refused.NONE_SENT
    user, password = _parts(raw, (station.identity, spoken))
    match = verify_password(station.salt, station.password_hash, password)
    if match is None:
        return Refused.WRONG_KEY
    if user not in {station.identity.encode(), spoken.encode()}:
        return Refused.WRONG_USER
    return Admitted((Finding("password_hex_spelling"),) if match is PasswordMatch.HEX_SPELLING else ())


class Doorkeeper:
    """Remembers failed attempts per remote address and identity, a bounded number of them."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def retry_after_s(self, remote: str, identity: str, now_s: float) -> float:
        """Return how long this remote must wait before it may try this identity again, 0 for not at all."""
        times = self._failures.get((remote, identity))
        if times is None or len(times) < FAILURES_ALLOWED:
            return 0.0
        return max(times[0] + FAILURE_WINDOW_S - now_s, 0.0)

    def note_failure(self, remote: str, identity: str, now_s: float) -> None:
        """Count a failed attempt; the oldest are forgotten."""
        key = (remote, identity)
        times = [at for at in self._failures.pop(key, []) if now_s - at < FAILURE_WINDOW_S]
        self._failures[key] = [*times, now_s][-FAILURES_ALLOWED:]
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def forget(self, remote: str, identity: str) -> None:
        """Forget failures: the right password came."""
        self._failures.pop((remote, identity), None)


def _decoded(raw: bytes) -> str | None:
    try:
        name = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    return name if name and len(name) <= LONGEST_IDENTITY and name.isprintable() else None


def _basic(header: str) -> bytes | None:
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        padded = encoded.strip().rstrip("=").encode("ascii")
        raw = b64decode(padded + b"=" * (-len(padded) % 4), validate=True)
    except (Base64Error, ValueError):
        return None
    return raw if b":" in raw else None


def _parts(raw: bytes, identities: Sequence[str]) -> tuple[bytes, bytes]:
    """Split user and password; an identity may hold a colon itself, and so may a password."""
    for identity in identities:
        user = identity.encode()
        if raw.startswith(user + b":"):
            return user, raw[len(user) + 1 :]
    user, _, password = raw.partition(b":")
    return user, password

"""What the ingest asks of tokens: one lookup for all tokens of a group, and the rule that answers "may it charge"."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson

from voltway.identity.model import match_key_of
from voltway.infra.pgarrays import INT4, TEXT
from voltway.infra.pipeline import Row, Statement
from voltway.kernel.errors import InvalidInput
from voltway.kernel.facts import PresentedToken, TokenInfo, TokenStatus
from voltway.kernel.ids import OperatorId

LOAD_TOKENS = Statement(
    "id_token_load",
    """SELECT json_build_object('operator_id', t.operator_id, 'match_key', t.match_key, 'status', t.status,
         'group', t.group_token, 'expires_at', t.expires_at)
       FROM unnest($1::int[], $2::text[]) AS k(operator_id, match_key)
       JOIN id_token t USING (operator_id, match_key)""",
    (INT4, TEXT),
)
TokenKey = tuple[OperatorId, str]


@dataclass(frozen=True, slots=True)
class KnownToken:
    """What is stored of a token."""

    status: TokenStatus
    group: str | None
    expires_at: datetime | None


def token_key(operator_id: OperatorId, token: PresentedToken) -> TokenKey:
    """Return the key under which a presented token is looked up; never fails, since a start is always kept."""
    try:
        return operator_id, match_key_of(str(token.token))
    except InvalidInput:
        # 2.x sends an empty idToken with NoAuthorization; what can be no token of ours is not found.
        return operator_id, ""


def read_tokens(rows: Iterable[Row]) -> dict[TokenKey, KnownToken]:
    """Read what LOAD_TOKENS answered."""
    known: dict[TokenKey, KnownToken] = {}
    for row in rows:
        it = orjson.loads(row[0] or b"{}")
        expires_at = datetime.fromisoformat(it["expires_at"]) if it["expires_at"] else None
        key = (OperatorId(it["operator_id"]), it["match_key"])
        known[key] = KnownToken(TokenStatus(it["status"]), it["group"], expires_at)
    return known


def judge_token(known: KnownToken | None, at: datetime, *, accepts_unknown: bool) -> TokenInfo:
    """Say whether a token may charge at an instant; an unknown one only by policy, and then unbilled."""
    if known is None:
        if accepts_unknown:
            return TokenInfo(TokenStatus.ACCEPTED, is_billable=False)
        return TokenInfo(TokenStatus.UNKNOWN)
    if known.status is TokenStatus.ACCEPTED and known.expires_at is not None and known.expires_at <= at:
        return TokenInfo(TokenStatus.EXPIRED, known.expires_at, known.group)
    return TokenInfo(known.status, known.expires_at, known.group)

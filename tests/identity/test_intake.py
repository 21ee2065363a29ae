"""May this token charge: looked up for a whole group at once, judged by its standing and its date."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from voltway.identity.intake import LOAD_TOKENS, KnownToken, judge_token, read_tokens, token_key
from voltway.infra.db import Role, libpq_url
from voltway.infra.pipeline import Pipeline, Work
from voltway.kernel.facts import PresentedToken, TokenInfo, TokenStatus
from voltway.kernel.ids import OperatorId, Token

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ACCEPTED, BLOCKED, EXPIRED = TokenStatus.ACCEPTED, TokenStatus.BLOCKED, TokenStatus.EXPIRED


@pytest.mark.parametrize(
    ("known", "accepts_unknown", "expected"),
    [
        (None, False, TokenInfo(TokenStatus.UNKNOWN)),
        (None, True, TokenInfo(ACCEPTED, is_billable=False)),
        (KnownToken(ACCEPTED, "G", None), False, TokenInfo(ACCEPTED, None, "G")),
        (KnownToken(ACCEPTED, None, AT + SECOND), False, TokenInfo(ACCEPTED, AT + SECOND)),
        (KnownToken(ACCEPTED, "G", AT), False, TokenInfo(EXPIRED, AT, "G")),
        (KnownToken(BLOCKED, None, AT - SECOND), True, TokenInfo(BLOCKED, AT - SECOND)),
    ],
)
def test_who_may_charge(known: KnownToken | None, expected: TokenInfo, *, accepts_unknown: bool) -> None:
    """Unknown only by policy, and then unbilled; a blocked token stays blocked whatever its date."""
    assert judge_token(known, AT, accepts_unknown=accepts_unknown) == expected


@pytest.mark.parametrize(("text", "key"), [(" 04AbCd ", "04abcd"), ("", ""), ("  ", ""), ("a\x00b", ""), ("ß", "ss")])
def test_any_text_has_a_key(text: str, key: str) -> None:
    """What can be no token of ours has the key that no token has, since a start is always kept."""
    assert token_key(OperatorId(1), PresentedToken(Token(text))) == (1, key)


async def test_a_group_s_tokens_are_read_at_once(database_url: str) -> None:
    """Each operator has its own; unknown ones are not in the answer."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO operator (operator_id, name) VALUES (2, 'Second')")
        connection.execute(
            """INSERT INTO id_token (operator_id, match_key, token, status, group_token, expires_at) VALUES
                 (1, 'anna', 'ANNA', 'Accepted', 'FLEET', '2026-12-31T00:00:00Z'),
                 (2, 'anna', 'Anna', 'Blocked', NULL, NULL), (2, 'bert', 'BERT', 'Accepted', NULL, NULL)"""
        )
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    (rows,) = await pipeline.run([Work(LOAD_TOKENS, [[1, 2, 1], ["anna", "anna", "bert"]])])
    await pipeline.close()
    assert read_tokens(rows) == {
        (1, "anna"): KnownToken(ACCEPTED, "FLEET", datetime(2026, 12, 31, tzinfo=UTC)),
        (2, "anna"): KnownToken(BLOCKED, None, None),
    }

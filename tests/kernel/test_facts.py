"""Facts: None means "not reported"; the unions name every fact and reply."""

from datetime import UTC, datetime
from typing import get_args

from voltway.kernel import facts
from voltway.kernel.facts import ACKNOWLEDGED, EnergyMetered, Reading, ReadingContext, TokenInfo, TokenStatus
from voltway.kernel.ids import EvseId

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_what_was_not_reported_is_none_never_zero() -> None:
    reading = Reading(AT, ReadingContext.PERIODIC)
    assert reading[2:] == (None,) * 7
    assert Reading(AT, ReadingContext.PERIODIC, 0, 0.0).register_milliwh == 0


def test_every_fact_of_a_transaction_is_a_fact() -> None:
    assert set(facts.TRANSACTION_FACTS) < set(get_args(facts.Fact))


def test_the_default_answer_says_nothing() -> None:
    assert ACKNOWLEDGED.fields == {}
    assert ACKNOWLEDGED in (ACKNOWLEDGED, facts.Acknowledged())
    assert TokenInfo(TokenStatus.ACCEPTED).is_billable


def test_meter_messages_are_equal_by_content() -> None:
    """A resend makes the same fact, so that the digest decides, not the object."""
    one, two = (EnergyMetered(EvseId(1), None, (Reading(AT, ReadingContext.CLOCK, 5),), 9) for _ in range(2))
    assert one == two

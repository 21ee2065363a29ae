"""Anomalies: every code has a sentence, and what touches money is a decision that is written down here."""

from datetime import UTC, datetime

import pytest

from voltway.sessions.anomalies import AnomalyCode, anomaly

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HARMLESS = {
    AnomalyCode.TOKEN_UNBILLED,
    AnomalyCode.CLOCK_OFF,
    AnomalyCode.EVENTS_MISSING,
    AnomalyCode.MATCHED_BY_EVSE,
    AnomalyCode.NO_TARIFF,
    AnomalyCode.WAIVED,
}


@pytest.mark.parametrize("code", AnomalyCode)
def test_every_code_says_what_it_means_and_whether_it_holds_the_bill(code: AnomalyCode) -> None:
    found = anomaly(code, AT)
    assert (found.code, found.since) == (code, AT)
    assert len(found.message) > 10
    assert found.touches_money is (code not in HARMLESS)


def test_the_detail_quotes_the_station() -> None:
    """What was sent stands behind the sentence, in brackets."""
    plain = anomaly(AnomalyCode.REGISTER_FELL, AT)
    assert anomaly(AnomalyCode.REGISTER_FELL, AT, detail="5 to 3").message == f"{plain.message} (5 to 3)"

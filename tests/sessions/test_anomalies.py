"""Anomalies: every code has a sentence, and what touches money is a decision that is written down here."""

from datetime import UTC, datetime
from pathlib import Path

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


def test_the_operators_page_lists_every_code() -> None:
    """docs/algorithms/energy.md has one row for each, with its sentence and whether it holds the bill."""
    page = (Path(__file__).parents[2] / "docs" / "algorithms" / "energy.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    found = [anomaly(code, AT) for code in AnomalyCode]
    assert rows == [f"| `{it.code}` | {it.message} | {'yes' if it.touches_money else 'no'} |" for it in found]

"""The bench of pricing: a short real run, its proofs, and the goals beside what was measured."""

import json
import random
import sys

import pytest

import pricing


def test_a_short_run_prints_its_table_and_proves_its_totals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON on stdout and nothing else, the table on stderr, every proof held."""
    monkeypatch.setattr(sys, "argv", ["pricing.py", "--quick", "--check", "--json", "-"])
    assert pricing.main() == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["periods"], len(document["rounds"])) == (20, 1)
    assert all(proof["holds"] for proof in document["proofs"])
    assert document["median_us"]["explained_us"] > document["median_us"]["floor_us"] / 2
    assert "| session priced and explained |" in printed.err
    assert printed.err.count("goal: ") == 2


def test_a_proof_that_fails_ends_a_checked_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 with the claim; without --check the table says NOT PROVED."""
    monkeypatch.setattr(pricing, "floor_total", lambda priced: priced.total.excl_vat + 1)
    monkeypatch.setattr(sys, "argv", ["pricing.py", "--quick", "--check"])
    assert pricing.main() == 1
    assert "the measurement does not hold: 40 totals" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["pricing.py", "--quick"])
    assert pricing.main() == 0
    assert "NOT PROVED: 40 totals" in capsys.readouterr().out


def test_the_sessions_are_seeded() -> None:
    """The same seed makes the same sessions, so that two runs measure the same work."""
    first, second = (pricing.made_sessions(8, random.Random(4)) for _ in range(2))  # noqa: S311 - made sessions
    assert first == second
    assert {len(made.periods) for made in first} == {pricing.PERIODS}
    assert {made.tariff.id for made in first} == {"HOURS", "ENERGY", "POWER", "STAY"}

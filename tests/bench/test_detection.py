"""The bench of detection: its table, goals and proofs with known engines, and a short real run of the watch."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

import detection
from rig.lab.judging import Mute, all_knowing
from rig.lab.month import Month, made_month
from rig.lab.ranges import Recipe, read_recipe, renamed
from rig.lab.stream import Engine, Event, Opening

SEED = 1


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A network of 60 EVSEs for two days, as every run of this file takes it."""
    shipped = read_recipe()
    kinds = {name: replace(kind, hours=(0.6, 8.0), earliest_day=0.3) for name, kind in shipped.kinds.items()}
    recipe = replace(shipped, evses=60, days=2, kinds=kinds)
    monkeypatch.setattr(detection, "read_recipe", lambda: recipe)
    return recipe


class Oracle(Mute):
    """Opens each label's incident when its time comes: it was told the truth."""

    def __init__(self, openings: Iterable[Opening]) -> None:
        self._coming = sorted(openings, key=lambda it: it.at, reverse=True)

    def feed(self, event: Event) -> Iterable[Opening]:
        """Open what is due."""
        while self._coming and self._coming[-1].at <= event.at:
            yield self._coming.pop()


def oracle_for(month: Month) -> Engine:
    twin = made_month(month.recipe, month.seed, days=month.days)
    for _ in twin.events():
        pass
    return Oracle(all_knowing(twin.recipe, twin.truth))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["detection.py", "--seed", str(SEED), *arguments])
    return detection.main()


@pytest.mark.usefixtures("small")
def test_an_oracle_meets_the_goals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON on stdout and nothing else, the table on stderr, exit 0."""
    monkeypatch.setattr(detection, "engine_for", oracle_for)
    assert run(monkeypatch, "--check", "--json", "-") == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["recall"], document["false_per_1000_evse_days"]) == (1.0, 0.0)
    assert document["goals"]["met"]
    assert document["evse_days"] >= 120
    assert all(proof["holds"] for one in document["runs"] for proof in one["proofs"])
    assert "| station offline |" in printed.err
    assert printed.err.count("goal: ") == 2
    assert "not met" not in printed.err


@pytest.mark.usefixtures("small")
def test_a_mute_engine_misses_the_goal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 with --check, 0 without; every miss is explained on request."""
    monkeypatch.setattr(detection, "engine_for", lambda _: Mute())
    assert run(monkeypatch, "--check") == 1
    assert "recall at least 0.95: 0.000" in capsys.readouterr().out
    assert run(monkeypatch, "--explain") == 0
    assert "seed 1 missed" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_a_proof_that_fails_ends_a_checked_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 with the claim; without --check the table says NOT PROVED."""
    monkeypatch.setattr(detection, "engine_for", lambda _: Mute())
    monkeypatch.setattr(detection, "all_knowing", lambda *_: iter(()))
    assert run(monkeypatch, "--check") == 1
    assert "an engine that knows the truth" in capsys.readouterr().err
    assert run(monkeypatch) == 0
    assert "NOT PROVED: an engine that knows the truth" in capsys.readouterr().out


@pytest.mark.usefixtures("small")
def test_renamed_vendors_are_said_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The table says that words were replaced, and the engine sees none of the known ones."""
    seen: set[str] = set()

    def watching(month: Month) -> Engine:
        seen.update(station.vendor.name for station in month.network.stations)
        return Mute()

    monkeypatch.setattr(detection, "engine_for", watching)
    assert run(monkeypatch, "--rename-vendor-codes") == 0
    assert "replaced by a random word" in capsys.readouterr().out
    assert seen
    assert not seen & {vendor.name for vendor in read_recipe().vendors}


def test_quick_runs_keep_away_from_the_seeds_that_are_reported() -> None:
    """Thresholds are set on seeds 1 to 5; a quick look must not look at 101 to 105."""
    assert set(detection.QUICK_SEEDS) <= {1, 2, 3, 4, 5}
    assert detection.SEEDS == (101, 102, 103, 104, 105)


def test_a_short_real_run(small: Recipe) -> None:
    """The real watch finds most of what two days hold, cries wolf rarely, and needs no vendor's words."""
    result = detection.judged(small, SEED)
    assert result.score.recall >= 0.6, list(detection.explained([result]))
    assert all(holds for _, holds in result.proofs)
    offline = result.score.tallies["station_offline"]
    assert offline.found == offline.labels
    other = detection.judged(renamed(small, SEED), SEED)
    for kind, tally in result.score.tallies.items():
        twin = other.score.tallies[kind]
        assert (tally.labels, tally.found, tally.false) == (twin.labels, twin.found, twin.false)


def test_delays_read_well() -> None:
    """Minutes, then hours."""
    assert detection._lasting(timedelta(minutes=4).total_seconds()) == "4.0 min"
    assert detection._lasting(timedelta(hours=3).total_seconds()) == "3.0 h"
    assert detection._lasting(None) == "–"

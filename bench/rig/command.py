"""The command line that all benches share: `--quick`, `--check`, `--json`, `--write-docs`, and where results go."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rig import report

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def parser(description: str, *, quick: str, check: str) -> argparse.ArgumentParser:
    """Return a parser with what every bench takes; `quick` and `check` say what these two do here."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--check", action="store_true", help=check)
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON; - is stdout")
    made.add_argument("--write-docs", action="store_true", help="write the table into docs/performance.md")
    return made


def parsed(parser: argparse.ArgumentParser, given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments; documents show full runs only."""
    arguments = parser.parse_args(given)
    if arguments.quick and arguments.write_docs:
        parser.error("--write-docs needs the full run, not --quick")
    return arguments


def publish(arguments: argparse.Namespace, name: str, text: str, document: Mapping[str, Any]) -> None:
    """Print the table of the bench `name`, and write it wherever the arguments say."""
    stream = sys.stderr if arguments.json == "-" else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()
    if arguments.write_docs:
        report.write_section(DOCUMENT, name, text)
    if arguments.json:
        _write_json(arguments.json, document)


def _write_json(target: str, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text, encoding="utf-8")

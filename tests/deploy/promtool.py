"""Prometheus' own checker, for the tests of what we ship for it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RUNBOOK = ROOT / "docs" / "operators" / "metrics.md"
_OURS = ROOT / ".tools" / "promtool"


def promtool(
    *arguments: str | Path, folder: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run promtool (from the PATH, else from .tools) and return how it ended; fail where there is none."""
    found = shutil.which("promtool") or (str(_OURS) if _OURS.exists() else None)
    if found is None:
        pytest.fail("promtool is missing: run `make promtool`, or install Prometheus with your system's packages")
    argv = [found, *map(str, arguments)]
    return subprocess.run(argv, cwd=folder, input=stdin, capture_output=True, text=True, check=False)


def assert_accepts(*arguments: str | Path, folder: Path | None = None) -> None:
    """Assert that promtool has nothing against it; its words are the failure's."""
    done = promtool(*arguments, folder=folder)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

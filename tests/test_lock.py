"""requirements.lock is complete, hashed, for this project, and says nothing of where it was made."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def _asked_for() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def test_every_dependency_is_locked() -> None:
    assert _asked_for() - {name for name, _ in PINS.findall(LOCK)} == set()


def test_every_pin_has_hashes() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", LOCK.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_names_no_host_and_no_index() -> None:
    assert not re.search(r"https?:|--index|--extra-index|--find-links|file:", LOCK)


def test_what_is_installed_is_what_is_locked() -> None:
    """A test that passes with other versions than the locked ones proves nothing."""
    installed = {canonicalize_name(found.metadata["Name"]): found.version for found in distributions()}
    locked = dict(PINS.findall(LOCK))
    assert {name: version for name, version in installed.items() if locked.get(name, version) != version} == {}


def test_every_dependency_is_explained() -> None:
    """docs/dependencies.md has a row for each direct dependency, and for nothing else."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = {canonicalize_name(name) for name in re.findall(r"^\| `([\w.-]+)` \|", page, re.MULTILINE)}
    assert rows == _asked_for()


def test_the_tool_that_locks_is_named_once() -> None:
    """The version of uv stands in the Makefile only."""
    assert "UV_VERSION := 0.13.9" in (ROOT / "Makefile").read_text(encoding="utf-8")

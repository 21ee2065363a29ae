"""Log lines are one JSON object each with the role's name; numbers of all roles come out of one door."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from voltway.infra.telemetry import (
    METRICS_VARIABLE,
    configure_logging,
    forget_processes,
    make_metrics_dir,
    metrics_text,
)

COUNT = """
import sys
from prometheus_client import Counter
from voltway.infra.telemetry import metrics_text
Counter("voltway_test_things", "Things.").inc(float(sys.argv[1]))
sys.stdout.write(metrics_text()[0].decode())
"""


@pytest.fixture
def lines(request: pytest.FixtureRequest, own_logging: None) -> io.StringIO:
    """What is logged, in the form that the test's parameter names."""
    stream = io.StringIO()
    configure_logging(role="api", level="info", form=getattr(request, "param", "json"), stream=stream)
    return stream


def test_our_lines_and_those_of_libraries_have_one_form(lines: io.StringIO) -> None:
    structlog.get_logger().info("station_connected", station="A")
    logging.getLogger("some.library").warning("something %s", "odd")
    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (ours["event"], ours["station"], ours["role"], ours["level"]) == ("station_connected", "A", "api", "info")
    assert (theirs["event"], theirs["role"], theirs["level"]) == ("something odd", "api", "warning")
    assert ours["timestamp"].endswith("Z")


def test_what_is_less_severe_is_not_written(lines: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("uvicorn.error").info("Started server process")
    assert lines.getvalue() == ""


def test_an_exception_is_part_of_its_line(lines: io.StringIO) -> None:
    try:
        int("odd")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_text_for_people(lines: io.StringIO) -> None:
    structlog.get_logger().info("station_connected", station="A")
    assert "station_connected" in lines.getvalue()
    assert "station=A" in lines.getvalue()


def test_numbers_of_one_process() -> None:
    text, content_type = metrics_text()
    assert b"# HELP" in text
    assert content_type.startswith("text/plain")


def test_numbers_of_all_processes_are_summed(tmp_path: Path) -> None:
    """A second process sees what the first counted; a new run begins at nothing."""
    environ = {METRICS_VARIABLE: str(make_metrics_dir(tmp_path))}

    def count(number: int) -> str:
        argv = [sys.executable, "-c", COUNT, str(number)]
        return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout

    assert "voltway_test_things_total 1.0" in count(1)
    assert "voltway_test_things_total 3.0" in count(2)
    make_metrics_dir(tmp_path)
    assert "voltway_test_things_total 4.0" in count(4)


GAUGE = """
import os, sys
from prometheus_client import Gauge
Gauge("voltway_test_open", "Open things.", multiprocess_mode="livesum").set(3)
sys.stdout.write(str(os.getpid()))
"""


def test_what_a_dead_process_held_open_is_not_counted(tmp_path: Path) -> None:
    folder = make_metrics_dir(tmp_path / "metrics")
    environ = os.environ | {METRICS_VARIABLE: str(folder)}

    def run(code: str) -> str:
        argv = [sys.executable, "-c", code, "0"]
        return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout

    pid = int(run(GAUGE))
    assert "voltway_test_open 3.0" in run(COUNT)
    forget_processes(folder, {pid})
    assert "voltway_test_open" not in run(COUNT)

"""Logs and metrics of a process: structured lines on stderr, Prometheus numbers over all processes of this machine.

`configure_logging` is called once per process by `app`; code logs with `structlog.get_logger()`. Counters are ordinary
`prometheus_client` objects; the supervisor names a folder (PROMETHEUS_MULTIPROC_DIR) where all roles keep theirs, so
that `/metrics` of the api role shows every role's. Gauges therefore need a `multiprocess_mode`.
"""

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from structlog.types import Processor

from voltway.settings import LogFormat, LogLevel

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_QUIET = ("alembic", "asyncio", "picows", "procrastinate", "uvicorn")
"""Libraries whose informative lines are ours to say; their warnings are kept."""


def configure_logging(*, role: str, level: LogLevel, form: LogFormat, stream: TextIO | None = None) -> None:
    """Send every log line of this process to stderr (or a stream), a JSON object or text each, with the role."""
    structlog.contextvars.bind_contextvars(role=role)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def make_metrics_dir(folder: Path) -> Path:
    """Make an empty folder for the numbers of one run of all roles."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.db"):
        stale.unlink()
    return folder


def forget_processes(folder: Path, pids: Iterable[int]) -> None:
    """Take ended processes out of the gauges that count what lives (`livesum`); their counters stay."""
    for pid in pids:
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def metrics_text() -> tuple[bytes, str]:
    """Return the numbers of all roles on this machine in Prometheus' text form, and their content type."""
    if METRICS_VARIABLE not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST

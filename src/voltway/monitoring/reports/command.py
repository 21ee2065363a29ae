"""`voltway report monthly|nevi|uk`: a report as a file, written whole or not at all.

Exit 0 made, 2 refused with a line per fault, 3 not ready (contracts.md). Text for people goes to stderr.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import orjson

from voltway.httpapi.caller import FIRST_OPERATOR
from voltway.infra.db import Database
from voltway.kernel.errors import InvalidInput, NotReady, VoltwayError
from voltway.monitoring.numbers.uptime_service import Uptime
from voltway.monitoring.reports.service import Rendered, ReportFormat, Reports, read_request

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class ReportArguments:
    """The options of `voltway report`; `out` a file, a folder or `-`, None: the report's own name here."""

    kind: str
    month: str | None = None
    year: int | None = None
    format: str = ReportFormat.PDF.value
    out: str | None = None
    location: str | None = None
    table: str | None = None


def run_report(
    arguments: ReportArguments,
    find_database: Callable[[], str],
    *,
    shortfall_rules: frozenset[str] = frozenset(),
    as_json: bool = False,
) -> int:
    """Make a report of the first operator and return the exit code.

    `as_json` alone prints the report's JSON document; together with `out` it writes the file and prints where it is.
    `find_database` is called when the options are read, and may raise NotReady.
    """
    form = ReportFormat.JSON.value if as_json and arguments.out is None else arguments.format
    try:
        made = asyncio.run(_make(arguments, form, find_database, shortfall_rules))
        return _deliver(made, STDOUT if as_json and arguments.out is None else arguments.out, as_json=as_json)
    except InvalidInput as error:
        return _say([f"{_option(fault.pointer)}: {fault.message}" for fault in error.faults] or [error.message], 2)
    except NotReady as error:
        return _say([error.message], 3)
    except VoltwayError as error:
        return _say([error.message], 2)


async def _make(
    arguments: ReportArguments, form: str, find_database: Callable[[], str], rules: frozenset[str]
) -> Rendered:
    wanted = read_request(
        arguments.kind, (arguments.month, arguments.year), form, location=arguments.location, table=arguments.table
    )  # fmt: skip
    _say([f"reading the facts of the {wanted.kind} report"], 0)
    database = Database(find_database(), pool_size=2)
    try:
        return await Reports(database, Uptime(database, shortfall_rules=rules)).make(FIRST_OPERATOR, wanted)
    finally:
        await database.close()


def _deliver(made: Rendered, out: str | None, *, as_json: bool) -> int:
    if out == STDOUT:
        sys.stdout.buffer.write(made.content)
        sys.stdout.buffer.flush()
        return 0
    file = Path(out or made.filename)
    if file.is_dir():
        file /= made.filename
    try:
        _write_whole(file, made.content)
    except OSError as error:
        return _say([f"{file} cannot be written: {error.strerror}"], 2)
    if as_json:
        told = {"file": str(file.absolute()), "media_type": made.media_type, "bytes": len(made.content)}
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
    return _say([f"written: {file.absolute()}"], 0)


def _write_whole(file: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees a part of it: beside it first, then by one rename."""
    with NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as part:
        try:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).chmod(0o644)
            Path(part.name).replace(file)
        except OSError:
            with suppress(OSError):
                Path(part.name).unlink()
            raise


def _option(pointer: str) -> str:
    """Return the option that a fault is about, as it was written."""
    name = pointer.removeprefix("/")
    return "report" if name == "kind" else f"--{name}"


def _say(lines: list[str], code: int) -> int:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return code

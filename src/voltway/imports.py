"""`voltway import`: the same tables as `POST /api/v1/import/{kind}`, straight into the database of this installation.

A part of the composition: it knows every slice that can be imported.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import orjson

from voltway.httpapi.caller import ALL_SCOPES, FIRST_OPERATOR, Caller
from voltway.httpapi.imports import Importer, ImportReport, decode_text
from voltway.identity.imports import TokenPlan
from voltway.infra.datafolder import read_run
from voltway.infra.db import Database
from voltway.kernel.errors import InvalidFile, InvalidInput, NotReady, VoltwayError
from voltway.settings import Settings
from voltway.stations.imports import LocationPlan, StationPlan
from voltway.tariffs.imports import TariffPlan

KINDS = ("locations", "stations", "tokens", "tariffs")
_COMMAND_LINE = Caller(FIRST_OPERATOR, "command line", ALL_SCOPES)


def make_importers(
    database: Database, *, stations_changed: Callable[[], Awaitable[None]] | None = None
) -> dict[str, Importer]:
    """Return an importer per kind; `stations_changed` wakes the gateways after stations were kept."""
    return {
        "locations": Importer(database, LocationPlan()),
        "stations": Importer(database, StationPlan(), committed=stations_changed),
        "tokens": Importer(database, TokenPlan()),
        "tariffs": Importer(database, TariffPlan()),
    }


def run_import(kind: str, file: str, settings: Settings, *, dry_run: bool = False, as_json: bool = False) -> int:
    """Import a file (`-`: stdin), say on stderr what came of it, and return the exit code (contracts.md).

    The gateways of a running Voltway see new stations by polling, within seconds.
    """
    if kind not in KINDS:
        return _say([f"{kind} cannot be imported; one of {', '.join(KINDS)} can"], 2)
    try:
        report = _import(kind, file, settings, dry_run=dry_run)
    except InvalidFile as error:
        return _say(error.lines(), 2)
    except NotReady as error:
        return _say([error.message], 3)
    except VoltwayError as error:
        return _say([f"{file}: {error.message}"], 2)
    if as_json:
        sys.stdout.write(orjson.dumps(asdict(report)).decode() + "\n")
    if report.faults:
        return _say(InvalidFile(file, report.faults, table=report.table).lines(), 2)
    done = "would be " if dry_run else ""
    counts = f"{report.created} {done}created, {report.updated} {done}updated, {report.unchanged} unchanged"
    return _say([f"{kind}: {counts}"], 0)


def database_url_of(settings: Settings) -> str:
    """Return the database that is configured, or the one of the Voltway that runs on the data folder.

    Raises:
        NotReady: neither is there.
    """
    if settings.database_url:
        return settings.database_url
    run = read_run(settings.data_dir)
    if run is None:
        raise NotReady("no database is configured and no Voltway runs here: start `voltway up` first")
    return str(run["database_url"])


def _import(kind: str, file: str, settings: Settings, *, dry_run: bool) -> ImportReport:
    text = _read(file)
    return asyncio.run(_run(kind, text, database_url_of(settings), dry_run=dry_run))


def _read(file: str) -> str:
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}") from error
    try:
        return decode_text(body)
    except InvalidInput as error:
        raise InvalidFile(file, error.faults, table=True) from error


async def _run(kind: str, text: str, database_url: str, *, dry_run: bool) -> ImportReport:
    database = Database(database_url, pool_size=1)
    try:
        return await make_importers(database)[kind].run(_COMMAND_LINE, text, dry_run=dry_run)
    finally:
        await database.close()


def _say(lines: list[str], code: int) -> int:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return code

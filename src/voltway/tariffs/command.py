"""`voltway price`, `voltway tariff lint` and `voltway tariff show`: files in, a table or JSON out, and an exit code.

Forms: contracts.md. Exit 0 answered, 1 the answer is no, 2 input refused with a line per fault.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from voltway.kernel.clock import now
from voltway.kernel.errors import Fault, InvalidFile, InvalidInput
from voltway.tariffs.exact_json import loads
from voltway.tariffs.lint_findings import lint_table
from voltway.tariffs.lint_request import LintRequest, linted_request
from voltway.tariffs.model import OcpiVersion, Tariff
from voltway.tariffs.ocpi_tariff import parse_tariff
from voltway.tariffs.price_request import PriceRequest, priced_request, tariff_parts, version_faults, zone_faults
from voltway.tariffs.price_table import price_table
from voltway.tariffs.price_text_words import Language
from voltway.tariffs.rates import compiled, zone


@dataclass(frozen=True, slots=True)
class PriceArguments:
    """The options of `voltway price`; a file `-` is stdin."""

    cdr: str
    tariff: str | None = None
    ocpi: str | None = None
    time_zone: str | None = None
    reservation_expired: bool = False


@dataclass(frozen=True, slots=True)
class LintArguments:
    """The options of `voltway tariff lint`; `rules` as they stand, with commas."""

    tariff: str
    ocpi: str | None = None
    time_zone: str | None = None
    rules: str = "ocpi"


@dataclass(frozen=True, slots=True)
class ShowArguments:
    """The options of `voltway tariff show`; `week` is a date in the week wanted, `power_kw` momentary."""

    tariff: str
    ocpi: str | None = None
    time_zone: str | None = None
    week: str | None = None
    language: str = "en"
    power_kw: float | None = None


def run_price(arguments: PriceArguments, *, as_json: bool) -> int:
    """Price a CDR and print the answer."""
    files = {"/cdr": arguments.cdr, "/tariff": arguments.tariff or ""}
    try:
        documents = _read_all([arguments.cdr] if arguments.tariff is None else [arguments.cdr, arguments.tariff])
        request = PriceRequest(
            cdr=documents[0],
            tariff=documents[1] if len(documents) > 1 else None,
            ocpi=arguments.ocpi,
            time_zone=arguments.time_zone,
            reservation_expired=arguments.reservation_expired,
        )
        priced = priced_request(request)
    except InvalidInput as error:
        return _refused(error, files)
    _print(_text(priced.document()) if as_json else price_table(priced))
    return 0


def run_lint(arguments: LintArguments, *, as_json: bool) -> int:
    """Lint a tariff and print the findings; 1 where one is an error."""
    try:
        request = LintRequest(
            tariff=_read(arguments.tariff),
            ocpi=arguments.ocpi,
            time_zone=arguments.time_zone,
            rules=tuple(rule.strip() for rule in arguments.rules.split(",") if rule.strip()),
        )
        report = linted_request(request)
    except InvalidInput as error:
        return _refused(error, {"/tariff": arguments.tariff})
    _print(_text(report.document()) if as_json else lint_table(report))
    return 0 if report.ok else 1


def run_show(arguments: ShowArguments, *, as_json: bool) -> int:
    """Show the week of a tariff as a calendar, with its price text."""
    from voltway.tariffs.calendar import week_of  # noqa: PLC0415 - Babel is loaded for this command only
    from voltway.tariffs.calendar_text import Screen, show_tariff  # noqa: PLC0415

    try:
        tariff = _tariff(arguments)
        language = _language(arguments.language)
        time_zone = _zone(tariff, arguments.time_zone)
        at = _instant(arguments.week, time_zone, tariff)
    except InvalidInput as error:
        return _refused(error, {"/tariff": arguments.tariff})
    power_w = None if arguments.power_kw is None else arguments.power_kw * 1000
    if as_json:
        local = at.astimezone(zone(time_zone)).date()
        monday = date.fromordinal(local.toordinal() - local.weekday())
        _print(_text(week_of(tariff, monday=monday, time_zone=time_zone, power_w=power_w).document()))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        screen = Screen(language, colour, shutil.get_terminal_size().columns)
        _print(show_tariff(tariff, screen, at=at, time_zone=time_zone, power_w=power_w))
    return 0


def _tariff(arguments: ShowArguments) -> Tariff:
    document, extension, inner = tariff_parts(_read(arguments.tariff))
    if faults := list(version_faults(arguments.ocpi)):
        raise InvalidInput("no such version", faults)
    version = None if arguments.ocpi is None else OcpiVersion(arguments.ocpi)
    try:
        return parse_tariff(document, ocpi_version=version, extension=extension)
    except InvalidInput as error:
        raise InvalidInput(error.message, [_within(fault, inner) for fault in error.faults]) from error


def _within(fault: Fault, inner: str) -> Fault:
    place = "/tariff" if fault.pointer.startswith("/extension") else f"/tariff{inner}"
    return Fault(f"{place}{fault.pointer}", fault.message)


def _language(named: str) -> Language:
    try:
        return Language(named)
    except ValueError:
        known = ", ".join(language.value for language in Language)
        raise InvalidInput("no such language", [Fault("/language", f"{named} is none of {known}")]) from None


def _zone(tariff: Tariff, named: str | None) -> str:
    if faults := list(zone_faults(named)):
        raise InvalidInput("no such time zone", faults)
    if named is None and compiled((tariff,)).needs_clock:
        sys.stderr.write("the times of the tariff are taken as UTC; name its place with --time-zone\n")
    return named or "UTC"


def _instant(week: str | None, time_zone: str, tariff: Tariff) -> datetime:
    """Return the instant whose week is shown: the local midnight asked for, else now within the validity."""
    if week is not None:
        try:
            return datetime.combine(date.fromisoformat(week), time(), zone(time_zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise InvalidInput("no such date", [Fault("/week", f"{week} is no date YYYY-MM-DD")]) from None
    at = now()
    return max(at, tariff.start_date_time) if tariff.start_date_time is not None else at


def _read_all(files: list[str]) -> list[object]:
    """Read every file; raises InvalidInput with the faults of all of them."""
    if files.count("-") > 1:
        raise InvalidInput("stdin twice", [Fault("/tariff", "stdin can be read once; name a file for one of them")])
    found: list[object] = []
    lines: list[str] = []
    for file in files:
        try:
            found.append(_read(file))
        except InvalidFile as error:
            lines += error.lines()
    if lines:
        raise _UnreadableError(lines)
    return found


class _UnreadableError(InvalidInput):
    """Files that are no JSON; `lines` say which."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("files cannot be read")
        self.lines = lines


def _read(file: str) -> object:
    """Read a JSON file with exact numbers; raises InvalidFile where it cannot be read or is no JSON."""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidFile(file, [Fault("", f"cannot be read: {error.strerror}")]) from error
    try:
        return loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidFile(file, [Fault("", f"this is not UTF-8 (byte {error.start})")]) from error
    except InvalidInput as error:
        raise InvalidFile(file, error.faults) from error


def _refused(error: InvalidInput, files: Mapping[str, str]) -> int:
    if isinstance(error, _UnreadableError):
        lines = error.lines
    else:
        lines = error.lines() if isinstance(error, InvalidFile) else [_line(fault, files) for fault in error.faults]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 2


def _line(fault: Fault, files: Mapping[str, str]) -> str:
    """Write `FILE#POINTER: message`, or the option's name where no file is at fault."""
    for prefix, file in files.items():
        if fault.pointer == prefix or fault.pointer.startswith(f"{prefix}/"):
            return f"{file}#{fault.pointer.removeprefix(prefix)}: {fault.message}"
    return f"--{fault.pointer.lstrip('/-').replace('_', '-')}: {fault.message}"


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")

"""The command line: one thin function per command; what a command needs is imported when it runs.

`voltway --help` answers in under 150 ms, so nothing heavy is imported here. Exit codes: 0 answered, 1 the answer is no,
2 input refused, 3 not ready (contracts.md).
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

os.environ.setdefault("TYPER_USE_RICH", "0")
import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from voltway.settings import Settings

app = typer.Typer(
    name="voltway",
    help="Runs an EV charging network: stations connect, charge, are metered, priced and seen live.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
config_app = typer.Typer(
    help="Settings: check them, show them, list them all.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(config_app, name="config")
tariff_app = typer.Typer(
    help="Tariffs: look for mistakes, look at the week.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(tariff_app, name="tariff")


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="With a made city of 200 stations.")] = False,
    role: Annotated[
        list[str] | None, typer.Option(help="gateway, api or worker; may be repeated. Default: all.")
    ] = None,
) -> None:
    """Start everything on this machine and keep it running."""
    settings = _settings(roles=tuple(role) if role else None)
    from voltway.up import run_up

    raise typer.Exit(run_up(settings, demo=demo))


@app.command("run-role", hidden=True)
def run_role(role: str) -> None:
    """Run one role in this process (a child of `voltway up`)."""
    settings = _settings()
    from voltway.app import run_role as run

    raise typer.Exit(run(role, settings))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check database, broker, ports, clock, proxy and TLS, and say how to mend what is wrong."""
    settings = _settings()
    from voltway.doctor import examine, to_json, to_text

    findings = examine(settings)
    typer.echo(json.dumps(to_json(findings), indent=2) if as_json else to_text(findings))
    raise typer.Exit(0 if all(finding.is_ok for finding in findings) else 1)


class SimulateCommand(TyperCommand):
    """Lets `--misbehave` stand without a value (contracts.md), which Typer does not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a bare `--misbehave` as all rows of the checklist."""
        return super().parse_args(ctx, ["--misbehave=rows" if arg == "--misbehave" else arg for arg in args])


@app.command(cls=SimulateCommand)
def simulate(  # noqa: PLR0913 - the options of contracts.md
    *,
    url: Annotated[str | None, typer.Option(help="ws://HOST:PORT/ocpp of any OCPP server.")] = None,
    stations: Annotated[int, typer.Option(help="How many.")] = 10,
    ocpp: Annotated[str, typer.Option(help="1.6, 2.0.1 or mixed (odd numbers speak 1.6).")] = "mixed",
    seed: Annotated[int, typer.Option(help="Fixes cars, energies and faults.")] = 0,
    prefix: Annotated[str, typer.Option(help="Stations are PREFIX-00001 and so on.")] = "SIM",
    password_file: Annotated[Path | None, typer.Option(help="One password for all, or lines STATION:PASSWORD.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds; without it until SIGINT.")] = None,
    misbehave: Annotated[str | None, typer.Option(help="[=NAME,...] Misbehave as real stations do.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what really happened, one JSON line per session.")] = None,
    city: Annotated[bool, typer.Option("--city", help="The demo's 200 stations instead of numbered ones.")] = False,
    registers: Annotated[Path | None, typer.Option(help="Keep the meters in this file from run to run.")] = None,
    tokens: Annotated[Path | None, typer.Option(help="Drivers hold these tokens, one per line.")] = None,
    list_behaviours: Annotated[bool, typer.Option("--list-behaviours", help="Say what --misbehave can do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")] = False,
) -> None:
    """Run stations that behave like real ones, good and bad, against an OCPP server."""
    from voltway.simulator.command import SimulateArguments, print_behaviours, run_command

    if list_behaviours:
        print_behaviours()
        return
    arguments = SimulateArguments(
        url, stations, ocpp, seed, prefix, password_file, duration, misbehave, truth, city, registers, tokens
    )
    raise typer.Exit(run_command(arguments, as_json=as_json))


@app.command("import")
def import_(
    kind: Annotated[str, typer.Argument(help="locations, stations, tokens or tariffs.")],
    file: Annotated[str, typer.Argument(help="A CSV or JSON file; - reads stdin.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Import a table into this installation's database, all of it or nothing."""
    settings = _settings()
    from voltway.imports import run_import

    raise typer.Exit(run_import(kind, file, settings, dry_run=dry_run, as_json=as_json))


@app.command()
def price(
    *,
    cdr: Annotated[str, typer.Option(help="An OCPI CDR (2.1.1, 2.2.1, 2.3.0); - reads stdin.")],
    tariff: Annotated[str | None, typer.Option(help="A Tariff or an array of them, instead of the CDR's own.")] = None,
    ocpi: Annotated[str | None, typer.Option(help="2.1.1, 2.2.1 or 2.3.0; default: as the CDR looks.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone of the place, e.g. Europe/Berlin.")] = None,
    reservation_expired: Annotated[
        bool, typer.Option("--reservation-expired", help="The reservation ran out unused.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Price a CDR by its tariff, exactly, with a line for each period and dimension."""
    from voltway.tariffs.command import PriceArguments, run_price

    arguments = PriceArguments(cdr, tariff, ocpi, time_zone, reservation_expired)
    raise typer.Exit(run_price(arguments, as_json=as_json))


@tariff_app.command("lint")
def tariff_lint(
    file: Annotated[str, typer.Argument(help="An OCPI Tariff; - reads stdin.")],
    *,
    ocpi: Annotated[str | None, typer.Option(help="2.1.1, 2.2.1 or 2.3.0; default: as the tariff looks.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA zone of the place, for nights with 23 or 25 hours.")
    ] = None,
    rules: Annotated[str, typer.Option(help="ocpi, afir, nevi, uk, de, with commas.")] = "ocpi",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Look for mistakes in a tariff: faults, gaps, overlaps, rules of law; exit 1 where one is an error."""
    from voltway.tariffs.command import LintArguments, run_lint

    raise typer.Exit(run_lint(LintArguments(file, ocpi, time_zone, rules), as_json=as_json))


@tariff_app.command("show")
def tariff_show(
    file: Annotated[str, typer.Argument(help="An OCPI Tariff; - reads stdin.")],
    *,
    ocpi: Annotated[str | None, typer.Option(help="2.1.1, 2.2.1 or 2.3.0; default: as the tariff looks.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone of the place; default: UTC.")] = None,
    week: Annotated[str | None, typer.Option(help="A date YYYY-MM-DD in the week to show; default: this week.")] = None,
    language: Annotated[str, typer.Option(help="en, de, fr, es or nl.")] = "en",
    power_kw: Annotated[float | None, typer.Option(help="At this power, where prices depend on it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show the week of a tariff as a calendar: the price at each hour, and the price text for drivers."""
    from voltway.tariffs.command import ShowArguments, run_show

    arguments = ShowArguments(file, ocpi, time_zone, week, language, power_kw)
    raise typer.Exit(run_show(arguments, as_json=as_json))


@app.command()
def report(
    kind: Annotated[str, typer.Argument(help="monthly, nevi or uk.")],
    *,
    month: Annotated[
        str | None, typer.Option(help="YYYY-MM; nevi: the last of twelve. Default: the last whole month.")
    ] = None,
    year: Annotated[int | None, typer.Option(help="uk only; default: this year.")] = None,
    form: Annotated[str, typer.Option("--format", help="pdf, xlsx, csv or json.")] = "pdf",
    out: Annotated[
        str | None, typer.Option(help="A file or a folder; - is stdout. Default: its own name, here.")
    ] = None,
    location: Annotated[str | None, typer.Option(help="The code of one location.")] = None,
    table: Annotated[str | None, typer.Option(help="csv: this table alone instead of a ZIP of all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Make a report: monthly operations, NEVI with EV-ChART's tables, or the UK's reliability."""
    settings = _settings()
    from voltway.imports import database_url_of
    from voltway.monitoring.reports.command import ReportArguments, run_report
    from voltway.operations import SHORTFALL_RULES

    arguments = ReportArguments(kind, month, year, form, out, location, table)
    raise typer.Exit(
        run_report(arguments, lambda: database_url_of(settings), shortfall_rules=SHORTFALL_RULES, as_json=as_json)
    )


@config_app.command("check")
def config_check() -> None:
    """Say whether the settings can be used."""
    _settings()
    typer.echo("the settings can be used", err=True)


@config_app.command("show")
def config_show(
    redacted: Annotated[
        bool, typer.Option("--redacted/--secrets", help="Hide passwords and tokens (default), or not.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show every setting as it is now."""
    settings = _settings()
    from voltway import settings as model

    values = model.redacted(settings) if redacted else model.plain(settings)
    typer.echo(
        json.dumps(values, indent=2) if as_json else "\n".join(f"{name} = {value}" for name, value in values.items())
    )


@config_app.command("docs")
def config_docs() -> None:
    """Write the table of all settings (docs/operators/settings.md)."""
    from voltway.settings_docs import settings_page

    typer.echo(settings_page(), nl=False)


def main() -> None:
    """Run the command line."""
    app()


def _settings(**arguments: object) -> "Settings":
    """Read the settings; end with exit code 2 and one line per fault where they cannot be used."""
    from voltway.settings import SettingsError, load_settings

    try:
        return load_settings(**arguments)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    main()

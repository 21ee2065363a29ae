"""The command line: one thin function per command; what a command needs is imported when it runs.

`voltway --help` answers in under 150 ms, so nothing heavy is imported here. Exit codes: 0 answered, 1 the answer is no,
2 input refused, 3 not ready (contracts.md).
"""

import json
import os
from typing import TYPE_CHECKING, Annotated

os.environ.setdefault("TYPER_USE_RICH", "0")
import typer

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

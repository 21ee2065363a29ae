"""The body of `voltway simulate`: arguments to options, summary to stdout, exit codes of contracts.md."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from voltway.simulator.city import City, made_city
from voltway.simulator.misbehave import BEHAVIOURS, parse_names
from voltway.simulator.report import SimulationReport
from voltway.simulator.run import SimulationOptions, read_passwords, run_simulation

HIGHEST_RLIMIT_WISH = 65_536


@dataclass(frozen=True, slots=True)
class SimulateArguments:
    """What was typed, as it was typed; None: not given."""

    url: str | None
    stations: int = 10
    ocpp: str = "mixed"
    seed: int = 0
    prefix: str = "SIM"
    password_file: Path | None = None
    duration_s: float | None = None
    misbehave: str | None = None
    truth_file: Path | None = None
    city: bool = False
    registers_file: Path | None = None
    tokens_file: Path | None = None


def run_command(arguments: SimulateArguments, *, as_json: bool) -> int:
    """Run `voltway simulate`; return its exit code: 0 all answered, 1 not all, 2 usage refused."""
    try:
        options = options_of(arguments)
    except (ValueError, OSError) as fault:
        print(f"voltway simulate: {fault}", file=sys.stderr)  # noqa: T201 - the command line speaks
        return 2
    raise_file_limit()
    report = run_simulation(options)
    if not as_json:
        print(told(report), file=sys.stderr)  # noqa: T201
    print(orjson.dumps(report.as_json()).decode())  # noqa: T201
    return 0 if report.ok else 1


def print_behaviours() -> None:
    """Write the list of behaviours with what each does."""
    for name, behaviour in BEHAVIOURS.items():
        print(f"{name:16} {behaviour.summary}")  # noqa: T201


def options_of(arguments: SimulateArguments) -> SimulationOptions:
    """Check what was typed; raise ValueError or OSError with a sentence for people."""
    url = urlsplit(arguments.url or "")
    if url.scheme not in {"ws", "wss"} or not url.hostname:
        raise ValueError("--url must be ws://HOST:PORT/ocpp or wss://HOST/ocpp")
    if arguments.ocpp not in {"1.6", "2.0.1", "mixed"}:
        raise ValueError(f"--ocpp must be 1.6, 2.0.1 or mixed, not {arguments.ocpp!r}")
    if not 1 <= arguments.stations <= 99_999:
        raise ValueError("--stations must be from 1 to 99999")
    if arguments.duration_s is not None and arguments.duration_s <= 0:
        raise ValueError("--duration must be more than 0 seconds")
    passwords: Mapping[str, bytes] = read_passwords(arguments.password_file) if arguments.password_file else {}
    if arguments.truth_file is not None:
        arguments.truth_file.write_text("", encoding="utf-8")
    city = made_city(arguments.seed) if arguments.city else None
    return SimulationOptions(
        url=str(arguments.url),
        stations=arguments.stations,
        ocpp=arguments.ocpp,
        seed=arguments.seed,
        prefix=arguments.prefix,
        passwords=passwords,
        duration_s=arguments.duration_s,
        misbehave=parse_names(arguments.misbehave),
        truth_file=arguments.truth_file,
        pace="quick" if city is None else "city",
        specs=None if city is None else city.specs,
        tokens=tokens_of(arguments, city),
        registers_file=arguments.registers_file,
    )


def tokens_of(arguments: SimulateArguments, city: City | None) -> tuple[str, ...] | None:
    """Return the tokens that drivers hold: those of the file, else the city's, else None (the simulator's own)."""
    if arguments.tokens_file is None:
        return None if city is None else city.live_tokens
    tokens = tuple(line.strip() for line in arguments.tokens_file.read_text(encoding="utf-8").splitlines())
    if not any(tokens):
        raise ValueError(f"{arguments.tokens_file.name} holds no token; write one per line")
    return tuple(token for token in tokens if token)


def told(report: SimulationReport) -> str:
    """Say the summary in words."""
    replies = f"reply p50 {report.reply_ms_p50:.1f} ms, p99 {report.reply_ms_p99:.1f} ms"
    lines = [
        f"{report.connected} of {report.stations} stations booted",
        f"{report.sessions} sessions, {report.energy_milliwh / 1e6:.3f} kWh",
        f"{report.sent} messages, {report.answered} answered ({report.call_errors} by an error), {replies}",
    ]
    if report.turned_away:
        lines.append(f"{report.turned_away} cars were turned away: the server refused their tokens")
    return "\n".join(lines)


def raise_file_limit() -> None:
    """Allow as many sockets as the system lets us have."""
    import resource  # noqa: PLC0415 - POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wish = HIGHEST_RLIMIT_WISH if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wish:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wish, hard))

"""Every setting of Voltway with its unit, range and default; the lowest layer, read once at the start by `app`.

Sources, the first that names a setting wins: arguments (the command line), the environment (`VOLTWAY_OCPP_PORT`), for
secrets a file named by the environment (`VOLTWAY_DATABASE_URL_FILE`), and a TOML file with the same names in lower case
(`$VOLTWAY_CONFIG`, else `$VOLTWAY_DATA_DIR/voltway.toml`). An unknown name is an error that says the nearest known one.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "VOLTWAY_"
CONFIG_VARIABLE = "VOLTWAY_CONFIG"
FILE_SUFFIX = "_FILE"

Role = Literal["gateway", "api", "worker"]
ROLES: tuple[Role, ...] = get_args(Role)
UnknownStations = Literal["reject", "quarantine", "accept"]
UnknownTokens = Literal["reject", "accept_unbilled"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]
Port = Annotated[int, Field(ge=0, le=65535)]
SECRET: JsonDict = {"secret": True}


class SettingsError(ValueError):
    """Settings that cannot be used: `faults` has one sentence per fault, each beginning with the setting's name."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def default_data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that holds everything when none is named (contracts.md, `voltway up`)."""
    environ = os.environ if environ is None else environ
    if os.geteuid() == 0:
        return Path("/var/lib/voltway")
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "voltway"


class Settings(BaseSettings):
    """All settings; frozen, so that a running process never sees them change."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of all that this machine keeps: its PostgreSQL, run.json, admin-token, voltway.toml.",
    )
    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        default=ROLES,
        min_length=1,
        description="Roles of this process tree, by commas: gateway (stations), api (REST, page), worker (jobs).",
    )
    database_url: str = Field(
        default="",
        pattern=r"^(postgres(ql)?://\S+)?$",
        description="PostgreSQL as a libpq URL, with the role that owns the tables. Empty: one of our own.",
        repr=False,
        json_schema_extra=SECRET,
    )
    nats_url: str = Field(
        default="",
        pattern=r"^((nats|tls)://\S+)?$",
        description="NATS as a URL (several by commas). Empty: one of our own, on the loopback interface.",
        repr=False,
        json_schema_extra=SECRET,
    )
    bind: str = Field(
        default="127.0.0.1",
        description="Address that stations and browsers reach us at; 0.0.0.0 or :: opens all interfaces.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s?#]+(/[^\s?#]*)?)?$",
        description="How the world reaches us, e.g. https://csms.example.org behind a proxy. Empty: bind, http_port.",
    )
    ocpp_port: Port = Field(
        default=9000, description="TCP port of the station sockets (`/ocpp/{station id}`); 0: any free one."
    )
    http_port: Port = Field(default=8000, description="TCP port of the API and the page; 0: any free one.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks (CIDR), by commas, whose X-Forwarded-For and -Proto are believed.",
    )
    unknown_stations: UnknownStations = Field(
        default="quarantine",
        description="A station nobody entered: refuse it, take it as pending until approved, or take it.",
    )
    unknown_tokens: UnknownTokens = Field(
        default="reject",
        description="A token nobody entered: reject it, or let it charge without a bill.",
    )
    admin_token: str = Field(
        default="",
        pattern=r"^(\S{16,})?$",
        description="Bearer key of the first administrator, 16 characters or more. Empty: made, kept in `admin-token`.",
        repr=False,
        json_schema_extra=SECRET,
    )
    heartbeat_interval_s: int = Field(
        default=300,
        ge=10,
        le=86_400,
        description="How often a station is told to send a Heartbeat.",
        json_schema_extra={"unit": "s"},
    )
    ping_interval_s: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="After how much silence a station's socket is pinged.",
        json_schema_extra={"unit": "s"},
    )
    ping_timeout_s: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="How long a ping may stay unanswered before the socket ends.",
        json_schema_extra={"unit": "s"},
    )
    command_timeout_s: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="How long a station has to answer a command.",
        json_schema_extra={"unit": "s"},
    )
    max_frame_bytes: int = Field(
        default=262_144,
        ge=16_384,
        le=16_777_216,
        description="Longest message of a station; a longer one ends its socket.",
        json_schema_extra={"unit": "bytes"},
    )
    message_retention_days: int = Field(
        default=30, ge=1, le=3650, description="How long the raw OCPP log is kept.", json_schema_extra={"unit": "days"}
    )
    sample_retention_days: int = Field(
        default=400,
        ge=1,
        le=3650,
        description="How long meter samples are kept; sessions and CDRs stay.",
        json_schema_extra={"unit": "days"},
    )
    webhooks_to_private: bool = Field(
        default=False,
        description="Let webhooks and messages reach addresses of private networks (an intranet, a test).",
    )
    log_level: LogLevel = Field(default="info", description="Least severe log line that is written.")
    log_format: LogFormat = Field(
        default="json", description="Form of the log lines: one JSON object each, or text for people."
    )
    demo_seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="Seed of the demo's city and its 30 days of made history."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Give arguments, environment, secret files and the TOML file, in this order."""
        init_values = init_settings()
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, _values_of_secret_files(os.environ)),
            InitSettingsSource(settings_cls, _values_of_toml(_config_path(os.environ, init_values))),
        )

    @field_validator("roles", "trusted_proxies", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _make_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network, strict=False)) for network in value)

    @field_validator("bind")
    @classmethod
    def _check_address(cls, value: str) -> str:
        return str(ip_address("127.0.0.1" if value == "localhost" else value.strip("[]")))

    @field_validator("public_url")
    @classmethod
    def _strip_slash(cls, value: str) -> str:
        return value.rstrip("/")


def load_settings(**arguments: Any) -> Settings:
    """Read all sources and return the settings; raise SettingsError with every fault at once.

    Args:
        arguments: values that win over all sources; None means "not given".
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    faults = list(_unknown_variables(os.environ))
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError(faults + [_sentence(detail) for detail in error.errors()]) from error
    except SettingsError as error:
        raise SettingsError(faults + list(error.faults)) from error
    if faults:
        raise SettingsError(faults)
    return settings


def to_environ(settings: Settings) -> dict[str, str]:
    """Write settings as environment variables, so that a child process reads exactly the same ones."""
    return {PREFIX + name.upper(): text for name, text in plain(settings).items() if text}


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without any of our variables."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def plain(settings: Settings) -> dict[str, str]:
    """Return every setting as text, secrets too."""
    return {name: _text(value) for name, value in settings}


def redacted(settings: Settings) -> dict[str, str]:
    """Return every setting as text, passwords and tokens replaced by `***`."""
    fields = Settings.model_fields
    return {name: _redact(text) if is_secret(fields[name]) else text for name, text in plain(settings).items()}


def is_secret(field: FieldInfo) -> bool:
    """Say whether a setting's value must not be shown (it may then come from a `_FILE`)."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("secret"))


def unit_of(field: FieldInfo) -> str:
    """Return a setting's unit as text, "" where it has none."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _redact(text: str) -> str:
    if "://" not in text:
        return "***" if text else ""
    return ",".join(_redact_url(url) for url in text.split(","))


def _redact_url(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = f"{name}:***" if colon else ("***" if at and parts.scheme != "postgresql" else name)
    query = "&".join("password=***" if pair.startswith("password=") else pair for pair in parts.query.split("&"))
    return urlunsplit((parts.scheme, shown + at + host, parts.path, query, ""))


def _known_variables() -> list[str]:
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    files = [PREFIX + name.upper() + FILE_SUFFIX for name, field in Settings.model_fields.items() if is_secret(field)]
    return [*names, *files, CONFIG_VARIABLE]


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = _known_variables()
    for name in sorted(environ):
        if name.startswith(PREFIX) and name.upper() not in known:
            yield f"{name}: there is no such setting{_nearest(name, known)}"


def _nearest(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=1, cutoff=0.4)
    return f"; did you mean {matches[0]}?" if matches else "; `voltway config docs` lists all"


def _values_of_secret_files(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper() + FILE_SUFFIX
        if is_secret(field) and environ.get(variable):
            values[name] = _read_text(Path(environ[variable]), variable).strip()
    return values


def _config_path(environ: Mapping[str, str], arguments: Mapping[str, Any]) -> Path | None:
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    folder = arguments.get("data_dir") or environ.get("VOLTWAY_DATA_DIR") or default_data_dir(environ)
    path = Path(folder).expanduser() / "voltway.toml"
    return path if path.is_file() else None


def _values_of_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = tomllib.loads(_read_text(path, CONFIG_VARIABLE))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}#: not TOML: {error}"]) from error
    unknown = [name for name in values if name not in Settings.model_fields]
    if unknown:
        known = list(Settings.model_fields)
        raise SettingsError([f"{path}#/{name}: there is no such setting{_nearest(name, known)}" for name in unknown])
    return values


def _read_text(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError([f"{variable}: cannot read {path}: {error.strerror}"]) from error


def _sentence(detail: ErrorDetails) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    message = detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    is_shown = isinstance(given, int | float | str) and name in Settings.model_fields
    shown = f", not {given!r}" if is_shown and not is_secret(Settings.model_fields[name]) else ""
    return f"{PREFIX}{name.upper()}: {message[0].lower()}{message[1:]}{shown}"

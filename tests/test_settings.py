"""Settings come from four places in one order, and every mistake is named at once."""

import os
from pathlib import Path

import pytest

from voltway.settings import (
    Settings,
    SettingsError,
    default_data_dir,
    load_settings,
    plain,
    redacted,
    to_environ,
    without_settings,
)
from voltway.settings_docs import settings_page

PAGE = Path(__file__).parents[1] / "docs" / "operators" / "settings.md"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VOLTWAY_DATA_DIR", str(tmp_path))


def test_defaults_are_safe() -> None:
    """Nothing is open to the network, no unknown station or token charges, and no key is built in."""
    settings = load_settings()
    assert (settings.bind, settings.unknown_stations, settings.unknown_tokens) == ("127.0.0.1", "quarantine", "reject")
    assert (settings.ocpp_port, settings.http_port, settings.admin_token) == (9000, 8000, "")
    assert settings.roles == ("gateway", "api", "worker")


def test_arguments_win_over_environment_over_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "voltway.toml").write_text('ocpp_port = 1001\nhttp_port = 1002\nlog_level = "debug"\n')
    monkeypatch.setenv("VOLTWAY_OCPP_PORT", "2001")
    monkeypatch.setenv("VOLTWAY_HTTP_PORT", "2002")
    settings = load_settings(ocpp_port=3001, http_port=None)
    assert (settings.ocpp_port, settings.http_port, settings.log_level) == (3001, 2002, "debug")


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("postgresql://owner:hidden@db/voltway\n")
    monkeypatch.setenv("VOLTWAY_DATABASE_URL_FILE", str(path))
    assert load_settings().database_url == "postgresql://owner:hidden@db/voltway"


def test_another_file_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('roles = ["api"]\n')
    monkeypatch.setenv("VOLTWAY_CONFIG", str(path))
    assert load_settings().roles == ("api",)


def test_empty_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass variables that nobody set as empty ones."""
    monkeypatch.setenv("VOLTWAY_OCPP_PORT", "")
    assert load_settings().ocpp_port == 9000


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("ROLES", "api, worker", "roles", ("api", "worker")),
        ("TRUSTED_PROXIES", "10.1.2.3/8,::1", "trusted_proxies", ("10.0.0.0/8", "::1/128")),
        ("BIND", "localhost", "bind", "127.0.0.1"),
        ("BIND", "[::1]", "bind", "::1"),
        ("PUBLIC_URL", "https://csms.example.org/", "public_url", "https://csms.example.org"),
        ("PING_INTERVAL_S", "1.5", "ping_interval_s", 1.5),
    ],
)
def test_values_are_read(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, *, name: str, expected: object
) -> None:
    monkeypatch.setenv(f"VOLTWAY_{variable}", value)
    assert getattr(load_settings(), name) == expected


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OCPP_PORT", "70000", "less than or equal to 65535, not '70000'"),
        ("ROLES", "gateway,kitchen", "'gateway', 'api' or 'worker'"),
        ("ROLES", ",", "at least 1"),
        ("BIND", "everywhere", "IPv4 or IPv6"),
        ("TRUSTED_PROXIES", "proxy.example", "IPv4 or IPv6"),
        ("DATABASE_URL", "mysql://db", "should match pattern"),
        ("ADMIN_TOKEN", "short", "should match pattern"),
        ("HEARTBEAT_INTERVAL_S", "0", "greater than or equal to 10"),
        ("UNKNOWN_STATIONS", "maybe", "'reject', 'quarantine' or 'accept'"),
        ("PUBLIC_URL", "csms.example.org", "should match pattern"),
    ],
)
def test_bad_values_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"VOLTWAY_{variable}", value)
    with pytest.raises(SettingsError, match=f"VOLTWAY_{variable}: ") as caught:
        load_settings()
    assert said in str(caught.value)


def test_all_faults_come_at_once_and_secrets_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTWAY_OCPP_PROT", "1")
    monkeypatch.setenv("VOLTWAY_BIND", "x")
    monkeypatch.setenv("VOLTWAY_ADMIN_TOKEN", "my secret")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "VOLTWAY_OCPP_PROT",
        "VOLTWAY_BIND",
        "VOLTWAY_ADMIN_TOKEN",
    ]
    assert "did you mean VOLTWAY_OCPP_PORT?" in str(caught.value)
    assert "my secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("ocpp_prot = 1", "#/ocpp_prot: there is no such setting; did you mean ocpp_port?"), ("=", "#: not TOML")],
)
def test_faults_of_the_file_name_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "voltway.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


@pytest.mark.parametrize("variable", ["VOLTWAY_CONFIG", "VOLTWAY_ADMIN_TOKEN_FILE"])
def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=f"{variable}: cannot read"):
        load_settings()


def test_a_child_reads_exactly_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the supervisor knows reaches its children through the environment, without loss."""
    settings = load_settings(
        roles=("api",), trusted_proxies=("10.0.0.0/8",), database_url="postgresql://x/y", ping_timeout_s=7
    )
    for name, value in to_environ(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings
    assert without_settings({"VOLTWAY_BIND": "x", "HOME": "/"}) == {"HOME": "/"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://owner:hidden@db:5432/voltway", "postgresql://owner:***@db:5432/voltway"),
        (
            "postgresql://owner@/voltway?host=%2Ftmp&password=hidden",
            "postgresql://owner@/voltway?host=%2Ftmp&password=***",
        ),
        ("", ""),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    values = redacted(load_settings(database_url=url))
    assert values["database_url"] == shown


def test_tokens_are_not_shown() -> None:
    settings = load_settings(admin_token="a-token-of-mine-1", nats_url="nats://hidden@a:4222,nats://u:hidden@b")
    values = redacted(settings)
    assert (values["admin_token"], values["nats_url"]) == ("***", "nats://***@a:4222,nats://u:***@b")
    assert "hidden" not in repr(settings)
    assert plain(settings)["admin_token"] == "a-token-of-mine-1"


def test_the_data_folder_follows_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir({}) == Path("/var/lib/voltway")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_data_dir({"XDG_STATE_HOME": "/state"}) == Path("/state/voltway")
    assert default_data_dir({}) == Path.home() / ".local" / "state" / "voltway"


def test_the_page_is_current() -> None:
    """docs/operators/settings.md is what `voltway config docs` writes."""
    assert PAGE.read_text() == settings_page()


def test_every_setting_is_described() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []

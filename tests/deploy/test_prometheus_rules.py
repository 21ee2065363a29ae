"""What we ship for Prometheus is accepted by promtool; every alert is tested and explained."""

import re
import shutil
from pathlib import Path

import pytest
from tests.deploy import promtool as checker
from tests.deploy.expressions import alert_expressions, alerts
from tests.deploy.promtool import DEPLOY, RUNBOOK, assert_accepts, promtool

PROMETHEUS = DEPLOY / "prometheus"
ANNOTATION = re.compile(r'^          (summary|description|runbook_url): "?(.+?)"?$', re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The shipped folder as an operator installs it: with the file of the key beside it."""
    folder = shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    (folder / "voltway-token").write_text("vw_key\n")
    return folder


def test_the_scrape_configuration_is_accepted(installed: Path) -> None:
    """Rules, key file and all, as it stands after an operator has put the key there."""
    assert_accepts("check", "config", "prometheus.yml", folder=installed)


def test_a_missing_key_is_noticed(installed: Path) -> None:
    """The key of the scrape is read from the file beside the configuration, and nowhere else."""
    (installed / "voltway-token").unlink()
    done = promtool("check", "config", "prometheus.yml", folder=installed)
    assert done.returncode != 0
    assert "voltway-token" in done.stdout + done.stderr


def test_the_rules_are_accepted() -> None:
    assert_accepts("check", "rules", PROMETHEUS / "alerts.yml")


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    assert_accepts("test", "rules", "alerts_test.yml", folder=PROMETHEUS)


def test_the_tests_of_alerts_notice_a_changed_threshold(installed: Path) -> None:
    """Other thresholds make the cases of just those alerts fail: they do test the rules."""
    changes = {
        "VoltwayCriticalIncidentUnacknowledged": ('{severity="critical"}) > 600', '{severity="critical"}) > 6000'),
        "VoltwayOutboxLag": ("(voltway_outbox_lag_seconds) > 60", "(voltway_outbox_lag_seconds) > 6000"),
        "VoltwayStationsVanished": ("> 0.05 * sum", "> 0.0005 * sum"),
        "VoltwayApiErrors": ('status=~"5.."', 'status=~"[45].."'),
        "VoltwayNotificationsLost": ('state=~"failed|uncertain"}) > 0', 'state=~"failed|uncertain"}) > 1'),
    }
    rules = installed / "alerts.yml"
    text = rules.read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    rules.write_text(text)
    assert _failing(installed) == set(changes)


def test_the_tests_of_alerts_notice_a_hold_time_that_is_gone(installed: Path) -> None:
    """Of every alert that waits before it fires, a case shows that it does wait."""
    rules = installed / "alerts.yml"
    rules.write_text(re.sub(r"\n        for: \w+", "", rules.read_text()))
    assert _failing(installed) == {name for name, text in alerts().items() if "\n        for: " in text}


def test_every_alert_is_tested_both_ways() -> None:
    """Each has a case in which it fires and one in which it does not."""
    text = (PROMETHEUS / "alerts_test.yml").read_text()
    cases = re.findall(r"alertname: (\w+)\n\s+exp_alerts:( \[\])?", text)
    fires, silent = ({name for name, empty in cases if bool(empty) is wanted} for wanted in (False, True))
    assert fires == silent == set(alerts())


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    """A severity that routing knows, a summary, a description, and a section of its own in the documentation."""
    headings = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE))
    assert headings == set(alerts())
    for name, text in alerts().items():
        said = dict(ANNOTATION.findall(text))
        assert re.search(r"labels: \{severity: (critical|warning|info)\}", text), name
        assert len(said["summary"]) > 10, name
        assert len(said["description"]) > 20, name
        assert said["runbook_url"] == f"docs/operators/metrics.md#{name.lower()}"


def test_every_alert_was_read_by_these_tests() -> None:
    """The names in the file, the alerts we cut out of it and their expressions are the same."""
    named = re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text())
    assert len(named) == len(set(named)) == len(alerts()) == len(alert_expressions())


def test_a_machine_without_promtool_fails_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is skipped: a test that cannot check does not pass."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(checker, "_OURS", tmp_path / "promtool")
    with pytest.raises(pytest.fail.Exception, match="run `make promtool`"):
        promtool("--version")


def _failing(folder: Path) -> set[str]:
    """Return the alerts of which a case fails."""
    done = promtool("test", "rules", "alerts_test.yml", folder=folder)
    return set(re.findall(r"alertname: (\w+), time:", done.stdout + done.stderr))

"""The pages on notifications and webhooks say what the code does: keys, states, event types, waits, examples."""

import re
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from tests.monitoring.notify.changes import make_change

from voltway.infra.http_client import TIMEOUT_S
from voltway.monitoring.incidents.model import ChangeKind
from voltway.monitoring.notify import courier_store, jobs, signing
from voltway.monitoring.notify.api import RouteBody
from voltway.monitoring.notify.document import event_data, event_type
from voltway.monitoring.notify.model import TOLD_BY_DEFAULT, MessageState, Place
from voltway.monitoring.notify.routes import MAX_TARGETS
from voltway.monitoring.notify.sender import SCHEMES, check_target
from voltway.monitoring.notify.webhook_api import DeliveryQuery
from voltway.monitoring.notify.webhooks import MAX_REPLAYED

DOCS = Path(__file__).parents[3] / "docs"
OPERATORS = (DOCS / "operators" / "notifications.md").read_text(encoding="utf-8")
INTEGRATORS = (DOCS / "integrators" / "webhooks.md").read_text(encoding="utf-8")


def first_cells(page: str, heading: str) -> list[str]:
    """Return the code words in the first column of the table under a heading."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return [word for row in rows[2:] for word in re.findall(r"`([^`]+)`", row)]


def test_every_key_of_a_route_is_explained() -> None:
    assert set(first_cells(OPERATORS, "What a route may say")) == set(RouteBody.model_fields) - {"name", "enabled"}


def test_the_defaults_are_as_written() -> None:
    body = RouteBody(name="x", targets=["mailto://x"])
    assert body.critical_passes
    assert not body.repeat_uncertain
    assert body.min_severity == "info"
    left_out = set(re.findall(r"`(\w+)`", OPERATORS.partition("| without ")[2].partition("|")[0]))
    assert left_out == {kind.value for kind in ChangeKind} - {kind.value for kind in TOLD_BY_DEFAULT}
    assert f"1 to {MAX_TARGETS} apprise URLs" in OPERATORS


def test_every_state_of_the_log_is_explained() -> None:
    assert first_cells(OPERATORS, "The delivery log") == [state.value for state in MessageState]


def test_the_named_targets_are_allowed_and_the_forbidden_are_not() -> None:
    section = OPERATORS.partition("## Targets")[2].partition("| wanted")[0]
    named = re.findall(r"`(\w+)://", section)
    assert len(named) > 15
    assert set(named) <= SCHEMES
    forbidden = re.findall(r"`(\w+)://`", OPERATORS.partition("- Not allowed:")[2].partition("\n- ")[0])
    assert set(forbidden) == {"dbus", "syslog", "file", "json", "form"}
    assert not set(forbidden) & SCHEMES


@pytest.mark.parametrize("url", re.findall(r"^\| [^|]+ \| `(\w+://[^`]+)` \|$", OPERATORS, re.MULTILINE))
def test_the_examples_of_targets_are_complete(url: str) -> None:
    """As they stand, with names in place of secrets that have the shape of one."""
    shaped = (
        url.replace("BOT_TOKEN/CHAT_ID", "123456789:abcdefg_hijklmnop/12315544")
        .replace("ACCOUNT_SID:AUTH_TOKEN", f"AC{'1' * 32}:{'2' * 32}")
        .replace("FROM_NUMBER/TO_NUMBER", "15551230001/15551230002")
    )
    assert check_target(shaped)


def test_waits_and_limits_are_as_written() -> None:
    assert f"after {courier_store._WAITS_S[0]} s, growing to {courier_store._WAITS_S[-1] // 60} min" in OPERATORS
    assert "given up after 24 hours" in OPERATORS
    assert courier_store.GIVE_UP_AFTER.total_seconds() == 24 * 3600
    assert f"kept for {jobs.RETENTION.days} days" in OPERATORS
    assert f"2xx within {TIMEOUT_S:.0f} seconds" in INTEGRATORS
    assert f"up to {MAX_REPLAYED:,} events" in INTEGRATORS


def test_the_waits_of_webhooks_are_as_written() -> None:
    sentence = INTEGRATORS.partition("we try again after about ")[2].partition(", eleven")[0]
    units = {"s": 1, "min": 60, "h": 3600}
    written = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", sentence)]
    assert tuple(written) == signing._WAITS_S
    assert signing.MAX_ATTEMPTS == 11
    assert round(sum(written) / 3600) == 28


def test_every_event_type_is_explained() -> None:
    assert set(first_cells(INTEGRATORS, "Events")) == {event_type(make_change(kind)) for kind in ChangeKind}


def test_the_example_of_an_event_has_the_keys_of_one() -> None:
    block = INTEGRATORS.partition('    {"incident": {')[2].partition("\n\n")[0]
    example: dict[str, Any] = orjson.loads('{"incident": {' + block)
    data = event_data(make_change(), Place("Europe/Berlin"), "https://csms.example.org")
    assert list(example["incident"]) == list(data["incident"])
    assert list(example["change"]) == list(data["change"])
    assert set(example["incident"]["cost"]) == {"lost_kwh", "lost_revenue", "currency"}


def test_states_of_deliveries_are_those_of_the_log() -> None:
    (states, _) = get_args(DeliveryQuery.model_fields["state"].annotation)
    assert "`failed`" in INTEGRATORS
    assert "failed" in get_args(states)

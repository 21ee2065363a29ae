"""The dashboard and the alerts ask only for what Voltway really exports."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.deploy.expressions import (
    alert_expressions,
    dashboard,
    dashboard_expressions,
    groupings,
    selectors,
)
from tests.deploy.promtool import RUNBOOK, assert_accepts, promtool
from tests.sessions.seeding import prepare

from voltway.gateway import server as gateway
from voltway.httpapi import metrics as httpapi
from voltway.infra.db import Database, Role
from voltway.infra.telemetry import metrics_text
from voltway.monitoring import metrics as operations
from voltway.monitoring.watch import service as watch
from voltway.sessions import jobs as sessions

GRIDS = re.compile(
    r"voltway_(evses|stations|incident\w+|notifications|webhook_deliveries|remedy_runs|jobs)$"
)  # fmt: skip
"""Metrics that tell every label value they can have at each turn."""
NOT_SHOWN = ("_count", "_sum", "_created")
"""What stands beside the buckets of a histogram, and when a counter began."""
FROM_SCRAPE = {"instance", "job"}
"""Labels that Prometheus itself adds."""
MODULES = (gateway, httpapi, operations, watch, sessions)
"""What defines metrics; named here so that an import is not cut as unused."""

Exported = dict[str, dict[str, set[str]]]


@pytest.fixture
async def exported(database_url: str) -> Exported:
    """What this process exports, filled by a count over a database: metric -> label -> values seen."""
    assert all(module.__name__.startswith("voltway.") for module in MODULES)
    prepare(database_url)
    readers = Database(database_url, Role.INGEST, pool_size=1)
    await operations.OperationsMetrics(readers).refresh()
    await readers.close()
    httpapi.count_request(method="GET", route="/api/v1/stations", status=200, duration_s=0.01)
    found: Exported = {}
    for family in REGISTRY.collect():
        for name in _sample_names(family.name, family.type):
            found[name] = defaultdict(set)
        for sample in family.samples:
            for label, value in sample.labels.items():
                found.setdefault(sample.name, defaultdict(set))[label].add(value)
    return found


def _sample_names(family: str, kind: str) -> list[str]:
    match kind:
        case "counter":
            return [f"{family}_total"]
        case "histogram":
            return [f"{family}_bucket", f"{family}_count", f"{family}_sum"]
        case _:
            return [family]


def _all_expressions() -> Iterator[tuple[str, str]]:
    yield from alert_expressions().items()
    yield from dashboard_expressions()


def _declared_labels(metric: str) -> set[str]:
    """Return the label names a metric was declared with, whether or not it has been counted yet."""
    collectors: dict[str, Any] = REGISTRY._names_to_collectors
    return {*collectors[metric]._labelnames, "le"}


def test_every_expression_of_the_dashboard_parses(tmp_path: Path) -> None:
    """Each is written as the expression of a recording rule, which promtool parses with Prometheus' own parser."""
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, (_, expression) in enumerate(dashboard_expressions()):
        quoted = expression.replace("'", "''")
        lines += [f"      - record: dashboard:expression:{number}", f"        expr: '{quoted}'"]
    rules = tmp_path / "dashboard.yml"
    rules.write_text("\n".join(lines) + "\n")
    assert_accepts("check", "rules", rules)


def test_every_metric_that_is_asked_for_is_exported(exported: Exported) -> None:
    """A renamed metric would leave a panel empty and an alert silent for ever."""
    asked = {(where, it.metric) for where, text in _all_expressions() for it in selectors(text)}
    assert len(asked) > 50
    assert {it for it in asked if it[1] not in exported} == set()


def test_every_label_that_is_asked_for_is_declared() -> None:
    """A matcher or grouping by a label that no metric has would match nothing, or put everything in one heap."""
    for where, text in _all_expressions():
        metrics = [it.metric for it in selectors(text)]
        declared = {label for metric in metrics for label in _declared_labels(metric)} | FROM_SCRAPE
        assert groupings(text) <= declared, where
        for it in selectors(text):
            asked = {label for label, _, _ in it.matchers}
            assert asked <= _declared_labels(it.metric) | FROM_SCRAPE, where


def test_every_label_value_that_is_asked_for_exists(exported: Exported) -> None:
    """A state that was renamed in the code is renamed in the alerts, too."""
    checked = 0
    for where, text in _all_expressions():
        for it in selectors(text):
            if not GRIDS.match(it.metric):
                continue
            for label, operator, value in it.matchers:
                assert operator in ("=", "=~"), where
                assert set(value.split("|")) <= exported[it.metric][label], (where, it)
                checked += 1
    assert checked > 15


def test_every_metric_of_the_installation_is_shown(exported: Exported) -> None:
    """What the worker counts is on the dashboard; nothing is counted for nobody."""
    shown = {it.metric for _, text in dashboard_expressions() for it in selectors(text)}
    ours = {name for name in exported if name.startswith("voltway_") and not name.endswith(NOT_SHOWN)}
    assert ours - shown == set()


def test_what_is_exported_is_as_prometheus_wants_it(exported: Exported) -> None:
    """Names, units, types and help texts pass promtool's own review of a scrape."""
    assert "voltway_evses" in exported
    done = promtool("check", "metrics", stdin=metrics_text()[0].decode())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_metric_is_explained(exported: Exported) -> None:
    """The documentation names each with exactly the labels it has."""
    rows = re.findall(r"^\| `(voltway_\w+)` \| (.*?) \|", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    explained = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    ours = {name.removesuffix("_bucket") for name in exported if name.startswith("voltway_")}
    assert set(explained) == {name for name in ours if not name.endswith(NOT_SHOWN)}
    for name, labels in explained.items():
        declared = _declared_labels(name if name in exported else f"{name}_bucket") - {"le"}
        assert labels == declared, name


def test_numbers_of_the_installation_are_never_added_up_over_instances() -> None:
    """Two workers tell the same numbers: each use takes the largest, or groups by instance."""
    told = re.compile(r"(\w+)(?: by \([^)]*\))? \(?(?:voltway_(?:evses|stations|incident\w+|remedy_runs|jobs))\b")
    for where, text in _all_expressions():
        for aggregate in told.findall(text):
            assert aggregate in {"max", "min", "min_over_time"}, (where, text)


def test_every_panel_asks_the_data_source_that_the_reader_chose() -> None:
    """The dashboard names no data source of ours; it has a variable for it."""
    document = dashboard()
    assert [it["type"] for it in document["templating"]["list"]] == ["datasource"]
    for panel in document["panels"]:
        if panel["type"] != "row":
            sources = {panel["datasource"]["uid"], *(it["datasource"]["uid"] for it in panel["targets"])}
            assert sources == {"${datasource}"}, panel["title"]


def test_panels_have_ids_and_places_of_their_own() -> None:
    """No panel covers another or leaves the 24 columns."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(it["x"] >= 0 and it["x"] + it["w"] <= 24 for it in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_the_rows_are_what_an_operations_desk_looks_for() -> None:
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert rows == ["Operations", "Incidents", "Sessions and power", "Stations' messages", "Platform"]

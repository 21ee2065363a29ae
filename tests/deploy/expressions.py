"""PromQL expressions of what we ship, and which metrics, labels and label values they ask for."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.deploy.promtool import DEPLOY

_SELECTOR = re.compile(r"\b(voltway_[a-z0-9_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"""([a-z_]+)(=~|!~|=|!=)"([^"]*)\"""")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_ALERT = re.compile(r"- alert: (\w+)\n(.*?)(?=\n\n|\n      - alert|\Z)", re.DOTALL)
_EXPR = re.compile(r"\n        expr: (?:>-\n)?(.*?)(?=\n        (?:for|labels):)", re.DOTALL)


class Selector(NamedTuple):
    """One metric that an expression asks for, with its matchers (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def alerts() -> dict[str, str]:
    """Return the text of each shipped alert by name."""
    return dict(_ALERT.findall(_read("prometheus/alerts.yml")))


def alert_expressions() -> dict[str, str]:
    """Return the expression of each shipped alert by name, on one line."""
    found = {name: _EXPR.search(f"\n{text}") for name, text in alerts().items()}
    return {name: " ".join(match[1].split()) for name, match in found.items() if match}


def dashboard() -> dict[str, Any]:
    """Return the shipped dashboard."""
    document: dict[str, Any] = json.loads(_read("grafana/voltway.json"))
    return document


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """Yield (panel, expression) with Grafana's own interval filled in as Grafana does."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def selectors(expression: str) -> list[Selector]:
    """Return every metric of ours in an expression."""
    found = _SELECTOR.findall(expression)
    return [Selector(metric, tuple(_MATCHER.findall(inner))) for metric, inner in found]


def groupings(expression: str) -> set[str]:
    """Return the labels by which an expression groups."""
    return {label.strip() for inner in _GROUPING.findall(expression) for label in inner.split(",") if label.strip()}


def _read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")

"""The stand-in answers what the real routes would: each document is one of the API's models, without a field more."""

from typing import Any

import pytest
from pydantic import BaseModel
from tests.web.fake_operations import FakeOperations

from voltway.monitoring.incidents.api import CommentBody, IncidentDetail, IncidentDocument
from voltway.monitoring.numbers.uptime_api import UptimeQuery
from voltway.monitoring.numbers.uptime_documents import UptimeDocument
from voltway.monitoring.numbers.usage_api import DemandDocument, HeatmapDocument
from voltway.monitoring.timeline.api import EvseNow, PowerDocument
from voltway.monitoring.timeline.model import OperatorState

FAKE = FakeOperations()
ITEMS: dict[str, type[BaseModel]] = {"incidents": IncidentDocument, "monitoring/evses": EvseNow}
WHOLE: dict[str, type[BaseModel]] = {
    "incidents/1": IncidentDetail, "monitoring/power": PowerDocument, "usage/demand": DemandDocument,
    "usage/heatmap": HeatmapDocument, "uptime": UptimeDocument,
}  # fmt: skip


def answer(path: str) -> dict[str, Any]:
    """Ask the stand-in."""
    found = FAKE.get(path, {"location": "HARBOUR"})
    assert found is not None
    return found


def check(model: type[BaseModel], document: dict[str, Any]) -> None:
    """Hold a document against a model: it is valid, and every field of it is known there."""
    model.model_validate(document)
    assert set(document) <= set(model.model_fields)


@pytest.mark.parametrize("path", WHOLE)
def test_documents_are_those_of_the_api(path: str) -> None:
    """What the page is tested with is what it will get."""
    check(WHOLE[path], answer(path))


@pytest.mark.parametrize("path", ITEMS)
def test_items_of_lists_are_those_of_the_api(path: str) -> None:
    """The same for lists."""
    for item in answer(path)["items"]:
        check(ITEMS[path], item)


def test_states_are_those_of_the_timeline() -> None:
    """The page's tiles and the stand-in speak of the same eleven."""
    assert set(answer("monitoring/states")) <= set(OperatorState)


def test_what_the_page_asks_is_allowed() -> None:
    """The page's query of uptime and its comment are bodies that the routes take."""
    assert UptimeQuery.model_validate({"law": "nevi", "month": "2026-03"}).month == "2026-03"
    assert CommentBody(text="seen").text == "seen"

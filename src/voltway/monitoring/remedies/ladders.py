"""Ladders as data: the shipped file, and the check of a document that an operator enters."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.remedies.model import Action, Ladder, Step

_FILE = Path(__file__).parent / "data" / "ladders.toml"


class StepDocument(BaseModel):
    """One step of a ladder as it is entered."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    message: str = Field(default="", max_length=50, pattern=r"^[A-Za-z]*$")
    wait_before_s: float = Field(default=0, ge=0, le=604_800)
    judge_after_s: float = Field(default=60, ge=1, le=86_400)
    cycle_wait_s: float = Field(default=10, ge=1, le=3600)
    during_session: bool = False

    @model_validator(mode="after")
    def _names_its_message(self) -> Self:
        if (self.action == "trigger_message") != bool(self.message):
            raise ValueError("trigger_message names a message, e.g. StatusNotification; other actions have none")
        return self


class LadderDocument(BaseModel):
    """A ladder as it is entered."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200)
    steps: list[StepDocument] = Field(min_length=1, max_length=20)
    per_station_per_day: int = Field(default=6, ge=0, le=100)
    quiet_s: float = Field(default=300, ge=0, le=86_400)
    stop_if_no_help: int = Field(default=4, ge=1, le=100)
    hours: tuple[int, int] = (0, 24)
    patience_s: float = Field(default=86_400, ge=0, le=2_592_000)
    harms_allowed: int = Field(default=0, ge=0, le=1000)
    skip_below: float | None = Field(default=None, ge=0, le=1)
    skip_after_runs: int = Field(default=20, ge=1, le=100_000)

    @model_validator(mode="after")
    def _has_hours(self) -> Self:
        begin, end = self.hours
        if not (0 <= begin <= 23 and 0 <= end <= 24 and begin != end):
            raise ValueError("hours are [from, to) of a day, e.g. [0, 24] or [22, 6]")
        return self


def parse_ladder(code: str, document: Mapping[str, Any]) -> Ladder:
    """Read a ladder; raise InvalidInput with all faults at once."""
    try:
        found = LadderDocument.model_validate(document).model_dump()
    except ValidationError as error:
        faults = [Fault("/" + "/".join(map(str, it["loc"])), it["msg"]) for it in error.errors()]
        raise InvalidInput(f"the ladder {code} cannot be used like this", faults) from error
    return Ladder(code, **found | {"steps": tuple(Step(**step) for step in found["steps"])})


def document_of(ladder: Ladder) -> dict[str, Any]:
    """Write a ladder as a document that `parse_ladder` reads."""
    document = asdict(ladder)
    del document["code"]
    return document | {"steps": list(document["steps"]), "hours": list(document["hours"])}


@cache
def shipped() -> Mapping[str, Ladder]:
    """Return the ladders that come with Voltway, by code."""
    found = tomllib.loads(_FILE.read_text("utf-8"))
    return {code: parse_ladder(code, document) for code, document in found.items()}

"""The data file read: vendors, what healthy stations do, kinds of faults with their ranges; vendor words replaced."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from voltway.vehicles.seeds import seeded

DATA = Path(__file__).resolve().parents[2] / "data" / "faults.toml"
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A maker of stations: habits of its firmware, and its error codes as (1.6's code, own code, words)."""

    name: str
    models: tuple[str, ...]
    version: str
    dc: bool
    weight: float
    meter_s: float
    reports_power: bool
    reports_offered: bool
    reports_temperature: bool
    idle_meter_s: float
    nightly: bool
    blips_a_day: float
    boots_on_reconnect: bool
    codes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: the rules that find it, what it strikes, what a place needs, and the ranges it draws from."""

    name: str
    rules: frozenset[str]
    scope: str
    needs: frozenset[str]
    count: Range
    hours: Range
    size: Range
    earliest_day: float
    tolerance_s: float


@dataclass(frozen=True, slots=True)
class Full:
    """When a site counts as full, and when that must be found."""

    least_min: float
    gap_s: float
    least_evses: int
    least_turned_away: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything the data file says; `healthy` holds plain numbers and ranges by name."""

    begin: datetime
    days: int
    evses: int
    holidays: frozenset[int]
    vendors: tuple[Vendor, ...]
    healthy: Mapping[str, Any]
    kinds: Mapping[str, Kind]
    full: Full
    secondary: Mapping[str, frozenset[str]]

    def rate(self, name: str) -> float:
        """Return a plain number of the healthy part."""
        return float(self.healthy[name])

    def draw(self, name: str, dice: Random) -> float:
        """Draw from a range of the healthy part."""
        low, high = self.healthy[name]
        return dice.uniform(low, high)


def read_recipe(path: Path = DATA) -> Recipe:
    """Read the data file."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    network = data["network"]
    return Recipe(
        begin=network["begin"],
        days=network["days"],
        evses=network["evses"],
        holidays=frozenset(network["holidays"]),
        vendors=tuple(_vendor(entry) for entry in data["vendor"]),
        healthy=data["healthy"],
        kinds={name: _kind(name, entry) for name, entry in data["kind"].items()},
        full=Full(**data["full"]),
        secondary={name: frozenset(rules) for name, rules in data["secondary"].items()},
    )


def renamed(recipe: Recipe, seed: int) -> Recipe:
    """Replace every word that a vendor chose (names, models, codes, texts) by a random one, the same for the same."""
    dice = seeded("rename", seed)
    known: dict[str, str] = {"": ""}

    def word(text: str) -> str:
        if text not in known:
            known[text] = _random_word(dice)
        return known[text]

    return replace(recipe, vendors=tuple(_renamed(vendor, word) for vendor in recipe.vendors))


def _renamed(vendor: Vendor, word: Callable[[str], str]) -> Vendor:
    codes = tuple((standard, word(own), word(text)) for standard, own, text in vendor.codes)
    return replace(vendor, name=word(vendor.name), models=tuple(map(word, vendor.models)), codes=codes)


def _random_word(dice: Random) -> str:
    return "".join(dice.choice("bcdfghklmnprstvwz") + dice.choice("aeiou") for _ in range(dice.randint(3, 5)))


def _vendor(entry: dict[str, Any]) -> Vendor:
    codes = tuple((standard, own, text) for standard, own, text in entry["codes"])
    return Vendor(**{**entry, "models": tuple(entry["models"]), "codes": codes})


def _kind(name: str, entry: dict[str, Any]) -> Kind:
    return Kind(
        name=name,
        rules=frozenset(entry["rules"]),
        scope=entry["scope"],
        needs=frozenset(entry.get("needs", ())),
        count=_pair(entry["count"]),
        hours=_pair(entry["hours"]),
        size=_pair(entry.get("size", (1, 1))),
        earliest_day=float(entry.get("earliest_day", 0.3)),
        tolerance_s=float(entry["tolerance_h"]) * 3600,
    )


def _pair(values: list[float]) -> Range:
    low, high = values
    return float(low), float(high)

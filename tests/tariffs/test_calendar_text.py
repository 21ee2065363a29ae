"""The week in a terminal: golden tables, letters without colours, shades with them, and `voltway tariff show`."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, ENERGY, FLAT, PARKING, TIME, at, clock, component, element, tariff
from tests.tariffs.tariff_examples import tariffs

from voltway.tariffs.calendar import week_of
from voltway.tariffs.calendar_text import _SHADES, Screen, calendar_text, show_tariff
from voltway.tariffs.model import Restrictions, Tariff
from voltway.tariffs.price_text_words import Language

GOLDEN = Path(__file__).parent / "price_texts"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
CITY = replace(
    tariff(
        element(
            component(ENERGY, "0.25", vat="19"), only=Restrictions(start_time=clock("22:30"), end_time=clock("06:00"))
        ),
        element(component(ENERGY, "0.4567", vat="19"), component(TIME, "3")),
        element(component(PARKING, "6"), only=Restrictions(start_time=clock("08:00"), end_time=clock("20:00"))),
        element(component(FLAT, "1"), only=Restrictions(min_kwh=Decimal(5))),
    ),
    start_date_time=at("2026-01-01T00:00Z"),
)
SHOWN: dict[str, Callable[[], str]] = {
    "show_spring": lambda: show_tariff(CITY, Screen(), at=at("2026-03-26T11:00Z"), time_zone=BERLIN),
    "show_autumn": lambda: show_tariff(
        CITY, Screen(Language.DE, width=100), at=at("2026-10-25T00:30Z"), time_zone=BERLIN
    ),
    "show_narrow": lambda: show_tariff(
        CITY, Screen(Language.FR, width=40), at=at("2026-11-24T11:00Z"), time_zone=BERLIN, power_w=22_000
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_tariff_shown_is_that_which_people_have_read(name: str) -> None:
    """Golden: head, calendar, legend, footnotes and price text; both DST weeks, three languages, a narrow terminal."""
    found = SHOWN[name]().replace("\u00a0", " ").replace("\u202f", " ")
    assert found + "\n" == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@given(tariffs(), st.sampled_from([20, 60, 80, 120]), st.sampled_from(list(Language)))
def test_colours_change_no_letter(of: Tariff, width: int, language: Language) -> None:
    """Who sees no colours reads the same; a table is no wider than the terminal (from 40 columns on)."""
    week = week_of(of, monday=date(2026, 3, 23), time_zone=BERLIN)
    plain = calendar_text(week, Screen(language, width=width)).splitlines()
    coloured = ANSI.sub("", calendar_text(week, Screen(language, colour=True, width=width))).splitlines()
    assert [line.rstrip() for line in coloured] == plain
    rows = [line for line in plain if re.match(r"\d\d-\d\d", line)]
    assert all(len(line) <= max(width, 40) for line in rows)


def test_shades_go_from_cheap_to_dear() -> None:
    """The cheapest price has the first shade, the dearest the last, equal prices the same."""
    week = week_of(CITY, monday=date(2026, 11, 23), time_zone=BERLIN)
    text = calendar_text(week, Screen(colour=True, width=100))
    shades = set(re.findall(r"\x1b\[97;48;5;(\d+)m([ab])\b", text))
    assert shades == {(str(_SHADES[0]), "a"), (str(_SHADES[-1]), "b")}


def _luminance(colour: int) -> float:
    """Return the relative luminance (WCAG 2.2) of a colour of the 6 x 6 x 6 cube."""
    levels = (0, 95, 135, 175, 215, 255)
    index = colour - 16
    channels = (levels[index // 36] / 255, levels[index // 6 % 6] / 255, levels[index % 6] / 255)
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_white_is_read_on_every_shade() -> None:
    """WCAG 2.2 AA: 4.5 : 1."""
    assert all(1.05 / (_luminance(shade) + 0.05) >= 4.5 for shade in _SHADES)


def test_many_prices_have_a_letter_each() -> None:
    """A price for each hour: 24 letters, x is kept for hours in which the tariff is not valid."""
    spot = tariff(
        *(
            element(component(ENERGY, f"0.{hour + 10}"), only=Restrictions(start_time=clock(f"{hour:02}:00")))
            for hour in reversed(range(24))
        )
    )
    ended = replace(spot, end_date_time=at("2026-11-24T00:00Z"))
    text = calendar_text(week_of(ended, monday=date(2026, 11, 23), time_zone="UTC"), Screen(width=100))
    legend = re.findall(r"^  (\w+) = (.*)$", text, re.MULTILINE)
    assert legend[0] == ("a", "€0.10 per kWh")
    assert [letter for letter, _ in legend[22:]] == ["w", "aa", "x"]
    assert legend[-1] == ("x", "not valid")
    assert text.endswith("Charging time: free\nSession fee: none\nIdle time (connected, not charging): free")
    assert "00-01  a 0.10       x" in text


def test_tiers_are_marked() -> None:
    """A price that changes with energy, time or power has a plus, in the table, the legend and the line beneath."""
    of = tariff(
        element(component(ENERGY, "0.3"), component(TIME, "3"), only=Restrictions(max_kwh=Decimal(9))),
        element(component(ENERGY, "0.4")),
    )
    text = calendar_text(week_of(of, monday=date(2026, 11, 23), time_zone="UTC"), Screen())
    assert "00-24  a 0.30+" in text
    assert "  a = €0.30 per kWh (+ changes with energy, time or power)" in text
    assert "Charging time: €0.05 per minute (+ changes with energy, time or power)" in text


def test_a_week_before_the_tariff_shows_no_price() -> None:
    """Not valid is told apart from free, also on the lines beneath."""
    of = replace(CITY, start_date_time=at("2027-01-01T00:00Z"))
    text = calendar_text(week_of(of, monday=date(2026, 11, 23), time_zone=BERLIN), Screen(colour=True))
    assert "00-24  x" in text
    assert "Charging time: not valid" in text

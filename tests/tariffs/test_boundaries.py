"""Where a price can change: instants, also on both DST nights, energies, powers, and the next cheaper hour."""

from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal

import pytest
from tests.tariffs.building import BERLIN, ENERGY, FLAT, PARKING, at, clock, component, element, tariff

from voltway.tariffs.engine import (
    boundaries,
    current_bands,
    energy_thresholds,
    kwh_rate,
    next_cheaper,
    next_dearer,
    power_bands,
)
from voltway.tariffs.model import IdleRule, Restrictions, Tariff


def windowed(start: str | None, end: str | None, **more: object) -> Tariff:
    """Build a tariff with a cheap window."""
    window = Restrictions(start_time=clock(start) if start else None, end_time=clock(end) if end else None)
    only = replace(window, **more)  # type: ignore[arg-type]  # fields of Restrictions
    return tariff(element(component(ENERGY, "0.29"), only=only), element(component(ENERGY, "0.39")))


@pytest.mark.parametrize(
    ("of", "start", "hours", "expected"),
    [
        pytest.param(windowed("22:00", "06:00"), "2026-03-02T12:00Z", 24, ["02T21:00", "03T05:00"], id="winter day"),
        # Spring, 2026-03-29: 02:00 jumps to 03:00 at 01:00 UTC.
        pytest.param(windowed("02:30", "04:00"), "2026-03-28T23:00Z", 12, ["29T01:00", "29T02:00"], id="gap at start"),
        pytest.param(windowed("00:30", "02:30"), "2026-03-28T23:00Z", 12, ["28T23:30", "29T01:00"], id="gap at end"),
        pytest.param(windowed("02:10", "02:50"), "2026-03-28T23:00Z", 12, [], id="window that never comes"),
        pytest.param(windowed("22:00", "06:00"), "2026-03-28T12:00Z", 24, ["28T21:00", "29T04:00"], id="over the gap"),
        # Autumn, 2026-10-25: 03:00 falls back to 02:00 at 01:00 UTC.
        pytest.param(
            windowed("02:00", "03:00"), "2026-10-24T22:00Z", 12, ["25T00:00", "25T02:00"], id="the hour counts twice"
        ),
        pytest.param(
            windowed("02:30", "06:00"), "2026-10-24T22:00Z", 12, ["25T00:30", "25T01:00", "25T01:30", "25T05:00"],
            id="02:30 comes twice",
        ),
        pytest.param(
            windowed("00:00", "02:30"), "2026-10-24T20:00Z", 12, ["24T22:00", "25T00:30", "25T01:00", "25T01:30"],
            id="ends twice",
        ),
        pytest.param(
            windowed(None, None, day_of_week=(6,)), "2026-10-24T12:00Z", 48, ["24T22:00", "25T23:00"], id="25 h",
        ),
        pytest.param(
            windowed(None, None, start_date=at("2026-03-29").date(), end_date=at("2026-03-30").date()),
            "2026-03-28T12:00Z", 48, ["28T23:00", "29T22:00"], id="a date of 23 hours",
        ),
        pytest.param(
            windowed(None, None, min_duration_s=600, max_duration_s=3600),
            "2026-03-02T12:00Z", 2, ["02T12:10", "02T13:00"],
            id="durations",
        ),
        pytest.param(windowed("08:00", "08:00"), "2026-03-02T00:00Z", 48, [], id="equal times never change"),
        pytest.param(windowed("12:00", None), "2026-03-02T11:00Z", 1, [], id="nothing at the edges"),
    ],
)  # fmt: skip
def test_boundaries_are_where_the_answer_changes(of: Tariff, start: str, hours: int, expected: list[str]) -> None:
    """Billing note 18 and field note 20 (ocpi #534): evaluated on instants in Europe/Berlin."""
    begin = at(start)
    found = boundaries(of, begin, begin + timedelta(hours=hours), time_zone=BERLIN)
    assert [instant.strftime("%dT%H:%M") for instant in found] == expected
    assert all(instant.tzinfo is UTC for instant in found)


def test_durations_count_from_the_session_start() -> None:
    """A later stretch of the same session asks for the boundaries that are left."""
    of = windowed(None, None, max_duration_s=3600)
    begin = at("2026-03-02T12:00")
    later = begin + timedelta(minutes=50)
    assert boundaries(of, later, later + timedelta(hours=2), time_zone="UTC", started_at=begin) == [
        begin + timedelta(hours=1)
    ]


def test_exempt_windows_are_boundaries_too() -> None:
    """Our idle rule's windows change the price of idle time."""
    night = Restrictions(start_time=clock("22:00"))
    of = tariff(element(component(PARKING, "6")), idle=IdleRule(exempt=(night,)))
    begin = at("2026-03-02T12:00")
    assert boundaries(of, begin, begin + timedelta(hours=11), time_zone="UTC") == [begin + timedelta(hours=10)]


def test_thresholds_and_bands_are_sorted_and_exact() -> None:
    """Milliwatt-hours (rounded up), watts and amperes."""
    of = tariff(
        element(component(ENERGY, "1"), only=Restrictions(min_kwh=Decimal("0.0000005"), max_kwh=Decimal(20))),
        element(
            component(ENERGY, "1"), only=Restrictions(min_kwh=Decimal(0), min_power=Decimal(22), max_power=Decimal(50))
        ),
        element(component(ENERGY, "1"), only=Restrictions(max_power=Decimal("3.7"), max_current=Decimal(32))),
        element(component(ENERGY, "1")),
    )
    assert energy_thresholds(of) == (1, 20_000_000)
    assert power_bands(of) == (3700.0, 22000.0, 50000.0)
    assert current_bands(of) == (32.0,)


def test_the_end_of_the_cheapest_hours_is_named() -> None:
    """While a kWh is at its cheapest, the live page tells until when; by day nothing dearer comes."""
    of = windowed("22:00", "06:00")
    dearer = next_dearer(of, at("2026-03-02T23:00"), time_zone=BERLIN)
    assert dearer is not None
    assert dearer.at == at("2026-03-03T05:00")
    assert next_dearer(of, at("2026-03-02T12:00"), time_zone=BERLIN) is None
    assert next_dearer(tariff(element(component(FLAT, "1"))), at("2026-03-02T12:00"), time_zone=BERLIN) is None


def test_the_next_cheaper_hour_is_named() -> None:
    """The live page tells when a kWh costs less."""
    of = windowed("22:00", "06:00")
    assert next_cheaper(of, at("2026-03-02T12:00"), time_zone=BERLIN) == (at("2026-03-02T21:00"), Decimal("0.29"))
    assert next_cheaper(of, at("2026-03-02T23:00"), time_zone=BERLIN) is None
    ending = replace(of, end_date_time=at("2026-03-02T20:00"))
    assert next_cheaper(ending, at("2026-03-02T12:00"), time_zone=BERLIN) is None
    assert next_cheaper(tariff(element(component(FLAT, "1"))), at("2026-03-02T12:00"), time_zone=BERLIN) is None


def test_the_price_of_a_first_kwh() -> None:
    """A dimension that is priced at other times is free now, and says so with element null."""
    of = tariff(element(component(ENERGY, "0.5"), only=Restrictions(min_power=Decimal(50))))
    now = at("2026-03-02T12:00")
    free, fast = (kwh_rate(of, now, time_zone="UTC", power_w=power_w) for power_w in (None, 150_000.0))
    assert free is not None
    assert free.element is None
    assert free.price == 0
    assert fast is not None
    assert fast.price == Decimal("0.5")

"""The periods of a partner's CDR as the engine takes them: ends, times, powers, and what is odd about them."""

from collections.abc import Mapping

import pytest
from tests.tariffs.ocpi_documents import Document
from tests.tariffs.partner_cdrs import cdr, period

from voltway.kernel.clock import to_micros
from voltway.tariffs.cdr_periods import SessionPeriod, session_periods
from voltway.tariffs.model import PeriodKind
from voltway.tariffs.ocpi import parse_cdr

HOUR_US = 3_600_000_000


def periods_of(end: str, *periods: Document, **more: object) -> list[SessionPeriod]:
    """Read the periods of a CDR without tariffs."""
    return list(session_periods(parse_cdr(cdr([], end, *periods, **more))))


def lengths(found: list[SessionPeriod]) -> list[tuple[str, float]]:
    """Return kind and length in minutes of each."""
    return [(it.period.kind.value, (it.period.end - it.period.start).total_seconds() / 60) for it in found]


def warned(found: list[SessionPeriod]) -> list[tuple[str, str]]:
    """Return every code with its place."""
    return [(warning.code, warning.path) for it in found for warning in it.warnings]


def test_a_period_ends_where_the_next_later_one_begins() -> None:
    """In any order of the list; the last ends with the CDR (mod_cdrs, ChargingPeriod)."""
    found = periods_of(
        "13:00",
        period("12:00", {"TIME": "0.5"}),
        period("12:45", {"PARKING_TIME": "0.25"}),
        period("12:30", {"TIME": "0.25"}),
    )
    assert lengths(found) == [("charging", 30), ("charging", 15), ("parking", 15)]
    assert [it.pointer for it in found] == [f"/charging_periods/{index}" for index in (0, 2, 1)]
    assert warned(found) == []


@pytest.mark.parametrize(
    ("volumes", "time_us", "parking_us", "codes"),
    [
        pytest.param({"TIME": "0.6667"}, 2_400_000_000, None, [], id="note 7: 40 minutes by the instants"),
        pytest.param({"TIME": "0.6666"}, 2_400_000_000, None, [], id="a unit of the fourth decimal is a rounded sum"),
        pytest.param({"TIME": "0.5"}, 2_400_000_000, None, ["time_volume_differs"], id="instants win and it is told"),
        pytest.param({"TIME": "0"}, 0, None, [], id="0 says that there was none"),
        pytest.param({"ENERGY": "1"}, None, None, [], id="nothing is said of time"),
        pytest.param({"TIME": "0", "PARKING_TIME": "0.6667"}, None, 2_400_000_000, [], id="the other one is 0"),
        pytest.param(
            {"TIME": "0.1667", "PARKING_TIME": "0.5"}, 600_000_000, 1_800_000_000, [], id="two share: volumes"
        ),
        pytest.param(
            {"TIME": "0.16", "PARKING_TIME": "0.2"},
            576_000_000,
            720_000_000,
            ["time_volume_differs"],
            id="two that differ",
        ),
        pytest.param(
            {"TIME": "0.16671", "PARKING_TIME": "0.4999"}, 600_000_000, 1_799_640_000, [], id="finer than a second"
        ),
    ],
)
def test_times_come_from_the_instants(
    volumes: Mapping[str, str], time_us: int | None, parking_us: int | None, codes: list[str]
) -> None:
    """Billing note 7; where several times share a stretch their volumes count, snapped to the second they mean."""
    found = periods_of("12:40", period("12:00", volumes))
    explicit = found[0].period.volumes
    assert explicit is not None
    assert (explicit.time_us, explicit.parking_us) == (time_us, parking_us)
    assert [code for code, _ in warned(found)] == codes


def test_a_stretch_too_short_for_four_decimals_is_what_the_instants_say() -> None:
    """0.0000 hours are up to 0.18 s."""
    found = periods_of("12:00:00.150", period("12:00", {"TIME": "0"}))
    explicit = found[0].period.volumes
    assert explicit is not None
    assert explicit.time_us == 150_000


def test_dimensions_that_are_listed_apart_share_their_stretch() -> None:
    """Energy and time as two periods of one instant (ocpi #453): both last until the next later one."""
    found = periods_of("13:00", period("12:00", {"TIME": "1"}), period("12:00", {"ENERGY": "7.5"}))
    explicit = [it.period.volumes for it in found]
    assert [(it.time_us, it.energy_milliwh) for it in explicit if it is not None] == [
        (HOUR_US, None),
        (None, 7_500_000),
    ]
    assert warned(found) == []


def test_energy_is_exact_whatever_its_digits() -> None:
    """Finer than a milliwatt-hour it is a rational."""
    found = periods_of("13:00", period("12:00", {"ENERGY": "0.00000025"}))
    explicit = found[0].period.volumes
    assert explicit is not None
    assert explicit.energy_milliwh is not None
    assert explicit.energy_milliwh * 4 == 1


def test_a_reservation_inside_a_period_comes_first() -> None:
    """Reserved time alone lasts as the instants say; beside others its volume cuts it off the front."""
    alone = periods_of("13:00", period("12:00", {"RESERVATION_TIME": "1", "ENERGY": "0"}))
    assert lengths(alone) == [("reservation", 60)]
    mixed = periods_of("13:00", period("12:00", {"RESERVATION_TIME": "0.25", "TIME": "0.75", "ENERGY": "5"}))
    assert lengths(mixed) == [("reservation", 15), ("charging", 45)]
    assert warned(mixed) == []
    beyond = periods_of("13:00", period("12:00", {"RESERVATION_TIME": "3", "PARKING_TIME": "0.5"}))
    assert lengths(beyond) == [("reservation", 60), ("parking", 0)]
    assert warned(beyond) == [("time_volume_differs", "/charging_periods/0")]


@pytest.mark.parametrize(
    ("volumes", "power_w", "power_max_w", "is_assumed"),
    [
        ({"MIN_POWER": "3", "MAX_POWER": "11"}, 3_000.0, 11_000.0, False),
        ({"MAX_POWER": "11"}, 11_000.0, 11_000.0, False),
        ({"MIN_POWER": "3"}, 3_000.0, 3_000.0, False),
        ({"POWER": "7", "MIN_POWER": "3"}, 3_000.0, 7_000.0, False),
        ({"POWER": "-7"}, -7_000.0, -7_000.0, False),
        ({}, 10_000.0, None, True),
    ],
)
def test_momentary_powers(
    volumes: Mapping[str, str], power_w: float, power_max_w: float | None, *, is_assumed: bool
) -> None:
    """The least and the greatest that is named; else the mean, which is what OCPI's POWER says."""
    found = periods_of("13:00", period("12:00", {"ENERGY": "10", "TIME": "1", **volumes}))[0]
    assert (found.period.power_w, found.period.power_max_w, found.is_power_assumed) == (
        power_w,
        power_max_w,
        is_assumed,
    )


def test_currents_are_never_assumed() -> None:
    found = periods_of(
        "13:00", period("12:00", {"ENERGY": "10", "MAX_CURRENT": "32"}), period("12:30", {"TIME": "0.5"})
    )
    assert [(it.period.current_a, it.period.current_max_a) for it in found] == [(32.0, 32.0), (None, None)]
    assert found[1].period.power_w is None


def test_periods_outside_the_cdr_are_told() -> None:
    """contracts.md: odd but priceable; a period behind the end has no length."""
    early = periods_of("13:00", period("12:00", {"TIME": "1"}), start_date_time="2026-03-02T12:30:00Z")
    assert warned(early) == [("period_before_start", "/charging_periods/0")]
    late = periods_of("13:00", period("12:00", {"TIME": "1.5"}), period("13:30", {"ENERGY": "1"}))
    assert lengths(late) == [("charging", 90), ("charging", 0)]
    assert warned(late) == [("period_after_end", "/charging_periods/1")]


def test_a_period_keeps_its_place_and_tariff() -> None:
    found = periods_of("13:00", period("12:00", {"TIME": "1"}, tariff_id="T1"))[0]
    assert found.period.tariff_id == "T1"
    assert found.with_tariff(found.period.tariff_id) == found.period
    assert found.period.kind is PeriodKind.CHARGING
    assert to_micros(found.period.end) - to_micros(found.period.start) == HOUR_US

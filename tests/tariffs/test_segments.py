"""Cutting where a price can change, and the hour to come."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from tests.tariffs.building import (
    BERLIN,
    CHARGING,
    ENERGY,
    PARKED,
    PARKING,
    RESERVED,
    TIME,
    at,
    clock,
    component,
    element,
    excl,
    stays,
    tariff,
)

from voltway.kernel.energy import Energy
from voltway.tariffs.model import IdleRule, OcpiVersion, Restrictions, Volumes
from voltway.tariffs.segments import another_hour, cut_periods, next_hour

NIGHT = tariff(
    element(component(ENERGY, "0.2"), only=Restrictions(start_time=clock("22:00"))),
    element(component(ENERGY, "0.3"), only=Restrictions(min_kwh=Decimal(10))),
    element(component(ENERGY, "0.4")),
)


def test_periods_are_cut_at_times_and_energies() -> None:
    """Linear inside a period, exact at a threshold, cut to 0.1 Wh at an instant; nothing is lost."""
    whole = stays("2026-03-02T20:30", (60, "9.5", CHARGING), (60, "10.0000011", CHARGING))
    pieces = cut_periods(NIGHT, reversed(whole), time_zone=BERLIN)
    assert [piece.start.strftime("%H:%M:%S") for piece in pieces] == ["20:30:00", "21:00:00", "21:30:00", "21:32:59"]
    assert [piece.energy.milliwh for piece in pieces if piece.energy] == [4_750_000, 4_750_000, 500_000, 9_500_001]
    assert cut_periods(NIGHT, [], time_zone=BERLIN) == []


def test_periods_without_inside_stay_whole() -> None:
    """A CDR's period with explicit times is judged by its start; a period without energy has none to share."""
    period = replace(stays("2026-03-02T20:30", (120, "20", CHARGING))[0], volumes=Volumes(time_us=1))
    assert cut_periods(NIGHT, [period], time_zone=BERLIN) == [period]
    silent = replace(period, volumes=None, energy=None)
    assert [piece.energy for piece in cut_periods(NIGHT, [silent], time_zone=BERLIN)] == [None, None]


def test_durations_of_a_session_begin_after_its_reservation() -> None:
    """The engine and the cuts agree on where a session begins."""
    of = tariff(element(component(TIME, "1"), only=Restrictions(max_duration_s=600)), element(component(TIME, "6")))
    pieces = cut_periods(of, stays("2026-03-02T12:00", (30, "0", RESERVED), (20, "0", CHARGING)), time_zone="UTC")
    assert [piece.start for piece in pieces][-1] == at("2026-03-02T12:40")
    assert excl(of, pieces) == Fraction(7, 6)


def test_another_hour_goes_on_as_it_is() -> None:
    """The average power of the last period for one hour more, cut where the price changes."""
    last = stays("2026-03-02T20:15", (15, "2.5", CHARGING))
    assumed = another_hour(last[0])
    assert (assumed.energy, assumed.end - assumed.start) == (Energy(10_000_000), timedelta(hours=1))
    assert next_hour(NIGHT, last, assumed, time_zone=BERLIN).excl_vat == Fraction("5") * Fraction("0.4") + 5 * Fraction(
        "0.2"
    )
    empty = replace(last[0], end=last[0].start, energy=None)
    assert another_hour(empty).energy == Energy(0)
    assert next_hour(NIGHT, [], assumed, time_zone=BERLIN).excl_vat == 3
    plain = replace(NIGHT, ocpi_version=OcpiVersion.V2_1_1)
    assert next_hour(plain, last, assumed, time_zone=BERLIN).incl_vat is None


def test_another_hour_goes_on_at_the_measured_power() -> None:
    """Seconds after a reading nothing is metered yet, but the car still draws what it drew."""
    just_now = replace(stays("2026-03-02T12:00", (1, "0", CHARGING))[0], power_w=11_000.0)
    assert another_hour(just_now).energy == Energy(11_000_000)


def test_another_idle_hour_is_idle() -> None:
    """An idle car pays the idle fee, behind what is left of its grace."""
    of = tariff(element(component(PARKING, "6")), idle=IdleRule(grace_s=900))
    last = stays("2026-03-02T12:00", (5, "0", PARKED))
    assert next_hour(of, last, another_hour(last[0]), time_zone="UTC").excl_vat == 5

"""The price engine against the worked examples of OCPI and the billing notes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from tests.tariffs.building import (
    BERLIN,
    CHARGING,
    ENERGY,
    FLAT,
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
from voltway.kernel.ids import TariffId
from voltway.tariffs.engine import price
from voltway.tariffs.model import (
    ChargingPeriod,
    IdleRule,
    OcpiVersion,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TaxIncluded,
    Volumes,
)
from voltway.tariffs.priced import AdjustmentKind, Cost, CostKind

MONDAY, SATURDAY = "2026-03-02", "2026-03-07"
DAY = f"{MONDAY}T12:00"

# OCPI 2.2.1-d2 mod_tariffs, tariff_14_step_size.
STEPS = tariff(
    element(component(TIME, "1.20", 1800), only=Restrictions(end_time=clock("17:00"))),
    element(component(TIME, "2.40", 900), only=Restrictions(start_time=clock("17:00"), end_time=clock("20:00"))),
    element(component(PARKING, "1.00", 900), only=Restrictions(end_time=clock("20:00"))),
)
EVENING = replace(
    STEPS,
    elements=(
        element(component(TIME, "2.40", 900), only=Restrictions(start_time=clock("17:00"))),
        STEPS.elements[2],
    ),
)
# OCPI 2.2.1 mod_tariffs, complex tariff example (errata: billing note 45).
WEEK = (0, 1, 2, 3, 4)
COMPLEX = tariff(
    element(component(FLAT, "2.50", 1, "15")),
    element(component(TIME, "1.00", 900, "20"), only=Restrictions(max_current=Decimal(32))),
    element(component(TIME, "2.00", 600, "20"), only=Restrictions(min_current=Decimal(32), day_of_week=WEEK)),
    element(component(TIME, "1.25", 600, "20"), only=Restrictions(min_current=Decimal(32), day_of_week=(5, 6))),
    element(
        component(PARKING, "5.00", 300, "10"),
        only=Restrictions(start_time=clock("09:00"), end_time=clock("18:00"), day_of_week=WEEK),
    ),
    element(
        component(PARKING, "6.00", 300, "10"),
        only=Restrictions(start_time=clock("10:00"), end_time=clock("17:00"), day_of_week=(5,)),
    ),
)


def test_a_start_fee_energy_and_parking_in_blocks_of_15_minutes_cost_7_00_and_7_90() -> None:
    """OCPI 2.2.1 mod_tariffs, tariff_10: 40 minutes of parking are billed as 45."""
    of = tariff(
        element(component(FLAT, "0.50", 1, "20")),
        element(component(ENERGY, "0.25", 1, "10")),
        element(component(PARKING, "2.00", 900, "20")),
    )
    priced = price(of, stays(DAY, (120, "20", CHARGING), (40, "0", PARKED)), time_zone="UTC")
    assert priced.total == Cost(Fraction(7), Fraction("7.90"))
    costs = priced.costs()
    assert costs[CostKind.FIXED].excl_vat == Fraction("0.5")
    assert costs[CostKind.ENERGY].excl_vat == 5
    assert costs[CostKind.PARKING] == Cost(Fraction("1.5"), Fraction("1.8"))
    assert (priced.milliwh, priced.hours) == (20_000_000, Fraction(8, 3))
    assert priced.parking_hours == Fraction(2, 3)


@pytest.mark.parametrize(
    ("of", "start", "parts", "expected"),
    [
        pytest.param(STEPS, "16:55", ((10, CHARGING), (2, PARKED)), "0.55", id="note 2: switch #1, 0.383 before"),
        pytest.param(STEPS, "16:35", ((35, CHARGING),), "1.30", id="2.2.1-d2: switch #2"),
        pytest.param(EVENING, "19:40", ((12, CHARGING), (20, PARKED)), "0.73", id="note 3: free of charge at 20:00"),
        pytest.param(STEPS, "16:00", ((2, PARKED), (10, CHARGING)), "0.45", id="note 4: parking first absorbs"),
    ],
)
def test_step_size_rounds_once_and_parking_absorbs(
    of: Tariff, start: str, parts: tuple[tuple[float, object], ...], expected: str
) -> None:
    """OCPI 2.2.1-d2 mod_tariffs, PriceComponent: TIME and PARKING_TIME together once."""
    minutes = [(length, "0", kind) for length, kind in parts]
    cut_at_20 = []
    for period in stays(f"{MONDAY}T{start}", *minutes):  # type: ignore[arg-type]  # kinds of the table above
        cuts = [at(f"{MONDAY}T17:00"), at(f"{MONDAY}T20:00")]
        inside = [instant for instant in cuts if period.start < instant < period.end]
        edges = [period.start, *inside, period.end]
        cut_at_20 += [replace(period, start=a, end=b) for a, b in pairwise(edges)]
    assert excl(of, cut_at_20) == Fraction(expected)


def test_with_parking_priced_charging_time_is_not_rounded() -> None:
    """Billing note 2: 1 EUR/h and 2 EUR/h, 21 minutes charged and 16 parked are 41 minutes to pay."""
    of = tariff(element(component(TIME, "1", 600), component(PARKING, "2", 1200)))
    lines = list(price(of, stays(DAY, (21, "0", CHARGING), (16, "0", PARKED)), time_zone="UTC").lines())
    billed = {line.rate.dimension: line.billed_exact * 60 for line in lines}
    assert billed[TIME] == 21
    assert billed[PARKING] == 20


@pytest.mark.parametrize(
    ("step_size", "kwh", "expected"),
    [
        (1, "0.1152", "0.029"),  # 116 Wh
        (25, "0.1152", "0.03125"),  # 125 Wh
        (25, "0.125", "0.03125"),  # note 5: an exact multiple stays
        (500, "0.0001", "0.125"),
        (500, "0.500", "0.125"),
        (0, "0.1152", "0.0288"),  # note 6: 0 rounds nothing
    ],
)
def test_energy_is_billed_in_steps_of_watt_hours(step_size: int, kwh: str, expected: str) -> None:
    """OCPI 2.2.1 mod_tariffs, note on step_size; billing notes 5, 6 and 8."""
    of = tariff(element(component(ENERGY, "0.25", step_size)))
    assert excl(of, stays(DAY, (10, kwh, CHARGING))) == Fraction(expected)


@pytest.mark.parametrize(
    ("start", "minutes", "current_a", "parked", "expected"),
    [
        pytest.param(
            f"{MONDAY}T09:30", 147, 16.0, 42, ("8.70", "9.94"), id="Monday, time exact since parking is priced"
        ),
        pytest.param(f"{SATURDAY}T13:30", 114, 43.0, 71, ("12.375", "13.975"), id="note 45: Saturday, right numbers"),
    ],
)
def test_the_complex_example(
    start: str, minutes: int, current_a: float, parked: int, expected: tuple[str, str]
) -> None:
    """OCPI 2.2.1 mod_tariffs, complex tariff: the printed Saturday 12.28/13.861 is an erratum."""
    charging, idle = stays(start, (minutes, "0", CHARGING), (parked, "0", PARKED))
    priced = price(COMPLEX, [replace(charging, current_a=current_a), idle], time_zone="UTC")
    assert priced.total == (Fraction(expected[0]), Fraction(expected[1]))


@pytest.mark.parametrize(("kwh", "expected"), [("50", ("10", "11")), ("30", ("8", "8.85")), ("0.2", ("0.55", "0.655"))])
def test_a_maximum_price_acts_on_both_sides(kwh: str, expected: tuple[str, str]) -> None:
    """OCPI 2.2.1 mod_tariffs, tariff_6: 0.25/kWh + start fee, at most 10.00 / 11.00."""
    of = tariff(
        element(component(FLAT, "0.50", 1, "20")),
        element(component(ENERGY, "0.25", 1, "10")),
        most=PriceLimit(Decimal(10), Decimal(11)),
    )
    assert price(of, stays(DAY, (60, kwh, CHARGING)), time_zone="UTC").total == tuple(map(Fraction, expected))


@pytest.mark.parametrize(
    ("limit", "kwh", "expected"),
    [
        pytest.param(PriceLimit(Decimal("0.5"), Decimal("0.55")), "1", ("0.5", "0.55"), id="tariff_12"),
        pytest.param(PriceLimit(Decimal("0.5")), "1", ("0.5", "0.55"), id="note 30: tax follows the base"),
        pytest.param(PriceLimit(Decimal("0.5")), "0", ("0.5", "0.5"), id="note 30: no base, no tax"),
        pytest.param(PriceLimit(Decimal("0.2"), Decimal("0.55")), "1", ("0.25", "0.55"), id="only the side with VAT"),
        pytest.param(PriceLimit(Decimal("0.2")), "1", ("0.25", "0.275"), id="not reached"),
    ],
)
def test_a_minimum_price(limit: PriceLimit, kwh: str, expected: tuple[str, str]) -> None:
    """OCPI 2.2.1 mod_tariffs, tariff_12 and billing note 30."""
    of = tariff(element(component(ENERGY, "0.25", 1, "10")), least=limit)
    priced = price(of, stays(DAY, (60, kwh, CHARGING)), time_zone="UTC")
    assert priced.total == tuple(map(Fraction, expected))
    assert all(item.kind is AdjustmentKind.MIN_PRICE for item in priced.adjustments)


def test_time_alone_does_not_price_parking() -> None:
    """OCPI 2.2.1 mod_tariffs, tariff_1; billing notes 23 and 24."""
    of = tariff(element(component(TIME, "2.00", 60, "10")))
    priced = price(of, stays(DAY, (150, "9", CHARGING), (600, "0", PARKED)), time_zone="UTC")
    assert priced.total == Cost(Fraction(5), Fraction("5.5"))


def test_a_power_band_follows_the_momentary_power() -> None:
    """OCPI 2.2.1 mod_tariffs, tariffrestriction_example_max_power: 20.30; a band includes its lower end (note 20)."""
    of = tariff(
        element(component(ENERGY, "0.20"), only=Restrictions(max_power=Decimal(16))),
        element(component(ENERGY, "0.35"), only=Restrictions(min_power=Decimal(16), max_power=Decimal(32))),
        element(component(ENERGY, "0.50")),
    )
    powers = (6000.0, 48000.0, 4000.0)
    periods = stays(DAY, (10, "1", CHARGING), (50, "40", CHARGING), (8, "0.5", CHARGING))
    measured = [replace(period, power_w=power) for period, power in zip(periods, powers, strict=True)]
    assert excl(of, measured) == Fraction("20.30")
    assert excl(of, [replace(periods[0], power_w=16000.0)]) == Fraction("0.35")
    assert excl(of, [periods[0]]) == Fraction("0.5"), "an unknown power meets no restriction on power"


def test_duration_counts_from_the_start_of_the_session() -> None:
    """OCPI 2.2.1 mod_tariffs, tariffrestriction_example_max_duration: 0.30; bounds as in billing note 13."""
    of = tariff(
        element(component(ENERGY, "0"), only=Restrictions(max_duration_s=1800)),
        element(component(ENERGY, "0.25"), only=Restrictions(max_duration_s=3600)),
        element(component(ENERGY, "0.40")),
    )
    assert excl(of, stays(DAY, (30, "5", CHARGING), (10, "1.2", CHARGING))) == Fraction("0.30")
    late = stays(DAY, (10, "1", CHARGING))
    assert price(of, late, time_zone="UTC", started_at=at(DAY) - timedelta(hours=2)).total.excl_vat == Fraction("0.4")


def test_the_first_hour_of_parking_counts_from_the_session_start() -> None:
    """Billing note 19: the example of 2.2 prints 7.30; durations run from the session's start, so it is 10.05."""
    of = tariff(
        element(component(ENERGY, "0", 0), only=Restrictions(max_kwh=Decimal(1))),
        element(component(ENERGY, "0.20")),
        element(component(PARKING, "0", 0), only=Restrictions(max_duration_s=3600)),
        element(component(PARKING, "2", 60), only=Restrictions(min_duration_s=3600, max_duration_s=14400)),
        element(component(PARKING, "3", 60)),
    )
    parts = ((6, "1", CHARGING), (114, "19", CHARGING), (120, "0", PARKED), (45, "0", PARKED))
    assert excl(of, stays(DAY, *parts)) == Fraction("10.05")


def reserving(kind: Reservation, *components: tuple[object, str, int]) -> object:
    """Build a reservation element with 20 % VAT."""
    parts = [component(dimension, text, step, "20") for dimension, text, step in components]  # type: ignore[arg-type]  # Dimension
    return element(*parts, only=Restrictions(reservation=kind))


SESSION = (element(component(FLAT, "0.50", 1, "20")), element(component(ENERGY, "0.25", 1, "10")))
WAIT, EXPIRE = Reservation.RESERVATION, Reservation.RESERVATION_EXPIRES


@pytest.mark.parametrize(
    ("elements", "minutes", "expected"),
    [
        pytest.param((reserving(WAIT, (TIME, "5", 60)),), 15, ("6.75", "7.60"), id="tariff_15"),
        pytest.param((reserving(WAIT, (FLAT, "2", 1), (TIME, "5", 300)),), 13, ("8.75", "10.00"), id="tariff_16"),
        pytest.param(
            (reserving(EXPIRE, (FLAT, "4", 1)), reserving(WAIT, (TIME, "2", 600))), 22, ("6.50", "7.30"), id="tariff_17"
        ),
        pytest.param(
            (reserving(EXPIRE, (TIME, "6", 600)), reserving(WAIT, (TIME, "3", 600))),
            22,
            ("7.00", "7.90"),
            id="tariff_18",
        ),
    ],
)
def test_a_reservation_before_a_session(elements: tuple[object, ...], minutes: int, expected: tuple[str, str]) -> None:
    """OCPI 2.2.1 mod_tariffs, tariffs 15 to 18, followed by 20 kWh; billing note 22."""
    of = tariff(*elements, *SESSION)  # type: ignore[arg-type]  # elements of the table
    priced = price(of, stays(DAY, (minutes, "0", RESERVED), (60, "20", CHARGING)), time_zone="UTC")
    assert priced.total == tuple(map(Fraction, expected))
    assert priced.costs()[CostKind.RESERVATION].excl_vat == Fraction(expected[0]) - Fraction("5.5")


@pytest.mark.parametrize(
    ("elements", "minutes", "expected"),
    [
        pytest.param((reserving(EXPIRE, (FLAT, "4", 1)), reserving(WAIT, (TIME, "2", 600))), 60, ("6", "7.2"), id="17"),
        pytest.param(
            (reserving(EXPIRE, (TIME, "6", 600)), reserving(WAIT, (TIME, "3", 600))), 90, ("9", "10.8"), id="18"
        ),
        pytest.param((reserving(EXPIRE, (FLAT, "4", 1)), reserving(WAIT, (FLAT, "1", 1))), 60, ("5", "6"), id="both"),
        pytest.param((reserving(WAIT, (TIME, "2", 600)),), 60, ("2", "2.4"), id="no fee for expiry"),
    ],
)
def test_an_expired_reservation(elements: tuple[object, ...], minutes: int, expected: tuple[str, str]) -> None:
    """OCPI 2.2.1 mod_tariffs, tariffs 17 and 18; for TIME the element of the expiry replaces the other."""
    of = tariff(*elements, *SESSION)  # type: ignore[arg-type]  # elements of the table
    priced = price(of, stays(DAY, (minutes, "0", RESERVED)), time_zone="UTC", reservation_expired=True)
    assert priced.total == tuple(map(Fraction, expected))


def test_list_order_beats_specificity_per_dimension() -> None:
    """Billing note 10 (ocpi #333, #371, #496)."""
    of = tariff(
        element(component(ENERGY, "0.30")),
        element(component(ENERGY, "0.10"), component(TIME, "6"), only=Restrictions(day_of_week=(0,))),
    )
    assert excl(of, stays(DAY, (60, "10", CHARGING))) == 9


@pytest.mark.parametrize(
    ("start", "end", "days", "instant", "expected"),
    [
        ("22:00", "06:00", (), "2026-03-06T23:00", "0.1"),
        ("22:00", "06:00", (), "2026-03-06T05:59", "0.1"),
        ("22:00", "06:00", (), "2026-03-06T06:00", "0.4"),
        ("22:00", "00:00", (), "2026-03-06T23:59", "0.1"),  # note 15: the end of the day
        ("00:00", "00:00", (), "2026-03-06T12:00", "0.1"),
        ("08:00", "08:00", (), "2026-03-06T03:00", "0.1"),  # note 15: equal times are the whole day
        (None, "08:00", (), "2026-03-06T07:59", "0.1"),
        ("20:00", None, (), "2026-03-06T19:59", "0.4"),
        ("22:00", "06:00", (4,), "2026-03-06T05:00", "0.1"),  # note 16: Friday 00:00 to 06:00 matches
        ("22:00", "06:00", (4,), "2026-03-07T05:00", "0.4"),  # and Saturday does not
    ],
)
def test_windows_of_the_day(
    start: str | None, end: str | None, days: tuple[int, ...], instant: str, expected: str
) -> None:
    """Billing notes 13, 15 and 16; 2026-03-06 is a Friday."""
    window = Restrictions(
        start_time=clock(start) if start else None, end_time=clock(end) if end else None, day_of_week=days
    )
    of = tariff(element(component(ENERGY, "0.1"), only=window), element(component(ENERGY, "0.4")))
    assert excl(of, stays(instant, (1, "1", CHARGING))) == Fraction(expected)


def test_dates_are_local_and_the_window_applies_daily() -> None:
    """Billing notes 13, 14 and 17 (#495, #499): start date inclusive, end date exclusive, at the place."""
    window = Restrictions(
        start_date=at("2026-03-02").date(),
        end_date=at("2026-03-04").date(),
        start_time=clock("08:00"),
        end_time=clock("09:00"),
    )
    of = tariff(element(component(ENERGY, "0.1"), only=window), element(component(ENERGY, "0.4")))
    cheap = [
        excl(of, stays(f"2026-03-0{day}T07:30", (1, "1", CHARGING)), BERLIN) == Fraction("0.1") for day in (1, 2, 3, 4)
    ]
    assert cheap == [False, True, True, False]
    assert excl(of, stays("2026-03-02T07:30", (1, "1", CHARGING))) == Fraction("0.4"), "07:30 UTC is not 08:30 in UTC"


def test_a_dimension_that_nothing_prices_is_free_and_says_so() -> None:
    """Billing note 11 and contracts.md: a line with price 0 and element null, and a warning."""
    of = tariff(element(component(ENERGY, "0.4"), only=Restrictions(min_kwh=Decimal(1))))
    priced = price(of, stays(DAY, (60, "2", CHARGING)), time_zone="UTC")
    energy, time_line = priced.lines()
    assert energy.rate.element is None
    assert energy.rate.price == energy.excl_vat == 0
    assert energy.quantity_exact == 2
    assert (time_line.rate.dimension, time_line.rate.element) == (TIME, None)
    assert [warning.code for warning in priced.warnings] == ["free_dimension"]


def test_an_omitted_vat_is_not_zero_but_adds_nothing() -> None:
    """Billing note 29."""
    of = tariff(element(component(ENERGY, "1")), element(component(TIME, "1", 1, "0")))
    lines = list(price(of, stays(DAY, (60, "1", CHARGING)), time_zone="UTC").lines())
    assert [line.rate.vat for line in lines] == [None, 0]
    assert [line.incl_vat for line in lines] == [1, 1]


def test_2_1_1_has_no_price_with_vat() -> None:
    """Contracts.md: incl_vat is null only where the document has no VAT field at all."""
    plain = replace(tariff(element(component(ENERGY, "1"))), ocpi_version=OcpiVersion.V2_1_1)
    assert price(plain, stays(DAY, (60, "1", CHARGING)), time_zone="UTC").total == Cost(Fraction(1), None)


@pytest.mark.parametrize(
    ("included", "expected"),
    [
        (TaxIncluded.YES, ("3.90", "4.641")),
        (TaxIncluded.NO, ("4.641", "5.52279")),
        (TaxIncluded.NOT_APPLICABLE, ("4.641", "4.641")),
    ],
)
def test_taxes_of_2_3_0(included: TaxIncluded, expected: tuple[str, str]) -> None:
    """OCPI 2.3.0 Tariff.tax_included; billing notes 31 and 33."""
    of = replace(
        tariff(element(component(ENERGY, "0.4641", 1, "19"))), ocpi_version=OcpiVersion.V2_3_0, tax_included=included
    )
    assert price(of, stays(DAY, (60, "10", CHARGING)), time_zone="UTC").total == tuple(map(Fraction, expected))


@pytest.mark.parametrize(("unplugged", "billed_min", "cost"), [(37, 22, "2.20"), (90, 50, "5.00"), (15, 0, "0")])
def test_idle_grace_is_the_front_and_the_cap_the_end(unplugged: int, billed_min: int, cost: str) -> None:
    """Billing note 26: 0.10 a minute, grace 15 minutes, cap 5.00; 11:30 would be 75 minutes and 7.50."""
    of = tariff(element(component(PARKING, "6")), idle=IdleRule(grace_s=900, cap=Decimal(5)))
    priced = price(of, stays(f"{MONDAY}T10:00", (unplugged, "0", PARKED)), time_zone="UTC")
    assert priced.total.excl_vat == Fraction(cost)
    assert sum(line.billed_exact for line in priced.lines() if line.rate.note is None) * 60 == billed_min
    assert priced.periods[0].end == at(f"{MONDAY}T10:15")


def test_the_grace_is_spent_once_per_session() -> None:
    """Billing note 25: a car that stops, charges again and stops has one grace, the rest of it carried on."""
    of = tariff(element(component(PARKING, "6")), idle=IdleRule(grace_s=900))
    parts = ((10, "0", PARKED), (5, "1", CHARGING), (10, "0", PARKED))
    assert excl(of, stays(DAY, *parts)) == Fraction("0.5")


def test_a_cap_with_tax_included_is_a_cap_with_tax() -> None:
    """The cap is in the terms of the tariff's prices; a line behind it is billed with 0 hours."""
    base = tariff(element(component(PARKING, "6", 1, "20")), idle=IdleRule(cap=Decimal(3)))
    of = replace(base, ocpi_version=OcpiVersion.V2_3_0, tax_included=TaxIncluded.YES)
    priced = price(of, stays(DAY, (60, "0", PARKED), (10, "0", PARKED)), time_zone="UTC")
    assert priced.total == Cost(Fraction("2.5"), Fraction(3))
    assert [line.billed_exact for line in priced.lines()] == [Fraction(1, 2), 0]


def test_exempt_windows_make_idle_time_free_at_night() -> None:
    """Our extension (billing note 25): no idle fee between 22:00 and 06:00."""
    night = Restrictions(start_time=clock("22:00"), end_time=clock("06:00"))
    of = tariff(element(component(PARKING, "6")), idle=IdleRule(exempt=(night,)))
    assert excl(of, stays(f"{MONDAY}T21:00", (60, "0", PARKED), (300, "0", PARKED))) == 6


def test_a_price_lock_holds_the_clock_of_the_start_for_energy_and_time_only() -> None:
    """NEVI 680.116(c): the price at the start holds; idle fees, which are explained, follow the clock."""
    night = Restrictions(start_time=clock("22:00"))
    elements = (
        element(component(ENERGY, "0.2"), component(PARKING, "1"), only=night),
        element(component(ENERGY, "0.5"), component(PARKING, "6")),
    )
    periods = stays(f"{MONDAY}T21:00", (60, "1", CHARGING), (60, "1", CHARGING), (60, "0", PARKED))
    assert excl(tariff(*elements), periods) == Fraction("1.7")
    assert excl(tariff(*elements, price_lock=True), periods) == 2


def test_a_flat_fee_is_due_once_where_it_first_applies() -> None:
    """Billing note 21: sequential FLATs in different elements are one."""
    of = tariff(
        element(component(FLAT, "5"), only=Restrictions(min_duration_s=600, max_duration_s=1200)),
        element(component(FLAT, "1"), only=Restrictions(min_duration_s=1200)),
    )
    assert excl(of, stays(DAY, (10, "1", CHARGING), (10, "1", CHARGING), (10, "1", CHARGING))) == 5


def test_periods_choose_among_tariffs() -> None:
    """A period's tariff_id chooses, else the first tariff; limits are those of the tariff of the first period."""
    first = tariff(element(component(ENERGY, "1")), most=PriceLimit(Decimal(3)))
    second = replace(first, id=TariffId("T2"), elements=(element(component(ENERGY, "7")),), max_price=None)
    one, two = stays(DAY, (10, "1", CHARGING), (10, "1", CHARGING))
    priced = price([first, second], [one, replace(two, tariff_id=TariffId("T2"))], time_zone="UTC")
    assert priced.lines_excl == 8 * priced.denominator
    assert priced.total.excl_vat == 3
    with pytest.raises(KeyError):
        price(first, [replace(two, tariff_id=TariffId("T9"))], time_zone="UTC")


def test_one_period_may_carry_several_dimensions() -> None:
    """Billing note 13 (#453): explicit times of a CDR's period, and a period that says nothing of energy."""
    of = tariff(element(component(TIME, "4"), component(PARKING, "8"), component(ENERGY, "1")))
    period = ChargingPeriod(
        at(DAY), at(DAY) + timedelta(hours=1), None, volumes=Volumes(None, 2_700_000_000, 900_000_000)
    )
    assert excl(of, [period]) == 5
    graced = replace(of, idle=IdleRule(grace_s=600))
    idle = replace(period, kind=PARKED, volumes=Volumes(None, None, 900_000_000))
    assert excl(graced, [idle]) == Fraction(8 * 5, 60)


def test_nothing_charged_yet_costs_nothing() -> None:
    """Without a period there is no session, and no minimum price of one."""
    of = tariff(element(component(ENERGY, "1")), least=PriceLimit(Decimal(3)))
    priced = price(of, [], time_zone="UTC")
    assert priced.total == Cost(Fraction(0), Fraction(0))
    assert priced.hours == 0
    assert priced.adjustments == ()


def test_elapsed_time_not_wall_time_on_dst_nights() -> None:
    """Billing note 18: 01:30 to 03:30 local on 2026-10-25 is three hours."""
    of = tariff(element(component(TIME, "1")))
    period = ChargingPeriod(at("2026-10-25T01:30+02:00"), at("2026-10-25T03:30+01:00"), Energy(0))
    assert excl(of, [period], BERLIN) == 3


def test_reserved_time_may_have_its_own_hours() -> None:
    """A reservation's clock restrictions are judged like any other; its durations run from its own start."""
    day = Restrictions(reservation=WAIT, start_time=clock("08:00"), end_time=clock("20:00"), max_duration_s=3600)
    of = tariff(element(component(TIME, "3"), only=day), *SESSION)
    assert excl(of, stays(f"{MONDAY}T12:00", (60, "0", RESERVED), (60, "0", RESERVED))) == 3
    assert excl(of, stays(f"{MONDAY}T21:00", (60, "0", RESERVED))) == 0

"""Random tariffs and sessions against the second evaluator: 500 in `make test`, 10,000 in `make fuzz` (issue 4, §4).

Sessions lie around instants at which something changes: midnights, weekends, DST nights of several zones. Powers are
such that hundredths of a kWh are reached at whole seconds, as tests/tariffs/slow_price.py needs.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tariffs.building import (
    CHARGING,
    ENERGY,
    FLAT,
    PARKED,
    PARKING,
    RESERVED,
    TIME,
    at,
    cdr_head,
    component,
    cut,
    element,
    stays,
    tariff,
)
from tests.tariffs.slow_price import slow_total

from voltway.kernel.energy import Energy
from voltway.kernel.ids import TariffId
from voltway.tariffs.boundaries import power_bands
from voltway.tariffs.engine import price
from voltway.tariffs.model import (
    ChargingPeriod,
    Dimension,
    IdleRule,
    OcpiVersion,
    PeriodKind,
    PriceComponent,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
)
from voltway.tariffs.ocpi import cdr_document, dumps, loads, parse_cdr
from voltway.tariffs.reprice import reprice
from voltway.tariffs.segments import cut_periods

EXAMPLES = 10_000 if settings.get_current_profile_name() == "fuzz" else 500
STEPS = {ENERGY: (0, 1, 7, 25, 100, 500), TIME: (0, 1, 7, 60, 300, 900), PARKING: (0, 1, 60, 300, 900), FLAT: (0, 1)}
RATES_MILLIWH_PER_S = (500, 1000, 2000, 2500, 5000, 10_000)
POWERS_W = (None, 3700.0, 11_000.0, 22_000.0, 50_000.0)
CURRENTS_A = (None, 16.0, 32.0, 63.0)
TURNS = (
    ("UTC", "2026-01-01T00:00"),
    ("Europe/Berlin", "2026-03-29T01:00"),  # 02:00 becomes 03:00
    ("Europe/Berlin", "2026-10-25T00:00"),  # 02:00, for the first time
    ("Europe/Berlin", "2026-10-25T01:00"),  # 03:00 becomes 02:00
    ("Europe/Berlin", "2026-02-28T23:00"),  # Saturday becomes Sunday, February March
    ("America/St_Johns", "2026-03-08T05:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # half an hour back
    ("Asia/Kathmandu", "2026-05-14T18:15"),
)


class Case(NamedTuple):
    """A tariff, a session and where it takes place."""

    tariff: Tariff
    periods: list[ChargingPeriod]
    time_zone: str
    reservation_expired: bool


def one_of_texts(*texts: str) -> st.SearchStrategy[Decimal]:
    """Draw one of the decimals, each as likely as the others (drawn integers are mostly small)."""
    return st.sampled_from([Decimal(text) for text in texts])


@st.composite
def components(draw: st.DrawFn, dimensions: Sequence[Dimension] = (ENERGY, TIME, PARKING, FLAT)) -> PriceComponent:
    """Draw a price component; some cost nothing, a few give back."""
    dimension = draw(st.sampled_from(dimensions))
    amount = draw(one_of_texts("2.4", "0.25", "0.4567", "1.2", "5", "9.99", "13", "0", "-0.05"))
    vat = draw(st.sampled_from((Decimal(19), Decimal("5.5"), None, Decimal(0))))
    return PriceComponent(dimension, amount, vat, draw(st.sampled_from(STEPS[dimension])))


CLOCKS = ("window", "from", "until", "weekdays", "dates")
QUANTITIES = ("energy", "duration", "power", "current")


@st.composite
def clock_restrictions(draw: st.DrawFn, kind: str, turn: datetime) -> Restrictions:
    """Draw a window, weekdays or dates around the local time of the turn."""
    near = st.integers(-9, 9).map(lambda minutes: (turn + timedelta(minutes=minutes)).time())
    days = st.sampled_from([None, *(turn.date() + timedelta(days=count) for count in (-1, 0, 1))])
    match kind:
        case "window":
            return Restrictions(start_time=draw(near), end_time=draw(near))
        case "from":
            return Restrictions(start_time=draw(near))
        case "until":
            return Restrictions(end_time=draw(near))
        case "weekdays":
            return Restrictions(day_of_week=tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1)))))
        case _:
            return Restrictions(start_date=draw(days), end_date=draw(days))


Bounds = tuple[Decimal | None, Decimal | None]


def bounds(*texts: str) -> st.SearchStrategy[Bounds]:
    """Draw a lower bound, an upper one or both, in this order."""
    ends = st.one_of(st.none(), one_of_texts(*texts))
    return st.tuples(ends, ends).map(
        lambda pair: (pair[1], pair[0]) if None not in pair and max(pair) == pair[0] else pair  # type: ignore[type-var]  # no None
    )


@st.composite
def quantity_restrictions(draw: st.DrawFn, kind: str) -> Restrictions:
    """Draw bounds on energy, duration, power or current."""
    match kind:
        case "energy":
            low, high = draw(bounds("0", "0.01", "0.02", "0.05", "0.09", "0.17", "0.33", "0.6", "1.2"))
            return Restrictions(min_kwh=low, max_kwh=high)
        case "duration":
            low, high = draw(bounds("0", "1", "20", "33", "60", "120", "199", "300", "480"))
            begin_s, end_s = (None if end is None else int(end) for end in (low, high))
            return Restrictions(min_duration_s=begin_s, max_duration_s=end_s)
        case "power":
            low, high = draw(bounds("3.7", "11", "22", "22.5"))
            return Restrictions(min_power=low, max_power=high)
        case _:
            low, high = draw(bounds("16", "32.5", "63"))
            return Restrictions(min_current=low, max_current=high)


@st.composite
def restrictions(draw: st.DrawFn, turn: datetime, reservations: Sequence[Reservation | None]) -> Restrictions | None:
    """Draw up to three kinds of restrictions together, some of them for a reservation."""
    named: dict[str, object] = {}
    for kind in draw(
        st.lists(st.sampled_from((*CLOCKS, *QUANTITIES)), unique=True, max_size=draw(st.sampled_from((0, 1, 1, 2, 3))))
    ):
        part = draw(clock_restrictions(kind, turn) if kind in CLOCKS else quantity_restrictions(kind))
        named |= {key: getattr(part, key) for key in part.__slots__ if getattr(part, key) not in (None, (), {})}
    if (reservation := draw(st.sampled_from(reservations))) is not None:
        named["reservation"] = reservation
    return Restrictions(**named) if named else None  # type: ignore[arg-type]  # the fields of Restrictions


@st.composite
def idle_rules(draw: st.DrawFn, turn: datetime) -> IdleRule:
    """Draw a grace, a cap and exempt windows."""
    exempt = [draw(clock_restrictions(kind, turn)) for kind in draw(st.lists(st.sampled_from(CLOCKS), max_size=2))]
    grace_s = draw(st.sampled_from((0, 0, 1, 37, 60, 250)))
    cap = draw(st.sampled_from((Decimal("0.05"), Decimal("0.01"), Decimal("0.2"), None, Decimal(0))))
    return IdleRule(grace_s, cap, tuple(exempt))


def limits(*texts: str) -> st.SearchStrategy[PriceLimit | None]:
    """Draw a limit with one side or both, or none."""
    amounts = one_of_texts(*texts)
    return st.one_of(st.none(), st.none(), st.builds(PriceLimit, amounts, st.one_of(st.none(), amounts)))


@st.composite
def elements(draw: st.DrawFn, turn: datetime, kinds: Sequence[Reservation | None]) -> TariffElement:
    """Draw one to four components under the same restrictions."""
    count = draw(st.sampled_from((1, 2, 3, 4)))
    return TariffElement(tuple(draw(components()) for _ in range(count)), draw(restrictions(turn, kinds)))


@st.composite
def tariffs(draw: st.DrawFn, turn: datetime, *, reserved: bool) -> Tariff:
    """Draw a tariff of one to five elements with everything that may stand beside them."""
    kinds = (None, None, *Reservation) if reserved else (None, None, None, None, Reservation.RESERVATION)
    listed = [draw(elements(turn, kinds)) for _ in range(draw(st.sampled_from((1, 2, 3, 4, 5))))]
    idle = draw(idle_rules(turn)) if draw(st.booleans()) else None
    if idle is not None:  # a rule without a price for idle time would prove nothing
        listed.append(TariffElement((draw(components([PARKING])),)))
    of = tariff(
        *listed,
        least=draw(limits("0.1", "0.2", "0.3")),
        most=draw(limits("0.3", "1", "4")),
        idle=idle,
        price_lock=draw(st.booleans()),
    )
    included = draw(st.sampled_from(TaxIncluded))
    # A name of its own: under one name the engine's caches would compare each tariff with all before it.
    name = TariffId(f"T{crc32(repr((of, included)).encode())}")
    return replace(of, id=name, ocpi_version=OcpiVersion.V2_3_0, tax_included=included)


@st.composite
def periods_after(draw: st.DrawFn, start: datetime, kinds: Sequence[PeriodKind]) -> ChargingPeriod:
    """Draw one period that begins at an instant; a reserved car has no energy yet."""
    kind = draw(st.sampled_from(kinds))
    length_s = 20 * draw(st.sampled_from((1, 2, 3, 5, 8)))
    is_metered = kind is not PeriodKind.RESERVATION and (kind is PeriodKind.CHARGING or draw(st.booleans()))
    energy = Energy(draw(st.sampled_from(RATES_MILLIWH_PER_S)) * length_s) if is_metered else None
    power_w, current_a = draw(st.sampled_from(POWERS_W)), draw(st.sampled_from(CURRENTS_A))
    period = ChargingPeriod(start, start + timedelta(seconds=length_s), energy, kind, power_w, current_a)
    if power_w is None or draw(st.booleans()):
        return period
    return replace(period, power_max_w=power_w + 7000, current_max_a=current_a and current_a + 20)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a tariff and up to six periods, sometimes a reservation first, sometimes with a gap between them."""
    time_zone, instant = draw(st.sampled_from(TURNS))
    turn = at(instant)
    reserved = draw(st.sampled_from((0, 0, 0, 1, 2)))
    kinds = [(RESERVED,)] * reserved + [(CHARGING, PARKED)] * draw(st.sampled_from((1, 2, 3, 4, 0 if reserved else 5)))
    periods: list[ChargingPeriod] = []
    start = turn - timedelta(seconds=draw(st.integers(-60, 400)))
    for allowed in kinds:
        periods.append(draw(periods_after(start, allowed)))
        start = periods[-1].end + timedelta(seconds=draw(st.sampled_from((0, 0, 0, 0, 17))))
    local = turn.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    return Case(
        draw(tariffs(local, reserved=bool(reserved))), periods, time_zone, bool(reserved) and draw(st.booleans())
    )


def more_cuts(periods: Sequence[ChargingPeriod], order: random.Random) -> list[ChargingPeriod]:
    """Cut about every second period at any microsecond inside, and shuffle them all."""
    pieces: list[ChargingPeriod] = []
    for period in periods:
        span_us = (period.end - period.start) // timedelta(microseconds=1)
        inside = period.start + timedelta(microseconds=order.randint(1, max(1, span_us - 1)))
        pieces += cut(period, inside) if inside < period.end and order.random() < 0.5 else [period]
    order.shuffle(pieces)
    return pieces


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_engine_equals_a_walk_over_every_second(case: Case, order: random.Random) -> None:
    """Whatever the tariff, and however the periods are cut further and shuffled."""
    of, periods, time_zone, expired = case
    expected = slow_total(of, periods, time_zone, reservation_expired=expired)
    whole = cut_periods(of, periods, time_zone=time_zone)
    for pieces in (whole, more_cuts(whole, order)):
        assert price(of, pieces, time_zone=time_zone, reservation_expired=expired).total == expected


def sayable(case: Case) -> Case | None:
    """Return the case as an OCPI 2.3.0 CDR can tell it, None where it cannot.

    Periods of a CDR have no gaps, our segmentation names a power wherever the tariff has bands of it, and a partner
    rounds up again what a cap cut out of a step.
    """
    if power_bands(case.tariff) and any(it.power_w is None for it in case.periods):
        return None
    if any(before.end != after.start for before, after in pairwise(case.periods)):
        return None
    idle = case.tariff.idle
    return case._replace(tariff=replace(case.tariff, idle=replace(idle, cap=None) if idle is not None else None))


@given(cases().map(sayable).filter(bool))
@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_partner_gets_the_same_total_from_the_cdr(case: Case) -> None:
    """The periods that we price go into the CDR: grace, exempt windows and price lock included (issue 4, §2)."""
    of, periods, time_zone, expired = case
    cut_up = cut_periods(of, periods, time_zone=time_zone)
    priced = price(of, cut_up, time_zone=time_zone, reservation_expired=expired)
    head = cdr_head(periods[0].start, periods[-1].end, time_zone=time_zone)
    document = loads(dumps(cdr_document(head, priced, of, ocpi_version=OcpiVersion.V2_3_0)))
    assert reprice(parse_cdr(document), reservation_expired=expired).priced.total == priced.total


def test_the_slow_evaluator_knows_the_specs_numbers() -> None:
    """OCPI 2.2.1 mod_tariffs, tariff_13: 150 minutes at 3.00 and 42 of parking billed as 45 at 5.00 is 11.25."""
    of = tariff(element(component(TIME, "3", 60, "10"), component(PARKING, "5", 300, "20")))
    session = stays("2026-03-02T12:00", (150, "0", CHARGING), (42, "0", PARKED))
    assert slow_total(of, session, "UTC") == (Fraction("11.25"), Fraction("12.75"))

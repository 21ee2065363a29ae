"""Gaps, overlaps and elements that are never reached: as tables, and against what the engine chooses."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tariffs.building import ENERGY, FLAT, PARKING, TIME, component, element
from tests.tariffs.building import tariff as tariff_of
from tests.tariffs.lint_documents import Json, energy, found, lint, only, part, words

from voltway.tariffs.lint_cover import Contest, Cover
from voltway.tariffs.lint_regions import DAY_MINUTES, Position
from voltway.tariffs.model import WEEKDAYS, Dimension, Restrictions, Tariff, TariffElement
from voltway.tariffs.rates import Candidates, LocalClock, Moment, choose, compiled

WEEKEND = ["SATURDAY", "SUNDAY"]
NIGHT = {"start_time": "22:00", "end_time": "06:00"}


@pytest.mark.parametrize(
    ("elements", "where"),
    [
        ([energy(start_time="06:00", end_time="22:00")], "00:00-06:00 and 22:00-24:00"),
        ([energy(start_time="07:00", end_time="23:59"), energy(end_time="07:00")], "23:59-24:00"),
        ([energy(day_of_week=list(WEEKDAYS[:5])), energy(end_time="18:00")], "Saturday and Sunday 18:00-24:00"),
        ([energy(day_of_week=[*WEEKDAYS[:5], "SUNDAY"]), energy(end_time="18:00")], "Saturday 18:00-24:00"),
        ([energy(day_of_week=WEEKEND)], "Monday to Friday all day"),
        ([energy(day_of_week=["TUESDAY"], **NIGHT), energy(start_time="06:00", end_time="22:00")],
         "Monday and Wednesday to Sunday 00:00-06:00 and 22:00-24:00"),
        ([energy(max_kwh=20)], "from 20 kWh on"),
        ([energy(min_kwh=20)], "below 20 kWh"),
        ([energy(max_kwh=10), energy(min_kwh=20.5)], "from 10 kWh to 20.5 kWh"),
        ([energy(min_duration=3600)], "in the first 60 min"),
        ([energy(max_duration=90)], "from 90 s on"),
        ([energy(max_power=22), energy(min_power=50)], "from 22 kW to 50 kW"),
        ([energy(min_current=16)], "below 16 A"),
        ([energy(start_date="2026-01-01")], "before 2026-01-01"),
        ([energy(end_date="2027-01-01")], "from 2027-01-01 on"),
        ([energy(end_date="2026-03-01"), energy(start_date="2026-04-01")], "from 2026-03-01 to 2026-03-31"),
        ([energy(end_date="2026-03-01"), energy(start_date="2026-03-02")], "on 2026-03-01"),
        ([energy(end_date="2026-03-01"), energy(end_time="18:00")], "from 2026-03-01 on, 18:00-24:00"),
        ([energy(max_kwh=20), energy(end_time="18:00")], "18:00-24:00, from 20 kWh on"),
        ([energy(min_kwh=20, min_duration=600), energy(max_kwh=20)], "from 20 kWh on, in the first 10 min"),
        ([energy(min_kwh=20, min_duration=600)], "in the first 10 min; below 20 kWh, from 10 min on"),
        ([energy(min_kwh=5, max_kwh=5)], "at all times"),
    ],
)  # fmt: skip
def test_moments_that_no_element_prices(elements: list[Json], where: str) -> None:
    """OCPI mod_tariffs: "there will be no costs"; billing note 11: the operator is warned, in words."""
    report = lint(*elements)
    assert found(report, "gap") == [("gap", "/elements")]
    assert words(report, "gap") == [f"No element prices ENERGY here: {where}. It is billed with 0 there."]


@pytest.mark.parametrize(
    "elements",
    [
        [energy()],
        [energy(**NIGHT), energy(start_time="06:00", end_time="22:00")],
        [energy(start_time="06:00", end_time="06:00")],
        [energy(start_time="18:00", end_time="00:00"), energy(end_time="18:00")],
        [energy(day_of_week=list(WEEKDAYS))],
        [energy(max_power=22), energy(min_power=22)],
        [energy(max_kwh=20), energy(min_kwh=20)],
        [energy(end_date="2026-03-01"), energy(start_date="2026-03-01")],
        [energy(start_date="2026-03-02", end_date="2026-03-09", day_of_week=WEEKEND), energy()],
        [only(part("FLAT", 1), start_time="08:00")],
        [only(part("TIME", 1), max_duration=60, reservation="RESERVATION")],
    ],
)
def test_no_gap_where_all_moments_are_priced(elements: list[Json]) -> None:
    """Bounds that touch leave nothing between them; FLAT and reservations have no gap."""
    assert found(lint(*elements), "gap") == []


def test_more_than_four_gaps_are_counted() -> None:
    """A tariff with a hole every month has a short message."""
    months = [energy(start_date=f"2026-{month:02}-01", end_date=f"2026-{month:02}-28") for month in range(1, 9)]
    message = words(lint(*months), "gap")[0]
    assert message.endswith("on 2026-02-28; from 2026-03-28 to 2026-03-31; 5 more. It is billed with 0 there.")
    bands = [energy(min_kwh=number * 2, max_kwh=number * 2 + 1) for number in range(9)]
    assert "; 5 more. It" in words(lint(*bands), "gap")[0]


@pytest.mark.parametrize(
    ("begin", "end", "time_zone", "has_gap"),
    [
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", None, 0),
        ("2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z", "Europe/Berlin", 0),
        ("2025-12-31T22:59:00Z", "2026-12-31T23:00:00Z", "Europe/Berlin", 1),
        ("2026-01-01T00:00:00Z", "2026-12-31T23:00:01Z", "Europe/Berlin", 1),
        ("2026-01-01T00:00:00Z", None, "Europe/Berlin", 1),
        ("2028-01-01T00:00:00Z", "2027-01-01T00:00:00Z", None, 1),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None, 1),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "Asia/Tokyo", 1),
    ],
)
def test_only_the_validity_of_the_tariff_counts(
    begin: str, end: str | None, time_zone: str | None, has_gap: int
) -> None:
    """A year's tariff whose elements are that year's dates has no gap; local dates decide (billing note 14)."""
    year = energy(start_date="2026-01-01", end_date="2027-01-01")
    report = lint(year, start_date_time=begin, end_date_time=end, time_zone=time_zone)
    assert len(found(report, "gap")) == has_gap


def test_a_dimension_that_nobody_prices_is_named_once() -> None:
    """Billing note 11; a reservation's TIME is not the session's."""
    report = lint(energy(0), only(part("TIME", 1), reservation="RESERVATION"))
    assert words(report, "free_dimension") == [
        "No element prices PARKING_TIME: it is free.",
        "No element prices TIME: it is free.",
    ]


RESERVED = only(part("FLAT"), reservation="RESERVATION")
P0, P1 = "/elements/1/price_components/0", "/elements/1/price_components/1"


@pytest.mark.parametrize(
    ("elements", "paths", "says"),
    [
        # billing note 10: the first element in the list wins, whatever is more specific
        ([energy(), energy(**NIGHT)], ["/elements/1"], "Element 0 always comes first for ENERGY."),
        ([energy(**NIGHT), energy(start_time="06:00", end_time="22:00"), energy()], ["/elements/2"],
         "Elements 0 and 1 always come first for ENERGY."),
        ([energy(max_kwh=20), energy(max_kwh=10)], ["/elements/1"], "Element 0 always"),
        ([energy(), only(part("ENERGY"), part("TIME"))], [P0], "Element 0 always"),
        ([only(part("ENERGY"), part("TIME")), only(part("TIME"), part("ENERGY"))], ["/elements/1"],
         "Element 0 always comes first for ENERGY. Element 0 always comes first for TIME."),
        ([energy(), only(part("TIME"), part("TIME"))], [P1], "An earlier TIME component of the same element"),
        ([only(part("FLAT")), only(part("FLAT"), max_kwh=1)], ["/elements/1"], "Element 0 always"),
        ([energy(start_date="2026-02-01", end_date="2026-02-01"), energy()], ["/elements/0"],
         "end_date 2026-02-01 is exclusive and not after start_date 2026-02-01"),
        ([energy(min_kwh=3, max_kwh=3), energy()], ["/elements/0"], "max_kwh 3 is exclusive"),
        ([energy(min_power=3, max_power=3), energy()], ["/elements/0"], "max_power 3"),
        ([energy(min_current=3, max_current=3), energy()], ["/elements/0"], "max_current 3"),
        ([energy(max_duration=0), energy()], ["/elements/0"], "max_duration 0"),
        ([energy(start_date="2026-03-02", end_date="2026-03-07", day_of_week=WEEKEND), energy()], ["/elements/0"],
         "its dates have no such day"),
        ([energy(), RESERVED, RESERVED],
         ["/elements/2"], "Element 1 always comes first for FLAT."),
        ([energy(), RESERVED, only(part("FLAT"), reservation="RESERVATION_EXPIRES")],
         [], ""),
        # a fallback behind power bands holds where the power is not known
        ([energy(max_power=22), energy(min_power=22), energy()], [], ""),
        ([energy(start_date="2026-03-02", end_date="2026-03-09", day_of_week=WEEKEND), energy()], [], ""),
        ([only(part("ENERGY"), reservation="RESERVATION"), energy()], [], ""),
    ],
)  # fmt: skip
def test_elements_that_are_never_reached(elements: list[Json], paths: list[str], says: str) -> None:
    """With the reason: which elements come first, or which restrictions exclude each other."""
    report = lint(*elements)
    assert found(report, "unreachable_element") == [("unreachable_element", path) for path in paths]
    assert all(says in message for message in words(report, "unreachable_element"))


def test_an_element_outside_the_validity_is_never_reached() -> None:
    """The tariff ends before the element's dates begin."""
    elements = energy(start_date="2027-01-02"), energy()
    report = lint(*elements, end_date_time="2027-01-01T00:00:00Z", time_zone="UTC")
    assert found(report, "unreachable_element") == [("unreachable_element", "/elements/0")]
    assert "outside the tariff's validity" in words(report, "unreachable_element")[0]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([energy(day_of_week=WEEKEND), energy(start_time="18:00"), energy()],
         ["Elements 0 and 1 both price ENERGY here: Saturday and Sunday 18:00-24:00."]),
        ([energy(max_kwh=20), energy(min_kwh=10)], ["Elements 0 and 1 both price ENERGY here: from 10 kWh to 20 kWh."]),
        ([only(part("ENERGY"), part("TIME"), max_kwh=20), only(part("ENERGY"), part("TIME"), min_duration=60)],
         ["Elements 0 and 1 both price ENERGY and TIME here: below 20 kWh, from 1 min on."]),
        ([energy(min_power=11), energy(max_power=22)],
         ["Elements 0 and 1 both price ENERGY here: from 11 kW to 22 kW."]),
        ([energy(max_kwh=9, end_time="06:00"), energy(end_time="09:00", max_kwh=5), energy()],
         ["Elements 0 and 1 both price ENERGY here: 00:00-06:00, below 5 kWh."]),
        ([only(part("TIME"), max_duration=60, reservation="RESERVATION"),
          only(part("TIME"), end_time="06:00", reservation="RESERVATION")],
         ["Elements 0 and 1 both price TIME here: 00:00-06:00, in the first 1 min."]),
        # an exception first and the wider element behind it is how OCPI is written
        ([energy(max_kwh=10), energy(max_kwh=20), energy()], []),
        ([energy(max_kwh=10), energy(min_kwh=10)], []),
        ([energy(start_time="08:00", end_time="12:00"), energy(start_time="12:00", end_time="18:00"), energy()], []),
        ([energy(day_of_week=WEEKEND, start_time="18:00"), energy(day_of_week=WEEKEND), energy(start_time="18:00")],
         []),
        ([only(part("TIME"), max_kwh=20), energy(min_kwh=10)], []),
        ([energy(), energy(max_kwh=20), energy(min_kwh=10)], []),
        ([energy(max_kwh=10), energy(min_kwh=8), energy(min_kwh=5, max_kwh=15)],
         ["Elements 0 and 1 both price ENERGY here: from 8 kWh to 10 kWh."]),
        ([energy(max_kwh=20), only(part("TIME"), min_kwh=10, reservation="RESERVATION")], []),
    ],
)  # fmt: skip
def test_elements_that_overlap(elements: list[Json], expected: list[str]) -> None:
    """Billing note 10: list order beats specificity, so both orders would be valid and cost something else."""
    report = lint(*elements)
    assert [message.partition(" List order")[0] for message in words(report, "overlap")] == expected
    assert all("so element 0 applies there" in message for message in words(report, "overlap"))
    assert [path for _, path in found(report, "overlap")] == ["/elements/1"] * len(expected)


# --- against the engine -------------------------------------------------------------------------------------------

CANDIDATES = {ENERGY: "energy", TIME: "time", PARKING: "parking", FLAT: "flat"}
DAYS = st.dates(date(2026, 2, 26), date(2026, 3, 11))
CLOCKS = st.sampled_from([None, time(0), time(6), time(6, 30), time(22)])
SMALL = st.sampled_from([None, *map(Decimal, ("0", "1", "2.5", "4"))])
RESTRICTIONS = st.builds(
    Restrictions,
    start_time=CLOCKS,
    end_time=CLOCKS,
    start_date=st.none() | DAYS,
    end_date=st.none() | DAYS,
    min_kwh=SMALL,
    max_kwh=SMALL,
    min_power=SMALL,
    max_power=SMALL,
    min_current=SMALL,
    max_current=SMALL,
    min_duration_s=st.sampled_from([None, 0, 60]),
    max_duration_s=st.sampled_from([None, 60, 120]),
    day_of_week=st.sets(st.integers(0, 6), max_size=4).map(lambda days: tuple(sorted(days))),
)
KEPT = st.sets(st.sampled_from([item for item in Restrictions.__slots__ if item not in ("extra", "reservation")]))


@st.composite
def elements(draw: st.DrawFn) -> TariffElement:
    """Draw an element with at most four of the restrictions."""
    kinds = draw(st.lists(st.sampled_from(list(CANDIDATES)), min_size=1, max_size=3))
    drawn, kept = draw(RESTRICTIONS), sorted(draw(KEPT))[:4]
    r = Restrictions(**{name: getattr(drawn, name) for name in kept})
    parts = [component(kind, str(draw(st.integers(0, 2)))) for kind in kinds]
    return element(*parts, only=draw(st.sampled_from([r, r, r, None])))


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """Draw a moment of a session, some with unknown power and current."""
    day = draw(DAYS)
    found_at = Moment(LocalClock(draw(st.integers(0, DAY_MINUTES - 1)), day.weekday(), day.toordinal()))
    found_at.energy_milliwh = draw(st.integers(0, 5_000_000))
    found_at.elapsed_us = draw(st.integers(0, 150_000_000))
    found_at.power_w = draw(st.none() | st.floats(0, 5000))
    found_at.current_a = draw(st.none() | st.floats(0, 5))
    return found_at


TARIFFS = st.lists(elements(), min_size=1, max_size=5).map(lambda drawn: tariff_of(*drawn))


def _candidates(of: Tariff, dimension: Dimension) -> Candidates:
    found_in = getattr(compiled((of,)).default, CANDIDATES[dimension])
    assert isinstance(found_in, tuple)
    return found_in


@given(TARIFFS, st.lists(moments(), min_size=1, max_size=20))
@settings(max_examples=250, deadline=None)
def test_what_the_engine_chooses_at_any_moment_agrees(of: Tariff, at: list[Moment]) -> None:
    """Nothing chosen only in a gap (or power unknown), and never an element that is said to be unreachable."""
    for dimension, contest in Cover(of, None).session.items():
        for moment in at:
            rate = choose(_candidates(of, dimension), moment)
            if rate is None:
                assert contest.outcome.holes or None in (moment.power_w, moment.current_a)
            else:
                reached = {contest.entries[index].element for index in contest.outcome.reached}
                assert rate.element in reached


@given(TARIFFS)
@settings(max_examples=150, deadline=None)
def test_in_each_cell_the_engine_chooses_the_winner(of: Tariff) -> None:
    """So a gap and a reached element each have a moment that shows it."""
    for dimension, contest in Cover(of, None).session.items():
        assert not contest.grid.is_thinned
        for position, wins, left in contest.grid.walk():
            for index, bits in [*wins, (None, left)]:
                winner = contest.entries[index].element if index is not None else None
                for moment in _moments(contest, position, bits):
                    rate = choose(_candidates(of, dimension), moment)
                    assert (rate.element if rate is not None else None) == winner


def _moments(contest: Contest, position: Position, bits: int) -> list[Moment]:
    """Return a moment for the first and the last clock cell of the bits."""
    low = [cells[at].low for cells, at in zip(contest.grid.axes, position, strict=True)]
    rows = [(day, cut) for day, row in contest.grid.clock.rows(bits) for cut in _cuts(contest, row)]
    found_at = []
    for day, minute in dict.fromkeys([*rows[:1], *rows[-1:]]):
        moment = Moment(LocalClock(minute, day.weekday, day.ordinal))
        moment.energy_milliwh, moment.elapsed_us = int((low[0] or 0) * 10**6), int((low[1] or 0) * 10**6)
        moment.power_w = float(low[2] * 1000) if low[2] is not None else None
        moment.current_a = float(low[3]) if low[3] is not None else None
        found_at.append(moment)
    return found_at


def _cuts(contest: Contest, row: int) -> list[int]:
    return [cut for index, cut in enumerate(contest.grid.clock.cuts) if row >> index & 1]


# --- very large tariffs -------------------------------------------------------------------------------------------


def test_too_many_cells_are_thinned_without_false_alarm() -> None:
    """Thousands of bounds on two axes: what is said is so, an unrestricted element still covers all."""
    steps = [
        element(component(ENERGY, "1"), only=Restrictions(max_kwh=Decimal(n + 1), max_duration_s=5000 - n))
        for n in range(900)
    ]
    rest = element(component(ENERGY, "2"))
    never = element(component(ENERGY, "3"), only=Restrictions(min_kwh=Decimal(5), max_kwh=Decimal(5)))
    cover = Cover(tariff_of(*steps, rest, never, steps[0]), None)
    contest = cover.session[ENERGY]
    assert contest.grid.is_thinned
    assert contest.unreachable == {901, 902}
    codes = {finding.code for finding in cover.findings()}
    assert codes == {"unreachable_element", "free_dimension", "overlap"}
    assert not contest.outcome.changes_by_clock


def test_too_many_days_are_thinned() -> None:
    """A price for each quarter of an hour of several years."""
    month = [
        Restrictions(start_date=date.fromordinal(739_000 + day), end_date=date.fromordinal(739_001 + day))
        for day in range(2500)
    ]
    hours = [
        element(component(ENERGY, "1"), only=replace(r, start_time=time(n % 24, n % 60))) for n, r in enumerate(month)
    ]
    cover = Cover(tariff_of(*hours), None)
    assert cover.session[ENERGY].grid.is_thinned
    assert cover.changes_by_clock(ENERGY)
    assert [finding.code for finding in cover.findings()].count("gap") == 1

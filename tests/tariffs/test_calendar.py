"""The week of a tariff: every hour of seven local days, also where the clocks change, and as the engine prices it."""

from dataclasses import replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, ENERGY, FLAT, PARKING, TIME, at, clock, component, element, tariff
from tests.tariffs.tariff_examples import tariffs

from voltway.tariffs.calendar import Calendar, Shown, Week, week_of
from voltway.tariffs.engine import kwh_rate
from voltway.tariffs.model import IdleRule, Restrictions, Tariff, TaxIncluded
from voltway.tariffs.tiers import Topic

WINTER, SPRING, AUTUMN = date(2026, 11, 23), date(2026, 3, 23), date(2026, 10, 19)
NIGHT = Restrictions(start_time=clock("22:30"), end_time=clock("06:00"))


def windowed(window: Restrictions, then: str = "0.3") -> Tariff:
    """Build a tariff that is cheaper in a window."""
    return tariff(element(component(ENERGY, "0.2"), only=window), element(component(ENERGY, then)))


def energy(week: Week) -> Calendar:
    """Return the calendar of energy prices."""
    return week.calendars[0]


def day_text(week: Week, day: int) -> str:
    """Write a day shortly: hours that cost the same together, `'` behind a repeated hour, changes in brackets."""
    parts: list[tuple[str, str]] = []
    for cell in energy(week).days[day]:
        inside = "".join(f"[{change.at:%H:%M}Z {_price(change.shown)}]" for change in cell.changes)
        text = f"{_price(cell.shown)}{inside}"
        if parts and parts[-1][1] == text and not inside:
            parts[-1] = (f"{parts[-1][0].partition('-')[0]}-{cell.hour}{chr(39) * cell.is_repeated}", text)
        else:
            parts.append((f"{cell.hour}{chr(39) * cell.is_repeated}", text))
    return " ".join(f"{hours}={text}" for hours, text in parts)


def _price(shown: Shown) -> str:
    if not shown.is_valid:
        return "x"
    return ("free" if shown.price is None else str(shown.price.amount)) + "+" * shown.is_tiered


SUNDAY = 6


@pytest.mark.parametrize(
    ("of", "monday", "day", "expected"),
    [
        pytest.param(windowed(NIGHT), WINTER, 1, "0-5=0.2 6-21=0.3 22=0.3[21:30Z 0.2] 23=0.2", id="overnight"),
        pytest.param(windowed(NIGHT), SPRING, SUNDAY, "0-5=0.2 6-21=0.3 22=0.3[20:30Z 0.2] 23=0.2", id="23 hours"),
        pytest.param(
            windowed(Restrictions(start_time=clock("02:00"), end_time=clock("03:00"))), SPRING, SUNDAY, "0-23=0.3",
            id="spring: a window that never comes",
        ),
        pytest.param(
            windowed(Restrictions(start_time=clock("02:30"), end_time=clock("04:00"))), SPRING, SUNDAY,
            "0-1=0.3 3=0.2 4-23=0.3", id="spring: a window begins at the end of the gap",
        ),
        pytest.param(
            windowed(Restrictions(start_time=clock("02:00"), end_time=clock("03:00"))), AUTUMN, SUNDAY,
            "0-1=0.3 2-2'=0.2 3-23=0.3", id="autumn: an hour that counts twice",
        ),
        pytest.param(
            windowed(Restrictions(start_time=clock("02:30"), end_time=clock("06:00"))), AUTUMN, SUNDAY,
            "0-1=0.3 2=0.3[00:30Z 0.2] 2'=0.3[01:30Z 0.2] 3-5=0.2 6-23=0.3", id="autumn: 02:30 comes twice",
        ),
        pytest.param(
            windowed(Restrictions(start_date=date(2026, 11, 26))), WINTER, 2, "0-23=0.3", id="the day before a date",
        ),
        pytest.param(
            windowed(Restrictions(start_date=date(2026, 11, 26), end_date=date(2026, 11, 27))), WINTER, 3, "0-23=0.2",
            id="a date that begins inside the week",
        ),
        pytest.param(
            windowed(Restrictions(start_date=date(2026, 11, 26), end_date=date(2026, 11, 27))), WINTER, 4, "0-23=0.3",
            id="an end date is exclusive",
        ),
        pytest.param(windowed(Restrictions(day_of_week=(5,))), WINTER, 5, "0-23=0.2", id="a weekday"),
        pytest.param(windowed(Restrictions(), "0.3"), WINTER, 0, "0-23=0.2", id="one price"),
        pytest.param(windowed(NIGHT, "0"), WINTER, 1, "0-5=0.2 6-21=free 22=free[21:30Z 0.2] 23=0.2", id="free hours"),
        pytest.param(windowed(Restrictions(max_kwh=Decimal(5))), WINTER, 0, "0-23=0.2+", id="the first tier, marked"),
        pytest.param(
            windowed(Restrictions(min_power=Decimal(50))), WINTER, 0, "0-23=0.3+", id="power is not known",
        ),
        pytest.param(
            replace(
                windowed(Restrictions()), start_date_time=at("2026-11-24T07:20Z"), end_date_time=at("2026-11-24T09:00Z")
            ),
            WINTER, 1, "0-7=x 8=x[07:20Z 0.2] 9=0.2 10-23=x", id="validity is to the minute",
        ),
    ],
)  # fmt: skip
def test_a_day(of: Tariff, monday: date, day: int, expected: str) -> None:
    """Billing notes 13-18: local time, over midnight, dates and weekdays, both DST nights, by the exact minute."""
    assert day_text(week_of(of, monday=monday, time_zone=BERLIN), day) == expected


@pytest.mark.parametrize(
    ("monday", "zone_name", "hours", "expected"),
    [
        pytest.param(WINTER, BERLIN, 24, [], id="no change"),
        pytest.param(SPRING, BERLIN, 23, ["2026-03-29 02:00 03:00"], id="spring"),
        pytest.param(AUTUMN, BERLIN, 25, ["2026-10-25 03:00 02:00"], id="autumn"),
        pytest.param(date(2026, 3, 30), "Australia/Lord_Howe", 25, ["2026-04-05 02:00 01:30"], id="half an hour back"),
        pytest.param(date(2026, 9, 28), "Australia/Lord_Howe", 24, ["2026-10-04 02:00 02:30"], id="half an hour on"),
        pytest.param(date(2026, 3, 23), "Asia/Beirut", 23, ["2026-03-29 00:00 01:00"], id="no midnight"),
    ],
)
def test_the_hours_of_a_sunday(monday: date, zone_name: str, hours: int, expected: list[str]) -> None:
    """Hours that the clocks skip are not there, hours that they repeat are there twice; the change is named."""
    week = week_of(windowed(NIGHT), monday=monday, time_zone=zone_name)
    assert len(energy(week).days[SUNDAY]) == hours
    assert [f"{c.after:%Y-%m-%d} {c.before:%H:%M} {c.after:%H:%M}" for c in week.clock_changes] == expected


@given(
    tariffs(), st.sampled_from([WINTER, SPRING, AUTUMN]), st.sampled_from([None, 9_000.0, 40_000.0]), st.integers(0, 6)
)
def test_every_hour_is_what_the_engine_says(of: Tariff, monday: date, power_w: float | None, first: int) -> None:
    """The cells cover the week without a gap, and each shows `kwh_rate` at its start and behind each change inside.

    Every seventh hour is asked for, which is another one every day.
    """
    calendar = energy(week_of(of, monday=monday, time_zone=BERLIN, power_w=power_w))
    cells = [cell for day in calendar.days for cell in day]
    assert all(cell.end == following.start for cell, following in pairwise(cells))
    for cell in cells[first::7]:
        assert timedelta(0) < cell.end - cell.start <= timedelta(hours=1)
        for instant, shown in [(cell.start, cell.shown), *((change.at, change.shown) for change in cell.changes)]:
            rate = kwh_rate(of, instant, time_zone=BERLIN, power_w=power_w)
            listed = shown.price.listed if shown.price is not None else 0
            assert listed == (rate.price if rate is not None else 0)


def test_only_what_varies_by_the_clock_is_a_calendar_of_its_own() -> None:
    """TIME, FLAT and PARKING_TIME; exempt windows of the idle rule make idle time vary."""
    fees = element(component(TIME, "3"), component(FLAT, "1"), component(PARKING, "6"))
    week = week_of(tariff(fees, idle=IdleRule(exempt=(NIGHT,))), monday=WINTER, time_zone=BERLIN)
    assert {calendar.topic: calendar.is_constant for calendar in week.calendars} == {
        Topic.ENERGY: True,
        Topic.TIME: True,
        Topic.FLAT: True,
        Topic.PARKING_TIME: False,
    }


def test_the_document_of_a_week() -> None:
    """`--json`: local instants with their offsets, listed and shown price as exact strings, null where not valid."""
    of = replace(windowed(NIGHT), end_date_time=at("2026-10-25T22:00Z"))
    of = replace(of, elements=(element(component(ENERGY, "0.4567", vat="19"), only=NIGHT), of.elements[1]))
    document = week_of(of, monday=AUTUMN, time_zone=BERLIN).document()
    assert document["clock_changes"] == [{"at": "2026-10-25T02:00:00+01:00", "before": "03:00", "after": "02:00"}]
    assert (document["tariff_id"], document["currency"]) == ("T1", "EUR")
    assert (document["monday"], document["time_zone"]) == ("2026-10-19", BERLIN)
    calendars = document["calendars"]
    assert isinstance(calendars, list)
    assert [(item["dimension"], item["unit"], item["constant"]) for item in calendars] == [
        ("ENERGY", "kWh", False),
        ("TIME", "h", True),
        ("FLAT", "session", True),
        ("PARKING_TIME", "h", True),
    ]
    sunday = calendars[0]["days"][6]
    assert sunday["date"] == "2026-10-25"
    assert sunday["hours"][3] == {
        "start": "2026-10-25T02:00:00+01:00",
        "end": "2026-10-25T03:00:00+01:00",
        "hour": 2,
        "repeated": True,
        "price": "0.4567",
        "vat": "19",
        "price_incl_vat": "0.543473",
        "tiered": False,
        "changes": [],
    }
    assert sunday["hours"][24]["price"] is None
    assert sunday["hours"][23]["changes"][0]["at"] == "2026-10-25T22:30:00+01:00"
    assert calendars[1]["days"][0]["hours"][0]["price"] == "0"


def test_prices_that_include_tax_are_shown_as_listed() -> None:
    """OCPI 2.3.0 `tax_included` YES (billing note 31)."""
    of = replace(windowed(Restrictions()), tax_included=TaxIncluded.YES)
    shown = next(energy(week_of(of, monday=WINTER, time_zone=BERLIN)).seen())
    assert shown.price is not None
    assert shown.price.amount == shown.price.listed == Decimal("0.2")


def test_a_week_begins_on_any_date() -> None:
    """Seven days from the date that is given, at its local midnight."""
    week = week_of(windowed(NIGHT), monday=date(2026, 11, 26), time_zone=BERLIN)
    assert energy(week).days[0][0].start.astimezone(UTC) == at("2026-11-25T23:00Z")
    assert len(energy(week).days) == 7

"""Random tariffs for the tests of price texts and calendars."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

from hypothesis import strategies as st
from tests.tariffs.building import component, element, tariff

from voltway.tariffs.model import Dimension, IdleRule, PriceLimit, Reservation, Restrictions, Tariff, TaxIncluded

_PRICES = st.sampled_from(["0", "0.3", "0.4567", "2", "50"])
_VATS = st.sampled_from([None, "0", "8.25", "19"])
_KINDS = st.sampled_from([Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT])
_TIMES = st.none() | st.sampled_from([time(0), time(2, 30), time(6), time(22, 15)])
_DATES = st.none() | st.sampled_from([date(2026, 11, 20), date(2026, 11, 27), date(2027, 1, 1)])
_BOUNDS = st.none() | st.sampled_from([Decimal(0), Decimal(10), Decimal("32.5")])
_SECONDS = st.none() | st.sampled_from([0, 90, 3600])

_COMPONENTS = st.builds(component, _KINDS, _PRICES, st.sampled_from([0, 1, 60, 1000]), _VATS)


@st.composite
def restrictions(draw: st.DrawFn) -> Restrictions:
    """Draw restrictions on a few axes."""
    clocks = Restrictions(draw(_TIMES), draw(_TIMES), draw(_DATES), draw(_DATES))
    days = tuple(draw(st.sets(st.integers(0, 6), max_size=4)))
    reserved = draw(st.sampled_from([None, None, None, *Reservation]))
    clocks = replace(clocks, day_of_week=days, reservation=reserved)
    match draw(st.sampled_from(["none", "energy", "duration", "power", "mixed"])):
        case "energy":
            return replace(clocks, min_kwh=draw(_BOUNDS), max_kwh=draw(_BOUNDS))
        case "duration":
            return replace(clocks, min_duration_s=draw(_SECONDS), max_duration_s=draw(_SECONDS))
        case "power":
            return replace(clocks, min_power=draw(_BOUNDS), max_power=draw(_BOUNDS))
        case "mixed":
            return replace(clocks, min_current=draw(_BOUNDS), max_kwh=draw(_BOUNDS))
    return clocks


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Draw a tariff with any elements, limits, idle rule and lock."""
    elements = [
        element(*draw(st.lists(_COMPONENTS, min_size=1, max_size=3)), only=draw(st.none() | restrictions()))
        for _ in range(draw(st.integers(1, 4)))
    ]
    drawn = tariff(
        *elements,
        least=draw(st.sampled_from([None, PriceLimit(Decimal(1))])),
        most=draw(st.sampled_from([None, PriceLimit(Decimal(10), Decimal(12))])),
        idle=draw(st.sampled_from([None, IdleRule(45), IdleRule(600, Decimal(5), (Restrictions(end_time=time(7)),))])),
        price_lock=draw(st.booleans()),
    )
    return replace(drawn, tax_included=draw(st.sampled_from(list(TaxIncluded))))

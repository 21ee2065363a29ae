"""What gives a sign at a site or in the network, and what must not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from voltway.monitoring.incidents.detectors import DETECTORS
from voltway.monitoring.incidents.model import EvseView, MeterView, Place, Sign, SiteView, StationView
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.timeline.model import Interval, OperatorState

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STATION = StationView(Place(1, 2), "S1", "Acme", "One", "1.0", (), True, T0, T0, None, None)


def after(seconds: float) -> datetime:
    """Return the instant so many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def site(*gone_s: float | None) -> SiteView:
    """Return a site of one station each: None is connected, a number gone since then."""
    stations = [replace(STATION, is_connected=it is None, since=after(it or 0)) for it in gone_s]
    return SiteView(Place(1), "A", "A", tuple(stations))


def outage(view: SiteView) -> Sign | None:
    """Return the sign of the shipped rule."""
    return DETECTORS["site_outage"].function(view, shipped()["site_outage"], after(900))


def network(views: Sequence[SiteView]) -> Sign | None:
    """Return the sign of the shipped rule."""
    return DETECTORS["network_outage"].function(views, shipped()["network_outage"], after(900))


def test_stations_that_vanish_together_are_one_outage_since_the_last_of_them() -> None:
    sign = outage(site(0, 60, 120, None))
    assert sign is not None
    assert (sign.value, sign.since) == (0.75, after(120))


@pytest.mark.parametrize(
    "view",
    [site(None, None, None), site(0, 0), site(0, 200, 400, 600), site(0, 0, None, None)],
    ids=["all here", "too few stations", "one after the other", "too few at once"],
)
def test_this_is_no_outage_of_a_site(view: SiteView) -> None:
    sign = outage(view)
    assert sign is None or sign.value < shipped()["site_outage"].threshold


def test_a_station_that_is_not_commissioned_counts_on_neither_side() -> None:
    view = site(0, 0, 0, None)
    planned = replace(STATION, is_connected=False, is_commissioned=False)
    sign = outage(replace(view, stations=(*view.stations, planned, planned)))
    assert sign is not None
    assert sign.value == 0.75


def test_an_outage_of_the_network_takes_ten_stations_at_two_sites() -> None:
    sign = network([site(*[1.0] * 6), site(*[2.0] * 6)])
    assert sign is not None
    assert (sign.value, sign.since) == (1.0, after(2))
    assert network([site(*[1.0] * 12), site(None)]) is None
    assert network([site(*[1.0] * 3), site(*[1.0] * 3)]) is None


def at(*states: OperatorState) -> SiteView:
    """Return a site whose EVSEs are in these states, each a minute after the one before."""
    evses = [
        EvseView(Place(1, 2, n), 22_000, Interval(after(60 * n), None, state, "", "", T0), None, MeterView())
        for n, state in enumerate(states)
    ]
    return SiteView(Place(1), "A", "A", (replace(STATION, evses=tuple(evses)),))


TAKEN = [OperatorState.CHARGING] * 3


def queue(view: SiteView) -> Sign | None:
    """Return the sign of the shipped rule."""
    return DETECTORS["queue_at_site"].function(view, shipped()["queue_at_site"], after(900))


def test_a_site_is_full_since_its_last_evse_was_taken_broken_ones_aside() -> None:
    sign = queue(at(*TAKEN, OperatorState.SUSPENDED_BY_CAR, OperatorState.FAULTED))
    assert sign is not None
    assert (sign.value, sign.since) == (1.0, after(180))


@pytest.mark.parametrize(
    "states",
    [
        [*TAKEN, OperatorState.CHARGING, OperatorState.AVAILABLE],
        [*TAKEN, OperatorState.CHARGING, OperatorState.RESERVED],
        TAKEN,
        [*TAKEN, OperatorState.CHARGING, *[OperatorState.OFFLINE] * 5],
        [],
    ],
    ids=["one is free", "one is reserved", "too small", "mostly out of service", "empty"],
)
def test_a_site_is_not_full(states: list[OperatorState]) -> None:
    assert queue(at(*states)) is None

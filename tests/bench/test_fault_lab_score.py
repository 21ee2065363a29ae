"""The scoring of detection: an engine that knows gets 1 and 1, a mute one 0, and what is false is counted as false."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rig.lab.judging import Mute, Wolf, all_knowing, openings_of
from rig.lab.month import Month, made_month
from rig.lab.ranges import Recipe, read_recipe
from rig.lab.score import UNKNOWN, Score, Tally, is_at, scored
from rig.lab.stream import Label, Opening, Place

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATION = Place(3, 17, 0)
EVSE = Place(3, 17, 2)
SITE = Place(3)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe()


def label(kind: str, place: Place, *, hours: float = 2, at: datetime = AT, is_required: bool = True) -> Label:
    return Label(kind, place, at, at + timedelta(hours=hours), 1.0, is_required=is_required)


def opening(rule: str, place: Place, *, minutes: float = 10) -> Opening:
    return Opening(rule, place, AT + timedelta(minutes=minutes))


def score_of(recipe: Recipe, truth: list[Label], openings: list[Opening]) -> Score:
    return scored(recipe, truth, openings, evse_days=1000)


def counts(score: Score, kind: str) -> tuple[int, int, int, int, int]:
    tally = score.tallies[kind]
    return tally.labels, tally.found, tally.false, tally.duplicates, tally.secondary


@pytest.fixture(scope="module")
def month(recipe: Recipe) -> Month:
    return made_month(replace(recipe, evses=200), 3, days=2)


def test_engines_that_prove_the_scoring(recipe: Recipe, month: Month) -> None:
    """On a real month: mute finds nothing and cries nothing, the all-knowing finds all, the wolf's cries are false."""
    assert openings_of(month, Mute(), tick_s=3600) == []
    assert month.truth
    mute = scored(recipe, month.truth, [], evse_days=month.evse_days)
    assert (mute.recall, mute.false_per_1000) == (0, 0)
    known = scored(recipe, month.truth, list(all_knowing(recipe, month.truth)), evse_days=month.evse_days)
    assert (known.recall, known.false_per_1000) == (1, 0)
    assert all(tally.precision in {None, 1.0} for tally in known.tallies.values())
    cries = openings_of(month, Wolf("meter_anomaly", Place(9999, 1, 1)), tick_s=3600)
    wolf = scored(recipe, month.truth, cries, evse_days=month.evse_days)
    assert wolf.recall == 0
    assert wolf.tallies["meter"].false == len(cries) == 3


def test_a_fault_is_found_within_its_time(recipe: Recipe) -> None:
    """From onset to end + tolerance; before and after, the incident is false and the fault missed."""
    truth = [label("faulted", EVSE)]
    assert counts(score_of(recipe, truth, [opening("faulted", EVSE)]), "faulted") == (1, 1, 0, 0, 0)
    late = 120 + recipe.kinds["faulted"].tolerance_s / 60
    assert counts(score_of(recipe, truth, [opening("faulted", EVSE, minutes=late)]), "faulted")[1] == 1
    for minutes in (-1, late + 1):
        missed = score_of(recipe, truth, [opening("faulted", EVSE, minutes=minutes)])
        assert counts(missed, "faulted") == (1, 0, 1, 0, 0)
        assert missed.tallies["faulted"].missed == truth


def test_the_rule_must_be_of_the_kind(recipe: Recipe) -> None:
    """Another rule at the right place and time is false, under its own kind or under "other rules"."""
    truth = [label("faulted", EVSE)]
    assert counts(score_of(recipe, truth, [opening("temperature", EVSE)]), "temperature")[2] == 1
    assert counts(score_of(recipe, truth, [opening("a_rule_of_their_own", EVSE)]), UNKNOWN)[2] == 1


@pytest.mark.parametrize(
    ("truth", "said", "fits"),
    [
        (EVSE, EVSE, True),
        (EVSE, STATION, True),
        (EVSE, Place(3, 17, 1), False),
        (EVSE, SITE, False),
        (STATION, STATION, True),
        (STATION, EVSE, False),
        (STATION, Place(3, 18), False),
        (SITE, SITE, True),
        (SITE, STATION, False),
        (SITE, Place(4), False),
        (SITE, Place(), False),
    ],
)
def test_the_place_must_fit(truth: Place, said: Place, fits: bool) -> None:  # noqa: FBT001 - a table's column
    """An incident of the station tells of its EVSE; a wider one tells of nothing, and a site's fault is the site's."""
    assert is_at(truth, said) is fits


def test_a_second_incident_is_a_duplicate(recipe: Recipe) -> None:
    """Counted and shown, true, and found once only."""
    found = score_of(recipe, [label("low_power", EVSE)], [opening("low_power", EVSE), opening("low_power", EVSE)])
    assert counts(found, "low_power") == (1, 1, 0, 1, 0)
    assert found.tallies["low_power"].precision == 1


def test_two_faults_need_two_incidents(recipe: Recipe) -> None:
    """Where both fit, the second incident finds the second fault."""
    truth = [label("faulted", EVSE), label("faulted", EVSE, at=AT + HOUR / 12)]
    one = score_of(recipe, truth, [opening("faulted", EVSE)])
    two = score_of(recipe, truth, [opening("faulted", EVSE), opening("faulted", EVSE, minutes=20)])
    assert (one.tallies["faulted"].found, two.tallies["faulted"].found) == (1, 2)


def test_what_follows_from_a_named_fault_is_not_false(recipe: Recipe) -> None:
    """Stations offline within a site's outage: only this pair, only there and then."""
    outage = [label("site_outage", SITE)]
    assert counts(score_of(recipe, outage, [opening("station_offline", STATION)]), "site_outage") == (1, 0, 0, 0, 1)
    elsewhere = score_of(recipe, outage, [opening("station_offline", Place(4, 30))])
    assert counts(elsewhere, "station_offline")[2] == 1
    later = score_of(recipe, outage, [opening("station_offline", STATION, minutes=300)])
    assert counts(later, "station_offline")[2] == 1
    other = score_of(recipe, outage, [opening("flapping_connection", STATION)])
    assert counts(other, "flapping")[2] == 1


def test_an_outage_is_one_incident_of_the_site(recipe: Recipe) -> None:
    """Twenty incidents of stations do not find it; one of the site does."""
    outage = [label("site_outage", SITE)]
    twenty = score_of(recipe, outage, [opening("station_offline", Place(3, number)) for number in range(1, 21)])
    assert counts(twenty, "site_outage") == (1, 0, 0, 0, 20)
    assert counts(score_of(recipe, outage, [opening("station_offline", SITE)]), "site_outage") == (1, 1, 0, 0, 0)


def test_what_need_not_be_found_is_neither_missed_nor_false(recipe: Recipe) -> None:
    """A small site that is full: no label that counts, and its incident is true."""
    truth = [label("queue", SITE, is_required=False)]
    silent, told = score_of(recipe, truth, []), score_of(recipe, truth, [opening("queue_at_site", SITE)])
    assert counts(silent, "queue") == (0, 0, 0, 0, 0)
    assert counts(told, "queue") == (0, 0, 0, 0, 0)
    assert (told.tallies["queue"].true, told.tallies["queue"].delays_s) == (1, [])


def test_delays_and_sums(recipe: Recipe) -> None:
    """Median and 95th percentile from onset to incident; months add up."""
    truth = [label("faulted", Place(3, number, 1)) for number in range(1, 5)]
    openings = [opening("faulted", Place(3, number, 1), minutes=number) for number in range(1, 5)]
    total = Score({}, 0)
    for _ in range(2):
        total.add(score_of(recipe, truth, openings))
    tally = total.tallies["faulted"]
    assert (tally.labels, tally.found, total.evse_days, total.recall) == (8, 8, 2000, 1.0)
    assert tally.delay_s() == 150
    assert tally.delay_s(p95=True) == pytest.approx(240, abs=30)


def test_no_labels_have_no_recall() -> None:
    """Nothing to find and nothing opened: no number is made up."""
    empty = Tally("faulted")
    assert (empty.recall, empty.precision, empty.delay_s()) == (None, None, None)


def test_false_incidents_are_per_1000_evse_days(recipe: Recipe) -> None:
    """Three in 1,000 EVSE-days."""
    openings = [opening("temperature", Place(3, number, 1)) for number in range(1, 4)]
    assert score_of(recipe, [], openings).false_per_1000 == 3

"""Which incident a symptom is a part of."""

from dataclasses import replace

import pytest

from voltway.monitoring.incidents import grouping
from voltway.monitoring.incidents.model import Place, Rule, Scope
from voltway.monitoring.incidents.rules import shipped

HERE = Place(3, 7, 2)
STATION = Place(3, 7)
RULES = shipped()
AWAY, SITE, NETWORK = (RULES[code] for code in ("station_offline", "site_outage", "network_outage"))


def home(rule: Rule, *raised: tuple[str, Place]) -> str:
    """Return the group of a symptom while these are raised."""
    place = STATION if rule.scope == "station" else Place(3)
    return grouping.home_of(rule, place, RULES, lambda code, where: (code, where) in raised)


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("evse", "faulted@evse/7/2"),
        ("station", "faulted@station/7"),
        ("site", "faulted@site/3"),
        ("network", "faulted"),
    ],
)
def test_the_key_names_the_rule_and_the_place_it_groups_by(scope: Scope, key: str) -> None:
    assert grouping.group_key(replace(RULES["faulted"], group_by=scope), HERE) == key


def test_a_station_that_is_away_alone_is_an_incident_of_its_own() -> None:
    assert home(AWAY) == "station_offline@station/7"


def test_it_is_a_part_of_the_outage_of_its_site_and_of_no_other() -> None:
    assert home(AWAY, ("site_outage", Place(3))) == "site_outage@site/3"
    assert home(AWAY, ("site_outage", Place(4))) == "station_offline@station/7"


def test_the_outage_of_the_network_wins_over_that_of_the_site() -> None:
    both = (("site_outage", Place(3)), ("network_outage", Place()))
    assert home(AWAY, *both) == "network_outage"
    assert home(SITE, *both) == "network_outage"


def test_an_outage_of_the_network_is_a_part_of_nothing() -> None:
    assert home(NETWORK, ("site_outage", Place(3)), ("network_outage", Place())) == "network_outage"


def test_other_faults_stay_their_own_during_an_outage() -> None:
    assert home(RULES["clock_drift"], ("site_outage", Place(3))) == "clock_drift@station/7"


def test_a_rule_that_is_off_takes_nothing_in() -> None:
    rules = {**RULES, "site_outage": replace(SITE, enabled=False)}
    assert grouping.home_of(AWAY, STATION, rules, lambda *_: True) == "network_outage"
    rules["network_outage"] = replace(NETWORK, enabled=False)
    assert grouping.home_of(AWAY, STATION, rules, lambda *_: True) == "station_offline@station/7"


def test_what_takes_in_and_what_is_taken_in() -> None:
    assert {code for code, rule in RULES.items() if grouping.is_mass(rule)} == {"site_outage", "network_outage"}
    assert {code for code, rule in RULES.items() if grouping.may_be_part(rule)} == {"station_offline", "site_outage"}

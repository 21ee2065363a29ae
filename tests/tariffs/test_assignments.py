"""Which tariff applies: priority, then the most specific target, then the token's own group, then the newest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.ids import TariffId
from voltway.tariffs.assignments import Assignment, Place, Start, TargetKind, Version, choose, find_version, version_at

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PLACE = Place("CP-1", 2, ("fast", "city"), "L1")


def _assigned(tariff_id: str, kind: str, target: str, **more: Any) -> Assignment:
    values: dict[str, Any] = {
        "id": 1, "token_group": None, "priority": 0, "valid_from": None, "valid_to": None, "created_at": AT, **more
    }  # fmt: skip
    return Assignment(tariff_id=TariffId(tariff_id), target_kind=TargetKind(kind), target=target, **values)


EVERY = [
    _assigned("operator", "operator", ""),
    _assigned("location", "location", "L1"),
    _assigned("group", "group", "city"),
    _assigned("station", "station", "CP-1"),
    _assigned("evse", "evse", "CP-1/2"),
]
DAY = timedelta(days=1)


def _chosen(assignments: list[Assignment], token_group: str | None = None, place: Place = PLACE) -> str | None:
    found = choose(assignments, place, token_group=token_group, at=AT)
    return None if found is None else found.tariff_id


@pytest.mark.parametrize("count", range(1, 6))
def test_the_most_specific_target_wins(count: int) -> None:
    names = ["operator", "location", "group", "station", "evse"]
    assert _chosen(EVERY[:count]) == names[count - 1]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("CP-1", 1, ("fast", "city"), "L1"), "station"),
        (Place("CP-9", 2, ("city",), "L1"), "group"),
        (Place("CP-9", 2, (), "L1"), "location"),
        (Place("CP-9", 2, ("slow",)), "operator"),
    ],
)
def test_a_target_covers_only_its_own_place(place: Place, expected: str) -> None:
    assert _chosen(EVERY, place=place) == expected


@pytest.mark.parametrize(
    ("more", "token_group", "expected"),
    [
        ({"priority": 1}, None, "special"),
        ({"priority": -1}, None, "evse"),
        ({"priority": 1, "valid_from": AT}, None, "special"),
        ({"priority": 1, "valid_from": AT + DAY}, None, "evse"),
        ({"priority": 1, "valid_to": AT}, None, "evse"),
        ({"priority": 1, "valid_to": AT + DAY}, None, "special"),
        ({"priority": 1, "token_group": "fleet"}, None, "evse"),
        ({"priority": 1, "token_group": "fleet"}, "other", "evse"),
        ({"priority": 1, "token_group": "fleet"}, "fleet", "special"),
    ],
)
def test_priority_goes_before_place_where_it_holds(
    more: dict[str, Any], token_group: str | None, expected: str
) -> None:
    """A validity includes its first instant and excludes its last."""
    assert _chosen([*EVERY, _assigned("special", "operator", "", **more)], token_group) == expected


def test_the_tokens_own_group_goes_before_everybody_and_the_newest_before_the_old() -> None:
    own = _assigned("own", "evse", "CP-1/2", token_group="fleet")
    newer = _assigned("newer", "evse", "CP-1/2", created_at=AT + DAY)
    assert _chosen([*EVERY, newer, own], "fleet") == "own"
    assert _chosen([newer, *EVERY]) == "newer"
    assert _chosen([]) is None


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param([], None, id="no such tariff"),
        pytest.param([Version(1, AT - DAY), Version(2, AT), Version(3, AT + DAY)], 2, id="the newest that existed"),
        pytest.param([Version(1, AT + DAY), Version(2, AT + DAY)], 1, id="before all of them the first"),
        pytest.param([Version(1, AT - DAY), Version(2, AT, valid_from=AT + DAY)], 1, id="given ahead of its validity"),
        pytest.param([Version(1, AT - DAY), Version(2, AT, valid_from=AT)], 2, id="its first instant"),
        pytest.param(
            [Version(1, AT - DAY, valid_to=AT), Version(2, AT - DAY, valid_from=AT)], 2, id="one after another"
        ),
        pytest.param([Version(1, AT - DAY, valid_to=AT)], None, id="its validity is over: no tariff, never free"),
        pytest.param([Version(1, AT + DAY, valid_from=AT + DAY)], None, id="not yet"),
    ],
)
def test_the_version_that_applies(versions: list[Version], expected: int | None) -> None:
    """OCPI's start_date_time is inclusive, end_date_time exclusive; a version may be entered before it is valid."""
    assert version_at(versions, AT) == expected


def test_where_a_tariff_is_over_the_next_assignment_is_asked() -> None:
    """Assign the old and the new tariff: they replace each other (mod_tariffs, tariff end date)."""
    old, new = _assigned("old", "station", "CP-1"), _assigned("new", "operator", "")
    versions = {
        TariffId("old"): [Version(1, AT - DAY, valid_to=AT)],
        TariffId("new"): [Version(1, AT - DAY), Version(2, AT - DAY, valid_from=AT)],
    }
    found = [find_version([old, new], versions, Start(PLACE, at)) for at in (AT - timedelta(seconds=1), AT)]
    assert found == [("old", 1), ("new", 2)]
    assert find_version([old], versions, Start(PLACE, AT)) is None


@given(st.permutations(EVERY))
def test_the_order_of_assignments_does_not_matter(shuffled: list[Assignment]) -> None:
    assert _chosen(shuffled) == "evse"

"""CSV into typed rows: every fault is found at once, at its line and field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.httpapi.tables import (
    Column,
    choice_cell,
    instant_cell,
    number_cell,
    read_table,
    text_cell,
    words_cell,
    zone_cell,
)
from voltway.stations.model import Approval

COLUMNS = (
    Column("id", text_cell(10), is_required=True),
    Column("lat", number_cell(-90, 90)),
    Column("zone", zone_cell, empty="UTC"),
    Column("at", instant_cell),
    Column("approval", choice_cell(Approval)),
    Column("groups", words_cell, empty=[]),
)


def test_cells_become_values() -> None:
    rows, faults = read_table(
        "id,lat,zone,at,approval,groups\nA, 52.5 ,,2026-03-01T12:00:00+01:00,pending,a; b;\n", COLUMNS
    )
    assert not faults
    assert rows[0].values == {
        "id": "A",
        "lat": 52.5,
        "zone": "UTC",
        "at": instant_cell("2026-03-01T11:00:00Z"),
        "approval": "pending",
        "groups": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ("", ["1:1"]),
        ("nope,id\n", ["1:1"]),
        ("lat\n1\n", ["1:1"]),
        ("id,id\n", ["1:2"]),
        ("id,lat\nA\n", ["2:2"]),
        ("id,lat\nA,1,2\n", ["2:3"]),
        ("id,lat\n,91\n\nB,1,5\nC,north\n", ["2:1", "2:2", "4:3", "5:2"]),
        ('id,lat\n"A', ["2:1"]),
        ("id,zone,at,approval\nA,Mars/Olympus,yesterday,maybe\n", ["2:2", "2:3", "2:4"]),
        ("id\nABCDEFGHIJK\n", ["2:1"]),
    ],
)
def test_every_fault_has_its_place(text: str, pointers: list[str]) -> None:
    assert [fault.pointer for fault in read_table(text, COLUMNS)[1]] == pointers


def test_lines_are_counted_as_an_editor_does() -> None:
    """A quoted cell may hold line ends, blank lines are skipped, a byte order mark is not part of the first name."""
    rows, faults = read_table('\ufeffid,groups\r\nA,"a;\r\nb"\r\n\r\nB,\r\n', COLUMNS)
    assert not faults
    assert [(row.line, row.values["groups"]) for row in rows] == [(2, ["a", "b"]), (5, [])]


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever is uploaded ends in rows and faults, never in an error."""
    rows, faults = read_table("id,lat,groups\n" + text, COLUMNS)
    assert all(row.values["id"] for row in rows)
    assert all(fault.message for fault in faults)

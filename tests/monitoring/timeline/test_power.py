"""Power up the electrical tree: every level is the sum of what hangs on it."""

from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.timeline.power import Flow, Node, summed

TREE = [
    Node(1, None, "GRID", "grid", "PORT", 200_000),
    Node(2, 1, "F1", "feeder", "PORT", 100_000),
    Node(3, 1, "F2", "feeder", "PORT", 100_000),
    Node(4, 2, "P1", "panel", "PORT", 50_000),
]


def test_a_feeder_carries_what_hangs_below_it() -> None:
    """A panel's power flows through its feeder and the grid connection, not through the other feeder."""
    flows = [
        Flow("A", 1, "PORT", 4, 10_000.0),
        Flow("A", 2, "PORT", 4, 5_000.0),
        Flow("B", 1, "PORT", 3, 7_000.0),
        Flow("C", 1, "PORT", None, 1_000.0),
        Flow("D", 1, None, None, 2_000.0),
    ]
    power = summed(flows, TREE)
    assert power.feeders_w == {
        ("PORT", "GRID"): 22_000.0,
        ("PORT", "F1"): 15_000.0,
        ("PORT", "F2"): 7_000.0,
        ("PORT", "P1"): 15_000.0,
    }
    assert power.sites_w == {"PORT": 23_000.0}
    assert power.stations_w == {"A": 15_000.0, "B": 7_000.0, "C": 1_000.0, "D": 2_000.0}
    assert power.evses_w["A", 2] == 5_000.0
    assert power.network_w == 25_000.0


def test_a_feeder_without_flow_is_told_as_zero() -> None:
    assert set(summed([], TREE).feeders_w.values()) == {0.0}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"), st.integers(1, 2), st.sampled_from([None, 1, 2, 3, 4]), st.integers(0, 50_000)
        )
    )
)
def test_levels_sum_to_the_network(rows: list[tuple[str, int, int | None, int]]) -> None:
    """Stations and EVSEs sum to the network; a node carries at least what each node below it carries."""
    power = summed([Flow(name, evse, "PORT", node, float(w)) for name, evse, node, w in rows], TREE)
    assert sum(power.stations_w.values()) == sum(power.evses_w.values()) == power.network_w
    assert power.feeders_w["PORT", "GRID"] >= power.feeders_w["PORT", "F1"] >= power.feeders_w["PORT", "P1"]


def test_a_circle_in_the_tree_ends() -> None:
    """The service refuses one; a reader must not hang on it all the same."""
    tree = [Node(1, 2, "A", "feeder", "PORT", None), Node(2, 1, "B", "feeder", "PORT", None)]
    assert summed([Flow("A", 1, "PORT", 1, 5.0)], tree).feeders_w == {("PORT", "A"): 5.0, ("PORT", "B"): 5.0}

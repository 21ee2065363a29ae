"""A session's energy over quarter hours: it sums to what is billed, follows the registers and ignores nonsense."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.numbers.rollup import QUARTER, Charge, split

START = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


_minutes = st.floats(-30, 300, allow_nan=False)
_registers = st.lists(st.tuples(_minutes.map(_at), st.integers(0, 10**9)), max_size=12)


@st.composite
def _charges(draw: st.DrawFn) -> Charge:
    begin = draw(st.floats(0, 100, allow_nan=False))
    length = draw(st.floats(0, 200, allow_nan=False))
    return Charge(
        _at(begin), _at(begin + length), draw(st.integers(0, 10**9)), draw(_registers),
        draw(st.none() | st.integers(0, 10**9)),
    )  # fmt: skip


@given(_charges())
def test_the_quarters_sum_to_what_is_billed(charge: Charge) -> None:
    """No milliwatt-hour is lost or made, whatever the registers say, and none lies outside the session."""
    parts = split(charge)
    assert sum(parts.values()) == charge.energy_milliwh
    assert all(part > 0 for part in parts.values())
    assert all(charge.begin - QUARTER < at <= charge.end for at in parts)
    assert all(at.minute % 15 == 0 and (at.second, at.microsecond) == (0, 0) for at in parts)


@given(_charges(), st.randoms())
def test_the_order_and_the_repetition_of_readings_change_nothing(charge: Charge, rng: object) -> None:
    """Late and repeated readings give the same quarters."""
    shuffled = [*charge.registers, *charge.registers]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    again = Charge(charge.begin, charge.end, charge.energy_milliwh, shuffled, charge.register_begin_milliwh)
    assert split(again) == split(charge)


@given(st.integers(1, 10**12), st.integers(1, 10**5))
def test_no_quarter_is_off_by_a_milliwatt_hour(energy: int, length_s: int) -> None:
    """At even power each part is within one of its share, and the parts up to any quarter are rounded down."""
    parts = split(Charge(_at(0), _at(0) + timedelta(seconds=length_s), energy))
    flowed = 0
    for number in range(-(-length_s // 900)):
        part = parts.get(_at(15 * number), 0)
        inside_s = min(900, length_s - 900 * number)
        assert abs(part * length_s - energy * inside_s) < length_s
        flowed += part
        assert flowed == energy * (900 * number + inside_s) // length_s


def test_registers_say_when_energy_flowed() -> None:
    """4 kWh in the first 20 minutes, 2 kWh in the next 40: even flow between two readings."""
    charge = Charge(_at(0), _at(60), 6_000_000, [(_at(20), 104_000_000)], 100_000_000)
    assert split(charge) == {
        _at(0): 3_000_000,
        _at(15): 1_000_000 + 500_000,
        _at(30): 750_000,
        _at(45): 750_000,
    }


def test_a_session_without_readings_is_even() -> None:
    """Nothing better is known."""
    assert split(Charge(_at(0), _at(30), 1_001)) == {_at(0): 500, _at(15): 501}


def test_a_session_of_no_length_is_one_quarter() -> None:
    """Begin and end at the same instant, as some stations report a session that was offline."""
    assert split(Charge(_at(7), _at(7), 42)) == {_at(0): 42}
    assert split(Charge(_at(7), _at(3), 42)) == {_at(0): 42}


def test_nothing_flows_of_nothing() -> None:
    """A session without energy has no quarters."""
    assert split(Charge(_at(0), _at(60), 0)) == {}


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)])
def test_days_of_23_and_25_hours_have_their_quarters(day: tuple[int, int, int], hours: int) -> None:
    """A local day at even power has as many quarters as it has, each with the same energy."""
    zone = ZoneInfo("Europe/Berlin")
    local = datetime(*day, tzinfo=zone)
    begin, end = local.astimezone(UTC), (local + timedelta(days=1)).astimezone(UTC)
    assert set(split(Charge(begin, end, hours * 4 * 1_000)).values()) == {1_000}
    assert len(split(Charge(begin, end, hours * 4 * 1_000))) == hours * 4

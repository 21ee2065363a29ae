"""When a route tells: never in quiet hours, nothing lost, in order, digests that sum up; also when clocks change."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.notify.schedule import Event, Hours, Schedule, Window, due, is_quiet, plan, quiet_end

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]
NIGHT = Hours(time(22), time(6))
# Berlin skips 02:00 to 03:00 on the 29th of March and has 02:00 to 03:00 twice on the 25th of October 2026.
STARTS = [
    datetime(2026, 3, 28, 12, tzinfo=UTC),
    datetime(2026, 10, 24, 12, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
]

minutes_of_day = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
quiets = st.one_of(
    st.none(),
    st.tuples(minutes_of_day, minutes_of_day).filter(lambda pair: pair[0] != pair[1]).map(lambda it: Hours(*it)),
)
schedules = st.builds(
    Schedule, quiet=quiets, digest_min=st.one_of(st.none(), st.integers(1, 300)), critical_passes=st.booleans()
)
events = st.lists(
    st.builds(Event, st.integers(0, 36 * 3600).map(lambda second: timedelta(seconds=second)), st.booleans()),
    max_size=30,
)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Schedule, list[Event], ZoneInfo]:
    """A schedule, events of a day and a half around a change of the clock, and a zone."""
    start = draw(st.sampled_from(STARTS))
    drawn = draw(events)
    timed = [Event(start + event.at, event.is_critical) for event in drawn]  # type: ignore[operator]
    return draw(schedules), sorted(timed), draw(st.sampled_from(ZONES))


def _passes(schedule: Schedule, event: Event) -> bool:
    return event.is_critical and schedule.critical_passes


@given(plans())
def test_nothing_is_lost_and_nothing_told_twice(drawn: tuple[Schedule, list[Event], ZoneInfo]) -> None:
    schedule, timed, zone = drawn
    told = [number for message in plan(schedule, timed, zone) for number in message.events]
    assert sorted(told) == list(range(len(timed)))


@given(plans())
def test_nothing_is_told_in_quiet_hours_or_too_early(drawn: tuple[Schedule, list[Event], ZoneInfo]) -> None:
    """Except what passes; and what passes is not late."""
    schedule, timed, zone = drawn
    for message in plan(schedule, timed, zone):
        for number in message.events:
            event = timed[number]
            assert message.due >= event.at
            if _passes(schedule, event):
                assert message.due == event.at
            else:
                assert not is_quiet(schedule.quiet, message.due, zone)


@given(plans())
def test_order_is_kept(drawn: tuple[Schedule, list[Event], ZoneInfo]) -> None:
    """Among what waits and among what passes, in a message and from message to message."""
    schedule, timed, zone = drawn
    messages = plan(schedule, timed, zone)
    assert all(before.due <= after.due for before, after in pairwise(messages))
    for passes in (True, False):
        told = [it for message in messages for it in message.events if _passes(schedule, timed[it]) == passes]
        if schedule.digest_min is not None or schedule.quiet is not None or passes:
            assert told == sorted(told)


@given(plans())
def test_a_digest_sums_up(drawn: tuple[Schedule, list[Event], ZoneInfo]) -> None:
    """Between two digests lies at least what the route asks for; no event waits longer than that and the night."""
    schedule, timed, zone = drawn
    if schedule.digest_min is None:
        return
    digests = [message for message in plan(schedule, timed, zone) if message.held]
    gap = timedelta(minutes=schedule.digest_min)
    assert all(after.due - before.due >= gap for before, after in pairwise(digests))
    for message in digests:
        first = timed[message.events[0]]
        assert message.due == quiet_end(schedule.quiet, first.at + gap, zone)


@given(st.sampled_from(STARTS), st.integers(0, 36 * 60), quiets, st.sampled_from(ZONES))
def test_the_end_of_quiet_is_its_first_minute(
    start: datetime, minute: int, quiet: Hours | None, zone: ZoneInfo
) -> None:
    """Every minute before it is quiet, it is not."""
    at = start + timedelta(minutes=minute)
    end = quiet_end(quiet, at, zone)
    assert not is_quiet(quiet, end, zone)
    assert all(
        is_quiet(quiet, at + timedelta(minutes=it), zone) for it in range(int((end - at) / timedelta(minutes=1)))
    )


@pytest.mark.parametrize(
    ("at", "quiet", "expected"),
    [
        # a plain night
        ("2026-03-02T23:30", NIGHT, "2026-03-03T05:00"),
        ("2026-03-02T12:00", NIGHT, "2026-03-02T12:00"),
        # the night of 23 hours: 06:00 comes an hour sooner
        ("2026-03-28T22:00", NIGHT, "2026-03-29T04:00"),
        # ends in the hour that does not exist: over as the clock jumps to 03:00
        ("2026-03-29T00:30", Hours(time(22), time(2, 30)), "2026-03-29T01:00"),
        # the night of 25 hours
        ("2026-10-24T21:00", NIGHT, "2026-10-25T05:00"),
        # 02:30 comes twice: quiet once more when the clock goes back
        ("2026-10-24T23:00", Hours(time(22), time(2, 30)), "2026-10-25T00:30"),
        ("2026-10-25T01:00", Hours(time(22), time(2, 30)), "2026-10-25T01:30"),
    ],
)
def test_quiet_nights_of_berlin(at: str, quiet: Hours, expected: str) -> None:
    """Times in UTC."""
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert quiet_end(quiet, instant, BERLIN) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_second_event_joins_the_digest_that_waits() -> None:
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    hourly = Schedule(digest_min=60)
    first = due(hourly, Event(start), BERLIN)
    assert first == start + timedelta(hours=1)
    assert due(hourly, Event(start + timedelta(minutes=59)), BERLIN, first) == first
    assert due(hourly, Event(first), BERLIN, first) == first + timedelta(hours=1)


def test_critical_waits_where_it_is_told_to() -> None:
    night = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    assert due(Schedule(NIGHT, 60), Event(night, is_critical=True), BERLIN) == night
    waits = Schedule(NIGHT, critical_passes=False)
    assert due(waits, Event(night, is_critical=True), BERLIN) == datetime(2026, 3, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "holds"),
    [
        ("2026-03-02T22:00", True),  # Monday night
        ("2026-03-03T05:59", True),  # still Monday's night
        ("2026-03-03T06:00", False),
        ("2026-03-03T22:00", False),  # Tuesday night
        ("2026-03-02T05:00", False),  # the night that began on Sunday
    ],
)
def test_a_night_belongs_to_the_day_it_begins(local: str, holds: bool) -> None:  # noqa: FBT001 - a table's column
    window = Window(frozenset({1}), NIGHT)
    assert window.holds(datetime.fromisoformat(local).replace(tzinfo=BERLIN), BERLIN) is holds


def test_an_empty_window_always_holds() -> None:
    assert Window().holds(datetime(2026, 3, 1, 3, tzinfo=UTC), BERLIN)
    assert not Window(frozenset({1})).holds(datetime(2026, 3, 1, 12, tzinfo=UTC), BERLIN)
    assert Window(frozenset({7}), Hours(time(8), time(17))).holds(datetime(2026, 3, 1, 7, tzinfo=UTC), BERLIN)

"""The watch in the laboratory: facts become the rows that production reads, and its timelines follow the month."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from rig.lab.archive import KEPT, TRIM_AT, Archive
from rig.lab.judging import openings_of
from rig.lab.ledger import REMEMBERED, Ledger
from rig.lab.month import Month, made_month
from rig.lab.ranges import Recipe, read_recipe
from rig.lab.stream import Asked, CertificateSeen, Event, LinkClosed, LinkOpened, Opening, What
from rig.lab.watch import WatchEngine
from voltway.kernel.facts import (
    ConnectorStatus,
    ConnectorStatusChanged,
    EnergyMetered,
    Notified,
    PresentedToken,
    Reading,
    ReadingContext,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StationBooted,
    TokenPresented,
    TokenStatus,
)
from voltway.kernel.ids import ConnectorId, EvseId, StationId, Token, TransactionId
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.timeline.model import EvseKey, Interval, OperatorState, Status
from voltway.monitoring.watch.model import Facts, Splice, StatusRow

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
STATION, EVSE, CONNECTOR = 7, EvseId(1), ConnectorId(1)
TOKEN = PresentedToken(Token("04AA"))


def minutes(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def reading(at: datetime, wh: int, power_w: float | None = None, extra: bytes | None = None) -> Reading:
    return Reading(at, ReadingContext.PERIODIC, wh * 1000, power_w, extra=extra)


def started(at: datetime, transaction: str = "T1", wh: int = 0) -> SessionStarted:
    return SessionStarted(EVSE, CONNECTOR, at, TOKEN, TransactionId(transaction), wh * 1000)


def ended(at: datetime, transaction: str = "T1", wh: int = 5000) -> SessionEnded:
    return SessionEnded(TransactionId(transaction), at, wh * 1000, "Local")


@pytest.fixture
def ledger() -> Ledger:
    """A ledger whose station is connected."""
    made = Ledger({(STATION, 1): 22_000})
    made.take(Event(AT - timedelta(hours=1), STATION, LinkOpened(1)), Facts())
    return made


def rows(ledger: Ledger, *told: tuple[float, What]) -> Facts:
    """Take in what was received at so many minutes."""
    facts = Facts()
    for at, what in told:
        ledger.take(Event(minutes(at), STATION, what), facts)
    return facts


def test_links_are_told_when_they_open_and_close() -> None:
    """The same link, then with its end as its last sign of life."""
    facts = rows(Ledger({}), (0, LinkOpened(1)), (5, LinkClosed(1)), (6, LinkOpened(1)))
    first, closed, second = (row.connection for row in facts.connections)
    assert first.link_id == closed.link_id != second.link_id
    assert (first.begin, first.end, closed.end, closed.last_seen_at) == (minutes(0), None, minutes(5), minutes(5))


def test_a_session_runs_through_its_facts(ledger: Ledger) -> None:
    """Start, reading, a 1.6 status, end: open with its energy, then ended; readings are meters of that session."""
    facts = rows(
        ledger,
        (0, started(minutes(0))),
        (0.2, ConnectorStatusChanged(EVSE, CONNECTOR, ConnectorStatus.CHARGING, minutes(0.2))),
        (15, EnergyMetered(EVSE, TransactionId("T1"), (reading(minutes(15), 2500, 10_000),), 1)),
        (30, ended(minutes(30))),
    )
    assert [row.is_open for row in facts.sessions] == [True, True, True, False]
    assert [row.energy_milliwh for row in facts.sessions][-2:] == [2_500_000, 5_000_000]
    assert facts.sessions[-1].spell.end == minutes(30)
    assert facts.sessions[-1].spell.history[0] == (minutes(0.2), "charging")
    assert [(row.has_session, row.power_w) for row in facts.meters] == [(True, 10_000)]
    assert facts.sessions[-1].anomalies == ()


def test_a_2x_session_and_its_late_repeat(ledger: Ledger) -> None:
    """An event that is repeated after the end opens nothing again."""
    said = SessionUpdated(
        EVSE, CONNECTOR, TransactionId("T1"), minutes(5), (reading(minutes(5), 100),), 1, None, None, False, "x"
    )
    start = replace(started(minutes(0)), seq_no=0)
    facts = rows(ledger, (0, start), (5, said), (30, replace(ended(minutes(30)), seq_no=2, evse_id=EVSE)), (31, said))
    assert not facts.sessions[-1].is_open
    assert ledger.open_on == {}


def test_registers_are_judged_at_the_end(ledger: Ledger) -> None:
    """As `sessions.finalise` does: a register that fell, whatever the order of arrival."""
    fell = rows(
        ledger,
        (0, started(minutes(0), wh=5000)),
        (15, EnergyMetered(EVSE, TransactionId("T1"), (reading(minutes(15), 9000),), 1)),
        (30, EnergyMetered(EVSE, TransactionId("T1"), (reading(minutes(30), 100),), 2)),
        (45, ended(minutes(45), wh=200)),
    )
    assert "register_fell" in {code for _, code in fell.sessions[-1].anomalies}


def test_a_second_start_supersedes_the_first(ledger: Ledger) -> None:
    """The older session is closed, and the newer one is open."""
    facts = rows(ledger, (0, started(minutes(0))), (60, started(minutes(60), "T2")))
    assert [(row.transaction_id, row.is_open) for row in facts.sessions] == [
        ("T1", True), ("T1", False), ("T2", True),
    ]  # fmt: skip


def test_readings_outside_sessions_are_nobodys(ledger: Ledger) -> None:
    """With temperature where it is reported."""
    warm = reading(minutes(0), 100, 5.0, b'{"temperature_c": 41.5}')
    facts = rows(ledger, (0, EnergyMetered(EVSE, None, (warm,), 1)))
    assert [(row.has_session, row.temperature_c) for row in facts.meters] == [(False, 41.5)]


def test_notices_requests_and_certificates(ledger: Ledger) -> None:
    """Tokens with our answer, boots, events, our wishes, certificates."""
    facts = rows(
        ledger,
        (0, StationBooted("V", "M", firmware="2")),
        (1, Notified("FirmwareStatusNotification", {"status": "Installed"})),
        (2, Asked(1, operative=False, acknowledgement="Accepted")),
        (3, CertificateSeen("station", minutes(999))),
    )
    ledger.take(Event(minutes(4), STATION, TokenPresented(TOKEN), TokenStatus.BLOCKED), facts)
    assert [row.notice.action for row in facts.notices] == [
        "BootNotification", "FirmwareStatusNotification", "Authorize",
    ]  # fmt: skip
    assert facts.notices[-1].notice.data == {"token": "04AA", "status": "Blocked"}
    assert facts.requests[0].request == (minutes(2), 1, False, "Accepted")
    assert facts.expiries == {STATION: {"station": minutes(999)}}


def test_a_clock_that_is_off_is_told_once(ledger: Ledger) -> None:
    """By periodic readings; the same offset again is no news."""
    facts = rows(
        ledger,
        (0, EnergyMetered(EVSE, None, (reading(minutes(-10), 1),), 1)),
        (1, EnergyMetered(EVSE, None, (reading(minutes(-9), 1),), 2)),
    )
    assert [row.clock_offset_ms for row in facts.connections] == [-600_000]
    late = rows(ledger, (2, ConnectorStatusChanged(EVSE, CONNECTOR, ConnectorStatus.AVAILABLE, minutes(-8))))
    assert late.statuses[0].status.at == minutes(2)


def test_the_ledger_forgets(ledger: Ledger) -> None:
    """Sessions that ended long ago are dropped, open ones stay."""
    rows(ledger, (0, started(minutes(0))), (30, ended(minutes(30))), (40, started(minutes(40), "T2")))
    ledger.forget(minutes(31) + REMEMBERED)
    assert [key[1] for key in ledger.sessions] == ["T2"]


def test_the_archive_gives_what_was_in_force() -> None:
    """Statuses since an instant and the last ones before it; the timeline from there on and the interval before."""
    archive = Archive()
    key = EvseKey(StationId(STATION), EVSE)
    said = [Status(minutes(n), minutes(n), 1, 1, word, "", "", "") for n, word in enumerate(("available", "preparing"))]
    archive.take(Facts(statuses=[StatusRow(STATION, it) for it in said]))
    assert set(archive.evidence(key, minutes(5)).statuses) == set(said)
    intervals = tuple(
        Interval(minutes(n), minutes(n + 1) if n < 3 else None, OperatorState.AVAILABLE, "", "", minutes(n))
        for n in range(4)
    )
    archive.splice(Splice(1, key, minutes(0), (), intervals, None))  # type: ignore[arg-type]
    assert [it.begin for it in archive.tail(key, minutes(2.5))] == [minutes(1), minutes(2), minutes(3)]


def test_the_archive_trims() -> None:
    """Old statuses go, the newest of each kind stays."""
    archive = Archive()
    said = [Status(minutes(n), minutes(n), 1, 1, "available", "", "", "") for n in range(TRIM_AT + 5)]
    archive.take(Facts(statuses=[StatusRow(STATION, it) for it in said]))
    archive.trim(minutes(TRIM_AT + 5) + KEPT)
    assert archive.statuses[STATION] == [said[-1]]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return replace(read_recipe(), evses=60, kinds={})


@pytest.fixture(scope="module")
def healthy(recipe: Recipe) -> Month:
    return made_month(recipe, 5, days=2)


def test_timelines_follow_the_month(healthy: Month) -> None:
    """Without gaps; in use as long as sessions lasted, and closed by intent only while we wished so."""
    engine = WatchEngine(healthy.network, healthy.recipe.begin, rules={})
    openings_of(healthy, engine)
    until = healthy.recipe.begin + timedelta(days=2)
    times: Counter[OperatorState] = Counter()
    for intervals in engine.timelines().values():
        assert all(one.end == two.begin for one, two in pairwise(intervals))
        for it in intervals:
            times[it.state] += ((it.end or until) - it.begin) // timedelta(seconds=1)
    lasted = session_seconds(healthy, until)
    used = sum(times[state] for state in (OperatorState.CHARGING, OperatorState.SUSPENDED_BY_CAR))
    assert used == pytest.approx(lasted, rel=0.03)
    assert times[OperatorState.FAULTED] == 0
    assert times[OperatorState.AVAILABLE] > times[OperatorState.OFFLINE] * 20


def session_seconds(month: Month, until: datetime) -> float:
    begun: dict[TransactionId | None, datetime] = {}
    lasted = timedelta(0)
    for event in month.events():
        if isinstance(event.what, SessionStarted):
            begun[event.what.transaction_id] = event.what.reported_at
        elif isinstance(event.what, SessionEnded):
            lasted += event.what.reported_at - begun.pop(event.what.transaction_id)
    return (lasted + sum((until - at for at in begun.values()), timedelta(0))).total_seconds()


def test_silences_are_counted_and_open_incidents(healthy: Month) -> None:
    """Choices are counted as sessions start, and the look at them every hour opens incidents where nobody came."""
    rule = replace(shipped()["silent_connector"], threshold=0.7, hold_s=0)
    opened = openings_of(healthy, WatchEngine(healthy.network, healthy.recipe.begin, {rule.code: rule}))
    assert {it.rule for it in opened} == {"silent_connector"}
    assert all(passed(healthy, it) >= 2 for it in opened)


def passed(month: Month, opening: Opening) -> int:
    """Return how many sessions started at an EVSE's siblings since its own last one, up to an incident of it."""
    stations = {
        it.station_id for site in month.network.sites if site.location_id == opening.place[0] for it in site.stations
    }
    others = 0
    for event in month.events():
        if event.at > opening.at:
            break
        if event.station_id in stations and isinstance(event.what, SessionStarted):
            is_own = (event.station_id, event.what.evse_id) == tuple(opening.place[1:])
            others = 0 if is_own else others + 1
    return others
